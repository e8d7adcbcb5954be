//! Hours in which a channel is left alone: what was held converges when they end.

use jiff::tz::TimeZone;

use super::*;
use crate::config::Quiet;

const NOTHING: [&str; 0] = [];

/// One channel that is left alone from ten in the evening to seven, UTC, but for what is critical if so asked. It is
/// nine in the evening.
fn evening(unless: Option<Severity>) -> Stage {
    let mut alerts = standard();
    alerts.rules[0].on.push(AlertOn::Change(ChangeKind::ModelChanged));
    alerts.channels[0].quiet = vec![Quiet {
        from: 22 * 60,
        to: 7 * 60,
        days: Vec::new(),
        zone: TimeZone::UTC,
        unless,
    }];
    let mut stage = Stage::new(alerts, &["a/m", "b/m"]);
    stage.now = Timestamp::from_rfc3339("2026-06-20T21:00:00Z").unwrap();
    stage
}

fn until(stage: &mut Stage, text: &str) -> Vec<String> {
    let end = Timestamp::from_rfc3339(text).unwrap();
    stage.run(end.since(stage.now).as_secs())
}

#[test]
fn what_still_fails_in_the_morning_is_told_then_once() {
    let mut stage = evening(None);
    assert_eq!(until(&mut stage, "2026-06-20T23:00:00Z"), NOTHING);
    stage.fails("a/m", State::Partial);
    assert_eq!(until(&mut stage, "2026-06-21T02:00:00Z"), NOTHING);
    stage.fails("a/m", State::Down);
    stage.restart();
    assert_eq!(until(&mut stage, "2026-06-21T06:59:59Z"), NOTHING);
    assert_eq!(
        stage.run(1),
        ["oncall firing critical: a/m is down: replies are cut"]
    );
    assert_eq!(stage.run(3_600), NOTHING);
}

#[test]
fn what_was_over_before_the_morning_and_never_told_is_nothing() {
    let mut stage = evening(None);
    until(&mut stage, "2026-06-20T23:00:00Z");
    stage.fails("a/m", State::Down);
    until(&mut stage, "2026-06-21T02:00:00Z");
    assert_eq!(stage.ends("a/m"), NOTHING);
    assert!(stage.policy.alarms().is_empty());
    assert_eq!(until(&mut stage, "2026-06-21T12:00:00Z"), NOTHING);
}

#[test]
fn what_was_told_in_the_evening_and_ended_in_the_night_is_resolved_in_the_morning() {
    let mut stage = evening(None);
    stage.fails("a/m", State::Down);
    assert_eq!(stage.run(10).len(), 1);
    until(&mut stage, "2026-06-20T23:59:00Z");
    assert_eq!(stage.ends("a/m"), NOTHING);
    assert_eq!(stage.policy.alarms()[0].phase, Phase::Ended);
    stage.fails("a/m", State::Partial);
    stage.restart();
    assert_eq!(until(&mut stage, "2026-06-21T06:59:59Z"), NOTHING);
    let mut told = stage.pass(1);
    told.sort_by_key(|message| message.at);
    assert_eq!(
        brief(&told),
        [
            "oncall resolved critical: a/m is well again after 2 h 59 min",
            "oncall firing error: a/m is partial: replies are cut"
        ]
    );
    assert_ne!(told[0].alarm, told[1].alarm);
}

#[test]
fn what_is_urgent_enough_breaks_through_and_so_does_its_end() {
    let mut stage = evening(Some(Severity::Critical));
    until(&mut stage, "2026-06-20T23:00:00Z");
    stage.fails("b/m", State::Partial);
    assert_eq!(stage.run(60), NOTHING);
    stage.fails("a/m", State::Down);
    assert_eq!(
        stage.run(60),
        ["oncall firing critical: a/m is down: replies are cut"]
    );
    stage.fails("b/m", State::Down);
    assert_eq!(
        stage.run(60),
        ["oncall firing critical: b/m is down: replies are cut"],
        "it got worse"
    );
    assert_eq!(
        stage.ends("a/m"),
        ["oncall resolved critical: a/m is well again after 2 min 20 s"]
    );
}

#[test]
fn acknowledged_in_the_night_is_told_in_the_morning_unless_it_is_over() {
    let mut stage = evening(None);
    stage.fails("a/m", State::Down);
    stage.fails("b/m", State::Down);
    stage.run(10);
    until(&mut stage, "2026-06-20T23:00:00Z");
    assert_eq!(stage.policy.ack("incident-1", "ana", stage.now), Ok(Vec::new()));
    assert_eq!(stage.policy.ack("incident-2", "ana", stage.now), Ok(Vec::new()));
    stage.ends("b/m");
    let mut told = until(&mut stage, "2026-06-21T07:00:00Z");
    told.sort();
    assert_eq!(
        told,
        [
            "oncall acknowledged critical: a/m is down: replies are cut",
            "oncall resolved critical: b/m is well again after 2 h"
        ]
    );
}

#[test]
fn changes_of_the_night_are_told_in_the_morning() {
    let mut stage = evening(None);
    until(&mut stage, "2026-06-20T23:00:00Z");
    for to in ["gpt-5.2-mini", "gpt-5.2"] {
        stage.changes.push(Change {
            target: "a/m".parse().unwrap(),
            at: stage.now,
            kind: ChangeKind::ModelChanged,
            from: "x".to_owned(),
            to: to.to_owned(),
        });
        assert_eq!(stage.run(3_600), NOTHING);
        stage.restart();
    }
    assert_eq!(until(&mut stage, "2026-06-21T07:00:00Z").len(), 1);
    assert_eq!(until(&mut stage, "2026-06-21T21:00:00Z"), NOTHING);
}

#[test]
fn quiet_hours_that_follow_each_other_are_one_night() {
    let mut stage = evening(None);
    stage.configure(|alerts| {
        let mut more = alerts.channels[0].quiet[0].clone();
        (more.from, more.to) = (6 * 60, 9 * 60);
        alerts.channels[0].quiet.push(more);
    });
    until(&mut stage, "2026-06-20T23:00:00Z");
    stage.fails("a/m", State::Down);
    assert_eq!(until(&mut stage, "2026-06-21T08:59:59Z"), NOTHING);
    assert_eq!(stage.run(1).len(), 1);
}

#[test]
fn a_channel_that_is_never_disturbed_holds_up_nothing() {
    let mut stage = evening(None);
    stage.configure(|alerts| {
        alerts.channels[0].quiet[0].from = 0;
        alerts.channels[0].quiet[0].to = 24 * 60;
    });
    stage.fails("a/m", State::Down);
    assert_eq!(stage.run(3 * 86_400), NOTHING);
    assert!(stage.policy.next_wake().is_some_and(|wake| wake > stage.now));
    assert_eq!(stage.ends("a/m"), NOTHING);
}
