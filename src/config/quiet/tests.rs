use super::*;

/// Europe/Berlin's rule of today, so that the test needs no database of the machine.
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap_or_else(|| panic!("{text}"))
}

fn quiet(from: &str, to: &str, days: &[Weekday]) -> Quiet {
    Quiet {
        from: minutes(from).unwrap(),
        to: minutes(to).unwrap(),
        days: days.to_vec(),
        zone: TimeZone::posix(BERLIN).unwrap(),
        unless: None,
    }
}

#[test]
fn hours_hold_over_midnight_and_on_their_days() {
    // From, to, day, now, until: 2026-06-20 is a Saturday, Berlin is two hours ahead, a day is the one on which it begins.
    let rows = [
        "22:00 07:00 - 2026-06-20T21:59:59.999+02:00 -",
        "22:00 07:00 - 2026-06-20T22:00:00+02:00 2026-06-21T07:00:00+02:00",
        "22:00 07:00 - 2026-06-21T06:59:59+02:00 2026-06-21T07:00:00+02:00",
        "22:00 07:00 - 2026-06-21T07:00:00+02:00 -",
        "12:00 13:00 - 2026-06-20T12:30:00+02:00 2026-06-20T13:00:00+02:00",
        "12:00 13:00 - 2026-06-20T11:59:00+02:00 -",
        "22:00 07:00 Friday 2026-06-20T06:00:00+02:00 2026-06-20T07:00:00+02:00",
        "22:00 07:00 Friday 2026-06-20T23:00:00+02:00 -",
        "22:00 07:00 Saturday 2026-06-20T06:00:00+02:00 -",
        "00:00 24:00 Saturday 2026-06-20T00:00:00+02:00 2026-06-21T00:00:00+02:00",
        "00:00 24:00 Saturday 2026-06-21T00:00:00+02:00 -",
        "00:00 00:00 Sunday 2026-06-21T23:59:00+02:00 2026-06-22T00:00:00+02:00",
        "08:00 08:00 Sunday 2026-06-22T07:59:00+02:00 2026-06-22T08:00:00+02:00",
        "08:00 08:00 Sunday 2026-06-21T07:59:00+02:00 -",
        "18:00 24:00 - 2026-06-20T23:59:00+02:00 2026-06-21T00:00:00+02:00",
        "00:00 06:00 - 2026-12-31T23:59:00+01:00 -",
    ];
    for row in rows {
        let [from, to, day, now, until] = row.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        let days = match day {
            "Friday" => vec![Weekday::Friday],
            "Saturday" => vec![Weekday::Saturday],
            "Sunday" => vec![Weekday::Sunday],
            _ => Vec::new(),
        };
        let wanted = (until != "-").then(|| at(until));
        assert_eq!(quiet(from, to, &days).until(at(now)), wanted, "{row}");
    }
}

#[test]
fn hours_hold_when_the_clocks_change() {
    // The night to 29 March 2026 has no hour from two to three, that to 25 October has it twice.
    for (from, to, now, until) in [
        (
            "22:00",
            "07:00",
            "2026-03-28T22:00:00+01:00",
            Some("2026-03-29T07:00:00+02:00"),
        ),
        (
            "22:00",
            "07:00",
            "2026-10-24T22:00:00+02:00",
            Some("2026-10-25T07:00:00+01:00"),
        ),
        // An end that never comes: that of the hour without the change.
        (
            "22:00",
            "02:30",
            "2026-03-29T01:59:00+01:00",
            Some("2026-03-29T03:30:00+02:00"),
        ),
        ("22:00", "02:30", "2026-03-29T03:30:00+02:00", None),
        // An end that comes twice: the first one, and it doesn't begin again.
        (
            "22:00",
            "02:30",
            "2026-10-25T02:29:00+02:00",
            Some("2026-10-25T02:30:00+02:00"),
        ),
        ("22:00", "02:30", "2026-10-25T02:30:00+02:00", None),
        ("22:00", "02:30", "2026-10-25T02:15:00+01:00", None),
        // A beginning that comes twice: the first one.
        (
            "02:30",
            "07:00",
            "2026-10-25T02:30:00+02:00",
            Some("2026-10-25T07:00:00+01:00"),
        ),
        (
            "02:30",
            "07:00",
            "2026-10-25T02:10:00+01:00",
            Some("2026-10-25T07:00:00+01:00"),
        ),
    ] {
        assert_eq!(
            quiet(from, to, &[]).until(at(now)),
            until.map(at),
            "{from} {to} {now}"
        );
    }
}

#[test]
fn times_of_day_are_two_digits_each() {
    for (text, expected) in [
        ("00:00", Some(0)),
        ("07:05", Some(425)),
        ("23:59", Some(1_439)),
        ("24:00", Some(1_440)),
        ("24:01", None),
        ("25:00", None),
        ("12:60", None),
        ("7:05", None),
        ("07:5", None),
        ("0705", None),
        ("+7:05", None),
        ("", None),
    ] {
        assert_eq!(minutes(text), expected, "{text}");
    }
}
