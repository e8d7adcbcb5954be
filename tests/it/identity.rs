//! Who answers: a change is told, kept and found again, and moves no state.

use std::time::Duration;

use endturn::{
    clock::{Clock, Timestamp},
    config::{Env, load_text},
    daemon::{Daemon, StorePlace},
    feed::Cause,
    health::{Change, ChangeKind, Effect, Engine, Setup, State, TargetSetup},
    simulate::FaultKind,
    store::{ChangeQuery, Options, Record, Store},
    verdict::{Observation, Source, Verdict},
};

use crate::{
    feed::{T0, hub, id, parts, view},
    support::live::{Providers, json, until},
};

const TARGET: &str = "openai/gpt-5.2";

fn setup() -> Setup {
    Setup {
        targets: vec![TargetSetup {
            id: id(TARGET),
            strict_terminal: true,
            interval: Some(Duration::from_secs(60)),
            long: false,
            long_interval: None,
            first_token_limit: Duration::from_secs(30),
            polite: true,
            reports_only: false,
        }],
        anchors: 0,
    }
}

fn canary(model: &str, at: Timestamp) -> Observation {
    let mut seen = Observation::new(id(TARGET), at, Source::Canary, Verdict::Complete);
    seen.served_model = Some(model.to_owned());
    seen.http_status = Some(200);
    seen
}

fn changes(effects: &[Effect]) -> Vec<&Change> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Change(change) => Some(change),
            _ => None,
        })
        .collect()
}

#[test]
fn another_model_is_an_event_and_no_outage_and_a_restart_tells_nothing_twice() {
    let mut engine = Engine::new(setup(), 1, T0);
    let at = |s: u64| T0.plus(Duration::from_secs(s));
    assert!(changes(&engine.observe(&canary("gpt-5.2", at(1)), at(1))).is_empty());
    let before = engine.view(at(1)).targets.remove(0);
    let effects = engine.observe(&canary("gpt-4o-mini", at(2)), at(2));
    let told = changes(&effects);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (
            told[0].kind,
            told[0].from.as_str(),
            told[0].to.as_str(),
            told[0].at
        ),
        (ChangeKind::ModelChanged, "gpt-5.2", "gpt-4o-mini", at(2))
    );
    let after = engine.view(at(2)).targets.remove(0);
    assert_eq!((after.state, after.routing), (before.state, before.routing));
    assert_eq!(after.served_model.as_deref(), Some("gpt-4o-mini"));
    assert_eq!((before.flags, after.flags), (vec![], vec!["model_changed"]));

    let saved = engine.save();
    let mut again = Engine::new(setup(), 2, at(10));
    again.restore(&saved, at(10)).unwrap();
    assert!(changes(&again.observe(&canary("gpt-4o-mini", at(11)), at(11))).is_empty());
    assert_eq!(again.view(at(11)).targets[0].flags, ["model_changed"]);
    // A state that was kept before there were changes is taken up too.
    let mut old: serde_json::Value = serde_json::from_str(&saved.blob).unwrap();
    old["targets"][0]
        .as_object_mut()
        .unwrap()
        .remove("served")
        .unwrap();
    let old = endturn::health::Saved {
        blob: old.to_string(),
    };
    assert_eq!(Engine::new(setup(), 3, at(20)).restore(&old, at(20)), Ok(()));
}

#[test]
fn a_change_is_an_event_of_the_feed() {
    let hub = hub();
    let change = Change {
        target: id(TARGET),
        at: T0,
        kind: ChangeKind::FingerprintChanged,
        from: "fp_a".to_owned(),
        to: "fp_b".to_owned(),
    };
    let view = view(T0, State::Operational);
    let event = hub
        .publish(
            &view,
            Cause::Change(&change),
            &endturn::feed::v1::StoreStatus::default(),
        )
        .unwrap();
    assert!(event.durable);
    let json: serde_json::Value = serde_json::from_slice(&event.json()).unwrap();
    assert_eq!(json["change"]["kind"], "fingerprint_changed");
    assert_eq!(
        json["change"]["text"],
        "served by configuration fp_b, before by fp_a"
    );
    let mut reader = hub.subscribe(Some(event.after), None).unwrap();
    let frame = futures_util::FutureExt::now_or_never(reader.next())
        .unwrap()
        .unwrap();
    assert_eq!(parts(&frame).1, "change");
}

#[test]
fn changes_are_kept_in_order_and_found_by_target_and_kind() {
    let clock = Clock::manual(T0);
    let (writer, reader) = Store::temporary(Options::default(), clock).unwrap();
    let change = |n: i64| Change {
        target: id(if n % 2 == 0 { TARGET } else { "a/b" }),
        at: T0.plus(Duration::from_secs(n as u64)),
        kind: ChangeKind::ALL[n as usize % 5],
        from: format!("from {n}"),
        to: format!("to {n}"),
    };
    let all: Vec<_> = (0..8).map(change).collect();
    for change in &all {
        writer.send(Record::Change(change.clone()));
    }
    assert!(writer.flush(Duration::from_secs(10)));
    let read = |target: Option<&str>, kind, limit, cursor| {
        let query = ChangeQuery {
            target: target.map(id),
            kind,
            limit,
            cursor,
        };
        reader.changes(&query).unwrap()
    };
    let newest: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(read(None, None, 100, None).items, newest);
    let page = read(None, None, 3, None);
    assert_eq!(page.items, newest[..3]);
    assert_eq!(read(None, None, 100, page.next).items, newest[3..]);
    assert_eq!(read(Some(TARGET), None, 100, None).items.len(), 4);
    assert_eq!(
        read(None, Some(ChangeKind::TokensDrifted), 100, None).items.len(),
        1
    );
    assert_eq!(read(Some("no/body"), None, 100, None).items, []);
}

#[tokio::test]
async fn the_daemon_tells_another_model_and_stays_operational() {
    let providers = Providers::start().await;
    let dir = tempfile::tempdir().unwrap();
    let entry = providers.entry("openai", "openai/v1", "\"gpt-5.2\"", "100ms");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n[network]\nanchors = []\n{entry}",
        dir.path().join("endturn.db").display()
    );
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        working_dir: dir.path().to_owned(),
        ..Env::default()
    };
    let config = load_text("test.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config;
    let daemon = Daemon::start(config, StorePlace::File, 7, Clock::system())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let addr = daemon.addr();
    let path = format!("/v1/health/{TARGET}");
    until("health", || async {
        Some(json(addr, &path).await).filter(|it| it["state"] == "operational")
    })
    .await;
    providers.fail("openai", FaultKind::WrongModel);
    let told = until("the change", || async {
        let list = json(addr, "/v1/changes?kind=model_changed").await;
        list["items"].get(0).cloned()
    })
    .await;
    assert_eq!(told["target"], TARGET);
    assert_eq!(told["from"], "gpt-5.2");
    let health = json(addr, &path).await;
    assert_eq!(health["state"], "operational");
    assert!(
        health["flags"]
            .as_array()
            .unwrap()
            .contains(&"model_changed".into()),
        "{health}"
    );
    assert_eq!(health["served_model"], told["to"]);
    assert_eq!(json(addr, "/v1/incidents").await["items"], serde_json::json!([]));
    daemon.stop().await;
}
