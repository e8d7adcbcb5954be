//! Reports under load: a whole daemon with its store, on a runtime of its own, takes reports over loopback while one
//! target after the other turns bad and a client follows the events.
//!
//! `cargo bench --bench reports` (`-- 1000` for one rate alone); bodies of 10 at 1,000 reports a second, bodies of 1,000 at 50,000 a second. The load
//! tells of 20 configured targets, 3 of 1,000 replies failing. Beside it truncated reports at ten a second, each in a
//! request of its own, tell of one of 30 more that was well until then. The pipeline's own share runs from just before the
//! request of the report that tipped it is written to its event read from the follower's socket: both clients' own
//! time and the socket's are in it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

#[path = "support/post.rs"]
mod post;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use endturn::{
    clock::{Clock, Timestamp},
    config::{Config, Env, load_text},
    daemon::{Daemon, StorePlace},
};
use post::{Bodies, Frame, Poster, follow, get};
use serde_json::Value;
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    task::JoinSet,
    time::sleep,
};

/// Configured targets that the load tells of.
const BUSY: usize = 20;
/// Targets that turn bad, and how many at a time.
const QUIET: usize = 30;
const AT_ONCE: usize = 3;
/// Daemons one after the other: a target turns bad once in the life of each.
const ROUNDS: u64 = 4;
/// Truncated reports of each, and the time between two.
const CUTS: usize = 12;
const BETWEEN: Duration = Duration::from_millis(100);
/// Time for the load's targets to be known as well before something fails.
const WARM: Duration = Duration::from_secs(12);

struct Load {
    per_second: usize,
    per_body: usize,
    connections: usize,
}

fn config() -> Config {
    let mut text = "[server]\nlisten = \"127.0.0.1:0\"\n[network]\nanchors = []\n".to_owned();
    for n in 0..BUSY {
        let _ = writeln!(
            text,
            "[[provider]]\nid = \"busy{n}\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
             reach = false\ncanary = {{ every = \"1h\" }}\nlong = false\nfree = true\nmodels = [\"m\"]"
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

/// When each truncated report of a target was sent, by both clocks.
type Sent = HashMap<String, Vec<(Duration, Timestamp)>>;

/// Turns every `AT_ONCE`th target bad, one after the other.
async fn turn(addr: SocketAddr, clock: Clock, first: usize) -> Sent {
    let mut poster = Poster::connect(addr).await;
    let mut sent = Sent::new();
    // Not all at the same moment.
    sleep(BETWEEN * first as u32 / AT_ONCE as u32).await;
    for n in (first..QUIET).step_by(AT_ONCE) {
        let target = format!("quiet{n}/m");
        let mut every = tokio::time::interval(BETWEEN);
        for _ in 0..CUTS {
            every.tick().await;
            let report = format!(
                "{{\"target\":\"{target}\",\"verdict\":\"truncated\",\"http_status\":200,\"reporter\":\"turn\"}}"
            );
            let times = (clock.mono(), clock.now());
            sent.entry(target.clone()).or_default().push(times);
            // Refused ones are sent once: that they are few is told beside the figures.
            poster.post(report.as_bytes()).await;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    sent
}

/// What became of the bodies of the load.
#[derive(Default)]
struct Answers {
    bodies: usize,
    refused: usize,
    late: Duration,
}

/// Sends its share of the load at its pace until it is told to end.
async fn press(addr: SocketAddr, clock: Clock, load: Arc<Load>, number: usize, end: Arc<Notify>) -> Answers {
    let (mut well, mut mixed) = (
        Bodies::new(number, load.per_body, BUSY, false),
        Bodies::new(number, load.per_body, BUSY, true),
    );
    let mut poster = Poster::connect(addr).await;
    let pace = load.per_body as f64 * load.connections as f64 / load.per_second as f64;
    let start = clock.mono() + Duration::from_secs_f64(pace * number as f64 / load.connections as f64);
    let mut answers = Answers::default();
    let ended = end.notified();
    tokio::pin!(ended);
    loop {
        let due = start + Duration::from_secs_f64(pace * answers.bodies as f64);
        let now = clock.mono();
        tokio::select! {
            biased;
            () = &mut ended => return answers,
            () = sleep(due.saturating_sub(now)) => {}
        }
        answers.late = answers.late.max(now.saturating_sub(due));
        let bodies = if now.saturating_sub(start) < WARM {
            &mut well
        } else {
            &mut mixed
        };
        let (status, _) = poster.post(bodies.next()).await;
        assert!(status == 202 || status == 503, "{status}");
        answers.bodies += 1;
        answers.refused += usize::from(status == 503);
    }
}

/// Says that the targets which will turn bad are well.
async fn seed(addr: SocketAddr) {
    let mut poster = Poster::connect(addr).await;
    let report = |n| format!("{{\"target\":\"quiet{n}/m\",\"verdict\":\"complete\",\"http_status\":200}}");
    let body = format!("[{}]", (0..QUIET).map(report).collect::<Vec<_>>().join(","));
    for _ in 0..5 {
        let (status, _) = poster.post(body.as_bytes()).await;
        assert_eq!(status, 202);
        sleep(Duration::from_millis(500)).await;
    }
}

/// What all rounds of a rate gave.
#[derive(Default)]
struct Found {
    /// Milliseconds from the report that tipped a target to its event.
    suspect: Vec<f64>,
    convicted: Vec<f64>,
    /// Seconds from the first truncated report to the conviction, and how many were sent by then.
    onset: Vec<f64>,
    reports: Vec<f64>,
    /// Seconds between two.
    beats: Vec<f64>,
    events: Vec<f64>,
    bodies: usize,
    refused: usize,
    accepted: u64,
    dropped: u64,
    late: Duration,
}

impl Found {
    fn times(&mut self, sent: &Sent, frames: &[Frame]) {
        let mut seen = HashSet::new();
        for frame in frames.iter().filter(|frame| frame.kind == "health") {
            let delta: Value = serde_json::from_slice(&frame.data).unwrap();
            for moved in delta["transitions"].as_array().into_iter().flatten() {
                let target = moved["target"].as_str().unwrap();
                let Some(reports) = sent.get(target) else { continue };
                let at = Timestamp::from_rfc3339(moved["at"].as_str().unwrap()).unwrap();
                let convicted = ["down", "partial", "degraded"].contains(&moved["to"].as_str().unwrap());
                if !convicted && moved["routing"]["hint"] != "suspect"
                    || !seen.insert((target.to_owned(), convicted))
                {
                    continue;
                }
                // The last one that was on its way when it was decided.
                let Some(tip) = reports.iter().rposition(|(_, sent)| *sent <= at) else {
                    continue;
                };
                let ms = frame.at.saturating_sub(reports[tip].0).as_secs_f64() * 1e3;
                if convicted {
                    self.convicted.push(ms);
                    let onset = frame.at.saturating_sub(reports[0].0);
                    self.onset.push(onset.as_secs_f64());
                    self.reports.push((tip + 1) as f64);
                } else {
                    self.suspect.push(ms);
                }
            }
        }
    }

    fn print(mut self) {
        row("sent to event read: first suspicion", &mut self.suspect, "ms");
        row("sent to event read: conviction", &mut self.convicted, "ms");
        row("first truncated report to conviction", &mut self.onset, "s");
        row("truncated reports until then", &mut self.reports, "");
        row("from heartbeat to heartbeat", &mut self.beats, "s");
        row("from event to event", &mut self.events, "s");
        println!(
            "  {} bodies, {} refused by 503, {} reports accepted; a body sent {:.1} ms late at most; {} rows lost by \
             the store\n",
            self.bodies,
            self.refused,
            self.accepted,
            self.late.as_secs_f64() * 1e3,
            self.dropped
        );
    }
}

fn row(what: &str, values: &mut [f64], unit: &str) {
    values.sort_by(f64::total_cmp);
    let quantile = |q: f64| values[((values.len() - 1) as f64 * q).round() as usize];
    println!(
        "  {what:<46} p50 {:>8.3}  p95 {:>8.3}  p99 {:>8.3}  most {:>8.3} {unit} ({})",
        quantile(0.5),
        quantile(0.95),
        quantile(0.99),
        quantile(1.0),
        values.len()
    );
}

/// Seconds between each two.
fn gaps(times: impl Iterator<Item = Duration>) -> Vec<f64> {
    let times: Vec<Duration> = times.collect();
    let gap = |pair: &[Duration]| pair[1].saturating_sub(pair[0]).as_secs_f64();
    times.windows(2).map(gap).collect()
}

/// One daemon's life.
async fn measure(of_daemon: &Runtime, daemon: Daemon, clock: Clock, load: Arc<Load>, found: &mut Found) {
    let (addr, end) = (daemon.addr(), Arc::new(Notify::new()));
    let events = tokio::spawn(follow(addr, clock.clone()));
    let mut pressing = JoinSet::new();
    for number in 0..load.connections {
        let (load, end) = (Arc::clone(&load), Arc::clone(&end));
        pressing.spawn(press(addr, clock.clone(), load, number, end));
    }
    seed(addr).await;
    sleep(WARM).await;
    let from = clock.mono();
    let mut turning = JoinSet::new();
    for first in 0..AT_ONCE {
        turning.spawn(turn(addr, clock.clone(), first));
    }
    let sent: Sent = turning.join_all().await.into_iter().flatten().collect();
    end.notify_waiters();
    for answers in pressing.join_all().await {
        found.bodies += answers.bodies;
        found.refused += answers.refused;
        found.late = found.late.max(answers.late);
    }
    let health: Value = serde_json::from_slice(&get(addr, "/v1/health").await).unwrap();
    let reporters: Value = serde_json::from_slice(&get(addr, "/v1/reporters").await).unwrap();
    let reporters = reporters["reporters"].as_array().unwrap().iter();
    found.accepted += reporters.map(|it| it["accepted"].as_u64().unwrap()).sum::<u64>();
    found.dropped += health["store"]["dropped"].as_u64().unwrap();
    of_daemon.spawn(daemon.stop()).await.unwrap();
    let frames = events.await.unwrap();
    found.times(&sent, &frames);
    let measured = || frames.iter().filter(|frame| frame.at >= from);
    let beats = measured().filter(|frame| frame.kind == "heartbeat");
    found.beats.extend(gaps(beats.map(|frame| frame.at)));
    found.events.extend(gaps(measured().map(|frame| frame.at)));
}

fn main() {
    let loads = [(1_000, 10, 4), (50_000, 1_000, 6)];
    let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let clients = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    for (per_second, per_body, connections) in loads {
        if !asked.is_empty() && !asked.contains(&per_second) {
            continue;
        }
        println!("{per_second} reports a second in bodies of {per_body} on {connections} connections");
        let load = Arc::new(Load {
            per_second,
            per_body,
            connections,
        });
        let mut found = Found::default();
        for round in 0..ROUNDS {
            let clock = Clock::system();
            let of_daemon = Builder::new_multi_thread().enable_all().build().unwrap();
            let started = Daemon::start(config(), StorePlace::Temporary, round, clock.clone());
            let daemon = of_daemon.block_on(started);
            let daemon = daemon.unwrap_or_else(|error| panic!("{error}"));
            clients.block_on(measure(&of_daemon, daemon, clock, Arc::clone(&load), &mut found));
        }
        found.print();
    }
}
