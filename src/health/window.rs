//! Figures over the rolling window: counts by the counting table, percentiles over complete replies.

use std::collections::VecDeque;

use super::{Figures, Percentiles, Rate, WINDOW, evidence::Count, histogram::Histogram};
use crate::verdict::Observation;

/// Length of one slice, in milliseconds.
const SLICE_MS: i64 = 10_000;
/// Metrics of one slice: TTFT, TTFO, ITL, E2E, output tokens per second.
const METRICS: usize = 5;

#[derive(Debug, Clone, PartialEq, Default)]
struct Sums {
    attempts: u64,
    began: u64,
    errors: u64,
    truncated: u64,
    metrics: [Histogram; METRICS],
}

impl Sums {
    fn take_away(&mut self, old: &Self) {
        self.attempts -= old.attempts;
        self.began -= old.began;
        self.errors -= old.errors;
        self.truncated -= old.truncated;
        for (metric, gone) in self.metrics.iter_mut().zip(&old.metrics) {
            metric.unmerge(gone);
        }
    }

    fn count(&mut self, count: Count) {
        let (attempt, began, error, truncated) = match count {
            Count::None | Count::Ours => (0, 0, 0, 0),
            Count::Complete | Count::Began => (1, 1, 0, 0),
            Count::Truncated => (1, 1, 0, 1),
            Count::ErrorInStream => (1, 1, 1, 0),
            Count::Error => (1, 0, 1, 0),
        };
        self.attempts += attempt;
        self.began += began;
        self.errors += error;
        self.truncated += truncated;
    }
}

/// The last [`WINDOW`] of one target, in slices with a running total.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Window {
    slices: VecDeque<(i64, Sums)>,
    total: Sums,
}

/// Percentiles of a histogram.
pub(super) fn percentiles(histogram: &Histogram) -> Percentiles {
    Percentiles {
        p50: histogram.quantile(0.50),
        p95: histogram.quantile(0.95),
        p99: histogram.quantile(0.99),
        n: histogram.count(),
    }
}

impl Window {
    /// Counts one observation, with its latencies if it was complete.
    pub(super) fn count(&mut self, now_ms: i64, count: Count, observation: &Observation) {
        if matches!(count, Count::None | Count::Ours) {
            return;
        }
        let values = if count == Count::Complete {
            let ms = |d: std::time::Duration| d.as_secs_f64() * 1000.0;
            [
                observation.ttft().map(ms),
                observation.phases.first_output.map(ms),
                observation.itl().map(ms),
                observation.e2e().map(ms),
                observation.output_tps(),
            ]
        } else {
            [None; METRICS]
        };
        self.add(now_ms, count, values);
    }

    /// Counts one failure before a reply began.
    pub(super) fn error(&mut self, now_ms: i64) {
        self.add(now_ms, Count::Error, [None; METRICS]);
    }

    /// Counts one value of the first metric alone: the edge's connect times.
    pub(super) fn value(&mut self, now_ms: i64, ms: f64) {
        self.add(now_ms, Count::None, [Some(ms), None, None, None, None]);
    }

    fn add(&mut self, now_ms: i64, count: Count, values: [Option<f64>; METRICS]) {
        self.roll(now_ms);
        let start = now_ms - now_ms.rem_euclid(SLICE_MS);
        if self.slices.back().is_none_or(|(last, _)| *last < start) {
            self.slices.push_back((start, Sums::default()));
        }
        let newest = self.slices.back_mut().map(|(_, sums)| sums);
        for sums in newest.into_iter().chain([&mut self.total]) {
            sums.count(count);
            for (metric, value) in sums.metrics.iter_mut().zip(values) {
                if let Some(value) = value {
                    metric.record(value);
                }
            }
        }
    }

    /// Drops slices that have left the window.
    pub(super) fn roll(&mut self, now_ms: i64) {
        while self.next_wake().is_some_and(|due| due <= now_ms) {
            if let Some((_, old)) = self.slices.pop_front() {
                self.total.take_away(&old);
            }
        }
    }

    /// When the oldest slice leaves.
    pub(super) fn next_wake(&self) -> Option<i64> {
        let (start, _) = self.slices.front()?;
        Some(start + SLICE_MS + WINDOW.as_millis() as i64)
    }

    /// Percentiles of the first metric.
    pub(super) fn first_metric(&self) -> Percentiles {
        percentiles(&self.total.metrics[0])
    }

    /// The figures as of the last roll.
    pub(super) fn figures(&self) -> Figures {
        let sums = &self.total;
        let [ttft, ttfo, itl, e2e, tps] = &sums.metrics;
        Figures {
            attempts: sums.attempts,
            failure_rate: Rate::of(sums.errors + sums.truncated, sums.attempts),
            error_rate: Rate::of(sums.errors, sums.attempts),
            truncation_rate: Rate::of(sums.truncated, sums.began),
            ttft_ms: percentiles(ttft),
            ttfo_ms: percentiles(ttfo),
            itl_ms: percentiles(itl),
            e2e_ms: percentiles(e2e),
            output_tps: percentiles(tps),
        }
    }
}
