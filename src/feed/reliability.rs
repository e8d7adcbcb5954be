//! Compound reliability as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::{self, Time};
use crate::{
    health::{
        reliability::{Reliability as Computed, Shared, Step},
        wilson::{Interval, MIN_TRIALS},
    },
    id::TargetId,
};

/// What a pipeline of several requests may expect, from what single ones met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Reliability)]
pub struct Reliability {
    /// When what was seen begins.
    pub from: Time,
    /// When it ends.
    pub to: Time,
    /// Requests in the pipeline, each of which must be answered in full.
    pub steps: u32,
    /// Probability that all of them are; null where `insufficient`.
    #[schema(required = true)]
    pub point: Option<f64>,
    /// Lower bound of its 95 % interval.
    #[schema(required = true)]
    pub low: Option<f64>,
    /// Upper bound.
    #[schema(required = true)]
    pub high: Option<f64>,
    /// Requests seen of the target with the fewest.
    pub n: u64,
    /// Design effect of the target with the largest: how many requests are worth one independent one.
    pub deff: f64,
    /// Each different target, in the order asked for.
    pub per_step: Vec<ReliabilityStep>,
    /// The target that every step falls back to.
    #[schema(required = true)]
    pub fallback: Option<ReliabilityStep>,
    /// Why there is no figure; null where there is one.
    #[schema(required = true)]
    pub insufficient: Option<String>,
}

/// One different target of the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReliabilityStep {
    /// Who is asked.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// How often it comes.
    pub times: u32,
    /// Requests that count.
    pub n: u64,
    /// Of these, neither errors nor truncated.
    pub successes: u64,
    /// Design effect: the interval is that of `n / deff` trials.
    pub deff: f64,
    /// Share of the requests that were answered in full; null below 30.
    #[schema(required = true)]
    pub point: Option<f64>,
    /// Lower bound of its 95 % interval.
    #[schema(required = true)]
    pub low: Option<f64>,
    /// Upper bound.
    #[schema(required = true)]
    pub high: Option<f64>,
    /// The same with the fallback; null without one.
    #[schema(required = true)]
    pub with_fallback: Option<FallbackStep>,
}

/// A step that falls back to another target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FallbackStep {
    /// Probability that one of the two answers in full.
    #[schema(required = true)]
    pub point: Option<f64>,
    /// Lower bound.
    #[schema(required = true)]
    pub low: Option<f64>,
    /// Upper bound.
    #[schema(required = true)]
    pub high: Option<f64>,
    /// Share of the step's failures that take the fallback down too; never 0.
    pub shared_failures: f64,
    /// Hours with failures that it was estimated from, beside a default of 0.1 that weighs ten; 0: the default alone.
    pub shared_hours: u64,
}

/// Six decimals: a pipeline of many steps is a small difference from 1.
fn fine(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn parts(interval: Option<Interval>) -> [Option<f64>; 3] {
    match interval {
        Some(i) => [Some(fine(i.point)), Some(fine(i.low)), Some(fine(i.high))],
        None => [None; 3],
    }
}

impl ReliabilityStep {
    fn new(target: &TargetId, step: &Step, fallback: Option<(Option<Interval>, Shared)>) -> Self {
        let [point, low, high] = parts(step.interval());
        Self {
            target: target.clone(),
            times: step.times,
            n: step.share.n,
            successes: step.share.hits,
            deff: fine(step.share.deff),
            point,
            low,
            high,
            with_fallback: fallback.map(|(interval, shared)| {
                let [point, low, high] = parts(interval);
                FallbackStep {
                    point,
                    low,
                    high,
                    // Rounding must not make it zero.
                    shared_failures: fine(shared.value).max(1e-6),
                    shared_hours: shared.hours,
                }
            }),
        }
    }
}

impl Reliability {
    /// The answer for these targets, in the order of the steps; the fallback's name comes with it.
    pub fn new(
        window: (Time, Time),
        targets: &[TargetId],
        fallback: Option<&TargetId>,
        found: &Computed,
    ) -> Self {
        let per_step: Vec<ReliabilityStep> = targets
            .iter()
            .zip(&found.steps)
            .map(|(target, result)| {
                let both = result.shared.map(|shared| (result.interval, shared));
                ReliabilityStep::new(target, &result.step, both)
            })
            .collect();
        let fallback = fallback
            .zip(found.fallback.as_ref())
            .map(|(target, step)| ReliabilityStep::new(target, step, None));
        let all = || per_step.iter().chain(&fallback);
        let scarce: Vec<String> = all()
            .filter(|step| step.n < MIN_TRIALS)
            .map(|step| {
                format!(
                    "{} was asked {} times in this window, it takes {MIN_TRIALS}",
                    step.target, step.n
                )
            })
            .collect();
        let [point, low, high] = parts(found.whole);
        Self {
            from: window.0,
            to: window.1,
            steps: per_step.iter().map(|step| step.times).sum(),
            point,
            low,
            high,
            n: all().map(|step| step.n).min().unwrap_or(0),
            deff: all().map(|step| step.deff).fold(1.0, f64::max),
            insufficient: (!scarce.is_empty()).then(|| scarce.join("; ")),
            per_step,
            fallback,
        }
    }
}
