//! What the client did is told from what the provider did.

use std::time::Duration;

use endturn::{
    protocol::ErrorClass,
    simulate::Pace,
    verdict::{FailedAt, Failure, Truncation, Verdict},
};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{End, Simulated, Tapped, ask, entry, post};
use crate::support::{
    live::PATIENCE,
    server::{self, drain, request, send, serve},
};

const PATH: &str = "/openai/v1/chat/completions";

fn chat(model: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"model":"{model}","stream":true}}"#)
}

const fn cancelled(at: FailedAt) -> Verdict {
    Verdict::Errored(Failure {
        class: ErrorClass::Cancelled,
        at,
    })
}

/// Asks, reads until so many bytes of the body came, and goes away. Without a number it leaves before the head.
async fn leave(tapped: &Tapped, model: &str, after: Option<usize>) {
    let stream = TcpStream::connect(tapped.addr).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let asking = sender.send_request(post(tapped.addr, PATH, chat(model)));
    match after {
        None => assert!(
            tokio::time::timeout(Duration::from_millis(200), asking)
                .await
                .is_err(),
            "no head comes"
        ),
        Some(bytes) => {
            let mut body = asking.await.unwrap().into_body();
            let mut read = 0;
            while read < bytes {
                let frame = tokio::time::timeout(PATIENCE, body.frame())
                    .await
                    .expect("a frame");
                read += frame.unwrap().unwrap().into_data().unwrap().len();
            }
        }
    }
    connection.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_gives_up_is_nobodys_failure_and_its_provider_is_let_go() {
    let pace = Pace {
        itl: Duration::from_millis(2),
        ..Pace::instant()
    };
    let behind = Simulated::start(pace).await;
    let tapped = Tapped::start(&entry("openai", &format!("http://{}/openai/v1", behind.addr)));
    leave(&tapped, "m!hang", None).await;
    leave(&tapped, "m!stall", Some(600)).await;
    leave(&tapped, "m!endless", Some(4_000)).await;
    let seen = tapped.seen(3).await;
    let verdicts: Vec<_> = seen
        .iter()
        .map(|seen| (seen.target.model().as_str(), seen.verdict))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("m!hang", cancelled(FailedAt::Transport)),
            ("m!stall", cancelled(FailedAt::Stream)),
            ("m!endless", cancelled(FailedAt::Stream)),
        ]
    );
    assert_eq!(tapped.tap.counts().verdicts.cancelled, 3);
    assert_eq!(tapped.tap.counts().open, 0);
}

/// A provider that says all of its reply but does not end the body.
async fn never_ends(terminal: bool) -> server::Server {
    serve(move |_, mut socket| async move {
        while request(&mut socket).await.is_some() {
            let mut events = crate::support::events();
            if !terminal {
                events.truncate(4);
            }
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            send(&mut socket, head).await;
            for event in events {
                send(&mut socket, format!("{:x}\r\n{event}\r\n", event.len())).await;
            }
            drain(&mut socket).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_whose_end_was_seen_is_complete_though_its_reader_left() {
    for (terminal, expected) in [(true, Verdict::Complete), (false, cancelled(FailedAt::Stream))] {
        let server = never_ends(terminal).await;
        let tapped = Tapped::start(&entry("openai", &format!("http://{}", server.addr)));
        let mut wanted = crate::support::events();
        wanted.truncate(if terminal { wanted.len() } else { 4 });
        leave(&tapped, "m", Some(wanted.concat().len())).await;
        let seen = tapped.seen(1).await;
        assert_eq!(seen[0].verdict, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_its_client_breaks_off_is_the_clients() {
    let server = serve(|_, mut socket| async move {
        drain(&mut socket).await;
    })
    .await;
    let tapped = Tapped::start(&entry("openai", &format!("http://{}", server.addr)));
    let mut socket = TcpStream::connect(tapped.addr).await.unwrap();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n{{\"model\":\"m\",\"messages\":["
    );
    assert!(send(&mut socket, head).await);
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(socket);
    let seen = tapped.seen(1).await;
    assert_eq!(seen[0].verdict, cancelled(FailedAt::Transport));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cuts_is_told_and_its_cut_is_passed_on_as_it_is() {
    let rows: [(&str, End); 4] = [
        ("fin", End::Cut),
        ("reset", End::Reset),
        ("length", End::Cut),
        ("clean", End::Whole),
    ];
    for (how, end) in rows {
        let server = serve(move |_, mut socket| async move {
            request(&mut socket).await;
            let events: String = crate::support::events()[..4].concat();
            let framing = if how == "length" {
                "content-length: 100000"
            } else {
                "transfer-encoding: chunked"
            };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{framing}\r\n\r\n");
            send(&mut socket, head).await;
            let size = if how == "length" {
                String::new()
            } else {
                format!("{:x}\r\n", events.len())
            };
            let tail = match how {
                "length" => "",
                "clean" => "\r\n0\r\n\r\n",
                _ => "\r\n",
            };
            send(&mut socket, size + &events + tail).await;
            if how == "reset" {
                tokio::time::sleep(Duration::from_millis(20)).await;
                server::reset(socket);
            }
        })
        .await;
        let tapped = Tapped::start(&entry("openai", &format!("http://{}", server.addr)));
        let answer = ask(tapped.addr, post(tapped.addr, PATH, chat("m"))).await;
        assert_eq!(answer.end, end, "{how}");
        assert_eq!(answer.body, crate::support::events()[..4].concat(), "{how}");
        let seen = tapped.seen(1).await;
        assert_eq!(seen[0].verdict, Verdict::Truncated(Truncation::Cut), "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_as_such() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let entries = entry("openai", &format!("http://{nobody}"))
        + &entry("other", "http://no-such-host.invalid/v1")
            .replace("id = \"other\"", "id = \"other\"\npreset = \"openai-compatible\"");
    let tapped = Tapped::start(&entries);
    for (path, class) in [
        (PATH, ErrorClass::Connect),
        ("/other/v1/chat/completions", ErrorClass::Dns),
    ] {
        let before = tapped.seen.0.lock().unwrap().len();
        let answer = ask(tapped.addr, post(tapped.addr, path, chat("m"))).await;
        assert_eq!(answer.end, End::Refused, "{path}");
        let seen = tapped.seen(before + 1).await;
        let at = FailedAt::Transport;
        assert_eq!(
            seen[before].verdict,
            Verdict::Errored(Failure { class, at }),
            "{path}"
        );
    }
}
