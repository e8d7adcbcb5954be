//! Incidents: their list, and one of them.

use super::*;
use crate::store::Spell;

fn spell(seq: i64, started: u64, lasted: Option<u64>) -> Spell {
    Spell {
        seq,
        id: format!("id-{seq}"),
        target: "anthropic/claude-haiku-4-5".parse().unwrap(),
        started: ago(started),
        recovered: lasted.map(|lasted| ago(started - lasted)),
        closed: lasted.map(|lasted| ago(started - lasted)),
        worst: State::Down,
        code: ReasonCode::Overloaded,
        text: "<i>9 of 9</i>".into(),
        lead_s: Some(120),
    }
}

fn case() -> Case {
    Case {
        incident: past().incident.unwrap(),
        failures: past()
            .observations
            .into_iter()
            .filter(|o| o.verdict != Verdict::Complete)
            .collect(),
        lost: Lost {
            attempts: 24,
            failed: 7,
            step: Duration::from_secs(60),
        },
        raw_from: ago(172_800),
        alerted: None,
    }
}

const DAY: u64 = 86_400;

#[test]
fn open_ones_stand_first_then_month_by_month() {
    let spells = Spells {
        open: vec![spell(9, 240, None)],
        closed: vec![
            spell(8, DAY, Some(600)),
            spell(7, 30 * DAY, Some(90)),
            spell(6, 31 * DAY, Some(90)),
        ],
    };
    let html = scene(&feed(four())).incidents(Some(&spells), None);
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    let order = [
        "<h2>Open",
        "id-9",
        "<h2>June 2026",
        "id-8",
        "<h2>May 2026",
        "id-7",
        "id-6",
    ]
    .map(at);
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(html.matches("<h2>May").count(), 1);
    let words = text(&html).replace('\u{a0}', " ");
    for part in ["4 min so far", "10 min", "the official page spoke 120 s after us"] {
        assert!(words.contains(part), "{part} is missing: {words}");
    }
    assert!(!html.contains("<i>9"));
    assert!(!html.contains("Older"));
}

#[test]
fn a_page_of_incidents_stops_at_its_limit_and_names_the_next() {
    let health = feed(four());
    let page = |n: usize, provider: Option<&str>| {
        let closed = (0..n)
            .map(|i| spell(1_000 - i.cast_signed() as i64, DAY, Some(90)))
            .collect();
        let spells = Spells {
            open: Vec::new(),
            closed,
        };
        let provider = provider.map(|id| id.parse().unwrap());
        scene(&health).incidents(Some(&spells), provider.as_ref())
    };
    assert!(!page(INCIDENTS, None).contains("before="));
    let more = page(INCIDENTS + 1, None);
    assert_eq!(more.matches("href=\"/incidents/id-").count(), INCIDENTS);
    assert!(
        more.contains("href=\"/incidents?before=951\""),
        "the last one shown"
    );
    let one = page(INCIDENTS + 1, Some("anthropic"));
    assert!(one.contains("href=\"/incidents?provider=anthropic&#38;before=951\""));
    assert!(one.contains("href=\"/incidents?provider=anthropic\" aria-current"));
    assert!(page(0, Some("gone")).contains("href=\"/incidents?provider=gone\" aria-current"));
}

#[test]
fn an_incident_tells_what_happened_what_it_cost_and_why_we_think_so() {
    let html = scene(&feed(four())).incident(&case());
    assert_eq!(
        title(&html),
        "Truncated replies at anthropic/claude-haiku-4-5 since 13:00 UTC (4\u{a0}min)."
    );
    let words = text(&html).replace('\u{a0}', " ");
    for part in [
        "noticed 4.0 s later",
        "4 min so far",
        "7 of 24 (29 %) counted in whole minutes",
        "Official page is not read",
        "onset First evidence",
        "+4.0 s Now partial",
        "+19 s Incident opened",
        "every failure while it lasted",
        "truncated · cut",
        "errored · overloaded",
        "req_011CQ8hbXq4nTzL",
        "eleven twelve thirteen fourt",
    ] {
        assert!(words.contains(part), "{part} is missing: {words}");
    }
    let raw =
        "href=\"/v1/observations?target=anthropic%2Fclaude-haiku-4-5&#38;since=2026-06-20T13%3A00%3A56.000Z";
    assert!(html.contains(&format!("{raw}\"")), "open: without an end");
    let mut over = case();
    over.incident.recovered = Some(ago(200));
    let html = scene(&feed(four())).incident(&over);
    assert!(html.contains(&format!("{raw}&#38;until=2026-06-20T13%3A01%3A42.000Z\"")));
}

#[test]
fn evidence_that_is_gone_is_owned_up_to() {
    let health = feed(four());
    let told = |change: &dyn Fn(&mut Case)| {
        let mut case = case();
        change(&mut case);
        text(&scene(&health).incident(&case)).replace('\u{a0}', " ")
    };
    let partly = told(&|case| case.raw_from = ago(240));
    assert!(
        partly.contains("The first part of it is gone: raw observations are kept for 4 min"),
        "{partly}"
    );
    let all = told(&|case| {
        case.incident.recovered = Some(ago(200));
        case.raw_from = ago(199);
        case.failures.clear();
    });
    assert!(
        all.contains("What was observed then is gone: raw observations"),
        "{all}"
    );
    assert!(all.contains("for 46 s on 20 June 2026"), "{all}");
    let room = told(&|case| case.failures.clear());
    assert!(room.contains("it had to make room"), "{room}");
    let hours = told(&|case| case.lost.step = Duration::from_secs(3_600));
    assert!(hours.contains("counted in whole hours"), "{hours}");
    assert!(!told(&|_| ()).contains("gone"));
}

#[test]
fn evidence_stops_at_its_limit() {
    let health = feed(four());
    let rows = |n| {
        let failures = vec![observation(NOW, Verdict::Truncated(Truncation::Cut)); n];
        let html = scene(&health).incident(&Case { failures, ..case() });
        (
            html.matches("<tr class=\"partial\">").count(),
            html.contains("the first 50 failures"),
        )
    };
    assert_eq!(rows(MAX_EVIDENCE), (MAX_EVIDENCE, false));
    assert_eq!(rows(MAX_EVIDENCE + 1), (MAX_EVIDENCE, true));
}

#[test]
fn what_the_official_page_said_is_told_as_it_is_known() {
    let mut said = cut();
    said.official = Some(crate::health::OfficialWord {
        state: State::Operational,
        at: ago(60),
        word: None,
        title: None,
        url: None,
    });
    let health = feed(vec![said]);
    let told = |closed, lead_s| {
        let mut case = case();
        case.incident.closed = closed;
        case.incident.lead_s = lead_s;
        text(&scene(&health).incident(&case)).replace('\u{a0}', " ")
    };
    assert!(told(None, None).contains("Official page has not spoken of it yet"));
    assert!(told(Some(ago(1)), None).contains("Official page never spoke of it"));
    assert!(told(None, Some(-30)).contains("the official page spoke 30 s before us"));
}
