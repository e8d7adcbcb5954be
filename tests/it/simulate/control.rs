//! The control API and the status pages.

use endturn::{
    protocol::Protocol,
    simulate::{Fault, FaultKey, FaultKind, MAX_RULES},
};
use serde_json::{Value, json};

use super::client::{Running, request};

#[tokio::test]
async fn faults_are_put_told_and_lifted() {
    let sim = Running::instant(1).await;
    let none = json!({"faults": []});
    assert_eq!(
        sim.control("GET", "/control/faults", "").await,
        (200, none.clone())
    );
    let (status, rule) = sim
        .control(
            "PUT",
            "/control/faults/openai/meta-llama/llama-3.1",
            r#"{"kind":"truncate","rate":0.6,"at":0.6,"how":"fin"}"#,
        )
        .await;
    let wanted = json!({
        "provider": "openai", "model": "meta-llama/llama-3.1",
        "fault": {"kind": "truncate", "rate": 0.6, "scope": "generate", "at": 0.6, "how": "fin"},
    });
    assert_eq!((status, &rule), (200, &wanted));
    let escaped = "/control/faults/openai/meta-llama%2Fllama-3.1";
    assert_eq!(sim.control("GET", escaped, "").await, (200, wanted));
    sim.control("PUT", "/control/faults/openai", r#"{"kind":"hang"}"#)
        .await;
    assert_eq!(sim.faults.all().len(), 2);
    assert_eq!(sim.control("DELETE", escaped, "").await.0, 204);
    assert_eq!(
        sim.control("DELETE", escaped, "").await.0,
        204,
        "again is no error"
    );
    assert_eq!(sim.control("GET", escaped, "").await.0, 404);
    assert_eq!(sim.control("DELETE", "/control/faults", "").await.0, 204);
    assert_eq!(sim.control("GET", "/control/faults", "").await, (200, none));
    sim.stop().await;
}

/// Method, path, body, status, detail.
type Mistake<'a> = (&'a str, &'a str, &'a str, u16, &'a str);

const MISTAKES: &[Mistake<'static>] = &[
    (
        "GET",
        "/control",
        "",
        404,
        "no such path; there are /control/faults, /control/log and /control/status",
    ),
    (
        "POST",
        "/control/faults",
        "",
        405,
        "this path takes GET and DELETE",
    ),
    (
        "POST",
        "/control/faults/openai",
        "",
        405,
        "this path takes GET, PUT and DELETE",
    ),
    ("PUT", "/control/log", "", 405, "this path takes GET and DELETE"),
    (
        "GET",
        "/control/status/openai",
        "",
        405,
        "this path takes PUT and DELETE",
    ),
    (
        "PUT",
        "/control/faults/acme",
        r#"{"kind":"hang"}"#,
        404,
        "no provider \"acme\"; known are anthropic, openai, ",
    ),
    (
        "PUT",
        "/control/faults/openai/a%20b",
        r#"{"kind":"hang"}"#,
        400,
        "model id holds ' ', allowed are letters, digits and -_.:/@!+",
    ),
    (
        "PUT",
        "/control/faults/openai",
        r#"{"kind":"hang","at":1}"#,
        400,
        "fault hang has no \"at\"",
    ),
    (
        "GET",
        "/control/log?since=x",
        "",
        400,
        "since must be a sequence number",
    ),
];

#[tokio::test]
async fn mistakes_are_problems() {
    let sim = Running::instant(1).await;
    let long = format!("{{\"kind\":\"{}\"}}", "x".repeat(64 << 10));
    let too_long = (
        "PUT",
        "/control/faults/openai",
        long.as_str(),
        413,
        "a control body has at most 64 KiB",
    );
    for (method, path, body, status, detail) in MISTAKES.iter().copied().chain([too_long]) {
        let exchange = sim.send(&request(method, path, "", body)).await;
        assert_eq!(exchange.status, status, "{method} {path}");
        assert_eq!(exchange.header("content-type"), Some("application/problem+json"));
        let problem: Value = serde_json::from_slice(&exchange.body).unwrap();
        let told = problem["detail"].as_str().unwrap();
        let list = detail.ends_with("openai, ") && told.starts_with(detail);
        assert!(told == detail || list, "{told}");
        assert_eq!(problem["status"], status);
    }
    for n in 0..MAX_RULES {
        sim.faults.set(
            FaultKey::model("openai", &n.to_string()),
            Fault::always(FaultKind::Hang),
        );
    }
    let (status, _) = sim
        .control("PUT", "/control/faults/openai", r#"{"kind":"hang"}"#)
        .await;
    assert_eq!(status, 409);
    sim.stop().await;
}

#[tokio::test]
async fn the_log_is_read_and_emptied() {
    let sim = Running::instant(1).await;
    sim.canary(Protocol::Gemini, "m!status.503").await;
    sim.canary(Protocol::Anthropic, "m").await;
    sim.logged(|entry| entry.seq == 2 && entry.end.is_some()).await;
    let (_, log) = sim.control("GET", "/control/log", "").await;
    let entries = log["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2, "control calls are not logged");
    assert_eq!(entries[0]["fault"], "status.503");
    assert_eq!(entries[0]["status"], 503);
    assert_eq!(entries[0]["first_token_us"], Value::Null);
    assert!(entries[1]["end_us"].as_u64() >= entries[1]["first_token_us"].as_u64());
    assert!(log["now_us"].as_u64() >= entries[1]["end_us"].as_u64());
    let (_, newer) = sim.control("GET", "/control/log?since=1", "").await;
    assert_eq!(newer["entries"].as_array().unwrap().len(), 1);
    assert_eq!(sim.control("DELETE", "/control/log", "").await.0, 204);
    let (_, empty) = sim.control("GET", "/control/log", "").await;
    assert_eq!((&empty["entries"], &empty["dropped"]), (&json!([]), &json!(2)));
    sim.stop().await;
}

#[tokio::test]
async fn status_pages_say_what_they_are_told() {
    let sim = Running::instant(1).await;
    let page = "/anthropic/status/api/v2/summary.json";
    let (_, healthy) = sim.control("GET", page, "").await;
    assert_eq!(healthy["status"]["indicator"], "none");
    assert_eq!(healthy["components"][0]["status"], "operational");
    assert_eq!(healthy["incidents"], json!([]));
    let told = r#"{"status":"partial_outage","incident":"Elevated errors"}"#;
    assert_eq!(sim.control("PUT", "/control/status/anthropic", told).await.0, 204);
    let (_, sick) = sim.control("GET", page, "").await;
    assert_eq!(sick["status"]["indicator"], "major");
    assert_eq!(sick["components"][0]["status"], "partial_outage");
    assert_eq!(sick["incidents"][0]["name"], "Elevated errors");
    assert_eq!(sick["incidents"][0]["status"], "investigating");
    let (_, other) = sim.control("GET", "/openai/status/api/v2/summary.json", "").await;
    assert_eq!(other["status"]["indicator"], "none");
    let long = format!(r#"{{"status":"operational","incident":"{}"}}"#, "x".repeat(201));
    for (body, status) in [(r#"{"status":"fine"}"#, 400), (long.as_str(), 400)] {
        assert_eq!(
            sim.control("PUT", "/control/status/anthropic", body).await.0,
            status
        );
    }
    sim.control("DELETE", "/control/status/anthropic", "").await;
    assert_eq!(sim.control("GET", page, "").await.1["incidents"], json!([]));
    sim.pages.clear("anthropic");
    sim.stop().await;
}
