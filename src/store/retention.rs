//! Old rows go in small steps, and the file stays below its size.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Options,
    apply::{DAY_MS, first_id},
    db, outbox, packed,
    roll::{self, Level, MINUTE_MS, Mark},
};
use crate::{clock::Timestamp, verdict::Source};

/// Raw rows that one step deletes.
const STEP_ROWS: i64 = 2_000;
/// Pages that one step gives back to the file system.
const STEP_PAGES: i64 = 512;
/// Most steps in one go, so that writing is never held up for long.
const MAX_STEPS: usize = 16;
/// What one batch may add to the database before the next look at its size.
const BATCH_BYTES: u64 = 128 << 10;
/// What the largest transactions make of the log where nobody reads, least and most: room for the one is kept before
/// it is there, and the other counts in full, however small the size.
const LOG_BYTES: [u64; 2] = [288 << 10, 512 << 10];
/// Most transitions that are kept.
pub const MAX_TRANSITIONS: u64 = 100_000;
/// Most incidents that are kept; open ones always are.
pub const MAX_INCIDENTS: u64 = 10_000;
/// Most changes of who answers that are kept.
pub const MAX_CHANGES: u64 = 10_000;
/// Days for which daily spend is kept.
pub const KEEP_SPEND_DAYS: i64 = 400;

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
    let day = now.as_millis().div_euclid(DAY_MS) - KEEP_SPEND_DAYS;
    let before = |level: Level, keep| level.bucket(now.minus(keep));
    drop_rolled(
        connection,
        Level::Minute,
        before(Level::Minute, options.keep_minutes),
    )?;
    drop_rolled(connection, Level::Hour, before(Level::Hour, options.keep_hours))?;
    if let Some(keep) = options.keep_days {
        let before = before(Level::Day, keep);
        connection.execute("DELETE FROM standings WHERE at < ?1", [before])?;
        drop_rolled(connection, Level::Day, before)?;
    }
    connection.execute("DELETE FROM spend WHERE day < ?1", [day])?;
    outbox::sweep(connection, now)?;
    Ok(more)
}

/// Old buckets go an hour of minutes, a day of hours or a single day at a time: finer cutting is not worth a look at
/// every row.
const fn worth_dropping(level: Level) -> i64 {
    match level {
        Level::Minute => 60,
        Level::Hour => 24,
        Level::Day => 1,
    }
}

/// Deletes rolled-up rows before a bucket, once enough of them are due, and notes from where on there are such rows.
/// Those that no coarser row has summed yet stay: nothing would count them again. `false` where nothing is due.
fn drop_rolled(connection: &Connection, level: Level, before: i64) -> rusqlite::Result<bool> {
    let mark = Mark::load(connection)?.unwrap_or_default();
    let before = match level {
        Level::Minute => before.min(mark.hour * 60),
        Level::Hour => before.min(mark.day * 24),
        Level::Day => before,
    };
    let key = format!("{}_from", level.table());
    let from: Option<i64> = connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([&key], |row| row.get(0))
        .optional()?;
    if from.is_some_and(|from| before - from < worth_dropping(level)) {
        return Ok(false);
    }
    let transaction = connection.unchecked_transaction()?;
    let targets: Vec<i64> = connection
        .prepare_cached("SELECT id FROM targets")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for target in targets {
        for source in Source::ALL.map(packed::source_code) {
            connection
                .prepare_cached(&format!(
                    "DELETE FROM {} WHERE target = ?1 AND source = ?2 AND at < ?3",
                    level.table()
                ))?
                .execute(params![target, source, before])?;
        }
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute(params![key, before])?;
    transaction.commit()?;
    Ok(true)
}

/// Deletes at most [`STEP_ROWS`] raw rows with ids below `cutoff`, oldest first; never one that is not rolled up.
fn delete_raw(connection: &Connection, cutoff: i64) -> rusqlite::Result<usize> {
    let Some(mark) = Mark::load(connection)? else {
        return Ok(0);
    };
    let cutoff = cutoff.min(mark.next);
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

/// Holds database and log below `max_bytes`: oldest raw rows go first, then the oldest events, then messages that were
/// delivered, then the oldest days of minutes; free pages are given back. Raw rows are rolled up before they go, those of the running minute too.
///
/// A long read keeps the log from being copied back, and no deleting shortens it then. So a log beyond [`LOG_BYTES`]
/// counts for at most an eighth, and the database by the pages that it will have: history is not eaten up by somebody
/// else's read. The next batch comes on top before anybody looks again, so there is room for it beforehand.
pub(super) fn hold_size(
    connection: &Connection,
    mark: &mut Option<Mark>,
    path: &Path,
    options: &Options,
) -> rusqlite::Result<()> {
    let [least, most] = [LOG_BYTES[0], LOG_BYTES[1].max(options.max_bytes / 8)];
    for _ in 0..MAX_STEPS {
        let log = db::log_on_disk(path).clamp(least, most);
        let pages = number(connection, "PRAGMA page_count")?.cast_unsigned();
        let used = pages * db::PAGE_BYTES + log + BATCH_BYTES;
        let Some(over) = used.checked_sub(options.max_bytes + 1) else {
            break;
        };
        let free = number(connection, "PRAGMA freelist_count")?.cast_unsigned();
        if free * db::PAGE_BYTES <= over
            && delete_raw(connection, i64::MAX)? == 0
            && !roll::all(connection, mark)?
        {
            let gone = connection.execute(
                "DELETE FROM events WHERE revision IN (SELECT revision FROM events ORDER BY revision LIMIT ?1)",
                [STEP_ROWS],
            )?;
            if gone == 0
                && outbox::drop_delivered(connection, STEP_ROWS)? == 0
                && !drop_oldest_minutes(connection)?
                && free == 0
            {
                break;
            }
        }
        give_back(connection, STEP_PAGES)?;
        checkpoint(connection)?;
    }
    Ok(())
}

/// Deletes the oldest day that has minutes, so far as their hours are summed; `false` where there is none.
fn drop_oldest_minutes(connection: &Connection) -> rusqlite::Result<bool> {
    let oldest: Option<i64> = connection.query_row("SELECT min(at) FROM minutes", [], |row| row.get(0))?;
    match oldest {
        Some(oldest) => drop_rolled(connection, Level::Minute, oldest + DAY_MS / MINUTE_MS),
        None => Ok(false),
    }
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
