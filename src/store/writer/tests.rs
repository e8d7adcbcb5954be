//! A full disk, seen from inside: `max_page_count` is a matter of the writer's own connection.

use super::*;
use crate::verdict::{Observation, Source, Verdict};

const START: Timestamp = Timestamp::from_millis(1_781_960_460_000);

fn worker(path: &Path, options: Options) -> Worker {
    let manner = Manner {
        busy: options.busy_timeout,
        checkpoint_pages: 1000,
        temporary: false,
    };
    let shared = Arc::new(Shared::default());
    Worker {
        revisions: Revisions::new(1, 1 + REVISION_BLOCK, Arc::downgrade(&shared)),
        shared,
        file: Some(File::open(path, manner).unwrap()),
        path: path.to_owned(),
        instance: "test".to_owned(),
        manner,
        options,
        clock: Clock::manual(START),
        swept: None,
        tidied: None,
    }
}

fn records(count: usize) -> Vec<Record> {
    let one = |n: usize| {
        let mut o = Observation::new("p/m".parse().unwrap(), START, Source::Canary, Verdict::Complete);
        o.stop_reason = Some(format!("reason {}", n % 7));
        Record::Observation(o)
    };
    (0..count).map(one).collect()
}

fn pages(worker: &Worker, most: i64) {
    let connection = &worker.file.as_ref().unwrap().connection;
    connection
        .pragma_update_and_check(None, "max_page_count", most, |_| Ok(()))
        .unwrap();
}

fn count(worker: &Worker, sql: &str) -> i64 {
    retention::number(&worker.file.as_ref().unwrap().connection, sql).unwrap()
}

/// Attempts in the rollups and in the raw rows behind them.
fn attempts(worker: &Worker) -> i64 {
    let next = worker.file.as_ref().unwrap().memory.mark.unwrap().next;
    count(worker, "SELECT coalesce(sum(attempts), 0) FROM minutes")
        + count(
            worker,
            &format!("SELECT count(*) FROM observations WHERE id >= {next}"),
        )
}

#[test]
fn a_full_disk_keeps_the_batch_and_counts_it_once_when_space_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut worker = worker(&dir.path().join("full.db"), Options::default());
    let (mut batch, mut lost, mut reserve) = (records(1000), Vec::new(), false);
    let used = count(&worker, "PRAGMA page_count");
    pages(&worker, used);
    for _ in 0..3 {
        let error = worker.work(&mut batch, &mut lost, &mut reserve).unwrap_err();
        assert_eq!(error, "database or disk is full");
        assert_eq!(batch.len(), 1000);
        assert_eq!(count(&worker, "SELECT count(*) FROM observations"), 0);
    }
    pages(&worker, 1 << 20);
    worker.work(&mut batch, &mut lost, &mut reserve).unwrap();
    assert!(batch.is_empty() && lost.is_empty());
    assert_eq!(count(&worker, "SELECT count(*) FROM observations"), 1000);
    assert_eq!(attempts(&worker), 1000);
    // The words that were learnt in the undone transactions were forgotten, so each is there.
    assert_eq!(count(&worker, "SELECT count(*) FROM words"), 7);
}

#[test]
fn a_full_disk_lets_go_of_rows_that_are_past_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        keep_raw: Duration::from_secs(60),
        ..Options::default()
    };
    let mut worker = worker(&dir.path().join("full.db"), options);
    let (mut lost, mut reserve) = (Vec::new(), false);
    worker.work(&mut records(2000), &mut lost, &mut reserve).unwrap();
    worker.clock.advance(Duration::from_secs(61));
    worker.swept = Some(worker.clock.now());
    pages(&worker, count(&worker, "PRAGMA page_count"));
    let mut batch = records(2000);
    assert!(worker.work(&mut batch, &mut lost, &mut reserve).is_err());
    worker.work(&mut batch, &mut lost, &mut reserve).unwrap();
    assert_eq!(count(&worker, "SELECT count(*) FROM observations"), 2000);
    assert_eq!(attempts(&worker), 4000);
}

#[test]
fn one_bad_record_does_not_hold_up_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut worker = worker(&dir.path().join("bad.db"), Options::default());
    let connection = &worker.file.as_ref().unwrap().connection;
    connection
        .execute_batch(
            "CREATE TRIGGER bad BEFORE INSERT ON events WHEN new.kind = 'bad'
             BEGIN SELECT raise(ABORT, 'bad'); END",
        )
        .unwrap();
    let event = |revision, kind: &str| Record::Event {
        revision,
        at: START,
        kind: kind.to_owned(),
        json: "{}".to_owned(),
    };
    let mut batch = vec![event(1, "health"), event(2, "bad"), event(3, "health")];
    let (mut lost, mut reserve) = (Vec::new(), false);
    worker.work(&mut batch, &mut lost, &mut reserve).unwrap();
    assert_eq!(lost, [RecordKind::Event]);
    assert_eq!(count(&worker, "SELECT count(*) FROM events"), 2);
}

#[test]
fn a_failed_reservation_is_made_up_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("revisions.db");
    let mut worker = worker(&path, Options::default());
    let (mut lost, mut reserve) = (Vec::new(), true);
    worker.work(&mut Vec::new(), &mut lost, &mut reserve).unwrap();
    assert!(!reserve);
    let on_disk = worker.file.as_ref().unwrap().revision_next().unwrap();
    assert_eq!(on_disk, 1 + 2 * REVISION_BLOCK);
    assert_eq!(worker.revisions.reserved(), on_disk);
}
