//! What a migration leaves to be moved, in bounded steps between two batches, so that an old file of any size opens at
//! once and writing goes on.
//!
//! A migration that changes the shape of a large table sets the old one beside and makes a new one; the rows move here.
//! Each step is a transaction that takes rows out of the one and puts them into the other: a kill repeats none.

use rusqlite::{Connection, OptionalExtension, params};

/// Rows of one step; a few milliseconds.
const STEP_ROWS: i64 = 2_000;

/// Hours as they were summed before schema 4: over all sources, while they ran. They count as the canary's.
const HOURS: &str = "hours_before_4";

/// Whether something is left to be moved.
pub(super) fn is_left(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [HOURS],
            |_| Ok(()),
        )
        .optional()
        .map(|found| found.is_some())
}

/// Moves a step. `true`: there is more.
pub(super) fn step(connection: &Connection) -> rusqlite::Result<bool> {
    let transaction = connection.unchecked_transaction()?;
    let last: Option<(i64, i64)> = transaction
        .query_row(
            &format!("SELECT target, hour FROM {HOURS} ORDER BY target, hour LIMIT 1 OFFSET ?1"),
            [STEP_ROWS - 1],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let (target, hour) = last.unwrap_or((i64::MAX, i64::MAX));
    transaction.execute(
        &format!(
            "INSERT OR IGNORE INTO hours (target, source, at, attempts, began, errors, truncated, complete, ours,
               input_tokens, output_tokens, reasoning_tokens, spent_usd, outcomes, ttft)
             SELECT target, 1, hour, attempts, began, errors, truncated, complete, ours, 0, 0, 0, spent_usd, x'', ttft
             FROM {HOURS} WHERE (target, hour) <= (?1, ?2)"
        ),
        params![target, hour],
    )?;
    transaction.execute(
        &format!("DELETE FROM {HOURS} WHERE (target, hour) <= (?1, ?2)"),
        params![target, hour],
    )?;
    if last.is_none() {
        transaction.execute_batch(&format!("DROP TABLE {HOURS}"))?;
    }
    transaction.commit()?;
    Ok(last.is_some())
}
