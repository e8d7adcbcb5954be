//! The gate as a whole.

use super::*;
use crate::verdict::{Flags, OffScript};

const CHAT: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"TEXT\"},\"finish_reason\":null}]}\n\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

fn chat(text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    CHAT.replace("\"TEXT\"", &text)
}

fn run(capture: &str, expect: Option<Expect>) -> Outcome {
    let options = Options {
        expect,
        ..Options::default()
    };
    validate(&Input::capture(capture), &options)
}

#[test]
fn the_protocol_speaks_before_the_text() {
    let cut = chat("[1, 2").replace("data: [DONE]\n\n", "");
    let outcome = run(&cut, Some(Expect::Json));
    assert_eq!(outcome.verdict, Verdict::Truncated(Truncation::TerminalMissing));
    assert!(!outcome.flags.contains(Flags::FORGED));
    let limited = chat("[1, 2").replace("\"stop\"", "\"length\"");
    assert_eq!(run(&limited, Some(Expect::Json)).verdict, Verdict::Limited);
}

#[test]
fn a_cut_under_a_natural_stop_is_silent_and_forged() {
    let outcome = run(&chat("{\n  \"a\": [1, 2"), Some(Expect::Json));
    assert_eq!(outcome.verdict, Verdict::Truncated(Truncation::Silent));
    assert!(outcome.flags.contains(Flags::FORGED));
    assert_eq!(outcome.advice, Advice::RetryElsewhere);
    let position = outcome.position.clone().unwrap();
    assert_eq!((position.byte, position.line, position.column), (14, 2, 13));
    assert_eq!(outcome.subject(&position), outcome.text);
    assert!(
        outcome.reason.ends_with("under the natural stop reason stop"),
        "{}",
        outcome.reason
    );
}

#[test]
fn hints_change_no_verdict() {
    let outcome = run(&chat("and then the"), Some(Expect::Prose));
    assert_eq!(outcome.verdict, Verdict::Complete);
    assert_eq!(outcome.advice, Advice::Accept);
    assert!(outcome.flag_names().any(|name| name == "no_final_punctuation"));
    assert!(run(&chat("and then the"), None).hints.is_empty());
}

#[test]
fn the_words_that_it_was_asked_to_end_with() {
    let options = Options {
        ends_with: Some("kestrel".to_owned()),
        ..Options::default()
    };
    for (text, verdict) in [
        ("one two kestrel\n", Verdict::Complete),
        ("one two", Verdict::Truncated(Truncation::Silent)),
    ] {
        assert_eq!(
            validate(&Input::text(text, "stop"), &options).verdict,
            verdict,
            "{text}"
        );
    }
}

#[test]
fn arguments_of_tools_are_held_to_json_whatever_was_expected() {
    let call = |arguments: &str| {
        let arguments = serde_json::to_string(arguments).unwrap();
        format!(
            "data: {{\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":0,\"id\":\"t\",\"function\":{{\"name\":\"weather\",\"arguments\":{arguments}}}}}]}},\"finish_reason\":\"tool_calls\"}}]}}\n\ndata: [DONE]\n\n"
        )
    };
    let outcome = run(&call("{\"city\":\"Par"), None);
    assert_eq!(outcome.verdict, Verdict::Truncated(Truncation::Silent));
    let position = outcome.position.clone().unwrap();
    assert_eq!(position.subject, Subject::Tool(0));
    assert_eq!(outcome.subject(&position), "{\"city\":\"Par");
    assert!(
        outcome.reason.contains("tool call 1 (weather)"),
        "{}",
        outcome.reason
    );
    for (arguments, expect, verdict) in [
        ("{\"city\":\"Paris\"}", Some(Expect::Tool), Verdict::Complete),
        ("", Some(Expect::Tool), Verdict::Complete),
        ("*** free form (", None, Verdict::Complete),
        ("{}", Some(Expect::Json), Verdict::OffScript(OffScript::ToolUse)),
    ] {
        assert_eq!(run(&call(arguments), expect).verdict, verdict, "{arguments}");
    }
    let none = run(&chat("I can't."), Some(Expect::Tool));
    assert_eq!(none.verdict, Verdict::OffScript(OffScript::Text));
}

#[test]
fn a_text_that_is_cut_in_a_character() {
    let outcome = validate(&Input::text(b"caf\xC3", "end_turn"), &Options::default());
    assert_eq!(outcome.verdict, Verdict::Truncated(Truncation::Silent));
    assert_eq!(outcome.text, "caf");
    let outcome = validate(&Input::text(b"c\xFFf", "end_turn"), &Options::default());
    assert_eq!(outcome.verdict, Verdict::Truncated(Truncation::Garbled));
    let outcome = validate(&Input::text(b"c\xFFf", "max_tokens"), &Options::default());
    assert_eq!(outcome.verdict, Verdict::Limited, "the stop reason first");
}

#[test]
fn what_can_not_be_read_is_never_complete() {
    for (bytes, verdict) in [
        (&b""[..], "truncated(empty)"),
        (b": ping\n\n: ping\n\n", "truncated(empty)"),
        (b"Hello, this is a text.", "unknown"),
        (b"\x1f\x8b\x08\x00", "unknown"),
        (b"{\"a\":1}", "unknown"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", "errored(server_error)"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "truncated(empty)"),
    ] {
        let outcome = validate(&Input::capture(bytes), &Options::default());
        assert_eq!(
            outcome.verdict.to_string(),
            verdict,
            "{}",
            String::from_utf8_lossy(bytes)
        );
        assert_ne!(outcome.advice, Advice::Accept);
    }
}

#[test]
fn a_lax_dialect_needs_no_terminal() {
    let text = chat("Done.")
        .replace("data: [DONE]\n\n", "")
        .replace("\"object\"", "\"system_fingerprint\":\"b9999-abc\",\"object\"");
    let outcome = run(&text, None);
    assert_eq!(outcome.verdict, Verdict::Complete, "{outcome:?}");
    assert_eq!(outcome.wire.unwrap().name(), "llamacpp");
    assert!(
        outcome.reason.contains("without a terminal event"),
        "{}",
        outcome.reason
    );
}

#[test]
fn every_advice_has_its_verdicts() {
    use crate::{
        protocol::ErrorClass,
        verdict::{FailedAt, Failure},
    };
    for kind in Truncation::ALL {
        assert_eq!(Advice::of(Verdict::Truncated(kind)), Advice::RetryElsewhere);
    }
    for kind in OffScript::ALL {
        assert_eq!(Advice::of(Verdict::OffScript(kind)), Advice::AskPerson);
    }
    let retried: Vec<_> = ErrorClass::ALL
        .into_iter()
        .filter(|class| {
            let at = FailedAt::Stream;
            Advice::of(Verdict::Errored(Failure { class: *class, at })) == Advice::RetryElsewhere
        })
        .map(ErrorClass::as_str)
        .collect();
    assert_eq!(
        retried,
        [
            "dns",
            "connect",
            "tls",
            "reset",
            "timeout",
            "rate_limit",
            "overloaded",
            "server_error",
            "protocol"
        ]
    );
}
