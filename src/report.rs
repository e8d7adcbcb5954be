//! The figures of a month: what a person takes to a provider about what was agreed on.
//!
//! Everything is counted over time that was watched: an hour without a monitor is neither up nor down, and how much of
//! the month was known stands beside every share of it. The rules are in `docs/report.md`.

mod month;

use std::collections::BTreeMap;

pub use month::{Month, NotAMonth};

use crate::{
    clock::Timestamp,
    health::{Incident, Percentiles, StateTimes, histogram::Histogram, reliability::Share},
};

/// The objective that a report is held against unless another is named, in percent.
pub const DEFAULT_OBJECTIVE: f64 = 99.5;
/// The lowest objective that makes sense as one, in percent.
pub const MIN_OBJECTIVE: f64 = 50.0;

/// Requests of one stretch of at most a day by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// Requests that count.
    pub attempts: u64,
    /// Replies that began.
    pub began: u64,
    /// Errors of the provider or its edge.
    pub errors: u64,
    /// Replies that ended early.
    pub truncated: u64,
}

impl Outcomes {
    /// Errors and truncations.
    pub const fn failed(&self) -> u64 {
        self.errors.saturating_add(self.truncated)
    }

    /// Adds another stretch's.
    pub fn add(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.began = self.began.saturating_add(other.began);
        self.errors = self.errors.saturating_add(other.errors);
        self.truncated = self.truncated.saturating_add(other.truncated);
    }
}

/// What history holds of one target, or of several together, in one month.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Material {
    /// How many targets these are.
    pub targets: u64,
    /// By the moment that a stretch began, in milliseconds since 1970.
    pub outcomes: BTreeMap<i64, Outcomes>,
    /// Time in each state.
    pub times: StateTimes,
    /// Those that touch the month.
    pub incidents: Vec<Incident>,
    /// First tokens of complete replies.
    pub ttft: Histogram,
    /// Lengths of complete replies.
    pub e2e: Histogram,
    /// Dollars spent on probes.
    pub spent_usd: f64,
    /// Prompt tokens.
    pub input_tokens: u64,
    /// Generated tokens.
    pub output_tokens: u64,
    /// Whether the provider's official status page is read at all.
    pub official: bool,
}

impl Material {
    /// Adds another target's month.
    pub fn merge(&mut self, other: &Self) {
        self.targets += other.targets;
        for (at, outcomes) in &other.outcomes {
            self.outcomes.entry(*at).or_default().add(outcomes);
        }
        self.times.merge(&other.times);
        self.incidents.extend(other.incidents.iter().cloned());
        self.ttft.merge(&other.ttft);
        self.e2e.merge(&other.e2e);
        self.spent_usd += other.spent_usd;
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.official |= other.official;
    }
}

/// Which month, as of when, against what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// The month.
    pub month: Month,
    /// The time of asking: what was after it does not count.
    pub now: Timestamp,
    /// What was promised or hoped for, in percent: [`MIN_OBJECTIVE`] to 100.
    pub objective: f64,
}

impl Terms {
    /// When what is reported on begins.
    pub fn from(&self) -> Timestamp {
        self.month.from()
    }

    /// When it ends: with the month, or now while it runs.
    pub fn until(&self) -> Timestamp {
        self.month.to().min(self.now).max(self.from())
    }

    /// Whether the month still runs.
    pub fn running(&self) -> bool {
        self.now < self.month.to()
    }

    fn allowed(&self) -> f64 {
        (1.0 - self.objective / 100.0).clamp(0.0, 1.0)
    }
}

/// Incidents of a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IncidentFigures {
    /// How many touch the month.
    pub count: u64,
    /// Of these, still without recovery.
    pub open: u64,
    /// Their length within the month together, in milliseconds.
    pub total_ms: u64,
    /// The longest one within the month, in milliseconds.
    pub longest_ms: u64,
    /// Mean time from first evidence to recovery, over those that recovered, whole; `None` without one.
    pub mttr_ms: Option<u64>,
    /// Watched time outside incidents by incident; `None` for fewer than two, which show no interval.
    pub mtbf_ms: Option<u64>,
}

/// What an objective allows, and what of it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Allowed: milliseconds, or replies.
    pub allowed: f64,
    /// Gone.
    pub burnt: f64,
}

impl Budget {
    /// What is left; below zero once more is gone than was allowed.
    pub fn left(&self) -> f64 {
        self.allowed - self.burnt
    }

    /// Share of the allowed that is gone, above 1 once it is overdrawn; `None` where nothing is allowed.
    pub fn burnt_share(&self) -> Option<f64> {
        (self.allowed > 0.0).then(|| self.burnt / self.allowed)
    }
}

/// How much earlier we knew than the provider's own status page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lead {
    /// Incidents that the page mentioned.
    pub mentioned: u64,
    /// Ended incidents that it never mentioned.
    pub never: u64,
    /// Median of the lead over the mentioned ones in seconds, positive where we were earlier; the lower middle.
    pub median_s: Option<i64>,
}

/// The figures of one target, or of several together.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Time that could have been watched, in milliseconds, over all targets.
    pub elapsed_ms: u64,
    /// Time in each state.
    pub times: StateTimes,
    /// Incidents.
    pub incidents: IncidentFigures,
    /// Errors and truncations over attempts.
    pub failure: Share,
    /// Errors over attempts.
    pub error: Share,
    /// Truncations over replies that began.
    pub truncation: Share,
    /// First tokens in milliseconds.
    pub ttft: Percentiles,
    /// Lengths of replies in milliseconds.
    pub e2e: Percentiles,
    /// Of the watched time, in milliseconds; `None` where none was watched.
    pub time_budget: Option<Budget>,
    /// Of the replies; `None` without attempts.
    pub reply_budget: Option<Budget>,
    /// Against the official page; `None` where nobody reads one.
    pub lead: Option<Lead>,
}

impl Figures {
    /// Share of the elapsed time in which the state was known, 0 to 1; `None` before the month has begun.
    pub fn coverage(&self) -> Option<f64> {
        (self.elapsed_ms > 0).then(|| (self.times.known_ms() as f64 / self.elapsed_ms as f64).min(1.0))
    }
}

/// The figures of what history holds.
pub fn figures(of: &Material, terms: &Terms) -> Figures {
    let elapsed = u64::try_from(terms.until().since(terms.from()).as_millis()).unwrap_or(u64::MAX);
    let share = |hits: fn(&Outcomes) -> u64, n: fn(&Outcomes) -> u64| {
        let hours: Vec<(u64, u64)> = of.outcomes.values().map(|o| (hits(o), n(o))).collect();
        Share::of(&hours, true)
    };
    let failure = share(Outcomes::failed, |o| o.attempts);
    let known = of.times.known_ms();
    let incidents = incident_figures(&of.incidents, known, terms);
    Figures {
        elapsed_ms: elapsed.saturating_mul(of.targets),
        times: of.times,
        incidents,
        failure,
        error: share(|o| o.errors, |o| o.attempts),
        truncation: share(|o| o.truncated, |o| o.began),
        ttft: percentiles(&of.ttft),
        e2e: percentiles(&of.e2e),
        time_budget: (known > 0).then(|| Budget {
            allowed: known as f64 * terms.allowed(),
            burnt: of.times.out_ms() as f64,
        }),
        reply_budget: (failure.n > 0).then(|| Budget {
            allowed: failure.n as f64 * terms.allowed(),
            burnt: failure.hits as f64,
        }),
        lead: of.official.then(|| lead(&of.incidents)),
    }
}

fn percentiles(of: &Histogram) -> Percentiles {
    Percentiles {
        p50: of.quantile(0.5),
        p95: of.quantile(0.95),
        p99: of.quantile(0.99),
        n: of.count(),
    }
}

/// Length of an incident within the month, in milliseconds.
pub fn length_in_month(incident: &Incident, terms: &Terms) -> u64 {
    let end = incident.recovered.or(incident.closed).unwrap_or(terms.now);
    let (from, to) = (incident.started.max(terms.from()), end.min(terms.until()));
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}

fn incident_figures(incidents: &[Incident], known_ms: u64, terms: &Terms) -> IncidentFigures {
    let mut figures = IncidentFigures::default();
    let (mut repairs, mut repaired_ms) = (0_u64, 0_u64);
    for incident in incidents {
        let length = length_in_month(incident, terms);
        figures.count += 1;
        figures.total_ms = figures.total_ms.saturating_add(length);
        figures.longest_ms = figures.longest_ms.max(length);
        match incident.recovered.or(incident.closed) {
            Some(recovered) => {
                let ms = u64::try_from(recovered.since(incident.started).as_millis()).unwrap_or(u64::MAX);
                repairs += 1;
                repaired_ms = repaired_ms.saturating_add(ms);
            }
            None => figures.open += 1,
        }
    }
    figures.mttr_ms = repaired_ms.checked_div(repairs);
    figures.mtbf_ms = (figures.count >= 2).then(|| known_ms.saturating_sub(figures.total_ms) / figures.count);
    figures
}

fn lead(incidents: &[Incident]) -> Lead {
    let mut leads: Vec<i64> = incidents.iter().filter_map(|incident| incident.lead_s).collect();
    leads.sort_unstable();
    Lead {
        mentioned: leads.len() as u64,
        never: incidents
            .iter()
            .filter(|incident| incident.lead_s.is_none() && incident.closed.is_some())
            .count() as u64,
        median_s: leads.get(leads.len().saturating_sub(1) / 2).copied(),
    }
}

#[cfg(test)]
mod tests;
