//! The time axis that all charts share: few, round times in UTC, the date where a day begins.

use std::time::Duration;

use super::super::figures::strftime;
use crate::clock::Timestamp;

/// Most labels of the axis.
const MAX_LABELS: i64 = 8;
/// Labels nearer to an end than this part of the width would be cut off; their lines stay.
const MARGIN: f64 = 0.03;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Distances of ticks in milliseconds. Longer ones follow the calendar.
const STEPS: [i64; 9] = [
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
    let (start, end) = (from.as_millis(), from.plus(span).as_millis());
    let length = end - start;
    let times: Vec<i64> = match STEPS.into_iter().find(|step| length / step <= MAX_LABELS) {
        Some(step) => {
            let first = start.div_euclid(step) + i64::from(start.rem_euclid(step) != 0);
            (first..=end.div_euclid(step)).map(|n| n * step).collect()
        }
        None => half_months(start, end),
    };
    let days = length > 3 * DAY;
    let midnight = |ms: i64| ms.rem_euclid(DAY) == 0;
    // A day's name is kept where there is room for every other label only.
    let odd = times.iter().position(|ms| midnight(*ms)).unwrap_or(0) % 2;
    let ticks = times.into_iter().enumerate().map(|(index, ms)| {
        let at = (ms - start) as f64 / length.max(1) as f64;
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

/// The 1st and the 15th of every month.
fn half_months(start: i64, end: i64) -> Vec<i64> {
    (start.div_euclid(DAY) + 1..=end.div_euclid(DAY))
        .map(|day| day * DAY)
        .filter(|ms| matches!(&*strftime(Timestamp::from_millis(*ms), "%-d"), "1" | "15"))
        .collect()
}

/// When a step begins, as short as the span allows: `13:01`, or `21 Nov 13:00` where the span holds several days.
pub(super) fn named(at: Timestamp, span: Duration) -> String {
    let pattern = if span.as_millis() > (DAY + HOUR).unsigned_abs().into() {
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

    fn hour() -> Duration {
        Duration::from_secs(3_600)
    }

    fn labels(from: &str, hours: u32) -> Vec<String> {
        let from = Timestamp::from_rfc3339(from).unwrap();
        ticks(from, hour() * hours)
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
        let ticks = ticks(from, hour() * 24);
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
            for tick in ticks(from, hour() * hours) {
                assert!((0.0..=1.0).contains(&tick.at), "{hours} h: {tick:?}");
            }
        }
    }
}
