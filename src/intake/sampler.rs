//! Which reports are kept one by one. All of them are counted.

use std::collections::HashMap;

use crate::{clock::Timestamp, id::TargetId, verdict::Observation};

/// Failures that are kept raw, a second and target.
pub const KEPT_FAILURES: u32 = 100;
/// Other replies that are kept raw, a second and target: enough to show what is normal.
pub const KEPT_OTHERS: u32 = 10;

/// Counts by second. What came first in a second is kept.
#[derive(Debug, Default)]
pub struct Sampler {
    second: i64,
    kept: HashMap<TargetId, [u32; 2]>,
}

impl Sampler {
    /// Whether this one is kept raw.
    pub fn keeps(&mut self, observation: &Observation, now: Timestamp) -> bool {
        let second = now.as_millis().div_euclid(1_000);
        if second != self.second {
            self.second = second;
            self.kept.clear();
        }
        let failed = observation.is_failure();
        let most = if failed { KEPT_FAILURES } else { KEPT_OTHERS };
        let kept = match self.kept.get_mut(&observation.target) {
            Some(kept) => kept,
            None => self.kept.entry(observation.target.clone()).or_default(),
        };
        let kept = &mut kept[usize::from(failed)];
        let keeps = *kept < most;
        *kept += u32::from(keeps);
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Source, Truncation, Verdict};

    #[test]
    fn a_second_keeps_so_many_of_each_target() {
        let mut sampler = Sampler::default();
        let mut kept = |target: &str, verdict, ms| {
            let at = Timestamp::from_millis(ms);
            let seen = Observation::new(target.parse().unwrap(), at, Source::Report, verdict);
            (0..200).filter(|_| sampler.keeps(&seen, at)).count()
        };
        let cut = Verdict::Truncated(Truncation::Cut);
        assert_eq!(kept("a/m", cut, 5_000), KEPT_FAILURES as usize);
        assert_eq!(kept("a/m", Verdict::Complete, 5_900), KEPT_OTHERS as usize);
        assert_eq!(kept("a/m", cut, 5_999), 0);
        assert_eq!(kept("b/m", cut, 5_999), KEPT_FAILURES as usize);
        assert_eq!(kept("a/m", cut, 6_000), KEPT_FAILURES as usize);
    }
}
