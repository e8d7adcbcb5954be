//! The vendors' words for states, and how they become ours.

use crate::health::State;

/// Which of two states is told when both are true. Not knowing is worse than being well, and better than being ill.
pub(super) const fn severity(state: State) -> u8 {
    match state {
        State::Operational => 0,
        State::Maintenance => 1,
        State::Unknown => 2,
        State::Degraded => 3,
        State::Partial => 4,
        State::Down => 5,
    }
}

/// State of a component, in the words of Statuspage, incident.io and Better Stack.
pub(super) fn component(word: &str) -> State {
    match word {
        "operational" => State::Operational,
        "degraded_performance" | "degraded" => State::Degraded,
        "partial_outage" => State::Partial,
        "major_outage" | "full_outage" | "downtime" => State::Down,
        "under_maintenance" | "maintenance" => State::Maintenance,
        _ => State::Unknown,
    }
}

/// Statuspage's indicator of a page, and its impact of an incident.
pub(super) fn indicator(word: &str) -> State {
    match word {
        "none" => State::Operational,
        "minor" => State::Degraded,
        "major" => State::Partial,
        "critical" => State::Down,
        "maintenance" => State::Maintenance,
        _ => State::Unknown,
    }
}

/// Google's impact of an incident or of its last update.
pub(super) fn google(word: &str) -> State {
    match word {
        "AVAILABLE" => State::Operational,
        "SERVICE_INFORMATION" => State::Degraded,
        "SERVICE_DISRUPTION" => State::Partial,
        "SERVICE_OUTAGE" => State::Down,
        _ => State::Unknown,
    }
}

/// AWS's severity of an event.
pub(super) fn aws(word: &str) -> State {
    match word {
        "0" => State::Operational,
        "1" => State::Degraded,
        "2" => State::Partial,
        "3" => State::Down,
        _ => State::Unknown,
    }
}

/// What a feed's item says of its incident: state, whether it goes on. Feeds tell how far the repair is, not how bad
/// it is: an open one is at least degraded.
pub(super) fn progress(word: &str) -> Option<(State, bool)> {
    Some(match word {
        "resolved" | "postmortem" | "completed" | "operational" | "mitigated" | "cancelled" | "canceled" => {
            (State::Operational, false)
        }
        "investigating" | "identified" | "monitoring" | "update" | "degraded" | "active" | "ongoing" => {
            (State::Degraded, true)
        }
        "partial outage" => (State::Partial, true),
        "major outage" | "full outage" | "downtime" => (State::Down, true),
        // What is announced is not yet there.
        "scheduled" => (State::Operational, false),
        "in progress" | "verifying" | "maintenance" => (State::Maintenance, true),
        _ => return None,
    })
}
