//! Messages to channels: kept with what they tell of, or not at all, and not for ever.

use std::fs;

use endturn::{
    clock::Clock,
    health::Saved,
    store::{
        KEEP_DEAD_DAYS, KEEP_DELIVERED_DAYS, Letter, LetterQuery, LetterState, MAX_DEAD_LETTERS,
        MAX_DELIVERED_LETTERS, MAX_PENDING_LETTERS, MAX_QUEUED_OTHERS, Options, Reader, Record, RecordKind,
        Round, Store, StoredLetter, Writer,
    },
};

use super::{WAIT, at, kills::incident, open, target, temporary, until};

const DAY_MS: i64 = 86_400_000;

fn letter(key: &str) -> Letter {
    Letter {
        key: key.to_owned(),
        channel: "oncall".to_owned(),
        alarm: "a".to_owned(),
        kind: "firing".to_owned(),
        json: format!("{{\"key\":\"{key}\"}}").into(),
        queued_at: at(0),
        tries: 0,
        next_try_at: None,
        last_error: None,
        state: LetterState::Pending,
        done_at: None,
    }
}

fn ended(key: &str, state: LetterState, ms: i64) -> Letter {
    Letter {
        state,
        tries: 3,
        last_error: Some("HTTP 500".to_owned()),
        done_at: Some(at(ms)),
        ..letter(key)
    }
}

fn saved(text: &str) -> Saved {
    Saved {
        blob: text.to_owned(),
    }
}

fn round(keys: &[&str], memory: &str) -> Round {
    Round {
        letters: keys.iter().map(|key| letter(key)).collect(),
        memory: Some(memory.to_owned()),
        ..Round::default()
    }
}

fn of(reader: &Reader, state: LetterState) -> Vec<StoredLetter> {
    let mut all = Vec::new();
    let mut query = LetterQuery {
        state,
        channel: None,
        after: 0,
        limit: 500,
    };
    loop {
        let page = reader.letters(&query).expect("letters");
        let Some(last) = page.last() else { return all };
        query.after = last.seq;
        all.extend(page);
    }
}

fn keys(reader: &Reader, state: LetterState) -> Vec<String> {
    of(reader, state).into_iter().map(|row| row.letter.key).collect()
}

fn mark(writer: &Writer, letter: Letter) {
    writer.send(Record::Letter(Box::new(letter)));
}

#[test]
fn a_round_is_kept_whole_and_its_ticket_tells_when() {
    let (writer, reader) = temporary();
    let whole = Round {
        incidents: vec![incident(0)],
        states: vec![(target("a/m"), saved("one"))],
        ..round(&["k1", "k2"], "m1")
    };
    let ticket = writer.send_round(whole);
    until("the commit", || writer.progress().is_settled(ticket));
    assert_eq!(keys(&reader, LetterState::Pending), ["k1", "k2"]);
    assert_eq!(reader.alert_memory().unwrap().as_deref(), Some("m1"));
    assert_eq!(reader.saved_state().unwrap().unwrap().saved, saved("one"));
    assert!(reader.incident("0").unwrap().is_some());
    assert_eq!(reader.letter("k1").unwrap(), Some(letter("k1")));
}

#[test]
fn the_state_of_single_targets_lies_upon_the_whole_until_the_next() {
    let (writer, reader) = temporary();
    let part = |name: &str, text: &str| Round {
        states: vec![(target(name), saved(text))],
        ..Round::default()
    };
    let kept = || {
        assert!(writer.flush(WAIT));
        let state = reader.saved_state().expect("a read").expect("a state");
        let later = state.later.into_iter();
        (
            state.saved.blob,
            later.map(|saved| saved.blob).collect::<Vec<_>>(),
        )
    };
    // Before anything whole is there, the first one stands for it.
    writer.send_round(part("a/m", "a0"));
    writer.send_round(part("b/m", "b0"));
    assert_eq!(kept(), ("a0".to_owned(), vec!["b0".to_owned()]));
    writer.send(Record::State(saved("whole")));
    assert_eq!(kept(), ("whole".to_owned(), vec![]));
    for (name, text) in [("a/m", "a1"), ("b/m", "b1"), ("a/m", "a2")] {
        writer.send_round(part(name, text));
    }
    assert_eq!(
        kept(),
        ("whole".to_owned(), vec!["b1".to_owned(), "a2".to_owned()]),
        "the newest of each, in their order"
    );
    writer.send(Record::State(saved("next")));
    assert_eq!(kept(), ("next".to_owned(), vec![]));
}

#[test]
fn a_key_is_there_once_and_what_was_delivered_stays_so() {
    let (writer, reader) = temporary();
    writer.send_round(round(&["k1", "k2"], "m1"));
    let tried = Letter {
        tries: 1,
        next_try_at: Some(at(1_000)),
        last_error: Some("HTTP 500".to_owned()),
        ..letter("k1")
    };
    mark(&writer, tried.clone());
    mark(&writer, ended("k2", LetterState::Delivered, 5));
    // Told anew after a crash, and marked by somebody who comes late.
    writer.send_round(round(&["k1", "k2"], "m2"));
    mark(&writer, letter("k2"));
    assert!(writer.flush(WAIT));
    assert_eq!(reader.letter("k1").unwrap(), Some(tried));
    assert_eq!(keys(&reader, LetterState::Delivered), ["k2"]);
    // One that was given up may be sent anew.
    mark(&writer, ended("k1", LetterState::Dead, 6));
    mark(&writer, letter("k1"));
    assert!(writer.flush(WAIT));
    assert_eq!(keys(&reader, LetterState::Pending), ["k1"]);
    // A mark of a row that is not there makes it: a fresh file took the place of a damaged one.
    mark(&writer, ended("k3", LetterState::Dead, 7));
    assert!(writer.flush(WAIT));
    assert_eq!(keys(&reader, LetterState::Dead), ["k3"]);
}

#[test]
fn no_flood_of_other_records_takes_a_rounds_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, reader) = open(&path);
    // Somebody holds the file, so that everything waits.
    let holder = rusqlite::Connection::open(&path).expect("a connection");
    holder.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    let ticket = writer.send_round(round(&["k1"], "m1"));
    for n in 0..2 * MAX_QUEUED_OTHERS as u64 {
        writer.send(Record::Event {
            revision: n + 1,
            at: at(0),
            kind: "health".to_owned(),
            json: "{}".to_owned(),
        });
    }
    mark(&writer, ended("k1", LetterState::Delivered, 1));
    let dropped = writer.status().dropped;
    assert!(dropped.of(RecordKind::Event) > 0);
    assert_eq!(
        (dropped.of(RecordKind::Round), dropped.of(RecordKind::Letter)),
        (0, 0)
    );
    assert!(!writer.progress().is_settled(ticket));
    holder.execute_batch("ROLLBACK").expect("an end");
    assert!(writer.flush(WAIT));
    assert!(writer.progress().is_settled(ticket));
    assert_eq!(keys(&reader, LetterState::Delivered), ["k1"]);
}

#[test]
fn rounds_alone_are_bounded_and_what_is_lost_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, reader) = open(&path);
    let holder = rusqlite::Connection::open(&path).expect("a connection");
    holder.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    for n in 0..MAX_QUEUED_OTHERS + 1_100 {
        writer.send_round(round(&[&format!("k{n}")], &n.to_string()));
    }
    let lost = writer.progress().lost;
    assert!((1..=1_100).contains(&lost), "{lost}");
    holder.execute_batch("ROLLBACK").expect("an end");
    assert!(writer.flush(WAIT));
    let newest = (MAX_QUEUED_OTHERS + 1_099).to_string();
    assert_eq!(reader.alert_memory().unwrap(), Some(newest));
}

#[test]
fn a_damaged_file_tells_that_its_rows_are_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, _) = open(&path);
    let many: Vec<String> = (0..2_000).map(|n| format!("k{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    writer.send_round(round(&many, "m1"));
    assert!(writer.close(WAIT));
    let mut image = fs::read(&path).expect("the file");
    let middle = image.len() / 3 / 4_096 * 4_096;
    image[middle..middle + 3 * 4_096].fill(0x5A);
    fs::write(&path, image).expect("a write");
    let (writer, reader) = open(&path);
    let before = writer.progress();
    writer.check();
    until("a fresh file", || {
        writer.progress().generation > before.generation
    });
    writer.send_round(round(&["k1"], "m1"));
    assert!(writer.flush(WAIT));
    assert_eq!(keys(&reader, LetterState::Pending), ["k1"]);
}

#[test]
fn old_rows_go_by_age_and_by_count() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, _) = open(&path);
    let fill = |state, most: u64, name: &str| {
        for n in 0..most + 5 {
            let row = ended(&format!("{name}{n:05}"), state, 0);
            if state == LetterState::Pending {
                writer.send_round(Round {
                    letters: vec![letter(&row.key)],
                    ..Round::default()
                });
            } else {
                mark(&writer, row);
            }
            if n % 5_000 == 0 {
                assert!(writer.flush(WAIT));
            }
        }
    };
    fill(LetterState::Delivered, MAX_DELIVERED_LETTERS, "sent");
    fill(LetterState::Pending, MAX_PENDING_LETTERS, "wait");
    mark(&writer, ended("young", LetterState::Delivered, DAY_MS));
    mark(&writer, ended("older", LetterState::Dead, 0));
    mark(&writer, ended("newer", LetterState::Dead, DAY_MS));
    assert!(writer.close(WAIT));
    let later = |days: i64| {
        let clock = Clock::manual(at(days * DAY_MS + 1));
        let (writer, reader) = Store::open(&path, Options::default(), clock).expect("a store");
        writer.send(Record::State(Saved::default()));
        assert!(writer.flush(WAIT));
        reader
    };
    let reader = later(1);
    assert_eq!(
        of(&reader, LetterState::Delivered).len() as u64,
        MAX_DELIVERED_LETTERS
    );
    assert_eq!(
        of(&reader, LetterState::Pending).len() as u64,
        MAX_PENDING_LETTERS
    );
    let dead = of(&reader, LetterState::Dead);
    let crowded = dead
        .iter()
        .filter(|it| it.letter.last_error.as_deref() == Some("too many messages waited"));
    assert_eq!((dead.len(), crowded.count()), (7, 5));
    let reader = later(KEEP_DELIVERED_DAYS);
    assert_eq!(keys(&reader, LetterState::Delivered), ["young"]);
    let reader = later(KEEP_DEAD_DAYS);
    let dead = keys(&reader, LetterState::Dead);
    assert!(
        dead.contains(&"newer".to_owned()) && !dead.contains(&"older".to_owned()),
        "{dead:?}"
    );
    assert!((dead.len() as u64) < MAX_DEAD_LETTERS);
}

#[test]
fn pages_name_channels_and_counts() {
    let (writer, reader) = temporary();
    let other = Letter {
        channel: "mail".to_owned(),
        ..letter("m1")
    };
    let mut both = round(&["k1", "k2"], "m");
    both.letters.push(other);
    writer.send_round(both);
    assert!(writer.flush(WAIT));
    let page = |after, limit| {
        let query = LetterQuery {
            state: LetterState::Pending,
            channel: Some("oncall".to_owned()),
            after,
            limit,
        };
        let rows = reader.letters(&query).expect("letters");
        rows.into_iter()
            .map(|row| (row.seq, row.letter.key))
            .collect::<Vec<_>>()
    };
    let first = page(0, 1);
    assert_eq!(first[0].1, "k1");
    assert_eq!(page(first[0].0, 500)[0].1, "k2");
    let counts = reader.letter_counts(LetterState::Pending).expect("counts");
    assert_eq!(counts, [("mail".to_owned(), 1), ("oncall".to_owned(), 2)]);
}
