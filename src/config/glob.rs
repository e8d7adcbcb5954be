//! Patterns of target ids.

use std::{fmt, str::FromStr};

use wildmatch::WildMatch;

use crate::id::{MAX_MODEL_BYTES, MAX_PROVIDER_BYTES, TargetId};

/// Longest pattern in bytes: that of the longest target id.
pub const MAX_GLOB_BYTES: usize = MAX_PROVIDER_BYTES + 1 + MAX_MODEL_BYTES;

/// A pattern of target ids: `*` stands for any characters, slashes too, `?` for one.
#[derive(Debug, Clone)]
pub struct Glob(WildMatch);

/// Why a text is no pattern of target ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// It is empty.
    #[error("a pattern is empty")]
    Empty,
    /// It is longer than any target id.
    #[error("a pattern has {0} bytes, at most {MAX_GLOB_BYTES} are allowed")]
    TooLong(usize),
    /// It holds what no target id holds: it could match nothing.
    #[error("pattern {0:?} holds {1:?}, which no target id does")]
    Character(String, char),
}

impl Glob {
    /// The pattern that every target matches.
    pub fn any() -> Self {
        Self(WildMatch::new("*"))
    }

    /// Whether that target is meant.
    pub fn matches(&self, target: &TargetId) -> bool {
        self.matches_text(&target.to_string())
    }

    /// Whether the target of that id is meant.
    pub fn matches_text(&self, id: &str) -> bool {
        self.0.matches(id)
    }

    /// Whether it stands for more than one id.
    pub fn is_open(&self) -> bool {
        self.0.pattern_chars().iter().any(|c| "*?".contains(*c))
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        if text.len() > MAX_GLOB_BYTES {
            return Err(GlobError::TooLong(text.len()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/@!+*?".contains(c);
        match text.chars().find(|c| !allowed(*c)) {
            Some(found) => Err(GlobError::Character(text.to_owned(), found)),
            None => Ok(Self(WildMatch::new(text))),
        }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.0.pattern_chars() == other.0.pattern_chars()
    }
}

impl Eq for Glob {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_crosses_slashes() {
        for (pattern, id, matches) in [
            ("*", "a/m", true),
            ("a/*", "a/m", true),
            ("a/*", "ab/m", false),
            ("a*", "ab/m", true),
            ("*/gpt-?", "o/gpt-5", true),
            ("*/gpt-?", "o/gpt-5.2", false),
            ("*haiku*", "anthropic/claude-haiku-4-5", true),
            ("o/meta/*", "o/meta/l/8b", true),
            ("a/m", "a/m", true),
            ("a/m", "a/M", false),
        ] {
            let glob: Glob = pattern.parse().unwrap();
            assert_eq!(glob.matches(&id.parse().unwrap()), matches, "{pattern} {id}");
            assert_eq!(glob.to_string(), pattern);
            assert_eq!(glob.is_open(), pattern.contains(['*', '?']), "{pattern}");
        }
    }

    #[test]
    fn what_no_target_can_match_is_refused() {
        let longest = "x".repeat(MAX_GLOB_BYTES);
        assert!(longest.parse::<Glob>().is_ok());
        for (pattern, error) in [
            ("", GlobError::Empty),
            (&*format!("{longest}y"), GlobError::TooLong(MAX_GLOB_BYTES + 1)),
            ("a b", GlobError::Character("a b".to_owned(), ' ')),
            ("é*", GlobError::Character("é*".to_owned(), 'é')),
            ("[ab]/*", GlobError::Character("[ab]/*".to_owned(), '[')),
        ] {
            assert_eq!(pattern.parse::<Glob>(), Err(error));
        }
    }
}
