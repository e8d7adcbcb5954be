//! One task per channel: sends what waits, one at a time, until somebody took it.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Mark, Message, Next, Outcome, Queue};
use crate::clock::{Clock, Timestamp};

/// A try that lasts longer has failed. Channels have shorter limits of their own; this one is for those that hang
/// all the same.
pub const TRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest sleep while something waits: a machine that was suspended, or whose clock was set, tries soon after.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Whoever brings a message to its channel. Never tries again by itself.
pub trait Deliver: Send + Sync + 'static {
    /// One try.
    fn deliver<'a>(&'a self, message: &'a Message, now: Timestamp) -> BoxFuture<'a, Outcome>;
}

/// What waits for a channel, and the news that something does.
#[derive(Debug, Default)]
pub struct Mailbox {
    queue: Mutex<Queue>,
    news: Notify,
}

impl Mailbox {
    /// Looks at what waits, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut Queue) -> T) -> T {
        look(&mut self.lock())
    }

    /// Wakes the worker: something was added.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A queue is whole between its calls, whoever panicked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A try, whatever happens within: one that never ends, or dies, has failed.
pub async fn attempt(carrier: &dyn Deliver, message: &Message, now: Timestamp) -> Outcome {
    let failed = |why: &str| Outcome::Later {
        why: why.to_owned(),
        after: None,
    };
    let outcome = AssertUnwindSafe(carrier.deliver(message, now)).catch_unwind();
    match tokio::time::timeout(TRY_TIMEOUT, outcome).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => failed("the channel's code panicked; please report this"),
        Err(_) => failed("no end of the exchange in time"),
    }
}

/// Sends what waits until `over` is cancelled; a try under way is then broken off and its message waits on. `keep` is
/// told what became of each message, and must not block.
pub async fn work(
    mailbox: Arc<Mailbox>,
    carrier: Arc<dyn Deliver>,
    clock: Clock,
    keep: impl Fn(Vec<Mark>) + Send,
    over: CancellationToken,
) {
    loop {
        let now = clock.now();
        match mailbox.with(|queue| queue.next(now)) {
            Next::Try(message) => {
                let outcome = tokio::select! {
                    biased;
                    () = over.cancelled() => None,
                    outcome = attempt(carrier.as_ref(), &message, now) => Some(outcome),
                };
                let Some(outcome) = outcome else {
                    mailbox.with(Queue::abandon);
                    // Whoever takes the place of this worker may have found nothing to do meanwhile.
                    mailbox.wake();
                    return;
                };
                let now = clock.now();
                keep(mailbox.with(|queue| queue.done(&message.key, outcome, now)));
            }
            Next::Wait(until) => tokio::select! {
                biased;
                () = over.cancelled() => return,
                () = mailbox.news.notified() => {}
                () = tokio::time::sleep(until.since(now).min(LOOK_AGAIN)) => {}
            },
            Next::Idle => tokio::select! {
                biased;
                () = over.cancelled() => return,
                () = mailbox.news.notified() => {}
            },
        }
    }
}

#[cfg(test)]
mod tests;
