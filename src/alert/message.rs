//! A message, before a channel puts it into words of its own.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::config::AlertSeverity as Severity;
use crate::feed::Time;

/// Most subjects that one message names; the rest is told as a number.
pub const MAX_MESSAGE_SUBJECTS: usize = 20;
/// Longest text of others that a message repeats, in bytes.
pub const MAX_TEXT_BYTES: usize = 500;

/// What a message tells of its alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Something fails that did not.
    Firing,
    /// More, fewer or other things fail than were told, or worse.
    Update,
    /// It still fails.
    Reminder,
    /// Somebody takes care of it.
    Acknowledged,
    /// It is over. Goes to whoever was told that it began.
    Resolved,
    /// Something happened that has no end, such as another model that answers.
    Notice,
    /// Somebody tries the channel; nothing is wrong.
    Test,
}

impl MessageKind {
    /// The name in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Update => "update",
            Self::Reminder => "reminder",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Notice => "notice",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that the message is about: a target, a provider's key, endturn itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subject {
    /// `anthropic/claude-haiku-4-5`, or `endturn` where it is about ourselves.
    pub name: String,
    /// A state (`down`), or the kind of trouble (`budget_spent`).
    pub what: String,
    /// Since when.
    pub since: Time,
    /// Until when, where it is over.
    #[schema(required = true)]
    pub until: Option<Time>,
    /// For programs: `truncated`, `overloaded`, ..
    pub code: String,
    /// What fails and on which evidence, in words; may hold text of others.
    pub text: String,
    /// How sure that is: `7 of 12 replies in 5 min, 32 to 81 %; canary, report`.
    pub evidence: String,
    /// What the provider's own page says, where somebody read it. Text of others.
    #[schema(required = true)]
    pub official: Option<String>,
    /// The open incident's id.
    #[schema(required = true)]
    pub incident: Option<String>,
    /// Where a person reads more.
    #[schema(required = true)]
    pub link: Option<String>,
}

/// One message to one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Idempotency key: the same at every try, never that of another message.
    pub key: String,
    /// To which channel.
    pub channel: String,
    /// What it is about, from its first firing to its end: what replaces, acknowledges and resolves go by.
    pub alarm: String,
    /// Name of the `[[alert]]` that asked for it.
    pub rule: String,
    /// What it tells.
    pub kind: MessageKind,
    /// How urgent the alarm is; of a resolve, how urgent it was.
    pub severity: Severity,
    /// When it was decided.
    pub at: Time,
    /// When the alarm began.
    pub started_at: Time,
    /// When it ended.
    #[schema(required = true)]
    pub ended_at: Option<Time>,
    /// Where the daemon runs.
    pub vantage: String,
    /// One line: `anthropic: 2 targets down, replies are cut`.
    pub title: String,
    /// What it is about, the worst first; at most [`MAX_MESSAGE_SUBJECTS`].
    pub subjects: Vec<Subject>,
    /// How many more there are.
    pub more: usize,
    /// Which routes still work and which do not, a line each.
    pub routes: Vec<String>,
    /// Where a person reads more.
    #[schema(required = true)]
    pub link: Option<String>,
    /// Who takes care of it.
    #[schema(required = true)]
    pub acknowledged_by: Option<String>,
}

/// How a try to deliver ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Somebody took it.
    Delivered,
    /// Not now: try again, not before `after` where they said so.
    Later {
        /// What happened; without secrets.
        why: String,
        /// How long they asked us to wait.
        after: Option<Duration>,
    },
    /// Not so: the same message will be refused again.
    Refused {
        /// What happened; without secrets.
        why: String,
    },
}
