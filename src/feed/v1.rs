//! The JSON that leaves the house: schema `endturn.health.v1`. Within v1 fields are only added.
//!
//! These are wire types, apart from the domain types of [`crate::health`]: they derive `Serialize` for the daemon and
//! `Deserialize` for clients. A reader that meets a word that it doesn't know takes it for the cautious one
//! (`unknown`, `no_opinion`) instead of failing, because newer daemons may say more.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    declared::Declared,
    wire::{self, Time},
};
use crate::{
    health::{self, Breaker, Hint, Network, State},
    id::{ProviderId, TargetId},
};

/// Value of [`Head::schema`].
pub const SCHEMA: &str = "endturn.health.v1";

/// A feed older than this tells nothing any more: `stale_after` = `generated_at` + this.
pub const FRESH_FOR: Duration = Duration::from_secs(15);

/// A word of an open set.
pub type Word = Cow<'static, str>;

/// Who publishes: the part of the feed that never changes while a process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// One run of one daemon over one store; revisions of different instances must not be compared.
    pub instance: String,
    /// Where the daemon runs.
    pub vantage: String,
}

/// Whether history is being kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// `ok` or `failing`.
    #[serde(default)]
    pub state: StoreState,
    /// Records that were lost since start because the store could not take them.
    #[serde(default)]
    pub dropped: u64,
    /// What fails or is missing, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A damaged database that was set aside since start: history begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
}

/// History that is missing, because its file was damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetAside {
    /// When it was set aside: what was known before is missing.
    pub at: Time,
    /// The name that the damaged file has now, in its old folder.
    pub file: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, file } = self;
        write!(
            f,
            "what was kept before {at} is set aside as {file}: the database was damaged"
        )
    }
}

/// Whether the store takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoreState {
    /// It does.
    #[default]
    Ok,
    /// It does not; health goes on, history has a hole.
    #[serde(other)]
    Failing,
}

/// The members that say which feed this is and how long it may be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Head {
    /// [`SCHEMA`].
    #[schema(value_type = String)]
    pub schema: Word,
    /// See [`Identity::instance`].
    pub instance: String,
    /// See [`Identity::vantage`].
    pub vantage: String,
    /// Grows by one with every publication and never goes back.
    pub revision: u64,
    /// When this revision was made.
    pub generated_at: Time,
    /// Past this time nothing is known: behave as if there were no feed.
    pub stale_after: Time,
    /// Not `online`: nothing is known about providers.
    #[serde(with = "wire::network")]
    #[schema(value_type = String)]
    pub network: Network,
    /// Whether history is being kept. Says nothing about the freshness of this feed.
    #[serde(default)]
    pub store: StoreStatus,
}

impl Head {
    /// The head of the revision that shows `view`.
    pub fn new(identity: &Identity, revision: u64, view: &health::View, store: &StoreStatus) -> Self {
        Self {
            schema: SCHEMA.into(),
            instance: identity.instance.clone(),
            vantage: identity.vantage.clone(),
            revision,
            generated_at: view.at.into(),
            stale_after: view.at.plus(FRESH_FOR).into(),
            network: view.network,
            store: store.clone(),
        }
    }
}

/// The whole feed: `GET /v1/health` and the SSE event `snapshot`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Which feed this is; its members stand at the top level.
    #[serde(flatten)]
    pub head: Head,
    /// Every target, in configured order.
    pub targets: Vec<TargetHealth>,
    /// Every provider, in configured order.
    pub providers: Vec<ProviderHealth>,
}

impl Health {
    /// The feed that shows `view`.
    pub fn new(identity: &Identity, revision: u64, view: &health::View, store: &StoreStatus) -> Self {
        Self {
            head: Head::new(identity, revision, view, store),
            targets: view.targets.iter().map(TargetHealth::from).collect(),
            providers: view.providers.iter().map(ProviderHealth::from).collect(),
        }
    }
}

/// `GET /v1/health/{target}`: one target's members beside those of the head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OneTarget {
    /// Which feed this is.
    #[serde(flatten)]
    pub head: Head,
    /// The target.
    #[serde(flatten)]
    pub target: TargetHealth,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetHealth {
    /// `provider/model`.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub id: TargetId,
    /// The provider's half of the id.
    pub provider: String,
    /// The model's half of the id.
    pub model: String,
    /// Its state.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub state: State,
    /// Since when.
    pub since: Time,
    /// Why.
    pub reason: Reason,
    /// Advice for routers.
    pub routing: Routing,
    /// Length of the window behind the figures, in seconds.
    pub window_s: u64,
    /// Attempts in the window.
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
    /// Soft deadline of the short canary in milliseconds: a later first token is slow.
    #[serde(default)]
    pub soft_deadline_ms: u64,
    /// Last complete reply.
    #[schema(required = true)]
    pub last_complete_at: Option<Time>,
    /// Last observation of any kind.
    #[serde(default)]
    #[schema(required = true)]
    pub last_seen_at: Option<Time>,
    /// The model that answered last, as it names itself. Foreign text: escape it.
    #[serde(default)]
    #[schema(required = true)]
    pub served_model: Option<String>,
    /// The target that is the same model reached directly, where the operator says so.
    #[serde(default)]
    #[schema(required = true, value_type = Option<String>)]
    pub via: Option<Word>,
    /// Side facts such as `model_changed` and `forged`.
    #[schema(value_type = Vec<String>)]
    pub flags: Vec<Word>,
    /// What the provider's own status page says; null while nobody has read it.
    #[schema(required = true)]
    pub official: Option<Official>,
    /// Id of the open incident.
    #[schema(required = true)]
    pub incident: Option<String>,
    /// Dollars spent on probing it today (UTC).
    pub spent_usd_today: f64,
    /// What people declared of it and is in force: pause, maintenance, override. Empty nearly always.
    #[serde(default)]
    pub declared: Vec<Declared>,
}

/// From this failure rate on a target in state `partial` is avoided: that at which the breaker opens
/// (`docs/detection.md` 4).
const PARTIAL_AVOIDED: f64 = 0.3;

impl TargetHealth {
    /// What its state alone says, for a caller whose key is not endturn's: where the hint speaks of that key
    /// (`throttle`, `blocked`) it doesn't concern them. `allow`, `avoid` or `no_opinion`.
    pub fn hint_without_key(&self) -> Hint {
        match self.state {
            State::Operational | State::Degraded => Hint::Allow,
            State::Partial if self.failure_rate.value.is_some_and(|rate| rate < PARTIAL_AVOIDED) => {
                Hint::Allow
            }
            State::Partial | State::Down | State::Maintenance => Hint::Avoid,
            State::Unknown => Hint::NoOpinion,
        }
    }
}

/// A provider's own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Official {
    /// Its state in our words.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub state: State,
    /// When it was read.
    pub at: Time,
    /// The vendor's own word for its state; null where it only lists incidents and none is open.
    #[serde(default)]
    #[schema(required = true)]
    pub word: Option<String>,
    /// Title of its newest open incident. Foreign text.
    #[serde(default)]
    #[schema(required = true)]
    pub title: Option<String>,
    /// Where to read more. Foreign text too: a reader who makes it a link checks it.
    #[serde(default)]
    #[schema(required = true)]
    pub url: Option<String>,
}

/// Why a target is in its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// For programs: `truncated`, `overloaded`, ..
    #[schema(value_type = String)]
    pub code: Word,
    /// For people.
    pub text: String,
    /// Whose evidence it rests on: `canary`, `report`, ..
    #[schema(value_type = Vec<String>)]
    pub sources: Vec<Word>,
}

/// Advice for routers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Routing {
    /// What to do.
    #[serde(with = "wire::hint")]
    #[schema(value_type = String)]
    pub hint: Hint,
    /// Share of the normal traffic, 0 to 1; null where we have no opinion.
    #[schema(required = true)]
    pub weight: Option<f64>,
    /// The hint as a circuit breaker.
    #[serde(with = "wire::breaker")]
    #[schema(value_type = String)]
    pub breaker: Breaker,
    /// When to try again.
    #[schema(required = true)]
    pub retry_at: Option<Time>,
}

/// A share with its Wilson 95 % interval; null where `n` is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Rate {
    /// Hits over trials, 0 to 1.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// Lower bound.
    #[schema(required = true)]
    pub low: Option<f64>,
    /// Upper bound.
    #[schema(required = true)]
    pub high: Option<f64>,
    /// Trials.
    pub n: u64,
}

/// Percentiles over complete replies; null where `n` is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Percentiles {
    /// Median.
    #[schema(required = true)]
    pub p50: Option<f64>,
    /// 95th percentile.
    #[schema(required = true)]
    pub p95: Option<f64>,
    /// 99th percentile.
    #[schema(required = true)]
    pub p99: Option<f64>,
    /// Samples.
    pub n: u64,
}

/// One provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProviderHealth {
    /// Its id.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub id: ProviderId,
    /// Rolled up from its edge and its targets.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub state: State,
    /// What a connection to it meets before any model is asked.
    pub edge: Edge,
}

/// A provider's edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Edge {
    /// Its state.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub state: State,
    /// Milliseconds of DNS, TCP and TLS.
    pub connect_ms: Percentiles,
}

/// Four decimals: finer than any of our intervals, and a figure that moves less than that has not changed.
fn share(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Tenths: of a millisecond, or of a token a second.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl From<health::Rate> for Rate {
    fn from(rate: health::Rate) -> Self {
        Self {
            value: rate.value.map(share),
            low: rate.low.map(share),
            high: rate.high.map(share),
            n: rate.n,
        }
    }
}

impl From<health::Percentiles> for Percentiles {
    fn from(figures: health::Percentiles) -> Self {
        Self {
            p50: figures.p50.map(tenth),
            p95: figures.p95.map(tenth),
            p99: figures.p99.map(tenth),
            n: figures.n,
        }
    }
}

impl From<&health::Reason> for Reason {
    fn from(reason: &health::Reason) -> Self {
        Self {
            code: reason.code.as_str().into(),
            text: reason.text.clone(),
            sources: reason.sources.iter().map(|s| s.as_str().into()).collect(),
        }
    }
}

impl From<health::Routing> for Routing {
    fn from(routing: health::Routing) -> Self {
        Self {
            hint: routing.hint,
            weight: routing.weight.map(share),
            breaker: routing.hint.breaker(),
            retry_at: routing.retry_at.map(Time::from),
        }
    }
}

impl From<&health::TargetView> for TargetHealth {
    fn from(view: &health::TargetView) -> Self {
        let figures = &view.figures;
        Self {
            id: view.id.clone(),
            provider: view.id.provider().to_string(),
            model: view.id.model().to_string(),
            state: view.state,
            since: view.since.into(),
            reason: (&view.reason).into(),
            routing: view.routing.into(),
            window_s: health::WINDOW.as_secs(),
            attempts: figures.attempts,
            failure_rate: figures.failure_rate.into(),
            error_rate: figures.error_rate.into(),
            truncation_rate: figures.truncation_rate.into(),
            ttft_ms: figures.ttft_ms.into(),
            ttfo_ms: figures.ttfo_ms.into(),
            itl_ms: figures.itl_ms.into(),
            e2e_ms: figures.e2e_ms.into(),
            output_tps: figures.output_tps.into(),
            soft_deadline_ms: u64::try_from(view.soft_deadline.as_millis()).unwrap_or(u64::MAX),
            last_complete_at: view.last_complete_at.map(Time::from),
            last_seen_at: view.last_seen_at.map(Time::from),
            served_model: view.served_model.clone(),
            via: view.via.as_ref().map(|id| Word::from(id.to_string())),
            flags: view.flags.iter().map(|flag| Cow::Borrowed(*flag)).collect(),
            official: view.official.as_ref().map(Official::from),
            incident: view.incident.clone(),
            spent_usd_today: (view.spent_usd_today * 1e6).round() / 1e6,
            declared: view.declared.all().map(|one| Declared::from(&**one)).collect(),
        }
    }
}

impl From<&health::OfficialWord> for Official {
    fn from(said: &health::OfficialWord) -> Self {
        Self {
            state: said.state,
            at: said.at.into(),
            word: said.word.clone(),
            title: said.title.clone(),
            url: said.url.clone(),
        }
    }
}

impl From<&health::ProviderView> for ProviderHealth {
    fn from(view: &health::ProviderView) -> Self {
        Self {
            id: view.id.clone(),
            state: view.state,
            edge: Edge {
                state: view.edge,
                connect_ms: view.connect_ms.into(),
            },
        }
    }
}
