//! Whose word a target's figures are: probes and real traffic of the last hour, told apart.

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    v1::{Percentiles, Rate, Word},
    wire,
};
use crate::id::TargetId;

/// Where the figures of one target come from.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Evidence {
    /// Whose.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// What is looked back over, in seconds.
    pub window_s: u64,
    /// Every source that saw something, in the order reach, canary, long, report, tap.
    pub sources: Vec<SourceSeen>,
    /// Real traffic by who reports it, most attempts first. At most 32 are told apart; others are `(others)`.
    pub reporters: Vec<Part>,
    /// The same by where it came from.
    pub regions: Vec<Part>,
    /// The same by the model that answered.
    pub models: Vec<Part>,
    /// That probes and real traffic tell different things: the 95 % intervals of their failure rates lie apart.
    #[schema(required = true)]
    pub disagreement: Option<Disagreement>,
}

/// What one source saw.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SourceSeen {
    /// `reach`, `canary`, `long`, `report` or `tap`.
    #[schema(value_type = String)]
    pub source: Word,
    /// Requests that count.
    pub attempts: u64,
    /// Errors of the provider or its edge.
    pub errors: u64,
    /// Replies that ended early.
    pub truncated: u64,
    /// Errors and truncations per attempt.
    pub failure_rate: Rate,
    /// First tokens of complete replies.
    pub ttft_ms: Percentiles,
}

/// Real traffic of one reporter, region or model.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = TrafficPart)]
pub struct Part {
    /// As the reporter wrote it; `(not told)` where it said nothing.
    pub value: String,
    /// Requests that count.
    pub attempts: u64,
    /// Errors of the provider or its edge.
    pub errors: u64,
    /// Replies that ended early.
    pub truncated: u64,
    /// Errors and truncations per attempt.
    pub failure_rate: Rate,
}

/// Probes and real traffic tell different things.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Disagreement {
    /// Who fails more: `probes` or `traffic`.
    #[schema(value_type = String)]
    pub failing: Word,
    /// How often probes failed.
    pub probes: Rate,
    /// How often real traffic failed.
    pub traffic: Rate,
    /// Where traffic fails more than elsewhere: `reporter`, `region` or `model`; null where it fails alike.
    #[schema(required = true, value_type = Option<String>)]
    pub dimension: Option<Word>,
    /// Which one.
    #[schema(required = true)]
    pub value: Option<String>,
    /// The same in a sentence.
    pub text: String,
}
