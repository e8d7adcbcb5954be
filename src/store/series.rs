//! Days of spend, and buckets for sparklines.

use std::time::Duration;

use rusqlite::params;

use super::{
    Counts, Reader, Rollup, SeriesQuery, Span, StoreError,
    apply::{DAY_MS, SPILL_MS, first_id},
    query::{RawObservation, rows},
    roll::MINUTE_MS,
};
use crate::{
    clock::Timestamp,
    id::TargetId,
    verdict::{Source, Verdict},
};

/// Most buckets of one answer.
pub const MAX_BUCKETS: usize = 500;
/// Most raw rows that buckets are made from; the newest ones count.
const MAX_BUCKET_ROWS: i64 = 200_000;

/// One column of a sparkline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// When it began.
    pub at: Timestamp,
    /// Requests that count.
    pub attempts: u64,
    /// Errors and truncations.
    pub failed: u64,
    /// Truncations.
    pub truncated: u64,
    /// Median first token of complete replies in milliseconds; `None` without one.
    pub ttft_p50_ms: Option<f64>,
}

impl Reader {
    /// Dollars spent on probes in the UTC day of `day`, per target in the order of their names. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn spent_today(&self, day: Timestamp) -> Result<Vec<(TargetId, f64)>, StoreError> {
        self.with(|session| {
            let raws: Vec<(i64, f64)> = session
                .connection
                .prepare_cached("SELECT target, usd FROM spend WHERE day = ?1")?
                .query_map([day.as_millis().div_euclid(DAY_MS)], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<Result<_, _>>()?;
            let mut spent = raws
                .into_iter()
                .map(|(target, usd)| Ok((session.target(target)?, usd)))
                .collect::<Result<Vec<_>, StoreError>>()?;
            spent.sort_by(|a, b| a.0.cmp(&b.0));
            Ok(spent)
        })
    }

    /// `count` buckets of `step` each from `from` on, empty ones included, without `reach`; at most [`MAX_BUCKETS`].
    /// Whole minutes come from the rollups as a series does: a report counts when its request was, and the median is
    /// within 1.09 %. Otherwise, and where no minutes are kept, from the newest 200,000 raw rows of the span; a step
    /// below a millisecond counts as one there. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn buckets(
        &self,
        target: &TargetId,
        from: Timestamp,
        step: Duration,
        count: usize,
    ) -> Result<Vec<Bucket>, StoreError> {
        let count = count.min(MAX_BUCKETS);
        if let Some(buckets) = self.minute_buckets(target, from, step, count)? {
            return Ok(buckets);
        }
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut filling: Vec<(Counts, Vec<f64>)> = vec![Default::default(); count];
        let to = Timestamp::from_millis(from.as_millis().saturating_add(step.saturating_mul(rows(count))));
        self.with(|session| {
            let Some(number) = session.number_of(target)? else {
                return Ok(());
            };
            let until = first_id(Timestamp::from_millis(to.as_millis().saturating_add(SPILL_MS)));
            let raws: Vec<RawObservation> = session
                .connection
                .prepare_cached(
                    "SELECT id, target, kind, data FROM observations INDEXED BY observations_by_target
                     WHERE target = ?1 AND id >= ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4",
                )?
                .query_map(
                    params![number, first_id(from), until, MAX_BUCKET_ROWS],
                    RawObservation::read,
                )?
                .collect::<Result<_, _>>()?;
            for raw in raws {
                let o = session.unpack_bare(&raw)?;
                if o.at < from || o.at >= to {
                    continue;
                }
                let index = (o.at.as_millis() - from.as_millis()) / step;
                if let Some((counts, ttfts)) = filling.get_mut(index as usize) {
                    let one = Counts::of(&o);
                    *counts += one;
                    if o.verdict == Verdict::Complete && one.complete > 0 {
                        ttfts.extend(o.ttft().map(|ttft| ttft.as_secs_f64() * 1e3));
                    }
                }
            }
            Ok(())
        })?;
        let at = |index: usize| Timestamp::from_millis(from.as_millis().saturating_add(step * rows(index)));
        Ok(filling
            .into_iter()
            .enumerate()
            .map(|(index, (counts, ttfts))| Bucket {
                at: at(index),
                attempts: counts.attempts,
                failed: counts.failed(),
                truncated: counts.truncated,
                ttft_p50_ms: median(ttfts),
            })
            .collect())
    }
}

impl Reader {
    /// The same from rollups; `None` where they have no such buckets.
    fn minute_buckets(
        &self,
        target: &TargetId,
        from: Timestamp,
        step: Duration,
        count: usize,
    ) -> Result<Option<Vec<Bucket>>, StoreError> {
        let ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        if ms < MINUTE_MS || ms % MINUTE_MS != 0 || from.as_millis() % ms != 0 || count == 0 {
            return Ok(None);
        }
        let query = SeriesQuery {
            target: target.clone(),
            from,
            to: Timestamp::from_millis(from.as_millis().saturating_add(ms.saturating_mul(rows(count)))),
            step,
            sources: vec![Source::Canary, Source::Long, Source::Report, Source::Tap],
            spans: vec![Span::Ttft],
        };
        let series = match self.series(&query) {
            // Raw rows are there while older history is being moved.
            Err(StoreError::Migrating) => return Ok(None),
            other => other?,
        };
        if series.step != step || series.points.len() != count {
            return Ok(None);
        }
        let bucket = |(index, point): (usize, &Rollup)| Bucket {
            at: series.at(index),
            attempts: point.counts.attempts,
            failed: point.counts.failed(),
            truncated: point.counts.truncated,
            ttft_p50_ms: point.span(Span::Ttft).quantile(0.5),
        };
        Ok(Some(series.points.iter().enumerate().map(bucket).collect()))
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_lower_middle() {
        for (values, expected) in [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![4.0, 2.0], Some(2.0)),
            (vec![9.0, 1.0, 5.0], Some(5.0)),
        ] {
            assert_eq!(median(values), expected);
        }
    }
}
