use super::*;
use crate::{clock::Timestamp, feed::fixture::named};

#[test]
fn texts_of_others_are_one_line_without_what_steers() {
    for (text, expected) in [
        ("plain", "plain"),
        ("two\nlines\r\n\tand  blanks ", "two lines and blanks"),
        ("\u{1b}[31mred\u{1b}[0m", "[31mred [0m"),
        ("a\u{202e}gpj.exe", "agpj.exe"),
        ("zero\u{200b}width\u{feff}", "zerowidth"),
        ("nul\0byte\u{7f}\u{85}", "nul byte"),
        ("größe 漢字 🙂", "größe 漢字 🙂"),
        ("line\u{2028}separator", "line separator"),
        ("", ""),
    ] {
        assert_eq!(clean(text), expected);
    }
}

#[test]
fn texts_are_cut_at_their_limit_between_characters() {
    let longest = "x".repeat(MAX_TEXT_BYTES);
    assert_eq!(clean(&longest), longest);
    for text in [
        format!("{longest}y"),
        "é".repeat(MAX_TEXT_BYTES),
        "🙂".repeat(1_000),
        " x".repeat(1 << 16),
    ] {
        let cut = clean(&text);
        assert!(
            cut.len() <= MAX_TEXT_BYTES && cut.ends_with('…'),
            "{} bytes",
            cut.len()
        );
        assert!(cut.len() > MAX_TEXT_BYTES - 8);
    }
}

/// Name, state and code of each subject, and the title.
type Titled<'a> = (&'a [(&'a str, &'a str, &'a str)], &'a str);

fn subject(name: &str, what: &str, code: &str) -> Subject {
    Subject {
        name: name.to_owned(),
        what: what.to_owned(),
        since: Timestamp::default().into(),
        until: None,
        code: code.to_owned(),
        text: String::new(),
        evidence: String::new(),
        official: None,
        incident: None,
        link: None,
    }
}

#[test]
fn titles_fit_a_telephone() {
    let long = format!("p/{}", "m".repeat(300));
    let one = subject(&long, "down", "truncated");
    let cut = title(&[&one]);
    assert!(cut.len() <= MAX_TITLE_BYTES && cut.ends_with('…'), "{cut}");
    let rows: [Titled<'_>; 9] = [
        (&[("a/m", "down", "truncated")], "a/m is down: replies are cut"),
        (&[("a/m", "partial", "a_new_code")], "a/m is partial"),
        (
            &[("a/m", "down", "overloaded"), ("a/n", "down", "overloaded")],
            "a: 2 targets down: no capacity",
        ),
        (
            &[
                ("a/m", "down", "timeout"),
                ("a/n", "partial", "slow"),
                ("a/o", "partial", "slow"),
            ],
            "a: 1 target down, 2 partial: no answer in time",
        ),
        (
            &[("a/m", "down", "errors"), ("b/n", "down", "errors")],
            "2 targets down: requests fail",
        ),
        (
            &[("endturn", "budget_spent", "budget_spent")],
            "endturn: today's budget is spent",
        ),
        (
            &[("endturn", "vantage_offline", "x")],
            "endturn: own network lost, nobody is watched",
        ),
        (&[("a", "blocked_key", "x")], "a: our key is refused"),
        (&[], ""),
    ];
    for (subjects, expected) in rows {
        let subjects: Vec<Subject> = subjects
            .iter()
            .map(|(name, what, code)| subject(name, what, code))
            .collect();
        assert_eq!(title(&subjects.iter().collect::<Vec<_>>()), expected);
    }
}

#[test]
fn a_length_of_time_is_told_in_its_two_largest_units() {
    for (seconds, expected) in [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h"),
        (3_661, "1 h 1 min"),
        (86_400, "1 d"),
        (100_000, "1 d 3 h"),
    ] {
        assert_eq!(span(Duration::from_secs(seconds)), expected);
    }
}

#[test]
fn evidence_says_how_many_and_how_sure() {
    let feed = named(&[("a/m", "down"), ("a/n", "operational")]);
    let mut target = feed.targets[0].clone();
    assert_eq!(
        evidence(&target),
        "7 of 12 attempts failed in 5 min, 29 to 79 %; canary"
    );
    target.failure_rate = crate::feed::fixture::rate(0, 0);
    target.reason.sources.clear();
    assert_eq!(evidence(&target), "no attempts in 5 min");
}

#[test]
fn an_official_page_that_nobody_could_read_says_nothing() {
    let said = |state, word: Option<&str>, title: Option<&str>| Official {
        state,
        at: Timestamp::default().into(),
        word: word.map(str::to_owned),
        title: title.map(str::to_owned),
        url: None,
    };
    for (word, expected) in [
        (said(State::Unknown, None, None), None),
        (said(State::Operational, None, None), Some("operational")),
        (
            said(State::Operational, Some("All Systems Operational"), None),
            Some("All Systems Operational"),
        ),
        (
            said(State::Degraded, Some("minor"), Some("Elevated\nerrors")),
            Some("minor: Elevated errors"),
        ),
        (said(State::Unknown, None, Some("Odd")), Some("unknown: Odd")),
    ] {
        assert_eq!(official(&word).as_deref(), expected);
    }
}

#[test]
fn links_lead_to_the_page_whatever_the_id_holds() {
    for (public, target, incident, expected) in [
        ("https://s.example", "a/m", None, "https://s.example/targets/a/m"),
        (
            "https://s.example/",
            "o/meta/l:free",
            None,
            "https://s.example/targets/o/meta/l:free",
        ),
        (
            "https://s.example/x/",
            "a/m",
            Some("i-1"),
            "https://s.example/x/incidents/i-1",
        ),
        (
            "https://s.example/x",
            "a/m?#",
            Some("../x"),
            "https://s.example/x/incidents/..%2Fx",
        ),
        (
            "https://s.example/x",
            "a/m?#\"<",
            None,
            "https://s.example/x/targets/a/m%3F%23%22%3C",
        ),
    ] {
        let public = public.parse().unwrap();
        assert_eq!(link(&public, target, incident).as_deref(), Some(expected));
    }
}
