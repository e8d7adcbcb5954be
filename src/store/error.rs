//! What can go wrong, by what the caller does next.

use std::{io, path::PathBuf};

/// Why the store could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its directory can't be opened, created or written: fix path or permissions.
    #[error("cannot open database {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A newer endturn wrote the file: run that one, or point `store.path` elsewhere. The file was left untouched.
    #[error(
        "database {path} has schema version {found}, this endturn knows up to {known}; it was left untouched"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version of the file.
        found: u32,
        /// Newest version that this program writes.
        known: u32,
    },
    /// A `SQLite` file of another program: point `store.path` elsewhere. The file was left untouched.
    #[error("database {path} belongs to another program; it was left untouched")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// On the way to the file is a link that anybody on this machine could have made: put the database elsewhere, or
    /// remove the link. Nothing was written.
    #[error(
        "{} is a link in a directory that everybody may write to, so it may be somebody else's; nothing was written to {}",
        link.display(),
        path.display()
    )]
    Link {
        /// The file.
        path: PathBuf,
        /// The link.
        link: PathBuf,
    },
    /// A corrupt file could not be renamed, or a directory not made.
    #[error("cannot set up {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot migrate database {path}: {source}")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: Box<rusqlite_migration::Error>,
    },
    /// A read failed: try again later.
    #[error("cannot read the database: {0}")]
    Read(#[from] rusqlite::Error),
    /// Rows of an older schema are being moved: try again later.
    #[error("history of an older version is being moved into the new shape")]
    Migrating,
    /// Every read connection is taken: try again later.
    #[error("all {0} read connections are busy")]
    Busy(usize),
    /// A stored row does not decode: a defect of ours or a damaged file.
    #[error("row {id} of {table} does not decode")]
    Row {
        /// The table.
        table: &'static str,
        /// Its row.
        id: i64,
    },
}

impl StoreError {
    /// Whether the file itself is damaged, so that it is to be set aside.
    pub(super) fn is_corrupt(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::Read(source) => is_corrupt(source),
            Self::Migrate { source, .. } => match source.as_ref() {
                rusqlite_migration::Error::RusqliteError { err, .. } => is_corrupt(err),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Whether `SQLite` says that the file is no database or a damaged one.
pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
    )
}

/// Whether the record is at fault and would fail again: it must not hold up the others.
pub(super) fn is_record_fault(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        Some(code) => matches!(
            code,
            Code::ConstraintViolation | Code::TooBig | Code::TypeMismatch | Code::ParameterOutOfRange
        ),
        None => true,
    }
}
