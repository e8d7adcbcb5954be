//! Old rows go in small steps, and the file stays below its size.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{
    Options,
    apply::{DAY_MS, HOUR_MS, first_id},
    db,
};
use crate::clock::Timestamp;

/// Raw rows that one step deletes.
const STEP_ROWS: i64 = 2_000;
/// Pages that one step gives back to the file system.
const STEP_PAGES: i64 = 512;
/// Most steps in one go, so that writing is never held up for long.
const MAX_STEPS: usize = 16;
/// Most transitions that are kept.
pub const MAX_TRANSITIONS: u64 = 100_000;
/// Most incidents that are kept; open ones always are.
pub const MAX_INCIDENTS: u64 = 10_000;
/// Most changes of who answers that are kept.
pub const MAX_CHANGES: u64 = 10_000;
/// Days for which hourly counts and daily spend are kept.
pub const KEEP_HOURS_DAYS: i64 = 400;

/// Deletes what is past its age or count, one step of each. True: there is more to delete.
pub(super) fn sweep(connection: &Connection, options: &Options, now: Timestamp) -> rusqlite::Result<bool> {
    let cutoff = first_id(now.minus(options.keep_raw));
    let mut more = delete_raw(connection, cutoff)? == STEP_ROWS as usize;
    more |= beyond_count(connection, "events", "revision", "", options.keep_events)? > 0;
    beyond_count(connection, "transitions", "id", "", MAX_TRANSITIONS)?;
    beyond_count(connection, "changes", "id", "", MAX_CHANGES)?;
    beyond_count(
        connection,
        "incidents",
        "seq",
        " AND closed IS NOT NULL",
        MAX_INCIDENTS,
    )?;
    let day = now.as_millis().div_euclid(DAY_MS) - KEEP_HOURS_DAYS;
    let hour = now.as_millis().div_euclid(HOUR_MS) - KEEP_HOURS_DAYS * 24;
    connection.execute("DELETE FROM hours WHERE hour < ?1", [hour])?;
    connection.execute("DELETE FROM spend WHERE day < ?1", [day])?;
    Ok(more)
}

/// Deletes at most [`STEP_ROWS`] raw rows with ids below `cutoff`, oldest first.
fn delete_raw(connection: &Connection, cutoff: i64) -> rusqlite::Result<usize> {
    let last: Option<i64> = connection
        .prepare_cached(
            "SELECT max(id) FROM (SELECT id FROM observations WHERE id < ?1 ORDER BY id LIMIT ?2)",
        )?
        .query_row(params![cutoff, STEP_ROWS], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    let transaction = connection.unchecked_transaction()?;
    connection
        .prepare_cached("DELETE FROM texts WHERE id <= ?1")?
        .execute([last])?;
    let gone = connection
        .prepare_cached("DELETE FROM observations WHERE id <= ?1")?
        .execute([last])?;
    transaction.commit()?;
    Ok(gone)
}

fn beyond_count(
    connection: &Connection,
    table: &str,
    key: &str,
    and: &str,
    keep: u64,
) -> rusqlite::Result<usize> {
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    connection
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE {key} <= (SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1 OFFSET ?1){and}"
        ))?
        .execute([keep])
}

/// Holds database and log below `max_bytes`: oldest raw rows go first, then the oldest events; free pages are given
/// back.
///
/// A long read keeps the log from being copied back, and no deleting shortens it then. So the log counts for at most an
/// eighth, and the database by the pages that it will have: history is not eaten up by somebody else's read.
pub(super) fn hold_size(connection: &Connection, path: &Path, options: &Options) -> rusqlite::Result<()> {
    for _ in 0..MAX_STEPS {
        let log = db::log_on_disk(path).min(options.max_bytes / 8);
        let pages = number(connection, "PRAGMA page_count")?.cast_unsigned();
        let Some(over) = (pages * db::PAGE_BYTES + log).checked_sub(options.max_bytes + 1) else {
            break;
        };
        let free = number(connection, "PRAGMA freelist_count")?.cast_unsigned();
        if free * db::PAGE_BYTES <= over && delete_raw(connection, i64::MAX)? == 0 {
            let gone = connection.execute(
                "DELETE FROM events WHERE revision IN (SELECT revision FROM events ORDER BY revision LIMIT ?1)",
                [STEP_ROWS],
            )?;
            if gone == 0 && free == 0 {
                break;
            }
        }
        give_back(connection, STEP_PAGES)?;
        checkpoint(connection)?;
    }
    Ok(())
}

/// Gives free pages back. Each row that the pragma steps through is one page.
pub(super) fn give_back(connection: &Connection, pages: i64) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Copies the write-ahead log back as far as readers allow, without waiting for them.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

pub(super) fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.query_row(sql, [], |row| row.get(0))
}
