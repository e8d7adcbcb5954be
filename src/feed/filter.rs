//! `?targets=`: which targets a reader wants to hear of.

use crate::id::{MAX_MODEL_BYTES, MAX_PROVIDER_BYTES, ProviderId, TargetId};

/// Most patterns in one filter.
pub const MAX_PATTERNS: usize = 64;
/// Longest pattern in bytes, its `*` left out: that of the longest target id.
pub const MAX_PATTERN_BYTES: usize = MAX_PROVIDER_BYTES + 1 + MAX_MODEL_BYTES;

/// Why a text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Nothing between two commas.
    #[error("targets holds an empty pattern")]
    Empty,
    /// More than [`MAX_PATTERNS`].
    #[error("targets holds {0} patterns, at most {MAX_PATTERNS} are allowed")]
    TooMany(usize),
    /// A pattern longer than any target id.
    #[error("a pattern has {0} bytes, at most {MAX_PATTERN_BYTES} are allowed")]
    TooLong(usize),
    /// A character that no target id holds: the pattern could match nothing.
    #[error("pattern {0:?} holds {1:?}, which no target id does")]
    Character(String, char),
    /// A `*` that is not at the end.
    #[error("pattern {0:?} holds a * before its end")]
    Star(String),
}

/// A list of target ids, each of which may end in `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    Prefix(String),
}

impl Filter {
    /// Parses `a/b,c/*`.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let count = text.split(',').count();
        if count > MAX_PATTERNS {
            return Err(FilterError::TooMany(count));
        }
        text.split(',')
            .map(Pattern::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether it wants that target.
    pub fn wants(&self, target: &TargetId) -> bool {
        let id = target.to_string();
        self.0.iter().any(|pattern| match pattern {
            Pattern::Exact(text) => *text == id,
            Pattern::Prefix(text) => id.starts_with(text.as_str()),
        })
    }

    /// Whether it may want a target of that provider.
    pub fn wants_provider(&self, provider: &ProviderId) -> bool {
        self.0.iter().any(|pattern| {
            let (text, open) = match pattern {
                Pattern::Exact(text) => (text, false),
                Pattern::Prefix(text) => (text, true),
            };
            match text.split_once('/') {
                Some((name, _)) => name == provider.as_str(),
                None => open && provider.as_str().starts_with(text.as_str()),
            }
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, FilterError> {
        let text = text.trim_matches(' ');
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        let (body, open) = match text.strip_suffix('*') {
            Some(body) => (body, true),
            None => (text, false),
        };
        if body.contains('*') {
            return Err(FilterError::Star(text.to_owned()));
        }
        if body.len() > MAX_PATTERN_BYTES {
            return Err(FilterError::TooLong(body.len()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/@!+".contains(c);
        if let Some(found) = body.chars().find(|c| !allowed(*c)) {
            return Err(FilterError::Character(text.to_owned(), found));
        }
        Ok(if open {
            Self::Prefix(body.to_owned())
        } else {
            Self::Exact(body.to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_pick_targets_and_their_providers() {
        for (filter, target, wanted, provider_wanted) in [
            ("a/m", "a/m", true, true),
            ("a/m", "a/m2", false, true),
            ("a/*", "a/m2", true, true),
            ("a/*", "ab/m", false, false),
            ("a*", "ab/m", true, true),
            ("*", "z/m", true, true),
            ("b/x, a/m", "a/m", true, true),
            ("a", "a/m", false, false),
            ("o/meta/*", "o/meta/l", true, true),
            ("o/meta/*", "o/other/l", false, true),
        ] {
            let filter_ = Filter::parse(filter).unwrap();
            let id: TargetId = target.parse().unwrap();
            assert_eq!(filter_.wants(&id), wanted, "{filter} {target}");
            assert_eq!(
                filter_.wants_provider(id.provider()),
                provider_wanted,
                "{filter} {target}"
            );
        }
    }

    #[test]
    fn bad_filters_say_why() {
        for (text, error) in [
            ("", FilterError::Empty),
            ("a/m,,b/m", FilterError::Empty),
            ("a*b", FilterError::Star("a*b".into())),
            ("a/m,é/*", FilterError::Character("é/*".into(), 'é')),
            ("a m", FilterError::Character("a m".into(), ' ')),
            (
                &format!("{}*", "x".repeat(MAX_PATTERN_BYTES + 1)),
                FilterError::TooLong(MAX_PATTERN_BYTES + 1),
            ),
            (
                &"a/m,".repeat(MAX_PATTERNS),
                FilterError::TooMany(MAX_PATTERNS + 1),
            ),
        ] {
            assert_eq!(Filter::parse(text).unwrap_err(), error);
        }
        assert!(Filter::parse(&format!("{}*", "x".repeat(MAX_PATTERN_BYTES))).is_ok());
        assert!(Filter::parse("a/m,".repeat(MAX_PATTERNS).trim_end_matches(',')).is_ok());
    }
}
