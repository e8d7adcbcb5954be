//! Which targets somebody means: ids, whole providers, and prefixes.

use std::fmt;

use crate::id::{MAX_MODEL_BYTES, MAX_PROVIDER_BYTES, TargetId};

/// Most patterns of one scope.
pub const MAX_SCOPE_PATTERNS: usize = 64;
/// Longest pattern in bytes: that of the longest target id, and a `*`.
pub const MAX_SCOPE_PATTERN_BYTES: usize = MAX_PROVIDER_BYTES + 1 + MAX_MODEL_BYTES + 1;

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
    /// Longer than [`MAX_SCOPE_PATTERN_BYTES`].
    #[error("a target has {0} bytes, at most {MAX_SCOPE_PATTERN_BYTES} are allowed")]
    TooLong(usize),
    /// It can name nothing: empty, a character that no target id holds, or a `*` before its end.
    #[error("{0:?} names no target: write \"provider/model\", \"provider\", \"provider/prefix*\" or \"*\"")]
    Pattern(String),
}

/// Some targets: each pattern is a target id, a provider, or the beginning of ids with a `*` behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// Checks the patterns and leaves out those that were said before.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopeError> {
        let mut all: Vec<String> = Vec::new();
        for pattern in patterns {
            if pattern.len() > MAX_SCOPE_PATTERN_BYTES {
                return Err(ScopeError::TooLong(pattern.len()));
            }
            let body = pattern.strip_suffix('*').unwrap_or(pattern);
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/@!+".contains(c);
            if pattern.is_empty() || !body.chars().all(allowed) {
                return Err(ScopeError::Pattern(pattern.to_owned()));
            }
            if !all.iter().any(|said| said == pattern) {
                all.push(pattern.to_owned());
            }
        }
        match all.len() {
            0 => Err(ScopeError::Nothing),
            n if n > MAX_SCOPE_PATTERNS => Err(ScopeError::TooMany(n)),
            _ => Ok(Self(all)),
        }
    }

    /// The patterns, in the order in which they were said.
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Whether it means that target.
    pub fn holds(&self, target: &TargetId) -> bool {
        let id = target.to_string();
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(begin) => id.starts_with(begin),
            None if pattern.contains('/') => *pattern == id,
            None => pattern == target.provider().as_str(),
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_targets_providers_and_prefixes() {
        for (pattern, target, held) in [
            ("a/m", "a/m", true),
            ("a/m", "a/m2", false),
            ("a", "a/m", true),
            ("a", "a/x/y", true),
            ("a", "ab/m", false),
            ("a/*", "a/m2", true),
            ("a/m*", "a/m2", true),
            ("a*", "ab/m", true),
            ("*", "z/m", true),
            ("o/meta/*", "o/meta/l", true),
            ("o/meta/*", "o/other/l", false),
        ] {
            let scope = Scope::new([pattern]).unwrap();
            assert_eq!(scope.holds(&target.parse().unwrap()), held, "{pattern} {target}");
        }
    }

    #[test]
    fn what_can_mean_nothing_is_refused_and_the_limits_are_taken() {
        for bad in ["", "a*b", "é/*", "a m", "**"] {
            assert_eq!(
                Scope::new([bad]),
                Err(ScopeError::Pattern(bad.to_owned())),
                "{bad:?}"
            );
        }
        assert_eq!(Scope::new([]), Err(ScopeError::Nothing));
        let names: Vec<String> = (0..=MAX_SCOPE_PATTERNS).map(|n| format!("a/{n}")).collect();
        let all = || names.iter().map(String::as_str);
        assert_eq!(
            Scope::new(all()),
            Err(ScopeError::TooMany(MAX_SCOPE_PATTERNS + 1))
        );
        assert!(Scope::new(all().take(MAX_SCOPE_PATTERNS)).is_ok());
        let longest = "x".repeat(MAX_SCOPE_PATTERN_BYTES);
        assert!(Scope::new([longest.as_str()]).is_ok());
        let longer = format!("{longest}x");
        assert_eq!(
            Scope::new([longer.as_str()]),
            Err(ScopeError::TooLong(MAX_SCOPE_PATTERN_BYTES + 1))
        );
        assert_eq!(Scope::new(["a", "a"]).unwrap().patterns(), ["a"]);
    }
}
