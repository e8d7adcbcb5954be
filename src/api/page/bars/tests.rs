//! Days as bars and in words.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_781_960_702_000); // 2026-06-20T13:05:02Z
const HOUR_MS: u64 = 3_600_000;

fn target() -> TargetId {
    "p/m".parse().unwrap()
}

/// A calendar of the given days, counted back from today.
fn calendar(days: &[(i64, Day)]) -> Calendar {
    let today = midnight(NOW).as_millis();
    let of = days
        .iter()
        .map(|(back, day)| (today - back * DAY_MS, *day))
        .collect();
    Calendar {
        closed: Arc::new([(target(), of)].into()),
        today: Arc::default(),
    }
}

fn day(times: &[(State, u64)], failed: u64, attempts: u64) -> Day {
    let mut day = Day {
        attempts,
        failed,
        began: attempts,
        truncated: failed,
        ..Day::default()
    };
    for (state, ms) in times {
        day.times.add(*state, *ms);
    }
    day
}

fn drawn(days: &[(i64, Day)]) -> Bars {
    draw(&calendar(days), &target(), NOW, State::Unknown)
}

#[test]
fn nothing_known_is_hatched_throughout_and_never_healthy() {
    let bars = drawn(&[]);
    assert_eq!(bars.missing, "M0 12H180");
    assert_eq!((bars.watched.as_str(), bars.partly.as_str()), ("", ""));
    assert_eq!(bars.words, "nothing kept yet");
    for state in [State::Unknown, State::Maintenance] {
        let bars = drawn(&[(3, day(&[(state, 24 * HOUR_MS)], 0, 0))]);
        assert_eq!(bars.missing, "M0 12H180", "{state}");
    }
}

#[test]
fn a_day_half_known_shows_as_high_as_it_is_known() {
    let whole = drawn(&[(1, day(&[(State::Operational, 24 * HOUR_MS)], 0, 9))]);
    assert_eq!(
        (whole.watched.as_str(), whole.missing.as_str()),
        ("M176 12H178", "M0 12H176M178 12H180")
    );
    let half = drawn(&[(1, day(&[(State::Operational, 12 * HOUR_MS)], 0, 9))]);
    assert_eq!((half.watched.as_str(), half.partly.as_str()), ("", "M177 12v12"));
    assert_eq!(half.missing, "M0 12H180");
    assert_eq!(half.failed, []);
}

#[test]
fn colour_is_the_worst_state_and_height_the_root_of_what_failed() {
    let times = |state| [(State::Operational, 23 * HOUR_MS), (state, HOUR_MS)];
    for (state, failed, class, path) in [
        (State::Degraded, 25, "degraded", "M177 12v12"),
        (State::Partial, 100, "partial", "M177 0v24"),
        (State::Down, 0, "down", "M177 20v4"),
        (State::Operational, 1, "f", "M177 20v4"),
    ] {
        let bars = drawn(&[(1, day(&times(state), failed, 100))]);
        assert_eq!(bars.failed, [(class, path.to_owned())], "{state}");
    }
    let both = [
        (State::Down, 1),
        (State::Partial, HOUR_MS),
        (State::Unknown, HOUR_MS),
    ];
    assert_eq!(drawn(&[(1, day(&both, 1, 4))]).failed[0].0, "down");
}

#[test]
fn today_is_what_stands_now_even_before_it_is_kept() {
    let now = |state| draw(&Calendar::default(), &target(), NOW, state);
    assert_eq!(now(State::Operational).watched, "M178 12H180");
    assert_eq!(now(State::Down).failed, [("down", "M179 20v4".to_owned())]);
    assert_eq!(now(State::Unknown).missing, "M0 12H180");
    // The day is thirteen hours old: what is known of it fills it.
    let kept = drawn(&[(0, day(&[(State::Operational, 13 * HOUR_MS)], 0, 9))]);
    assert_eq!(kept.watched, "M178 12H180");
}

#[test]
fn the_words_of_a_day_say_what_is_not_known() {
    let mut bad = day(
        &[(State::Operational, 11 * HOUR_MS), (State::Partial, 6 * 60_000)],
        12,
        400,
    );
    bad.incidents = 2;
    let words = days_in_words(&calendar(&[(1, bad), (0, day(&[], 1, 3))]), &target(), NOW);
    let plain: Vec<String> = words.iter().map(|day| day.replace('\u{a0}', " ")).collect();
    assert_eq!(plain.len(), DAYS);
    assert_eq!(plain[87], "18 June 2026\nno data: nobody watched");
    assert_eq!(
        plain[88],
        "19 June 2026\nup 99.09 % of 11.1 h\nonly 11.1 h of 24.0 h are known\npartial for 6 min\n\
         2 incidents\ntruncated 3.0 % (12 of 400)\nfailed in all 3.0 % (12 of 400)"
    );
    assert_eq!(
        plain[89],
        "Today, 20 June\nuptime not known\nonly 0 s of 13.1 h are known\ntruncated 33 % (1 of 3)\n\
         failed in all 33 % (1 of 3)"
    );
}

#[test]
fn uptime_is_of_known_time_and_never_rounded_up() {
    let nearly = [(State::Operational, 24 * HOUR_MS - 1), (State::Down, 1)];
    assert_eq!(
        drawn(&[(1, day(&nearly, 0, 1))]).words.replace('\u{a0}', " "),
        "up 99.99 % of 24.0 h"
    );
    let degraded = [(State::Degraded, 24 * HOUR_MS)];
    assert_eq!(
        drawn(&[(1, day(&degraded, 0, 1)), (2, day(&degraded, 0, 1))])
            .words
            .replace('\u{a0}', " "),
        "up 100 % of 2 d"
    );
}

#[test]
fn bars_of_one_path_stand_where_their_days_are() {
    let mut strokes = Strokes::default();
    for (day, height) in [(0, 4.0), (1, 24.0), (5, 11.6)] {
        strokes.bar(day, height);
    }
    // From (1, 20) to the ground at 24; two on and 24 up; eight on and 12 up.
    assert_eq!(strokes.path, "M1 20v4m2-24v24m8-12v12");
}
