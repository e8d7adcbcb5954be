//! How often a stream fails when it is well: the base rate of its detectors.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::kernel::{P0_MAX, P0_MIN};

const HOUR_MS: i64 = 3_600_000;
/// Hours that the rate looks back on.
const HOURS: i64 = 24;

/// Bad and all observations of operational time, per hour.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct BaseRate {
    hours: VecDeque<Hour>,
    computed_hour: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Hour {
    at: i64,
    bad: u64,
    n: u64,
}

impl BaseRate {
    /// Counts one observation of operational time.
    pub(super) fn count(&mut self, now_ms: i64, bad: bool) {
        let hour = now_ms.div_euclid(HOUR_MS);
        match self.hours.back_mut() {
            Some(last) if last.at >= hour => {
                last.bad += u64::from(bad);
                last.n += 1;
            }
            _ => self.hours.push_back(Hour {
                at: hour,
                bad: u64::from(bad),
                n: 1,
            }),
        }
    }

    /// Once an hour: the healthy rate `clamp(1.5 (bad + 1) / (n + 100), 0.01, 0.05)` over the last 24 h.
    pub(super) fn recompute(&mut self, now_ms: i64) -> Option<f64> {
        let hour = now_ms.div_euclid(HOUR_MS);
        if hour <= self.computed_hour {
            return None;
        }
        self.computed_hour = hour;
        while self.hours.front().is_some_and(|first| first.at < hour - HOURS) {
            self.hours.pop_front();
        }
        Some(self.rate())
    }

    /// The rate as the kept hours give it.
    pub(super) fn rate(&self) -> f64 {
        let (bad, n) = self
            .hours
            .iter()
            .fold((0_u64, 0_u64), |(bad, n), hour| (bad + hour.bad, n + hour.n));
        (1.5 * (bad as f64 + 1.0) / (n as f64 + 100.0)).clamp(P0_MIN, P0_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_recomputed_once_an_hour_from_24_hours() {
        let mut base = BaseRate::default();
        let start = 1_000 * HOUR_MS;
        assert_eq!(base.recompute(start), Some(0.015));
        for i in 0..900 {
            base.count(start + i, i < 24);
        }
        assert_eq!(base.recompute(start + HOUR_MS - 1), None);
        assert_eq!(base.recompute(start + HOUR_MS), Some(1.5 * 25.0 / 1000.0));
        assert_eq!(base.recompute(start + 24 * HOUR_MS), Some(1.5 * 25.0 / 1000.0));
        assert_eq!(base.recompute(start + 25 * HOUR_MS), Some(0.015));
    }

    #[test]
    fn the_rate_stays_between_its_bounds() {
        let mut base = BaseRate::default();
        for i in 0..100_000 {
            base.count(HOUR_MS, i < 50_000);
        }
        assert!((base.rate() - P0_MAX).abs() < 1e-12);
        let mut good = BaseRate::default();
        for _ in 0..100_000 {
            good.count(HOUR_MS, false);
        }
        assert!((good.rate() - P0_MIN).abs() < 1e-12);
    }
}
