//! The store beside bare rusqlite: rows a second, bytes a row, and reading while writing.
//!
//! `cargo bench --bench store` prints one table. The peer writes the very same rows into the same table with the same
//! indexes, in transactions of the same size; it does not pack, count, queue or sum.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints and may panic"
)]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use endturn::{
    clock::{Clock, Timestamp},
    protocol::Usage,
    store::{BATCH, ObservationQuery, Options, Reader, Record, Store, Writer},
    verdict::{Connection as Reuse, Flags, Observation, Source, Verdict},
};
use rusqlite::{Connection, params};

const ROWS: usize = 200_000;
const ROUNDS: usize = 5;
const TARGETS: u64 = 100;
const READS: usize = 2_000;
const PACE: usize = 10_000;
const WAIT: Duration = Duration::from_secs(120);

/// A healthy canary with everything that is seen of one.
fn canary(n: u64, at: Timestamp) -> Observation {
    let target = format!("provider-{}/model-{}", n % 10, n % TARGETS)
        .parse()
        .unwrap();
    let mut o = Observation::new(target, at, Source::Canary, Verdict::Complete);
    let us = |micros: u64| Some(Duration::from_micros(micros + n % 9_973));
    let p = &mut o.phases;
    (p.dns, p.connect, p.request, p.head) = (us(2_311), us(24_870), us(41), us(311_207));
    (p.first_byte, p.first_token, p.first_output) = (us(311_350), us(412_345), us(412_345));
    (p.last_token, p.stop, p.terminal, p.end) = (us(1_203_417), us(1_231_008), us(1_231_050), us(1_231_422));
    p.gap_max = us(61_204);
    o.started = Timestamp::from_millis(at.as_millis() - 1_258);
    o.connection = Some(Reuse::Fresh);
    o.http_status = Some(200);
    o.flags = Flags::SENTINEL_FOUND;
    o.stop_reason = Some("end_turn".to_owned());
    o.served_model = Some("claude-haiku-4-5-20251001".to_owned());
    o.usage = Usage {
        input: Some(64),
        output: Some(44 + n % 3),
        reasoning: None,
        provisional: false,
    };
    o.cost_usd = (64.0 + (44 + n % 3) as f64 * 5.0) / 1e6;
    o.vantage = Some("fra-1".into());
    o
}

fn rows() -> Vec<Observation> {
    let start = Clock::system().now().minus(Duration::from_secs(3600));
    (0..ROWS as u64)
        .map(|n| canary(n, start.plus(Duration::from_millis(n * 1_000 / TARGETS))))
        .collect()
}

/// Seconds that ours takes for the rows, from the first `send` to the last row on disk.
fn ours(path: &Path, rows: &[Observation]) -> f64 {
    let clock = Clock::system();
    let (writer, _reader) = Store::open(path, Options::default(), clock.clone()).unwrap();
    let start = clock.mono();
    for half_queue in rows.chunks(50 * BATCH) {
        for row in half_queue {
            writer.send(Record::Observation(row.clone()));
        }
        assert!(writer.flush(WAIT));
    }
    let taken = clock.mono().saturating_sub(start).as_secs_f64();
    assert_eq!(writer.status().dropped.total(), 0);
    assert!(writer.close(WAIT));
    taken
}

type Row = (i64, i64, i64, Vec<u8>);

fn read_back(path: &Path) -> Vec<Row> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare("SELECT id, target, kind, data FROM observations ORDER BY id")
        .unwrap();
    let rows = statement
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// Seconds that bare rusqlite takes for the same rows with the same index.
fn bare(path: &Path, rows: &[Row]) -> f64 {
    let mut connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE observations (id INTEGER PRIMARY KEY, target INTEGER NOT NULL, kind INTEGER NOT NULL,
               data BLOB NOT NULL) STRICT;
             CREATE INDEX observations_by_target ON observations (target);",
        )
        .unwrap();
    let clock = Clock::system();
    let start = clock.mono();
    for batch in rows.chunks(BATCH) {
        let transaction = connection.transaction().unwrap();
        let mut insert = transaction
            .prepare_cached("INSERT INTO observations (id, target, kind, data) VALUES (?1, ?2, ?3, ?4)")
            .unwrap();
        for (id, target, kind, data) in batch {
            insert.execute(params![id, target, kind, data]).unwrap();
        }
        drop(insert);
        transaction.commit().unwrap();
    }
    clock.mono().saturating_sub(start).as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// p50 and p99 of a page of 100 rows of one target, in milliseconds.
fn read_latency(reader: &Reader) -> (f64, f64) {
    let clock = Clock::system();
    let mut taken: Vec<f64> = (0..READS as u64)
        .map(|n| {
            let query = ObservationQuery {
                target: Some(
                    format!("provider-{}/model-{}", n % 10, n % TARGETS)
                        .parse()
                        .unwrap(),
                ),
                limit: 100,
                ..ObservationQuery::default()
            };
            let start = clock.mono();
            assert!(!reader.observations(&query).unwrap().items.is_empty());
            let taken = clock.mono().saturating_sub(start).as_secs_f64() * 1e3;
            thread::sleep(Duration::from_millis(1));
            taken
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    (taken[READS / 2], taken[READS * 99 / 100])
}

/// Writes [`PACE`] rows a second until told to stop; gives the rows written.
fn paced(writer: &Writer, stop: &AtomicBool) -> u64 {
    let clock = Clock::system();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = (clock.mono().as_secs_f64() * PACE as f64) as u64;
        while n < due {
            writer.send(Record::Observation(canary(n, clock.now())));
            n += 1;
        }
        thread::sleep(Duration::from_millis(5));
    }
    n
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: String| dir.path().join(name);
    let rows = rows();
    let (mut ours_s, mut bare_s, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        ours_s.push(ours(&file(format!("ours-{round}.db")), &rows));
        if stored.is_empty() {
            stored = read_back(&file("ours-0.db".to_owned()));
        }
        bare_s.push(bare(&file(format!("bare-{round}.db")), &stored));
    }
    let (ours_s, bare_s) = (median(ours_s), median(bare_s));
    let size = |name: &str| fs::metadata(file(name.to_owned())).unwrap().len() as f64 / ROWS as f64;
    let sizes = (size("ours-0.db"), size("bare-0.db"));
    let blob: usize = stored.iter().map(|row| row.3.len()).sum();

    let clock = Clock::system();
    let (writer, reader) =
        Store::open(&file("ours-0.db".to_owned()), Options::default(), clock.clone()).unwrap();
    let idle = read_latency(&reader);
    let stop = Arc::new(AtomicBool::new(false));
    let (start, handle) = (clock.mono(), {
        let (writer, stop) = (writer.clone(), Arc::clone(&stop));
        thread::spawn(move || paced(&writer, &stop))
    });
    let busy = read_latency(&reader);
    stop.store(true, Ordering::Relaxed);
    let written = handle.join().unwrap();
    assert!(writer.flush(WAIT));
    let rate = written as f64 / clock.mono().saturating_sub(start).as_secs_f64();
    assert_eq!(writer.status().dropped.total(), 0);
    assert!(writer.close(WAIT));

    println!("rows a second, batches of {BATCH}, {ROWS} rows, {TARGETS} targets, median of {ROUNDS}");
    println!("  endturn store       {:>9.0}", ROWS as f64 / ours_s);
    println!("  bare rusqlite       {:>9.0}", ROWS as f64 / bare_s);
    println!(
        "  ratio               {:>9.2}  (target: at least 0.50)",
        bare_s / ours_s
    );
    println!("bytes a row on disk");
    println!(
        "  endturn store       {:>9.1}  (target: at most 80; indexes, hours and spend included)",
        sizes.0
    );
    println!("  bare, same rows     {:>9.1}", sizes.1);
    println!("  of that packed row  {:>9.1}", blob as f64 / ROWS as f64);
    println!("a page of 100 rows of one target, ms        p50      p99");
    println!(
        "  idle                                {:>9.3}{:>9.3}",
        idle.0, idle.1
    );
    println!(
        "  while {rate:>6.0} rows/s are written     {:>9.3}{:>9.3}  (target: p99 at most 5)",
        busy.0, busy.1
    );
}
