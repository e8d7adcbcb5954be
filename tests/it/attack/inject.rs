//! Texts from outside that would be something else where they are shown: markup, headers, lines, events, labels.

use endturn::simulate::FaultKind;
use serde_json::{Value, json};

use super::all;
use crate::{
    access::ask,
    reports::world,
    support::live::{get, until},
};

/// Closes whatever it stands in, and begins something of its own.
const EVIL: &str = "\r\nX-Evil: 1\r\n\r\n</script></title></textarea>\"'><script>alert(1)</script><img src=x onerror=alert(1)>\n\
                    event: evil\ndata: {\"evil\":1}\n\nevil_metric 1\n\u{1b}[2J]]><evil/>&evil; \u{202e}{{7*7}}";

/// Whether a page took the text for markup.
fn breaks_out(page: &str) -> bool {
    ["<script>alert", "<img src=x", "<evil", "<script>"]
        .iter()
        .any(|markup| page.contains(markup))
}

fn is_xml(text: &str) -> bool {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Eof) => return true,
            Ok(quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag))
                if ["evil", "script", "img"]
                    .iter()
                    .any(|name| tag.name().as_ref() == *name) =>
            {
                return false;
            }
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// A report whose every text means harm.
fn report(n: usize) -> Value {
    json!({"id": format!("{n}{EVIL}"), "target": "openai/gpt-5.2", "verdict": "errored", "http_status": 500,
        "reporter": "gateway", "error": EVIL, "stop_reason": EVIL, "served_model": EVIL, "fingerprint": EVIL,
        "region": EVIL, "request_id": EVIL, "detail": EVIL})
}

async fn tell(addr: std::net::SocketAddr, reports: Vec<Value>) -> Value {
    let client = endturn::probe::http_client().unwrap();
    let sent = client.post(format!("http://{addr}/v1/reports"));
    let sent = sent
        .header("content-type", "application/json")
        .body(json!(reports).to_string());
    serde_json::from_str(&sent.send().await.unwrap().text().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_from_outside_breaks_out_of_where_it_is_shown() {
    let (_dir, providers, daemon) = world("agent = \"127.0.0.1:0\"\n").await;
    let addr = daemon.addr();
    let body = json!({"error": {"type": EVIL, "code": EVIL, "message": EVIL}}).to_string();
    let body = Some(body);
    providers.fail(
        "openai",
        FaultKind::Status {
            code: 500,
            body,
            retry_after: None,
        },
    );
    let told = tell(addr, (0..60).map(report).collect()).await;
    assert_eq!(told["accepted"], 60, "{told}");
    // One whose reporter is the text: its name is shown too, or it is refused.
    let mut named = report(99);
    named["reporter"] = EVIL.into();
    tell(addr, vec![named]).await;
    let incident = until("an incident with its evidence", || async {
        let (_, text) = get(addr, "/v1/incidents").await;
        let incidents: Value = serde_json::from_str(&text).unwrap();
        incidents["items"][0]["id"].as_str().map(str::to_owned)
    })
    .await;
    until("the text in history", || async {
        let (_, text) = get(addr, "/v1/observations?limit=500").await;
        text.contains("alert(1)").then_some(())
    })
    .await;
    let label = format!(
        "/badge/openai/gpt-5.2.svg?label={}",
        percent_encoding::utf8_percent_encode(
            "\"><script>alert(1)</script>",
            percent_encoding::NON_ALPHANUMERIC
        )
    );
    for path in [
        "/",
        "/targets/openai/gpt-5.2",
        &format!("/incidents/{incident}"),
        "/incidents",
        "/methodology",
        "/%3Cscript%3Ealert(1)%3C/script%3E",
        "/targets/%3Cscript%3Ealert(1)%3C/script%3E",
        "/feed.atom",
        "/badge/openai/gpt-5.2.svg",
        &label,
        "/v1/health",
        "/v1/observations?limit=500",
        "/v1/incidents",
        &format!("/v1/incidents/{incident}"),
        "/v1/changes",
        "/v1/evidence/openai/gpt-5.2",
        "/v1/reporters",
        "/v1/report",
        "/api/v2/summary.json",
        "/api/v2/incidents.json",
        "/metrics",
        "/readyz",
    ] {
        let (_, headers, body) = ask(addr, "GET", path, &[]).await;
        assert!(headers.get("x-evil").is_none(), "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        let kind = headers["content-type"].to_str().unwrap();
        match kind.split(';').next().unwrap() {
            "text/html" => assert!(!breaks_out(&body), "{path}: {body}"),
            "application/json" | "application/problem+json" => {
                serde_json::from_str::<Value>(&body).unwrap();
            }
            "application/atom+xml" | "image/svg+xml" => assert!(is_xml(&body), "{path}: {body}"),
            kind => {
                assert_eq!(path, "/metrics", "{kind}");
                let line = body.lines().find(|line| {
                    !line.starts_with("# ") && !line.starts_with("endturn_") && !line.starts_with("gen_ai_")
                });
                assert_eq!(line, None);
            }
        }
    }
    let (_, page) = get(addr, "/targets/openai/gpt-5.2").await;
    assert!(page.contains("alert(1)"), "the page tells it, as a text");
    let events = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: 1\r\n\r\n";
    let events = tokio::time::timeout(std::time::Duration::from_millis(700), stream(addr, events)).await;
    let events = events.unwrap_or_default();
    assert!(!events.lines().any(|line| line == "event: evil"), "{events}");
    let agent = daemon.agent_addr().unwrap();
    let line = all(agent, "openai/gpt-5.2\n").await;
    assert!(
        line.ends_with('\n') && line.lines().count() == 1 && !line.contains("evil"),
        "{line:?}"
    );
    daemon.stop().await;
}

/// What an event stream says until the first heartbeat or so.
async fn stream(addr: std::net::SocketAddr, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    while !seen.contains("event: snapshot") || !seen.ends_with("\n\n") {
        let n = stream.read(&mut buffer).await.unwrap();
        assert!(n > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    seen
}
