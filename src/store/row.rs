//! Rows of the rollups' tables: which columns are read, and how a row is written.

use rusqlite::{Connection, Row, params};

use super::{
    Counts,
    apply::run,
    roll::{Key, Level},
    rollup::{Rollup, Span},
};

/// Which columns of a row are read beside its counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    /// Verdicts, tokens and money.
    pub(super) outcomes: bool,
    /// Histograms.
    pub(super) spans: &'a [Span],
}

impl Parts<'static> {
    pub(super) const ALL: Self = Self {
        outcomes: true,
        spans: &Span::ALL,
    };
}

/// Columns that every row is read with, the key behind the counts.
const COUNTS: &str = "attempts, began, errors, truncated, complete, ours";
const KEY: &str = "at, target, source";
const KEY_AT: usize = 6;
/// Columns that are read where they are asked for, and where they begin.
const OUTCOMES: &str = "input_tokens, output_tokens, reasoning_tokens, spent_usd, outcomes";
const OUTCOMES_AT: usize = KEY_AT + 3;

/// Hands out the rows of a level in `range` (end excluded), in order of time, with these parts of them.
///
/// The end is looked for here and not by `SQLite`: to compare a key with the end of a range it reads the whole row, and
/// most of a row lies on overflow pages that only some histograms need.
pub(super) fn read(
    connection: &Connection,
    level: Level,
    (target, source): (i64, u8),
    range: (i64, i64),
    parts: Parts<'_>,
    mut sink: impl FnMut(i64, Rollup),
) -> rusqlite::Result<()> {
    let outcomes = parts.outcomes.then_some(OUTCOMES).into_iter();
    let columns: String = outcomes
        .chain(parts.spans.iter().map(|span| span.as_str()))
        .flat_map(|column| [", ", column])
        .collect();
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COUNTS}, {KEY}{columns} FROM {}
         WHERE (target, source, at) >= (?1, ?2, ?3) ORDER BY target, source, at",
        level.table()
    ))?;
    let mut rows = statement.query(params![target, source, range.0])?;
    while let Some(row) = rows.next()? {
        let (at, stream): (i64, (i64, i64)) =
            (row.get(KEY_AT)?, (row.get(KEY_AT + 1)?, row.get(KEY_AT + 2)?));
        if at >= range.1 || stream != (target, i64::from(source)) {
            break;
        }
        sink(at, rollup_of(row, parts)?);
    }
    Ok(())
}

/// Attempts, began, errors, truncated, complete and ours, in the columns from `first` on.
pub(super) fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
    let count = |index: usize| row.get::<_, i64>(first + index).map(i64::cast_unsigned);
    Ok(Counts {
        attempts: count(0)?,
        began: count(1)?,
        errors: count(2)?,
        truncated: count(3)?,
        complete: count(4)?,
        ours: count(5)?,
    })
}

/// A row; a damaged histogram in it is left out and told.
fn rollup_of(row: &Row<'_>, parts: Parts<'_>) -> rusqlite::Result<Rollup> {
    let mut rollup = Rollup::default();
    rollup.counts = counts(row, 0)?;
    let mut column = OUTCOMES_AT;
    if parts.outcomes {
        let count = |index: usize| row.get::<_, i64>(column + index).map(i64::cast_unsigned);
        rollup.tokens.input = count(0)?;
        rollup.tokens.output = count(1)?;
        rollup.tokens.reasoning = count(2)?;
        rollup.spent_usd = row.get(column + 3)?;
        if rollup.set_outcomes(row.get_ref(column + 4)?.as_blob()?).is_none() {
            tracing::warn!("damaged outcomes of a rollup are left out");
        }
        column += 5;
    }
    for (index, span) in parts.spans.iter().enumerate() {
        if let Some(blob) = row.get_ref(column + index)?.as_blob_or_null()?
            && let Err(error) = rollup.set_span(*span, blob)
        {
            tracing::warn!(%error, span = span.as_str(), "a damaged histogram is left out");
        }
    }
    Ok(rollup)
}

/// Adds a sum to its row.
pub(super) fn merge_into(
    connection: &Connection,
    level: Level,
    key: Key,
    sum: &Rollup,
) -> rusqlite::Result<()> {
    let mut whole = None;
    let (stream, bucket) = ((key.0, key.1), (key.2, key.2 + 1));
    read(connection, level, stream, bucket, Parts::ALL, |_, row| {
        whole = Some(row);
    })?;
    match whole {
        None => write(connection, level, key, sum),
        Some(mut whole) => {
            whole.merge(sum);
            write(connection, level, key, &whole)
        }
    }
}

/// Writes a row, in place of one that is there.
pub(super) fn write(connection: &Connection, level: Level, key: Key, sum: &Rollup) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT OR REPLACE INTO {} ({COUNTS}, {OUTCOMES}, ttft, ttfo, itl, gap, e2e, connect, target, source, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
        level.table()
    );
    let (c, t) = (sum.counts, sum.tokens);
    let span = |span| sum.span_blob(span);
    run(
        connection,
        &sql,
        params![
            c.attempts.cast_signed(),
            c.began.cast_signed(),
            c.errors.cast_signed(),
            c.truncated.cast_signed(),
            c.complete.cast_signed(),
            c.ours.cast_signed(),
            t.input.cast_signed(),
            t.output.cast_signed(),
            t.reasoning.cast_signed(),
            sum.spent_usd,
            sum.outcome_blob(),
            span(Span::Ttft),
            span(Span::Ttfo),
            span(Span::Itl),
            span(Span::Gap),
            span(Span::E2e),
            span(Span::Connect),
            key.0,
            key.1,
            key.2,
        ],
    )
}
