#![expect(clippy::too_many_lines, reason = "tables of cases are long")]

use std::time::Duration;

use super::*;
use crate::{
    protocol::{Channel, ProviderError, StreamEvent},
    verdict::{Expected, Fault},
};

const ANSWER: &str = "one two three kestrel";

fn text(text: &str) -> StreamEvent {
    StreamEvent::Delta {
        channel: Channel::Text,
        text: text.to_owned(),
    }
}

fn stop(class: StopClass) -> StreamEvent {
    StreamEvent::Stop(StopReason {
        raw: "raw".to_owned(),
        class,
    })
}

fn error(class: ErrorClass) -> StreamEvent {
    StreamEvent::Error(ProviderError {
        class,
        code: None,
        message: "m".to_owned(),
        retry_after: Some(Duration::from_secs(3)),
    })
}

fn garbled() -> StreamEvent {
    StreamEvent::Garbled {
        detail: "g".to_owned(),
    }
}

fn fault(class: ErrorClass) -> Ending {
    Ending::Failed(Fault {
        class,
        detail: "broken pipe".to_owned(),
    })
}

fn canary(strict_terminal: bool) -> Expectation {
    Expectation {
        protocol: Protocol::OpenaiChat,
        strict_terminal,
        expected: Some(Expected::words(
            ANSWER.split(' ').map(str::to_owned).collect(),
            vec!["kestrel".to_owned(), "amber".to_owned()],
        )),
        model: None,
    }
}

fn real_request() -> Expectation {
    Expectation {
        expected: None,
        ..canary(true)
    }
}

fn timeline(events: &[StreamEvent], ending: Ending) -> Timeline {
    let mut timeline = Timeline {
        status: Some(200),
        ..Timeline::default()
    };
    for event in events {
        timeline.event(Duration::from_millis(5), event.clone());
    }
    timeline.end(Duration::from_millis(9), ending);
    timeline
}

fn verdict(events: &[StreamEvent], ending: Ending, expectation: &Expectation) -> String {
    judge(&timeline(events, ending), expectation).verdict.to_string()
}

#[test]
fn without_a_head_the_transport_is_judged() {
    let rows = [
        (fault(ErrorClass::Dns), "errored(dns)"),
        (fault(ErrorClass::Tls), "errored(tls)"),
        (Ending::Stalled, "errored(timeout)"),
        (Ending::Overtime, "errored(timeout)"),
        (Ending::Cancelled, "errored(cancelled)"),
        (Ending::Capped, "errored(protocol)"),
        (Ending::Clean, "errored(reset)"),
    ];
    for (ending, expected) in rows {
        let mut timeline = Timeline::default();
        timeline.end(Duration::ZERO, ending.clone());
        let got = judge(&timeline, &canary(true));
        assert_eq!(got.verdict.to_string(), expected, "{ending:?}");
        let Verdict::Errored(failure) = got.verdict else {
            panic!("{ending:?}")
        };
        assert_eq!(failure.at, FailedAt::Transport);
        assert!(got.detail.is_some());
    }
}

#[test]
fn another_status_is_an_error_of_its_class() {
    let timeline = Timeline {
        status: Some(429),
        headers: vec![("retry-after".to_owned(), "7".to_owned())],
        raw: br#"{"error":{"code":"rate_limit_exceeded","message":"slow"}}"#.to_vec(),
        ..Timeline::default()
    };
    let got = judge(&timeline, &canary(true));
    let at = FailedAt::Status(429);
    let class = ErrorClass::RateLimit;
    assert_eq!(got.verdict, Verdict::Errored(Failure { class, at }));
    assert_eq!(got.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(got.detail.as_deref(), Some("slow"));
}

#[test]
fn evidence_speaks_in_its_order() {
    use StopClass::{Complete, Limit, Paused, Refused, Tool, Unknown};
    use StreamEvent::Terminal;
    let reset = || fault(ErrorClass::Reset);
    let failing = StopClass::Error(ErrorClass::Overloaded);
    let rows = [
        (
            vec![text(ANSWER), stop(Complete), Terminal],
            Ending::Clean,
            "complete",
        ),
        (vec![text(ANSWER), stop(Complete), Terminal], reset(), "complete"),
        (
            vec![text(ANSWER), stop(Complete), Terminal],
            Ending::Stalled,
            "complete",
        ),
        (
            vec![text(ANSWER), stop(Complete), Terminal],
            Ending::Cancelled,
            "complete",
        ),
        (
            vec![
                text(ANSWER),
                stop(Complete),
                Terminal,
                error(ErrorClass::Overloaded),
            ],
            Ending::Clean,
            "errored(overloaded)",
        ),
        (
            vec![error(ErrorClass::Overloaded), garbled(), Terminal],
            reset(),
            "errored(overloaded)",
        ),
        (
            vec![error(ErrorClass::Timeout), error(ErrorClass::Overloaded)],
            Ending::Clean,
            "errored(timeout)",
        ),
        (
            vec![text("one"), stop(failing), Terminal],
            Ending::Clean,
            "errored(overloaded)",
        ),
        (
            vec![text("one"), stop(failing)],
            Ending::Clean,
            "errored(overloaded)",
        ),
        (
            vec![text(ANSWER), garbled(), stop(Complete), Terminal],
            Ending::Clean,
            "truncated(garbled)",
        ),
        (
            vec![text(ANSWER), stop(Complete), Terminal],
            Ending::Capped,
            "errored(protocol)",
        ),
        (vec![text(ANSWER)], Ending::Overtime, "errored(timeout)"),
        (vec![text(ANSWER)], Ending::Cancelled, "errored(cancelled)"),
        (vec![text(ANSWER)], Ending::Stalled, "truncated(stall)"),
        (vec![], Ending::Stalled, "truncated(stall)"),
        (
            vec![text(ANSWER), stop(Complete)],
            Ending::Stalled,
            "truncated(terminal_missing)",
        ),
        (vec![text(ANSWER)], Ending::Clean, "truncated(cut)"),
        (vec![text(ANSWER), Terminal], Ending::Clean, "truncated(cut)"),
        (vec![text(ANSWER)], reset(), "truncated(cut)"),
        (vec![], Ending::Clean, "truncated(empty)"),
        (vec![], reset(), "truncated(empty)"),
        (
            vec![StreamEvent::KeepAlive, Terminal],
            Ending::Clean,
            "truncated(empty)",
        ),
        (
            vec![text(ANSWER), stop(Complete)],
            Ending::Clean,
            "truncated(terminal_missing)",
        ),
        (
            vec![text(ANSWER), stop(Limit)],
            Ending::Clean,
            "truncated(terminal_missing)",
        ),
        (vec![text("one"), stop(Limit), Terminal], Ending::Clean, "limited"),
        (vec![stop(Refused), Terminal], Ending::Clean, "refused"),
        (
            vec![text(ANSWER), stop(Tool), Terminal],
            Ending::Clean,
            "off_script(tool_use)",
        ),
        (
            vec![text(ANSWER), stop(Paused), Terminal],
            Ending::Clean,
            "off_script(paused)",
        ),
        (
            vec![text(ANSWER), stop(Unknown), Terminal],
            Ending::Clean,
            "unknown",
        ),
        (
            vec![text(ANSWER), stop(Limit), stop(Complete), Terminal],
            Ending::Clean,
            "complete",
        ),
        (
            vec![stop(Complete), Terminal],
            Ending::Clean,
            "truncated(silent_empty)",
        ),
        (
            vec![text("one two"), stop(Complete), Terminal],
            Ending::Clean,
            "truncated(silent)",
        ),
        (
            vec![text("one kestrel"), stop(Complete), Terminal],
            Ending::Clean,
            "off_script(gap)",
        ),
        (
            vec![text("hello"), stop(Complete), Terminal],
            Ending::Clean,
            "off_script(text)",
        ),
    ];
    for (events, ending, expected) in rows {
        assert_eq!(
            verdict(&events, ending.clone(), &canary(true)),
            expected,
            "{events:?} {ending:?}"
        );
    }
}

#[test]
fn a_lax_preset_forgives_a_missing_terminal_event_only_to_a_whole_answer() {
    let lax = canary(false);
    let whole = [text(ANSWER), stop(StopClass::Complete)];
    let got = judge(&timeline(&whole, Ending::Clean), &lax);
    assert_eq!(got.verdict, Verdict::Complete);
    assert!(got.flags.contains(Flags::TERMINAL_LAX) && got.flags.contains(Flags::SENTINEL_FOUND));
    for events in [
        vec![text("one two"), stop(StopClass::Complete)],
        vec![text(ANSWER), stop(StopClass::Limit)],
    ] {
        assert_eq!(
            verdict(&events, Ending::Clean, &lax),
            "truncated(terminal_missing)"
        );
    }
    assert_eq!(verdict(&[text(ANSWER)], Ending::Clean, &lax), "truncated(cut)");
}

#[test]
fn somebody_elses_request_may_end_in_a_tool_call_and_say_anything() {
    let terminal = StreamEvent::Terminal;
    let tool = StreamEvent::Delta {
        channel: Channel::Tool,
        text: "{}".to_owned(),
    };
    let rows = [
        (
            vec![text("hello"), stop(StopClass::Complete), terminal.clone()],
            "complete",
        ),
        (
            vec![tool.clone(), stop(StopClass::Tool), terminal.clone()],
            "complete",
        ),
        (vec![stop(StopClass::Paused), terminal.clone()], "complete"),
        (
            vec![tool, stop(StopClass::Complete), terminal.clone()],
            "complete",
        ),
        (
            vec![stop(StopClass::Complete), terminal.clone()],
            "truncated(silent_empty)",
        ),
        (vec![text("hello"), stop(StopClass::Limit), terminal], "limited"),
        (vec![text("hello")], "truncated(cut)"),
    ];
    for (events, expected) in rows {
        assert_eq!(
            verdict(&events, Ending::Clean, &real_request()),
            expected,
            "{events:?}"
        );
    }
}

#[test]
fn a_refusal_in_words_is_a_refusal() {
    let refusal = StreamEvent::Delta {
        channel: Channel::Refusal,
        text: "no".to_owned(),
    };
    let events = [refusal, stop(StopClass::Complete), StreamEvent::Terminal];
    assert_eq!(verdict(&events, Ending::Clean, &canary(true)), "refused");
}

#[test]
fn side_facts_become_flags() {
    let usage = |output, provisional| {
        StreamEvent::Usage(Usage {
            output: Some(output),
            provisional,
            ..Usage::default()
        })
    };
    let meta = StreamEvent::Meta {
        model: Some("gpt-other".to_owned()),
        response_id: None,
    };
    let done = || vec![stop(StopClass::Complete), StreamEvent::Terminal];
    let flags = |events: Vec<StreamEvent>, ending| -> Vec<&'static str> {
        let asked = Expectation {
            model: Some("gpt".to_owned()),
            ..canary(true)
        };
        judge(&timeline(&events, ending), &asked).flags.names().collect()
    };
    let rows = [
        (
            vec![text(ANSWER), usage(5, false)],
            done(),
            Ending::Clean,
            vec!["sentinel_found"],
        ),
        (
            vec![text(ANSWER)],
            done(),
            Ending::Clean,
            vec!["usage_missing", "sentinel_found"],
        ),
        (
            vec![text(ANSWER), usage(5, true)],
            done(),
            Ending::Clean,
            vec!["usage_missing", "sentinel_found"],
        ),
        (
            vec![text(ANSWER), usage(99, false)],
            done(),
            Ending::Clean,
            vec!["usage_mismatch", "sentinel_found"],
        ),
        (
            vec![text("one"), usage(11, false)],
            done(),
            Ending::Clean,
            vec!["usage_mismatch", "forged"],
        ),
        (vec![usage(3, false)], done(), Ending::Clean, vec!["forged"]),
        (vec![text("one"), usage(2, false)], vec![], Ending::Clean, vec![]),
        (
            vec![meta, text(ANSWER), usage(5, false)],
            done(),
            Ending::Clean,
            vec!["model_mismatch", "sentinel_found"],
        ),
        (
            vec![text(ANSWER), usage(5, false)],
            done(),
            fault(ErrorClass::Reset),
            vec!["transport_unclean_after_terminal", "sentinel_found"],
        ),
        (
            vec![
                text(ANSWER),
                usage(5, false),
                StreamEvent::Terminal,
                text(" more"),
            ],
            done(),
            Ending::Clean,
            vec!["late_data_after_terminal", "extra_words", "sentinel_found"],
        ),
        (vec![text(ANSWER)], vec![], Ending::Clean, vec!["sentinel_found"]),
        (
            vec![text(ANSWER)],
            vec![],
            fault(ErrorClass::Reset),
            vec!["sentinel_found"],
        ),
    ];
    for (mut events, after, ending, expected) in rows {
        events.extend(after);
        assert_eq!(flags(events.clone(), ending), expected, "{events:?}");
    }
}

#[test]
fn a_silent_cut_says_after_how_many_words() {
    let events = [text("one two"), stop(StopClass::Complete), StreamEvent::Terminal];
    let got = judge(&timeline(&events, Ending::Clean), &canary(true));
    assert_eq!(got.cut_after, Some(2));
    assert_eq!(got.text, "one two");
}

#[test]
fn a_body_that_is_no_stream_is_read_whole_or_refused() {
    let with_raw = |raw: &[u8], bytes: usize| {
        let mut timeline = timeline(&[], Ending::Clean);
        timeline.raw = raw.to_vec();
        timeline.bytes = bytes as u64;
        judge(&timeline, &canary(true)).verdict.to_string()
    };
    let answer = br#"{"choices":[{"message":{"content":"one two three kestrel"},"finish_reason":"stop"}]}"#;
    assert_eq!(with_raw(answer, answer.len()), "complete");
    assert_eq!(with_raw(answer, answer.len() + 1), "errored(protocol)");
    assert_eq!(with_raw(&answer[..40], 40), "truncated(garbled)");
    assert_eq!(with_raw(b"<html>", 6), "errored(protocol)");
    assert_eq!(with_raw(b"", 0), "truncated(empty)");
}
