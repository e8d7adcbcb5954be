//! Whatever lies where the database should be: it is set aside or refused with a clear error, and never in the way.

use std::{fs, path::Path};

use endturn::store::{Options, Store};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;

use super::{WAIT, attempts, clock, count, healthy, open, store, until};

const SEED: u64 = 20_260_620;
/// Rows of the database that is damaged.
const ROWS: i64 = 5_000;
const PAGE: usize = 4_096;

/// What must become of it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Opened as if it were not there.
    Fresh,
    /// Set aside when it is opened, or by the check or the first work that meets the damage.
    Aside,
    /// Refused with an error that holds this.
    Refused(&'static str),
}

/// A sound database of ours.
fn sound() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("sound.db");
    let (writer, _) = open(&path);
    store(&writer, (0..ROWS).map(|n| healthy("a/m", n * 100)));
    assert!(writer.close(WAIT));
    fs::read(path).expect("a file")
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    ChaCha8Rng::seed_from_u64(SEED).fill_bytes(&mut noise);
    noise
}

/// A database that somebody else made.
fn theirs(statements: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("theirs.db");
    let connection = Connection::open(&path).expect("a connection");
    connection.execute_batch(statements).expect("a database");
    drop(connection);
    fs::read(path).expect("a file")
}

fn edited(image: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut image = image.to_vec();
    edit(&mut image);
    image
}

fn check(what: &str, image: &[u8], fate: Fate) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    fs::write(&path, image).expect("a file");
    let opened = Store::open(&path, Options::default(), clock());
    let (writer, reader) = match (opened, fate) {
        (Err(error), Fate::Refused(why)) => {
            let text = error.to_string();
            assert!(
                text.contains(why) && text.contains("endturn.db"),
                "{what}: {text}"
            );
            assert_eq!(
                fs::read(&path).expect("a file"),
                image,
                "{what} was left untouched"
            );
            return;
        }
        (Err(error), fate) => panic!("{what}: {error}, not {fate:?}"),
        (Ok(_), Fate::Refused(why)) => panic!("{what} was opened, not refused: {why}"),
        (Ok(opened), _) => opened,
    };
    let at_start = writer.status().corrupt_set_aside;
    // Monitoring goes on before anybody knows, and after.
    writer.check();
    store(&writer, (0..10).map(|n| healthy("b/m", n)));
    if fate == Fate::Aside {
        until(what, || writer.status().corrupt_set_aside.is_some());
    }
    store(&writer, (10..20).map(|n| healthy("b/m", n)));
    assert_eq!(writer.status().dropped.total(), 0, "{what}");
    assert_eq!(writer.status().failing, None, "{what}");
    let kept = count(&reader);
    // The first ten may have gone to the damaged file, where it was found out only later.
    let late = fate == Fate::Aside && at_start.is_none();
    assert!(kept == 20 || (late && kept == 10), "{what}: {kept}");
    assert_eq!(attempts(&reader, "b/m"), kept as u64, "{what}");
    assert_eq!(
        writer.status().corrupt_set_aside.is_some(),
        fate == Fate::Aside,
        "{what}"
    );
    if let Some(aside) = at_start {
        assert_eq!(
            fs::read(&aside.path).expect("a file"),
            image,
            "{what} is kept for a look"
        );
    }
    assert!(writer.close(WAIT));
    sound_after_all(what, &path);
}

fn sound_after_all(what: &str, path: &Path) {
    let connection = Connection::open(path).expect("a connection");
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("a check");
    assert_eq!(verdict, "ok", "{what}");
}

#[test]
fn garbage_in_place_of_the_database() {
    let sound = sound();
    let half = sound.len() / 2;
    let cases: [(&str, Vec<u8>, Fate); 12] = [
        ("nothing", Vec::new(), Fate::Fresh),
        ("random bytes", noise(200_000), Fate::Aside),
        ("a few random bytes", noise(77), Fate::Aside),
        ("a text", b"[store]\nkeep_raw = \"48h\"\n".repeat(99), Fate::Aside),
        (
            "a database without a beginning",
            sound[100..].to_vec(),
            Fate::Aside,
        ),
        (
            "a header before random bytes",
            edited(&sound, |image| {
                image[100..].copy_from_slice(&noise(sound.len() - 100));
            }),
            Fate::Aside,
        ),
        (
            "cut in the middle of a page",
            sound[..half / PAGE * PAGE + 99].to_vec(),
            Fate::Aside,
        ),
        (
            "cut between two pages",
            sound[..half / PAGE * PAGE].to_vec(),
            Fate::Aside,
        ),
        (
            "zeroed pages in the middle",
            edited(&sound, |image| image[half / PAGE * PAGE..][..8 * PAGE].fill(0)),
            Fate::Aside,
        ),
        (
            "random pages in the middle",
            edited(&sound, |image| {
                image[half / PAGE * PAGE..][..8 * PAGE].copy_from_slice(&noise(8 * PAGE));
            }),
            Fate::Aside,
        ),
        (
            "a database of another program",
            theirs("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);"),
            Fate::Refused("belongs to another program"),
        ),
        (
            "another program's, with our name for a table",
            theirs("CREATE TABLE observations (x); PRAGMA application_id = 7;"),
            Fate::Refused("belongs to another program"),
        ),
    ];
    for (what, image, fate) in cases {
        check(what, &image, fate);
    }
}

#[test]
fn a_directory_in_place_of_the_database() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    fs::create_dir(&path).expect("a directory");
    fs::write(path.join("theirs"), "x").expect("a file");
    let error = Store::open(&path, Options::default(), clock()).expect_err("no database");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot open database {}: unable to open database file: Is a directory (os error 21)",
            path.display()
        )
    );
    assert!(path.join("theirs").exists());
}

/// A log that belongs to another database, or to none: `SQLite` takes nothing from it.
#[test]
fn garbage_in_place_of_the_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    fs::write(&path, sound()).expect("a file");
    fs::write(dir.path().join("endturn.db-wal"), noise(50_000)).expect("a file");
    let (writer, reader) = open(&path);
    assert_eq!(count(&reader) as i64, ROWS);
    store(&writer, [healthy("a/m", ROWS * 100)]);
    assert_eq!(attempts(&reader, "a/m") as i64, ROWS + 1);
    assert_eq!(writer.status().corrupt_set_aside, None);
}
