//! Deadlines of the first token, from a target's own last 24 hours of health.

use std::{collections::VecDeque, time::Duration};

use super::{Deadlines, histogram::Histogram};

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// Hours that the soft deadline looks back on.
pub(super) const HOURS: i64 = 24;
/// Fewest samples that it is drawn from.
pub(super) const MIN_SAMPLES: u64 = 200;
/// The soft deadline before that, in milliseconds; a third of the limit of a target that is given more time, since
/// no norm could be learnt of one that is always late.
pub(super) const DEFAULT_MS: f64 = 10_000.0;
/// Bounds of the soft deadline, in milliseconds.
pub(super) const BOUNDS_MS: (f64, f64) = (300.0, 60_000.0);
/// How far above the 95th percentile it lies.
pub(super) const FACTOR: f64 = 1.25;

/// Input tokens below which a request is of the first, second and third class.
const CLASS_TOKENS: [u64; 3] = [1_000, 8_000, 32_000];
/// Classes: four by input tokens, one for requests of unknown size.
pub(super) const CLASSES: usize = CLASS_TOKENS.len() + 2;
/// The class of our canaries.
pub(super) const CANARY_CLASS: usize = 0;

/// The class of a request: waiting times grow with the prompt, so each class has its own norm.
pub(super) fn class_of(input_tokens: Option<u64>) -> usize {
    match input_tokens {
        None => CLASSES - 1,
        Some(tokens) => CLASS_TOKENS.iter().filter(|limit| tokens >= **limit).count(),
    }
}

/// First-token times of one class, per hour.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct History {
    pub(super) hours: VecDeque<(i64, Histogram)>,
    tau_ms: Option<f64>,
    minute: i64,
}

/// The classes of one target.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Latency {
    pub(super) classes: [History; CLASSES],
}

impl Latency {
    /// Notes a first-token time of operational time.
    pub(super) fn record(&mut self, now_ms: i64, class: usize, ms: f64) {
        let history = &mut self.classes[class];
        let hour = now_ms.div_euclid(HOUR_MS);
        if history.hours.back().is_none_or(|(last, _)| *last < hour) {
            history.hours.push_back((hour, Histogram::new()));
        }
        if let Some((_, histogram)) = history.hours.back_mut() {
            histogram.record(ms);
        }
        history.refresh(now_ms);
    }

    /// The soft deadline of a class, whose first token may take as long as `limit`.
    pub(super) fn soft(&self, class: usize, limit: Duration) -> Duration {
        let unlearnt = || (limit.as_secs_f64() * 1000.0 / 3.0).clamp(DEFAULT_MS, BOUNDS_MS.1);
        Duration::from_secs_f64(self.classes[class].tau_ms.unwrap_or_else(unlearnt) / 1000.0)
    }

    /// Both deadlines of a class, the hard one at most `limit`, and just that while there is no norm.
    pub(super) fn deadlines(&self, class: usize, limit: Duration) -> Deadlines {
        let soft = self.soft(class, limit).min(limit);
        if self.classes[class].tau_ms.is_none() {
            return Deadlines { soft, hard: limit };
        }
        let bounded = (soft * 4).clamp(Duration::from_secs(5), Duration::from_secs(30));
        Deadlines {
            soft,
            hard: (soft * 2).max(bounded).min(limit),
        }
    }
}

impl History {
    /// Once a minute: the soft deadline from the last 24 hours. Called only with operational evidence, so that it
    /// stands still through an incident; and never over a shorter span, since a norm that adapts fast learns the
    /// brownout.
    pub(super) fn refresh(&mut self, now_ms: i64) {
        let minute = now_ms.div_euclid(MINUTE_MS);
        if minute <= self.minute {
            return;
        }
        self.minute = minute;
        let oldest = now_ms.div_euclid(HOUR_MS) - HOURS;
        while self.hours.front().is_some_and(|(hour, _)| *hour <= oldest) {
            self.hours.pop_front();
        }
        let mut day = Histogram::new();
        for (_, hour) in &self.hours {
            day.merge(hour);
        }
        self.tau_ms = (day.count() >= MIN_SAMPLES)
            .then(|| day.quantile(0.95))
            .flatten()
            .map(|q95| (FACTOR * q95).clamp(BOUNDS_MS.0, BOUNDS_MS.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[test]
    fn classes_follow_the_prompt() {
        for (tokens, class) in [
            (Some(0), 0),
            (Some(999), 0),
            (Some(1_000), 1),
            (Some(8_000), 2),
            (Some(31_999), 2),
            (Some(32_000), 3),
            (None, 4),
        ] {
            assert_eq!(class_of(tokens), class, "{tokens:?}");
        }
    }

    #[test]
    fn the_soft_deadline_needs_200_samples() {
        let mut latency = Latency::default();
        for i in 0..199 {
            latency.record(i * MINUTE_MS, 0, 400.0);
        }
        assert_eq!(latency.soft(0, LIMIT), Duration::from_secs(10));
        latency.record(199 * MINUTE_MS, 0, 400.0);
        let soft = latency.soft(0, LIMIT).as_secs_f64();
        assert!((soft - 0.5).abs() < 0.5 * 0.0109, "{soft}");
        assert_eq!(latency.soft(1, LIMIT), Duration::from_secs(10));
    }

    #[test]
    fn samples_leave_after_24_hours() {
        let mut latency = Latency::default();
        for i in 0..300 {
            latency.record(i * 1000, 0, 400.0);
        }
        latency.record(23 * HOUR_MS, 0, 400.0);
        assert!(latency.soft(0, LIMIT) < Duration::from_secs(1));
        latency.record(24 * HOUR_MS, 0, 400.0);
        assert_eq!(latency.soft(0, LIMIT), Duration::from_secs(10));
    }

    #[test]
    fn without_a_norm_the_limit_decides() {
        for (limit_s, soft_s) in [
            (4, 4),
            (12, 10),
            (30, 10),
            (31, 10),
            (60, 20),
            (180, 60),
            (600, 60),
        ] {
            let limit = Duration::from_secs(limit_s);
            let got = Latency::default().deadlines(0, limit);
            assert_eq!((got.soft.as_secs(), got.hard), (soft_s, limit), "{limit_s} s");
        }
    }

    #[test]
    fn the_hard_deadline_keeps_its_bounds() {
        for (q95_ms, limit_s, soft, hard) in [
            (10.0, 30, 0.3, 5.0),
            (1_600.0, 30, 2.0, 8.0),
            (6_400.0, 30, 8.0, 30.0),
            (16_000.0, 120, 20.0, 40.0),
            (16_000.0, 30, 20.0, 30.0),
            (100_000.0, 120, 60.0, 120.0),
        ] {
            let mut latency = Latency::default();
            for i in 0..300 {
                latency.record(i * MINUTE_MS, 0, q95_ms);
            }
            let got = latency.deadlines(0, Duration::from_secs(limit_s));
            let near = |a: Duration, b: f64| (a.as_secs_f64() / b - 1.0).abs() < 0.02;
            assert!(near(got.soft, soft) && near(got.hard, hard), "{q95_ms}: {got:?}");
        }
    }
}
