//! `/v1/series` over a whole daemon: what was counted comes back, whatever the metric and the step.

use std::path::PathBuf;

use endturn::{
    clock::Clock,
    config::{Env, load_text},
    daemon::{Daemon, StorePlace},
};
use serde_json::Value;

use crate::support::live::{Providers, get, json, until};

const PATH: &str = "/v1/series/anthropic/haiku";

fn sum(series: &Value, member: &str) -> u64 {
    let points = series["points"].as_array().unwrap();
    points.iter().map(|point| point[member].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn every_metric_tells_the_same_replies() {
    let providers = Providers::start().await;
    let dir = tempfile::tempdir().unwrap();
    let entry = providers.entry("anthropic", "anthropic", "\"haiku\"", "100ms");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n[network]\nanchors = []\n{entry}",
        dir.path().join("endturn.db").display()
    );
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        working_dir: dir.path().to_owned(),
        system_dir: PathBuf::new(),
        ..Env::default()
    };
    let config = load_text("test.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config;
    let daemon = Daemon::start(config, StorePlace::File, 7, Clock::system())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let addr = daemon.addr();
    providers.truncate("anthropic");
    until("a few cut replies", || async {
        let series = json(addr, &format!("{PATH}?metric=counts&step=1h")).await;
        (sum(&series, "truncated") >= 5).then_some(())
    })
    .await;
    daemon.stop().await;

    // Once more over the same file, with nobody probing: now it stands still.
    let quiet = text.replace("canary = { every = \"100ms\" }", "canary = false");
    let config = load_text("test.toml", &quiet, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config;
    let daemon = Daemon::start(config, StorePlace::File, 8, Clock::system())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let addr = daemon.addr();
    let counts = json(addr, &format!("{PATH}?metric=counts")).await;
    let (attempts, truncated) = (sum(&counts, "attempts"), sum(&counts, "truncated"));
    assert_eq!(counts["step_s"], 300, "a day in at most 300 points");
    assert!(counts["points"].as_array().unwrap().len() >= 288);
    for (metric, step) in [
        ("truncation_rate", "1m"),
        ("ttft_ms", "1h"),
        ("connect_ms", "15m"),
        ("tokens", "1d"),
        ("spend_usd", "1h"),
        ("verdicts", "1h"),
    ] {
        let series = json(addr, &format!("{PATH}?metric={metric}&step={step}")).await;
        assert_eq!(sum(&series, "attempts"), attempts, "{metric}");
        let points = series["points"].as_array().unwrap();
        match metric {
            "truncation_rate" => {
                let gap = points.iter().find(|point| point["attempts"] == 0).unwrap();
                assert_eq!((&gap["value"], &gap["n"]), (&Value::Null, &0.into()));
                let last = points.iter().rfind(|point| point["n"] != 0).unwrap();
                assert!(last["low"].as_f64() < last["value"].as_f64(), "{last}");
            }
            "ttft_ms" => assert_eq!(sum(&series, "n"), attempts - truncated),
            "verdicts" => {
                let outcomes = points
                    .iter()
                    .flat_map(|point| point["verdicts"].as_array().unwrap());
                let cut = outcomes.filter(|outcome| outcome["verdict"] == "truncated");
                assert_eq!(cut.map(|cut| cut["n"].as_u64().unwrap()).sum::<u64>(), truncated);
            }
            _ => {}
        }
    }
    let reach = json(addr, &format!("{PATH}?metric=counts&source=reach")).await;
    assert_eq!(
        (sum(&reach, "attempts"), &reach["sources"]),
        (0, &serde_json::json!(["reach"]))
    );
    for (query, told) in [
        ("", "metric"),
        ("?metric=latency", "known are counts, failure_rate"),
        ("?metric=counts&step=1s", "a minute or more"),
        ("?metric=counts&from=yesterday", "no RFC 3339 time"),
        (
            "?metric=counts&from=2026-06-20T00:00:00Z&to=2026-06-20T00:00:00Z",
            "from is not before to",
        ),
        ("?metric=counts&source=hearsay", "known are reach, canary"),
        ("?metric=counts&limit=1", "unknown field"),
    ] {
        let (status, body) = get(addr, &format!("{PATH}{query}")).await;
        assert!(status == 400 && body.contains(told), "{query}: {status} {body}");
    }
    let nobody = json(addr, "/v1/series/no/body?metric=counts").await;
    assert_eq!(sum(&nobody, "attempts"), 0);
    daemon.stop().await;
}
