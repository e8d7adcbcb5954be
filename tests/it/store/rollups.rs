//! Rollups: every observation counts once, whatever comes late, and old rows go without a gap.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use endturn::{
    clock::{Clock, Timestamp},
    health::{Standing, State, StateTimes},
    protocol::ErrorClass,
    store::{
        MAX_LATE_MS, MAX_POINTS, Options, Reader, Record, Rollup, Series, SeriesQuery, Span, Store, Writer,
    },
    verdict::{FailedAt, Failure, Observation, Source, Truncation, Verdict},
};
use proptest::{prelude::*, test_runner::Config};

use super::{START, WAIT, at, healthy, open, seen, store, target, temporary};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 86_400_000;

fn query(name: &str, from: i64, to: i64, step: i64) -> SeriesQuery {
    SeriesQuery {
        target: target(name),
        from: at(from),
        to: at(to),
        step: Duration::from_millis(step.cast_unsigned()),
        sources: vec![Source::Canary, Source::Long, Source::Report, Source::Tap],
        spans: Span::ALL.to_vec(),
        outcomes: true,
    }
}

fn attempts(reader: &Reader, query: &SeriesQuery) -> Vec<u64> {
    let series = reader.series(query).expect("a series");
    series.points.iter().map(|point| point.counts.attempts).collect()
}

/// Each source by itself adds up to all of them together.
fn apart_is_together(reader: &Reader, together: &Series, query: &SeriesQuery) {
    let apart = reader.series_by_source(query).expect("series");
    let names: Vec<Source> = apart.iter().map(|(source, _)| *source).collect();
    assert_eq!(names, query.sources);
    for (index, point) in together.points.iter().enumerate() {
        let mut sum = Rollup::default();
        for (source, series) in &apart {
            assert_eq!(
                (series.from, series.step),
                (together.from, together.step),
                "{source}"
            );
            sum.merge(&series.points[index]);
        }
        assert_eq!(&sum, point);
    }
}

/// Lets the writer roll up all that is closed by now.
pub(super) fn settle(writer: &Writer, clock: &Clock) {
    // Each turn rolls a few steps; a record starts a turn.
    for _ in 0..20 {
        writer.send(Record::State(endturn::health::Saved::default()));
        assert!(writer.flush(WAIT));
    }
    let _ = clock;
}

#[test]
fn a_series_counts_by_the_table_and_holds_percentiles() {
    let clock = Clock::manual(at(3 * HOUR));
    let (writer, reader) = Store::temporary(Options::default(), clock.clone()).expect("a store");
    let mut sent = Vec::new();
    for n in 0..1_000_i64 {
        let mut o = healthy("a/m", n * 7_200);
        o.phases.first_token = Some(Duration::from_millis(400 + n.cast_unsigned() % 200));
        o.phases.terminal = Some(Duration::from_millis(1_000));
        o.phases.connect = Some(Duration::from_millis(20));
        o.usage.input = Some(60);
        o.usage.output = Some(30);
        o.cost_usd = 0.001;
        sent.push(o);
    }
    sent.push(seen("a/m", 5, Verdict::Truncated(Truncation::Stall)));
    let mut reach = healthy("a/m", 6);
    reach.source = Source::Reach;
    sent.push(reach);
    store(&writer, sent);
    settle(&writer, &clock);
    let series = reader.series(&query("a/m", 0, 2 * HOUR, HOUR)).expect("a series");
    assert_eq!(series.points.len(), 2);
    assert_eq!((series.from, series.step), (at(0), Duration::from_secs(3_600)));
    let first = &series.points[0];
    let c = first.counts;
    assert_eq!((c.attempts, c.began, c.truncated, c.complete), (501, 501, 1, 500));
    let outcomes: Vec<_> = first.outcomes.iter().collect();
    assert_eq!(
        outcomes,
        [("complete", None, 500), ("truncated", Some("stall"), 1)]
    );
    assert_eq!((first.tokens.input, first.tokens.output), (30_000, 15_000));
    assert!((first.spent_usd - 0.5).abs() < 1e-9);
    assert_eq!(first.span(Span::Ttft).count(), 500);
    let median = first.span(Span::Ttft).quantile(0.5).expect("a median");
    // 483 exactly; a bucket is off by at most 1.09 %.
    assert!((477.0..489.0).contains(&median), "{median}");
    assert_eq!(first.span(Span::E2e).count(), 500);
    assert_eq!(first.span(Span::Connect).count(), 500);
    assert!(first.span(Span::Gap).is_empty());
    let mut edge = query("a/m", 0, HOUR, HOUR);
    edge.sources = vec![Source::Reach];
    let edge = reader.series(&edge).expect("a series");
    assert_eq!(
        (edge.points[0].counts.attempts, edge.points[0].counts.complete),
        (1, 1)
    );
}

#[test]
fn gaps_are_empty_steps_and_steps_are_aligned_and_bounded() {
    let (writer, reader) = temporary();
    store(&writer, [healthy("a/m", 0), healthy("a/m", 5 * MINUTE)]);
    assert_eq!(
        attempts(&reader, &query("a/m", 30_000, 6 * MINUTE, MINUTE)),
        [1, 0, 0, 0, 0, 1]
    );
    // A step that is no whole minute is cut to one, one below a minute is a minute.
    let odd = reader
        .series(&query("a/m", 0, 4 * MINUTE, 90_000))
        .expect("a series");
    assert_eq!((odd.step, odd.points.len()), (Duration::from_secs(60), 4));
    let wide = reader
        .series(&query("a/m", -365 * DAY, 0, MINUTE))
        .expect("a series");
    assert!(wide.points.len() <= MAX_POINTS, "{}", wide.points.len());
    assert_eq!(wide.from.as_millis().rem_euclid(wide.step.as_millis() as i64), 0);
    assert!(
        attempts(&reader, &query("no/body", 0, HOUR, MINUTE))
            .iter()
            .all(|n| *n == 0)
    );
    assert!(attempts(&reader, &query("a/m", HOUR, 0, MINUTE)).is_empty());
}

#[derive(Debug, Clone)]
struct Act {
    /// Time passes before it, in milliseconds; may be negative (a clock set back).
    wait: i64,
    /// How much earlier a report's request was.
    late: i64,
    source: Source,
    verdict: Verdict,
    target: bool,
    /// Whether the writer gets to roll.
    settle: bool,
}

prop_compose! {
    fn act()(
        wait in prop_oneof![8 => 0..40_000_i64, 3 => 0..HOUR, 1 => Just(2 * HOUR), 1 => -HOUR..0],
        late in prop_oneof![4 => Just(0), 2 => 0..3 * HOUR, 1 => 0..2 * MAX_LATE_MS],
        source in prop_oneof![3 => Just(Source::Canary), 1 => Just(Source::Long), 3 => Just(Source::Report), 1 => Just(Source::Reach)],
        verdict in prop_oneof![
            3 => Just(Verdict::Complete),
            1 => Just(Verdict::Truncated(Truncation::Cut)),
            1 => Just(Verdict::Errored(Failure { class: ErrorClass::Overloaded, at: FailedAt::Status(529) })),
        ],
        target in any::<bool>(),
        settle in prop::bool::weighted(0.2),
    ) -> Act {
        Act { wait, late, source, verdict, target, settle }
    }
}

/// Minute by minute what a series must say, from the observations alone.
pub(super) fn expected(
    sent: &[Observation],
    name: &str,
    sources: &[Source],
    step: i64,
) -> BTreeMap<i64, Rollup> {
    let mut points = BTreeMap::<i64, Rollup>::new();
    for o in sent
        .iter()
        .filter(|o| o.target.to_string() == name && sources.contains(&o.source))
    {
        let ms = if matches!(o.source, Source::Report | Source::Tap) {
            o.started
                .as_millis()
                .clamp(o.at.as_millis() - MAX_LATE_MS, o.at.as_millis())
        } else {
            o.at.as_millis()
        };
        points.entry(ms.div_euclid(step) * step).or_default().add(o);
    }
    points
}

proptest! {
    #![proptest_config(Config::with_cases(24))]

    /// Rolled up in any rhythm, restarted in between, with reports that come late and a clock that goes back: each
    /// observation counts once, at every step.
    #[test]
    fn every_observation_counts_once(acts in prop::collection::vec(act(), 1..60), restart in 0..60_usize) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("endturn.db");
        let clock = Clock::manual(START);
        let mut now = START;
        let options = Options::default();
        let (mut writer, mut reader) = Store::open(&path, options, clock.clone()).expect("a store");
        let mut sent = Vec::new();
        for (n, act) in acts.iter().enumerate() {
            now = Timestamp::from_millis(now.as_millis() + act.wait);
            if now > clock.now() {
                clock.advance(now.since(clock.now()));
            }
            let name = if act.target { "a/m" } else { "b/m" };
            let mut o = Observation::new(target(name), now, act.source, act.verdict);
            o.started = Timestamp::from_millis(now.as_millis() - act.late);
            o.phases.first_token = Some(Duration::from_millis(100 + n as u64));
            store(&writer, [o.clone()]);
            sent.push(o);
            if act.settle {
                settle(&writer, &clock);
            }
            if n == restart {
                assert!(writer.close(WAIT));
                (writer, reader) = Store::open(&path, options, clock.clone()).expect("a store");
            }
        }
        let all = [Source::Canary, Source::Long, Source::Report];
        for settled in [false, true] {
            if settled {
                clock.advance(Duration::from_secs(86_400 * 2));
                settle(&writer, &clock);
            }
            for (name, sources) in [("a/m", &all[..]), ("b/m", &all[..1]), ("a/m", &[Source::Reach][..])] {
                for step in [MINUTE, HOUR, DAY] {
                    let wanted = expected(&sent, name, sources, step);
                    // Windows of a day keep the number of points below its bound.
                    let first = wanted.keys().next().copied().unwrap_or(START.as_millis()).div_euclid(DAY) * DAY;
                    let last = wanted.keys().last().copied().unwrap_or(first);
                    let mut found = BTreeMap::new();
                    let mut from = first;
                    while from <= last {
                        let series = reader.series(&SeriesQuery {
                            target: target(name),
                            from: Timestamp::from_millis(from),
                            to: Timestamp::from_millis(from + DAY),
                            step: Duration::from_millis(step as u64),
                            sources: sources.to_vec(),
                            spans: Span::ALL.to_vec(),
                            outcomes: true,
                        }).expect("a series");
                        prop_assert_eq!(series.step, Duration::from_millis(step as u64));
                        apart_is_together(&reader, &series, &SeriesQuery {
                            target: target(name),
                            from: Timestamp::from_millis(from),
                            to: Timestamp::from_millis(from + DAY),
                            step: Duration::from_millis(step as u64),
                            sources: sources.to_vec(),
                            spans: Span::ALL.to_vec(),
                            outcomes: true,
                        });
                        for (index, point) in series.points.iter().enumerate() {
                            if !point.is_empty() {
                                found.insert(series.at(index).as_millis(), point.clone());
                            }
                        }
                        from += DAY;
                    }
                    prop_assert_eq!(&found, &wanted, "{} {:?} {} {}", name, sources, step, settled);
                }
            }
            let midnight = START.as_millis().div_euclid(DAY) * DAY;
            for (from, to) in [(0, 40_000 * DAY), (midnight + 5, midnight + DAY), (midnight + DAY, midnight + DAY + 1)] {
                let days = reader.days(Timestamp::from_millis(from), Timestamp::from_millis(to)).expect("days");
                let found: BTreeMap<_, _> = days.iter().filter(|day| day.target.to_string() == "a/m")
                    .map(|day| (day.at.as_millis(), day.counts)).collect();
                let within = |at: i64| at + DAY > from && at < to;
                let wanted: BTreeMap<_, _> = expected(&sent, "a/m", &all, DAY).into_iter()
                    .filter(|(at, _)| within(*at)).map(|(at, sum)| (at, sum.counts)).collect();
                prop_assert_eq!(found, wanted, "{} {}", from, to);
            }
        }
    }
}

#[test]
fn days_and_standings_go_when_their_time_is_over_and_not_before() {
    let clock = Clock::manual(START);
    let options = Options {
        keep_raw: Duration::from_secs(3_600),
        keep_minutes: Duration::from_secs(86_400),
        keep_hours: Duration::from_secs(2 * 86_400),
        keep_days: Some(Duration::from_secs(5 * 86_400)),
        ..Options::default()
    };
    let (writer, reader) = Store::temporary(options, clock.clone()).expect("a store");
    for day in 0..9 {
        store(&writer, [healthy("a/m", day * DAY)]);
        let mut times = StateTimes::default();
        times.add(State::Operational, 1_000);
        writer.send(Record::Standing(Standing {
            target: target("a/m"),
            day: clock.now(),
            times,
        }));
        clock.advance(Duration::from_secs(86_400));
        settle(&writer, &clock);
    }
    let ages = |days: Vec<Timestamp>| -> Vec<i64> {
        days.iter()
            .map(|at| (clock.now().as_millis() - at.as_millis()).div_euclid(DAY))
            .collect()
    };
    let (from, to) = (Timestamp::from_millis(0), clock.now());
    let days = reader
        .days(from, to)
        .expect("days")
        .iter()
        .map(|day| day.at)
        .collect();
    let standings = reader.standings(from, to).expect("standings");
    // The oldest lies partly within the five days.
    assert_eq!(ages(days), [5, 4, 3, 2, 1]);
    assert_eq!(ages(standings.iter().map(|s| s.day).collect()), [5, 4, 3, 2, 1]);
}

#[test]
fn minutes_and_hours_go_and_what_they_summed_stays() {
    let clock = Clock::manual(START);
    let options = Options {
        keep_raw: Duration::from_secs(3_600),
        keep_minutes: Duration::from_secs(6 * 3_600),
        keep_hours: Duration::from_secs(4 * 86_400),
        ..Options::default()
    };
    let (writer, reader) = Store::temporary(options, clock.clone()).expect("a store");
    for hour in 0..24 * 7 {
        store(
            &writer,
            (0..4).map(|n| healthy("a/m", hour * HOUR + n * 10 * MINUTE)),
        );
        clock.advance(Duration::from_secs(3_600));
        settle(&writer, &clock);
    }
    let total = |from: i64, step| -> (u64, Duration) {
        let series = reader
            .series(&query("a/m", from, 7 * DAY, step))
            .expect("a series");
        (series.points.iter().map(|p| p.counts.attempts).sum(), series.step)
    };
    // The start lies in the middle of a day; a step of days reaches back to its midnight.
    assert_eq!(total(0, MINUTE), (7 * 96, Duration::from_secs(86_400)));
    assert_eq!(total(6 * DAY, MINUTE), (96, Duration::from_secs(3_600)));
    assert_eq!(total(7 * DAY - 2 * HOUR, MINUTE), (8, Duration::from_secs(60)));
    assert_eq!(super::count(&reader), 4, "raw rows of the last hour");
}

/// Killed at random moments while it writes and rolls: nothing is lost, nothing counts twice.
#[test]
fn a_kill_repeats_no_bucket_and_skips_none() {
    const ROLE: &str = "ENDTURN_TEST_ROLLING";
    const ROWS: i64 = 400;
    if let Ok(path) = std::env::var(ROLE) {
        let path = std::path::PathBuf::from(path);
        let start = Clock::manual(START);
        let (writer, reader) = Store::open(&path, Options::default(), start.clone()).expect("a store");
        let begun = super::count(&reader) as i64;
        start.advance(Duration::from_millis((begun * 1_000).cast_unsigned()));
        println!("ready");
        for n in begun..ROWS {
            writer.send(Record::Observation(healthy("a/m", n * 1_000)));
            start.advance(Duration::from_secs(1));
            if n % 7 == 0 {
                writer.flush(WAIT);
            }
        }
        writer.flush(WAIT);
        println!("done");
        std::thread::sleep(WAIT);
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("endturn.db");
    let myself = std::env::current_exe().expect("this test");
    for round in 0..20_u64 {
        let mut child = Command::new(&myself)
            .args([
                "--exact",
                "store::rollups::a_kill_repeats_no_bucket_and_skips_none",
                "--nocapture",
            ])
            .env(ROLE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let mut lines = BufReader::new(child.stdout.take().expect("its output"))
            .lines()
            .map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("ready")), "round {round}");
        if round == 19 {
            assert!(lines.any(|line| line.ends_with("done")));
        } else {
            std::thread::sleep(Duration::from_millis(round * 3 % 17));
        }
        child.kill().expect("a kill");
        child.wait().expect("an end");
    }
    let (writer, reader) = open(&path);
    let found = super::count(&reader) as u64;
    assert_eq!(found, ROWS as u64);
    assert_eq!(super::attempts(&reader, "a/m"), found);
    let minutes = attempts(&reader, &query("a/m", 0, ROWS * 1_000, MINUTE));
    assert_eq!(minutes, [60, 60, 60, 60, 60, 60, 40]);
    drop(writer);
}

/// A series reads the parts that it is asked for, from rollups and raw rows alike, and counts everything.
#[test]
fn only_the_parts_asked_for_are_read() {
    let clock = Clock::manual(START);
    let (writer, reader) = Store::temporary(Options::default(), clock.clone()).expect("a store");
    let timed = |ms: i64| {
        let mut o = healthy("a/m", ms);
        o.phases.first_token = Some(Duration::from_millis(400));
        o.phases.terminal = Some(Duration::from_millis(900));
        o.usage.output = Some(50);
        o
    };
    store(&writer, [timed(0)]);
    clock.advance(Duration::from_secs(3 * 3_600));
    settle(&writer, &clock);
    store(&writer, [timed(3 * HOUR)]);
    for (spans, outcomes) in [
        (vec![], true),
        (vec![Span::E2e], false),
        (vec![Span::E2e, Span::Ttft], true),
        (Span::ALL.to_vec(), false),
    ] {
        let series = reader
            .series(&SeriesQuery {
                spans: spans.clone(),
                outcomes,
                ..query("a/m", 0, 4 * HOUR, HOUR)
            })
            .expect("a series");
        for index in [0, 3] {
            let point = &series.points[index];
            assert_eq!(point.counts.attempts, 1);
            assert!(!point.is_empty());
            let counted = u64::from(outcomes);
            assert_eq!(point.observations(), counted);
            assert_eq!(point.tokens.output, counted * 50);
            for span in [Span::Ttft, Span::E2e] {
                let wanted = u64::from(spans.contains(&span));
                assert_eq!(
                    point.span(span).count(),
                    wanted,
                    "{span:?} of {spans:?} in hour {index}"
                );
            }
        }
    }
}
