//! Routes on the overview.

use super::*;

#[test]
fn a_route_says_who_serves_why_and_what_an_agent_may_expect() {
    let health = feed(four());
    let line = |ways: &[Way], outlooks: &[Reliability]| {
        let html = scene(&health).overview(&calendar(&health), ways, outlooks);
        let from = html.find("id=\"routes\"").unwrap();
        html[from..from + html[from..].find("</ul>").unwrap()].to_owned()
    };
    let told = line(&ways(), &[outlook()]);
    for part in [
        "<b>chat</b>",
        "<a href=\"/targets/openai/gpt-5.2\">openai/gpt-5.2</a>",
        "is down (&#60;b&#62;)",
        "a six-step agent: <b>97.1\u{a0}%</b>",
        "96.2–97.8\u{a0}% over 24 h · n 812, each step with openai/gpt-5.2 to fall back to",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    let mut closed = ways();
    closed[0].route.decision = Decision::FailClosed;
    closed[0].route.target = None;
    let none = Reliability {
        point: None,
        insufficient: Some("too little seen: n 12".to_owned()),
        ..outlook()
    };
    let told = line(&closed, &[none]);
    assert!(
        told.contains("data-state=\"down\"") && told.contains("nobody serves"),
        "{told}"
    );
    assert!(
        told.contains("a six-step agent: –<small>too little seen: n 12"),
        "{told}"
    );
    assert!(line(&ways(), &[]).contains("history can&#39;t be read"));
    assert!(
        !render(&health).contains("Routes</h2>"),
        "without routes no heading"
    );
}
