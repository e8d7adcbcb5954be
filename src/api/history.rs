//! The past as the API asks for it. The daemon answers from the store.

use super::problem::Problem;
use crate::{
    health,
    id::TargetId,
    verdict::{self, Source},
};

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

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Cursor => Self::bad_query(error.to_string()),
            HistoryError::Unavailable(_) => Self::unavailable(error.to_string(), 5),
        }
    }
}
