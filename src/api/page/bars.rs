//! Ninety days of a target as bars: SVG paths on a fixed grid, and each day in words.
//!
//! A day that was watched is a quiet bar, as high as the share of it that was; what is missing stays hatched, never
//! healthy. On it stands what failed, in the colour of the day's worst state. The height of that is the square root
//! of the share that failed, or a bad hour would look like nothing at all beside a bad day.

use std::{collections::HashMap, fmt::Write, sync::Arc};

use super::figures::{percent, strftime, uptime};
use crate::{
    clock::Timestamp,
    health::{State, StateTimes},
    id::TargetId,
};

/// Days shown, today included.
pub const DAYS: usize = 90;
/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;
/// Height of the drawing; a day is two units wide.
const HEIGHT: f64 = 24.0;
/// What failed is never drawn lower than this, or a single failure would vanish.
const LEAST: f64 = 4.0;
/// A day of which less than this share was watched says so.
const WHOLE: f64 = 0.95;

/// One UTC day of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Day {
    /// Attempts that count.
    pub attempts: u64,
    /// Those of them that failed, truncated ones included.
    pub failed: u64,
    /// Replies that began: what truncations are counted among.
    pub began: u64,
    /// Replies that ended early.
    pub truncated: u64,
    /// How long it stood in each state, as far as somebody watched.
    pub times: StateTimes,
    /// Incidents that lasted into that day.
    pub incidents: u32,
}

/// Days of every target, by midnight in milliseconds since 1970.
pub type DaysOf = HashMap<TargetId, HashMap<i64, Day>>;

/// What the page knows of the last [`DAYS`] days.
#[derive(Debug, Clone, Default)]
pub struct Calendar {
    /// Days that are over.
    pub closed: Arc<DaysOf>,
    /// The running day, which is read more often.
    pub today: Arc<DaysOf>,
}

impl Calendar {
    /// The last [`DAYS`] days of a target, oldest first; `None`: nothing is known of that day.
    fn days(&self, target: &TargetId, now: Timestamp) -> impl Iterator<Item = (Timestamp, Option<Day>)> {
        let today = midnight(now).as_millis();
        let (closed, running) = (self.closed.get(target), self.today.get(target));
        (0..DAYS.cast_signed() as i64).rev().map(move |back| {
            let at = today - back * DAY_MS;
            let day = [running, closed]
                .into_iter()
                .flatten()
                .find_map(|days| days.get(&at));
            (Timestamp::from_millis(at), day.copied())
        })
    }
}

/// Midnight UTC at or before `at`.
pub(super) const fn midnight(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().div_euclid(DAY_MS) * DAY_MS)
}

/// Ninety drawn days.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Bars {
    /// Days without data, as runs along the middle: the stylesheet dashes them by the day.
    pub(super) missing: String,
    /// Days that were watched throughout, likewise.
    pub(super) watched: String,
    /// Days that were watched in part, as bars.
    pub(super) partly: String,
    /// What failed, by the worst state of the day.
    pub(super) failed: Vec<(&'static str, String)>,
    /// The picture in words, shown beneath it.
    pub(super) words: String,
}

/// How a day is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Look {
    /// Share of the day that was watched and known.
    known: f64,
    /// The worst state; `None` where the time in states was not kept, or nothing was known.
    worst: Option<State>,
    /// Share of the attempts that failed.
    failed: f64,
}

impl Look {
    /// `standing`: the state as of now, where this is the running day.
    fn of(at: Timestamp, day: Option<&Day>, now: Timestamp, standing: Option<State>) -> Self {
        let day = day.copied().unwrap_or_default();
        let length = now.since(at).as_millis().clamp(1, DAY_MS as u128) as f64;
        let standing = standing.filter(|state| *state == State::Operational || state.is_impaired());
        let worst = [day.times.worst(), standing]
            .into_iter()
            .flatten()
            .filter(|state| *state == State::Operational || state.is_impaired())
            .max_by_key(|state| rank(*state));
        let known = match standing {
            // The running day lacks its last moments: what stands now is known all the same.
            Some(_) if day.times.known_ms() == 0 => 1.0,
            _ => (day.times.known_ms() as f64 / length).min(1.0),
        };
        Self {
            known,
            worst,
            failed: if day.attempts > 0 {
                day.failed as f64 / day.attempts as f64
            } else {
                0.0
            },
        }
    }

    /// Whether anything at all is known.
    fn is_missing(&self) -> bool {
        self.known <= 0.0
    }
}

/// How bad, worst last.
const fn rank(state: State) -> u8 {
    match state {
        State::Down => 3,
        State::Partial => 2,
        State::Degraded => 1,
        State::Operational | State::Unknown | State::Maintenance => 0,
    }
}

/// Draws the days before `now`, today last. `standing` is the target's state as of now.
pub(super) fn draw(calendar: &Calendar, target: &TargetId, now: Timestamp, standing: State) -> Bars {
    let mut bars = Bars::default();
    let (mut times, mut ill_days) = (StateTimes::default(), 0_u32);
    let (mut runs, mut partly, mut shares) = ([None; 2], Strokes::default(), <[Strokes; 4]>::default());
    for (i, (at, day)) in calendar.days(target, now).enumerate() {
        let look = Look::of(at, day.as_ref(), now, (i + 1 == DAYS).then_some(standing));
        if let Some(day) = &day {
            times.merge(&day.times);
            ill_days += u32::from(day.incidents > 0);
        }
        if look.known < WHOLE {
            run(&mut bars.missing, &mut runs[0], i);
        } else {
            run(&mut bars.watched, &mut runs[1], i);
        }
        if !look.is_missing() && look.known < WHOLE {
            partly.bar(i, look.known * HEIGHT);
        }
        let ill = look.worst.is_some_and(State::is_impaired);
        if look.failed > 0.0 || ill {
            let shade = look.worst.map_or(0, |state| usize::from(rank(state)));
            shares[shade].bar(i, look.failed.min(1.0).sqrt() * HEIGHT);
        }
    }
    bars.failed = ["f", "degraded", "partial", "down"]
        .into_iter()
        .zip(shares.map(|strokes| strokes.path))
        .filter(|(_, path)| !path.is_empty())
        .collect();
    bars.partly = partly.path;
    bars.words = summary(&times, ill_days);
    bars
}

/// The picture in words: `up 99.98 % of 79 d, incidents on 7 days`. What is no part of the time that uptime is a
/// share of was not known.
fn summary(times: &StateTimes, ill_days: u32) -> String {
    let mut words = match times.uptime() {
        Some(share) => format!("up {} of {}", uptime(share), span(times.known_ms())),
        None => "nothing kept yet".to_owned(),
    };
    if ill_days > 0 {
        put(
            &mut words,
            format_args!(", incidents on {}", count(ill_days, "day", "days")),
        );
    }
    words
}

fn count(n: u32, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Each day in words, oldest first: what the script shows under the pointer.
pub(super) fn days_in_words(calendar: &Calendar, target: &TargetId, now: Timestamp) -> Vec<String> {
    calendar
        .days(target, now)
        .map(|(at, day)| in_words(at, day.as_ref(), now))
        .collect()
}

fn in_words(at: Timestamp, day: Option<&Day>, now: Timestamp) -> String {
    let mut words = strftime(
        at,
        if now.since(at).as_millis() < DAY_MS as u128 {
            "Today, %-d %B"
        } else {
            "%-d %B %Y"
        },
    );
    let Some(day) = day.filter(|day| **day != Day::default()) else {
        words.push_str("\nno data: nobody watched");
        return words;
    };
    let (known, length) = (
        day.times.known_ms().cast_signed(),
        (now.as_millis() - at.as_millis()).clamp(1, DAY_MS),
    );
    match day.times.uptime() {
        Some(share) => put(
            &mut words,
            format_args!("\nup {} of {}", uptime(share), hours(known)),
        ),
        None => words.push_str("\nuptime not known"),
    }
    if (known as f64) < WHOLE * length as f64 {
        put(
            &mut words,
            format_args!("\nonly {} of {} are known", hours(known), hours(length)),
        );
    }
    for (state, verb) in [
        (State::Maintenance, "under maintenance for"),
        (State::Down, "down for"),
        (State::Partial, "partial for"),
        (State::Degraded, "degraded for"),
    ] {
        let ms = day.times.of(state);
        if ms > 0 {
            put(&mut words, format_args!("\n{verb} {}", hours(ms.cast_signed())));
        }
    }
    if day.incidents > 0 {
        put(
            &mut words,
            format_args!("\n{}", count(day.incidents, "incident", "incidents")),
        );
    }
    if day.attempts == 0 {
        words.push_str("\nno replies asked for");
    } else {
        put(
            &mut words,
            format_args!("\ntruncated {}", part(day.truncated, day.began)),
        );
        put(
            &mut words,
            format_args!("\nfailed in all {}", part(day.failed, day.attempts)),
        );
    }
    words
}

/// `1.2 % (5 of 412)`.
fn part(hits: u64, n: u64) -> String {
    match n {
        0 => "none of 0".to_owned(),
        _ => format!("{} ({hits} of {n})", percent(hits as f64 / n as f64)),
    }
}

/// `42 s`, `12 min`, `23.9 h`, `80 d`.
fn span(ms: u64) -> String {
    match ms / 3_600_000 {
        0..48 => hours(ms.cast_signed()),
        h => format!("{}\u{a0}d", h / 24),
    }
}

/// `42 s`, `12 min`, `23.9 h`.
fn hours(ms: i64) -> String {
    let s = ms / 1000;
    match s {
        0..120 => format!("{s}\u{a0}s"),
        120..7_200 => format!("{}\u{a0}min", s / 60),
        _ => format!("{:.1}\u{a0}h", s as f64 / 3600.0),
    }
}

/// Lengthens the run that ends where this day begins, or begins another.
fn run(path: &mut String, end: &mut Option<usize>, day: usize) {
    if *end == Some(day) {
        let cut = path.rfind('H').unwrap_or(path.len());
        path.truncate(cut);
    } else {
        put(path, format_args!("M{} 12", day * 2));
    }
    put(path, format_args!("H{}", day * 2 + 2));
    *end = Some(day + 1);
}

/// Bars of one path, each from its top to the ground: from the ground of one to the top of the next is a short way, so
/// that a bar every day takes six bytes and not eleven.
#[derive(Clone, Default)]
struct Strokes {
    path: String,
    last: usize,
}

impl Strokes {
    fn bar(&mut self, day: usize, height: f64) {
        let height = height.clamp(LEAST, HEIGHT).round();
        if self.path.is_empty() {
            put(
                &mut self.path,
                format_args!("M{} {}v{height}", day * 2 + 1, HEIGHT - height),
            );
        } else {
            put(
                &mut self.path,
                format_args!("m{}-{height}v{height}", (day - self.last) * 2),
            );
        }
        self.last = day;
    }
}

fn put(text: &mut String, args: std::fmt::Arguments<'_>) {
    text.write_fmt(args).expect("a String takes every write");
}

#[cfg(test)]
mod tests;
