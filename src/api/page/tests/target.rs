//! One target's page.

use super::*;

#[test]
fn observations_stop_at_their_limit() {
    let health = feed(vec![cut()]);
    let rows = |n| {
        let past = Past {
            observations: vec![observation(NOW, Verdict::Complete); n],
            ..Past::default()
        };
        render_target(&health, &past).matches("<tr class=").count()
    };
    assert_eq!(rows(MAX_OBSERVATIONS), MAX_OBSERVATIONS);
    assert_eq!(rows(MAX_OBSERVATIONS + 1), MAX_OBSERVATIONS);
}

#[test]
fn the_targets_page_shows_its_evidence() {
    let html = render_target(&feed(vec![cut()]), &past());
    let words = text(&html);
    for part in [
        "truncated · cut",
        "truncated · silent",
        "errored · overloaded",
        "eleven twelve thirteen fourt",
        "the body ended before message_stop",
        "req_011CQ8hbXq4nTzL",
        "end_turn",
        "Do not use it; breaker open",
        "+19 s",
        "every 1 min",
        "$0.31 a day",
    ] {
        assert!(words.replace('\u{a0}', " ").contains(part), "{part} is missing");
    }
}

#[test]
fn a_gateways_page_and_the_direct_one_name_each_other() {
    let mut direct = well("anthropic/claude-haiku-4-5");
    direct.flags = Vec::new();
    let mut through = view_of("gate/haiku", State::Down, ReasonCode::Truncated, "9 of 9 replies");
    through.via = Some(direct.id.clone());
    through.flags = vec!["forged"];
    through.served_model = Some("<b>claude</b>".to_owned());
    let health = feed(vec![direct, through]);
    let page = |id: &str| scene(&health).target(&id.parse().unwrap(), &past(), &[]).unwrap();
    let (gateway, plain) = (page("gate/haiku"), page("anthropic/claude-haiku-4-5"));
    for html in [&gateway, &plain] {
        assert!(html.contains("the way through cuts replies and calls them finished"));
    }
    assert!(gateway.contains("href=\"/targets/anthropic/claude-haiku-4-5\""));
    assert!(plain.contains("href=\"/targets/gate/haiku\""));
    assert!(gateway.contains("cut replies came with a natural stop reason"));
    assert!(gateway.contains("claude") && !gateway.contains("<b>claude"));
    assert!(!plain.contains("Answers as"));
}
