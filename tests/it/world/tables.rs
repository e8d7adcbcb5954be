//! The acceptance table of the detector: target against reached.

use std::{fmt::Write as _, time::Duration};

use endturn::{clock::Timestamp, health::Transition};

use super::{
    Setting, World,
    measure::{self, Case, Run, quantile},
    outcome::{Fault, Kind},
};

use Target::{Decision, Entries, Onset, Recovery};

/// What a row is held against, in seconds.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// First evidence to decision, at a quantile.
    Decision(f64, f64),
    /// Onset to decision, at a quantile.
    Onset(f64, f64),
    /// End of the fault to operational, at a quantile.
    Recovery(f64, f64),
    /// First evidence to decision less the soft deadline, at a quantile: a confirming probe shows a hang only then.
    BeyondTau(f64, f64),
    /// Mean entries into ill health.
    Entries(f64),
}

impl Target {
    fn reached(self, runs: &[Run]) -> (String, f64, f64) {
        let at = |q: f64, pick: fn(&Run) -> Option<f64>| quantile(runs.iter().map(pick), q);
        let p = |q: f64| (q * 100.0) as u32;
        match self {
            Self::Decision(q, s) => (
                format!("evidence to decision p{}", p(q)),
                s,
                at(q, |run| run.evidence_to_decision),
            ),
            Self::Onset(q, s) => (
                format!("onset to decision p{}", p(q)),
                s,
                at(q, |run| run.onset_to_decision),
            ),
            Self::Recovery(q, s) => (format!("recovery p{}", p(q)), s, at(q, |run| run.recovery)),
            Self::BeyondTau(q, s) => (
                format!("evidence to decision less tau p{}", p(q)),
                s,
                at(q, |run| run.evidence_to_decision.map(|s| s - run.tau)),
            ),
            Self::Entries(n) => {
                let mean = runs.iter().map(|run| run.entries as f64).sum::<f64>() / runs.len() as f64;
                ("entries per incident, mean".to_owned(), n, mean)
            }
        }
    }
}

fn edge(name: &str, kind: Kind) -> Case {
    Case {
        reach: Some(Duration::from_secs(1)),
        ..Case::new(name, kind, 1.0)
    }
}

fn busy(name: &str, kind: Kind, share: f64, rate: f64) -> Case {
    Case::new(&format!("{name}, {rate} rps"), kind, share).rate(rate)
}

/// Nothing comes, or nothing but errors.
fn outages() -> Vec<(Case, Vec<Target>)> {
    let all = Kind::Overloaded;
    vec![
        (
            edge("refused, 1 s edge probes", Kind::Refused),
            vec![Decision(0.95, 0.8), Onset(0.5, 1.0), Onset(0.95, 1.6)],
        ),
        (
            edge("black-holed, 1 s edge probes", Kind::BlackHole),
            vec![Decision(0.95, 1.2), Onset(0.5, 1.9), Onset(0.95, 2.5)],
        ),
        (
            Case::new("100 % 529, 60 s probes", all, 1.0),
            vec![
                Decision(0.95, 1.0),
                Onset(0.5, 33.0),
                Onset(0.95, 60.0),
                Recovery(0.5, 55.0),
                Recovery(0.95, 95.0),
                Entries(1.2),
            ],
        ),
        (
            busy("100 % 529", all, 1.0, 1.0),
            vec![
                Decision(0.95, 1.0),
                Onset(0.95, 4.5),
                Recovery(0.5, 25.0),
                Entries(1.2),
            ],
        ),
        (
            busy("100 % 529", all, 1.0, 10.0),
            vec![
                Decision(0.95, 1.4),
                Onset(0.95, 1.7),
                Recovery(0.5, 15.0),
                Entries(1.2),
            ],
        ),
        (
            busy("100 % 529", all, 1.0, 100.0),
            vec![
                Decision(0.95, 0.9),
                Onset(0.95, 1.0),
                Recovery(0.5, 15.0),
                Entries(1.2),
            ],
        ),
        (
            Case::new("hang, 60 s probes", Kind::Hang, 1.0),
            vec![Target::BeyondTau(0.95, 1.3), Entries(1.2)],
        ),
    ]
}

/// A part of the replies fails.
fn partial() -> Vec<(Case, Vec<Target>)> {
    let some = Kind::ServerError;
    vec![
        (
            Case::new("60 % 5xx, 60 s probes", some, 0.6),
            vec![Onset(0.5, 70.0), Entries(1.2)],
        ),
        (
            busy("60 % 5xx", some, 0.6, 10.0),
            vec![Onset(0.95, 2.7), Recovery(0.5, 15.0), Entries(1.2)],
        ),
        (
            busy("60 % 5xx", some, 0.6, 100.0),
            vec![Onset(0.95, 1.2), Recovery(0.5, 15.0), Entries(1.2)],
        ),
        (
            busy("30 % 5xx", some, 0.3, 1.0),
            vec![Onset(0.95, 25.0), Recovery(0.5, 25.0), Entries(1.2)],
        ),
        (
            busy("30 % 5xx", some, 0.3, 10.0),
            vec![Onset(0.95, 6.0), Recovery(0.5, 15.0), Entries(1.2)],
        ),
        (
            busy("30 % 5xx", some, 0.3, 100.0),
            vec![Onset(0.95, 1.3), Recovery(0.5, 15.0), Entries(1.2)],
        ),
        (
            busy("20 % truncated", Kind::Truncated, 0.2, 10.0),
            vec![Onset(0.95, 11.0), Entries(1.2)],
        ),
        (
            busy("5 % truncated", Kind::Truncated, 0.05, 10.0),
            vec![Onset(0.95, 80.0), Entries(1.8)],
        ),
        (
            busy("20 % truncated", Kind::Truncated, 0.2, 100.0),
            vec![Onset(0.95, 3.0), Entries(1.2)],
        ),
        (
            busy("5 % truncated", Kind::Truncated, 0.05, 100.0),
            vec![Onset(0.95, 10.5), Entries(1.8)],
        ),
        (
            Case {
                flapping: Some(Duration::from_secs(20)),
                ..busy("20 s on, 20 s off", some, 1.0, 10.0)
            },
            vec![Entries(3.0)],
        ),
    ]
}

/// First tokens come late.
fn slow() -> Vec<(Case, Vec<Target>)> {
    vec![
        (
            busy("TTFT x3", Kind::Slow(3.0), 1.0, 10.0),
            vec![Onset(0.95, 6.5), Entries(1.2)],
        ),
        (
            busy("TTFT x10", Kind::Slow(10.0), 1.0, 10.0),
            vec![Onset(0.95, 4.0), Entries(1.2)],
        ),
        (
            Case::new("TTFT x3, 60 s probes", Kind::Slow(3.0), 1.0),
            vec![Onset(0.5, 75.0)],
        ),
        (
            Case::new("TTFT x10, 60 s probes", Kind::Slow(10.0), 1.0),
            vec![Onset(0.5, 40.0)],
        ),
    ]
}

/// Every row of the specification.
pub fn rows() -> Vec<(Case, Vec<Target>)> {
    [outages(), partial(), slow()].concat()
}

/// One line of a report: what, where it should be, where it is.
#[derive(Debug, Clone)]
pub struct Line {
    pub what: String,
    pub target: f64,
    pub reached: f64,
    pub unit: &'static str,
}

impl Line {
    pub fn ok(&self) -> bool {
        self.reached <= self.target + 1e-9
    }
}

/// Plays every row `runs` times.
pub fn faults(runs: u64, seed: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    for (case, targets) in rows() {
        let played: Vec<Run> = (0..runs)
            .map(|n| measure::play(&case, seed.wrapping_add(n * 7_919)))
            .collect();
        for target in targets {
            let (what, limit, reached) = target.reached(&played);
            let unit = if matches!(target, Target::Entries(_)) {
                ""
            } else {
                " s"
            };
            lines.push(Line {
                what: format!("{}: {what}", case.name),
                target: limit,
                reached,
                unit,
            });
        }
    }
    lines
}

/// Alarms that must not be.
pub fn quiet(scale: f64, runs: u64, seed: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    for (rate, days, limit) in [
        (0.0, 90.0, 0.5),
        (1.0, 30.0, 0.5),
        (10.0, 14.0, 0.5),
        (100.0, 3.0, 1.0),
    ] {
        let days = ((days * scale) as u32).max(1);
        let alarms = measure::false_alarms(rate, days, seed);
        lines.push(Line {
            what: format!("false alarms a stream-month, {rate} rps, {days} days"),
            target: limit,
            reached: alarms as f64 * 30.0 / f64::from(days),
            unit: "",
        });
    }
    for providers in [1, 2, 4] {
        for share in [1.0, 0.5] {
            let alarms: usize = (0..runs)
                .map(|n| measure::own_network(providers, share, 3, seed + n).0)
                .sum();
            lines.push(Line {
                what: format!(
                    "own network loses {:.0} % for 30 s, {providers} providers, {runs} runs: alarms",
                    share * 100.0
                ),
                target: 0.0,
                reached: alarms as f64,
                unit: "",
            });
        }
    }
    for (name, kind) in [
        ("401", Kind::Auth),
        ("402", Kind::Quota),
        ("429", Kind::RateLimit),
    ] {
        lines.push(Line {
            what: format!("own {name} for an hour: entries into ill health"),
            target: 0.0,
            reached: measure::own_key(kind, seed) as f64,
            unit: "",
        });
    }
    lines
}

/// One planned incident.
struct Planned {
    name: String,
    provider: usize,
    from: Timestamp,
    to: Timestamp,
}

/// The incidents of the recorded schedule that begin before `end`, with their faults.
fn schedule(end: Timestamp) -> Vec<(Planned, Fault)> {
    let mut planned = Vec::new();
    for row in include_str!("../../vectors/incidents.csv").lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let number = |n: usize| cells[n].parse::<f64>().unwrap_or(0.0);
        let provider = usize::from(cells[1] == "beta");
        let from = super::START.plus(Duration::from_secs_f64(number(2)));
        let to = from.plus(Duration::from_secs_f64(number(3)));
        if from >= end {
            continue;
        }
        let (kind, share) = match cells[5] {
            "overload_529" => (Kind::Overloaded, number(6)),
            "error_5xx" | "flapping" => (Kind::ServerError, number(6)),
            "truncation" => (Kind::Truncated, number(6)),
            "brownout" => (Kind::Slow(number(6)), 1.0),
            "hang" => (Kind::Hang, number(6)),
            "refused" => (Kind::Refused, number(6)),
            _ => (Kind::BlackHole, number(6)),
        };
        let flapping = (cells[5] == "flapping").then(|| Duration::from_secs(20));
        let minutes = number(3) / 60.0;
        let name = format!("{} {} {} for {minutes:.0} min", cells[0], cells[5], cells[6]);
        planned.push((
            Planned {
                name,
                provider,
                from,
                to,
            },
            Fault {
                provider,
                kind,
                share,
                from,
                to,
                flapping,
            },
        ));
    }
    planned
}

/// Seconds from the onset until the target was impaired; 0 where it still was.
fn delay(world: &World, planned: &Planned) -> Option<f64> {
    let entry = world
        .entries(planned.provider)
        .into_iter()
        .find(|at| (planned.from..planned.to).contains(at));
    let of = format!("p{}", planned.provider);
    let before = |t: &&Transition| t.at < planned.from && t.target.provider().as_str() == of;
    match entry {
        Some(at) => Some(at.since(planned.from).as_secs_f64()),
        None => world
            .transitions
            .iter()
            .rfind(before)
            .filter(|t| t.to.is_impaired())
            .map(|_| 0.0),
    }
}

/// The recorded schedule of incidents, for that many days: found, missed, false, and the delays.
pub fn month(days: u64, rate: f64, seed: u64) -> String {
    let mut world = World::new(Setting {
        providers: 2,
        rate,
        reach: Some(Duration::from_secs(5)),
        ..Setting::new(seed)
    });
    let length = Duration::from_secs(days * 86_400);
    let (planned, faults): (Vec<_>, Vec<_>) = schedule(super::START.plus(length)).into_iter().unzip();
    world.faults = faults;
    world.run_for(length);
    let mut out = format!(
        "month: {days} days, {} incidents, {rate} rps, seed {seed}\n",
        planned.len()
    );
    let delays: Vec<Option<f64>> = planned.iter().map(|planned| delay(&world, planned)).collect();
    for (planned, delay) in planned.iter().zip(&delays) {
        let said = delay.map_or("missed".to_owned(), |delay| format!("found after {delay:.1} s"));
        let _ = writeln!(out, "  {}: {said}", planned.name);
    }
    // An alarm outside of every incident and five minutes after it is false.
    let slack = Duration::from_secs(300);
    let of_an_incident = |n: usize, at: Timestamp| {
        planned
            .iter()
            .any(|p| p.provider == n && (p.from..p.to.plus(slack)).contains(&at))
    };
    let entries = (0..2).flat_map(|n| world.entries(n).into_iter().map(move |at| (n, at)));
    let stray = entries.filter(|(n, at)| !of_an_incident(*n, *at)).count();
    let found: Vec<f64> = delays.iter().flatten().copied().collect();
    let median = if found.is_empty() {
        0.0
    } else {
        quantile(found.iter().copied().map(Some), 0.5)
    };
    let _ = writeln!(
        out,
        "  found {} of {}, false alarms {stray}, delay p50 {median:.1} s; {} canaries, {} observations",
        found.len(),
        planned.len(),
        world.canaries,
        world.observations,
    );
    out
}

/// The lines as a table.
pub fn print(lines: &[Line]) -> String {
    let mut out = String::new();
    for line in lines {
        let mark = if line.ok() { "  " } else { "! " };
        let _ = writeln!(
            out,
            "{mark}{:<72} target {:>7.2}{:<2} reached {:>8.2}{}",
            line.what, line.target, line.unit, line.reached, line.unit
        );
    }
    out
}
