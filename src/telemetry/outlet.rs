//! Where the loop tells what happened. Nothing here waits.

use std::{sync::Arc, time::Duration};

use super::{Ledger, NotSent};
use crate::{clock::Timestamp, id::TargetId, verdict::Observation};

/// The loop's way out to those who collect.
#[derive(Debug, Default)]
pub struct Outlet {
    ledger: Arc<Ledger>,
}

impl Outlet {
    /// What was counted so far.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Something was seen.
    pub fn observation(&self, seen: &Arc<Observation>) {
        self.ledger.add(seen);
    }

    /// The loop made a round.
    pub fn round(&self, now: Timestamp, lag: Option<Duration>) {
        self.ledger.round(now, lag);
    }

    /// Probes under way, and those that were not sent.
    pub fn probes(&self, in_flight: usize, not_sent: NotSent) {
        self.ledger.probes(in_flight, not_sent);
    }

    /// Which targets are watched: the others are forgotten.
    pub fn watched(&self, is_watched: impl Fn(&TargetId) -> bool) {
        self.ledger.retain(is_watched);
    }
}
