use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::alert::{BACKOFF_MAX, OPEN_AFTER, fixture};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

pub(in crate::alert) fn message(key: &str, alarm: &str) -> Message {
    fixture::message("oncall", key, alarm)
}

fn later() -> Outcome {
    Outcome::Later {
        why: "HTTP 500".to_owned(),
        after: None,
    }
}

fn queue(messages: &[(&str, &str)]) -> Queue {
    let mut queue = Queue::default();
    for (key, alarm) in messages {
        assert!(queue.push(Held::new(message(key, alarm), at(0))));
    }
    queue
}

/// The key that is tried next, which has to be now.
fn tried(queue: &mut Queue, now: Timestamp) -> String {
    match queue.next(now) {
        Next::Try(message) => message.key.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn of_one_alarm_nothing_overtakes_and_others_go_past() {
    let mut queue = queue(&[("a1", "a"), ("a2", "a"), ("b1", "b")]);
    assert_eq!(tried(&mut queue, at(0)), "a1");
    assert_eq!(queue.next(at(0)), Next::Idle, "one at a time");
    queue.done("a1", later(), at(0));
    assert_eq!(tried(&mut queue, at(0)), "b1", "a1 waits, so a2 does");
    queue.done("b1", Outcome::Delivered, at(0));
    let Next::Wait(due) = queue.next(at(0)) else {
        panic!("a2 overtakes a1")
    };
    assert_eq!(tried(&mut queue, due), "a1");
    queue.done("a1", Outcome::Delivered, due);
    assert_eq!(tried(&mut queue, due), "a2");
}

#[test]
fn a_refused_message_is_dead_at_once_and_holds_up_nobody() {
    let mut queue = queue(&[("a1", "a"), ("a2", "a")]);
    tried(&mut queue, at(0));
    let why = "HTTP 404".to_owned();
    let marks = queue.done("a1", Outcome::Refused { why: why.clone() }, at(5));
    assert_eq!((marks[0].fate, marks[0].held.tries), (Fate::Dead, 1));
    assert_eq!(marks[0].held.last_error, Some(why));
    assert_eq!(tried(&mut queue, at(5)), "a2");
    assert_eq!((queue.figures(at(5)).dead, queue.figures(at(5)).failures), (1, 0));
}

#[test]
fn a_dead_channel_costs_one_try_per_wait_however_many_wait() {
    let keys: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
    let mut queue = Queue::default();
    for key in &keys {
        queue.push(Held::new(message(key, key), at(0)));
    }
    let (mut now, mut tries) = (at(0), 0);
    while now.as_millis() < 3_600_000 {
        match queue.next(now) {
            Next::Try(it) => {
                tries += 1;
                queue.done(&it.key.clone(), later(), now);
            }
            Next::Wait(until) => now = until,
            Next::Idle => unreachable!("a hundred wait"),
        }
    }
    // The waits double up to five minutes and are drawn up to twice that: 3 at once, then at most 9 until the cap, and
    // one each 5 to 10 min.
    assert!((12..=24).contains(&tries), "{tries} tries in an hour");
    let figures = queue.figures(now);
    assert_eq!((figures.pending, figures.delivered, figures.dead), (100, 0, 0));
}

#[test]
fn an_hour_away_then_everything_comes_once_and_in_order() {
    let mut queue = queue(&[("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b")]);
    let (mut now, mut delivered) = (at(0), Vec::new());
    let back = at(3_600_000);
    while delivered.len() < 4 {
        match queue.next(now) {
            Next::Try(it) => {
                let key = it.key.clone();
                let outcome = if now < back { later() } else { Outcome::Delivered };
                if outcome == Outcome::Delivered {
                    delivered.push(key.clone());
                }
                queue.done(&key, outcome, now);
            }
            Next::Wait(until) => now = until,
            Next::Idle => panic!("something waits"),
        }
    }
    let place = |key: &str| delivered.iter().position(|it| it == key);
    assert!(
        place("a1") < place("a2") && place("b1") < place("b2"),
        "{delivered:?}"
    );
    assert!(now.since(back) <= BACKOFF_MAX * 2, "all at once when it is back");
}

#[test]
fn a_message_that_is_never_taken_keeps_no_channel_shut() {
    let mut queue = queue(&[("bad", "a")]);
    let mut now = at(0);
    while queue.figures(now).failures <= OPEN_AFTER {
        match queue.next(now) {
            Next::Try(it) => drop(queue.done(&it.key.clone(), later(), now)),
            Next::Wait(until) => now = until,
            Next::Idle => unreachable!(),
        }
    }
    queue.push(Held::new(message("good", "b"), now));
    let Next::Wait(trial) = queue.next(now) else {
        panic!("the circuit is open")
    };
    assert_eq!(tried(&mut queue, trial), "good");
    queue.done("good", Outcome::Delivered, trial);
    assert_eq!(queue.figures(trial).circuit, CircuitState::Closed);
}

#[test]
fn after_a_day_it_is_given_up_at_the_next_failure_and_never_without_one() {
    let old = at(0).plus(GIVE_UP_AFTER);
    let mut queue = queue(&[("a1", "a"), ("b1", "b")]);
    queue.push(Held::new(message("c1", "c"), at(1)));
    // A process that was away for a day tries all the same.
    assert_eq!(tried(&mut queue, old), "a1");
    queue.done("a1", Outcome::Delivered, old);
    assert_eq!(tried(&mut queue, old), "b1");
    let marks = queue.done("b1", later(), old);
    assert_eq!((marks.len(), marks[0].fate), (1, Fate::Dead));
    assert_eq!(marks[0].held.last_error.as_deref(), Some("HTTP 500"));
    assert_eq!(tried(&mut queue, old), "c1", "a millisecond younger");
}

#[test]
fn retry_after_holds_the_whole_channel() {
    let mut queue = queue(&[("a1", "a"), ("b1", "b")]);
    tried(&mut queue, at(0));
    let asked = Outcome::Later {
        why: "HTTP 429".to_owned(),
        after: Some(Duration::from_secs(90)),
    };
    queue.done("a1", asked, at(0));
    assert_eq!(queue.next(at(89_999)), Next::Wait(at(90_000)));
    assert_eq!(tried(&mut queue, at(90_000)), "a1");
}

#[test]
fn memory_is_bounded_and_what_is_left_on_disk_stays_behind() {
    let mut queue = Queue::default();
    for n in 0..MAX_HELD {
        assert!(queue.push(Held::new(message(&format!("k{n}"), "a"), at(0))));
    }
    assert!(!queue.push(Held::new(message("beyond", "b"), at(0))));
    for n in 0..MAX_HELD / 2 {
        assert_eq!(queue.wants_more(), None);
        assert_eq!(tried(&mut queue, at(0)), format!("k{n}"));
        queue.done(&format!("k{n}"), Outcome::Delivered, at(0));
    }
    let left = queue.wants_more().unwrap();
    assert!(
        !queue.push(Held::new(message("later", "b"), at(0))),
        "not past those on disk"
    );
    let beyond = || [Held::new(message("beyond", "b"), at(0))];
    // "later" came while the disk was read, so it has to be read again, once there is room.
    queue.refill(beyond(), left, true);
    assert_eq!(queue.wants_more(), None);
    let next = tried(&mut queue, at(0));
    queue.done(&next, Outcome::Delivered, at(0));
    let left = queue.wants_more().unwrap();
    queue.refill(
        beyond()
            .into_iter()
            .chain([Held::new(message("later", "b"), at(0))]),
        left,
        true,
    );
    assert_eq!(queue.wants_more(), None);
    let last: Vec<_> = queue
        .held()
        .iter()
        .rev()
        .take(2)
        .map(|it| it.message.key.as_str())
        .collect();
    assert_eq!(last, ["later", "beyond"]);
}

#[test]
fn errors_are_cut_at_their_limit_and_never_within_a_letter() {
    for (text, kept) in [
        ("x".repeat(MAX_ERROR_BYTES), MAX_ERROR_BYTES),
        ("x".repeat(MAX_ERROR_BYTES + 1), MAX_ERROR_BYTES),
        (
            format!("{}é", "x".repeat(MAX_ERROR_BYTES - 1)),
            MAX_ERROR_BYTES - 1,
        ),
    ] {
        assert_eq!(bounded(text).len(), kept);
    }
}

#[test]
fn a_channel_that_goes_leaves_dead_letters_in_order() {
    let mut queue = queue(&[("a1", "a"), ("a2", "a")]);
    tried(&mut queue, at(0));
    let marks = queue.close("gone", at(9));
    let told: Vec<_> = marks
        .iter()
        .map(|it| (it.held.message.key.as_str(), it.fate))
        .collect();
    assert_eq!(told, [("a1", Fate::Dead), ("a2", Fate::Dead)]);
    assert!(queue.done("a1", Outcome::Delivered, at(10)).is_empty());
}

proptest! {
    /// Whatever a channel answers: nothing is lost, nothing ends twice, and of one alarm the order is kept.
    #[test]
    fn every_message_ends_once_and_in_its_order(
        alarms in proptest::collection::vec(0_u8..4, 1..40),
        answers in proptest::collection::vec(0_u8..10, 1..400),
    ) {
        let mut queue = Queue::default();
        for (n, alarm) in alarms.iter().enumerate() {
            queue.push(Held::new(message(&n.to_string(), &alarm.to_string()), at(0)));
        }
        let (mut now, mut ended) = (at(0), Vec::new());
        let mut answers = answers.into_iter();
        loop {
            match queue.next(now) {
                Next::Idle => break,
                Next::Wait(until) => {
                    prop_assert!(until > now);
                    now = until;
                }
                Next::Try(it) => {
                    let outcome = match answers.next() {
                        Some(0) => Outcome::Refused { why: "no".to_owned() },
                        Some(1..=6) => later(),
                        _ => Outcome::Delivered,
                    };
                    for mark in queue.done(&it.key.clone(), outcome, now) {
                        if mark.fate != Fate::Waits {
                            ended.push(mark.held.message.key.parse::<usize>().unwrap());
                        }
                    }
                }
            }
        }
        let mut all = ended.clone();
        all.sort_unstable();
        prop_assert_eq!(all, (0..alarms.len()).collect::<Vec<_>>());
        for alarm in 0..4 {
            let of: Vec<_> = ended.iter().filter(|n| alarms[**n] == alarm).collect();
            prop_assert!(of.is_sorted(), "{:?}", of);
        }
    }
}
