//! Pauses, maintenance and overrides over HTTP, with the whole daemon and the simulator behind it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use endturn::{
    api::{Control, ControlError, MAX_ORDER_BYTES, ReloadError, Reloaded},
    clock::Clock,
    config::{Config, Env, load_text},
    daemon::{Daemon, StorePlace},
    feed::declared::DeclaredBoard,
    health::{Declaration, Declared, DeclaredKind, Declares, Scope},
    id::TargetId,
    probe::{ProbeKind, http_client},
    simulate::FaultKind,
    verdict::{Observation, Source, Verdict},
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::{
    feed::T0,
    support::live::{PATIENCE, Providers, Time, get, json, until},
};

const HAIKU: &str = "anthropic/claude-haiku-4-5";
const GPT: &str = "openai/gpt-5.2";

/// Does whatever it is told, without a daemon behind it: for tests of what is answered.
#[derive(Default)]
pub(crate) struct Obedient(AtomicUsize);

/// A declaration of ana's that goes on until an hour from then.
fn declared() -> Declaration {
    Declaration {
        id: "3fa9c1d2".to_owned(),
        what: Declares::Maintenance,
        targets: Scope::new(["openai"]).unwrap(),
        from: T0,
        until: T0.plus(Duration::from_secs(3_600)),
        by: "ana".to_owned(),
        why: String::new(),
        planned: false,
    }
}

/// The list that holds it.
pub(crate) fn noticed() -> Arc<DeclaredBoard> {
    let (board, mut list) = (DeclaredBoard::default(), Declared::default());
    list.plan(vec![declared()]);
    board.set(&list);
    Arc::new(board)
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ControlError>>;

impl Control for Obedient {
    fn declare(&self, wanted: Declaration) -> Answer<'_, Arc<Declaration>> {
        let full = ControlError::Conflict("256 declarations are not over yet".to_owned());
        let taken = if wanted.by == "full" {
            Err(full)
        } else {
            Ok(Arc::new(wanted))
        };
        Box::pin(async { taken })
    }

    fn end(&self, kind: DeclaredKind, id: String, _: String) -> Answer<'_, Arc<Declaration>> {
        let one = declared();
        let none = ControlError::Unknown(format!("no {kind} {id:?}"));
        let ended = if id == one.id {
            Ok(Arc::new(one))
        } else {
            Err(none)
        };
        Box::pin(async { ended })
    }

    fn probe(&self, target: TargetId, kind: ProbeKind) -> Answer<'_, Observation> {
        let none = ControlError::Unknown(format!("no target {target} is configured"));
        let seen = match kind {
            _ if target.provider().as_str() == "no" => Err(none),
            ProbeKind::Reach => Err(ControlError::Spent {
                why: "the budget is spent".to_owned(),
                until: T0,
            }),
            _ => Ok(Observation::new(target, T0, Source::Canary, Verdict::Complete)),
        };
        Box::pin(async { seen })
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, ReloadError>> {
        let done = match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Reloaded {
                targets: 3,
                warnings: vec!["w".to_owned()],
                restart: vec!["server"],
            }),
            1 => Err(ReloadError::Wrong {
                text: "error: unknown key".to_owned(),
                findings: json!({"ok": false, "errors": []}),
            }),
            _ => Err(ReloadError::Unavailable("not now".to_owned())),
        };
        Box::pin(async { done })
    }
}

fn config(entries: &str) -> Config {
    let text =
        format!("vantage = \"here\"\n[server]\nlisten = \"127.0.0.1:0\"\n[network]\nanchors = []\n{entries}");
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        working_dir: std::env::temp_dir(),
        system_dir: PathBuf::new(),
        ..Env::default()
    };
    load_text("test.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

async fn start(entries: &str, clock: &Clock) -> Daemon {
    let started = Daemon::start(config(entries), StorePlace::Temporary, 7, clock.clone()).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// What is answered to a body of that kind.
async fn sent(
    addr: SocketAddr,
    method: &str,
    path: &str,
    kind: &str,
    body: impl Into<String>,
) -> (u16, Value) {
    let url = format!("http://{addr}{path}");
    let request = http_client().unwrap().request(method.parse().unwrap(), url);
    let request = request.header("content-type", kind).body(body.into());
    let asked = async {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap())
    };
    let (status, body) = tokio::time::timeout(PATIENCE, asked).await.expect("an answer");
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn post(addr: SocketAddr, path: &str, body: Value) -> (u16, Value) {
    sent(addr, "POST", path, "application/json", body.to_string()).await
}

async fn delete(addr: SocketAddr, path: &str) -> (u16, Value) {
    let url = format!("http://{addr}{path}");
    let response = http_client().unwrap().delete(url).send().await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default(),
    )
}

async fn target(addr: SocketAddr, id: &str) -> Value {
    json(addr, &format!("/v1/health/{id}")).await
}

async fn until_state(addr: SocketAddr, id: &str, state: &str) -> Value {
    until(&format!("{id} {state}"), || async {
        Some(target(addr, id).await).filter(|it| it["state"] == state)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_is_in_the_feed_when_it_is_answered_and_over_when_it_is_ended() {
    let providers = Providers::start().await;
    let daemon = start(&providers.usual(), &Clock::system()).await;
    let addr = daemon.addr();
    for id in [HAIKU, GPT] {
        until_state(addr, id, "operational").await;
    }
    let order = json!({"targets": ["anthropic"], "for": "1h", "why": "<i>credit</i>", "by": "ana"});
    let (status, paused) = post(addr, "/v1/admin/pause", order).await;
    assert_eq!(status, 201, "{paused}");
    assert_eq!(
        (&paused["kind"], &paused["means"], &paused["active"]),
        (&"pause".into(), &json!([HAIKU]), &true.into())
    );
    let seen = target(addr, HAIKU).await;
    assert_eq!(
        (&seen["state"], &seen["reason"]["code"]),
        (&"unknown".into(), &"paused".into())
    );
    assert_eq!(seen["routing"]["hint"], "no_opinion");
    assert_eq!(seen["flags"], json!(["paused"]));
    assert_eq!(seen["declared"][0]["id"], paused["id"]);
    assert_eq!(seen["declared"][0]["until"], paused["until"]);
    // What was under way when it began may end; after that nothing is asked.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = |providers: &Providers| {
        let entries = providers.log.page(0).entries;
        entries
            .iter()
            .filter(|entry| entry.provider == "anthropic")
            .count()
    };
    let before = asked(&providers);
    let revision = json(addr, "/v1/health").await["revision"].as_u64().unwrap();
    until("two more revisions", || async {
        (json(addr, "/v1/health").await["revision"].as_u64().unwrap() > revision + 1).then_some(())
    })
    .await;
    assert_eq!(asked(&providers), before);

    let (status, work) = post(
        addr,
        "/v1/admin/maintenance",
        json!({"targets": ["*"], "for": "1h"}),
    )
    .await;
    assert_eq!((status, &work["by"]), (201, &"somebody".into()));
    for id in [HAIKU, GPT] {
        let seen = target(addr, id).await;
        assert_eq!(
            (&seen["state"], &seen["routing"]["hint"]),
            (&"maintenance".into(), &"avoid".into()),
            "{id}"
        );
        assert_eq!(get(addr, &format!("/v1/up/{id}")).await.0, 503);
    }
    let order = json!({"targets": [GPT], "for": "1h", "hint": "allow"});
    let (_, forced) = post(addr, "/v1/admin/override", order).await;
    let seen = target(addr, GPT).await;
    assert_eq!(
        (&seen["state"], &seen["routing"]["hint"]),
        (&"maintenance".into(), &"allow".into())
    );
    assert_eq!(get(addr, &format!("/v1/up/{GPT}")).await.0, 200);

    let list = json(addr, "/v1/declared").await;
    let kinds: Vec<&str> = list["declared"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["pause", "maintenance", "override"]);
    let summary = json(addr, "/api/v2/summary.json").await;
    assert_eq!(summary["scheduled_maintenances"][0]["status"], "in_progress");
    assert_eq!(
        summary["scheduled_maintenances"][0]["scheduled_until"],
        work["until"]
    );
    let (_, page) = get(addr, "/").await;
    for part in [
        "Declared",
        "Paused",
        "Maintenance",
        "Overridden: use it",
        "&#60;i&#62;credit&#60;/i&#62;",
    ] {
        assert!(page.contains(part), "{part} is not on the page");
    }

    for (kind, one) in [("override", &forced), ("maintenance", &work), ("pause", &paused)] {
        let path = format!("/v1/admin/{kind}/{}", one["id"].as_str().unwrap());
        let other = if kind == "pause" { "override" } else { "pause" };
        assert_eq!(
            delete(addr, &path.replace(kind, other)).await.0,
            404,
            "another kind"
        );
        assert_eq!(delete(addr, &path).await.0, 200);
        assert_eq!(delete(addr, &path).await.0, 404, "it is over");
    }
    for id in [HAIKU, GPT] {
        let seen = until_state(addr, id, "operational").await;
        assert_eq!((&seen["declared"], &seen["flags"]), (&json!([]), &json!([])));
    }
    assert_eq!(json(addr, "/v1/declared").await["declared"], json!([]));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_in_a_window_is_nobodys_incident_and_the_window_ends_by_the_clock() {
    let (providers, time) = (Providers::start().await, Time::new());
    let daemon = start(&providers.usual(), &time.clock).await;
    let addr = daemon.addr();
    until_state(addr, HAIKU, "operational").await;
    let order = json!({"targets": ["anthropic"], "for": "10m", "why": "announced"});
    assert_eq!(post(addr, "/v1/admin/maintenance", order).await.0, 201);
    providers.fail("anthropic", FaultKind::Hang);
    let soon = time.clock.now().plus(Duration::from_secs(1_800)).to_rfc3339();
    let order = json!({"targets": ["openai"], "from": soon, "for": "10m"});
    let (_, later) = post(addr, "/v1/admin/maintenance", order).await;
    assert_eq!(
        (later["active"].clone(), later["from"].as_str().unwrap()),
        (false.into(), soon.as_str())
    );
    let upcoming = json(addr, "/api/v2/scheduled-maintenances/upcoming.json").await;
    assert_eq!(upcoming["scheduled_maintenances"][0]["status"], "scheduled");
    assert_eq!(target(addr, GPT).await["state"], "operational");
    providers.truncate("anthropic");
    time.clock.advance(Duration::from_secs(60));
    until_state(addr, HAIKU, "maintenance").await;
    assert_eq!(json(addr, "/v1/incidents").await["items"], json!([]));
    // A minute at a time, so that nobody takes it for a suspended machine.
    for _ in 0..10 {
        time.clock.advance(Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    until("the end of the window", || async {
        let seen = target(addr, HAIKU).await;
        (seen["state"] != "maintenance").then_some(())
    })
    .await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_make_no_sense_change_nothing_and_are_told_why() {
    let providers = Providers::start().await;
    let daemon = start(&providers.usual(), &Clock::system()).await;
    let addr = daemon.addr();
    let all = json!(["*"]);
    for (path, body, status, detail) in [
        ("pause", json!({"targets": all}), 422, "it has no end"),
        (
            "pause",
            json!({"targets": all, "for": "1h", "until": "2026-11-22T12:00:00Z"}),
            422,
            "for or until, not both",
        ),
        (
            "pause",
            json!({"targets": all, "for": "soon"}),
            422,
            "is no length of time",
        ),
        (
            "pause",
            json!({"targets": all, "for": "32d"}),
            422,
            "it would last",
        ),
        (
            "pause",
            json!({"targets": all, "until": "2020-01-01T00:00:00Z"}),
            422,
            "it would last 0s",
        ),
        (
            "pause",
            json!({"targets": all, "for": "1h", "hint": "avoid"}),
            422,
            "a pause takes no hint",
        ),
        (
            "pause",
            json!({"targets": [], "for": "1h"}),
            422,
            "no target is named",
        ),
        (
            "pause",
            json!({"targets": ["a b"], "for": "1h"}),
            422,
            "pattern \"a b\" holds ' '",
        ),
        (
            "pause",
            json!({"targets": ["nobody"], "for": "1h"}),
            422,
            "no target that is watched is called \"nobody\"",
        ),
        (
            "pause",
            json!({"targets": all, "for": "1h", "url": "http://x"}),
            422,
            "unknown field `url`",
        ),
        (
            "pause",
            json!({"targets": all, "for": "1h", "by": "b".repeat(65)}),
            422,
            "by has 65 bytes",
        ),
        (
            "pause",
            json!({"targets": all, "for": "1h", "why": "a\nb"}),
            422,
            "control characters",
        ),
        ("pause", json!({"targets": "*", "for": "1h"}), 422, "invalid type"),
        (
            "override",
            json!({"targets": all, "for": "1h"}),
            422,
            "an override needs a hint",
        ),
        (
            "override",
            json!({"targets": all, "for": "1h", "hint": "ramp"}),
            422,
            "use allow or avoid",
        ),
        (
            "maintenance",
            json!({"targets": all, "for": "1h", "from": "2040-01-01T00:00:00Z"}),
            422,
            "begin more than",
        ),
        (
            "maintenance",
            json!({"targets": all, "for": "1h", "from": "tomorrow"}),
            422,
            "not an RFC 3339 time",
        ),
        (
            "probe/anthropic/claude-haiku-4-5",
            json!({"kind": "deep"}),
            422,
            "use one of reach, canary, long, json, tool",
        ),
        (
            "probe/anthropic/nobody",
            json!({}),
            404,
            "no target anthropic/nobody is configured",
        ),
        ("probe/nobody", json!({}), 400, ""),
        (
            "pause?x=1",
            json!({"targets": all, "for": "1h"}),
            400,
            "takes no parameters",
        ),
    ] {
        let (got, problem) = post(addr, &format!("/v1/admin/{path}"), body.clone()).await;
        assert_eq!(got, status, "{path} {body}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(detail),
            "{path} {body}: {problem}"
        );
    }
    let path = "/v1/admin/pause";
    let order = json!({"targets": ["*"], "for": "1h"}).to_string();
    for (kind, body, status) in [
        ("text/plain", order.clone(), 415),
        ("application/json", "{".to_owned(), 400),
        ("application/json", "x".repeat(MAX_ORDER_BYTES + 1), 413),
        (
            "application/json",
            format!("{order}{}", " ".repeat(MAX_ORDER_BYTES + 1 - order.len())),
            413,
        ),
    ] {
        let (got, problem) = sent(addr, "POST", path, kind, body).await;
        assert_eq!(got, status, "{kind}: {problem}");
    }
    assert_eq!(json(addr, "/v1/declared").await["declared"], json!([]));
    // At the limit it is read.
    let full = format!("{order}{}", " ".repeat(MAX_ORDER_BYTES - order.len()));
    assert_eq!(sent(addr, "POST", path, "application/json", full).await.0, 201);
    // Nobody reads configurations here.
    let (status, problem) = sent(addr, "POST", "/v1/admin/reload", "application/json", "").await;
    assert_eq!(status, 503, "{problem}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_by_hand_is_answered_with_its_waterfall_one_at_a_time() {
    let providers = Providers::start().await;
    let rare = providers.usual().replace("every = \"100ms\"", "every = \"1h\"");
    let daemon = start(&rare, &Clock::system()).await;
    let addr = daemon.addr();
    assert_eq!(
        post(
            addr,
            "/v1/admin/pause",
            json!({"targets": ["anthropic"], "for": "1h"})
        )
        .await
        .0,
        201
    );
    let path = format!("/v1/admin/probe/{HAIKU}");
    let (status, seen) = post(addr, &path, json!({"kind": "canary"})).await;
    assert_eq!((status, &seen["verdict"]), (200, &"complete".into()), "{seen}");
    assert_eq!(
        (&seen["purpose"], &seen["target"], &seen["vantage"]),
        (&"manual".into(), &HAIKU.into(), &"here".into())
    );
    assert!(seen["phases_ms"]["first_token"].is_number(), "{seen}");
    // It counts as any other.
    until("it is in the feed", || async {
        (target(addr, HAIKU).await["attempts"] == 1).then_some(())
    })
    .await;
    providers.fail("anthropic", FaultKind::Hang);
    // Whichever comes second is refused while the first is under way.
    let (status, problem) = tokio::select! {
        answer = post(addr, &path, json!({})) => answer,
        answer = post(addr, &path, json!({})) => answer,
    };
    assert_eq!(status, 409, "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().contains("under way"),
        "{problem}"
    );
    daemon.stop().await;
}
