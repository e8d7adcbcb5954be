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
    client::{ANSWER, Ending, Running, request},
    shapes::{ends_between, events, is_over, stop_is_terminal, stop_member, usage, visible, whole_events},
    ways::Way,
};
use crate::vectors::binary;

fn set(sim: &Running, protocol: Protocol, json: &str) {
    let fault = serde_json::from_str::<FaultSpec>(json)
        .unwrap()
        .resolve()
        .unwrap();
    assert!(
        sim.faults
            .set(FaultKey::provider(Way::of(protocol).provider), fault)
    );
}

#[tokio::test]
async fn cuts_end_as_they_say() {
    let sim = Running::instant(1).await;
    let words: Vec<&str> = ANSWER.split(' ').collect();
    for protocol in Protocol::ALL {
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
            let body = exchange.body.as_slice();
            assert_eq!(exchange.text().contains(stop_member(protocol)), stops, "{case}");
            // 0.6 of 21 tokens: 12.
            let events = whole_events(protocol, body);
            assert_eq!(visible(protocol, &events), words[..12].join(" "), "{case}");
            assert_eq!(ends_between(protocol, body), how != Cut::MidEvent, "{case}");
            if how == Cut::Silent {
                assert_eq!(usage(protocol, &events), Some(21), "{case}");
                assert!(is_over(protocol, body), "{case}");
            }
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_cut_at_one_loses_the_terminal_event_alone() {
    let sim = Running::instant(1).await;
    for protocol in Protocol::ALL {
        set(
            &sim,
            protocol,
            r#"{"kind":"truncate","how":"no_terminal","at":1}"#,
        );
        let exchange = sim.canary(protocol, "model-1").await;
        let body = exchange.text();
        assert_eq!(exchange.ending, Ending::Whole);
        assert_eq!(visible(protocol, &events(protocol, &exchange.body)), ANSWER);
        assert_eq!(
            body.contains(stop_member(protocol)),
            !stop_is_terminal(protocol),
            "{protocol}"
        );
        for terminal in ["message_stop", "[DONE]", "response.completed", "message-end"] {
            assert!(!body.contains(terminal), "{protocol} {terminal}");
        }
        assert!(protocol != Protocol::Bedrock || !is_over(protocol, &exchange.body));
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_whole_answer_is_cut_too() {
    let sim = Running::instant(1).await;
    for protocol in Protocol::ALL {
        for (how, ending) in [
            ("fin", Ending::Fin),
            ("reset", Ending::Reset),
            ("no_terminal", Ending::Whole),
            ("mid_event", Ending::Whole),
        ] {
            let raw = Way::of(protocol).generate(&format!("m!truncate.{how}"), false, None);
            let exchange = sim.send(&raw).await;
            assert_eq!(exchange.ending, ending, "{protocol} {how}");
            assert!(serde_json::from_slice::<serde_json::Value>(&exchange.body).is_err());
        }
        let silent = sim
            .send(&Way::of(protocol).generate("m!truncate.silent", false, None))
            .await;
        let json = serde_json::from_slice::<serde_json::Value>(&silent.body);
        assert!(json.is_ok() && !silent.text().contains("kestrel"), "{protocol}");
    }
    sim.stop().await;
}

/// A fault, then per protocol the status and a member of the body.
type ErrorRow = (&'static str, [(u16, &'static str); 7]);

const ERRORS: [ErrorRow; 6] = [
    (
        "status.529",
        [
            (529, "overloaded_error"),
            (529, "server_is_overloaded"),
            (529, "server_is_overloaded"),
            (529, "UNAVAILABLE"),
            (529, "{\"error\":\"The server is currently overloaded."),
            (529, "{\"message\":\"The server is currently overloaded."),
            (529, "\"message\":\"The server is currently overloaded."),
        ],
    ),
    (
        "status.500",
        [
            (500, "api_error"),
            (500, "server_error"),
            (500, "server_error"),
            (500, "INTERNAL"),
            (500, "{\"error\":\"The server had an error"),
            (500, "{\"message\":\"The server had an error"),
            (500, "\"message\":\"The server had an error"),
        ],
    ),
    (
        "status.404",
        [
            (404, "not_found_error"),
            (404, "model_not_found"),
            (404, "model_not_found"),
            (404, "NOT_FOUND"),
            (404, "not found, try pulling it first"),
            (404, "{\"message\":\"The model does not exist"),
            (404, "\"message\":\"The model does not exist"),
        ],
    ),
    (
        "rate_limit",
        [
            (429, "rate_limit_error"),
            (429, "rate_limit_exceeded"),
            (429, "rate_limit_exceeded"),
            (429, "RESOURCE_EXHAUSTED"),
            (429, "{\"error\":\"Rate limit"),
            (429, "{\"message\":\"Rate limit"),
            (429, "\"message\":\"Rate limit"),
        ],
    ),
    (
        "auth",
        [
            (401, "authentication_error"),
            (401, "invalid_api_key"),
            (401, "invalid_api_key"),
            (400, "API_KEY_INVALID"),
            (401, "{\"error\":\"unauthorized\"}"),
            (403, "{\"message\":\"The security token"),
            (401, "\"message\":\"invalid api token\""),
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
            (200, "}\n{\"error\":\"an error was encountered"),
            (200, "modelStreamErrorException"),
            (
                200,
                "\"finish_reason\":\"ERROR\",\"error\":\"internal server error\"",
            ),
        ],
    ),
];

#[tokio::test]
async fn errors_come_in_the_vendors_shape() {
    let sim = Running::instant(1).await;
    for (fault, wanted) in ERRORS {
        for (protocol, (status, member)) in Protocol::ALL.into_iter().zip(wanted) {
            let exchange = sim.canary(protocol, &format!("m!{fault}")).await;
            let body = exchange.text();
            assert_eq!(
                (exchange.status, exchange.ending),
                (status, Ending::Whole),
                "{protocol} {fault}"
            );
            assert!(body.contains(member), "{protocol} {fault}: {body}");
            assert!(!body.contains(stop_member(protocol)), "{protocol} {fault}");
            let class = exchange.header("x-amzn-errortype");
            assert_eq!(
                class.is_some(),
                protocol == Protocol::Bedrock && status != 200,
                "{protocol} {fault}: {class:?}"
            );
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
    for protocol in Protocol::ALL {
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

        let garbage = canary("garbage").await;
        assert_eq!(broken_events(protocol, &garbage.body), 1, "{protocol}");
        assert!(is_over(protocol, &garbage.body), "{protocol}");

        if names_model(protocol) {
            let model = canary("wrong_model").await.text();
            assert!(model.contains("\"simulated-substitute-1\"") && !model.contains("\"m!wrong_model\""));
        }

        let length = events(protocol, &canary("length").await.body);
        assert_eq!(usage(protocol, &length), Some(10), "{protocol}");
        assert!(visible(protocol, &length).ends_with("ten"), "{protocol}");

        // Ollama has no word for it: the model says so.
        let refusal = canary("refusal").await;
        let said = visible(protocol, &events(protocol, &refusal.body));
        assert_eq!(
            said.is_empty(),
            protocol != Protocol::Ollama,
            "{protocol}: {said}"
        );
        if protocol != Protocol::Ollama {
            assert!(!refusal.text().contains(stop_member(protocol)), "{protocol}");
        }

        let huge = canary("huge_line").await.body;
        let longest = match protocol {
            Protocol::Bedrock => binary::frames(&huge).0.iter().map(|frame| frame.len()).max(),
            _ => huge.split(|byte| *byte == b'\n').map(<[u8]>::len).max(),
        };
        assert!(longest.unwrap() > 2 << 20, "{protocol}: {longest:?}");
        assert!(is_over(protocol, &huge), "{protocol}");

        let slow = canary("slow").await;
        assert_eq!(
            visible(protocol, &events(protocol, &slow.body)),
            ANSWER,
            "{protocol}"
        );

        let refused = canary("refuse").await;
        assert_eq!((refused.status, refused.ending), (0, Ending::Reset), "{protocol}");
    }
    sim.stop().await;
}

/// Events whose payload is no JSON, or whose checksum is wrong.
fn broken_events(protocol: Protocol, body: &[u8]) -> usize {
    let is_json = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    match protocol {
        Protocol::Bedrock => {
            let frames = binary::frames(body).0.into_iter();
            frames
                .filter(|frame| {
                    let (headers, payload) = binary::parts(frame);
                    binary::frame(headers, payload) != *frame
                })
                .count()
        }
        Protocol::Ollama => {
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.filter(|line| !is_json(line)).count()
        }
        _ => String::from_utf8_lossy(body)
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| *data != "[DONE]" && !is_json(data.as_bytes()))
            .count(),
    }
}

/// Whether a stream of the protocol tells who answers.
fn names_model(protocol: Protocol) -> bool {
    !matches!(protocol, Protocol::Bedrock | Protocol::Cohere)
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
    for protocol in Protocol::ALL {
        let stalled = Way::of(protocol).canary("m!stall.1h");
        read_some(&sim, &stalled, |seen| seen.contains("ten")).await;
        let entry = sim.logged(|entry| entry.end.is_some()).await;
        assert_eq!((entry.tokens, entry.played), (10, false), "{protocol}");

        let endless = Way::of(protocol).canary("m!endless");
        read_some(&sim, &endless, |seen| seen.matches("kestrel").count() > 2).await;
        let entry = sim.logged(|entry| entry.end.is_some()).await;
        assert!(entry.tokens > 42 && !entry.played, "{protocol}: {entry:?}");

        let hung = Way::of(protocol).canary("m!hang");
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
    let list = request(
        "GET",
        "/anthropic/v1/models",
        Way::of(Protocol::Anthropic).key,
        "",
    );
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
