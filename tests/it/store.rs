//! The store: what goes in comes out, and what can go wrong does.

mod backup;
mod clocks;
mod contents;
mod disk;
mod failures;
mod floods;
mod garbage;
mod kills;
mod limits;
mod outbox;
mod rollups;
mod upgrade;

use std::{path::Path, time::Duration};

use endturn::{
    clock::{Clock, Timestamp},
    id::TargetId,
    store::{ObservationQuery, Options, Reader, Record, SeriesQuery, Store, Writer},
    verdict::{Observation, Source, Verdict},
};

/// Bound of every wait; none of them is expected to last.
const WAIT: Duration = Duration::from_secs(60);
/// 2026-06-20T13:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_781_960_400_000);

fn clock() -> Clock {
    Clock::manual(START)
}

fn open(path: &Path) -> (Writer, Reader) {
    Store::open(path, Options::default(), clock()).expect("a store")
}

fn temporary() -> (Writer, Reader) {
    Store::temporary(Options::default(), clock()).expect("a store")
}

fn target(name: &str) -> TargetId {
    name.parse().expect("a target id")
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + ms)
}

fn seen(name: &str, ms: i64, verdict: Verdict) -> Observation {
    Observation::new(target(name), at(ms), Source::Canary, verdict)
}

fn healthy(name: &str, ms: i64) -> Observation {
    seen(name, ms, Verdict::Complete)
}

fn query(limit: usize) -> ObservationQuery {
    ObservationQuery {
        limit,
        ..ObservationQuery::default()
    }
}

/// Every observation that fits the query, page by page.
fn all(reader: &Reader, mut query: ObservationQuery) -> Vec<Observation> {
    let mut found = Vec::new();
    loop {
        let page = reader.observations(&query).expect("a page");
        found.extend(page.items.into_iter().map(|row| row.observation));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return found,
        }
    }
}

fn count(reader: &Reader) -> usize {
    all(reader, query(500)).len()
}

/// Attempts of a target in the ten days around the start, rollups and raw rows together.
fn attempts(reader: &Reader, name: &str) -> u64 {
    let day = Duration::from_secs(86_400);
    let query = SeriesQuery {
        target: target(name),
        from: START.minus(day * 5),
        to: START.plus(day * 5),
        step: day,
        sources: vec![Source::Canary],
        spans: Vec::new(),
        outcomes: true,
    };
    let series = reader.series(&query).expect("a read");
    series.points.iter().map(|point| point.counts.attempts).sum()
}

fn store(writer: &Writer, observations: impl IntoIterator<Item = Observation>) {
    for observation in observations {
        writer.send(Record::Observation(observation));
    }
    assert!(writer.flush(WAIT));
}

/// Waits for another thread without settling sleeps: asks again and again, within bounds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..20_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("{what} did not come");
}
