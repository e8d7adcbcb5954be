//! Values that must never be printed.

use std::fmt;

/// A value that prints as `***`. It has no `Serialize`; [`Secret::expose`] is the only way out.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the value; surrounding white space of credential files is cut.
    pub fn new(value: &str) -> Self {
        Self(value.trim().to_owned())
    }

    /// The value itself: for the request header, nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Replaces the value by `***` wherever it stands in a text that came from outside.
    pub fn scrub(&self, text: &str) -> String {
        if self.0.len() < 4 {
            text.to_owned()
        } else {
            text.replace(&self.0, "***")
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new(" sk-marked\n");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.scrub("bad key sk-marked!"), "bad key ***!");
        assert_eq!(secret.expose(), "sk-marked");
    }
}
