//! Whether a reply is the right answer of a canary, and if not, how it differs.
//!
//! Meaning is compared, never raw text: replies of one model differ in spaces, quotes, case and fences.

mod json;
mod words;

use serde_json::Value;

use super::{Flags, ToolCall};

/// The right answer of a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What it is.
    pub answer: ExpectedAnswer,
    /// All words that a sentinel may be, to tell a cached answer.
    pub sentinels: Vec<String>,
    /// Visible tokens that the answer is planned with; token counts are held against it.
    pub tokens: u32,
}

/// What a right answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedAnswer {
    /// These words in order, the sentinel last. A hyphen joins two words to one.
    Words(Vec<String>),
    /// This JSON document, whatever the order of its members.
    Json(Value),
    /// One call of a tool.
    Tool {
        /// The tool's name.
        name: String,
        /// Its arguments, whatever their order.
        arguments: Value,
    },
}

impl Expected {
    /// Words, planned with the tokens that number words take: 32 for the 21 of the standard canary.
    pub fn words(words: Vec<String>, sentinels: Vec<String>) -> Self {
        let tokens = u32::try_from(words.len()).map_or(u32::MAX, |n| n.saturating_mul(32).div_ceil(21));
        Self {
            answer: ExpectedAnswer::Words(words),
            sentinels,
            tokens,
        }
    }
}

/// How a reply compares with the expected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The right answer, sentinel included.
    Found,
    /// The text ends inside the expected words.
    Prefix {
        /// Whole expected words that came.
        words: usize,
    },
    /// JSON that ends before it is whole.
    Unfinished {
        /// Bytes of it that came, spaces between its parts not counted.
        bytes: usize,
    },
    /// First and last words are there, some between are not.
    Gap {
        /// How many.
        missing: usize,
    },
    /// Nothing at all.
    Empty,
    /// Another text where a text was expected, or instead of a call.
    Other,
    /// Another call than the one expected.
    OtherCall,
}

/// Compares a reply with the expected answer and sets the flags that it earns. `chunks` are byte offsets into `text`
/// where chunks of the stream began.
pub fn match_answer(
    text: &str,
    chunks: &[u32],
    tools: &[ToolCall],
    expected: &Expected,
    flags: &mut Flags,
) -> Match {
    let (body, think) = without_think_block(text);
    flags.set(Flags::THINK_BLOCK, think);
    let found = match &expected.answer {
        ExpectedAnswer::Words(words) => words::compare(body, text.len() - body.len(), chunks, words, flags),
        ExpectedAnswer::Json(document) => json::document(body, document, flags),
        ExpectedAnswer::Tool { name, arguments } => json::calls(tools, body, name, arguments),
    };
    if found != Match::Found {
        let calls = tools.iter().map(|call| call.arguments.as_str());
        flags.set(
            Flags::CACHED_ANSWER,
            [body]
                .into_iter()
                .chain(calls)
                .any(|text| foreign(text, expected)),
        );
    }
    found
}

/// Where a cut answer ends, in words. `None` where it isn't cut.
pub(super) fn place(found: Match, expected: &Expected) -> Option<String> {
    match (found, &expected.answer) {
        (Match::Prefix { words: came }, ExpectedAnswer::Words(words)) => Some(format!(
            "the text ends after {came} of {} expected words",
            words.len()
        )),
        (Match::Unfinished { bytes }, ExpectedAnswer::Json(document)) => Some(format!(
            "the JSON document ends after {bytes} of {} bytes",
            document.to_string().len()
        )),
        (Match::Unfinished { bytes }, ExpectedAnswer::Tool { arguments, .. }) => Some(format!(
            "tool arguments end after {bytes} of {} bytes",
            arguments.to_string().len()
        )),
        _ => None,
    }
}

/// Pieces of a reply that a tokenizer tells apart at least: runs of letters and digits, and marks. For holding token
/// counts against them.
pub(super) fn count_pieces(text: &str) -> u64 {
    let mut pieces = 0;
    let mut inside = false;
    for c in text.chars() {
        let part = c.is_alphanumeric();
        pieces += u64::from(if part { !inside } else { !c.is_whitespace() });
        inside = part;
    }
    pieces
}

/// Whether the visible tokens that the provider counted cannot belong to the reply that came. The whole answer is
/// plausible with 3/8 to 5/2 of the tokens that it is planned with: 12 to 80 for the 32 of the standard canary. For
/// anything else more than two tokens a piece and eight are too many: text was generated but lost on the way.
pub(super) fn usage_mismatch(visible: u64, planned: Option<u32>, pieces: u64) -> bool {
    match planned {
        Some(planned) => {
            let planned = u64::from(planned);
            visible.saturating_mul(8) < 3 * planned || visible.saturating_mul(2) > 5 * planned
        }
        None => visible > pieces.saturating_mul(2).saturating_add(8),
    }
}

/// Whether a text holds another probe's sentinel.
fn foreign(text: &str, expected: &Expected) -> bool {
    let own = match &expected.answer {
        ExpectedAnswer::Words(words) => words.last().cloned().unwrap_or_default(),
        ExpectedAnswer::Json(value) | ExpectedAnswer::Tool { arguments: value, .. } => value.to_string(),
    };
    let lower = text.to_ascii_lowercase();
    let mut words = lower.split(|c: char| !c.is_ascii_alphabetic());
    words.any(|word| expected.sentinels.iter().any(|known| known == word) && !own.contains(word))
}

/// The text after one leading think block, and whether there was one. An unclosed block is left in place.
fn without_think_block(text: &str) -> (&str, bool) {
    let Some(inside) = text.trim_start().strip_prefix("<think>") else {
        return (text, false);
    };
    match inside.split_once("</think>") {
        Some((_, after)) => (after, true),
        None => (text, true),
    }
}

#[cfg(test)]
mod kinds;
#[cfg(test)]
mod tests;
