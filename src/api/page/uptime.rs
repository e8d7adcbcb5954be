//! Uptime over several spans, with how much of each was watched at all.

use crate::{
    clock::Timestamp,
    health::{Standing, StateTimes},
    id::TargetId,
};

use super::figures::NONE;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Spans in days, today included; history keeps time in state by day, so nothing shorter than today is known.
const SPANS: [(i64, &str); 4] = [(1, "today"), (7, "7 days"), (30, "30 days"), (90, "90 days")];

/// Uptime over one span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uptime {
    pub(super) label: &'static str,
    /// `99.95 %`, or a dash where nothing was known.
    pub(super) value: String,
    /// Time out, and the share of the span in which the state was known.
    pub(super) note: String,
}

/// The spans of one target; empty where nothing was ever kept.
pub(super) fn uptime(target: &TargetId, standings: &[Standing], now: Timestamp) -> Vec<Uptime> {
    let own = || standings.iter().filter(|standing| &standing.target == target);
    if own().next().is_none() {
        return Vec::new();
    }
    let today = now.as_millis().div_euclid(DAY_MS);
    let of = |(days, label): (i64, &'static str)| {
        let first = (today - days + 1) * DAY_MS;
        let mut times = StateTimes::default();
        own()
            .filter(|standing| standing.day.as_millis() >= first)
            .for_each(|standing| times.merge(&standing.times));
        shown(label, &times, (now.as_millis() - first).max(1) as f64)
    };
    SPANS.map(of).into()
}

fn shown(label: &'static str, times: &StateTimes, span_ms: f64) -> Uptime {
    let known = (times.known_ms() as f64 / span_ms).min(1.0);
    let seen = match known {
        // The running day lacks its last half minute.
        share if share > 0.995 => "watched all the time".to_owned(),
        share => format!("watched {} of the time", floor(share, 0)),
    };
    match times.uptime() {
        None => Uptime {
            label,
            value: NONE.to_owned(),
            note: "state not known".to_owned(),
        },
        Some(share) => Uptime {
            label,
            value: floor(share, 2),
            note: match times.out_ms() {
                0 => seen,
                ms => format!("{} out; {seen}", length(ms)),
            },
        },
    }
}

/// A percentage, rounded down: 99.999 % must not read as 100 %.
fn floor(share: f64, digits: u32) -> String {
    let scale = 10_f64.powi(digits.cast_signed());
    let points = (share * 100.0 * scale + 1e-9).floor() / scale;
    let width = if points >= 100.0 { 0 } else { digits as usize };
    format!("{points:.width$}\u{a0}%")
}

/// `40 s`, `12 min`, `3 h 5 min`: an outage in one unit would lose too much.
fn length(ms: u64) -> String {
    let s = ms.div_ceil(1_000);
    match s {
        0..120 => format!("{s}\u{a0}s"),
        120..7_200 => format!("{}\u{a0}min", s / 60),
        _ => format!("{}\u{a0}h {}\u{a0}min", s / 3_600, s % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::State;

    fn day(target: &str, back: i64, now: Timestamp, parts: &[(State, u64)]) -> Standing {
        let mut times = StateTimes::default();
        for (state, ms) in parts {
            times.add(*state, *ms);
        }
        let today = now.as_millis().div_euclid(DAY_MS);
        Standing {
            target: target.parse().unwrap(),
            day: Timestamp::from_millis((today - back) * DAY_MS),
            times,
        }
    }

    #[test]
    fn uptime_is_of_the_known_time_and_says_how_much_that_was() {
        let now = Timestamp::from_rfc3339("2026-06-20T12:00:00Z").unwrap();
        let (half, full) = (DAY_MS as u64 / 2, DAY_MS as u64);
        let standings = [
            day("p/m", 0, now, &[(State::Operational, half)]),
            day(
                "p/m",
                1,
                now,
                &[(State::Operational, full - 60_000), (State::Down, 60_000)],
            ),
            day("p/m", 6, now, &[(State::Unknown, full)]),
            day("p/other", 0, now, &[(State::Down, half)]),
        ];
        let found = uptime(&"p/m".parse().unwrap(), &standings, now);
        let words: Vec<String> = found
            .iter()
            .map(|u| format!("{} {} {}", u.label, u.value, u.note).replace('\u{a0}', " "))
            .collect();
        assert_eq!(
            words,
            [
                "today 100 % watched all the time",
                "7 days 99.95 % 60 s out; watched 23 % of the time",
                "30 days 99.95 % 60 s out; watched 5 % of the time",
                "90 days 99.95 % 60 s out; watched 1 % of the time",
            ]
        );
        assert!(uptime(&"p/none".parse().unwrap(), &standings, now).is_empty());
    }

    #[test]
    fn nothing_known_is_not_up() {
        let now = Timestamp::from_rfc3339("2026-06-20T12:00:00Z").unwrap();
        let standings = [day("p/m", 0, now, &[(State::Unknown, 5)])];
        let found = uptime(&"p/m".parse().unwrap(), &standings, now);
        assert!(found.iter().all(|u| u.value == NONE));
    }

    #[test]
    fn a_second_of_outage_is_never_a_hundred_percent() {
        assert_eq!(floor(1.0, 2), "100\u{a0}%");
        assert_eq!(floor(0.999_999, 2), "99.99\u{a0}%");
        assert_eq!(
            (length(1), length(7_260_000)),
            ("1\u{a0}s".into(), "2\u{a0}h 1\u{a0}min".into())
        );
    }
}
