//! How alarms end, and how they don't.

use super::*;

const NOTHING: [&str; 0] = [];

/// A stage on which `a/m` is down and told.
fn fired() -> Stage {
    let mut stage = Stage::new(standard(), &["a/m", "b/m"]);
    stage.fails("a/m", State::Down);
    assert_eq!(stage.run(10).len(), 1);
    stage
}

#[test]
fn not_knowing_is_no_end() {
    for code in ["starting", "stale", "self", "vantage_offline"] {
        let mut stage = fired();
        stage.state("a/m", State::Unknown);
        stage.target("a/m").reason.code = code.into();
        stage.target("a/m").last_complete_at = Some(START.into());
        assert_eq!(stage.run(3_600), NOTHING, "{code}, the incident is open");
        // A restart may have forgotten the incident.
        stage.closes("a/m");
        assert_eq!(stage.run(3_600), NOTHING, "{code}");
        stage.state("a/m", State::Down);
        assert_eq!(stage.run(10), NOTHING, "{code}, not opened yet");
        stage.fails("a/m", State::Down);
        assert_eq!(stage.run(3_600), NOTHING, "{code}: it is the same alarm");
        let incident = stage.target("a/m").incident.clone().unwrap();
        assert!(
            stage.policy.ack(&incident, "ana", stage.now).is_ok(),
            "by its new incident"
        );
        assert_eq!(stage.ends("a/m").len(), 1, "{code}");
    }
}

#[test]
fn a_target_that_is_only_reached_ends_when_its_edge_answers_again() {
    let mut stage = fired();
    let edge =
        |stage: &mut Stage, state: &str| {
            stage.health.providers =
                vec![serde_json::from_value(serde_json::json!({
            "id": "a", "state": "unknown",
            "edge": {"state": state, "connect_ms": {"p50": null, "p95": null, "p99": null, "n": 0}},
        })).unwrap()];
        };
    stage.state("a/m", State::Unknown);
    stage.closes("a/m");
    edge(&mut stage, "down");
    assert_eq!(stage.run(3_600), NOTHING);
    edge(&mut stage, "operational");
    assert_eq!(stage.run(299), NOTHING);
    assert_eq!(stage.run(1).len(), 1);
}

#[test]
fn maintenance_and_pause_end_it_and_what_fails_after_them_is_another_alarm() {
    for (state, code, title) in [
        (State::Maintenance, "maintenance", "a/m: maintenance was declared"),
        (State::Unknown, "paused", "a/m: paused by a person"),
    ] {
        let mut stage = fired();
        let first = stage.policy.alarms()[0].id.clone();
        stage.state("a/m", state);
        stage.target("a/m").reason.code = code.into();
        let told = stage.pass(10);
        assert_eq!(brief(&told), [format!("oncall resolved critical: {title}")]);
        assert_eq!(told[0].subjects[0].until, Some(told[0].at));
        assert_eq!(stage.run(3_600), NOTHING);
        stage.fails("a/m", State::Down);
        assert_eq!(stage.run(10).len(), 1, "the incident is the same");
        assert_ne!(stage.policy.alarms()[0].id, first, "the alarm is another");
    }
}

#[test]
fn in_maintenance_nothing_begins() {
    let mut stage = Stage::new(standard(), &["a/m"]);
    stage.fails("a/m", State::Down);
    stage.state("a/m", State::Maintenance);
    assert_eq!(stage.run(3_600), NOTHING);
}

#[test]
fn what_is_no_longer_watched_is_resolved() {
    type Change = fn(&mut Stage);
    let changes: [(&str, Change); 5] = [
        ("the rule is gone", |stage| {
            stage.configure(|alerts| alerts.rules.clear());
        }),
        ("the target is gone", |stage| drop(stage.health.targets.remove(0))),
        ("another glob", |stage| {
            stage.configure(|alerts| alerts.rules[0].targets = vec!["b/*".parse().unwrap()]);
        }),
        ("other states", |stage| {
            stage.configure(|alerts| alerts.rules[0].on = vec![AlertOn::Trouble(Trouble::StoreFailing)]);
        }),
        ("another channel", |stage| {
            stage.configure(|alerts| {
                alerts.channels.push(channel("second"));
                alerts.rules[0].channels = vec!["second".to_owned()];
            });
        }),
    ];
    for (name, change) in changes {
        let mut stage = fired();
        change(&mut stage);
        stage.restart();
        let told = stage.pass(10);
        let of_oncall: Vec<&Message> = told
            .iter()
            .filter(|message| message.channel == "oncall")
            .collect();
        assert_eq!(of_oncall.len(), 1, "{name}: {:?}", brief(&told));
        assert_eq!(of_oncall[0].kind, MessageKind::Resolved);
        assert_eq!(of_oncall[0].title, "a/m: no longer watched", "{name}");
        assert!(
            stage.run(86_400).iter().all(|line| !line.starts_with("oncall")),
            "{name}"
        );
    }
}

#[test]
fn what_is_grouped_anew_is_told_anew() {
    let mut stage = fired();
    stage.configure(|alerts| alerts.rules[0].group = crate::config::AlertGroup::Target);
    let mut told = stage.run(10);
    told.sort();
    assert_eq!(
        told,
        [
            "oncall firing critical: a/m is down: replies are cut",
            "oncall resolved critical: a/m: no longer watched"
        ]
    );
    assert_eq!(stage.ends("a/m").len(), 1);
}

#[test]
fn an_end_says_what_is_true_of_all() {
    let mut stage = Stage::new(standard(), &["a/1", "a/2"]);
    stage.fails("a/1", State::Down);
    stage.fails("a/2", State::Down);
    stage.run(10);
    stage.state("a/1", State::Maintenance);
    stage.run(10);
    assert_eq!(
        stage.ends("a/2"),
        ["oncall resolved critical: a: 2 targets: over after 40 s"]
    );
}

#[test]
fn a_channel_that_is_gone_is_told_nothing() {
    let mut stage = fired();
    stage.configure(|alerts| {
        alerts.channels.clear();
        alerts.rules.clear();
    });
    assert_eq!(stage.run(10), NOTHING);
    assert!(stage.policy.alarms().is_empty());
}

#[test]
fn a_rule_that_comes_back_begins_another_alarm_under_other_keys() {
    let mut stage = Stage::new(standard(), &["a/m"]);
    stage.fails("a/m", State::Down);
    let mut seen: Vec<(String, String)> = Vec::new();
    for round in 0..4 {
        let told = stage.pass(10);
        assert_eq!(told.len(), 1, "{round}");
        assert_eq!(told[0].kind, MessageKind::Firing);
        seen.push((told[0].alarm.clone(), told[0].key.clone()));
        // Taken out of the rule, or the rule taken out.
        if round % 2 == 0 {
            let rules = stage.alerts.rules.clone();
            stage.configure(|alerts| alerts.rules.clear());
            seen.extend(stage.pass(10).into_iter().map(|told| (String::new(), told.key)));
            stage.configure(|alerts| alerts.rules = rules);
        } else {
            stage.configure(|alerts| alerts.rules[0].channels.clear());
            seen.extend(stage.pass(10).into_iter().map(|told| (String::new(), told.key)));
            stage.configure(|alerts| alerts.rules[0].channels = vec!["oncall".to_owned()]);
        }
    }
    assert_eq!(seen.len(), 8);
    let mut keys: Vec<&String> = seen.iter().map(|(_, key)| key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 8, "{seen:?}");
    let mut alarms: Vec<&String> = seen
        .iter()
        .map(|(alarm, _)| alarm)
        .filter(|alarm| !alarm.is_empty())
        .collect();
    alarms.sort();
    alarms.dedup();
    assert_eq!(alarms.len(), 4, "{seen:?}");
}

#[test]
fn a_restart_changes_nothing_and_a_lost_transaction_is_told_anew_under_the_same_key() {
    let mut stage = Stage::new(standard(), &["a/m"]);
    stage.fails("a/m", State::Down);
    stage.run(2);
    stage.restart();
    stage.now = stage.now.plus(Duration::from_secs(3));
    let before = stage.policy.memory();
    let told = stage.messages();
    assert_eq!(told.len(), 1);
    // Its transaction is lost with the process; a second later it is started again.
    stage.policy = Policy::new(&stage.alerts, "fra-1");
    stage.policy.restore(&before).unwrap();
    stage.now = stage.now.plus(Duration::from_secs(1));
    stage.target("a/m").attempts += 1;
    let again = stage.messages();
    assert_eq!(again.len(), 1);
    assert_eq!((&again[0].key, &again[0].alarm), (&told[0].key, &told[0].alarm));
    // Without any memory too.
    stage.policy = Policy::new(&stage.alerts, "fra-1");
    let anew = stage.pass(10);
    assert_eq!((anew.len(), &anew[0].key), (1, &told[0].key));
    for _ in 0..3 {
        stage.restart();
        assert_eq!(stage.run(600), NOTHING);
    }
}

#[test]
fn a_memory_moves_with_events_and_not_with_figures() {
    let mut stage = fired();
    let before = stage.policy.memory();
    for n in 0..10 {
        stage.target("a/m").attempts = 100 + n;
        stage.target("a/m").reason.text = format!("{n} of 100");
        stage.run(7);
        assert_eq!(stage.policy.memory(), before);
    }
    stage.recovers("a/m");
    stage.run(1);
    assert_ne!(stage.policy.memory(), before);
}

#[test]
fn a_memory_of_another_version_or_none_at_all_is_refused() {
    let mut policy = Policy::new(&standard(), "v");
    for (text, newer) in [
        ("", false),
        ("[]", false),
        ("{\"version\":2}", true),
        ("{\"version\":1,\"alarms\":7}", false),
    ] {
        let error = policy.restore(text).unwrap_err();
        assert_eq!(matches!(error, MemoryError::Version(2)), newer, "{text}: {error}");
    }
    policy.restore("{\"version\":1}").unwrap();
    assert!(policy.alarms().is_empty());
}
