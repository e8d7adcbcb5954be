//! The ids that a reporter sent lately, so that a report sent twice counts once.

use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::clock::Timestamp;

/// Most ids that are remembered of one reporter.
pub const REMEMBERED: usize = 10_000;
/// Longest time for which an id is remembered.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// Ids by their keyed hash, so that nobody can make two collide on purpose.
#[derive(Debug, Default)]
pub(super) struct Recent {
    order: VecDeque<(Timestamp, u64)>,
    known: HashSet<u64>,
    hash: RandomState,
}

impl Recent {
    /// Remembers the id; `false`: it was known.
    pub(super) fn first_time(&mut self, id: &str, now: Timestamp) -> bool {
        while let Some((at, hash)) = self.order.front()
            && now.since(*at) >= REMEMBERED_FOR
        {
            self.known.remove(hash);
            self.order.pop_front();
        }
        let hash = self.hash.hash_one(id);
        if !self.known.insert(hash) {
            return false;
        }
        if self.order.len() == REMEMBERED
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back((now, hash));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `desk::MAX_REPORTERS` says of memory rests on this.
    #[test]
    fn an_id_takes_42_bytes() {
        let mut recent = Recent::default();
        for n in 0..3 * REMEMBERED {
            recent.first_time(&n.to_string(), Timestamp::from_millis(0));
        }
        // A table has a byte for each slot beside it, and is filled to seven eighths at most.
        let slots = (recent.known.capacity() * 8 / 7).next_power_of_two();
        let bytes = recent.order.capacity() * size_of::<(Timestamp, u64)>() + slots * (size_of::<u64>() + 1);
        assert!(bytes <= 42 * REMEMBERED, "{bytes}");
    }

    #[test]
    fn an_id_counts_once_within_ten_thousand_and_ten_minutes() {
        let at = |s: u64| Timestamp::from_millis(0).plus(Duration::from_secs(s));
        let mut recent = Recent::default();
        assert!(recent.first_time("a", at(0)));
        assert!(!recent.first_time("a", at(599)));
        assert!(recent.first_time("a", at(600)));
        for n in 0..REMEMBERED - 1 {
            assert!(recent.first_time(&n.to_string(), at(601)));
        }
        assert!(!recent.first_time("a", at(602)));
        assert!(recent.first_time("one more", at(602)));
        assert!(recent.first_time("a", at(602)), "the oldest made room");
        assert_eq!((recent.order.len(), recent.known.len()), (REMEMBERED, REMEMBERED));
    }
}
