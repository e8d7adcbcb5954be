//! What the handlers need from outside, as narrow doors.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use crate::{
    clock::{Clock, Timestamp},
    feed::{Hub, v1::StoreStatus},
    health,
    id::TargetId,
    verdict::{self, Source},
};

/// Most reads of history at a time; each holds a thread while it runs.
pub const MAX_READS: usize = 8;
/// Longest wait for one read of history, its turn included.
pub const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Which observations are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservationQuery {
    /// Of one target.
    pub target: Option<TargetId>,
    /// Of one verdict family (`complete`, `truncated`, ..).
    pub verdict: Option<String>,
    /// From one source.
    pub source: Option<Source>,
    /// At most this many.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which incidents are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentQuery {
    /// Of one target.
    pub target: Option<TargetId>,
    /// Open ones or closed ones only.
    pub open: Option<bool>,
    /// At most this many.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// A part of a longer list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// Opaque; `None` at the end.
    pub next_cursor: Option<String>,
}

/// One kept event of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Its revision.
    pub revision: u64,
    /// Its SSE name.
    pub kind: String,
    /// Its payload, one line.
    pub json: String,
}

/// Why history gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The cursor is none of ours: a mistake of whoever asks.
    #[error("the cursor is not one that this list gave out")]
    Cursor,
    /// The store can't be read now.
    #[error("history can't be read: {0}")]
    Unavailable(String),
}

/// Reads of the past. Calls block; the API runs them on threads of their own.
pub trait History: Send + Sync + 'static {
    /// Observations, newest first.
    fn observations(&self, query: &ObservationQuery) -> Result<Listing<verdict::Observation>, HistoryError>;
    /// Incidents, newest first.
    fn incidents(&self, query: &IncidentQuery) -> Result<Listing<health::Incident>, HistoryError>;
    /// One incident.
    fn incident(&self, id: &str) -> Result<Option<health::Incident>, HistoryError>;
    /// Kept events after a revision, oldest first, at most `limit`. Empty where that revision is past retention.
    fn events_after(&self, revision: u64, limit: usize) -> Result<Vec<KeptEvent>, HistoryError>;
}

/// What the daemon knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// When the scheduler last made a round.
    pub scheduler_at: Timestamp,
    /// Whether history is being kept.
    pub store: StoreStatus,
    /// Records that wait for the store.
    pub store_queued: u64,
}

/// Who knows whether the daemon works.
pub trait Readiness: Send + Sync + 'static {
    /// As of now; must not block.
    fn checks(&self) -> Checks;
}

/// Everything that the handlers share.
#[derive(Clone)]
pub struct ApiState {
    /// The published health.
    pub hub: Arc<Hub>,
    /// The past.
    pub history: Arc<dyn History>,
    /// The daemon's own condition.
    pub status: Arc<dyn Readiness>,
    /// Time.
    pub clock: Clock,
    /// Cancelled when the server is to end: open event streams and long polls end at once.
    pub closing: CancellationToken,
    reads: Arc<Semaphore>,
}

impl ApiState {
    /// Joins the parts.
    pub fn new(
        hub: Arc<Hub>,
        history: Arc<dyn History>,
        status: Arc<dyn Readiness>,
        clock: Clock,
        closing: CancellationToken,
    ) -> Self {
        Self {
            hub,
            history,
            status,
            clock,
            closing,
            reads: Arc::new(Semaphore::new(MAX_READS)),
        }
    }

    /// Reads history on a thread of its own, at most [`MAX_READS`] at a time, for at most [`READ_TIMEOUT`].
    pub async fn read<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn History) -> Result<T, HistoryError> + Send + 'static,
    {
        let history = Arc::clone(&self.history);
        let reads = Arc::clone(&self.reads);
        let work = async move {
            let turn = reads.acquire_owned().await.map_err(|_| Problem::internal())?;
            tokio::task::spawn_blocking(move || {
                // The turn is over when the thread is free again, not when somebody stops waiting for it.
                let _turn = turn;
                read(history.as_ref())
            })
            .await
            .map_err(|_| Problem::internal())?
            .map_err(Problem::from)
        };
        tokio::time::timeout(READ_TIMEOUT, work)
            .await
            .unwrap_or_else(|_| Err(Problem::unavailable("history takes too long to read", 5)))
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Cursor => Self::bad_query(error.to_string()),
            HistoryError::Unavailable(_) => Self::unavailable(error.to_string(), 5),
        }
    }
}
