//! How we judge: no number of its own.

use super::*;
use crate::health;

const TEMPLATE: &str = include_str!("../../../../dashboards/status/methodology.html");

fn rules() -> Rules {
    Rules {
        asked: vec![Asked {
            target: "anthropic/claude-haiku-4-5".parse().unwrap(),
            probes: vec![
                ("canary", Duration::from_secs(60)),
                ("reach", Duration::from_secs(5)),
            ],
            limits: [5, 30, 45, 120].map(Duration::from_secs),
            strict: true,
        }],
        anchors: 3,
        official_every: Some(Duration::from_secs(120)),
        keep: [
            ("Raw observations", Some(Duration::from_secs(48 * 3_600))),
            ("Minutes", Some(Duration::from_secs(14 * 86_400))),
            ("Hours", Some(Duration::from_secs(400 * 86_400))),
            ("Days", None),
        ],
        max_bytes: 2 << 30,
    }
}

/// Text of the template alone: without tags and without what is filled in.
fn prose(template: &str) -> String {
    let mut rest = template;
    let mut out = String::new();
    while let Some(at) = rest.find(['<', '{']) {
        out.push_str(&rest[..at]);
        let end = match &rest[at..] {
            tag if tag.starts_with("{{") => "}}",
            tag if tag.starts_with("{%") => "%}",
            _ => ">",
        };
        let to = rest[at..].find(end).unwrap() + end.len();
        rest = &rest[at + to..];
    }
    out + rest
}

#[test]
fn no_number_stands_in_the_prose() {
    // The interval and the percentile are names of what is shown, as they are everywhere on the pages.
    let prose = prose(TEMPLATE)
        .replace("95&nbsp;% interval", "")
        .replace("95th percentile", "");
    let numbers: Vec<&str> = prose
        .lines()
        .filter(|line| line.contains(|c: char| c.is_ascii_digit()))
        .collect();
    assert!(numbers.is_empty(), "{numbers:#?}");
}

#[test]
fn the_numbers_in_force_are_told() {
    let health = feed(four());
    let words = text(&scene(&health).methodology(&rules())).replace('\u{a0}', " ");
    let n = health::numbers();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    for part in [
        format!("within {} ms", n.slot.as_millis()),
        format!("Ill health that lasts {} s", n.incident_opens.as_secs()),
        format!("{} min after recovery", n.incident_closes.as_secs() / 60),
        format!("the hard alarm, and {} or more", percent(n.down.0)),
        format!("until fewer than {} do", percent(n.down.1)),
        format!("from {} failing", percent(n.avoid.0)),
        format!("{} % of its targets", n.provider_down * 100.0),
        format!(
            "5.0 %, 25 %, 50 % of its traffic, each for {} s",
            n.ramp.1.as_secs()
        ),
        format!("connecting to {} anchors", rules().anchors),
        "canary every 1 min, reach every 5 s".to_owned(),
        "48 h".to_owned(),
        "400 d".to_owned(),
        "for ever".to_owned(),
        "2 GiB".to_owned(),
        "may cost $1.00 a day".to_owned(),
        format!("shows {DAYS} of them"),
    ] {
        assert!(words.contains(&part), "{part} is missing: {words}");
    }
}

#[test]
fn every_verdict_says_against_whom_it_counts() {
    let health = feed(four());
    let html = scene(&health).methodology(&rules());
    let words = text(&html).replace('\u{a0}', " ");
    for row in [
        "complete complete as complete nobody: it is good",
        "truncated · cut cut before a stop reason as truncated the model",
        "limited ended at a token limit as an attempt nobody",
        "refused refused as an attempt nobody",
        "errored · connect no connection as an error the provider’s edge",
        "errored · overloaded overloaded as an error the model",
        "errored · rate limit rate limited apart nobody: our own key",
        "errored · quota quota spent apart nobody: our own key",
        "errored · auth credential refused apart nobody: our own key",
        "errored · content policy content policy apart nobody",
        "unknown unclear as an attempt nobody",
    ] {
        assert!(words.contains(row), "{row} is missing");
    }
    let names = Truncation::ALL.len() + ErrorClass::ALL.len();
    assert!(html.matches("<tr><td>").count() > names, "every kind has its row");
}
