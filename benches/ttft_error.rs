//! Error of the first-token time against the server's own: how long after the server wrote its first token do we say
//! that it came? Beside it a raw socket loop over the same streams. `cargo bench --bench ttft_error`
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod support;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use endturn::{
    clock::Clock,
    probe::{Call, Marks, Prober, Reply, ReqwestTransport, Transport},
    verdict::{Fault, Purpose, Verdict},
};
use futures_util::future::{BoxFuture, join_all};
use support::Pace;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PACE: Pace = Pace {
    tokens: 10,
    gap: Duration::from_millis(40),
    // The connections of all streams are open by then.
    first: Duration::from_millis(400),
    spread: Duration::from_millis(400),
};

/// Streams at a time and rounds.
const LOADS: [(usize, usize); 3] = [(1, 12), (100, 5), (1000, 4)];

/// The real transport, keeping each request's marks: they tell when zero was on the common clock.
struct Watched {
    inner: ReqwestTransport,
    marks: Mutex<Option<Arc<Marks>>>,
}

impl Transport for Watched {
    fn send(&self, call: Call, marks: Arc<Marks>) -> BoxFuture<'static, Result<Reply, Fault>> {
        *self.marks.lock().expect("no panic while locked") = Some(Arc::clone(&marks));
        self.inner.send(call, marks)
    }
}

/// Error of one probe: our first token on the common clock, minus the time that the server put into it.
async fn ours(inner: ReqwestTransport, clock: Clock, addr: SocketAddr) -> Duration {
    let watched = Arc::new(Watched {
        inner,
        marks: Mutex::default(),
    });
    let prober = Prober::with_transport(clock, Arc::clone(&watched) as Arc<dyn Transport>);
    let job = support::job(&format!("http://{addr}"), PACE.tokens, Purpose::Manual);
    let report = prober.run(&job, |_, _| {}).await;
    assert_eq!(
        report.observation.verdict,
        Verdict::Complete,
        "{:?}",
        report.observation.detail
    );
    let marks = watched
        .marks
        .lock()
        .expect("no panic while locked")
        .take()
        .expect("a request");
    let zero = marks.seen().zero().expect("an open connection");
    let first = zero + report.observation.phases.first_token.expect("a token");
    first.saturating_sub(sent(&report.timeline.events))
}

/// The id of the first chunk, which is the time of its sending.
fn sent(events: &[endturn::protocol::StreamEvent]) -> Duration {
    let id = events.iter().find_map(|event| match event {
        endturn::protocol::StreamEvent::Meta { response_id, .. } => response_id.as_deref(),
        _ => None,
    });
    Duration::from_nanos(id.and_then(|id| id.parse().ok()).expect("an id with a time"))
}

/// The same by a raw socket: the first read that holds a token.
async fn raw(clock: Clock, addr: SocketAddr) -> Duration {
    let mut socket = TcpStream::connect(addr).await.expect("a connection");
    socket.set_nodelay(true).expect("a socket option");
    let request = "POST / HTTP/1.1\r\nhost: bench\r\ncontent-length: 0\r\n\r\n";
    socket.write_all(request.as_bytes()).await.expect("a request");
    let mut buffer = vec![0; 16 << 10];
    let mut error = None;
    loop {
        let n = socket.read(&mut buffer).await.expect("a stream");
        let at = clock.mono();
        let text = String::from_utf8_lossy(&buffer[..n]);
        if let (None, Some((_, rest))) = (error, text.split_once("\"id\":\"")) {
            let id = rest.split('"').next().and_then(|id| id.parse().ok());
            error = Some(at.saturating_sub(Duration::from_nanos(id.expect("an id with a time"))));
        }
        if n == 0 || text.ends_with("0\r\n\r\n") {
            return error.expect("a token");
        }
    }
}

fn percentile(sorted: &[Duration], p: f64) -> f64 {
    let index = ((sorted.len() - 1) as f64 * p).round() as usize;
    sorted[index].as_secs_f64() * 1e3
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let clock = Clock::system();
    let addr = support::serve(&clock, PACE, None);
    let transport = ReqwestTransport::new(&[]).expect("a client");
    println!("milliseconds from the server's write of the first token to the reading of it");
    println!(
        "{:>7} {:>9} {:>9} {:>6} {:>9} {:>9} {:>6}",
        "streams", "raw p50", "ours p50", "ratio", "raw p99", "ours p99", "ratio"
    );
    for (streams, rounds) in LOADS {
        let (mut bare, mut probed) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let tasks = (0..streams).map(|_| runtime.spawn(raw(clock.clone(), addr)));
            bare.extend(runtime.block_on(join_all(tasks)));
            let tasks = (0..streams).map(|_| runtime.spawn(ours(transport.clone(), clock.clone(), addr)));
            probed.extend(runtime.block_on(join_all(tasks)));
        }
        let sorted = |errors: Vec<Result<Duration, tokio::task::JoinError>>| {
            let mut errors: Vec<_> = errors
                .into_iter()
                .map(|error| error.expect("a finished stream"))
                .collect();
            errors.sort_unstable();
            errors
        };
        let (bare, probed) = (sorted(bare), sorted(probed));
        let [b50, o50, b99, o99] =
            [(&bare, 0.5), (&probed, 0.5), (&bare, 0.99), (&probed, 0.99)].map(|(all, p)| percentile(all, p));
        println!(
            "{streams:>7} {b50:>9.3} {o50:>9.3} {:>6.2} {b99:>9.3} {o99:>9.3} {:>6.2}",
            o50 / b50,
            o99 / b99
        );
    }
}
