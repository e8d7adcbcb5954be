//! The report of a month as JSON: the same document for programs, Markdown and tables.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    v1::{Percentiles, Word},
    wire::{self, Time},
};
use crate::{
    health::{self, State, StateTimes, reliability},
    id::{ProviderId, TargetId},
    report::{self as figures, Figures, Terms, length_in_month},
};

/// Value of [`Report::schema`].
pub const SCHEMA: &str = "endturn.report.v1";

/// One month, seen from one vantage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// [`SCHEMA`].
    #[schema(value_type = String)]
    pub schema: Word,
    /// `2026-11`, in UTC.
    #[schema(examples("2026-11"))]
    pub month: String,
    /// When it begins.
    pub from: Time,
    /// When what is told ends: with the month, or at the time of asking.
    pub until: Time,
    /// Whether the month still runs.
    pub running: bool,
    /// When this was made.
    pub generated_at: Time,
    /// Where it was measured from.
    pub vantage: String,
    /// What it is held against, in percent.
    pub objective: f64,
    /// Each provider with its targets.
    pub providers: Vec<ProviderReport>,
    /// Incidents that touch the month, oldest first.
    pub incidents: Vec<IncidentLine>,
}

/// One provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProviderReport {
    /// Its id.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub id: ProviderId,
    /// All of its targets together: time is added up over them.
    pub figures: Sheet,
    /// Each target.
    pub targets: Vec<TargetReport>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetReport {
    /// `provider/model`.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub id: TargetId,
    /// Its figures.
    pub figures: Sheet,
}

/// The figures of one target, or of a provider's targets together. What is not known is null, never 0 or 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sheet {
    /// Whether anything at all was seen in this month.
    pub seen: bool,
    /// Share of the watched time that was neither partial nor down.
    #[schema(required = true)]
    pub uptime: Option<f64>,
    /// Share of the elapsed time in which the state was known: what `uptime` speaks of.
    #[schema(required = true)]
    pub coverage: Option<f64>,
    /// Elapsed time in seconds, over all targets.
    pub elapsed_s: f64,
    /// Watched time in each state, in seconds.
    pub states_s: StatesSeconds,
    /// Incidents.
    pub incidents: IncidentSums,
    /// Requests that count, by who saw them.
    pub attempts: Attempts,
    /// Errors and truncations over attempts.
    pub failure_rate: ClusteredRate,
    /// Errors over attempts.
    pub error_rate: ClusteredRate,
    /// Truncations over replies that began.
    pub truncation_rate: ClusteredRate,
    /// Milliseconds to the first token of complete replies.
    pub ttft_ms: Percentiles,
    /// Milliseconds to the end of complete replies.
    pub e2e_ms: Percentiles,
    /// What the objective allows of the watched time; null where none was watched.
    #[schema(required = true)]
    pub time_budget_s: Option<BudgetFigures>,
    /// What the objective allows of the replies; null without attempts.
    #[schema(required = true)]
    pub reply_budget: Option<BudgetFigures>,
    /// How much earlier we knew than the provider's status page; null where none is read.
    #[schema(required = true)]
    pub lead: Option<LeadFigures>,
    /// Dollars spent on probes.
    pub spent_usd: f64,
    /// Prompt tokens.
    pub input_tokens: u64,
    /// Generated tokens.
    pub output_tokens: u64,
}

/// Seconds in each state.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct StatesSeconds {
    /// Finished its replies.
    pub operational: f64,
    /// Slow, or more failures than its norm; counts as up.
    pub degraded: f64,
    /// A good part of the replies failed.
    pub partial: f64,
    /// Nearly all failed.
    pub down: f64,
    /// Nothing was known; in no share.
    pub unknown: f64,
    /// Declared by a person; in no share.
    pub maintenance: f64,
}

/// Incidents of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct IncidentSums {
    /// How many touch the month.
    pub count: u64,
    /// Of these, not over.
    pub open: u64,
    /// Their length within the month together, in seconds.
    pub total_s: u64,
    /// The longest one within the month, in seconds.
    pub longest_s: u64,
    /// Mean time from first evidence to recovery in seconds, of those that recovered; null without one.
    #[schema(required = true)]
    pub mttr_s: Option<u64>,
    /// Watched time outside incidents by incident, in seconds; null for fewer than two.
    #[schema(required = true)]
    pub mtbf_s: Option<u64>,
}

/// Requests by who saw them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Attempts {
    /// Short probes.
    pub canary: u64,
    /// Long probes.
    pub long: u64,
    /// Reported real requests.
    pub report: u64,
    /// Real requests seen by the tap.
    pub tap: u64,
}

impl Attempts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.canary
            .saturating_add(self.long)
            .saturating_add(self.report)
            .saturating_add(self.tap)
    }

    /// Adds another target's.
    pub const fn add(&mut self, other: &Self) {
        self.canary = self.canary.saturating_add(other.canary);
        self.long = self.long.saturating_add(other.long);
        self.report = self.report.saturating_add(other.report);
        self.tap = self.tap.saturating_add(other.tap);
    }
}

/// A share with its 95 % interval over clustered trials; null where `n` is zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct ClusteredRate {
    /// Hits over trials, 0 to 1.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// Lower bound.
    #[schema(required = true)]
    pub low: Option<f64>,
    /// Upper bound.
    #[schema(required = true)]
    pub high: Option<f64>,
    /// Hits.
    pub hits: u64,
    /// Trials.
    pub n: u64,
    /// Design effect: the interval is that of `n / deff` independent trials.
    pub deff: f64,
}

/// An error budget: seconds, or replies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BudgetFigures {
    /// What the objective allows so far.
    pub allowed: f64,
    /// What is gone of it.
    pub burnt: f64,
    /// What is left; below zero once it is overdrawn.
    pub left: f64,
    /// Burnt over allowed; null where nothing is allowed.
    #[schema(required = true)]
    pub burnt_share: Option<f64>,
}

/// Against the provider's own status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeadFigures {
    /// Incidents that it mentioned.
    pub mentioned: u64,
    /// Ended incidents that it never mentioned.
    pub never: u64,
    /// Median lead in seconds over the mentioned ones, positive where we were earlier; null without one.
    #[schema(required = true)]
    pub median_s: Option<i64>,
}

/// One incident in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IncidentLine {
    /// Stable id: `/v1/incidents/{id}` has the timeline.
    pub id: String,
    /// Whose.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// The worst state in it.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub worst: State,
    /// Why, at its worst.
    pub reason: super::v1::Reason,
    /// First bad evidence.
    pub started_at: Time,
    /// When it was found.
    pub detected_at: Time,
    /// When the state came back; null while it lasts.
    #[schema(required = true)]
    pub recovered_at: Option<Time>,
    /// Whether it goes on.
    pub open: bool,
    /// Length within the month in seconds.
    pub length_s: u64,
    /// Seconds from our detection to the first word of the provider's own page; null while it has not spoken.
    #[schema(required = true)]
    pub lead_s: Option<i64>,
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

/// Six decimals.
fn fine(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

impl From<&StateTimes> for StatesSeconds {
    fn from(times: &StateTimes) -> Self {
        let of = |state| seconds(times.of(state));
        Self {
            operational: of(State::Operational),
            degraded: of(State::Degraded),
            partial: of(State::Partial),
            down: of(State::Down),
            unknown: of(State::Unknown),
            maintenance: of(State::Maintenance),
        }
    }
}

impl From<&figures::IncidentFigures> for IncidentSums {
    fn from(of: &figures::IncidentFigures) -> Self {
        Self {
            count: of.count,
            open: of.open,
            total_s: of.total_ms / 1_000,
            longest_s: of.longest_ms / 1_000,
            mttr_s: of.mttr_ms.map(|ms| ms / 1_000),
            mtbf_s: of.mtbf_ms.map(|ms| ms / 1_000),
        }
    }
}

impl From<&reliability::Share> for ClusteredRate {
    fn from(share: &reliability::Share) -> Self {
        Self {
            value: share.interval.map(|i| fine(i.point)),
            low: share.interval.map(|i| fine(i.low)),
            high: share.interval.map(|i| fine(i.high)),
            hits: share.hits,
            n: share.n,
            deff: fine(share.deff),
        }
    }
}

/// A budget in units of `unit`.
fn budget(of: figures::Budget, unit: f64) -> BudgetFigures {
    BudgetFigures {
        allowed: fine(of.allowed / unit),
        burnt: fine(of.burnt / unit),
        left: fine(of.left() / unit),
        burnt_share: of.burnt_share().map(fine),
    }
}

impl Sheet {
    /// What history holds, and who saw it.
    pub fn new(material: &figures::Material, attempts: Attempts, terms: &Terms) -> Self {
        let found: Figures = figures::figures(material, terms);
        Self {
            seen: attempts.total() > 0 || found.times.known_ms() > 0 || found.incidents.count > 0,
            uptime: found.times.uptime().map(fine),
            coverage: found.coverage().map(fine),
            elapsed_s: seconds(found.elapsed_ms),
            states_s: (&found.times).into(),
            incidents: (&found.incidents).into(),
            attempts,
            failure_rate: (&found.failure).into(),
            error_rate: (&found.error).into(),
            truncation_rate: (&found.truncation).into(),
            ttft_ms: found.ttft.into(),
            e2e_ms: found.e2e.into(),
            time_budget_s: found.time_budget.map(|of| budget(of, 1e3)),
            reply_budget: found.reply_budget.map(|of| budget(of, 1.0)),
            lead: found.lead.map(|lead| LeadFigures {
                mentioned: lead.mentioned,
                never: lead.never,
                median_s: lead.median_s,
            }),
            spent_usd: fine(material.spent_usd),
            input_tokens: material.input_tokens,
            output_tokens: material.output_tokens,
        }
    }
}

impl IncidentLine {
    /// One incident within that month.
    pub fn new(incident: &health::Incident, terms: &Terms) -> Self {
        let recovered = incident.recovered.or(incident.closed);
        Self {
            id: incident.id.clone(),
            target: incident.target.clone(),
            worst: incident.worst,
            reason: (&incident.reason).into(),
            started_at: incident.started.into(),
            detected_at: incident.detected.into(),
            recovered_at: recovered.map(Time::from),
            open: recovered.is_none(),
            length_s: length_in_month(incident, terms) / 1_000,
            lead_s: incident.lead_s,
        }
    }
}
