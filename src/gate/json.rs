//! JSON that closes, and where it breaks.

use serde::de::IgnoredAny;

use super::{
    code::{self, Block},
    content::{Broken, Whole},
};

/// Why a text is no JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Byte of what is wrong, or the end.
    pub(super) at: usize,
    /// The text ends inside the value.
    pub(super) early: bool,
    /// In the parser's words.
    pub(super) what: String,
}

impl Fault {
    /// What the fault makes of a reply whose part `subject` is.
    pub(super) fn broken(self, subject: &str) -> Broken {
        if self.early {
            let reason = format!("{subject} ends too early: {}", self.what);
            Broken::cut(self.at, self.what, reason)
        } else {
            let reason = format!("{subject} is not JSON: {}", self.what);
            Broken::other(self.at, self.what, reason)
        }
    }
}

/// Exactly one JSON value of any depth, white space aside.
pub(super) fn value(text: &str) -> Result<(), Fault> {
    // Behind a cut, a line end would make a half word out of what is only early.
    let text = text.trim_ascii_end();
    let Err(error) = serde_json::from_str::<IgnoredAny>(text) else {
        return Ok(());
    };
    let told = error.to_string();
    let what = told
        .rsplit_once(" at line ")
        .map_or(told.as_str(), |(what, _)| what);
    let early = error.is_eof();
    Err(Fault {
        at: if early {
            text.len()
        } else {
            byte(text, error.line(), error.column())
        },
        early,
        what: what.to_owned(),
    })
}

/// The byte of a line and column as the parser counts them: both from 1, columns in bytes, 0 for the line's end.
fn byte(text: &str, line: usize, column: usize) -> usize {
    let start = match line {
        0 | 1 => 0,
        line => memchr::memchr_iter(b'\n', text.as_bytes())
            .nth(line - 2)
            .map_or(text.len(), |at| at + 1),
    };
    (start + column).saturating_sub(1).min(text.len())
}

/// One JSON value, bare, or in fences that name it or nothing, with or without words around them.
pub(super) fn check(text: &str) -> Result<Whole, Broken> {
    let fault = match value(text) {
        Ok(()) => return Ok(Whole::new("the JSON is whole")),
        Err(fault) => fault,
    };
    let bare = text.trim_start().starts_with(['{', '[']);
    let blocks = if bare { Vec::new() } else { code::blocks(text) };
    let mut found = false;
    for block in blocks.iter().filter(|block| is_json(block)) {
        found = true;
        if let Err(fault) = value(&block.body) {
            // What follows a fence that closes was written knowing the value to be over.
            return Err(fault.broken("the JSON").within(|at| block.place(at)));
        }
        if !block.closed {
            return Err(block.unclosed(text));
        }
    }
    if found {
        Ok(Whole::new("the JSON in its fences is whole"))
    } else {
        Err(fault.broken("the text"))
    }
}

fn is_json(block: &Block<'_>) -> bool {
    matches!(block.language.as_str(), "" | "json" | "json5" | "jsonc")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{OffScript, Truncation, Verdict};

    const SILENT: Option<Verdict> = Some(Verdict::Truncated(Truncation::Silent));
    const OTHER: Option<Verdict> = Some(Verdict::OffScript(OffScript::Text));

    #[test]
    fn where_json_breaks() {
        for (text, verdict, at) in [
            (r#"{"a": [1, 2]}"#, None, 0),
            ("  \n[]\n", None, 0),
            ("\"word\"", None, 0),
            (r#"{"a": "Par"#, SILENT, 10),
            ("{\"a\": 1,\n  \"b\": tr\n", SILENT, 18),
            ("[[[[", SILENT, 4),
            ("{\"a\": 1,\n \"b\": x}", OTHER, 15),
            ("{\"a\": \"é\", é}", OTHER, 12),
            ("{} {}", OTHER, 3),
            ("Sure, here it is", OTHER, 0),
            ("Here:\n```json\n{\"a\": 1}\n```\nDone.", None, 0),
            ("```\n{\"a\": 1}\n```", None, 0),
            ("```json\n{\"a\": 1", SILENT, 15),
            ("```json\n{\"a\": 1}\n", SILENT, 0),
            ("```json\n{\"a\": \n```\n", SILENT, 13),
            ("```python\nx = 1\n```\n", OTHER, 0),
            ("", SILENT, 0),
        ] {
            let got = check(text).err();
            assert_eq!(got.as_ref().map(|b| b.verdict), verdict, "{text:?} {got:?}");
            assert_eq!(got.map_or(0, |b| b.at), at, "{text:?}");
        }
    }

    #[test]
    fn no_depth_overflows() {
        let deep = "[".repeat(1 << 20);
        assert!(value(&deep).is_err_and(|fault| fault.early));
        let closed = format!("{deep}{}", "]".repeat(1 << 20));
        assert_eq!(value(&closed), Ok(()));
    }
}
