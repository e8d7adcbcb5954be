//! A consistent copy of the database while it is written.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, params};

use super::{StoreError, db};
use crate::clock::Timestamp;

/// How long a lock is waited for: writers hold theirs for milliseconds.
const BUSY: Duration = Duration::from_secs(30);

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Why there is no backup. The file asked for was not touched.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something of that name: choose another one, or move it away.
    #[error("{0} exists already and is not overwritten")]
    Exists(PathBuf),
    /// A copy under way, or what is left of one that was killed: wait, or delete it.
    #[error("{0} exists: another backup is being made, or one was killed")]
    UnderWay(PathBuf),
    /// The source can't be read, is no database or not ours.
    #[error(transparent)]
    Source(#[from] StoreError),
    /// The copy can't be written: no such directory, no permission, no room.
    #[error("cannot write {path}: {why}")]
    Write {
        /// The file under its interim name.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The copy is damaged, and so is most likely the source.
    #[error("the copy does not pass the integrity check, so the database is damaged: {0}")]
    Damaged(String),
}

/// The name that a backup has until it is whole: the file itself with `.partial` behind.
pub fn interim_name(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Copies the database at `from` to the new file `to`: one moment of it, whoever writes meanwhile. The copy is made
/// under an [interim name](interim_name), checked, flushed to the disk and renamed, so that a file of that name is a
/// whole backup. Blocks for as long as the disk takes.
///
/// What a daemon with the copy publishes must not be taken for what the original published: the copy has no instance
/// (it gets a new one at its first start), and its revisions go on at milliseconds since 1970, which outruns every
/// count.
///
/// # Errors
/// `to` exists, `from` is no database of ours, or the copy can't be written.
pub fn backup(from: &Path, to: &Path, now: Timestamp) -> Result<Backup, BackupError> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let source = open_source(from)?;
    let interim = interim_name(to);
    create(&interim)?;
    let bytes = write(&source, &interim, now)
        .and_then(|()| finish(&interim, to))
        .inspect_err(|_| {
            // What is left of it is of no use to anybody; that it can't be deleted is not what went wrong.
            let _ = fs::remove_file(&interim);
        })?;
    Ok(Backup {
        path: to.to_owned(),
        bytes,
    })
}

fn open_source(from: &Path) -> Result<Connection, StoreError> {
    let open = |source| StoreError::Open {
        path: from.to_owned(),
        source,
    };
    let connection = db::open_reader(from, BUSY).map_err(open)?;
    db::refuse_strangers(&connection, from)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(open)?;
    if tables == 0 {
        return Err(StoreError::Foreign {
            path: from.to_owned(),
        });
    }
    Ok(connection)
}

fn write(source: &Connection, interim: &Path, now: Timestamp) -> Result<(), BackupError> {
    let failed = |why: String| BackupError::Write {
        path: interim.to_owned(),
        why,
    };
    let name = interim
        .to_str()
        .ok_or_else(|| failed("the path is no UTF-8".to_owned()))?;
    let sql = |error: rusqlite::Error| failed(error.to_string());
    // The copy is another file: `query_only` is for the source's tables, which this statement does not write.
    source.pragma_update(None, "query_only", false).map_err(sql)?;
    source.execute("VACUUM INTO ?1", [name]).map_err(sql)?;
    let copy = Connection::open(interim).map_err(sql)?;
    copy.pragma_update(None, "journal_mode", "DELETE").map_err(sql)?;
    copy.execute("DELETE FROM meta WHERE key = 'instance'", [])
        .map_err(sql)?;
    copy.execute(
        "UPDATE meta SET value = max(value, ?1) WHERE key = 'revision_next'",
        params![now.as_millis()],
    )
    .map_err(sql)?;
    match db::quick_check(&copy).map_err(sql)? {
        Some(damage) => Err(BackupError::Damaged(damage)),
        None => Ok(()),
    }
}

/// An empty file for our user alone.
fn create(interim: &Path) -> Result<(), BackupError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(interim) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(BackupError::UnderWay(interim.to_owned()))
        }
        Err(error) => Err(BackupError::Write {
            path: interim.to_owned(),
            why: error.to_string(),
        }),
    }
}

fn finish(interim: &Path, to: &Path) -> Result<u64, BackupError> {
    let failed = |error: io::Error| BackupError::Write {
        path: interim.to_owned(),
        why: error.to_string(),
    };
    let file = fs::File::open(interim).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    // A hard link fails where the name is taken by now, a rename would overwrite it.
    match fs::hard_link(interim, to) {
        Ok(()) => fs::remove_file(interim).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists(to.to_owned()));
        }
        // A file system without links.
        Err(_) => fs::rename(interim, to).map_err(failed)?,
    }
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    if let Err(error) = fs::File::open(directory).and_then(|directory| directory.sync_all()) {
        tracing::debug!(%error, "directory not flushed");
    }
    Ok(bytes)
}
