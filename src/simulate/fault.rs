//! What can be wrong with a reply.

use std::time::Duration;

/// A fault with its odds.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Share of the requests that it strikes, 0..=1.
    pub rate: f64,
    /// Which endpoints it strikes.
    pub scope: Scope,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// Which endpoints a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Generation alone: models lists and token counts stay well.
    Generate,
    /// Every path of the vendor, the free ones included.
    All,
}

/// What goes wrong. Every share `at` is of the answer's tokens, 0..=1.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultKind {
    /// An HTTP error instead of a reply.
    Status {
        /// 400..=599.
        code: u16,
        /// The body as it is sent; `None`: the vendor's own shape.
        body: Option<String>,
        /// `retry-after` in seconds.
        retry_after: Option<u64>,
    },
    /// The reply ends early under HTTP 200.
    Truncate {
        /// Share of the tokens that come through.
        at: f64,
        /// How it ends.
        how: Cut,
    },
    /// The vendor's error event inside the stream, which then ends cleanly.
    ErrorEvent {
        /// Share of the tokens before it.
        at: f64,
    },
    /// Silence in the middle of the reply, which then goes on.
    Stall {
        /// Share of the tokens before it.
        at: f64,
        /// How long.
        pause: Duration,
    },
    /// A healthy but slow reply.
    Slow {
        /// Median time to the first token instead of the simulator's.
        ttft: Option<Duration>,
        /// Median gap between tokens instead of the simulator's.
        itl: Option<Duration>,
        /// Multiplies both.
        factor: f64,
    },
    /// The request is taken and never answered.
    Hang,
    /// The connection is reset after the request, before any byte of an answer.
    Refuse,
    /// One event in the middle whose payload is no JSON; the rest is healthy.
    Garbage,
    /// Another model than asked for answers and says so.
    WrongModel,
    /// HTTP 200, headers, and a clean end without an event.
    Empty,
    /// Half of the text, and the protocol says that a token limit cut it.
    Length,
    /// The model refuses.
    Refusal,
    /// HTTP 429 in the vendor's shape.
    RateLimit {
        /// Wait that is asked for, in seconds.
        retry_after: u64,
    },
    /// The credential is refused.
    Auth,
    /// Tokens without an end.
    Endless,
    /// One line of [`HUGE_LINE_BYTES`].
    HugeLine,
}

/// How a truncated reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The connection is closed (FIN) in the middle of the chunked body.
    Fin,
    /// The connection is reset (RST).
    Reset,
    /// The body ends cleanly, as a gateway ends a broken upstream: no stop reason. With `at` 1 the text is whole, the
    /// stop reason is sent, and only the terminal event is missing (Gemini, whose stop reason is the end, loses that).
    NoTerminal,
    /// The body ends cleanly inside an event.
    MidEvent,
    /// A natural stop reason and a clean end, but the text is cut; the token count tells of the whole.
    Silent,
}

/// Length of the line that `huge_line` sends: twice the limit of our own decoder.
pub(crate) const HUGE_LINE_BYTES: usize = 2 << 20;

impl Cut {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Fin,
        Self::Reset,
        Self::NoTerminal,
        Self::MidEvent,
        Self::Silent,
    ];

    /// The name in the control API and in model ids.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Reset => "reset",
            Self::NoTerminal => "no_terminal",
            Self::MidEvent => "mid_event",
            Self::Silent => "silent",
        }
    }
}

impl FaultKind {
    /// Every kind's name, in the order of the manual.
    pub const NAMES: [&str; 16] = [
        "status",
        "truncate",
        "error_event",
        "stall",
        "slow",
        "hang",
        "refuse",
        "garbage",
        "wrong_model",
        "empty",
        "length",
        "refusal",
        "rate_limit",
        "auth",
        "endless",
        "huge_line",
    ];

    /// The name in the control API and in model ids.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Truncate { .. } => "truncate",
            Self::ErrorEvent { .. } => "error_event",
            Self::Stall { .. } => "stall",
            Self::Slow { .. } => "slow",
            Self::Hang => "hang",
            Self::Refuse => "refuse",
            Self::Garbage => "garbage",
            Self::WrongModel => "wrong_model",
            Self::Empty => "empty",
            Self::Length => "length",
            Self::Refusal => "refusal",
            Self::RateLimit { .. } => "rate_limit",
            Self::Auth => "auth",
            Self::Endless => "endless",
            Self::HugeLine => "huge_line",
        }
    }

    /// Whether it can strike a request that generates nothing.
    pub(crate) const fn can_strike_all(&self) -> bool {
        matches!(
            self,
            Self::Status { .. } | Self::RateLimit { .. } | Self::Auth | Self::Hang | Self::Refuse
        )
    }

    /// Where it strikes unless told otherwise: what happens to a connection or a credential happens to every path.
    pub const fn default_scope(&self) -> Scope {
        match self {
            Self::Hang | Self::Refuse | Self::Auth => Scope::All,
            _ => Scope::Generate,
        }
    }
}

impl Fault {
    /// The fault on every request, in its own scope.
    pub fn always(kind: FaultKind) -> Self {
        Self {
            rate: 1.0,
            scope: kind.default_scope(),
            kind,
        }
    }

    /// The same on a share of the requests, 0..=1; clamped.
    #[must_use]
    pub fn with_rate(mut self, rate: f64) -> Self {
        self.rate = if rate.is_nan() { 0.0 } else { rate.clamp(0.0, 1.0) };
        self
    }

    /// `status.529`, `truncate.fin`, `hang`: the name as the log and model ids carry it.
    pub fn label(&self) -> String {
        match &self.kind {
            FaultKind::Status { code, .. } => format!("status.{code}"),
            FaultKind::Truncate { how, .. } => format!("truncate.{}", how.as_str()),
            kind => kind.name().to_owned(),
        }
    }
}
