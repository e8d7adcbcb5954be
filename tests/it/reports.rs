//! Real outcomes over HTTP: to the hall, and to the feed of a whole daemon.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;

use std::{io::Write, net::SocketAddr, path::Path, path::PathBuf};

use endturn::{
    api::{MAX_BODIES, MAX_REPORTS_BYTES},
    clock::Clock,
    config::{Config, Env, load_text},
    daemon::Daemon,
    intake::MAX_ITEMS,
    probe::http_client,
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::live::{PATIENCE, Providers, get, json as ask, start, until};

pub(crate) const TOKEN: &str = "marked-token-0123456789";

pub(crate) fn config(head: &str, entries: &str, dir: &Path) -> Config {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n{head}\n[store]\npath = \"{}\"\n[network]\nanchors = []\n{entries}",
        dir.join("endturn.db").display()
    );
    let vars = [("KEY", "k"), ("TOKEN", TOKEN)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = Env {
        vars: vars.into(),
        working_dir: dir.to_owned(),
        system_dir: PathBuf::new(),
        ..Env::default()
    };
    load_text("test.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

fn post(addr: SocketAddr, kind: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    let url = format!("http://{addr}/v1/reports");
    http_client()
        .unwrap()
        .post(url)
        .header("content-type", kind)
        .body(body)
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_str(&response.text().await.unwrap()).unwrap(),
    )
}

async fn told(addr: SocketAddr, body: Value) -> (u16, Value) {
    answer(post(addr, "application/json", body.to_string())).await
}

fn cut(target: &str, n: usize) -> Value {
    json!({"id": format!("req-{n}"), "target": target, "verdict": "truncated", "reporter": "it", "http_status": 200})
}

async fn target(addr: SocketAddr, id: &str) -> Option<Value> {
    let (status, text) = get(addr, &format!("/v1/health/{id}")).await;
    (status == 200).then(|| serde_json::from_str(&text).unwrap())
}

/// A provider whose target is probed once a minute.
pub(crate) async fn world(head: &str) -> (tempfile::TempDir, Providers, Daemon) {
    let (dir, providers) = (tempfile::tempdir().unwrap(), Providers::start().await);
    let entry = providers.entry("openai", "openai/v1", "\"gpt-5.2\"", "60s");
    let daemon = start(config(head, &entry, dir.path()), &Clock::system()).await;
    (dir, providers, daemon)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_taken_item_by_item_and_each_counts_once() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let wrong = json!({"target": "openai/gpt-5.2", "verdict": "fine"});
    let (status, receipt) = told(
        addr,
        json!([cut("openai/gpt-5.2", 1), wrong, cut("openai/gpt-5.2", 1)]),
    )
    .await;
    assert_eq!(
        (status, &receipt["accepted"], &receipt["duplicates"]),
        (202, &json!(1), &json!(1))
    );
    assert_eq!(receipt["rejected"][0]["index"], 1);
    assert!(
        receipt["rejected"][0]["reason"]
            .as_str()
            .unwrap()
            .contains("fine")
    );
    // One object, lines, and the same lines packed.
    assert_eq!(told(addr, cut("openai/gpt-5.2", 2)).await.1["accepted"], 1);
    let lines = format!("{}\n{}\n", cut("openai/gpt-5.2", 2), cut("openai/gpt-5.2", 3));
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(lines.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let request =
        post(addr, "application/x-ndjson; charset=utf-8", packed).header("content-encoding", "gzip");
    let (status, receipt) = answer(request).await;
    assert_eq!(
        (status, &receipt["accepted"], &receipt["duplicates"]),
        (202, &json!(1), &json!(1))
    );
    let reporters = ask(addr, "/v1/reporters").await;
    let own = &reporters["reporters"][0];
    assert_eq!(
        (&own["name"], &own["accepted"], &own["duplicates"], &own["failed"]),
        (&json!("it"), &json!(3), &json!(2), &json!(3))
    );
    assert_eq!(reporters["reporters"][1]["rejected"], 1);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_body_of_reports_is_refused_with_a_reason() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let good = cut("openai/gpt-5.2", 1).to_string();
    let many = format!("[{}]", vec!["{}"; MAX_ITEMS + 1].join(","));
    let long = format!("{good}{}", " ".repeat(MAX_REPORTS_BYTES + 1 - good.len()));
    for (kind, body, status, part) in [
        ("text/plain", good.clone(), 415, "application/x-ndjson"),
        (
            "application/x-www-form-urlencoded",
            good.clone(),
            415,
            "application/json",
        ),
        ("application/json", "{".to_owned(), 400, "no JSON"),
        (
            "application/json",
            "7".to_owned(),
            400,
            "neither a report nor an array",
        ),
        ("application/json", many, 400, "more than 10000 reports"),
    ] {
        let (got, problem) = answer(post(addr, kind, body)).await;
        assert_eq!(got, status, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    // Beyond the limit nothing of it is read, at the limit all of it.
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST /v1/reports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        MAX_REPORTS_BYTES + 1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    let (status, _) = answer(post(
        addr,
        "application/json",
        long[..MAX_REPORTS_BYTES].to_owned(),
    ))
    .await;
    assert_eq!(status, 202);
    let (status, _) = answer(post(addr, "application/json", "[]")).await;
    assert_eq!(status, 202);
    daemon.stop().await;
}

/// Evidence of a target that nobody configured reaches a follower of events as a state, and a restart knows it.
#[tokio::test(flavor = "multi_thread")]
async fn reports_move_the_feed_and_a_restart_remembers_their_targets() {
    let (dir, providers, daemon) = world("").await;
    let addr = daemon.addr();
    for n in 0..40 {
        let whole = json!({"target": "new/model", "verdict": "complete", "ttft_ms": 300, "e2e_ms": 900, "id": n.to_string()});
        assert_eq!(told(addr, whole).await.0, 202);
    }
    until("a state", || async {
        target(addr, "new/model")
            .await
            .filter(|it| it["state"] == "operational")
    })
    .await;
    let url = format!("http://{addr}/v1/events?targets=new/*");
    let mut events = http_client().unwrap().get(url).send().await.unwrap();
    // Ten a second: what comes in one instant convicts nobody.
    let pace = tokio::spawn(async move {
        let mut every = tokio::time::interval(std::time::Duration::from_millis(100));
        for n in 100..130 {
            every.tick().await;
            assert_eq!(told(addr, cut("new/model", n)).await.1["accepted"], 1);
        }
    });
    let told = async {
        let mut seen = String::new();
        while !seen.contains("\"to\":\"down\"") && !seen.contains("\"to\":\"partial\"") {
            let chunk = events.chunk().await.unwrap().expect("no end");
            seen.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    told.expect("a transition");
    pace.await.unwrap();
    let told_of = target(addr, "new/model").await.unwrap();
    assert_eq!(told_of["reason"]["code"], "truncated");
    assert_eq!(told_of["reason"]["sources"], json!(["report"]));
    assert!(
        told_of["flags"]
            .as_array()
            .unwrap()
            .contains(&json!("reports_only"))
    );
    let failures = until("all of them in the store", || async {
        let failures = ask(addr, "/v1/observations?target=new/model&verdict=truncated").await;
        (failures["items"].as_array().unwrap().len() == 30).then_some(failures)
    })
    .await;
    assert_eq!(failures["items"][0]["reporter"], "it");
    let evidence = ask(addr, "/v1/evidence/new/model").await;
    assert_eq!(evidence["sources"][0]["source"], "report");
    assert_eq!(
        (
            &evidence["sources"][0]["attempts"],
            &evidence["sources"][0]["truncated"]
        ),
        (&json!(70), &json!(30))
    );
    let own = evidence["reporters"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["value"] == "it");
    assert_eq!(own.unwrap()["truncated"], 30);
    assert_eq!(evidence["disagreement"], Value::Null);
    let (status, page) = get(addr, "/targets/new/model").await;
    assert!(
        status == 200 && page.contains("Whose word this is") && page.contains("not configured"),
        "{status}"
    );
    daemon.stop().await;
    let entry = providers.entry("openai", "openai/v1", "\"gpt-5.2\"", "60s");
    let again = start(config("", &entry, dir.path()), &Clock::system()).await;
    let kept = target(again.addr(), "new/model")
        .await
        .expect("the target of before");
    assert_eq!(kept["routing"]["hint"], told_of["routing"]["hint"]);
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_tokens_a_report_needs_one() {
    let head = "[[server.token]]\nname = \"guest\"\ntoken = { env = \"TOKEN\" }\nscopes = [\"report\"]\ntrust = \"corroborate\"\n";
    let (_dir, _providers, daemon) = world(head).await;
    let addr = daemon.addr();
    let bodies: Vec<Value> = (0..50).map(|n| cut("new/model", n)).collect();
    let body = json!(bodies).to_string();
    let request = || post(addr, "application/json", body.clone());
    let (status, problem) = answer(request()).await;
    assert_eq!(
        (status, &problem["type"]),
        (401, &json!("urn:endturn:problem:unauthorized"))
    );
    assert_eq!(
        answer(request().bearer_auth("marked-token-9876543210")).await.0,
        401
    );
    let (status, receipt) = answer(request().bearer_auth(TOKEN)).await;
    assert_eq!((status, &receipt["accepted"]), (202, &json!(50)));
    let found = until("the target", || target(addr, "new/model")).await;
    assert!(
        !["down", "partial", "degraded"].contains(&found["state"].as_str().unwrap()),
        "{found}"
    );
    assert_ne!(found["routing"]["hint"], "avoid");
    daemon.stop().await;
}

/// Clients that trickle hold their turns and nothing else; whoever comes beyond is told when to come again.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_trickle_take_turns_and_the_feed_goes_on() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let mut slow = Vec::new();
    for _ in 0..MAX_BODIES {
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let head = "POST /v1/reports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                    content-length: 4000000\r\n\r\n[";
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let (status, problem) = until("no turn left", || async {
        let (status, problem) = told(addr, json!([])).await;
        (status == 503).then_some((status, problem))
    })
    .await;
    assert_eq!(
        (status, &problem["type"]),
        (503, &json!("urn:endturn:problem:unavailable"))
    );
    let before = ask(addr, "/v1/health").await["revision"].as_u64().unwrap();
    until("a fresh feed", || async {
        let revision = ask(addr, "/v1/health").await["revision"].as_u64().unwrap();
        (revision > before).then_some(())
    })
    .await;
    // One that breaks off gives its turn back.
    drop(slow.pop());
    until("a turn", || async {
        (told(addr, json!([])).await.0 == 202).then_some(())
    })
    .await;
    // Never more than the time of a body.
    let mut answer = Vec::new();
    slow[0].read_to_end(&mut answer).await.unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    daemon.stop().await;
}
