//! `GET /v1/health` with 50 targets, in requests per second of the server's CPU time: beside a bare HTTP server with the same
//! bytes, and beside nginx with the same bytes from a file, in the same run. Each server has one thread, the connections
//! are kept.
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
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use endturn::{
    api::{ServeLimits, serve},
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

const HTTP_SECONDS: u64 = 4;
const HTTP_CONNECTIONS: usize = 64;

fn main() {
    let clock = Clock::system();
    let hub = api::hub(&world(&clock));
    let body = hub.snapshot().json();
    let ours = per_cpu_second({
        let app = api::app(&hub, &clock, &CancellationToken::new());
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
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
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

fn first_number(path: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// CPU nanoseconds of the calling thread.
fn thread_cpu_ns() -> u64 {
    first_number("/proc/thread-self/schedstat")
}
