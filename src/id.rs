//! Names that are checked once, where they enter, and trusted from then on.
//!
//! A target id is `provider/model`; the model may itself hold slashes (`openrouter/meta-llama/llama-3.1-8b`).

mod pattern;

use std::{fmt, str::FromStr, sync::Arc};

pub use pattern::{MAX_PATTERN_BYTES, Pattern, PatternError};

/// Longest provider id in bytes.
pub const MAX_PROVIDER_BYTES: usize = 64;
/// Longest model id in bytes.
pub const MAX_MODEL_BYTES: usize = 192;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing there.
    #[error("{what} is empty")]
    Empty {
        /// What was parsed.
        what: &'static str,
    },
    /// Longer than its limit.
    #[error("{what} has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// What was parsed.
        what: &'static str,
        /// Bytes seen.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character that an id may not hold.
    #[error("{what} holds {found:?}, allowed are letters, digits and {allowed}")]
    Character {
        /// What was parsed.
        what: &'static str,
        /// The first offender.
        found: char,
        /// The punctuation that is allowed.
        allowed: &'static str,
    },
    /// A part of a path that means another place: `.` or `..` between two slashes.
    #[error("{what} holds {part:?} as a part of a path")]
    DotSegment {
        /// What was parsed.
        what: &'static str,
        /// The part.
        part: String,
    },
    /// A target id without the slash between provider and model.
    #[error("target {0:?} has no model, write provider/model")]
    NoModel(String),
}

fn check(what: &'static str, text: &str, max: usize, allowed: &'static str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > max {
        return Err(IdError::TooLong {
            what,
            len: text.len(),
            max,
        });
    }
    // Ids are parts of paths, and of links that a browser resolves.
    if let Some(part) = text.split('/').find(|part| matches!(*part, "." | "..")) {
        let part = part.to_owned();
        return Err(IdError::DotSegment { what, part });
    }
    match text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !allowed.contains(*c))
    {
        Some(found) => Err(IdError::Character { what, found, allowed }),
        None => Ok(()),
    }
}

/// A vendor or server, as the configuration names it: `anthropic`, `openrouter`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProviderId(Arc<str>);

/// A model id exactly as it is sent to the provider.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(Arc<str>);

impl ProviderId {
    /// Checks and keeps the text: 1 to 64 bytes of letters, digits, `-`, `_` and `.`.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check("provider id", text, MAX_PROVIDER_BYTES, "-_.")?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ModelId {
    /// Checks and keeps the text: 1 to 192 bytes of letters, digits and `-_.:/@!+`.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check("model id", text, MAX_MODEL_BYTES, "-_.:/@!+")?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One model at one provider: the thing that is judged.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TargetId {
    provider: ProviderId,
    model: ModelId,
}

impl TargetId {
    /// Joins two checked halves.
    pub fn new(provider: ProviderId, model: ModelId) -> Self {
        Self { provider, model }
    }

    /// The provider's half.
    pub fn provider(&self) -> &ProviderId {
        &self.provider
    }

    /// The model's half.
    pub fn model(&self) -> &ModelId {
        &self.model
    }
}

impl FromStr for TargetId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (provider, model) = text
            .split_once('/')
            .ok_or_else(|| IdError::NoModel(text.to_owned()))?;
        Ok(Self {
            provider: ProviderId::new(provider)?,
            model: ModelId::new(model)?,
        })
    }
}

impl FromStr for ProviderId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl FromStr for ModelId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl fmt::Debug for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
text_id!(ProviderId);
text_id!(ModelId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_ids_split_at_the_first_slash() {
        for (text, provider, model) in [
            ("anthropic/claude-haiku-4-5", "anthropic", "claude-haiku-4-5"),
            (
                "openrouter/meta-llama/llama-3.1-8b-instruct",
                "openrouter",
                "meta-llama/llama-3.1-8b-instruct",
            ),
            ("sim/gpt-5.2!status.529", "sim", "gpt-5.2!status.529"),
        ] {
            let id: TargetId = text.parse().unwrap();
            assert_eq!((id.provider().as_str(), id.model().as_str()), (provider, model));
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn bad_ids_say_what_is_wrong() {
        for (text, message) in [
            (
                "anthropic",
                "target \"anthropic\" has no model, write provider/model",
            ),
            ("/m", "provider id is empty"),
            ("p/", "model id is empty"),
            (
                "p p/m",
                "provider id holds ' ', allowed are letters, digits and -_.",
            ),
            (
                "p/m\n",
                "model id holds '\\n', allowed are letters, digits and -_.:/@!+",
            ),
            ("../m", "provider id holds \"..\" as a part of a path"),
            ("./m", "provider id holds \".\" as a part of a path"),
            ("p/..", "model id holds \"..\" as a part of a path"),
            ("p/a/../b", "model id holds \"..\" as a part of a path"),
            ("p/a/.", "model id holds \".\" as a part of a path"),
        ] {
            assert_eq!(text.parse::<TargetId>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn lengths_are_held_at_the_limit() {
        assert!(ProviderId::new(&"p".repeat(MAX_PROVIDER_BYTES)).is_ok());
        assert!(ProviderId::new(&"p".repeat(MAX_PROVIDER_BYTES + 1)).is_err());
        assert!(ModelId::new(&"m".repeat(MAX_MODEL_BYTES)).is_ok());
        assert!(ModelId::new(&"m".repeat(MAX_MODEL_BYTES + 1)).is_err());
    }
}
