//! A small world around the engine: scheduled probes, orders with latency, anchors.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use rand::RngExt;

use super::*;
use crate::{
    health::{Hint, Network, ProbeOrder, State, Subject, TargetSetup, Transition},
    protocol::ErrorClass,
    verdict::{FailedAt, Failure, Source, Truncation, Verdict},
};

const START_MS: i64 = 1_800_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Reach {
        provider: usize,
    },
    Canary {
        target: usize,
    },
    Order {
        target: usize,
        edge: bool,
        recovery: bool,
    },
    Answer {
        id: usize,
    },
    Late {
        target: usize,
        recovery: bool,
        scheduled: bool,
    },
    Round {
        id: usize,
    },
}

/// What happens to a canary.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Good,
    Cut,
    Status(u16, ErrorClass),
    Hang,
    NoConnection,
}

struct World {
    engine: Engine,
    ids: Vec<TargetId>,
    now_ms: i64,
    queue: BinaryHeap<Reverse<(i64, usize, Event)>>,
    answers: BTreeMap<usize, Observation>,
    rounds: BTreeMap<usize, Vec<bool>>,
    serial: usize,
    rng: ChaCha8Rng,
    canary_ms: i64,
    reach_ms: i64,
    anchors: usize,
    told: Vec<Effect>,
    orders: Vec<ProbeOrder>,
}

fn target(id: &str, interval_s: u64) -> TargetSetup {
    TargetSetup {
        id: id.parse().unwrap(),
        strict_terminal: true,
        interval: (interval_s > 0).then(|| Duration::from_secs(interval_s)),
        long: false,
        long_interval: None,
        first_token_limit: Duration::from_secs(30),
        polite: false,
        reports_only: false,
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

impl World {
    fn new(ids: &[&str], anchors: usize, canary_s: u64, seed: u64) -> Self {
        let setup = Setup {
            targets: ids.iter().map(|id| target(id, canary_s)).collect(),
            anchors,
        };
        let mut world = Self {
            engine: Engine::new(setup, seed, at(START_MS)),
            ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
            now_ms: START_MS,
            queue: BinaryHeap::new(),
            answers: BTreeMap::new(),
            rounds: BTreeMap::new(),
            serial: 0,
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x5eed),
            canary_ms: canary_s.cast_signed() * 1000,
            reach_ms: 1_000,
            anchors,
            told: Vec::new(),
            orders: Vec::new(),
        };
        for i in 0..ids.len() {
            let phase = world.rng.random_range(0..1_000);
            world.push(START_MS + phase, Event::Reach { provider: i });
            world.push(START_MS + phase + 300, Event::Canary { target: i });
        }
        world
    }

    fn push(&mut self, at_ms: i64, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse((at_ms, self.serial, event)));
    }

    /// Runs for `ms`; `outcome` decides each exchange, `anchor` each anchor's answer.
    fn run(
        &mut self,
        ms: i64,
        mut outcome: impl FnMut(usize, bool, &mut ChaCha8Rng) -> Outcome,
        mut anchor: impl FnMut(&mut ChaCha8Rng) -> bool,
    ) {
        let end = self.now_ms + ms;
        loop {
            let event_at = self.queue.peek().map_or(i64::MAX, |Reverse((at, ..))| *at);
            let wake_at = self.engine.next_wake(at(self.now_ms)).as_millis();
            let next = event_at.min(wake_at);
            if next > end {
                self.now_ms = end;
                return;
            }
            assert!(next >= self.now_ms, "time goes forward");
            let stuck = wake_at <= self.now_ms && event_at > self.now_ms;
            self.now_ms = next;
            let effects = if event_at <= wake_at {
                let Some(Reverse((_, _, event))) = self.queue.pop() else {
                    return;
                };
                self.happen(event, &mut outcome)
            } else {
                self.engine.tick(at(next))
            };
            if stuck {
                let again = self.engine.next_wake(at(self.now_ms)).as_millis();
                assert!(again > self.now_ms, "a tick does what it was woken for");
            }
            self.apply(effects, &mut anchor);
        }
    }

    fn happen(
        &mut self,
        event: Event,
        outcome: &mut impl FnMut(usize, bool, &mut ChaCha8Rng) -> Outcome,
    ) -> Vec<Effect> {
        let now = self.now_ms;
        match event {
            Event::Reach { provider } => {
                self.push(now + self.reach_ms, event);
                self.send(provider, true, Purpose::Scheduled, outcome);
            }
            Event::Canary { target } => {
                self.push(now + self.canary_ms, event);
                self.send(target, false, Purpose::Scheduled, outcome);
            }
            Event::Order {
                target,
                edge,
                recovery,
            } => {
                let purpose = if recovery {
                    Purpose::Recovery
                } else {
                    Purpose::Confirm
                };
                self.send(target, edge, purpose, outcome);
            }
            Event::Answer { id } => {
                let observation = self.answers.remove(&id).unwrap();
                return self.engine.observe(&observation, at(now));
            }
            Event::Late {
                target,
                recovery,
                scheduled,
            } => {
                let purpose = match (scheduled, recovery) {
                    (true, _) => Purpose::Scheduled,
                    (_, true) => Purpose::Recovery,
                    _ => Purpose::Confirm,
                };
                return self
                    .engine
                    .pending_slow(&self.ids[target].clone(), Length::Short, purpose, at(now));
            }
            Event::Round { id } => {
                let answered = self.rounds.remove(&id).unwrap();
                return self.engine.anchor_round(&answered, at(now));
            }
        }
        Vec::new()
    }

    fn send(
        &mut self,
        target: usize,
        edge: bool,
        purpose: Purpose,
        outcome: &mut impl FnMut(usize, bool, &mut ChaCha8Rng) -> Outcome,
    ) {
        let got = outcome(target, edge, &mut self.rng);
        let error = |class, at| Verdict::Errored(Failure { class, at });
        let ms = Duration::from_millis;
        let (took, verdict, status) = match got {
            Outcome::Good | Outcome::Hang | Outcome::Cut if edge => (40, Verdict::Complete, Some(200)),
            Outcome::Good => (600, Verdict::Complete, Some(200)),
            Outcome::Cut => (700, Verdict::Truncated(Truncation::Cut), Some(200)),
            Outcome::Status(status, class) => (80, error(class, FailedAt::Status(status)), Some(status)),
            Outcome::Hang => (30_000, error(ErrorClass::Timeout, FailedAt::Transport), None),
            Outcome::NoConnection => (400, error(ErrorClass::Connect, FailedAt::Transport), None),
        };
        let source = if edge { Source::Reach } else { Source::Canary };
        let now = self.now_ms;
        let mut observation = Observation::new(self.ids[target].clone(), at(now + took), source, verdict);
        observation.started = at(now);
        observation.purpose = purpose;
        observation.http_status = status;
        observation.expected = edge && status == Some(200);
        if status.is_some() || got == Outcome::Hang {
            observation.phases.connect = Some(ms(20));
        }
        if matches!(got, Outcome::Good | Outcome::Cut) && !edge {
            observation.phases.first_token = Some(ms(500));
        }
        if got == Outcome::Hang && !edge {
            let soft = self
                .engine
                .deadlines(&self.ids[target], Length::Short)
                .soft
                .as_millis() as i64;
            self.push(
                now + soft,
                Event::Late {
                    target,
                    recovery: purpose == Purpose::Recovery,
                    scheduled: purpose == Purpose::Scheduled,
                },
            );
        }
        self.serial += 1;
        let id = self.serial;
        self.answers.insert(id, observation);
        self.push(now + took, Event::Answer { id });
    }

    fn apply(&mut self, effects: Vec<Effect>, anchor: &mut impl FnMut(&mut ChaCha8Rng) -> bool) {
        for effect in effects {
            match &effect {
                Effect::Probe(order) => {
                    assert!(order.due.as_millis() >= self.now_ms);
                    self.orders.push(order.clone());
                    let recovery = order.purpose == Purpose::Recovery;
                    let (target, edge) = match &order.subject {
                        Subject::Model(id, _) => (self.ids.iter().position(|i| i == id).unwrap(), false),
                        Subject::Edge(id) => {
                            (self.ids.iter().position(|i| i.provider() == id).unwrap(), true)
                        }
                    };
                    self.push(
                        order.due.as_millis(),
                        Event::Order {
                            target,
                            edge,
                            recovery,
                        },
                    );
                }
                Effect::Anchors => {
                    let answered: Vec<bool> = (0..self.anchors).map(|_| anchor(&mut self.rng)).collect();
                    let took = if answered.iter().all(|ok| *ok) { 20 } else { 300 };
                    self.serial += 1;
                    let id = self.serial;
                    self.rounds.insert(id, answered);
                    self.push(self.now_ms + took, Event::Round { id });
                }
                Effect::Transition(_) | Effect::Incident(..) | Effect::Network(_) | Effect::Change(_) => {
                    self.told.push(effect);
                }
            }
        }
    }

    fn transitions(&self) -> Vec<&Transition> {
        let mut found = Vec::new();
        for effect in &self.told {
            if let Effect::Transition(transition) = effect {
                found.push(transition);
            }
        }
        found
    }

    fn impaired(&self) -> Vec<(State, i64)> {
        let impaired = self
            .transitions()
            .into_iter()
            .filter(|t| t.to.is_impaired() && t.from != t.to);
        impaired.map(|t| (t.to, t.at.as_millis())).collect()
    }

    fn state(&self, target: usize) -> State {
        self.engine.view(at(self.now_ms)).targets[target].state
    }
}

fn good(_: usize, _: bool, _: &mut ChaCha8Rng) -> Outcome {
    Outcome::Good
}

fn up(_: &mut ChaCha8Rng) -> bool {
    true
}

#[test]
fn a_target_is_unknown_until_edge_and_model_are_good() {
    let mut world = World::new(&["p/m"], 3, 60, 1);
    assert_eq!(world.state(0), State::Unknown);
    world.run(1_050, good, up);
    assert_eq!(world.state(0), State::Unknown, "reach alone is never health");
    world.run(2_000, good, up);
    assert_eq!(world.state(0), State::Operational);
}

#[test]
fn overload_on_60_second_probes_is_down_a_second_after_the_first_evidence() {
    let mut returns = Vec::new();
    for seed in 0..20 {
        let mut world = World::new(&["p/m"], 3, 60, seed);
        world.run(600_000, good, up);
        world.told.clear();
        let overloaded = |_, edge: bool, _: &mut ChaCha8Rng| {
            if edge {
                Outcome::Good
            } else {
                Outcome::Status(529, ErrorClass::Overloaded)
            }
        };
        world.run(70_000, overloaded, up);
        let first = world
            .transitions()
            .into_iter()
            .find(|t| t.to == State::Down)
            .unwrap();
        let delay = first.at.since(first.first_evidence.unwrap());
        assert!(delay <= Duration::from_millis(1_000), "seed {seed}: {delay:?}");
        assert_eq!(first.reason.code.as_str(), "overloaded");
        assert_eq!(world.state(0), State::Down);
        // Back over a ramp; how soon is judged over all seeds.
        world.told.clear();
        let over = world.now_ms;
        world.run(120_000, good, up);
        let back = world
            .transitions()
            .into_iter()
            .find(|t| t.to == State::Operational)
            .unwrap();
        returns.push(back.at.as_millis() - over);
        assert_eq!(back.routing.hint, Hint::Ramp);
        let weights: Vec<_> = world
            .transitions()
            .iter()
            .filter_map(|t| t.routing.weight)
            .collect();
        assert!(weights.ends_with(&[0.05, 0.25, 0.5, 1.0]), "{weights:?}");
    }
    returns.sort_unstable();
    assert!(returns[10] <= 55_000 && returns[19] <= 95_000, "{returns:?}");
}

#[test]
fn truncation_at_two_probes_a_second_is_seen_with_its_name() {
    let mut world = World::new(&["p/m"], 3, 60, 7);
    world.canary_ms = 500;
    world.run(60_000, good, up);
    let onset = world.now_ms;
    let cutting = |_, edge: bool, rng: &mut ChaCha8Rng| {
        if !edge && rng.random_bool(0.6) {
            Outcome::Cut
        } else {
            Outcome::Good
        }
    };
    world.run(20_000, cutting, up);
    let (_, found) = world.impaired()[0];
    assert!(found - onset < 6_000, "{}", found - onset);
    let view = world.engine.view(at(world.now_ms));
    let target = &view.targets[0];
    assert!(matches!(target.state, State::Partial | State::Down));
    assert_eq!(target.routing.hint, Hint::Avoid);
    assert_eq!(target.reason.code.as_str(), "truncated");
    assert!(
        target
            .reason
            .text
            .contains("replies ended before a stop reason in 60 s"),
        "{}",
        target.reason.text
    );
    assert_eq!(target.reason.sources, [Source::Canary]);
    assert!(target.incident.is_some(), "open after 15 s");
    // The same with overload: the reason follows.
    let overloaded = |_, edge: bool, _: &mut ChaCha8Rng| {
        if edge {
            Outcome::Good
        } else {
            Outcome::Status(529, ErrorClass::Overloaded)
        }
    };
    world.run(20_000, overloaded, up);
    let view = world.engine.view(at(world.now_ms));
    assert_eq!(
        (view.targets[0].state, view.targets[0].reason.code.as_str()),
        (State::Down, "overloaded")
    );
}

#[test]
fn a_hang_is_seen_soon_after_the_soft_deadline() {
    let mut world = World::new(&["p/m"], 3, 60, 3);
    world.canary_ms = 1_000;
    world.run(400_000, good, up);
    let soft = world.engine.deadlines(&world.ids[0], Length::Short).soft;
    assert!(soft < Duration::from_secs(1));
    world.canary_ms = 60_000;
    world.run(120_000, good, up);
    world.told.clear();
    world.run(100_000, |_, _, _: &mut ChaCha8Rng| Outcome::Hang, up);
    let first = world
        .transitions()
        .into_iter()
        .find(|t| t.to.is_impaired())
        .unwrap();
    let delay = first.at.since(first.first_evidence.unwrap());
    assert!(delay <= soft + Duration::from_millis(1_300), "{delay:?}");
    assert_eq!(first.reason.code.as_str(), "slow");
}

#[test]
fn a_refused_edge_is_down_within_its_acceptance_time() {
    for seed in 0..20 {
        let mut world = World::new(&["p/m", "q/m"], 3, 60, seed);
        world.run(120_000, good, up);
        world.told.clear();
        let refused = |target: usize, _, _: &mut ChaCha8Rng| {
            if target == 0 {
                Outcome::NoConnection
            } else {
                Outcome::Good
            }
        };
        world.run(10_000, refused, up);
        let (state, found) = world.impaired()[0];
        let first = world.transitions()[0]
            .first_evidence
            .or(world.transitions()[1].first_evidence);
        let delay = found - first.unwrap().as_millis();
        assert!(delay <= 1_200, "seed {seed}: {delay}");
        assert_eq!(world.state(0), State::Down, "{state}");
        assert_eq!(world.state(1), State::Operational);
        world.run(60_000, good, up);
        assert_eq!(world.state(0), State::Operational);
    }
}

#[test]
fn our_own_lost_network_makes_everything_unknown_and_nothing_down() {
    for providers in [1, 2, 4] {
        let ids: Vec<String> = (0..providers).map(|i| format!("p{i}/m")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for seed in 0..50 {
            for loss in [1.0, 0.5] {
                let mut world = World::new(&ids, 3, 60, seed);
                world.run(120_000, good, up);
                world.told.clear();
                world.run(
                    30_000,
                    |_, _, rng: &mut ChaCha8Rng| {
                        if rng.random_bool(loss) {
                            Outcome::NoConnection
                        } else {
                            Outcome::Good
                        }
                    },
                    |rng: &mut ChaCha8Rng| !rng.random_bool(loss),
                );
                if loss > 0.9 {
                    assert_eq!(world.state(0), State::Unknown);
                    assert!(world.told.contains(&Effect::Network(Network::Offline)));
                }
                world.run(130_000, good, up);
                assert_eq!(
                    world.impaired(),
                    [],
                    "{providers} providers, seed {seed}, loss {loss}"
                );
                assert_eq!(world.state(0), State::Operational, "seed {seed}");
            }
        }
    }
}

#[test]
fn our_own_key_never_makes_a_target_ill() {
    for (status, class, hint) in [
        (401, ErrorClass::Auth, Hint::Blocked),
        (402, ErrorClass::Quota, Hint::Blocked),
        (429, ErrorClass::RateLimit, Hint::Throttle),
    ] {
        let mut world = World::new(&["p/m"], 3, 60, 5);
        world.run(120_000, good, up);
        world.told.clear();
        let ours = |_, edge: bool, _: &mut ChaCha8Rng| {
            if edge {
                Outcome::Good
            } else {
                Outcome::Status(status, class)
            }
        };
        world.run(3_600_000, ours, up);
        assert_eq!(world.impaired(), [], "{status}");
        let hints: Vec<Hint> = world.transitions().iter().map(|t| t.routing.hint).collect();
        assert!(hints.contains(&hint), "{status}: {hints:?}");
        assert_eq!(world.state(0), State::Unknown, "{status}");
        world.run(120_000, good, up);
        assert_eq!(world.state(0), State::Operational, "{status}");
    }
}

#[test]
fn a_provider_alone_without_anchors_only_becomes_unknown() {
    let mut world = World::new(&["p/m"], 0, 60, 9);
    world.run(120_000, good, up);
    world.told.clear();
    world.run(30_000, |_, _, _: &mut ChaCha8Rng| Outcome::NoConnection, up);
    assert_eq!(world.impaired(), []);
    assert_eq!(world.state(0), State::Unknown);
}

#[test]
fn another_provider_serves_as_anchor() {
    let mut world = World::new(&["p/m", "q/m"], 0, 60, 9);
    world.run(120_000, good, up);
    world.told.clear();
    let one = |target: usize, _, _: &mut ChaCha8Rng| {
        if target == 0 {
            Outcome::NoConnection
        } else {
            Outcome::Good
        }
    };
    world.run(20_000, one, up);
    assert_eq!(
        (world.state(0), world.state(1)),
        (State::Down, State::Operational)
    );
    world.run(120_000, good, up);
    assert_eq!(world.state(0), State::Operational);
    world.told.clear();
    world.run(30_000, |_, _, _: &mut ChaCha8Rng| Outcome::NoConnection, up);
    assert_eq!(world.impaired(), []);
    assert_eq!((world.state(0), world.state(1)), (State::Unknown, State::Unknown));
    world.run(130_000, good, up);
    assert_eq!(
        (world.state(0), world.state(1)),
        (State::Operational, State::Operational)
    );
}
