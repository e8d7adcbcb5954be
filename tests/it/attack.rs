//! The attack list: what somebody who means harm would try, one test each, on a whole daemon.
//!
//! Some of the list is held elsewhere: guessing tokens and pages of other sites in `access`, what a token tells by its
//! time in `api::token`, heads and bodies that trickle or never end in `serve` and `reports::hostile`, what the tap can be
//! made to ask in `tap::place`, redirects of channels beside the channels, secrets in `cli::secrets`.

mod inject;
mod oversized;

use std::{net::SocketAddr, os::unix::fs::symlink, time::Duration};

use endturn::api::BODIES_PER_CLIENT;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    access::{REPORTER, all_tokens, ask},
    cli::Place,
    reports::world,
    support::live::PATIENCE,
};

/// Sends these bytes on a connection of their own: the first line of what comes back, if anything does.
async fn raw(addr: SocketAddr, sent: impl AsRef<[u8]>) -> String {
    let answer = all(addr, sent).await;
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Everything that comes back. The other side may close before it has read everything.
async fn all(addr: SocketAddr, sent: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut answer = Vec::new();
    let (mut from, mut to) = stream.split();
    let _ = to.write_all(sent.as_ref()).await;
    let read = tokio::time::timeout(PATIENCE, from.read_to_end(&mut answer));
    let _ = read.await.expect("an end of the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn is_well(addr: SocketAddr) {
    assert_eq!(ask(addr, "GET", "/v1/health", &[]).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_dns_rebound_to_us_is_misdirected() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let close = "connection: close\r\n\r\n";
    for (request, wanted) in [
        ("GET /v1/health HTTP/1.1\r\nhost: localhost\r\n", "200"),
        ("GET /v1/health HTTP/1.1\r\nhost: evil.example\r\n", "421"),
        ("GET /v1/health HTTP/1.1\r\nhost: evil.example:7411\r\n", "421"),
        (
            "GET /v1/health HTTP/1.1\r\nhost: localhost.evil.example\r\n",
            "421",
        ),
        (
            "GET /v1/health HTTP/1.1\r\nhost: localhost:7411@evil.example\r\n",
            "421",
        ),
        ("GET /v1/health HTTP/1.1\r\nhost: 127.0.0.1.nip.io\r\n", "421"),
        ("GET /v1/health HTTP/1.1\r\nhost: 2130706433\r\n", "421"),
        ("GET /v1/health HTTP/1.1\r\nhost: \r\n", "421"),
        // What a proxy might believe changes nothing.
        (
            "GET /v1/health HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: localhost\r\n",
            "421",
        ),
        // The target of the request outweighs the header (RFC 9112, 3.2.2).
        (
            "GET http://evil.example/v1/health HTTP/1.1\r\nhost: localhost\r\n",
            "421",
        ),
        (
            "GET /v1/health HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n",
            "400",
        ),
        ("GET /v1/health HTTP/1.1\r\n", "400"),
    ] {
        let line = raw(addr, format!("{request}{close}")).await;
        assert!(
            line.starts_with(&format!("HTTP/1.1 {wanted}")),
            "{request:?}: {line}"
        );
    }
    daemon.stop().await;
}

/// No request makes endturn ask an address of its choice: what looks like a proxy's request is none of ours.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_names_an_address_that_is_asked() {
    let bait = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = bait.local_addr().unwrap();
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    for request in [
        format!("GET http://{at}/latest/meta-data HTTP/1.1\r\nhost: {at}\r\n"),
        format!("CONNECT {at} HTTP/1.1\r\nhost: {at}\r\n"),
        format!("GET /tap/http://{at}/ HTTP/1.1\r\nhost: localhost\r\n"),
        format!("GET /tap/openai/../../{at} HTTP/1.1\r\nhost: localhost\r\n"),
        format!("GET /tap/openai@{at}/ HTTP/1.1\r\nhost: localhost\r\n"),
        format!("GET /tap//{at}/ HTTP/1.1\r\nhost: localhost\r\n"),
        format!("GET /v1/health?url=http://{at}/ HTTP/1.1\r\nhost: localhost\r\n"),
        format!("GET /assets/http:%2F%2F{at}%2F HTTP/1.1\r\nhost: localhost\r\n"),
    ] {
        let line = raw(addr, format!("{request}connection: close\r\n\r\n")).await;
        let status = line.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with('4'), "{request}: {line}");
    }
    let asked = tokio::time::timeout(Duration::from_millis(50), bait.accept()).await;
    assert!(asked.is_err(), "nobody came");
    daemon.stop().await;
}

/// Requests that a proxy in front may cut elsewhere than we do.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_not_smuggled_behind_another() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let hidden = "GET /v1/admin/hidden HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for head in [
        "content-length: 5\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: xchunked",
        "transfer-encoding:\u{b}chunked",
        "transfer-encoding: identity, chunked, identity",
        "content-length: 4\r\ncontent-length: 5",
        "content-length: +4",
        "content-length: 4, 4, 5",
        "content-length: 0x4",
        "content-length : 4",
        "x: y\r\n content-length: 4",
    ] {
        let request = format!(
            "POST /v1/reports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{head}\r\n\r\n0\r\n\r\n{hidden}"
        );
        let answer = tokio::time::timeout(PATIENCE, all(addr, request)).await.unwrap();
        assert!(!answer.contains("admin/hidden"), "{head:?}: {answer}");
    }
    is_well(addr).await;
    daemon.stop().await;
}

/// A proxy keeps connections to us for others: one that we are going to close has to be told so.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_ends_its_connection_in_so_many_words() {
    let (_dir, _providers, daemon) = world(&all_tokens()).await;
    let addr = daemon.addr();
    let post = |rest: &str| {
        format!(
            "POST /v1/reports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{rest}content-length: 2\r\n\r\n[]"
        )
    };
    let refused = all(addr, post("")).await.to_ascii_lowercase();
    assert!(
        refused.starts_with("http/1.1 401") && refused.contains("connection: close"),
        "{refused}"
    );
    assert_eq!(refused.matches("http/1.1").count(), 1);
    // One that is taken is followed by another on the same connection.
    let taken = post(&format!("authorization: Bearer {REPORTER}\r\n"));
    let end = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let both = all(addr, taken + end).await;
    assert!(
        both.starts_with("HTTP/1.1 202") && both.contains("HTTP/1.1 200"),
        "{both}"
    );
    daemon.stop().await;
}

/// Whoever is turned away in the middle of a long body reads why, instead of a reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_still_sending_hears_why_it_is_refused() {
    let (_dir, _providers, daemon) = world("").await;
    let length = 16 << 20;
    let mut stream = TcpStream::connect(daemon.addr()).await.unwrap();
    let head = format!(
        "POST /v1/reports HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // It is refused by now; a socket that nobody reads would be reset by what follows.
    let mut first = [0];
    assert_eq!(stream.peek(&mut first).await.unwrap(), 1);
    for _ in 0..length / (1 << 14) {
        stream.write_all(&[b' '; 1 << 14]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_a_target_leads_nowhere_else() {
    let (_dir, _providers, daemon) = world("").await;
    let addr = daemon.addr();
    let long = "x".repeat(2_000);
    let tricks = [
        "..",
        "../../etc/passwd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "%252e%252e/passwd",
        "..%5c..%5cwindows",
        "openai/../admin",
        "openai/%2e%2e/admin",
        "openai/gpt-5.2%00.svg",
        "openai/gpt-5.2%0d%0aX-Evil:%201",
        "openai/%ff%fe",
        "openai/gpt-5.2;jsessionid=1",
        "openai/'%20OR%201=1--",
        "openai/%3Cscript%3Ealert(1)%3C/script%3E",
        "openai/${jndi:ldap:x}",
        "//openai/gpt-5.2",
        long.as_str(),
    ];
    for path in [
        "/v1/health/",
        "/v1/up/",
        "/v1/series/",
        "/v1/evidence/",
        "/targets/",
        "/days/",
        "/badge/",
        "/incidents/",
        "/v1/incidents/",
        "/v1/routes/",
        "/assets/",
    ] {
        for trick in tricks {
            let request =
                format!("GET {path}{trick} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            let answer = all(addr, &request).await;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            assert!(
                matches!(status, "400" | "404" | "414" | "431"),
                "{path}{trick}: {answer}"
            );
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
            assert!(!head.to_ascii_lowercase().contains("\r\nx-evil"), "{answer}");
            assert!(
                !body.contains("root:") && !body.contains("<script>alert"),
                "{answer}"
            );
        }
    }
    // Nor is one taken up that would be a path elsewhere.
    for id in ["../admin", "openai/..", "openai/a/../b", "./m"] {
        let report = serde_json::json!({"target": id, "verdict": "complete"});
        let client = endturn::probe::http_client().unwrap();
        let sent = client.post(format!("http://{addr}/v1/reports"));
        let sent = sent
            .header("content-type", "application/json")
            .body(report.to_string());
        let receipt = sent.send().await.unwrap().text().await.unwrap();
        assert!(receipt.contains("\"accepted\":0"), "{id}: {receipt}");
    }
    daemon.stop().await;
}

/// Bodies that trickle hold the turns of whoever sends them, and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_hold_their_own_turns_only() {
    let head = format!("trusted_proxies = [\"127.0.0.1\"]\n{}", all_tokens());
    let (_dir, _providers, daemon) = world(&head).await;
    let addr = daemon.addr();
    let start = |from: &str| {
        format!(
            "POST /v1/reports HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {REPORTER}\r\nx-forwarded-for: {from}\r\n\
             content-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n["
        )
    };
    let mut slow = Vec::new();
    for _ in 0..BODIES_PER_CLIENT {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(start("203.0.113.9").as_bytes()).await.unwrap();
        slow.push(stream);
    }
    // Until all of them have come there is a turn left.
    let refused = async {
        let ask = || raw(addr, start("203.0.113.9") + "]");
        while !ask().await.starts_with("HTTP/1.1 429") {}
    };
    tokio::time::timeout(PATIENCE, refused)
        .await
        .expect("their turns are taken");
    let other = raw(addr, start("198.51.100.7") + "]").await;
    assert!(other.starts_with("HTTP/1.1 202"), "{other}");
    drop(slow);
    daemon.stop().await;
}

#[test]
fn a_database_path_that_is_anybodys_link_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let shared = place.path("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).unwrap();
    place.write("precious", "do not touch");
    symlink(place.path("precious"), shared.join("endturn.db")).unwrap();
    place.configure("endturn.toml", "");
    let text = std::fs::read_to_string(place.path("endturn.toml")).unwrap();
    let moved = text.replace("endturn.db", "shared/endturn.db")
        + "[[provider]]\nid = \"ollama\"\nbase_url = \"http://127.0.0.1:1\"\nmodels = [\"m\"]\ncanary = false\n";
    place.write("endturn.toml", &moved);
    let output = place.command(&["run"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("is a link in a directory that everybody may write to"),
        "{told}"
    );
    assert_eq!(
        std::fs::read_to_string(place.path("precious")).unwrap(),
        "do not touch"
    );
}

#[test]
fn a_key_file_that_everybody_may_read_is_refused_and_so_is_a_key_in_the_file() {
    use std::os::unix::fs::PermissionsExt;
    const KEY: &str = "sk-marked-0f1e2d3c4b5a";
    let place = Place::new();
    let open = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(place.path(name), mode).unwrap();
    };
    std::fs::set_permissions(place.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    place.write("a.key", KEY);
    let with = |key: &str| format!("[[provider]]\nid = \"anthropic\"\napi_key = {key}\n");
    for (key, mode, code, advice) in [
        ("{ file = \"a.key\" }", 0o600, 0, ""),
        ("{ file = \"a.key\" }", 0o644, 3, "chmod 600"),
        (&format!("\"{KEY}\""), 0o600, 3, "{ env = \"NAME\" }"),
    ] {
        place.write("endturn.toml", &with(key));
        open("endturn.toml", 0o644);
        open("a.key", mode);
        let output = place.command(&["check"]).output().unwrap();
        let told =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(advice), "{told}");
        assert!(!told.contains(KEY), "{told}");
    }
}
