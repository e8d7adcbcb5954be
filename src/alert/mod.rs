//! Alerts: from the feed and an operator's rules to messages, and from messages to people (docs/alerts.md).
//!
//! What is told to whom and when is decided by a pure policy that looks at the whole feed each time: a restart or a
//! lost event changes nothing that it would say. A message is kept before it is sent, and sent until somebody took it.

mod channel;
pub mod desktop;
mod facts;
mod message;
mod words;

pub use channel::{
    Carrier, CarrierError, EX_CONFIG, EX_DATAERR, EX_TEMPFAIL, EX_USAGE, Lookup, MAX_ANSWER_BYTES,
    MAX_OUTPUT_BYTES, MAX_WHY_BYTES, Means, SystemLookup,
};
pub use facts::Facts;
pub use message::{
    MAX_MESSAGE_SUBJECTS, MAX_TEXT_BYTES, Message, MessageKind, Outcome, Severity, Subject, UnknownWord,
};
pub use words::{PLAIN, Style, brief, clean, clip, lines, sign, text, title, when};
