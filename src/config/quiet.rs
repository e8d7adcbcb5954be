//! Hours in which a channel is left alone.

use jiff::{
    Zoned,
    civil::{Date, Weekday},
    tz::TimeZone,
};

use serde::Deserialize;
use toml::Spanned;

use super::{AlertSeverity, parse::nearest, resolve::Resolver};
use crate::clock::Timestamp;

/// Most stretches of quiet hours of one channel.
pub const MAX_QUIET: usize = 16;
/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// A stretch of the day, on some days of the week, in which a channel is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quiet {
    /// Minute of the day that it begins with, below 1440.
    pub from: u16,
    /// Minute of the day that it ends before. Not after `from`: of the next day.
    pub to: u16,
    /// Days on which it begins; empty for every day.
    pub days: Vec<Weekday>,
    /// In whose time.
    pub zone: TimeZone,
    /// What is at least so urgent is told all the same.
    pub unless: Option<AlertSeverity>,
}

/// One entry of a channel's `quiet`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuietFile {
    from: Spanned<String>,
    to: Spanned<String>,
    zone: Spanned<String>,
    days: Option<Spanned<Vec<Spanned<String>>>>,
    unless: Option<Spanned<String>>,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// `22:00` as minutes; `24:00` is the end of the day.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let whole = hour * 60 + minute;
    (minute < 60 && whole <= DAY_MINUTES).then_some(whole)
}

impl Resolver<'_> {
    /// The quiet hours of a channel.
    pub(super) fn quiet(&mut self, entries: &Spanned<Vec<Spanned<QuietFile>>>) -> Vec<Quiet> {
        if entries.get_ref().len() > MAX_QUIET {
            self.error(
                entries,
                "too many quiet hours",
                format!("at most {MAX_QUIET} are taken"),
            );
            return Vec::new();
        }
        let entries = entries.get_ref().iter();
        entries
            .filter_map(|entry| self.quiet_hours(entry.get_ref()))
            .collect()
    }

    fn quiet_hours(&mut self, file: &QuietFile) -> Option<Quiet> {
        let from = self.time_of_day(&file.from, DAY_MINUTES - 1);
        let to = self.time_of_day(&file.to, DAY_MINUTES);
        let zone = self.zone(&file.zone);
        let days = file.days.as_ref().map(|days| self.days(days)).unwrap_or_default();
        let unless = file.unless.as_ref();
        let known = unless.map(|word| self.word(Some(word), "unless", &AlertSeverity::ALL, |it| it.as_str()));
        Some(Quiet {
            from: from?,
            to: to?,
            days,
            zone: zone?,
            unless: known,
        })
    }

    fn time_of_day(&mut self, value: &Spanned<String>, most: u16) -> Option<u16> {
        let found = minutes(value.get_ref()).filter(|minute| *minute <= most);
        if found.is_none() {
            self.error(
                value,
                "that is no time of day",
                "write hours and minutes, as in \"22:00\"; \"24:00\" is the end of a day",
            );
        }
        found
    }

    /// A time zone, from the machine's own database.
    pub(super) fn zone(&mut self, value: &Spanned<String>) -> Option<TimeZone> {
        let name = value.get_ref();
        let found = TimeZone::get(name).ok();
        if found.is_none() {
            let message = format!("time zone {name:?} is unknown on this machine");
            let help = "use a name such as \"Europe/Berlin\" or \"UTC\"; if that is one, the package tzdata is missing";
            self.error(value, message, help);
        }
        found
    }

    fn days(&mut self, days: &Spanned<Vec<Spanned<String>>>) -> Vec<Weekday> {
        if days.get_ref().is_empty() {
            self.error(
                days,
                "quiet on no day",
                "name days, or leave `days` out for every day",
            );
        }
        let mut found = Vec::new();
        for day in days.get_ref() {
            let text = day.get_ref();
            if let Some((_, weekday)) = DAYS.iter().find(|(name, _)| name == text) {
                found.push(*weekday);
                continue;
            }
            let names = DAYS.map(|(name, _)| name);
            let help = match nearest(text, names.into_iter()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known are: {}", names.join(", ")),
            };
            self.error(day, format!("{text:?} is no day"), help);
        }
        found
    }
}

impl Quiet {
    /// When the stretch that holds `now` ends; `None` outside.
    ///
    /// A stretch is two instants, so that an hour that comes twice when the clocks go back is no second quiet, and
    /// one that never comes ends at the same instant as without it.
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let instant = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let today = instant.to_zoned(self.zone.clone()).date();
        let days = [today.yesterday().ok(), Some(today)];
        days.into_iter().flatten().find_map(|day| {
            if !self.days.is_empty() && !self.days.contains(&day.weekday()) {
                return None;
            }
            let last = if self.to <= self.from {
                day.tomorrow().ok()?
            } else {
                day
            };
            let (from, to) = (self.instant(day, self.from)?, self.instant(last, self.to)?);
            (from <= now && now < to).then_some(to)
        })
    }

    fn instant(&self, day: Date, minute: u16) -> Option<Timestamp> {
        let day = if minute >= DAY_MINUTES {
            day.tomorrow().ok()?
        } else {
            day
        };
        let (hour, minute) = (
            i8::try_from(minute / 60 % 24).ok()?,
            i8::try_from(minute % 60).ok()?,
        );
        let at: Zoned = day.at(hour, minute, 0, 0).to_zoned(self.zone.clone()).ok()?;
        Some(Timestamp::from_millis(at.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
mod tests;
