//! Rules that hold for every recorded stream.

use std::path::Path;

use endturn::{
    protocol::{ErrorClass, Protocol},
    verdict::{Ending, Fault, Flags, Judgement, Verdict, judge},
};

use super::support::{Row, expectation, rows, timeline};

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
        // What follows the last closing bracket is white space: up to there the terminal payload is not whole.
        let whole = row.body.trim_ascii_end().len();
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
        let text = String::from_utf8(row.body.clone()).expect("recorded streams are UTF-8");
        let stranger = match protocol {
            Protocol::Anthropic | Protocol::OpenaiResponses => {
                "event: zz_new\ndata: {\"type\":\"zz_new\",\"n\":[1,{}]}\n\n: a comment\n\n"
            }
            Protocol::OpenaiChat
            | Protocol::Gemini
            | Protocol::Ollama
            | Protocol::Bedrock
            | Protocol::Cohere => ": a comment\n\ndata: {\"zz_new\":{\"n\":[1,null]}}\n\n",
        };
        let members = text.replace(
            "data: {\"",
            "data: {\"zz\":{\"type\":\"error\",\"error\":[\"x\",1.5e3,null]},\"",
        );
        let after_each = |gap: &str| text.replace(gap, &format!("{gap}{stranger}"));
        let events = after_each(if text.contains("\r\n") { "\r\n\r\n" } else { "\n\n" });
        for (what, body) in [("member", members), ("event", events)] {
            let got = judged(protocol, body.as_bytes(), Ending::Clean);
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

#[test]
fn half_events_are_flagged() {
    for (protocol, row) in streams() {
        let judgement = judged(protocol, &row.body, Ending::Clean);
        assert_eq!(
            judgement.flags.contains(Flags::RESIDUE),
            row.path.contains("truncated-midevent.txt"),
            "{}",
            row.path
        );
    }
}
