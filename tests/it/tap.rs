//! The tap on real sockets: what a client sees through it is what it sees without, and what was seen is told.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bytes;
mod crowd;
mod daemon;
mod egress;
mod leave;
mod probe;
mod process;
mod ship;
mod tls;
mod wire;

use std::{
    error::Error,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use ::bytes::Bytes;
use endturn::{
    clock::{Clock, Timestamp},
    config::{Env, Provider, load_text},
    simulate::{Options, Pace, Simulator},
    tap::{self, Limits, Sink, Tap},
    verdict::Observation,
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, runtime::Handle, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::support::live::PATIENCE;

/// A credential and a text that must never come out again.
const PLANTED: &str = "sk-planted-0123456789";

/// Collects what was judged.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<Observation>>);

impl Sink for Seen {
    fn take(&self, seen: Observation) -> bool {
        self.0.lock().unwrap().push(seen);
        true
    }
}

/// A tap in this process.
struct Tapped {
    addr: SocketAddr,
    tap: Arc<Tap>,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

impl Drop for Tapped {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Providers as a configuration tells them.
fn providers(entries: &str) -> Vec<Provider> {
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        ..Env::default()
    };
    load_text("t.toml", entries, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
        .providers
}

/// A provider's entry.
fn entry(id: &str, base_url: &str) -> String {
    format!(
        "[[provider]]\nid = \"{id}\"\nbase_url = \"{base_url}\"\napi_key = {{ env = \"KEY\" }}\nmodels = [\"m\"]\n\
         canary = false\nlong = false\n"
    )
}

impl Tapped {
    fn start(entries: &str) -> Self {
        let seen = Arc::new(Seen::default());
        Self::with(
            entries,
            Arc::clone(&seen) as Arc<dyn Sink>,
            seen,
            &[],
            Limits::default(),
        )
    }

    fn with(entries: &str, sink: Arc<dyn Sink>, seen: Arc<Seen>, roots: &[Vec<u8>], limits: Limits) -> Self {
        let tap = Tap::new(
            &providers(entries),
            sink,
            Clock::system(),
            Handle::current(),
            roots,
        );
        let tap = Arc::new(tap);
        let listener = tap::listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(tap::serve(
            listener,
            Arc::clone(&tap),
            |_| None,
            CancellationToken::new(),
            CancellationToken::new(),
            limits,
        ));
        Self {
            addr,
            tap,
            seen,
            task,
        }
    }

    /// What was judged, once there is so much of it.
    async fn seen(&self, n: usize) -> Vec<Observation> {
        let waited = async {
            loop {
                let seen = self.seen.0.lock().unwrap().clone();
                if seen.len() >= n {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let seen = tokio::time::timeout(PATIENCE, waited).await;
        seen.unwrap_or_else(|_| panic!("{n} verdicts did not come: {:?}", self.tap.counts()))
    }

    /// What was judged in all: nothing more can come.
    async fn all(&self) -> Vec<Observation> {
        tokio::time::timeout(PATIENCE, self.tap.idle())
            .await
            .expect("judges end");
        self.seen.0.lock().unwrap().clone()
    }
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As HTTP ends.
    Whole,
    /// Too early, without a reset.
    Cut,
    /// By a reset.
    Reset,
    /// Without a head, closed.
    Closed,
    /// Without a head, reset.
    Refused,
}

/// All that a client sees of an exchange.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: Option<StatusCode>,
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
    end: End,
}

fn is_reset(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|io| io.kind() == io::ErrorKind::ConnectionReset)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// One request over a connection of its own.
async fn ask(addr: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let asked = async {
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut answer = Answer {
            status: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            trailers: None,
            end: End::Whole,
        };
        match sender.send_request(request).await {
            Err(error) => {
                answer.end = if is_reset(&error) {
                    End::Refused
                } else {
                    End::Closed
                };
            }
            Ok(response) => {
                let (head, mut body) = response.into_parts();
                (answer.status, answer.headers) = (Some(head.status), head.headers);
                let mut bytes = Vec::new();
                while let Some(frame) = body.frame().await {
                    match frame {
                        Ok(frame) if frame.is_data() => bytes.extend_from_slice(&frame.into_data().unwrap()),
                        Ok(frame) => answer.trailers = frame.into_trailers().ok(),
                        Err(error) => {
                            answer.end = if is_reset(&error) { End::Reset } else { End::Cut };
                        }
                    }
                }
                answer.body = bytes.into();
            }
        }
        connection.abort();
        answer
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("an end")
}

/// A request for a reply.
fn post(addr: SocketAddr, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", addr.to_string())
        .header("authorization", format!("Bearer {PLANTED}"))
        .header("x-api-key", PLANTED)
        .header("x-goog-api-key", PLANTED)
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

/// A simulator whose clock stands still: asked the same, it answers the same, byte for byte.
struct Simulated {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Simulated {
    async fn start(pace: Pace) -> Self {
        let options = Options { seed: 7, pace };
        let clock = Clock::manual(Timestamp::from_millis(1_781_960_400_000));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::bind(any, options, clock).await.unwrap();
        Self {
            addr: simulator.local_addr(),
            task: tokio::spawn(simulator.serve(std::future::pending())),
        }
    }
}
