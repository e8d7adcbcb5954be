//! Who may do what: tokens, scopes, names, origins, limits, on a whole daemon.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use endturn::{
    api::{REQUESTS_AT_ONCE, paths},
    probe::http_client,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use crate::{
    cli::{Place, running::Running},
    reports::{config, world},
    support::{
        live::{PATIENCE, until},
        server::{request, serve},
    },
};

pub(crate) const READER: &str = "marked-reader-0123456789";
pub(crate) const REPORTER: &str = "marked-reporter-0123456789";
pub(crate) const ADMIN: &str = "marked-admin-0123456789";

/// The entry of a token.
pub(crate) fn entry(token: &str, scopes: &[&str]) -> String {
    let digest = Sha256::digest(token);
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let name = scopes.join("-");
    format!("[[server.token]]\nname = \"{name}\"\nsha256 = \"{hex}\"\nscopes = {scopes:?}\n")
}

/// One token a scope.
pub(crate) fn all_tokens() -> String {
    [(READER, "read"), (REPORTER, "report"), (ADMIN, "admin")]
        .map(|(token, scope)| entry(token, &[scope]))
        .concat()
}

/// What was answered: status, headers, body.
type Answer = (u16, reqwest::header::HeaderMap, String);

pub(crate) async fn ask(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = http_client()
        .unwrap()
        .request(method.parse().unwrap(), format!("http://{addr}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if method == "POST" {
        request = request.header("content-type", "application/json").body("[]");
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let streams = headers
        .get("content-type")
        .is_some_and(|kind| kind == "text/event-stream");
    let body = if streams {
        String::new()
    } else {
        response.text().await.unwrap()
    };
    (status, headers, body)
}

async fn status(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    ask(addr, method, path, headers).await.0
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// Every path with how it is asked, and the scope that it needs; `page`: only where pages are not for everybody.
fn needs() -> BTreeMap<(String, &'static str), &'static str> {
    let mut needs = BTreeMap::new();
    let pages = [
        "/",
        "/targets/openai/gpt-5.2",
        "/days/openai/gpt-5.2",
        "/incidents",
        "/incidents/none",
        "/methodology",
        "/assets/page.css",
        "/favicon.ico",
        "/robots.txt",
    ];
    for page in pages {
        needs.insert((page.to_owned(), "GET"), "page");
    }
    for path in paths() {
        let filled = path
            .replace("{*target}", "openai/gpt-5.2")
            .replace("{name}", "none")
            .replace("{id}", "none");
        let (method, need) = match path {
            "/livez" | "/readyz" => ("GET", ""),
            "/v1/reports" | "/v1/traces" | "/v1/logs" | "/v1/metrics" => ("POST", "report"),
            "/v1/validate" => ("POST", "read"),
            "/v1/alerts"
            | "/v1/declared"
            | "/v1/observations"
            | "/v1/evidence/{*target}"
            | "/v1/reporters"
            | "/metrics" => ("GET", "read"),
            path if path.starts_with("/v1/admin/") => ("POST", "admin"),
            _ => ("GET", "page"),
        };
        needs.insert((filled, method), need);
    }
    needs.insert(("/mcp".to_owned(), "POST"), "read");
    needs.insert(("/v1/admin/nothing".to_owned(), "POST"), "admin");
    needs.insert(("/v1/admin/nothing".to_owned(), "GET"), "admin");
    needs.insert(("/nothing".to_owned(), "GET"), "read");
    needs
}

/// What came of every path for one caller: `true`, if the guard let it pass.
async fn check(addr: SocketAddr, token: Option<&str>, scope: &str, public: bool) {
    for ((path, method), need) in needs() {
        let value = token.map(bearer);
        let headers: Vec<_> = value
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        let (status, _, body) = ask(addr, method, &path, &headers).await;
        let free = need.is_empty() || (need == "page" && public);
        let wanted = if need == "page" { "read" } else { need };
        let place = format!("{method} {path} by {scope:?}: {status} {body}");
        match (free || wanted == scope, token) {
            (true, _) => assert!(!matches!(status, 401 | 403 | 429), "{place}"),
            (false, None) => {
                assert_eq!(status, 401, "{place}");
                assert!(body.contains(&format!("scope \\\"{wanted}\\\"")), "{place}");
            }
            (false, Some(_)) => {
                assert_eq!(status, 403, "{place}");
                assert!(
                    body.contains(&format!("lacks the scope \\\"{wanted}\\\"")),
                    "{place}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_needs_its_scope_and_no_other_will_do() {
    for public in [false, true] {
        let head = format!("public_read = {public}\n{}", all_tokens());
        let (_dir, _providers, daemon) = world(&head).await;
        let addr = daemon.addr();
        check(addr, None, "", public).await;
        for (token, scope) in [(READER, "read"), (REPORTER, "report"), (ADMIN, "admin")] {
            check(addr, Some(token), scope, public).await;
        }
        let wrong = bearer("marked-nobody-0123456789");
        let (status, headers, body) = ask(addr, "POST", "/v1/reports", &[("authorization", &wrong)]).await;
        assert_eq!(status, 401, "{body}");
        let challenges: Vec<_> = headers.get_all("www-authenticate").iter().collect();
        assert!(
            challenges[0].to_str().unwrap().starts_with("Bearer ")
                && challenges[1].to_str().unwrap().starts_with("Basic "),
            "{challenges:?}"
        );
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_this_machine_may_do_everything_and_nobody_else_may_change_anything() {
    let head = "allowed_hosts = [\"status.example.com\"]\n";
    let (_dir, _providers, daemon) = world(head).await;
    let addr = daemon.addr();
    for ((path, method), _) in needs() {
        let status = status(addr, method, &path, &[]).await;
        assert!(!matches!(status, 401 | 403), "{method} {path}: {status}");
    }
    for (name, value) in [
        ("host", "status.example.com"),
        ("x-forwarded-for", "203.0.113.9"),
        ("forwarded", "for=203.0.113.9"),
        ("via", "1.1 caddy"),
    ] {
        let with: &[(&str, &str)] = &[(name, value)];
        let changed = status(addr, "POST", "/v1/admin/nothing", with).await;
        let read = status(addr, "GET", "/v1/health", with).await;
        assert_eq!((changed, read), (403, 200), "{name}");
    }
    daemon.stop().await;
}

/// A token to report changes nothing for those who read on this machine, as it always was.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_to_report_does_not_close_the_page() {
    let (_dir, _providers, daemon) = world(&entry(REPORTER, &["report"])).await;
    let addr = daemon.addr();
    for (method, path, wanted) in [
        ("GET", "/", 200),
        ("GET", "/v1/observations", 200),
        ("GET", "/metrics", 200),
        ("POST", "/v1/reports", 401),
        ("POST", "/v1/admin/nothing", 401),
    ] {
        assert_eq!(status(addr, method, path, &[]).await, wanted, "{method} {path}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_token_as_password_and_only_to_read() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let both = entry(READER, &["read", "report"]);
    let (_dir, _providers, daemon) = world(&both).await;
    let addr = daemon.addr();
    let basic = format!("Basic {}", STANDARD.encode(format!("anybody:{READER}")));
    let with: &[(&str, &str)] = &[("authorization", &basic)];
    assert_eq!(status(addr, "GET", "/", with).await, 200);
    assert_eq!(status(addr, "HEAD", "/v1/health", with).await, 200);
    let (refused, _, body) = ask(addr, "POST", "/v1/reports", with).await;
    assert!(
        refused == 401 && body.contains("for reading only"),
        "{refused} {body}"
    );
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_to_the_names_that_are_configured() {
    let head = format!("allowed_hosts = [\"Status.example.com\"]\n{}", all_tokens());
    let (_dir, _providers, daemon) = world(&head).await;
    let addr = daemon.addr();
    let reader = bearer(READER);
    for (host, path, wanted) in [
        ("status.example.com", "/v1/health", 200),
        ("STATUS.EXAMPLE.COM:8443", "/v1/health", 200),
        ("localhost", "/v1/health", 200),
        ("evil.example", "/v1/health", 421),
        ("status.example.com.evil.example", "/v1/health", 421),
        // Whoever checks whether a process lives may not know its name.
        ("10.1.2.3:7411", "/livez", 200),
        ("10.1.2.3:7411", "/readyz", 200),
        ("status.example.com", "/tap/", 403),
        ("evil.example", "/tap/", 421),
    ] {
        let with: &[(&str, &str)] = &[
            ("host", host),
            ("authorization", &reader),
            ("x-endturn-token", READER),
        ];
        assert_eq!(status(addr, "GET", path, with).await, wanted, "{host} {path}");
    }
    let with: &[(&str, &str)] = &[("host", "status.example.com"), ("x-endturn-token", REPORTER)];
    assert_eq!(status(addr, "GET", "/tap/", with).await, 200);
    daemon.stop().await;
}

/// A client of the tap keeps `Authorization` for its provider, and its provider never sees the token.
#[tokio::test(flavor = "multi_thread")]
async fn the_tap_takes_its_token_in_a_header_of_its_own_and_passes_it_to_nobody() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let upstream = serve(move |_, mut socket| {
        let seen = Arc::clone(&seen);
        async move {
            while let Some(head) = request(&mut socket).await {
                seen.lock().unwrap().push(head.to_ascii_lowercase());
                let _ = socket
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                    .await;
            }
        }
    })
    .await;
    let provider = format!(
        "[[provider]]\nid = \"up\"\npreset = \"openai-compatible\"\nbase_url = \"http://{}/v1\"\nreach = false\n\
         canary = false\nfree = true\nmodels = [\"m\"]\n",
        upstream.addr
    );
    for (tokens, asked) in [(all_tokens(), true), (String::new(), false)] {
        let (_dir, _providers, daemon) = world(&(tokens + &provider)).await;
        let own = bearer("sk-of-the-client");
        for (token, refused) in [
            (None, 401),
            (Some("nobody-at-all-0123456789"), 401),
            (Some(READER), 403),
            (Some(REPORTER), 200),
        ] {
            let token = token.map(|token| ("X-Endturn-Token", token));
            let with: Vec<_> = [("authorization", own.as_str())]
                .into_iter()
                .chain(token)
                .collect();
            let (status, _, body) = ask(daemon.addr(), "POST", "/tap/up/v1/chat/completions", &with).await;
            assert_eq!(status, if asked { refused } else { 200 }, "{body}");
        }
        daemon.stop().await;
    }
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 5);
    for head in heads.iter() {
        assert!(head.contains("bearer sk-of-the-client"), "{head}");
        assert!(
            !head.contains("x-endturn-token") && !head.contains("marked"),
            "{head}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_change_nothing() {
    let (_dir, _providers, daemon) = world(&all_tokens()).await;
    let addr = daemon.addr();
    let (reporter, own) = (bearer(REPORTER), format!("http://{addr}"));
    for (name, value, wanted) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "http://localhost:3000", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "same-origin", 202),
        ("origin", &own, 202),
    ] {
        let with: &[(&str, &str)] = &[("authorization", &reporter), (name, value)];
        let (status, _, body) = ask(addr, "POST", "/v1/reports", with).await;
        assert_eq!(status, wanted, "{name}: {value} {body}");
    }
    daemon.stop().await;
}

/// A proxy that is believed tells whose request it is; each of them has a limit of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_too_much_is_told_when_to_come_again() {
    let head = format!("trusted_proxies = [\"127.0.0.1\"]\n{}", all_tokens());
    let (_dir, _providers, daemon) = world(&head).await;
    let addr = daemon.addr();
    let client = http_client().unwrap();
    let from = |address: &'static str| {
        let request = client.get(format!("http://{addr}/v1/health"));
        let request = request.header("x-forwarded-for", address);
        async move {
            let response = request
                .bearer_auth("nobody-at-all-0123456789")
                .send()
                .await
                .unwrap();
            (
                response.status().as_u16(),
                response.headers().get("retry-after").cloned(),
            )
        }
    };
    // Wrong tokens run out long before requests do.
    let most = REQUESTS_AT_ONCE as usize;
    let mut asked = 0;
    let refused = loop {
        let (status, retry) = from("203.0.113.9").await;
        if status == 429 {
            break retry;
        }
        assert_eq!(status, 401);
        asked += 1;
        assert!(asked < most, "there is a limit");
    };
    assert_eq!(refused.unwrap(), "1");
    assert_eq!(from("198.51.100.7").await.0, 401, "others have their own");
    assert_eq!(
        status(addr, "GET", "/livez", &[]).await,
        200,
        "this machine has none"
    );
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_strangers_that_it_works_and_not_where() {
    let (_dir, _providers, daemon) = world(&all_tokens()).await;
    let (code, _, body) = ask(daemon.addr(), "GET", "/readyz", &[]).await;
    let ready: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &ready["status"]), (200, &Value::from("ok")));
    assert!(ready["checks"]["store"].get("detail").is_none_or(Value::is_null));
    daemon.stop().await;
}

/// Sockets of all interfaces, asked over loopback by the name that is configured.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_bind_serves_by_name_and_token() {
    let place = Place::new();
    let entry = "[[provider]]\nid = \"ollama\"\nbase_url = \"http://127.0.0.1:1\"\nmodels = [\"m\"]\ncanary = false\n";
    place.configure("endturn.toml", &(all_tokens() + entry));
    let text = std::fs::read_to_string(place.path("endturn.toml")).unwrap();
    let public = text.replace(
        "listen = \"127.0.0.1:0\"\n",
        "listen = \"0.0.0.0:0\"\nallowed_hosts = [\"status.example.com\"]\nagent = \"0.0.0.0:0\"\nagent_allow = [\"10.0.0.5\"]\n",
    );
    place.write("endturn.toml", &public);
    let daemon = Running::start(&place, &["run"]);
    let line = daemon.line(" ready ").await;
    let port = line.split("http://0.0.0.0:").nth(1).unwrap();
    let port: u16 = port.split('/').next().unwrap().parse().unwrap();
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    let reader = bearer(READER);
    let by = |host: &'static str, token: bool| {
        let mut with = vec![("host", host)];
        if token {
            with.push(("authorization", reader.as_str()));
        }
        async move { status(addr, "GET", "/v1/health", &with).await }
    };
    assert_eq!(by("status.example.com", true).await, 200);
    assert_eq!(by("status.example.com", false).await, 401);
    assert_eq!(by("10.0.0.5", true).await, 421);
    // A file that would open it is not taken.
    place.write("endturn.toml", &text.replace(&all_tokens(), ""));
    daemon.signal("HUP");
    daemon.line("the new configuration is in force").await;
    assert_eq!(by("status.example.com", false).await, 401);
    // Another token is, at once.
    place.write(
        "endturn.toml",
        &public.replace(&all_tokens(), &self::entry(ADMIN, &["read"])),
    );
    daemon.signal("HUP");
    until("the new token", || async {
        (by("status.example.com", true).await == 401).then_some(())
    })
    .await;
    daemon.signal("TERM");
    daemon.end().await;
}

/// What a stream of events tells from now on, until it ends or has told of that revision; true: it ended.
async fn told_until(stream: &mut reqwest::Response, revision: u64) -> (Vec<u64>, bool) {
    let (mut text, mut told) = (String::new(), Vec::new());
    let read = async {
        while let Some(bytes) = stream.chunk().await.unwrap() {
            text += std::str::from_utf8(&bytes).unwrap();
            let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
            told = ids.map(|id| id.parse().unwrap()).collect();
            if told.last().is_some_and(|last| *last >= revision) {
                return false;
            }
        }
        true
    };
    let ended = tokio::time::timeout(PATIENCE, read).await;
    (told, ended.expect("the stream goes on or ends"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_at_the_reload_that_shuts_its_reader_out() {
    let (public, closed) = ("public_read = true\n", "public_read = false\n");
    let (named, all) = ("allowed_hosts = [\"status.example.com\"]\n", all_tokens());
    let rest = [(REPORTER, "report"), (ADMIN, "admin")].map(|(token, scope)| entry(token, &[scope]));
    let rest = rest.concat();
    let less = entry(READER, &["report"]) + &entry(ADMIN, &["read"]);
    for (what, before, token, after, refused) in [
        (
            "a token is gone",
            &*all,
            Some(READER),
            &*(closed.to_owned() + &rest),
            Some(401),
        ),
        ("a token reads no more", &all, Some(READER), &less, Some(403)),
        (
            "the page is closed",
            &(public.to_owned() + &all),
            None,
            &all,
            Some(401),
        ),
        (
            "a name is gone",
            &(named.to_owned() + &all),
            Some(READER),
            &all,
            Some(421),
        ),
        (
            "another token is gone",
            &all,
            Some(READER),
            &entry(READER, &["read"]),
            None,
        ),
        (
            "the page stays open",
            &(public.to_owned() + &all),
            None,
            &(public.to_owned() + &rest),
            None,
        ),
        ("everything is open", &all, Some(READER), "", None),
    ] {
        let (dir, providers, daemon) = world(before).await;
        let follow = || {
            let host = if before.contains(named) {
                "status.example.com"
            } else {
                "localhost"
            };
            let request = http_client()
                .unwrap()
                .get(format!("http://{}/v1/events", daemon.addr()));
            let request = request.header("host", host);
            token
                .into_iter()
                .fold(request, reqwest::RequestBuilder::bearer_auth)
                .send()
        };
        let mut stream = follow().await.unwrap();
        assert!(!told_until(&mut stream, 1).await.1, "{what}: it begins");
        let entry = providers.entry("openai", "openai/v1", "\"gpt-5.2\"", "60s");
        daemon.reload(config(after, &entry, dir.path())).await;
        let newest = daemon.snapshot().revision();
        let (told, ended) = told_until(&mut stream, newest + 1).await;
        assert_eq!(ended, refused.is_some(), "{what}: {told:?}");
        if let Some(refused) = refused {
            assert!(told.iter().all(|id| *id <= newest), "{what}: {told:?}");
            assert_eq!(follow().await.unwrap().status(), refused, "{what}");
        }
        daemon.stop().await;
    }
}

/// What `endturn token new` prints lets in, by every way that the commands take it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_lets_its_bearer_in() {
    let place = Place::new();
    let made = place
        .command(&[
            "token",
            "new",
            "--name",
            "me",
            "--scope",
            "read",
            "--scope",
            "report",
            "--trust",
            "corroborate",
        ])
        .output()
        .unwrap();
    let (token, entry) = (
        String::from_utf8(made.stdout).unwrap(),
        String::from_utf8(made.stderr).unwrap(),
    );
    assert!(
        token.starts_with("et_") && token.trim().len() == 46 && token.lines().count() == 1,
        "{token}"
    );
    assert!(
        !entry.contains(token.trim()) && entry.contains("trust = \"corroborate\""),
        "{entry}"
    );
    let (_dir, _providers, daemon) = world(&entry).await;
    let url = format!("http://{}", daemon.addr());
    place.write("token", &token);
    let run = |args: &[&str], with: Option<&str>| {
        let mut command = place.command(&[args, &["--url", &url]].concat());
        command.envs(with.map(|token| ("ENDTURN_TOKEN", token.to_owned())));
        async move {
            tokio::task::spawn_blocking(move || command.output().unwrap())
                .await
                .unwrap()
        }
    };
    let says = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    for args in [
        &["status", "--json"][..],
        &["history", "openai/gpt-5.2"],
        &["report"],
        &["status", "--oneline"],
    ] {
        let refused = run(args, None).await;
        assert!(
            refused.status.code() == Some(1) && says(&refused).contains("--token-file"),
            "{args:?}: {}",
            says(&refused)
        );
        let wrong = run(args, Some("et_nobody-at-all-0123456789")).await;
        assert!(
            says(&wrong).contains("this token is not known"),
            "{}",
            says(&wrong)
        );
        for output in [
            run(args, Some(token.trim())).await,
            run(
                &[
                    args,
                    &["--token-file", &place.path("token").display().to_string()],
                ]
                .concat(),
                None,
            )
            .await,
        ] {
            assert!(
                matches!(output.status.code(), Some(0 | 5)),
                "{args:?}: {}",
                says(&output)
            );
        }
    }
    let nagios = run(&["status", "--nagios"], None).await;
    assert_eq!(nagios.status.code(), Some(3), "unknown, in one line");
    daemon.stop().await;
}

#[test]
fn two_tokens_are_never_the_same_and_json_tells_all() {
    let place = Place::new();
    let make = || {
        let output = place.command(&["token", "new", "--json"]).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (one, other) = (make(), make());
    assert_ne!(one["token"], other["token"]);
    let digest = Sha256::digest(one["token"].as_str().unwrap());
    let hex = digest
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(
        (&one["sha256"], &one["scopes"]),
        (&Value::from(hex), &serde_json::json!(["read"]))
    );
    for wrong in [
        &["token", "new", "--scope", "write"][..],
        &["token", "new", "--name", "two words"],
        &["token", "new", "--trust", "full"],
        &["token"],
    ] {
        assert_eq!(
            place.command(wrong).output().unwrap().status.code(),
            Some(2),
            "{wrong:?}"
        );
    }
}
