//! History in SQLite: one writer thread, readers beside it. Health never waits for it.
//!
//! [`Store::open`] gives a [`Writer`] that takes [`Record`]s without ever blocking or failing, and a [`Reader`] with
//! the queries. What the disk can't take waits in a bounded queue; what doesn't fit there is dropped and counted in
//! [`StoreStatus`]. Tables, guarantees and limits: `docs/store.md`.

mod apply;
mod backlog;
mod backup;
mod changes;
mod db;
mod error;
mod history;
mod outbox;
mod packed;
mod place;
mod query;
mod queue;
mod reader;
mod record;
mod retention;
mod revision;
mod roll;
mod rollup;
mod row;
mod spells;
mod spend;
mod standing;
mod sums;
mod text;
mod writer;

pub use backup::{Backup, BackupError, backup, interim_name};
pub use changes::ChangeQuery;
pub use db::SCHEMA_VERSION;
pub use error::StoreError;
pub use history::{DayCounts, MAX_POINTS, Series, SeriesQuery};
pub use outbox::{
    KEEP_DEAD_DAYS, KEEP_DELIVERED_DAYS, Letter, LetterQuery, LetterState, MAX_DEAD_LETTERS,
    MAX_DELIVERED_LETTERS, MAX_LETTER_ERROR_BYTES, MAX_PENDING_LETTERS, Round, StoredLetter,
};
pub use query::{
    IncidentQuery, MAX_EVENTS, MAX_LIMIT, MAX_SCAN, ObservationQuery, Page, StoredEvent, StoredObservation,
    StoredState,
};
pub use queue::{
    BATCH, BATCH_WAIT, Failing, MAX_QUEUED_BYTES, MAX_QUEUED_OBSERVATIONS, MAX_QUEUED_OTHERS, Progress,
    SetAside, StoreStatus, Ticket,
};
pub use reader::{MAX_READERS, Reader};
pub use record::{Dropped, Record, RecordKind};
pub use retention::{KEEP_SPEND_DAYS, MAX_CHANGES, MAX_INCIDENTS, MAX_TRANSITIONS};
pub use revision::{REVISION_BLOCK, Revisions};
pub use rollup::{MAX_LATE_MS, Outcomes, Rollup, Span, Tokens};
pub use spells::{Spell, SpellQuery};
pub use sums::{MAX_SUMS, Sum, Sums};
pub use writer::Writer;

use crate::verdict::Counts;

use std::{path::Path, time::Duration};

use crate::clock::Clock;

/// Smallest `max_bytes` that is held; below it the tables themselves would not fit.
pub const MIN_BYTES: u64 = 1 << 20;

/// What is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long raw observations are kept.
    pub keep_raw: Duration,
    /// How long minutes are kept.
    pub keep_minutes: Duration,
    /// How long hours are kept.
    pub keep_hours: Duration,
    /// How long days and the time in each state are kept; `None` for ever.
    pub keep_days: Option<Duration>,
    /// Bytes of database and write-ahead log together; at least [`MIN_BYTES`].
    pub max_bytes: u64,
    /// Events of the feed that are kept for `Last-Event-ID`.
    pub keep_events: u64,
    /// How long a locked file is waited for before a write counts as failed and is tried again.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep_raw: Duration::from_secs(48 * 3600),
            keep_minutes: Duration::from_secs(14 * 86_400),
            keep_hours: Duration::from_secs(400 * 86_400),
            keep_days: None,
            max_bytes: 2 << 30,
            keep_events: 10_000,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// The door to the database.
#[derive(Debug, Clone, Copy)]
pub struct Store;

impl Store {
    /// Opens or creates the database, reserves a block of revisions on disk and starts the writer thread. A corrupt
    /// file is set aside (see [`StoreStatus::corrupt_set_aside`]) and a fresh one takes its place. The integrity check
    /// does not run here: [`Writer::check`].
    ///
    /// # Errors
    /// The file can't be opened or written, is locked, was written by a newer endturn or by another program, or
    /// its path holds a link that anybody could have made.
    pub fn open(path: &Path, options: Options, clock: Clock) -> Result<(Writer, Reader), StoreError> {
        place::check(path)?;
        writer::open(path, options, clock, false)
    }

    /// A database in a directory of its own below the system's temporary directory. It is deleted when the writer is
    /// closed or its last handle goes.
    ///
    /// # Errors
    /// The directory can't be made or written.
    pub fn temporary(options: Options, clock: Clock) -> Result<(Writer, Reader), StoreError> {
        writer::open_temporary(options, clock)
    }
}
