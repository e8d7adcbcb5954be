//! A wall clock that is set back or forward by an hour while the store writes.
//!
//! Within a process [`Clock`] follows a clock that ran ahead and never one that was set back; a restart takes the wall
//! as it is. So time jumps forward under one writer, and back between two of them and in what late evidence tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use endturn::{
    clock::{Clock, Timestamp},
    store::{ObservationQuery, Options, Reader, Record, SeriesQuery, Store, Writer},
    verdict::{Observation, Source},
};

use super::{WAIT, at, healthy, query, target};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A store that is restarted under other clocks.
struct Life<'a> {
    path: &'a Path,
    writer: Writer,
    reader: Reader,
    clock: Clock,
    sent: Vec<Observation>,
}

impl<'a> Life<'a> {
    fn begin(path: &'a Path, ms: i64) -> Self {
        let clock = Clock::manual(at(ms));
        let (writer, reader) = Store::open(path, Options::default(), clock.clone()).expect("a store");
        Self {
            path,
            writer,
            reader,
            clock,
            sent: Vec::new(),
        }
    }

    fn restart(&mut self, ms: i64) {
        assert!(self.writer.close(WAIT));
        let sent = std::mem::take(&mut self.sent);
        *self = Self::begin(self.path, ms);
        self.sent = sent;
    }

    /// One observation a second for so many minutes, rolled up on the way.
    fn minutes(&mut self, minutes: i64) {
        for _ in 0..minutes {
            for _ in 0..60 {
                let mut o = healthy("a/m", 0);
                (o.at, o.started) = (self.clock.now(), self.clock.now());
                self.send(o);
                self.clock.advance(Duration::from_secs(1));
            }
            assert!(self.writer.flush(WAIT));
        }
    }

    fn send(&mut self, o: Observation) {
        self.sent.push(o.clone());
        self.writer.send(Record::Observation(o));
    }

    /// Observations of each minute, as history tells them.
    fn told(&self) -> BTreeMap<Timestamp, u64> {
        let query = SeriesQuery {
            target: target("a/m"),
            from: at(-3 * HOUR),
            to: at(6 * HOUR),
            step: Duration::from_secs(60),
            sources: vec![Source::Canary],
            spans: Vec::new(),
            outcomes: true,
        };
        let series = self.reader.series(&query).expect("a series");
        let points = series.points.iter().enumerate();
        points
            .map(|(index, point)| (series.at(index), point.counts.attempts))
            .filter(|(_, attempts)| *attempts > 0)
            .collect()
    }

    /// Observations of each minute, counted one by one.
    fn expected(&self) -> BTreeMap<Timestamp, u64> {
        let mut minutes = BTreeMap::new();
        for o in &self.sent {
            let minute = Timestamp::from_millis(o.at.as_millis().div_euclid(MINUTE) * MINUTE);
            *minutes.entry(minute).or_default() += 1;
        }
        minutes
    }

    /// Checks counts by minute and that every row is there once.
    fn check(&self, when: &str) {
        assert!(self.writer.flush(WAIT));
        assert_eq!(self.told(), self.expected(), "{when}");
        let found = super::all(&self.reader, query(500));
        assert_eq!(found.len(), self.sent.len(), "{when}");
        let times = |seen: &[Observation]| {
            let mut times: Vec<_> = seen.iter().map(|o| o.at).collect();
            times.sort();
            times
        };
        assert_eq!(times(&found), times(&self.sent), "{when}");
    }
}

#[test]
fn an_hour_forward_and_back_counts_everything_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let mut life = Life::begin(&path, 0);
    life.minutes(5);
    life.check("before");
    life.clock.advance(Duration::from_millis(HOUR.cast_unsigned()));
    life.minutes(5);
    life.check("an hour forward");
    // 5 + 60 + 5 minutes have passed; back to minute 8, so that old minutes are run through once more.
    life.restart(8 * MINUTE);
    life.check("set back, nothing written yet");
    life.minutes(60);
    life.check("an hour back");
    life.restart(-30 * MINUTE);
    life.minutes(40);
    life.check("back beyond the beginning");
    life.restart(3 * HOUR);
    life.minutes(3);
    life.check("forward again");
    let minutes = life.told();
    // Minutes 60 to 68 and 0 to 10 were lived through twice, minutes 0 to 5 three times.
    let of = |minute: i64| minutes.get(&at(minute * MINUTE)).copied();
    assert_eq!(
        [-30, -1, 0, 4, 5, 7, 8, 64, 65, 67, 68, 69, 70, 180, 182, 183].map(of),
        [
            Some(60),
            Some(60),
            Some(120),
            Some(120),
            Some(60),
            Some(60),
            Some(120),
            Some(60),
            Some(120),
            Some(120),
            Some(60),
            Some(60),
            None,
            Some(60),
            Some(60),
            None
        ]
    );
}

#[test]
fn pages_stay_whole_while_the_clock_goes_back_and_forth() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let mut life = Life::begin(&path, 2 * HOUR);
    life.minutes(20);
    let of_page = |life: &Life<'_>, cursor| {
        let query = ObservationQuery { cursor, ..query(100) };
        let page = life.reader.observations(&query).expect("a page");
        (page.items.iter().map(|row| row.id).collect::<Vec<_>>(), page.next)
    };
    let (mut before, mut cursor) = (Vec::new(), None);
    loop {
        let (ids, next) = of_page(&life, cursor);
        before.extend(ids);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(before.len(), 20 * 60);
    // The same walk, with the clock set back or forward and rows written between any two pages.
    let (mut during, mut cursor, mut jump) = (Vec::new(), None, 0);
    loop {
        let (ids, next) = of_page(&life, cursor);
        during.extend(ids);
        cursor = next;
        if cursor.is_none() {
            break;
        }
        jump += 1;
        life.restart(2 * HOUR + if jump % 2 == 0 { HOUR } else { -HOUR } + jump * MINUTE);
        life.minutes(1);
    }
    assert!(
        during.windows(2).all(|pair| pair[0] > pair[1]),
        "newest first, none twice"
    );
    let during: BTreeSet<i64> = during.into_iter().collect();
    assert!(before.iter().all(|id| during.contains(id)), "none is missing");
    life.check("in the end");
}

#[test]
fn evidence_an_hour_old_or_an_hour_ahead_counts_in_its_own_minute() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let mut life = Life::begin(&path, 2 * HOUR);
    for round in 0..6 {
        life.minutes(1);
        for offset in [-HOUR, -HOUR + 1, 0, HOUR - 1, HOUR] {
            let mut o = healthy("a/m", 0);
            o.at = Timestamp::from_millis(life.clock.now().as_millis() + offset);
            o.started = o.at;
            life.send(o);
        }
        life.check(&format!("round {round}"));
    }
    // Time comes to where the evidence was ahead.
    life.clock.advance(Duration::from_millis(HOUR.cast_unsigned()));
    life.minutes(10);
    life.check("after an hour");
}
