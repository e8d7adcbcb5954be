//! Thousands of rows a second: they are summed while their minute runs, and still count once and in their own minute.

use std::{collections::BTreeMap, time::Duration};

use endturn::{
    clock::{Clock, Timestamp},
    store::{BATCH, MAX_SUMS, Options, Reader, Record, Rollup, SeriesQuery, Span, Store, Sums, Writer},
    verdict::{Observation, Source, Truncation, Verdict},
};

use super::{WAIT, at, rollups, target};

const MINUTE: i64 = 60_000;
/// Rows that may wait for the end of their minute (`docs/store.md`).
const MAX_WAITING: usize = 2_000;
const TARGETS: [&str; 3] = ["a/m", "b/m", "c/m"];

/// Row `n` at that moment, somewhat out of order as real ones are.
fn row(n: u64, ms: i64) -> Observation {
    let late = [0, 3, 0, 40, 0, 0, 900, 7][n as usize % 8];
    let source = if n.is_multiple_of(3) {
        Source::Report
    } else {
        Source::Canary
    };
    let verdict = if n.is_multiple_of(13) {
        Verdict::Truncated(Truncation::Cut)
    } else {
        Verdict::Complete
    };
    let name = target(TARGETS[n as usize % TARGETS.len()]);
    let mut o = Observation::new(name, at(ms - late), source, verdict);
    // A report in eleven tells of a request two hours back, in an hour that is closed.
    let back = if n.is_multiple_of(11) { 120 * MINUTE } else { 800 };
    o.started = Timestamp::from_millis(o.at.as_millis() - back);
    o.phases.first_token = Some(Duration::from_millis(200 + n % 700));
    o
}

/// Rows behind the mark, and the mark.
fn waiting(writer: &Writer) -> (usize, i64) {
    let raw = rusqlite::Connection::open(writer.path()).expect("a connection");
    let number = |sql: &str| -> i64 { raw.query_row(sql, [], |row| row.get(0)).expect("a number") };
    let mark = number("SELECT value FROM meta WHERE key = 'rolled_next'");
    let waiting = number(&format!("SELECT count(*) FROM observations WHERE id >= {mark}"));
    (waiting as usize, mark)
}

fn told(reader: &Reader, name: &str, step: i64) -> BTreeMap<i64, Rollup> {
    let query = SeriesQuery {
        target: target(name),
        from: at(-4 * 60 * MINUTE),
        to: at(60 * MINUTE),
        step: Duration::from_millis(step.cast_unsigned()),
        sources: vec![Source::Canary, Source::Report],
        spans: Span::ALL.to_vec(),
        outcomes: true,
    };
    let series = reader.series(&query).expect("a series");
    let points = series.points.iter().enumerate();
    points
        .filter(|(_, point)| !point.is_empty())
        .map(|(index, point)| (series.at(index).as_millis(), point.clone()))
        .collect()
}

fn check(reader: &Reader, sent: &[Observation], when: &str) {
    for name in TARGETS {
        for step in [MINUTE, 60 * MINUTE, 24 * 60 * MINUTE] {
            let expected = rollups::expected(sent, name, &[Source::Canary, Source::Report], step);
            assert!(
                told(reader, name, step) == expected,
                "{when}: {name} by {step} ms"
            );
        }
    }
}

#[test]
fn a_flood_is_summed_while_its_minute_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    // Half a minute before an hour begins, so that hours close in the middle of it.
    let clock = Clock::manual(at(-MINUTE / 2));
    let (mut writer, mut reader) = Store::open(&path, Options::default(), clock.clone()).expect("a store");
    let (mut sent, mut most, mut moved) = (Vec::new(), 0, 0);
    for n in 0..30_000_u64 {
        let ms = -MINUTE / 2 + n.cast_signed() * 2;
        let o = row(n, ms);
        sent.push(o.clone());
        writer.send(Record::Observation(o));
        clock.advance(Duration::from_millis(2));
        if n % 1_000 == 999 {
            assert!(writer.flush(WAIT));
            let (waiting, mark) = waiting(&writer);
            most = most.max(waiting);
            let into_minute = (mark >> 8).rem_euclid(MINUTE);
            moved += usize::from(into_minute > 0);
        }
        if n % 7_000 == 6_999 {
            check(&reader, &sent, &format!("after {n}"));
        }
        if n == 20_000 {
            assert!(writer.close(WAIT));
            (writer, reader) = Store::open(&path, Options::default(), clock.clone()).expect("a store");
        }
    }
    assert!(most <= MAX_WAITING + BATCH, "{most} rows waited");
    assert!(moved > 10, "the mark stood in a running minute {moved} times");
    clock.advance(Duration::from_secs(600));
    rollups::settle(&writer, &clock);
    check(&reader, &sent, "in the end");
}

#[test]
fn a_few_rows_wait_for_the_end_of_their_minute() {
    let clock = Clock::manual(at(30_000));
    let (writer, _) = Store::temporary(Options::default(), clock.clone()).expect("a store");
    super::store(&writer, (0..MAX_WAITING as u64).map(|n| row(n * 8, 0)));
    rollups::settle(&writer, &clock);
    assert_eq!(waiting(&writer).0, MAX_WAITING);
    super::store(&writer, [row(0, 1)]);
    rollups::settle(&writer, &clock);
    assert_eq!(waiting(&writer).0, 0);
}

/// What is counted and not kept one by one counts as what is kept, in whatever order it comes and over a restart.
#[test]
fn sums_and_rows_count_together() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let clock = Clock::manual(at(-MINUTE / 2));
    let (mut writer, mut reader) = Store::open(&path, Options::default(), clock.clone()).expect("a store");
    let (mut sent, mut sums) = (Vec::new(), Sums::default());
    for n in 0..9_000_u64 {
        let ms = -MINUTE / 2 + n.cast_signed() * 20;
        let o = row(n, ms);
        sent.push(o.clone());
        if n % 5 == 0 {
            writer.send(Record::Observation(o));
        } else {
            assert!(!sums.add(&o));
        }
        clock.advance(Duration::from_millis(20));
        if n % 500 == 499 {
            for sum in sums.take() {
                writer.send(Record::Sum(sum));
            }
            assert!(writer.flush(WAIT));
        }
        if n % 3_000 == 2_999 {
            check(&reader, &sent, &format!("after {n}"));
        }
        if n == 5_999 {
            assert!(writer.close(WAIT));
            (writer, reader) = Store::open(&path, Options::default(), clock.clone()).expect("a store");
        }
    }
    clock.advance(Duration::from_secs(7_200));
    rollups::settle(&writer, &clock);
    check(&reader, &sent, "in the end");
    let raw = rusqlite::Connection::open(&path).expect("a connection");
    let rows: i64 = raw
        .query_row("SELECT count(*) FROM observations", [], |row| row.get(0))
        .expect("a number");
    assert_eq!(rows, 1_800);
}

#[test]
fn so_many_sums_are_held_and_then_it_is_time_to_write_them() {
    let mut sums = Sums::default();
    let mut told = |minute: i64| {
        let mut o = row(1, 0);
        o.started = Timestamp::from_millis(o.at.as_millis() - minute * MINUTE);
        o.source = Source::Report;
        sums.add(&o)
    };
    for minute in 0..MAX_SUMS as i64 - 1 {
        assert!(!told(minute));
        assert!(!told(minute));
    }
    assert!(told(MAX_SUMS as i64));
    assert_eq!(sums.take().len(), MAX_SUMS);
    assert!(sums.take().is_empty());
}
