//! `--nagios`: the answer of a monitoring plugin.
//!
//! One line of text, `|`, performance data as `'label'=value[UOM];[warn];[crit];[min];[max]`, then lines of detail: the
//! Monitoring Plugins development guidelines, sections on output and performance data. There are no thresholds in it:
//! the detector decides with intervals, not with a line that a figure crosses.

use std::fmt::Write as _;

use super::{ago, oneline};
use crate::{
    cli::{Exit, exit::Service, printable},
    clock::Timestamp,
    feed::v1::{Health, Rate, TargetHealth},
    health::{Network, ReasonCode, State},
};

/// The answer to a feed.
pub(super) fn service(health: &Health, now: Timestamp) -> (String, Exit) {
    let total = health.targets.len();
    if super::is_stale(health, now) {
        let age = ago(now.since(health.head.generated_at.0));
        return unknown(&format!("the feed is stale, {age} old"));
    }
    if health.head.network != Network::Online {
        return unknown("own network offline");
    }
    if total == 0 {
        return unknown("no targets");
    }
    let worst = health.targets.iter().map(level).max();
    let worst = worst.unwrap_or(Service::Unknown);
    let mut text = format!("ENDTURN {} - {} |", worst.as_str(), plain(&summary(health)));
    for state in State::ALL {
        let n = health
            .targets
            .iter()
            .filter(|target| target.state == state)
            .count();
        let _ = write!(text, " {state}={n};;;0;{total}");
    }
    for target in &health.targets {
        figures(target, &mut text);
    }
    text.push('\n');
    for target in health
        .targets
        .iter()
        .filter(|target| level(target) != Service::Ok)
    {
        let since = ago(now.since(target.since.0));
        let line = format!(
            "{}: {} for {since}, {}",
            target.id, target.state, target.reason.text
        );
        let _ = writeln!(text, "{}", plain(&line));
    }
    (text, Exit::Plugin(worst))
}

/// The answer where nothing is known.
pub(in crate::cli) fn unknown(why: &str) -> (String, Exit) {
    let line = why.lines().next().unwrap_or_default();
    let level = Service::Unknown;
    (
        format!("ENDTURN {} - {}\n", level.as_str(), plain(line)),
        Exit::Plugin(level),
    )
}

/// Text that neither a terminal nor a plugin's reader takes for more than text.
fn plain(text: &str) -> String {
    printable(text).replace('|', "/")
}

fn level(target: &TargetHealth) -> Service {
    match target.state {
        State::Operational | State::Maintenance => Service::Ok,
        // A person wants to hear nothing of it for a while.
        State::Unknown if is_paused(target) => Service::Ok,
        State::Degraded => Service::Warning,
        State::Partial | State::Down => Service::Critical,
        State::Unknown => Service::Unknown,
    }
}

fn is_paused(target: &TargetHealth) -> bool {
    target.reason.code == ReasonCode::Paused.as_str()
}

fn summary(health: &Health) -> String {
    let total = health.targets.len();
    let count = |wanted: fn(State) -> bool| health.targets.iter().filter(|t| wanted(t.state)).count();
    let impaired = count(State::is_impaired);
    let paused = health.targets.iter().filter(|target| is_paused(target)).count();
    let unknown = count(|state| state == State::Unknown) - paused;
    let mut parts = Vec::new();
    if impaired > 0 {
        parts.push(format!(
            "{impaired} of {total} impaired: {}",
            oneline::impaired(health)
        ));
    }
    if unknown > 0 {
        parts.push(format!("{unknown} of {total} unknown"));
    }
    if parts.is_empty() {
        let well = count(|state| state == State::Operational);
        parts.push(format!("{well} of {total} operational"));
    }
    if paused > 0 {
        parts.push(format!("{paused} paused"));
    }
    parts.join("; ")
}

/// A target's performance data. `U` is a figure that is not known, as the guidelines have it.
fn figures(target: &TargetHealth, text: &mut String) {
    // An id holds neither quote nor equals sign: it is a label as it is.
    let id = &target.id;
    let percent = |rate: &Rate| {
        rate.value
            .map_or("U".to_owned(), |value| format!("{:.2}%", value * 1e2))
    };
    let ttft = target
        .ttft_ms
        .p95
        .map_or("U".to_owned(), |ms| format!("{ms:.1}ms"));
    let _ = write!(
        text,
        " '{id} truncated'={};;;0;100 '{id} errors'={};;;0;100 '{id} ttft_p95'={ttft};;;0 '{id} n'={};;;0",
        percent(&target.truncation_rate),
        percent(&target.error_rate),
        target.attempts,
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::fixture;

    #[test]
    fn the_worst_target_decides_and_unknown_outweighs_ok_only() {
        for (states, level, code) in [
            (&["operational", "operational"][..], "OK", 0),
            (&["operational", "maintenance"], "OK", 0),
            (&["operational", "degraded"], "WARNING", 1),
            (&["degraded", "partial"], "CRITICAL", 2),
            (&["down", "unknown"], "CRITICAL", 2),
            (&["degraded", "unknown"], "WARNING", 1),
            (&["operational", "unknown"], "UNKNOWN", 3),
            (&[], "UNKNOWN", 3),
        ] {
            let (text, exit) = service(&fixture::health(states), fixture::NOW);
            assert!(text.starts_with(&format!("ENDTURN {level} - ")), "{text}");
            assert_eq!(exit.code(), code, "{text}");
        }
    }

    #[test]
    fn nothing_is_known_of_a_stale_or_offline_feed() {
        let mut health = fixture::health(&["down"]);
        let late = health.head.stale_after.0.plus(Duration::from_millis(1));
        let (text, exit) = service(&health, late);
        assert_eq!(
            (text.as_str(), exit.code()),
            ("ENDTURN UNKNOWN - the feed is stale, 15 s old\n", 3)
        );
        health.head.network = Network::Offline;
        let (text, exit) = service(&health, fixture::NOW);
        assert_eq!(
            (text.as_str(), exit.code()),
            ("ENDTURN UNKNOWN - own network offline\n", 3)
        );
    }

    #[test]
    fn one_line_with_performance_data_then_the_reasons() {
        let mut health = fixture::health(&["partial", "operational"]);
        health.targets[0].reason.text = "7 of 12 | cut\nshort".to_owned();
        let target = &mut health.targets[1];
        (target.truncation_rate, target.error_rate) = (fixture::rate(0, 0), fixture::rate(1, 8));
        (target.ttft_ms.p95, target.attempts) = (None, 8);
        let (text, _) = service(&health, fixture::NOW);
        let states = "operational=1;;;0;2 degraded=0;;;0;2 partial=1;;;0;2 down=0;;;0;2 unknown=0;;;0;2 maintenance=0;;;0;2";
        let first = "'p0/m truncated'=58.33%;;;0;100 'p0/m errors'=0.00%;;;0;100 'p0/m ttft_p95'=903.0ms;;;0 'p0/m n'=12;;;0";
        let second =
            "'p1/m truncated'=U;;;0;100 'p1/m errors'=12.50%;;;0;100 'p1/m ttft_p95'=U;;;0 'p1/m n'=8;;;0";
        let lines = [
            &format!("ENDTURN CRITICAL - 1 of 2 impaired: p0/m partial | {states} {first} {second}"),
            "p0/m: partial for 4 min, 7 of 12 / cut\\nshort",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn what_is_paused_wakes_nobody() {
        let mut health = fixture::health(&["unknown", "operational"]);
        let (_, exit) = service(&health, fixture::NOW);
        assert_eq!(exit, Exit::Plugin(Service::Unknown));
        health.targets[0].reason.code = "paused".into();
        let (text, exit) = service(&health, fixture::NOW);
        assert_eq!(exit, Exit::Plugin(Service::Ok));
        assert!(
            text.starts_with("ENDTURN OK - 1 of 2 operational; 1 paused |"),
            "{text}"
        );
    }

    #[test]
    fn an_error_is_one_line() {
        let (text, exit) = unknown("no endturn answers\n\nhelp: start one | now");
        assert_eq!(
            (text.as_str(), exit.code()),
            ("ENDTURN UNKNOWN - no endturn answers\n", 3)
        );
    }

    /// `'label'=value[UOM];[warn];[crit];[min];[max]`, blanks between: the guidelines' own grammar.
    #[test]
    fn performance_data_is_what_the_guidelines_ask_for() {
        let mut health = fixture::health(&["operational", "unknown"]);
        health.targets[1].ttft_ms.p95 = None;
        let (text, _) = service(&health, fixture::NOW);
        let (_, data) = text.lines().next().unwrap().split_once(" | ").unwrap();
        let mut rest = data;
        let mut seen = 0;
        while !rest.is_empty() {
            let (label, after) = match rest.strip_prefix('\'') {
                Some(quoted) => quoted.split_once("'=").unwrap(),
                None => rest.split_once('=').unwrap(),
            };
            assert!(!label.contains(['\'', '=', '|']), "{label}");
            let (datum, next) = after.split_once(' ').unwrap_or((after, ""));
            let fields: Vec<&str> = datum.split(';').collect();
            assert!(
                (4..=5).contains(&fields.len()) && fields[1].is_empty() && fields[2].is_empty(),
                "{datum}"
            );
            let value = fields[0].trim_end_matches(['%', 'm', 's']);
            assert!(value == "U" || value.parse::<f64>().is_ok(), "{datum}");
            assert!(
                fields[3..].iter().all(|bound| bound.parse::<f64>().is_ok()),
                "{datum}"
            );
            (rest, seen) = (next, seen + 1);
        }
        assert_eq!(seen, State::ALL.len() + 2 * 4);
    }
}
