//! Figures and times in words.

use super::*;

#[test]
fn shares_keep_two_digits_where_they_matter() {
    for (share, text) in [
        (0.0, "0\u{a0}%"),
        (0.0004, "0\u{a0}%"),
        (0.004, "0.4\u{a0}%"),
        (0.012, "1.2\u{a0}%"),
        (0.0994, "9.9\u{a0}%"),
        (0.0996, "10\u{a0}%"),
        (0.583, "58\u{a0}%"),
        (1.0, "100\u{a0}%"),
    ] {
        assert_eq!(percent(share), text, "{share}");
    }
}

#[test]
fn latencies_share_one_unit() {
    for (p50, p95, text) in [
        (412.0, Some(903.0), "0.41 / 0.90\u{a0}s"),
        (620.0, Some(1400.0), "0.62 / 1.4\u{a0}s"),
        (61.0, Some(80.0), "61 / 80\u{a0}ms"),
        (0.3, Some(1.9), "0.3 / 1.9\u{a0}ms"),
        (0.3, Some(9.96), "0 / 10\u{a0}ms"),
        (61.0, Some(120.0), "0.06 / 0.12\u{a0}s"),
        (12_300.0, None, "12\u{a0}s"),
        (61.0, None, "61\u{a0}ms"),
    ] {
        assert_eq!(latency_pair(p50, p95), text);
    }
}

#[test]
fn ages_use_one_unit() {
    for (s, text) in [
        (0, "0\u{a0}s"),
        (59, "59\u{a0}s"),
        (60, "1\u{a0}min"),
        (3_599, "59\u{a0}min"),
        (3_600, "1\u{a0}h"),
        (172_799, "47\u{a0}h"),
        (172_800, "2\u{a0}d"),
    ] {
        assert_eq!(age(Duration::from_secs(s)), text);
    }
}

#[test]
fn rules_are_told_exactly() {
    for (ms, text) in [
        (200, "200 ms"),
        (1_500, "1500 ms"),
        (59_000, "59 s"),
        (60_000, "1 min"),
        (90_000, "90 s"),
        (3_600_000, "1 h"),
        (172_800_000, "48 h"),
        (259_200_000, "3 d"),
        (262_800_000, "73 h"),
    ] {
        assert_eq!(exact(Duration::from_millis(ms)).replace('\u{a0}', " "), text);
    }
}

#[test]
fn durations_and_dollars() {
    assert_eq!(duration(Duration::from_millis(412)), "412\u{a0}ms");
    assert_eq!(duration(Duration::from_millis(1_900)), "1.9\u{a0}s");
    assert_eq!(duration(Duration::from_millis(999)), "999\u{a0}ms");
    for (usd, text) in [
        (0.0, "$0"),
        (0.000_03, "under $0.0001"),
        (0.0031, "$0.0031"),
        (0.42, "$0.42"),
        (12.0, "$12.00"),
    ] {
        assert_eq!(dollars(usd), text);
    }
}

#[test]
fn a_day_is_named_only_where_it_is_not_today() {
    let now = Timestamp::from_rfc3339("2026-06-20T13:05:00Z").unwrap();
    for (at, short, age) in [
        ("2026-06-20T13:01:00Z", "13:01 UTC", "4\u{a0}min"),
        ("2026-06-19T23:59:00Z", "19 Jun 23:59 UTC", "13\u{a0}h"),
        ("2025-12-31T10:00:00Z", "31 Dec 2025 10:00 UTC", "171\u{a0}d"),
    ] {
        let moment = Moment::new(Timestamp::from_rfc3339(at).unwrap(), now);
        assert_eq!((moment.short.as_str(), moment.age.as_str()), (short, age));
    }
}

#[test]
fn a_figure_never_comes_without_its_n() {
    let empty = Share {
        value: None,
        low: None,
        high: None,
        n: 0,
    };
    let none = Figure::rate("k", "l", empty);
    assert_eq!(
        (none.value.as_str(), none.note.as_str()),
        (NONE, "no attempt · n 0")
    );
    let some = Figure::rate(
        "k",
        "l",
        Share {
            value: Some(0.17),
            low: Some(0.14),
            high: Some(0.21),
            n: 405,
        },
    );
    assert_eq!(
        (some.value.as_str(), some.note.as_str(), some.marked),
        ("17\u{a0}%", "14–21\u{a0}% · n 405", true)
    );
    assert_eq!(Figure::latency("k", "l", (Some(9.0), None), 0).value, NONE);
    assert_eq!(Figure::latency("k", "l", (Some(9.0), None), 3).note, "n 3");
    assert_eq!(
        Figure::speed("k", "l", Some(61.2), 8),
        Figure {
            key: "k",
            label: "l",
            value: "61 tokens/s".into(),
            note: "n 8".into(),
            marked: false
        }
    );
}

#[test]
fn a_rate_is_marked_once_its_whole_interval_is_above_the_bound() {
    let mark = |low| {
        Figure::rate(
            "k",
            "l",
            Share {
                value: Some(0.03),
                low: Some(low),
                high: Some(0.2),
                n: 9,
            },
        )
        .marked
    };
    assert!(!mark(NOTABLE_SHARE));
    assert!(mark(NOTABLE_SHARE + 1e-6));
}
