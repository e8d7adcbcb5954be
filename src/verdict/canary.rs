//! Whether a text is the right answer of a canary, and if not, how it differs.
//!
//! Words are compared, never raw text: replies of one model differ in spaces, quotes, case and fences.

use unicode_normalization::UnicodeNormalization;

use super::{Expected, Flags};

/// How a text compares with the expected words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// All words stand there in one run, the sentinel last.
    Found,
    /// The text ends inside the expected words.
    Prefix {
        /// Whole expected words that came.
        words: usize,
    },
    /// First and last words are there, some between are not.
    Gap {
        /// How many.
        missing: usize,
    },
    /// No word at all.
    Empty,
    /// Another text.
    Other,
}

/// Compares the visible text with the expected words and sets the flags that it earns. `chunks` are byte offsets into
/// `text` where chunks of the stream began.
pub fn match_words(text: &str, chunks: &[u32], expected: &Expected, flags: &mut Flags) -> Match {
    let (body, think) = without_think_block(text);
    flags.set(Flags::THINK_BLOCK, think);
    let plain = words(body, Digits::Vanish);
    let mut found = compare(&plain, &expected.words, flags);
    if found != Match::Found && body.bytes().any(|b| b.is_ascii_digit()) {
        let spelled = words(body, Digits::Spell);
        let second = compare(&spelled, &expected.words, flags);
        if rank(second) > rank(found) {
            found = second;
        }
    }
    if found != Match::Found {
        let own = expected.words.last();
        let foreign = |word: &String| Some(word) != own && expected.sentinels.contains(word);
        flags.set(Flags::CACHED_ANSWER, plain.iter().any(foreign));
    }
    if matches!(found, Match::Gap { .. }) {
        let start = text.len() - body.len();
        flags.set(
            Flags::LOST_CHUNK,
            gap_on_boundary(body, start, chunks, &expected.words),
        );
    }
    found
}

/// Words of a text, for holding token counts against them.
pub(super) fn count_words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Whether the visible tokens that the provider counted cannot belong to the text that came. `full` is the number of
/// expected words if all were found; then 12 to 80 tokens are plausible for the 21 words of the standard canary, in
/// proportion for others. Otherwise more than two tokens a word and eight: text was generated but lost on the way.
pub(super) fn usage_mismatch(visible: u64, full: Option<usize>, received: usize) -> bool {
    match full {
        Some(words) => {
            let words = words as u64;
            let visible = visible.saturating_mul(21);
            visible < 12 * words || visible > 80 * words
        }
        None => visible > 2 * received as u64 + 8,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Digits {
    /// A numbered list: the words beside the numbers count.
    Vanish,
    /// Numbers in place of words.
    Spell,
}

const NUMBERS: [&str; 20] = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// Lower-case words of a text after compatibility normalisation; everything but letters separates.
fn words(text: &str, digits: Digits) -> Vec<String> {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    folded
        .split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(pieces)
        .filter_map(|piece| match piece {
            Piece::Letters(word) => Some(word.to_owned()),
            Piece::Digits(number) if digits == Digits::Spell => {
                let number: usize = number.parse().ok()?;
                NUMBERS.get(number.checked_sub(1)?).map(|word| (*word).to_owned())
            }
            Piece::Digits(_) => None,
        })
        .collect()
}

enum Piece<'a> {
    Letters(&'a str),
    Digits(&'a str),
}

/// Runs of letters and runs of digits of an alphanumeric token.
fn pieces(token: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = token;
    std::iter::from_fn(move || {
        let is_digit = rest.chars().next()?.is_ascii_digit();
        let end = rest
            .find(|c: char| c.is_ascii_digit() != is_digit)
            .unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(if is_digit {
            Piece::Digits(piece)
        } else {
            Piece::Letters(piece)
        })
    })
}

fn compare(words: &[String], expected: &[String], flags: &mut Flags) -> Match {
    if words.is_empty() || expected.is_empty() {
        return Match::Empty;
    }
    if words.len() >= expected.len() && words.windows(expected.len()).any(|run| run == expected) {
        flags.set(Flags::EXTRA_WORDS, words.len() > expected.len());
        return Match::Found;
    }
    match (prefix(words, expected), gap(words, expected)) {
        (Some(words), _) => Match::Prefix { words },
        (None, Some(missing)) => Match::Gap { missing },
        (None, None) => Match::Other,
    }
}

/// Better explanations rank higher; among cuts, the later one.
fn rank(found: Match) -> usize {
    match found {
        Match::Found => usize::MAX,
        Match::Prefix { words } => words.saturating_add(2),
        Match::Gap { .. } => 2,
        Match::Other => 1,
        Match::Empty => 0,
    }
}

/// Length of the longest run at the end of the text that begins the expected words. A last word that was cut itself
/// belongs to the run, but is not counted.
fn prefix(words: &[String], expected: &[String]) -> Option<usize> {
    let longest = words.len().min(expected.len());
    (1..=longest).rev().find_map(|len| {
        let run = &words[words.len() - len..];
        let (last, whole) = run.split_last()?;
        if whole != &expected[..len - 1] {
            return None;
        }
        if *last == expected[len - 1] {
            return (len < expected.len()).then_some(len);
        }
        (len > 1 && expected[len - 1].starts_with(last.as_str())).then_some(len - 1)
    })
}

/// Number of missing words if the rest stand there in order, from among the first to the sentinel at the end.
fn gap(words: &[String], expected: &[String]) -> Option<usize> {
    let places = places(words.iter().map(String::as_str), expected);
    let in_order = places.windows(2).all(|pair| pair[0] < pair[1]);
    let whole_ends = places.len() >= 2 && places.last() == Some(&(expected.len() - 1));
    (in_order && whole_ends && places.len() < expected.len()).then(|| expected.len() - places.len())
}

fn places<'a>(words: impl Iterator<Item = &'a str>, expected: &[String]) -> Vec<usize> {
    words
        .filter_map(|word| expected.iter().position(|known| known == word))
        .collect()
}

/// Whether a chunk began between the two words around a gap.
fn gap_on_boundary(text: &str, start: usize, chunks: &[u32], expected: &[String]) -> bool {
    let lower = text.to_ascii_lowercase();
    let mut before: Option<(usize, usize)> = None;
    let tokens = lower
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|word| !word.is_empty());
    for word in tokens {
        let at = word.as_ptr() as usize - lower.as_ptr() as usize;
        let Some(place) = expected.iter().position(|known| known == word) else {
            continue;
        };
        let (last, end) = before.map_or((None, 0), |(place, end)| (Some(place), end));
        if last.map_or(0, |last| last + 1) < place {
            let between = start + end..=start + at;
            if chunks.iter().any(|chunk| between.contains(&(*chunk as usize))) {
                return true;
            }
        }
        before = Some((place, at + word.len()));
    }
    false
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
mod tests;
