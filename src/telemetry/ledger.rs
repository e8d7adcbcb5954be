//! What was counted since start, by target and source: one entry an observation, whatever the store makes of it.
//!
//! The loop adds, scrapes and exports copy. A reader holds one target's lock at a time and no longer than it takes to
//! copy it, so nobody who reads holds up the loop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    histogram::Histogram,
    names::{self, Phase},
};
use crate::{
    clock::Timestamp,
    id::TargetId,
    protocol::ErrorClass,
    verdict::{Counts, Observation, Phases, Source, Truncation, Verdict},
};

/// Verdict families that an outcome can be, beside [`names::OWN`].
pub(super) const OUTCOMES: [&str; 8] = [
    "complete",
    "truncated",
    "limited",
    "refused",
    "off_script",
    "errored",
    "unknown",
    names::OWN,
];

/// What came of it, as an index into [`OUTCOMES`]. Its counterpart for rates is [`Counts`].
pub(super) fn outcome(verdict: Verdict) -> usize {
    if Counts::of_verdict(verdict).ours > 0 {
        return OUTCOMES.len() - 1;
    }
    match verdict {
        Verdict::Complete => 0,
        Verdict::Truncated(_) => 1,
        Verdict::Limited => 2,
        Verdict::Refused => 3,
        Verdict::OffScript(_) => 4,
        Verdict::Errored(_) => 5,
        Verdict::Unknown => 6,
    }
}

/// Lengths of the phases that were finished.
pub(super) fn phase_lengths(phases: &Phases) -> [Option<Duration>; Phase::ALL.len()] {
    let between = |from: Option<Duration>, to: Option<Duration>| to?.checked_sub(from?);
    let end = phases.terminal.or(phases.end);
    [
        phases.dns,
        phases.connect,
        phases.head,
        between(phases.head, phases.first_token),
        between(phases.first_token, end),
    ]
}

/// What one source saw of one target.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) counts: Counts,
    pub(super) outcomes: [u64; OUTCOMES.len()],
    pub(super) truncations: [u64; Truncation::ALL.len()],
    /// Errors of the provider and failures of our own; the class tells which.
    pub(super) errors: [u64; ErrorClass::ALL.len()],
    pub(super) own: [u64; ErrorClass::ALL.len()],
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) reasoning_tokens: u64,
    pub(super) cost_usd: f64,
    pub(super) ttft: Histogram,
    pub(super) ttfo: Histogram,
    pub(super) itl: Histogram,
    pub(super) e2e: Histogram,
    pub(super) phases: [Histogram; Phase::ALL.len()],
    pub(super) last: Timestamp,
}

impl Cell {
    fn new() -> Self {
        let latency = || Histogram::new(names::LATENCY_BOUNDS);
        Self {
            counts: Counts::default(),
            outcomes: [0; OUTCOMES.len()],
            truncations: [0; Truncation::ALL.len()],
            errors: [0; ErrorClass::ALL.len()],
            own: [0; ErrorClass::ALL.len()],
            input_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            cost_usd: 0.0,
            ttft: latency(),
            ttfo: latency(),
            itl: Histogram::new(names::ITL_BOUNDS),
            e2e: latency(),
            phases: Phase::ALL.map(|_| Histogram::new(names::PHASE_BOUNDS)),
            last: Timestamp::default(),
        }
    }

    fn add(&mut self, seen: &Observation) {
        let counts = Counts::of(seen);
        self.counts += counts;
        self.outcomes[outcome(seen.verdict)] += 1;
        match seen.verdict {
            Verdict::Truncated(kind) => self.truncations[kind as usize] += counts.truncated,
            Verdict::Errored(failure) => {
                self.errors[failure.class as usize] += counts.errors;
                self.own[failure.class as usize] += counts.ours;
            }
            _ => {}
        }
        self.input_tokens += seen.usage.input.unwrap_or(0);
        self.output_tokens += seen.usage.output.unwrap_or(0);
        self.reasoning_tokens += seen.usage.reasoning.unwrap_or(0);
        if seen.cost_usd.is_finite() && seen.cost_usd > 0.0 {
            self.cost_usd += seen.cost_usd;
        }
        if seen.verdict == Verdict::Complete && seen.source != Source::Reach {
            let figures = [
                (&mut self.ttft, seen.ttft()),
                (&mut self.ttfo, seen.phases.first_output),
                (&mut self.itl, seen.itl()),
                (&mut self.e2e, seen.e2e()),
            ];
            for (histogram, span) in figures {
                if let Some(span) = span {
                    histogram.add(span);
                }
            }
        }
        if seen.source.is_probe() {
            for (histogram, length) in self.phases.iter_mut().zip(phase_lengths(&seen.phases)) {
                if let Some(length) = length {
                    histogram.add(length);
                }
            }
        }
        self.last = self.last.max(seen.at);
    }

    /// Adds what another cell counted.
    pub(super) fn join(&mut self, other: &Self) {
        let add = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        self.counts += other.counts;
        add(&mut self.outcomes, &other.outcomes);
        add(&mut self.truncations, &other.truncations);
        add(&mut self.errors, &other.errors);
        add(&mut self.own, &other.own);
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.cost_usd += other.cost_usd;
        self.ttft.join(&other.ttft);
        self.ttfo.join(&other.ttfo);
        self.itl.join(&other.itl);
        self.e2e.join(&other.e2e);
        for (to, from) in self.phases.iter_mut().zip(&other.phases) {
            to.join(from);
        }
        self.last = self.last.max(other.last);
    }
}

/// What each source saw of one target.
type Sources = [Option<Box<Cell>>; Source::ALL.len()];

/// Probes that were due and not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NotSent {
    /// The one before was still under way.
    pub overdue: u64,
    /// No money left.
    pub budget: u64,
    /// Held back for an overloaded provider.
    pub polite: u64,
    /// Rested while real traffic told enough.
    pub resting: u64,
}

/// How the loop is doing.
#[derive(Debug, Clone)]
pub(super) struct Rounds {
    pub(super) last: Timestamp,
    pub(super) lag: Histogram,
    pub(super) in_flight: u64,
    pub(super) not_sent: NotSent,
}

/// Cumulative counts. The loop writes, everybody reads.
#[derive(Debug)]
pub struct Ledger {
    targets: Mutex<HashMap<TargetId, Arc<Mutex<Sources>>>>,
    rounds: Mutex<Rounds>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            targets: Mutex::default(),
            rounds: Mutex::new(Rounds {
                last: Timestamp::default(),
                lag: Histogram::new(names::LAG_BOUNDS),
                in_flight: 0,
                not_sent: NotSent::default(),
            }),
        }
    }
}

/// Counts stay whole even if another holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Counts one observation, exactly once.
    pub fn add(&self, seen: &Observation) {
        let mut targets = lock(&self.targets);
        let sources = match targets.get(&seen.target) {
            Some(sources) => Arc::clone(sources),
            None => Arc::clone(targets.entry(seen.target.clone()).or_default()),
        };
        drop(targets);
        let mut sources = lock(&sources);
        sources[seen.source as usize]
            .get_or_insert_with(|| Box::new(Cell::new()))
            .add(seen);
    }

    /// Forgets targets that are no longer watched: their series end.
    pub fn retain(&self, is_watched: impl Fn(&TargetId) -> bool) {
        lock(&self.targets).retain(|target, _| is_watched(target));
    }

    /// The loop made a round at `now`; `lag`: how late it came to what was due, where something was.
    pub fn round(&self, now: Timestamp, lag: Option<Duration>) {
        let mut rounds = lock(&self.rounds);
        rounds.last = now;
        if let Some(lag) = lag {
            rounds.lag.add(lag);
        }
    }

    /// Probes under way, and those that were not sent since start.
    pub fn probes(&self, in_flight: usize, not_sent: NotSent) {
        let mut rounds = lock(&self.rounds);
        (rounds.in_flight, rounds.not_sent) = (in_flight as u64, not_sent);
    }

    /// A copy of every cell, in the order of the targets' names.
    pub(super) fn cells(&self) -> Vec<(TargetId, Source, Cell)> {
        let mut targets: Vec<(TargetId, Arc<Mutex<Sources>>)> = lock(&self.targets)
            .iter()
            .map(|(target, sources)| (target.clone(), Arc::clone(sources)))
            .collect();
        targets.sort_by(|a, b| a.0.cmp(&b.0));
        let mut cells = Vec::new();
        for (target, sources) in targets {
            let sources = lock(&sources).clone();
            for (source, cell) in Source::ALL.into_iter().zip(sources) {
                cells.extend(cell.map(|cell| (target.clone(), source, *cell)));
            }
        }
        cells
    }

    /// A copy of how the loop is doing.
    pub(super) fn rounds(&self) -> Rounds {
        lock(&self.rounds).clone()
    }
}

#[cfg(test)]
mod tests;
