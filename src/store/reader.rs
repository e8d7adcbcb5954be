//! Reading: a few read-only connections beside the writer.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension};

use super::{StoreError, db, queue::Shared};
use crate::id::TargetId;

/// Most reads at a time; more wait their turn.
pub const MAX_READERS: usize = 4;

/// Answers questions about history. Cheap to clone; every method **blocks** on the disk and maybe on other readers:
/// call it within `spawn_blocking`.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    path: PathBuf,
    busy: Duration,
    shared: Arc<Shared>,
    pool: Mutex<Pool>,
    free: Condvar,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Session>,
    lent: usize,
}

/// One connection with the names that it has looked up. Numbers never change their meaning within a file.
pub(super) struct Session {
    pub(super) connection: Connection,
    generation: u64,
    targets: HashMap<i64, TargetId>,
    words: HashMap<u64, String>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({})", self.0.path.display())
    }
}

impl Reader {
    pub(super) fn new(path: PathBuf, busy: Duration, shared: Arc<Shared>) -> Self {
        Self(Arc::new(Inner {
            path,
            busy,
            shared,
            pool: Mutex::default(),
            free: Condvar::new(),
        }))
    }

    /// Bytes of database and write-ahead log on disk.
    pub fn size_bytes(&self) -> u64 {
        db::size_on_disk(&self.0.path)
    }

    /// That no rows of an older schema are left out of what is summed.
    pub(super) fn settled(&self) -> Result<(), StoreError> {
        if self.0.shared.status().migrating {
            return Err(StoreError::Migrating);
        }
        Ok(())
    }

    /// Runs a query on a connection of its own.
    pub(super) fn with<T>(
        &self,
        query: impl FnOnce(&mut Session) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut loan = self.borrow()?;
        let session = match &mut loan.session {
            Some(session) => session,
            empty => empty.insert(self.connect()?),
        };
        query(session)
    }

    fn connect(&self) -> Result<Session, StoreError> {
        let generation = self.0.shared.generation.load(Ordering::Acquire);
        Ok(Session {
            connection: db::open_reader(&self.0.path, self.0.busy)?,
            generation,
            targets: HashMap::new(),
            words: HashMap::new(),
        })
    }

    fn borrow(&self) -> Result<Loan<'_>, StoreError> {
        let pool = self.0.lock();
        let (mut pool, timeout) = self
            .0
            .free
            .wait_timeout_while(pool, self.0.busy, |pool| pool.lent >= MAX_READERS)
            .unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() && pool.lent >= MAX_READERS {
            return Err(StoreError::Busy(MAX_READERS));
        }
        pool.lent += 1;
        let generation = self.0.shared.generation.load(Ordering::Acquire);
        pool.idle.retain(|session| session.generation == generation);
        Ok(Loan {
            session: pool.idle.pop(),
            inner: &self.0,
        })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection on loan: it goes back when the query is done, whatever came of it.
struct Loan<'a> {
    session: Option<Session>,
    inner: &'a Inner,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut pool = self.inner.lock();
        pool.lent -= 1;
        pool.idle.extend(self.session.take());
        drop(pool);
        self.inner.free.notify_one();
    }
}

impl Session {
    /// The number of a target, `None` for one that was never stored.
    pub(super) fn number_of(&self, target: &TargetId) -> Result<Option<i64>, StoreError> {
        Ok(self
            .connection
            .prepare_cached("SELECT id FROM targets WHERE name = ?1")?
            .query_row([target.to_string()], |row| row.get(0))
            .optional()?)
    }

    /// The target of that number.
    pub(super) fn target(&mut self, number: i64) -> Result<TargetId, StoreError> {
        if let Some(target) = self.targets.get(&number) {
            return Ok(target.clone());
        }
        let name: String = self
            .connection
            .prepare_cached("SELECT name FROM targets WHERE id = ?1")?
            .query_row([number], |row| row.get(0))?;
        let target: TargetId = name.parse().map_err(|_| StoreError::Row {
            table: "targets",
            id: number,
        })?;
        self.targets.insert(number, target.clone());
        Ok(target)
    }

    /// The word of that number.
    pub(super) fn word(&mut self, number: u64) -> Result<String, StoreError> {
        if let Some(word) = self.words.get(&number) {
            return Ok(word.clone());
        }
        let word: String = self
            .connection
            .prepare_cached("SELECT text FROM words WHERE id = ?1")?
            .query_row([number.cast_signed()], |row| row.get(0))?;
        self.words.insert(number, word.clone());
        Ok(word)
    }
}
