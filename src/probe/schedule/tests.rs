use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{health::Length, id::TargetId, probe::fixture::config};

const START: Timestamp = Timestamp::from_millis(1_781_913_600_000);
/// A step of the loop that drives the timetable.
const STEP: Duration = Duration::from_millis(20);

fn canary(text: &str) -> Subject {
    Subject::Model(text.parse::<TargetId>().unwrap(), Length::Short)
}

fn provider(id: &str) -> ProviderId {
    id.parse().unwrap()
}

/// Drives a timetable for `span`; each probe takes `takes`. Gives the times at which each stream was sent.
fn drive(
    schedule: &mut Schedule,
    from: Timestamp,
    span: Duration,
    takes: Duration,
) -> BTreeMap<String, Vec<i64>> {
    let mut sent: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut running: Vec<(Timestamp, Subject, ProbeKind)> = Vec::new();
    let mut now = from;
    while now < from.plus(span) {
        running.retain(|(end, subject, kind)| {
            let over = *end <= now;
            if over {
                schedule.finished(subject, *kind);
            }
            !over
        });
        for due in schedule.take_due(now) {
            assert!(due.at <= now, "sent before its time");
            assert!(
                !running
                    .iter()
                    .any(|(_, subject, kind)| (subject, kind) == (&due.subject, &due.kind)),
                "two of one stream at once"
            );
            sent.entry(format!("{:?}", due.subject))
                .or_default()
                .push(now.as_millis() - from.as_millis());
            running.push((now.plus(takes), due.subject, due.kind));
        }
        now = now.plus(STEP);
    }
    sent
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Mean rate within bounds, never two of one stream at once, gaps never shorter than the interval less its jitter.
    #[test]
    fn every_stream_keeps_its_rate(seed: u64, every_ms in 200i64..3_000, takes_ms in 0u64..100, targets in 1usize..6) {
        let every = Duration::from_millis(every_ms.unsigned_abs());
        let mut schedule = Schedule::new(&config(targets, every), seed, START);
        let sent = drive(&mut schedule, START, every * 50, Duration::from_millis(takes_ms));
        prop_assert_eq!(sent.len(), targets + 1);
        for (stream, times) in &sent {
            prop_assert!((49..=50).contains(&times.len()), "{} was sent {} times in 50 intervals", stream, times.len());
            let slack = (every_ms as f64 * JITTER) as i64 + STEP.as_millis() as i64;
            for pair in times.windows(2) {
                prop_assert!((pair[1] - pair[0] - every_ms).abs() <= slack, "{} drifts: {:?}", stream, pair);
            }
        }
        prop_assert_eq!(schedule.skipped(), 0);
    }

    /// First probes are spread: no tenth of the interval holds more than its share and two.
    #[test]
    fn the_start_is_spread_over_the_interval(seed: u64, targets in 1usize..60) {
        let every = Duration::from_secs(60);
        let schedule = Schedule::new(&config(targets, every), seed, START);
        let mut tenths = [0usize; 10];
        for stream in &schedule.streams {
            let offset = stream.first.since(START);
            prop_assert!(offset < every);
            tenths[(offset.as_millis() * 10 / every.as_millis()) as usize] += 1;
        }
        let fair = (targets + 1) / 10 + 2;
        prop_assert!(tenths.iter().all(|n| *n <= fair), "{:?}", tenths);
    }

    /// After a sleep of any length nothing bursts: at most what one interval of lateness allows is sent at once.
    #[test]
    fn waking_up_does_not_burst(seed: u64, slept_s in 30u64..100_000) {
        let every = Duration::from_secs(60);
        let mut schedule = Schedule::new(&config(50, every), seed, START);
        drive(&mut schedule, START, every, Duration::ZERO);
        let awake = START.plus(every).plus(Duration::from_secs(slept_s));
        let at_once = schedule.take_due(awake).len();
        // 51 streams a minute, and 5 s of lateness is forgiven: 4.25 and what jitter shifts.
        prop_assert!(at_once <= 10, "{at_once} at once");
        prop_assert!(schedule.next_due().unwrap() > awake);
    }
}

#[test]
fn a_hanging_probe_delays_nobody_else() {
    let mut schedule = Schedule::new(&config(2, Duration::from_secs(1)), 7, START);
    let hung = canary("p/m0");
    let mut others = 0;
    let mut now = START;
    while now < START.plus(Duration::from_secs(20)) {
        for due in schedule.take_due(now) {
            if due.subject == hung {
                continue;
            }
            others += 1;
            schedule.finished(&due.subject, due.kind);
        }
        now = now.plus(STEP);
    }
    assert!((38..=40).contains(&others), "{others}");
    assert!((18..=19).contains(&schedule.skipped()), "{}", schedule.skipped());
}

#[test]
fn a_lost_probe_does_not_silence_its_stream_for_good() {
    let mut config = config(1, Duration::from_secs(10));
    let provider = &mut config.providers[0];
    let mut limits = provider.limits;
    limits.total *= 2;
    provider.models[0].limits = Some(limits);
    let lease = limits.connect + limits.total + LEASE_SLACK;
    let mut schedule = Schedule::new(&config, 7, START);
    let mut times = Vec::new();
    let mut now = START;
    while now < START.plus(lease * 2) {
        for due in schedule.take_due(now) {
            if due.subject == canary("p/m0") {
                times.push(now);
            }
        }
        now = now.plus(STEP);
    }
    assert_eq!(times.len(), 2);
    assert!(times[1].since(times[0]) >= lease);
}

#[test]
fn an_overloaded_provider_is_asked_at_most_every_ten_seconds() {
    for polite in [true, false] {
        let mut config = config(4, Duration::from_secs(1));
        config.providers[0].polite = polite;
        let mut schedule = Schedule::new(&config, 11, START);
        schedule.overload(&provider("p"), None, START);
        let sent = drive(&mut schedule, START, Duration::from_secs(300), Duration::ZERO);
        let mut canaries: Vec<i64> = sent
            .iter()
            .filter(|(who, _)| who.starts_with("Model"))
            .flat_map(|(_, t)| t.clone())
            .collect();
        canaries.sort_unstable();
        let edge = sent
            .iter()
            .find(|(who, _)| who.starts_with("Edge"))
            .unwrap()
            .1
            .len();
        assert!((299..=300).contains(&edge), "reach goes on: {edge}");
        if polite {
            assert!((14..=30).contains(&canaries.len()), "{}", canaries.len());
            assert!(canaries[0] >= POLITE_GAP.as_millis() as i64);
            assert!(
                canaries
                    .windows(2)
                    .all(|pair| pair[1] - pair[0] >= POLITE_GAP.as_millis() as i64)
            );
        } else {
            assert!(canaries.len() >= 4 * 299, "{}", canaries.len());
        }
    }
}

#[test]
fn the_first_other_answer_ends_the_back_off() {
    let mut schedule = Schedule::new(&config(1, Duration::from_secs(1)), 11, START);
    schedule.overload(&provider("p"), Some(Duration::from_secs(200)), START);
    assert!(schedule.admit(&canary("p/m0"), Purpose::Confirm, START).is_err());
    schedule.ok(&provider("p"));
    assert_eq!(schedule.admit(&canary("p/m0"), Purpose::Confirm, START), Ok(()));
}

#[test]
fn who_yields_to_whom() {
    let (at, m) = (|s| START.plus(Duration::from_secs(s)), canary("p/m0"));
    let mut schedule = Schedule::new(&config(1, Duration::from_secs(60)), 3, START);
    schedule.overload(&provider("p"), Some(Duration::from_secs(40)), START);
    // A shorter Retry-After afterwards takes nothing back.
    schedule.overload(&provider("p"), Some(Duration::from_secs(1)), START);
    for (purpose, seconds, admitted) in [
        (Purpose::Manual, 0, true),
        (Purpose::Recovery, 39, false),
        (Purpose::Recovery, 40, true),
        (Purpose::Recovery, 40, true),
        (Purpose::Confirm, 39, false),
        (Purpose::Confirm, 41, true),
        (Purpose::Scheduled, 41, false),
        (Purpose::Scheduled, 61, true),
    ] {
        assert_eq!(
            schedule.admit(&m, purpose, at(seconds)).is_ok(),
            admitted,
            "{purpose:?} at {seconds} s"
        );
    }
    assert_eq!(
        schedule.admit(&Subject::Edge(provider("p")), Purpose::Confirm, at(0)),
        Ok(())
    );
    assert_eq!(schedule.admit(&canary("q/m"), Purpose::Confirm, at(0)), Ok(()));
}

#[test]
fn retry_after_is_obeyed_up_to_its_limit() {
    let mut schedule = Schedule::new(&config(1, Duration::from_secs(60)), 3, START);
    schedule.overload(&provider("p"), Some(Duration::from_secs(86_400)), START);
    let refused = schedule.admit(&canary("p/m0"), Purpose::Recovery, START);
    assert_eq!(refused, Err(START.plus(MAX_RETRY_AFTER)));
    assert_eq!(
        schedule.admit(&canary("p/m0"), Purpose::Recovery, START.plus(MAX_RETRY_AFTER)),
        Ok(())
    );
}

#[test]
fn a_reload_keeps_the_slots_and_what_is_in_flight() {
    let every = Duration::from_secs(10);
    let mut schedule = Schedule::new(&config(3, every), 5, START);
    let now = schedule.next_due().unwrap();
    let due = schedule.take_due(now);
    assert!(!due.is_empty());
    let before: Vec<_> = schedule
        .streams
        .iter()
        .map(|s| (s.subject.clone(), s.due))
        .collect();
    schedule.reconfigure(&config(4, every), now);
    let after: Vec<_> = schedule
        .streams
        .iter()
        .map(|s| (s.subject.clone(), s.due))
        .collect();
    assert!(before.iter().all(|row| after.contains(row)));
    assert_eq!(after.len(), before.len() + 1);
    assert!(schedule.busy(&(due[0].subject.clone(), due[0].kind), now));
    schedule.reconfigure(&config(0, every), now);
    assert_eq!(schedule.streams.len(), 1);
    // Taken out and back in while its probe still runs: still one at a time.
    schedule.reconfigure(&config(4, every), now);
    assert!(schedule.busy(&(due[0].subject.clone(), due[0].kind), now));
}

#[test]
fn nothing_is_due_where_nothing_is_probed() {
    let mut empty = config(1, Duration::from_secs(1));
    empty.providers[0].reach = None;
    empty.providers[0].models[0].canary = None;
    let mut schedule = Schedule::new(&empty, 1, START);
    assert_eq!(schedule.next_due(), None);
    assert_eq!(schedule.take_due(START.plus(Duration::from_secs(9))), []);
}
