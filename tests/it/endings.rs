//! Every way in which a response can end, on real sockets: what the transport shows, and what we make of it.
//!
//! Each ending is tried on an answer cut in the middle, which is never complete however cleanly it ends, and on a
//! whole one, which stays complete however badly the connection breaks after it.

#![expect(clippy::unwrap_used, reason = "a test helper: a failure is the test's")]

use endturn::{
    clock::Clock,
    config::ProbeLimits,
    probe::{ProbeKind, ProbeReport, Prober},
    protocol::ErrorClass,
    verdict::{Connection, Ending, FailedAt, Failure, Flags, Observation, Truncation, Verdict},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use crate::support::{
    events, h2, job, provider,
    server::{self, Server, drain, reset, send, serve},
    tls,
};

/// Events of a cut answer: the role, `one`, ` two`.
const CUT_AFTER: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Framing {
    Chunked,
    LongLength,
    Delimited,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Last {
    Chunk,
    InsideChunk,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Close {
    Fin,
    Reset,
    NotifyFin,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Frames {
    EndStream,
    ResetStream(u32),
    GoAwayBelow,
    GoAwayCovering,
    Fin,
    FinNoNotify,
    TcpReset,
    ShortLength,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Plain(Framing, Last, Close),
    Tls(Framing, Last, Close),
    Multi(Frames),
}

/// What the transport shows: nothing, or a failure whose innermost cause holds this text.
type Shown = Option<(ErrorClass, &'static str)>;

const CHUNK_EOF: Shown = Some((ErrorClass::Reset, "unexpected EOF during chunk size line"));
const LENGTH_EOF: Shown = Some((ErrorClass::Reset, "end of file before message length reached"));
const TLS_EOF: Shown = Some((
    ErrorClass::Reset,
    "peer closed connection without sending TLS close_notify",
));

const fn reset_by(text: &'static str) -> (ErrorClass, &'static str) {
    (ErrorClass::Reset, text)
}

fn table() -> Vec<(How, Shown)> {
    use {Close::*, Framing::*, How::*, Last::*};
    vec![
        (Plain(Chunked, Chunk, Fin), None),
        (Plain(Chunked, Nothing, Fin), CHUNK_EOF),
        (Plain(Chunked, InsideChunk, Fin), LENGTH_EOF),
        (
            Plain(Chunked, Nothing, Reset),
            Some(reset_by("Connection reset by peer")),
        ),
        (Plain(LongLength, Nothing, Fin), LENGTH_EOF),
        (Plain(Delimited, Nothing, Fin), None),
        (Tls(Delimited, Nothing, NotifyFin), None),
        (Tls(Delimited, Nothing, Fin), TLS_EOF),
        (Tls(Chunked, Chunk, Fin), None),
        (Tls(Chunked, Nothing, NotifyFin), CHUNK_EOF),
        (Tls(Chunked, Nothing, Fin), TLS_EOF),
        (Multi(Frames::EndStream), None),
        (Multi(Frames::ResetStream(0)), None),
        (
            Multi(Frames::ResetStream(1)),
            Some(reset_by("unspecific protocol error")),
        ),
        (
            Multi(Frames::ResetStream(2)),
            Some(reset_by("unexpected internal error encountered")),
        ),
        (
            Multi(Frames::ResetStream(7)),
            Some(reset_by("refused stream before processing any application logic")),
        ),
        (
            Multi(Frames::ResetStream(8)),
            Some(reset_by("stream no longer needed")),
        ),
        (
            Multi(Frames::ResetStream(11)),
            Some(reset_by("detected excessive load generating behavior")),
        ),
        (Multi(Frames::GoAwayBelow), None),
        (
            Multi(Frames::GoAwayCovering),
            Some(reset_by("stream closed because of a broken pipe")),
        ),
        (
            Multi(Frames::Fin),
            Some(reset_by("stream closed because of a broken pipe")),
        ),
        (Multi(Frames::FinNoNotify), TLS_EOF),
        (Multi(Frames::TcpReset), Some(reset_by("connection reset"))),
        (
            Multi(Frames::ShortLength),
            Some((ErrorClass::Protocol, "unspecific protocol error")),
        ),
    ]
}

/// A connection that can be broken at the TCP level.
trait Breakable: AsyncRead + AsyncWrite + Unpin + Send + Sized {
    fn tcp(self) -> TcpStream;
}

impl Breakable for TcpStream {
    fn tcp(self) -> TcpStream {
        self
    }
}

impl Breakable for TlsStream<TcpStream> {
    fn tcp(self) -> TcpStream {
        self.into_inner().0
    }
}

async fn close<S: Breakable>(mut socket: S, how: Close) {
    match how {
        Close::NotifyFin => {
            socket.shutdown().await.unwrap();
            drain(&mut socket).await;
        }
        Close::Fin => {
            let mut tcp = socket.tcp();
            tcp.shutdown().await.unwrap();
            drain(&mut tcp).await;
        }
        Close::Reset => reset(socket.tcp()),
    }
}

async fn answer_h1<S: Breakable>(mut socket: S, body: &[String], framing: Framing, last: Last, how: Close) {
    if server::request(&mut socket).await.is_none() {
        return;
    }
    let length: usize = body.iter().map(String::len).sum();
    let framed = match framing {
        Framing::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        Framing::LongLength => format!("content-length: {}\r\n", length + 400),
        Framing::Delimited => String::new(),
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{framed}\r\n");
    send(&mut socket, head).await;
    for event in body {
        let piece = match framing {
            Framing::Chunked => format!("{:x}\r\n{event}\r\n", event.len()),
            Framing::LongLength | Framing::Delimited => event.clone(),
        };
        send(&mut socket, piece).await;
    }
    match last {
        Last::Chunk => {
            send(&mut socket, "0\r\n\r\n").await;
        }
        Last::InsideChunk => {
            send(&mut socket, "400\r\n").await;
        }
        Last::Nothing => {}
    }
    if how == Close::Reset {
        // A reset may overtake bytes that the client has not read yet.
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    close(socket, how).await;
}

async fn answer_h2(mut socket: TlsStream<TcpStream>, body: &[String], how: Frames) {
    let stream = h2::request(&mut socket).await;
    let bytes = body.concat();
    let length = (how == Frames::ShortLength).then_some(bytes.len() + 400);
    send(&mut socket, h2::head(stream, length)).await;
    send(&mut socket, h2::data(stream, bytes.as_bytes())).await;
    match how {
        Frames::EndStream | Frames::ShortLength => {
            send(&mut socket, h2::end_stream(stream)).await;
        }
        Frames::ResetStream(code) => {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            send(&mut socket, h2::reset_stream(stream, code)).await;
        }
        Frames::GoAwayBelow => {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            send(&mut socket, h2::go_away(0, 0)).await;
        }
        Frames::GoAwayCovering => {
            send(&mut socket, h2::go_away(stream, 0)).await;
            return close(socket, Close::NotifyFin).await;
        }
        Frames::Fin => return close(socket, Close::NotifyFin).await,
        Frames::FinNoNotify => return close(socket, Close::Fin).await,
        Frames::TcpReset => {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            return reset(socket.tcp());
        }
    }
    drain(&mut socket).await;
}

async fn server_for(how: How, body: Vec<String>) -> (Server, String) {
    let (scheme, alpn) = match how {
        How::Plain(..) => ("http", ""),
        How::Tls(..) => ("https", "http/1.1"),
        How::Multi(_) => ("https", "h2"),
    };
    let server = serve(move |_, socket| {
        let body = body.clone();
        async move {
            match how {
                How::Plain(framing, last, end) => answer_h1(socket, &body, framing, last, end).await,
                How::Tls(framing, last, end) => {
                    let socket = tls::acceptor(alpn).accept(socket).await.unwrap();
                    answer_h1(socket, &body, framing, last, end).await;
                }
                How::Multi(end) => {
                    answer_h2(tls::acceptor(alpn).accept(socket).await.unwrap(), &body, end).await;
                }
            }
        }
    })
    .await;
    let origin = format!("{scheme}://{}", server.addr);
    (server, origin)
}

async fn probe(how: How, body: Vec<String>) -> ProbeReport {
    let (_server, origin) = server_for(how, body).await;
    let prober = Prober::with_roots(Clock::system(), &[tls::root()]).unwrap();
    let job = job(provider(&origin, ProbeLimits::default()), ProbeKind::Canary);
    prober.run(&job, |_, _| {}).await
}

fn is_shown(report: &ProbeReport, shown: Shown) -> bool {
    match (&report.timeline.ending, shown) {
        (Some(Ending::Clean), None) => true,
        (Some(Ending::Failed(fault)), Some((class, text))) => {
            fault.class == class && fault.detail.contains(text)
        }
        _ => false,
    }
}

/// Probes a server for each row; tells every row that is not as expected at once.
async fn check(body: &[String], judged: impl Fn(&Observation, Shown) -> bool) {
    let mut wrong = Vec::new();
    for (how, shown) in table() {
        let report = probe(how, body.to_vec()).await;
        let seen = &report.observation;
        if !is_shown(&report, shown) || !judged(seen, shown) {
            wrong.push(format!(
                "{how:?}: {:?} {:?} {:?}, expected {shown:?}",
                report.timeline.ending, seen.verdict, seen.flags
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_cut_answer_is_cut_however_it_ends() {
    check(&events()[..CUT_AFTER], |seen, _| {
        seen.verdict == Verdict::Truncated(Truncation::Cut)
            && seen.http_status == Some(200)
            && seen.tail.as_deref() == Some("one two")
            && seen.phases.first_token.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_whole_answer_stays_complete_however_it_ends() {
    check(&events(), |seen, shown| {
        let unclean = seen.flags.contains(Flags::TRANSPORT_UNCLEAN_AFTER_TERMINAL);
        seen.verdict == Verdict::Complete && unclean == shown.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_refused_stream_before_the_head_is_not_sent_twice() {
    let server = serve(|number, socket| async move {
        assert_eq!(number, 0, "a hidden retry");
        let mut socket = tls::acceptor("h2").accept(socket).await.unwrap();
        let stream = h2::request(&mut socket).await;
        send(&mut socket, h2::reset_stream(stream, 7)).await;
        drain(&mut socket).await;
    })
    .await;
    let prober = Prober::with_roots(Clock::system(), &[tls::root()]).unwrap();
    let origin = format!("https://{}", server.addr);
    let job = job(provider(&origin, ProbeLimits::default()), ProbeKind::Canary);
    let seen = prober.run(&job, |_, _| {}).await.observation;
    let failure = Failure {
        class: ErrorClass::Reset,
        at: FailedAt::Transport,
    };
    assert_eq!(seen.verdict, Verdict::Errored(failure), "{:?}", seen.detail);
    assert_eq!(seen.connection, Some(Connection::Fresh));
    assert!(!seen.flags.contains(Flags::RETRIED_STALE_CONNECTION));
    assert!(seen.detail.unwrap().contains("refused stream"));
}
