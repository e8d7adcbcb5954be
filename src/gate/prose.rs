//! How prose ends. A model may end as it likes: everything here is a hint.

use super::{Hint, code, content::Whole};

/// What closes a sentence from outside it: quotes, brackets, emphasis.
const CLOSERS: &[char] = &[
    '"', '\'', '\u{201d}', '\u{2019}', '\u{bb}', ')', ']', '}', '*', '_', '`', '\u{300d}', '\u{300f}',
    '\u{ff09}',
];

/// Looks at the last words.
pub(super) fn check(text: &str) -> Whole {
    let mut whole = Whole::default();
    if code::is_open(text) {
        whole.hints.push(Hint::UnclosedFence);
        whole.what.push_str("but its last code fence is open");
        return whole;
    }
    let end = text.trim_end();
    let last = end.rsplit('\n').next().unwrap_or_default().trim_start();
    if last.starts_with("```") || last.starts_with("~~~") {
        return whole;
    }
    let inner = end.trim_end_matches(CLOSERS);
    match inner.chars().next_back() {
        None
        | Some('.' | '!' | '?' | '\u{2026}' | ':' | ';' | '。' | '！' | '？' | '।' | '؟' | '|' | '>') =>
            {}
        Some(',' | '-' | '\u{2013}' | '\u{2014}' | '(' | '[' | '{' | '、' | '，') => {
            whole.hints.push(Hint::EndsMidSentence);
            whole.what.push_str("but it ends in the middle of a sentence");
        }
        // A figure, an emoji or a sign ends many a reply.
        Some(last) if !last.is_alphabetic() => {}
        Some(_) => {
            whole.hints.push(Hint::NoFinalPunctuation);
            whole
                .what
                .push_str("but its last sentence has no final punctuation");
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        for (text, expected) in [
            ("Done.", None),
            ("He said \"yes.\"\n", None),
            ("**Done!**", None),
            ("See (above).", None),
            ("完了。", None),
            ("It costs 42", None),
            ("Nice 🎉", None),
            ("", None),
            ("and then the", Some(Hint::NoFinalPunctuation)),
            ("the answ", Some(Hint::NoFinalPunctuation)),
            ("one, two,", Some(Hint::EndsMidSentence)),
            ("the options (", Some(Hint::EndsMidSentence)),
            ("Run:\n```sh\nls\n```", None),
            ("Run:\n```sh\nls", Some(Hint::UnclosedFence)),
        ] {
            assert_eq!(check(text).hints.first().copied(), expected, "{text:?}");
        }
    }
}
