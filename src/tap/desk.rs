//! Where judgements are made and go.

use std::{future::Future, sync::Arc};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{
    counts::{Counts, Unjudged},
    judge::Outcome,
};
use crate::{clock::Clock, verdict::Observation};

/// Takes what was judged. It must not wait: a full queue of its own is its own to count.
pub trait Sink: Send + Sync {
    /// One reply.
    fn take(&self, seen: Observation);
}

impl<F: Fn(Observation) + Send + Sync> Sink for F {
    fn take(&self, seen: Observation) {
        self(seen);
    }
}

/// What all streams share.
pub(super) struct Desk {
    pub(super) clock: Clock,
    pub(super) counts: Counts,
    sink: Arc<dyn Sink>,
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
            tasks: TaskTracker::new(),
            runtime,
        }
    }

    /// Runs a judge in a task of its own: where it fails, nothing else does.
    pub(super) fn judge(self: &Arc<Self>, work: impl Future<Output = Outcome> + Send + 'static) {
        let desk = Arc::clone(self);
        self.tasks.spawn_on(
            async move {
                let mut guard = Guard {
                    desk: &desk,
                    told: false,
                };
                match work.await {
                    Outcome::Seen(seen) => {
                        let verdict = seen.verdict;
                        // What says nothing is not told; what nobody knows the meaning of says nothing.
                        if verdict != crate::verdict::Verdict::Unknown {
                            desk.sink.take(*seen);
                        }
                        desk.counts.judged(verdict);
                    }
                    Outcome::Unjudged(why) => desk.counts.unjudged(why),
                    Outcome::GivenUp => {}
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
