//! The shape of every answer: a short text of our own words, and structured content.

use serde::Serialize;
use serde_json::Value;

use super::{door::Seen, tools::MAX_FOREIGN_CHARS};
use crate::{
    feed::{Time, v1::Head},
    health::Network,
};

/// What a tool answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// For whoever reads texts only. Our own words, ids and figures: nothing that a provider said.
    pub(super) text: String,
    /// The same in full.
    pub(super) content: Value,
}

impl Answer {
    pub(super) fn new(text: String, content: &impl Serialize) -> Self {
        let content = serde_json::to_value(content).expect("a document of texts and numbers");
        Self { text, content }
    }
}

/// How fresh the feed is that an answer rests on.
#[derive(Debug, Serialize)]
pub(super) struct Freshness<'a> {
    as_of: Time,
    stale_after: Time,
    /// `false`: nothing is known.
    fresh: bool,
    network: &'static str,
    vantage: &'a str,
}

impl<'a> Freshness<'a> {
    pub(super) fn of(head: &'a Head, fresh: bool) -> Self {
        Self {
            as_of: head.generated_at,
            stale_after: head.stale_after,
            fresh,
            network: head.network.as_str(),
            vantage: &head.vantage,
        }
    }
}

/// Why nothing is known, if so.
pub(super) fn nothing_known(head: &Head, fresh: bool) -> Option<String> {
    if fresh {
        return None;
    }
    Some(if head.network == Network::Online {
        format!(
            "endturn's data is stale (as of {}): nothing is known, which is neither a sign of health nor of an outage",
            head.generated_at
        )
    } else {
        "endturn's own network is lost: nothing is known about providers; your network may be the cause"
            .to_owned()
    })
}

/// The first line of an answer that rests on the feed.
pub(super) fn as_of(seen: &Seen) -> String {
    nothing_known(&seen.head, seen.fresh).unwrap_or_else(|| {
        format!(
            "as of {}, stale after {}",
            seen.head.generated_at, seen.head.stale_after
        )
    })
}

/// What somebody else said, as data: at most [`MAX_FOREIGN_CHARS`] characters, control characters shown as escapes.
pub(super) fn foreign(text: &str) -> String {
    let mut shown = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(MAX_FOREIGN_CHARS) {
        // Marks that turn the direction of a line or hide in it are as good as control characters.
        if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
        {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// The same of what may be missing.
pub(super) fn foreign_opt(text: Option<&String>) -> Option<String> {
    text.map(|text| foreign(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_bounded_and_drives_nothing() {
        assert_eq!(foreign("plain é 漢"), "plain é 漢");
        assert_eq!(foreign("a\n\u{1b}[31m"), "a\\n\\u{1b}[31m");
        assert_eq!(foreign("a\u{202e}b\u{e0041}"), "a\\u{202e}b\\u{e0041}");
        let at_limit = "x".repeat(MAX_FOREIGN_CHARS);
        assert_eq!(foreign(&at_limit), at_limit);
        assert_eq!(foreign(&format!("{at_limit}y")), format!("{at_limit}…"));
    }
}
