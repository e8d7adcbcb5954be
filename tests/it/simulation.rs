//! The short form of the simulation in virtual time; the long one is `benches/simulation.rs`.

use std::time::Duration;

use endturn::health::State;

use crate::world::{
    Setting, World,
    measure::{self, Case},
    outcome::{Fault, Kind},
};

const SEED: u64 = 20_260_620;

fn seeds() -> impl Iterator<Item = u64> {
    (0..6).map(|n| SEED + n * 7_919)
}

#[test]
fn every_fault_is_found_and_left_again() {
    let edge = |kind| Case {
        reach: Some(Duration::from_secs(1)),
        ..Case::new("edge", kind, 1.0)
    };
    let cases = [
        (edge(Kind::Refused), 3.0),
        (edge(Kind::BlackHole), 5.0),
        (Case::new("529", Kind::Overloaded, 1.0), 65.0),
        (Case::new("529", Kind::Overloaded, 1.0).rate(10.0), 3.0),
        (Case::new("30 %", Kind::ServerError, 0.3).rate(10.0), 12.0),
        (Case::new("cut", Kind::Truncated, 0.2).rate(10.0), 25.0),
        (Case::new("hang", Kind::Hang, 1.0), 75.0),
        (Case::new("slow", Kind::Slow(10.0), 1.0).rate(10.0), 10.0),
    ];
    for (case, limit_s) in cases {
        for seed in seeds() {
            let run = measure::play(&case, seed);
            let found = run.onset_to_decision.is_some_and(|s| s <= limit_s);
            assert!(found, "{} {:?}, seed {seed}: {run:?}", case.name, case.kind);
            assert!(
                run.recovery.is_some(),
                "{} {:?}, seed {seed} never recovered: {run:?}",
                case.name,
                case.kind
            );
        }
    }
}

#[test]
fn a_confirm_burst_decides_within_two_seconds_of_the_first_evidence() {
    for seed in seeds() {
        let run = measure::play(&Case::new("529", Kind::Overloaded, 1.0), seed);
        assert!(
            run.evidence_to_decision.is_some_and(|s| s <= 2.0),
            "seed {seed}: {run:?}"
        );
    }
}

#[test]
fn healthy_days_raise_no_alarm() {
    for rate in [0.0, 1.0, 10.0] {
        assert_eq!(measure::false_alarms(rate, 1, SEED), 0, "{rate} rps, seed {SEED}");
    }
}

#[test]
fn own_network_loss_is_unknown_not_down() {
    for seed in seeds() {
        for providers in [1, 2, 4] {
            let (alarms, unknown) = measure::own_network(providers, 1.0, 3, seed);
            assert_eq!(alarms, 0, "{providers} providers, seed {seed}");
            assert!(
                unknown,
                "{providers} providers, seed {seed}: something was still known without a network"
            );
            assert_eq!(
                measure::own_network(providers, 0.5, 3, seed).0,
                0,
                "{providers} providers, seed {seed}, half"
            );
        }
    }
}

#[test]
fn own_key_trouble_never_impairs() {
    for kind in [Kind::Auth, Kind::Quota, Kind::RateLimit] {
        for seed in seeds() {
            assert_eq!(measure::own_key(kind, seed), 0, "{kind:?}, seed {seed}");
        }
    }
}

#[test]
fn a_seed_gives_the_same_run() {
    let case = Case::new("30 %", Kind::ServerError, 0.3).rate(1.0);
    assert_eq!(measure::play(&case, SEED), measure::play(&case, SEED));
}

#[test]
fn the_budget_holds_through_an_outage() {
    let mut world = World::new(Setting {
        usd_per_day: Some(0.05),
        priced: true,
        ..Setting::new(SEED)
    });
    let day = Duration::from_secs(86_400);
    let from = world.now.plus(Duration::from_secs(3_600));
    world.faults.push(Fault {
        provider: 0,
        kind: Kind::Overloaded,
        share: 0.7,
        from,
        to: from.plus(day),
        flapping: None,
    });
    world.run_for(day - Duration::from_secs(1));
    let spent = world.brain.view(world.now).targets[0].spent_usd_today;
    assert!(spent > 0.0 && spent <= 0.05, "{spent}");
    assert!(world.brain.skipped().budget > 0, "the budget never had to say no");
}

#[test]
fn a_restart_in_the_middle_of_an_outage_goes_on_where_it_was() {
    let mut world = World::new(Setting::new(SEED));
    world.run_for(Duration::from_secs(600));
    let from = world.now;
    let hour = Duration::from_secs(3_600);
    world.faults.push(Fault {
        provider: 0,
        kind: Kind::Truncated,
        share: 1.0,
        from,
        to: from.plus(hour),
        flapping: None,
    });
    world.run_for(Duration::from_secs(300));
    let before = world.brain.view(world.now).targets[0].clone();
    assert_eq!(before.state, State::Down);
    let saved = world.brain.save();
    let mut again = World::new(Setting::new(SEED + 1));
    again.now = world.now.plus(Duration::from_secs(3));
    again.faults = world.faults.clone();
    again.brain.restore(&saved, again.now).expect("its own state");
    again.run_for(Duration::from_secs(120));
    let after = again.brain.view(again.now).targets[0].clone();
    assert_eq!(after.state, State::Down);
    assert_eq!(
        after.incident, before.incident,
        "the incident goes on under its id"
    );
    assert!(after.incident.is_some());
    assert!(
        !again.transitions.iter().any(|t| t.to == State::Operational),
        "{:?}",
        again.transitions
    );
}

#[test]
fn an_outage_is_asked_about_again_and_again() {
    let mut world = World::new(Setting::new(SEED));
    world.run_for(Duration::from_secs(600));
    let from = world.now;
    world.faults.push(Fault {
        provider: 0,
        kind: Kind::Overloaded,
        share: 1.0,
        from,
        to: from.plus(Duration::from_secs(600)),
        flapping: None,
    });
    let sent = world.canaries;
    world.run_for(Duration::from_secs(120));
    assert!(
        world.canaries > sent + 5,
        "{} probes in two minutes of outage",
        world.canaries - sent
    );
}
