//! The completeness gate over every recorded stream, and its invariants.

mod api;

use std::{fmt::Write as _, path::Path};

use endturn::{
    gate::{Advice, Input, Options, Outcome, validate},
    protocol::Wire,
    verdict::Verdict,
};
use proptest::prelude::*;

use crate::vectors::support::{Row, rows};

/// The last words of the vectors' expected text.
const SENTINEL: &str = "kestrel";

/// Rows whose dialect leaves no mark in the capture: they are read as plain Chat Completions, which judges them alike,
/// or, where nothing but comments came, as nothing at all.
const READ_AS: &[(&str, &str)] = &[
    ("azure-openai/http-400-filter.txt", "openai-chat"),
    ("azure-openai/http-404-deployment.txt", "openai-chat"),
    ("litellm/masked-truncation.txt", "openai-chat"),
    ("mistral/finish-error.txt", "openai-chat"),
    ("mistral/healthy.txt", "openai-chat"),
    ("mistral/length-limited.txt", "openai-chat"),
    ("mistral/truncated-midtext.txt", "openai-chat"),
    ("vllm/abort.txt", "openai-chat"),
    ("vllm/error-then-done.txt", "openai-chat"),
];

fn index() -> Vec<Row> {
    rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/streams"))
}

/// The row as `curl -i` captures it.
fn capture(row: &Row) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 {} x\r\nContent-Type: {}\r\n",
        row.status, row.content_type
    );
    for (name, value) in &row.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&row.body);
    bytes
}

/// The vectors were asked to end with the sentinel; a complete text without it is a silent cut.
fn options() -> Options {
    Options {
        ends_with: Some(SENTINEL.to_owned()),
        ..Options::default()
    }
}

fn input(bytes: &[u8], wire: Option<Wire>) -> Input<'_> {
    Input::Capture {
        bytes,
        wire,
        content_type: None,
    }
}

/// Where the outcome differs from the row.
fn difference(row: &Row, outcome: &Outcome) -> Option<String> {
    let detail = outcome.verdict.detail().unwrap_or_default();
    let (sub, class) = match outcome.verdict {
        Verdict::Errored(_) => (String::new(), detail),
        _ => (detail.to_uppercase(), ""),
    };
    // A flag of the index, not a kind.
    let expected_sub = if row.sub_verdict == "USAGE_MISSING" {
        ""
    } else {
        &row.sub_verdict
    };
    let same = outcome.verdict.family().to_uppercase() == row.verdict
        && sub == expected_sub
        && class == row.class
        && outcome.text == row.text;
    (!same).then(|| {
        format!(
            "{}: {} {:?} ({}), not {} {} {}",
            row.path, outcome.verdict, outcome.text, outcome.reason, row.verdict, row.sub_verdict, row.class
        )
    })
}

fn check_all(judge: impl Fn(&Row) -> Outcome) {
    let wrong: Vec<String> = index()
        .iter()
        .filter_map(|row| difference(row, &judge(row)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} rows differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_vector_with_its_protocol_named() {
    check_all(|row| {
        let wire = row.wire.parse().expect("a protocol or dialect");
        validate(&input(&capture(row), Some(wire)), &options())
    });
}

#[test]
fn every_vector_with_its_protocol_detected() {
    check_all(|row| validate(&input(&capture(row), None), &options()));
    let mut wrong = Vec::new();
    for row in index() {
        let outcome = validate(&input(&capture(&row), None), &options());
        let exception = READ_AS.iter().find(|(path, _)| *path == row.path);
        let expected = exception.map_or(row.wire.as_str(), |(_, name)| name);
        let got = outcome.wire.map_or("nothing", Wire::name);
        if got != expected {
            wrong.push(format!("{}: read as {got}, not {expected}", row.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_body_alone_is_detected_too() {
    let mut wrong = Vec::new();
    for row in index().into_iter().filter(|row| row.status == 200) {
        let outcome = validate(&input(&row.body, None), &options());
        wrong.extend(difference(&row, &outcome));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_chunked_on_the_wire() {
    for row in index().into_iter().filter(|row| row.status == 200) {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in row.body.chunks(61) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        let cut = validate(&input(&bytes, None), &options());
        bytes.extend_from_slice(b"0\r\n\r\n");
        let whole = validate(&input(&bytes, None), &options());
        assert_eq!(difference(&row, &whole), None);
        // What the protocol proves, a broken transport can't take back.
        assert_eq!(cut.verdict, whole.verdict, "{}", row.path);
    }
}

/// Replies whose protocol says something behind its own end: token counts, `[DONE]` where it is not insisted on.
const SAYS_MORE: &[&str] = &[
    "bedrock/healthy.bin",
    "cohere/healthy.txt",
    "llamacpp/healthy.txt",
];

/// A prefix of a complete reply is complete only from the last member of its end on: no line end proves anything then.
#[test]
fn no_prefix_of_a_complete_vector_is_complete() {
    for row in index().into_iter().filter(|row| row.verdict == "COMPLETE") {
        let wire: Wire = row.wire.parse().expect("a protocol or dialect");
        let verdict = |end: usize| validate(&input(&row.body[..end], Some(wire)), &options()).verdict;
        let first = (0..row.body.len()).find(|end| verdict(*end) == Verdict::Complete);
        let Some(first) = first else { continue };
        let missing = &row.body[first..];
        assert!(
            missing.len() <= 4 || SAYS_MORE.contains(&row.path.as_str()),
            "{} is complete without {:?}",
            row.path,
            String::from_utf8_lossy(missing)
        );
    }
}

proptest! {
    /// Whatever is missing at the end of a complete reply: what is accepted has the whole text.
    #[test]
    fn a_cut_reply_is_never_accepted(pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let complete: Vec<Row> = index().into_iter().filter(|row| row.verdict == "COMPLETE").collect();
        let row = pick.get(&complete);
        let bytes = capture(row);
        let outcome = validate(&input(&bytes[..at.index(bytes.len())], None), &Options::default());
        prop_assert!(outcome.advice != Advice::Accept || outcome.text == row.text, "{}: {outcome:?}", row.path);
    }

    /// No bytes make it panic, and every outcome is consistent in itself.
    #[test]
    fn any_bytes_have_an_outcome(bytes in prop::collection::vec(any::<u8>(), 0..512), pick in any::<prop::sample::Index>()) {
        let names: Vec<&str> = Wire::names().collect();
        let wire = pick.get(&names).parse::<Wire>().expect("a name of the list");
        for wire in [None, Some(wire)] {
            let outcome = validate(&input(&bytes, wire), &Options::default());
            prop_assert_eq!(outcome.advice == Advice::Accept, outcome.verdict == Verdict::Complete);
            if let Some(position) = &outcome.position {
                prop_assert!(outcome.subject(position).is_char_boundary(position.byte));
            }
        }
    }
}
