//! Series over any span: rollups where they are closed, raw rows behind them, so that every observation counts once.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Counts, Reader, StoreError,
    apply::{DAY_MS, HOUR_MS},
    packed,
    query::{RawObservation, rows},
    reader::Session,
    roll::{Level, MINUTE_MS, Mark},
    rollup::{Rollup, Span, history_time},
    row::{self, Parts},
};
use crate::{clock::Timestamp, id::TargetId, verdict::Source};

/// Most points of one answer.
pub const MAX_POINTS: usize = 2_500;
/// Most raw rows that are read behind the rollups; the oldest ones count.
const MAX_TAIL_ROWS: usize = 200_000;

/// Which series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesQuery {
    /// Whose.
    pub target: TargetId,
    /// From the step that holds this moment.
    pub from: Timestamp,
    /// To the step that holds this moment, which is left out when it begins there.
    pub to: Timestamp,
    /// Length of a step: a whole number of minutes, at least one. Where so fine rows are no longer kept, and where
    /// more than [`MAX_POINTS`] would come, a longer one is taken: [`Series::step`] tells.
    pub step: Duration,
    /// Whose word counts; `reach` counts only where it is named.
    pub sources: Vec<Source>,
    /// Which histograms are read; the others of [`Series::points`] are empty. They are most of a row, so few are quick.
    pub spans: Vec<Span>,
    /// Whether verdicts, tokens and money are read beside the counts; else they are empty.
    pub outcomes: bool,
}

/// A series in equal steps, aligned to midnight UTC. A step without observations is empty: a gap.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// When the first step begins.
    pub from: Timestamp,
    /// Length of a step.
    pub step: Duration,
    /// Sums, one a step.
    pub points: Vec<Rollup>,
}

impl Series {
    /// When a step begins.
    pub fn at(&self, index: usize) -> Timestamp {
        let step = i64::try_from(self.step.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(
            self.from
                .as_millis()
                .saturating_add(step.saturating_mul(rows(index))),
        )
    }
}

/// One day of one target, for bars.
#[derive(Debug, Clone, PartialEq)]
pub struct DayCounts {
    /// Whose.
    pub target: TargetId,
    /// Midnight UTC.
    pub at: Timestamp,
    /// What happened, `reach` left out.
    pub counts: Counts,
}

/// A grid of steps in milliseconds.
struct Grid {
    start: i64,
    step: i64,
    count: usize,
}

impl Grid {
    fn of(query: &SeriesQuery, finest: i64) -> Self {
        let minutes = |ms: i64| ms.div_euclid(MINUTE_MS).max(1) * MINUTE_MS;
        let asked = i64::try_from(query.step.as_millis()).unwrap_or(i64::MAX / 4);
        let mut step = minutes(asked.clamp(MINUTE_MS, 400 * DAY_MS));
        if step % finest != 0 {
            step = (step / finest + 1) * finest;
        }
        let (from, to) = (query.from.as_millis(), query.to.as_millis());
        let span = to.saturating_sub(from).max(0);
        let most = rows(MAX_POINTS - 1);
        if span / step > most {
            step = (span / most / finest + 1) * finest;
        }
        let start = from.div_euclid(step) * step;
        let count = (to.saturating_sub(start).max(0) + step - 1) / step;
        Self {
            start,
            step,
            count: usize::try_from(count).unwrap_or(0).min(MAX_POINTS),
        }
    }

    fn end(&self) -> i64 {
        self.start + self.step * rows(self.count)
    }

    fn index(&self, ms: i64) -> Option<usize> {
        let index = usize::try_from((ms - self.start).div_euclid(self.step)).ok()?;
        (index < self.count).then_some(index)
    }
}

impl Reader {
    /// A series of one target. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn series(&self, query: &SeriesQuery) -> Result<Series, StoreError> {
        self.settled()?;
        let mut all = self.with(|session| session.series(query, false))?;
        Ok(all.remove(0))
    }

    /// The same, each source by itself in the order of the query, read in one go. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn series_by_source(&self, query: &SeriesQuery) -> Result<Vec<(Source, Series)>, StoreError> {
        self.settled()?;
        let all = self.with(|session| session.series(query, true))?;
        Ok(query.sources.iter().copied().zip(all).collect())
    }

    /// Days of every target, `reach` left out, in order of target and day, from the day of `from` to the day before that
    /// of `to`, or with it where `to` is no midnight; the running day comes from its hours, minutes and raw rows.
    /// **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn days(&self, from: Timestamp, to: Timestamp) -> Result<Vec<DayCounts>, StoreError> {
        self.settled()?;
        self.with(|session| session.days(from, to))
    }
}

impl Session {
    /// One series of all sources together, or of each by itself in the order of the query.
    fn series(&mut self, query: &SeriesQuery, apart: bool) -> Result<Vec<Series>, StoreError> {
        // One transaction: rolling moves rows between what is read first and what is read last.
        let transaction = self.connection.unchecked_transaction()?;
        let mark = mark(&transaction)?;
        let finest = finest(&transaction, query.from)?;
        let grid = Grid::of(query, finest);
        let parts = Parts {
            outcomes: query.outcomes,
            spans: &query.spans,
        };
        let lane = |source: usize| if apart { source } else { 0 };
        let lanes = if apart { query.sources.len() } else { 1 };
        let mut points = vec![vec![Rollup::default(); grid.count]; lanes];
        if let Some(target) = self.number_of(&query.target)? {
            for (index, source) in query.sources.iter().enumerate() {
                let points = &mut points[lane(index)];
                rolled(
                    &transaction,
                    &grid,
                    &mark,
                    (target, packed::source_code(*source)),
                    parts,
                    &mut |ms: i64, row: Rollup| {
                        if let Some(index) = grid.index(ms) {
                            points[index].absorb(row);
                        }
                    },
                )?;
            }
            tail(&transaction, &mark, Some(target), |_, o| {
                let source = query.sources.iter().position(|source| *source == o.source);
                if let (Some(source), Some(index)) = (source, grid.index(history_time(o).as_millis())) {
                    points[lane(source)][index].add_parts(o, parts);
                }
            })?;
        }
        transaction.commit()?;
        let series = |points| Series {
            from: Timestamp::from_millis(grid.start),
            step: Duration::from_millis(grid.step.cast_unsigned()),
            points,
        };
        Ok(points.into_iter().map(series).collect())
    }

    fn days(&mut self, from: Timestamp, to: Timestamp) -> Result<Vec<DayCounts>, StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        let mark = mark(&transaction)?;
        let range = Level::Day.bucket(from)..to.as_millis().saturating_add(DAY_MS - 1).div_euclid(DAY_MS);
        let mut sums = BTreeMap::new();
        closed_days(&transaction, (range.start, range.end.min(mark.day)), &mut sums)?;
        let open = range.start.max(mark.day);
        let (hours, minutes) = ((open * 24, range.end * 24), (open * 24).max(mark.hour) * 60);
        open_days(
            &transaction,
            Level::Hour,
            (hours.0, hours.1.min(mark.hour)),
            &mut sums,
        )?;
        open_days(
            &transaction,
            Level::Minute,
            (minutes, range.end * 1_440),
            &mut sums,
        )?;
        tail(&transaction, &mark, None, |target, o| {
            let day = Level::Day.bucket(history_time(o));
            if o.source != Source::Reach && range.contains(&day) {
                *sums.entry((target, day)).or_default() += Counts::of(o);
            }
        })?;
        transaction.commit()?;
        let mut days = sums
            .into_iter()
            .map(|((target, day), counts)| {
                Ok(DayCounts {
                    target: self.target(target)?,
                    at: Timestamp::from_millis(day * DAY_MS),
                    counts,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        days.sort_by(|a, b| (&a.target, a.at).cmp(&(&b.target, b.at)));
        Ok(days)
    }
}

/// Counts by target and day.
type DaySums = BTreeMap<(i64, i64), Counts>;

/// Adds days that are rolled up, from an index that holds nothing but counts.
fn closed_days(connection: &Connection, range: (i64, i64), sums: &mut DaySums) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT target, at, attempts, began, errors, truncated, complete, ours, source
         FROM days INDEXED BY days_counts WHERE at >= ?1 AND at < ?2",
    )?;
    let reach = packed::source_code(Source::Reach);
    let mut found = statement.query(params![range.0, range.1])?;
    while let Some(row) = found.next()? {
        if row.get::<_, u8>(8)? != reach {
            *sums.entry((row.get(0)?, row.get(1)?)).or_default() += row::counts(row, 2)?;
        }
    }
    Ok(())
}

/// Adds the hours or minutes of days that are not rolled up yet.
fn open_days(
    connection: &Connection,
    level: Level,
    range: (i64, i64),
    sums: &mut DaySums,
) -> rusqlite::Result<()> {
    let [canary, long, report, tap] =
        [Source::Canary, Source::Long, Source::Report, Source::Tap].map(packed::source_code);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT t.id, r.at, r.attempts, r.began, r.errors, r.truncated, r.complete, r.ours
         FROM targets t JOIN {} r ON r.target = t.id AND r.source IN (?3, ?4, ?5, ?6) AND r.at >= ?1 AND r.at < ?2",
        level.table()
    ))?;
    let per_day = DAY_MS / level.width_ms();
    let mut found = statement.query(params![range.0, range.1, canary, long, report, tap])?;
    while let Some(row) = found.next()? {
        let key = (row.get(0)?, row.get::<_, i64>(1)?.div_euclid(per_day));
        *sums.entry(key).or_default() += row::counts(row, 2)?;
    }
    Ok(())
}

/// Reads the coarsest closed rows that fit the grid, then finer ones behind them.
fn rolled(
    connection: &Connection,
    grid: &Grid,
    mark: &Mark,
    (target, source): (i64, u8),
    parts: Parts<'_>,
    add: &mut impl FnMut(i64, Rollup),
) -> rusqlite::Result<()> {
    let mut cursor = grid.start;
    for (level, closed) in [
        (Level::Day, mark.day),
        (Level::Hour, mark.hour),
        (Level::Minute, i64::MAX),
    ] {
        let width = level.width_ms();
        if grid.step % width != 0 {
            continue;
        }
        let end = closed.saturating_mul(width).min(grid.end());
        if end <= cursor {
            continue;
        }
        let range = (cursor.div_euclid(width), end.div_euclid(width));
        row::read(connection, level, (target, source), range, parts, |at, row| {
            add(at * width, row);
        })?;
        cursor = end;
    }
    Ok(())
}

/// Raw rows that rolling has not reached, oldest first.
fn tail(
    connection: &Connection,
    mark: &Mark,
    target: Option<i64>,
    mut sink: impl FnMut(i64, &crate::verdict::Observation),
) -> Result<(), StoreError> {
    let mut statement = match target {
        Some(_) => connection.prepare_cached(
            "SELECT id, target, kind, data FROM observations INDEXED BY observations_by_target
             WHERE target = ?3 AND id >= ?1 ORDER BY id LIMIT ?2",
        )?,
        None => connection.prepare_cached(
            "SELECT id, target, kind, data FROM observations NOT INDEXED
             WHERE id >= ?1 AND ?3 IS NULL ORDER BY id LIMIT ?2",
        )?,
    };
    let mut found = statement.query(params![mark.next, rows(MAX_TAIL_ROWS), target])?;
    while let Some(row) = found.next()? {
        let raw = RawObservation::read(row)?;
        let base = super::apply::time_of_id(raw.id);
        if let Some(row) = packed::unpack(packed::nobody(), base, raw.kind, &raw.data) {
            sink(raw.target, &row.observation);
        }
    }
    Ok(())
}

/// How far rolling has come. Before its first step a file has no hours, unless an older version wrote them.
fn mark(connection: &Connection) -> Result<Mark, StoreError> {
    if let Some(mark) = Mark::load(connection)? {
        return Ok(mark);
    }
    let hours: bool = connection.query_row("SELECT EXISTS (SELECT 1 FROM hours)", [], |row| row.get(0))?;
    if hours {
        return Err(StoreError::Migrating);
    }
    Ok(Mark::default())
}

/// Width of the finest rows that are still kept at `from`, in milliseconds.
fn finest(connection: &Connection, from: Timestamp) -> rusqlite::Result<i64> {
    let kept_from = |key: &str| -> rusqlite::Result<i64> {
        let value: Option<i64> = connection
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        Ok(value.unwrap_or(i64::MIN))
    };
    Ok(if Level::Minute.bucket(from) >= kept_from("minutes_from")? {
        MINUTE_MS
    } else if Level::Hour.bucket(from) >= kept_from("hours_from")? {
        HOUR_MS
    } else {
        DAY_MS
    })
}
