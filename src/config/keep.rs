//! How long each step of history is kept.

use std::time::Duration;

use toml::Spanned;

use super::{
    file::{KeepFile, Span},
    resolve::{Resolver, plain},
    types::Keep,
};

/// Shortest and longest time that raw observations can be kept.
pub const KEEP_RAW: (Duration, Duration) = (Duration::from_secs(3_600), Duration::from_secs(400 * 86_400));
/// Shortest and longest time that minutes can be kept.
pub const KEEP_MINUTE: (Duration, Duration) =
    (Duration::from_secs(86_400), Duration::from_secs(400 * 86_400));
/// Shortest and longest time that hours can be kept.
pub const KEEP_HOUR: (Duration, Duration) = (
    Duration::from_secs(7 * 86_400),
    Duration::from_secs(4_000 * 86_400),
);
/// Shortest and longest time that days can be kept, unless for ever.
pub const KEEP_DAY: (Duration, Duration) = (
    Duration::from_secs(90 * 86_400),
    Duration::from_secs(40_000 * 86_400),
);
/// How long a step of history is kept, its key, and where the file says so.
type Step = (Duration, &'static str, Option<std::ops::Range<usize>>);

impl Resolver<'_> {
    pub(super) fn keep(&mut self, file: KeepFile, default: KeepFile) -> Keep {
        let mut span = |what: &str,
                        file: Option<Spanned<Span>>,
                        default: Option<Spanned<Span>>,
                        bounds: (Duration, Duration)| {
            // Bounds and order are told at what the file says; the defaults are ours and right.
            let at = file.as_ref().map(Spanned::span);
            let value = file.or(default);
            (
                value.map_or(bounds.0, |value| self.span(what, &value, bounds)),
                at,
            )
        };
        let (raw, _) = span("keep.raw", file.raw, default.raw, KEEP_RAW);
        let (minute, minute_at) = span("keep.minute", file.minute, default.minute, KEEP_MINUTE);
        let (hour, hour_at) = span("keep.hour", file.hour, default.hour, KEEP_HOUR);
        let day_at = file.day.as_ref().map(Spanned::span);
        let day = file.day.or(default.day).and_then(|value| {
            let span = value.get_ref().0?;
            Some(self.span("keep.day", &Spanned::new(value.span(), Span(span)), KEEP_DAY))
        });
        let mut ordered = |(fine, fine_name, fine_at): Step, (coarse, name, at): Step| {
            if coarse < fine
                && let Some(at) = at.or(fine_at)
            {
                let message = format!("keep.{name} is shorter than keep.{fine_name}");
                let help = format!("keep.{name} is {}, use {} or more", plain(coarse), plain(fine));
                self.error(&Spanned::new(at, ()), message, help);
            }
        };
        ordered((minute, "minute", minute_at), (hour, "hour", hour_at.clone()));
        if let Some(day) = day {
            ordered((hour, "hour", hour_at), (day, "day", day_at));
        }
        Keep {
            raw,
            minute,
            hour,
            day,
        }
    }
}
