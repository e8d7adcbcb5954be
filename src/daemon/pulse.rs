//! Whether the loop moves, for `/readyz`.

use std::sync::atomic::{AtomicI64, Ordering};

use super::core::store_status;
use crate::{
    api::{Checks, Readiness},
    clock::Timestamp,
    store::Writer,
};

/// The last round of the loop, and the store beside it.
pub(crate) struct Pulse {
    beat_ms: AtomicI64,
    writer: Writer,
}

impl Pulse {
    pub(crate) fn new(writer: Writer, now: Timestamp) -> Self {
        Self {
            beat_ms: AtomicI64::new(now.as_millis()),
            writer,
        }
    }

    /// When the loop made its last round.
    pub(crate) fn beat_at(&self) -> Timestamp {
        Timestamp::from_millis(self.beat_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn beat(&self, now: Timestamp) {
        self.beat_ms.store(now.as_millis(), Ordering::Relaxed);
    }
}

impl Readiness for Pulse {
    fn checks(&self) -> Checks {
        Checks {
            scheduler_at: self.beat_at(),
            store: store_status(&self.writer),
            store_queued: self.writer.status().queued as u64,
        }
    }
}
