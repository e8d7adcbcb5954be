//! Secrets planted everywhere a secret can be, in a whole daemon at its most talkative, with providers that hand them back:
//! none of them is seen again.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use endturn::{api::SERVED, probe::http_client};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::{
    cli::{Place, running::Running},
    support::{
        live::{PATIENCE, until},
        server::{Server, request, serve},
    },
};

/// What every planted secret holds, and nothing else of this test.
const MARK: &str = "PLANTED-5f2c9d1e7a";
/// The token that asks.
const READER: &str = "the-token-of-the-test-0123456789";

fn planted(place: &str) -> String {
    format!("sk-{MARK}-{place}")
}

/// The files that a secret is planted in.
const BEDS: [&str; 5] = [
    "a.key",
    "login.json",
    "credential",
    "reporter.token",
    "wrong.token",
];

/// Whose keys are planted.
const PROVIDERS: [&str; 8] = [
    "from-env",
    "from-file",
    "from-systemd",
    "anthropic",
    "gemini",
    "bedrock",
    "vertex-claude",
    "tapped",
];

/// Where a text that should hold none holds one: what stands around it.
fn leak(bytes: &[u8]) -> Option<String> {
    let encoded = STANDARD.encode(MARK);
    // Of a text that begins with it; its last digits depend on what follows.
    let marks = [MARK, &encoded[..20]];
    let mut found = marks.iter().filter_map(|mark| {
        bytes
            .windows(mark.len())
            .position(|window| window == mark.as_bytes())
    });
    let at = found.next()?;
    let around = &bytes[at.saturating_sub(120)..(at + 60).min(bytes.len())];
    Some(String::from_utf8_lossy(around).into_owned())
}

fn leaks_below(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            leaks_below(&path, found);
        } else if !BEDS.iter().any(|bed| path.ends_with(bed)) {
            let leak = leak(&fs::read(&path).unwrap());
            found.extend(leak.map(|leak| format!("{}: {leak}", path.display())));
        }
    }
}

/// Hands back what it is sent, in every place that an answer has: by turns an error, a stream that ends in an error, and a
/// stream that ends as it should.
async fn echo() -> Server {
    serve(|number, mut socket| async move {
        let mut turn = number;
        while let Some(asked) = request(&mut socket).await {
            turn += 1;
            let head = asked.split("\r\n\r\n").next().unwrap_or_default();
            let said = head.split("\r\n").collect::<Vec<_>>().join(" ");
            // What a header can hold of it: the credential, wherever it stood.
            let marked: Vec<&str> = said
                .split([' ', ',', '=', '&', '/'])
                .filter(|word| word.contains(MARK))
                .collect();
            let key = marked.join("_");
            let key = if key.is_empty() { "none" } else { &key };
            let chunk = |choice: Value| {
                let body = json!({"id": key, "object": "chat.completion.chunk", "model": key, "created": 1,
                    "system_fingerprint": key, "choices": [choice]});
                format!("data: {body}\n\n")
            };
            let error = json!({"error": {"message": format!("your request was {said}"), "type": key, "code": key,
                "param": said}});
            let (status, kind, body) = match turn % 3 {
                0 => ("401 Unauthorized", "application/json", error.to_string()),
                1 => {
                    let text = chunk(json!({"index": 0, "delta": {"role": "assistant", "content": said}}));
                    ("200 OK", "text/event-stream", format!("{text}data: {error}\n\n"))
                }
                _ => {
                    let text = chunk(json!({"index": 0, "delta": {"role": "assistant", "content": key}}));
                    let end = chunk(json!({"index": 0, "delta": {}, "finish_reason": key}));
                    ("200 OK", "text/event-stream", format!("{text}{end}data: [DONE]\n\n"))
                }
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nx-request-id: {key}\r\nrequest-id: {key}\r\n\
                 x-ratelimit-remaining: {key}\r\nserver: {key}\r\nlocation: http://{key}/\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

/// A collector that keeps the bodies that it is sent.
async fn collector() -> (Server, Arc<Mutex<Vec<String>>>) {
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bodies);
    let server = serve(move |_, mut socket| {
        let kept = Arc::clone(&kept);
        async move {
            while let Some(export) = request(&mut socket).await {
                let body = export.split_once("\r\n\r\n").unwrap_or_default().1.to_owned();
                kept.lock().unwrap().push(body);
                let _ = socket
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
                    .await;
            }
        }
    })
    .await;
    (server, bodies)
}

/// A secret by every reference that a configuration knows.
fn configuration(place: &Place, echo: SocketAddr, collector: SocketAddr) {
    place.write("a.key", &planted("file"));
    place.write("reporter.token", &planted("token-file"));
    fs::create_dir(place.path("credentials")).unwrap();
    place.write("credentials/credential", &planted("credential"));
    let login = planted("login");
    place.write(
        "login.json",
        &json!({"type": "authorized_user", "client_id": login, "client_secret": login, "refresh_token": login,
            "token_uri": format!("http://{echo}/token")})
        .to_string(),
    );
    let provider = |id: &str, preset: &str, credential: &str| {
        format!(
            "[[provider]]\nid = \"{id}\"\npreset = \"{preset}\"\nbase_url = \"http://{echo}/v1\"\n{credential}\n\
             models = [\"m\"]\nfree = true\npolite = false\nreach = {{ every = \"100ms\" }}\n\
             canary = {{ every = \"100ms\" }}\nlong = false\n"
        )
    };
    let tokens = format!(
        "[[server.token]]\nname = \"reporter\"\ntoken = {{ file = \"reporter.token\" }}\nscopes = [\"report\"]\n\
         [[server.token]]\nname = \"env\"\ntoken = {{ env = \"TOKEN_ENV\" }}\nscopes = [\"admin\"]\n\
         [[server.token]]\nname = \"reader\"\ntoken = {{ env = \"READER\" }}\nscopes = [\"read\"]\n\
         [telemetry.otlp]\nendpoint = \"http://{collector}\"\ninterval = \"1s\"\n\
         headers = {{ authorization = {{ env = \"OTLP\" }} }}\n"
    );
    let env = |name: &str| format!("{{ env = \"{name}\" }}");
    let aws = format!(
        "vars = {{ region = \"us-east-1\" }}\naws = {{ access_key_id = {}, secret_access_key = {}, session_token = {} }}",
        env("AWS_ID"),
        env("AWS_SECRET"),
        env("AWS_SESSION")
    );
    let compatible = "openai-compatible";
    place.configure(
        "endturn.toml",
        &[
            tokens,
            provider("from-env", compatible, "api_key = { env = \"API_KEY\" }"),
            provider("from-file", compatible, "api_key = { file = \"a.key\" }"),
            provider("from-systemd", compatible, "api_key = { credential = \"credential\" }"),
            provider("anthropic", "anthropic", "api_key = { env = \"API_KEY\" }"),
            provider("gemini", "gemini", "api_key = { env = \"API_KEY\" }"),
            provider("bedrock", "bedrock", &aws),
            provider(
                "vertex-claude",
                "vertex-claude",
                "vars = { region = \"us-east-1\", project = \"p\" }\ngoogle = { service_account = { file = \"login.json\" } }",
            ),
            // By whom the request is handed back with what the proxy is told.
            provider("proxied", compatible, "proxy = { env = \"PROXY\" }"),
            provider("tapped", compatible, "").replace("100ms", "1h"),
        ]
        .concat(),
    );
    let file = place.path("endturn.toml");
    let all = fs::read_to_string(&file).unwrap() + &channels(echo);
    place.write("endturn.toml", &all);
}

/// A channel of each type that reaches a server, and an alert over all of them.
fn channels(echo: SocketAddr) -> String {
    let secret_url = "url = { env = \"CHANNEL_URL\" }";
    let url = format!("url = \"http://{echo}/in\"");
    let headers = "headers = { authorization = { env = \"CHANNEL_HEADER\" } }";
    let ways = [
        ("webhook", format!("{secret_url}\nsecret = {{ env = \"CHANNEL_SECRET\" }}\n{headers}")),
        ("slack", secret_url.to_owned()),
        ("discord", secret_url.to_owned()),
        ("teams", secret_url.to_owned()),
        ("pagerduty", format!("{url}\nrouting_key = {{ env = \"CHANNEL_KEY\" }}")),
        ("jsm", format!("{url}\napi_key = {{ env = \"CHANNEL_KEY\" }}")),
        ("ntfy", format!("{url}\ntopic = {{ env = \"CHANNEL_KEY\" }}\ntoken = {{ env = \"CHANNEL_TOKEN\" }}")),
        ("telegram", format!("{url}\ntoken = {{ env = \"CHANNEL_BOT\" }}\nchat = \"-1001234567890\"")),
        ("alertmanager", format!("url = \"http://{echo}\"\n{headers}")),
        ("apprise", format!("url = \"http://{echo}\"\nurls = {{ env = \"CHANNEL_URL\" }}\n{headers}")),
        (
            "email",
            "host = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]".to_owned(),
        ),
        (
            "command",
            "command = [\"/bin/sh\", \"-c\", \"env >&2; env; exit 1\"]\nenv = { PAGER = { env = \"CHANNEL_COMMAND\" } }"
                .to_owned(),
        ),
    ];
    let names: Vec<&str> = ways.iter().map(|(name, _)| *name).collect();
    let entries = ways.iter().map(|(kind, rest)| {
        let private = if *kind == "command" {
            ""
        } else {
            "allow_private = true\n"
        };
        format!("[[channel]]\nname = \"{kind}\"\ntype = \"{kind}\"\n{private}{rest}\n")
    });
    let alert = format!(
        "[[alert]]\nname = \"all\"\ntargets = [\"*\"]\non = [\"down\", \"partial\", \"degraded\", \"blocked_key\"]\nchannels = {names:?}\n"
    );
    entries.collect::<String>() + &alert
}

fn command(place: &Place, echo: SocketAddr, args: &[&str]) -> std::process::Command {
    let mut command = place.command(args);
    command
        .env("CREDENTIALS_DIRECTORY", place.path("credentials"))
        .env("READER", READER)
        .env("OTEL_EXPORTER_OTLP_COMPRESSION", "none");
    for (name, at) in [
        ("API_KEY", "env"),
        ("AWS_ID", "aws-id"),
        ("AWS_SECRET", "aws-secret"),
        ("AWS_SESSION", "aws-session"),
        ("OTLP", "otlp"),
        ("TOKEN_ENV", "token-env"),
        ("ANTHROPIC_API_KEY", "ambient"),
        ("CHANNEL_HEADER", "channel-header"),
        ("CHANNEL_KEY", "channel-key"),
        ("CHANNEL_TOKEN", "channel-token"),
        ("CHANNEL_COMMAND", "channel-command"),
    ] {
        command.env(name, planted(at));
    }
    let url = format!(
        "http://{echo}/hook/{}?sig={}",
        planted("channel-path"),
        planted("channel-query")
    );
    command
        .env("CHANNEL_URL", url)
        .env("PROXY", format!("http://{MARK}-proxy-user:{MARK}-proxy@{echo}"))
        .env("CHANNEL_BOT", format!("123456:{}", planted("channel-bot")))
        .env(
            "CHANNEL_SECRET",
            format!("whsec_{}", STANDARD.encode(format!("{MARK}-{MARK}"))),
        );
    command
}

/// Sends what a client might: credentials for the tap's provider, tokens right, wrong and in the wrong place. The answers
/// of the tap are the provider's; of ours none may hold anything.
async fn traffic(addr: SocketAddr) {
    let client = http_client().unwrap();
    let own = planted("client");
    let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;
    for n in 0..9 {
        let url = format!(
            "http://{addr}/tap/tapped/v1/chat/completions?key={}",
            planted("client-query")
        );
        let sent = client.post(url).header("x-endturn-token", planted("token-file"));
        let sent = if n % 2 == 0 {
            sent.bearer_auth(&own)
        } else {
            sent.header("x-api-key", &own)
        };
        let answer = sent
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let text = answer.text().await.unwrap();
        assert!(
            leak(text.as_bytes()).is_some() && !text.contains("token-file"),
            "{text}"
        );
    }
    let wrong = planted("wrong");
    let requests = [
        client.get(format!("http://{addr}/v1/health")).bearer_auth(&wrong),
        client
            .get(format!("http://{addr}/"))
            .basic_auth(&wrong, Some(&wrong)),
        client
            .get(format!("http://{addr}/v1/health?token={wrong}"))
            .bearer_auth(READER),
        client
            .get(format!("http://{addr}/v1/observations?cursor={wrong}"))
            .bearer_auth(READER),
        client
            .get(format!("http://{addr}/v1/health"))
            .header("authorization", &wrong),
        client
            .get(format!("http://{addr}/v1/health"))
            .header("cookie", format!("session={wrong}")),
        client
            .post(format!("http://{addr}/v1/reports"))
            .basic_auth("x", Some(&wrong)),
        client
            .post(format!("http://{addr}/v1/reports"))
            .bearer_auth(planted("token-env")),
        client
            .post(format!("http://{addr}/v1/admin/reload"))
            .bearer_auth(planted("token-file")),
        client
            .get(format!("http://{addr}/tap/tapped/v1/models"))
            .header("x-endturn-token", &wrong),
    ];
    for request in requests {
        let answer = request.send().await.unwrap();
        let head = format!("{:?} ", answer.headers());
        let text = head + &answer.text().await.unwrap();
        assert_eq!(leak(text.as_bytes()), None);
    }
}

/// Every path that can be read, the pages and the tools for agents.
async fn everything_that_is_shown(addr: SocketAddr) -> Vec<(String, String)> {
    let client = http_client().unwrap();
    let document: Value = serde_json::from_str(SERVED).unwrap();
    let read = |path: String| {
        let asked = client.get(format!("http://{addr}{path}")).bearer_auth(READER);
        let asked = asked.header("x-endturn-token", planted("token-file"));
        async move {
            let answer = asked.send().await.unwrap();
            let head = format!("{} {:?} ", answer.status(), answer.headers());
            if path == "/v1/events" {
                let mut answer = answer;
                let first = answer.chunk().await.unwrap().unwrap_or_default();
                return (path, head + &String::from_utf8_lossy(&first));
            }
            (path, head + &answer.text().await.unwrap())
        }
    };
    let (_, text) = read("/v1/incidents".to_owned()).await;
    let incidents: Vec<String> = text
        .split("\"id\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|id| !id.contains('/'))
        .map(str::to_owned)
        .collect();
    let mut paths: Vec<String> = [
        "/",
        "/methodology",
        "/incidents",
        "/v1/observations?limit=500",
        "/tap/",
    ]
    .map(str::to_owned)
    .to_vec();
    for id in &incidents {
        paths.extend([format!("/incidents/{id}"), format!("/v1/incidents/{id}")]);
    }
    let members = document["paths"].as_object().unwrap();
    let readable = members.iter().filter(|(_, methods)| methods.get("get").is_some());
    for (path, _) in readable.filter(|(path, _)| !path.contains("{id}") && !path.contains("{name}")) {
        if !path.contains("{target}") {
            paths.push(path.clone());
            continue;
        }
        for id in PROVIDERS {
            paths.push(
                path.replace("{target}", &format!("{id}/m"))
                    + if path.contains("series") {
                        "?metric=ttft_ms"
                    } else {
                        ""
                    },
            );
            paths.push(format!("/targets/{id}/m"));
        }
    }
    paths.sort();
    paths.dedup();
    let mut shown = Vec::new();
    for path in paths {
        shown.push(read(path).await);
    }
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "recent_failures", "arguments": {}}});
    let asked = client
        .post(format!("http://{addr}/mcp"))
        .bearer_auth(READER)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .body(call.to_string());
    shown.push((
        "/mcp".to_owned(),
        asked.send().await.unwrap().text().await.unwrap(),
    ));
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_secret_is_seen_anywhere() {
    let place = Place::new();
    let (echo, (collector, exports)) = (echo().await, collector().await);
    configuration(&place, echo.addr, collector.addr);
    let checked = command(&place, echo.addr, &["check"]).output().unwrap();
    let found = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{found}");
    let daemon = Running::spawn(command(
        &place,
        echo.addr,
        &["run", "--log", "trace,endturn=trace"],
    ));
    let addr = daemon.addr().await;
    traffic(addr).await;
    // Each of them was answered in each of the ways.
    until("failures of everybody", || async {
        let asked = http_client()
            .unwrap()
            .get(format!("http://{addr}/v1/observations?limit=500"));
        let text = asked
            .bearer_auth(READER)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        PROVIDERS
            .iter()
            .all(|id| text.contains(&format!("\"{id}/m\"")))
            .then_some(())
    })
    .await;
    until("spans and logs", || async {
        (exports.lock().unwrap().len() > 5).then_some(())
    })
    .await;
    until("a try of every channel", || async {
        let asked = http_client()
            .unwrap()
            .get(format!("http://{addr}/v1/alerts"))
            .bearer_auth(READER);
        let alerts: Value = serde_json::from_str(&asked.send().await.unwrap().text().await.unwrap()).unwrap();
        let tried = |channel: &Value| {
            channel["failed"].as_u64().unwrap() + channel["delivered"].as_u64().unwrap() > 0
        };
        let channels = alerts["channels"].as_array().unwrap();
        (channels.len() == 12 && channels.iter().all(tried)).then_some(())
    })
    .await;
    daemon.signal("HUP");
    daemon.line("the new configuration is in force").await;
    let shown = everything_that_is_shown(addr).await;
    assert!(shown.len() > 60, "{}", shown.len());
    for (path, text) in shown {
        assert_eq!(leak(text.as_bytes()), None, "{path}");
        assert!(
            !text.starts_with("401") && !text.starts_with("500"),
            "{path}: {text}"
        );
    }
    let mut found = Vec::new();
    leaks_below(&place.path(""), &mut found);
    assert_eq!(found, [""; 0], "while it runs");
    daemon.signal("TERM");
    let done = tokio::time::timeout(PATIENCE, daemon.end())
        .await
        .expect("an end");
    assert!(
        done.err.contains("TRACE") && done.err.len() > 10_000,
        "the log tells everything"
    );
    for line in done.out.lines().chain(done.err.lines()) {
        assert_eq!(leak(line.as_bytes()), None, "the log");
    }
    for export in exports.lock().unwrap().iter() {
        assert_eq!(leak(export.as_bytes()), None, "telemetry");
    }
    leaks_below(&place.path(""), &mut found);
    assert_eq!(found, [""; 0], "at the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_tells_a_planted_secret() {
    let place = Place::new();
    let (echo, (collector, _exports)) = (echo().await, collector().await);
    configuration(&place, echo.addr, collector.addr);
    place.write("wrong.token", &format!("{} {}", planted("two"), planted("words")));
    let url = format!("http://{}", echo.addr);
    let nobody = "http://127.0.0.1:1";
    for args in [
        &["check"][..],
        &["check", "--json"],
        &[
            "probe",
            "from-env/m",
            "from-file/m",
            "bedrock/m",
            "vertex-claude/m",
            "--json",
        ],
        &[
            "probe",
            "from-env/m",
            "anthropic/m",
            "--log",
            "trace,endturn=trace",
        ],
        &["probe", "from-systemd/m", "--kind", "reach"],
        &["status", "--url", &url],
        &["status", "--url", nobody],
        &[
            "status",
            "--url",
            &url,
            "--token-file",
            "a.key",
            "--log",
            "trace,endturn=trace",
        ],
        &["status", "--url", &url, "--token-file", "wrong.token"],
        &["history", "from-env/m", "--url", &url, "--token-file", "a.key"],
        &["report", "--url", &url, "--token-file", "a.key"],
        &["tap", "--token-file", "wrong.token"],
    ] {
        let mut command = command(&place, echo.addr, args);
        command.env("ENDTURN_TOKEN", planted("token-var"));
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        for told in [&output.stdout, &output.stderr] {
            assert_eq!(leak(told), None, "{args:?}");
        }
    }
}
