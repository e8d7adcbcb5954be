//! Declarations over the whole engine: what they change, and that nothing of them is left.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    health::{Hint, IncidentPhase, ReasonCode, Setup, State, TargetSetup, TargetView, Transition},
    verdict::{Observation, Source, Truncation, Verdict},
};

const START_MS: i64 = 1_781_960_400_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START_MS + ms)
}

fn setup(id: &str) -> TargetSetup {
    TargetSetup {
        id: id.parse().unwrap(),
        strict_terminal: true,
        interval: Some(Duration::from_secs(5)),
        long: false,
        long_interval: None,
        first_token_limit: Duration::from_secs(30),
        polite: false,
        reports_only: false,
    }
}

fn declaration(id: &str, what: Declares, targets: &str, from_ms: i64, until_ms: i64) -> Declaration {
    Declaration {
        id: id.to_owned(),
        what,
        targets: Scope::new([targets]).unwrap(),
        from: at(from_ms),
        until: at(until_ms),
        by: "ana".to_owned(),
        why: "work".to_owned(),
        planned: false,
    }
}

/// An engine whose targets are asked every 5 s: all of `a` fail while told so, the others are well.
struct World {
    engine: Engine,
    now_ms: i64,
    failing: bool,
    told: Vec<Effect>,
}

impl World {
    fn new() -> Self {
        let setup = Setup {
            targets: ["a/m", "a/n", "b/m"].map(setup).to_vec(),
            anchors: 1,
        };
        Self {
            engine: Engine::new(setup, 7, at(0)),
            now_ms: 0,
            failing: false,
            told: Vec::new(),
        }
    }

    fn observe(&mut self, id: &str, source: Source, verdict: Verdict) {
        let mut seen = Observation::new(id.parse().unwrap(), at(self.now_ms), source, verdict);
        seen.started = at(self.now_ms - 500);
        seen.expected = verdict == Verdict::Complete;
        seen.phases.connect = (source == Source::Reach).then_some(Duration::from_millis(5));
        seen.phases.first_token = (source != Source::Reach).then_some(Duration::from_millis(200));
        let effects = self.engine.observe(&seen, at(self.now_ms));
        self.told.extend(effects);
    }

    /// Runs on until then: a wake each second, an answer of each target that is asked each 5 s.
    fn run(&mut self, until_ms: i64) {
        while self.now_ms < until_ms {
            self.now_ms += 1_000;
            let effects = self.engine.tick(at(self.now_ms));
            self.told.extend(effects);
            if self.now_ms % 5_000 != 0 {
                continue;
            }
            for id in ["a/m", "a/n", "b/m"] {
                let subject = Subject::Model(id.parse().unwrap(), Length::Short);
                let edge = Subject::Edge(id.split('/').next().unwrap().parse().unwrap());
                if !self.engine.is_paused(&edge) {
                    self.observe(id, Source::Reach, Verdict::Complete);
                }
                if !self.engine.is_paused(&subject) {
                    let cut = self.failing && id.starts_with('a');
                    let verdict = if cut {
                        Verdict::Truncated(Truncation::Cut)
                    } else {
                        Verdict::Complete
                    };
                    self.observe(id, Source::Canary, verdict);
                }
            }
        }
    }

    fn declare(&mut self, declaration: Declaration) {
        let (_, effects) = self.engine.declare(declaration, at(self.now_ms)).unwrap();
        self.told.extend(effects);
    }

    fn view(&self, id: &str) -> TargetView {
        let view = self.engine.view(at(self.now_ms));
        view.targets
            .into_iter()
            .find(|view| view.id.to_string() == id)
            .unwrap()
    }

    fn transitions(&self, id: &str) -> Vec<&Transition> {
        let told = self.told.iter().filter_map(|effect| match effect {
            Effect::Transition(transition) if transition.target.to_string() == id => Some(transition),
            _ => None,
        });
        told.collect()
    }

    fn opened(&self) -> usize {
        let opened = |effect: &&Effect| matches!(effect, Effect::Incident(IncidentPhase::Opened, _));
        self.told.iter().filter(opened).count()
    }

    fn orders(&self) -> Vec<&Subject> {
        let orders = self.told.iter().filter_map(|effect| match effect {
            Effect::Probe(order) => Some(&order.subject),
            _ => None,
        });
        orders.collect()
    }
}

#[test]
fn maintenance_is_told_at_once_opens_no_incident_and_ends_by_the_clock() {
    let mut world = World::new();
    world.run(30_000);
    assert_eq!(world.view("a/m").state, State::Operational);
    world.told.clear();
    world.declare(declaration("m", Declares::Maintenance, "a/m", 30_000, 150_000));
    let told = world.transitions("a/m");
    assert_eq!(
        (told.len(), told[0].from, told[0].to),
        (1, State::Operational, State::Maintenance)
    );
    assert_eq!(
        (told[0].routing.hint, told[0].routing.weight),
        (Hint::Avoid, Some(0.0))
    );
    assert_eq!(
        told[0].reason.text,
        "maintenance, declared by ana until 13:02 UTC: work"
    );
    world.failing = true;
    world.run(149_000);
    assert_eq!(world.view("a/m").state, State::Maintenance);
    // The other one is nobody's maintenance.
    assert_eq!(world.view("a/n").state, State::Down);
    assert_eq!(world.opened(), 1);
    // Probes go on: what fails is asked again.
    assert!(
        world
            .orders()
            .contains(&&Subject::Model("a/m".parse().unwrap(), Length::Short))
    );
    world.told.clear();
    world.run(151_000);
    assert_eq!(
        world.view("a/m").state,
        State::Down,
        "nobody waits for fresh evidence"
    );
    let told = world.transitions("a/m");
    assert_eq!(
        told[0].first_evidence,
        Some(at(150_000)),
        "what failed in the window is no part of the spell"
    );
    assert_eq!(world.opened(), 0);
    world.run(166_000);
    assert_eq!(world.opened(), 1, "but 15 s beyond its end it is an incident");
}

#[test]
fn a_pause_orders_nothing_knows_nothing_and_leaves_an_edge_alone_once_all_are_paused() {
    let mut world = World::new();
    world.failing = true;
    world.run(60_000);
    assert_eq!(world.view("a/m").state, State::Down);
    world.declare(declaration("p", Declares::Pause, "a/m", 60_000, 600_000));
    assert!(!world.engine.is_paused(&Subject::Edge("a".parse().unwrap())));
    let paused = world.view("a/m");
    assert_eq!(
        (paused.state, paused.reason.code),
        (State::Unknown, ReasonCode::Paused)
    );
    assert_eq!(
        (paused.routing.hint, paused.routing.weight),
        (Hint::NoOpinion, None)
    );
    world.declare(declaration("q", Declares::Pause, "a", 60_000, 120_000));
    world.told.clear();
    world.run(119_000);
    assert!(world.engine.is_paused(&Subject::Edge("a".parse().unwrap())));
    let asked = world.orders().into_iter().any(|subject| match subject {
        Subject::Model(target, _) => target.provider().as_str() == "a",
        Subject::Edge(provider) => provider.as_str() == "a",
    });
    assert!(!asked, "{:?}", world.orders());
    assert_eq!(world.opened(), 0);
    // The long one goes on, the other target is asked soon: it was ill.
    world.run(123_000);
    assert_eq!(world.view("a/m").reason.code, ReasonCode::Paused);
    assert!(
        world
            .orders()
            .contains(&&Subject::Model("a/n".parse().unwrap(), Length::Short))
    );
}

#[test]
fn an_override_forces_the_hint_and_leaves_the_state_honest() {
    let mut world = World::new();
    world.run(30_000);
    world.declare(declaration(
        "o",
        Declares::Override(Forced::Avoid),
        "b",
        30_000,
        60_000,
    ));
    let avoided = world.view("b/m");
    assert_eq!(
        (avoided.state, avoided.routing.hint),
        (State::Operational, Hint::Avoid)
    );
    assert_eq!(avoided.flags, ["overridden"]);
    assert!(
        avoided
            .reason
            .text
            .ends_with("; overridden to avoid by ana until 13:01 UTC: work"),
        "{}",
        avoided.reason.text
    );
    assert_eq!(world.transitions("b/m").last().unwrap().routing.hint, Hint::Avoid);
    world.run(61_000);
    let back = world.view("b/m");
    assert_eq!(
        (back.routing.hint, back.routing.weight),
        (Hint::Ramp, Some(0.05)),
        "it comes back by degrees"
    );
    assert!(back.flags.is_empty());
    // A target that is down may be allowed, and an override outlasts ill health.
    world.failing = true;
    world.run(90_000);
    world.declare(declaration(
        "p",
        Declares::Override(Forced::Allow),
        "a",
        90_000,
        900_000,
    ));
    world.run(120_000);
    let allowed = world.view("a/m");
    assert_eq!((allowed.state, allowed.routing.hint), (State::Down, Hint::Allow));
    assert!(allowed.incident.is_some(), "an incident is what it is");
}

#[test]
fn an_open_incident_says_what_was_declared() {
    let mut world = World::new();
    world.failing = true;
    world.run(60_000);
    assert_eq!(world.opened(), 2);
    world.declare(declaration("m", Declares::Maintenance, "a/m", 60_000, 90_000));
    let last = world.told.iter().rev().find_map(|effect| match effect {
        Effect::Incident(IncidentPhase::Updated, incident) => Some(incident),
        _ => None,
    });
    let entry = last.unwrap().timeline.last().unwrap();
    assert_eq!(entry.state, State::Maintenance);
    assert_eq!(entry.text, "maintenance, declared by ana until 13:01 UTC: work");
}

#[test]
fn a_restart_keeps_what_was_declared_and_tells_nothing_anew() {
    let mut world = World::new();
    world.run(30_000);
    world.declare(declaration("m", Declares::Maintenance, "a/m", 30_000, 90_000));
    world.declare(declaration("p", Declares::Pause, "a/n", 30_000, 600_000));
    world.declare(declaration(
        "o",
        Declares::Override(Forced::Avoid),
        "b",
        30_000,
        600_000,
    ));
    world.run(40_000);
    let saved = world.engine.save();
    let mut again = World::new();
    again.now_ms = 45_000;
    again.engine.restore_declared(&saved, at(45_000)).unwrap();
    again.engine.restore(&saved, at(45_000)).unwrap();
    for id in ["a/m", "a/n", "b/m"] {
        let (before, after) = (world.view(id), again.view(id));
        assert_eq!(
            (before.state, before.routing),
            (after.state, after.routing),
            "{id}"
        );
        assert_eq!(
            (before.since, before.declared),
            (after.since, after.declared),
            "{id}"
        );
    }
    let told = again.engine.tick(at(46_000));
    assert!(
        told.iter().all(|effect| !matches!(effect, Effect::Transition(_))),
        "{told:?}"
    );
    // What ended while nobody ran has ended.
    let mut late = World::new();
    late.engine.restore_declared(&saved, at(100_000)).unwrap();
    late.engine.restore(&saved, at(100_000)).unwrap();
    late.now_ms = 100_000;
    assert_ne!(late.view("a/m").state, State::Maintenance);
    assert_eq!(late.view("a/n").reason.code, ReasonCode::Paused);
}

#[test]
fn declarations_hold_even_where_the_rest_of_a_kept_state_does_not() {
    let mut world = World::new();
    world.declare(declaration("p", Declares::Pause, "a", 0, 600_000));
    let mut saved = world.engine.save();
    saved.blob = saved.blob.replace("\"version\":1", "\"version\":99");
    let mut again = World::new();
    again.engine.restore_declared(&saved, at(1_000)).unwrap();
    assert!(again.engine.restore(&saved, at(1_000)).is_err());
    assert_eq!(again.view("a/m").reason.code, ReasonCode::Paused);
    // A state of before there were any, and no state at all.
    assert!(
        again
            .engine
            .restore_declared(
                &Saved {
                    blob: "{}".to_owned()
                },
                at(1_000)
            )
            .is_ok()
    );
    assert!(
        again
            .engine
            .restore_declared(
                &Saved {
                    blob: "no".to_owned()
                },
                at(1_000)
            )
            .is_err()
    );
}

fn random() -> impl Strategy<Value = Vec<(usize, usize, i64, i64)>> {
    let one = (0_usize..4, 0_usize..4, 0_i64..200, 1_i64..120);
    prop::collection::vec(one, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever was declared, once it is over, and its way back with it, the target is as if nobody had said anything;
    /// and meanwhile the state is that of what is in force.
    #[test]
    fn an_ended_declaration_leaves_no_trace(all in random(), failing in any::<bool>()) {
        let mut world = World::new();
        for (n, (kind, scope, from, lasts)) in all.into_iter().enumerate() {
            let what = [
                Declares::Pause, Declares::Maintenance,
                Declares::Override(Forced::Avoid), Declares::Override(Forced::Allow),
            ][kind];
            let scope = ["a", "a/m", "*", "b/m"][scope];
            let one = declaration(&n.to_string(), what, scope, from * 1_000, (from + lasts) * 1_000);
            world.declare(one);
        }
        world.failing = failing;
        while world.now_ms < 330_000 {
            let next = world.now_ms + 1_000;
            world.run(next);
            for id in ["a/m", "a/n", "b/m"] {
                let view = world.view(id);
                let in_force = world.engine.declared().in_force(&view.id, at(next));
                prop_assert_eq!(&view.declared, &in_force);
                let state = in_force.of_state().map(|one| match one.what {
                    Declares::Maintenance => (State::Maintenance, ReasonCode::Maintenance),
                    _ => (State::Unknown, ReasonCode::Paused),
                });
                match state {
                    Some(expected) => prop_assert_eq!((view.state, view.reason.code), expected),
                    None => prop_assert!(
                        view.state != State::Maintenance && view.reason.code != ReasonCode::Paused
                    ),
                }
                if let Some(forced) = in_force.advice() {
                    prop_assert_eq!(view.routing.hint, forced.hint());
                }
                prop_assert_eq!(view.flags.contains(&"overridden"), in_force.forced.is_some());
            }
        }
        world.run(420_000);
        let mut plain = World::new();
        plain.failing = failing;
        plain.run(420_000);
        for id in ["a/m", "a/n", "b/m"] {
            let (got, expected) = (world.view(id), plain.view(id));
            prop_assert_eq!((got.state, got.routing.hint), (expected.state, expected.routing.hint));
            prop_assert_eq!(got.declared, expected.declared);
            prop_assert_eq!(got.flags, expected.flags);
        }
        prop_assert_eq!(world.engine.declared().all().count(), 0);
    }
}
