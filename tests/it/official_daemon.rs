//! Official status pages in the running daemon: beside our verdict, never part of it.

use std::{net::SocketAddr, path::Path, time::Duration};

use endturn::{
    clock::Clock,
    config::{Config, Env, load_text},
    feed::v1::{Health, TargetHealth},
    health::{Hint, State},
    simulate::{ComponentStatus, FaultKey, PageFault, PageState},
};
use serde_json::Value;

use crate::support::live::{Providers, Time, get, json, start, until};

const HAIKU: &str = "anthropic/claude-haiku-4-5";
const GPT: &str = "openai/gpt-5.2";

/// Two providers; the first one's status page is read ten times a second.
fn config(providers: &Providers, dir: &Path) -> Config {
    let page = format!(
        "official = {{ url = \"http://{}/anthropic/status/api/v2/summary.json\", format = \"statuspage\", components = \
         [\"anthropic api\"] }}\n",
        providers.addr
    );
    let entries = providers.usual().replacen("canary", &format!("{page}canary"), 1);
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n[network]\nanchors = []\n{entries}",
        dir.join("endturn.db").display()
    );
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        working_dir: dir.to_owned(),
        ..Env::default()
    };
    let loaded = load_text("test.toml", &text, &env).unwrap_or_else(|error| panic!("{error}"));
    let mut config = loaded.config;
    // A file can't ask for that: vendors' pages are read once a minute at most.
    config.official.every = Some(Duration::from_millis(100));
    config
}

async fn health(addr: SocketAddr) -> Health {
    serde_json::from_str(&get(addr, "/v1/health").await.1).unwrap()
}

fn of<'a>(health: &'a Health, target: &str) -> &'a TargetHealth {
    health
        .targets
        .iter()
        .find(|it| it.id.to_string() == target)
        .unwrap()
}

fn official(health: &Health, target: &str) -> Option<State> {
    of(health, target).official.as_ref().map(|said| said.state)
}

async fn until_health(addr: SocketAddr, what: &str, wanted: impl Fn(&Health) -> bool) -> Health {
    until(what, || async {
        Some(health(addr).await).filter(|it| wanted(it))
    })
    .await
}

fn outage(incident: &str) -> PageState {
    PageState {
        status: ComponentStatus::MajorOutage,
        incident: Some(incident.to_owned()),
        fault: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_an_official_outage_nor_an_all_clear_moves_our_verdict() {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let daemon = start(config(&providers, dir.path()), &Clock::system()).await;
    let addr = daemon.addr();
    let well = until_health(addr, "health and an official word", |it| {
        of(it, HAIKU).state == State::Operational && official(it, HAIKU) == Some(State::Operational)
    })
    .await;
    assert_eq!(
        official(&well, GPT),
        None,
        "its preset's page is not about the simulator"
    );
    let routing = of(&well, HAIKU).routing;
    assert_eq!(routing.hint, Hint::Allow);

    assert!(
        providers
            .pages
            .set("anthropic", outage("All models are down"), Clock::system().now())
    );
    let told = until_health(addr, "the official outage", |it| {
        official(it, HAIKU) == Some(State::Down)
    })
    .await;
    let said = of(&told, HAIKU).official.clone().unwrap();
    assert_eq!(
        (said.word.as_deref(), said.title.as_deref()),
        (Some("major_outage"), Some("All models are down"))
    );
    assert!(said.url.unwrap().starts_with("http://127.0.0.1:"));
    // Several readings and many canaries later nothing else has moved.
    let later = until_health(addr, "later readings", |it| {
        let said = of(it, HAIKU).official.as_ref();
        said.is_some_and(|later| later.at.0.since(said_at(&told)) > Duration::from_millis(500))
            && of(it, HAIKU).attempts > of(&told, HAIKU).attempts + 3
    })
    .await;
    for (now, before) in [(&told, &well), (&later, &well)] {
        let (now, before) = (of(now, HAIKU), of(before, HAIKU));
        assert_eq!(
            (
                now.state,
                now.since,
                now.routing,
                &now.reason.code,
                &now.incident,
                &now.flags
            ),
            (
                before.state,
                before.since,
                before.routing,
                &before.reason.code,
                &before.incident,
                &before.flags
            )
        );
    }
    assert_eq!(get(addr, &format!("/v1/up/{HAIKU}")).await.0, 200);

    // And the other way round: the page says that all is well, the replies say otherwise.
    providers.pages.clear("anthropic");
    until_health(addr, "the all-clear", |it| {
        official(it, HAIKU) == Some(State::Operational)
    })
    .await;
    providers.truncate("anthropic");
    let down = until_health(addr, "an outage", |it| of(it, HAIKU).state == State::Down).await;
    assert_eq!(official(&down, HAIKU), Some(State::Operational));
    assert_eq!(of(&down, HAIKU).routing.hint, Hint::Avoid);
    assert_eq!(get(addr, &format!("/v1/up/{HAIKU}")).await.0, 503);

    // A page that can't be understood says nothing, above all not that it is well.
    let garbage = PageState {
        fault: Some(PageFault::Garbage),
        ..PageState::default()
    };
    assert!(providers.pages.set("anthropic", garbage, Clock::system().now()));
    let lost = until_health(addr, "an unknown word", |it| {
        official(it, HAIKU) == Some(State::Unknown)
    })
    .await;
    assert_eq!(of(&lost, HAIKU).state, State::Down);
    daemon.stop().await;
}

fn said_at(health: &Health) -> endturn::clock::Timestamp {
    of(health, HAIKU).official.as_ref().unwrap().at.0
}

async fn incident(addr: SocketAddr, wanted: impl Fn(&Value) -> bool) -> Value {
    until("an incident as wanted", || async {
        let page = json(addr, &format!("/v1/incidents?target={HAIKU}")).await;
        page["items"].get(0).cloned().filter(|it| wanted(it))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_tells_how_much_later_the_official_page_spoke() {
    let (dir, providers, time) = (
        tempfile::tempdir().unwrap(),
        Providers::start().await,
        Time::new(),
    );
    let daemon = start(config(&providers, dir.path()), &time.clock).await;
    let addr = daemon.addr();
    until_health(addr, "health", |it| {
        of(it, HAIKU).state == State::Operational && official(it, HAIKU).is_some()
    })
    .await;
    providers.truncate("anthropic");
    until_health(addr, "an outage", |it| of(it, HAIKU).state == State::Down).await;
    time.clock.advance(Duration::from_secs(16));
    let silent = incident(addr, |it| it["open"] == true).await;
    assert_eq!(silent["lead_s"], Value::Null);

    let spoke = time.clock.now();
    assert!(providers.pages.set("anthropic", outage("Elevated errors"), spoke));
    let told = incident(addr, |it| !it["lead_s"].is_null()).await;
    assert_eq!(told["id"], silent["id"]);
    let lead = told["lead_s"].as_i64().unwrap();
    assert!((16..60).contains(&lead), "{told}");
    let words: Vec<&str> = told["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["kind"] == "official")
        .map(|entry| entry["text"].as_str().unwrap())
        .collect();
    assert_eq!(words, ["the official page spoke: Elevated errors"]);
    daemon.stop().await;

    // What was said stays said: after a restart, with the page gone, to the end of the incident.
    let gone = PageState {
        fault: Some(PageFault::Missing),
        ..PageState::default()
    };
    assert!(providers.pages.set("anthropic", gone, time.clock.now()));
    let daemon = start(config(&providers, dir.path()), &time.clock).await;
    let addr = daemon.addr();
    assert!(providers.faults.clear(&FaultKey::provider("anthropic")));
    until_health(addr, "recovery", |it| of(it, HAIKU).state == State::Operational).await;
    time.clock.advance(Duration::from_secs(61));
    let closed = incident(addr, |it| it["open"] == false).await;
    assert_eq!((&closed["id"], &closed["lead_s"]), (&told["id"], &told["lead_s"]));
    let kinds: Vec<&str> = closed["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds.iter().filter(|kind| **kind == "official").count(),
        1,
        "{kinds:?}"
    );
    assert_eq!(*kinds.last().unwrap(), "closed");
    daemon.stop().await;
}
