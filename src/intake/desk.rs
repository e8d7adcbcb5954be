//! Where reports come in: each counts once, and each reporter has its figures.

use std::collections::HashMap;

use super::{
    body::Item,
    hall::no_room,
    recent::Recent,
    report::Names,
    tally::{Dimension, Part, Tally},
};
use crate::{
    clock::Timestamp,
    id::TargetId,
    verdict::{Observation, Trust},
};

/// Most reporters that are told apart; beyond it the one that was silent longest is forgotten. Their ids take some
/// 100 MiB at most.
pub const MAX_REPORTERS: usize = 250;
/// Whoever gives no name.
const NAMELESS: &str = "anonymous";

/// What became of the reports of one body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Taken in.
    pub accepted: usize,
    /// Known already.
    pub duplicates: usize,
    /// Wrong, in the order of the body.
    pub rejected: Vec<Rejected>,
}

/// A report that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its place in the body, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// What one reporter told since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reporter {
    /// Taken in.
    pub accepted: u64,
    /// Sent twice.
    pub duplicates: u64,
    /// Wrong.
    pub rejected: u64,
    /// Truncated or errored, among those taken in.
    pub failed: u64,
    /// When it was last heard.
    pub last_at: Timestamp,
}

impl Reporter {
    fn count(&mut self, seen: &Observation) {
        self.accepted += 1;
        self.failed += u64::from(seen.is_failure());
    }
}

/// The outcome of one body.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// To be judged, in the order of the body.
    pub(super) observations: Vec<Observation>,
    /// For whoever sent it.
    pub(super) receipt: Receipt,
}

#[derive(Debug, Default)]
struct Known {
    figures: Reporter,
    recent: Recent,
}

/// Everybody who reports.
#[derive(Debug, Default)]
pub(super) struct Desk {
    reporters: HashMap<String, Known>,
    names: Names,
    tally: Tally,
}

impl Desk {
    /// Takes the items of a body, received now from somebody of that trust. `admit` says whether there is room for a
    /// target.
    pub(super) fn take(
        &mut self,
        items: Vec<Item<'_>>,
        trust: Trust,
        now: Timestamp,
        mut admit: impl FnMut(&TargetId) -> bool,
    ) -> Taken {
        let mut taken = Taken::default();
        for (index, item) in items.into_iter().enumerate() {
            let read = item.and_then(|report| {
                let seen = report.observation(&mut self.names, trust, now)?;
                if admit(&seen.target) {
                    Ok((report.id, seen))
                } else {
                    Err(no_room(&seen.target))
                }
            });
            match read {
                Ok((id, seen)) => self.report(id.as_deref(), seen, now, &mut taken),
                Err(reason) => {
                    // A report that is wrong is nobody's: its name may be wrong too.
                    self.known(NAMELESS, now).figures.rejected += 1;
                    taken.receipt.rejected.push(Rejected { index, reason });
                }
            }
        }
        taken
    }

    fn report(&mut self, id: Option<&str>, seen: Observation, now: Timestamp, taken: &mut Taken) {
        let known = self.known(seen.reporter.as_deref().unwrap_or(NAMELESS), now);
        if id.is_some_and(|id| !known.recent.first_time(id, now)) {
            known.figures.duplicates += 1;
            taken.receipt.duplicates += 1;
        } else {
            known.figures.count(&seen);
            self.tally.count(&seen, now);
            taken.receipt.accepted += 1;
            taken.observations.push(seen);
        }
    }

    /// Counts an observation that came another way than as a report.
    pub(super) fn note(&mut self, seen: &Observation, now: Timestamp) {
        let known = self.known(seen.reporter.as_deref().unwrap_or(NAMELESS), now);
        known.figures.count(seen);
        self.tally.count(seen, now);
    }

    /// Real traffic of the last hour by that dimension, most attempts first.
    pub(super) fn parts(&self, target: &TargetId, dimension: Dimension, now: Timestamp) -> Vec<Part> {
        self.tally.parts(target, dimension, now)
    }

    fn known(&mut self, name: &str, now: Timestamp) -> &mut Known {
        if !self.reporters.contains_key(name) {
            if self.reporters.len() == MAX_REPORTERS {
                self.forget_one();
            }
            self.reporters.insert(name.to_owned(), Known::default());
        }
        let known = self
            .reporters
            .get_mut(name)
            .expect("it is there, or was put there");
        known.figures.last_at = now;
        known
    }

    fn forget_one(&mut self) {
        let silent = self
            .reporters
            .iter()
            .min_by_key(|(_, known)| known.figures.last_at);
        if let Some(name) = silent.map(|(name, _)| name.clone()) {
            self.reporters.remove(&name);
        }
    }

    /// Everybody who was heard, most reports first.
    pub(super) fn reporters(&self) -> Vec<(String, Reporter)> {
        let figures = |(name, known): (&String, &Known)| (name.clone(), known.figures);
        let mut all: Vec<_> = self.reporters.iter().map(figures).collect();
        all.sort_by(|(a, one), (b, other)| other.accepted.cmp(&one.accepted).then_with(|| a.cmp(b)));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::intake::body::{Format, items};

    fn at(s: u64) -> Timestamp {
        Timestamp::from_millis(1_781_960_400_000).plus(Duration::from_secs(s))
    }

    fn take(desk: &mut Desk, body: &str, s: u64) -> Taken {
        let items = items(body.as_bytes(), Format::Json).unwrap();
        desk.take(items, Trust::Full, at(s), |target| {
            target.provider().as_str() != "full"
        })
    }

    #[test]
    fn each_counts_once_and_each_wrong_one_is_told() {
        let mut desk = Desk::default();
        let body = r#"[{"id":"1","target":"a/m","verdict":"complete","reporter":"x"},
                       {"id":"1","target":"a/m","verdict":"truncated","reporter":"x"},
                       {"id":"1","target":"a/m","verdict":"truncated","reporter":"y"},
                       {"target":"a/m","verdict":"truncated"},
                       {"target":"a/m","verdict":"truncated"},
                       {"target":"nobody","verdict":"complete"}, 7,
                       {"id":"2","target":"full/m","verdict":"complete","reporter":"x"}]"#;
        let taken = take(&mut desk, body, 0);
        assert_eq!((taken.receipt.accepted, taken.receipt.duplicates), (4, 1));
        assert_eq!(taken.observations.len(), 4);
        let rejected: Vec<usize> = taken.receipt.rejected.iter().map(|r| r.index).collect();
        assert_eq!(rejected, [5, 6, 7]);
        // The same body again: what has an id is known, what has none counts again.
        let again = take(&mut desk, body, 1);
        assert_eq!((again.receipt.accepted, again.receipt.duplicates), (2, 3));
        let figures: Vec<_> = desk
            .reporters()
            .into_iter()
            .map(|(name, f)| (name, f.accepted, f.duplicates, f.rejected, f.failed))
            .collect();
        assert_eq!(
            figures,
            [
                ("anonymous".to_owned(), 4, 0, 6, 4),
                ("x".to_owned(), 1, 3, 0, 0),
                ("y".to_owned(), 1, 1, 0, 1),
            ]
        );
    }

    #[test]
    fn a_rejected_report_leaves_its_id_free() {
        let mut desk = Desk::default();
        let wrong = r#"{"id":"1","target":"a/m","verdict":"complet","reporter":"x"}"#;
        assert_eq!(take(&mut desk, wrong, 0).receipt.rejected.len(), 1);
        assert_eq!(
            take(&mut desk, &wrong.replace("complet", "complete"), 0)
                .receipt
                .accepted,
            1
        );
    }

    #[test]
    fn reporters_are_bounded_and_the_silent_one_goes() {
        let mut desk = Desk::default();
        let tell = |desk: &mut Desk, n: usize, s: u64| {
            let body = format!(r#"{{"target":"a/m","verdict":"complete","reporter":"r{n}"}}"#);
            take(desk, &body, s);
        };
        for n in 0..MAX_REPORTERS {
            tell(&mut desk, n, n as u64);
        }
        tell(&mut desk, 0, 5_000);
        tell(&mut desk, MAX_REPORTERS, 5_001);
        let names: Vec<String> = desk.reporters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), MAX_REPORTERS);
        assert!(names.contains(&"r0".to_owned()) && !names.contains(&"r1".to_owned()));
    }
}
