//! Bounds, foreign text and any bytes whatever.

use proptest::prelude::*;

use super::{super::types, *};

#[test]
fn nothing_grows_beyond_its_bound() {
    let long = "x".repeat(10_000);
    let component = format!(r#"{{"name":"{long}","status":"operational"}}"#);
    let post = format!(
        r#"{{"name":"{long}","id":"{long}","status":"investigating","shortlink":"https://{long}","impact":"minor",
            "components":[{}]}}"#,
        (0..=types::MAX_AFFECTED)
            .map(|n| format!(r#""c{n}""#))
            .collect::<Vec<_>>()
            .join(",")
    );
    let repeat = |what: &str, times: usize| vec![what; times].join(",");
    let page = format!(
        r#"{{"page":{{}},"components":[{}],"incidents":[{}],"status":{{"indicator":"none","description":"{long}"}}}}"#,
        repeat(r#"{"name":"a","status":"operational"}"#, MAX_COMPONENTS) + "," + &component,
        repeat(&post, MAX_INCIDENTS + 1),
    );
    let official = parse(Format::Statuspage, page.as_bytes()).unwrap();
    assert_eq!(
        (official.components.len(), official.incidents.len()),
        (MAX_COMPONENTS, MAX_INCIDENTS)
    );
    let incident = &official.incidents[0];
    assert_eq!(
        (
            incident.name.len(),
            incident.id.len(),
            &incident.url,
            incident.components.len()
        ),
        (MAX_NAME_BYTES, MAX_WORD_BYTES, &None, types::MAX_AFFECTED)
    );
    assert_eq!(official.word.unwrap().len(), MAX_WORD_BYTES);

    let mut padded = b"[]".to_vec();
    padded.resize(MAX_BODY_BYTES, b' ');
    assert!(parse(Format::Aws, &padded).is_ok());
    padded.push(b' ');
    assert_eq!(parse(Format::Aws, &padded), Err(ParseError::TooLarge));

    let deep = |depth| {
        format!(
            "<rss><channel><title>x</title>{}{}</channel></rss>",
            "<a>".repeat(depth),
            "</a>".repeat(depth)
        )
    };
    assert!(parse(Format::Rss, deep(30).as_bytes()).is_ok());
    assert!(parse(Format::Rss, deep(31).as_bytes()).is_err());
    assert!(parse(Format::Statuspage, "[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn open_incidents_are_kept_before_newer_ones_that_are_over() {
    let row = |n: usize, end: &str| {
        format!(
            r#"{{"id":"{n}","begin":"2026-11-21T20:50:00Z","modified":"2026-11-{:02}T00:00:00Z","end":"{end}","status_impact":"SERVICE_OUTAGE","affected_products":[]}}"#,
            28 - n % 20
        )
    };
    let mut rows: Vec<String> = (0..500).map(|n| row(n, "2026-11-21T21:00:00Z")).collect();
    rows.push(row(500, ""));
    let page = parse(Format::Google, format!("[{}]", rows.join(",")).as_bytes()).unwrap();
    assert_eq!(page.incidents.len(), MAX_INCIDENTS);
    assert_eq!((page.incidents[0].id.as_str(), page.state), ("500", State::Down));
    assert_eq!(
        types::worst_open(page.incidents.iter().skip(1)).0,
        State::Operational
    );
}

#[test]
fn foreign_text_is_one_line() {
    let page = r#"{"page":{},"status":{"indicator":"minor","description":" a\u0000\n\t  b\u001b[31m "}}"#;
    let official = parse(Format::Statuspage, page.as_bytes()).unwrap();
    assert_eq!(official.word.as_deref(), Some("a b [31m"));
}

#[test]
fn the_state_word_is_found_in_bold_or_first() {
    let feed = |description: &str| {
        let text = format!(
            "<rss><channel><title>t</title><item><title>x</title><description><![CDATA[{description}]]></description></item></channel></rss>"
        );
        parse(Format::Rss, text.as_bytes()).unwrap()
    };
    for (text, state, word) in [
        (
            "<strong>RESOLVED</strong> - we were investigating",
            State::Operational,
            Some("resolved"),
        ),
        (
            "resolved earlier, <strong>Investigating</strong>",
            State::Degraded,
            Some("investigating"),
        ),
        (
            "<b>note</b> <b>Status: In progress</b>",
            State::Maintenance,
            Some("in progress"),
        ),
        (
            "Investigating; unresolved",
            State::Degraded,
            Some("investigating"),
        ),
        ("unresolved", State::Unknown, None),
        ("a major outage", State::Down, Some("major outage")),
        (
            "<b>Scheduled</b> for tomorrow",
            State::Operational,
            Some("scheduled"),
        ),
        (
            "\u{130}<strong>resolved</strong>",
            State::Operational,
            Some("resolved"),
        ),
        ("", State::Unknown, None),
    ] {
        let said = feed(text).about(&[]);
        assert_eq!((said.state, said.word.as_deref()), (state, word), "{text}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), which in 0..8usize) {
        let _ = parse(Format::ALL[which], &bytes);
    }

    /// A page with one stretch replaced never panics, stays in its bounds and never says more than a page may.
    #[test]
    fn a_damaged_page_stays_in_its_bounds(
        which in 0..PAGES.len(),
        start in any::<proptest::sample::Index>(),
        length in 0..40usize,
        with in proptest::collection::vec(any::<u8>(), 0..12),
    ) {
        let (format, page) = PAGES[which];
        let mut body = page.as_bytes().to_vec();
        let start = start.index(body.len());
        let end = (start + length).min(body.len());
        body.splice(start..end, with);
        if let Ok(official) = parse(format, &body) {
            prop_assert!(official.components.len() <= MAX_COMPONENTS && official.incidents.len() <= MAX_INCIDENTS);
            for incident in &official.incidents {
                prop_assert!(incident.name.len() <= MAX_NAME_BYTES && incident.word.len() <= MAX_WORD_BYTES);
                prop_assert!(incident.url.as_ref().is_none_or(|url| url.len() <= MAX_URL_BYTES));
            }
            let _ = official.about(&["api".to_owned()]);
        }
    }
}
