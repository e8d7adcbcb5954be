//! Real traffic: targets that nobody configured, and canaries that rest.

use super::*;
use crate::{
    health::Hint,
    intake::{FORGOTTEN_AFTER, MAX_REPORTS_ONLY},
    verdict::Trust,
};

const CUT: Verdict = Verdict::Truncated(Truncation::Cut);

impl Driver {
    fn report(&mut self, target: &str, verdict: Verdict) {
        self.told(target, verdict, Trust::Full);
    }

    fn told(&mut self, target: &str, verdict: Verdict, trust: Trust) {
        let mut seen = Observation::new(target.parse().expect("an id"), self.now, Source::Report, verdict);
        seen.trust = trust;
        seen.http_status = Some(200);
        let acts = self.brain.reported(&seen, self.now);
        self.act(acts);
    }

    /// That many reports, one every so often.
    fn traffic(&mut self, target: &str, verdict: Verdict, n: usize, every: Duration) {
        for _ in 0..n {
            self.run(every);
            self.report(target, verdict);
        }
    }

    fn flags(&mut self, target: &str) -> Vec<&'static str> {
        self.view(target).expect("a target").flags
    }
}

/// Canaries every 10 s that rest after so many replies.
fn resting(n: u32) -> Config {
    let rest = format!("canary = {{ every = \"10s\", rest_after = {n} }}");
    config(&[entry("a", FREE).replace("canary = { every = \"10s\" }", &rest)])
}

#[test]
fn a_target_that_nobody_configured_is_judged_by_reports_alone() {
    let mut driver = Driver::new(&config(&[entry("a", FREE)]));
    driver.run(s(60));
    driver.traffic("new/m", Verdict::Complete, 30, s(2));
    assert_eq!(driver.state("new/m"), Some(State::Operational));
    assert!(driver.flags("new/m").contains(&"reports_only"));
    assert!(!driver.flags("a/m").contains(&"reports_only"));
    driver.traffic("new/m", CUT, 10, s(1));
    let view = driver.view("new/m").expect("a target");
    assert!(view.state.is_impaired(), "{:?}", view.state);
    assert_eq!(
        (view.routing.hint, view.reason.code.as_str()),
        (Hint::Avoid, "truncated")
    );
    // Nothing can be probed there, so reports alone tell that it is back.
    driver.traffic("new/m", Verdict::Complete, 400, s(1));
    let view = driver.view("new/m").expect("a target");
    assert_eq!((view.state, view.routing.hint), (State::Operational, Hint::Allow));
    assert!(driver.of("new/m").is_empty());
    assert_eq!(driver.state("a/m"), Some(State::Operational));
}

#[test]
fn a_restart_and_a_reload_know_them_still_and_a_day_of_silence_forgets_them() {
    let plain = config(&[entry("a", FREE)]);
    let mut driver = Driver::new(&plain);
    driver.run(s(60));
    driver.traffic("new/m", Verdict::Complete, 30, s(2));
    driver.traffic("new/m", CUT, 10, s(1));
    let saved = driver.brain.save();
    assert_eq!(saved.reports_only(), ["new/m".parse().expect("an id")]);
    let mut again = Driver::new(&plain);
    again.now = driver.now.plus(s(5));
    again
        .brain
        .restore(&saved, again.now)
        .expect("the state of before");
    assert_eq!(again.state("new/m"), driver.state("new/m"));
    assert!(again.flags("new/m").contains(&"reports_only"));
    // A reload keeps it; one that configures it makes it a target like the others.
    let acts = again.brain.reconfigure(&plain, again.now);
    again.act(acts);
    assert!(again.flags("new/m").contains(&"reports_only"));
    let both = config(&[entry("a", FREE), entry("new", FREE)]);
    let acts = again.brain.reconfigure(&both, again.now);
    again.act(acts);
    assert!(!again.flags("new/m").contains(&"reports_only"));
    assert!(again.brain.reports_only().is_empty());
    driver.run(FORGOTTEN_AFTER + s(700));
    assert_eq!(driver.state("new/m"), None);
}

#[test]
fn so_many_are_taken_up_and_no_more() {
    let mut driver = Driver::new(&config(&[entry("a", FREE)]));
    for n in 0..MAX_REPORTS_ONLY + 5 {
        driver.report(&format!("new/{n}"), Verdict::Complete);
    }
    let view = driver.brain.view(driver.now);
    assert_eq!(view.targets.len(), 1 + MAX_REPORTS_ONLY);
}

#[test]
fn a_canary_rests_while_real_traffic_tells_enough() {
    let mut driver = Driver::new(&resting(20));
    driver.run(s(60));
    let before = driver.of("a/m").len();
    assert!(before >= 5);
    // Nineteen within the interval are not enough.
    driver.traffic("a/m", Verdict::Complete, 190, Duration::from_millis(527));
    assert!(driver.of("a/m").len() >= before + 9, "{}", driver.of("a/m").len());
    assert!(!driver.flags("a/m").contains(&"canary_resting"));
    // Twenty are.
    driver.traffic("a/m", Verdict::Complete, 40, Duration::from_millis(250));
    let before = driver.of("a/m").len();
    driver.traffic("a/m", Verdict::Complete, 400, Duration::from_millis(250));
    assert_eq!(driver.of("a/m").len(), before);
    assert!(driver.flags("a/m").contains(&"canary_resting"));
    assert!(driver.brain.skipped().resting >= 9);
    assert_eq!(driver.state("a/m"), Some(State::Operational));
    // The traffic ends: the next canary is due within its interval.
    driver.run(s(21));
    assert!(driver.of("a/m").len() > before);
    assert!(!driver.flags("a/m").contains(&"canary_resting"));
}

#[test]
fn a_canary_never_rests_while_reports_fail_or_are_not_fully_trusted() {
    for (verdict, trust) in [(CUT, Trust::Full), (Verdict::Complete, Trust::Corroborate)] {
        let mut driver = Driver::new(&resting(20));
        driver.run(s(60));
        driver.traffic("a/m", Verdict::Complete, 40, Duration::from_millis(250));
        let before = driver.of("a/m").len();
        for n in 0..120 {
            driver.run(Duration::from_millis(250));
            if trust == Trust::Corroborate {
                driver.told("a/m", verdict, trust);
            } else {
                driver.report("a/m", if n % 10 == 0 { verdict } else { Verdict::Complete });
            }
        }
        assert!(driver.of("a/m").len() >= before + 2, "{verdict:?} {trust:?}");
    }
}

#[test]
fn a_canary_that_never_rests_goes_on() {
    let mut driver = Driver::new(&resting(0));
    driver.traffic("a/m", Verdict::Complete, 400, Duration::from_millis(250));
    assert!(driver.of("a/m").len() >= 9);
    assert_eq!(driver.brain.skipped().resting, 0);
}

/// A guest's word raises suspicion and calls for probes of ours; those that pass acquit.
#[test]
fn a_corroborating_reporter_convicts_nobody() {
    let mut driver = Driver::new(&config(&[entry("a", FREE)]));
    driver.run(s(120));
    driver.sent.clear();
    for _ in 0..200 {
        driver.run(Duration::from_millis(100));
        driver.told("a/m", CUT, Trust::Corroborate);
        assert!(!driver.state("a/m").expect("a target").is_impaired());
    }
    assert!(driver.sent.iter().any(|sent| sent.purpose == Purpose::Confirm));
    // With the same word, somebody who is fully trusted convicts.
    for _ in 0..20 {
        driver.run(Duration::from_millis(100));
        driver.report("a/m", CUT);
    }
    assert!(driver.state("a/m").expect("a target").is_impaired());
}
