//! Answers in words: a counted sequence and the sentinel.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::Match;
use crate::verdict::Flags;

const ONES: [&str; 20] = [
    "",
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
];
const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

/// Compares a text with the expected words. `start` is where it begins in the whole visible text, whose chunks began
/// at `chunks`.
pub(super) fn compare(
    text: &str,
    start: usize,
    chunks: &[u32],
    expected: &[String],
    flags: &mut Flags,
) -> Match {
    let joins = Joins::of(expected);
    let names: Vec<String> = expected.iter().map(|word| word.replace('-', "")).collect();
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let mut found = best(&tokens(&folded, Digits::Vanish, &joins), &names, flags);
    // Where the words themselves make sense, digits between them are ornament.
    if matches!(found, Match::Empty | Match::Other) && folded.bytes().any(|b| b.is_ascii_digit()) {
        found = best(&tokens(&folded, Digits::Spell, &joins), &names, flags);
    }
    if matches!(found, Match::Gap { .. }) {
        let lower = text.to_ascii_lowercase();
        let tokens = tokens(&lower, Digits::Vanish, &joins);
        flags.set(Flags::LOST_CHUNK, gap_on_boundary(&tokens, start, chunks, &names));
    }
    found
}

#[derive(Clone, Copy, PartialEq)]
enum Digits {
    /// A numbered list: the words beside the numbers count.
    Vanish,
    /// Numbers in place of words.
    Spell,
}

/// A word of a text and where it stands there.
struct Token {
    word: String,
    from: usize,
    to: usize,
    /// Length of the first of two words that were taken as one; else that of the word.
    first: usize,
}

/// Pairs of words that the expected sequence takes as one: `twenty` and `one` where it has `twenty-one`.
struct Joins<'a>(HashMap<&'a str, Vec<&'a str>>);

impl<'a> Joins<'a> {
    fn of(expected: &'a [String]) -> Self {
        let mut pairs: HashMap<&str, Vec<&str>> = HashMap::new();
        for (first, second) in expected.iter().filter_map(|word| word.split_once('-')) {
            pairs.entry(first).or_default().push(second);
        }
        Self(pairs)
    }

    fn seconds(&self, first: &str) -> &[&str] {
        self.0.get(first).map_or(&[], Vec::as_slice)
    }

    /// Whether the two are one word.
    fn whole(&self, first: &str, second: &str) -> bool {
        self.seconds(first).contains(&second)
    }
}

/// Words of a text in lower case; everything but letters separates.
fn tokens(lower: &str, digits: Digits, joins: &Joins<'_>) -> Vec<Token> {
    let mut pieces: Vec<Token> = Vec::new();
    for (from, piece) in alphanumeric(lower) {
        let is_number = piece.starts_with(|c: char| c.is_ascii_digit());
        let word = match digits {
            _ if !is_number => Some(piece.to_owned()),
            Digits::Spell => spell(piece),
            Digits::Vanish => None,
        };
        let to = from + piece.len();
        pieces.extend(word.map(|word| Token {
            first: word.len(),
            word,
            from,
            to,
        }));
    }
    let mut out: Vec<Token> = Vec::with_capacity(pieces.len());
    let mut pieces = pieces.into_iter().peekable();
    while let Some(mut token) = pieces.next() {
        let second = pieces.next_if(|second| joins.whole(&token.word, &second.word));
        if let Some(second) = second {
            token.word.push_str(&second.word);
            token.to = second.to;
        }
        out.push(token);
    }
    out
}

/// Runs of letters and runs of digits, with their offsets.
fn alphanumeric(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text[at..].find(|c: char| c.is_ascii_alphanumeric())?;
        let rest = &text[at..];
        let is_digit = rest.starts_with(|c: char| c.is_ascii_digit());
        let other = |c: char| !c.is_ascii_alphanumeric() || c.is_ascii_digit() != is_digit;
        let len = rest.find(other).unwrap_or(rest.len());
        let from = at;
        at += len;
        Some((from, &rest[..len]))
    })
}

/// The word of a number from 1 to 100, joined as expected words are.
fn spell(digits: &str) -> Option<String> {
    let number: usize = digits.parse().ok()?;
    match number {
        1..20 => Some(ONES[number].to_owned()),
        20..100 => Some(format!("{}{}", TENS[number / 10], ONES[number % 10])),
        100 => Some("onehundred".to_owned()),
        _ => None,
    }
}

fn best(tokens: &[Token], expected: &[String], flags: &mut Flags) -> Match {
    if tokens.is_empty() || expected.is_empty() {
        return Match::Empty;
    }
    let words: Vec<&str> = tokens.iter().map(|token| token.word.as_str()).collect();
    if words.len() >= expected.len() && words.windows(expected.len()).any(|run| run == expected) {
        flags.set(Flags::EXTRA_WORDS, words.len() > expected.len());
        return Match::Found;
    }
    if let Some(words) = prefix(&words, expected).or_else(|| prefix_by_halves(tokens, &words, expected)) {
        return Match::Prefix { words };
    }
    gap(&words, expected).map_or(Match::Other, |missing| Match::Gap { missing })
}

/// As [`prefix`], where the last word is a half of one: `twenty o` is the beginning of `twenty-one`, and `sixty six`
/// that of `sixty, sixty-one`.
fn prefix_by_halves(tokens: &[Token], words: &[&str], expected: &[String]) -> Option<usize> {
    let (last, before) = tokens.split_last()?;
    let (first, second) = last.word.split_at(last.first);
    let before_words = &words[..before.len()];
    let with = |end: &[&str]| prefix(&[before_words, end].concat(), expected);
    if !second.is_empty() {
        return with(&[first, second]);
    }
    let (before_last, rest) = before_words.split_last()?;
    let joined = format!("{before_last}{first}");
    prefix(&[rest, &[joined.as_str()]].concat(), expected)
}

/// Length of the longest run at the end of the text that begins the expected words. A last word that was cut itself
/// belongs to the run, but is not counted.
fn prefix(words: &[&str], expected: &[String]) -> Option<usize> {
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
        (len > 1 && expected[len - 1].starts_with(*last)).then_some(len - 1)
    })
}

/// Number of missing words if the rest stand there in order, from among the first to the sentinel at the end.
fn gap(words: &[&str], expected: &[String]) -> Option<usize> {
    let places: Vec<usize> = words.iter().filter_map(|word| place(word, expected)).collect();
    let in_order = places.windows(2).all(|pair| pair[0] < pair[1]);
    let whole_ends = places.len() >= 2 && places.last() == Some(&(expected.len() - 1));
    (in_order && whole_ends && places.len() < expected.len()).then(|| expected.len() - places.len())
}

fn place(word: &str, expected: &[String]) -> Option<usize> {
    expected.iter().position(|known| known == word)
}

/// Whether a chunk began between the two words around a gap.
fn gap_on_boundary(tokens: &[Token], start: usize, chunks: &[u32], expected: &[String]) -> bool {
    let mut before: Option<(usize, usize)> = None;
    for token in tokens {
        let Some(place) = place(&token.word, expected) else {
            continue;
        };
        let (last, end) = before.map_or((None, 0), |(place, end)| (Some(place), end));
        if last.map_or(0, |last| last + 1) < place {
            let between = start + end..=start + token.from;
            if chunks.iter().any(|chunk| between.contains(&(*chunk as usize))) {
                return true;
            }
        }
        before = Some((place, token.to));
    }
    false
}
