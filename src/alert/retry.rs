//! When a message is tried again, and when a channel is left alone. Pure.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::clock::Timestamp;

/// Wait after the first failed try; each further one doubles it. Up to as long again is drawn on top of every wait.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);
/// Longest wait between two tries, before what is drawn on top.
pub const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A message that nobody took for this long is given up at its channel's next failure.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(86_400);
/// Longest wait that a channel may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// Failures in a row after which a channel gets one trial at a time.
pub const OPEN_AFTER: u32 = 3;
/// Waits grow no further from this failure on.
const MAX_DOUBLINGS: usize = 16;

/// How long to wait after so many failures, at least one. Never less than what was asked for within
/// [`MAX_RETRY_AFTER`]. The same seed and count give the same wait.
pub(super) fn wait(failures: u32, asked: Option<Duration>, seed: u64) -> Duration {
    let nth = (failures.max(1) as usize - 1).min(MAX_DOUBLINGS);
    let own = ExponentialBuilder::new()
        .with_min_delay(BACKOFF_MIN)
        .with_max_delay(BACKOFF_MAX)
        .without_max_times()
        .with_jitter()
        .with_jitter_seed(seed.wrapping_add(u64::from(failures)))
        .build()
        .nth(nth)
        .unwrap_or(BACKOFF_MAX);
    own.max(asked.unwrap_or_default().min(MAX_RETRY_AFTER))
}

/// Whether a channel is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// It works, as far as is known: messages go as they come.
    Closed,
    /// It failed too often: nothing goes until a trial is due.
    Open,
    /// A trial is due, or under way: one message goes, and what becomes of it decides.
    HalfOpen,
}

impl CircuitState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// The name in the API and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A channel's circuit: a dead channel costs one try per wait, not one per message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Circuit {
    failures: u32,
    until: Option<Timestamp>,
}

impl Circuit {
    /// Somebody took a message; true where the channel had been left alone before.
    pub(super) fn worked(&mut self) -> bool {
        let was_open = self.is_open();
        *self = Self::default();
        was_open
    }

    /// A try failed; nothing goes through an open circuit, or before the end of what was asked for, until then.
    pub(super) fn failed(&mut self, asked: Option<Duration>, seed: u64, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        let wait = if self.is_open() {
            Some(wait(self.failures, asked, seed))
        } else {
            asked.map(|asked| asked.min(MAX_RETRY_AFTER))
        };
        self.until = wait.map(|wait| now.plus(wait));
    }

    /// Until when nothing goes.
    pub(super) fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.filter(|until| now < *until)
    }

    /// Whether only one message may go at a time, as a trial.
    pub(super) const fn is_open(&self) -> bool {
        self.failures >= OPEN_AFTER
    }

    /// As it is now.
    pub(super) fn state(&self, now: Timestamp) -> CircuitState {
        match (self.is_open(), self.closed_until(now)) {
            (false, _) => CircuitState::Closed,
            (true, Some(_)) => CircuitState::Open,
            (true, None) => CircuitState::HalfOpen,
        }
    }

    /// Failures in a row.
    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn waits_double_from_a_second_to_their_cap_and_at_most_double_again_by_lot() {
        let mut least = BACKOFF_MIN;
        for failures in 1..400 {
            let drawn = wait(failures, None, 7);
            assert!(drawn >= least && drawn <= least * 2, "{failures}: {drawn:?}");
            least = (least * 2).min(BACKOFF_MAX);
        }
        assert_ne!(wait(5, None, 1), wait(5, None, 2), "the lot differs by seed");
        assert_eq!(wait(5, None, 1), wait(5, None, 1));
    }

    #[test]
    fn what_was_asked_for_is_waited_for_within_its_bound() {
        for (asked, least) in [
            (Duration::ZERO, BACKOFF_MIN),
            (Duration::from_secs(40), Duration::from_secs(40)),
            (MAX_RETRY_AFTER, MAX_RETRY_AFTER),
            (MAX_RETRY_AFTER + Duration::from_millis(1), MAX_RETRY_AFTER),
            (Duration::MAX, MAX_RETRY_AFTER),
        ] {
            let waited = wait(1, Some(asked), 3);
            assert!(
                waited >= least && waited <= least.max(BACKOFF_MIN * 2),
                "{asked:?}: {waited:?}"
            );
        }
    }

    #[test]
    fn a_circuit_opens_at_its_limit_and_closes_at_the_first_success() {
        let mut circuit = Circuit::default();
        for _ in 1..OPEN_AFTER {
            circuit.failed(None, 1, at(0));
            assert_eq!(
                (circuit.state(at(0)), circuit.closed_until(at(0))),
                (CircuitState::Closed, None)
            );
        }
        circuit.failed(None, 1, at(0));
        let until = circuit.closed_until(at(0)).unwrap();
        assert_eq!(circuit.state(at(0)), CircuitState::Open);
        assert_eq!(circuit.state(until), CircuitState::HalfOpen);
        circuit.failed(None, 1, until);
        assert_eq!(circuit.state(until), CircuitState::Open, "a trial that failed");
        assert!(circuit.worked());
        assert_eq!(circuit, Circuit::default());
        assert!(!circuit.worked());
    }

    #[test]
    fn a_channel_that_asks_for_time_gets_it_from_the_first_failure_on() {
        let mut circuit = Circuit::default();
        circuit.failed(Some(Duration::from_secs(9)), 1, at(0));
        assert_eq!(circuit.closed_until(at(8_999)), Some(at(9_000)));
        assert_eq!(circuit.closed_until(at(9_000)), None);
        assert_eq!(circuit.state(at(0)), CircuitState::Closed);
    }

    proptest! {
        #[test]
        fn no_wait_is_outside_its_bounds(failures: u32, asked in proptest::option::of(0_u64..u64::MAX), seed: u64) {
            let waited = wait(failures, asked.map(Duration::from_millis), seed);
            prop_assert!(waited >= BACKOFF_MIN);
            prop_assert!(waited <= MAX_RETRY_AFTER.max(BACKOFF_MAX * 2));
        }
    }
}
