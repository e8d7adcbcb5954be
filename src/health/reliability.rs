//! Compound reliability: what an agent of several steps may expect, from what single requests met.
//!
//! Per step Wilson's interval at 95 %; steps multiply; outages are clustered, so trials count for less than their
//! number (`docs/reliability.md`). Everything here is arithmetic over counts by time.

use super::wilson::{
    DEFAULT_SHARED_FAILURES, Interval, MIN_TRIALS, design_effect, pipeline_of, wilson_effective,
    with_fallback,
};

/// Most steps of a pipeline.
pub const MAX_STEPS: u32 = 10_000;
/// Windows longer than this are corrected for clustered outages, in milliseconds.
pub const CLUSTERED_AFTER_MS: i64 = HOUR_MS;
/// How many hours with failures [`DEFAULT_SHARED_FAILURES`] weighs as much as: with fewer, the default has more say.
pub const PRIOR_HOURS: f64 = 10.0;
const HOUR_MS: i64 = 3_600_000;

/// What one stretch of time saw of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trials {
    /// When it began, in milliseconds since 1970.
    pub at_ms: i64,
    /// Requests that count.
    pub attempts: u64,
    /// Of these, errors and truncations.
    pub failed: u64,
}

impl Trials {
    const fn good(&self) -> u64 {
        self.attempts.saturating_sub(self.failed)
    }
}

/// A share with its interval over clustered trials.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Share {
    /// Hits.
    pub hits: u64,
    /// Trials.
    pub n: u64,
    /// How many trials are worth one independent one; 1 where they are independent.
    pub deff: f64,
    /// Wilson's interval over `n / deff` trials; `None` without trials.
    pub interval: Option<Interval>,
}

impl Share {
    /// Hits and trials by hour. `clustered` is whether the window is long enough to be corrected.
    pub fn of(hours: &[(u64, u64)], clustered: bool) -> Self {
        let (hits, n) = hours.iter().fold((0, 0), |(hits, n), &(h, m)| {
            (h.min(m).saturating_add(hits), m.saturating_add(n))
        });
        let deff = if clustered { design_effect(hours) } else { 1.0 };
        // However clustered, what was seen is worth one trial.
        let deff = deff.clamp(1.0, (n as f64).max(1.0));
        Self {
            hits,
            n,
            deff,
            interval: (n > 0).then(|| wilson_effective(hits as f64 / n as f64, n as f64 / deff)),
        }
    }
}

/// One target's reliability: share of the requests that were answered in full.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Step {
    /// Successes over attempts.
    pub share: Share,
    /// How often it comes in the pipeline.
    pub times: u32,
}

impl Step {
    /// From what was seen, in stretches of at most an hour.
    pub fn of(seen: &[Trials], times: u32, clustered: bool) -> Self {
        Self {
            share: Share::of(&by_hour(seen), clustered),
            times,
        }
    }

    /// Its interval; `None` below [`MIN_TRIALS`].
    pub fn interval(&self) -> Option<Interval> {
        self.share.interval.filter(|_| self.share.n >= MIN_TRIALS)
    }
}

/// Successes and trials by hour, in order.
fn by_hour(seen: &[Trials]) -> Vec<(u64, u64)> {
    let mut hours: std::collections::BTreeMap<i64, (u64, u64)> = std::collections::BTreeMap::new();
    for trials in seen {
        let (good, n) = hours.entry(trials.at_ms.div_euclid(HOUR_MS)).or_default();
        *good = good.saturating_add(trials.good());
        *n = n.saturating_add(trials.attempts);
    }
    hours.into_values().collect()
}

/// How far a step's failures take its fallback down too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shared {
    /// Share of the step's failures that the fallback shares: above 0, at most 1.
    pub value: f64,
    /// Hours in which the step failed and the fallback was tried; 0: the value is the default.
    pub hours: u64,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            value: DEFAULT_SHARED_FAILURES,
            hours: 0,
        }
    }
}

impl Shared {
    /// From what both saw in the same stretches, which begin at the same times. An outage is one event however many
    /// requests it met, so hours are counted, not failures; the default weighs as much as [`PRIOR_HOURS`] of them.
    /// That keeps the value above zero: that two providers never failed together yet does not prove that they can't.
    pub fn estimate(step: &[Trials], fallback: &[Trials]) -> Self {
        let other: std::collections::HashMap<i64, &Trials> =
            fallback.iter().map(|trials| (trials.at_ms, trials)).collect();
        let (mut weight, mut both) = (0.0, 0.0);
        let mut hours = std::collections::HashSet::new();
        for trials in step.iter().filter(|trials| trials.failed > 0) {
            let Some(other) = other.get(&trials.at_ms).filter(|other| other.attempts > 0) else {
                continue;
            };
            hours.insert(trials.at_ms.div_euclid(HOUR_MS));
            weight += trials.failed as f64;
            both += trials.failed as f64 * (other.failed as f64 / other.attempts as f64).min(1.0);
        }
        let (attempts, good) = fallback.iter().fold((0_u64, 0_u64), |(attempts, good), trials| {
            (attempts + trials.attempts, good + trials.good())
        });
        if weight <= 0.0 || good == 0 {
            return Self::default();
        }
        // P(fallback fails | step fails) = (1-q)(1-r) + r, solved for r.
        let q = good as f64 / attempts as f64;
        let seen = ((both / weight - (1.0 - q)) / q).clamp(0.0, 1.0);
        let n = hours.len() as f64;
        Self {
            value: (PRIOR_HOURS * DEFAULT_SHARED_FAILURES + n * seen) / (PRIOR_HOURS + n),
            hours: hours.len() as u64,
        }
    }
}

/// A step that falls back to another target when it fails. Both intervals are taken at the same end, which is wider
/// than 95 % and never narrower.
pub fn step_with_fallback(step: Interval, fallback: Interval, shared: f64) -> Interval {
    Interval {
        point: with_fallback(step.point, fallback.point, shared),
        low: with_fallback(step.low, fallback.low, shared),
        high: with_fallback(step.high, fallback.high, shared),
    }
}

/// One step of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct StepResult {
    /// The target itself.
    pub step: Step,
    /// How far it shares its failures with the fallback; `None` without a fallback.
    pub shared: Option<Shared>,
    /// The step with its fallback, if there is one; `None` where a target has too few trials.
    pub interval: Option<Interval>,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reliability {
    /// Each different step, in the order asked for.
    pub steps: Vec<StepResult>,
    /// What every step falls back to.
    pub fallback: Option<Step>,
    /// All of them; `None` where one of them has too few trials.
    pub whole: Option<Interval>,
}

/// The reliability of a pipeline: for each different target what was seen of it, and how often it comes. Different
/// steps multiply, and the variances of their logarithms add; the same one `n` times is `[low^n, high^n]`.
pub fn reliability(steps: &[(&[Trials], u32)], fallback: Option<&[Trials]>, clustered: bool) -> Reliability {
    let other = fallback.map(|seen| Step::of(seen, 1, clustered));
    let steps: Vec<StepResult> = steps
        .iter()
        .map(|&(seen, times)| {
            let step = Step::of(seen, times, clustered);
            let shared = fallback.map(|other| Shared::estimate(seen, other));
            let interval = match (&other, shared) {
                (Some(other), Some(shared)) => step
                    .interval()
                    .zip(other.interval())
                    .map(|(p, q)| step_with_fallback(p, q, shared.value)),
                _ => step.interval(),
            };
            StepResult {
                step,
                shared,
                interval,
            }
        })
        .collect();
    let all: Option<Vec<(Interval, u32)>> = steps
        .iter()
        .map(|result| Some((result.interval?, result.step.times)))
        .collect();
    Reliability {
        whole: all.as_deref().and_then(pipeline_of),
        fallback: other,
        steps,
    }
}

#[cfg(test)]
mod tests;
