use std::fmt::Write;

use super::*;

/// A piece: its number (or -1 for none), id, name, arguments.
type Row<'a> = (i64, &'a str, &'a str, &'a str);

/// What went out, in a readable form: `name(arguments)`, a piece of arguments each ended by a bar.
fn told(events: &[StreamEvent]) -> String {
    let mut text = String::new();
    for event in events {
        let _ = match event {
            StreamEvent::ToolCall { name } => write!(text, "[{name}]"),
            StreamEvent::Delta { text: piece, .. } => write!(text, "{piece}|"),
            other => panic!("{other:?}"),
        };
    }
    text
}

fn fed(rows: &[Row<'_>]) -> String {
    let mut calls = Calls::default();
    let mut out = Vec::new();
    for (index, id, name, arguments) in rows {
        calls.piece(
            Piece {
                index: u64::try_from(*index).ok(),
                id: Some(id),
                name: Some(name),
                arguments: Some(Cow::Borrowed(arguments)),
            },
            &mut out,
        );
    }
    calls.flush(&mut out);
    told(&out)
}

#[test]
fn calls_are_named_once_and_keep_their_arguments() {
    let rows: [(&str, &[Row<'_>], &str); 9] = [
        (
            "one after the other",
            &[
                (0, "a", "f", ""),
                (0, "", "", "{\"x\""),
                (0, "", "", ":1}"),
                (1, "b", "g", "{}"),
            ],
            "[f]{\"x\"|:1}|[g]{}|",
        ),
        (
            "the name repeated with every piece",
            &[(0, "a", "f", "{"), (0, "a", "f", "}"), (0, "a", "f", "")],
            "[f]{|}|",
        ),
        (
            "pieces in turn",
            &[
                (0, "a", "f", ""),
                (1, "b", "g", ""),
                (0, "", "", "{\"x\":"),
                (1, "", "", "{\"y\":"),
                (0, "", "", "\"}\"}"),
                (1, "", "", "2}"),
            ],
            "[f]{\"x\":|\"}\"}|[g]{\"y\":|2}|",
        ),
        (
            "whole calls under one number",
            &[(0, "a", "f", "{}"), (0, "b", "f", "{\"n\":2}")],
            "[f]{}|[f]{\"n\":2}|",
        ),
        (
            "another id with every piece of one call",
            &[(0, "a", "f", "{\"n\""), (0, "b", "f", ":2}")],
            "[f]{\"n\"|:2}|",
        ),
        (
            "whole calls without numbers",
            &[(-1, "a", "f", "{}"), (-1, "b", "g", "{}"), (-1, "", "h", "{}")],
            "[f]{}|[g]{}|[h]{}|",
        ),
        (
            "pieces without numbers",
            &[(-1, "a", "f", ""), (-1, "a", "", "{"), (-1, "", "", "}")],
            "[f]{|}|",
        ),
        ("no name at all", &[(0, "", "", "{"), (0, "", "", "}")], "[]{|}|"),
        (
            "a cut before the first call is whole",
            &[(0, "a", "f", "{"), (1, "b", "g", "{\"y\":2}")],
            "[f]{|[g]{\"y\":2}|",
        ),
    ];
    for (what, rows, expected) in rows {
        assert_eq!(fed(rows), expected, "{what}");
    }
}

#[test]
fn a_closed_call_without_pieces_has_what_was_given_at_once() {
    let mut calls = Calls::default();
    let mut out = Vec::new();
    let begin = |index| Piece {
        index: Some(index),
        name: Some("f"),
        ..Piece::default()
    };
    for index in [0, 1, 2] {
        calls.piece(begin(index), &mut out);
        calls.fallback(Some(index), Some(Cow::Borrowed("{\"a\":1}")));
    }
    assert_eq!(told(&out), "[f]", "the others wait");
    calls.close(Some(1), &mut out);
    calls.close(Some(0), &mut out);
    calls.close(Some(9), &mut out);
    assert_eq!(told(&out), "[f]{\"a\":1}|[f]{\"a\":1}|[f]");
    calls.flush(&mut out);
    assert_eq!(
        told(&out),
        "[f]{\"a\":1}|[f]{\"a\":1}|[f]",
        "never closed: nothing is made up"
    );
}

#[test]
fn no_more_calls_than_the_limit_are_kept() {
    let rows: Vec<Row<'_>> = (0..500).map(|index| (index, "", "f", "{")).collect();
    assert_eq!(fed(&rows).matches('f').count(), MAX_CALLS);
}
