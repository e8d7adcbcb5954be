//! Alerts: from the feed and an operator's rules to messages, and from messages to people (docs/alerts.md).
//!
//! What is told to whom and when is decided by a pure policy that looks at the whole feed each time: a restart or a
//! lost event changes nothing that it would say. A message is kept before it is sent, and sent until somebody took it.

mod facts;
mod message;
mod policy;

pub use facts::Facts;
pub use message::{
    MAX_MESSAGE_SUBJECTS, MAX_TEXT_BYTES, Message, MessageKind, Outcome, Severity, Subject, UnknownWord,
};
pub use policy::{
    AckError, Alarm, ChannelTold, GROUP_INTERVAL, MAX_BY_BYTES, MAX_HELD_NOTICES, MemoryError, Phase, Policy,
};
