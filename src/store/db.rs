//! Opening the file: pragmas, migrations, and setting a damaged one aside.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::StoreError;
use crate::clock::Timestamp;

/// Marks the file as ours in its header: `endt`.
const APPLICATION_ID: i32 = 0x656e_6474;
/// Size of a page in bytes.
pub(super) const PAGE_BYTES: u64 = 4096;
/// Most prepared statements that a connection keeps.
const STATEMENTS: usize = 64;

const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("migrations/01.sql")),
    M::up(include_str!("migrations/02.sql")),
    M::up(include_str!("migrations/03.sql")),
    M::up(include_str!("migrations/04.sql")),
    M::up(include_str!("migrations/05.sql")),
    M::up(include_str!("migrations/06.sql")),
    M::up(include_str!("migrations/07.sql")),
    M::up(include_str!("migrations/08.sql")),
];

/// Newest schema version that this program knows.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// How a connection is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// How long a locked file is waited for.
    pub(super) busy: Duration,
    /// Pages of write-ahead log after which it is copied back.
    pub(super) checkpoint_pages: u64,
    /// Nobody needs the file after a crash.
    pub(super) temporary: bool,
}

/// Opens for writing, creates and migrates. A newer or foreign file is refused before anything is written to it.
pub(super) fn open(path: &Path, manner: Manner) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Open {
        path: path.to_owned(),
        source: explained(path, source),
    };
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(failed)?;
    connection.busy_timeout(manner.busy).map_err(failed)?;
    refuse_strangers(&connection, path)?;
    prepare(&connection, manner).map_err(failed)?;
    Migrations::from_slice(MIGRATIONS)
        .to_latest(&mut connection)
        .map_err(|source| StoreError::Migrate {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
    Ok(connection)
}

/// `SQLite` says that it can't open or write a file, not why; the system's own answer is put behind its words.
fn explained(path: &Path, error: rusqlite::Error) -> rusqlite::Error {
    use rusqlite::{Error::SqliteFailure, ErrorCode::CannotOpen, ErrorCode::ReadOnly};
    let SqliteFailure(code, _) = error else {
        return error;
    };
    if !matches!(code.code, CannotOpen | ReadOnly) {
        return error;
    }
    // Opens as SQLite did, and creates as it would have. An empty file is a fresh database to it.
    match fs::OpenOptions::new().append(true).create(true).open(path) {
        Ok(_) => error,
        Err(why) => SqliteFailure(
            code,
            Some(format!(
                "{}: {why}",
                rusqlite::ffi::code_to_str(code.extended_code)
            )),
        ),
    }
}

pub(super) fn refuse_strangers(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = |pragma: &str| -> Result<i64, StoreError> {
        connection
            .query_row(pragma, [], |row| row.get(0))
            .map_err(|source| StoreError::Open {
                path: path.to_owned(),
                source: explained(path, source),
            })
    };
    let found = read("PRAGMA user_version")?;
    let ours = read("PRAGMA application_id")? == i64::from(APPLICATION_ID);
    let empty = read("SELECT count(*) FROM sqlite_schema")? == 0;
    if !ours && !empty {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    if found > i64::from(SCHEMA_VERSION) {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
            known: SCHEMA_VERSION,
        });
    }
    Ok(())
}

fn prepare(connection: &Connection, manner: Manner) -> rusqlite::Result<()> {
    // auto_vacuum only takes effect before the first table.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if id != APPLICATION_ID {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(
        None,
        "synchronous",
        if manner.temporary { "OFF" } else { "NORMAL" },
    )?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    let pages = i64::try_from(manner.checkpoint_pages).unwrap_or(i64::MAX);
    connection.pragma_update_and_check(None, "wal_autocheckpoint", pages, |_| Ok(()))?;
    let bytes = pages.saturating_mul(PAGE_BYTES.cast_signed());
    connection.pragma_update_and_check(None, "journal_size_limit", bytes, |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Opens for reading.
pub(super) fn open_reader(path: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(busy)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// The write-ahead log and its index, beside the database.
pub(super) fn companions(path: &Path) -> [PathBuf; 2] {
    ["-wal", "-shm"].map(|suffix| with_suffix(path, suffix))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Renames the database and its companions out of the way; gives the new name of the database.
pub(super) fn set_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let mut aside = with_suffix(path, &format!(".corrupt-{}", now.as_millis()));
    let mut twin = 1;
    while aside.exists() {
        aside = with_suffix(path, &format!(".corrupt-{}-{twin}", now.as_millis()));
        twin += 1;
    }
    fs::rename(path, &aside)?;
    for (old, new) in companions(path).iter().zip(companions(&aside)) {
        match fs::rename(old, new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// Bytes of database and write-ahead log on disk.
pub(super) fn size_on_disk(path: &Path) -> u64 {
    length(path) + log_on_disk(path)
}

/// Bytes of the write-ahead log on disk.
pub(super) fn log_on_disk(path: &Path) -> u64 {
    let [log, _] = companions(path);
    length(&log)
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Damage that `SQLite` finds, or `None`.
pub(super) fn quick_check(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((verdict != "ok").then_some(verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_valid() {
        assert!(Migrations::from_slice(MIGRATIONS).validate().is_ok());
    }
}
