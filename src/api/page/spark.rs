//! The last hour as shapes: SVG paths on a fixed grid, scaled by the stylesheet.

use std::{fmt::Write, time::Duration};

use crate::clock::Timestamp;

/// Columns of a sparkline.
pub const BUCKETS: usize = 60;
/// Length of one column.
pub const BUCKET: Duration = Duration::from_secs(60);
/// Height of the drawing; a column is two units wide.
const HEIGHT: f64 = 20.0;
/// A failure is never drawn lower than this, or one in a thousand would vanish.
const LEAST: f64 = 3.0;

/// One minute of a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Its beginning.
    pub at: Timestamp,
    /// Attempts that count.
    pub attempts: u64,
    /// Attempts that failed, truncated ones included.
    pub failed: u64,
    /// Truncated replies.
    pub truncated: u64,
    /// Median time to the first token of the complete ones.
    pub ttft_p50_ms: Option<f64>,
}

/// A drawn hour.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Spark {
    /// Minutes with attempts, as a line along the middle: the stylesheet draws it as thick as the drawing is high and
    /// dashed by the minute, so that a long run costs as little as a short one.
    pub(super) seen: String,
    /// Failed attempts, as bars: height is their share.
    pub(super) failed: String,
    /// The truncated part of those bars.
    pub(super) truncated: String,
    /// Median TTFT as a line, from 0 at the ground to [`Spark::ttft_top_ms`].
    pub(super) ttft: String,
    /// The top of the TTFT scale in milliseconds; zero where there is no line.
    pub(super) ttft_top_ms: f64,
    /// The picture in words.
    pub(super) words: String,
}

/// Draws the hour before `now`. Buckets outside it are left out.
pub(super) fn draw(buckets: &[Bucket], now: Timestamp) -> Spark {
    let mut columns: [Option<&Bucket>; BUCKETS] = [None; BUCKETS];
    let from = now.minus(BUCKET * (BUCKETS as u32 - 1));
    for bucket in buckets.iter().filter(|bucket| bucket.attempts > 0) {
        if let Some(column) = column(bucket.at, from).and_then(|i| columns.get_mut(i)) {
            *column = Some(bucket);
        }
    }
    let mut spark = Spark {
        ttft_top_ms: columns
            .iter()
            .flatten()
            .filter_map(|b| b.ttft_p50_ms)
            .fold(0.0, f64::max),
        ..Spark::default()
    };
    let (mut attempts, mut failed, mut seen_until, mut ttft_until) = (0, 0, None, None);
    for (i, bucket) in columns.iter().enumerate() {
        let Some(bucket) = bucket else { continue };
        attempts += bucket.attempts;
        failed += bucket.failed.min(bucket.attempts);
        if seen_until == Some(i) {
            // Lengthens the run: the last two numbers of the path are replaced by a longer stroke.
            let cut = spark.seen.rfind('H').unwrap_or(spark.seen.len());
            spark.seen.truncate(cut);
        } else {
            put(&mut spark.seen, format_args!("M{} 10", i * 2));
        }
        put(&mut spark.seen, format_args!("H{}", i * 2 + 2));
        seen_until = Some(i + 1);
        bar(&mut spark.failed, i, bucket.failed, bucket.attempts);
        bar(&mut spark.truncated, i, bucket.truncated, bucket.attempts);
        if let Some(ms) = bucket.ttft_p50_ms.filter(|_| spark.ttft_top_ms > 0.0) {
            let verb = if ttft_until == Some(i) { 'L' } else { 'M' };
            let y = HEIGHT - ms / spark.ttft_top_ms * (HEIGHT - 2.0);
            put(&mut spark.ttft, format_args!("{verb}{} {y:.1}h2", i * 2));
            ttft_until = Some(i + 1);
        }
    }
    spark.words = if attempts == 0 {
        "no attempts in the last hour".to_owned()
    } else {
        format!("{failed} of {attempts} attempts failed in the last hour")
    };
    spark
}

/// Columns are minutes of the clock, as the store's buckets are.
fn column(at: Timestamp, from: Timestamp) -> Option<usize> {
    let minute = |time: Timestamp| time.as_millis().div_euclid(BUCKET.as_millis() as i64);
    usize::try_from(minute(at) - minute(from)).ok()
}

fn bar(path: &mut String, column: usize, hits: u64, attempts: u64) {
    if hits > 0 {
        let height = (hits as f64 / attempts as f64).min(1.0) * HEIGHT;
        put(
            path,
            format_args!("M{} 20v-{:.0}", column * 2 + 1, height.max(LEAST)),
        );
    }
}

fn put(path: &mut String, args: std::fmt::Arguments<'_>) {
    path.write_fmt(args).expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_781_960_460_000);

    fn bucket(minutes_ago: u64, attempts: u64, failed: u64) -> Bucket {
        Bucket {
            at: NOW.minus(Duration::from_secs(60 * minutes_ago)),
            attempts,
            failed,
            truncated: failed,
            ttft_p50_ms: (failed < attempts).then_some(400.0),
        }
    }

    #[test]
    fn nothing_seen_draws_nothing_and_says_so() {
        let spark = draw(&[], NOW);
        assert_eq!((spark.seen.as_str(), spark.failed.as_str()), ("", ""));
        assert_eq!(spark.words, "no attempts in the last hour");
        assert_eq!(
            draw(&[bucket(3, 0, 0)], NOW),
            spark,
            "a minute without attempts is no data"
        );
    }

    #[test]
    fn runs_are_one_stroke_and_gaps_stay_open() {
        let buckets = [
            bucket(59, 1, 0),
            bucket(58, 1, 0),
            bucket(1, 1, 0),
            bucket(0, 1, 0),
        ];
        assert_eq!(draw(&buckets, NOW).seen, "M0 10H4M116 10H120");
    }

    #[test]
    fn bars_grow_with_the_share_and_never_vanish() {
        let spark = draw(&[bucket(2, 1000, 1), bucket(1, 12, 6), bucket(0, 3, 9)], NOW);
        assert_eq!(spark.failed, "M115 20v-3M117 20v-10M119 20v-20");
        assert_eq!(spark.words, "10 of 1015 attempts failed in the last hour");
    }

    #[test]
    fn only_the_hour_is_drawn() {
        assert_eq!(draw(&[bucket(60, 5, 5)], NOW).failed, "");
        let ahead = Bucket {
            at: NOW.plus(Duration::from_secs(60)),
            ..bucket(0, 5, 5)
        };
        assert_eq!(draw(&[ahead], NOW).failed, "");
    }

    #[test]
    fn columns_are_minutes_of_the_clock() {
        let minute = Timestamp::from_millis(NOW.as_millis() / 60_000 * 60_000);
        let this = Bucket {
            at: minute,
            ..bucket(0, 2, 1)
        };
        for seconds in [0, 1, 59] {
            let now = minute.plus(Duration::from_secs(seconds));
            assert_eq!(draw(&[this], now).failed, "M119 20v-10", "{seconds}");
        }
        let next = minute.plus(Duration::from_secs(60));
        assert_eq!(draw(&[this], next).failed, "M117 20v-10");
    }
}
