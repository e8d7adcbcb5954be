//! A year of 50 targets: what a monitor would have written, drawn from a seed.
//!
//! The rows go through the store's own [`Writer`], chunk by chunk of six hours under a manual clock, so that rolling,
//! sweeping and retention do to them what they would have done over the year. Nothing is written behind its back. The
//! same rows also go into a plain table (one row an observation, clustered by target and time), which is what the
//! queries are held against.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use endturn::{
    clock::{Clock, Timestamp},
    health::{Incident, IncidentEntry, Reason, ReasonCode, Saved, Standing, State, StateTimes},
    id::TargetId,
    protocol::{ErrorClass, Usage},
    store::{Options, Record, SCHEMA_VERSION, Store, Writer},
    verdict::{Connection, FailedAt, Failure, Observation, Source, Truncation, Verdict},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};

/// Targets of the year: ten providers of five models.
pub(crate) const TARGETS: usize = 50;
/// 2026-01-01T00:00:00Z, a Thursday.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// A year, half a day and half an hour later: the last day and hour are open, as they are whenever somebody asks.
pub(crate) const END: Timestamp =
    Timestamp::from_millis(START.as_millis() + 365 * DAY_MS + 12 * HOUR_MS + 34 * 60_000);
const SEED: u64 = 20_260_620;
/// Grows when the same seed draws another year.
const EDITION: u32 = 2;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The clock moves on by this much between two flushes.
const CHUNK_MS: i64 = 6 * HOUR_MS;
const WAIT: Duration = Duration::from_secs(600);
/// Turns of the writer after the last row: each rolls a few steps and sweeps once.
const SETTLE_TURNS: usize = 200;

/// A stretch in which a share of a target's replies goes wrong in one way.
struct Trouble {
    from: i64,
    to: i64,
    share: f64,
    what: Verdict,
    /// Factor on the first token's time.
    slow: f64,
}

impl Trouble {
    fn state(&self) -> State {
        if self.share > 0.5 {
            State::Down
        } else {
            State::Partial
        }
    }
}

/// One target's year.
struct World {
    target: TargetId,
    rng: ChaCha8Rng,
    /// Median first token of a quiet hour, in milliseconds.
    base_ms: f64,
    troubles: Vec<Trouble>,
    next_ms: i64,
}

const fn failed(class: ErrorClass, at: FailedAt) -> Verdict {
    Verdict::Errored(Failure { class, at })
}

impl World {
    fn new(index: usize, every_ms: i64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream(index as u64);
        let target = format!("provider-{}/model-{}", index / 5, index % 5)
            .parse()
            .expect("a target id");
        // Some two troubles a month, a quarter of an hour to half a day long.
        let lengths = LogNormal::new(40.0_f64.ln(), 1.0).expect("a distribution");
        let mut troubles = Vec::new();
        let mut at = START.as_millis();
        loop {
            at += (rng.random_range(1.0..28.0) * DAY_MS as f64) as i64;
            if at >= END.as_millis() {
                break;
            }
            let length = lengths.sample(&mut rng).clamp(15.0, 720.0) * 60_000.0;
            let (what, share, slow) = match rng.random_range(0..5) {
                0 | 1 => (
                    failed(ErrorClass::Overloaded, FailedAt::Status(529)),
                    rng.random_range(0.3..1.0),
                    1.5,
                ),
                2 => (
                    Verdict::Truncated(Truncation::Cut),
                    rng.random_range(0.05..0.6),
                    1.0,
                ),
                3 => (
                    failed(ErrorClass::Timeout, FailedAt::Stream),
                    rng.random_range(0.2..0.9),
                    2.0,
                ),
                _ => (
                    Verdict::Truncated(Truncation::Stall),
                    rng.random_range(0.02..0.2),
                    4.0,
                ),
            };
            troubles.push(Trouble {
                from: at,
                to: at + length as i64,
                share,
                what,
                slow,
            });
            at += length as i64;
        }
        let base_ms = rng.random_range(250.0..900.0);
        let next_ms = START.as_millis() + rng.random_range(0..every_ms);
        Self {
            target,
            rng,
            base_ms,
            troubles,
            next_ms,
        }
    }

    /// What the hour of the week does to latency: working hours are slower, nights and weekends quicker.
    fn load(ms: i64) -> f64 {
        let hour = ms.rem_euclid(DAY_MS) as f64 / HOUR_MS as f64;
        let weekday = (ms.div_euclid(DAY_MS) + 3).rem_euclid(7);
        let day = 1.0 + 0.35 * (std::f64::consts::TAU * (hour - 9.0) / 24.0).sin();
        if weekday < 5 { day } else { 0.8 }
    }

    fn observe(&mut self, ms: i64) -> Observation {
        let trouble = self.troubles.iter().find(|t| (t.from..t.to).contains(&ms));
        let (share, slow) = trouble.map_or((0.003, 1.0), |t| (t.share, t.slow));
        let bad = self.rng.random_bool(share);
        let verdict = match (bad, trouble) {
            (true, Some(trouble)) => trouble.what,
            (true, None) => failed(ErrorClass::ServerError, FailedAt::Status(500)),
            _ => Verdict::Complete,
        };
        let draw = LogNormal::new(0.0, 0.45).expect("a distribution");
        let ttft = self.base_ms * Self::load(ms) * slow * draw.sample(&mut self.rng);
        let decode = 1_000.0 * draw.sample(&mut self.rng);
        let us = |ms: f64| Some(Duration::from_micros((ms * 1e3) as u64));
        let mut o = Observation::new(
            self.target.clone(),
            Timestamp::from_millis(ms),
            Source::Canary,
            verdict,
        );
        o.started = Timestamp::from_millis(ms - (ttft + decode) as i64);
        o.connection = Some(Connection::Fresh);
        o.served_model = Some("served-20260101".to_owned());
        let p = &mut o.phases;
        (p.dns, p.connect, p.request) = (us(2.3), us(20.0 + decode / 50.0), us(0.04));
        if verdict == Verdict::Complete {
            (p.head, p.first_byte) = (us(ttft * 0.8), us(ttft * 0.8));
            (p.first_token, p.first_output) = (us(ttft), us(ttft));
            (p.last_token, p.stop) = (us(ttft + decode), us(ttft + decode));
            (p.terminal, p.end) = (us(ttft + decode + 1.0), us(ttft + decode + 2.0));
            p.gap_max = us(decode / 8.0);
            o.http_status = Some(200);
            o.stop_reason = Some("end_turn".to_owned());
            o.usage = Usage {
                input: Some(64),
                output: Some(44 + ms.cast_unsigned() % 3),
                reasoning: None,
                provisional: false,
            };
            o.cost_usd = 0.000_2;
        } else {
            o.request_id = Some(format!("req_{ms:x}"));
            o.detail = Some("the reply ended before a stop reason".to_owned());
        }
        o
    }

    /// The incidents that ended in that stretch of time, and those open at the end of the year.
    fn incidents(&self, from: i64, to: i64) -> Vec<Incident> {
        let ended =
            |t: &&Trouble| (from..to).contains(&t.to) || (to >= END.as_millis() && t.from < to && t.to >= to);
        self.troubles
            .iter()
            .filter(ended)
            .map(|t| self.incident(t))
            .collect()
    }

    /// How it stood in that stretch of one day.
    fn standing(&self, from: i64, to: i64) -> Standing {
        let mut times = StateTimes::default();
        let mut well = to - from;
        for t in &self.troubles {
            let out = (t.to.min(to) - t.from.max(from)).max(0);
            times.add(t.state(), out.cast_unsigned());
            well -= out;
        }
        times.add(State::Operational, well.max(0).cast_unsigned());
        Standing {
            target: self.target.clone(),
            day: Timestamp::from_millis(from.div_euclid(DAY_MS) * DAY_MS),
            times,
        }
    }

    fn incident(&self, t: &Trouble) -> Incident {
        let at = Timestamp::from_millis;
        let over = (t.to < END.as_millis()).then_some(at(t.to));
        let state = t.state();
        let entry = |ms, kind, text: &str| IncidentEntry {
            at: at(ms),
            kind,
            state,
            text: text.to_owned(),
        };
        Incident {
            id: format!("{}-{}", self.target, t.from),
            target: self.target.clone(),
            started: at(t.from),
            detected: at(t.from + 60_000),
            opened: at(t.from + 120_000),
            recovered: over,
            closed: over,
            worst: state,
            reason: Reason {
                code: ReasonCode::Truncated,
                text: "7 of 12 replies ended before a stop reason in 60 s".to_owned(),
                sources: vec![Source::Canary],
            },
            timeline: vec![
                entry(t.from, "first_evidence", "a reply ended before a stop reason"),
                entry(t.from + 120_000, "opened", "open"),
            ],
            lead_s: (t.from % 2 == 0).then_some(600),
        }
    }
}

/// What happened in one stretch of the year, in order of time.
struct Chunk {
    end: Timestamp,
    observations: Vec<Observation>,
    incidents: Vec<Incident>,
    standings: Vec<Standing>,
}

/// The year, six hours at a time. The same for the same `every`, on every machine.
fn year(every: Duration) -> impl Iterator<Item = Chunk> {
    let every_ms = i64::try_from(every.as_millis()).expect("a length of time");
    let mut worlds: Vec<World> = (0..TARGETS).map(|index| World::new(index, every_ms)).collect();
    let mut from = START.as_millis();
    std::iter::from_fn(move || {
        let to = (from + CHUNK_MS).min(END.as_millis());
        if from >= to {
            return None;
        }
        let (mut observations, mut incidents, mut standings) = (Vec::new(), Vec::new(), Vec::new());
        for world in &mut worlds {
            while world.next_ms < to {
                let ms = world.next_ms;
                observations.push(world.observe(ms));
                world.next_ms += every_ms;
            }
            incidents.extend(world.incidents(from, to));
            standings.push(world.standing(from, to));
        }
        observations.sort_by_key(|o| o.at);
        from = to;
        Some(Chunk {
            end: Timestamp::from_millis(to),
            observations,
            incidents,
            standings,
        })
    })
}

fn flush(writer: &Writer) {
    assert!(writer.flush(WAIT), "the store writes");
}

/// Lets the writer roll up and sweep what is due.
pub(crate) fn settle(writer: &Writer) {
    for _ in 0..SETTLE_TURNS {
        writer.send(Record::State(Saved::default()));
        flush(writer);
    }
}

fn write_store(path: &Path, every: Duration) {
    let clock = Clock::manual(START);
    let (writer, _) = Store::open(path, Options::default(), clock.clone()).expect("a store");
    for chunk in year(every) {
        for observation in chunk.observations {
            writer.send(Record::Observation(observation));
        }
        let incidents = chunk.incidents.into_iter().map(Record::Incident);
        let standings = chunk.standings.into_iter().map(Record::Standing);
        incidents.chain(standings).for_each(|record| writer.send(record));
        flush(&writer);
        clock.advance(chunk.end.since(clock.now()));
    }
    settle(&writer);
    assert_eq!(writer.status().dropped.total(), 0);
    assert!(writer.close(WAIT));
}

fn write_raw(path: &Path, every: Duration) {
    let mut connection = rusqlite::Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             CREATE TABLE raw (target INTEGER NOT NULL, at INTEGER NOT NULL, failed INTEGER NOT NULL,
               truncated INTEGER NOT NULL, ttft_ms REAL, PRIMARY KEY (target, at)) STRICT, WITHOUT ROWID;",
        )
        .expect("a table");
    let names = names();
    for chunk in year(every) {
        let transaction = connection.transaction().expect("a transaction");
        let mut insert = transaction
            .prepare_cached(
                "INSERT INTO raw (target, at, failed, truncated, ttft_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .expect("a statement");
        for o in &chunk.observations {
            let target = names.iter().position(|name| *name == o.target);
            let truncated = matches!(o.verdict, Verdict::Truncated(_));
            insert
                .execute(rusqlite::params![
                    target.map(|index| index as i64),
                    o.at.as_millis(),
                    o.verdict != Verdict::Complete && !truncated,
                    truncated,
                    o.ttft().map(|ttft| ttft.as_secs_f64() * 1e3),
                ])
                .expect("a row");
        }
        drop(insert);
        transaction.commit().expect("a commit");
    }
}

/// The targets in the order of their numbers.
pub(crate) fn names() -> Vec<TargetId> {
    (0..TARGETS).map(|index| World::new(index, 1).target).collect()
}

/// The year on disk: made on the first call, then kept below `target/tmp` until schema, seed or pace change.
pub(crate) struct Year {
    /// The store's file. Not to be written: take a copy.
    pub(crate) store: PathBuf,
    /// The plain table.
    pub(crate) raw: PathBuf,
}

impl Year {
    /// One observation of each target every so often.
    pub(crate) fn made(every: Duration, tell: impl Fn(&str)) -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(home).expect("a directory");
        let make = |what: &str, write: fn(&Path, Duration)| {
            let name = format!(
                "year-{what}-{SCHEMA_VERSION}-{EDITION}-{SEED}-{}s.db",
                every.as_secs()
            );
            let path = home.join(name);
            if !path.exists() {
                let part = path.with_extension("part");
                for suffix in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(format!("{}{suffix}", part.display()));
                }
                let clock = Clock::system();
                write(&part, every);
                fs::rename(&part, &path).expect("a rename");
                tell(&format!("{what}: made in {:.0} s", clock.mono().as_secs_f64()));
            }
            path
        };
        Self {
            store: make("store", write_store),
            raw: make("raw", write_raw),
        }
    }
}
