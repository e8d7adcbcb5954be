//! Patterns of target ids: one rule wherever somebody names targets (`docs/operating.md`).

use std::{fmt, str::FromStr};

use wildmatch::WildMatch;

use super::{MAX_MODEL_BYTES, MAX_PROVIDER_BYTES, ProviderId, TargetId};

/// Longest pattern in bytes: that of the longest target id, and a `*`.
pub const MAX_PATTERN_BYTES: usize = MAX_PROVIDER_BYTES + 1 + MAX_MODEL_BYTES + 1;

/// A pattern of target ids: `*` stands for any characters, slashes too, `?` for one. A name without any of the three is
/// a provider, with all of its targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    text: Box<str>,
    /// What the text means, where it is no provider.
    fits: WildMatch,
}

impl Eq for Pattern {}

/// Why a text is no pattern of target ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is empty.
    #[error("a pattern is empty")]
    Empty,
    /// It is longer than [`MAX_PATTERN_BYTES`].
    #[error("a pattern has {0} bytes, at most {MAX_PATTERN_BYTES} are allowed")]
    TooLong(usize),
    /// It holds what no target id holds: it could match nothing.
    #[error("pattern {0:?} holds {1:?}, which no target id does")]
    Character(String, char),
}

impl Pattern {
    /// The pattern that every target matches.
    pub fn any() -> Self {
        Self::new("*")
    }

    fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            fits: WildMatch::new(text),
        }
    }

    /// Whether that target is meant.
    pub fn matches(&self, target: &TargetId) -> bool {
        self.matches_text(&target.to_string())
    }

    /// Whether the target of that id is meant.
    pub fn matches_text(&self, id: &str) -> bool {
        if self.is_provider() {
            return id
                .split_once('/')
                .is_some_and(|(provider, _)| *provider == *self.text);
        }
        self.fits.matches(id)
    }

    /// Whether some target of that provider could be meant.
    pub fn may_match(&self, provider: &ProviderId) -> bool {
        let provider = provider.as_str();
        if self.is_provider() {
            return *self.text == *provider;
        }
        // Whatever comes from the first `*` on, some model fits it.
        let (head, open) = match self.text.split_once('*') {
            Some((head, _)) => (head, true),
            None => (&*self.text, false),
        };
        let begin = provider.bytes().chain([b'/']);
        let same = head.bytes().zip(begin).all(|(one, c)| one == b'?' || one == c);
        same && (open || head.len() > provider.len() + 1)
    }

    /// Whether it holds a `*` or a `?`.
    pub fn is_open(&self) -> bool {
        self.text.contains(['*', '?'])
    }

    fn is_provider(&self) -> bool {
        !self.text.contains(['*', '?', '/'])
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong(text.len()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/@!+*?".contains(c);
        match text.chars().find(|c| !allowed(*c)) {
            Some(found) => Err(PatternError::Character(text.to_owned(), found)),
            None => Ok(Self::new(text)),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_crosses_slashes_and_a_name_alone_is_a_provider() {
        for (text, id, matches, may_match) in [
            ("*", "a/m", true, true),
            ("a/*", "a/m", true, true),
            ("a/*", "ab/m", false, false),
            ("a*", "ab/m", true, true),
            ("a/**", "a/m", true, true),
            ("a", "a/m", true, true),
            ("a", "a/x/y", true, true),
            ("a", "ab/m", false, false),
            ("m", "a/m", false, false),
            ("*/gpt-?", "o/gpt-5", true, true),
            ("*/gpt-?", "o/gpt-5.2", false, true),
            ("?/gpt-5", "o/gpt-5", true, true),
            ("?/gpt-5", "ab/gpt-5", false, false),
            ("o?gpt-5", "o/gpt-5", true, true),
            ("*haiku*", "anthropic/claude-haiku-4-5", true, true),
            ("a*haiku*", "b/haiku", false, false),
            ("a*a", "a/mama", true, true),
            ("a*b*c", "a/b/c/b", false, true),
            ("o/meta/*", "o/meta/l/8b", true, true),
            ("o/meta/*", "o/other/l", false, true),
            ("a/m", "a/m", true, true),
            ("a/m", "a/m2", false, true),
            ("a/m", "a/M", false, true),
            ("a/", "a/m", false, false),
            ("a?", "a/m", false, false),
        ] {
            let (pattern, id) = (pattern(text), id.parse::<TargetId>().unwrap());
            let found = (pattern.matches(&id), pattern.may_match(id.provider()));
            assert_eq!(found, (matches, may_match), "{text} {id}");
            assert_eq!(pattern.to_string(), text);
            assert_eq!(pattern.is_open(), text.contains(['*', '?']), "{text}");
        }
    }

    #[test]
    fn what_no_target_can_match_is_refused() {
        let longest = "x".repeat(MAX_PATTERN_BYTES);
        assert!(longest.parse::<Pattern>().is_ok());
        for (text, error) in [
            ("", PatternError::Empty),
            (
                &*format!("{longest}y"),
                PatternError::TooLong(MAX_PATTERN_BYTES + 1),
            ),
            ("a b", PatternError::Character("a b".to_owned(), ' ')),
            ("é*", PatternError::Character("é*".to_owned(), 'é')),
            ("[ab]/*", PatternError::Character("[ab]/*".to_owned(), '[')),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(error));
        }
    }

    proptest! {
        /// Until there was one rule, a `*` stood at the end only; what was written then means what it meant.
        #[test]
        fn what_was_a_prefix_still_is(text in "[ab]{1,2}|[ab]{1,2}/[ab/]{1,3}|[ab/]{0,4}[*]", id in "[ab]{1,2}/[ab/]{1,3}") {
            let id: TargetId = id.parse().unwrap();
            let meant = match text.strip_suffix('*') {
                Some(begin) => id.to_string().starts_with(begin),
                None if text.contains('/') => text == id.to_string(),
                None => text == id.provider().as_str(),
            };
            prop_assert_eq!(pattern(&text).matches(&id), meant);
        }

        #[test]
        fn whoever_has_a_target_that_matches_may_match(text in "[ab/*?]{1,6}", id in "[ab]{1,2}/[ab/]{1,3}") {
            let (text, id) = (pattern(&text), id.parse::<TargetId>().unwrap());
            prop_assert!(!text.matches(&id) || text.may_match(id.provider()));
        }
    }
}
