//! Answers in JSON: a document in the text, or the arguments of a call.

use serde_json::{Deserializer, Value};

use super::Match;
use crate::verdict::{Flags, ToolCall};

/// Longest answer that is parsed, in bytes. What a canary asks for is far below it.
const MAX_DOCUMENT_BYTES: usize = 64 << 10;

/// The document in a text: from its first brace. A fence around it and spaces don't matter.
pub(super) fn document(text: &str, expected: &Value, flags: &mut Flags) -> Match {
    let text = text.trim();
    if text.is_empty() {
        return Match::Empty;
    }
    // What a model thinks is no answer, and it came to none.
    if text.starts_with("<think>") {
        return Match::Other;
    }
    let Some(start) = text.find('{') else {
        let fence = text
            .strip_prefix("```")
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphabetic()));
        return if fence {
            Match::Unfinished { bytes: 0 }
        } else {
            Match::Other
        };
    };
    let (before, json) = text.split_at(start);
    let (found, end) = compare(json, expected);
    if found == Match::Found {
        let bare = |text: &str| {
            let text = text.replace("```", "");
            matches!(text.trim(), "" | "json" | "JSON")
        };
        flags.set(Flags::EXTRA_WORDS, !bare(before) || !bare(&json[end..]));
    }
    found
}

/// The call among all calls. A call whose arguments break off counts before one that is whole: an agent would have
/// run into it.
pub(super) fn calls(tools: &[ToolCall], text: &str, name: &str, expected: &Value) -> Match {
    if tools.is_empty() {
        return if text.trim().is_empty() {
            Match::Empty
        } else {
            Match::Other
        };
    }
    let mut best = Match::OtherCall;
    for call in tools {
        // Some streams don't tell the name.
        if !call.name.is_empty() && call.name != name {
            continue;
        }
        match compare(call.arguments.trim(), expected) {
            (Match::Found, end) if call.arguments.trim().len() == end => best = Match::Found,
            (cut @ Match::Unfinished { .. }, _) => return cut,
            _ => {}
        }
    }
    best
}

/// How the JSON at the start of `text` compares, and where it ends.
fn compare(text: &str, expected: &Value) -> (Match, usize) {
    if text.len() > MAX_DOCUMENT_BYTES {
        return (Match::Other, 0);
    }
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(value)) if same(&value, expected) => (Match::Found, values.byte_offset()),
        Some(Ok(_)) => (Match::Other, values.byte_offset()),
        Some(Err(error)) if !error.is_eof() => (Match::Other, 0),
        Some(Err(_)) | None => (
            Match::Unfinished {
                bytes: significant(text),
            },
            text.len(),
        ),
    }
}

/// Equal, numbers by value: some servers write every number as a fraction.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Bytes of JSON without the spaces between its parts.
fn significant(text: &str) -> usize {
    let (mut inside, mut escaped) = (false, false);
    text.bytes()
        .filter(|byte| {
            let counts = inside || !byte.is_ascii_whitespace();
            match byte {
                _ if escaped => escaped = false,
                b'\\' if inside => escaped = true,
                b'"' => inside = !inside,
                _ => {}
            }
            counts
        })
        .count()
}
