//! Providers behind TLS and HTTP/2.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::bytes::Bytes;
use endturn::{
    protocol::ErrorClass,
    tap::{Limits, Sink},
    verdict::{FailedAt, Failure, Truncation, Verdict},
};
use http::Response;
use http_body_util::Full;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{End, Seen, Tapped, ask, entry, post};
use crate::support::{
    events, good_answer, h2,
    server::{Server, drain, request, reset, send, serve},
    tls,
};

const PATH: &str = "/openai/v1/chat/completions";
const BODY: &str = r#"{"model":"m","stream":true}"#;

fn tapping(server: &Server, roots: &[Vec<u8>]) -> Tapped {
    let seen = Arc::new(Seen::default());
    let entries = entry("openai", &format!("https://localhost:{}", server.addr.port()));
    Tapped::with(
        &entries,
        Arc::clone(&seen) as Arc<dyn Sink>,
        seen,
        roots,
        Limits::default(),
    )
}

/// Streams that one connection of the server takes at a time.
const AT_ONCE: u32 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn streams_share_connections_and_none_waits_for_another() {
    const STREAMS: usize = 250;
    let (connections, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, inside) = (Arc::clone(&connections), Arc::clone(&open));
    let server = serve(move |_, socket| {
        let (count, inside) = (Arc::clone(&count), Arc::clone(&inside));
        async move {
            let Ok(socket) = tls::acceptor("h2").accept(socket).await else {
                return;
            };
            count.fetch_add(1, Ordering::SeqCst);
            let service = service_fn(move |_| {
                let inside = Arc::clone(&inside);
                async move {
                    inside.fetch_add(1, Ordering::SeqCst);
                    // Nobody is answered before everybody has asked.
                    while inside.load(Ordering::SeqCst) < STREAMS {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    let body = Full::new(Bytes::from(events().concat()));
                    let head = Response::builder().header("content-type", "text/event-stream");
                    Ok::<_, Infallible>(head.body(body).unwrap())
                }
            });
            let _ = http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(AT_ONCE)
                .serve_connection(TokioIo::new(socket), service)
                .await;
        }
    })
    .await;
    let tapped = tapping(&server, &[tls::root()]);
    let addr = tapped.addr;
    let asks: Vec<_> = (0..STREAMS)
        .map(|_| tokio::spawn(ask(addr, post(addr, PATH, BODY))))
        .collect();
    for asked in asks {
        let answer = asked.await.unwrap();
        assert_eq!(
            (answer.end, &answer.body[..]),
            (End::Whole, events().concat().as_bytes())
        );
    }
    let connections = connections.load(Ordering::SeqCst);
    assert!(
        connections >= STREAMS.div_ceil(AT_ONCE as usize),
        "{connections} connections"
    );
    let seen = tapped.seen(STREAMS).await;
    assert!(seen.iter().all(|seen| seen.verdict == Verdict::Complete));
}

#[derive(Debug, Clone, Copy)]
enum How {
    EndStream,
    ResetStream,
    Fin,
    TcpReset,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_stream_reaches_the_client_as_such() {
    for (how, end) in [
        (How::EndStream, End::Whole),
        (How::ResetStream, End::Cut),
        (How::Fin, End::Cut),
        (How::TcpReset, End::Reset),
    ] {
        let server = serve(move |_, socket| async move {
            let Ok(mut socket) = tls::acceptor("h2").accept(socket).await else {
                return;
            };
            let stream = h2::request(&mut socket).await;
            send(&mut socket, h2::head(stream, None)).await;
            send(&mut socket, h2::data(stream, events()[..4].concat().as_bytes())).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
            match how {
                How::EndStream => send(&mut socket, h2::end_stream(stream)).await,
                How::ResetStream => send(&mut socket, h2::reset_stream(stream, 2)).await,
                How::Fin => tokio::io::AsyncWriteExt::shutdown(&mut socket).await.is_ok(),
                How::TcpReset => {
                    let (tcp, _): (TcpStream, _) = socket.into_inner();
                    return reset(tcp);
                }
            };
            drain(&mut socket).await;
        })
        .await;
        let tapped = tapping(&server, &[tls::root()]);
        let answer = ask(tapped.addr, post(tapped.addr, PATH, BODY)).await;
        assert_eq!(
            (answer.end, &answer.body[..]),
            (end, events()[..4].concat().as_bytes()),
            "{how:?}"
        );
        let seen = tapped.seen(1).await;
        assert_eq!(seen[0].verdict, Verdict::Truncated(Truncation::Cut), "{how:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_behind_tls_and_a_certificate_that_nobody_knows() {
    let server = serve(|_, socket| async move {
        let Ok(mut socket) = tls::acceptor("http/1.1").accept(socket).await else {
            return;
        };
        while request(&mut socket).await.is_some() {
            send(&mut socket, good_answer()).await;
        }
    })
    .await;
    let tapped = tapping(&server, &[tls::root()]);
    for n in 1..=3 {
        let answer = ask(tapped.addr, post(tapped.addr, PATH, BODY)).await;
        assert_eq!(
            (answer.end, &answer.body[..]),
            (End::Whole, events().concat().as_bytes())
        );
        let seen = tapped.seen(n).await;
        assert_eq!(
            seen[n - 1].phases.connect.is_some(),
            n == 1,
            "{:?}",
            seen[n - 1].connection
        );
    }
    let stranger = tapping(&server, &[]);
    let answer = ask(stranger.addr, post(stranger.addr, PATH, BODY)).await;
    assert_eq!(answer.end, End::Refused);
    let (class, at) = (ErrorClass::Tls, FailedAt::Transport);
    assert_eq!(
        stranger.seen(1).await[0].verdict,
        Verdict::Errored(Failure { class, at })
    );
}
