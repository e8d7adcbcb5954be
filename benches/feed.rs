//! The feed under load, each figure beside what the same machine needs without us in the same run:
//! publish to the last of N event-stream readers against one raw write per socket, and `GET /v1/health` with 50 targets per CPU second against a bare HTTP server with the same bytes.
//!
//! `cargo bench --bench feed [N ..]`; N readers are 1,000 and 10,000 unless given. The readers live in a child process
//! (this program again), so that each side needs one file descriptor per reader.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

#[path = "support/api.rs"]
mod support;

use std::{
    convert::Infallible,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use endturn::{
    api::{ServeLimits, serve},
    clock::{Clock, Timestamp},
    feed::{Cause, Hub, v1},
    health::{
        Figures, Hint, Network, Percentiles, ProviderView, Rate, Reason, ReasonCode, Routing, State,
        TargetView, Transition, View,
    },
    verdict::Source,
};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 60;
const TARGETS: usize = 50;
const HTTP_SECONDS: u64 = 4;
const HTTP_CONNECTIONS: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [role, address, readers] = arguments.as_slice()
        && role == "readers"
    {
        return readers_main(address.parse().unwrap(), readers.parse().unwrap());
    }
    let sizes: Vec<usize> = arguments.iter().filter_map(|text| text.parse().ok()).collect();
    let sizes = if sizes.is_empty() {
        vec![1_000, 10_000]
    } else {
        sizes
    };
    for readers in sizes {
        fan_out(readers);
    }
    requests();
}

// ---- The world that is published ----

fn target(index: usize) -> TargetView {
    let percentiles = |p50: f64| Percentiles {
        p50: Some(p50),
        p95: Some(p50 * 2.0),
        p99: Some(p50 * 3.0),
        n: 338,
    };
    let rate = Rate {
        hits: 5,
        n: 412,
        value: Some(5.0 / 412.0),
        low: Some(0.005),
        high: Some(0.027),
    };
    TargetView {
        id: format!("provider-{}/some-model-{index}", index % 9)
            .parse()
            .unwrap(),
        state: State::Operational,
        since: Timestamp::from_millis(0),
        reason: Reason {
            code: ReasonCode::Healthy,
            text: "412 of 412 replies finished in 300 s".to_owned(),
            sources: vec![Source::Canary, Source::Report],
        },
        routing: Routing {
            hint: Hint::Allow,
            weight: Some(1.0),
            retry_at: None,
        },
        figures: Figures {
            attempts: 412,
            failure_rate: rate,
            error_rate: rate,
            truncation_rate: rate,
            ttft_ms: percentiles(412.3),
            ttfo_ms: percentiles(431.7),
            itl_ms: percentiles(14.2),
            e2e_ms: percentiles(1904.0),
            output_tps: percentiles(71.4),
        },
        soft_deadline: Duration::from_millis(1129),
        last_complete_at: Some(Timestamp::from_millis(1_781_960_460_000)),
        last_seen_at: Some(Timestamp::from_millis(1_781_960_460_000)),
        served_model: None,
        via: None,
        flags: Vec::new(),
        incident: None,
        spent_usd_today: 0.031,
        official: None,
    }
}

fn world(clock: &Clock) -> View {
    View {
        at: clock.now(),
        network: Network::Online,
        targets: (0..TARGETS).map(target).collect(),
        providers: (0..9)
            .map(|n| ProviderView {
                id: format!("provider-{n}").parse().unwrap(),
                state: State::Operational,
                edge: State::Operational,
                connect_ms: Percentiles::default(),
            })
            .collect(),
    }
}

/// Moves one target back and forth: what a real transition costs, figures of all others unchanged.
struct Mover {
    hub: Arc<Hub>,
    view: View,
    clock: Clock,
}

impl Mover {
    fn new(hub: &Arc<Hub>, clock: &Clock) -> Self {
        Self {
            hub: Arc::clone(hub),
            view: world(clock),
            clock: clock.clone(),
        }
    }

    fn publish(&mut self) {
        let moved = &mut self.view.targets[TARGETS / 2];
        let from = moved.state;
        moved.state = if from == State::Down {
            State::Operational
        } else {
            State::Down
        };
        moved.since = self.clock.now();
        let transition = Transition {
            target: moved.id.clone(),
            at: moved.since,
            from,
            to: moved.state,
            routing: moved.routing,
            reason: moved.reason.clone(),
            first_evidence: None,
        };
        self.view.at = transition.at;
        self.hub
            .publish(
                &self.view,
                Cause::Transition(&[transition]),
                &v1::StoreStatus::default(),
            )
            .unwrap();
    }
}

// ---- Publish to the last of N ----

/// The child: N sockets that ask for the events, a byte on stdout whenever all of them have one more.
fn readers_main(address: SocketAddr, readers: usize) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let seen = Arc::new(AtomicUsize::new(0));
        let all = Arc::new(Notify::new());
        for _ in 0..readers {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(b"GET /v1/events?last_event_id=1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
                .await
                .unwrap();
            let (seen, all) = (Arc::clone(&seen), Arc::clone(&all));
            tokio::spawn(async move {
                let mut buffer = [0_u8; 2048];
                let mut tail = Vec::new();
                while let Ok(n @ 1..) = stream.read(&mut buffer).await {
                    tail.extend_from_slice(&buffer[..n]);
                    let marks = tail.windows(5).filter(|w| *w == b"\nid: ").count();
                    tail.drain(..tail.len().saturating_sub(4));
                    for _ in 0..marks {
                        if seen.fetch_add(1, Ordering::Relaxed) + 1 == readers {
                            seen.store(0, Ordering::Relaxed);
                            all.notify_one();
                        }
                    }
                }
            });
        }
        loop {
            all.notified().await;
            let mut out = std::io::stdout().lock();
            out.write_all(b"x\n").unwrap();
            out.flush().unwrap();
        }
    });
}

struct Readers {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Readers {
    fn start(address: SocketAddr, readers: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["readers", &address.to_string(), &readers.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Blocks until every reader has had one more event.
    fn all(&mut self) {
        let mut line = String::new();
        assert!(self.out.read_line(&mut line).unwrap() > 0, "the readers ended");
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn server(threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap()
}

/// One round after another; the first ones warm up.
fn rounds(clock: &Clock, readers: &mut Readers, mut publish: impl FnMut()) -> Vec<f64> {
    let mut times = Vec::new();
    for round in 0..ROUNDS + 5 {
        std::thread::sleep(Duration::from_millis(20));
        let start = clock.mono();
        publish();
        readers.all();
        if round >= 5 {
            times.push(clock.mono().saturating_sub(start).as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    times
}

fn fan_out(count: usize) {
    let clock = Clock::system();
    let (ours, event, kib) = {
        let runtime = server(2);
        let hub = support::hub(&world(&clock));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ServeLimits::default();
        runtime.spawn(serve(
            listener,
            support::app(&hub, &clock, &CancellationToken::new()),
            CancellationToken::new(),
            limits,
        ));
        let before = resident_kib();
        let mut readers = Readers::start(address, count);
        while hub.subscribers() < count {
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut mover = Mover::new(&hub, &clock);
        let times = rounds(&clock, &mut readers, || mover.publish());
        let kib = (resident_kib() - before) / count as f64;
        assert_eq!(hub.lagged(), 0, "nothing may be lost");
        let event = runtime.block_on(async {
            let mut subscription = hub.subscribe(Some(hub.snapshot().revision()), None).unwrap();
            mover.publish();
            subscription.next().await.unwrap()
        });
        (times, event, kib)
    };
    let raw = raw_writes(&clock, count, &event);
    let ratio = median(&ours) / median(&raw);
    println!(
        "fan-out to {count} readers, {} bytes an event: ours p50 {:.2} ms p95 {:.2} ms, raw writes p50 {:.2} ms \
         p95 {:.2} ms, ratio of medians {ratio:.2}; server memory {kib:.1} KiB a reader",
        event.len(),
        median(&ours),
        quantile(&ours, 0.95),
        median(&raw),
        quantile(&raw, 0.95),
    );
}

/// The floor: the same bytes, one write per socket, from one thread.
fn raw_writes(clock: &Clock, count: usize, event: &Bytes) -> Vec<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut readers = Readers::start(listener.local_addr().unwrap(), count);
    let mut sockets: Vec<_> = (0..count)
        .map(|_| {
            let (mut socket, _) = listener.accept().unwrap();
            socket.set_nodelay(true).unwrap();
            let mut request = [0; 256];
            assert!(socket.read(&mut request).unwrap() > 0);
            socket
        })
        .collect();
    let mut chunk = format!("{:x}\r\n", event.len()).into_bytes();
    chunk.extend_from_slice(event);
    chunk.extend_from_slice(b"\r\n");
    rounds(clock, &mut readers, || {
        for socket in &mut sockets {
            socket.write_all(&chunk).unwrap();
        }
    })
}

// ---- GET /v1/health per CPU second ----

fn requests() {
    let clock = Clock::system();
    let hub = support::hub(&world(&clock));
    let body = hub.snapshot().json();
    let ours = per_cpu_second({
        let app = support::app(&hub, &clock, &CancellationToken::new());
        move |listener| async move {
            serve(listener, app, CancellationToken::new(), ServeLimits::default()).await;
        }
    });
    let bare = per_cpu_second({
        let body = body.clone();
        move |listener: TcpListener| async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let body = body.clone();
                let service = hyper::service::service_fn(move |_| {
                    let response = hyper::Response::new(Full::new(body.clone()));
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        }
    });
    println!(
        "GET /v1/health, {TARGETS} targets, {} bytes: {ours:.0} requests per CPU second, bare hyper with the same \
         bytes {bare:.0}, ratio {:.2}",
        body.len(),
        ours / bare
    );
    if let Some(nginx) = nginx(&body) {
        println!(
            "nginx with the same bytes from a file: {nginx:.0}, ratio {:.2}",
            ours / nginx
        );
    }
}

/// Requests per second of CPU that the one server thread used.
fn per_cpu_second<F, S>(serve: S) -> f64
where
    S: FnOnce(TcpListener) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (ready, address) = std::sync::mpsc::channel();
    let used = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let thread = {
        let (used, stop) = (Arc::clone(&used), Arc::clone(&stop));
        std::thread::spawn(move || {
            Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(async move {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    ready.send(listener.local_addr().unwrap()).unwrap();
                    tokio::spawn(serve(listener));
                    while !stop.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        used.store(thread_cpu_ns(), Ordering::Relaxed);
                    }
                });
        })
    };
    let address = address.recv().unwrap();
    let rate = load(address, "/v1/health", || used.load(Ordering::Relaxed));
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    rate
}

/// Asks over [`HTTP_CONNECTIONS`] for [`HTTP_SECONDS`]; requests per second of the CPU time that `used_ns` tells.
fn load(address: SocketAddr, path: &'static str, used_ns: impl Fn() -> u64) -> f64 {
    let runtime = server(2);
    let done = Arc::new(AtomicU64::new(0));
    for _ in 0..HTTP_CONNECTIONS {
        let done = Arc::clone(&done);
        runtime.spawn(async move {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut buffer = vec![0; 1 << 18];
            loop {
                stream.write_all(request.as_bytes()).await.unwrap();
                let (mut have, mut want) = (0, usize::MAX);
                while have < want {
                    let n = stream.read(&mut buffer[have..]).await.unwrap();
                    assert!(n > 0, "the server closed");
                    have += n;
                    if want == usize::MAX {
                        want = whole(&buffer[..have]).unwrap_or(usize::MAX);
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    std::thread::sleep(Duration::from_millis(500));
    let (count, cpu) = (done.load(Ordering::Relaxed), used_ns());
    std::thread::sleep(Duration::from_secs(HTTP_SECONDS));
    let (count, cpu) = (done.load(Ordering::Relaxed) - count, used_ns() - cpu);
    runtime.shutdown_background();
    count as f64 / (cpu as f64 / 1e9)
}

/// Length of the whole response once its head is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap().to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{text}");
    let length = text
        .split("content-length: ")
        .nth(1)
        .unwrap()
        .split('\r')
        .next()
        .unwrap();
    Some(head + length.parse::<usize>().unwrap())
}

/// One nginx worker on a file with the same bytes, where nginx is installed.
fn nginx(body: &Bytes) -> Option<f64> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::create_dir_all(path("v1")).unwrap();
    std::fs::write(path("v1/health"), body).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = format!(
        "daemon off; master_process off; pid {pid}; error_log {log};\nevents {{ worker_connections 256; }}\n\
         http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=10;\n\
         default_type application/json; client_body_temp_path {t}; proxy_temp_path {t}; fastcgi_temp_path {t};\n\
         uwsgi_temp_path {t}; scgi_temp_path {t};\nserver {{ listen 127.0.0.1:{port}; root {root}; }} }}\n",
        pid = path("pid"),
        log = path("error.log"),
        t = path("tmp"),
        root = dir.path().display(),
    );
    std::fs::write(path("nginx.conf"), config).unwrap();
    let mut child = Command::new("nginx")
        .args([
            "-p",
            &dir.path().display().to_string(),
            "-c",
            &path("nginx.conf"),
            "-e",
            &path("error.log"),
        ])
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let up = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        std::net::TcpStream::connect(address).is_ok()
    });
    let schedstat = format!("/proc/{}/schedstat", child.id());
    let rate = up.then(|| load(address, "/v1/health", || first_number(&schedstat)));
    child.kill().unwrap();
    child.wait().unwrap();
    rate
}

// ---- Figures ----

fn first_number(path: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// CPU nanoseconds of the calling thread.
fn thread_cpu_ns() -> u64 {
    first_number("/proc/thread-self/schedstat")
}

fn resident_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4.0
}

fn median(sorted: &[f64]) -> f64 {
    quantile(sorted, 0.5)
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}
