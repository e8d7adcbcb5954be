mod limits;

use super::*;
use crate::{clock::Timestamp, config::STATUS_FORMATS, health::State};

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!("../../tests/vectors/official/", $name))
    };
}

const STATUSPAGE: &str = recorded!("statuspage.json");
const COMPAT: &str = recorded!("incidentio-compat.json");
const INCIDENTIO: &str = recorded!("incidentio.json");
const GOOGLE: &str = recorded!("google.json");
const AWS: &str = recorded!("aws.json");
const AZURE: &str = recorded!("azure.xml");
const AZURE_QUIET: &str = recorded!("azure-quiet.xml");
const OPENROUTER: &str = recorded!("openrouter.xml");
const MISTRAL: &str = recorded!("mistral.xml");
const ATOM: &str = recorded!("atom.xml");
const BETTERSTACK: &str = recorded!("betterstack.json");

/// Each format with a page of it.
const PAGES: [(Format, &str); 11] = [
    (Format::Statuspage, STATUSPAGE),
    (Format::IncidentIo, COMPAT),
    (Format::IncidentIo, INCIDENTIO),
    (Format::Google, GOOGLE),
    (Format::Aws, AWS),
    (Format::Azure, AZURE),
    (Format::Azure, AZURE_QUIET),
    (Format::Rss, OPENROUTER),
    (Format::Rss, MISTRAL),
    (Format::Rss, ATOM),
    (Format::BetterStack, BETTERSTACK),
];

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2], mark: [u8; 2]) -> Vec<u8> {
    mark.into_iter()
        .chain(text.encode_utf16().flat_map(unit))
        .collect()
}

#[test]
fn every_format_is_known_by_its_name() {
    assert_eq!(Format::ALL.map(Format::as_str), STATUS_FORMATS);
    for format in Format::ALL {
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert!("html5".parse::<Format>().is_err());
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row per page and question")]
fn each_page_says_this_about_its_components() {
    use State::{Degraded, Down, Maintenance, Operational, Partial, Unknown};
    let title = |text: &'static str| Some(text);
    for (format, page, asked, state, word, headline) in [
        (
            Format::Statuspage,
            STATUSPAGE,
            &["api.ANTHROPIC.com"][..],
            Partial,
            Some("partial_outage"),
            title("Elevated errors on several models"),
        ),
        (
            Format::Statuspage,
            STATUSPAGE,
            &["claude.ai"],
            Operational,
            Some("operational"),
            None,
        ),
        (
            Format::Statuspage,
            STATUSPAGE,
            &["console"],
            Maintenance,
            Some("under_maintenance"),
            title("Console update"),
        ),
        (
            Format::Statuspage,
            STATUSPAGE,
            &["claude.ai", "api"],
            Partial,
            Some("partial_outage"),
            title("Elevated errors on several models"),
        ),
        (
            Format::Statuspage,
            STATUSPAGE,
            &["no such thing"],
            Unknown,
            None,
            None,
        ),
        (
            Format::Statuspage,
            STATUSPAGE,
            &[],
            Partial,
            Some("Partial System Outage"),
            title("Elevated errors on several models"),
        ),
        (
            Format::IncidentIo,
            COMPAT,
            &["responses"],
            Down,
            Some("full_outage"),
            title("Responses API down"),
        ),
        (
            Format::IncidentIo,
            COMPAT,
            &["chat"],
            Operational,
            Some("operational"),
            None,
        ),
        (
            Format::IncidentIo,
            COMPAT,
            &["sora", "chat"],
            Unknown,
            Some("a word that is new"),
            None,
        ),
        (
            Format::IncidentIo,
            COMPAT,
            &[],
            Down,
            Some("Major outage"),
            title("Responses API down"),
        ),
        (
            Format::IncidentIo,
            INCIDENTIO,
            &["inference"],
            Degraded,
            Some("degraded_performance"),
            title("Slow replies"),
        ),
        (
            Format::IncidentIo,
            INCIDENTIO,
            &["console"],
            Degraded,
            Some("degraded_performance"),
            title("Slow replies"),
        ),
        (
            Format::IncidentIo,
            INCIDENTIO,
            &["billing"],
            Operational,
            None,
            None,
        ),
        (
            Format::Google,
            GOOGLE,
            &["gemini"],
            Down,
            Some("SERVICE_OUTAGE"),
            title("Vertex Gemini API answers with elevated errors"),
        ),
        (
            Format::Google,
            GOOGLE,
            &["Cloud SQL"],
            Degraded,
            Some("SERVICE_INFORMATION"),
            title("Cloud SQL"),
        ),
        (Format::Google, GOOGLE, &["Pub/Sub"], Operational, None, None),
        (
            Format::Aws,
            AWS,
            &["bedrock-us-east-1"],
            Partial,
            Some("2"),
            title("Increased Error Rates"),
        ),
        (
            Format::Aws,
            AWS,
            &["sagemaker"],
            Partial,
            Some("2"),
            title("Increased Error Rates"),
        ),
        (Format::Aws, AWS, &["EC2"], Operational, None, None),
        (Format::Aws, "[]", &["bedrock"], Operational, None, None),
        (
            Format::Azure,
            AZURE,
            &["openai"],
            Degraded,
            Some("listed"),
            title("Azure OpenAI & Cognitive Services – East US 2"),
        ),
        (Format::Azure, AZURE, &["west europe"], Operational, None, None),
        (Format::Azure, AZURE_QUIET, &["openai"], Operational, None, None),
        (
            Format::Rss,
            OPENROUTER,
            &[],
            Degraded,
            Some("investigating"),
            title("Elevated error rates"),
        ),
        (Format::Rss, MISTRAL, &[], Operational, Some("resolved"), None),
        (
            Format::Rss,
            ATOM,
            &["api"],
            Degraded,
            Some("monitoring"),
            title("API latency"),
        ),
        (Format::Rss, AZURE_QUIET, &[], Operational, None, None),
        (
            Format::BetterStack,
            BETTERSTACK,
            &["inference"],
            Degraded,
            Some("degraded"),
            title("Errors on some models"),
        ),
        (
            Format::BetterStack,
            BETTERSTACK,
            &["fine-tuning"],
            Operational,
            Some("operational"),
            title("Errors on some models"),
        ),
        (
            Format::BetterStack,
            BETTERSTACK,
            &["website"],
            Unknown,
            None,
            title("Errors on some models"),
        ),
        (
            Format::BetterStack,
            BETTERSTACK,
            &[],
            Degraded,
            Some("degraded"),
            title("Errors on some models"),
        ),
    ] {
        let said = parse(format, page.as_bytes()).unwrap().about(&names(asked));
        let told = (said.state, said.word.as_deref(), said.title.as_deref());
        assert_eq!(told, (state, word, headline), "{format:?} {asked:?}");
    }
}

#[test]
fn utf_16_is_told_by_its_mark() {
    let plain = parse(Format::Aws, AWS.as_bytes()).unwrap();
    assert!(plain.incidents[0].name.contains("Increased"));
    for body in [
        utf16(AWS, u16::to_be_bytes, [0xFE, 0xFF]),
        utf16(AWS, u16::to_le_bytes, [0xFF, 0xFE]),
        [b"\xEF\xBB\xBF", AWS.as_bytes()].concat(),
    ] {
        assert_eq!(parse(Format::Aws, &body), Ok(plain.clone()));
    }
    // Without its mark it is no text at all, and cut in half a list has no end.
    let unmarked = utf16(AWS, u16::to_be_bytes, [0, b'[']);
    assert!(parse(Format::Aws, &unmarked).is_err());
    let whole = utf16("[]", u16::to_be_bytes, [0xFE, 0xFF]);
    assert_eq!(parse(Format::Aws, &whole).unwrap().state, State::Operational);
    assert!(parse(Format::Aws, &whole[..whole.len() - 1]).is_err());
}

#[test]
fn times_are_those_of_the_page() {
    for (format, page, started, posted, resolved, open) in [
        (
            Format::Statuspage,
            STATUSPAGE,
            Some("2026-11-21T21:30:00Z"),
            "2026-11-21T21:42:00Z",
            None,
            true,
        ),
        (
            Format::Google,
            GOOGLE,
            Some("2026-11-21T20:50:00Z"),
            "2026-11-21T21:10:00Z",
            None,
            true,
        ),
        (
            Format::Aws,
            AWS,
            Some("2026-11-21T21:00:00Z"),
            "2026-11-21T21:10:00Z",
            None,
            true,
        ),
        (Format::Azure, AZURE, None, "2026-07-23T16:29:09Z", None, true),
        (Format::Rss, OPENROUTER, None, "2026-11-21T21:14:00Z", None, true),
        (
            Format::Rss,
            MISTRAL,
            None,
            "2026-11-19T10:00:00Z",
            Some("2026-11-19T10:00:00Z"),
            false,
        ),
        (Format::Rss, ATOM, None, "2026-11-21T20:30:00Z", None, true),
    ] {
        let official = parse(format, page.as_bytes()).unwrap();
        let first = official
            .incidents
            .iter()
            .find(|incident| incident.impact != State::Maintenance)
            .unwrap();
        assert_eq!(
            (first.started, first.posted, first.resolved, first.open),
            (started.map(at), Some(at(posted)), resolved.map(at), open),
            "{format:?}"
        );
    }
    let aws = parse(Format::Aws, AWS.as_bytes()).unwrap();
    let over = &aws.incidents[1];
    assert_eq!((over.open, over.resolved), (false, over.updated));
    // Only the newest item of a plain feed is believed to go on.
    let feed = parse(Format::Rss, OPENROUTER.as_bytes()).unwrap();
    let open: Vec<&str> = feed
        .incidents
        .iter()
        .filter(|i| i.open)
        .map(|i| i.name.as_str())
        .collect();
    assert_eq!(open, ["Elevated error rates"]);
}

#[test]
fn it_spoke_when_it_posted_or_when_a_component_changed() {
    let page = parse(Format::Statuspage, STATUSPAGE.as_bytes()).unwrap();
    let spoke =
        |asked: &[&str], onset: &str, until: &str| page.spoke(&names(asked), at(onset), at(until), None);
    let late = "2026-11-21T23:59:00Z";
    for (asked, onset, until, expected) in [
        (
            &["api"][..],
            "2026-11-21T21:40:00Z",
            late,
            Some("2026-11-21T21:42:00Z"),
        ),
        (&[], "2026-11-21T21:40:00Z", late, Some("2026-11-21T21:42:00Z")),
        // Posted an hour and a second before the onset; the component changed later.
        (
            &["api"],
            "2026-11-21T22:42:01Z",
            late,
            Some("2026-11-21T21:43:10Z"),
        ),
        (
            &["api"],
            "2026-11-21T22:43:10Z",
            late,
            Some("2026-11-21T21:43:10Z"),
        ),
        (&["api"], "2026-11-21T22:43:11Z", late, None),
        // Not yet.
        (&["api"], "2026-11-21T21:40:00Z", "2026-11-21T21:41:59Z", None),
        (&["claude.ai"], "2026-11-21T21:40:00Z", late, None),
        // Announced work is no trouble.
        (&["console"], "2026-11-19T08:00:00Z", late, None),
    ] {
        assert_eq!(
            spoke(asked, onset, until),
            expected.map(at),
            "{asked:?} {onset} {until}"
        );
    }
}

#[test]
fn what_was_over_before_is_about_something_else() {
    let page = parse(Format::Aws, AWS.as_bytes()).unwrap();
    let ended = page.incidents[1].resolved.unwrap();
    let posted = page.incidents[1].posted.unwrap();
    let ec2 = names(&["ec2"]);
    let before = ended.minus(std::time::Duration::from_secs(3_600));
    let until = ended.plus(LOOK_BACK);
    assert!(posted < before);
    assert_eq!(page.spoke(&ec2, posted, until, None), Some(posted));
    assert_eq!(
        page.spoke(&ec2, posted.plus(LOOK_BACK), until, None),
        Some(posted)
    );
    assert_eq!(
        page.spoke(&ec2, ended.plus(std::time::Duration::from_millis(1)), until, None),
        None
    );
}

#[test]
fn an_undated_word_counts_from_when_it_was_seen() {
    let seen = at("2026-11-21T21:30:00Z");
    let onset = at("2026-11-21T21:00:00Z");
    for (format, page) in [
        (Format::IncidentIo, INCIDENTIO),
        (
            Format::IncidentIo,
            r#"{"page":{},"components":[{"name":"Inference","status":"full_outage"}]}"#,
        ),
    ] {
        let page = parse(format, page.as_bytes()).unwrap();
        let inference = names(&["inference"]);
        assert_eq!(page.spoke(&inference, onset, seen, Some(seen)), Some(seen));
        assert_eq!(page.spoke(&inference, onset, seen, None), None);
    }
    let bare = parse(
        Format::BetterStack,
        br#"{"data":{"attributes":{"aggregate_state":"downtime"}}}"#,
    )
    .unwrap();
    assert_eq!(bare.spoke(&[], onset, seen, Some(seen)), Some(seen));
}

#[test]
fn what_is_no_page_says_nothing() {
    let json = [
        Format::Statuspage,
        Format::IncidentIo,
        Format::Google,
        Format::Aws,
        Format::BetterStack,
    ];
    for format in Format::ALL {
        let xml = matches!(format, Format::Azure | Format::Rss);
        for body in [
            "",
            " ",
            "null",
            "true",
            "1",
            "\"operational\"",
            "{}",
            "[{}]",
            "[1]",
            "{\"data\":[]}",
            "{\"page\":{}}",
            "{\"page\":\"x\",\"status\":{\"indicator\":\"none\"}}",
            "<html><body>All good</body></html>",
            "<rss>",
            "<rss></rss>",
            "<rss><channel></channel></rss>",
            "<rss><channel><title> </title></channel></rss>",
            "<feed><entry/></feed>",
            "<rss><channel><title>x</title></channel></rss><rss/>x<a>",
            "operational",
            "{",
            "\u{0}",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>",
        ] {
            let said = parse(format, body.as_bytes());
            // Two documents after another are a feed and then some.
            assert!(said.is_err(), "{format:?} {body:?}: {said:?}");
        }
        // Every cut of a recorded page is no page.
        for (_, page) in PAGES.iter().filter(|(other, _)| *other == format) {
            let page = page.trim_end();
            for end in (0..page.len()).filter(|end| page.is_char_boundary(*end)) {
                assert!(
                    parse(format, &page.as_bytes()[..end]).is_err(),
                    "{format:?} cut at {end}"
                );
            }
        }
        // And a page of another family is none either.
        for (other, page) in PAGES {
            if xml == json.contains(&other) {
                assert!(
                    parse(format, page.as_bytes()).is_err(),
                    "{format:?} read {other:?}"
                );
            }
        }
    }
    assert_eq!(parse(Format::Html, b"<html/>"), Err(ParseError::ForPeople));
}

#[test]
fn members_of_another_type_read_as_absent() {
    for (format, body, state) in [
        (
            Format::Statuspage,
            r#"{"page":{},"components":null,"incidents":null,"status":{"indicator":"none"}}"#,
            State::Operational,
        ),
        (
            Format::Statuspage,
            r#"{"page":{},"components":[1,{"name":2,"status":["x"]}],"incidents":{},"status":[]}"#,
            State::Unknown,
        ),
        (
            Format::Statuspage,
            r#"{"page":{},"components":[],"status":{"indicator":"purple"}}"#,
            State::Unknown,
        ),
        (
            Format::Statuspage,
            r#"{"page":{},"components":[{"name":"API","status":"operational"}]}"#,
            State::Operational,
        ),
        (
            Format::IncidentIo,
            r#"{"ongoing_incidents":[]}"#,
            State::Operational,
        ),
        (
            Format::IncidentIo,
            r#"{"ongoing_incidents":[{"name":"x","status":"investigating"}]}"#,
            State::Unknown,
        ),
        (
            Format::IncidentIo,
            r#"{"ongoing_incidents":[],"in_progress_maintenances":[{"name":"x","status":"in_progress"}]}"#,
            State::Maintenance,
        ),
        (
            Format::Google,
            r#"[{"begin":"2026-11-21T20:50:00Z","end":null,"status_impact":7,"affected_products":"x"}]"#,
            State::Unknown,
        ),
        (Format::Aws, r#"[{"status":9}]"#, State::Unknown),
        (
            Format::BetterStack,
            r#"{"data":{"attributes":{"aggregate_state":"downtime"}},"included":null}"#,
            State::Down,
        ),
    ] {
        assert_eq!(
            parse(format, body.as_bytes()).map(|page| page.state),
            Ok(state),
            "{body}"
        );
    }
    for (format, body) in [
        (Format::Google, r#"[{"id":"x"}]"#),
        (Format::Aws, r#"[{"status":"1"},7]"#),
    ] {
        assert!(
            matches!(parse(format, body.as_bytes()), Err(ParseError::Shape(_))),
            "{body}"
        );
    }
}
