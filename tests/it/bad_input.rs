//! Servers that send what no provider should: each gets a verdict, in bounded time and memory.

use std::{fmt::Write as _, io::Write as _};

use endturn::{
    config::ProbeLimits,
    probe::{ProbeKind, ProbeReport, Prober},
    protocol::{ErrorClass, Limits},
    verdict::{Ending, FailedAt, Failure, Observation, Timeline, Truncation, Verdict},
};
use tokio::net::TcpStream;

use crate::support::{
    KEY, canary, events, job, provider,
    server::{drain, request, send, serve},
    short_limits,
};

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

/// The most that one read of the HTTP client may add beyond a cap, in bytes.
const ONE_READ: u64 = 512 << 10;

fn small_caps() -> ProbeLimits {
    ProbeLimits {
        bytes: Limits {
            line_bytes: 64 << 10,
            body_bytes: 256 << 10,
            events: 500,
        },
        ..short_limits()
    }
}

/// Answers one request with these bytes and closes.
async fn answered(answer: impl Into<Vec<u8>>, limits: ProbeLimits) -> ProbeReport {
    let answer = answer.into();
    let server = serve(move |_, mut socket| {
        let answer = answer.clone();
        async move {
            if request(&mut socket).await.is_some() {
                send(&mut socket, answer).await;
                let _ = tokio::io::AsyncWriteExt::shutdown(&mut socket).await;
                drain(&mut socket).await;
            }
        }
    })
    .await;
    canary(server.addr, limits).await
}

/// Answers with a head, then the same piece again and again until the client goes away.
async fn endless(head: &'static str, piece: Vec<u8>, limits: ProbeLimits) -> ProbeReport {
    let server = serve(move |_, mut socket| {
        let piece = piece.clone();
        async move {
            if request(&mut socket).await.is_some() && send(&mut socket, head).await {
                while send(&mut socket, &piece).await {}
            }
        }
    })
    .await;
    canary(server.addr, limits).await
}

fn class(seen: &Observation) -> Option<ErrorClass> {
    match seen.verdict {
        Verdict::Errored(failure) => Some(failure.class),
        _ => None,
    }
}

#[tokio::test]
async fn garbage_instead_of_a_head() {
    let report = answered(vec![0xfe; 512], short_limits()).await;
    assert_eq!(
        class(&report.observation),
        Some(ErrorClass::Protocol),
        "{:?}",
        report.timeline
    );
    assert_eq!(report.observation.http_status, None);
}

#[tokio::test]
async fn a_head_that_never_ends() {
    let report = endless(
        "HTTP/1.1 200 OK\r\n",
        b"x-filler: 0123456789\r\n".repeat(100),
        short_limits(),
    )
    .await;
    assert_eq!(
        class(&report.observation),
        Some(ErrorClass::Protocol),
        "{:?}",
        report.timeline
    );
}

#[tokio::test]
async fn huge_header_values_are_cut() {
    let value = "v".repeat(20_000);
    let mut answer = format!("HTTP/1.1 500 Oops\r\nx-huge: {value}\r\n");
    for number in 0..60 {
        let _ = write!(answer, "x-{number}: {number}\r\n");
    }
    let report = answered(answer + "content-length: 0\r\n\r\n", short_limits()).await;
    assert_eq!(class(&report.observation), Some(ErrorClass::ServerError));
    assert!(
        report
            .timeline
            .headers
            .iter()
            .all(|(_, value)| value.len() <= 1024)
    );
}

#[tokio::test]
async fn garbage_in_a_stream() {
    let garbage: Vec<u8> = (0..20_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let report = answered([STREAM.as_bytes(), &garbage].concat(), short_limits()).await;
    let verdict = report.observation.verdict;
    assert!(
        matches!(verdict, Verdict::Truncated(_) | Verdict::Errored(_)),
        "{verdict}"
    );
}

#[tokio::test]
async fn invalid_utf8_in_an_event() {
    let mut body = events()[..3].concat().into_bytes();
    body.extend(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\n");
    body.extend(events()[3..].concat().into_bytes());
    let report = answered([STREAM.as_bytes(), &body].concat(), short_limits()).await;
    assert_eq!(
        report.observation.verdict,
        Verdict::Truncated(Truncation::Garbled)
    );
}

#[tokio::test]
async fn a_line_that_never_ends() {
    let report = endless(STREAM, vec![b'x'; 8192], small_caps()).await;
    assert_eq!(
        class(&report.observation),
        Some(ErrorClass::Protocol),
        "{:?}",
        report.timeline.ending
    );
    let most = small_caps().bytes.body_bytes as u64 + ONE_READ;
    assert!(
        report.timeline.bytes <= most,
        "{} bytes read",
        report.timeline.bytes
    );
}

#[tokio::test]
async fn a_body_that_never_ends_stops_at_the_byte_cap() {
    let event = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "a".repeat(4000)
    );
    let report = endless(STREAM, event.into_bytes(), small_caps()).await;
    assert_eq!(report.timeline.ending, Some(Ending::Capped));
    assert_eq!(class(&report.observation), Some(ErrorClass::Protocol));
    let most = small_caps().bytes.body_bytes as u64 + ONE_READ;
    assert!(
        report.timeline.bytes <= most,
        "{} bytes read",
        report.timeline.bytes
    );
}

#[tokio::test]
async fn events_that_never_end_stop_at_the_event_cap() {
    let report = endless(STREAM, b": ping\n\n".repeat(10), small_caps()).await;
    assert_eq!(
        class(&report.observation),
        Some(ErrorClass::Protocol),
        "{:?}",
        report.timeline.ending
    );
    let most = small_caps().bytes.events + (ONE_READ as usize / 8);
    assert!(
        report.timeline.events.len() <= most,
        "{} events",
        report.timeline.events.len()
    );
}

#[tokio::test]
async fn a_json_body_that_never_ends() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let report = endless(head, b"{\"a\":".repeat(500), short_limits()).await;
    assert_eq!(class(&report.observation), Some(ErrorClass::Protocol));
    assert!(report.timeline.raw.len() <= Timeline::RAW_BYTES);
    assert!(report.timeline.bytes <= Timeline::RAW_BYTES as u64 + ONE_READ);
}

#[tokio::test]
async fn an_error_body_that_never_ends_is_judged_by_its_status() {
    let head = "HTTP/1.1 503 Busy\r\ncontent-type: text/html\r\n\r\n<html>";
    let report = endless(head, b"<p>busy</p>".repeat(500), short_limits()).await;
    assert_eq!(class(&report.observation), Some(ErrorClass::Overloaded));
    assert!(report.timeline.raw.len() <= Timeline::RAW_BYTES);
}

#[tokio::test]
async fn a_packed_body_although_identity_was_asked_for() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&vec![b'a'; 32 << 20]).unwrap();
    let bomb = packer.finish().unwrap();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n";
    let report = answered([head.as_bytes(), &bomb].concat(), short_limits()).await;
    let seen = &report.observation;
    assert_eq!(
        seen.verdict,
        Verdict::Errored(Failure {
            class: ErrorClass::Protocol,
            at: FailedAt::Stream
        }),
        "{seen:?}"
    );
    assert!(seen.detail.as_ref().unwrap().contains("gzip"), "{seen:?}");
    assert!(report.timeline.bytes <= bomb.len() as u64, "never unpacked");
}

#[tokio::test]
async fn a_login_page_with_200() {
    let page =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html>Please log in</html>";
    let report = answered(page, short_limits()).await;
    assert_eq!(class(&report.observation), Some(ErrorClass::Protocol));

    let server = serve(move |_, mut socket| async move {
        let _ = request(&mut socket).await;
        send(&mut socket, page).await;
    })
    .await;
    let origin = format!("http://{}", server.addr);
    let prober = Prober::new(endturn::clock::Clock::system()).unwrap();
    let reach = job(provider(&origin, short_limits()), ProbeKind::Reach);
    let seen = prober.run(&reach, |_, _| {}).await.observation;
    assert_eq!(class(&seen), Some(ErrorClass::Protocol));
    assert!(!seen.expected);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let server = serve(|number, mut socket| async move {
        assert_eq!(number, 0, "followed");
        while request(&mut socket).await.is_some() {
            send(
                &mut socket,
                "HTTP/1.1 307 Loop\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            )
            .await;
        }
    })
    .await;
    let seen = canary(server.addr, short_limits()).await.observation;
    assert_eq!(seen.http_status, Some(307));
    assert!(matches!(
        seen.verdict,
        Verdict::Errored(Failure {
            at: FailedAt::Status(307),
            ..
        })
    ));
}

#[tokio::test]
async fn a_connection_closed_at_once() {
    let server = serve(|_, socket: TcpStream| async move { drop(socket) }).await;
    let seen = canary(server.addr, short_limits()).await.observation;
    assert_eq!(class(&seen), Some(ErrorClass::Reset));
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers() {
    let server = serve(|_, mut socket| async move { drain(&mut socket).await }).await;
    let seen = canary(server.addr, short_limits()).await.observation;
    let failure = Failure {
        class: ErrorClass::Timeout,
        at: FailedAt::Transport,
    };
    assert_eq!(seen.verdict, Verdict::Errored(failure));
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_deadline() {
    for piece in [
        ": ping\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
    ] {
        let server = serve(move |_, mut socket| async move {
            if request(&mut socket).await.is_some() && send(&mut socket, STREAM).await {
                while send(&mut socket, piece).await {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        })
        .await;
        let report = canary(server.addr, short_limits()).await;
        let seen = &report.observation;
        assert!(
            matches!(seen.verdict, Verdict::Truncated(_) | Verdict::Errored(_)),
            "{seen:?}"
        );
        assert!(
            matches!(
                &report.timeline.ending,
                Some(Ending::Overtime | Ending::Failed(_))
            ),
            "{:?}",
            report.timeline.ending
        );
    }
}

#[tokio::test]
async fn our_credential_never_comes_back_out() {
    let text = format!("Incorrect API key provided: {KEY}. ");
    let error = format!("{{\"error\":{{\"message\":\"{text}\",\"code\":\"{KEY}\"}}}}");
    let plain = format!(
        "HTTP/1.1 401 No\r\ncontent-type: application/json\r\nx-request-id: {KEY}\r\ncontent-length: {}\r\n\r\n{error}",
        error.len()
    );
    let event =
        format!("data: {{\"model\":\"{KEY}\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
    let streamed = format!("{STREAM}{event}data: {error}\n\n");
    let garbled = format!("{STREAM}{event}data: {KEY} not json\n\n");
    for answer in [plain, streamed, garbled] {
        let report = answered(answer, short_limits()).await;
        let raw = String::from_utf8_lossy(&report.timeline.raw).into_owned();
        let told = format!("{report:?} {raw}");
        assert!(!told.contains(KEY), "{told}");
    }
}
