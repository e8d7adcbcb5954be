//! The tap beside a bare hyper pass-through: what either adds to the first byte and to each chunk, and what CPU it takes.
//! Both have a thread of their own, whose CPU time alone is counted; judging and reporting run on the tap's. Rounds of
//! direct, bare and tap alternate, so that noise hits all. Plain HTTP on both sides: TLS would cost both the same.
//!
//! `cargo bench --bench tap [-- bare|tap]`; one side alone is for a profiler.
#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::{net::SocketAddr, sync::Arc, sync::mpsc, thread, time::Duration};

use endturn::{
    clock::Clock,
    config::{Env, Provider, load_text},
    probe::http_client,
    tap::{self, Limits, Shipper, Sink, Tap},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
    client::conn::http1 as client,
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};
use tokio_util::sync::CancellationToken;

/// Tokens of a reply, a chunk each, and the pause between two.
const TOKENS: usize = 100;
const GAP: Duration = Duration::from_millis(3);
/// Replies at a time, each on a kept connection, and how much later each begins than the one before: what a request
/// takes is to be seen, not how requests of one instant wait for each other.
const STREAMS: usize = 8;
const STAGGER: Duration = Duration::from_micros(2_300);
const ROUNDS: usize = 40;
/// Rounds before any is counted.
const WARM_UP: usize = 3;
/// The bounds of the design.
const MOST_ADDED_MS: f64 = 0.3;
const MOST_CPU: f64 = 1.5;

const PATH: &str = "/v1/chat/completions";
const BODY: &str = r#"{"messages":[{"role":"user","content":"PROMPT"}],"model":"small","stream":true}"#;

type Sender = client::SendRequest<Full<Bytes>>;

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// A thread with a runtime of its own that serves until the process ends.
struct Side {
    addr: SocketAddr,
    handle: Handle,
}

impl Side {
    fn start<F>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()>,
    {
        let (told, side) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let any = SocketAddr::from(([127, 0, 0, 1], 0));
                let listener = tap::listen(any).expect("a port");
                let addr = listener.local_addr().expect("an address");
                let handle = Handle::current();
                told.send(Self { addr, handle }).expect("a listener");
                serve(listener).await;
            });
        });
        side.recv().expect("a side")
    }

    /// CPU time that its thread took so far.
    async fn cpu(&self) -> Duration {
        self.handle.spawn(async { cpu() }).await.expect("a living side")
    }
}

fn event(delta: &str, finish: &str, stamp: u128) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1781960400,\
         \"model\":\"small\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":[{{\"index\":0,\
         \"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}],\"obfuscation\":\"{stamp:020}\"}}\n\n"
    )
}

/// The provider: each chunk tells when it was sent, the first one also when the request came.
async fn provider(listener: TcpListener, clock: Clock) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let clock = clock.clone();
        socket.set_nodelay(true).expect("a socket option");
        tokio::spawn(async move {
            let mut buffer = vec![0; 16 << 10];
            // Our requests fit one segment.
            while matches!(socket.read(&mut buffer).await, Ok(n) if n > 0) {
                let came = clock.mono().as_nanos();
                if buffer.starts_with(b"POST /v1/reports") {
                    let answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
                    if socket.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                } else if reply(&mut socket, &clock, came).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn reply(socket: &mut TcpStream, clock: &Clock, came: u128) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_1\r\n\
                transfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    let mut ticks = tokio::time::interval(GAP);
    for n in 0..TOKENS {
        ticks.tick().await;
        let delta = if n == 0 {
            format!("{{\"content\":\"t{came:020}\"}}")
        } else {
            "{\"content\":\" token\"}".to_owned()
        };
        let text = event(&delta, "null", clock.mono().as_nanos());
        socket
            .write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
            .await?;
    }
    let end = event("{}", "\"stop\"", 0)
        + "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":100}}\n\ndata: [DONE]\n\n";
    socket
        .write_all(format!("{:x}\r\n{end}\r\n0\r\n\r\n", end.len()).as_bytes())
        .await
}

/// The least that passes a request on: another URI, the bodies as they are.
async fn bare(listener: TcpListener, provider: SocketAddr) {
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build_http();
    while let Ok((socket, _)) = listener.accept().await {
        socket.set_nodelay(true).expect("a socket option");
        let client = client.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let path = path.strip_prefix("/openai").unwrap_or(path);
            let uri = format!("http://{provider}{path}").parse::<Uri>();
            *request.uri_mut() = uri.expect("a URI");
            client.request(request)
        });
        tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

fn providers(provider: SocketAddr) -> Vec<Provider> {
    let text = format!(
        "[[provider]]\nid = \"openai\"\nbase_url = \"http://{provider}/v1\"\napi_key = {{ env = \"KEY\" }}\n\
         models = [\"small\"]\ncanary = false\nlong = false\n"
    );
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        ..Env::default()
    };
    load_text("bench", &text, &env)
        .expect("a configuration")
        .config
        .providers
}

/// The tap as its own process runs it: judging, and reporting to a daemon.
async fn tapped(listener: TcpListener, provider: SocketAddr, clock: Clock) {
    let client = http_client().expect("a client");
    let shipper = Arc::new(Shipper::new(client, &format!("http://{provider}"), None, "bench"));
    let sink = Arc::clone(&shipper) as Arc<dyn Sink>;
    let tap = Arc::new(Tap::new(
        &providers(provider),
        sink,
        clock,
        Handle::current(),
        &[],
    ));
    tokio::spawn(async move { shipper.run(CancellationToken::new()).await });
    let never = CancellationToken::new;
    tap::serve(listener, tap, |_| None, never(), never(), Limits::default()).await;
}

/// Delays of one side in nanoseconds: to the first byte, both ways together, and of each chunk.
#[derive(Default)]
struct Delays {
    first: Vec<f64>,
    chunk: Vec<f64>,
}

fn stamp(text: &[u8], before: &[u8]) -> Option<u128> {
    let at = text.windows(before.len()).position(|part| part == before)? + before.len();
    std::str::from_utf8(text.get(at..at + 20)?).ok()?.parse().ok()
}

/// One reply, read as it comes.
async fn ask(mut sender: Sender, path: String, clock: Clock, body: Bytes) -> (Sender, Delays) {
    let mut delays = Delays::default();
    sender.ready().await.expect("a free connection");
    let request = Request::post(path)
        .header("host", "127.0.0.1")
        .header("authorization", "Bearer sk-bench")
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .header("user-agent", "bench/1")
        .body(Full::new(body))
        .expect("a request");
    let sent = clock.mono().as_nanos();
    let response: Response<Incoming> = sender.send_request(request).await.expect("a head");
    let mut answer = response.into_body();
    let mut seen = 0;
    while let Some(frame) = answer.frame().await {
        let now = clock.mono().as_nanos();
        let data = frame.expect("a whole body").into_data().expect("data");
        seen += data.len();
        let Some(left) = stamp(&data, b"\"obfuscation\":\"").filter(|left| *left > 0) else {
            continue;
        };
        let delay = now.saturating_sub(left) as f64;
        match stamp(&data, b"\"content\":\"t") {
            Some(came) => delays.first.push(delay + came.saturating_sub(sent) as f64),
            None => delays.chunk.push(delay),
        }
    }
    assert!(seen > TOKENS * 100, "a reply of {seen} bytes");
    (sender, delays)
}

async fn connect(addr: SocketAddr) -> Sender {
    let tcp = TcpStream::connect(addr).await.expect("a connection");
    tcp.set_nodelay(true).expect("a socket option");
    let (sender, connection) = client::handshake(TokioIo::new(tcp)).await.expect("http");
    tokio::spawn(connection);
    sender
}

/// One side's replies at a time, and what they took.
async fn round(senders: &mut Vec<Sender>, path: &str, clock: &Clock, into: &mut Delays) {
    let body = Bytes::from(BODY.replace("PROMPT", &"word ".repeat(400)));
    let mut asked = Vec::new();
    for sender in senders.drain(..) {
        let reply = ask(sender, path.to_owned(), clock.clone(), body.clone());
        asked.push(tokio::spawn(reply));
        tokio::time::sleep(STAGGER).await;
    }
    for asked in asked {
        let (sender, delays) = asked.await.expect("a reply");
        senders.push(sender);
        into.first.extend(delays.first);
        into.chunk.extend(delays.chunk);
    }
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize] / 1e6
}

/// Name, address, path before the vendor's own, and the thread whose CPU counts.
struct Way<'a> {
    name: &'static str,
    side: &'a Side,
    path: String,
}

async fn compare(clock: &Clock, ways: &[Way<'_>]) -> Vec<(Delays, Vec<f64>)> {
    let mut senders = Vec::new();
    for way in ways {
        let mut own = Vec::new();
        for _ in 0..STREAMS {
            own.push(connect(way.side.addr).await);
        }
        senders.push(own);
    }
    let mut results: Vec<_> = ways.iter().map(|_| (Delays::default(), Vec::new())).collect();
    for n in 0..ROUNDS + WARM_UP {
        for ((way, senders), (delays, taken)) in ways.iter().zip(&mut senders).zip(&mut results) {
            let (start, mut warm) = (way.side.cpu().await, Delays::default());
            let into = if n < WARM_UP { &mut warm } else { &mut *delays };
            round(senders, &way.path, clock, into).await;
            // Verdicts and reports are told a little later.
            tokio::time::sleep(Duration::from_millis(60)).await;
            if n >= WARM_UP {
                let cpu = way.side.cpu().await.saturating_sub(start);
                taken.push(cpu.as_secs_f64() * 1e6 / STREAMS as f64);
            }
        }
    }
    results
}

fn main() {
    let only = std::env::args().nth(1).filter(|name| !name.starts_with("--"));
    let clock = Clock::system();
    let vendor = {
        let clock = clock.clone();
        Side::start(move |listener| provider(listener, clock))
    };
    let at = vendor.addr;
    let hyper = Side::start(move |listener| bare(listener, at));
    let ours = {
        let clock = clock.clone();
        Side::start(move |listener| tapped(listener, at, clock))
    };
    let way = |name, side, prefix: &str| Way {
        name,
        side,
        path: format!("{prefix}{PATH}"),
    };
    let ways: Vec<_> = [
        way("direct", &vendor, ""),
        way("bare", &hyper, "/openai"),
        way("tap", &ours, "/openai"),
    ]
    .into_iter()
    .filter(|way| only.as_ref().is_none_or(|only| only == way.name))
    .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    println!(
        "{ROUNDS} rounds of {STREAMS} replies of {TOKENS} chunks, {} ms apart; milliseconds, CPU microseconds per reply",
        GAP.as_millis()
    );
    println!(
        "{:<8} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "", "first p50", "first p99", "chunk p50", "chunk p99", "cpu p50"
    );
    let results = runtime.block_on(compare(&clock, &ways));
    let mut table = Vec::new();
    for (way, (mut delays, mut taken)) in ways.iter().zip(results) {
        let row = [
            percentile(&mut delays.first, 0.5),
            percentile(&mut delays.first, 0.99),
            percentile(&mut delays.chunk, 0.5),
            percentile(&mut delays.chunk, 0.99),
            percentile(&mut taken, 0.5) * 1e6,
        ];
        let [first, first_99, chunk, chunk_99, cpu] = row;
        println!(
            "{:<8} {first:>10.3} {first_99:>10.3} {chunk:>10.3} {chunk_99:>10.3} {cpu:>10.0}",
            way.name
        );
        table.push(row);
    }
    if let [direct, bare, tap] = table[..] {
        let (first, chunk, ratio) = (tap[0] - direct[0], tap[2] - direct[2], tap[4] / bare[4]);
        let told = |met| if met { "met" } else { "MISSED" };
        println!(
            "added to the first byte, p50: {first:.3} ms ({})",
            told(first < MOST_ADDED_MS)
        );
        println!(
            "added to a chunk, p50: {chunk:.3} ms ({})",
            told(chunk < MOST_ADDED_MS)
        );
        println!("CPU over bare: {ratio:.2} ({})", told(ratio <= MOST_CPU));
    }
}
