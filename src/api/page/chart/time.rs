//! The time axis that all charts share: few, round times in UTC, the date where a day begins.

use std::time::Duration;

use super::super::figures::strftime;
use crate::clock::Timestamp;

/// Most labels of the axis.
const MAX_LABELS: u64 = 8;
/// Labels nearer to an end than this part of the width would be cut off; their lines stay.
const MARGIN: f64 = 0.03;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// Distances of ticks in seconds. Longer ones follow the calendar.
const STEPS: [u64; 9] = [
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
];

/// One time on the axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Where, as a part of the width.
    pub(super) at: f64,
    /// `13:10`, or `22 Nov` where a day begins; empty at the ends.
    pub(super) label: String,
    /// A day begins here.
    pub(super) day: bool,
    /// One of those that a narrow page leaves out.
    pub(super) spare: bool,
}

/// The ticks of a span.
pub(super) fn ticks(from: Timestamp, span: Duration) -> Vec<Tick> {
    let (start, seconds) = (from.as_millis(), span.as_secs());
    let times: Vec<i64> = match STEPS.into_iter().find(|step| seconds / step <= MAX_LABELS) {
        Some(step) => {
            let step = step as i64 * 1_000;
            let first = start.div_euclid(step) + i64::from(start.rem_euclid(step) != 0);
            (first..)
                .map(|n| n * step)
                .take_while(|t| *t <= end(from, span))
                .collect()
        }
        None => half_months(from, span),
    };
    let days = seconds > 3 * DAY;
    let midnight = |ms: i64| ms.rem_euclid(DAY as i64 * 1_000) == 0;
    // A day's name is kept where there is room for every other label only.
    let odd = times.iter().position(|ms| midnight(*ms)).unwrap_or(0) % 2;
    let ticks = times.into_iter().enumerate().map(|(index, ms)| {
        let at = (ms - start) as f64 / (span.as_millis().max(1)) as f64;
        let day = midnight(ms);
        let pattern = if day { "%-d %b" } else { "%H:%M" };
        Tick {
            at,
            label: if (MARGIN..=1.0 - MARGIN).contains(&at) {
                strftime(Timestamp::from_millis(ms), pattern)
            } else {
                String::new()
            },
            day: day && !days,
            spare: index % 2 != odd,
        }
    });
    ticks.collect()
}

fn end(from: Timestamp, span: Duration) -> i64 {
    from.plus(span).as_millis()
}

/// The 1st and the 15th of every month.
fn half_months(from: Timestamp, span: Duration) -> Vec<i64> {
    let day = DAY as i64 * 1_000;
    let first = from.as_millis().div_euclid(day) + 1;
    (first..=end(from, span).div_euclid(day))
        .map(|n| n * day)
        .filter(|ms| matches!(&*strftime(Timestamp::from_millis(*ms), "%-d"), "1" | "15"))
        .collect()
}

/// When a step begins, as short as the span allows: `13:01`, or `21 Nov 13:00` where the span holds several days.
pub(super) fn named(at: Timestamp, span: Duration) -> String {
    let pattern = if span.as_secs() > DAY + HOUR {
        "%-d %b %H:%M"
    } else {
        "%H:%M"
    };
    strftime(at, pattern)
}

/// A moment with its day: `21 Nov 06:40`.
pub(super) fn dated(at: Timestamp) -> String {
    strftime(at, "%-d %b %H:%M")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: &str, hours: u64) -> Vec<String> {
        let from = Timestamp::from_rfc3339(from).unwrap();
        ticks(from, Duration::from_secs(hours * HOUR))
            .into_iter()
            .filter(|tick| !tick.label.is_empty())
            .map(|tick| tick.label)
            .collect()
    }

    #[test]
    fn times_are_round_and_few() {
        assert_eq!(
            labels("2026-11-22T06:36:00Z", 1),
            ["06:40", "06:50", "07:00", "07:10", "07:20", "07:30"]
        );
        assert_eq!(
            labels("2026-11-21T07:40:00Z", 24),
            [
                "09:00", "12:00", "15:00", "18:00", "21:00", "22 Nov", "03:00", "06:00"
            ]
        );
        assert_eq!(labels("2026-11-15T08:00:00Z", 168).len(), 7);
        assert_eq!(
            labels("2026-08-24T12:00:00Z", 24 * 90),
            ["1 Sep", "15 Sep", "1 Oct", "15 Oct", "1 Nov", "15 Nov"]
        );
    }

    #[test]
    fn a_narrow_page_keeps_the_day() {
        let from = Timestamp::from_rfc3339("2026-11-21T07:40:00Z").unwrap();
        let ticks = ticks(from, Duration::from_secs(24 * HOUR));
        let kept: Vec<&str> = ticks
            .iter()
            .filter(|t| !t.spare)
            .map(|t| t.label.as_str())
            .collect();
        assert_eq!(kept, ["12:00", "18:00", "22 Nov", "06:00"]);
    }

    #[test]
    fn ticks_lie_on_the_axis() {
        for hours in [0, 1, 5, 24, 100, 168, 2_160, 24 * 4_000] {
            let from = Timestamp::from_rfc3339("2026-02-27T23:59:59Z").unwrap();
            for tick in ticks(from, Duration::from_secs(hours * HOUR)) {
                assert!((0.0..=1.0).contains(&tick.at), "{hours} h: {tick:?}");
            }
        }
    }
}
