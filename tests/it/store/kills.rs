//! A hundred kills at random moments of writing, rolling and sweeping, one after the other on the same file.
//!
//! Observation `n` is the same in every life of the child and carries `n` in its token count, so that a sum tells not
//! only how many were counted but which: the first `k`, each once, have `k` attempts and `0 + 1 + … + (k - 1)` tokens.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use endturn::{
    clock::Clock,
    health::{Hint, Incident, Reason, ReasonCode, Routing, Saved, State, Transition},
    store::{IncidentQuery, MAX_LATE_MS, MAX_LIMIT, Options, Reader, Record, SeriesQuery, Store, Writer},
    verdict::{Observation, Source, Truncation, Verdict},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{START, WAIT, at, target};

const KILLS: u64 = 100;
const SEED: u64 = 20_260_620;
/// Tells the child what it goes on from; the parent has no such variable.
const ROLE: &str = "ENDTURN_TEST_KILLED";
const NAME: &str = "store::kills::a_hundred_kills_lose_nothing_acknowledged_and_count_nothing_twice";
/// Between two observations: an hour is over after 720 of them, a day after 17,280.
const EVERY_MS: i64 = 5_000;
const DAY: Duration = Duration::from_secs(86_400);
const COST_USD: f64 = 0.001;

/// Small, so that age and size both take rows away while the kills fall.
fn options() -> Options {
    Options {
        keep_raw: Duration::from_secs(8 * 3_600),
        keep_minutes: DAY,
        max_bytes: 1_500_000,
        keep_events: 500,
        ..Options::default()
    }
}

/// How many of each kind: sent, acknowledged or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    observations: u64,
    transitions: u64,
    /// An incident is told twice: open with an even number, closed with the odd one after it.
    incidents: u64,
    events: u64,
    states: u64,
}

impl Tally {
    fn line(&self) -> String {
        let Self {
            observations,
            transitions,
            incidents,
            events,
            states,
        } = self;
        format!("{observations} {transitions} {incidents} {events} {states}")
    }

    fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
        let [observations, transitions, incidents, events, states] = numbers[..] else {
            return None;
        };
        Some(Self {
            observations,
            transitions,
            incidents,
            events,
            states,
        })
    }

    fn reaches(&self, other: &Self) -> bool {
        self.observations >= other.observations
            && self.transitions >= other.transitions
            && self.incidents >= other.incidents
            && self.events >= other.events
            && self.states >= other.states
    }
}

fn observation(n: u64) -> Observation {
    let ms = n.cast_signed() * EVERY_MS;
    // Every fifth one is a report of an earlier request; they fall into minutes that are long closed.
    let source = if n % 5 == 4 {
        Source::Report
    } else {
        Source::Canary
    };
    let verdict = if n.is_multiple_of(11) {
        Verdict::Truncated(Truncation::Cut)
    } else {
        Verdict::Complete
    };
    let mut o = Observation::new(
        target(if n.is_multiple_of(2) { "a/m" } else { "b/m" }),
        at(ms),
        source,
        verdict,
    );
    if source == Source::Report {
        o.started = at(ms - (n * 7_919_000 % MAX_LATE_MS.cast_unsigned()).cast_signed());
    }
    o.phases.first_token = Some(Duration::from_millis(300 + n % 400));
    o.usage.input = Some(n);
    o.cost_usd = COST_USD;
    o
}

fn reason(n: u64) -> Reason {
    Reason {
        code: ReasonCode::Truncated,
        text: n.to_string(),
        sources: vec![Source::Canary],
    }
}

fn transition(n: u64) -> Transition {
    Transition {
        target: target("a/m"),
        at: at(n.cast_signed()),
        from: State::Operational,
        to: State::Partial,
        routing: Routing {
            hint: Hint::Suspect,
            weight: None,
            retry_at: None,
        },
        reason: reason(n),
        first_evidence: None,
    }
}

pub(super) fn incident(n: u64) -> Incident {
    let over = (n % 2 == 1).then(|| at(n.cast_signed() + 1));
    Incident {
        id: (n / 2).to_string(),
        target: target("a/m"),
        started: at(0),
        detected: at(0),
        opened: at(0),
        recovered: over,
        closed: over,
        worst: State::Down,
        reason: reason(n),
        timeline: Vec::new(),
        lead_s: None,
    }
}

/// Sends the next burst and advances the clock with it.
fn burst(writer: &Writer, clock: &Clock, rng: &mut ChaCha8Rng, sent: &mut Tally) {
    for _ in 0..rng.random_range(1..250) {
        writer.send(Record::Observation(observation(sent.observations)));
        sent.observations += 1;
        clock.advance(Duration::from_millis(EVERY_MS.cast_unsigned()));
        if rng.random_bool(0.003) {
            writer.send(Record::Transition(transition(sent.transitions)));
            sent.transitions += 1;
        }
        if rng.random_bool(0.002) {
            writer.send(Record::Incident(incident(sent.incidents)));
            sent.incidents += 1;
        }
        if rng.random_bool(0.01) {
            // Revisions begin at 1.
            sent.events += 1;
            writer.send(Record::Event {
                revision: sent.events,
                at: clock.now(),
                kind: "health".to_owned(),
                json: "{}".to_owned(),
            });
        }
    }
    sent.states += 1;
    writer.send(Record::State(Saved {
        blob: sent.states.to_string(),
    }));
}

/// Writes from where the last life ended until somebody kills it, and tells what `flush` confirmed.
fn child(role: &str) {
    use std::io::Write as _;
    let (path, from) = role.split_once('|').expect("a path and a tally");
    let mut sent = Tally::parse(from).expect("a tally");
    let clock = Clock::manual(at(sent.observations.cast_signed() * EVERY_MS));
    let mut rng = ChaCha8Rng::seed_from_u64(SEED ^ sent.observations);
    let (writer, _) = Store::open(Path::new(path), options(), clock.clone()).expect("a store");
    loop {
        let mut out = std::io::stdout().lock();
        let told = writeln!(out, "\nacknowledged {}", sent.line()).and_then(|()| out.flush());
        drop(out);
        if told.is_err() {
            return;
        }
        burst(&writer, &clock, &mut rng, &mut sent);
        assert!(writer.flush(WAIT));
        assert_eq!(writer.status().dropped.total(), 0);
    }
}

/// One life: what the child had told when it was killed.
fn live_and_die(path: &Path, from: &Tally, rng: &mut ChaCha8Rng) -> Tally {
    let mut child = Command::new(env::current_exe().expect("this test"))
        .args(["--exact", NAME, "--nocapture"])
        .env(ROLE, format!("{}|{}", path.display(), from.line()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let mut told = BufReader::new(child.stdout.take().expect("its output"))
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| Tally::parse(line.strip_prefix("acknowledged ")?));
    // One in ten dies while it starts; the others so many bursts and microseconds later.
    let mut last = *from;
    if rng.random_bool(0.9) {
        let bursts = rng.random_range(1..9);
        last = told.by_ref().take(bursts).last().expect("a child that writes");
    }
    std::thread::sleep(Duration::from_micros(rng.random_range(0..20_000)));
    child.kill().expect("a kill");
    child.wait().expect("an end");
    // What it told between the last line that was read and its end.
    told.last().unwrap_or(last)
}

/// Copies what the killed process left, so that the next one still finds it as it was.
fn autopsy(path: &Path, copy: &Path) -> (Writer, Reader) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match fs::copy(name(path), name(copy)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
    }
    let connection = rusqlite::Connection::open(copy).expect("a connection");
    let verdict: String = connection
        .query_row("PRAGMA quick_check", [], |row| row.get(0))
        .expect("a check");
    assert_eq!(verdict, "ok");
    drop(connection);
    // Under the clock of the first moment the autopsy itself rolls and sweeps nothing.
    Store::open(copy, options(), Clock::manual(START)).expect("a store")
}

/// Which observations the rollups and the raw rows behind them have counted: the first so many, each once.
fn counted(reader: &Reader, sent: u64) -> u64 {
    let (mut attempts, mut tokens, mut spent) = (0, 0, 0.0);
    for name in ["a/m", "b/m"] {
        let query = SeriesQuery {
            target: target(name),
            from: START.minus(DAY * 3),
            to: at(sent.cast_signed() * EVERY_MS).plus(DAY * 3),
            step: DAY,
            sources: vec![Source::Canary, Source::Report],
            spans: Vec::new(),
            outcomes: true,
        };
        let series = reader.series(&query).expect("a series");
        assert_eq!(series.step, DAY);
        for point in series.points {
            attempts += point.counts.attempts;
            tokens += point.tokens.input;
            spent += point.spent_usd;
        }
    }
    assert_eq!(
        tokens,
        attempts * attempts.saturating_sub(1) / 2,
        "of {attempts} attempts"
    );
    assert!((spent - attempts as f64 * COST_USD).abs() < 1e-6, "{spent}");
    attempts
}

/// The newest number of a run that ends there without a hole; how many that makes.
fn unbroken(what: &str, numbers: impl IntoIterator<Item = u64>) -> u64 {
    let mut last = None;
    for number in numbers {
        assert!(
            last.is_none_or(|last: u64| last == number + 1),
            "{what}: {number} after {last:?}"
        );
        last = last.map_or(Some(number), |_| Some(number));
    }
    last.unwrap_or(0)
}

fn found(reader: &Reader, sent: u64) -> Tally {
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let transitions: Vec<u64> = reader
        .transitions(None, MAX_LIMIT)
        .expect("transitions")
        .iter()
        .map(|t| number(&t.reason.text))
        .collect();
    unbroken("transitions", transitions.iter().copied());
    let mut query = IncidentQuery {
        limit: MAX_LIMIT,
        ..IncidentQuery::default()
    };
    let mut incidents = Vec::new();
    loop {
        let page = reader.incidents(&query).expect("incidents");
        incidents.extend(page.items);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    let oldest = unbroken("incidents", incidents.iter().map(|i| number(&i.id)));
    assert_eq!(oldest, 0, "incidents");
    assert!(incidents.iter().skip(1).all(|i| i.closed.is_some()));
    let events: Vec<u64> = reader
        .events_after(0, 10_000)
        .expect("events")
        .iter()
        .rev()
        .map(|event| event.revision)
        .collect();
    unbroken("events", events.iter().copied());
    let state = reader.saved_state().expect("a read");
    Tally {
        observations: counted(reader, sent),
        transitions: transitions.first().map_or(0, |n| n + 1),
        incidents: incidents.first().map_or(0, |i| number(&i.reason.text) + 1),
        events: events.first().copied().unwrap_or(0),
        states: state.map_or(0, |state| number(&state.saved.blob)),
    }
}

#[test]
fn a_hundred_kills_lose_nothing_acknowledged_and_count_nothing_twice() {
    if let Ok(role) = env::var(ROLE) {
        return child(&role);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let (mut now, mut story) = (Tally::default(), String::new());
    for kill in 0..KILLS {
        let told = live_and_die(&path, &now, &mut rng);
        let copy = dir.path().join(format!("{kill}.db"));
        let (writer, reader) = autopsy(&path, &copy);
        let after = found(&reader, told.observations + 1_000);
        assert!(after.reaches(&told), "kill {kill}: {after:?} after {told:?}");
        let _ = write!(story, " {}", after.observations - now.observations);
        now = after;
        drop(writer);
    }
    println!("observations of each life:{story}");
    println!("in the end: {now:?}");
    // The moments were spread over all that the writer does.
    assert!(now.observations > 20_000, "{now:?}");
    let last = rusqlite::Connection::open(&path).expect("a connection");
    let count = |sql: &str| -> u64 {
        let count: i64 = last.query_row(sql, [], |row| row.get(0)).expect("a count");
        count.cast_unsigned()
    };
    assert!(count("SELECT count(*) FROM days") > 2, "days were closed");
    assert!(count("SELECT count(*) FROM observations") < now.observations / 2);
    assert_eq!(count("SELECT count(*) FROM transitions"), now.transitions);
}
