//! Observations that are counted and not kept one by one.

use std::collections::BTreeMap;

use super::{
    roll::Level,
    rollup::{Rollup, history_time},
};
use crate::{
    id::TargetId,
    verdict::{Observation, Source},
};

/// Most sums that are held before they are written.
pub const MAX_SUMS: usize = 1_024;

/// What happened to one target in one minute, as one source saw it, beside what is kept one by one. It is added to its
/// minute, and to the hour and day where they are closed already. What such observations cost is nobody's spending:
/// they are real traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    pub(super) target: TargetId,
    pub(super) source: Source,
    /// Minutes since 1970.
    pub(super) minute: i64,
    pub(super) rollup: Rollup,
}

/// Adds observations up until they are written.
#[derive(Debug, Default)]
pub struct Sums(BTreeMap<(TargetId, Source, i64), Rollup>);

impl Sums {
    /// Counts one; `true`: [`MAX_SUMS`] are held, and it is time to write them.
    pub fn add(&mut self, seen: &Observation) -> bool {
        let minute = Level::Minute.bucket(history_time(seen));
        let key = (seen.target.clone(), seen.source, minute);
        self.0.entry(key).or_default().add(seen);
        self.0.len() >= MAX_SUMS
    }

    /// Everything so far, as records for the writer.
    pub fn take(&mut self) -> Vec<Sum> {
        let all = std::mem::take(&mut self.0).into_iter();
        all.map(|((target, source, minute), rollup)| Sum {
            target,
            source,
            minute,
            rollup,
        })
        .collect()
    }
}
