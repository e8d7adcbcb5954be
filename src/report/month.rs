//! A calendar month in UTC.

use std::{fmt, str::FromStr, time::Duration};

use crate::clock::Timestamp;

/// A day in UTC, which has no leap seconds here.
const DAY: Duration = Duration::from_secs(86_400);

/// A calendar month in UTC, of the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    year: i16,
    month: i8,
}

/// A text that is no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no month, write it as 2026-11")]
pub struct NotAMonth(String);

impl Month {
    /// The month that holds this moment.
    pub fn of(at: Timestamp) -> Self {
        let date = jiff::Timestamp::from_millisecond(at.as_millis())
            .unwrap_or_default()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        Self {
            year: date.year().clamp(1970, 9999),
            month: date.month(),
        }
    }

    /// The month before; the first one stays.
    #[must_use]
    pub fn before(self) -> Self {
        match (self.year, self.month) {
            (1970, 1) => self,
            (year, 1) => Self {
                year: year - 1,
                month: 12,
            },
            (year, month) => Self {
                year,
                month: month - 1,
            },
        }
    }

    fn first_day(self) -> jiff::civil::Date {
        jiff::civil::date(self.year, self.month, 1)
    }

    /// When it begins.
    pub fn from(self) -> Timestamp {
        let at = self.first_day().to_zoned(jiff::tz::TimeZone::UTC);
        Timestamp::from_millis(at.map_or(0, |at| at.timestamp().as_millisecond()))
    }

    /// When it ends, which is when the next one begins.
    pub fn to(self) -> Timestamp {
        let days = u32::from(self.first_day().days_in_month().unsigned_abs());
        self.from().plus(DAY * days)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = NotAMonth;

    fn from_str(text: &str) -> Result<Self, NotAMonth> {
        let digits = |part: &str, len: usize| {
            (part.len() == len && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<i16>().ok())
                .flatten()
        };
        let parsed = text.split_once('-').and_then(|(year, month)| {
            Some(Self {
                year: digits(year, 4).filter(|year| (1970..=9999).contains(year))?,
                month: i8::try_from(digits(month, 2)?)
                    .ok()
                    .filter(|month| (1..=12).contains(month))?,
            })
        });
        parsed.ok_or_else(|| NotAMonth(text.chars().take(32).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_their_own_lengths() {
        for (text, days, before) in [
            ("2026-11", 30, "2026-10"),
            ("2026-01", 31, "2025-12"),
            ("2028-02", 29, "2028-01"),
            ("1970-01", 31, "1970-01"),
            ("9999-11", 30, "9999-10"),
        ] {
            let month: Month = text.parse().unwrap();
            assert_eq!(month.to_string(), text);
            assert_eq!(month.to().since(month.from()).as_secs(), days * 86_400, "{text}");
            assert_eq!(month.before().to_string(), before);
            assert_eq!(Month::of(month.from()), month);
            assert_eq!(
                Month::of(Timestamp::from_millis(month.to().as_millis() - 1)),
                month
            );
        }
    }

    #[test]
    fn other_texts_are_no_month() {
        for text in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "26-11",
            "1969-12",
            "10000-01",
            "2026-11-01",
            "+026-11",
            "2026-é1",
        ] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
