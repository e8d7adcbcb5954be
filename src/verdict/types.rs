//! What one reply was. Order and meaning: `docs/verdicts.md`.

use std::fmt;

use crate::protocol::ErrorClass;

/// What one reply was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Terminal event seen, stop reason natural, sentinel found.
    Complete,
    /// The answer ended early without the protocol saying so.
    Truncated(Truncation),
    /// The protocol says: cut by a token or context limit.
    Limited,
    /// Refusal, safety filter, blocked prompt.
    Refused,
    /// The model answered something else than the canary asked for.
    OffScript(OffScript),
    /// An error, before, instead of or inside the stream.
    Errored(Failure),
    /// Unknown stop reason or contradictory signals. Never healthy, never paged.
    Unknown,
}

/// How a reply was truncated, strongest evidence first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truncation {
    /// The body ended and no stop reason was ever seen.
    Cut,
    /// A dispatched event was not valid.
    Garbled,
    /// Stop reason seen, the protocol's terminal event missing.
    TerminalMissing,
    /// 200 and headers, then the end without a content event.
    Empty,
    /// Every protocol signal is healthy, the text is a proper prefix of the expected text.
    Silent,
    /// Natural stop reason with empty text.
    SilentEmpty,
    /// No byte for longer than the idle limit; we closed it.
    Stall,
}

/// Why an answer is off script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OffScript {
    /// All words but some in the middle.
    Gap,
    /// Another text.
    Text,
    /// A tool was called.
    ToolUse,
    /// The turn was paused.
    Paused,
}

/// A failed reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Failure {
    /// Our class.
    pub class: ErrorClass,
    /// Where in the exchange it showed.
    pub at: FailedAt,
}

/// Where a failure showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailedAt {
    /// Before a response head: resolving, connecting, handshaking or waiting.
    Transport,
    /// The response head: an HTTP status other than 200.
    Status(u16),
    /// Inside a 200 response.
    Stream,
}

impl Verdict {
    /// The family name, as in the feed, the store and reports.
    pub const fn family(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Truncated(_) => "truncated",
            Self::Limited => "limited",
            Self::Refused => "refused",
            Self::OffScript(_) => "off_script",
            Self::Errored(_) => "errored",
            Self::Unknown => "unknown",
        }
    }

    /// The finer name within the family: truncation kind, off-script kind or error class.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Truncated(kind) => Some(kind.as_str()),
            Self::OffScript(kind) => Some(kind.as_str()),
            Self::Errored(failure) => Some(failure.class.as_str()),
            Self::Complete | Self::Limited | Self::Refused | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            Some(detail) => write!(f, "{}({detail})", self.family()),
            None => f.write_str(self.family()),
        }
    }
}

impl Truncation {
    /// Every kind, for exhaustive tables.
    pub const ALL: [Self; 7] = [
        Self::Cut,
        Self::Garbled,
        Self::TerminalMissing,
        Self::Empty,
        Self::Silent,
        Self::SilentEmpty,
        Self::Stall,
    ];

    /// The name in the store and the API; upper-cased in vectors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Garbled => "garbled",
            Self::TerminalMissing => "terminal_missing",
            Self::Empty => "empty",
            Self::Silent => "silent",
            Self::SilentEmpty => "silent_empty",
            Self::Stall => "stall",
        }
    }
}

impl OffScript {
    /// Every kind, for exhaustive tables.
    pub const ALL: [Self; 4] = [Self::Gap, Self::Text, Self::ToolUse, Self::Paused];

    /// The name in the store and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Text => "text",
            Self::ToolUse => "tool_use",
            Self::Paused => "paused",
        }
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $text:literal;)*) => {
        /// Side facts about one reply. They never change its verdict.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct Flags(u32);

        impl Flags {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)*

            const NAMES: &[(Self, &'static str)] = &[$((Self::$name, $text)),*];
        }
    };
}

flags! {
    /// A half event was left at the end.
    RESIDUE = 0, "residue";
    /// The last event lacked its blank line but was whole.
    RESIDUE_ACCEPTED = 1, "residue_accepted";
    /// No token counts came.
    USAGE_MISSING = 2, "usage_missing";
    /// The token counts don't fit the text.
    USAGE_MISMATCH = 3, "usage_mismatch";
    /// Another model than asked for answered.
    MODEL_MISMATCH = 4, "model_mismatch";
    /// Data came after the terminal event.
    LATE_DATA_AFTER_TERMINAL = 5, "late_data_after_terminal";
    /// The body broke after the terminal event.
    TRANSPORT_UNCLEAN_AFTER_TERMINAL = 6, "transport_unclean_after_terminal";
    /// The terminal event is missing where the preset doesn't insist on it.
    TERMINAL_LAX = 7, "terminal_lax";
    /// A part of the text was lost on an event boundary.
    LOST_CHUNK = 8, "lost_chunk";
    /// Events were lost: sequence numbers skip.
    SEQUENCE_GAP = 9, "sequence_gap";
    /// An event lacked the name that its protocol requires.
    MISSING_EVENT_NAME = 10, "missing_event_name";
    /// The answer carries another probe's sentinel: a cache answered.
    CACHED_ANSWER = 11, "cached_answer";
    /// Words stood before or after the expected ones.
    EXTRA_WORDS = 12, "extra_words";
    /// A `<think>` block stood in the visible text.
    THINK_BLOCK = 13, "think_block";
    /// A request that died on a reused connection was sent once more on a fresh one.
    RETRIED_STALE_CONNECTION = 14, "retried_stale_connection";
    /// The text repeated at the end differs from the sum of the deltas.
    TEXT_MISMATCH = 15, "text_mismatch";
    /// The sentinel was found.
    SENTINEL_FOUND = 16, "sentinel_found";
    /// The first token came later than the soft deadline.
    SLOW = 17, "slow";
    /// The sentinel rule is off for this target: three answers in a row were off script.
    SENTINEL_OFF = 18, "sentinel_off";
    /// A natural stop reason came with a cut text: somebody on the way said so who could not know.
    FORGED = 19, "forged";
}

impl Flags {
    /// None.
    pub const fn none() -> Self {
        Self(0)
    }

    /// The stored number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// From the stored number; unknown bits are kept.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets `other`.
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Sets `other` when `condition` holds.
    pub const fn set(&mut self, other: Self, condition: bool) {
        if condition {
            self.0 |= other.0;
        }
    }

    /// Names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, name)| *name)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
