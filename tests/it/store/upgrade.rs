//! Files of older versions.

use std::{path::Path, thread, time::Duration};

use endturn::{
    clock::Timestamp,
    store::{Reader, SCHEMA_VERSION, StoreError},
};
use rusqlite::{Connection, params};

use super::{START, WAIT, all, at, healthy, open, query, store};

const HOUR: i64 = 3_600_000;
/// Hours of each target in the old file: several steps of moving.
const HOURS: i64 = 4_000;
const TARGETS: [&str; 2] = ["a/m", "b/m"];

/// A file as schema 3 left it: hours over all sources, no minutes and no days.
fn old_file(path: &Path) {
    let mut connection = Connection::open(path).expect("a file");
    connection
        .pragma_update(None, "auto_vacuum", "INCREMENTAL")
        .expect("a pragma");
    connection
        .pragma_update(None, "application_id", 0x656e_6474)
        .expect("a pragma");
    for version in 1..=3 {
        let sql = format!(
            "{}/src/store/migrations/0{version}.sql",
            env!("CARGO_MANIFEST_DIR")
        );
        let sql = std::fs::read_to_string(sql).expect("a migration");
        connection.execute_batch(&sql).expect("a schema");
    }
    connection
        .pragma_update(None, "user_version", 3)
        .expect("a pragma");
    let last = START.as_millis() / HOUR - 24;
    let transaction = connection.transaction().expect("a transaction");
    for (number, name) in (1..).zip(TARGETS) {
        transaction
            .execute(
                "INSERT INTO targets (id, name) VALUES (?1, ?2)",
                params![number, name],
            )
            .expect("a row");
        let mut insert = transaction
            .prepare("INSERT INTO hours VALUES (?1, ?2, 10, 9, 1, 2, 7, 0, 0.5, NULL)")
            .expect("a statement");
        for hour in last - HOURS + 1..=last {
            insert.execute(params![number, hour]).expect("a row");
        }
    }
    transaction.commit().expect("a commit");
}

/// Attempts of all days, or why there are none.
fn attempts(reader: &Reader) -> Result<u64, StoreError> {
    let days = reader.days(Timestamp::from_millis(0), at(24 * HOUR))?;
    Ok(days.iter().map(|day| day.counts.attempts).sum())
}

/// The first sum that is given.
fn first_sum(reader: &Reader) -> u64 {
    loop {
        match attempts(reader) {
            Ok(sum) => return sum,
            Err(StoreError::Migrating) => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_old_file_is_brought_up_beside_the_work() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    old_file(&path);
    let (writer, reader) = open(&path);
    store(&writer, [healthy("a/m", 0)]);
    assert_eq!(all(&reader, query(5)), [healthy("a/m", 0)]);
    // Never a part of it: refused, or whole.
    let whole = (TARGETS.len() as i64 * HOURS * 10 + 1).cast_unsigned();
    assert_eq!(first_sum(&reader), whole);
    assert!(!writer.status().migrating);
    assert!(writer.close(WAIT));
    let left: i64 = Connection::open(&path)
        .and_then(|c| {
            c.query_row(
                "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'hours_%'",
                [],
                |row| row.get(0),
            )
        })
        .expect("a count");
    assert_eq!(left, 0);
}

#[test]
fn a_move_that_was_broken_off_is_resumed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    old_file(&path);
    let mut rounds = 0;
    let whole = (TARGETS.len() as i64 * HOURS * 10).cast_unsigned();
    loop {
        // Closing ends the thread after the step in hand.
        let (writer, reader) = open(&path);
        rounds += 1;
        if !writer.status().migrating {
            assert_eq!(first_sum(&reader), whole);
            break;
        }
        assert!(writer.close(WAIT));
    }
    assert!(rounds > 2, "{rounds} rounds: nothing was broken off");
}

/// Rows without a vantage read as before; once some may have one, a program that can't read those leaves the file alone.
#[test]
fn rows_from_before_the_vantage_have_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let old = healthy("a/m", 0);
    let (writer, _) = open(&path);
    store(&writer, [old.clone()]);
    assert!(writer.close(WAIT));
    let raw = || Connection::open(&path).expect("a file");
    raw().pragma_update(None, "user_version", 7).expect("a pragma");
    let (writer, reader) = open(&path);
    let mut new = healthy("a/m", 1);
    new.vantage = Some("fra-1".into());
    store(&writer, [new.clone()]);
    assert_eq!(all(&reader, query(5)), [new, old]);
    let version: u32 = raw()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("a pragma");
    assert_eq!(version, SCHEMA_VERSION);
    assert!(version >= 8, "{version}");
}
