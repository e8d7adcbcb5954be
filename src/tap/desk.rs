//! Where judgements are made and go.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{
    counts::{Counts, Unjudged},
    judge,
    recorder::MAX_QUEUED_BYTES,
};
use crate::{
    clock::Clock,
    feed::outcome::Outcome,
    link::Shipper,
    verdict::{Observation, Verdict},
};

/// Takes what was judged. It must not wait.
pub trait Sink: Send + Sync {
    /// One reply; tells whether there was room for it.
    fn take(&self, seen: Observation) -> bool;
}

impl<F: Fn(Observation) -> bool + Send + Sync> Sink for F {
    fn take(&self, seen: Observation) -> bool {
        self(seen)
    }
}

/// To a daemon. A report carries the reporter that its sender was given.
impl Sink for Shipper {
    fn take(&self, seen: Observation) -> bool {
        self.send(Outcome {
            reporter: None,
            ..Outcome::of(&seen)
        })
    }
}

/// What all streams share.
pub(super) struct Desk {
    pub(super) clock: Clock,
    pub(super) counts: Counts,
    sink: Arc<dyn Sink>,
    /// Bytes that wait for a judge.
    queued: Arc<AtomicUsize>,
    tasks: TaskTracker,
    runtime: Handle,
}

impl Desk {
    /// Judges on this runtime.
    pub(super) fn new(clock: Clock, sink: Arc<dyn Sink>, runtime: Handle) -> Self {
        Self {
            clock,
            counts: Counts::default(),
            sink,
            queued: Arc::default(),
            tasks: TaskTracker::new(),
            runtime,
        }
    }

    /// Room for so many bytes among those that wait, if there is any.
    pub(super) fn room(&self, bytes: usize) -> Option<Room> {
        let room = Room {
            queued: Arc::clone(&self.queued),
            bytes,
        };
        let before = self.queued.fetch_add(bytes, Ordering::Relaxed);
        // Dropped, it gives back what it took.
        (before + bytes <= MAX_QUEUED_BYTES).then_some(room)
    }

    /// Runs a judge in a task of its own: where it fails, nothing else does.
    pub(super) fn judge(self: &Arc<Self>, work: impl Future<Output = judge::Outcome> + Send + 'static) {
        let desk = Arc::clone(self);
        self.tasks.spawn_on(
            async move {
                let mut guard = Guard {
                    desk: &desk,
                    told: false,
                };
                match work.await {
                    judge::Outcome::Seen(seen) => {
                        let verdict = seen.verdict;
                        // What says nothing is not told; what nobody knows the meaning of says nothing.
                        if verdict != Verdict::Unknown && !desk.sink.take(*seen) {
                            Counts::add(&desk.counts.untold);
                        }
                        desk.counts.judged(verdict);
                    }
                    judge::Outcome::Unjudged(why) => desk.counts.unjudged(why),
                    judge::Outcome::GivenUp => {}
                }
                guard.told = true;
            },
            &self.runtime,
        );
    }

    /// Waits until no judge is at work. None must begin any more.
    pub(super) async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Bytes that wait, until they are dropped.
#[derive(Debug)]
pub(super) struct Room {
    queued: Arc<AtomicUsize>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.queued.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Counts a judge that didn't come to its end.
struct Guard<'a> {
    desk: &'a Desk,
    told: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.desk.counts.unjudged(Unjudged::Failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_bytes_wait_and_no_more() {
        let desk = Desk::new(Clock::system(), Arc::new(|_| true), Handle::current());
        let most = desk.room(MAX_QUEUED_BYTES);
        assert!(most.is_some());
        assert!(desk.room(1).is_none());
        drop(most);
        assert!(desk.room(1).is_some());
        assert!(desk.room(MAX_QUEUED_BYTES + 1).is_none());
        assert_eq!(desk.queued.load(Ordering::Relaxed), 0);
    }
}
