//! The overview and its sentence.

use super::*;

#[test]
fn the_sentence_says_the_worst_first() {
    let unknown = |id, code| view_of(id, State::Unknown, code, "");
    let down = view_of(
        "openai/gpt-5.2",
        State::Down,
        ReasonCode::Unreachable,
        "3 of 3 connects failed",
    );
    let slow = view_of("openai/gpt-5.2", State::Degraded, ReasonCode::Slow, "slow");
    let resting = view_of(
        "xai/grok-5",
        State::Maintenance,
        ReasonCode::Maintenance,
        "by ops",
    );
    let since = "since 13:01 UTC (4\u{a0}min).";
    for (targets, sentence) in [
        (vec![], "No target is configured.".to_owned()),
        (vec![well("openai/a")], "OpenAI finishes its replies.".to_owned()),
        (
            vec![well("openai/a"), well("groq/b"), well("groq/c")],
            "All 2 providers finish their replies.".to_owned(),
        ),
        (
            four(),
            format!("Anthropic is impaired: 58\u{a0}% of replies stop early {since}"),
        ),
        (
            vec![cut(), well("anthropic/b")],
            format!("Anthropic’s claude-haiku-4-5 is impaired: 58\u{a0}% of replies stop early {since}"),
        ),
        (
            vec![down.clone()],
            format!("OpenAI is down: it cannot be reached {since}"),
        ),
        (
            vec![slow, well("groq/b")],
            format!("OpenAI is slow: first tokens come late {since}"),
        ),
        (
            vec![cut(), down],
            format!("OpenAI and Anthropic are impaired {since}"),
        ),
        (
            vec![
                unknown("groq/a", ReasonCode::Starting),
                unknown("xai/b", ReasonCode::Starting),
            ],
            "Nothing is known yet: the first probes are under way.".to_owned(),
        ),
        (
            vec![unknown("groq/a", ReasonCode::Stale), well("openai/b")],
            "1 of 2 providers finishes its replies; nothing is known about Groq.".to_owned(),
        ),
        (
            vec![well("openai/b"), well("groq/b"), resting],
            "2 of 3 providers finish their replies; xAI is under maintenance.".to_owned(),
        ),
    ] {
        let html = render(&feed(targets));
        assert_eq!(title(&html), sentence);
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        assert!(
            bare(&text(&html)).contains(&bare(&sentence)),
            "the heading repeats: {sentence}"
        );
    }
}

#[test]
fn a_common_complaint_is_told_of_all() {
    let refused = |id, counts: &str| {
        let text = format!("{counts} requests were turned away for lack of capacity in 60 s");
        view_of(id, State::Down, ReasonCode::Overloaded, &text)
    };
    let since = "since 13:01 UTC (4\u{a0}min).";
    for (targets, sentence) in [
        (
            vec![
                cut(),
                view_of(
                    "openai/a",
                    State::Partial,
                    ReasonCode::Truncated,
                    "4 of 10 replies",
                ),
            ],
            format!("Anthropic and OpenAI are impaired: up to 58\u{a0}% of replies stop early {since}"),
        ),
        (
            vec![refused("openai/a", "33 of 109"), refused("groq/b", "9 of 80")],
            format!("OpenAI and Groq are down: most requests are turned away as overloaded {since}"),
        ),
        (
            vec![refused("openai/a", "33 of 109")],
            format!("OpenAI is down: most requests are turned away as overloaded {since}"),
        ),
        (
            vec![refused("openai/a", "70 of 100")],
            format!("OpenAI is down: 70\u{a0}% of requests are turned away as overloaded {since}"),
        ),
    ] {
        assert_eq!(title(&render(&feed(targets))), sentence);
    }
}

#[test]
fn a_providers_edge_alone_proves_no_health() {
    let mut health = feed(vec![view_of("groq/a", State::Unknown, ReasonCode::Starting, "")]);
    health.providers[0].state = State::Operational;
    assert_eq!(
        title(&render(&health)),
        "Nothing is known yet: the first probes are under way."
    );
    let mut health = feed(vec![cut()]);
    health.providers[0].state = State::Operational;
    assert!(title(&render(&health)).starts_with("Anthropic is impaired"));
    let mut health = feed(vec![well("openai/a")]);
    health.providers[0].state = State::Down;
    assert_eq!(title(&render(&health)), "OpenAI is down.");
}

#[test]
fn impaired_rows_come_first_then_the_configured_order() {
    let html = render(&feed(four()));
    let at = |name: &str| html.find(&format!("<h2>{name}")).unwrap();
    let order = ["Anthropic", "OpenAI", "Google Gemini", "Mistral"].map(at);
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn fifty_targets_fit_into_60_kb() {
    let targets: Vec<TargetView> = (0..50)
        .map(|i| {
            let id = format!("provider-{}/meta-llama/model-with-a-longer-name-{i}", i / 5);
            match i % 5 {
                0 => TargetView {
                    id: id.parse().unwrap(),
                    ..cut()
                },
                _ => well(&id),
            }
        })
        .collect();
    let health = feed(targets);
    let html = render(&health);
    assert_eq!(html.matches("class=\"row\"").count(), 50);
    assert!(html.len() < 60_000, "{} bytes", html.len());
}
