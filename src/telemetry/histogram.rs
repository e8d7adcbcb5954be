//! A distribution in classic buckets.

use std::time::Duration;

/// Most bounds of one histogram.
const MAX_BOUNDS: usize = 15;

/// Counts below each bound, their sum in seconds, and what lies above the last one.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    bounds: &'static [f64],
    counts: [u64; MAX_BOUNDS + 1],
    sum: f64,
}

impl Histogram {
    /// An empty one. Bounds beyond [`MAX_BOUNDS`] are left out.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds: &bounds[..bounds.len().min(MAX_BOUNDS)],
            counts: [0; MAX_BOUNDS + 1],
            sum: 0.0,
        }
    }

    /// Adds one. A bound is part of its bucket.
    pub(super) fn add(&mut self, span: Duration) {
        let seconds = span.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum += seconds;
    }

    /// Adds what another one with the same bounds holds.
    pub(super) fn join(&mut self, other: &Self) {
        for (to, from) in self.counts.iter_mut().zip(other.counts) {
            *to += from;
        }
        self.sum += other.sum;
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum in seconds.
    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    /// Each bucket's upper bound with what lies in it alone; the last bound is infinite.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.counts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn a_bound_is_part_of_its_bucket() {
        let mut histogram = Histogram::new(&[0.1, 0.25, 1.0]);
        for ms in [0, 100, 101, 250, 1_000, 1_001, 90_000] {
            histogram.add(Duration::from_millis(ms));
        }
        let buckets: Vec<u64> = histogram.buckets().into_iter().map(|(_, n)| n).collect();
        assert_eq!(buckets, [2, 2, 1, 2]);
        assert_eq!(histogram.count(), 7);
        assert!((histogram.sum() - 92.452).abs() < 1e-9);
        assert!(histogram.buckets()[3].0.is_infinite());
    }

    #[test]
    fn every_table_of_bounds_fits() {
        for bounds in [
            names::LATENCY_BOUNDS,
            names::ITL_BOUNDS,
            names::PHASE_BOUNDS,
            names::LAG_BOUNDS,
        ] {
            assert_eq!(Histogram::new(bounds).bounds.len(), bounds.len());
        }
    }
}
