//! CPU time of a paced canary of 50 tokens: our whole path (request, phases, decoding, judging, observation) against a
//! bare hyper loop that reads and drops the same streams. One thread runs the client, its CPU time alone is counted;
//! rounds of both alternate, so that noise hits both. The store and the feed
//! are no part of it: `benches/store.rs` and `benches/feed.rs` measure them.
//!
//! `cargo bench --bench probe_cpu [-- bare|ours]`; one side alone is for a profiler.
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod support;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use endturn::{
    clock::Clock,
    probe::{ProbeJob, Prober},
    verdict::{Purpose, Verdict},
};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustix::time::{ClockId, clock_gettime};
use support::Pace;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    },
};

const TOKENS: usize = 50;
const PACE: Pace = Pace {
    tokens: TOKENS,
    gap: Duration::from_millis(4),
    first: Duration::from_millis(10),
    spread: Duration::ZERO,
};
/// Streams at a time, each on a kept connection.
const STREAMS: usize = 4;
const ROUNDS: usize = 40;

type Sender = http1::SendRequest<Full<Bytes>>;

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

struct Identity {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
        Self {
            cert: made.cert.der().to_vec(),
            key: made.signing_key.serialize_der(),
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(self.cert.clone())], key)
            .expect("a key pair");
        TlsAcceptor::from(Arc::new(config))
    }

    fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from(self.cert.clone()))
            .expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }
}

async fn connect(addr: SocketAddr, tls: Option<&TlsConnector>) -> Sender {
    let tcp = TcpStream::connect(addr).await.expect("a connection");
    tcp.set_nodelay(true).expect("a socket option");
    if let Some(tls) = tls {
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let stream = tls.connect(name, tcp).await.expect("a handshake");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("http");
        tokio::spawn(connection);
        sender
    } else {
        let (sender, connection) = http1::handshake(TokioIo::new(tcp)).await.expect("http");
        tokio::spawn(connection);
        sender
    }
}

/// The bare loop: one request, every byte read and dropped.
async fn bare(mut sender: Sender, addr: SocketAddr, body: Bytes) -> Sender {
    sender.ready().await.expect("a free connection");
    let request = Request::post("/chat/completions")
        .header("host", addr.to_string())
        .header("content-type", "application/json")
        .body(Full::new(body))
        .expect("a request");
    let mut answer = sender.send_request(request).await.expect("a head").into_body();
    while let Some(frame) = answer.frame().await {
        frame.expect("a whole body");
    }
    sender
}

async fn ours(prober: Arc<Prober>, job: Arc<ProbeJob>) {
    let seen = prober.run(&job, |_, _| {}).await.observation;
    assert_eq!(seen.verdict, Verdict::Complete, "{:?}", seen.detail);
}

/// Each stream in a task of its own, as the daemon runs its probes.
async fn side_by_side<T: Send + 'static>(streams: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let tasks: Vec<_> = streams.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.expect("a finished stream"));
    }
    done
}

/// Which sides run: both, or one alone for a profiler.
#[derive(Clone, Copy)]
struct Sides {
    bare: bool,
    ours: bool,
}

/// Microseconds of CPU per canary in each round: bare, ours.
async fn compare(clock: &Clock, identity: &Identity, tls: bool, sides: Sides) -> [Vec<f64>; 2] {
    let addr = support::serve(clock, PACE, tls.then(|| identity.acceptor()));
    let scheme = if tls { "https" } else { "http" };
    let job = Arc::new(support::job(
        &format!("{scheme}://{addr}"),
        TOKENS,
        Purpose::Scheduled,
    ));
    let prober = Prober::with_roots(clock.clone(), std::slice::from_ref(&identity.cert)).expect("a client");
    let prober = Arc::new(prober);
    let body = Bytes::from(vec![b' '; 300]);
    let connector = identity.connector();
    let mut senders = Vec::new();
    for _ in 0..STREAMS {
        senders.push(connect(addr, tls.then_some(&connector)).await);
    }
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS + 2 {
        let start = cpu();
        if sides.bare {
            let streams = senders.drain(..).map(|sender| bare(sender, addr, body.clone()));
            senders = side_by_side(streams.collect()).await;
        }
        let middle = cpu();
        if sides.ours {
            let streams = (0..STREAMS).map(|_| ours(Arc::clone(&prober), Arc::clone(&job)));
            side_by_side(streams.collect()).await;
        }
        // Two rounds to warm up: ours opens its connections in them.
        if round >= 2 {
            let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / STREAMS as f64;
            taken[0].push(each(middle.saturating_sub(start)));
            taken[1].push(each(cpu().saturating_sub(middle)));
        }
    }
    taken
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let only = std::env::args().nth(1);
    let sides = Sides {
        bare: only.as_deref() != Some("ours"),
        ours: only.as_deref() != Some("bare"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let clock = Clock::system();
    let identity = Identity::new();
    println!(
        "CPU microseconds per canary of {TOKENS} tokens, {ROUNDS} rounds of {STREAMS} canaries; the mean holds the \
         new connections that we open every 15 s"
    );
    println!(
        "{:<6} {:>12} {:>12} {:>6} {:>10} {:>10} {:>6}",
        "", "bare median", "ours median", "ratio", "bare mean", "ours mean", "ratio"
    );
    for (name, tls) in [("http", false), ("https", true)] {
        let taken = runtime.block_on(compare(&clock, &identity, tls, sides));
        let [bare_mean, ours_mean] =
            [0, 1].map(|side: usize| taken[side].iter().sum::<f64>() / ROUNDS as f64);
        let [bare, ours] = taken.map(median);
        println!(
            "{name:<6} {bare:>12.0} {ours:>12.0} {:>6.2} {bare_mean:>10.0} {ours_mean:>10.0} {:>6.2}",
            ours / bare,
            ours_mean / bare_mean
        );
    }
}
