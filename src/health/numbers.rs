//! The numbers that decide, in one place for whoever explains them: the constants in force, not a copy of them.

use std::time::Duration;

use super::{
    confirm, deadline, engine, flags, hint, incident,
    kernel::{self, Params, Tuning},
    machine, provider, stream, target, vantage,
};

/// One detector, in words of rates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectorNumbers {
    /// Share of failures that is healthy.
    pub healthy: f64,
    /// Share of failures that it looks for.
    pub failing: f64,
    /// Sum of evidence at which it raises its alarm, in nats.
    pub alarm: f64,
    /// Sum at which the alarm clears, in nats.
    pub clears: f64,
    /// Failures in a row that raise it from nothing.
    pub in_a_row: u32,
}

impl DetectorNumbers {
    fn of(params: &Params) -> Self {
        let (healthy, failing) = params.rates();
        Self {
            healthy,
            failing,
            alarm: params.cap(),
            clears: params.clear(),
            in_a_row: params.in_a_row(),
        }
    }
}

/// Everything that decides. Shares are 0 to 1; pairs are "from" and "until below".
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// Observations within one slot count once.
    pub slot: Duration,
    /// Hard failure, at the lowest base rate.
    pub hard: DetectorNumbers,
    /// Elevated failure, at the lowest base rate.
    pub elevated: DetectorNumbers,
    /// Late first tokens.
    pub late: DetectorNumbers,
    /// Bounds of the base rate: what is healthy for a target that always fails a little.
    pub base_rate: (f64, f64),
    /// Shortest and longest hold of an alarm.
    pub hold: (Duration, Duration),
    /// Failing fraction of a hard alarm: down, else partial.
    pub down: (f64, f64),
    /// Failing fraction of an elevated alarm: partial, else degraded.
    pub partial: (f64, f64),
    /// Share of a provider's targets that are down, from which it is down.
    pub provider_down: f64,
    /// Failing fraction of a partial target: to be avoided.
    pub avoid: (f64, f64),
    /// Weights on the way back, and how long each lasts.
    pub ramp: (Vec<f64>, Duration),
    /// Probe intervals without evidence after which nothing is known.
    pub stale_intervals: u32,
    /// The shortest and, where only reports come, the longest such time.
    pub stale: (Duration, Duration),
    /// Ill health that lasts this long is an incident.
    pub incident_opens: Duration,
    /// Health that lasts this long ends it.
    pub incident_closes: Duration,
    /// What the 95th percentile of first-token times is multiplied with to be the soft deadline.
    pub deadline_factor: f64,
    /// Bounds of the soft deadline.
    pub deadline_bounds: (Duration, Duration),
    /// The soft deadline before there are enough samples, and how many are enough.
    pub deadline_default: (Duration, u64),
    /// How far back it looks.
    pub deadline_window: Duration,
    /// Probes fired at once on a suspicion, and at most in one burst.
    pub burst: (u32, u32),
    /// Longest pause between probes for recovery, and how many an hour.
    pub recovery: (Duration, u32),
    /// Distance of two failing rounds of anchors that prove us offline, and the wait once they are back.
    pub offline: (Duration, Duration),
    /// How long evidence against an edge waits for proof that our own network works.
    pub edge_waits: Duration,
    /// Hint `throttle` where the provider names no wait, and at most.
    pub throttle: (Duration, Duration),
    /// Off-script answers in a row that switch a canary's text rule off.
    pub sentinel_run: u32,
    /// Output tokens from which a reply counts as long.
    pub long_tokens: u64,
}

/// The numbers in force.
pub fn numbers() -> Numbers {
    let ms = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    let real = |ms: f64| Duration::from_secs_f64(ms / 1e3);
    let tuning = Tuning::for_base_rate(kernel::P0_MIN);
    Numbers {
        slot: ms(kernel::SLOT_MS),
        hard: DetectorNumbers::of(&tuning.h),
        elevated: DetectorNumbers::of(&tuning.e),
        late: DetectorNumbers::of(&tuning.l),
        base_rate: (kernel::P0_MIN, kernel::P0_MAX),
        hold: (ms(machine::HOLD_MIN_MS), ms(machine::HOLD_MAX_MS)),
        down: (machine::DOWN_FROM, machine::DOWN_BELOW),
        partial: (machine::PARTIAL_FROM, machine::PARTIAL_BELOW),
        provider_down: provider::DOWN_SHARE,
        avoid: (hint::AVOID_FROM, hint::AVOID_BELOW),
        ramp: (hint::RAMP.to_vec(), ms(hint::STEP_MS)),
        stale_intervals: stream::STALE_GAPS as u32,
        stale: (ms(stream::STALE_MIN_MS), ms(stream::STALE_REPORTS_MAX_MS)),
        incident_opens: ms(incident::OPEN_AFTER_MS),
        incident_closes: ms(incident::CLOSE_AFTER_MS),
        deadline_factor: deadline::FACTOR,
        deadline_bounds: (real(deadline::BOUNDS_MS.0), real(deadline::BOUNDS_MS.1)),
        deadline_default: (real(deadline::DEFAULT_MS), deadline::MIN_SAMPLES),
        deadline_window: Duration::from_secs(3_600 * deadline::HOURS.unsigned_abs()),
        burst: (confirm::BURST, confirm::BURST_MAX),
        recovery: (
            ms(confirm::BACKOFF_MS[confirm::BACKOFF_MS.len() - 1]),
            confirm::RECOVERY_PER_HOUR,
        ),
        offline: (ms(vantage::OFFLINE_MS), ms(vantage::BACK_MS)),
        edge_waits: ms(vantage::HOLD_MS),
        throttle: (ms(target::RETRY_DEFAULT_MS), ms(target::RETRY_MAX_MS)),
        sentinel_run: u32::from(flags::SENTINEL_RUN),
        long_tokens: engine::LONG_TOKENS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation says of the detectors (`docs/detection.md`), out of the very steps that they add.
    #[test]
    fn detectors_are_told_by_the_steps_that_they_add() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let found = numbers();
        for (detector, healthy, failing, alarm, clears, in_a_row) in [
            (found.hard, 0.01, 0.5, 16.0, 5.0, 5),
            (found.elevated, 0.01, 0.06, 15.0, 8.0, 9),
            (found.late, 0.05, 0.5, 14.0, 3.0, 7),
        ] {
            assert!(
                close(detector.healthy, healthy) && close(detector.failing, failing),
                "{detector:?}"
            );
            assert!(
                close(detector.alarm, alarm) && close(detector.clears, clears),
                "{detector:?}"
            );
            assert_eq!(detector.in_a_row, in_a_row, "{detector:?}");
        }
    }
}
