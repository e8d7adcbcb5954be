//! The immutable record of one verdict. Everything else derives from it.

use std::{fmt, sync::Arc, time::Duration};

use super::{Flags, Verdict};
use crate::{clock::Timestamp, id::TargetId, protocol::Usage};

/// Who saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A free reachability probe.
    Reach,
    /// The short canary.
    Canary,
    /// The long canary.
    Long,
    /// Somebody's real request, told to us.
    Report,
    /// A real request through the tap.
    Tap,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 5] = [Self::Reach, Self::Canary, Self::Long, Self::Report, Self::Tap];

    /// The name in the feed, the store and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::Canary => "canary",
            Self::Long => "long",
            Self::Report => "report",
            Self::Tap => "tap",
        }
    }

    /// The canary that such observations come from unless they say otherwise.
    pub const fn canary(self) -> Option<CanaryKind> {
        match self {
            Self::Canary => Some(CanaryKind::Short),
            Self::Long => Some(CanaryKind::Long),
            Self::Reach | Self::Report | Self::Tap => None,
        }
    }

    /// Whether we generated the request ourselves.
    pub const fn is_probe(self) -> bool {
        matches!(self, Self::Reach | Self::Canary | Self::Long)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which canary a generation probe asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CanaryKind {
    /// A counted sequence of some 30 tokens.
    Short,
    /// The same over some 400 tokens.
    Long,
    /// A JSON document.
    Json,
    /// A forced call of a tool.
    Tool,
}

impl CanaryKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Short, Self::Long, Self::Json, Self::Tool];

    /// The name in the configuration, on the command line, in the store and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Short => "canary",
            Self::Long => "long",
            Self::Json => "json",
            Self::Tool => "tool",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The source of its observations.
    pub const fn source(self) -> Source {
        match self {
            Self::Long => Source::Long,
            Self::Short | Self::Json | Self::Tool => Source::Canary,
        }
    }
}

impl fmt::Display for CanaryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a probe was sent. Reports are [`Purpose::Scheduled`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Purpose {
    /// By the timetable.
    #[default]
    Scheduled,
    /// To settle a suspicion.
    Confirm,
    /// To see whether an alarmed target is back.
    Recovery,
    /// A person asked.
    Manual,
}

impl Purpose {
    /// The name in the store and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Confirm => "confirm",
            Self::Recovery => "recovery",
            Self::Manual => "manual",
        }
    }
}

/// How much a reporter's word weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// As a probe of ours.
    #[default]
    Full,
    /// Raises suspicion and calls for confirming probes, convicts nobody.
    Corroborate,
}

/// Phases of one exchange, as offsets. Zero is the request handed to an open connection, save for `dns` and
/// `connect`, which are lengths of their own. `None`: the phase was not reached or not seen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Phases {
    /// Length of name resolution.
    pub dns: Option<Duration>,
    /// Length of TCP connect plus TLS handshake. `None` on a reused connection.
    pub connect: Option<Duration>,
    /// Request fully written. Zero or close to it for our small bodies.
    pub request: Option<Duration>,
    /// Response head.
    pub head: Option<Duration>,
    /// First body byte.
    pub first_byte: Option<Duration>,
    /// First non-empty generated token of any channel: TTFT.
    pub first_token: Option<Duration>,
    /// First visible token: TTFO.
    pub first_output: Option<Duration>,
    /// Last generated token.
    pub last_token: Option<Duration>,
    /// Stop reason.
    pub stop: Option<Duration>,
    /// Terminal event: E2E.
    pub terminal: Option<Duration>,
    /// End of body.
    pub end: Option<Duration>,
    /// Largest gap between two content chunks.
    pub gap_max: Option<Duration>,
}

/// Whether the request went over a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connection {
    /// Opened for this request.
    Fresh,
    /// Taken from the pool.
    Reused,
}

/// One verdict with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Who was judged.
    pub target: TargetId,
    /// When the evidence became known; the time that the detector uses.
    pub at: Timestamp,
    /// When the request was sent, or the reporter's `at`.
    pub started: Timestamp,
    /// Who saw it.
    pub source: Source,
    /// Which canary it was, where the source alone doesn't tell: [`Observation::canary_kind`] does.
    pub canary: Option<CanaryKind>,
    /// Why it was sent.
    pub purpose: Purpose,
    /// How much it weighs.
    pub trust: Trust,
    /// What it was.
    pub verdict: Verdict,
    /// Side facts.
    pub flags: Flags,
    /// Timings.
    pub phases: Phases,
    /// Fresh or reused connection, where known.
    pub connection: Option<Connection>,
    /// HTTP status, once a head came.
    pub http_status: Option<u16>,
    /// The provider's stop reason.
    pub stop_reason: Option<String>,
    /// Token counts.
    pub usage: Usage,
    /// Cost of this probe in US dollars; zero for reports and free probes.
    pub cost_usd: f64,
    /// Wait that the provider asked for.
    pub retry_after: Option<Duration>,
    /// The model that answered.
    pub served_model: Option<String>,
    /// The configuration that served (`system_fingerprint`), where the provider tells it.
    pub fingerprint: Option<String>,
    /// The provider's request id: kept for failures.
    pub request_id: Option<String>,
    /// Why, in one line: the provider's message or what was missing. Kept for failures.
    pub detail: Option<String>,
    /// The last words received: kept for failures.
    pub tail: Option<String>,
    /// Whose report.
    pub reporter: Option<String>,
    /// Where the daemon runs that takes it in; put down where it is kept.
    pub vantage: Option<Arc<str>>,
    /// Whence, as the reporter says. Not kept.
    pub region: Option<String>,
    /// Whether a credential was sent. A refusal without one says nothing about a key.
    pub with_key: bool,
    /// `reach` only: the answer is the one that the preset expects.
    pub expected: bool,
}

impl Observation {
    /// An observation with nothing but its verdict; callers fill in the rest.
    pub fn new(target: TargetId, at: Timestamp, source: Source, verdict: Verdict) -> Self {
        Self {
            target,
            at,
            started: at,
            source,
            canary: None,
            purpose: Purpose::Scheduled,
            trust: Trust::Full,
            verdict,
            flags: Flags::none(),
            phases: Phases::default(),
            connection: None,
            http_status: None,
            stop_reason: None,
            usage: Usage::default(),
            cost_usd: 0.0,
            retry_after: None,
            served_model: None,
            fingerprint: None,
            request_id: None,
            detail: None,
            tail: None,
            reporter: None,
            vantage: None,
            region: None,
            with_key: true,
            expected: false,
        }
    }

    /// Whether the reply itself failed: truncated or errored, whoever is to blame.
    pub fn is_failure(&self) -> bool {
        matches!(self.verdict, Verdict::Truncated(_) | Verdict::Errored(_))
    }

    /// Which canary it was; `None` for what is none.
    pub fn canary_kind(&self) -> Option<CanaryKind> {
        let own = self.canary.filter(|kind| kind.source() == self.source);
        own.or(self.source.canary())
    }

    /// Time to first token of any channel.
    pub fn ttft(&self) -> Option<Duration> {
        self.phases.first_token
    }

    /// Time to the terminal event, or to the end of the body where the protocol has none.
    pub fn e2e(&self) -> Option<Duration> {
        self.phases.terminal.or(self.phases.end)
    }

    /// Inter-token latency: `(last - first) / (n - 1)`, n the provider-counted tokens that were streamed.
    /// `None` below two tokens.
    pub fn itl(&self) -> Option<Duration> {
        // Reasoning counts where it was streamed: then the first token is one of it.
        let reasoning_shown = self.phases.first_output > self.phases.first_token;
        let tokens = self
            .usage
            .output
            .filter(|_| reasoning_shown && !self.usage.provisional)
            .or(self.usage.visible())
            .filter(|n| *n >= 2)?;
        let span = self.phases.last_token?.checked_sub(self.phases.first_token?)?;
        Some(span.div_f64((tokens - 1) as f64))
    }

    /// Output tokens per second while decoding: the inverse of ITL.
    pub fn output_tps(&self) -> Option<f64> {
        self.itl()
            .map(|itl| itl.as_secs_f64())
            .filter(|s| *s > 0.0)
            .map(|s| 1.0 / s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    fn itl(
        first_token: u64,
        first_output: Option<u64>,
        last: u64,
        output: u64,
        reasoning: u64,
    ) -> Option<Duration> {
        let ms = Duration::from_millis;
        let target = "p/m".parse().unwrap();
        let mut seen = Observation::new(target, Timestamp::default(), Source::Canary, Verdict::Complete);
        seen.phases.first_token = Some(ms(first_token));
        seen.phases.first_output = first_output.map(ms);
        seen.phases.last_token = Some(ms(last));
        seen.usage.output = Some(output);
        seen.usage.reasoning = Some(reasoning);
        seen.itl()
    }

    #[test]
    fn itl_divides_by_the_tokens_that_were_streamed() {
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(itl(100, Some(100), 300, 21, 0), ms(10));
        assert_eq!(itl(100, Some(100), 300, 1021, 1000), ms(10), "hidden reasoning");
        assert_eq!(itl(100, Some(1100), 1300, 121, 100), ms(10), "streamed reasoning");
        assert_eq!(itl(100, Some(100), 300, 1, 0), None);
    }
}
