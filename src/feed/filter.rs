//! `?targets=`: which targets a reader wants to hear of.

use crate::id::{Pattern, PatternError, ProviderId, TargetId};

/// Most patterns in one filter.
pub const MAX_PATTERNS: usize = 64;

/// Why a text is not a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// More than [`MAX_PATTERNS`].
    #[error("targets holds {0} patterns, at most {MAX_PATTERNS} are allowed")]
    TooMany(usize),
    /// One is no pattern: there may be nothing between two commas.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// A list of patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Vec<Pattern>);

impl Filter {
    /// Parses `a/b,c/*`.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let count = text.split(',').count();
        if count > MAX_PATTERNS {
            return Err(FilterError::TooMany(count));
        }
        let patterns = text.split(',').map(|pattern| pattern.trim_matches(' ').parse());
        Ok(Self(patterns.collect::<Result<_, PatternError>>()?))
    }

    /// Whether it wants that target.
    pub fn wants(&self, target: &TargetId) -> bool {
        let id = target.to_string();
        self.0.iter().any(|pattern| pattern.matches_text(&id))
    }

    /// Whether it may want a target of that provider.
    pub fn wants_provider(&self, provider: &ProviderId) -> bool {
        self.0.iter().any(|pattern| pattern.may_match(provider))
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
            ("a", "a/m2", true, true),
            ("*m2", "a/m2", true, true),
            ("a/*", "ab/m", false, false),
            ("b/x, a/m", "a/m", true, true),
            ("b/x, c", "a/m", false, false),
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
            ("", PatternError::Empty.into()),
            ("a/m,,b/m", PatternError::Empty.into()),
            ("a/m,é/*", PatternError::Character("é/*".into(), 'é').into()),
            (
                &*"a/m,".repeat(MAX_PATTERNS),
                FilterError::TooMany(MAX_PATTERNS + 1),
            ),
        ] {
            assert_eq!(Filter::parse(text).unwrap_err(), error);
        }
        assert!(Filter::parse("a/m,".repeat(MAX_PATTERNS).trim_end_matches(',')).is_ok());
    }
}
