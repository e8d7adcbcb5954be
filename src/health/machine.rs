//! One stream's state: from alarms and failing fractions to operational, degraded, partial or down.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    State,
    kernel::{Detectors, Input, Kernel, Tuning},
};

/// Shortest hold of an alarm.
pub(super) const HOLD_MIN_MS: i64 = 10_000;
/// Longest hold of an alarm.
pub(super) const HOLD_MAX_MS: i64 = 300_000;
/// How long an entry into ill health lengthens the next hold.
const ENTRY_MEMORY_MS: i64 = 600_000;
/// Entries that matter: after five doublings the hold is at its maximum.
const MAX_ENTRIES: usize = 8;

/// Failing fraction from which a hard alarm means down.
pub(super) const DOWN_FROM: f64 = 0.85;
/// Failing fraction below which down turns to partial.
pub(super) const DOWN_BELOW: f64 = 0.70;
/// Failing fraction from which an elevated alarm means partial.
pub(super) const PARTIAL_FROM: f64 = 0.20;
/// Failing fraction below which it turns back to degraded.
pub(super) const PARTIAL_BELOW: f64 = 0.12;

/// The detectors of one stream with their state and hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    kernel: Kernel,
    entries: Vec<i64>,
    hold_ms: i64,
    #[serde(with = "super::save::state_name")]
    state: State,
    /// Partial on E's account: its own hysteresis, which stands still while H rules.
    elevated_partial: bool,
    #[serde(skip, default = "default_tuning")]
    tuning: Tuning,
}

fn default_tuning() -> Tuning {
    Tuning::for_base_rate(0.0)
}

impl Machine {
    /// At rest, operational, with the lowest base rate.
    pub fn new(detectors: Detectors) -> Self {
        Self {
            kernel: Kernel::new(detectors),
            entries: Vec::new(),
            hold_ms: HOLD_MIN_MS,
            state: State::Operational,
            elevated_partial: false,
            tuning: default_tuning(),
        }
    }

    /// The detectors.
    pub const fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The parameters in force.
    pub const fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// Takes up new parameters; sums carry over, since they are in nats.
    pub fn tune(&mut self, tuning: Tuning) {
        self.tuning = tuning;
    }

    /// Operational, degraded, partial or down: freshness is not judged here.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Least time that an alarm stays after its sum last stood at the cap.
    pub const fn hold(&self) -> Duration {
        Duration::from_millis(self.hold_ms as u64)
    }

    /// Whether any detector is alarmed.
    pub const fn alarmed(&self) -> bool {
        self.kernel.alarmed()
    }

    /// The larger failing fraction.
    pub const fn fraction(&self) -> f64 {
        self.kernel.f_h().max(self.kernel.f_e())
    }

    /// Whether what was kept is something that this machine could have become.
    pub fn is_sane(&self) -> bool {
        self.kernel.is_sane(&self.tuning)
            && self.entries.len() <= MAX_ENTRIES
            && (HOLD_MIN_MS..=HOLD_MAX_MS).contains(&self.hold_ms)
            && self.state.is_impaired() == self.alarmed()
    }

    /// After a restart: no time in here may lie ahead of `now_ms`, or the detectors would stand still until then.
    pub fn rebase(&mut self, now_ms: i64) {
        self.kernel.rebase(now_ms);
        for entry in &mut self.entries {
            *entry = (*entry).min(now_ms);
        }
    }

    /// Takes one counted observation and returns the state after it.
    pub fn observe(&mut self, input: &Input) -> State {
        let t = self.kernel.feed(input, &self.tuning, self.hold_ms);
        let next = self.next();
        if self.state == State::Operational && next != State::Operational {
            self.enter(t);
        }
        self.state = next;
        next
    }

    fn next(&mut self) -> State {
        let k = &self.kernel;
        if k.h().alarm() {
            let down = self.state == State::Down;
            let line = if down { DOWN_BELOW } else { DOWN_FROM };
            return if k.f_h() >= line {
                State::Down
            } else {
                State::Partial
            };
        }
        if k.e().alarm() {
            let line = if self.elevated_partial {
                PARTIAL_BELOW
            } else {
                PARTIAL_FROM
            };
            self.elevated_partial = k.f_e() >= line;
            return if self.elevated_partial {
                State::Partial
            } else {
                State::Degraded
            };
        }
        self.elevated_partial = false;
        if k.l().alarm() {
            return State::Degraded;
        }
        State::Operational
    }

    fn enter(&mut self, t: i64) {
        self.entries.retain(|entry| t - entry <= ENTRY_MEMORY_MS);
        let doublings = self.entries.len().min(MAX_ENTRIES);
        self.hold_ms = (HOLD_MIN_MS << doublings).min(HOLD_MAX_MS);
        if self.entries.len() == MAX_ENTRIES {
            self.entries.remove(0);
        }
        self.entries.push(t);
    }
}
