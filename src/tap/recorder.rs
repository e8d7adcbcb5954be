//! The copy of one reply on its way to the judge.
//!
//! What passes is copied into a small buffer with the time of each piece. A full buffer goes to a task of the stream's
//! own, through a bounded channel that is never waited for: bytes of a reply don't wait for their judgement. A reply
//! whose judge can't follow goes unjudged, and is counted.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;

use super::{
    counts::Unjudged,
    desk::Desk,
    judge::{Case, Judge},
};
use crate::verdict::Ending;

/// Bytes of a reply that are gathered before they go to the judge.
const BATCH_BYTES: usize = 16 << 10;
/// Pieces of a reply that are gathered before they go to the judge.
const BATCH_PIECES: usize = 512;
/// Batches that wait for the judge of one stream: with [`BATCH_BYTES`], a mebibyte.
const QUEUE: usize = 64;

/// Pieces of a reply with their times, as readings of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// When a piece came, and where it ends.
    pieces: Vec<(Duration, usize)>,
    /// The reply's end, if this is its last batch.
    pub(super) end: Option<(Duration, Ending)>,
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
    judge: Option<mpsc::Sender<Batch>>,
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
        let batch = std::mem::take(&mut self.batch);
        if let Some(judge) = &self.judge {
            if judge.try_send(batch).is_err() {
                // It sees the channel end without an end of the reply, and gives up.
                self.judge = None;
                self.done = true;
                self.desk.counts.unjudged(Unjudged::Overrun);
            }
        } else if let Some(case) = self.case.take() {
            if batch.end.is_some() {
                self.desk.judge(async move { Judge::new(*case).finish(&batch) });
            } else {
                let (judge, batches) = mpsc::channel(QUEUE);
                let _ = judge.try_send(batch);
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
async fn follow(
    mut judge: Judge,
    mut batches: mpsc::Receiver<Batch>,
) -> super::judge::Outcome {
    while let Some(batch) = batches.recv().await {
        if batch.end.is_some() {
            return judge.finish(&batch);
        }
        judge.take(&batch);
    }
    // The overrun is counted where it happened.
    super::judge::Outcome::GivenUp
}
