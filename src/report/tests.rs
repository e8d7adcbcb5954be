//! The figures of made-up months.

use super::*;
use crate::{
    health::{Reason, ReasonCode, State},
    id::TargetId,
};

const HOUR: i64 = 3_600_000;

fn terms(now_hours: i64, objective: f64) -> Terms {
    let month: Month = "2026-11".parse().unwrap();
    Terms {
        month,
        now: Timestamp::from_millis(month.from().as_millis() + now_hours * HOUR),
        objective,
    }
}

/// An incident by hours since the month began.
fn incident(started: i64, recovered: Option<i64>, lead_s: Option<i64>) -> Incident {
    let at = |hours: i64| Timestamp::from_millis(terms(0, 99.5).from().as_millis() + hours * HOUR);
    Incident {
        id: format!("i{started}"),
        target: "p/m".parse::<TargetId>().unwrap(),
        started: at(started),
        detected: at(started),
        opened: at(started),
        recovered: recovered.map(at),
        closed: recovered.map(at),
        worst: State::Down,
        reason: Reason {
            code: ReasonCode::Truncated,
            text: "cut".to_owned(),
            sources: Vec::new(),
        },
        timeline: Vec::new(),
        lead_s,
    }
}

fn month() -> Material {
    let mut of = Material {
        targets: 1,
        official: true,
        ..Material::default()
    };
    for hour in 0..100_i64 {
        let outage = (40..42).contains(&hour);
        of.outcomes.insert(
            terms(0, 99.5).from().as_millis() + hour * HOUR,
            Outcomes {
                attempts: 60,
                began: if outage { 40 } else { 60 },
                errors: if outage { 20 } else { 0 },
                truncated: if outage { 30 } else { 0 },
            },
        );
    }
    of.times.add(State::Operational, 97 * HOUR as u64);
    of.times.add(State::Down, 2 * HOUR as u64);
    of.times.add(State::Unknown, HOUR as u64);
    of.ttft.record(400.0);
    of
}

#[test]
fn a_month_in_figures() {
    let mut of = month();
    of.incidents = vec![
        incident(-3, Some(1), Some(600)),
        incident(40, Some(42), Some(120)),
        incident(60, Some(61), None),
        incident(99, None, None),
    ];
    let found = figures(&of, &terms(100, 99.0));
    assert_eq!(found.elapsed_ms, 100 * HOUR as u64);
    assert!((found.coverage().unwrap() - 0.99).abs() < 1e-12);
    assert!((found.times.uptime().unwrap() - 97.0 / 99.0).abs() < 1e-12);
    let hours = |ms: u64| ms / HOUR as u64;
    // 1 h of the first lies in the month; the last one still runs.
    let incidents = found.incidents;
    assert_eq!((incidents.count, incidents.open), (4, 1));
    assert_eq!((hours(incidents.total_ms), hours(incidents.longest_ms)), (5, 2));
    assert_eq!(incidents.mttr_ms, Some((4 + 2 + 1) * HOUR as u64 / 3));
    assert_eq!(incidents.mtbf_ms, Some((99 - 5) * HOUR as u64 / 4));
    assert_eq!((found.failure.hits, found.failure.n), (100, 6_000));
    assert_eq!((found.error.hits, found.error.n), (40, 6_000));
    assert_eq!((found.truncation.hits, found.truncation.n), (60, 5_960));
    // Two bad hours in a hundred: far fewer independent trials than requests.
    assert!(found.failure.deff > 20.0, "{:?}", found.failure);
    let time = found.time_budget.unwrap();
    assert!((time.allowed - 0.99 * HOUR as f64).abs() < 1.0);
    assert!(time.left() < 0.0 && time.burnt_share().unwrap() > 2.0);
    let replies = found.reply_budget.unwrap();
    assert!((replies.left() - (60.0 - 100.0)).abs() < 1e-6);
    assert_eq!(
        found.lead,
        Some(Lead {
            mentioned: 2,
            never: 1,
            median_s: Some(120)
        })
    );
    assert_eq!(found.ttft.n, 1);
}

#[test]
fn a_month_without_data_claims_nothing() {
    let found = figures(
        &Material {
            targets: 1,
            ..Material::default()
        },
        &terms(1_000, 99.5),
    );
    assert_eq!(found.elapsed_ms, 30 * 24 * HOUR as u64);
    assert_eq!((found.times.uptime(), found.coverage()), (None, Some(0.0)));
    assert_eq!((found.failure.interval, found.failure.n), (None, 0));
    assert_eq!((found.time_budget, found.reply_budget), (None, None));
    assert_eq!((found.lead, found.ttft.p50), (None, None));
    assert_eq!(found.incidents, IncidentFigures::default());
}

#[test]
fn time_between_failures_needs_two() {
    for (count, told) in [(0, false), (1, false), (2, true)] {
        let mut of = month();
        of.incidents = (0..count)
            .map(|i| incident(i * 10, Some(i * 10 + 1), None))
            .collect();
        let found = figures(&of, &terms(100, 99.5)).incidents;
        assert_eq!(found.mtbf_ms.is_some(), told, "{count} incidents");
        assert_eq!(found.mttr_ms.is_some(), count > 0, "{count} incidents");
    }
}

#[test]
fn a_running_month_ends_now() {
    for (now, hours, running) in [
        (-5, 0, true),
        (10, 10, true),
        (720, 720, false),
        (2_000, 720, false),
    ] {
        let terms = terms(now, 99.5);
        assert_eq!(
            terms.until().since(terms.from()).as_secs(),
            hours * 3_600,
            "{now}"
        );
        assert_eq!(terms.running(), running, "{now}");
    }
}

#[test]
fn an_objective_of_everything_allows_nothing() {
    let found = figures(&month(), &terms(100, 100.0));
    let time = found.time_budget.unwrap();
    assert!(time.allowed.abs() < 1e-9 && time.left() < 0.0);
    assert_eq!(time.burnt_share(), None);
}

#[test]
fn targets_of_a_provider_count_together() {
    let (mut both, other) = (month(), month());
    both.merge(&other);
    let (one, two) = (
        figures(&other, &terms(100, 99.5)),
        figures(&both, &terms(100, 99.5)),
    );
    assert_eq!(two.elapsed_ms, 2 * one.elapsed_ms);
    assert_eq!(two.failure.n, 2 * one.failure.n);
    assert_eq!(two.times.uptime(), one.times.uptime());
    assert_eq!(two.ttft.n, 2);
}
