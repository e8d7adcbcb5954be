//! Shares with honest intervals: Wilson's score interval at 95 %, pipelines of several steps, clustered outages.

use super::Rate;

/// The 97.5 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// Fewest trials that a reliability is displayed for.
pub const MIN_TRIALS: u64 = 30;
/// Share of a step's failures that take its fallback down too, when it was not estimated.
pub const DEFAULT_SHARED_FAILURES: f64 = 0.1;

/// A point with its 95 % interval, all 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub point: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// Wilson's interval for `hits` of `n`; `None` without trials. `hits` above `n` counts as `n`.
pub fn wilson(hits: u64, n: u64) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    Some(wilson_effective(hits.min(n) as f64 / n as f64, n as f64))
}

/// The same for a share and a number of trials that need not be whole (after division by the design effect).
pub fn wilson_effective(point: f64, n: f64) -> Interval {
    let z2 = Z * Z;
    let centre = (point + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (point * (1.0 - point) / n + z2 / (4.0 * n * n)).sqrt();
    // A point at the edge of the scale is its own bound; arithmetic leaves it some 1e-17 off.
    let low = if point <= 0.0 {
        0.0
    } else {
        (centre - half).max(0.0)
    };
    let high = if point >= 1.0 {
        1.0
    } else {
        (centre + half).min(1.0)
    };
    Interval { point, low, high }
}

/// `n` equal steps in a row, each of which must succeed.
pub fn pipeline(step: Interval, steps: u32) -> Interval {
    let steps = i32::try_from(steps).unwrap_or(i32::MAX);
    Interval {
        point: step.point.powi(steps),
        low: step.low.powi(steps),
        high: step.high.powi(steps),
    }
}

/// Different steps in a row, each so many times: points multiply, the variances of their logarithms add (delta method).
/// One step alone is [`pipeline`]. `None` without steps.
pub fn pipeline_of(steps: &[(Interval, u32)]) -> Option<Interval> {
    if steps.is_empty() {
        return None;
    }
    let mut point = 1.0;
    let (mut log_centre, mut log_variance) = (0.0, 0.0);
    for &(step, times) in steps {
        point *= step.point.powi(i32::try_from(times).unwrap_or(i32::MAX));
        // Wilson's own centre and width keep a step of 60 in 60 from claiming certainty.
        let (low, high) = (
            step.low.max(f64::MIN_POSITIVE).ln(),
            step.high.max(f64::MIN_POSITIVE).ln(),
        );
        // The same step again errs the same way: its logarithm is multiplied, not added as an independent one.
        log_centre += f64::from(times) * f64::midpoint(low, high);
        log_variance += (f64::from(times) * (high - low) / (2.0 * Z)).powi(2);
    }
    let half = Z * log_variance.sqrt();
    Some(Interval {
        point,
        low: (log_centre - half).exp().min(point),
        high: (log_centre + half).exp().clamp(point, 1.0),
    })
}

/// How many times more the hourly rates of clustered outages vary than independent trials would: at least 1.
/// `hours` holds hits and trials per hour; hours without trials are skipped.
pub fn design_effect(hours: &[(u64, u64)]) -> f64 {
    let rates: Vec<(f64, f64)> = hours
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|&(hits, n)| (hits as f64 / n as f64, n as f64))
        .collect();
    if rates.len() < 2 {
        return 1.0;
    }
    let count = rates.len() as f64;
    let mean = rates.iter().map(|(rate, _)| rate).sum::<f64>() / count;
    let spread = rates.iter().map(|(rate, _)| (rate - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let binomial = rates.iter().map(|(_, n)| mean * (1.0 - mean) / n).sum::<f64>() / count;
    if binomial > 0.0 {
        (spread / binomial).max(1.0)
    } else {
        1.0
    }
}

/// A step of reliability `p` with a fallback of reliability `q`; `shared` is the share of the step's failures that
/// take the fallback down too.
pub fn with_fallback(p: f64, q: f64, shared: f64) -> f64 {
    1.0 - (1.0 - p) * ((1.0 - q) * (1.0 - shared) + shared)
}

impl Rate {
    /// Hits over trials with Wilson's interval.
    pub fn of(hits: u64, n: u64) -> Self {
        let interval = wilson(hits, n);
        Self {
            hits,
            n,
            value: interval.map(|i| i.point),
            low: interval.map(|i| i.low),
            high: interval.map(|i| i.high),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_the_scale_are_their_own_bounds() {
        assert_eq!(wilson(0, 0), None);
        let none = wilson(0, 10).unwrap();
        assert_eq!((none.point, none.low), (0.0, 0.0));
        let all = wilson(10, 10).unwrap();
        assert_eq!((all.point, all.high), (1.0, 1.0));
        assert_eq!(wilson(11, 10), wilson(10, 10));
    }

    #[test]
    fn equal_steps_agree_with_the_product_of_steps() {
        let step = wilson(990, 1000).unwrap();
        let power = pipeline(step, 3);
        let same = pipeline_of(&[(step, 3)]).unwrap();
        for (a, b) in [
            (same.point, power.point),
            (same.low, power.low),
            (same.high, power.high),
        ] {
            assert!((a - b).abs() < 1e-12, "{same:?} {power:?}");
        }
        // Three that err apart from each other are known better together than one that comes three times.
        let product = pipeline_of(&[(step, 1); 3]).unwrap();
        assert!((product.point - power.point).abs() < 1e-12);
        assert!(product.low > power.low && product.high < power.high);
        assert_eq!(pipeline_of(&[]), None);
    }

    #[test]
    fn clustered_hours_cost_certainty() {
        assert!((design_effect(&[(60, 60); 24]) - 1.0).abs() < 1e-12);
        let mut outage = vec![(60, 60); 23];
        outage.push((0, 60));
        assert!(design_effect(&outage) > 10.0);
    }

    #[test]
    fn shared_failures_bound_what_a_fallback_can_do() {
        assert!((with_fallback(0.9, 0.9, 0.0) - 0.99).abs() < 1e-12);
        assert!((with_fallback(0.9, 0.9, 1.0) - 0.9).abs() < 1e-12);
        assert!((with_fallback(0.9, 0.9, DEFAULT_SHARED_FAILURES) - 0.981).abs() < 1e-12);
    }
}
