use proptest::prelude::*;

use super::*;
use crate::protocol::{Channel, StopClass};

pub(super) fn feed(protocol: Protocol, limits: Limits, pieces: &[&[u8]]) -> Vec<StreamEvent> {
    let mut decoder = Decoder::new(protocol, limits);
    let mut out = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut out);
    }
    decoder.finish(&mut out);
    out
}

pub(super) fn events(protocol: Protocol, body: &str) -> Vec<StreamEvent> {
    feed(protocol, Limits::default(), &[body.as_bytes()])
}

pub(super) fn is_protocol_error(event: &StreamEvent) -> bool {
    matches!(event, StreamEvent::Error(error) if error.class == ErrorClass::Protocol)
}

/// A frame of Bedrock's that holds an event.
pub(super) fn binary(kind: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", kind), (":message-type", "event")] {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend(name.as_bytes());
        headers.extend([7, 0, u8::try_from(value.len()).unwrap()]);
        headers.extend(value.as_bytes());
    }
    let mut frame = Vec::new();
    for number in [headers.len() + payload.len() + 16, headers.len()] {
        frame.extend(u32::try_from(number).unwrap().to_be_bytes());
    }
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// Pieces that streams are made of, and some that they should not be made of.
fn scrap() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "data: ",
        "data:",
        "data",
        "event: message_stop\n",
        "event: x",
        "id: 1\n",
        "retry: 5\n",
        ": ping\n",
        ":\n",
        "\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r\n\r\n",
        "\r",
        "\u{feff}",
        "[DONE]",
        "{",
        "}",
        "[",
        "<html>",
        "error: {}",
        "{\"type\":\"message_stop\"}",
        "{\"choices\":[{\"delta\":{\"content\":\"é\"},\"finish_reason\":\"stop\"}]}",
        "{\"error\":{\"message\":\"m\"}}",
        "{\"candidates\":[{\"finishReason\":\"STOP\"}]}",
        "{\"type\":\"ping\"}",
        "{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}",
        "{\n\"error\": \"e\"\n}\n",
    ]);
    let lines = prop::sample::select(vec![
        "{\"message\":{\"content\":\"é\"},\"done\":false}\n",
        "{\"done\":true,\"done_reason\":\"stop\"}\n",
        "{\"done\":true}",
        "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\"}}",
    ]);
    let frames = prop::sample::select(vec![
        binary("contentBlockDelta", "{\"delta\":{\"text\":\"é\"}}"),
        binary("messageStop", "{\"stopReason\":\"end_turn\"}"),
        binary("chunk", "{\"bytes\":\"e30=\"}"),
        binary("x", "{"),
        vec![0, 0, 0, 16],
    ]);
    prop_oneof![
        8 => known.prop_map(|text| text.as_bytes().to_vec()),
        3 => lines.prop_map(|text| text.as_bytes().to_vec()),
        3 => frames,
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn splits_never_change_events(
        scraps in prop::collection::vec(scrap(), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        lines in prop_oneof![Just(1usize << 20), 8usize..60],
        most in prop_oneof![Just(1000usize), 0usize..6],
    ) {
        let body = scraps.concat();
        let limits = Limits { line_bytes: lines, events: most, ..Limits::default() };
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        ends.extend([0, body.len()]);
        ends.sort_unstable();
        let pieces: Vec<&[u8]> = ends.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        for protocol in Protocol::ALL {
            let whole = feed(protocol, limits, &[&body]);
            prop_assert_eq!(&feed(protocol, limits, &pieces), &whole);
            let bytes: Vec<&[u8]> = body.chunks(1).collect();
            prop_assert_eq!(&feed(protocol, limits, &bytes), &whole);
        }
    }
}

#[test]
fn a_line_may_be_as_long_as_its_limit_and_no_longer() {
    let limits = Limits::default();
    for (extra, too_long) in [(0, false), (1, true)] {
        let frame = "data: {\"type\":\"ping\",\"pad\":\"\"}".len();
        let pad = "x".repeat(limits.line_bytes - frame + extra);
        let body = format!(
            "event: ping\ndata: {{\"type\":\"ping\",\"pad\":\"{pad}\"}}\n\nevent: ping\ndata: {{\"type\":\"ping\"}}\n\n"
        );
        let whole = feed(Protocol::Anthropic, limits, &[body.as_bytes()]);
        let split = feed(
            Protocol::Anthropic,
            limits,
            &body.as_bytes().chunks(65_536).collect::<Vec<_>>(),
        );
        assert_eq!(whole, split);
        assert_eq!(whole.iter().any(is_protocol_error), too_long);
        assert_eq!(
            whole.iter().filter(|e| **e == StreamEvent::KeepAlive).count(),
            if too_long { 0 } else { 2 }
        );
    }
}

#[test]
fn a_body_may_be_as_long_as_its_limit_and_no_longer() {
    let body = ": x\n\n".repeat(20);
    for (limit, too_long) in [(body.len(), false), (body.len() - 1, true)] {
        let limits = Limits {
            body_bytes: limit,
            ..Limits::default()
        };
        let whole = feed(Protocol::OpenaiChat, limits, &[body.as_bytes()]);
        let split = feed(
            Protocol::OpenaiChat,
            limits,
            &body.as_bytes().chunks(7).collect::<Vec<_>>(),
        );
        assert_eq!(whole, split);
        assert_eq!(
            whole.iter().filter(|e| is_protocol_error(e)).count(),
            usize::from(too_long)
        );
    }
}

#[test]
fn bounds_hold_in_every_framing() {
    let line = "{\"message\":{\"content\":\"a\"},\"done\":false}\n";
    let frame = binary("contentBlockDelta", "{\"delta\":{\"text\":\"a\"}}");
    for (protocol, unit) in [(Protocol::Ollama, line.as_bytes()), (Protocol::Bedrock, &frame)] {
        let body = unit.repeat(10);
        let own = unit.len() - usize::from(protocol == Protocol::Ollama);
        let wide = Limits::default();
        let rows = [
            (
                Limits {
                    line_bytes: own,
                    body_bytes: body.len(),
                    events: 10,
                },
                10,
                0,
            ),
            (
                Limits {
                    line_bytes: own - 1,
                    ..wide
                },
                0,
                1,
            ),
            (
                Limits {
                    body_bytes: body.len() - 1,
                    ..wide
                },
                9,
                1,
            ),
            (Limits { events: 9, ..wide }, 9, 1),
        ];
        for (limits, texts, errors) in rows {
            let whole = feed(protocol, limits, &[&body]);
            let count = |test: &dyn Fn(&StreamEvent) -> bool| whole.iter().filter(|e| test(e)).count();
            assert_eq!(
                count(&|e| matches!(e, StreamEvent::Delta { .. })),
                texts,
                "{protocol} {limits:?}"
            );
            assert_eq!(
                count(&is_protocol_error),
                errors,
                "{protocol} {limits:?}: {whole:?}"
            );
            assert_eq!(whole, feed(protocol, limits, &body.chunks(1).collect::<Vec<_>>()));
        }
    }
}

#[test]
fn as_many_events_as_allowed_and_no_more() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".repeat(10);
    for (limit, texts, errors) in [(10, 10, 0), (9, 9, 1), (0, 0, 1)] {
        let limits = Limits {
            events: limit,
            ..Limits::default()
        };
        let mut decoder = Decoder::new(Protocol::OpenaiChat, limits);
        let mut out = Vec::new();
        decoder.push(body.as_bytes(), &mut out);
        assert_eq!(decoder.is_capped(), errors == 1);
        decoder.push(b"data: more\n\n", &mut out);
        decoder.finish(&mut out);
        assert_eq!(
            out.iter()
                .filter(|e| matches!(e, StreamEvent::Delta { .. }))
                .count(),
            texts
        );
        assert_eq!(
            out.iter().filter(|e| is_protocol_error(e)).count(),
            errors.max(usize::from(limit == 10))
        );
    }
}

#[test]
fn residue_is_accepted_only_when_whole() {
    let cases = [
        (
            "data: [DONE]",
            vec![StreamEvent::Terminal, StreamEvent::Note(Note::ResidueAccepted)],
        ),
        ("data: [DONE", vec![StreamEvent::Note(Note::Residue)]),
        (
            "data: {\"choices\":[]}",
            vec![StreamEvent::Note(Note::ResidueAccepted)],
        ),
        ("data: {\"choices\":[", vec![StreamEvent::Note(Note::Residue)]),
        ("data: 5", vec![StreamEvent::Note(Note::Residue)]),
        ("data: {\"a\":\"\u{e9}", vec![StreamEvent::Note(Note::Residue)]),
        ("dat", vec![StreamEvent::Note(Note::Residue)]),
        ("event: x\n", vec![StreamEvent::Note(Note::Residue)]),
        (": ping", vec![]),
        ("", vec![]),
        ("\n\n", vec![]),
    ];
    for (body, expected) in cases {
        assert_eq!(events(Protocol::OpenaiChat, body), expected, "{body:?}");
    }
}

#[test]
fn payloads_that_are_no_json_are_garbled_and_other_types_are_not() {
    for (body, garbled) in [
        ("data: {\"choices\":[\n\n", true),
        ("data: nonsense\n\n", true),
        ("data: {} {}\n\n", true),
        ("data: null\n\n", false),
        ("data: [1]\n\n", false),
        (
            "data: {\"choices\":7,\"usage\":\"none\",\"model\":[],\"id\":{}}\n\n",
            false,
        ),
        (
            "data: {\"choices\":[{\"delta\":{\"content\":{\"x\":1},\"tool_calls\":3}}]}\n\n",
            false,
        ),
        ("foo: bar\n\n", false),
        ("{\"cut\n\n", true),
    ] {
        let got = events(Protocol::OpenaiChat, body);
        assert_eq!(
            got.iter().any(|e| matches!(e, StreamEvent::Garbled { .. })),
            garbled,
            "{body:?}: {got:?}"
        );
    }
    let bytes = feed(
        Protocol::OpenaiChat,
        Limits::default(),
        &[b"data: {\"a\":\"\xff\"}\n\n"],
    );
    assert!(matches!(&bytes[..], [StreamEvent::Garbled { .. }]), "{bytes:?}");
}

#[test]
fn chat_dialects_are_understood() {
    let text = |channel, text: &str| StreamEvent::Delta {
        channel,
        text: text.to_owned(),
    };
    let rows = [
        (
            "{\"choices\":[{\"delta\":{\"reasoning\":\"r\"}}]}",
            vec![text(Channel::Reasoning, "r")],
        ),
        (
            "{\"choices\":[{\"delta\":{\"reasoning\":\"r\",\"reasoning_content\":\"r\"}}]}",
            vec![text(Channel::Reasoning, "r")],
        ),
        (
            "{\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"t\"}]},{\"type\":\"text\",\"text\":\"v\"}]}}]}",
            vec![text(Channel::Reasoning, "t"), text(Channel::Text, "v")],
        ),
        (
            "{\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}",
            vec![text(Channel::Refusal, "no")],
        ),
        (
            "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}",
            vec![
                StreamEvent::ToolCall { name: "f".to_owned() },
                text(Channel::Tool, "{"),
            ],
        ),
        (
            "{\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}}}]}",
            vec![
                StreamEvent::ToolCall { name: "f".to_owned() },
                text(Channel::Tool, "{"),
            ],
        ),
        (
            "{\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"},\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}",
            vec![
                StreamEvent::ToolCall { name: "f".to_owned() },
                text(Channel::Tool, "{"),
            ],
        ),
        (
            "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}}]}",
            vec![],
        ),
        (
            "{\"choices\":null,\"error\":null}",
            vec![StreamEvent::Note(Note::UnknownEvent)],
        ),
    ];
    for (payload, expected) in rows {
        assert_eq!(
            events(Protocol::OpenaiChat, &format!("data: {payload}\n\n")),
            expected,
            "{payload}"
        );
    }
}

#[test]
fn errors_in_a_stream_have_their_class() {
    let rows = [
        (
            Protocol::OpenaiChat,
            "{\"error\":\"Service is overloaded\"}",
            ErrorClass::Overloaded,
        ),
        (
            Protocol::OpenaiChat,
            "{\"error\":{\"code\":\"429\",\"message\":\"m\"}}",
            ErrorClass::RateLimit,
        ),
        (
            Protocol::OpenaiChat,
            "{\"error\":{\"code\":504}}",
            ErrorClass::Timeout,
        ),
        (
            Protocol::OpenaiChat,
            "{\"object\":\"error\",\"message\":\"m\",\"code\":400}",
            ErrorClass::InvalidRequest,
        ),
        (
            Protocol::OpenaiChat,
            "{\"x_groq\":{\"error\":\"over_capacity\"},\"choices\":[]}",
            ErrorClass::Overloaded,
        ),
        (
            Protocol::Anthropic,
            "{\"type\":\"error\",\"error\":{\"type\":\"api_error\"}}",
            ErrorClass::ServerError,
        ),
        (
            Protocol::Anthropic,
            "{\"error\":{\"type\":\"rate_limit_error\"}}",
            ErrorClass::RateLimit,
        ),
        (
            Protocol::OpenaiResponses,
            "{\"type\":\"error\",\"code\":\"invalid_prompt\"}",
            ErrorClass::ContentPolicy,
        ),
        (
            Protocol::OpenaiResponses,
            "{\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"vector_store_timeout\"}}}",
            ErrorClass::Timeout,
        ),
        (
            Protocol::Gemini,
            "{\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\"}}",
            ErrorClass::RateLimit,
        ),
    ];
    for (protocol, payload, expected) in rows {
        let got = events(protocol, &format!("event: e\ndata: {payload}\n\n"));
        let class = got.iter().find_map(|e| match e {
            StreamEvent::Error(error) => Some(error.class),
            _ => None,
        });
        assert_eq!(class, Some(expected), "{payload}: {got:?}");
    }
}

#[test]
fn responses_tell_lost_events_and_lost_text() {
    let delta = |n: u64, text: &str| {
        format!(
            "event: e\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{n},\"output_index\":0,\"content_index\":0,\"delta\":\"{text}\"}}\n\n"
        )
    };
    let done = |n: u64, text: &str| {
        format!(
            "event: e\ndata: {{\"type\":\"response.output_text.done\",\"sequence_number\":{n},\"output_index\":0,\"content_index\":0,\"text\":\"{text}\"}}\n\n"
        )
    };
    let notes = |body: String| -> Vec<Note> {
        events(Protocol::OpenaiResponses, &body)
            .into_iter()
            .filter_map(|e| match e {
                StreamEvent::Note(note) => Some(note),
                _ => None,
            })
            .collect()
    };
    assert_eq!(notes(delta(3, "a") + &delta(4, "b") + &done(5, "ab")), []);
    assert_eq!(
        notes(delta(3, "a") + &delta(5, "b") + &done(6, "ab")),
        [Note::SequenceGap]
    );
    assert_eq!(notes(delta(3, "a") + &done(4, "ab")), [Note::TextMismatch]);
    assert_eq!(notes(done(4, "ab")), [Note::TextMismatch]);
}

#[test]
fn gemini_is_over_at_the_end_of_the_body_and_the_last_reason_counts() {
    let chunk = |text: &str, reason: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}},\"finishReason\":\"{reason}\"}}]}}\r\n\r\n"
        )
    };
    let got = events(
        Protocol::Gemini,
        &(chunk("a", "STOP") + &chunk("b", "MAX_TOKENS")),
    );
    assert_eq!(got.last(), Some(&StreamEvent::TerminalByEnd));
    let last = got.iter().rev().find_map(|e| match e {
        StreamEvent::Stop(stop) => Some(stop.class),
        _ => None,
    });
    assert_eq!(last, Some(StopClass::Limit));
    assert_eq!(
        got.iter().filter(|e| **e == StreamEvent::TerminalByEnd).count(),
        1
    );
}

#[test]
fn whole_bodies_are_read_for_what_they_are() {
    use Protocol::{Anthropic, Gemini, OpenaiChat, OpenaiResponses};
    let kinds = |protocol, body: &str| -> String {
        decode_body(protocol, body.as_bytes())
            .iter()
            .map(|event| match event {
                StreamEvent::Meta { .. } => 'm',
                StreamEvent::Delta { .. } => 'd',
                StreamEvent::Usage(usage) if usage.provisional => 'p',
                StreamEvent::Usage(_) => 'u',
                StreamEvent::Stop(_) => 's',
                StreamEvent::Terminal | StreamEvent::TerminalByEnd => 't',
                event if is_protocol_error(event) => 'P',
                StreamEvent::Error(_) => 'E',
                StreamEvent::Garbled { .. } => 'G',
                StreamEvent::KeepAlive => 'k',
                StreamEvent::ToolCall { .. } => 'c',
                StreamEvent::Fingerprint(_) => 'f',
                StreamEvent::Note(_) => 'n',
            })
            .collect()
    };
    let rows = [
        (OpenaiChat, "<!DOCTYPE html><title>Sign in</title>", "P"),
        (OpenaiChat, "OK", "P"),
        (OpenaiChat, "{}", "P"),
        (OpenaiChat, "  \n ", ""),
        (OpenaiChat, "{\"error\":\"x\"}", "E"),
        (OpenaiChat, "{\"choices\":[{\"mess", "G"),
        (
            OpenaiChat,
            "\n\n{\"id\":\"i\",\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":{\"completion_tokens\":1}}",
            "mdsut",
        ),
        (
            OpenaiChat,
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n",
            "dt",
        ),
        (
            Anthropic,
            "{\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"output_tokens\":1}}",
            "mdust",
        ),
        (
            OpenaiResponses,
            "{\"object\":\"response\",\"status\":\"completed\",\"error\":null,\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":\"a\"}]}]}",
            "dst",
        ),
        (
            Gemini,
            "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]},{\"candidates\":[{\"finishReason\":\"STOP\"}]}]",
            "dst",
        ),
        (
            Gemini,
            "[{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}]",
            "E",
        ),
    ];
    for (protocol, body, expected) in rows {
        assert_eq!(kinds(protocol, body), expected, "{body}");
    }
}
