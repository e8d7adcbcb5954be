//! Locks, damage, strangers and kills.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use endturn::store::{Options, Record, RecordKind, SCHEMA_VERSION, Store, StoreError};
use rusqlite::Connection;

use super::{WAIT, at, clock, count, healthy, open, store, temporary, until};

/// Names the file to the process that is going to be killed.
const CHILD_FILE: &str = "ENDTURN_TEST_STORE_FILE";

fn impatient() -> Options {
    Options {
        busy_timeout: Duration::from_millis(5),
        ..Options::default()
    }
}

#[test]
fn a_locked_file_costs_nothing_but_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, reader) = Store::open(&path, impatient(), clock()).expect("a store");
    store(&writer, (0..10).map(|n| healthy("a/m", n)));
    let other = Connection::open(&path).expect("a connection");
    other.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    for n in 10..2_500 {
        writer.send(Record::Observation(healthy("a/m", n)));
    }
    until("failure", || writer.status().failing.is_some());
    let failing = writer.status().failing.expect("a failure");
    assert_eq!(
        (failing.since, failing.error.as_str()),
        (at(0), "database is locked")
    );
    assert!(!writer.flush(Duration::from_millis(20)));
    assert_eq!(count(&reader), 10);
    other.execute_batch("ROLLBACK").expect("an end of the lock");
    assert!(writer.flush(WAIT));
    assert_eq!(count(&reader), 2_500);
    let status = writer.status();
    assert_eq!(
        (status.failing, status.dropped.total(), status.queued),
        (None, 0, 0)
    );
}

#[test]
fn closing_in_time_gives_up_what_cannot_be_written_and_counts_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, _reader) = Store::open(&path, impatient(), clock()).expect("a store");
    let other = Connection::open(&path).expect("a connection");
    other.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    for n in 0..7 {
        writer.send(Record::Observation(healthy("a/m", n)));
    }
    assert!(!writer.close(Duration::from_millis(50)));
    until("the end", || {
        writer.status().dropped.of(RecordKind::Observation) == 7
    });
    assert_eq!(writer.status().queued, 0);
}

fn refused(path: &Path) -> StoreError {
    match Store::open(path, Options::default(), clock()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

#[test]
fn newer_and_foreign_files_are_left_untouched() {
    let dir = tempfile::tempdir().expect("a directory");
    let newer = dir.path().join("newer.db");
    let (writer, _) = open(&newer);
    assert!(writer.close(WAIT));
    let raw = Connection::open(&newer).expect("a connection");
    raw.pragma_update(None, "user_version", SCHEMA_VERSION + 1)
        .expect("a version");
    drop(raw);
    let foreign = dir.path().join("foreign.db");
    let raw = Connection::open(&foreign).expect("a connection");
    raw.execute_batch("CREATE TABLE theirs (x)").expect("a table");
    drop(raw);
    let images = [&newer, &foreign].map(|path| fs::read(path).expect("a file"));
    assert!(matches!(refused(&newer), StoreError::Newer { found, known, .. } if found == known + 1));
    assert!(matches!(refused(&foreign), StoreError::Foreign { .. }));
    assert_eq!(
        [&newer, &foreign].map(|path| fs::read(path).expect("a file")),
        images
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_a_clear_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    for path in [
        file.join("endturn.db"),
        dir.path().join("missing/endturn.db"),
        dir.path().to_owned(),
    ] {
        let error = refused(&path);
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot open database {}: ", path.display()))
        );
    }
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).expect("a directory");
    let mut rights = fs::metadata(&closed).expect("rights").permissions();
    rights.set_readonly(true);
    fs::set_permissions(&closed, rights).expect("rights");
    // The superuser writes everywhere; there is nothing to see then.
    if fs::write(closed.join("probe"), "").is_err() {
        assert!(matches!(
            refused(&closed.join("endturn.db")),
            StoreError::Open { .. }
        ));
    }
}

#[test]
fn a_file_that_is_no_database_is_set_aside_at_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    fs::write(
        &path,
        "no database at all, but long enough to look like one".repeat(40),
    )
    .expect("a file");
    fs::write(dir.path().join("endturn.db-wal"), "stale").expect("a file");
    let (writer, reader) = open(&path);
    let aside = writer.status().corrupt_set_aside.expect("a path").path;
    assert!(
        aside
            .display()
            .to_string()
            .contains("endturn.db.corrupt-1781960400000")
    );
    assert!(
        fs::read_to_string(&aside)
            .expect("a file")
            .starts_with("no database")
    );
    store(&writer, [healthy("a/m", 0)]);
    assert_eq!(count(&reader), 1);
    // What the lost file had handed out is not known, so the new one starts far beyond it.
    assert!(writer.revisions().next() >= at(0).as_millis().cast_unsigned());
}

#[test]
fn damage_is_found_beside_the_work_and_set_aside() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, _) = open(&path);
    store(&writer, (0..5_000).map(|n| healthy("a/m", n)));
    let revision = writer.revisions().next();
    assert!(writer.close(WAIT));
    let mut image = fs::read(&path).expect("a file");
    let middle = image.len() / 3 / 4096 * 4096;
    image[middle..middle + 3 * 4096].fill(0x5a);
    fs::write(&path, image).expect("a file");

    let (writer, reader) = open(&path);
    assert_eq!(writer.status().corrupt_set_aside, None);
    let before = writer.revisions().next();
    writer.check();
    until("the check", || writer.status().corrupt_set_aside.is_some());
    store(&writer, (0..3).map(|n| healthy("a/m", n)));
    assert_eq!(count(&reader), 3);
    let after = writer.revisions().next();
    assert!(revision < before && before < after);
    assert!(writer.close(WAIT));
    let (writer, _) = open(&path);
    assert!(after < writer.revisions().next());
}

#[test]
fn a_sound_file_passes_the_check() {
    let (writer, reader) = temporary();
    store(&writer, (0..2_000).map(|n| healthy("a/m", n)));
    writer.check();
    store(&writer, (0..2_000).map(|n| healthy("b/m", n)));
    assert_eq!(count(&reader), 4_000);
    assert_eq!(writer.status().corrupt_set_aside, None);
}

/// Copies what a killed process would leave: the files as they are, without a clean end.
fn image(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        if Path::new(&name(from)).exists() {
            fs::copy(name(from), name(to)).expect("a copy");
        }
    }
}

#[test]
fn revisions_never_go_back_over_fifty_kills() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut path = dir.path().join("0.db");
    let mut highest = 0;
    for kill in 1..=50_u64 {
        let (writer, _reader) = open(&path);
        let revisions = writer.revisions();
        for _ in 0..kill * 7 {
            let next = revisions.next();
            assert!(next > highest, "{next} after {highest}");
            highest = next;
        }
        assert!(revisions.reserved() > highest);
        let copy = dir.path().join(format!("{kill}.db"));
        image(&path, &copy);
        path = copy;
    }
}

#[test]
fn a_block_is_renewed_before_it_runs_out() {
    let (writer, _reader) = temporary();
    let revisions = writer.revisions();
    let mut last = 0;
    for round in 0..5 {
        // Somewhat less than the half that is left when the next block is asked for.
        for _ in 0..endturn::store::REVISION_BLOCK / 2 - 1_000 {
            let next = revisions.next();
            assert!(next > last);
            last = next;
        }
        until("a further block", || {
            revisions.reserved() > last + endturn::store::REVISION_BLOCK / 2 - 2_000
        });
        assert!(revisions.reserved() > last, "round {round}");
    }
}

#[test]
#[ignore = "the process that the next test kills"]
fn child_that_is_killed() {
    let Ok(path) = env::var(CHILD_FILE) else { return };
    let (writer, _reader) = open(Path::new(&path));
    let revisions = writer.revisions();
    for n in 0.. {
        store(&writer, (0..100).map(|i| healthy("a/m", n * 100 + i)));
        let mut out = std::io::stdout().lock();
        let line = writeln!(out, "\ncommitted {} {}", (n + 1) * 100, revisions.next());
        if line.and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_committed() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let mut child = Command::new(env::current_exe().expect("this program"))
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "store::failures::child_that_is_killed",
        ])
        .env(CHILD_FILE, &path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let told: Vec<(usize, u64)> = lines
        .map_while(Result::ok)
        .filter_map(|line| {
            let (rows, revision) = line.strip_prefix("committed ")?.split_once(' ')?;
            Some((rows.parse().ok()?, revision.parse().ok()?))
        })
        .take(20)
        .collect();
    child.kill().expect("a kill");
    child.wait().expect("an end");
    let (rows, revision) = *told.last().expect("a line");
    assert_eq!(rows, 2_000);
    let (writer, reader) = open(&path);
    let found = count(&reader);
    assert!(found >= rows && found.is_multiple_of(100), "{found}");
    assert!(writer.revisions().next() > revision);
    assert_eq!(super::attempts(&reader, "a/m"), found as u64);
}
