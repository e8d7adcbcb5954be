//! Incidents: what happened when, from the first evidence to recovery.

use crate::{
    clock::Timestamp,
    health::{Incident, State},
};

use super::{
    figures::{Moment, duration},
    words,
};

/// One line of an incident's timeline.
pub(super) struct Step {
    pub(super) at: Moment,
    /// Delay from the onset, `+4 s`.
    pub(super) delay: String,
    pub(super) state: State,
    pub(super) text: String,
}

/// The timeline of an incident, with delays from its onset.
pub(super) fn steps(incident: &Incident, now: Timestamp) -> Vec<Step> {
    incident
        .timeline
        .iter()
        .map(|entry| Step {
            at: Moment::new(entry.at, now),
            delay: format!("+{}", duration(entry.at.since(incident.started))),
            state: entry.state,
            text: words::step(entry.kind, entry.state, &entry.text),
        })
        .collect()
}
