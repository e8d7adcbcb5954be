//! Pauses, planned maintenance, probes by hand, and what a restart sends.

use super::*;
use crate::health::{Declaration, DeclareError, DeclaredKind, Declares, Forced, ReasonCode, Scope};

fn declaration(id: &str, what: Declares, targets: &str, from: Timestamp, lasts: Duration) -> Declaration {
    Declaration {
        id: id.to_owned(),
        what,
        targets: Scope::new([targets]).unwrap(),
        from,
        until: from.plus(lasts),
        by: "ana".to_owned(),
        why: String::new(),
        planned: false,
    }
}

impl Driver {
    fn declare(&mut self, id: &str, what: Declares, targets: &str, lasts: Duration) {
        let one = declaration(id, what, targets, self.now, lasts);
        let (_, acts) = self.brain.declare(one, self.now).unwrap();
        self.act(acts);
    }

    /// Probes of that provider from then on.
    fn since(&self, provider: &str, from: Timestamp) -> usize {
        let mine = |sent: &&Sent| sent.at >= from && sent.target.split('/').next() == Some(provider);
        self.sent.iter().filter(mine).count()
    }
}

fn with_reach(id: &str) -> String {
    let url = "http://127.0.0.1:1/v1";
    format!(
        "[[provider]]\nid = \"{id}\"\npreset = \"openai-compatible\"\nbase_url = \"{url}\"\nfree = true\npolite = false\n\
         models = [\"m\", \"n\"]\nreach = {{ every = \"2s\" }}\ncanary = {{ every = \"10s\" }}\nlong = false\n"
    )
}

#[test]
fn a_pause_sends_nothing_and_the_timetable_goes_on_after_it() {
    for manner in [Manner::Well, Manner::Broken] {
        let config = config(&[with_reach("a"), with_reach("b")]);
        let mut driver = Driver::new(&config).with("a/m", manner);
        driver.run(s(60));
        driver.declare("p", Declares::Pause, "a", s(600));
        let (begin, other) = (driver.now, driver.since("b", START));
        driver.run(s(600));
        assert_eq!(
            driver.since("a", begin),
            0,
            "{manner:?}: a paused provider is left alone, its edge too"
        );
        assert_eq!(driver.state("a/m"), Some(State::Unknown));
        // The other one is probed as before: 30 reaches and 12 canaries a minute.
        let sent = driver.since("b", START) - other;
        assert!((410..=430).contains(&sent), "{sent}");
        let resumed = driver.now;
        driver.run(s(10));
        let sent = driver.since("a", resumed);
        // At most an interval's worth, and for the ill one what recovery asks.
        assert!(
            (5..=14).contains(&sent),
            "{manner:?}: {sent} probes in the first 10 s"
        );
        driver.run(s(60));
        let expected = if manner == Manner::Well {
            State::Operational
        } else {
            State::Down
        };
        assert_eq!(driver.state("a/m"), Some(expected));
    }
}

#[test]
fn what_waited_from_before_a_pause_is_not_sent_in_it() {
    let config = config(&[entry("a", FREE)]);
    let mut driver = Driver::new(&config).with("a/m", Manner::Broken);
    // A burst is under way: its later probes are ordered and not yet due.
    while driver.brain.orders.is_empty() {
        driver.run(Duration::from_millis(50));
    }
    driver.declare("p", Declares::Pause, "a", s(60));
    let begin = driver.now;
    driver.run(s(60));
    assert_eq!(driver.since("a", begin), 0);
}

#[test]
fn declarations_survive_a_reload_and_a_restart() {
    let all = [entry("a", FREE), entry("b", FREE)];
    let mut driver = Driver::new(&config(&all));
    driver.run(s(30));
    driver.declare("p", Declares::Pause, "a", s(600));
    driver.declare("m", Declares::Maintenance, "b", s(600));
    let acts = driver.brain.reconfigure(&config(&all), driver.now);
    driver.act(acts);
    driver.run(s(10));
    let states = |driver: &mut Driver| ["a/m", "b/m"].map(|id| driver.state(id).unwrap());
    assert_eq!(states(&mut driver), [State::Unknown, State::Maintenance]);
    let saved = driver.brain.save();
    let mut again = Driver::new(&config(&all));
    again.now = driver.now.plus(s(5));
    again.brain.restore(&saved, again.now).unwrap();
    let begin = again.now;
    again.run(s(60));
    assert_eq!(states(&mut again), [State::Unknown, State::Maintenance]);
    assert_eq!(again.view("a/m").unwrap().reason.code, ReasonCode::Paused);
    assert_eq!(again.since("a", begin), 0);
    assert!(again.transitions.is_empty(), "{:?}", again.transitions);
    // And they end by the clock there, too.
    again.run(s(600));
    assert_eq!(states(&mut again), [State::Operational; 2]);
}

/// Each target once an interval, spread over it: whether the process has just begun or runs for long.
#[test]
fn a_restart_sends_no_burst() {
    let models: Vec<String> = (0..60).map(|n| format!("\"m{n}\"")).collect();
    let rest = format!("free = true\npolite = false\nmodels = [{}]", models.join(", "));
    let config = config(&[entry("a", &rest)]);
    let most = |sent: &[Sent], from: Timestamp, span: Duration| {
        let times: Vec<Timestamp> = sent.iter().map(|sent| sent.at).filter(|at| *at >= from).collect();
        let within = |begin: &Timestamp| {
            times
                .iter()
                .filter(|at| *at >= begin && **at < begin.plus(span))
                .count()
        };
        times.iter().map(within).max().unwrap_or_default()
    };
    let mut running = Driver::new(&config);
    running.run(s(300));
    let warm = START.plus(s(100));
    let (usual, second) = (most(&running.sent, warm, s(10)), most(&running.sent, warm, s(1)));
    let saved = running.brain.save();
    for seed in 0..8 {
        let mut again = Driver::new(&config);
        again.now = running.now.plus(s(3));
        again.brain = Brain::new(&config, seed, again.now);
        again.brain.restore(&saved, again.now).unwrap();
        again.run(s(10));
        assert!(
            again.sent.len() <= 60,
            "seed {seed}: {} in the first interval",
            again.sent.len()
        );
        assert!(
            again.sent.len() <= usual,
            "seed {seed}: a running one sends {usual}"
        );
        let worst = most(&again.sent, START, s(1));
        assert!(
            worst <= second.max(8),
            "seed {seed}: {worst} in one second, {second} are usual"
        );
        assert!(again.sent.iter().all(|sent| sent.purpose == Purpose::Scheduled));
    }
}

#[test]
fn planned_maintenance_comes_and_goes_by_the_clock_and_with_the_configuration() {
    let plan = "[[maintenance]]\nname = \"tens\"\ntargets = [\"a\"]\nevery = \"10,30 * * * *\"\nfor = \"5m\"\nwhy = \"w\"\n";
    let with = config(&[entry("a", FREE), entry("b", FREE), plan.to_owned()]);
    let mut driver = Driver::new(&with);
    let mut minutes = Vec::new();
    for minute in 0..150_u64 {
        driver.run(s(30));
        if driver.state("a/m") == Some(State::Maintenance) {
            minutes.push(minute);
        }
        assert_ne!(driver.state("b/m"), Some(State::Maintenance));
        driver.run(s(30));
    }
    let windows = [10, 30, 70, 90, 130]
        .into_iter()
        .flat_map(|begin| begin..begin + 5);
    assert_eq!(minutes, windows.collect::<Vec<u64>>());
    // One window is ended by hand: the next comes all the same.
    driver.run(s(60));
    assert_eq!(driver.state("a/m"), Some(State::Maintenance));
    let id = driver
        .view("a/m")
        .unwrap()
        .declared
        .maintenance
        .unwrap()
        .id
        .clone();
    assert_eq!(id, "tens.20260620T0230Z");
    let (_, acts) = driver
        .brain
        .undeclare(DeclaredKind::Maintenance, &id, driver.now)
        .unwrap();
    driver.act(acts);
    driver.run(s(60));
    assert_ne!(driver.state("a/m"), Some(State::Maintenance));
    assert!(
        driver
            .brain
            .undeclare(DeclaredKind::Maintenance, &id, driver.now)
            .is_none()
    );
    driver.run(s(2_400));
    assert_eq!(driver.state("a/m"), Some(State::Maintenance));
    // What the configuration no longer plans is over.
    let acts = driver
        .brain
        .reconfigure(&config(&[entry("a", FREE), entry("b", FREE)]), driver.now);
    driver.act(acts);
    assert_ne!(driver.state("a/m"), Some(State::Maintenance));
    assert_eq!(driver.brain.declared().all().count(), 0);
}

#[test]
fn a_probe_by_hand_goes_ahead_of_everything_but_money() {
    let paid = "usd_per_day = 0.01\n[[provider.model]]\nid = \"m\"\nprice = { input_usd_per_mtok = 1.0, output_usd_per_mtok = 5.0 }";
    let config = config(&[entry("a", FREE), entry("b", paid)]);
    let mut driver = Driver::new(&config);
    driver.declare("p", Declares::Pause, "a", s(600));
    let [a, b, c]: [TargetId; 3] = ["a/m", "b/m", "c/m"].map(|id| id.parse().unwrap());
    let now = driver.now;
    let launch = driver.brain.ask(&a, ProbeKind::Canary, now).unwrap();
    assert_eq!(
        (launch.purpose, launch.kind),
        (Purpose::Manual, ProbeKind::Canary)
    );
    assert_eq!(
        driver.brain.ask(&a, ProbeKind::Canary, now).unwrap_err(),
        ProbeRefused::UnderWay(a.clone())
    );
    driver.act(vec![Act::Probe(launch)]);
    driver.run(s(2));
    assert!(
        driver.brain.ask(&a, ProbeKind::Long, driver.now).is_ok(),
        "the first one is over"
    );
    assert_eq!(
        driver.brain.ask(&c, ProbeKind::Canary, now).unwrap_err(),
        ProbeRefused::Unknown(c.clone())
    );
    let none = driver.brain.ask(&a, ProbeKind::Reach, now).unwrap_err();
    assert_eq!(none, ProbeRefused::NoSuch(a, "reach"), "reach = false");
    // A hundred of them cost more than the day allows.
    let spent = (0..200).find_map(|_| {
        let now = driver.now;
        match driver.brain.ask(&b, ProbeKind::Canary, now) {
            Ok(launch) => {
                driver.act(vec![Act::Probe(launch)]);
                driver.run(s(1));
                None
            }
            Err(refused) => Some(refused),
        }
    });
    assert!(matches!(spent, Some(ProbeRefused::Spent(_))), "{spent:?}");
}

#[test]
fn nobody_is_meant_by_a_name_that_nobody_watches() {
    let mut driver = Driver::new(&config(&[entry("a", FREE)]));
    let one = declaration("x", Declares::Override(Forced::Avoid), "b", START, s(60));
    assert_eq!(
        driver.brain.declare(one, START).unwrap_err(),
        DeclareError::Nobody("b".to_owned())
    );
    assert!(
        driver
            .brain
            .undeclare(DeclaredKind::Override, "x", START)
            .is_none()
    );
}
