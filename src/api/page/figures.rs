//! Figures and times in words. A figure never comes without its n, and one that is missing says why.
//!
//! `dashboards/status/status.js` formats the same way when values arrive live; the next copy of the page from the
//! server corrects it should the two ever differ.

use std::time::Duration;

use crate::{
    clock::Timestamp,
    feed::v1::{Percentiles, Rate},
};

/// Shown where there is no figure.
pub(super) const NONE: &str = "–";
/// A rate is marked once its whole interval lies above this share: below, a failure or two may be chance.
pub(super) const NOTABLE_SHARE: f64 = 0.01;

/// One figure as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Figure {
    /// The feed's name of it; the script finds it by this.
    pub(super) key: &'static str,
    /// What it is, for people.
    pub(super) label: &'static str,
    /// `17 %`, `0.41 / 0.90 s` or [`NONE`].
    pub(super) value: String,
    /// Interval and n, or why there is none.
    pub(super) note: String,
    /// Out of bounds: to be marked.
    pub(super) marked: bool,
}

/// A share with its interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) value: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) n: u64,
}

impl From<Rate> for Share {
    fn from(rate: Rate) -> Self {
        Self {
            value: rate.value,
            low: rate.low,
            high: rate.high,
            n: rate.n,
        }
    }
}

impl Figure {
    /// A rate with its interval and n.
    pub(super) fn rate(key: &'static str, label: &'static str, share: impl Into<Share>) -> Self {
        let share = share.into();
        let (value, note) = match (share.value, share.low, share.high) {
            (Some(value), Some(low), Some(high)) if share.n > 0 => (
                percent(value),
                format!("{}–{} · n {}", bare_percent(low), percent(high), share.n),
            ),
            _ => (NONE.to_owned(), "no attempt · n 0".to_owned()),
        };
        let marked = value != NONE && share.low.is_some_and(|low| low > NOTABLE_SHARE);
        Self {
            key,
            label,
            value,
            note,
            marked,
        }
    }

    /// Median and 95th percentile of the feed, with n.
    pub(super) fn percentiles(key: &'static str, label: &'static str, p: Percentiles) -> Self {
        Self::latency(key, label, (p.p50, p.p95), p.n)
    }

    /// Median and 95th percentile in milliseconds, with n.
    pub(super) fn latency(
        key: &'static str,
        label: &'static str,
        (p50, p95): (Option<f64>, Option<f64>),
        n: u64,
    ) -> Self {
        let (value, note) = match p50 {
            Some(p50) if n > 0 => (latency_pair(p50, p95), format!("n {n}")),
            _ => (NONE.to_owned(), "no reply · n 0".to_owned()),
        };
        Self {
            key,
            label,
            value,
            note,
            marked: false,
        }
    }

    /// Median tokens a second, with n.
    pub(super) fn speed(key: &'static str, label: &'static str, p50: Option<f64>, n: u64) -> Self {
        let (value, note) = match p50 {
            Some(p50) if n > 0 => (format!("{p50:.0} tokens/s"), format!("n {n}")),
            _ => (NONE.to_owned(), "no reply · n 0".to_owned()),
        };
        Self {
            key,
            label,
            value,
            note,
            marked: false,
        }
    }
}

fn bare_percent(share: f64) -> String {
    let points = share * 100.0;
    if points < 0.05 {
        "0".to_owned()
    } else if points < 9.95 {
        format!("{points:.1}")
    } else {
        format!("{points:.0}")
    }
}

/// `0 %`, `1.2 %`, `58 %`. The space does not break.
pub(super) fn percent(share: f64) -> String {
    format!("{}\u{a0}%", bare_percent(share))
}

/// Uptime with two decimals, rounded down: `100 %` means that nothing at all was lost.
pub(super) fn uptime(share: f64) -> String {
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0 + 1e-7).floor();
    if hundredths >= 10_000.0 {
        "100\u{a0}%".to_owned()
    } else {
        format!("{:.2}\u{a0}%", hundredths / 100.0)
    }
}

fn seconds(ms: f64) -> String {
    let s = ms / 1000.0;
    if s < 0.995 {
        format!("{s:.2}")
    } else if s < 9.95 {
        format!("{s:.1}")
    } else {
        format!("{s:.0}")
    }
}

/// Two percentiles with one unit: `0.41 / 0.90 s`; milliseconds where both are below 100 ms, with a decimal below 10.
fn latency_pair(p50: f64, p95: Option<f64>) -> String {
    let top = p95.unwrap_or(p50).max(p50);
    let (show, unit): (fn(f64) -> String, _) = if top < 9.95 {
        (|ms| format!("{ms:.1}"), "ms")
    } else if top < 99.5 {
        (|ms| format!("{ms:.0}"), "ms")
    } else {
        (seconds, "s")
    };
    match p95 {
        Some(p95) => format!("{} / {}\u{a0}{unit}", show(p50), show(p95)),
        None => format!("{}\u{a0}{unit}", show(p50)),
    }
}

/// One duration: `412 ms`, `1.9 s`, `12 s`.
pub(super) fn duration(span: Duration) -> String {
    milliseconds(span.as_secs_f64() * 1000.0)
}

/// As [`duration`], from milliseconds.
pub(super) fn milliseconds(ms: f64) -> String {
    if ms < 999.5 {
        format!("{ms:.0}\u{a0}ms")
    } else {
        format!("{}\u{a0}s", seconds(ms))
    }
}

/// A length that is a rule: exact, in the largest unit that has no fraction. `90 s`, `48 h`, `14 d`, `200 ms`.
pub(super) fn exact(span: Duration) -> String {
    let s = span.as_secs();
    let (n, unit) = match s {
        _ if span.subsec_millis() > 0 => (s * 1_000 + u64::from(span.subsec_millis()), "ms"),
        259_200.. if s.is_multiple_of(86_400) => (s / 86_400, "d"),
        3_600.. if s.is_multiple_of(3_600) => (s / 3_600, "h"),
        60.. if s.is_multiple_of(60) => (s / 60, "min"),
        _ => (s, "s"),
    };
    format!("{n}\u{a0}{unit}")
}

/// How long ago, in one unit: `5 s`, `4 min`, `3 h`, `2 d`.
pub(super) fn age(span: Duration) -> String {
    let s = span.as_secs();
    let (n, unit) = match s {
        0..60 => (s, "s"),
        60..3_600 => (s / 60, "min"),
        3_600..172_800 => (s / 3_600, "h"),
        _ => (s / 86_400, "d"),
    };
    format!("{n}\u{a0}{unit}")
}

/// Dollars: cents from one cent on, else two significant digits, so that a cheap probe does not read as free.
pub(super) fn dollars(usd: f64) -> String {
    if usd <= 0.0 {
        "$0".to_owned()
    } else if usd < 0.000_1 {
        "under $0.0001".to_owned()
    } else if usd < 0.01 {
        format!("${usd:.4}")
    } else {
        format!("${usd:.2}")
    }
}

/// A point in time: for machines, in full, in short and as an age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    /// RFC 3339, for `datetime`.
    pub(super) iso: String,
    /// `2026-06-20 13:01:00 UTC`, for `title`.
    pub(super) full: String,
    /// `13:01 UTC`, with the day where it is not today's.
    pub(super) short: String,
    /// `13:01:07`, for tables.
    pub(super) second: String,
    /// `4 min`.
    pub(super) age: String,
}

impl Moment {
    /// `at`, seen from `now`.
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let same = |pattern| strftime(at, pattern) == strftime(now, pattern);
        let pattern = if same("%F") {
            "%H:%M UTC"
        } else if same("%Y") {
            "%-d %b %H:%M UTC"
        } else {
            "%-d %b %Y %H:%M UTC"
        };
        Self {
            iso: strftime(at, "%FT%TZ"),
            full: strftime(at, "%F %T UTC"),
            short: strftime(at, pattern),
            second: strftime(at, if same("%F") { "%T" } else { "%-d %b %T" }),
            age: age(now.since(at)),
        }
    }
}

/// `at` in UTC by a `strftime` pattern. A time outside the calendar shows as none.
pub(super) fn strftime(at: Timestamp, pattern: &str) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| NONE.to_owned(), |time| time.strftime(pattern).to_string())
}

#[cfg(test)]
mod tests;
