//! The simulator, byte for byte: healthy streams, every fault, the control API and the ground truth.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod control;
mod faults;
mod presets;
mod replies;
mod shapes;
mod vendors;
mod verdicts;
mod ways;

use std::time::Duration;

use client::{ANSWER, Ending, Running, request};
use endturn::{
    protocol::Protocol,
    simulate::{Options, Pace},
};
use serde_json::Value;
use shapes::{events, is_over, usage, visible};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use ways::Way;

#[tokio::test]
async fn healthy_streams_are_whole() {
    let sim = Running::instant(1).await;
    for protocol in Protocol::ALL {
        let exchange = sim.canary(protocol, "model-1").await;
        let body = exchange.body.as_slice();
        let events = events(protocol, body);
        assert_eq!(exchange.status, 200, "{protocol}");
        assert_eq!(exchange.ending, Ending::Whole, "{protocol}");
        let content_type = match protocol {
            Protocol::Ollama => "application/x-ndjson",
            Protocol::Bedrock => "application/vnd.amazon.eventstream",
            Protocol::Gemini => "text/event-stream",
            _ => "text/event-stream; charset=utf-8",
        };
        assert_eq!(exchange.header("content-type"), Some(content_type), "{protocol}");
        assert_eq!(visible(protocol, &events), ANSWER, "{protocol}");
        assert_eq!(usage(protocol, &events), Some(21), "{protocol}");
        assert!(is_over(protocol, body), "{protocol}: {}", exchange.text());
        if protocol == Protocol::Bedrock {
            continue;
        }
        // Named events name their payload's type, numbered ones skip nothing, and only Gemini ends lines with CRLF.
        let text = exchange.text();
        for (line, data) in text.lines().zip(text.lines().skip(1)) {
            if let Some(name) = line.strip_prefix("event: ") {
                assert!(
                    data.starts_with(&format!("data: {{\"type\":\"{name}\"")),
                    "{data}"
                );
            }
        }
        if protocol == Protocol::OpenaiResponses {
            let numbers: Vec<_> = events
                .iter()
                .map(|event| event["sequence_number"].as_u64().unwrap())
                .collect();
            assert!(numbers.iter().copied().eq(0..numbers.len() as u64));
        }
        let crlf = text.matches("\r\n").count();
        let lines = text.matches('\n').count();
        assert_eq!(
            crlf,
            if protocol == Protocol::Gemini { lines } else { 0 },
            "{protocol}"
        );
    }
    sim.stop().await;
}

#[tokio::test]
async fn token_limits_hold() {
    let sim = Running::instant(1).await;
    for (protocol, member) in [
        (Protocol::Anthropic, "\"stop_reason\":\"max_tokens\""),
        (Protocol::OpenaiChat, "\"finish_reason\":\"length\""),
        (Protocol::OpenaiResponses, "{\"reason\":\"max_output_tokens\"}"),
        (Protocol::Gemini, "\"finishReason\":\"MAX_TOKENS\""),
        (Protocol::Ollama, "\"done_reason\":\"length\""),
        (Protocol::Bedrock, "\"stopReason\":\"max_tokens\""),
        (Protocol::Cohere, "\"finish_reason\":\"MAX_TOKENS\""),
    ] {
        for stream in [true, false] {
            let way = Way::of(protocol);
            let exchange = sim.send(&way.generate("model-1", stream, Some(20))).await;
            let body = exchange.text();
            assert!(body.contains(member), "{protocol}: {body}");
            assert!(!body.contains("kestrel"), "{protocol}");
            let exact = sim.send(&way.generate("model-1", stream, Some(21))).await;
            assert!(
                !exact.text().contains(member),
                "{protocol}: the limit itself is enough"
            );
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn whole_answers_come_without_stream() {
    let sim = Running::instant(1).await;
    for (protocol, place) in [
        (Protocol::Anthropic, "/content/0/text"),
        (Protocol::OpenaiChat, "/choices/0/message/content"),
        (Protocol::OpenaiResponses, "/output/0/content/0/text"),
        (Protocol::Gemini, "/candidates/0/content/parts/0/text"),
        (Protocol::Ollama, "/message/content"),
        (Protocol::Bedrock, "/output/message/content/0/text"),
        (Protocol::Cohere, "/message/content/0/text"),
    ] {
        let exchange = sim
            .send(&Way::of(protocol).generate("model-1", false, None))
            .await;
        assert_eq!(exchange.header("content-type"), Some("application/json"));
        assert_eq!(exchange.ending, Ending::Whole);
        let json: Value = serde_json::from_slice(&exchange.body).unwrap();
        assert_eq!(
            json.pointer(place).and_then(Value::as_str),
            Some(ANSWER),
            "{protocol}"
        );
    }
    sim.stop().await;
}

#[tokio::test]
async fn bad_requests_get_the_vendors_own_words() {
    let sim = Running::instant(1).await;
    let post = |protocol, path: &str, body: &str| request("POST", path, Way::of(protocol).key, body);
    for (raw, status, member) in [
        (
            post(Protocol::Anthropic, "/anthropic/v1/messages", "{"),
            400,
            "\"type\":\"invalid_request_error\"",
        ),
        (
            post(Protocol::Anthropic, "/anthropic/v1/messages", "{\"model\":\"m\"}"),
            400,
            "max_tokens: Field required",
        ),
        (
            post(Protocol::OpenaiChat, "/openai/v1/chat/completions", "{}"),
            400,
            "you must provide a model parameter",
        ),
        (
            post(
                Protocol::OpenaiChat,
                "/openai/v1/responses",
                "{\"model\":\"m!boom\",\"input\":\"x\"}",
            ),
            400,
            "unknown fault",
        ),
        (
            post(Protocol::Gemini, "/gemini/v1/models/m:generateContent", "[]"),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            post(Protocol::OpenaiChat, "/openai/v1/embeddings", "{}"),
            404,
            "Invalid URL",
        ),
        (
            request(
                "GET",
                "/anthropic/v1/messages",
                Way::of(Protocol::Anthropic).key,
                "",
            ),
            405,
            "Method Not Allowed",
        ),
        (request("GET", "/acme/v1/models", "", ""), 404, "no such provider"),
    ] {
        let exchange = sim.send(&raw).await;
        let body = exchange.text();
        assert_eq!(exchange.status, status, "{body}");
        assert!(body.contains(member), "{body}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn request_bodies_are_limited() {
    let sim = Running::instant(1).await;
    let body = |len: usize| {
        let frame = r#"{"model":"m","input":""}"#.len();
        format!(r#"{{"model":"m","input":"{}"}}"#, "x".repeat(len - frame))
    };
    let limit = endturn::simulate::MAX_REQUEST_BYTES;
    let post = |body: &str| {
        request(
            "POST",
            "/openai/v1/responses",
            Way::of(Protocol::OpenaiResponses).key,
            body,
        )
    };
    assert_eq!(sim.send(&post(&body(limit))).await.status, 200);
    let over = sim.send(&post(&body(limit + 1))).await;
    // Answered before the whole body is read: a client may also see the connection go.
    assert!([413, 0].contains(&over.status), "{}", over.status);
    let entry = sim.logged(|entry| entry.end.is_some()).await;
    assert_eq!(entry.status, Some(413));
    sim.stop().await;
}

#[tokio::test]
async fn connections_are_kept_alive() {
    let sim = Running::instant(1).await;
    let raw = String::from_utf8(Way::of(Protocol::OpenaiChat).canary("model-1")).unwrap();
    let raw = raw.replace("connection: close\r\n", "");
    let mut stream = TcpStream::connect(sim.addr).await.unwrap();
    for _ in 0..3 {
        stream.write_all(raw.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"0\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "closed early");
        }
    }
    assert_eq!(sim.log.page(0).entries.len(), 3);
    sim.stop().await;
}

#[tokio::test]
async fn the_log_tells_the_times() {
    let pace = Pace {
        ttft: Duration::from_millis(40),
        ttft_sigma: 0.0,
        itl: Duration::from_millis(2),
        itl_sigma: 0.0,
    };
    let sim = Running::with(Options { seed: 1, pace }).await;
    for protocol in Protocol::ALL {
        let exchange = sim.canary(protocol, "model-1").await;
        let entry = sim.logged(|entry| entry.end.is_some()).await;
        let offset = |time: Option<Duration>| time.unwrap().checked_sub(entry.arrival).unwrap();
        let (head, first) = (offset(entry.head), offset(entry.first_token));
        let (last, end) = (offset(entry.last_token), offset(entry.end));
        // Timers may be late, never early.
        let least = Duration::from_millis;
        assert!(head >= least(24) && first >= least(40), "{entry:?}");
        assert!(head <= first && first < last && last <= end, "{entry:?}");
        assert_eq!((entry.tokens, entry.played, entry.status), (21, true, Some(200)));
        assert_eq!(
            (entry.model.as_deref(), entry.fault.as_deref()),
            (Some("model-1"), None)
        );
        let name = match protocol {
            Protocol::Anthropic => "request-id",
            Protocol::OpenaiChat | Protocol::OpenaiResponses => "x-request-id",
            Protocol::Bedrock => "x-amzn-requestid",
            Protocol::Cohere => "x-debug-trace-id",
            Protocol::Gemini | Protocol::Ollama => continue,
        };
        assert_eq!(exchange.header(name), entry.request_id.as_deref(), "{protocol}");
    }
    sim.stop().await;
}

/// Ids and faults of twenty requests, half of which are struck.
async fn history(seed: u64) -> Vec<(Option<String>, Option<String>)> {
    let sim = Running::instant(seed).await;
    sim.control("PUT", "/control/faults/openai", r#"{"kind":"empty","rate":0.5}"#)
        .await;
    for n in 0..20 {
        let model = ["model-1", "model-2"][n % 2];
        sim.canary(Protocol::OpenaiChat, model).await;
    }
    let entries = sim.log.page(0).entries;
    sim.stop().await;
    entries
        .into_iter()
        .map(|entry| (entry.request_id, entry.fault))
        .collect()
}

#[tokio::test]
async fn a_seed_repeats() {
    let (first, again, other) = (history(5).await, history(5).await, history(6).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    let struck = first.iter().filter(|(_, fault)| fault.is_some()).count();
    assert!((3..=17).contains(&struck), "{struck} of 20");
}

#[tokio::test]
async fn it_stops_with_requests_in_flight() {
    let sim = Running::instant(1).await;
    let mut stream = TcpStream::connect(sim.addr).await.unwrap();
    stream
        .write_all(&Way::of(Protocol::Gemini).canary("m!hang"))
        .await
        .unwrap();
    sim.logged(|entry| entry.fault.as_deref() == Some("hang")).await;
    sim.stop().await;
    let mut seen = Vec::new();
    // FIN or RST, but no byte of an answer.
    let _ = stream.read_to_end(&mut seen).await;
    assert!(seen.is_empty());
}
