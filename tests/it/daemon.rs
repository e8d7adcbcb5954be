//! The whole daemon over loopback, with the simulator in the same process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use endturn::{
    clock::Clock,
    config::{Config, Env, load_text},
    daemon::{Daemon, StorePlace},
    feed::v1::{Health, StoreState, TargetHealth},
    health::{Network, State},
    probe::http_client,
    simulate::{FaultKey, FaultKind},
};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use crate::support::live::{PATIENCE, Providers, Time, get, json, start, stop, until};

const HAIKU: &str = "anthropic/claude-haiku-4-5";
const GPT: &str = "openai/gpt-5.2";

/// Where the store lies: in a directory that a first start has to make.
fn database(dir: &Path) -> PathBuf {
    dir.join("state/endturn.db")
}

fn config(entries: &str, dir: &Path) -> Config {
    let text = format!(
        "vantage = \"here\"\n[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n[network]\nanchors = []\n{entries}",
        database(dir).display()
    );
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        working_dir: dir.to_owned(),
        system_dir: PathBuf::new(),
        ..Env::default()
    };
    load_text("test.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

async fn health(addr: SocketAddr) -> Health {
    let (status, body) = get(addr, "/v1/health").await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn of<'a>(health: &'a Health, target: &str) -> &'a TargetHealth {
    let found = health.targets.iter().find(|it| it.id.to_string() == target);
    found.unwrap_or_else(|| panic!("{target} is not in the feed"))
}

async fn until_health(addr: SocketAddr, what: &str, wanted: impl Fn(&Health) -> bool) -> Health {
    until(what, || async {
        Some(health(addr).await).filter(|it| wanted(it))
    })
    .await
}

/// The feed's events over a real connection.
struct Events {
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl Events {
    async fn open(addr: SocketAddr) -> Self {
        let url = format!("http://{addr}/v1/events");
        Self {
            response: http_client().unwrap().get(url).send().await.unwrap(),
            buffer: Vec::new(),
        }
    }

    /// The next event: its name and payload; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let frame = String::from_utf8(frame).unwrap();
                let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
                if let (Some(event), Some(data)) = (field("event: "), field("data: ")) {
                    return Some((event.to_owned(), serde_json::from_str(data).unwrap()));
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk());
            // A connection that is cut is an end too.
            match chunk.await.expect("an event in time") {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_stream_is_told_while_others_stay_well() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    // Beside them one that takes every request and never answers.
    let hung = providers.entry("gemini", "gemini", "\"gemini-2.5-flash!hang\"", "100ms");
    let daemon = start(config(&(providers.usual() + &hung), dir.path()), &Clock::system()).await;
    let addr = daemon.addr();
    let well = |it: &Health| {
        [HAIKU, GPT]
            .iter()
            .all(|id| of(it, id).state == State::Operational)
    };
    let before = until_health(addr, "health", well).await;
    assert_eq!(of(&before, "gemini/gemini-2.5-flash!hang").state, State::Unknown);
    assert_eq!(
        (before.head.vantage.as_str(), before.head.network),
        ("here", Network::Online)
    );

    let mut events = Events::open(addr).await;
    let (first, snapshot) = events.next().await.unwrap();
    assert_eq!(
        (first.as_str(), snapshot["schema"].as_str()),
        ("snapshot", Some("endturn.health.v1"))
    );
    providers.truncate("anthropic");
    let transition = loop {
        let (name, data) = events.next().await.expect("an event");
        assert_ne!(name, "snapshot", "a reader that keeps up misses nothing");
        let found = data["transitions"].as_array().and_then(|all| {
            all.iter()
                .find(|it| it["to"] == "partial" || it["to"] == "down")
                .cloned()
        });
        if let Some(found) = found {
            // The event carries the state too, so that a reader needs nothing else.
            let target = data["targets"]
                .as_array()
                .unwrap()
                .iter()
                .find(|it| it["id"] == HAIKU);
            assert_eq!(target.unwrap()["reason"]["code"], "truncated");
            break found;
        }
    };
    assert_eq!(
        (&transition["target"], &transition["reason"]["code"]),
        (&HAIKU.into(), &"truncated".into())
    );
    assert_eq!(transition["routing"]["hint"], "avoid");
    assert!(
        transition["first_evidence_at"].as_str() <= transition["at"].as_str(),
        "{transition}"
    );

    let down = until_health(addr, "an outage", |it| of(it, HAIKU).state == State::Down).await;
    assert_eq!(of(&down, HAIKU).reason.code, "truncated");
    assert_eq!(of(&down, GPT).state, State::Operational);
    assert!(down.head.revision > before.head.revision);
    assert_eq!(get(addr, &format!("/v1/up/{HAIKU}")).await.0, 503);
    assert_eq!(get(addr, &format!("/v1/up/{GPT}")).await.0, 200);
    let kept = until("the last words before a cut", || async {
        let page = json(
            addr,
            &format!("/v1/observations?target={HAIKU}&verdict=truncated&limit=1"),
        )
        .await;
        page["items"].get(0).cloned()
    })
    .await;
    assert!(kept["tail"].as_str().unwrap().ends_with("ten"), "{kept}");

    assert!(providers.faults.clear(&FaultKey::provider("anthropic")));
    until_health(addr, "recovery", |it| of(it, HAIKU).state == State::Operational).await;
    stop(daemon).await;
    assert!(events.next().await.is_none() || drained(&mut events).await);
}

/// Reads what is left; true once the stream has ended.
async fn drained(events: &mut Events) -> bool {
    while events.next().await.is_some() {}
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_leaves_a_cut_target_comes_back_and_is_configured_anew() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let route = |name: &str, first: &str, second: &str| {
        let entry = format!("[[route]]\nname = \"{name}\"\ntargets = [\"{first}\", \"{second}\"]\n");
        config(&(providers.usual() + &entry), dir.path())
    };
    let daemon = start(route("chat", HAIKU, GPT), &Clock::system()).await;
    let addr = daemon.addr();
    let serves = async |name: &str, target: &str, code: &str| {
        until(&format!("{name} serves {target}, {code}"), || async {
            let (_, body) = get(addr, &format!("/v1/routes/{name}")).await;
            let route: Value = serde_json::from_str(&body).unwrap();
            (route["target"] == target && route["reason"]["code"] == code).then_some(route)
        })
        .await
    };
    until_health(addr, "health", |it| of(it, GPT).state == State::Operational).await;
    serves("chat", HAIKU, "preferred").await;
    providers.truncate("anthropic");
    // A suspicion is enough where somebody else is well; the verdict comes a moment later.
    serves("chat", GPT, "fallback").await;
    let reason = until("why", || async {
        let (_, body) = get(addr, "/v1/routes/chat").await;
        let route: Value = serde_json::from_str(&body).unwrap();
        (route["candidates"][1]["hint"] == "avoid").then(|| route["reason"]["text"].to_string())
    })
    .await;
    assert!(reason.contains("(truncated)"), "{reason}");
    // Another route, of the same daemon, without waiting for the next heartbeat.
    daemon.reload(route("talk", GPT, HAIKU)).await;
    serves("talk", GPT, "preferred").await;
    assert_eq!(get(addr, "/v1/routes/chat").await.0, 404);
    daemon.reload(route("chat", HAIKU, GPT)).await;
    assert!(providers.faults.clear(&FaultKey::provider("anthropic")));
    let ramp = until("a ramp", || async {
        let (_, body) = get(addr, "/v1/routes/chat").await;
        let route: Value = serde_json::from_str(&body).ok()?;
        let back = &route["candidates"][1];
        (back["why"]["code"] == "ramp").then(|| (route["target"].clone(), back["share"].clone()))
    })
    .await;
    assert_eq!(ramp, (GPT.into(), 0.05.into()), "it comes back by degrees");
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_file_costs_no_freshness() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let daemon = start(config(&providers.usual(), dir.path()), &Clock::system()).await;
    let addr = daemon.addr();
    until_health(addr, "health", |it| of(it, GPT).state == State::Operational).await;

    let other = rusqlite::Connection::open(database(dir.path())).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let locked = health(addr).await.head;
    providers.truncate("anthropic");
    // New evidence is told although nothing can be written.
    let told = until_health(addr, "an outage", |it| of(it, HAIKU).state == State::Down).await;
    assert!(told.head.revision > locked.revision);
    let failing = |it: &Health| it.head.store.state == StoreState::Failing;
    let failing = until_health(addr, "the store's failure", failing).await.head;
    assert_eq!(failing.store.detail.as_deref(), Some("database is locked"));
    let (status, ready) = get(addr, "/readyz").await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    assert_eq!(
        (status, &ready["status"]),
        (200, &"degraded".into()),
        "the feed can be believed: {ready}"
    );
    assert_eq!(ready["checks"]["store"]["detail"], "database is locked");
    let later = until_health(addr, "a later revision", |it| {
        it.head.revision > failing.revision + 1
    })
    .await;
    assert!(later.head.generated_at.0 > failing.generated_at.0);

    other.execute_batch("ROLLBACK").unwrap();
    until_health(addr, "the store", |it| it.head.store.state == StoreState::Ok).await;
    // What happened meanwhile is history now.
    let written = until("history", || async {
        let page = json(addr, "/v1/observations?verdict=truncated&limit=500").await;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let told = later.head.generated_at.0.to_rfc3339();
        items
            .into_iter()
            .find(|it| it["at"].as_str().is_some_and(|at| at < told.as_str()))
    })
    .await;
    assert_eq!(written["target"], HAIKU);
    assert_eq!(health(addr).await.head.store.dropped, 0);
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let (dir, providers, time) = (
        tempfile::tempdir().unwrap(),
        Providers::start().await,
        Time::new(),
    );
    let daemon = start(config(&providers.usual(), dir.path()), &time.clock).await;
    let addr = daemon.addr();
    until_health(addr, "health", |it| of(it, HAIKU).state == State::Operational).await;
    providers.truncate("anthropic");
    until_health(addr, "an outage", |it| of(it, HAIKU).state == State::Down).await;
    time.clock.advance(Duration::from_secs(16));
    let open = until_health(addr, "an incident", |it| of(it, HAIKU).incident.is_some()).await;
    assert_eq!(of(&open, GPT).state, State::Operational);
    let last = health(addr).await.head;
    stop(daemon).await;

    // An hour later nobody answers, so that nothing but what was kept can be told.
    for provider in ["anthropic", "openai"] {
        providers.fail(provider, FaultKind::Hang);
    }
    time.clock.advance(Duration::from_secs(3_600));
    let rare = providers.usual().replace("every = \"100ms\"", "every = \"60s\"");
    providers.log.clear();
    let daemon = start(config(&rare, dir.path()), &time.clock).await;
    let addr = daemon.addr();
    let first = health(addr).await;
    assert!(first.head.revision > last.revision, "revisions never go back");
    assert_eq!(first.head.instance, last.instance);
    assert_eq!(
        of(&first, HAIKU).incident,
        of(&open, HAIKU).incident,
        "an incident goes on under its id"
    );
    for target in [HAIKU, GPT] {
        let target = of(&first, target);
        assert_eq!(
            target.state,
            State::Unknown,
            "{}: what was known an hour ago is stale",
            target.id
        );
        assert_ne!(target.routing.weight, Some(1.0));
    }
    // A second of the schedule: nothing that was missed is made up for.
    let until_then = time.clock.now().plus(Duration::from_secs(1));
    until("a second", || async {
        (time.clock.now() > until_then).then_some(())
    })
    .await;
    let sent = providers.log.page(0).entries.len();
    assert!(sent <= 3, "{sent} probes in the first second after a restart");

    for provider in ["anthropic", "openai"] {
        providers.faults.clear(&FaultKey::provider(provider));
    }
    let kept = json(addr, "/v1/incidents?open=true").await;
    assert_eq!(
        kept["items"][0]["id"],
        of(&open, HAIKU).incident.clone().unwrap(),
        "{kept}"
    );
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_restart_keeps_what_is_fresh() {
    let (dir, providers, time) = (
        tempfile::tempdir().unwrap(),
        Providers::start().await,
        Time::new(),
    );
    let config = config(&providers.usual(), dir.path());
    let daemon = start(config.clone(), &time.clock).await;
    let well = |it: &Health| {
        [HAIKU, GPT]
            .iter()
            .all(|id| of(it, id).state == State::Operational)
    };
    until_health(daemon.addr(), "health", well).await;
    providers.truncate("anthropic");
    let down = |it: &Health| of(it, HAIKU).state == State::Down;
    let before = until_health(daemon.addr(), "an outage", down).await;
    stop(daemon).await;

    let daemon = start(config, &time.clock).await;
    let first = health(daemon.addr()).await;
    assert_eq!(
        (of(&first, HAIKU).state, of(&first, HAIKU).since),
        (State::Down, of(&before, HAIKU).since)
    );
    assert_eq!(of(&first, HAIKU).routing.hint, of(&before, HAIKU).routing.hint);
    assert_eq!(of(&first, GPT).state, State::Operational);
    stop(daemon).await;
}

/// Whether the probes and the report of a run are kept as seen from there, and which of all rows are not.
async fn seen_from(addr: SocketAddr, vantage: &str) -> Vec<Value> {
    let report = r#"{"target": "openai/gpt-5.2", "verdict": "truncated", "reporter": "it"}"#;
    let told = http_client().unwrap().post(format!("http://{addr}/v1/reports"));
    let told = told.header("content-type", "application/json").body(report);
    assert_eq!(told.send().await.unwrap().status(), 202);
    until(&format!("a probe and a report from {vantage}"), || async {
        let page = json(addr, "/v1/observations?limit=500").await;
        let items = page["items"].as_array().unwrap().iter();
        let (here, others): (Vec<Value>, _) = items.cloned().partition(|it| it["vantage"] == vantage);
        let has = |source: &str| here.iter().any(|it| it["source"] == source);
        (has("canary") && has("report")).then_some(others)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_seen_from_elsewhere_keeps_its_vantage() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let daemon = start(config(&providers.usual(), dir.path()), &Clock::system()).await;
    assert!(seen_from(daemon.addr(), "here").await.is_empty());
    stop(daemon).await;
    let mut moved = config(&providers.usual(), dir.path());
    "there".clone_into(&mut moved.vantage);
    let daemon = start(moved, &Clock::system()).await;
    let before = seen_from(daemon.addr(), "there").await;
    assert!(
        !before.is_empty() && before.iter().all(|it| it["vantage"] == "here"),
        "{before:?}"
    );
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_time_with_readers_and_probes_under_way() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    providers.fail("openai", FaultKind::Hang);
    let daemon = start(config(&providers.usual(), dir.path()), &Clock::system()).await;
    let addr = daemon.addr();
    until_health(addr, "health", |it| of(it, HAIKU).state == State::Operational).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        let mut events = Events::open(addr).await;
        assert_eq!(events.next().await.unwrap().0, "snapshot");
        readers.push(events);
    }
    let poll = tokio::spawn(async move {
        let revision = health(addr).await.head.revision;
        get(addr, &format!("/v1/health?since={revision}&wait=60s")).await
    });
    // Somebody who never finishes his question.
    let mut rude = tokio::net::TcpStream::connect(addr).await.unwrap();
    rude.write_all(b"GET /v1/health HTTP/1.1\r\nhost: lo")
        .await
        .unwrap();
    stop(daemon).await;
    for events in &mut readers {
        assert!(drained(events).await);
    }
    // Answered or cut, but over.
    let _ = tokio::time::timeout(PATIENCE, poll).await.expect("an end");
    // Everything was written: the file opens, and nobody holds it.
    let kept = rusqlite::Connection::open(database(dir.path())).unwrap();
    kept.execute_batch("BEGIN EXCLUSIVE; ROLLBACK").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_and_a_store_that_cannot_be_had_are_told() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let mut taken = config(&providers.usual(), dir.path());
    taken.server.listen = providers.addr;
    let error = Daemon::start(taken, StorePlace::File, 7, Clock::system())
        .await
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.contains(&providers.addr.to_string()) && text.contains("help: "),
        "{text}"
    );
    let mut nowhere = config(&providers.usual(), dir.path());
    std::fs::write(dir.path().join("file"), "").unwrap();
    nowhere.store.path = dir.path().join("file/endturn.db");
    let error = Daemon::start(nowhere, StorePlace::File, 7, Clock::system())
        .await
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.starts_with("the store ") && text.contains("file/endturn.db") && text.contains("help: "),
        "{text}"
    );
    // One that is merely missing is made, as on the first run.
    let mut fresh = config(&providers.usual(), dir.path());
    fresh.store.path = dir.path().join("state/endturn/endturn.db");
    let path = fresh.store.path.clone();
    stop(start(fresh, &Clock::system()).await).await;
    assert!(path.exists());
}
