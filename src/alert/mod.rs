//! Alerts: from the feed and an operator's rules to messages, and from messages to people (docs/alerts.md).
//!
//! What is told to whom and when is decided by a pure policy that looks at the whole feed each time: a restart or a
//! lost event changes nothing that it would say. A message is kept before it is sent, and sent until somebody took it.

mod channel;
pub mod desktop;
mod facts;
#[cfg(test)]
pub(crate) mod fixture;
mod message;
mod policy;
mod queue;
mod retry;
mod trial;
mod words;
mod worker;

pub use channel::{
    Carrier, CarrierError, EX_CONFIG, EX_DATAERR, EX_TEMPFAIL, EX_USAGE, Lookup, MAX_ANSWER_BYTES,
    MAX_OUTPUT_BYTES, MAX_WHY_BYTES, Means, SystemLookup,
};
pub use facts::Facts;
pub use message::{MAX_MESSAGE_SUBJECTS, MAX_TEXT_BYTES, Message, MessageKind, Outcome, Severity, Subject};
pub use policy::{
    AckError, Alarm, ChannelTold, GROUP_INTERVAL, MAX_BY_BYTES, MAX_HELD_NOTICES, MemoryError, Phase, Policy,
};
pub use queue::{Fate, Figures, Held, MAX_ERROR_BYTES, MAX_HELD, Mark, Next, Queue};
pub use retry::{BACKOFF_MAX, BACKOFF_MIN, CircuitState, GIVE_UP_AFTER, MAX_RETRY_AFTER, OPEN_AFTER};
pub use trial::trial;
pub use words::{PLAIN, Style, brief, clean, clip, lines, sign, text, title, when};
pub use worker::{Deliver, Mailbox, TRY_TIMEOUT, attempt, work};
