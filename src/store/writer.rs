//! The writer: a handle that never blocks, and the one thread that writes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    MIN_BYTES, Options, Progress, Reader, Record, RecordKind, Revisions, Round, StoreError, StoreStatus,
    Ticket,
    apply::{Memory, Rejected, first_id},
    backlog,
    db::{self, Manner},
    error::{is_corrupt, is_record_fault},
    queue::Shared,
    retention,
    revision::REVISION_BLOCK,
    roll,
};
use crate::clock::{Clock, Timestamp};

/// How long the thread sleeps when nothing comes.
const IDLE: Duration = Duration::from_secs(5);
/// The same while rows of an older schema are moved: as long again as a step may take.
const BREATH: Duration = Duration::from_millis(5);
/// First and longest wait between two tries of a batch that failed.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];
/// Time between two sweeps of old rows.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Time between two rounds of `PRAGMA optimize` and giving pages back.
const TIDY_EVERY: Duration = Duration::from_secs(3600);
/// Steps of rolling up between two batches.
const ROLL_STEPS: usize = 4;
/// Pages that a tidy round gives back at most.
const TIDY_PAGES: i64 = 4096;
/// Most and fewest pages of write-ahead log before it is copied back.
const CHECKPOINT_PAGES: [u64; 2] = [32, 1000];

/// Takes records and hands them to the writer thread. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
    revisions: Revisions,
    facts: Arc<Facts>,
}

/// What all handles share besides the queue; its end is the end of the last handle.
struct Facts {
    path: PathBuf,
    instance: String,
    busy: Duration,
    shared: Arc<Shared>,
}

impl Drop for Facts {
    fn drop(&mut self) {
        self.shared.orphan();
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writer({})", self.facts.path.display())
    }
}

impl Writer {
    /// Queues a record. Never blocks and never fails: when the queue is full its oldest record of that lane
    /// (observations; everything else) is dropped and counted.
    pub fn send(&self, record: Record) {
        let _ = self.shared.send(record);
    }

    /// Queues a round of health with its messages; the ticket tells when it is on disk ([`Writer::progress`]).
    pub fn send_round(&self, round: Round) -> Ticket {
        self.shared.send(Record::Round(Box::new(round)))
    }

    /// How far the writer has come, as of now, without waiting for it.
    pub fn progress(&self) -> Progress {
        self.shared.progress()
    }

    /// Calls `moved` whenever [`Writer::progress`] may have changed, on the writer's own thread: it must not block. Only
    /// the first one who asks is told.
    pub fn watch(&self, moved: impl Fn() + Send + Sync + 'static) {
        self.shared.watch(Box::new(moved));
    }

    /// How the writer is doing, as of now, without waiting for it.
    pub fn status(&self) -> StoreStatus {
        self.shared.status()
    }

    /// How long ago the writer thread took its last turn; it takes one every 5 s at least, unless one lasts.
    pub fn idle(&self, clock: &Clock) -> Duration {
        let turned = Duration::from_millis(self.shared.turned_ms.load(Ordering::Relaxed));
        clock.mono().saturating_sub(turned)
    }

    /// The feed's revisions.
    pub fn revisions(&self) -> Revisions {
        self.revisions.clone()
    }

    /// The name of this history: made up with the file, the same after each restart. The feed's `instance`.
    pub fn instance(&self) -> &str {
        &self.facts.instance
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.facts.path
    }

    /// Blocks until all that was sent before is on disk (or counted as dropped); `false` when time ran out first.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.shared.flush(timeout)
    }

    /// Writes what is queued and ends the writer thread, waiting for at most `timeout`; `false` when time ran out and
    /// the rest was given up. Later records are dropped and counted.
    pub fn close(&self, timeout: Duration) -> bool {
        self.shared.close(timeout)
    }

    /// Starts the integrity check on a thread of its own, beside reading and writing. A damaged file is set aside and
    /// a fresh one taken up; [`StoreStatus::corrupt_set_aside`] tells.
    pub fn check(&self) {
        let (path, busy) = (self.facts.path.clone(), self.facts.busy);
        let shared = Arc::clone(&self.shared);
        let generation = shared.generation.load(Ordering::Acquire);
        let check = move || {
            let verdict = db::open_reader(&path, busy).and_then(|connection| db::quick_check(&connection));
            let damage = match verdict {
                Ok(damage) => damage,
                Err(error) if is_corrupt(&error) => Some(error.to_string()),
                Err(error) => {
                    tracing::warn!(%error, "the database could not be checked");
                    None
                }
            };
            if let Some(damage) = damage {
                shared.report_corrupt(damage, generation);
            }
        };
        if let Err(error) = thread::Builder::new().name("store-check".into()).spawn(check) {
            tracing::warn!(%error, "the database check could not start");
        }
    }
}

pub(super) fn open_temporary(options: Options, clock: Clock) -> Result<(Writer, Reader), StoreError> {
    let directory = std::env::temp_dir().join(format!("endturn-{}", Uuid::new_v4()));
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&directory).map_err(|source| StoreError::File {
        path: directory.clone(),
        source,
    })?;
    open(&directory.join("endturn.db"), options, clock, true)
}

pub(super) fn open(
    path: &Path,
    mut options: Options,
    clock: Clock,
    temporary: bool,
) -> Result<(Writer, Reader), StoreError> {
    options.max_bytes = options.max_bytes.max(MIN_BYTES);
    let [fewest, most] = CHECKPOINT_PAGES;
    let manner = Manner {
        busy: options.busy_timeout,
        // The log is a part of the size that is held, so a small size has a small log.
        checkpoint_pages: (options.max_bytes / 64 / db::PAGE_BYTES).clamp(fewest, most),
        temporary,
    };
    let shared = Arc::new(Shared::default());
    let opened = match File::open(path, manner) {
        Err(error) if error.is_corrupt() => {
            let now = clock.now();
            let aside = db::set_aside(path, now).map_err(|source| StoreError::File {
                path: path.to_owned(),
                source,
            })?;
            tracing::error!(%error, aside = %aside.display(), "the database is corrupt and was set aside");
            shared.set_aside(aside, now);
            let file = File::open(path, manner)?;
            // What the old file had reserved is lost: seconds since 1970 outrun any count that it can have reached.
            file.start_revisions_at(now.as_millis().max(0).cast_unsigned())?;
            file
        }
        other => other?,
    };
    let failed = |source| StoreError::Open {
        path: path.to_owned(),
        source,
    };
    shared.backlog(opened.backlog);
    let next = opened.revision_next().map_err(failed)?;
    let reserved = next.saturating_add(REVISION_BLOCK);
    opened.reserve(reserved).map_err(failed)?;
    let instance = opened.instance().map_err(failed)?;
    let revisions = Revisions::new(next, reserved, Arc::downgrade(&shared));
    let reader = Reader::new(path.to_owned(), options.busy_timeout, Arc::clone(&shared));
    let worker = Worker {
        shared: Arc::clone(&shared),
        revisions: revisions.clone(),
        file: Some(opened),
        path: path.to_owned(),
        instance: instance.clone(),
        manner,
        options,
        clock,
        swept: None,
        tidied: None,
    };
    thread::Builder::new()
        .name("store-writer".into())
        .spawn(move || worker.run())
        .map_err(|source| StoreError::File {
            path: path.to_owned(),
            source,
        })?;
    let facts = Arc::new(Facts {
        path: path.to_owned(),
        instance,
        busy: options.busy_timeout,
        shared: Arc::clone(&shared),
    });
    let writer = Writer {
        shared,
        revisions,
        facts,
    };
    Ok((writer, reader))
}

/// An open database with what the writer remembers of it.
struct File {
    connection: Connection,
    memory: Memory,
    /// Rows of an older schema are still to be moved; nothing is rolled up until they are.
    backlog: bool,
}

impl File {
    fn open(path: &Path, manner: Manner) -> Result<Self, StoreError> {
        let connection = db::open(path, manner)?;
        let memory = Memory::load(&connection)?;
        // The first step is done here: a new file has an empty old table, a small one is moved at once.
        let backlog = backlog::is_left(&connection)? && backlog::step(&connection)?;
        if backlog {
            tracing::info!("history of an older version is being moved, beside the work");
        }
        Ok(Self {
            connection,
            memory,
            backlog,
        })
    }

    fn revision_next(&self) -> rusqlite::Result<u64> {
        let next: Option<i64> = self
            .connection
            .query_row("SELECT value FROM meta WHERE key = 'revision_next'", [], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(next.map_or(1, i64::cast_unsigned))
    }

    fn reserve(&self, end: u64) -> rusqlite::Result<()> {
        self.connection
            .execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES ('revision_next', ?1)",
                [end.cast_signed()],
            )
            .map(drop)
    }

    fn start_revisions_at(&self, next: u64) -> Result<(), StoreError> {
        Ok(self.reserve(next)?)
    }

    fn instance(&self) -> rusqlite::Result<String> {
        self.connection.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES ('instance', ?1)",
            [Uuid::now_v7().to_string()],
        )?;
        self.connection
            .query_row("SELECT value FROM meta WHERE key = 'instance'", [], |row| {
                row.get(0)
            })
    }

    /// Ends a transaction that an error left open and forgets what it had learnt in it.
    fn undo(&mut self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::debug!(%error, "rollback");
        }
        match Memory::load(&self.connection) {
            Ok(memory) => self.memory = memory,
            Err(error) => tracing::debug!(%error, "dictionary not read"),
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    revisions: Revisions,
    file: Option<File>,
    path: PathBuf,
    instance: String,
    manner: Manner,
    options: Options,
    clock: Clock,
    swept: Option<Timestamp>,
    tidied: Option<Timestamp>,
}

impl Worker {
    fn run(mut self) {
        let mut batch = Vec::new();
        let mut lost = Vec::new();
        let mut wait = BACK_OFF[0];
        let mut reserve = false;
        loop {
            let now = u64::try_from(self.clock.mono().as_millis()).unwrap_or(u64::MAX);
            self.shared.turned_ms.store(now, Ordering::Relaxed);
            let backlog = self.file.as_ref().is_some_and(|file| file.backlog);
            self.shared.backlog(backlog);
            let turn = self
                .shared
                .next_turn(&mut batch, if backlog { BREATH } else { IDLE });
            reserve |= turn.reserve;
            let replaced = turn.corrupt.map_or(Ok(()), |damage| self.replace(&damage));
            let done = replaced.and_then(|()| self.work(&mut batch, &mut lost, &mut reserve));
            match done {
                Ok(size) => {
                    self.shared.settle(&lost, size);
                    lost.clear();
                    wait = BACK_OFF[0];
                    if turn.closing && batch.is_empty() && self.shared.status().queued == 0 {
                        break;
                    }
                }
                Err(error) => {
                    self.shared.failing(self.clock.now(), error);
                    if turn.abandon {
                        break;
                    }
                    self.shared.back_off(wait);
                    wait = (wait * 2).min(BACK_OFF[1]);
                }
            }
        }
        self.finish();
        self.shared.end(&batch);
    }

    /// Writes the batch, reserves revisions, keeps house. Gives the size on disk, or what the system says.
    fn work(
        &mut self,
        batch: &mut Vec<Record>,
        lost: &mut Vec<RecordKind>,
        reserve: &mut bool,
    ) -> Result<u64, String> {
        let outcome = self.try_work(batch, lost, reserve);
        match outcome {
            Ok(size) => Ok(size),
            Err(error) if is_corrupt(&error) => self.replace(&error.to_string()).and(Err(error.to_string())),
            Err(error) => {
                if let Some(file) = &mut self.file {
                    file.undo();
                    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
                        let now = self.clock.now();
                        let past = first_id(now.minus(self.options.keep_raw));
                        let freed = retention::sweep(&file.connection, &self.options, now)
                            .and_then(|_| roll::release(&file.connection, &mut file.memory.mark, past));
                        if let Err(error) = freed {
                            tracing::debug!(%error, "old rows not deleted");
                        }
                    }
                }
                Err(error.to_string())
            }
        }
    }

    fn try_work(
        &mut self,
        batch: &mut Vec<Record>,
        lost: &mut Vec<RecordKind>,
        reserve: &mut bool,
    ) -> rusqlite::Result<u64> {
        let now = self.clock.now();
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(reopen(&self.path, self.manner, &self.instance)?),
        };
        while !batch.is_empty() {
            match file.memory.write(&file.connection, batch, now) {
                Ok(()) => batch.clear(),
                Err(Rejected {
                    index: Some(index),
                    error,
                }) if is_record_fault(&error) => {
                    file.undo();
                    let record = batch.remove(index);
                    tracing::warn!(%error, kind = record.kind().as_str(), "record can't be stored");
                    lost.push(record.kind());
                }
                Err(Rejected { error, .. }) => return Err(error),
            }
        }
        if *reserve || self.revisions.runs_short() {
            let end = self.revisions.block_end();
            file.reserve(end)?;
            self.revisions.set_reserved(end);
            *reserve = false;
        }
        if file.backlog {
            file.backlog = backlog::step(&file.connection)?;
            if !file.backlog {
                tracing::info!("history of an older version is moved");
            }
        }
        for _ in 0..if file.backlog { 0 } else { ROLL_STEPS } {
            if !roll::step(&file.connection, &mut file.memory.mark, now)? {
                break;
            }
        }
        let due = |last: Option<Timestamp>, every| last.is_none_or(|last| now.since(last) >= every);
        if due(self.swept, SWEEP_EVERY) && !retention::sweep(&file.connection, &self.options, now)? {
            self.swept = Some(now);
        }
        if due(self.tidied, TIDY_EVERY) {
            file.connection.execute_batch("PRAGMA optimize")?;
            retention::give_back(&file.connection, TIDY_PAGES)?;
            self.tidied = Some(now);
        }
        retention::hold_size(&file.connection, &mut file.memory.mark, &self.path, &self.options)?;
        Ok(db::size_on_disk(&self.path))
    }

    /// Sets the damaged file aside and goes on with a fresh one. The batch in hand stays.
    fn replace(&mut self, damage: &str) -> Result<(), String> {
        self.file = None;
        let now = self.clock.now();
        match db::set_aside(&self.path, now) {
            Ok(aside) => {
                tracing::error!(damage, aside = %aside.display(), "the database is corrupt and was set aside");
                self.shared.set_aside(aside, now);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot set the corrupt database aside: {error}")),
        }
        let file = reopen(&self.path, self.manner, &self.instance).map_err(|error| error.to_string())?;
        let end = self.revisions.block_end();
        file.reserve(end).map_err(|error| error.to_string())?;
        self.revisions.set_reserved(end);
        self.file = Some(file);
        Ok(())
    }

    /// Leaves a tidy file behind, or none where it was a temporary one.
    fn finish(&mut self) {
        if let Some(file) = self.file.take() {
            if let Err(error) = file.connection.execute_batch("PRAGMA optimize") {
                tracing::debug!(%error, "optimize");
            }
            if let Err((_, error)) = file.connection.close() {
                tracing::warn!(%error, "the database did not close cleanly");
            }
        }
        if self.manner.temporary
            && let Some(directory) = self.path.parent()
            && let Err(error) = fs::remove_dir_all(directory)
        {
            tracing::debug!(%error, "temporary database not deleted");
        }
    }
}

/// Opens the file of a running writer again, under the instance that it already tells.
fn reopen(path: &Path, manner: Manner, instance: &str) -> rusqlite::Result<File> {
    let file = File::open(path, manner).map_err(|error| match error {
        StoreError::Open { source, .. } | StoreError::Read(source) => source,
        other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
    })?;
    file.connection.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES ('instance', ?1)",
        params![instance],
    )?;
    Ok(file)
}

#[cfg(test)]
mod tests;
