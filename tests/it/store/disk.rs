//! A real disk that fills up, and one that can only be read. Both are small tmpfs in a mount namespace of their own
//! (`unshare`), which ends with the process that runs the test inside it; where the machine allows no such namespace
//! the tests say so and stop.

use std::{env, fs, path::Path, process::Command, time::Duration};

use endturn::{
    clock::Clock,
    store::{
        Failing, IncidentQuery, MAX_QUEUED_OTHERS, Options, Record, RecordKind, Store, StoreError, Writer,
    },
    verdict::{Truncation, Verdict},
};

use super::{WAIT, at, clock, count, healthy, open, seen, store, until};

/// Names the directory that the tmpfs is mounted on to the process inside.
const INSIDE: &str = "ENDTURN_TEST_MOUNT";
/// Tells apart a namespace that can't be had from a test that fails inside of it.
const NO_MOUNT: i32 = 77;

#[expect(clippy::print_stdout, reason = "a test that proves nothing here must say so")]
fn skipped(name: &str, why: &str) {
    println!("SKIPPED {name}: {why}");
}

/// Runs the test again as a process with a tmpfs of that size; `None` in the process outside.
fn with_tmpfs(name: &str, size: &str) -> Option<tempfile::TempDir> {
    if let Ok(mount) = env::var(INSIDE) {
        return Some(tempfile::tempdir_in(mount).expect("a directory on the tmpfs"));
    }
    let dir = tempfile::tempdir().expect("a directory");
    let script = "mount -t tmpfs -o size=$2 none \"$1\" || exit 77; exec \"$3\" --exact \"$4\" --nocapture";
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(size)
        .arg(env::current_exe().expect("this test"))
        .arg(format!("store::disk::{name}"))
        .env(INSIDE, dir.path())
        .status();
    match ran {
        Ok(status) if status.success() => {}
        // `unshare` itself ends with 1 where the kernel refuses; so does no test, which ends with 101.
        Ok(status) if matches!(status.code(), Some(NO_MOUNT | 1)) => {
            skipped(
                name,
                &format!("this machine allows no mount namespace ({status})"),
            );
        }
        Ok(status) => panic!("{name} failed inside its namespace: {status}"),
        Err(error) => skipped(name, &format!("no unshare ({error})")),
    }
    None
}

/// Fills what is left of the disk, save for some pages that the log may still take.
fn fill(ballast: &Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(ballast).expect("a file");
    while file.write_all(&[0x5a; 4096]).is_ok() {}
}

fn failing(writer: &Writer) -> Failing {
    until("failure", || writer.status().failing.is_some());
    writer.status().failing.expect("a failure")
}

fn event(revision: u64) -> Record {
    Record::Event {
        revision,
        at: at(0),
        kind: "health".to_owned(),
        json: format!("{{\"revision\":{revision}}}"),
    }
}

#[test]
fn a_full_disk_and_its_release() {
    let Some(dir) = with_tmpfs("a_full_disk_and_its_release", "16m") else {
        return;
    };
    let (path, ballast) = (dir.path().join("endturn.db"), dir.path().join("ballast"));
    let options = Options {
        keep_events: 20_000,
        ..Options::default()
    };
    let (writer, reader) = Store::open(&path, options, clock()).expect("a store");
    store(&writer, (0..2_000).map(|n| healthy("a/m", n)));
    fill(&ballast);
    // More than pages that are free inside the file can take.
    let sent = 12_000;
    for n in 2_000..sent {
        writer.send(Record::Observation(healthy("a/m", n)));
    }
    let told = failing(&writer);
    assert_eq!(
        (told.since, told.error.as_str()),
        (at(0), "database or disk is full")
    );
    // Health goes on: sending, revisions and reading work as before.
    let revision = writer.revisions().next();
    assert!(writer.revisions().next() > revision);
    let stuck = count(&reader);
    assert!((2_000..12_000).contains(&stuck), "{stuck}");
    assert!(!writer.flush(Duration::from_millis(20)));
    // The lane of all that are no observations runs over by five.
    let incident = super::kills::incident(0);
    writer.send(Record::Incident(incident.clone()));
    for n in 1..=MAX_QUEUED_OTHERS as u64 + 4 {
        writer.send(event(n));
    }
    let dropped = writer.status().dropped;
    assert_eq!(
        (
            dropped.of(RecordKind::Incident),
            dropped.of(RecordKind::Event),
            dropped.total()
        ),
        (1, 4, 5)
    );
    writer.send(Record::Incident(incident));
    assert!(writer.status().failing.is_some());

    fs::remove_file(&ballast).expect("a release");
    assert!(writer.flush(WAIT));
    let status = writer.status();
    assert_eq!((status.failing, status.queued), (None, 0));
    assert_eq!(
        (status.dropped.of(RecordKind::Event), status.dropped.total()),
        (5, 6)
    );
    assert_eq!(count(&reader) as i64, sent);
    assert_eq!(super::attempts(&reader, "a/m") as i64, sent);
    let events = reader.events_after(0, 10_000).expect("events");
    let revisions: Vec<u64> = events.iter().map(|event| event.revision).collect();
    assert!(revisions.iter().copied().eq(6..=MAX_QUEUED_OTHERS as u64 + 4));
    let page = reader.incidents(&IncidentQuery::default()).expect("incidents");
    assert_eq!(page.items.len(), 1);
}

#[test]
fn a_full_disk_at_start_is_told() {
    let Some(dir) = with_tmpfs("a_full_disk_at_start_is_told", "1m") else {
        return;
    };
    fill(&dir.path().join("ballast"));
    let path = dir.path().join("endturn.db");
    let error = Store::open(&path, Options::default(), clock()).expect_err("no room");
    assert!(
        !error.to_string().is_empty() && error.to_string().contains("endturn.db"),
        "{error}"
    );
    fs::remove_file(dir.path().join("ballast")).expect("a release");
    let (writer, reader) = open(&path);
    store(&writer, [healthy("a/m", 0)]);
    assert_eq!(count(&reader), 1);
}

/// Makes the disk read-only or writable again; nothing on it may be open for writing.
fn remount(dir: &Path, how: &str) {
    let mount = dir.parent().expect("the mount");
    let done = Command::new("mount")
        .args(["-o", &format!("remount,{how}")])
        .arg(mount)
        .status();
    assert!(done.expect("mount").success());
}

#[test]
fn a_read_only_disk_is_a_clear_error_at_start() {
    let Some(dir) = with_tmpfs("a_read_only_disk_is_a_clear_error_at_start", "4m") else {
        return;
    };
    let (old, new) = (dir.path().join("old.db"), dir.path().join("new.db"));
    let (writer, _) = open(&old);
    store(&writer, (0..100).map(|n| healthy("a/m", n)));
    assert!(writer.close(WAIT));
    drop(writer);
    let image = fs::read(&old).expect("a file");
    remount(dir.path(), "ro");
    for path in [&old, &new] {
        let error = Store::open(path, Options::default(), clock()).expect_err("a read-only disk");
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("cannot open database {}: ", path.display()))
                && text.ends_with(": Read-only file system (os error 30)"),
            "{text}"
        );
    }
    assert_eq!(fs::read(&old).expect("a file"), image);
    remount(dir.path(), "rw");
    let (writer, reader) = open(&old);
    store(&writer, [healthy("a/m", 100)]);
    assert_eq!(count(&reader), 101);
}

/// Sets or clears the flag that lets nobody write to a file, not even through a handle that is open.
fn immutable(path: &Path, flag: &str) -> bool {
    let done = Command::new("chattr").arg(flag).arg(path).output();
    done.is_ok_and(|done| done.status.success())
}

/// Takes the flag off again, so that the directory can be deleted.
struct Thaw<'a>(&'a Path);

impl Drop for Thaw<'_> {
    fn drop(&mut self) {
        immutable(self.0, "-i");
    }
}

#[test]
fn a_file_that_turns_read_only_is_told_and_waited_for() {
    let name = "a_file_that_turns_read_only_is_told_and_waited_for";
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let log = dir.path().join("endturn.db-wal");
    let (writer, reader) = Store::open(&path, Options::default(), Clock::manual(at(0))).expect("a store");
    store(&writer, (0..100).map(|n| healthy("a/m", n)));
    if !immutable(&log, "+i") {
        skipped(
            name,
            "chattr +i takes the superuser and a file system that knows it",
        );
        return;
    }
    let thaw = Thaw(&log);
    for n in 100..3_000 {
        writer.send(Record::Observation(seen(
            "a/m",
            n,
            Verdict::Truncated(Truncation::Cut),
        )));
    }
    let told = failing(&writer);
    assert_eq!((told.since, told.error.as_str()), (at(0), "disk I/O error"));
    assert_eq!(count(&reader), 100);
    assert!(!writer.flush(Duration::from_millis(20)));
    drop(thaw);
    assert!(writer.flush(WAIT));
    let status = writer.status();
    assert_eq!(
        (status.failing, status.dropped.total(), status.corrupt_set_aside),
        (None, 0, None)
    );
    assert_eq!(count(&reader), 3_000);
    assert_eq!(super::attempts(&reader, "a/m"), 3_000);
}
