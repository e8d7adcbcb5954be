//! One reader's place in the event stream.

use std::sync::{Arc, PoisonError, atomic::Ordering};

use bytes::Bytes;
use tokio::sync::watch;

use super::{
    filter::Filter,
    hub::{Current, Shared},
};

/// A cursor into the hub's events. Dropping it frees its place.
#[derive(Debug)]
pub struct Subscription {
    current: watch::Receiver<Arc<Current>>,
    shared: Arc<Shared>,
    /// The last revision that this reader has; `None` before its first snapshot.
    cursor: Option<u64>,
    filter: Option<Filter>,
}

impl Subscription {
    pub(super) fn new(
        current: watch::Receiver<Arc<Current>>,
        shared: Arc<Shared>,
        cursor: Option<u64>,
        filter: Option<Filter>,
    ) -> Self {
        Self {
            current,
            shared,
            cursor,
            filter,
        }
    }

    /// The next SSE frame; waits for one. `None` when the hub is gone. Safe to cancel: nothing is lost.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready() {
                return Some(frame);
            }
            self.current.changed().await.ok()?;
        }
    }

    /// The next SSE frame if there is one now. Moves past events that hold nothing for this reader's filter.
    fn ready(&mut self) -> Option<Bytes> {
        loop {
            let current = Arc::clone(&self.current.borrow_and_update());
            let newest = current.snapshot.revision();
            let next = match self.cursor {
                Some(cursor) if cursor == newest => return None,
                Some(cursor) if current.event.after == cursor => Some(Arc::clone(&current.event)),
                Some(cursor) => self.recall(cursor),
                None => None,
            };
            let Some(event) = next else {
                self.cursor = Some(newest);
                return Some(current.snapshot.frame(self.filter.as_ref()));
            };
            self.cursor = Some(event.revision);
            if let Some(frame) = event.frame(self.filter.as_ref()) {
                return Some(frame);
            }
        }
    }

    fn recall(&self, cursor: u64) -> Option<Arc<super::hub::Event>> {
        let ring = self.shared.ring.read().unwrap_or_else(PoisonError::into_inner);
        let event = ring.after(cursor);
        if event.is_none() {
            self.shared.lagged.fetch_add(1, Ordering::Relaxed);
        }
        event
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}
