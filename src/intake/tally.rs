//! Whose word it is: real traffic of the last hour by reporter, region and answering model, and where it disagrees with
//! the probes.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    clock::Timestamp,
    health::{Rate, wilson::wilson},
    id::TargetId,
    verdict::{Counts, Observation},
};

/// What is remembered of real traffic.
pub const WINDOW: Duration = Duration::from_secs(3_600);
/// Most values of one dimension of a target that are told apart; the rest is counted as [`OTHERS`].
pub const MAX_VALUES: usize = 32;
/// Whatever is not told apart.
pub const OTHERS: &str = "(others)";
/// Whoever doesn't say.
pub const UNTOLD: &str = "(not told)";
/// Most targets whose traffic is told apart: as many as can be configured, and those that reports alone tell of.
const MAX_TARGETS: usize = 1_224;
/// The window moves in so many steps.
const STEPS: i64 = 12;
const STEP_MS: i64 = WINDOW.as_millis() as i64 / STEPS;
/// Fewest attempts on either side for a disagreement.
const ENOUGH: u64 = 5;

/// What traffic is told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// Whose it is.
    Reporter,
    /// Where it comes from.
    Region,
    /// Which model answered.
    Model,
}

impl Dimension {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Reporter, Self::Region, Self::Model];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reporter => "reporter",
            Self::Region => "region",
            Self::Model => "model",
        }
    }

    fn of(self, seen: &Observation) -> &str {
        let value = match self {
            Self::Reporter => &seen.reporter,
            Self::Region => &seen.region,
            Self::Model => &seen.served_model,
        };
        value.as_deref().unwrap_or(UNTOLD)
    }
}

/// One value of a dimension with what was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The value, as the reporter wrote it.
    pub value: String,
    /// What it counted in the window.
    pub counts: Counts,
}

/// Counts that fade step by step.
#[derive(Debug, Clone, Default)]
struct Fading {
    steps: [Counts; STEPS as usize],
    /// The step that was written last.
    last: i64,
}

impl Fading {
    fn add(&mut self, step: i64, counts: Counts) {
        self.roll(step);
        self.steps[step.rem_euclid(STEPS) as usize] += counts;
    }

    fn roll(&mut self, step: i64) {
        for gone in (self.last + 1..=step).take(STEPS as usize) {
            self.steps[gone.rem_euclid(STEPS) as usize] = Counts::default();
        }
        if step - self.last > STEPS {
            self.steps = Default::default();
        }
        self.last = self.last.max(step);
    }

    fn sum(&self, step: i64) -> Counts {
        let mut now = self.clone();
        now.roll(step);
        let mut sum = Counts::default();
        now.steps.into_iter().for_each(|counts| sum += counts);
        sum
    }
}

/// The traffic of every target.
#[derive(Debug, Default)]
pub(super) struct Tally(HashMap<TargetId, [BTreeMap<String, Fading>; 3]>);

fn step(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(STEP_MS)
}

impl Tally {
    pub(super) fn count(&mut self, seen: &Observation, now: Timestamp) {
        let counts = Counts::of(seen);
        let step = step(now);
        if !self.0.contains_key(&seen.target) {
            if self.0.len() >= MAX_TARGETS {
                self.forget(step);
            }
            if self.0.len() >= MAX_TARGETS {
                return;
            }
            self.0.insert(seen.target.clone(), Default::default());
        }
        let Some(dimensions) = self.0.get_mut(&seen.target) else {
            return;
        };
        for (dimension, values) in Dimension::ALL.into_iter().zip(dimensions) {
            let value = dimension.of(seen);
            if values.len() >= MAX_VALUES && !values.contains_key(value) {
                values.retain(|_, fading| fading.sum(step) != Counts::default());
            }
            let room = values.len() < MAX_VALUES || values.contains_key(value);
            let value = if room { value } else { OTHERS };
            match values.get_mut(value) {
                Some(fading) => fading.add(step, counts),
                None => values.entry(value.to_owned()).or_default().add(step, counts),
            }
        }
    }

    /// Targets without traffic in the window go.
    fn forget(&mut self, step: i64) {
        self.0.retain(|_, [reporters, ..]| {
            reporters
                .values()
                .any(|fading| fading.sum(step) != Counts::default())
        });
    }

    /// The values of a dimension in the window, most attempts first.
    pub(super) fn parts(&self, target: &TargetId, dimension: Dimension, now: Timestamp) -> Vec<Part> {
        let step = step(now);
        let values = self
            .0
            .get(target)
            .map(|dimensions| &dimensions[dimension as usize]);
        let mut parts: Vec<Part> = values
            .into_iter()
            .flatten()
            .map(|(value, fading)| Part {
                value: value.clone(),
                counts: fading.sum(step),
            })
            .filter(|part| part.counts != Counts::default())
            .collect();
        parts.sort_by(|a, b| {
            let most = b.counts.attempts.cmp(&a.counts.attempts);
            most.then_with(|| a.value.cmp(&b.value))
        });
        parts
    }
}

/// That probes and real traffic tell different things of the same target.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// Whether the probes fail more; else real traffic does.
    pub probes_fail: bool,
    /// How often probes failed.
    pub probes: Rate,
    /// How often real traffic failed.
    pub traffic: Rate,
    /// Where real traffic fails more than elsewhere, if it is to be told: whose, whence, or which model.
    pub place: Option<(Dimension, Part)>,
}

/// Whether probes and traffic disagree: the 95 % intervals of their failure rates lie apart, over five attempts each at
/// least.
pub fn disagreement(
    probes: Counts,
    traffic: Counts,
    parts: &[(Dimension, Vec<Part>)],
) -> Option<Disagreement> {
    if probes.attempts < ENOUGH || traffic.attempts < ENOUGH {
        return None;
    }
    let of = |counts: Counts| wilson(counts.failed(), counts.attempts);
    let (ours, theirs) = (of(probes)?, of(traffic)?);
    let probes_fail = ours.low > theirs.high;
    if !probes_fail && theirs.low <= ours.high {
        return None;
    }
    let rate = |counts: Counts| Rate::of(counts.failed(), counts.attempts);
    Some(Disagreement {
        probes_fail,
        probes: rate(probes),
        traffic: rate(traffic),
        place: if probes_fail { None } else { place(parts) },
    })
}

/// The value that explains most: it fails clearly more often than all others of its dimension together.
fn place(parts: &[(Dimension, Vec<Part>)]) -> Option<(Dimension, Part)> {
    let mut best: Option<(f64, Dimension, &Part)> = None;
    for (dimension, values) in parts {
        let attempts: u64 = values.iter().map(|part| part.counts.attempts).sum();
        let failed: u64 = values.iter().map(|part| part.counts.failed()).sum();
        for part in values {
            let (n, hits) = (part.counts.attempts, part.counts.failed());
            let others = wilson(failed - hits, attempts - n);
            let (Some(own), Some(others)) = (wilson(hits, n), others) else {
                continue;
            };
            let apart = own.low - others.high;
            if apart > 0.0 && best.is_none_or(|(most, ..)| apart > most) {
                best = Some((apart, *dimension, part));
            }
        }
    }
    best.map(|(_, dimension, part)| (dimension, part.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Source, Truncation, Verdict};

    fn at(s: u64) -> Timestamp {
        Timestamp::from_millis(1_781_960_400_000).plus(Duration::from_secs(s))
    }

    fn seen(reporter: &str, region: Option<&str>, whole: bool) -> Observation {
        let cut = Verdict::Truncated(Truncation::Cut);
        let verdict = if whole { Verdict::Complete } else { cut };
        let mut seen = Observation::new("a/m".parse().unwrap(), at(0), Source::Report, verdict);
        seen.reporter = Some(reporter.to_owned());
        seen.region = region.map(ToOwned::to_owned);
        seen
    }

    fn told(tally: &Tally, dimension: Dimension, s: u64) -> Vec<(String, u64, u64)> {
        let parts = tally.parts(&"a/m".parse().unwrap(), dimension, at(s));
        let told = |part: Part| (part.value, part.counts.attempts, part.counts.failed());
        parts.into_iter().map(told).collect()
    }

    #[test]
    fn traffic_is_told_apart_and_fades_with_its_hour() {
        let mut tally = Tally::default();
        for n in 0..6 {
            tally.count(&seen("x", Some("fra"), n > 0), at(0));
        }
        tally.count(&seen("y", None, true), at(1_800));
        assert_eq!(
            told(&tally, Dimension::Reporter, 1_800),
            [("x".to_owned(), 6, 1), ("y".to_owned(), 1, 0)]
        );
        assert_eq!(
            told(&tally, Dimension::Region, 1_800),
            [("fra".to_owned(), 6, 1), (UNTOLD.to_owned(), 1, 0)]
        );
        assert_eq!(told(&tally, Dimension::Model, 1_800), [(UNTOLD.to_owned(), 7, 1)]);
        assert_eq!(told(&tally, Dimension::Reporter, 3_600), [("y".to_owned(), 1, 0)]);
        assert!(told(&tally, Dimension::Reporter, 5_400).is_empty());
        // Long silence leaves nothing behind.
        tally.count(&seen("x", None, true), at(1_000_000));
        assert_eq!(
            told(&tally, Dimension::Reporter, 1_000_000),
            [("x".to_owned(), 1, 0)]
        );
    }

    #[test]
    fn values_are_bounded_and_none_is_lost() {
        let mut tally = Tally::default();
        for n in 0..100 {
            tally.count(&seen(&format!("r{n}"), None, true), at(0));
        }
        let parts = told(&tally, Dimension::Reporter, 0);
        assert_eq!(parts.len(), MAX_VALUES + 1);
        assert_eq!(parts[0], (OTHERS.to_owned(), 100 - MAX_VALUES as u64, 0));
        // What has faded makes room.
        tally.count(&seen("new", None, true), at(4_000));
        assert_eq!(
            told(&tally, Dimension::Reporter, 4_000),
            [("new".to_owned(), 1, 0)]
        );
    }

    #[test]
    fn targets_are_bounded() {
        let mut tally = Tally::default();
        let mut one = |n: usize, s: u64| {
            let mut seen = seen("x", None, true);
            seen.target = format!("a/{n}").parse().unwrap();
            tally.count(&seen, at(s));
            tally.0.len()
        };
        for n in 0..MAX_TARGETS {
            assert_eq!(one(n, 0), n + 1);
        }
        assert_eq!(one(MAX_TARGETS, 0), MAX_TARGETS);
        assert_eq!(one(MAX_TARGETS, 3_600), 1);
    }

    #[test]
    fn a_disagreement_names_who_fails_and_where() {
        let counts = |attempts, truncated| Counts {
            attempts,
            truncated,
            ..Counts::default()
        };
        let part = |value: &str, attempts, truncated| Part {
            value: value.to_owned(),
            counts: counts(attempts, truncated),
        };
        let parts = vec![
            (Dimension::Reporter, vec![part("x", 100, 20), part("y", 100, 20)]),
            (Dimension::Region, vec![part("fra", 150, 0), part("iad", 50, 40)]),
        ];
        let found = disagreement(counts(60, 0), counts(200, 40), &parts).unwrap();
        assert!(!found.probes_fail);
        assert_eq!(found.place, Some((Dimension::Region, part("iad", 50, 40))));
        // Everybody's traffic fails alike: no place is named.
        let found = disagreement(counts(60, 0), counts(200, 40), &parts[..1]).unwrap();
        assert_eq!(found.place, None);
        let found = disagreement(counts(60, 30), counts(200, 2), &parts).unwrap();
        assert!(found.probes_fail && found.place.is_none());
        for (probes, traffic) in [
            (counts(60, 6), counts(200, 20)),
            (counts(4, 4), counts(200, 0)),
            (counts(60, 0), counts(4, 4)),
            (counts(60, 0), counts(0, 0)),
        ] {
            assert_eq!(
                disagreement(probes, traffic, &parts),
                None,
                "{probes:?} {traffic:?}"
            );
        }
    }
}
