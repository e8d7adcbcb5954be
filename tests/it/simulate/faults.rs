//! Every fault gives the bytes and the ending that the manual promises.

use endturn::{
    protocol::Protocol,
    simulate::{Cut, FaultKey, FaultKind, FaultSpec},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    SPOKEN,
    client::{ANSWER, Ending, Exchange, Running, generate, key, request},
    events, last_bytes, text, usage,
};

fn stop_member(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Anthropic => "\"stop_reason\":\"end_turn\"",
        Protocol::OpenaiChat | Protocol::Ollama | Protocol::Bedrock | Protocol::Cohere => {
            "\"finish_reason\":\"stop\""
        }
        Protocol::OpenaiResponses => "response.output_item.done",
        Protocol::Gemini => "\"finishReason\":\"STOP\"",
    }
}

fn set(sim: &Running, protocol: Protocol, json: &str) {
    let provider = match protocol {
        Protocol::Anthropic => "anthropic",
        Protocol::OpenaiChat
        | Protocol::OpenaiResponses
        | Protocol::Ollama
        | Protocol::Bedrock
        | Protocol::Cohere => "openai",
        Protocol::Gemini => "gemini",
    };
    let fault = serde_json::from_str::<FaultSpec>(json)
        .unwrap()
        .resolve()
        .unwrap();
    assert!(sim.faults.set(FaultKey::provider(provider), fault));
}

/// The text without what a half event at the end may hold.
fn whole_events(exchange: &Exchange) -> Vec<serde_json::Value> {
    let body = exchange.text().replace("\r\n", "\n");
    match body.rfind("\n\n") {
        Some(end) => events(&body[..end]),
        None => Vec::new(),
    }
}

#[tokio::test]
async fn cuts_end_as_they_say() {
    let sim = Running::instant(1).await;
    let words: Vec<&str> = ANSWER.split(' ').collect();
    for protocol in SPOKEN {
        for how in Cut::ALL {
            let json = format!(r#"{{"kind":"truncate","how":"{}","at":0.6}}"#, how.as_str());
            set(&sim, protocol, &json);
            let exchange = sim.canary(protocol, "model-1").await;
            let case = format!("{protocol} {}", how.as_str());
            let (ending, stops) = match how {
                Cut::Fin => (Ending::Fin, false),
                Cut::Reset => (Ending::Reset, false),
                Cut::NoTerminal | Cut::MidEvent => (Ending::Whole, false),
                Cut::Silent => (Ending::Whole, true),
            };
            assert_eq!(exchange.status, 200, "{case}");
            assert_eq!(exchange.ending, ending, "{case}");
            let body = exchange.text();
            assert_eq!(body.contains(stop_member(protocol)), stops, "{case}: {body}");
            // 0.6 of 21 tokens: 12.
            let events = whole_events(&exchange);
            assert_eq!(text(protocol, &events), words[..12].join(" "), "{case}");
            let whole = body.ends_with("\n\n") || body.ends_with("\r\n\r\n");
            assert_eq!(whole, how != Cut::MidEvent, "{case}: {body}");
            if how == Cut::Silent {
                assert_eq!(usage(protocol, &events), Some(21), "{case}");
                assert!(body.ends_with(last_bytes(protocol)), "{case}");
            }
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_cut_at_one_loses_the_terminal_event_alone() {
    let sim = Running::instant(1).await;
    for protocol in SPOKEN {
        set(
            &sim,
            protocol,
            r#"{"kind":"truncate","how":"no_terminal","at":1}"#,
        );
        let exchange = sim.canary(protocol, "model-1").await;
        let body = exchange.text();
        assert_eq!(exchange.ending, Ending::Whole);
        assert_eq!(text(protocol, &events(&body)), ANSWER);
        assert_eq!(
            body.contains(stop_member(protocol)),
            protocol != Protocol::Gemini,
            "{protocol}"
        );
        assert!(!body.contains("message_stop") && !body.contains("[DONE]"));
        assert!(!body.contains("response.completed"));
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_whole_answer_is_cut_too() {
    let sim = Running::instant(1).await;
    for protocol in SPOKEN {
        for (how, ending) in [
            ("fin", Ending::Fin),
            ("reset", Ending::Reset),
            ("no_terminal", Ending::Whole),
            ("mid_event", Ending::Whole),
        ] {
            let raw = generate(protocol, &format!("m!truncate.{how}"), false, None);
            let exchange = sim.send(&raw).await;
            assert_eq!(exchange.ending, ending, "{protocol} {how}");
            assert!(serde_json::from_slice::<serde_json::Value>(&exchange.body).is_err());
        }
        let silent = sim
            .send(&generate(protocol, "m!truncate.silent", false, None))
            .await;
        let json = serde_json::from_slice::<serde_json::Value>(&silent.body);
        assert!(json.is_ok() && !silent.text().contains("kestrel"), "{protocol}");
    }
    sim.stop().await;
}

/// A fault, then per protocol of `SPOKEN` the status and a member of the body.
type ErrorRow = (&'static str, [(u16, &'static str); 4]);

const ERRORS: [ErrorRow; 6] = [
    (
        "status.529",
        [
            (529, "overloaded_error"),
            (529, "server_is_overloaded"),
            (529, "server_is_overloaded"),
            (529, "UNAVAILABLE"),
        ],
    ),
    (
        "status.500",
        [
            (500, "api_error"),
            (500, "server_error"),
            (500, "server_error"),
            (500, "INTERNAL"),
        ],
    ),
    (
        "status.404",
        [
            (404, "not_found_error"),
            (404, "model_not_found"),
            (404, "model_not_found"),
            (404, "NOT_FOUND"),
        ],
    ),
    (
        "rate_limit",
        [
            (429, "rate_limit_error"),
            (429, "rate_limit_exceeded"),
            (429, "rate_limit_exceeded"),
            (429, "RESOURCE_EXHAUSTED"),
        ],
    ),
    (
        "auth",
        [
            (401, "authentication_error"),
            (401, "invalid_api_key"),
            (401, "invalid_api_key"),
            (400, "API_KEY_INVALID"),
        ],
    ),
    (
        "error_event",
        [
            (
                200,
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"",
            ),
            (200, "data: {\"error\":{\"message\""),
            (
                200,
                "event: error\ndata: {\"type\":\"error\",\"sequence_number\":14,\"code\":\"server_error\"",
            ),
            (200, "data: {\"error\":{\"code\":503"),
        ],
    ),
];

#[tokio::test]
async fn errors_come_in_the_vendors_shape() {
    let sim = Running::instant(1).await;
    for (fault, wanted) in ERRORS {
        for (protocol, (status, member)) in SPOKEN.into_iter().zip(wanted) {
            let exchange = sim.canary(protocol, &format!("m!{fault}")).await;
            let body = exchange.text();
            assert_eq!(
                (exchange.status, exchange.ending),
                (status, Ending::Whole),
                "{protocol} {fault}"
            );
            assert!(body.contains(member), "{protocol} {fault}: {body}");
            assert!(!body.contains(stop_member(protocol)), "{protocol} {fault}");
        }
    }
    let limited = sim.canary(Protocol::Anthropic, "m!rate_limit").await;
    assert_eq!(limited.header("retry-after"), Some("20"));
    sim.stop().await;
}

#[tokio::test]
async fn a_status_carries_its_own_body() {
    let sim = Running::instant(1).await;
    set(
        &sim,
        Protocol::OpenaiChat,
        r#"{"kind":"status","code":502,"body":"<html>bad gateway</html>","retry_after":7}"#,
    );
    let exchange = sim.canary(Protocol::OpenaiChat, "m").await;
    assert_eq!(exchange.status, 502);
    assert_eq!(exchange.text(), "<html>bad gateway</html>");
    assert_eq!(exchange.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(exchange.header("retry-after"), Some("7"));
    sim.stop().await;
}

#[tokio::test]
async fn odd_replies_are_odd_in_one_way() {
    let sim = Running::instant(1).await;
    for protocol in SPOKEN {
        let canary = |fault: &str| {
            let model = format!("m!{fault}");
            let sim = &sim;
            async move { sim.canary(protocol, &model).await }
        };
        let empty = canary("empty").await;
        assert_eq!(
            (empty.status, empty.ending, empty.body.len()),
            (200, Ending::Whole, 0)
        );

        let garbage = canary("garbage").await.text();
        let broken = garbage
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| *data != "[DONE]")
            .filter(|data| serde_json::from_str::<serde_json::Value>(data).is_err())
            .count();
        assert_eq!(broken, 1, "{protocol}");
        assert!(garbage.ends_with(last_bytes(protocol)), "{protocol}");

        let model = canary("wrong_model").await.text();
        assert!(model.contains("\"simulated-substitute-1\"") && !model.contains("\"m!wrong_model\""));

        let length = events(&canary("length").await.text());
        assert_eq!(usage(protocol, &length), Some(10), "{protocol}");
        assert!(text(protocol, &length).ends_with("ten"), "{protocol}");

        let refusal = canary("refusal").await;
        assert_eq!(text(protocol, &events(&refusal.text())), "", "{protocol}");
        assert!(!refusal.text().contains(stop_member(protocol)), "{protocol}");

        let huge = canary("huge_line").await.text();
        let longest = huge.lines().map(str::len).max().unwrap();
        assert!(longest > 2 << 20, "{protocol}: {longest}");
        assert!(huge.ends_with(last_bytes(protocol)), "{protocol}");

        let slow = canary("slow").await.text();
        assert_eq!(text(protocol, &events(&slow)), ANSWER, "{protocol}");

        let refused = canary("refuse").await;
        assert_eq!((refused.status, refused.ending), (0, Ending::Reset), "{protocol}");
    }
    sim.stop().await;
}

/// Sends a request, reads until `enough` holds, and leaves.
async fn read_some(sim: &Running, raw: &[u8], enough: impl Fn(&str) -> bool) {
    let mut stream = TcpStream::connect(sim.addr).await.unwrap();
    stream.write_all(raw).await.unwrap();
    let mut seen = Vec::new();
    while !enough(&String::from_utf8_lossy(&seen)) {
        assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0, "ended");
    }
}

#[tokio::test]
async fn stalls_hangs_and_endless_replies_wait_for_their_reader() {
    let sim = Running::instant(1).await;
    for protocol in SPOKEN {
        let stalled = generate(protocol, "m!stall.1h", true, None);
        read_some(&sim, &stalled, |seen| seen.contains("ten")).await;
        let entry = sim.logged(|entry| entry.end.is_some()).await;
        assert_eq!((entry.tokens, entry.played), (10, false), "{protocol}");

        let endless = generate(protocol, "m!endless", true, None);
        read_some(&sim, &endless, |seen| seen.matches("kestrel").count() > 2).await;
        let entry = sim.logged(|entry| entry.end.is_some()).await;
        assert!(entry.tokens > 42 && !entry.played, "{protocol}: {entry:?}");

        let hung = generate(protocol, "m!hang", true, None);
        let mut stream = TcpStream::connect(sim.addr).await.unwrap();
        stream.write_all(&hung).await.unwrap();
        sim.logged(|entry| entry.fault.as_deref() == Some("hang")).await;
        drop(stream);
        let entry = sim.logged(|entry| entry.end.is_some()).await;
        assert_eq!((entry.status, entry.head), (None, None), "{protocol}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn scopes_spare_what_they_should() {
    let sim = Running::instant(1).await;
    let list = request("GET", "/anthropic/v1/models", key(Protocol::Anthropic), "");
    for (json, status) in [
        (r#"{"kind":"status","code":529}"#, 200),
        (r#"{"kind":"status","code":529,"scope":"all"}"#, 529),
        (r#"{"kind":"auth"}"#, 401),
        (r#"{"kind":"auth","scope":"generate"}"#, 200),
        (r#"{"kind":"refuse"}"#, 0),
        (r#"{"kind":"auth","rate":0}"#, 200),
    ] {
        set(&sim, Protocol::Anthropic, json);
        assert_eq!(sim.send(&list).await.status, status, "{json}");
    }
    sim.stop().await;
}

#[test]
fn every_kind_is_in_these_tables() {
    let tables = include_str!("faults.rs");
    for kind in FaultKind::NAMES {
        assert!(
            tables.contains(&format!("\"{kind}"))
                || tables.contains(&format!("m!{kind}"))
                || tables.contains(&format!("\"kind\":\"{kind}\"")),
            "{kind}"
        );
    }
}
