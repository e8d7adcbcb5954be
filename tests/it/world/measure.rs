//! One fault played once, and what it took to see it and to see it go.

use std::time::Duration;

use endturn::health::State;

use super::{
    Setting, World,
    outcome::{Fault, Kind},
};

/// A row of the acceptance table.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub kind: Kind,
    pub share: f64,
    pub rate: f64,
    pub canary: Option<Duration>,
    pub reach: Option<Duration>,
    pub length: Duration,
    pub flapping: Option<Duration>,
}

impl Case {
    pub fn new(name: &str, kind: Kind, share: f64) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            share,
            rate: 0.0,
            canary: Some(Duration::from_secs(60)),
            reach: None,
            length: Duration::from_secs(600),
            flapping: None,
        }
    }

    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }
}

/// What one run showed, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    pub onset_to_evidence: Option<f64>,
    /// The soft deadline at the onset.
    pub tau: f64,
    pub evidence_to_decision: Option<f64>,
    pub onset_to_decision: Option<f64>,
    pub recovery: Option<f64>,
    pub entries: usize,
    /// The worst state told.
    pub worst: Option<State>,
    pub canaries: u64,
}

/// Plays one case with one seed.
pub fn play(case: &Case, seed: u64) -> Run {
    let mut world = World::new(Setting {
        rate: case.rate,
        canary: case.canary,
        reach: case.reach,
        ..Setting::new(seed)
    });
    // Long enough for a soft deadline of the target's own: 200 samples.
    let warm = if case.rate > 0.0 {
        (260.0 / case.rate).max(300.0)
    } else {
        4.0 * 3_600.0
    };
    world.run_for(Duration::from_secs_f64(warm + (seed % 97) as f64 * 0.61));
    let onset = world.now;
    world.faults.push(Fault {
        provider: 0,
        kind: case.kind,
        share: case.share,
        from: onset,
        to: onset.plus(case.length),
        flapping: case.flapping,
    });
    world.set_mark();
    let sent = world.canaries;
    world.run_for(case.length);
    let canaries = world.canaries - sent;
    let entries = world.entries(0);
    let evidence = world.first_bad(0);
    let tau = world.brain.view(world.now).targets[0].soft_deadline.as_secs_f64();
    let decision = entries.first().copied();
    let worst = world
        .transitions
        .iter()
        .map(|t| t.to)
        .filter(|state| state.is_impaired())
        .max();
    let over = world.now;
    let impaired = world.brain.view(over).targets[0].state != State::Operational;
    world.run_for(Duration::from_secs(400));
    let recovery = if impaired {
        world.recovered(0, over).map(|at| at.since(over).as_secs_f64())
    } else {
        Some(0.0)
    };
    let between = |from: Option<_>, to: Option<endturn::clock::Timestamp>| {
        from.zip(to).map(|(from, to)| to.since(from).as_secs_f64())
    };
    Run {
        onset_to_evidence: between(Some(onset), evidence),
        tau,
        evidence_to_decision: between(evidence, decision),
        onset_to_decision: between(Some(onset), decision),
        recovery,
        entries: entries.len(),
        worst,
        canaries,
    }
}

/// The `q` quantile of what is there; what is missing counts as never.
pub fn quantile(values: impl Iterator<Item = Option<f64>>, q: f64) -> f64 {
    let mut sorted: Vec<f64> = values.map(|value| value.unwrap_or(f64::INFINITY)).collect();
    sorted.sort_by(f64::total_cmp);
    let rank = ((sorted.len() as f64 * q).ceil() as usize).clamp(1, sorted.len()) - 1;
    sorted[rank]
}

/// Entries into ill health of a healthy target in `days`, with a total blip of half a second and two spells of 2 %
/// errors of a minute each day.
pub fn false_alarms(rate: f64, days: u32, seed: u64) -> usize {
    let mut world = World::new(Setting {
        rate,
        ..Setting::new(seed)
    });
    let day = Duration::from_secs(86_400);
    let minute = Duration::from_secs(60);
    // 2 % in all: the background errors go on beside it.
    let spell = 0.02 - Setting::new(seed).background;
    for n in 0..days {
        let morning = super::START.plus(day * n);
        let fault = |from: u64, length: Duration, share: f64| Fault {
            provider: 0,
            kind: Kind::ServerError,
            share,
            from: morning.plus(Duration::from_secs(from)),
            to: morning.plus(Duration::from_secs(from) + length),
            flapping: None,
        };
        world
            .faults
            .push(fault(20_000 + u64::from(n), Duration::from_millis(450), 1.0));
        world.faults.push(fault(40_000, minute, spell));
        world.faults.push(fault(60_000, minute, spell));
    }
    world.run_for(Duration::from_secs(600));
    world.set_mark();
    for _ in 0..days {
        world.run_for(day);
    }
    world.entries(0).len()
}

/// Alarms about providers while our own network loses that share of connections for 30 s.
pub fn own_network(providers: usize, share: f64, anchors: usize, seed: u64) -> (usize, bool) {
    let mut world = World::new(Setting {
        providers,
        anchors,
        reach: Some(Duration::from_secs(1)),
        ..Setting::new(seed)
    });
    world.run_for(Duration::from_secs(300));
    world.set_mark();
    let from = world.now;
    world.lost.push((from, from.plus(Duration::from_secs(30)), share));
    world.run_for(Duration::from_secs(20));
    let unknown = world
        .brain
        .view(world.now)
        .targets
        .iter()
        .all(|target| target.state == State::Unknown);
    world.run_for(Duration::from_secs(70));
    let alarms = (0..providers).map(|n| world.entries(n).len()).sum();
    (alarms, unknown)
}

/// States other than operational and unknown while our own key is refused, spent or limited for an hour.
pub fn own_key(kind: Kind, seed: u64) -> usize {
    let mut world = World::new(Setting {
        reach: Some(Duration::from_secs(5)),
        background: 0.0,
        ..Setting::new(seed)
    });
    world.run_for(Duration::from_secs(300));
    world.set_mark();
    let from = world.now;
    world.faults.push(Fault {
        provider: 0,
        kind,
        share: 1.0,
        from,
        to: from.plus(Duration::from_secs(3_600)),
        flapping: None,
    });
    world.run_for(Duration::from_secs(3_600));
    world.entries(0).len()
}
