//! Backups: one moment of the database, whoever writes meanwhile.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use endturn::{
    clock::Timestamp,
    store::{BackupError, Options, Record, Store, backup, interim_name},
};

use super::{START, WAIT, all, at, clock, healthy, open, query, seen, store};

#[test]
fn a_backup_while_it_is_written_is_one_moment_and_opens() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, copy) = (dir.path().join("endturn.db"), dir.path().join("copy.db"));
    let (writer, _) = open(&path);
    store(&writer, (0..5_000).map(|n| healthy("a/m", n)));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Pairs in one batch each: a copy between two batches has both or none.
            for n in 0_i64.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                writer.send(Record::Observation(healthy("pair/left", 100_000 + n)));
                writer.send(Record::Observation(healthy("pair/right", 100_000 + n)));
                assert!(writer.flush(WAIT));
            }
        });
        let made = backup(&path, &copy, START).expect("a backup");
        stop.store(true, Ordering::Relaxed);
        assert_eq!(
            (made.path.as_path(), made.bytes),
            (copy.as_path(), fs::metadata(&copy).unwrap().len())
        );
    });
    assert!(!interim_name(&copy).exists());
    let (again, reader) = open(&copy);
    let names: Vec<String> = all(&reader, query(500))
        .iter()
        .map(|o| o.target.to_string())
        .collect();
    let count = |name: &str| names.iter().filter(|found| *found == name).count();
    assert_eq!(count("a/m"), 5_000);
    // A flush may end a batch between the two of one pair, never lose one in the middle.
    assert!(
        count("pair/left") - count("pair/right") <= 1,
        "{} {}",
        count("pair/left"),
        count("pair/right")
    );
    assert_ne!(again.instance(), writer.instance());
    assert!(again.revisions().next() >= START.as_millis().cast_unsigned());
}

#[test]
fn a_backup_holds_failures_with_their_texts_and_is_for_us_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, copy) = (dir.path().join("endturn.db"), dir.path().join("copy.db"));
    let (writer, _) = open(&path);
    let mut cut = seen("a/m", 0, endturn::verdict::Verdict::Unknown);
    cut.tail = Some("the last words".to_owned());
    store(&writer, [cut.clone()]);
    // The daemon may run or not.
    for (copy, closed) in [(copy, false), (dir.path().join("later.db"), true)] {
        if closed {
            assert!(writer.close(WAIT));
        }
        backup(&path, &copy, START).expect("a backup");
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&copy).unwrap().permissions()) & 0o777,
            0o600
        );
        let (_, reader) = open(&copy);
        assert_eq!(all(&reader, query(5)), [cut.clone()]);
    }
}

#[test]
fn nothing_is_overwritten_and_no_stranger_is_copied() {
    let dir = tempfile::tempdir().expect("a directory");
    let name = |name: &str| dir.path().join(name);
    let (writer, _) = open(&name("endturn.db"));
    store(&writer, [healthy("a/m", 0)]);
    fs::write(name("taken"), "precious").unwrap();
    fs::write(interim_name(&name("busy")), "half a copy").unwrap();
    fs::write(
        name("text"),
        "no database at all, but longer than a page header is".repeat(4),
    )
    .unwrap();
    rusqlite::Connection::open(name("foreign"))
        .unwrap()
        .execute_batch("CREATE TABLE t (a)")
        .unwrap();
    fs::write(name("empty"), "").unwrap();
    let made = |from: &str, to: &str| backup(&name(from), &name(to), Timestamp::from_millis(0)).unwrap_err();
    assert!(matches!(made("endturn.db", "taken"), BackupError::Exists(_)));
    assert!(matches!(made("endturn.db", "busy"), BackupError::UnderWay(_)));
    assert!(matches!(
        made("endturn.db", "missing/copy"),
        BackupError::Write { .. }
    ));
    for from in ["text", "foreign", "empty", "missing"] {
        let error = made(from, "copy");
        assert!(matches!(error, BackupError::Source(_)), "{from}: {error}");
    }
    assert_eq!(fs::read(name("taken")).unwrap(), b"precious");
    assert_eq!(fs::read(interim_name(&name("busy"))).unwrap(), b"half a copy");
    assert!(!name("copy").exists() && !interim_name(&name("copy")).exists());
}

#[test]
fn a_restored_backup_goes_on_counting() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, copy) = (dir.path().join("endturn.db"), dir.path().join("copy.db"));
    let clock = clock();
    let (writer, _) = Store::open(&path, Options::default(), clock.clone()).expect("a store");
    store(&writer, (0..100).map(|n| healthy("a/m", n * 1_000)));
    clock.advance(Duration::from_secs(3_600));
    store(&writer, [healthy("a/m", 3_600_000)]);
    backup(&path, &copy, clock.now()).expect("a backup");
    let (writer, reader) = Store::open(&copy, Options::default(), clock.clone()).expect("a store");
    store(&writer, [healthy("a/m", 3_601_000)]);
    clock.advance(Duration::from_secs(7_200));
    store(&writer, [healthy("a/m", 10_801_000)]);
    let days = reader.days(at(0), at(1)).expect("days");
    assert_eq!(days.iter().map(|day| day.counts.attempts).sum::<u64>(), 103);
}
