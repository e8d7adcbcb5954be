//! One probe, from job to observation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    Call, ClientError, Transport, canary,
    credential::Credentials,
    exchange::{Outcome, Plan, exchange},
    exits::Exits,
    reach,
    scrub::Scrub,
    wire,
};
use crate::{
    clock::{Clock, Timestamp},
    config::{Model, ProbeLimits, Provider},
    health::{Deadlines, Length},
    id::{ProviderId, TargetId},
    protocol::ErrorClass,
    verdict::{CanaryKind, Connection, Ending, Flags, Judgement, Observation, Purpose, Timeline},
};

/// A scheduled probe opens a new connection when the provider's last was opened this long ago: pooled connections
/// alone would not notice that new ones fail.
pub const CONNECT_EVERY: Duration = Duration::from_secs(15);

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProbeKind {
    /// Free, no tokens; judges the provider's edge.
    Reach,
    /// The short canary.
    Canary,
    /// The long canary.
    Long,
    /// The JSON canary.
    Json,
    /// The tool canary.
    Tool,
}

impl ProbeKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Reach, Self::Canary, Self::Long, Self::Json, Self::Tool];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self.canary() {
            None => "reach",
            Some(kind) => kind.as_str(),
        }
    }

    /// Which canary it sends; `None` for `reach`.
    pub const fn canary(self) -> Option<CanaryKind> {
        match self {
            Self::Reach => None,
            Self::Canary => Some(CanaryKind::Short),
            Self::Long => Some(CanaryKind::Long),
            Self::Json => Some(CanaryKind::Json),
            Self::Tool => Some(CanaryKind::Tool),
        }
    }

    /// The stream of health that its outcome belongs to.
    pub const fn length(self) -> Length {
        match self {
            Self::Long => Length::Long,
            Self::Reach | Self::Canary | Self::Json | Self::Tool => Length::Short,
        }
    }
}

impl From<CanaryKind> for ProbeKind {
    fn from(kind: CanaryKind) -> Self {
        match kind {
            CanaryKind::Short => Self::Canary,
            CanaryKind::Long => Self::Long,
            CanaryKind::Json => Self::Json,
            CanaryKind::Tool => Self::Tool,
        }
    }
}

/// One probe to be sent now.
#[derive(Debug, Clone)]
pub struct ProbeJob {
    /// Provider with base URL, credential, limits.
    pub provider: Arc<Provider>,
    /// Model; for `reach`, the one that the observation is booked on.
    pub model: Arc<Model>,
    /// What to send.
    pub kind: ProbeKind,
    /// Why.
    pub purpose: Purpose,
    /// Soft and hard deadline of the first token.
    pub deadlines: Deadlines,
    /// A connect deadline tighter than the provider's: reachability is judged faster than generation.
    pub connect: Option<Duration>,
    /// Whether the sentinel rule is in force for this target.
    pub check_text: bool,
    /// Draws the sentinel.
    pub seed: u64,
}

/// Longest wait for the head of a reachability answer: no model works on it.
const REACH_HEAD: Duration = Duration::from_secs(10);

fn limits(job: &ProbeJob) -> ProbeLimits {
    // The edge is the provider's, whichever model its observations are booked on.
    let mut limits = match job.kind {
        ProbeKind::Reach => job.provider.limits,
        _ => job.provider.limits_of(&job.model),
    };
    if let Some(connect) = job.connect {
        limits.connect = limits.connect.min(connect);
    }
    if job.kind == ProbeKind::Reach {
        limits.head = limits.head.min(REACH_HEAD);
    }
    limits
}

/// What came of it: the observation for everybody, the rest for a person who looks.
#[derive(Debug, Clone)]
pub struct ProbeReport {
    /// The verdict with its evidence.
    pub observation: Observation,
    /// Everything seen.
    pub timeline: Timeline,
    /// What the verdict rests on; `None` for `reach`.
    pub judgement: Option<Judgement>,
}

/// Sends probes. Holds the HTTP clients, so that connections are kept between probes. One per process.
pub struct Prober {
    clock: Clock,
    exits: Exits,
    credentials: Credentials,
    /// When each provider last had a new connection opened, as [`Clock::mono`].
    opened: Mutex<HashMap<ProviderId, Duration>>,
}

impl Prober {
    /// Over the network, trusting the system's root certificates. Loads them: some milliseconds.
    pub fn new(clock: Clock) -> Result<Self, ClientError> {
        Self::with_roots(clock, &[])
    }

    /// Over the network, trusting these root certificates (DER) beside the system's.
    pub fn with_roots(clock: Clock, extra_roots: &[Vec<u8>]) -> Result<Self, ClientError> {
        Ok(Self::over(clock, Exits::new(extra_roots)?))
    }

    /// Over any transport, whatever way out a provider asks for.
    pub fn with_transport(clock: Clock, transport: Arc<dyn Transport>) -> Self {
        Self::over(clock, Exits::One(transport))
    }

    fn over(clock: Clock, exits: Exits) -> Self {
        Self {
            credentials: Credentials::new(clock.clone()),
            clock,
            exits,
            opened: Mutex::default(),
        }
    }

    /// Other providers from now on: connections by a way out that none of them takes are given up.
    pub fn set_providers(&self, providers: &[Provider]) {
        self.exits.keep(providers);
    }

    /// Runs one probe. A failed probe is data, not an error. `on_slow` is called at most once: at the soft deadline
    /// of a generation probe, while no first token has come. Dropping the future closes the exchange.
    pub async fn run(&self, job: &ProbeJob, on_slow: impl FnOnce(TargetId, Length) + Send) -> ProbeReport {
        let mut on_slow = Some(on_slow);
        let mut told = || {
            if let Some(on_slow) = on_slow.take() {
                on_slow(job.model.id.clone(), job.kind.length());
            }
        };
        let started = self.clock.now();
        let call = match job.kind.canary() {
            None => reach::call(&job.provider),
            Some(kind) => canary::call(job, kind),
        };
        let call = match call {
            Ok(call) => self.credentials.authorise(&job.provider, call).await,
            Err(fault) => Err(fault),
        };
        let mut scrub = Scrub::new(&job.provider);
        let mut done = match call {
            Ok(call) => {
                scrub.add_sent(&call.headers);
                match self.exits.of(&job.provider.egress) {
                    Ok(transport) => self.exchange(job, &*transport, call, &mut told).await,
                    Err(error) => unsent(Ending::Failed(wire::invalid(error.to_string()))),
                }
            }
            Err(fault) => unsent(Ending::Failed(fault)),
        };
        scrub.timeline(&mut done.timeline);
        self.report(job, started, done)
    }

    /// Sends, and once more where a kept connection died before the answer began: that is a race with the server's
    /// idle limit, not an outage.
    async fn exchange(
        &self,
        job: &ProbeJob,
        transport: &dyn Transport,
        mut call: Call,
        on_slow: &mut (dyn FnMut() + Send),
    ) -> Done {
        // A kept connection can be dead without a word; what judges the edge opens its own each time.
        call.fresh = job.kind == ProbeKind::Reach
            || job.purpose != Purpose::Scheduled
            || self.connect_is_due(&job.provider.id);
        let plan = |call| Plan {
            call,
            limits: limits(job),
            stream: (job.kind != ProbeKind::Reach).then_some((job.provider.protocol, job.deadlines)),
        };
        let first = exchange(transport, &self.clock, plan(call.clone()), on_slow).await;
        let retried = !call.fresh && died_stale(&first);
        let outcome = if retried {
            call.fresh = true;
            let again = exchange(transport, &self.clock, plan(call), on_slow).await;
            Outcome {
                slow: again.slow || first.slow,
                ..again
            }
        } else {
            first
        };
        if outcome.connection == Connection::Fresh {
            self.lock_opened()
                .insert(job.provider.id.clone(), self.clock.mono());
        }
        let mut flags = Flags::none();
        flags.set(Flags::RETRIED_STALE_CONNECTION, retried);
        flags.set(Flags::SLOW, outcome.slow);
        Done {
            timeline: outcome.timeline,
            connection: Some(outcome.connection),
            flags,
        }
    }

    fn connect_is_due(&self, provider: &ProviderId) -> bool {
        let now = self.clock.mono();
        let opened = self.lock_opened().get(provider).copied();
        opened.is_none_or(|at| now.saturating_sub(at) >= CONNECT_EVERY)
    }

    fn lock_opened(&self) -> std::sync::MutexGuard<'_, HashMap<ProviderId, Duration>> {
        // One time per provider: whole even if another holder panicked.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self, job: &ProbeJob, started: Timestamp, done: Done) -> ProbeReport {
        let at = self.clock.now();
        let (mut observation, judgement) = match job.kind.canary() {
            None => (reach::observe(job, at, &done.timeline), None),
            Some(kind) => {
                let (observation, judgement) = canary::observe(job, kind, at, &done.timeline);
                (observation, Some(judgement))
            }
        };
        observation.started = started;
        observation.purpose = job.purpose;
        observation.flags.insert(done.flags);
        observation.phases = done.timeline.phases;
        observation.connection = done.connection;
        observation.http_status = done.timeline.status;
        observation.with_key = wire::sends_key(&job.provider);
        ProbeReport {
            observation,
            timeline: done.timeline,
            judgement,
        }
    }
}

struct Done {
    timeline: Timeline,
    connection: Option<Connection>,
    flags: Flags,
}

/// A request that could not be put into words that HTTP allows.
fn unsent(ending: Ending) -> Done {
    let mut timeline = Timeline::default();
    timeline.end(Duration::ZERO, ending);
    Done {
        timeline,
        connection: None,
        flags: Flags::none(),
    }
}

fn died_stale(outcome: &Outcome) -> bool {
    let reset =
        matches!(&outcome.timeline.ending, Some(Ending::Failed(fault)) if fault.class == ErrorClass::Reset);
    reset && outcome.timeline.status.is_none() && outcome.connection == Connection::Reused
}
