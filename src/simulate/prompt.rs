//! What was asked, and the right answer to it: our canaries by their files, the usual probes by rule, anything else with
//! filler.

mod shipped;

use crate::protocol::Channel;
use shipped::Shipped;

/// Longest answer in tokens.
pub(crate) const MAX_TOKENS: usize = 4096;
const FILLER_TOKENS: usize = 120;
/// Characters of a token of JSON.
const JSON_TOKEN_CHARS: usize = 4;
const REASONING: &str = "The user wants something exact, so I work it out first and then say it once.";
const FILLER: &str = "The quick brown fox jumps over the lazy dog while the simulator keeps its steady pace and every \
                      word arrives as a token of its own";

const ONES: [&str; 20] = [
    "zero",
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

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Where it goes.
    pub(crate) channel: Channel,
    /// Its text.
    pub(crate) text: String,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    /// Reasoning, then text or a tool's arguments.
    pub(crate) tokens: Vec<Token>,
    /// The tool that is called; empty where none is.
    pub(crate) tool: String,
}

impl Answer {
    /// The text of a channel, out of the first `upto` tokens; `None` where it has no token at all.
    pub(crate) fn text(&self, channel: Channel, upto: usize) -> Option<String> {
        let mut tokens = self
            .tokens
            .iter()
            .enumerate()
            .filter(|(_, token)| token.channel == channel)
            .peekable();
        tokens.peek()?;
        Some(
            tokens
                .take_while(|(at, _)| *at < upto)
                .map(|(_, token)| token.text.as_str())
                .collect(),
        )
    }

    /// Tokens of reasoning.
    pub(crate) fn reasoning_tokens(&self) -> usize {
        let reasoning = |token: &&Token| token.channel == Channel::Reasoning;
        self.tokens.iter().filter(reasoning).count()
    }
}

/// The right answer. A model whose id holds `reason` reasons first; a tool is called only where it is offered.
pub(crate) fn answer(model: &str, prompt: &str, tools: &[String]) -> Answer {
    let shipped = shipped::answer(prompt, tools);
    let (channel, texts, tool) = match shipped {
        Some(Shipped::Text(text)) => (Channel::Text, words(&text), String::new()),
        Some(Shipped::Json(json)) => (Channel::Text, pieces(&json), String::new()),
        Some(Shipped::Call { tool, arguments }) => (Channel::Tool, pieces(&arguments), tool),
        None => (Channel::Text, words(&free_text(prompt)), String::new()),
    };
    let reasoning = if model.contains("reason") {
        words(REASONING)
    } else {
        Vec::new()
    };
    let reasoning = reasoning.into_iter().map(|text| (Channel::Reasoning, text));
    let rest = texts.into_iter().map(|text| (channel, text));
    Answer {
        tokens: reasoning
            .chain(rest)
            .take(MAX_TOKENS)
            .map(|(channel, text)| Token { channel, text })
            .collect(),
        tool,
    }
}

/// What isn't one of our canaries: the rules of the usual probes, else filler.
fn free_text(prompt: &str) -> String {
    counting(prompt)
        .or_else(|| after(prompt, "Repeat exactly this line:").map(str::to_owned))
        .or_else(|| after(prompt, "single word").and_then(|rest| first_word(rest).map(str::to_owned)))
        .unwrap_or_else(|| {
            let words: Vec<&str> = FILLER.split_whitespace().collect();
            (0..FILLER_TOKENS)
                .map(|n| words[n % words.len()])
                .collect::<Vec<_>>()
                .join(" ")
        })
}

/// A word is a token; every one but the first starts with a space, as vendors' tokens do.
fn words(text: &str) -> Vec<String> {
    let words = text.split_whitespace().enumerate();
    words
        .map(|(n, word)| {
            if n == 0 {
                word.to_owned()
            } else {
                format!(" {word}")
            }
        })
        .collect()
}

/// JSON in tokens of a few characters.
fn pieces(json: &str) -> Vec<String> {
    let chars: Vec<char> = json.chars().collect();
    chars
        .chunks(JSON_TOKEN_CHARS)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn after<'a>(prompt: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = prompt.split_once(marker)?;
    Some(rest.trim()).filter(|rest| !rest.is_empty())
}

fn first_word(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| !word.is_empty())
}

/// "... number words from one to twenty ... the word KESTREL ...": the numbers, then the word.
fn counting(prompt: &str) -> Option<String> {
    let range = after(prompt, "number words from ")?;
    let (from, rest) = range.split_once(" to ")?;
    let from = number(from)?;
    // The upper bound may be several words; the longest run of number words counts.
    let run: Vec<&str> = rest
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_ascii_alphabetic() && c != '-'))
        .take_while(|word| number(word).is_some() || *word == "hundred")
        .collect();
    let to = number(&run.join(" "))?;
    let mut words: Vec<String> = (from..=to).map(spell).collect();
    words.extend(after(rest, "the word ").and_then(first_word).map(str::to_owned));
    Some(words.join(" "))
}

/// A number word up to nine hundred ninety-nine.
fn number(text: &str) -> Option<usize> {
    (0..1000).find(|n| spell(*n) == text.trim())
}

fn spell(n: usize) -> String {
    match n {
        0..20 => ONES[n].to_owned(),
        20..100 if n.is_multiple_of(10) => TENS[n / 10].to_owned(),
        20..100 => format!("{}-{}", TENS[n / 10], ONES[n % 10]),
        _ if n.is_multiple_of(100) => format!("{} hundred", ONES[n / 100 % 10]),
        _ => format!("{} hundred {}", ONES[n / 100 % 10], spell(n % 100)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT20: &str = "Write the English number words from one to twenty in order, in lowercase, separated by \
                           single spaces, on one line. Directly after twenty write a space and the word kestrel. \
                           Write nothing else.";

    fn text(prompt: &str) -> String {
        let answer = answer("m", prompt, &[]);
        answer.text(Channel::Text, usize::MAX).unwrap_or_default()
    }

    #[test]
    fn canaries_are_answered_rightly() {
        assert_eq!(
            text(COUNT20),
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
             seventeen eighteen nineteen twenty kestrel"
        );
        assert_eq!(answer("m", COUNT20, &[]).tokens.len(), 21);
        let long = COUNT20.replace("twenty", "two hundred");
        assert!(text(&long).ends_with(" one hundred ninety-nine two hundred kestrel"));
        assert_eq!(
            text("Repeat exactly this line: red blue green walnut"),
            "red blue green walnut"
        );
        assert_eq!(text("Reply with the single word SENTINEL."), "SENTINEL");
    }

    #[test]
    fn anything_else_gets_filler() {
        for prompt in ["", "Why?", "number words from", "number words from x to y"] {
            assert_eq!(answer("m", prompt, &[]).tokens.len(), FILLER_TOKENS, "{prompt:?}");
        }
    }

    #[test]
    fn the_answer_is_limited() {
        let prompt = format!("Repeat exactly this line: {}", "a ".repeat(MAX_TOKENS + 5));
        assert_eq!(answer("m", &prompt, &[]).tokens.len(), MAX_TOKENS);
    }

    #[test]
    fn reasoning_comes_first_where_the_name_says_so() {
        let answer = answer("deepseek-reasoner", COUNT20, &[]);
        let reasoning = answer.reasoning_tokens();
        assert_eq!((reasoning, answer.tokens.len()), (16, 37));
        assert!(
            answer.tokens[..reasoning]
                .iter()
                .all(|token| token.channel == Channel::Reasoning)
        );
        assert_eq!(answer.text(Channel::Text, 18).as_deref(), Some("one two"));
        assert_eq!(answer.text(Channel::Reasoning, 1).as_deref(), Some("The"));
        assert_eq!(answer.text(Channel::Tool, 9), None);
    }
}
