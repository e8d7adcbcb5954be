//! Tests of the canaries beside the short one, in the same virtual time.

use super::*;
use crate::health::Hint;

/// All four kinds, the short one every 10 s.
fn four() -> Config {
    let text = entry("a", FREE).replace(
        "long = false",
        "long = { every = \"60s\" }\njson = { every = \"60s\" }\ntool = { every = \"60s\" }",
    );
    config(&[text])
}

fn kinds(sent: &[(Timestamp, ProbeKind, Purpose)], purpose: Purpose) -> Vec<ProbeKind> {
    let mut kinds: Vec<ProbeKind> = sent
        .iter()
        .filter(|sent| sent.2 == purpose)
        .map(|sent| sent.1)
        .collect();
    kinds.sort_by_key(|kind| kind.as_str());
    kinds.dedup();
    kinds
}

#[test]
fn each_kind_keeps_its_own_timetable() {
    let mut driver = Driver::new(&four());
    driver.run(s(3_600));
    let count = |kind| driver.of("a/m").iter().filter(|sent| sent.1 == kind).count();
    assert!((355..=360).contains(&count(ProbeKind::Canary)));
    for kind in [ProbeKind::Long, ProbeKind::Json, ProbeKind::Tool] {
        assert!(
            (58..=60).contains(&count(kind)),
            "{} of {}",
            count(kind),
            kind.as_str()
        );
    }
    assert_eq!(driver.state("a/m"), Some(State::Operational));
    assert_eq!(driver.brain.skipped(), Skipped::default());
}

#[test]
fn what_is_cut_late_is_seen_by_the_long_canary_alone() {
    let mut driver = Driver::new(&four());
    driver.run(s(300));
    assert_eq!(driver.state("a/m"), Some(State::Operational));
    driver
        .manners
        .insert("a/m".to_owned(), Manner::Cuts(ProbeKind::Long));
    driver.sent.clear();
    driver.run(s(300));
    let view = driver.view("a/m").expect("a target");
    assert_eq!(view.state, State::Down, "{:?}", view.reason);
    assert_eq!(view.reason.code.as_str(), "truncated");
    assert_eq!(view.reason.sources, [Source::Long]);
    assert_eq!(view.routing.hint, Hint::Avoid);
    let sent = driver.of("a/m");
    assert_eq!(kinds(&sent, Purpose::Confirm), [ProbeKind::Long]);
    assert_eq!(kinds(&sent, Purpose::Recovery), [ProbeKind::Long]);
    // The good short ones went on and acquitted nobody.
    assert!(sent.iter().filter(|sent| sent.1 == ProbeKind::Canary).count() > 25);

    driver.manners.clear();
    driver.run(s(300));
    assert_eq!(driver.state("a/m"), Some(State::Operational));
}

#[test]
fn without_the_long_canary_a_late_cut_goes_unseen() {
    let mut driver = Driver::new(&config(&[entry("a", FREE)])).with("a/m", Manner::Cuts(ProbeKind::Long));
    driver.run(s(3_600));
    assert_eq!(driver.state("a/m"), Some(State::Operational));
}

#[test]
fn a_suspicion_is_confirmed_by_the_kind_that_raised_it() {
    for kind in [ProbeKind::Json, ProbeKind::Tool, ProbeKind::Canary] {
        let mut driver = Driver::new(&four());
        driver.run(s(300));
        driver.manners.insert("a/m".to_owned(), Manner::Cuts(kind));
        driver.sent.clear();
        driver.run(s(90));
        let sent = driver.of("a/m");
        assert_eq!(kinds(&sent, Purpose::Confirm), [kind], "{sent:?}");
        let told = driver.transitions.iter().any(|told| told.to.is_impaired());
        assert!(told, "{} alone convicts", kind.as_str());
        driver.manners.clear();
        driver.run(s(600));
        assert_eq!(driver.state("a/m"), Some(State::Operational));
    }
}

#[test]
fn a_suspect_is_forgotten_once_the_timetable_answers_for_it() {
    let mut driver = Driver::new(&four());
    driver.run(s(300));
    driver
        .manners
        .insert("a/m".to_owned(), Manner::Cuts(ProbeKind::Tool));
    driver.run(s(90));
    assert_eq!(driver.brain.suspects.len(), 1);
    driver.manners.clear();
    driver.run(s(600));
    assert!(driver.brain.suspects.is_empty());
    driver.manners.insert("a/m".to_owned(), Manner::Broken);
    driver.sent.clear();
    driver.run(s(30));
    let first = driver.sent.first().map(|sent| sent.kind).expect("a probe");
    assert_eq!(kinds(&driver.of("a/m"), Purpose::Confirm), [first]);
}

#[test]
fn a_model_that_cannot_call_tools_is_not_blind_to_cuts() {
    let mut driver = Driver::new(&four()).with("a/m", Manner::CannotCall);
    driver.run(s(600));
    let target: TargetId = "a/m".parse().expect("an id");
    for kind in CanaryKind::ALL {
        let judged = driver.brain.engine.check_text(&target, kind);
        assert_eq!(judged, kind != CanaryKind::Tool, "{kind}");
    }
    let view = driver.view("a/m").expect("a target");
    assert_eq!(view.state, State::Operational);
    assert!(view.flags.contains(&"sentinel_off"), "{:?}", view.flags);
    // It learns it: three right calls bring the rule back.
    driver.manners.clear();
    driver.run(s(240));
    assert!(driver.brain.engine.check_text(&target, CanaryKind::Tool));
}

#[test]
fn the_first_token_of_a_call_is_no_measure() {
    // Calls come whole after 8 s, everything else begins after 300 ms.
    let mut driver = Driver::new(&four()).with("a/m", Manner::CallsLate);
    driver.run(s(6 * 3_600));
    let target: TargetId = "a/m".parse().expect("an id");
    let tau = driver.brain.engine.deadlines(&target, Length::Short).soft;
    assert!(tau < s(1), "{tau:?}");
    assert_eq!(driver.state("a/m"), Some(State::Operational));
    assert_eq!(kinds(&driver.of("a/m"), Purpose::Confirm), []);
    let impaired = driver.transitions.iter().filter(|told| told.to.is_impaired());
    assert_eq!(impaired.count(), 0);
}

#[test]
fn the_long_stream_is_known_for_as_long_as_its_own_interval() {
    let text = entry("a", FREE)
        .replace("canary = { every = \"10s\" }", "canary = false")
        .replace("long = false", "long = { every = \"30m\" }");
    let mut driver = Driver::new(&config(&[text]));
    driver.run(s(3_600));
    assert_eq!(driver.state("a/m"), Some(State::Operational));
    driver.transitions.clear();
    driver.run(s(6 * 3_600));
    let sent = driver.of("a/m");
    assert!((13..=14).contains(&sent.len()), "{}", sent.len());
    assert!(sent.iter().all(|sent| sent.1 == ProbeKind::Long));
    assert!(driver.transitions.is_empty(), "{:?}", driver.transitions);
}
