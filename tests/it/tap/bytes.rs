//! Every protocol under every fault: bytes, headers, end and verdict are those of a client without a tap.

use std::fmt::Write;

use endturn::{
    gate::{Input, Options, validate},
    protocol::Protocol,
    simulate::Pace,
    verdict::{Source, Verdict},
};

use super::{Answer, End, PLANTED, Simulated, Tapped, ask, entry, post};

/// What is spoken below which base path of the simulator, by which path.
const DOORS: [(Protocol, &str, &str); 7] = [
    (Protocol::Anthropic, "anthropic", "/v1/messages"),
    (Protocol::OpenaiChat, "openai", "/v1/chat/completions"),
    (Protocol::OpenaiResponses, "openai", "/v1/responses"),
    (
        Protocol::Gemini,
        "gemini",
        "/v1beta/models/MODEL:streamGenerateContent?alt=sse",
    ),
    (Protocol::Ollama, "ollama", "/api/chat"),
    (Protocol::Bedrock, "bedrock", "/model/MODEL/converse-stream"),
    (Protocol::Cohere, "cohere", "/v2/chat"),
];

const FAULTS: [&str; 19] = [
    "",
    "!truncate.fin",
    "!truncate.reset",
    "!truncate.no_terminal",
    "!truncate.mid_event",
    "!truncate.silent",
    "!error_event",
    "!status.500",
    "!status.529",
    "!status.404",
    "!rate_limit",
    "!auth",
    "!refuse",
    "!garbage",
    "!empty",
    "!length",
    "!refusal",
    "!huge_line",
    "!wrong_model",
];

fn body(protocol: Protocol, model: &str, stream: bool) -> String {
    let prompt = format!("Tell me about {PLANTED}.");
    let messages = format!(r#"[{{"role":"user","content":"{prompt}"}}]"#);
    match protocol {
        Protocol::Anthropic => {
            format!(r#"{{"max_tokens":4096,"messages":{messages},"model":"{model}","stream":{stream}}}"#)
        }
        Protocol::OpenaiChat | Protocol::Cohere | Protocol::Ollama => {
            format!(r#"{{"messages":{messages},"model":"{model}","stream":{stream}}}"#)
        }
        Protocol::OpenaiResponses => format!(r#"{{"input":"{prompt}","model":"{model}","stream":{stream}}}"#),
        Protocol::Gemini => format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"{prompt}"}}]}}]}}"#),
        Protocol::Bedrock => {
            format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"{prompt}"}}]}}]}}"#)
        }
    }
}

/// The same answer but for the second in which it was sent.
fn undated(mut answer: Answer) -> Answer {
    if let Some(date) = answer.headers.get_mut("date") {
        *date = http::HeaderValue::from_static("now");
    }
    answer
}

/// What the gate makes of what a client saw.
fn gate(protocol: Protocol, answer: &Answer) -> String {
    let status = answer.status.unwrap().as_u16();
    let mut capture = format!("HTTP/1.1 {status} x\r\n");
    for (name, value) in &answer.headers {
        // The body is the bare one.
        if name != "transfer-encoding" && name != "content-length" {
            let _ = write!(capture, "{name}: {}\r\n", value.to_str().unwrap());
        }
    }
    let mut capture = (capture + "\r\n").into_bytes();
    capture.extend_from_slice(&answer.body);
    let input = Input::capture(&capture).spoken(protocol.into());
    validate(&input, &Options::default()).verdict.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_what_it_sees_without_the_tap_and_the_verdict_is_the_gates() {
    // Two of the same seed: what comes is the same from either.
    let (direct, behind) = (
        Simulated::start(Pace::instant()).await,
        Simulated::start(Pace::instant()).await,
    );
    let mut entries = String::new();
    for name in ["anthropic", "openai", "gemini", "ollama", "bedrock", "cohere"] {
        entries += &entry(name, &format!("http://{}/{name}", behind.addr));
    }
    let entries = entries.replace("/bedrock\"\n", "/bedrock\"\nvars = { region = \"eu-west-1\" }\n");
    let tapped = Tapped::start(&entries);
    let mut expected = Vec::new();
    for (protocol, provider, path) in DOORS {
        for fault in FAULTS {
            let model = format!("m-1{fault}");
            let path = format!("/{provider}{}", path.replace("MODEL", &model));
            let body = body(protocol, &model, true);
            let wanted = undated(ask(direct.addr, post(direct.addr, &path, body.clone())).await);
            let mut got = undated(ask(tapped.addr, post(tapped.addr, &path, body)).await);
            if wanted.end == End::Reset {
                // What was under way when a reset comes may be lost on any way: `leave` looks closer.
                let n = got.body.len().min(wanted.body.len());
                assert_eq!(got.body[..n], wanted.body[..n], "{protocol} {fault}");
                got.body = wanted.body.clone();
            }
            assert_eq!(got, wanted, "{protocol} {fault}");
            let verdict = match wanted.end {
                End::Closed | End::Refused => "errored(reset)".to_owned(),
                _ => gate(protocol, &wanted),
            };
            expected.push((format!("{provider}/{model}"), verdict));
        }
    }
    let mut seen = tapped.all().await;
    for observation in &seen {
        assert_eq!(observation.source, Source::Tap);
        assert!(observation.with_key && observation.tail.is_none());
        let text = format!("{observation:?}");
        assert!(!text.contains(PLANTED) && !text.contains("Bearer"), "{text}");
    }
    let mut got: Vec<_> = seen
        .drain(..)
        .map(|o| (o.target.to_string(), o.verdict.to_string()))
        .collect();
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    let counts = tapped.tap.counts();
    assert_eq!(
        (counts.requests, counts.open),
        (expected.len() as u64, 0),
        "{counts:?}"
    );
    assert_eq!(counts.unjudged.failed + counts.unjudged.overrun, 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_no_stream_is_judged_and_has_no_first_token() {
    let behind = Simulated::start(Pace::instant()).await;
    let entries = entry("anthropic", &format!("http://{}/anthropic", behind.addr))
        + &entry("openai", &format!("http://{}/openai", behind.addr))
        + &entry("gemini", &format!("http://{}/gemini", behind.addr));
    let tapped = Tapped::start(&entries);
    for (protocol, path) in [
        (Protocol::Anthropic, "/anthropic/v1/messages"),
        (Protocol::OpenaiChat, "/openai/v1/chat/completions"),
        (Protocol::OpenaiResponses, "/openai/v1/responses"),
        (Protocol::Gemini, "/gemini/v1beta/models/m:generateContent"),
    ] {
        let answer = ask(tapped.addr, post(tapped.addr, path, body(protocol, "m", false))).await;
        assert_eq!(
            (answer.status.unwrap().as_u16(), answer.end),
            (200, End::Whole),
            "{path}"
        );
    }
    for seen in tapped.seen(4).await {
        assert_eq!(seen.verdict, Verdict::Complete, "{seen:?}");
        assert!(seen.phases.first_token.is_none() && seen.phases.head.is_some() && seen.e2e().is_some());
        assert!(seen.usage.output.is_some(), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_no_reply_passes_unjudged() {
    let behind = Simulated::start(Pace::instant()).await;
    let tapped = Tapped::start(&entry("anthropic", &format!("http://{}/anthropic", behind.addr)));
    let models = http::Request::get("/anthropic/v1/models")
        .header("host", "localhost")
        .header("x-api-key", "k")
        .body(http_body_util::Full::default())
        .unwrap();
    let answer = ask(tapped.addr, models).await;
    assert_eq!(answer.status.unwrap(), 200);
    assert!(answer.body.starts_with(b"{"));
    let count = post(
        tapped.addr,
        "/anthropic/v1/messages/count_tokens",
        body(Protocol::Anthropic, "m", false),
    );
    assert_eq!(ask(tapped.addr, count).await.status.unwrap(), 200);
    // A request whose model can't be told passes too, and is counted.
    let nameless = post(tapped.addr, "/anthropic/v1/messages", r#"{"messages":[]}"#);
    assert_eq!(ask(tapped.addr, nameless).await.status.unwrap(), 400);
    assert!(tapped.all().await.is_empty());
    let counts = tapped.tap.counts();
    assert_eq!((counts.requests, counts.unjudged.no_model), (3, 1), "{counts:?}");
}
