//! What changed since the revision before: the payload of the SSE events `health`, `incident` and `heartbeat`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    filter::Filter,
    record::{Change, Incident},
    v1::{Head, Health, ProviderHealth, Reason, Routing, TargetHealth, Word},
    wire::{self, Time},
};
use crate::{
    health::{self, IncidentPhase, State},
    id::TargetId,
};

/// One event's payload. Whatever the event is called, its `targets` and `providers` replace those of the same id;
/// absent members are empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Delta {
    /// Which revision this makes, and how long it may be believed.
    #[serde(flatten)]
    pub head: Head,
    /// What moved, in an event `health`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<Transition>,
    /// What happened to an incident, in an event `incident`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentChange>,
    /// Who answers differently than before, in an event `change`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Targets that read differently than in the revision before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetHealth>,
    /// Providers that read differently than in the revision before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<ProviderHealth>,
}

/// A target's state or advice changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Transition {
    /// Whose.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// When it was decided.
    pub at: Time,
    /// From which state.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub from: State,
    /// To which state; equals `from` when only the advice changed.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub to: State,
    /// The advice from now on.
    pub routing: Routing,
    /// Why.
    pub reason: Reason,
    /// First bad evidence of this spell.
    #[schema(required = true)]
    pub first_evidence_at: Option<Time>,
}

/// What happened to an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IncidentChange {
    /// `opened`, `updated` or `closed`.
    #[schema(value_type = String)]
    pub phase: Word,
    /// The incident from now on.
    #[serde(flatten)]
    pub incident: Incident,
}

impl From<&health::Transition> for Transition {
    fn from(moved: &health::Transition) -> Self {
        Self {
            target: moved.target.clone(),
            at: moved.at.into(),
            from: moved.from,
            to: moved.to,
            routing: moved.routing.into(),
            reason: (&moved.reason).into(),
            first_evidence_at: moved.first_evidence.map(Time::from),
        }
    }
}

impl IncidentChange {
    /// The change as it is told.
    pub fn new(phase: IncidentPhase, incident: &health::Incident) -> Self {
        Self {
            phase: match phase {
                IncidentPhase::Opened => "opened",
                IncidentPhase::Updated => "updated",
                IncidentPhase::Closed => "closed",
            }
            .into(),
            incident: incident.into(),
        }
    }
}

impl Delta {
    /// Drops what the filter doesn't want; `false` when nothing is left.
    pub fn retain(&mut self, filter: &Filter) -> bool {
        self.transitions.retain(|moved| filter.wants(&moved.target));
        self.incident = self
            .incident
            .take()
            .filter(|change| filter.wants(&change.incident.target));
        self.change = self.change.take().filter(|change| filter.wants(&change.target));
        self.targets.retain(|target| filter.wants(&target.id));
        self.providers
            .retain(|provider| filter.wants_provider(&provider.id));
        !self.transitions.is_empty()
            || self.incident.is_some()
            || self.change.is_some()
            || !self.targets.is_empty()
    }
}

impl Health {
    /// Takes a delta over. What a follower of `/v1/events` does with every event but `snapshot`, which replaces
    /// everything.
    pub fn apply(&mut self, delta: &Delta) {
        self.head = delta.head.clone();
        for new in &delta.targets {
            match self.targets.iter_mut().find(|old| old.id == new.id) {
                Some(old) => *old = new.clone(),
                None => self.targets.push(new.clone()),
            }
        }
        for new in &delta.providers {
            match self.providers.iter_mut().find(|old| old.id == new.id) {
                Some(old) => *old = new.clone(),
                None => self.providers.push(new.clone()),
            }
        }
    }
}
