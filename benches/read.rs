//! `GET /v1/health` with 50 targets, in requests per second of the server's CPU time: plain, and packed as HTTP libraries
//! ask for it; beside a bare HTTP server with the same bytes, a loop that only reads and writes them, and nginx with the
//! same bytes from a file, in turn. Each server has one thread, the connections are kept.
//!
//! `cargo bench --bench read`. Where no nginx is installed it is left out.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

#[path = "support/api.rs"]
mod api;
#[path = "support/fifty.rs"]
#[expect(dead_code, reason = "nothing moves here")]
mod fifty;

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use endturn::{
    api::{Front, ServeLimits, serve},
    clock::Clock,
};
use fifty::{TARGETS, world};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
};
use tokio_util::sync::CancellationToken;

/// Rounds; in each every server is asked once, in turn, so that whatever else the machine does falls on all of them.
const ROUNDS: usize = 7;
/// How long a server is asked in a round, the first part of it unmeasured.
const WARM: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_millis(1_200);
const CONNECTIONS: usize = 64;

fn main() {
    let clock = Clock::system();
    let hub = api::hub(&world(&clock));
    let app = || api::app(&hub, &clock, &CancellationToken::new());
    let snapshot = hub.snapshot();
    let packed = Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(snapshot.gzip());
    println!(
        "GET /v1/health, {TARGETS} targets, {CONNECTIONS} connections, {ROUNDS} rounds in turn; requests per second of the \
         server's CPU, median, and ours over it, median (least to most of a round)"
    );
    compare(
        "packed by gzip",
        "accept-encoding: gzip\r\n",
        packed.unwrap(),
        app(),
    );
    compare("plain", "", &snapshot.json(), app());
}

/// Asks all of them for the same bytes.
fn compare(name: &str, header: &str, body: &Bytes, app: Front) {
    let request = Bytes::from(format!(
        "GET /v1/health HTTP/1.1\r\nhost: localhost\r\n{header}\r\n"
    ));
    let dir = tempfile::tempdir().unwrap();
    let (to_hyper, to_raw) = (body.clone(), body.clone());
    let mut servers = vec![
        Server::start("endturn", |listener| {
            serve(listener, app, CancellationToken::new(), ServeLimits::default())
        }),
        Server::start("bare hyper", |listener| bare(listener, to_hyper)),
        Server::start("nothing but the socket", |listener| raw(listener, to_raw)),
    ];
    servers.extend(nginx(body, dir.path()));
    let mut rates = vec![Vec::new(); servers.len()];
    for _ in 0..ROUNDS {
        for (server, rates) in servers.iter().zip(&mut rates) {
            rates.push(load(server, &request, body));
        }
    }
    println!("{name}, {} bytes:", body.len());
    for (server, theirs) in servers.iter().zip(&rates) {
        let ratios = rates[0].iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
        let (ratios, rate) = (sorted(ratios), sorted(theirs.iter().copied())[ROUNDS / 2]);
        println!(
            "{:>24}: {rate:>8.0}  {:.2} ({:.2} to {:.2})",
            server.name,
            ratios[ROUNDS / 2],
            ratios[0],
            ratios[ROUNDS - 1]
        );
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// A server with one thread, and where that thread's CPU time is told.
struct Server {
    name: &'static str,
    address: SocketAddr,
    schedstat: String,
    child: Option<Child>,
}

impl Server {
    /// One on a thread of its own, which ends with the process.
    fn start<F>(name: &'static str, serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (ready, started) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let thread = std::fs::read_link("/proc/thread-self").unwrap();
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                ready.send((listener.local_addr().unwrap(), thread)).unwrap();
                tokio::spawn(serve(listener)).await.unwrap();
            });
        });
        let (address, thread) = started.recv().unwrap();
        Self {
            name,
            address,
            schedstat: format!("/proc/{}/schedstat", thread.display()),
            child: None,
        }
    }

    /// CPU nanoseconds used so far.
    fn used_ns(&self) -> u64 {
        let text = std::fs::read_to_string(&self.schedstat).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

async fn bare(listener: TcpListener, body: Bytes) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let body = body.clone();
        let service = hyper::service::service_fn(move |_| {
            let response = hyper::Response::new(Full::new(body.clone()));
            async move { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// The bound of every server that sends from memory: it looks for the end of a request's head and writes.
async fn raw(listener: TcpListener, body: Bytes) {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(&body);
    let answer = Bytes::from(answer);
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let answer = answer.clone();
        tokio::spawn(async move {
            let mut buffer = vec![0; 4 << 10];
            let mut have = 0;
            while let Ok(read @ 1..) = stream.read(&mut buffer[have..]).await {
                have += read;
                if buffer[..have].ends_with(b"\r\n\r\n") {
                    have = 0;
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

/// Requests per second of the CPU time that the server used for them.
fn load(server: &Server, request: &Bytes, body: &Bytes) -> f64 {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let done = Arc::new(AtomicU64::new(0));
    for _ in 0..CONNECTIONS {
        let asking = ask(server.address, request.clone(), body.clone(), Arc::clone(&done));
        runtime.spawn(asking);
    }
    std::thread::sleep(WARM);
    let (count, cpu) = (done.load(Ordering::Relaxed), server.used_ns());
    std::thread::sleep(MEASURED);
    let (count, cpu) = (done.load(Ordering::Relaxed) - count, server.used_ns() - cpu);
    runtime.shutdown_timeout(Duration::from_secs(2));
    count as f64 / (cpu as f64 / 1e9)
}

async fn ask(address: SocketAddr, request: Bytes, body: Bytes, done: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut buffer = vec![0; 1 << 18];
    let mut first = true;
    loop {
        stream.write_all(&request).await.unwrap();
        let (mut have, mut want) = (0, usize::MAX);
        while have < want {
            let n = stream.read(&mut buffer[have..]).await.unwrap();
            assert!(n > 0, "the server closed");
            have += n;
            if want == usize::MAX {
                want = whole(&buffer[..have]).unwrap_or(usize::MAX);
            }
        }
        assert!(!first || buffer[..have].ends_with(&body), "other bytes");
        first = false;
        done.fetch_add(1, Ordering::Relaxed);
    }
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
fn nginx(body: &Bytes, dir: &Path) -> Option<Server> {
    let path = |name: &str| dir.join(name).display().to_string();
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
        root = dir.display(),
    );
    std::fs::write(path("nginx.conf"), config).unwrap();
    let child = Command::new("nginx")
        .args([
            "-p",
            &dir.display().to_string(),
            "-c",
            &path("nginx.conf"),
            "-e",
            &path("error.log"),
        ])
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let server = Server {
        name: "nginx, from a file",
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        schedstat: format!("/proc/{}/schedstat", child.id()),
        child: Some(child),
    };
    let is_up = |_| {
        std::thread::sleep(Duration::from_millis(20));
        std::net::TcpStream::connect(server.address).is_ok()
    };
    (0..100).any(is_up).then_some(server)
}
