//! One line for a prompt or a status bar: it changes when a state does, and at no other time.

use std::fmt::Write as _;

use crate::{
    clock::Timestamp,
    feed::v1::Health,
    health::{Network, State},
};

/// What it says when no daemon answers.
pub(super) const UNREACHABLE: &str = "endturn: not reachable\n";

/// Most targets that are named; further ones are counted.
const NAMED: usize = 3;

/// The line.
pub(super) fn text(health: &Health, now: Timestamp) -> String {
    if super::is_stale(health, now) {
        return "endturn: the feed is stale\n".to_owned();
    }
    let count = |state: State| {
        health
            .targets
            .iter()
            .filter(|target| target.state == state)
            .count()
    };
    let mut parts = Vec::new();
    if health.head.network == Network::Offline {
        parts.push("own network offline".to_owned());
    }
    let impaired = impaired(health);
    if !impaired.is_empty() {
        parts.push(impaired);
    }
    for (state, words) in [
        (State::Unknown, "unknown"),
        (State::Maintenance, "in maintenance"),
    ] {
        match count(state) {
            0 => {}
            n => parts.push(format!("{n} {words}")),
        }
    }
    if parts.is_empty() {
        parts.push(match health.targets.len() {
            0 => "no targets".to_owned(),
            1 => "1 target operational".to_owned(),
            n => format!("all {n} targets operational"),
        });
    }
    format!("endturn: {}\n", parts.join("; "))
}

/// Who is impaired, in configured order, with the state; the rest as a count.
pub(super) fn impaired(health: &Health) -> String {
    let mut impaired = health.targets.iter().filter(|target| target.state.is_impaired());
    let named: Vec<String> = impaired
        .by_ref()
        .take(NAMED)
        .map(|target| format!("{} {}", target.id, target.state))
        .collect();
    let mut text = named.join(", ");
    match impaired.count() {
        0 => {}
        more => {
            let _ = write!(text, " and {more} more");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixture;

    #[test]
    fn a_line_names_states_and_no_figures() {
        for (states, line) in [
            (&["operational"][..], "1 target operational"),
            (&["operational", "operational"], "all 2 targets operational"),
            (&[], "no targets"),
            (&["operational", "down"], "p1/m down"),
            (
                &["down", "degraded", "unknown", "unknown"],
                "p0/m down, p1/m degraded; 2 unknown",
            ),
            (&["operational", "maintenance"], "1 in maintenance"),
            (&["down"; 3], "p0/m down, p1/m down, p2/m down"),
            (&["down"; 5], "p0/m down, p1/m down, p2/m down and 2 more"),
        ] {
            let health = fixture::health(states);
            assert_eq!(text(&health, fixture::NOW), format!("endturn: {line}\n"));
        }
        let mut health = fixture::health(&["unknown"]);
        health.head.network = Network::Offline;
        assert_eq!(
            text(&health, fixture::NOW),
            "endturn: own network offline; 1 unknown\n"
        );
        let late = health.head.stale_after.0;
        assert!(text(&health, late).contains("offline"));
        let late = late.plus(std::time::Duration::from_millis(1));
        assert_eq!(text(&health, late), "endturn: the feed is stale\n");
    }
}
