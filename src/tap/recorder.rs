//! The copy of one reply on its way to the judge.
//!
//! What passes is copied into a small buffer with the time of each piece. A full buffer goes to a task of the stream's
//! own, and nobody waits for that: bytes of a reply don't wait for their judgement. What may wait there is bounded over
//! all replies; one whose judge can't follow goes unjudged, and is counted.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;

use super::{
    counts::Unjudged,
    desk::{Desk, Room},
    judge::{Case, Judge},
};
use crate::verdict::Ending;

/// Bytes of a reply that are gathered before they go to the judge.
const BATCH_BYTES: usize = 16 << 10;
/// Pieces of a reply that are gathered before they go to the judge.
const BATCH_PIECES: usize = 512;
/// Bytes of all replies together that may wait for their judges.
pub const MAX_QUEUED_BYTES: usize = 64 << 20;

/// Pieces of a reply with their times, as readings of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// When a piece came, and where it ends.
    pieces: Vec<(Duration, usize)>,
    /// The reply's end, if this is its last batch.
    pub(super) end: Option<(Duration, Ending)>,
    /// Its place among what waits.
    room: Option<Room>,
}

impl Batch {
    /// The pieces in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (Duration, &[u8])> {
        let mut from = 0;
        self.pieces.iter().map(move |&(at, end)| {
            let piece = &self.bytes[from..end];
            from = end;
            (at, piece)
        })
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.pieces.len() >= BATCH_PIECES
    }
}

/// Watches one reply. Dropped before its end was told, it tells that the client went away.
pub(super) struct Recorder {
    desk: Arc<Desk>,
    /// Until the first batch goes out.
    case: Option<Box<Case>>,
    /// The judge's task, once it runs.
    judge: Option<mpsc::UnboundedSender<Batch>>,
    batch: Batch,
    done: bool,
}

impl Recorder {
    /// For a request that is about to be sent.
    pub(super) fn new(desk: Arc<Desk>, case: Case) -> Self {
        Self {
            desk,
            case: Some(Box::new(case)),
            judge: None,
            batch: Batch::default(),
            done: false,
        }
    }

    /// The response head came.
    pub(super) fn head(&mut self, at: Duration, status: StatusCode, headers: &HeaderMap) {
        if let Some(case) = &mut self.case {
            case.head(at, status, headers);
        }
    }

    /// A piece of the body came.
    pub(super) fn piece(&mut self, at: Duration, bytes: &[u8]) {
        if self.done {
            return;
        }
        for part in bytes.chunks(BATCH_BYTES) {
            self.batch.bytes.extend_from_slice(part);
            self.batch.pieces.push((at, self.batch.bytes.len()));
            if self.batch.is_full() {
                self.hand();
            }
        }
    }

    /// The exchange is over.
    pub(super) fn end(&mut self, at: Duration, ending: Ending) {
        if !std::mem::replace(&mut self.done, true) {
            self.batch.end = Some((at, ending));
            self.hand();
        }
    }

    /// Gives the batch to the judge, without waiting.
    fn hand(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.room = self.desk.room(batch.bytes.len());
        if batch.room.is_none() {
            // A judge that has begun sees the channel end without an end of the reply, and gives up.
            (self.judge, self.case, self.done) = (None, None, true);
            self.desk.counts.unjudged(Unjudged::Overrun);
        } else if let Some(judge) = &self.judge {
            // It is gone only after a failure of its own, which is counted there.
            self.done |= judge.send(batch).is_err();
        } else if let Some(case) = self.case.take() {
            if batch.end.is_some() {
                self.desk.judge(async move { Judge::new(*case).finish(&batch) });
            } else {
                let (judge, batches) = mpsc::unbounded_channel();
                let _ = judge.send(batch);
                self.judge = Some(judge);
                self.desk.judge(follow(Judge::new(*case), batches));
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let now = self.desk.clock.mono();
        self.end(now, Ending::Cancelled);
    }
}

/// Judges a long reply as it comes.
async fn follow(mut judge: Judge, mut batches: mpsc::UnboundedReceiver<Batch>) -> super::judge::Outcome {
    while let Some(batch) = batches.recv().await {
        if batch.end.is_some() {
            return judge.finish(&batch);
        }
        judge.take(&batch);
    }
    // The overrun is counted where it happened.
    super::judge::Outcome::GivenUp
}
