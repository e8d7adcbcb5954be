use super::*;
use crate::cli::fixture;

fn told(changes: &[Change]) -> Vec<String> {
    let word = |word: &Option<Word>| word.clone().unwrap_or("-".into());
    changes
        .iter()
        .map(|change| format!("{} {}>{}", change.target, word(&change.from), word(&change.to)))
        .collect()
}

/// An event with these transitions, and these targets as they read now.
fn delta(moved: &[(&str, &str, &str)], now: &[(&str, &str)]) -> News {
    let transitions: Vec<_> = moved
        .iter()
        .map(|(id, from, to)| {
            serde_json::json!({
                "target": id, "at": "2026-06-20T13:05:01Z", "from": from, "to": to,
                "routing": {"hint": "avoid", "weight": 0.0, "breaker": "open", "retry_at": null},
                "reason": {"code": "truncated", "text": "cut", "sources": []}, "first_evidence_at": null,
            })
        })
        .collect();
    let feed = fixture::named(now);
    let mut event = serde_json::to_value(&feed).unwrap();
    event["transitions"] = transitions.into();
    News::Delta(serde_json::from_value(event).unwrap())
}

fn snapshot(targets: &[(&str, &str)]) -> News {
    News::Snapshot(Box::new(fixture::named(targets)))
}

#[test]
fn a_change_is_told_once_and_figures_are_none() {
    let both = [("a/m", "operational"), ("b/m", "operational")];
    for (news, expected) in [
        (delta(&[], &[]), &[][..]),
        (delta(&[], &[("a/m", "operational")]), &[]),
        (
            delta(&[("a/m", "operational", "down")], &[("a/m", "down")]),
            &["a/m operational>down"],
        ),
        // Only the advice changed.
        (
            delta(
                &[("a/m", "operational", "operational")],
                &[("a/m", "operational")],
            ),
            &[],
        ),
        // A part of the story is told by transitions, the rest by how targets read.
        (
            delta(
                &[("a/m", "operational", "down")],
                &[("a/m", "down"), ("b/m", "degraded")],
            ),
            &["a/m operational>down", "b/m operational>degraded"],
        ),
        // There and back.
        (
            delta(
                &[("a/m", "operational", "down"), ("a/m", "down", "operational")],
                &[],
            ),
            &["a/m operational>down", "a/m down>operational"],
        ),
        (snapshot(&both), &[]),
        (
            snapshot(&[("a/m", "down"), ("b/m", "operational")]),
            &["a/m operational>down"],
        ),
        (
            snapshot(&[("a/m", "operational"), ("c/m", "down")]),
            &["c/m ->down", "b/m operational>-"],
        ),
        (
            News::Lost {
                why: "x".to_owned(),
                retry: std::time::Duration::ZERO,
            },
            &[],
        ),
    ] {
        let mut watch = Watch::new(fixture::named(&both), Vec::new());
        let what = format!("{news:?}");
        assert_eq!(told(&watch.hear(news)), expected, "{what}");
    }
}

#[test]
fn only_who_was_asked_for_counts() {
    let mut watch = Watch::new(
        fixture::named(&[("a/m", "operational")]),
        vec!["a/m".parse().unwrap()],
    );
    let others = delta(&[("b/m", "operational", "down")], &[("b/m", "down")]);
    assert_eq!(watch.hear(others), []);
    assert_eq!(
        watch.hear(snapshot(&[("a/m", "operational"), ("b/m", "down")])),
        []
    );
    assert_eq!(
        watch.known.targets.len(),
        1,
        "the table that follows shows nobody else"
    );
    assert_eq!(
        told(&watch.hear(snapshot(&[("b/m", "down")]))),
        ["a/m operational>-"]
    );
}

#[test]
fn what_was_heard_is_known_from_then_on() {
    let mut watch = Watch::new(fixture::named(&[("a/m", "operational")]), Vec::new());
    assert_eq!(
        told(&watch.hear(snapshot(&[("a/m", "down")]))),
        ["a/m operational>down"]
    );
    assert_eq!(watch.hear(delta(&[], &[("a/m", "down")])), []);
    assert_eq!(
        told(&watch.hear(delta(&[], &[("a/m", "partial")]))),
        ["a/m down>partial"]
    );
}

#[test]
fn a_line_shows_control_characters() {
    let change = Change {
        target: "a/m".to_owned(),
        at: Some(fixture::NOW.into()),
        from: Some(word(State::Operational)),
        to: None,
        reason: Some("\u{1b}[2J".to_owned()),
    };
    assert_eq!(
        line(&change),
        "a/m  operational -> not watched  2026-06-20T13:05:00.000Z  \\u{1b}[2J\n"
    );
}
