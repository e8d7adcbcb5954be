//! The only reader of time.
//!
//! Between probes a [`Timestamp`] counts: wall time at process start plus elapsed monotonic time, so it never
//! steps back while the process lives. Within a probe, [`Duration`] offsets from [`Clock::mono`] count.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// `self - earlier`, zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `self + span`, saturating.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// `self - span`, saturating.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// RFC 3339 in UTC with milliseconds: `2026-06-20T13:01:00.000Z`.
    pub fn to_rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => format!("{time:.3}"),
            Err(_) => format!("{}ms", self.0),
        }
    }

    /// Parses RFC 2822, as RSS dates its items; a weekday that doesn't fit the date is forgiven.
    pub fn from_rfc2822(text: &str) -> Option<Self> {
        const PARSER: jiff::fmt::rfc2822::DateTimeParser =
            jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
        let time = PARSER.parse_timestamp(text).ok()?;
        Some(Self(time.as_millisecond()))
    }

    /// Parses RFC 3339.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|time| Self(time.as_millisecond()))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Where time comes from. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System { start: Instant, wall_ms: Arc<AtomicI64> },
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock, anchored to its wall time now.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of time")]
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
        Self(Source::System {
            start: Instant::now(),
            wall_ms: Arc::new(AtomicI64::new(wall_ms)),
        })
    }

    /// A clock that stands still until [`Clock::advance`] moves it. For tests and simulation.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(
            start.0.saturating_mul(1_000_000),
        ))))
    }

    /// The time, in wall terms but never stepping back.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { wall_ms, .. } => Timestamp(wall_ms.load(Ordering::Relaxed)).plus(self.mono()),
            Source::Manual(nanos) => Timestamp(nanos.load(Ordering::SeqCst) / 1_000_000),
        }
    }

    /// Monotonic time since this clock was made (system) or since the epoch (manual), in nanoseconds' resolution.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of time")]
    pub fn mono(&self) -> Duration {
        match &self.0 {
            Source::System { start, .. } => start.elapsed(),
            Source::Manual(nanos) => {
                Duration::from_nanos(u64::try_from(nanos.load(Ordering::SeqCst)).unwrap_or(0))
            }
        }
    }

    /// The wall clock as the machine tells it this instant; compared with [`Clock::now`] it shows a suspend or a
    /// stepped wall clock. A manual clock never disagrees with itself.
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of time")]
    pub fn wall(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Manual(_) => self.now(),
        }
    }

    /// Follows a wall clock that ran ahead (a suspend, a correction) and tells by how much; a wall clock that was set
    /// back is not followed, so that [`Clock::now`] never steps back.
    pub fn follow_wall(&self) -> Duration {
        let ahead = self.wall().since(self.now());
        if let Source::System { wall_ms, .. } = &self.0 {
            wall_ms.fetch_add(i64::try_from(ahead.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
        ahead
    }

    /// Moves a manual clock; a system clock ignores it.
    pub fn advance(&self, span: Duration) {
        if let Source::Manual(nanos) = &self.0 {
            nanos.fetch_add(
                i64::try_from(span.as_nanos()).unwrap_or(i64::MAX),
                Ordering::SeqCst,
            );
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_goes_out_and_comes_back() {
        let time = Timestamp::from_millis(1_781_960_460_123);
        assert_eq!(time.to_rfc3339(), "2026-06-20T13:01:00.123Z");
        assert_eq!(
            Timestamp::from_rfc3339("2026-06-20T15:01:00.123+02:00"),
            Some(time)
        );
        assert_eq!(Timestamp::from_rfc3339("yesterday"), None);
        let whole = Timestamp::from_millis(1_781_960_460_000);
        for text in [
            "Sat, 20 Jun 2026 13:01:00 Z",
            "Sat, 20 Jun 2026 13:01:00 GMT",
            "Mon, 20 Jun 2026 15:01:00 +0200",
        ] {
            assert_eq!(Timestamp::from_rfc2822(text), Some(whole), "{text}");
        }
        assert_eq!(Timestamp::from_rfc2822("20 June"), None);
    }

    #[test]
    fn differences_never_go_negative() {
        let (early, late) = (Timestamp::from_millis(10), Timestamp::from_millis(35));
        assert_eq!(late.since(early), Duration::from_millis(25));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.minus(Duration::from_millis(25)), early);
    }

    /// A system clock whose idea of the wall is off by so many milliseconds: as if the wall had been set since.
    fn set_apart(ms: i64) -> Clock {
        let clock = Clock::system();
        if let Source::System { wall_ms, .. } = &clock.0 {
            wall_ms.fetch_add(ms, Ordering::Relaxed);
        }
        clock
    }

    #[test]
    fn a_wall_set_forward_is_followed_once_and_one_set_back_never() {
        const HOUR_MS: i64 = 3_600_000;
        let forward = set_apart(-HOUR_MS);
        let before = forward.now();
        assert!(forward.follow_wall() >= Duration::from_millis(HOUR_MS.unsigned_abs()));
        assert!(forward.now().since(before) >= Duration::from_millis(HOUR_MS.unsigned_abs()));
        // The second time it agrees, but for what the wall itself gained since.
        assert!(forward.follow_wall() < Duration::from_millis(HOUR_MS.unsigned_abs()));
        let back = set_apart(HOUR_MS);
        let before = back.now();
        assert_eq!(back.follow_wall(), Duration::ZERO);
        assert!(back.now() >= before);
        assert!(back.now() > back.wall());
    }

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let clock = Clock::manual(Timestamp::from_millis(1000));
        let twin = clock.clone();
        clock.advance(Duration::from_millis(250));
        assert_eq!(twin.now(), Timestamp::from_millis(1250));
    }
}
