//! Which targets somebody means.

use std::fmt;

use crate::id::{Pattern, PatternError, TargetId};

/// Most patterns of one scope.
pub const MAX_SCOPE_PATTERNS: usize = 64;

/// Why a text names no targets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// No pattern at all.
    #[error("no target is named")]
    Nothing,
    /// More than [`MAX_SCOPE_PATTERNS`].
    #[error(
        "{0} targets are named, at most {MAX_SCOPE_PATTERNS} are allowed; a pattern such as \"anthropic/*\" names many"
    )]
    TooMany(usize),
    /// One is no pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// Some targets: those that one of the patterns matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(Vec<Pattern>);

impl Scope {
    /// Checks the patterns and leaves out those that were said before.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut all: Vec<Pattern> = Vec::new();
        for pattern in patterns {
            let pattern = pattern.parse()?;
            if !all.contains(&pattern) {
                all.push(pattern);
            }
        }
        match all.len() {
            0 => Err(ScopeError::Nothing),
            n if n > MAX_SCOPE_PATTERNS => Err(ScopeError::TooMany(n)),
            _ => Ok(Self(all)),
        }
    }

    /// The patterns, in the order in which they were said.
    pub fn patterns(&self) -> Vec<String> {
        self.0.iter().map(Pattern::to_string).collect()
    }

    /// Whether it means that target.
    pub fn holds(&self, target: &TargetId) -> bool {
        let id = target.to_string();
        self.0.iter().any(|pattern| pattern.matches_text(&id))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.patterns().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_patterns_is_enough() {
        let scope = Scope::new(["a/m", "b", "*-mini"]).unwrap();
        for (target, held) in [
            ("a/m", true),
            ("a/m2", false),
            ("b/x/y", true),
            ("c/gpt-mini", true),
            ("c/gpt", false),
        ] {
            assert_eq!(scope.holds(&target.parse().unwrap()), held, "{target}");
        }
        assert_eq!(scope.to_string(), "a/m, b, *-mini");
    }

    #[test]
    fn what_can_mean_nothing_is_refused_and_the_limits_are_taken() {
        assert_eq!(
            Scope::new(["a/m", ""]),
            Err(ScopeError::Pattern(PatternError::Empty))
        );
        assert_eq!(Scope::new([]), Err(ScopeError::Nothing));
        let names: Vec<String> = (0..=MAX_SCOPE_PATTERNS).map(|n| format!("a/{n}")).collect();
        let all = || names.iter().map(String::as_str);
        assert_eq!(
            Scope::new(all()),
            Err(ScopeError::TooMany(MAX_SCOPE_PATTERNS + 1))
        );
        assert!(Scope::new(all().take(MAX_SCOPE_PATTERNS)).is_ok());
        assert_eq!(Scope::new(["a", "a"]).unwrap().patterns(), ["a"]);
    }
}
