//! Alerts: from the feed and an operator's rules to messages, and from messages to people (docs/alerts.md).
//!
//! What is told to whom and when is decided by a pure policy that looks at the whole feed each time: a restart or a
//! lost event changes nothing that it would say. A message is kept before it is sent, and sent until somebody took it.

mod facts;
mod message;
mod policy;
mod queue;
mod retry;
mod trial;
mod worker;

pub use facts::Facts;
pub use message::{
    MAX_MESSAGE_SUBJECTS, MAX_TEXT_BYTES, Message, MessageKind, Outcome, Severity, Subject, UnknownWord,
};
pub use policy::{
    AckError, Alarm, ChannelTold, GROUP_INTERVAL, MAX_BY_BYTES, MAX_HELD_NOTICES, MemoryError, Phase, Policy,
};
pub use queue::{Fate, Figures, Held, MAX_ERROR_BYTES, MAX_HELD, Mark, Next, Queue};
pub use retry::{BACKOFF_MAX, BACKOFF_MIN, CircuitState, GIVE_UP_AFTER, MAX_RETRY_AFTER, OPEN_AFTER};
pub use trial::trial;
pub use worker::{Deliver, Mailbox, TRY_TIMEOUT, attempt, work};
