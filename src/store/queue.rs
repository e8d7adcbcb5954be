//! The bounded queue between everybody and the writer thread, and what both sides may ask of each other.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Dropped, Record, RecordKind};
use crate::clock::Timestamp;

/// Most observations that wait for the writer.
pub const MAX_QUEUED_OBSERVATIONS: usize = 100_000;
/// Most other records that wait; they have a lane of their own, so that no flood of observations loses an incident.
pub const MAX_QUEUED_OTHERS: usize = 10_000;
/// Most bytes that wait in one lane.
pub const MAX_QUEUED_BYTES: usize = 64 << 20;
/// Most records of one transaction.
pub const BATCH: usize = 1_000;
/// Longest wait for a batch to fill.
pub const BATCH_WAIT: Duration = Duration::from_millis(100);

/// Why writing fails at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// The last error.
    pub error: String,
}

/// Where a corrupt database went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Its new name.
    pub path: PathBuf,
    /// When it got it: what was known before is missing.
    pub at: Timestamp,
}

/// How the writer is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreStatus {
    /// Records lost for good: the queue was full, or the record itself could not be stored.
    pub dropped: Dropped,
    /// Records that wait, those of the batch in hand included.
    pub queued: usize,
    /// Set while writing fails; nothing is lost until the queue is full.
    pub failing: Option<Failing>,
    /// Rows of an older schema are being moved, beside the work: series and days can't be read until it is done.
    pub migrating: bool,
    /// The last corrupt database that was found since start, if any.
    pub corrupt_set_aside: Option<SetAside>,
    /// Bytes of database and write-ahead log after the last batch.
    pub size_bytes: u64,
}

/// The place of a record in its lane; see [`Progress::is_settled`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ticket(u64);

/// How far the writer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    settled: Ticket,
    /// Writing fails at present.
    pub failing: bool,
    /// Grows when a fresh file takes the place of a damaged one: what was in that is gone.
    pub generation: u64,
    /// Rounds and letters that were lost since start.
    pub lost: u64,
}

impl Progress {
    /// Whether the record is on disk, or never will be.
    pub fn is_settled(&self, ticket: Ticket) -> bool {
        ticket <= self.settled
    }
}

#[derive(Default)]
struct Lane {
    /// With their numbers, from 1.
    records: VecDeque<(u64, Record)>,
    bytes: usize,
    /// Records ever sent to this lane.
    sent: u64,
    /// Of the first `settled` records each is committed or dropped.
    settled: u64,
    /// Records of this lane in the batch in hand.
    in_hand: u64,
}

impl Lane {
    fn push(&mut self, record: Record, most: usize, dropped: &mut Dropped) -> Ticket {
        self.bytes += record.weight();
        self.sent += 1;
        self.records.push_back((self.sent, record));
        while self.records.len() > most || self.bytes > MAX_QUEUED_BYTES {
            // What has to outlast the others goes only when there is nothing else.
            let oldest = self.records.iter().position(|(_, record)| !record.is_kept());
            match self.records.remove(oldest.unwrap_or(0)) {
                Some((_, old)) => {
                    self.bytes -= old.weight();
                    dropped.add(old.kind());
                }
                None => break,
            }
        }
        self.settle();
        Ticket(self.sent)
    }

    fn take(&mut self, most: usize, batch: &mut Vec<Record>) {
        let count = most.min(self.records.len());
        self.in_hand += count as u64;
        for (_, record) in self.records.drain(..count) {
            self.bytes -= record.weight();
            batch.push(record);
        }
    }

    fn settle(&mut self) {
        if self.in_hand == 0 {
            self.settled = self.records.front().map_or(self.sent, |(number, _)| number - 1);
        }
    }
}

#[derive(Default)]
struct State {
    observations: Lane,
    others: Lane,
    status: StoreStatus,
    /// Somebody waits: don't wait for the batch to fill.
    flushing: usize,
    reserve: bool,
    corrupt: Option<String>,
    closing: bool,
    abandon: bool,
    ended: bool,
}

impl State {
    fn queued(&self) -> usize {
        self.observations.records.len() + self.others.records.len()
    }

    fn urgent(&self) -> bool {
        self.flushing > 0 || self.reserve || self.corrupt.is_some() || self.closing
    }

    fn settled(&self, observations: u64, others: u64) -> bool {
        self.observations.settled >= observations && self.others.settled >= others
    }
}

/// What the writer thread is to do next, beside the batch.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) reserve: bool,
    pub(super) corrupt: Option<String>,
    pub(super) closing: bool,
    pub(super) abandon: bool,
}

/// Shared by all handles and the writer thread. The lock is held for moments only, never across I/O.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes those who wait for the writer.
    done: Condvar,
    /// Grows when the file is replaced, so that readers open the new one.
    pub(super) generation: AtomicU64,
    /// When the writer took its last turn, by the monotonic clock in milliseconds.
    pub(super) turned_ms: AtomicU64,
    /// Told whenever [`Shared::progress`] may have moved.
    watcher: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here panics half way through a change, so a poisoned lock still guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, record: Record) -> Ticket {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.ended {
            state.status.dropped.add(record.kind());
            return Ticket::default();
        }
        let before = state.queued();
        let dropped = &mut state.status.dropped;
        let ticket = match record.kind() {
            RecordKind::Observation | RecordKind::Sum => {
                state.observations.push(record, MAX_QUEUED_OBSERVATIONS, dropped);
                Ticket::default()
            }
            _ => state.others.push(record, MAX_QUEUED_OTHERS, dropped),
        };
        let wake = before == 0 || (before < BATCH && state.queued() >= BATCH);
        drop(guard);
        if wake {
            self.work.notify_one();
        }
        ticket
    }

    pub(super) fn progress(&self) -> Progress {
        let state = self.lock();
        let dropped = &state.status.dropped;
        Progress {
            settled: Ticket(state.others.settled),
            failing: state.status.failing.is_some() || state.ended,
            generation: self.generation.load(Ordering::Acquire),
            lost: dropped.of(RecordKind::Round) + dropped.of(RecordKind::Letter),
        }
    }

    /// Calls `moved` whenever the writer has come further or is held up, on its thread; the first one who asks is told.
    pub(super) fn watch(&self, moved: Box<dyn Fn() + Send + Sync>) {
        let _ = self.watcher.set(moved);
    }

    fn tell(&self) {
        if let Some(moved) = self.watcher.get() {
            moved();
        }
    }

    pub(super) fn status(&self) -> StoreStatus {
        let state = self.lock();
        let in_hand = (state.observations.in_hand + state.others.in_hand) as usize;
        StoreStatus {
            queued: state.queued() + in_hand,
            ..state.status.clone()
        }
    }

    pub(super) fn ask_for_revisions(&self) {
        self.lock().reserve = true;
        self.work.notify_one();
    }

    /// Damage in the file of that generation; a file that has been replaced since is not meant.
    pub(super) fn report_corrupt(&self, what: String, generation: u64) {
        let mut state = self.lock();
        if self.generation.load(Ordering::Acquire) == generation {
            state.corrupt = Some(what);
        }
        drop(state);
        self.work.notify_one();
    }

    /// Waits until all that was sent before is on disk or counted as dropped; `false` when time ran out.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let mut state = self.lock();
        let (observations, others) = (state.observations.sent, state.others.sent);
        state.flushing += 1;
        self.work.notify_one();
        let (mut state, _) = self
            .done
            .wait_timeout_while(state, timeout, |s| !s.ended && !s.settled(observations, others))
            .unwrap_or_else(PoisonError::into_inner);
        state.flushing -= 1;
        state.settled(observations, others)
    }

    /// Asks the writer to finish and waits for it; `false` when time ran out and what was left is dropped.
    pub(super) fn close(&self, timeout: Duration) -> bool {
        let mut state = self.lock();
        state.closing = true;
        self.work.notify_one();
        let (mut state, _) = self
            .done
            .wait_timeout_while(state, timeout, |s| !s.ended)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.ended {
            state.abandon = true;
            drop(state);
            self.work.notify_one();
            return false;
        }
        true
    }

    /// The last handle is gone: finish what can be written, don't wait for better times.
    pub(super) fn orphan(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.abandon = true;
        drop(state);
        self.work.notify_one();
    }

    // The writer thread's side.

    /// Waits for work, at most `idle`; then, unless the batch is still in hand, fills it.
    pub(super) fn next_turn(&self, batch: &mut Vec<Record>, idle: Duration) -> Turn {
        let state = self.lock();
        let (state, _) = self
            .work
            .wait_timeout_while(state, idle, |s| {
                batch.is_empty() && s.queued() == 0 && !s.urgent()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .work
            .wait_timeout_while(state, BATCH_WAIT, |s| {
                batch.is_empty() && (1..BATCH).contains(&s.queued()) && !s.urgent()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if batch.is_empty() {
            state.others.take(BATCH, batch);
            state.observations.take(BATCH - batch.len(), batch);
        }
        Turn {
            reserve: std::mem::take(&mut state.reserve),
            corrupt: state.corrupt.take(),
            closing: state.closing,
            abandon: state.abandon,
        }
    }

    /// Waits between two tries: shortly when somebody waits for the end, not at all when the store is given up.
    pub(super) fn back_off(&self, wait: Duration) {
        let state = self.lock();
        let wait = if state.closing { wait.min(BATCH_WAIT) } else { wait };
        let _ = self
            .work
            .wait_timeout_while(state, wait, |s| !s.abandon && !s.closing);
    }

    /// The batch in hand is committed, save for the records that `lost` names.
    pub(super) fn settle(&self, lost: &[RecordKind], size_bytes: u64) {
        let mut state = self.lock();
        for kind in lost {
            state.status.dropped.add(*kind);
        }
        state.observations.in_hand = 0;
        state.others.in_hand = 0;
        state.observations.settle();
        state.others.settle();
        state.status.failing = None;
        state.status.size_bytes = size_bytes;
        drop(state);
        self.done.notify_all();
        self.tell();
    }

    pub(super) fn failing(&self, now: Timestamp, error: String) {
        let mut state = self.lock();
        let since = state.status.failing.as_ref().map_or(now, |failing| failing.since);
        state.status.failing = Some(Failing { since, error });
        drop(state);
        self.tell();
    }

    /// Whether rows of an older schema are still to be moved.
    pub(super) fn backlog(&self, moving: bool) {
        self.lock().status.migrating = moving;
    }

    pub(super) fn set_aside(&self, path: PathBuf, at: Timestamp) {
        let mut state = self.lock();
        state.status.corrupt_set_aside = Some(SetAside { path, at });
        // What was reported of the old file is done with.
        state.corrupt = None;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The thread is about to end; whatever is left is lost.
    pub(super) fn end(&self, batch: &[Record]) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let dropped = &mut state.status.dropped;
        let waiting = state.observations.records.iter().chain(&state.others.records);
        let left = batch.iter().chain(waiting.map(|(_, record)| record));
        left.for_each(|record| dropped.add(record.kind()));
        for lane in [&mut state.observations, &mut state.others] {
            lane.records.clear();
            lane.bytes = 0;
            lane.in_hand = 0;
        }
        state.ended = true;
        drop(guard);
        self.done.notify_all();
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Observation, Source, Verdict};

    fn observation(detail: usize) -> Record {
        let target = "p/m".parse().unwrap();
        let mut o = Observation::new(
            target,
            Timestamp::from_millis(0),
            Source::Canary,
            Verdict::Unknown,
        );
        o.detail = Some("x".repeat(detail));
        Record::Observation(o)
    }

    #[test]
    fn a_lane_drops_its_oldest_beyond_its_count() {
        let (mut lane, mut dropped) = (Lane::default(), Dropped::default());
        for n in 0..5 {
            lane.push(observation(n), 3, &mut dropped);
        }
        assert_eq!(dropped.of(RecordKind::Observation), 2);
        assert_eq!(lane.records.front(), Some(&(3, observation(2))));
        assert_eq!((lane.sent, lane.settled), (5, 2));
    }

    #[test]
    fn a_lane_drops_its_oldest_beyond_its_bytes() {
        let (mut lane, mut dropped) = (Lane::default(), Dropped::default());
        let empty = observation(0).weight();
        let half = MAX_QUEUED_BYTES / 2 - empty;
        lane.push(observation(half), 9, &mut dropped);
        lane.push(observation(half), 9, &mut dropped);
        assert_eq!((lane.bytes, dropped.total()), (MAX_QUEUED_BYTES, 0));
        lane.push(observation(0), 9, &mut dropped);
        assert_eq!((lane.records.len(), dropped.total()), (2, 1));
    }

    #[test]
    fn others_go_first_and_fill_the_batch_with_observations() {
        let shared = Shared::default();
        for _ in 0..BATCH {
            shared.send(observation(0));
        }
        shared.send(Record::State(crate::health::Saved::default()));
        let mut batch = Vec::new();
        shared.next_turn(&mut batch, Duration::ZERO);
        assert_eq!(batch.len(), BATCH);
        assert_eq!(batch[0].kind(), RecordKind::State);
        assert_eq!(shared.status().queued, BATCH + 1);
    }

    #[test]
    fn a_flush_waits_for_the_batch_in_hand() {
        let shared = Shared::default();
        shared.send(observation(0));
        let mut batch = Vec::new();
        shared.next_turn(&mut batch, Duration::ZERO);
        assert!(!shared.flush(Duration::ZERO));
        shared.settle(&[], 0);
        assert!(shared.flush(Duration::ZERO));
    }

    #[test]
    fn what_is_left_at_the_end_is_counted() {
        let shared = Shared::default();
        shared.send(observation(0));
        let mut batch = Vec::new();
        shared.next_turn(&mut batch, Duration::ZERO);
        shared.send(observation(1));
        shared.end(&batch);
        shared.send(observation(2));
        assert_eq!(shared.status().dropped.of(RecordKind::Observation), 3);
    }
}
