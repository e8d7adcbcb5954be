//! One probe, from job to observation.

use std::sync::Arc;

use crate::{
    clock::Clock,
    config::{Model, Provider},
    health::{Deadlines, Length},
    id::TargetId,
    verdict::{Judgement, Observation, Purpose, Timeline},
};

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProbeKind {
    /// Free, no tokens; judges the provider's edge.
    Reach,
    /// The short canary.
    Canary,
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
    /// Whether the sentinel rule is in force for this target.
    pub check_text: bool,
    /// Draws the sentinel.
    pub seed: u64,
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

/// Runs one probe. A failed probe is data, not an error. `on_slow` is called once, at the soft deadline, while no
/// first token has come.
pub async fn run(
    job: &ProbeJob,
    clock: &Clock,
    on_slow: impl FnOnce(TargetId, Length) + Send,
) -> ProbeReport {
    let _ = (clock, on_slow, job);
    std::future::pending().await
}
