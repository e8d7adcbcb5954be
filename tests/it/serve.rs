//! The accept loop over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test helper: a failure is the test's")]

use std::{collections::BTreeSet, time::Duration};

use axum::{Router, routing::get};
use endturn::api::{Front, ServeLimits, serve};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{api::world, feed::T0, feed::beat};

/// Long enough that only a defect reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: std::net::SocketAddr,
    closing: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(front: impl Into<Front>, closing: CancellationToken, limits: ServeLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(serve(listener, front.into(), closing.clone(), limits));
    Running {
        address,
        closing,
        task,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ask(&self, path: &str) -> TcpStream {
        let mut stream = self.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn stop(self) {
        self.closing.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("the server ends")
            .unwrap();
    }
}

/// Everything up to the end of the connection; a reset counts as an end.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let read = async {
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            all.extend_from_slice(&buffer[..n]);
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("the connection ends");
    String::from_utf8(all).unwrap()
}

/// Reads until `mark` was seen.
async fn until(stream: &mut TcpStream, mark: &str) -> String {
    let mut all = String::new();
    let mut buffer = [0; 4096];
    while !all.contains(mark) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer));
        let n = read.await.expect("more comes").unwrap();
        assert!(n > 0, "the connection ended after {all}");
        all.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    all
}

fn short_head() -> ServeLimits {
    ServeLimits {
        head: Duration::from_millis(100),
        ..ServeLimits::default()
    }
}

#[tokio::test]
async fn a_client_that_never_finishes_its_head_is_dropped() {
    let world = world();
    let running = start(world.router.clone(), world.closing.clone(), short_head()).await;
    for sent in [
        "",
        "GET /v1/he",
        "GET /v1/health HTTP/1.1\r\nhost: localhost\r\nx: ",
        "PRI * HTT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut stream = running.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        let got = rest_bytes(&mut stream).await;
        assert!(
            !got.windows(8).any(|w| w == b"HTTP/1.1") || got.starts_with(b"HTTP/1.1 408"),
            "{sent:?}"
        );
    }
    let mut idle = running.ask("/livez").await;
    assert!(
        rest(&mut idle).await.starts_with("HTTP/1.1 200"),
        "and so is one that idles after its answer"
    );
    running.stop().await;
}

async fn rest_bytes(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all));
    let _ = read.await.expect("the connection ends");
    all
}

#[tokio::test]
async fn open_event_streams_end_at_shutdown() {
    let world = world();
    let running = start(world.router.clone(), world.closing.clone(), short_head()).await;
    let mut followers = Vec::new();
    for _ in 0..3 {
        let mut stream = running.ask("/v1/events").await;
        let start = until(&mut stream, "event: snapshot").await;
        assert!(
            start.starts_with("HTTP/1.1 200") && start.contains("retry: 3000"),
            "{start}"
        );
        followers.push(stream);
    }
    beat(&world.hub, T0.plus(Duration::from_secs(5)));
    for stream in &mut followers {
        until(stream, "id: 102\nevent: heartbeat").await;
    }
    assert_eq!(world.hub.subscribers(), 3);
    running.stop().await;
    for stream in &mut followers {
        assert!(
            rest(stream).await.ends_with("0\r\n\r\n"),
            "a whole chunked body, not a cut one"
        );
    }
    assert_eq!(world.hub.subscribers(), 0);
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_the_end() {
    let world = world();
    let forever = ServeLimits {
        head: PATIENCE * 10,
        drain: PATIENCE * 10,
        ..ServeLimits::default()
    };
    let running = start(world.router.clone(), world.closing.clone(), forever).await;
    let mut half = running.connect().await;
    half.write_all(b"GET /v1/health HTTP/1.1\r\nx: ").await.unwrap();
    // Taken after the half one: by then that is under way as well.
    let mut whole = running.ask("/livez").await;
    until(&mut whole, "ok").await;
    running.stop().await;
    assert_eq!(rest(&mut half).await, "");
}

#[tokio::test]
async fn an_exchange_that_never_ends_is_cut_after_the_drain() {
    let router = Router::new().route("/stuck", get(std::future::pending::<()>));
    let limits = ServeLimits {
        drain: Duration::from_millis(100),
        ..ServeLimits::default()
    };
    let running = start(router, CancellationToken::new(), limits).await;
    let mut stuck = running.ask("/stuck").await;
    let mut lively = running.ask("/none").await;
    until(&mut lively, "404").await;
    running.stop().await;
    assert_eq!(rest(&mut stuck).await, "");
}

#[tokio::test]
async fn an_exchange_under_way_is_answered_before_the_end() {
    let (entered, mut enter) = tokio::sync::mpsc::channel::<()>(1);
    let go = CancellationToken::new();
    let router = {
        let go = go.clone();
        Router::new().route(
            "/slow",
            get(async move || {
                entered.send(()).await.unwrap();
                go.cancelled().await;
                "done"
            }),
        )
    };
    let running = start(router, CancellationToken::new(), ServeLimits::default()).await;
    let mut slow = running.ask("/slow").await;
    enter.recv().await.unwrap();
    running.closing.cancel();
    go.cancel();
    assert!(rest(&mut slow).await.ends_with("done"));
    running.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_place_comes_back() {
    let limits = ServeLimits {
        connections: 2,
        ..ServeLimits::default()
    };
    let world = world();
    let running = start(world.router.clone(), world.closing.clone(), limits).await;
    let mut one = running.ask("/livez").await;
    until(&mut one, "200 OK").await;
    let mut two = running.ask("/livez").await;
    until(&mut two, "200 OK").await;
    let mut three = running.ask("/livez").await;
    assert_eq!(rest(&mut three).await, "");
    drop(one);
    let answered = async {
        loop {
            let mut again = running.ask("/livez").await;
            let mut byte = [0];
            if matches!(again.read(&mut byte).await, Ok(1)) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, answered)
        .await
        .expect("a place comes back");
    running.stop().await;
}

#[tokio::test]
async fn http_2_with_prior_knowledge_follows_events_too() {
    let world = world();
    let running = start(
        world.router.clone(),
        world.closing.clone(),
        ServeLimits::default(),
    )
    .await;
    let io = TokioIo::new(running.connect().await);
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    for (uri, status) in [
        ("http://localhost/livez", 200),
        ("http://evil.example/v1/health", 421),
    ] {
        let request = hyper::Request::get(uri)
            .body(Empty::<bytes::Bytes>::new())
            .unwrap();
        assert_eq!(client.send_request(request).await.unwrap().status(), status);
    }
    let request = hyper::Request::get("http://localhost/v1/events")
        .body(Empty::new())
        .unwrap();
    let mut events = client.send_request(request).await.unwrap().into_body();
    let mut seen = String::new();
    while !seen.contains("event: snapshot") {
        let frame = events.frame().await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    running.stop().await;
    let end = tokio::time::timeout(PATIENCE, events.collect())
        .await
        .expect("the stream ends");
    assert!(end.is_ok());
    drop(client);
    let _ = connection.await;
}

#[tokio::test]
async fn a_health_check_of_the_old_kind_is_answered() {
    let world = world();
    let running = start(
        world.router.clone(),
        world.closing.clone(),
        ServeLimits::default(),
    )
    .await;
    let mut stream = running.connect().await;
    stream
        .write_all(b"GET /v1/up/openai/gpt-5.2 HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.0 200") && answer.ends_with("up openai/gpt-5.2 operational\n"),
        "{answer}"
    );
    running.stop().await;
}

/// The lines of the head without the time of day and in no order, and the body.
async fn answered(running: &Running, request: &str) -> (BTreeSet<String>, Vec<u8>) {
    let mut stream = running.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let all = rest_bytes(&mut stream).await;
    let end = all.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&all[..end]).unwrap().lines();
    let head = head.filter(|line| !line.starts_with("date: "));
    (head.map(str::to_owned).collect(), all[end..].to_vec())
}

#[tokio::test]
async fn what_is_answered_without_the_router_is_what_the_router_answers() {
    let world = world();
    let front = Front {
        router: world.router.clone(),
        tap: None,
        api: Some(world.state.clone()),
    };
    let short = start(front, world.closing.clone(), ServeLimits::default()).await;
    let long = start(
        world.router.clone(),
        world.closing.clone(),
        ServeLimits::default(),
    )
    .await;
    let snapshot = world.hub.snapshot();
    let known = |tag: &str| format!("If-None-Match: {tag}\r\n");
    let requests = [
        ("GET", "/v1/health", String::new(), 200),
        ("GET", "/v1/health", "Accept: application/json\r\n".into(), 200),
        (
            "GET",
            "/v1/health",
            "Accept: application/health+json\r\n".into(),
            200,
        ),
        ("GET", "/v1/health", "Accept-Encoding: gzip\r\n".into(), 200),
        ("GET", "/v1/health", "Accept-Encoding: gzip;q=0\r\n".into(), 200),
        ("GET", "/v1/health", known(&snapshot.etag), 304),
        ("GET", "/v1/health", known("\"other\""), 200),
        (
            "GET",
            "/v1/health",
            known(&snapshot.gzip_etag) + "Accept-Encoding: gzip\r\n",
            304,
        ),
        ("GET", "/v1/health?targets=openai/*", String::new(), 200),
        ("GET", "/v1/health?since=x", String::new(), 400),
        ("GET", "/v1/health/", String::new(), 404),
        ("GET", "//v1/health", String::new(), 404),
        ("HEAD", "/v1/health", String::new(), 200),
        ("POST", "/v1/health", String::new(), 405),
        ("GET", "/v1/health", "Content-Length: 2\r\n".into(), 413),
        ("GET", "/v1/health", "Host: evil.example\r\n".into(), 400),
        ("GET", "http://evil.example/v1/health", String::new(), 421),
        ("GET", "/v1/health", "Authorization: Bearer none\r\n".into(), 200),
    ];
    for (method, path, headers, status) in requests {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
        let expected = answered(&long, &request).await;
        let line = format!("HTTP/1.1 {status} ");
        assert!(
            expected.0.iter().any(|first| first.starts_with(&line)),
            "{request}{expected:?}"
        );
        // Twice, for what the first question had made.
        for _ in 0..2 {
            assert_eq!(answered(&short, &request).await, expected, "{request}");
        }
    }
    short.stop().await;
    long.stop().await;
}
