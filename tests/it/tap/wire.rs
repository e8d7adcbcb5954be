//! What stands on the wire, both ways: heads as they were written, every kind of body, and one request for one.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use endturn::verdict::{Truncation, Verdict};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{End, PLANTED, Tapped, ask, entry, post};
use crate::support::{
    events, good_answer,
    live::PATIENCE,
    server::{Server, drain, request, send, serve},
};

const PATH: &str = "/openai/v1/chat/completions";

/// A server that keeps what it was asked and answers so.
async fn answering(answer: impl Into<Vec<u8>>) -> (Server, Arc<std::sync::Mutex<Vec<String>>>) {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (keep, answer) = (Arc::clone(&asked), answer.into());
    let server = serve(move |_, mut socket| {
        let (keep, answer) = (Arc::clone(&keep), answer.clone());
        async move {
            while let Some(text) = request(&mut socket).await {
                keep.lock().unwrap().push(text);
                send(&mut socket, &answer).await;
            }
        }
    })
    .await;
    (server, asked)
}

fn tapping(server: &Server) -> Tapped {
    Tapped::start(&entry("openai", &format!("http://{}", server.addr)))
}

/// Sends bytes and reads until the other side is quiet for good: it was asked to close.
async fn raw(tapped: &Tapped, bytes: impl AsRef<[u8]>) -> String {
    let mut socket = TcpStream::connect(tapped.addr).await.unwrap();
    assert!(send(&mut socket, bytes).await);
    let mut got = Vec::new();
    let read = socket.read_to_end(&mut got);
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("an end")
        .unwrap();
    String::from_utf8_lossy(&got).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_pass_as_they_were_written() {
    let (server, asked) = answering(
        "HTTP/1.1 200 Fine By Me\r\nContent-Type: application/json\r\nX-Odd-CASE: A  b\r\nSet-Cookie: a=1\r\n\
         Set-Cookie: b=2\r\nKeep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\n{}",
    )
    .await;
    let tapped = tapping(&server);
    let got = raw(
        &tapped,
        format!(
            "POST /openai/v1/x%2Fy//z?key={PLANTED}&b=%20c HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {PLANTED}\r\n\
             X-Stainless-OS: Linux\r\nUser-Agent: odd/1 (x)\r\nAccept-Encoding: gzip, br\r\nCookie: q\r\nX-Own: 1\r\n\
             Proxy-Authorization: Basic x\r\nConnection: close, X-Own\r\nContent-Length: 3\r\n\r\nabc"
        ),
    )
    .await;
    let asked = asked.lock().unwrap()[0].clone();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    assert_eq!(
        lines.remove(0),
        format!("POST /v1/x%2Fy//z?key={PLANTED}&b=%20c HTTP/1.1")
    );
    lines.sort_unstable();
    let bearer = format!("Authorization: Bearer {PLANTED}");
    let host = format!("Host: {}", server.addr);
    assert_eq!(
        lines,
        [
            "Accept-Encoding: gzip, br",
            &bearer,
            "Content-Length: 3",
            "Cookie: q",
            &host,
            "User-Agent: odd/1 (x)",
            "X-Stainless-OS: Linux",
        ]
    );
    assert_eq!(body, "abc");
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    assert_eq!(lines.remove(0), "HTTP/1.1 200 Fine By Me");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "Connection: close",
            "Content-Length: 2",
            "Content-Type: application/json",
            "Set-Cookie: a=1",
            "Set-Cookie: b=2",
            "X-Odd-CASE: A  b"
        ]
    );
    assert_eq!(body, "{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_every_kind_pass() {
    let trailing = "HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let (server, _) = answering(trailing).await;
    let tapped = tapping(&server);
    let got = raw(
        &tapped,
        "GET /openai/t HTTP/1.1\r\nHost: localhost\r\nTE: trailers\r\nConnection: close, te\r\n\r\n",
    )
    .await;
    assert!(got.ends_with("2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"), "{got}");

    let (server, _) = answering("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nETag: \"x\"\r\n\r\n").await;
    let tapped = tapping(&server);
    let got = raw(
        &tapped,
        "HEAD /openai/t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        got.contains("Content-Length: 1234\r\n") && got.ends_with("\r\n\r\n"),
        "{got}"
    );

    let (server, _) =
        answering("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n")
            .await;
    let tapped = tapping(&server);
    let got = raw(
        &tapped,
        "DELETE /openai/t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        got.starts_with("HTTP/1.1 204 No Content\r\nX-A: 1\r\n") && got.ends_with("\r\n\r\n"),
        "{got}"
    );

    let (server, _) =
        answering("HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n").await;
    let tapped = tapping(&server);
    let got = raw(
        &tapped,
        "GET /openai/t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(
        got.contains("302 Found\r\nLocation: http://evil.example/"),
        "{got}"
    );

    // Closed at its end, and so for a client that knows only that.
    let server = serve(|_, mut socket| async move {
        request(&mut socket).await;
        send(&mut socket, "HTTP/1.0 200 OK\r\n\r\nto the end").await;
    })
    .await;
    let tapped = tapping(&server);
    let got = raw(&tapped, "GET /openai/t HTTP/1.0\r\n\r\n").await;
    assert!(
        got.ends_with("\r\n\r\nto the end") && !got.contains("chunked"),
        "{got}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn large_uploads_pass_announced_chunked_and_after_a_continue() {
    const LARGE: usize = 24 << 20;
    /// Counts a body's bytes, however framed, and tells the sum.
    async fn counting(mut socket: TcpStream) {
        let mut seen = Vec::new();
        let mut sum: u64 = 0;
        let mut last: &[u8] = b"!";
        let mut buffer = vec![0; 64 << 10];
        loop {
            let n = socket.read(&mut buffer).await.unwrap_or(0);
            if n == 0 {
                return;
            }
            sum += memchr::memchr_iter(b'~', &buffer[..n]).count() as u64;
            seen.extend_from_slice(&buffer[..n]);
            if seen.windows(7).any(|part| part.eq_ignore_ascii_case(b"chunked")) {
                last = b"!\r\n0\r\n\r\n";
            }
            let tail = seen.len().saturating_sub(64);
            seen.drain(..tail);
            if seen.ends_with(last) {
                let sum = sum.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{sum}",
                    sum.len()
                );
                send(&mut socket, head).await;
                return;
            }
        }
    }
    let server = serve(|_, socket| counting(socket)).await;
    let tapped = tapping(&server);
    let body = "~".repeat(LARGE - 1) + "!";
    let wanted = (LARGE - 1).to_string();
    let answer = ask(tapped.addr, post(tapped.addr, "/openai/v1/files", body.clone())).await;
    assert_eq!(answer.body, wanted);

    let mut socket = TcpStream::connect(tapped.addr).await.unwrap();
    let head = "POST /openai/v1/files HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    assert!(send(&mut socket, head).await);
    for part in body.as_bytes().chunks(100_000) {
        assert!(send(&mut socket, format!("{:x}\r\n", part.len())).await);
        assert!(send(&mut socket, part).await && send(&mut socket, "\r\n").await);
    }
    assert!(send(&mut socket, "0\r\n\r\n").await);
    let mut got = String::new();
    socket.read_to_string(&mut got).await.unwrap();
    assert!(got.contains(&wanted), "{got}");

    let mut socket = TcpStream::connect(tapped.addr).await.unwrap();
    let head = "POST /openai/v1/files HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\
                Connection: close\r\n\r\n";
    assert!(send(&mut socket, head).await);
    let mut line = [0; 25];
    tokio::time::timeout(PATIENCE, socket.read_exact(&mut line))
        .await
        .expect("a continue")
        .unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(send(&mut socket, "~!").await);
    let mut got = String::new();
    socket.read_to_string(&mut got).await.unwrap();
    assert!(got.ends_with("\r\n\r\n1"), "{got}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_reached() {
    let (server, asked) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let tapped = Tapped::start(&entry("openai", &format!("http://{}/base/v1", server.addr)));
    for (line, host, status) in [
        ("GET /nobody/v1/models", "localhost", "404"),
        ("GET /", "localhost", "404"),
        ("GET /openai/v1/../../admin", "localhost", "400"),
        ("GET /openai/v1/%2e%2e/admin", "localhost", "400"),
        ("GET /openai/v1/..%2f..%2fadmin", "localhost", "400"),
        ("GET /OPENAI/v1/models", "localhost", "404"),
        ("GET http://evil.example/openai/v1/models", "evil.example", "400"),
        ("GET http://localhost/openai/v1/models", "localhost", "400"),
        ("CONNECT evil.example:443", "evil.example:443", "400"),
        ("OPTIONS *", "localhost", "404"),
        ("GET /openai/v1/models", "evil.example", "421"),
        ("GET /openai/v1/models", "localhost.evil.example", "421"),
        (
            "GET /openai/v1/models",
            "127.0.0.1:7412\r\nHost: evil.example",
            "421",
        ),
    ] {
        let got = raw(
            &tapped,
            format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        )
        .await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {got}");
    }
    assert!(asked.lock().unwrap().is_empty());
    let got = raw(
        &tapped,
        "GET /openai/v1/models HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
    assert!(asked.lock().unwrap()[0].starts_with("GET /base/v1/models HTTP/1.1\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sent_once_whatever_becomes_of_its_connection() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // The second request on a connection is read, and the connection closed without an answer.
    let server = serve(move |_, mut socket| {
        let count = Arc::clone(&count);
        async move {
            for n in 0..2 {
                if request(&mut socket).await.is_none() {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                if n == 0 {
                    send(&mut socket, good_answer()).await;
                }
            }
        }
    })
    .await;
    let tapped = tapping(&server);
    let body = r#"{"model":"m","stream":true}"#;
    for (n, end) in [End::Whole, End::Closed, End::Whole, End::Closed]
        .into_iter()
        .enumerate()
    {
        let answer = ask(tapped.addr, post(tapped.addr, PATH, body)).await;
        assert_eq!(answer.end, end, "{n}");
        assert_eq!(asked.load(Ordering::SeqCst), n + 1);
    }
    let verdicts: Vec<_> = tapped
        .seen(4)
        .await
        .iter()
        .map(|seen| seen.verdict.to_string())
        .collect();
    assert_eq!(
        verdicts.iter().filter(|v| *v == "errored(reset)").count(),
        2,
        "{verdicts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_that_was_closed_meanwhile_costs_its_client_nothing() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let (closed, mut noticed) = tokio::sync::mpsc::channel(1);
    let server = serve(move |_, mut socket| {
        let (count, closed) = (Arc::clone(&count), closed.clone());
        async move {
            if request(&mut socket).await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                send(&mut socket, good_answer()).await;
                let _ = socket.shutdown().await;
                // Whoever holds the other end has seen ours once it closes its own. A request that is on its way at that
                // moment is lost, with the tap as without.
                drain(&mut socket).await;
                let _ = closed.send(()).await;
            }
        }
    })
    .await;
    let tapped = tapping(&server);
    for n in 1..30 {
        let answer = ask(tapped.addr, post(tapped.addr, PATH, r#"{"model":"m"}"#)).await;
        assert_eq!((answer.end, asked.load(Ordering::SeqCst)), (End::Whole, n));
        noticed.recv().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_its_provider_and_loses_nothing() {
    const PIECES: usize = 400;
    const PIECE: usize = 64 << 10;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let server = serve(move |_, mut socket| {
        let count = Arc::clone(&count);
        async move {
            request(&mut socket).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", PIECES * PIECE);
            send(&mut socket, head).await;
            for n in 0..PIECES {
                if !send(&mut socket, vec![(n % 251) as u8; PIECE]).await {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
            }
            drain(&mut socket).await;
        }
    })
    .await;
    let tapped = tapping(&server);
    let mut socket = TcpStream::connect(tapped.addr).await.unwrap();
    send(
        &mut socket,
        "GET /openai/big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    // Until nothing moves any more: sockets hold what they hold, the tap no more than that.
    let mut last = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = written.load(Ordering::SeqCst);
        if now == last && now > 0 {
            break;
        }
        last = now;
    }
    assert!(last < PIECES, "all {last} pieces went out to nobody");
    let mut got = Vec::new();
    tokio::time::timeout(PATIENCE, socket.read_to_end(&mut got))
        .await
        .expect("an end")
        .unwrap();
    let body = &got[got.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4..];
    assert_eq!(body.len(), PIECES * PIECE);
    assert!(
        body.chunks(PIECE)
            .enumerate()
            .all(|(n, part)| part.iter().all(|byte| *byte == (n % 251) as u8))
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

/// One block that is not packed, and the end (RFC 7932, 9.2).
fn brotli(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() <= 1 << 16);
    let head = (((bytes.len() - 1) as u32) << 4) | (1 << 20);
    let mut out = head.to_le_bytes()[..3].to_vec();
    out.extend_from_slice(bytes);
    out.push(3);
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_replies_pass_packed_and_are_judged() {
    let whole = events().concat();
    let cut = events()[..5].concat();
    let codings: [(&str, Pack); 4] = [
        ("gzip", gzip),
        ("deflate", zlib),
        ("deflate", deflate),
        ("br", brotli),
    ];
    for (name, pack) in codings {
        for (text, verdict) in [
            (&whole, Verdict::Complete),
            (&cut, Verdict::Truncated(Truncation::Cut)),
        ] {
            let packed = pack(text.as_bytes());
            let mut answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {name}\r\ncontent-length: {}\r\n\r\n",
                packed.len()
            )
            .into_bytes();
            answer.extend_from_slice(&packed);
            let (server, _) = answering(answer).await;
            let tapped = tapping(&server);
            let got = ask(tapped.addr, post(tapped.addr, PATH, r#"{"model":"m"}"#)).await;
            assert_eq!(got.body, packed, "{name}");
            assert_eq!(tapped.seen(1).await[0].verdict, verdict, "{name}");
        }
    }
    // What can't be read along passes all the same.
    for (name, body) in [("zstd", "x"), ("gzip", "not packed at all, but so it says")] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: {name}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (server, _) = answering(answer).await;
        let tapped = tapping(&server);
        let got = ask(tapped.addr, post(tapped.addr, PATH, r#"{"model":"m"}"#)).await;
        assert_eq!((got.body, got.end), (body.into(), End::Whole), "{name}");
        assert!(tapped.all().await.is_empty());
        assert_eq!(tapped.tap.counts().unjudged.coding, 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_beyond_the_judges_limits_passes_and_accuses_nobody() {
    use endturn::tap::{LIMITS, MAX_DOCUMENT_BYTES};
    for (kind, size, judged) in [
        ("text/event-stream", LIMITS.line_bytes + 1, false),
        ("application/json", MAX_DOCUMENT_BYTES + 1, false),
        ("application/json", MAX_DOCUMENT_BYTES, true),
    ] {
        let body = "data: ".to_owned() + &"x".repeat(size - 6);
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (server, _) = answering(answer).await;
        let tapped = tapping(&server);
        let got = ask(tapped.addr, post(tapped.addr, PATH, r#"{"model":"m"}"#)).await;
        assert_eq!((got.body.len(), got.end), (size, End::Whole));
        assert_eq!(tapped.all().await.len(), usize::from(judged), "{kind} {size}");
        assert_eq!(tapped.tap.counts().unjudged.outsize, u64::from(!judged));
    }
    // A bomb: the client gets it as it is, the judge stops at its limit.
    let bomb = gzip(&vec![b' '; LIMITS.body_bytes + 1]);
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        bomb.len()
    )
    .into_bytes();
    answer.extend_from_slice(&bomb);
    let (server, _) = answering(answer).await;
    let tapped = tapping(&server);
    let got = ask(tapped.addr, post(tapped.addr, PATH, r#"{"model":"m"}"#)).await;
    assert_eq!(got.body, bomb);
    assert!(tapped.all().await.is_empty());
    assert_eq!(tapped.tap.counts().unjudged.outsize, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_requests() {
    let (server, asked) = answering(good_answer()).await;
    let tapped = tapping(&server);
    let mut socket = TcpStream::connect(tapped.addr).await.unwrap();
    for n in 1..=20 {
        let body = format!(r#"{{"model":"m-{n}"}}"#);
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(b"0\r\n\r\n") {
            let read = socket.read_buf(&mut got);
            assert!(
                tokio::time::timeout(PATIENCE, read)
                    .await
                    .expect("bytes")
                    .unwrap()
                    > 0
            );
        }
    }
    assert_eq!(asked.lock().unwrap().len(), 20);
    let mut models: Vec<_> = tapped
        .seen(20)
        .await
        .iter()
        .map(|seen| seen.target.model().to_string())
        .collect();
    models.sort();
    models.dedup();
    assert_eq!(models.len(), 20);
}
