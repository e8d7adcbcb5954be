//! What was seen, on its way out of the loop.

use std::sync::Arc;

use super::Core;
use crate::{store::Record, verdict::Observation};

impl Core {
    /// Puts down where it was seen from and tells whoever collects figures; the brain has judged it before.
    pub(super) fn signed(&self, mut seen: Observation) -> Arc<Observation> {
        seen.vantage = Some(Arc::clone(&self.vantage));
        let seen = Arc::new(seen);
        self.outlet.observation(&seen);
        seen
    }

    /// Tells followers, and keeps it.
    pub(super) fn keep_seen(&self, seen: &Arc<Observation>) {
        // Nobody following is no error.
        let _ = self.handle.observations.send(Arc::clone(seen));
        self.writer.send(Record::Observation((**seen).clone()));
    }
}
