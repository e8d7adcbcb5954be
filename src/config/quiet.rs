//! Hours in which a channel is left alone.

use jiff::{
    Zoned,
    civil::{Date, Weekday},
    tz::TimeZone,
};

use super::AlertSeverity;
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
