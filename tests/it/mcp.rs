//! The tools over both transports and in both generations of the protocol, against whole daemons.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use endturn::{
    clock::Clock,
    config::{Env, load_text},
    daemon::{Daemon, StorePlace},
    link::http_client,
    mcp::MAX_MESSAGE_BYTES,
};
use serde_json::{Value, json};

use crate::support::live::{PATIENCE, Providers, json as ask, until};

const STATELESS: &str = "2026-07-28";
const HANDSHAKE: &str = "2025-11-25";
const CUT: &str = "anthropic/claude-haiku-4-5";

async fn daemon(providers: &Providers) -> Daemon {
    let routes = format!("[[route]]\nname = \"coding\"\ntargets = [\"{CUT}\", \"openai/gpt-5.2\"]\n");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[network]\nanchors = []\n{}{routes}",
        providers.usual()
    );
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        ..Env::default()
    };
    let config = load_text("t.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config;
    let daemon = Daemon::start(config, StorePlace::Temporary, 7, Clock::system())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    providers.truncate("anthropic");
    let addr = daemon.addr();
    until("that the cut is found, and kept", || async {
        let target = ask(addr, &format!("/v1/health/{CUT}")).await;
        let kept = ask(addr, "/v1/observations?verdict=truncated").await;
        let found = target["routing"]["hint"] == "avoid" && !kept["items"].as_array().unwrap().is_empty();
        found.then_some(())
    })
    .await;
    daemon
}

/// A request of the stateless generation tells all about itself.
fn stateless(id: u64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": {"name": "it", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(id, method, params)
}

fn request(id: u64, method: &str, params: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params.into()})
}

fn hello() -> Value {
    request(
        1,
        "initialize",
        json!({"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "it", "version": "1"}}),
    )
}

fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("provider_health", json!({"targets": ["anthropic/*"]})),
        ("route", json!({"name": "coding"})),
        ("recent_failures", json!({"target": CUT, "limit": 1})),
        (
            "validate_reply",
            json!({"text": "[1,", "stop_reason": "stop", "expect": "json"}),
        ),
    ]
}

/// What each call has to answer in that world.
fn check(name: &str, result: &Value) {
    assert_eq!(result["isError"], false, "{name}: {result}");
    assert!(!result["content"][0]["text"].as_str().unwrap().is_empty());
    let content = &result["structuredContent"];
    match name {
        "provider_health" => {
            let target = &content["targets"][0];
            assert_eq!(
                (&target["target"], &target["fault"], &target["why"]["code"]),
                (&json!(CUT), &json!("provider"), &json!("truncated")),
                "{content}"
            );
            assert_eq!(content["fresh"], true);
        }
        "route" => assert_eq!(content["route"]["target"], "openai/gpt-5.2", "{content}"),
        "recent_failures" => {
            let seen = &content["failures"][0];
            assert_eq!(
                (&seen["verdict"], &seen["target"]),
                (&json!("truncated"), &json!(CUT))
            );
            assert!(seen["from_provider"]["last_words"].is_string(), "{content}");
        }
        _ => assert_eq!(
            (&content["whole"], &content["advice"]),
            (&json!(false), &json!("retry_elsewhere"))
        ),
    }
}

struct Answered {
    status: u16,
    kind: String,
    body: String,
}

async fn post(addr: SocketAddr, message: &Value, headers: &[(&str, &str)]) -> Answered {
    let mut request = http_client()
        .unwrap()
        .post(format!("http://{addr}/mcp"))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .timeout(PATIENCE)
        .body(message.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let kind = response.headers().get("content-type").cloned();
    Answered {
        status: response.status().as_u16(),
        kind: kind
            .map(|kind| kind.to_str().unwrap().to_owned())
            .unwrap_or_default(),
        body: response.text().await.unwrap(),
    }
}

async fn result(addr: SocketAddr, message: &Value, headers: &[(&str, &str)]) -> Value {
    let answer = post(addr, message, headers).await;
    assert_eq!(
        (answer.status, answer.kind.as_str()),
        (200, "application/json"),
        "{}",
        answer.body
    );
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["id"], message["id"]);
    answer["result"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_in_both_generations() {
    let providers = Providers::start().await;
    let daemon = daemon(&providers).await;
    let addr = daemon.addr();
    let version = |version| [("mcp-protocol-version", version)];

    let found = result(
        addr,
        &stateless(1, "server/discover", json!({})),
        &[version(STATELESS)[0], ("mcp-method", "server/discover")],
    )
    .await;
    assert!(
        found["supportedVersions"]
            .as_array()
            .unwrap()
            .contains(&json!(STATELESS)),
        "{found}"
    );
    let greeted = result(addr, &hello(), &[]).await;
    assert_eq!(greeted["protocolVersion"], HANDSHAKE);
    assert_eq!(greeted["serverInfo"]["name"], "endturn");
    assert!(
        greeted["instructions"]
            .as_str()
            .unwrap()
            .contains("provider_health")
    );

    for (name, arguments) in calls() {
        let params = json!({"name": name, "arguments": arguments});
        let headers = [
            version(STATELESS)[0],
            ("mcp-method", "tools/call"),
            ("mcp-name", name),
        ];
        check(
            name,
            &result(addr, &stateless(2, "tools/call", params.clone()), &headers).await,
        );
        check(
            name,
            &result(addr, &request(3, "tools/call", params), &version(HANDSHAKE)).await,
        );
    }
    let listed = result(addr, &request(4, "tools/list", json!({})), &version(HANDSHAKE)).await;
    assert_eq!(listed["tools"].as_array().unwrap().len(), 4);
    let wrong = json!({"name": "recent_failures", "arguments": {"limit": 0}});
    let wrong = result(addr, &request(5, "tools/call", wrong), &version(HANDSHAKE)).await;
    assert_eq!(wrong["isError"], true);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_giants_are_turned_away() {
    let providers = Providers::start().await;
    let daemon = daemon(&providers).await;
    let addr = daemon.addr();
    for (headers, status) in [
        (&[("host", "evil.example")][..], 421),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "http://localhost.evil.example")], 403),
        (&[("origin", "http://localhost:3000")], 200),
        (
            &[("origin", "http://127.0.0.1:7411"), ("host", "localhost:1")],
            200,
        ),
    ] {
        let answer = post(addr, &hello(), headers).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
        if status != 200 {
            assert_eq!(answer.kind, "application/problem+json");
        }
    }
    let long = "x".repeat(MAX_MESSAGE_BYTES);
    let answer = post(addr, &request(1, "ping", json!({"long": long})), &[]).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    // No stream to hold open, and no session to end.
    let url = format!("http://{addr}/mcp");
    let asked = http_client()
        .unwrap()
        .get(url)
        .header("accept", "text/event-stream");
    assert_eq!(asked.send().await.unwrap().status(), 405);
    daemon.stop().await;
}

/// `endturn mcp`, asked a line at a time.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    fn start(url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_endturn"))
            .args(["mcp", "--url", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn tell(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.tell(message);
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert_eq!(answer["id"], message["id"], "{answer}");
        answer
    }

    /// Closes its input; how it exits.
    fn close(mut self) -> Option<i32> {
        drop(self.input.take());
        self.child.wait().unwrap().code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_stdio_in_both_generations() {
    let providers = Providers::start().await;
    let daemon = daemon(&providers).await;
    let url = format!("http://{}", daemon.addr());
    let asked = tokio::task::spawn_blocking(move || {
        let mut old = Agent::start(&url);
        assert_eq!(old.ask(&hello())["result"]["protocolVersion"], HANDSHAKE);
        old.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        let mut new = Agent::start(&url);
        let found = new.ask(&stateless(1, "server/discover", json!({})));
        assert!(
            found["result"]["supportedVersions"]
                .as_array()
                .unwrap()
                .contains(&json!(STATELESS))
        );
        for (name, arguments) in calls() {
            let params = json!({"name": name, "arguments": arguments});
            check(
                name,
                &new.ask(&stateless(2, "tools/call", params.clone()))["result"],
            );
            check(name, &old.ask(&request(3, "tools/call", params))["result"]);
        }
        assert_eq!((old.close(), new.close()), (Some(0), Some(0)));
    });
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("an end")
        .unwrap();
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_daemon_it_serves_and_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let asked = tokio::task::spawn_blocking(move || {
        let mut agent = Agent::start(&url);
        agent.ask(&hello());
        agent.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        for (name, arguments) in calls() {
            let params = json!({"name": name, "arguments": arguments});
            let result = agent.ask(&request(2, "tools/call", params))["result"].clone();
            if name == "validate_reply" {
                // It needs nobody.
                check(name, &result);
                continue;
            }
            let told = result["content"][0]["text"].as_str().unwrap().to_owned();
            assert_eq!(result["isError"], true, "{name}: {told}");
            assert!(
                told.contains("endturn is not reachable") && told.contains("endturn run"),
                "{name}: {told}"
            );
        }
        assert_eq!(agent.close(), Some(0));
    });
    tokio::time::timeout(PATIENCE, asked)
        .await
        .expect("an end")
        .unwrap();
}
