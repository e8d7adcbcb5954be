//! The store: what goes in comes out, and what can go wrong does.

use std::{path::Path, time::Duration};

use endturn::{
    clock::{Clock, Timestamp},
    id::TargetId,
    store::{ObservationQuery, Options, Reader, Record, Store, Writer},
    verdict::{Observation, Source, Verdict},
};

const WAIT: Duration = Duration::from_secs(30);
/// 2026-06-20T13:01:00Z.
const START: Timestamp = Timestamp::from_millis(1_781_960_460_000);

fn clock() -> Clock {
    Clock::manual(START)
}

fn open(path: &Path) -> (Writer, Reader) {
    Store::open(path, Options::default(), clock()).unwrap()
}

fn target(name: &str) -> TargetId {
    name.parse().unwrap()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START.as_millis() + ms)
}

fn healthy(name: &str, ms: i64) -> Observation {
    Observation::new(target(name), at(ms), Source::Canary, Verdict::Complete)
}

fn query(limit: usize) -> ObservationQuery {
    ObservationQuery {
        limit,
        ..ObservationQuery::default()
    }
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("endturn.db");
    let (writer, _) = open(&path);
    writer.send(Record::Observation(healthy("a/m", 0)));
    assert!(writer.close(WAIT));
    let (_writer, reader) = open(&path);
    let page = reader.observations(&query(10)).unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].observation, healthy("a/m", 0));
    assert_eq!(page.next, None);
}
