//! What a person on call is told, a sentence a test.

use super::*;

const NOTHING: [&str; 0] = [];

#[test]
fn one_alarm_fires_once_and_is_resolved_once() {
    let mut stage = Stage::new(standard(), &["a/m", "b/m"]);
    assert_eq!(stage.run(60), NOTHING);
    stage.fails("a/m", State::Down);
    assert_eq!(stage.run(4), NOTHING, "what begins together is gathered");
    assert_eq!(
        stage.run(1),
        ["oncall firing critical: a/m is down: replies are cut"]
    );
    assert_eq!(stage.run(3_600), NOTHING);
    assert_eq!(
        stage.ends("a/m"),
        ["oncall resolved critical: a/m is well again after 1 h"]
    );
    assert_eq!(stage.run(86_400), NOTHING);
    assert!(stage.policy.alarms().is_empty());
}

#[test]
fn it_ends_when_the_incident_is_closed_and_not_at_the_first_good_reply() {
    let mut stage = Stage::new(standard(), &["a/m"]);
    stage.fails("a/m", State::Partial);
    stage.run(10);
    stage.recovers("a/m");
    let recovered = stage.now;
    assert_eq!(stage.run(59), NOTHING);
    stage.fails("a/m", State::Partial);
    assert_eq!(
        stage.run(100),
        NOTHING,
        "a relapse within the incident is the same alarm"
    );
    stage.recovers("a/m");
    let again = stage.now;
    assert_eq!(stage.run(60), NOTHING);
    stage.closes("a/m");
    let told = stage.messages();
    assert_eq!(
        brief(&told),
        ["oncall resolved error: a/m is well again after 3 min 9 s"]
    );
    assert_eq!(
        told[0].subjects[0].until,
        Some(again.into()),
        "over since it recovered, not since {recovered:?}"
    );
    assert_eq!(told[0].ended_at, Some(again.into()));
}

#[test]
fn a_provider_that_takes_six_targets_down_is_one_message() {
    let ids = ["a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "b/1"];
    let mut stage = Stage::new(standard(), &ids);
    for id in &ids[..6] {
        stage.fails(id, State::Down);
        assert_eq!(stage.look(), NOTHING);
        stage.now = stage.now.plus(Duration::from_millis(700));
    }
    let told = stage.pass(60);
    assert_eq!(
        brief(&told),
        ["oncall firing critical: a: 6 targets down: replies are cut"]
    );
    assert_eq!(told[0].subjects.len(), 6);
    stage.fails("b/1", State::Partial);
    assert_eq!(
        stage.run(60),
        ["oncall firing error: b/1 is partial: replies are cut"],
        "another provider"
    );
}

#[test]
fn groups_can_be_targets_or_the_whole_rule() {
    for (group, expected) in [
        (
            crate::config::AlertGroup::Provider,
            vec!["a: 2 targets down", "b/1 is down"],
        ),
        (
            crate::config::AlertGroup::Target,
            vec!["a/1 is down", "a/2 is down", "b/1 is down"],
        ),
        (crate::config::AlertGroup::Rule, vec!["3 targets down"]),
    ] {
        let mut alerts = standard();
        alerts.rules[0].group = group;
        let mut stage = Stage::new(alerts, &["a/1", "a/2", "b/1"]);
        for id in ["a/1", "a/2", "b/1"] {
            stage.fails(id, State::Down);
        }
        let expected: Vec<String> = expected
            .iter()
            .map(|what| format!("oncall firing critical: {what}: replies are cut"))
            .collect();
        assert_eq!(stage.run(10), expected);
    }
}

#[test]
fn after_counts_from_the_opening_of_the_incident() {
    let mut alerts = standard();
    alerts.rules[0].after = Duration::from_secs(600);
    let mut stage = Stage::new(alerts, &["a/m"]);
    stage.fails("a/m", State::Down);
    assert_eq!(stage.run(604), NOTHING);
    assert_eq!(
        stage.run(1),
        ["oncall firing critical: a/m is down: replies are cut"]
    );
    stage.ends("a/m");
    stage.fails("a/m", State::Down);
    assert_eq!(stage.run(500), NOTHING);
    assert_eq!(stage.ends("a/m"), NOTHING, "what was never told needs no end");
    assert_eq!(stage.run(3_600), NOTHING);
    // It fails for long in a way that the rule doesn't name, then worse.
    stage.fails("a/m", State::Degraded);
    assert_eq!(stage.run(700), NOTHING);
    stage.fails("a/m", State::Down);
    assert_eq!(
        stage.run(0),
        ["oncall firing critical: a/m is down: replies are cut"]
    );
}

#[test]
fn reminders_come_while_it_lasts() {
    let mut alerts = standard();
    alerts.rules[0].remind = Some(Duration::from_secs(3_600));
    let mut stage = Stage::new(alerts, &["a/m"]);
    stage.fails("a/m", State::Down);
    stage.run(5);
    assert_eq!(stage.run(3_599), NOTHING);
    assert_eq!(
        stage.run(1),
        ["oncall reminder critical: a/m is down: replies are cut"]
    );
    assert_eq!(stage.run(3 * 3_600).len(), 3);
    stage.configure(|alerts| alerts.rules[0].remind = None);
    assert_eq!(stage.run(86_400), NOTHING);
}

#[test]
fn a_machine_that_takes_silence_for_an_end_hears_it_again() {
    let mut alerts = standard();
    alerts.rules[0].remind = None;
    alerts.channels[0].way = Way::Alertmanager(crate::config::Alertmanager {
        url: "http://127.0.0.1:9093".parse().unwrap(),
        headers: Vec::new(),
        repeat: Duration::from_secs(60),
    });
    let mut stage = Stage::new(alerts, &["a/m"]);
    stage.fails("a/m", State::Down);
    stage.run(5);
    stage.policy.ack("incident-1", "ana", stage.now).unwrap();
    assert_eq!(stage.run(600).len(), 10, "acknowledged or not");
}

#[test]
fn joined_and_left_are_told_together_once_an_interval() {
    let ids = ["a/1", "a/2", "a/3", "a/4"];
    let mut stage = Stage::new(standard(), &ids);
    stage.fails("a/1", State::Down);
    assert_eq!(stage.run(10).len(), 1);
    stage.fails("a/2", State::Down);
    assert_eq!(stage.run(10), NOTHING);
    stage.fails("a/3", State::Partial);
    let told = stage.pass(GROUP_INTERVAL.as_secs());
    assert_eq!(
        brief(&told),
        ["oncall update critical: a: 2 targets down, 1 partial: replies are cut"]
    );
    stage.recovers("a/1");
    stage.run(60);
    stage.closes("a/1");
    let told = stage.pass(2 * GROUP_INTERVAL.as_secs());
    assert_eq!(
        brief(&told),
        ["oncall update critical: a: 1 target down, 1 partial: replies are cut"]
    );
    let names: Vec<_> = told[0]
        .subjects
        .iter()
        .map(|it| (it.name.as_str(), it.until.is_some()))
        .collect();
    assert_eq!(
        names,
        [("a/2", false), ("a/3", false), ("a/1", true)],
        "who left is told, once"
    );
    stage.fails("a/4", State::Down);
    let told = stage.pass(600);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].subjects.len(), 3);
}

#[test]
fn a_higher_severity_does_not_wait() {
    let mut stage = Stage::new(standard(), &["a/m", "a/n"]);
    stage.fails("a/m", State::Partial);
    stage.run(10);
    stage.fails("a/m", State::Down);
    assert_eq!(
        stage.run(1),
        ["oncall update critical: a/m is down: replies are cut"]
    );
    stage.fails("a/m", State::Partial);
    assert_eq!(
        stage.run(2 * GROUP_INTERVAL.as_secs()),
        NOTHING,
        "better is not worth a message"
    );
    stage.fails("a/m", State::Down);
    assert_eq!(
        stage.run(GROUP_INTERVAL.as_secs()),
        NOTHING,
        "and as bad as it was is no news"
    );
}

#[test]
fn what_gets_worse_under_a_fixed_severity_is_an_update_that_waits() {
    let mut alerts = standard();
    alerts.rules[0].severity = Some(Severity::Warning);
    let mut stage = Stage::new(alerts, &["a/m"]);
    stage.fails("a/m", State::Partial);
    stage.run(10);
    stage.fails("a/m", State::Down);
    assert_eq!(stage.run(60), NOTHING);
    stage.restart();
    assert_eq!(
        stage.run(GROUP_INTERVAL.as_secs()),
        ["oncall update warning: a/m is down: replies are cut"]
    );
}

#[test]
fn severity_follows_what_it_is_unless_the_rule_says() {
    use AlertOn as On;
    let all = [
        (On::State(State::Down), Severity::Critical),
        (On::State(State::Partial), Severity::Error),
        (On::State(State::Degraded), Severity::Warning),
        (On::State(State::Unknown), Severity::Warning),
        (On::Trouble(Trouble::VantageOffline), Severity::Critical),
        (On::Trouble(Trouble::StoreFailing), Severity::Error),
        (On::Trouble(Trouble::StoreSetAside), Severity::Error),
        (On::Trouble(Trouble::BlockedKey), Severity::Error),
        (On::Trouble(Trouble::BudgetSpent), Severity::Warning),
        (On::Trouble(Trouble::Throttled), Severity::Warning),
        (On::Change(ChangeKind::ModelChanged), Severity::Warning),
        (On::Change(ChangeKind::ModelMismatch), Severity::Warning),
        (On::Change(ChangeKind::SnapshotChanged), Severity::Info),
        (On::Change(ChangeKind::FingerprintChanged), Severity::Info),
        (On::Change(ChangeKind::TokensDrifted), Severity::Info),
    ];
    assert_eq!(all.len(), On::all().count(), "every one is here");
    let mut said = rule("r", &ILL, &[]);
    for (on, expected) in all {
        said.severity = None;
        assert_eq!(gather::urgency(&said, on), expected, "{on:?}");
        said.severity = Some(Severity::Info);
        assert_eq!(gather::urgency(&said, on), Severity::Info, "{on:?}");
    }
}

#[test]
fn a_channel_hears_only_what_is_urgent_enough_for_it_and_then_the_end_too() {
    let mut alerts = alerts(&["phone", "log"], vec![rule("r", &ILL, &["phone", "log"])]);
    alerts.channels[0].min_severity = Severity::Critical;
    let mut stage = Stage::new(alerts, &["a/m"]);
    stage.fails("a/m", State::Partial);
    assert_eq!(
        stage.run(10),
        ["log firing error: a/m is partial: replies are cut"]
    );
    stage.fails("a/m", State::Down);
    assert_eq!(
        stage.run(10),
        [
            "phone firing critical: a/m is down: replies are cut",
            "log update critical: a/m is down: replies are cut"
        ]
    );
    assert_eq!(stage.ends("a/m").len(), 2);
}

#[test]
fn acknowledging_stops_reminders_until_it_gets_worse() {
    let mut alerts = alerts(&["one", "two"], vec![rule("r", &ILL, &["one", "two"])]);
    alerts.rules[0].remind = Some(Duration::from_secs(600));
    let mut stage = Stage::new(alerts, &["a/1", "a/2", "a/3"]);
    stage.fails("a/1", State::Partial);
    stage.fails("a/2", State::Partial);
    stage.run(10);
    assert_eq!(
        stage.policy.ack("incident-9", "ana", stage.now),
        Err(AckError::Unknown("incident-9".to_owned()))
    );
    assert_eq!(
        stage.policy.ack("incident-1", " \n", stage.now),
        Err(AckError::Nobody)
    );
    let told = stage.policy.ack("incident-1", "ana\u{7}\n", stage.now).unwrap();
    assert_eq!(
        brief(&told),
        [
            "one acknowledged error: a: 2 targets partial: replies are cut",
            "two acknowledged error: a: 2 targets partial: replies are cut"
        ]
    );
    assert_eq!(told[0].acknowledged_by.as_deref(), Some("ana"));
    let alarm = stage.policy.alarms().remove(0);
    assert_eq!(
        (alarm.phase, alarm.acknowledged_by.as_deref()),
        (Phase::Acknowledged, Some("ana"))
    );
    assert_eq!(
        stage.policy.ack(&alarm.id, "bob", stage.now),
        Ok(Vec::new()),
        "it is in hand already"
    );
    stage.restart();
    assert_eq!(stage.ends("a/2"), NOTHING, "less is no news for whoever is at it");
    assert_eq!(stage.run(3_600), NOTHING);
    stage.fails("a/3", State::Partial);
    assert_eq!(stage.run(1).len(), 2, "another target is");
    stage.fails("a/1", State::Down);
    assert_eq!(stage.run(1).len(), 2, "worse is");
    stage.ends("a/1");
    assert_eq!(stage.ends("a/3").len(), 2);
    stage.fails("a/1", State::Partial);
    let told = stage.pass(10);
    assert_eq!(told[0].acknowledged_by, None, "it ended with the alarm");
}

#[test]
fn own_network_lost_is_one_message_and_none_about_providers() {
    let mut stage = Stage::new(standard(), &["a/m", "b/m", "c/m"]);
    stage.fails("a/m", State::Down);
    stage.run(10);
    stage.network(Network::Offline);
    for id in ["a/m", "b/m", "c/m"] {
        stage.state(id, State::Unknown);
        stage.target(id).reason.code = "vantage_offline".into();
    }
    assert_eq!(
        stage.run(10),
        ["oncall firing critical: endturn: own network lost, nobody is watched"]
    );
    stage.fails("b/m", State::Down);
    assert_eq!(stage.run(3 * 3_600), NOTHING);
    // It is back: b fails, a does not any more, c was well throughout.
    stage.network(Network::Online);
    stage.recovers("c/m");
    let mut told = stage.ends("a/m");
    told.sort();
    assert_eq!(
        told,
        [
            "oncall firing critical: b/m is down: replies are cut",
            "oncall resolved critical: a/m is well again after 3 h",
            "oncall resolved critical: endturn: own network is back after 3 h",
        ]
    );
}

#[test]
fn what_still_fails_when_the_network_is_back_is_told_and_what_does_not_is_resolved() {
    let mut stage = Stage::new(standard(), &["a/m", "b/m"]);
    stage.fails("a/m", State::Down);
    stage.run(10);
    stage.network(Network::Offline);
    stage.run(30);
    stage.fails("b/m", State::Down);
    stage.recovers("a/m");
    stage.closes("a/m");
    assert_eq!(stage.run(60), NOTHING);
    stage.network(Network::Online);
    let mut told = stage.run(5);
    told.sort();
    assert_eq!(
        told,
        [
            "oncall firing critical: b/m is down: replies are cut",
            "oncall resolved critical: a/m is well again after 2 min"
        ]
    );
}

#[test]
fn without_a_rule_for_it_a_lost_network_is_silence() {
    let mut stage = Stage::new(alerts(&["c"], vec![rule("r", &ILL, &["c"])]), &["a/m"]);
    stage.network(Network::Offline);
    stage.fails("a/m", State::Down);
    assert_eq!(stage.run(3_600), NOTHING);
}

#[test]
fn troubles_of_our_own_are_told_and_flicker_is_one_alarm() {
    let mut stage = Stage::new(standard(), &["a/1", "a/2", "b/1"]);
    stage.health.head.store.state = StoreState::Failing;
    stage.health.head.store.detail = Some("disk full".to_owned());
    for id in ["a/1", "a/2"] {
        stage.state(id, State::Unknown);
        stage.target(id).routing.hint = Hint::Blocked;
        stage.target(id).reason.code = "self".into();
        stage.target(id).reason.text = "our credential is refused there".to_owned();
    }
    stage.target("b/1").flags = vec!["budget_spent".into()];
    let told = stage.pass(10);
    let mut lines = brief(&told);
    lines.sort();
    assert_eq!(
        lines,
        [
            "oncall firing error: a: our key is refused",
            "oncall firing error: endturn: history is not being kept",
            "oncall firing warning: endturn: today's budget is spent",
        ]
    );
    let text = |what: &str| {
        told.iter().find(|m| m.subjects[0].what == what).unwrap().subjects[0]
            .text
            .clone()
    };
    assert!(text("store_failing").contains("disk full"));
    assert!(text("budget_spent").contains("b/1"));
    assert_eq!(text("blocked_key"), "our credential is refused there");
    for state in [StoreState::Ok, StoreState::Failing, StoreState::Ok] {
        stage.health.head.store.state = state;
        assert_eq!(stage.run(59), NOTHING);
    }
    assert_eq!(
        stage.run(1),
        ["oncall resolved error: endturn: history is kept again after 2 min 8 s"]
    );
    stage.recovers("a/1");
    assert_eq!(stage.run(120), NOTHING, "the other one is still refused");
    stage.recovers("a/2");
    stage.target("b/1").flags.clear();
    let told = stage.run(300);
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn lost_history_is_told_once_and_ends_by_the_clock_or_with_the_next_start() {
    let lost = "oncall firing error: endturn: history is lost, its database was damaged";
    for (restarts, over) in [(false, "1 h"), (true, "1 min 30 s")] {
        let mut stage = Stage::new(standard(), &["a/m"]);
        // Also while our own network is lost.
        stage.network(Network::Offline);
        stage.configure(|alerts| alerts.rules[0].on = vec![AlertOn::Trouble(Trouble::StoreSetAside)]);
        stage.health.head.store.set_aside = Some(SetAside {
            at: stage.now.into(),
            file: "endturn.db.corrupt-7".to_owned(),
        });
        let told = stage.pass(90);
        assert_eq!(brief(&told), [lost]);
        assert!(told[0].subjects[0].text.contains("endturn.db.corrupt-7"));
        stage.restart();
        let mut rest = 3_510;
        if restarts {
            stage.health.head.store.set_aside = None;
            rest = 0;
        }
        assert_eq!(stage.run(rest), NOTHING, "told once");
        assert_eq!(stage.run(59), NOTHING);
        let end = format!("oncall resolved error: endturn: history has been kept anew for {over}");
        assert_eq!(stage.run(1), [end]);
        assert_eq!(stage.run(86_400), NOTHING);
        stage.restart();
        assert_eq!(stage.run(86_400), NOTHING, "nor after another start");
    }
}

#[test]
fn a_limited_key_is_told_where_a_rule_asks() {
    let on = [AlertOn::Trouble(Trouble::Throttled)];
    let mut stage = Stage::new(alerts(&["c"], vec![rule("r", &on, &["c"])]), &["a/m"]);
    stage.target("a/m").routing.hint = Hint::Throttle;
    assert_eq!(stage.run(10), ["c firing warning: a: our key is rate limited"]);
}

#[test]
fn unknown_is_told_where_a_rule_asks_and_a_start_is_not() {
    let on = [AlertOn::State(State::Unknown)];
    let mut stage = Stage::new(alerts(&["c"], vec![rule("r", &on, &["c"])]), &["a/m"]);
    stage.state("a/m", State::Unknown);
    assert_eq!(stage.target("a/m").reason.code, "starting");
    assert_eq!(stage.run(3_600), NOTHING);
    stage.target("a/m").reason.code = "stale".into();
    assert_eq!(
        stage.run(10),
        ["c firing warning: a/m is unknown: no fresh evidence"]
    );
    stage.target("a/m").reason.code = "starting".into();
    assert_eq!(stage.run(3_600), NOTHING, "a restart is no end");
    stage.recovers("a/m");
    assert_eq!(stage.run(59), NOTHING);
    assert_eq!(stage.run(1), ["c resolved warning: a/m: known again after 2 h"]);
}

#[test]
fn another_model_is_a_notice_of_its_own() {
    let on = [AlertOn::Change(ChangeKind::ModelChanged)];
    let mut stage = Stage::new(
        alerts(&["c"], vec![rule("r", &on, &["c"])]),
        &["a/1", "a/2", "b/1"],
    );
    let change = |target: &str, kind, at| Change {
        target: target.parse().unwrap(),
        at,
        kind,
        from: "gpt-5.2".to_owned(),
        to: "gpt-5.2-mini\u{1b}[31m".to_owned(),
    };
    let now = stage.now;
    stage.changes = vec![
        change("a/1", ChangeKind::ModelChanged, now),
        change("a/1", ChangeKind::TokensDrifted, now),
        change("b/1", ChangeKind::ModelChanged, now),
    ];
    assert_eq!(stage.run(3), NOTHING);
    stage.changes = vec![change("a/2", ChangeKind::ModelChanged, now)];
    stage.restart();
    let told = stage.pass(60);
    assert_eq!(
        brief(&told),
        [
            "c notice warning: a: 2 targets: another model answers",
            "c notice warning: b/1: gpt-5.2-mini [31m answers where gpt-5.2 answered before",
        ]
    );
    assert_eq!(stage.run(86_400), NOTHING);
}

#[test]
fn a_message_says_what_since_when_on_which_evidence_and_what_still_works() {
    let mut alerts = standard();
    alerts.public_url = Some("https://status.example.com/llm/".parse().unwrap());
    let mut stage = Stage::new(alerts, &["anthropic/claude", "openai/gpt"]);
    stage.fails("anthropic/claude", State::Down);
    stage.target("anthropic/claude").official = Some(crate::feed::v1::Official {
        state: State::Operational,
        at: START.into(),
        word: Some("operational".to_owned()),
        title: None,
        url: None,
    });
    stage.routes = vec![
        route("coding", &["anthropic/claude", "openai/gpt"], Some("openai/gpt")),
        route("only", &["anthropic/claude"], None),
        route("other", &["openai/gpt"], Some("openai/gpt")),
    ];
    let told = stage.pass(10);
    let message = &told[0];
    let subject = &message.subjects[0];
    assert_eq!(
        (
            subject.name.as_str(),
            subject.what.as_str(),
            subject.code.as_str()
        ),
        ("anthropic/claude", "down", "truncated")
    );
    assert_eq!(subject.since, START.minus(Duration::from_secs(20)).into());
    assert_eq!(message.started_at, subject.since);
    assert_eq!(subject.text, "7 of 12 replies ended before a stop reason in 60 s");
    assert_eq!(
        subject.evidence,
        "7 of 12 attempts failed in 5 min, 29 to 79 %; canary"
    );
    assert_eq!(subject.official.as_deref(), Some("operational"));
    assert_eq!(subject.incident.as_deref(), Some("incident-1"));
    assert_eq!(
        subject.link.as_deref(),
        Some("https://status.example.com/llm/incidents/incident-1")
    );
    assert_eq!(message.link, subject.link);
    assert_eq!(
        message.routes,
        ["coding: openai/gpt serves", "only: nobody can serve"]
    );
    assert_eq!(message.vantage, "fra-1");
}

/// A route as the feed shows it.
fn route(name: &str, targets: &[&str], serves: Option<&str>) -> crate::feed::route::Route {
    let candidates: Vec<_> = targets
        .iter()
        .map(|target| {
            serde_json::json!({
                "target": target, "eligible": serves == Some(*target), "share": 1.0,
                "why": {"code": "x", "text": "x"}, "hint": "allow", "state": "operational", "weight": 1.0,
                "ttft_p50_ms": null, "ttft_p95_ms": null, "ttft_n": 0, "usd_per_mtok": null, "retry_at": null,
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({
        "name": name, "decision": if serves.is_some() { "use" } else { "fail_closed" }, "target": serves,
        "reason": {"code": "x", "text": "x"}, "prefer": "order", "on_exhausted": "fail_closed",
        "max_ttft_ms": null, "same_key": true, "requires": [], "candidates": candidates,
    }))
    .unwrap()
}
