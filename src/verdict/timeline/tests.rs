use super::*;
use crate::protocol::{StopClass, StopReason, Usage};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn delta(channel: Channel, text: &str) -> StreamEvent {
    StreamEvent::Delta {
        channel,
        text: text.to_owned(),
    }
}

fn stop() -> StreamEvent {
    StreamEvent::Stop(StopReason {
        raw: "stop".to_owned(),
        class: StopClass::Complete,
    })
}

#[test]
fn marks_move_with_what_they_mark() {
    let mut timeline = Timeline::default();
    for (at, event) in [
        (5, StreamEvent::KeepAlive),
        (10, delta(Channel::Reasoning, "hm")),
        (40, delta(Channel::Tool, "{")),
        (50, delta(Channel::Text, "a")),
        (55, delta(Channel::Text, "b")),
        (60, stop()),
        (70, StreamEvent::Terminal),
        (80, StreamEvent::Terminal),
    ] {
        timeline.event(ms(at), event);
    }
    timeline.end(ms(90), Ending::Clean);
    let phases = timeline.phases;
    assert_eq!(phases.first_token, Some(ms(10)));
    assert_eq!(phases.first_output, Some(ms(50)));
    assert_eq!(phases.last_token, Some(ms(55)));
    assert_eq!(phases.gap_max, Some(ms(30)));
    assert_eq!(phases.stop, Some(ms(60)));
    assert_eq!(phases.terminal, Some(ms(70)));
    assert_eq!(phases.end, Some(ms(90)));
}

#[test]
fn a_refusal_is_output_and_an_empty_delta_is_nothing() {
    let mut timeline = Timeline::default();
    timeline.event(ms(1), delta(Channel::Text, ""));
    assert_eq!(timeline.phases, Phases::default());
    timeline.event(ms(2), delta(Channel::Refusal, "no"));
    assert_eq!(timeline.phases.first_output, Some(ms(2)));
    assert_eq!(timeline.phases.gap_max, None);
}

#[test]
fn without_a_terminal_event_the_reply_is_over_at_its_last_stop() {
    let mut timeline = Timeline::default();
    timeline.event(ms(10), delta(Channel::Text, "a"));
    timeline.event(ms(20), stop());
    timeline.event(ms(500), StreamEvent::TerminalByEnd);
    assert_eq!(timeline.phases.terminal, Some(ms(20)));

    timeline.event(ms(30), delta(Channel::Text, "late"));
    timeline.event(ms(500), StreamEvent::TerminalByEnd);
    assert_eq!(timeline.phases.terminal, Some(ms(30)));
}

#[test]
fn a_long_stream_stays_small() {
    let mut timeline = Timeline::default();
    for n in 0..20_000_u64 {
        timeline.event(ms(n), delta(Channel::Reasoning, "thinking "));
    }
    for n in 0..20_000_u64 {
        timeline.event(ms(n), delta(Channel::Text, "ab"));
    }
    for n in 0..20_000_u64 {
        timeline.event(ms(n), StreamEvent::KeepAlive);
    }
    for n in 0..20_000_u64 {
        let usage = Usage {
            output: Some(n),
            ..Usage::default()
        };
        timeline.event(ms(n), StreamEvent::Usage(usage));
    }
    assert_eq!(timeline.events.len(), 4);
    assert_eq!(timeline.chunks.len(), Timeline::CHUNK_MARKS);
    assert_eq!(timeline.chunks[..3], [0, 2, 4]);
    assert_eq!(timeline.text_bytes, 40_000);
    let StreamEvent::Delta { text, .. } = &timeline.events[0] else {
        panic!("the reasoning comes first")
    };
    assert_eq!(text.len(), Timeline::HIDDEN_BYTES);
    assert_eq!(
        timeline.events[3],
        StreamEvent::Usage(Usage {
            output: Some(19_999),
            ..Usage::default()
        })
    );
}
