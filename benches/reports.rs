//! Reports under load: a whole daemon with its store, on a runtime of its own, takes reports over loopback while one
//! target after the other turns bad and a client follows the events.
//!
//! `cargo bench --bench reports` (`-- 1000` for one rate alone); bodies of 10 at 1,000 reports a second, bodies of 1,000 at 50,000 a second. The load
//! tells of 20 configured targets, 3 of 1,000 replies failing. Beside it truncated reports at ten a second, each in a
//! request of its own, tell of one of 30 more that was well until then. The pipeline's own share runs from just before the
//! request of the report that tipped it is written to its event read from the follower's socket: both clients' own
//! time and the socket's are in it.
//!
//! `-- alarms` (`-- alarms 200` for one size alone): the same at 1,000 a second while a webhook on loopback is told of
//! every incident, with 20, 200 and 1,000 configured targets; twice as many targets turn bad, so that incidents open
//! (15 s later) while others turn. Then the load ends, all of its targets fail within a quarter of a second and go on
//! failing, and as many others turn bad as before.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops at the first surprise and prints"
)]

#[path = "support/post.rs"]
mod post;

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use endturn::{
    clock::{Clock, Timestamp},
    config::{Config, Env, load_text},
    daemon::{Daemon, StorePlace},
};
use post::{Bodies, Frame, PROVIDERS, Poster, busy, follow, get};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::Notify,
    task::JoinSet,
    time::sleep,
};

/// Configured targets that the load tells of; with alarms each of these.
const BUSY: usize = 20;
const WATCHED: [usize; 3] = [BUSY, 200, 1_000];
/// Targets that turn bad, and how many at a time.
const QUIET: usize = 30;
const AT_ONCE: usize = 3;
/// Daemons one after the other: a target turns bad once in the life of each. With alarms fewer.
const ROUNDS: u64 = 4;
const ALARMED_ROUNDS: u64 = 1;
/// Truncated reports of each, and the time between two.
const CUTS: usize = 12;
const BETWEEN: Duration = Duration::from_millis(100);
/// When all fail: time in which each tells of one failure, and requests for that.
const ALL_FAIL: Duration = Duration::from_millis(250);
const PARTS: usize = 50;
/// Time for the load's targets to be known as well before something fails.
const WARM: Duration = Duration::from_secs(12);

struct Load {
    per_second: usize,
    per_body: usize,
    connections: usize,
    targets: usize,
}

/// `hook`: who is told of outages.
fn config(targets: usize, hook: Option<SocketAddr>) -> Config {
    // Where all fail together, it must be known that it isn't us.
    let anchors: Vec<String> = hook.iter().map(ToString::to_string).collect();
    let mut text = format!("[server]\nlisten = \"127.0.0.1:0\"\n[network]\nanchors = {anchors:?}\n");
    if hook.is_some() {
        let _ = writeln!(
            text,
            "[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = {{ env = \"HOOK\" }}\nallow_private = true\n\
             [[alert]]\nname = \"any\"\non = [\"down\", \"partial\", \"degraded\"]\nafter = \"0s\"\ngroup_wait = \"0s\"\nchannels = [\"hook\"]"
        );
    }
    let models: Vec<String> = (0..targets.div_ceil(PROVIDERS))
        .map(|n| format!("m{n}"))
        .collect();
    for n in 0..PROVIDERS {
        let _ = writeln!(
            text,
            "[[provider]]\nid = \"busy{n}\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
             reach = false\ncanary = {{ every = \"1h\" }}\nlong = false\nfree = true\nmodels = {models:?}"
        );
    }
    let env = Env {
        vars: hook
            .map(|hook| ("HOOK".to_owned(), format!("http://{hook}/")))
            .into_iter()
            .collect(),
        working_dir: std::env::temp_dir(),
        config_home: None,
        state_home: None,
        system_dir: PathBuf::new(),
    };
    load_text("bench.toml", &text, &env).unwrap().config
}

/// When each truncated report of a target was sent, by both clocks.
type Sent = HashMap<String, Vec<(Duration, Timestamp)>>;

fn truncated(target: &str) -> String {
    format!("{{\"target\":\"{target}\",\"verdict\":\"truncated\",\"http_status\":200,\"reporter\":\"turn\"}}")
}

/// Turns every `AT_ONCE`th target bad, one after the other.
async fn turn(addr: SocketAddr, clock: Clock, first: usize, names: &[String]) -> Sent {
    let mut poster = Poster::connect(addr).await;
    let mut sent = Sent::new();
    // Not all at the same moment.
    sleep(BETWEEN * first as u32 / AT_ONCE as u32).await;
    for target in names.iter().skip(first).step_by(AT_ONCE) {
        let mut every = tokio::time::interval(BETWEEN);
        for _ in 0..CUTS {
            every.tick().await;
            let times = (clock.mono(), clock.now());
            sent.entry(target.clone()).or_default().push(times);
            // Refused ones are sent once: that they are few is told beside the figures.
            poster.post(truncated(target).as_bytes()).await;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    sent
}

async fn turn_all(addr: SocketAddr, clock: &Clock, names: &Arc<Vec<String>>) -> Sent {
    let mut turning = JoinSet::new();
    for first in 0..AT_ONCE {
        let (clock, names) = (clock.clone(), Arc::clone(names));
        turning.spawn(async move { turn(addr, clock, first, &names).await });
    }
    turning.join_all().await.into_iter().flatten().collect()
}

/// Makes all targets of the load fail.
async fn fail_all(addr: SocketAddr, clock: Clock, targets: usize, end: Arc<Notify>) -> Sent {
    let mut poster = Poster::connect(addr).await;
    let mut sent = Sent::new();
    let mut every = tokio::time::interval(ALL_FAIL / PARTS as u32);
    let ended = end.notified();
    tokio::pin!(ended);
    for part in 0.. {
        tokio::select! {
            biased;
            () = &mut ended => break,
            _ = every.tick() => {}
        }
        let times = (clock.mono(), clock.now());
        let mut reports = Vec::new();
        for n in (part % PARTS..targets).step_by(PARTS) {
            let target = busy(n);
            reports.push(truncated(&target));
            sent.entry(target).or_default().push(times);
        }
        if !reports.is_empty() {
            let (status, _) = poster.post(format!("[{}]", reports.join(",")).as_bytes()).await;
            assert_eq!(status, 202);
        }
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
        Bodies::new(number, load.per_body, load.targets, false),
        Bodies::new(number, load.per_body, load.targets, true),
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
async fn seed(addr: SocketAddr, names: &[String]) {
    let mut poster = Poster::connect(addr).await;
    let report =
        |target: &String| format!("{{\"target\":\"{target}\",\"verdict\":\"complete\",\"http_status\":200}}");
    let body = format!("[{}]", names.iter().map(report).collect::<Vec<_>>().join(","));
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
    /// `from`: what was read before it is of something else.
    fn times(&mut self, sent: &Sent, frames: &[Frame], from: Duration) {
        let mut seen = HashSet::new();
        let told = |frame: &&Frame| frame.kind == "health" && frame.at >= from;
        for frame in frames.iter().filter(told) {
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

    fn pauses(&mut self, frames: &[Frame], from: Duration, until: Duration) {
        let measured = || frames.iter().filter(|frame| (from..until).contains(&frame.at));
        let beats = measured().filter(|frame| frame.kind == "heartbeat");
        self.beats.extend(gaps(beats.map(|frame| frame.at)));
        self.events.extend(gaps(measured().map(|frame| frame.at)));
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
    if values.is_empty() {
        return;
    }
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
async fn measure(
    of_daemon: &Runtime,
    daemon: Daemon,
    clock: Clock,
    load: Arc<Load>,
    (found, outage): (&mut Found, Option<&mut Found>),
) {
    let (addr, end) = (daemon.addr(), Arc::new(Notify::new()));
    let events = tokio::spawn(follow(addr, clock.clone()));
    let mut pressing = JoinSet::new();
    for number in 0..load.connections {
        let (load, end) = (Arc::clone(&load), Arc::clone(&end));
        pressing.spawn(press(addr, clock.clone(), load, number, end));
    }
    let quiet = if outage.is_some() { 2 * QUIET } else { QUIET };
    let named = |name: &str| (0..quiet).map(|n| format!("{name}{n}/m")).collect::<Vec<_>>();
    let (quiet, late) = (Arc::new(named("quiet")), Arc::new(named("late")));
    seed(addr, &quiet).await;
    if outage.is_some() {
        seed(addr, &late).await;
    }
    sleep(WARM).await;
    let from = clock.mono();
    let sent = turn_all(addr, &clock, &quiet).await;
    end.notify_waiters();
    for answers in pressing.join_all().await {
        found.bodies += answers.bodies;
        found.refused += answers.refused;
        found.late = found.late.max(answers.late);
    }
    let until = clock.mono();
    let (mut all, mut others) = (Sent::new(), Sent::new());
    if outage.is_some() {
        let before: Value = serde_json::from_slice(&get(addr, "/v1/health").await).unwrap();
        let failing = tokio::spawn(fail_all(addr, clock.clone(), load.targets, Arc::clone(&end)));
        others = turn_all(addr, &clock, &late).await;
        end.notify_waiters();
        all = failing.await.unwrap();
        // One that was suspected already shows no beginning.
        let before = before["targets"].as_array().unwrap().iter();
        for target in before.filter(|target| target["routing"]["hint"] != "allow") {
            all.remove(target["id"].as_str().unwrap());
        }
    }
    let health: Value = serde_json::from_slice(&get(addr, "/v1/health").await).unwrap();
    let reporters: Value = serde_json::from_slice(&get(addr, "/v1/reporters").await).unwrap();
    let reporters = reporters["reporters"].as_array().unwrap().iter();
    found.accepted += reporters.map(|it| it["accepted"].as_u64().unwrap()).sum::<u64>();
    found.dropped += health["store"]["dropped"].as_u64().unwrap();
    of_daemon.spawn(daemon.stop()).await.unwrap();
    let frames = events.await.unwrap();
    found.times(&sent, &frames, from);
    found.pauses(&frames, from, until);
    if let Some(outage) = outage {
        outage.times(&others, &frames, until);
        let mut every = Found::default();
        every.times(&all, &frames, until);
        row("all: first truncated report to conviction", &mut every.onset, "s");
        outage.pauses(&frames, until, clock.mono());
    }
}

/// Answers whatever comes; counts it.
async fn hook(told: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = move || {
        told.fetch_add(1, Ordering::Relaxed);
        async {}
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    addr
}

/// Several daemons, one after the other.
fn run(clients: &Runtime, load: Load, alarms: bool) {
    let (load, mut found, mut outage) = (Arc::new(load), Found::default(), Found::default());
    let told = Arc::new(AtomicUsize::new(0));
    let hook = alarms.then(|| clients.block_on(hook(Arc::clone(&told))));
    for round in 0..if alarms { ALARMED_ROUNDS } else { ROUNDS } {
        let clock = Clock::system();
        let of_daemon = Builder::new_multi_thread().enable_all().build().unwrap();
        let config = config(load.targets, hook);
        let started = Daemon::start(config, StorePlace::Temporary, round, clock.clone());
        let daemon = of_daemon.block_on(started);
        let daemon = daemon.unwrap_or_else(|error| panic!("{error}"));
        let found = (&mut found, alarms.then_some(&mut outage));
        clients.block_on(measure(&of_daemon, daemon, clock, Arc::clone(&load), found));
    }
    found.print();
    if alarms {
        println!("  then all {} at once:", load.targets);
        outage.print();
        println!("  {} messages\n", told.load(Ordering::Relaxed));
    }
}

fn main() {
    let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let is_asked = |number: usize| asked.is_empty() || asked.contains(&number);
    let clients = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    if std::env::args().any(|arg| arg == "alarms") {
        for targets in WATCHED.into_iter().filter(|targets| is_asked(*targets)) {
            println!("alarms on, {targets} targets, 1000 reports a second");
            let load = Load {
                per_second: 1_000,
                per_body: 10,
                connections: 4,
                targets,
            };
            run(&clients, load, true);
        }
        return;
    }
    for (per_second, per_body, connections) in [(1_000, 10, 4), (50_000, 1_000, 6)] {
        if is_asked(per_second) {
            println!("{per_second} reports a second in bodies of {per_body} on {connections} connections");
            let load = Load {
                per_second,
                per_body,
                connections,
                targets: BUSY,
            };
            run(&clients, load, false);
        }
    }
}
