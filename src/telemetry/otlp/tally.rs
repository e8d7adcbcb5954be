//! What became of exports, counted where it happens.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    clock::{Clock, Timestamp},
    config::OtlpSignal,
    telemetry::OwnExport,
};

/// Why something reached no collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum Lost {
    /// No room between the loop and the exporter, or in the exporter's own queue.
    Queue,
    /// The collector refused, failed or didn't answer in time.
    Failed,
    /// The collector took the export and rejected a part.
    Rejected,
    /// The end came first.
    Shutdown,
}

impl Lost {
    const ALL: [Self; 4] = [Self::Queue, Self::Failed, Self::Rejected, Self::Shutdown];

    pub(in crate::telemetry) const fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
        }
    }
}

#[derive(Debug, Default)]
struct Signal {
    /// Whether anything of it was ever to be told: the others are not shown.
    used: AtomicU64,
    taken: AtomicU64,
    lost: [AtomicU64; Lost::ALL.len()],
    failing: AtomicU64,
    last_success: Mutex<Option<Timestamp>>,
}

/// Counts by signal since start; they outlive a reload.
#[derive(Debug)]
pub(in crate::telemetry) struct Tally {
    clock: Clock,
    signals: [Signal; OtlpSignal::ALL.len()],
}

impl Tally {
    pub(in crate::telemetry) fn new(clock: Clock) -> Self {
        Self {
            clock,
            signals: Default::default(),
        }
    }

    fn of(&self, signal: OtlpSignal) -> &Signal {
        &self.signals[signal as usize]
    }

    /// From now on this signal is shown.
    pub(super) fn shows(&self, signal: OtlpSignal) {
        self.of(signal).used.store(1, Ordering::Relaxed);
    }

    /// Nobody got these.
    pub(super) fn lost(&self, signal: OtlpSignal, why: Lost, n: u64) {
        self.of(signal).lost[why as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// An export came to an end with that many items; `error`: it failed. The first failure and the end of a failure are told in the log.
    pub(super) fn ended(&self, signal: OtlpSignal, n: u64, error: Option<&dyn std::fmt::Display>) {
        let of = self.of(signal);
        let name = signal.as_str();
        match error {
            None => {
                of.taken.fetch_add(n, Ordering::Relaxed);
                let mut last = of.last_success.lock().unwrap_or_else(PoisonError::into_inner);
                *last = Some(self.clock.wall());
                drop(last);
                if of.failing.swap(0, Ordering::Relaxed) > 0 {
                    tracing::info!(signal = name, "the collector takes exports again");
                }
            }
            Some(error) => {
                self.lost(signal, Lost::Failed, n);
                if of.failing.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(signal = name, %error, items = n, "an export failed; what was in it is lost");
                }
            }
        }
    }

    /// A collector took an export but for these, which were counted as taken.
    pub(super) fn rejected(&self, signal: OtlpSignal, n: u64) {
        if n > 0 {
            self.lost(signal, Lost::Rejected, n);
            tracing::debug!(
                signal = signal.as_str(),
                n,
                "the collector rejected a part of an export"
            );
        }
    }

    /// As it is shown: signals that were ever to be told.
    pub(in crate::telemetry) fn own(&self) -> Vec<OwnExport> {
        let used = OtlpSignal::ALL
            .into_iter()
            .filter(|signal| self.of(*signal).used.load(Ordering::Relaxed) > 0);
        used.map(|signal| {
            let of = self.of(signal);
            let lost = |why: Lost| (why.as_str(), of.lost[why as usize].load(Ordering::Relaxed));
            let rejected = lost(Lost::Rejected).1;
            OwnExport {
                signal: signal.as_str(),
                taken: of.taken.load(Ordering::Relaxed).saturating_sub(rejected),
                lost: Lost::ALL.map(lost).to_vec(),
                last_success: *of.last_success.lock().unwrap_or_else(PoisonError::into_inner),
            }
        })
        .collect()
    }
}
