//! What goes in comes out.

use std::{collections::BTreeSet, time::Duration};

use endturn::{
    health::{
        Hint, Incident, IncidentEntry, Reason, ReasonCode, Routing, Saved, Standing, State, StateTimes,
        Transition,
    },
    protocol::ErrorClass,
    store::{IncidentQuery, ObservationQuery, Options, Reader, Record, Store},
    verdict::{FailedAt, Failure, Observation, Source, Truncation, Verdict},
};
use proptest::{option, prelude::*, test_runner::Config};

use super::{START, WAIT, all, at, clock, healthy, open, query, seen, store, target, temporary};

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, _) = open(&path);
    let instance = writer.instance().to_owned();
    writer.send(Record::Observation(healthy("a/m", 0)));
    writer.send(Record::State(Saved {
        blob: "one".to_owned(),
    }));
    writer.send(Record::State(Saved {
        blob: "two".to_owned(),
    }));
    assert!(writer.close(WAIT));
    let (writer, reader) = open(&path);
    assert_eq!(all(&reader, query(10)), [healthy("a/m", 0)]);
    let state = reader.saved_state().expect("a read").expect("a state");
    assert_eq!((state.at, state.saved.blob.as_str()), (START, "two"));
    assert_eq!(writer.instance(), instance);
}

#[test]
fn rows_keep_the_vantage_that_they_were_seen_from() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let from = |vantage: &str, ms: i64| {
        let mut o = healthy("a/m", ms);
        o.vantage = Some(vantage.into());
        o
    };
    let seen = [from("fra-1", 2), from("ams-2", 1), from("fra-1", 0)];
    for observation in seen.iter().rev().cloned() {
        let (writer, _) = open(&path);
        store(&writer, [observation]);
        assert!(writer.close(WAIT));
    }
    let (_writer, reader) = open(&path);
    assert_eq!(all(&reader, query(10)), seen);
}

#[test]
fn time_in_each_state_adds_up_by_day_and_target() {
    const DAY: i64 = 86_400_000;
    let midnight = START.as_millis().div_euclid(DAY) * DAY;
    let stretch = |name: &str, day: i64, parts: &[(State, u64)]| {
        let mut times = StateTimes::default();
        for (state, ms) in parts {
            times.add(*state, *ms);
        }
        Standing {
            target: target(name),
            day: endturn::clock::Timestamp::from_millis(midnight + day * DAY),
            times,
        }
    };
    let every: Vec<_> = State::ALL.into_iter().zip(1..).collect();
    let (writer, reader) = temporary();
    for standing in [
        stretch("a/m", 0, &every),
        stretch("a/m", 0, &[(State::Down, 100)]),
        stretch("b/m", 0, &[(State::Operational, 7)]),
        stretch("a/m", 1, &[(State::Unknown, 9)]),
    ] {
        writer.send(Record::Standing(standing));
    }
    assert!(writer.flush(WAIT));
    let read = |from: i64, to: i64| {
        let at = |ms| endturn::clock::Timestamp::from_millis(midnight + ms);
        reader.standings(at(from), at(to)).expect("standings")
    };
    let mut both = every.clone();
    both.push((State::Down, 100));
    let first = [
        stretch("a/m", 0, &both),
        stretch("b/m", 0, &[(State::Operational, 7)]),
    ];
    let second = stretch("a/m", 1, &[(State::Unknown, 9)]);
    assert_eq!(read(0, DAY), first);
    assert_eq!(
        read(DAY - 1, DAY + 1),
        [&first[..], std::slice::from_ref(&second)].concat()
    );
    assert_eq!(read(DAY, 2 * DAY), [second]);
}

prop_compose! {
    fn texts()(
        verdict in prop_oneof![
            Just(Verdict::Complete),
            Just(Verdict::Truncated(Truncation::Cut)),
            Just(Verdict::Errored(Failure { class: ErrorClass::Overloaded, at: FailedAt::Status(529) })),
        ],
        ms in 0..100_i64,
        // Some repeat and go to the dictionary, some are too long for it.
        words in prop::array::uniform3(option::of(prop_oneof!["[a-c]", ".{0,20}", ".{129,140}"])),
        texts in prop::array::uniform3(option::of(".{0,40}")),
        vantage in option::of(prop_oneof!["[a-c]", "[a-z0-9._-]{64}"]),
    ) -> Observation {
        let mut o = seen("a/m", ms, verdict);
        [o.stop_reason, o.served_model, o.reporter] = words;
        [o.request_id, o.detail, o.tail] = texts;
        o.vantage = vantage.map(Into::into);
        o
    }
}

proptest! {
    #![proptest_config(Config::with_cases(24))]

    #[test]
    fn texts_come_back_and_those_of_healthy_replies_are_left_out(
        sent in prop::collection::vec(texts(), 1..60),
    ) {
        let (writer, reader) = temporary();
        store(&writer, sent.clone());
        let mut expected = sent;
        for o in expected.iter_mut().filter(|o| o.verdict == Verdict::Complete) {
            (o.request_id, o.detail, o.tail) = (None, None, None);
        }
        let mut found = all(&reader, query(7));
        let key = |o: &Observation| format!("{o:?}");
        expected.sort_by_key(key);
        found.sort_by_key(key);
        prop_assert_eq!(found, expected);
    }
}

fn reason(code: ReasonCode) -> Reason {
    Reason {
        code,
        text: "7 of 12 replies ended before a stop reason in 60 s".to_owned(),
        sources: vec![Source::Canary, Source::Report],
    }
}

#[test]
fn transitions_come_back_newest_first() {
    let (writer, reader) = temporary();
    let hints = [
        Hint::Allow,
        Hint::Suspect,
        Hint::Avoid,
        Hint::Ramp,
        Hint::Throttle,
        Hint::Blocked,
        Hint::NoOpinion,
    ];
    let mut sent = Vec::new();
    for (n, code) in ReasonCode::ALL.into_iter().enumerate() {
        sent.push(Transition {
            target: target(if n % 2 == 0 { "a/m" } else { "b/m" }),
            at: at(n as i64),
            from: State::ALL[n % 6],
            to: State::ALL[(n + 1) % 6],
            routing: Routing {
                hint: hints[n % 7],
                weight: (n % 3 > 0).then_some(n as f64 / 13.0),
                retry_at: (n % 2 > 0).then_some(at(9_000)),
            },
            reason: reason(code),
            first_evidence: (n % 4 > 0).then_some(at(-5)),
        });
    }
    for transition in &sent {
        writer.send(Record::Transition(transition.clone()));
    }
    assert!(writer.flush(WAIT));
    sent.reverse();
    assert_eq!(reader.transitions(None, 100).expect("a read"), sent);
    let of_a: Vec<_> = sent
        .into_iter()
        .filter(|t| t.target == target("a/m"))
        .take(3)
        .collect();
    assert_eq!(reader.transitions(Some(&target("a/m")), 3).expect("a read"), of_a);
    assert_eq!(reader.transitions(Some(&target("c/m")), 3).expect("a read"), []);
}

fn incident(n: i64) -> Incident {
    let entry = |kind, text: &str| IncidentEntry {
        at: at(n),
        kind,
        state: State::Partial,
        text: text.to_owned(),
    };
    Incident {
        id: format!("incident-{n}"),
        target: target(if n % 2 == 0 { "a/m" } else { "b/m" }),
        started: at(n),
        detected: at(n + 1),
        opened: at(n + 2),
        recovered: None,
        closed: None,
        worst: State::Partial,
        reason: reason(ReasonCode::Truncated),
        timeline: vec![
            entry("first_evidence", "\"quoted\"\n\u{0}"),
            entry("transition", ""),
            entry("opened", "open"),
        ],
        lead_s: (n % 2 == 0).then_some(40 - n),
    }
}

#[test]
fn an_incident_is_one_row_however_often_it_is_told() {
    let (writer, reader) = temporary();
    for n in 0..5 {
        writer.send(Record::Incident(incident(n)));
    }
    let mut closed = incident(1);
    closed.recovered = Some(at(50));
    closed.closed = Some(at(60));
    closed.worst = State::Down;
    closed.reason.code = ReasonCode::Overloaded;
    closed.timeline.push(IncidentEntry {
        at: at(60),
        kind: "closed",
        state: State::Operational,
        text: "over".to_owned(),
    });
    for _ in 0..3 {
        writer.send(Record::Incident(closed.clone()));
    }
    assert!(writer.flush(WAIT));
    let ids = |query: IncidentQuery| -> Vec<String> {
        let page = reader.incidents(&query).expect("a page");
        page.items.into_iter().map(|i| i.id).collect()
    };
    let any = IncidentQuery {
        limit: 500,
        ..IncidentQuery::default()
    };
    assert_eq!(ids(any.clone()), [4, 3, 2, 1, 0].map(|n| format!("incident-{n}")));
    assert_eq!(
        ids(IncidentQuery {
            open: Some(true),
            ..any.clone()
        }),
        [4, 3, 2, 0].map(|n| format!("incident-{n}"))
    );
    assert_eq!(
        ids(IncidentQuery {
            open: Some(false),
            ..any.clone()
        }),
        ["incident-1"]
    );
    assert_eq!(
        ids(IncidentQuery {
            target: Some(target("b/m")),
            ..any.clone()
        }),
        ["incident-3", "incident-1"]
    );
    assert_eq!(reader.incident("incident-1").expect("a read"), Some(closed));
    assert_eq!(reader.incident("incident-2").expect("a read"), Some(incident(2)));
    assert_eq!(reader.incident("nobody").expect("a read"), None);
    let first = reader
        .incidents(&IncidentQuery {
            limit: 3,
            ..any.clone()
        })
        .expect("a page");
    let rest = reader
        .incidents(&IncidentQuery {
            cursor: first.next,
            limit: 3,
            ..any
        })
        .expect("a page");
    assert_eq!(first.items.len() + rest.items.len(), 5);
    assert_eq!(rest.next, None);
}

#[test]
fn filters_find_what_they_name() {
    let (writer, reader) = temporary();
    let mut sent = Vec::new();
    for n in 0..300 {
        let verdict = match n % 10 {
            0 => Verdict::Truncated(Truncation::Cut),
            1 => Verdict::Limited,
            _ => Verdict::Complete,
        };
        let mut o = seen(if n % 3 == 0 { "a/m" } else { "b/m" }, n, verdict);
        o.source = Source::ALL[n as usize % 5];
        sent.push(o);
    }
    store(&writer, sent.clone());
    sent.reverse();
    let targets = [None, Some("a/m"), Some("nobody/m")];
    let families = [
        None,
        Some("complete"),
        Some("truncated"),
        Some("refused"),
        Some("no_such"),
    ];
    for (name, family, (source, tired), since) in targets.into_iter().flat_map(|t| {
        families.into_iter().flat_map(move |f| {
            [(None, None), (Some(Source::Tap), None), (None, Some(Source::Tap))]
                .into_iter()
                .flat_map(move |s| [None, Some(at(150))].map(move |since| (t, f, s, since)))
        })
    }) {
        let expected: Vec<_> = sent
            .iter()
            .filter(|o| name.is_none_or(|name| o.target == target(name)))
            .filter(|o| family.is_none_or(|family| o.verdict.family() == family))
            .filter(|o| source.is_none_or(|source| o.source == source))
            .filter(|o| tired.is_none_or(|tired| o.source != tired || o.verdict != Verdict::Complete))
            .filter(|o| since.is_none_or(|since| o.at >= since))
            .cloned()
            .collect();
        let query = ObservationQuery {
            target: name.map(target),
            verdict_family: family.map(str::to_owned),
            source,
            without_passed: tired,
            since,
            limit: 11,
            ..ObservationQuery::default()
        };
        assert_eq!(all(&reader, query.clone()), expected, "{query:?}");
    }
}

#[test]
fn pages_are_complete_and_never_repeat_while_rows_come_in() {
    let (writer, reader) = temporary();
    // Several rows a millisecond, more than there are ids for in one, and some that come late.
    let old: Vec<_> = (0..3_000)
        .map(|n| healthy("a/m", if n % 7 == 0 { -90_000 } else { n / 900 }))
        .collect();
    store(&writer, old);
    let before: BTreeSet<i64> = ids(&reader, &query(500), || {});
    assert_eq!(before.len(), 3_000);
    let mut n = 0;
    let during = ids(&reader, &query(100), || {
        n += 1;
        store(
            &writer,
            (0..50).map(|i| healthy("a/m", if i % 2 == 0 { 10 + n } else { -60_000 })),
        );
    });
    assert!(before.is_subset(&during));
}

/// The ids of all rows, page by page; panics when one comes twice or out of order.
fn ids(reader: &Reader, query: &ObservationQuery, mut between: impl FnMut()) -> BTreeSet<i64> {
    let (mut query, mut found, mut last) = (query.clone(), BTreeSet::new(), i64::MAX);
    loop {
        let page = reader.observations(&query).expect("a page");
        for row in page.items {
            assert!(row.id < last, "{} after {last}", row.id);
            last = row.id;
            found.insert(row.id);
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return found,
        }
        between();
    }
}

#[test]
fn times_far_from_the_rest_are_kept_as_they_are() {
    let options = Options {
        keep_raw: Duration::MAX,
        ..Options::default()
    };
    let (writer, reader) = Store::temporary(options, clock()).expect("a store");
    let times = [
        i64::MIN,
        -1,
        0,
        1_767_225_599_999,
        1_767_225_600_000,
        START.as_millis(),
        1 << 60,
        i64::MAX,
    ];
    let sent: Vec<_> = times
        .into_iter()
        .map(|ms| {
            let mut o = healthy("a/m", 0);
            o.at = endturn::clock::Timestamp::from_millis(ms);
            o.started = o.at;
            o
        })
        .collect();
    store(&writer, sent.iter().rev().cloned());
    let mut found = all(&reader, query(500));
    found.sort_by_key(|o| o.at);
    assert_eq!(found, sent);
}

#[test]
fn events_come_back_in_order_and_only_those_after() {
    let (writer, reader) = temporary();
    for revision in [3, 5, 9] {
        writer.send(Record::Event {
            revision,
            at: at(1),
            kind: "health".to_owned(),
            json: format!("{{\"revision\":{revision}}}"),
        });
    }
    assert!(writer.flush(WAIT));
    let after = |revision, limit| -> Vec<u64> {
        let events = reader.events_after(revision, limit).expect("a read");
        events.into_iter().map(|event| event.revision).collect()
    };
    assert_eq!(after(0, 10), [3, 5, 9]);
    assert_eq!(after(3, 10), [5, 9]);
    assert_eq!(after(0, 2), [3, 5]);
    assert!(after(u64::MAX, 10).is_empty());
    assert_eq!(reader.first_event().expect("a read"), Some(3));
}

/// Whoever makes up names fills half of the dictionary and no more, and what finds no place in it is kept all the same.
/// The vantage has its place whatever they fill.
#[test]
fn names_that_are_made_up_leave_room_for_words_of_probes() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let (writer, reader) = open(&path);
    let told = |n: i64| {
        let mut seen = healthy("a/m", n);
        seen.source = Source::Report;
        seen.reporter = Some(format!("made-up-{n}"));
        seen.vantage = (n == 5_099).then(|| "fra-1".into());
        seen
    };
    let words = || -> i64 {
        let raw = rusqlite::Connection::open(&path).expect("a connection");
        raw.query_row("SELECT count(*) FROM words", [], |row| row.get(0))
            .expect("a number")
    };
    store(&writer, (0..5_100).map(told));
    assert_eq!(words(), 5_001);
    let mut probe = healthy("a/m", 6_000);
    probe.served_model = Some("a-model-of-ours".to_owned());
    store(&writer, [probe]);
    assert_eq!(words(), 5_002);
    let found = all(&reader, query(500));
    assert_eq!(found[1].vantage.as_deref(), Some("fra-1"));
    let names: Vec<Option<String>> = found.into_iter().map(|o| o.reporter).collect();
    assert_eq!(
        names[1..3],
        [Some("made-up-5099".to_owned()), Some("made-up-5098".to_owned())]
    );
}
