//! What was asked, and the right answer to it: our canaries by rule, anything else with filler.

/// Longest answer in tokens.
pub(crate) const MAX_TOKENS: usize = 4096;
const FILLER_TOKENS: usize = 120;
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

/// The answer, one item per token; every token but the first starts with a space, as vendors' tokens do.
pub(crate) fn answer(prompt: &str) -> Vec<String> {
    let words = counting(prompt)
        .or_else(|| after(prompt, "Repeat exactly this line:").map(str::to_owned))
        .or_else(|| after(prompt, "single word").and_then(|rest| first_word(rest).map(str::to_owned)))
        .unwrap_or_else(|| {
            let words: Vec<&str> = FILLER.split_whitespace().collect();
            (0..FILLER_TOKENS)
                .map(|n| words[n % words.len()])
                .collect::<Vec<_>>()
                .join(" ")
        });
    words
        .split_whitespace()
        .take(MAX_TOKENS)
        .enumerate()
        .map(|(n, word)| {
            if n == 0 {
                word.to_owned()
            } else {
                format!(" {word}")
            }
        })
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

    #[test]
    fn canaries_are_answered_rightly() {
        let text = |prompt: &str| answer(prompt).concat();
        assert_eq!(
            text(COUNT20),
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
             seventeen eighteen nineteen twenty kestrel"
        );
        assert_eq!(answer(COUNT20).len(), 21);
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
            assert_eq!(answer(prompt).len(), FILLER_TOKENS, "{prompt:?}");
        }
    }

    #[test]
    fn the_answer_is_limited() {
        let prompt = format!("Repeat exactly this line: {}", "a ".repeat(MAX_TOKENS + 5));
        assert_eq!(answer(&prompt).len(), MAX_TOKENS);
    }
}
