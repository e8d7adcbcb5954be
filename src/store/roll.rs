//! Raw rows to minutes, minutes to hours, hours to days: closed buckets only, each raw row exactly once.
//!
//! Raw ids grow with time, so one number tells how far rolling has come. It moves in the transaction that adds what it
//! passed: a kill repeats nothing and skips nothing. A row that is written behind it (a clock set back) is added by
//! the write itself. A report that tells of an earlier minute is added there, and to the hour and day if they are
//! rolled already.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Sum,
    apply::{DAY_MS, HOUR_MS, first_id, run, time_of_id},
    packed,
    query::RawObservation,
    rollup::{Rollup, history_time},
    row::{Parts, merge_into, read, write},
};
use crate::{
    clock::Timestamp,
    verdict::{Observation, Source},
};

/// Milliseconds of a minute.
pub(super) const MINUTE_MS: i64 = 60_000;
/// How long after its end a minute counts as closed: ids of its last moment may run on for a second.
const GRACE_MS: i64 = 2_000;
/// Raw rows that one step adds.
const STEP_ROWS: i64 = 10_000;
/// Most raw rows that wait for the end of their minute. Every read adds those up, so a flood is summed while its minute
/// runs.
pub(super) const MAX_WAITING: i64 = 2_000;

/// A step of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Minute,
    Hour,
    Day,
}

impl Level {
    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Minute => "minutes",
            Self::Hour => "hours",
            Self::Day => "days",
        }
    }

    pub(super) const fn width_ms(self) -> i64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }

    /// The bucket that holds that moment.
    pub(super) const fn bucket(self, at: Timestamp) -> i64 {
        at.as_millis().div_euclid(self.width_ms())
    }
}

/// Which row of a level.
pub(super) type Key = (i64, u8, i64);

/// How far rolling has come. Buckets below `hour` and `day` are closed; raw ids below `next` are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) next: i64,
    pub(super) hour: i64,
    pub(super) day: i64,
}

impl Mark {
    /// `None` before the first rolling.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let read = |key: &str| -> rusqlite::Result<Option<i64>> {
            connection
                .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
                .query_row([key], |row| row.get(0))
                .optional()
        };
        Ok(
            match (read("rolled_next")?, read("rolled_hour")?, read("rolled_day")?) {
                (Some(next), Some(hour), Some(day)) => Some(Self { next, hour, day }),
                _ => None,
            },
        )
    }

    /// Begins with the oldest raw row or sum, or with now where there is none; days with the oldest hour.
    fn begin(connection: &Connection, now: Timestamp) -> rusqlite::Result<Self> {
        let first: Option<i64> =
            connection.query_row("SELECT min(id) FROM observations", [], |row| row.get(0))?;
        let start = first.map_or(now, time_of_id).min(now);
        let sum: Option<i64> = connection.query_row("SELECT min(at) FROM minutes", [], |row| row.get(0))?;
        let hour = Level::Hour.bucket(start);
        let hour = sum.map_or(hour, |minute| hour.min(minute.div_euclid(60)));
        let oldest: Option<i64> = connection.query_row("SELECT min(at) FROM hours", [], |row| row.get(0))?;
        let day = oldest.map_or(hour, |oldest| oldest.min(hour)).div_euclid(24);
        Ok(Self {
            next: first_id(Timestamp::from_millis(hour * HOUR_MS)),
            hour,
            day,
        })
    }

    fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let rows = [
            ("rolled_next", self.next),
            ("rolled_hour", self.hour),
            ("rolled_day", self.day),
        ];
        for (key, value) in rows {
            run(
                connection,
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
                params![key, value],
            )?;
        }
        Ok(())
    }

    /// Whether a raw row of that id is added by whoever writes it, because rolling has passed it.
    pub(super) fn passed(&self, id: i64) -> bool {
        id < self.next
    }
}

/// Sums by minute that are to be added.
#[derive(Debug, Default)]
pub(super) struct Late(BTreeMap<Key, Rollup>);

impl Late {
    pub(super) fn add(&mut self, target: i64, o: &Observation) {
        let key = (
            target,
            packed::source_code(o.source),
            Level::Minute.bucket(history_time(o)),
        );
        self.0.entry(key).or_default().add(o);
    }

    pub(super) fn merge(&mut self, target: i64, sum: &Sum) {
        let key = (target, packed::source_code(sum.source), sum.minute);
        self.0.entry(key).or_default().merge(&sum.rollup);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds the sums to their minutes, and to hours and days that are closed already.
    pub(super) fn fold(&self, connection: &Connection, mark: Option<&Mark>) -> rusqlite::Result<()> {
        for ((target, source, minute), sum) in &self.0 {
            merge_into(connection, Level::Minute, (*target, *source, *minute), sum)?;
            let (hour, day) = (minute.div_euclid(60), minute.div_euclid(1_440));
            if mark.is_some_and(|mark| hour < mark.hour) {
                merge_into(connection, Level::Hour, (*target, *source, hour), sum)?;
            }
            if mark.is_some_and(|mark| day < mark.day) {
                merge_into(connection, Level::Day, (*target, *source, day), sum)?;
            }
        }
        Ok(())
    }
}

/// One bounded step. `true`: there is more to roll now.
pub(super) fn step(
    connection: &Connection,
    mark: &mut Option<Mark>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let mut next = match *mark {
        Some(mark) => mark,
        None => Mark::begin(connection, now)?,
    };
    let closed_ms = (now.as_millis() - GRACE_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
    let mut end = first_id(Timestamp::from_millis(closed_ms));
    if mark.is_some() && next.next >= end {
        match flood(connection, next.next, now)? {
            Some(last) => end = last + 1,
            None => return Ok(false),
        }
    }
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let more = add_raw(connection, &mut next, end, Then::Keep)?;
    close_hours(connection, &mut next)?;
    close_days(connection, &mut next)?;
    next.save(connection)?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    *mark = Some(next);
    Ok(more)
}

/// The newest row that is not of the future, where more than [`MAX_WAITING`] wait behind the mark. The mark goes to that
/// row and not to now: what is on its way with a somewhat older time gets an id behind it and is no late row.
fn flood(connection: &Connection, mark: i64, now: Timestamp) -> rusqlite::Result<Option<i64>> {
    let until = first_id(Timestamp::from_millis(now.as_millis().saturating_add(1)));
    let many = connection
        .prepare_cached(
            "SELECT id FROM observations WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1 OFFSET ?3",
        )?
        .query_row(params![mark, until, MAX_WAITING], |_| Ok(()))
        .optional()?;
    match many {
        None => Ok(None),
        Some(()) => connection
            .prepare_cached("SELECT max(id) FROM observations WHERE id < ?1")?
            .query_row([until], |row| row.get(0)),
    }
}

/// One step over rows of the running minute too, when their room is needed; `false` when all are rolled up.
pub(super) fn all(connection: &Connection, mark: &mut Option<Mark>) -> rusqlite::Result<bool> {
    let (Some(mut next), Some(last)) = (
        *mark,
        connection.query_row("SELECT max(id) FROM observations", [], |row| {
            row.get::<_, Option<i64>>(0)
        })?,
    ) else {
        return Ok(false);
    };
    if last < next.next {
        return Ok(false);
    }
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    add_raw(connection, &mut next, last + 1, Then::Keep)?;
    // Under a size that only this keeps, no minute would ever end before the mark.
    close_hours(connection, &mut next)?;
    close_days(connection, &mut next)?;
    next.save(connection)?;
    connection.prepare_cached("COMMIT")?.execute([])?;
    *mark = Some(next);
    Ok(true)
}

/// Rolls up raw rows below `end` and deletes them in one transaction, a step of them: their own pages make room for the
/// sums where the disk is full.
pub(super) fn release(connection: &Connection, mark: &mut Option<Mark>, end: i64) -> rusqlite::Result<()> {
    let Some(mut next) = *mark else { return Ok(()) };
    if end <= next.next {
        return Ok(());
    }
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let done = add_raw(connection, &mut next, end, Then::Delete)
        .and_then(|_| next.save(connection))
        .and_then(|()| connection.prepare_cached("COMMIT")?.execute([]));
    match done {
        Ok(_) => {
            *mark = Some(next);
            Ok(())
        }
        Err(error) => {
            connection.execute_batch("ROLLBACK")?;
            Err(error)
        }
    }
}

/// What becomes of raw rows that are summed.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Keep,
    Delete,
}

fn add_raw(connection: &Connection, mark: &mut Mark, end: i64, then: Then) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT id, target, kind, data FROM observations WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![mark.next, end.max(mark.next), STEP_ROWS])?;
    let mut sums = Late::default();
    let (mut seen, mut last) = (0, mark.next);
    while let Some(row) = rows.next()? {
        let raw = RawObservation::read(row)?;
        (seen, last) = (seen + 1, raw.id);
        let row = packed::unpack(packed::nobody(), time_of_id(raw.id), raw.kind, &raw.data);
        if let Some(row) = row {
            sums.add(raw.target, &row.observation);
        } else {
            tracing::warn!(id = raw.id, "a damaged observation is left out of the rollups");
        }
    }
    let more = seen == STEP_ROWS;
    drop(rows);
    if then == Then::Delete && seen > 0 {
        for table in ["texts", "observations"] {
            connection
                .prepare_cached(&format!("DELETE FROM {table} WHERE id >= ?1 AND id <= ?2"))?
                .execute([mark.next, last])?;
        }
    }
    // What is added here lies at or behind the mark as it was: hours before it may be closed.
    sums.fold(connection, Some(mark))?;
    mark.next = if more { last + 1 } else { end.max(mark.next) };
    Ok(more)
}

fn close_hours(connection: &Connection, mark: &mut Mark) -> rusqlite::Result<()> {
    let closed = Level::Hour.bucket(time_of_id(mark.next));
    close_until(
        connection,
        (Level::Minute, Level::Hour, 60),
        &mut mark.hour,
        closed,
    )
}

fn close_days(connection: &Connection, mark: &mut Mark) -> rusqlite::Result<()> {
    let closed = mark.hour.div_euclid(24);
    close_until(connection, (Level::Hour, Level::Day, 24), &mut mark.day, closed)
}

/// Closes the buckets from `next` up to `closed`; stretches without a row are passed at once.
fn close_until(
    connection: &Connection,
    (from, to, many): (Level, Level, i64),
    next: &mut i64,
    closed: i64,
) -> rusqlite::Result<()> {
    let targets: Vec<i64> = connection
        .prepare_cached("SELECT id FROM targets")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    while *next < closed {
        match first_at(connection, from, &targets, *next * many)? {
            Some(at) if at.div_euclid(many) < closed => *next = at.div_euclid(many),
            _ => {
                *next = closed;
                break;
            }
        }
        close(connection, (from, to, many), &targets, *next)?;
        *next += 1;
    }
    Ok(())
}

/// The first bucket of a level at or after that one that has a row.
fn first_at(
    connection: &Connection,
    level: Level,
    targets: &[i64],
    from: i64,
) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT min(at) FROM {} WHERE target = ?1 AND source = ?2 AND at >= ?3",
        level.table()
    ))?;
    let mut first: Option<i64> = None;
    for target in targets {
        for source in Source::ALL.map(packed::source_code) {
            let at: Option<i64> = statement.query_row(params![target, source, from], |row| row.get(0))?;
            first = [first, at].into_iter().flatten().min();
        }
    }
    Ok(first)
}

/// Makes one bucket of every target and source from the finer ones in it.
fn close(
    connection: &Connection,
    (from, to, many): (Level, Level, i64),
    targets: &[i64],
    bucket: i64,
) -> rusqlite::Result<()> {
    for target in targets {
        for source in Source::ALL.map(packed::source_code) {
            let mut sum = None::<Rollup>;
            let range = (bucket * many, (bucket + 1) * many);
            read(
                connection,
                from,
                (*target, source),
                range,
                Parts::ALL,
                |_, row| {
                    sum.get_or_insert_default().absorb(row);
                },
            )?;
            if let Some(sum) = sum {
                write(connection, to, (*target, source, bucket), &sum)?;
            }
        }
    }
    Ok(())
}
