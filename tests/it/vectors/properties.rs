//! Rules that hold for every recorded stream.

use std::path::Path;

use endturn::{
    protocol::{ErrorClass, Protocol},
    verdict::{Ending, Fault, Flags, Judgement, Verdict, judge},
};

use super::{
    binary,
    support::{Row, expectation, rows, timeline},
};

/// Every recorded stream with the protocol that reads it.
fn streams() -> Vec<(Protocol, Row)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/streams");
    rows(&directory)
        .into_iter()
        .filter(Row::is_stream)
        .map(|row| (row.protocol(), row))
        .collect()
}

fn judged(protocol: Protocol, body: &[u8], ending: Ending) -> Judgement {
    judge(&timeline(protocol, &[body], ending), &expectation(protocol))
}

#[test]
fn a_cut_is_never_complete() {
    let mut cuts = 0;
    for (protocol, row) in streams().iter().filter(|(_, row)| row.verdict == "COMPLETE") {
        let whole = row.terminal_bytes();
        for end in 0..row.body.len() {
            let got = judged(*protocol, &row.body[..end], Ending::Clean).verdict;
            let is_failure = matches!(got, Verdict::Truncated(_) | Verdict::Errored(_));
            assert_eq!(
                is_failure,
                end < whole,
                "{} cut at {end} of {}: {got}",
                row.path,
                row.body.len()
            );
            cuts += 1;
        }
    }
    assert!(cuts > 20_000, "only {cuts} cuts were tried");
}

#[test]
fn a_transport_error_after_the_last_byte_changes_no_verdict() {
    for (protocol, row) in streams() {
        let clean = judged(protocol, &row.body, Ending::Clean);
        let fault = Fault {
            class: ErrorClass::Reset,
            detail: "connection reset".to_owned(),
        };
        let broken = judged(protocol, &row.body, Ending::Failed(fault));
        assert_eq!(broken.verdict, clean.verdict, "{}", row.path);
        if clean.verdict == Verdict::Complete {
            assert!(
                broken.flags.contains(Flags::TRANSPORT_UNCLEAN_AFTER_TERMINAL),
                "{}",
                row.path
            );
        }
    }
}

#[test]
fn unknown_members_and_events_change_nothing() {
    for (protocol, row) in streams() {
        // A half event stays half with more members; only its residue would be told differently.
        let clean = judged(protocol, &row.body, Ending::Clean);
        for (what, body) in with_strangers(protocol, &row.body) {
            let got = judged(protocol, &body, Ending::Clean);
            assert_eq!(
                (
                    got.verdict,
                    &got.text,
                    got.usage,
                    &got.stop_reason,
                    &got.served_model
                ),
                (
                    clean.verdict,
                    &clean.text,
                    clean.usage,
                    &clean.stop_reason,
                    &clean.served_model
                ),
                "unknown {what}s in {}",
                row.path
            );
        }
    }
}

/// A member that nobody knows, of several types and with words that mean something elsewhere.
const MEMBER: &str = r#""zz":{"type":"error","error":["x",1.5e3,null]}"#;

/// The body with an unknown member in every payload, and with an unknown event after every event.
fn with_strangers(protocol: Protocol, body: &[u8]) -> [(&'static str, Vec<u8>); 2] {
    if protocol == Protocol::Bedrock {
        return binary_strangers(body);
    }
    let text = std::str::from_utf8(body).expect("recorded streams are UTF-8");
    let (start, gap, stranger) = match protocol {
        Protocol::Anthropic | Protocol::OpenaiResponses | Protocol::Cohere => (
            "data: {",
            "\n\n",
            "event: zz_new\ndata: {\"type\":\"zz_new\",\"n\":[1,{}]}\n\n: a comment\n\n",
        ),
        Protocol::OpenaiChat | Protocol::Gemini => (
            "data: {",
            "\n\n",
            ": a comment\n\ndata: {\"zz_new\":{\"n\":[1,null]}}\n\n",
        ),
        Protocol::Ollama => ("{\"model\"", "\n", "\n{\"zz_new\":{\"n\":[1,null]}}\r\n"),
        Protocol::Bedrock => unreachable!("its frames are no text"),
    };
    let gap = if text.contains("\r\n\r\n") {
        "\r\n\r\n"
    } else {
        gap
    };
    let (open, rest) = start.split_at(start.find('{').expect("an object") + 1);
    [
        (
            "member",
            text.replace(start, &format!("{open}{MEMBER},{rest}"))
                .into_bytes(),
        ),
        (
            "event",
            text.replace(gap, &format!("{gap}{stranger}")).into_bytes(),
        ),
    ]
}

fn binary_strangers(body: &[u8]) -> [(&'static str, Vec<u8>); 2] {
    let stranger = binary::frame(
        &[
            binary::headers_of_every_type(),
            binary::header(":message-type", "event"),
            binary::header(":event-type", "zzNew"),
        ]
        .concat(),
        b"{\"n\":[1,null]}",
    );
    let (frames, rest) = binary::frames(body);
    let (mut members, mut events) = (Vec::new(), Vec::new());
    for frame in frames {
        let (headers, payload) = binary::parts(frame);
        let whole = frame == binary::frame(headers, payload);
        events.extend(frame);
        events.extend(&stranger);
        match payload.strip_prefix(b"{") {
            // A frame that is damaged stays so.
            Some(payload) if whole => members.extend(binary::frame(
                &[&binary::headers_of_every_type(), headers].concat(),
                &[b"{", MEMBER.as_bytes(), b",", payload].concat(),
            )),
            _ => members.extend(frame),
        }
    }
    members.extend(rest);
    events.extend(rest);
    [("member", members), ("event", events)]
}

#[test]
fn an_end_that_is_regular_is_not_late() {
    for (protocol, row) in streams().iter().filter(|(_, row)| row.verdict == "COMPLETE") {
        let flags = judged(*protocol, &row.body, Ending::Clean).flags;
        assert!(!flags.contains(Flags::LATE_DATA_AFTER_TERMINAL), "{}", row.path);
    }
}

#[test]
fn half_events_are_flagged() {
    for (protocol, row) in streams() {
        let judgement = judged(protocol, &row.body, Ending::Clean);
        assert_eq!(
            judgement.flags.contains(Flags::RESIDUE),
            row.path.contains("truncated-midevent.txt") || row.path.contains("truncated-midframe.bin"),
            "{}",
            row.path
        );
    }
}
