//! Revisions that never go back: a block is reserved on disk before any number of it is handed out.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use super::queue::Shared;

/// Revisions that are reserved at a time. At one revision a second half a block lasts for six days of a failing disk.
pub const REVISION_BLOCK: u64 = 1_000_000;

/// Hands out the feed's revisions. Cheap to clone; all clones share one sequence.
#[derive(Clone)]
pub struct Revisions(Arc<Inner>);

struct Inner {
    next: AtomicU64,
    reserved: AtomicU64,
    /// The end of the block for which a further one was asked, so that it is asked for once.
    asked: AtomicU64,
    shared: Weak<Shared>,
}

impl Revisions {
    pub(super) fn new(next: u64, reserved: u64, shared: Weak<Shared>) -> Self {
        Self(Arc::new(Inner {
            next: AtomicU64::new(next),
            reserved: AtomicU64::new(reserved),
            asked: AtomicU64::new(0),
            shared,
        }))
    }

    /// The next revision: lock-free but for one call in half a million, which wakes the writer to reserve more. Should
    /// the disk fail for so long that the block runs out, numbers go on: freshness goes before the promise that a
    /// restart never goes back.
    pub fn next(&self) -> u64 {
        let revision = self.0.next.fetch_add(1, Ordering::Relaxed);
        let reserved = self.0.reserved.load(Ordering::Acquire);
        if revision.saturating_add(REVISION_BLOCK / 2) >= reserved
            && self.0.asked.swap(reserved, Ordering::Relaxed) != reserved
            && let Some(shared) = self.0.shared.upgrade()
        {
            shared.ask_for_revisions();
        }
        revision
    }

    /// The revision that comes next, without taking it.
    pub fn peek(&self) -> u64 {
        self.0.next.load(Ordering::Relaxed)
    }

    /// The first revision that is not reserved on disk.
    pub fn reserved(&self) -> u64 {
        self.0.reserved.load(Ordering::Acquire)
    }

    /// Whether the block is half used.
    pub(super) fn runs_short(&self) -> bool {
        self.peek().saturating_add(REVISION_BLOCK / 2) >= self.reserved()
    }

    /// What to write to disk as the end of the next block.
    pub(super) fn block_end(&self) -> u64 {
        self.peek().max(self.reserved()).saturating_add(REVISION_BLOCK)
    }

    pub(super) fn set_reserved(&self, end: u64) {
        self.0.reserved.store(end, Ordering::Release);
    }
}

impl std::fmt::Debug for Revisions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Revisions({} of {})", self.peek(), self.reserved())
    }
}
