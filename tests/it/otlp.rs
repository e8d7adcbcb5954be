//! Telemetry over HTTP, to the observations of a whole daemon.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, io::Write, net::SocketAddr, path::Path};

use endturn::{
    api::{MAX_EXPORT_BYTES, MAX_EXPORTS, MAX_INFLATED_BYTES},
    clock::Clock,
    intake::MAX_REPORTS_ONLY,
    probe::http_client,
};
use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::ExportMetricsServiceResponse,
        trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    },
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    reports::{TOKEN, world},
    support::live::{get, json as ask, until},
};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// What the recorded spans hold as prompts and answers.
const SECRET: &[u8] = b"confidential";

fn vector(name: &str) -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/vectors/otlp")
            .join(name),
    )
    .unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn post(addr: SocketAddr, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    http_client()
        .unwrap()
        .post(format!("http://{addr}{path}"))
        .header("content-type", kind)
        .body(body)
}

/// Status, content type and body.
async fn answer(request: reqwest::RequestBuilder) -> (u16, String, Vec<u8>) {
    let response = request.send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (
        response.status().as_u16(),
        kind,
        response.bytes().await.unwrap().to_vec(),
    )
}

/// A span of a call that was made just now.
fn span(n: u64, model: &str, finish: &str) -> Span {
    let text = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    };
    let now = u64::try_from(Clock::system().now().as_millis()).unwrap() * 1_000_000;
    Span {
        trace_id: vec![1; 16],
        span_id: (n + 1).to_be_bytes().to_vec(),
        start_time_unix_nano: now - 900_000_000,
        end_time_unix_nano: now,
        attributes: vec![
            text("gen_ai.operation.name", "chat"),
            text("gen_ai.provider.name", "openai"),
            text("gen_ai.request.model", model),
            text("gen_ai.response.finish_reasons", finish),
        ],
        ..Span::default()
    }
}

fn export(spans: Vec<Span>) -> Vec<u8> {
    let scoped = ScopeSpans {
        spans,
        ..ScopeSpans::default()
    };
    let part = ResourceSpans {
        scope_spans: vec![scoped],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![part],
    }
    .encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_become_observations_once_and_their_content_stays_outside() {
    let (dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let packed =
        post(addr, "/v1/traces", PROTOBUF, gzip(&vector("contrib.pb"))).header("content-encoding", "gzip");
    assert_eq!(answer(packed).await, (200, PROTOBUF.to_owned(), Vec::new()));
    // The same once more in JSON, and another dialect with what can't be taken.
    let again = post(addr, "/v1/traces", JSON, vector("contrib.json"));
    assert_eq!(answer(again).await, (200, JSON.to_owned(), b"{}".to_vec()));
    let (status, _, reply) = answer(post(
        addr,
        "/v1/traces",
        "application/json; charset=utf-8",
        vector("odd.json"),
    ))
    .await;
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(
        (status, &reply["partialSuccess"]["rejectedSpans"]),
        (200, &json!(2))
    );
    let (status, _, _) = answer(post(addr, "/v1/logs", PROTOBUF, vector("claude-code-2.1.197.pb"))).await;
    assert_eq!(status, 200);
    let seen = until("all of them in the store", || async {
        let found = ask(addr, "/v1/observations?source=report&limit=500").await;
        (found["items"].as_array().unwrap().len() == 9 + 3 + 12).then_some(found)
    })
    .await;
    let count = |verdict: &str, kind: Option<&str>, target: &str| {
        let items = seen["items"].as_array().unwrap().iter();
        items
            .filter(|it| {
                it["verdict"] == verdict
                    && it["target"] == target
                    && kind.is_none_or(|kind| it["kind"] == kind)
            })
            .count()
    };
    assert_eq!(count("truncated", Some("cut"), "openai/gpt-5.2"), 2);
    assert_eq!(count("errored", Some("overloaded"), "openai/gpt-5.2"), 1);
    assert_eq!(
        count("errored", Some("overloaded"), "anthropic/claude-haiku-4-5"),
        11
    );
    assert_eq!(count("complete", None, "anthropic/claude-haiku-4-5"), 1);
    assert_eq!(count("unknown", None, "my.server/m"), 1);
    let reporters = ask(addr, "/v1/reporters").await;
    let names: Vec<&str> = reporters["reporters"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    assert_eq!(names, ["claude-code", "shop", "odd"]);
    daemon.stop().await;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let file = fs::read(entry.unwrap().path()).unwrap();
        assert!(
            !file.windows(SECRET.len()).any(|part| part == SECRET),
            "a prompt in the store"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_move_the_feed() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let spans =
        |from: u64, finish: &str| export((from..from + 5).map(|n| span(n, "gpt-new", finish)).collect());
    assert_eq!(
        answer(post(addr, "/v1/traces", PROTOBUF, spans(0, "stop")))
            .await
            .0,
        200
    );
    let mut every = tokio::time::interval(std::time::Duration::from_millis(500));
    let mut from = 5;
    let told = loop {
        every.tick().await;
        answer(post(addr, "/v1/traces", PROTOBUF, spans(from, "error"))).await;
        from += 5;
        let (_, text) = get(addr, "/v1/health/openai/gpt-new").await;
        let told: Value = serde_json::from_str(&text).unwrap();
        if told["routing"]["hint"] == "avoid" {
            break told;
        }
        assert!(from < 500, "{told}");
    };
    assert_eq!(told["reason"]["code"], "truncated");
    assert_eq!(told["reason"]["sources"], json!(["report"]));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_received_and_the_reply_says_that_nobody_uses_them() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let (status, kind, reply) = answer(post(addr, "/v1/metrics", PROTOBUF, Vec::new())).await;
    let partial = ExportMetricsServiceResponse::decode(reply.as_slice())
        .unwrap()
        .partial_success
        .unwrap();
    assert_eq!(
        (status, kind.as_str(), partial.rejected_data_points),
        (200, PROTOBUF, 0)
    );
    assert!(partial.error_message.contains("not used"));
    let (status, _, reply) = answer(post(addr, "/v1/metrics", JSON, "{\"resourceMetrics\":[]}")).await;
    let reply: Value = serde_json::from_slice(&reply).unwrap();
    assert_eq!(
        (status, &reply["partialSuccess"]["errorMessage"]),
        (200, &json!(partial.error_message))
    );
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_telemetry_is_refused_for_good() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let bomb = gzip(&vec![0; MAX_INFLATED_BYTES + 1]);
    assert!(bomb.len() < 64 << 10);
    for (path, kind, coding, body, status, part) in [
        (
            "/v1/traces",
            "text/plain",
            "",
            &b"{}"[..],
            415,
            "application/x-protobuf",
        ),
        ("/v1/traces", "application/grpc", "", b"", 415, "application/json"),
        ("/v1/traces", PROTOBUF, "br", b"", 415, "gzip"),
        ("/v1/traces", PROTOBUF, "zstd", b"", 415, "gzip"),
        ("/v1/traces", PROTOBUF, "gzip", b"no gzip", 400, "no whole gzip"),
        ("/v1/traces", PROTOBUF, "", b"{}", 400, "no OTLP in protobuf"),
        ("/v1/logs", JSON, "", b"[", 400, "no OTLP in JSON"),
        (
            "/v1/logs",
            JSON,
            "",
            b"{\"resourceLogs\":7}",
            400,
            "no OTLP in JSON",
        ),
        ("/v1/metrics", PROTOBUF, "", b"\x0b", 400, "no OTLP in protobuf"),
        ("/v1/traces?x=1", PROTOBUF, "", b"", 400, ""),
        (
            "/v1/traces",
            PROTOBUF,
            "gzip",
            &bomb,
            413,
            "inflates to more than 33554432 bytes",
        ),
    ] {
        let request = post(addr, path, kind, body.to_vec()).header("content-encoding", coding);
        let (got, media, problem) = answer(request).await;
        let problem: Value = serde_json::from_slice(&problem).unwrap();
        assert_eq!(
            (got, media.as_str()),
            (status, "application/problem+json"),
            "{path} {kind} {coding} {problem}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
    }
    // Beyond the limit nothing of it is read.
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let length = MAX_EXPORT_BYTES + 1;
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    assert_eq!(get(addr, "/v1/traces").await.0, 405);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_targets_are_taken_up_to_a_limit_and_the_reply_names_the_rest() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let spans = (0..MAX_REPORTS_ONLY as u64 + 30).map(|n| span(n, &format!("m{n}"), "stop"));
    let (status, _, reply) = answer(post(addr, "/v1/traces", PROTOBUF, export(spans.collect()))).await;
    let partial = ExportTraceServiceResponse::decode(reply.as_slice())
        .unwrap()
        .partial_success
        .unwrap();
    assert_eq!((status, partial.rejected_spans), (200, 30));
    assert!(
        partial.error_message.contains("openai/m200 is not configured"),
        "{}",
        partial.error_message
    );
    assert!(partial.error_message.len() < 2_000);
    // A million more change nothing: the daemon says no to each and stays as it is.
    let more = (0..5_000).map(|n| span(10_000 + n, &format!("x{n}"), "stop"));
    let (status, _, reply) = answer(post(addr, "/v1/traces", PROTOBUF, export(more.collect()))).await;
    let partial = ExportTraceServiceResponse::decode(reply.as_slice())
        .unwrap()
        .partial_success
        .unwrap();
    assert_eq!((status, partial.rejected_spans), (200, 5_000));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_are_tokens_telemetry_needs_one() {
    let head = "[[server.token]]\nname = \"guest\"\ntoken = { env = \"TOKEN\" }\nscopes = [\"report\"]\ntrust = \"corroborate\"\n";
    let (_dir, _providers, daemon) = world(head).await;
    let addr = daemon.addr();
    for path in ["/v1/traces", "/v1/logs", "/v1/metrics"] {
        assert_eq!(
            answer(post(addr, path, PROTOBUF, Vec::new())).await.0,
            401,
            "{path}"
        );
        let wrong = post(addr, path, PROTOBUF, Vec::new()).bearer_auth("marked-token-9876543210");
        assert_eq!(answer(wrong).await.0, 401, "{path}");
    }
    let cuts = export((0..50).map(|n| span(n, "gpt-new", "error")).collect());
    let right = post(addr, "/v1/traces", PROTOBUF, cuts).bearer_auth(TOKEN);
    assert_eq!(answer(right).await.0, 200);
    let found = until("the target", || async {
        let (status, text) = get(addr, "/v1/health/openai/gpt-new").await;
        (status == 200).then(|| serde_json::from_str::<Value>(&text).unwrap())
    })
    .await;
    assert_ne!(found["routing"]["hint"], "avoid", "{found}");
    daemon.stop().await;
}

/// Senders that trickle hold their turns and nothing else; whoever comes beyond is told when to come again.
#[tokio::test(flavor = "multi_thread")]
async fn exports_that_trickle_take_turns_and_the_feed_goes_on() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let mut slow = Vec::new();
    for _ in 0..MAX_EXPORTS {
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: {JSON}\r\ncontent-length: 4000000\r\n\r\n["
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let retry_after = until("no turn left", || async {
        let response = post(addr, "/v1/logs", JSON, "{}").send().await.unwrap();
        (response.status().as_u16() == 503).then(|| response.headers()["retry-after"].clone())
    })
    .await;
    assert_eq!(retry_after, "1");
    let before = ask(addr, "/v1/health").await["revision"].as_u64().unwrap();
    until("a fresh feed", || async {
        let revision = ask(addr, "/v1/health").await["revision"].as_u64().unwrap();
        (revision > before).then_some(())
    })
    .await;
    // One that breaks off gives its turn back.
    drop(slow.pop());
    until("a turn", || async {
        let status = answer(post(addr, "/v1/logs", JSON, "{}")).await.0;
        (status == 200).then_some(())
    })
    .await;
    daemon.stop().await;
}
