//! From a page's body to what it says. Whatever can't be understood is an error, and an error is `unknown`.

use std::borrow::Cow;

use serde::Deserialize;

use super::{
    aws, betterstack,
    decode::decode,
    google,
    lenient::{List, Object},
    rss, statuspage,
    types::{Format, Official},
};

/// Largest body that is read, in bytes. Google's history of incidents is about a quarter of that.
pub const MAX_BODY_BYTES: usize = 4 << 20;

/// Why a page says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// More than [`MAX_BODY_BYTES`].
    #[error("the page is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// No JSON or XML at all, or it ends too early.
    #[error("the page is no {what}: {why}")]
    Syntax {
        /// `JSON` or `XML`.
        what: &'static str,
        /// Where and why.
        why: String,
    },
    /// Well-formed, but of another kind.
    #[error("the page has no {0}")]
    Shape(&'static str),
    /// The vendor publishes nothing that a program could read.
    #[error("the page is for people only")]
    ForPeople,
}

/// Reads a body.
///
/// # Errors
/// It is not what `format` names. Nothing is known then; in particular it does not mean that all is well.
pub fn parse(format: Format, body: &[u8]) -> Result<Official, ParseError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ParseError::TooLarge);
    }
    let text: Cow<'_, str> = decode(body);
    match format {
        Format::Statuspage | Format::IncidentIo => statuspage::parse(&text),
        Format::Google => google::parse(&text),
        Format::Aws => aws::parse(&text),
        Format::Azure => rss::azure(&text),
        Format::Rss => rss::newest(&text),
        Format::BetterStack => betterstack::parse(&text),
        Format::Html => Err(ParseError::ForPeople),
    }
}

/// A JSON document whose root is an object.
pub(super) fn object<'de, T: Deserialize<'de>>(text: &'de str, what: &'static str) -> Result<T, ParseError> {
    let Object(root) = json(text)?;
    root.ok_or(ParseError::Shape(what))
}

/// A JSON document whose root is a list.
pub(super) fn list<G: super::lenient::Gather>(text: &str, what: &'static str) -> Result<G, ParseError> {
    let List(root) = json(text)?;
    root.ok_or(ParseError::Shape(what))
}

fn json<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, ParseError> {
    serde_json::from_str(text).map_err(|error| ParseError::Syntax {
        what: "JSON",
        // The kind and the place only: the message itself may quote the page.
        why: match error.classify() {
            serde_json::error::Category::Eof => format!("it ends at line {}", error.line()),
            _ => format!("line {}, column {}", error.line(), error.column()),
        },
    })
}
