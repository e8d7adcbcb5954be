//! Every limit at its limit.

use std::{fs, path::PathBuf, time::Duration};

use endturn::{
    clock::{Clock, Timestamp},
    protocol::Usage,
    store::{
        BATCH, MAX_LIMIT, MAX_QUEUED_OBSERVATIONS, MAX_QUEUED_OTHERS, MAX_SCAN, ObservationQuery, Options,
        Record, RecordKind, Store,
    },
    verdict::{Connection, Flags, Observation, Source, Verdict},
};

use super::{START, WAIT, all, at, clock, count, healthy, query, store, temporary, until};

/// A healthy canary over a fresh connection with everything that is seen of one.
fn canary(name: &str, ms: i64, n: u64) -> Observation {
    let mut o = healthy(name, ms);
    let us = |micros: u64| Some(Duration::from_micros(micros + n % 997));
    let p = &mut o.phases;
    (p.dns, p.connect, p.request, p.head) = (us(2_311), us(24_870), us(41), us(311_207));
    (p.first_byte, p.first_token, p.first_output) = (us(311_350), us(412_345), us(412_345));
    (p.last_token, p.stop, p.terminal, p.end) = (us(1_203_417), us(1_231_008), us(1_231_050), us(1_231_422));
    p.gap_max = us(61_204);
    o.started = Timestamp::from_millis(o.at.as_millis() - 1_258);
    o.connection = Some(Connection::Fresh);
    o.http_status = Some(200);
    o.flags = Flags::SENTINEL_FOUND;
    o.stop_reason = Some("end_turn".to_owned());
    o.served_model = Some("claude-haiku-4-5-20251001".to_owned());
    o.request_id = Some("req_011CSHoEeqs5C35K2UUqR7Fy".to_owned());
    o.usage = Usage {
        input: Some(64),
        output: Some(44 + n % 3),
        reasoning: None,
        provisional: false,
    };
    o.cost_usd = (64.0 + (44 + n % 3) as f64 * 5.0) / 1e6;
    o.vantage = Some("fra-1".into());
    o
}

#[test]
fn a_healthy_observation_takes_at_most_eighty_bytes() {
    let (writer, reader) = temporary();
    let rows: u64 = 100_000;
    let empty = reader.size_bytes();
    for n in 0..rows {
        // 100 targets, one probe a second each.
        writer.send(Record::Observation(canary(
            &format!("provider-{}/model-{}", n % 10, n % 100),
            n.cast_signed() * 10,
            n,
        )));
        if n % 50_000 == 0 {
            assert!(writer.flush(WAIT));
        }
    }
    let path = writer.path().to_owned();
    assert!(writer.flush(WAIT));
    assert_eq!(writer.status().dropped.total(), 0);
    let raw = rusqlite::Connection::open(&path).expect("a connection");
    raw.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .expect("a checkpoint");
    let bytes = (fs::metadata(&path).expect("a file").len() - empty) as f64 / rows as f64;
    println!("{bytes:.1} bytes per raw observation, indexes and hours included");
    assert!(bytes <= 80.0, "{bytes:.1} bytes per observation");
}

/// A store whose writer is stuck behind a lock.
fn stuck() -> (endturn::store::Writer, rusqlite::Connection, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let options = Options {
        busy_timeout: Duration::from_millis(1),
        ..Options::default()
    };
    let (writer, _) = Store::open(&path, options, clock()).expect("a store");
    let other = rusqlite::Connection::open(&path).expect("a connection");
    other.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    (writer, other, dir)
}

#[test]
fn the_queue_counts_what_it_drops_and_keeps_incidents_apart() {
    let (writer, other, _dir) = stuck();
    writer.send(Record::Observation(healthy("a/m", 0)));
    // One is in the writer's hand, the lanes are empty.
    until("failure", || writer.status().failing.is_some());
    for n in 0..MAX_QUEUED_OBSERVATIONS as i64 {
        writer.send(Record::Observation(healthy("a/m", n)));
    }
    assert_eq!(writer.status().dropped.total(), 0);
    assert_eq!(writer.status().queued, MAX_QUEUED_OBSERVATIONS + 1);
    for _ in 0..3 {
        writer.send(Record::Observation(healthy("a/m", 0)));
    }
    let event = |revision| Record::Event {
        revision,
        at: START,
        kind: "health".to_owned(),
        json: "{}".to_owned(),
    };
    for revision in 0..MAX_QUEUED_OTHERS as u64 + 2 {
        writer.send(event(revision));
    }
    let dropped = writer.status().dropped;
    assert_eq!(
        (dropped.of(RecordKind::Observation), dropped.of(RecordKind::Event)),
        (3, 2)
    );
    assert_eq!(dropped.total(), 5);
    other.execute_batch("ROLLBACK").expect("an end of the lock");
    assert!(writer.flush(WAIT));
    assert_eq!(writer.status().dropped, dropped);
}

#[test]
fn a_page_is_never_longer_than_the_limit() {
    let (writer, reader) = temporary();
    store(&writer, (0..=MAX_LIMIT as i64).map(|n| healthy("a/m", n)));
    for (limit, expected) in [(0, 1), (1, 1), (MAX_LIMIT, MAX_LIMIT), (MAX_LIMIT + 1, MAX_LIMIT)] {
        assert_eq!(
            reader.observations(&query(limit)).expect("a page").items.len(),
            expected
        );
    }
}

#[test]
fn a_rare_source_is_found_over_short_pages() {
    let (writer, reader) = temporary();
    let mut rare = healthy("a/m", -1);
    rare.source = Source::Tap;
    let common = (0..MAX_SCAN as i64).map(|n| healthy("a/m", n / 100));
    store(&writer, std::iter::once(rare.clone()).chain(common));
    let query = ObservationQuery {
        source: Some(Source::Tap),
        limit: 10,
        ..ObservationQuery::default()
    };
    let page = reader.observations(&query).expect("a page");
    assert!(page.items.is_empty() && page.next.is_some());
    assert_eq!(all(&reader, query), [rare]);
}

#[test]
fn raw_rows_go_at_their_age_and_hours_stay() {
    let clock = clock();
    let options = Options {
        keep_raw: Duration::from_secs(60),
        keep_events: 5,
        ..Options::default()
    };
    let (writer, reader) = Store::temporary(options, clock.clone()).expect("a store");
    store(&writer, (0..120).map(|n| healthy("a/m", n * 1_000)));
    for revision in 1..=9 {
        writer.send(Record::Event {
            revision,
            at: START,
            kind: "health".to_owned(),
            json: "{}".to_owned(),
        });
    }
    assert!(writer.flush(WAIT));
    assert_eq!(count(&reader), 120);
    clock.advance(Duration::from_secs(121));
    store(&writer, [healthy("a/m", 121_000)]);
    let left = all(&reader, query(500));
    assert_eq!(
        left.len(),
        61,
        "60 s to 119 s, and the newest: the running minute is not rolled up"
    );
    assert!(left.iter().all(|o| o.at >= at(60_000)));
    let events = reader.events_after(0, 100).expect("a read");
    assert_eq!(
        events.iter().map(|e| e.revision).collect::<Vec<_>>(),
        [5, 6, 7, 8, 9]
    );
    assert_eq!(super::attempts(&reader, "a/m"), 121);
}

#[test]
fn the_size_is_held_within_five_percent_while_writing() {
    for (max_bytes, rows) in [(2_u64 << 20, 60_000_i64), (6 << 20, 100_000)] {
        let options = Options {
            max_bytes,
            ..Options::default()
        };
        let (writer, reader) = Store::temporary(options, Clock::manual(at(rows))).expect("a store");
        let mut most = 0;
        for chunk in 0..rows / BATCH as i64 {
            store(
                &writer,
                (0..BATCH as i64).map(|n| {
                    let n = chunk * BATCH as i64 + n;
                    let mut o = canary(&format!("p/m{}", n % 20), n, n.cast_unsigned());
                    if n % 50 == 0 {
                        o.verdict = Verdict::Unknown;
                        o.detail = Some("no stop reason that we know".repeat(4));
                    }
                    o
                }),
            );
            most = most.max(reader.size_bytes());
        }
        println!(
            "{max_bytes} allowed, {most} at most, {} at the end",
            reader.size_bytes()
        );
        assert!(most as f64 <= max_bytes as f64 * 1.05, "{most} of {max_bytes}");
        assert!(most as f64 >= max_bytes as f64 * 0.8, "{most} of {max_bytes}");
        let newest = reader.observations(&query(1)).expect("a page").items.remove(0);
        assert_eq!(newest.observation.at, at(rows - 1));
    }
}

/// Database and log as they lie on disk, looked at from outside as fast as possible while the writer runs flat out.
#[test]
fn the_size_is_held_within_five_percent_at_every_moment_of_full_speed() {
    for (max_bytes, rows) in [(1_u64 << 20, 20_000_i64), (2 << 20, 40_000), (6 << 20, 100_000)] {
        let options = Options {
            max_bytes,
            ..Options::default()
        };
        let (writer, _) = Store::temporary(options, Clock::manual(at(rows))).expect("a store");
        let log = PathBuf::from(format!("{}-wal", writer.path().display()));
        let length = |path: &std::path::Path| fs::metadata(path).map_or(0, |meta| meta.len());
        let (mut most, mut looks) = ([0; 3], 0);
        let mut look = || {
            let (database, log) = (length(writer.path()), length(&log));
            if database + log > most[0] {
                most = [database + log, database, log];
            }
            looks += 1;
        };
        for n in 0..rows {
            let mut o = canary(&format!("p/m{}", n % 20), n, n.cast_unsigned());
            if n % 50 == 0 {
                o.verdict = Verdict::Unknown;
                o.detail = Some("no stop reason that we know".repeat(4));
            }
            writer.send(Record::Observation(o));
            look();
            while writer.status().queued > 20 * BATCH {
                look();
                std::thread::yield_now();
            }
        }
        while writer.status().queued > 0 {
            look();
            std::thread::yield_now();
        }
        assert!(writer.flush(WAIT));
        assert_eq!(writer.status().dropped.total(), 0);
        let [most, database, log] = most;
        println!("{max_bytes} allowed, {most} at most ({database} and a log of {log}) in {looks} looks");
        assert!(most as f64 <= max_bytes as f64 * 1.05, "{most} of {max_bytes}");
        assert!(most as f64 >= max_bytes as f64 * 0.8, "{most} of {max_bytes}");
    }
}

/// Where minutes alone are more than the size allows, those of hours that are not summed yet stay: nothing would ever
/// count them again.
#[test]
fn minutes_that_no_hour_holds_yet_are_not_given_up_for_size() {
    let clock = clock();
    let options = Options {
        max_bytes: 1 << 20,
        keep_events: 0,
        ..Options::default()
    };
    let (writer, reader) = Store::temporary(options, clock.clone()).expect("a store");
    let (targets, minutes) = (300, 100);
    for minute in 0..minutes {
        store(
            &writer,
            (0..targets).map(|n| canary(&format!("p/m{n}"), minute * 60_000, n * 31)),
        );
        clock.advance(Duration::from_secs(60));
    }
    for n in 0..targets {
        assert_eq!(
            super::attempts(&reader, &format!("p/m{n}")),
            minutes.cast_unsigned(),
            "m{n}"
        );
    }
}

#[test]
fn a_long_read_does_not_eat_up_history() {
    let max_bytes = 4 << 20;
    let options = Options {
        max_bytes,
        ..Options::default()
    };
    let (writer, reader) = Store::temporary(options, Clock::manual(at(200_000))).expect("a store");
    let write = |from: i64, rows: i64| {
        store(
            &writer,
            (from..from + rows).map(|n| canary(&format!("p/m{}", n % 20), n, n.cast_unsigned())),
        );
    };
    write(0, 70_000);
    let before = count(&reader);
    let long = rusqlite::Connection::open(writer.path()).expect("a connection");
    long.execute_batch("BEGIN").expect("a read");
    long.query_row("SELECT count(*) FROM observations", [], |_| Ok(()))
        .expect("a read");
    for chunk in 0..40 {
        write(70_000 + chunk * 1_000, 1_000);
    }
    let during = count(&reader);
    assert!(during as f64 >= before as f64 * 0.8, "{during} of {before}");
    long.execute_batch("COMMIT").expect("an end of the read");
    write(110_000, 5_000);
    write(115_000, 5_000);
    assert!(
        reader.size_bytes() as f64 <= max_bytes as f64 * 1.05,
        "{}",
        reader.size_bytes()
    );
}

#[test]
fn a_temporary_store_leaves_nothing_behind() {
    let (writer, _reader) = temporary();
    let directory: PathBuf = writer.path().parent().expect("a directory").to_owned();
    assert!(directory.exists());
    assert!(writer.close(WAIT));
    assert!(!directory.exists());
}
