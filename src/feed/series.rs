//! A series as JSON. A step without observations is a gap: its figures are null or zero, never the ones before.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    v1::{Percentiles, Rate, Word},
    wire::{self, Time},
};
use crate::id::TargetId;

/// A series of one metric of one target.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Series {
    /// Whose.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// What is shown.
    #[schema(value_type = String)]
    pub metric: Word,
    /// When the first step begins.
    pub from: Time,
    /// When the last step ends.
    pub to: Time,
    /// Length of a step in seconds: the one asked for, or the finest that is kept.
    pub step_s: u64,
    /// Whose word counts.
    #[schema(value_type = Vec<String>)]
    pub sources: Vec<Word>,
    /// One a step, oldest first.
    pub points: Vec<Point>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Point {
    /// When it begins.
    pub at: Time,
    /// Attempts in it, whatever the metric.
    pub attempts: u64,
    /// The metric's figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The figures of one step, by metric.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Figures {
    /// A share with its Wilson 95 % interval; null in a gap.
    Rate(Rate),
    /// Percentiles of a length of time in milliseconds; null in a gap.
    Spread(Percentiles),
    /// Counts by outcome.
    Counts {
        /// Replies that began.
        began: u64,
        /// Errors of the provider or its edge.
        errors: u64,
        /// Replies that ended early.
        truncated: u64,
        /// Replies that finished.
        complete: u64,
        /// Failures of our own doing; in no other count.
        ours: u64,
    },
    /// Every verdict that came.
    Verdicts {
        /// In the order of the families.
        verdicts: Vec<Outcome>,
    },
    /// Tokens as the provider counted them.
    Tokens {
        /// Prompt tokens.
        input: u64,
        /// Generated tokens, reasoning included.
        output: u64,
        /// Reasoning tokens among them.
        reasoning: u64,
    },
    /// Dollars.
    Dollars {
        /// Spent on probes.
        value: f64,
    },
}

/// How often one verdict came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Outcome {
    /// Its family.
    #[schema(value_type = String)]
    pub verdict: Word,
    /// The finer name.
    #[schema(required = true, value_type = Option<String>)]
    pub kind: Option<Word>,
    /// How often.
    pub n: u64,
}
