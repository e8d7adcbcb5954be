//! Alerts: from the feed and an operator's rules to messages, and from messages to people (docs/alerts.md).
//!
//! What is told to whom and when is decided by a pure policy that looks at the whole feed each time: a restart or a
//! lost event changes nothing that it would say. A message is kept before it is sent, and sent until somebody took it.

pub mod desktop;
mod facts;
mod message;

pub use facts::Facts;
pub use message::{
    MAX_MESSAGE_SUBJECTS, MAX_TEXT_BYTES, Message, MessageKind, Outcome, Severity, Subject, UnknownWord,
};
