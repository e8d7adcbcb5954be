//! Words of the health layer.

use std::{fmt, time::Duration};

use super::{Change, InForce};
use crate::{
    clock::Timestamp,
    id::{ProviderId, TargetId},
    verdict::{Purpose, Source},
};

/// Health of a target or provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Finishes its replies.
    Operational,
    /// Slow, or more failures than its norm.
    Degraded,
    /// A good part of the replies fails.
    Partial,
    /// Nearly all replies fail.
    Down,
    /// No fresh evidence. Never healthy.
    Unknown,
    /// Declared by a person.
    Maintenance,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Operational,
        Self::Degraded,
        Self::Partial,
        Self::Down,
        Self::Unknown,
        Self::Maintenance,
    ];

    /// The name in the feed, the store and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operational => "operational",
            Self::Degraded => "degraded",
            Self::Partial => "partial",
            Self::Down => "down",
            Self::Unknown => "unknown",
            Self::Maintenance => "maintenance",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Degraded, partial or down.
    pub const fn is_impaired(self) -> bool {
        matches!(self, Self::Degraded | Self::Partial | Self::Down)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a router should do with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Use it.
    Allow,
    /// Prefer another, don't drop it.
    Suspect,
    /// Don't use it.
    Avoid,
    /// Coming back: use it with the given weight.
    Ramp,
    /// Our key is rate limited there.
    Throttle,
    /// Our key is refused or out of quota there.
    Blocked,
    /// We don't know.
    NoOpinion,
}

impl Hint {
    /// Every hint.
    pub const ALL: [Self; 7] = [
        Self::Allow,
        Self::Suspect,
        Self::Avoid,
        Self::Ramp,
        Self::Throttle,
        Self::Blocked,
        Self::NoOpinion,
    ];

    /// The name in the feed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Suspect => "suspect",
            Self::Avoid => "avoid",
            Self::Ramp => "ramp",
            Self::Throttle => "throttle",
            Self::Blocked => "blocked",
            Self::NoOpinion => "no_opinion",
        }
    }

    /// The hint as a circuit breaker.
    pub const fn breaker(self) -> Breaker {
        match self {
            Self::Avoid => Breaker::Open,
            Self::Ramp => Breaker::HalfOpen,
            Self::Allow | Self::Suspect | Self::Throttle | Self::Blocked | Self::NoOpinion => Breaker::Closed,
        }
    }
}

/// Circuit breaker: closed while traffic flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Breaker {
    /// Traffic flows.
    Closed,
    /// Traffic is kept away.
    Open,
    /// Traffic comes back by degrees.
    HalfOpen,
}

impl Breaker {
    /// The name in the feed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Routing advice for one target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Routing {
    /// What to do.
    pub hint: Hint,
    /// Share of the normal traffic, 0 to 1; `None` where we have no opinion.
    pub weight: Option<f64>,
    /// When to try again, for `throttle` and `blocked`.
    pub retry_at: Option<Timestamp>,
}

/// Why a target is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// Nothing wrong.
    Healthy,
    /// Replies end before they are finished.
    Truncated,
    /// The provider says it has no capacity.
    Overloaded,
    /// The provider answers with errors.
    ServerError,
    /// Replies don't come in time.
    Timeout,
    /// Name resolution, connect, TLS or reset.
    Unreachable,
    /// First tokens come later than the soft deadline.
    Slow,
    /// Failures of several kinds.
    Errors,
    /// Not enough evidence since start.
    Starting,
    /// The last evidence is too old.
    Stale,
    /// Our own network is lost.
    VantageOffline,
    /// Every key of ours is refused, limited or spent: it is us.
    OwnKey,
    /// Declared by a person.
    Maintenance,
    /// A person stopped our probes.
    Paused,
}

impl ReasonCode {
    /// Every code.
    pub const ALL: [Self; 14] = [
        Self::Healthy,
        Self::Truncated,
        Self::Overloaded,
        Self::ServerError,
        Self::Timeout,
        Self::Unreachable,
        Self::Slow,
        Self::Errors,
        Self::Starting,
        Self::Stale,
        Self::VantageOffline,
        Self::OwnKey,
        Self::Maintenance,
        Self::Paused,
    ];

    /// The name in the feed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Truncated => "truncated",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Slow => "slow",
            Self::Errors => "errors",
            Self::Starting => "starting",
            Self::Stale => "stale",
            Self::VantageOffline => "vantage_offline",
            Self::OwnKey => "self",
            Self::Maintenance => "maintenance",
            Self::Paused => "paused",
        }
    }
}

/// A reason in code and words, with who told.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people: `7 of 12 replies ended before a stop reason in 60 s`.
    pub text: String,
    /// Whose evidence it rests on, sorted, without repeats.
    pub sources: Vec<Source>,
}

/// Whether this vantage point has a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// Anchors answer, or nothing gave reason to doubt it.
    Online,
    /// Anchors fail: nothing is known about providers.
    Offline,
}

impl Network {
    /// The name in the feed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

/// A share with its Wilson 95 % interval. `value`, `low` and `high` are `None` when `n` is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rate {
    /// Hits.
    pub hits: u64,
    /// Trials.
    pub n: u64,
    /// Hits over trials.
    pub value: Option<f64>,
    /// Lower bound.
    pub low: Option<f64>,
    /// Upper bound.
    pub high: Option<f64>,
}

/// Percentiles over complete replies. `None` when `n` is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Percentiles {
    /// Median.
    pub p50: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Samples.
    pub n: u64,
}

/// The figures of one target over the window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures {
    /// Attempts that count (`design.md` 6, counting table).
    pub attempts: u64,
    /// (errors + truncated) / attempts.
    pub failure_rate: Rate,
    /// Errors / attempts.
    pub error_rate: Rate,
    /// Truncated / replies that began.
    pub truncation_rate: Rate,
    /// Milliseconds to the first token of any channel.
    pub ttft_ms: Percentiles,
    /// Milliseconds to the first visible token.
    pub ttfo_ms: Percentiles,
    /// Milliseconds between tokens.
    pub itl_ms: Percentiles,
    /// Milliseconds to the terminal event.
    pub e2e_ms: Percentiles,
    /// Tokens a second while decoding.
    pub output_tps: Percentiles,
}

/// One target as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetView {
    /// Who.
    pub id: TargetId,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: Reason,
    /// Advice for routers.
    pub routing: Routing,
    /// Figures over [`WINDOW`].
    pub figures: Figures,
    /// Soft deadline of the short stream.
    pub soft_deadline: Duration,
    /// Last complete reply.
    pub last_complete_at: Option<Timestamp>,
    /// Last observation of any kind.
    pub last_seen_at: Option<Timestamp>,
    /// The model that answered last, as it names itself.
    pub served_model: Option<String>,
    /// The target that is the same model reached directly, where the operator says so.
    pub via: Option<TargetId>,
    /// Flags such as `model_changed`, `forged`, `sentinel_off`, `terminal_lax`.
    pub flags: Vec<&'static str>,
    /// The open incident's id.
    pub incident: Option<String>,
    /// Dollars spent on it today (UTC).
    pub spent_usd_today: f64,
    /// What its provider's own status page says: shown beside, never part of what we judge.
    pub official: Option<OfficialWord>,
    /// What people declared of it and is in force.
    pub declared: InForce,
}

/// A provider's own word about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct OfficialWord {
    /// Its state in our words; `unknown` where the page can't be understood or was not read for long.
    pub state: State,
    /// When the page was last read.
    pub at: Timestamp,
    /// The vendor's own word for its state.
    pub word: Option<String>,
    /// Title of its newest open incident.
    pub title: Option<String>,
    /// Where to read more.
    pub url: Option<String>,
}

/// Length of the window behind [`Figures`].
pub const WINDOW: Duration = Duration::from_secs(300);

/// One provider as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderView {
    /// Who.
    pub id: ProviderId,
    /// Rolled up from its edge and its targets.
    pub state: State,
    /// Its edge alone.
    pub edge: State,
    /// Milliseconds of DNS, TCP and TLS over the window.
    pub connect_ms: Percentiles,
}

/// Everything as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// When.
    pub at: Timestamp,
    /// Whether we have a network.
    pub network: Network,
    /// In configured order.
    pub targets: Vec<TargetView>,
    /// In configured order.
    pub providers: Vec<ProviderView>,
}

/// What the engine must know of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSetup {
    /// Who.
    pub id: TargetId,
    /// Whether a missing terminal event is a truncation by itself.
    pub strict_terminal: bool,
    /// Interval of short generation probes; `None` when only reports come.
    pub interval: Option<Duration>,
    /// Whether the long canary runs, so that bursts can use it.
    pub long: bool,
    /// Its interval; `None`: as that of the short ones.
    pub long_interval: Option<Duration>,
    /// Longest wait for a first token.
    pub first_token_limit: Duration,
    /// Whether bursts and schedules hold back while the provider is overloaded.
    pub polite: bool,
    /// Nobody configured it: it is there because reports tell of it.
    pub reports_only: bool,
}

impl TargetSetup {
    /// How often we generate there; `None` when only reports come.
    pub fn generates_every(&self) -> Option<Duration> {
        let long = self.long_interval.filter(|_| self.long);
        self.interval.into_iter().chain(long).min()
    }
}

/// What the engine must know of the world.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Setup {
    /// Targets in configured order; providers follow from them.
    pub targets: Vec<TargetSetup>,
    /// Number of configured anchors.
    pub anchors: usize,
}

/// Deadlines of a probe, from the target's own history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Soft deadline tau: a first token later than this is slow.
    pub soft: Duration,
    /// Hard deadline D: a first token later than this is a failure.
    pub hard: Duration,
}

/// Which canary length, and so which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Length {
    /// Under 300 output tokens.
    Short,
    /// The `long` canary and replies of 300 or more output tokens.
    Long,
}

/// What a probe order is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A generation probe of a target.
    Model(TargetId, Length),
    /// A reachability probe of a provider's edge.
    Edge(ProviderId),
}

/// A probe that the engine wants beside the timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeOrder {
    /// Of whom.
    pub subject: Subject,
    /// When to send it.
    pub due: Timestamp,
    /// [`Purpose::Confirm`] or [`Purpose::Recovery`].
    pub purpose: Purpose,
}

/// A target's state or hint changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// Who.
    pub target: TargetId,
    /// When it was decided.
    pub at: Timestamp,
    /// From which state.
    pub from: State,
    /// To which state; may equal `from` when only the hint changed.
    pub to: State,
    /// The advice from now on.
    pub routing: Routing,
    /// Why.
    pub reason: Reason,
    /// First bad evidence of this spell.
    pub first_evidence: Option<Timestamp>,
}

/// What happened to an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IncidentPhase {
    /// 15 s of impairment have passed.
    Opened,
    /// It got worse, better or another reason.
    Updated,
    /// 60 s of health have passed.
    Closed,
}

/// One line of an incident's timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentEntry {
    /// When.
    pub at: Timestamp,
    /// `first_evidence`, `transition`, `opened`, `recovered`, `closed`, `official`.
    pub kind: &'static str,
    /// State from then on.
    pub state: State,
    /// In words.
    pub text: String,
}

/// A target's stretch of ill health.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Stable id.
    pub id: String,
    /// Whose.
    pub target: TargetId,
    /// First bad evidence.
    pub started: Timestamp,
    /// When the state first left operational.
    pub detected: Timestamp,
    /// When it counted as an incident.
    pub opened: Timestamp,
    /// When the state came back to operational; `None` while it lasts.
    pub recovered: Option<Timestamp>,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// The worst state in it.
    pub worst: State,
    /// The reason at its worst.
    pub reason: Reason,
    /// What happened, oldest first; at most [`MAX_TIMELINE`] entries, later ones replace the last.
    pub timeline: Vec<IncidentEntry>,
    /// Seconds from our detection to the first word of the provider's own status page: positive where we were earlier,
    /// `None` while it has not spoken. An annotation.
    pub lead_s: Option<i64>,
}

/// Most entries of an incident's timeline.
pub const MAX_TIMELINE: usize = 200;

/// What the engine wants done or told.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Tell the feed, at once.
    Transition(Transition),
    /// Tell and keep.
    Incident(IncidentPhase, Incident),
    /// Send this probe.
    Probe(ProbeOrder),
    /// Connect to every anchor now and report the round.
    Anchors,
    /// The vantage went offline or came back.
    Network(Network),
    /// Another model, configuration or tokenizer answers. Tell and keep; no state moves.
    Change(Change),
}

/// The detector state of everything, to be kept across restarts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Saved {
    /// Opaque, versioned text (JSON).
    pub blob: String,
}
