//! Publish to the last of N event-stream readers over real sockets, beside one raw write per socket in the same run. One
//! reader in ten never reads: it must cost the others nothing and us a bounded piece of memory.
//!
//! `cargo bench --bench fanout [N ..]`; N readers are 1,000 and 10,000 unless given. The readers live in a child process
//! (this program again), so that each side needs one file descriptor per reader: `ulimit -n` above 10,100.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

#[path = "support/api.rs"]
mod api;
#[path = "support/fifty.rs"]
mod fifty;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use endturn::{
    api::{ServeLimits, serve},
    clock::Clock,
};
use fifty::{Mover, world};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 60;
/// Of so many readers one never reads.
const SILENT_OF: usize = 10;
/// What the kernel may hold for a reader that never reads, in bytes: little, so that the rest is with us.
const SILENT_BUFFER: u32 = 4 << 10;
/// Events after the timed ones, one after the other: with them, what no buffer of a silent reader's connection holds.
const FLOOD: usize = 150;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [role, address, readers, silent] = arguments.as_slice()
        && role == "readers"
    {
        let [readers, silent] = [readers, silent].map(|text| text.parse().unwrap());
        return readers_main(address.parse().unwrap(), readers, silent);
    }
    let sizes: Vec<usize> = arguments.iter().filter_map(|text| text.parse().ok()).collect();
    for count in if sizes.is_empty() {
        vec![1_000, 10_000]
    } else {
        sizes
    } {
        fan_out(count);
    }
}

/// The child: sockets that ask for the events, and a byte on stdout whenever all that read have one more.
fn readers_main(address: SocketAddr, readers: usize, silent: usize) {
    let runtime = server(1);
    runtime.block_on(async {
        let mut asleep = Vec::new();
        for _ in 0..silent {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(SILENT_BUFFER).unwrap();
            let mut stream = socket.connect(address).await.unwrap();
            ask(&mut stream).await;
            asleep.push(stream);
        }
        let seen = Arc::new(AtomicUsize::new(0));
        let all = Arc::new(Notify::new());
        for _ in 0..readers {
            let mut stream = TcpStream::connect(address).await.unwrap();
            ask(&mut stream).await;
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

async fn ask(stream: &mut TcpStream) {
    let request = b"GET /v1/events?last_event_id=1 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
}

struct Readers {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Readers {
    fn start(address: SocketAddr, readers: usize, silent: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "readers",
                &address.to_string(),
                &readers.to_string(),
                &silent.to_string(),
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// Blocks until every reader has had one more event: none may be lost.
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

/// One round after another; the first ones warm up. Milliseconds, sorted.
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

/// What one side took.
struct Ours {
    times: Vec<f64>,
    event: Bytes,
    kib: f64,
    flooded_kib: f64,
}

fn ours(clock: &Clock, count: usize, silent: usize) -> Ours {
    let runtime = server(2);
    let hub = api::hub(&world(clock));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(serve(
        listener,
        api::app(&hub, clock, &CancellationToken::new()),
        CancellationToken::new(),
        ServeLimits::default(),
    ));
    let before = resident_kib();
    let mut readers = Readers::start(address, count - silent, silent);
    while hub.subscribers() < count {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut mover = Mover::new(&hub, clock);
    let times = rounds(clock, &mut readers, || mover.publish());
    let each = |now: f64| (now - before) / count as f64;
    let kib = each(resident_kib());
    assert_eq!(hub.lagged(), 0, "nothing may be lost");
    for _ in 0..FLOOD {
        mover.publish();
        readers.all();
    }
    let flooded_kib = each(resident_kib());
    let event = runtime.block_on(async {
        let mut subscription = hub.subscribe(Some(hub.snapshot().revision()), None).unwrap();
        mover.publish();
        subscription.next().await.unwrap()
    });
    Ours {
        times,
        event,
        kib,
        flooded_kib,
    }
}

fn fan_out(count: usize) {
    let clock = Clock::system();
    let silent = count / SILENT_OF;
    let ours = ours(&clock, count, silent);
    // Plain writes would block on a reader that never reads: there only the others are.
    let raw = raw_writes(&clock, count - silent, &ours.event);
    println!(
        "publish to the last of {} readers beside {silent} that never read, {} bytes an event: ours p50 {:.2} ms p95 {:.2} ms; \
         one raw write for each of those that read p50 {:.2} ms p95 {:.2} ms; ratio of medians {:.2}; nothing lost",
        count - silent,
        ours.event.len(),
        quantile(&ours.times, 0.5),
        quantile(&ours.times, 0.95),
        quantile(&raw, 0.5),
        quantile(&raw, 0.95),
        quantile(&ours.times, 0.5) / quantile(&raw, 0.5),
    );
    println!(
        "memory of the server: {:.1} KiB a reader; {:.1} KiB after {FLOOD} further events",
        ours.kib, ours.flooded_kib
    );
}

/// The floor: the same bytes, one write per socket, from one thread.
fn raw_writes(clock: &Clock, count: usize, event: &Bytes) -> Vec<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut readers = Readers::start(listener.local_addr().unwrap(), count, 0);
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

fn resident_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4.0
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}
