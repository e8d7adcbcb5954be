//! From evidence to whoever follows the feed: an observation is handed to the loop, the brain decides, the hub
//! publishes, a client reads the event from its socket. The loop here does what the daemon's does with an observation
//! (take in what waits, tell, view, publish), without store and log, which come after the telling.
//!
//! `cargo bench --bench evidence`; 1,000 observations a second over 50 targets that turn bad and good again, and the
//! same paced at 50,000 a second. Time runs from the sending of the observation that moved a target.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

#[path = "support/api.rs"]
mod support;

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    path::PathBuf,
    time::Duration,
};

use endturn::{
    api::{ServeLimits, serve},
    clock::Clock,
    config::{Config, Env, load_text},
    daemon::brain::{Act, Brain},
    feed::{Cause, Hub, v1},
    id::TargetId,
    verdict::{Observation, Source, Truncation, Verdict},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

const TARGETS: usize = 50;
const SECONDS: u64 = 12;
/// Observations of a target until it turns from good to bad or back.
const TURN: u64 = 12;
/// As the daemon: most inputs that wait, and most that are taken in before the feed is told.
const MAX_INPUTS: usize = 4_096;
const MAX_BATCH: usize = 256;

fn config() -> Config {
    let mut text = String::new();
    for n in 0..TARGETS {
        let _ = writeln!(
            text,
            "[[provider]]\nid = \"p{n}\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
             reach = false\ncanary = {{ every = \"1s\" }}\nfree = true\nmodels = [\"m\"]"
        );
    }
    let env = Env {
        vars: BTreeMap::new(),
        working_dir: std::env::temp_dir(),
        config_home: None,
        state_home: None,
        system_dir: PathBuf::new(),
    };
    load_text("bench.toml", &text, &env).unwrap().config
}

fn observation(clock: &Clock, target: &TargetId, good: bool) -> Observation {
    let ms = Duration::from_millis;
    let verdict = if good {
        Verdict::Complete
    } else {
        Verdict::Truncated(Truncation::Cut)
    };
    let mut seen = Observation::new(target.clone(), clock.now(), Source::Canary, verdict);
    seen.http_status = Some(200);
    let phases = &mut seen.phases;
    (phases.head, phases.first_token, phases.first_output) = (Some(ms(90)), Some(ms(100)), Some(ms(100)));
    (phases.last_token, phases.end) = (Some(ms(500)), Some(ms(510)));
    seen
}

/// An observation with the time of its sending.
type Input = (Duration, Observation);

/// The loop. Gives, by revision, when the evidence behind a transition was sent.
async fn core(hub: &Hub, clock: &Clock, mut inputs: mpsc::Receiver<Input>) -> HashMap<u64, Duration> {
    let mut brain = Brain::new(&config(), 1, clock.now());
    let mut view = brain.view(clock.now());
    let mut moved = HashMap::new();
    while let Some(first) = inputs.recv().await {
        let (mut next, mut transitions, mut earliest) = (Some(first), Vec::new(), None);
        for _ in 0..MAX_BATCH {
            let Some((sent, seen)) = next else { break };
            for act in brain.reported(&seen, clock.now()) {
                if let Act::Transition(transition) = act {
                    transitions.push(transition);
                    earliest.get_or_insert(sent);
                }
            }
            next = inputs.try_recv().ok();
        }
        if let Some(sent) = earliest {
            let about = transitions.iter().map(|it| &it.target);
            if !brain.view_again(&mut view, about, clock.now()) {
                view = brain.view(clock.now());
            }
            let cause = Cause::Transition(&transitions);
            if let Some(event) = hub.publish(&view, cause, &v1::StoreStatus::default()) {
                moved.insert(event.revision, sent);
            }
        }
    }
    moved
}

/// Follows the feed until the server closes it; when each revision was read.
async fn follow(clock: &Clock, mut stream: TcpStream) -> HashMap<u64, Duration> {
    let mut read = HashMap::new();
    let (mut buffer, mut text) = (vec![0; 1 << 16], Vec::new());
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        let at = clock.mono();
        text.extend_from_slice(&buffer[..n]);
        let mut done = 0;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if line.ends_with(b"\n") {
                done += line.len();
                let id = line.strip_prefix(b"id: ").map(<[u8]>::trim_ascii);
                if let Some(id) = id.and_then(|id| str::from_utf8(id).ok()?.parse().ok()) {
                    read.insert(id, at);
                }
            }
        }
        text.drain(..done);
    }
    read
}

async fn drive(clock: &Clock, rate: u64, inputs: mpsc::Sender<Input>) -> u64 {
    let targets: Vec<TargetId> = (0..TARGETS).map(|n| format!("p{n}/m").parse().unwrap()).collect();
    let start = clock.mono();
    let mut n = 0;
    while n < rate * SECONDS {
        let due = (clock.mono().saturating_sub(start).as_secs_f64() * rate as f64) as u64;
        while n < due {
            let round = n / TARGETS as u64;
            // The targets turn one after another, so that transitions come singly.
            let turns = (round + n % TARGETS as u64 * TURN / TARGETS as u64) / TURN;
            let seen = observation(clock, &targets[n as usize % TARGETS], turns.is_multiple_of(2));
            inputs.send((clock.mono(), seen)).await.unwrap();
            n += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    n
}

async fn measure(rate: u64) {
    let clock = Clock::system();
    let view = Brain::new(&config(), 1, clock.now()).view(clock.now());
    let hub = support::hub(&view);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let closing = CancellationToken::new();
    let app = support::app(&hub, &clock, &closing);
    let serving = tokio::spawn(serve(listener, app, closing.clone(), ServeLimits::default()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /v1/events?last_event_id=1 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let reader = tokio::spawn({
        let clock = clock.clone();
        async move { follow(&clock, stream).await }
    });
    while hub.subscribers() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (inputs, receiver) = mpsc::channel(MAX_INPUTS);
    let driver = tokio::spawn({
        let clock = clock.clone();
        async move { drive(&clock, rate, inputs).await }
    });
    let moved = core(&hub, &clock, receiver).await;
    let sent = driver.await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    closing.cancel();
    serving.await.unwrap();
    let read = reader.await.unwrap();
    let mut times: Vec<f64> = moved
        .iter()
        .map(|(revision, sent)| read[revision].saturating_sub(*sent).as_secs_f64() * 1e3)
        .collect();
    times.sort_by(f64::total_cmp);
    let quantile = |q: f64| times[((times.len() - 1) as f64 * q).round() as usize];
    println!(
        "evidence to a reader at {:.0} observations a second, {TARGETS} targets: p50 {:.3} ms, p99 {:.3} ms, most \
         {:.3} ms over {} told transitions",
        sent as f64 / SECONDS as f64,
        quantile(0.5),
        quantile(0.99),
        quantile(1.0),
        times.len()
    );
}

fn main() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for rate in [1_000, 50_000] {
        runtime.block_on(measure(rate));
    }
}
