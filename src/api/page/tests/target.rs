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
    let page = |id: &str| {
        scene(&health)
            .target(&id.parse().unwrap(), Range::Hour, &past(), &[])
            .unwrap()
    };
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

/// Everything at its bound: the longest range, full tables, the longest texts of ordinary characters.
#[test]
fn the_heaviest_page_stays_below_128_kb() {
    let health = feed(vec![cut()]);
    let mut seen = observation(NOW, Verdict::Truncated(Truncation::TerminalMissing));
    let long = |n| Some("words & ".repeat(n));
    (seen.detail, seen.tail, seen.request_id) = (long(80), long(80), Some("req_".repeat(10)));
    for range in Range::ALL {
        let past = Past {
            history: Some(history(range)),
            failures: vec![seen.clone(); MAX_FAILURES + 1],
            observations: vec![seen.clone(); MAX_OBSERVATIONS + 1],
            incidents: vec![incident(); MAX_LISTED + 1],
            ..past()
        };
        let html = scene(&health)
            .target(&health.targets[0].id, range, &past, &plans())
            .unwrap();
        assert_eq!(html.matches("class=\"evidence\"").count(), MAX_FAILURES);
        assert!(html.len() < 128_000, "{}: {} bytes", range.as_str(), html.len());
    }
}

#[test]
fn every_range_is_a_link_and_the_present_one_says_so() {
    let health = feed(vec![cut()]);
    for range in Range::ALL {
        let html = scene(&health)
            .target(&health.targets[0].id, range, &past(), &[])
            .unwrap();
        for other in Range::ALL {
            let link = format!(
                "<a href=\"/targets/anthropic/claude-haiku-4-5?range={0}\" data-range=\"{0}\"",
                other.as_str()
            );
            let (_, rest) = html.split_once(&link).unwrap();
            assert_eq!(rest.starts_with(" aria-current=\"true\""), other == range);
        }
    }
}

#[test]
fn the_six_charts_have_their_words_and_readouts() {
    let html = render_target(&feed(vec![cut()]), &past());
    for key in ["ttft", "e2e", "itl", "rates", "verdicts", "sources"] {
        let (_, figure) = html.split_once(&format!("<figure data-chart=\"{key}\"")).unwrap();
        let figure = figure.split_once("</figure>").unwrap().0;
        assert!(
            figure.contains(&format!("aria-labelledby=\"says-{key}\"")),
            "{key}"
        );
        assert!(figure.contains("data-readout"), "{key}");
        let says = figure.split_once(&format!("id=\"says-{key}\">")).unwrap().1;
        assert!(says.starts_with(char::is_alphanumeric), "{key}: no words");
    }
    assert_eq!(html.matches("aria-live").count(), 1, "the charts are silent");
}

#[test]
fn without_a_store_the_page_says_what_is_missing() {
    let broken = Past {
        missing: Some("the disk is gone".into()),
        ..Past::default()
    };
    let html = render_target(&feed(vec![cut()]), &broken);
    assert!(html.contains("There is no history to show: the disk is gone."));
    assert!(!html.contains("None recorded yet") && !html.contains("<figure"));
}

#[test]
fn a_long_timeline_shows_its_ends() {
    let health = feed(vec![cut()]);
    for (count, left) in [(MAX_STEPS, 0), (MAX_STEPS + 1, 1), (200, 194)] {
        let mut open = incident();
        open.timeline = (0..count)
            .map(|n| IncidentEntry {
                text: format!("line {n}."),
                ..incident().timeline[0].clone()
            })
            .collect();
        let past = Past {
            incident: Some(open),
            ..past()
        };
        let html = render_target(&health, &past);
        assert_eq!(html.matches("First evidence:").count(), MAX_STEPS, "{count}");
        assert!(html.contains("line 0.") && html.contains(&format!("line {}.", count - 1)));
        assert_eq!(html.contains(&format!("{left} more in between")), left > 0);
    }
}
