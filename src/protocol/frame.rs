//! What all framers hand out, whatever the bytes between the frames look like.

/// One piece of a body that its protocol's reader can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A dispatched event; `name` is empty where none was given.
    Event { name: &'a [u8], data: &'a [u8] },
    /// A frame that says of itself that it tells of a failure: its type or code, and its payload or message.
    Failure { name: &'a [u8], data: &'a [u8] },
    /// A comment line.
    Comment,
    /// Bytes that are no frame and look like a document of their own.
    Raw(&'a [u8]),
}

/// What was left when the body ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// Name of the event under way.
    pub(super) name: Vec<u8>,
    /// Data of an event that lacks its end.
    pub(super) data: Option<Vec<u8>>,
    /// What is no frame.
    pub(super) raw: Vec<u8>,
    /// Something else was cut: part of a field or of a binary frame, or an event's name without its data.
    pub(super) loose: bool,
}

/// Why no frame can be found any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// A line or frame is longer than [`super::Limits::line_bytes`].
    #[error("{what} has more than {limit} bytes")]
    TooLong {
        /// `line` or `frame`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A binary frame contradicts its format.
    #[error("a frame's {0}")]
    Malformed(&'static str),
}
