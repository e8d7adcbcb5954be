//! Whether the database's path is ours alone to choose.
//!
//! Where everybody may create files, as in `/tmp`, a link at our path may be somebody else's, and what we write would
//! land in a file of their choice.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::StoreError;

/// Bit of a directory's mode by which everybody creates files in it.
const OTHERS_WRITE: u32 = 0o002;
/// The database and the files that `SQLite` puts beside it.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Refuses a path that holds a link which everybody could have made.
///
/// # Errors
/// [`StoreError::Link`] names it.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let above = path.ancestors().skip(1).map(Path::to_owned);
    let files = SUFFIXES.iter().map(|suffix| {
        let mut name = OsString::from(&path);
        name.push(suffix);
        PathBuf::from(name)
    });
    match files.chain(above).find(|part| is_open_link(part)) {
        None => Ok(()),
        Some(link) => Err(StoreError::Link { path, link }),
    }
}

fn is_open_link(part: &Path) -> bool {
    let is_link = fs::symlink_metadata(part).is_ok_and(|meta| meta.is_symlink());
    let everybodys = |dir: &Path| -> io::Result<bool> {
        let mode = fs::metadata(dir)?.permissions().mode();
        Ok(mode & OTHERS_WRITE != 0)
    };
    is_link && part.parent().is_some_and(|dir| everybodys(dir).unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_that_everybody_could_have_made_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (open, own) = (dir.path().join("open"), dir.path().join("own"));
        for (dir, mode) in [(&open, 0o1777), (&own, 0o755)] {
            fs::create_dir(dir).unwrap();
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        }
        let refused = |path: PathBuf| match check(&path) {
            Ok(()) => None,
            Err(StoreError::Link { link, .. }) => Some(link),
            Err(other) => panic!("{other}"),
        };
        let (victim, db) = (own.join("victim"), open.join("endturn.db"));
        fs::write(&victim, "").unwrap();
        assert_eq!(refused(db.clone()), None, "nothing is there");
        symlink(&victim, &db).unwrap();
        assert_eq!(refused(db.clone()), Some(db.clone()), "a link to a file");
        fs::remove_file(&db).unwrap();
        symlink(own.join("nothing-yet"), &db).unwrap();
        assert_eq!(refused(db.clone()), Some(db.clone()), "a link to nothing");
        fs::remove_file(&db).unwrap();
        fs::write(&db, "").unwrap();
        let wal = open.join("endturn.db-wal");
        symlink(&victim, &wal).unwrap();
        assert_eq!(refused(db), Some(wal), "a link beside it");
        let way = open.join("way");
        symlink(&own, &way).unwrap();
        assert_eq!(refused(way.join("endturn.db")), Some(way), "a link on the way");
        // An administrator's own.
        symlink(&victim, own.join("endturn.db")).unwrap();
        assert_eq!(refused(own.join("endturn.db")), None);
    }
}
