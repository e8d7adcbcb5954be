//! Tests of the judgement of documents, calls and long counts.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::protocol::{Channel, StreamEvent};

const ARGUMENTS: &str = r#"{"batch":7,"word":"kestrel"}"#;

fn expecting(answer: ExpectedAnswer, strict_terminal: bool) -> Expectation {
    Expectation {
        protocol: Protocol::OpenaiChat,
        strict_terminal,
        expected: Some(Expected {
            answer,
            sentinels: vec!["kestrel".to_owned(), "amber".to_owned()],
            tokens: 20,
        }),
        model: None,
    }
}

fn document() -> ExpectedAnswer {
    ExpectedAnswer::Json(json!({"batch": 7, "word": "kestrel"}))
}

fn tool() -> ExpectedAnswer {
    ExpectedAnswer::Tool {
        name: "record".to_owned(),
        arguments: json!({"batch": 7, "word": "kestrel"}),
    }
}

fn delta(channel: Channel, text: &str) -> StreamEvent {
    StreamEvent::Delta {
        channel,
        text: text.to_owned(),
    }
}

fn text(text: &str) -> StreamEvent {
    delta(Channel::Text, text)
}

fn call(name: &str, arguments: &str) -> Vec<StreamEvent> {
    let name = name.to_owned();
    let arguments = (!arguments.is_empty()).then(|| delta(Channel::Tool, arguments));
    [StreamEvent::ToolCall { name }]
        .into_iter()
        .chain(arguments)
        .collect()
}

fn judged(
    events: Vec<StreamEvent>,
    stop: Option<StopClass>,
    end: bool,
    expectation: &Expectation,
) -> Judgement {
    let mut timeline = Timeline {
        status: Some(200),
        ..Timeline::default()
    };
    let stop = stop.map(|class| {
        let raw = "raw".to_owned();
        StreamEvent::Stop(StopReason { raw, class })
    });
    for event in events
        .into_iter()
        .chain(stop)
        .chain(end.then_some(StreamEvent::Terminal))
    {
        timeline.event(Duration::from_millis(5), event);
    }
    timeline.end(Duration::from_millis(9), Ending::Clean);
    judge(&timeline, expectation)
}

fn check(got: &Judgement, verdict: &str, detail: &str) {
    assert_eq!(got.verdict.to_string(), verdict, "{got:?}");
    assert_eq!(got.detail.as_deref().unwrap_or_default(), detail, "{got:?}");
    let silent = ["truncated(silent)", "truncated(silent_empty)"].contains(&verdict);
    assert_eq!(got.flags.contains(Flags::FORGED), silent, "{got:?}");
    let whole = verdict == "complete";
    assert!(!whole || got.flags.contains(Flags::SENTINEL_FOUND), "{got:?}");
}

#[test]
fn a_document_decides_under_a_natural_stop() {
    use StopClass::{Complete, Limit, Tool};
    let cut = "the JSON document ends after 9 of 28 bytes";
    let rows = [
        (text(ARGUMENTS), Complete, "complete", ""),
        (
            text("```json\n{\"batch\":"),
            Complete,
            "truncated(silent)",
            "the JSON document ends after 9 of 28 bytes, under a natural stop",
        ),
        (
            text("Sorry."),
            Complete,
            "off_script(text)",
            "another text than the canary asked for",
        ),
        (
            text("{\"batch\":8}"),
            Complete,
            "off_script(text)",
            "another text than the canary asked for",
        ),
        (
            text(" "),
            Complete,
            "truncated(silent_empty)",
            "a natural stop without any text",
        ),
        (text("{\"batch\":"), Limit, "limited", "stop reason raw"),
        (text("<think>so"), Limit, "limited", "stop reason raw"),
        (text(ARGUMENTS), Tool, "off_script(tool_use)", "stop reason raw"),
    ];
    let expectation = expecting(document(), true);
    for (event, stop, verdict, detail) in rows {
        check(
            &judged(vec![event], Some(stop), true, &expectation),
            verdict,
            detail,
        );
    }
    // What the protocol itself shows is told with the place.
    let half = || vec![text("{\"batch\":")];
    let got = judged(half(), None, false, &expectation);
    check(
        &got,
        "truncated(cut)",
        &format!("the body ended before a stop reason; {cut}"),
    );
    assert_eq!((got.cut_at_byte, got.cut_after), (Some(9), None));
    let got = judged(half(), Some(Complete), false, &expectation);
    let why = "a stop reason came, the terminal event did not";
    check(&got, "truncated(terminal_missing)", &format!("{why}; {cut}"));
}

#[test]
fn a_call_decides_under_a_stop_for_it() {
    use StopClass::{Complete, Limit, Paused, Tool};
    let cut = "tool arguments end after 9 of 28 bytes, under a natural stop";
    let other = "another call, or other arguments, than the canary asked for";
    let rows = [
        (call("record", ARGUMENTS), Tool, "complete", ""),
        (call("record", ARGUMENTS), Complete, "complete", ""),
        (call("record", &ARGUMENTS[..9]), Tool, "truncated(silent)", cut),
        (
            call("record", &ARGUMENTS[..9]),
            Complete,
            "truncated(silent)",
            cut,
        ),
        (
            call("record", ""),
            Tool,
            "truncated(silent)",
            "tool arguments end after 0 of 28 bytes, under a natural stop",
        ),
        (call("record", "{}"), Tool, "off_script(tool_use)", other),
        (call("erase", ARGUMENTS), Tool, "off_script(tool_use)", other),
        (
            vec![text("record(7)")],
            Complete,
            "off_script(text)",
            "text instead of the call that the canary asked for",
        ),
        (
            vec![],
            Complete,
            "truncated(silent_empty)",
            "a natural stop without any text",
        ),
        (
            vec![],
            Tool,
            "truncated(silent)",
            "stop reason raw tells of a tool call, and none came",
        ),
        (
            call("record", &ARGUMENTS[..9]),
            Limit,
            "limited",
            "stop reason raw",
        ),
        (
            call("record", ARGUMENTS),
            Paused,
            "off_script(paused)",
            "stop reason raw",
        ),
    ];
    let expectation = expecting(tool(), true);
    for (events, stop, verdict, detail) in rows {
        check(&judged(events, Some(stop), true, &expectation), verdict, detail);
    }
    let got = judged(call("record", &ARGUMENTS[..9]), Some(Tool), true, &expectation);
    assert_eq!((got.cut_at_byte, got.cut_after), (Some(9), None));
    let got = judged(call("record", &ARGUMENTS[..9]), None, false, &expectation);
    let why = "the body ended before a stop reason; tool arguments end after 9 of 28 bytes";
    check(&got, "truncated(cut)", why);
}

#[test]
fn a_lax_preset_takes_the_whole_call_for_the_end() {
    use StopClass::{Complete, Tool};
    let lax = expecting(tool(), false);
    for stop in [Tool, Complete] {
        let got = judged(call("record", ARGUMENTS), Some(stop), false, &lax);
        assert!(got.verdict == Verdict::Complete && got.flags.contains(Flags::TERMINAL_LAX));
        let got = judged(call("record", &ARGUMENTS[..9]), Some(stop), false, &lax);
        assert_eq!(got.verdict, Verdict::Truncated(Truncation::TerminalMissing));
    }
    // Nobody asked this text for a call, so a stop for one is no natural end of it.
    let got = judged(
        vec![text(ARGUMENTS)],
        Some(Tool),
        false,
        &expecting(document(), false),
    );
    assert_eq!(got.verdict, Verdict::Truncated(Truncation::TerminalMissing));
}

#[test]
fn a_model_that_cannot_call_is_not_judged_by_it_once_the_rule_is_off() {
    let off = Expectation {
        expected: None,
        ..expecting(tool(), true)
    };
    let got = judged(vec![text("record(7)")], Some(StopClass::Complete), true, &off);
    assert_eq!(got.verdict, Verdict::Complete);
    let got = judged(call("record", "{}"), Some(StopClass::Tool), true, &off);
    assert_eq!(got.verdict, Verdict::Complete);
}

#[test]
fn token_counts_are_held_against_documents_and_calls() {
    let usage = |output| {
        StreamEvent::Usage(Usage {
            output: Some(output),
            ..Usage::default()
        })
    };
    let flagged = |mut events: Vec<StreamEvent>, output, answer| {
        events.push(usage(output));
        let got = judged(events, Some(StopClass::Complete), true, &expecting(answer, true));
        got.flags.contains(Flags::USAGE_MISMATCH)
    };
    // Planned with 20: 8 to 50 are plausible for the whole.
    for (output, mismatch) in [(7, true), (8, false), (50, false), (51, true)] {
        assert_eq!(
            flagged(vec![text(ARGUMENTS)], output, document()),
            mismatch,
            "{output}"
        );
        assert_eq!(
            flagged(call("record", ARGUMENTS), output, tool()),
            mismatch,
            "{output}"
        );
    }
    // Five pieces came, or five and the frame of a call.
    let cut = &ARGUMENTS[..9];
    for (text_output, call_output, mismatch) in [(18, 40, false), (19, 41, true)] {
        assert_eq!(flagged(vec![text(cut)], text_output, document()), mismatch);
        assert_eq!(flagged(call("record", cut), call_output, tool()), mismatch);
    }
}
