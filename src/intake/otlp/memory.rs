//! Each model call counts once: the innermost of the spans that tell of it, however often and in whatever order they
//! come.
//!
//! Within a body the order of spans changes nothing. Across bodies whoever comes first is counted: usually the inner
//! span, which ends first, and then those around it are not; where the outer one came before, those within it are not.
//! For that the spans of the last minutes are remembered, bounded.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use super::span::Key;
use crate::{clock::Timestamp, verdict::Observation};

/// Most spans and events that are remembered.
pub const REMEMBERED: usize = 65_536;
/// Longest time for which they are.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// Longest way upwards through spans that are no model calls.
const MAX_DEPTH: usize = 64;

/// A span of a body.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) key: Key,
    pub(super) parent: Option<Key>,
}

/// One model call, or a row of attempts at it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// Which span it was; `None`: it has no name and counts whenever it comes.
    pub(super) key: Option<Key>,
    pub(super) parent: Option<Key>,
    pub(super) seen: Observation,
}

/// What is known of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It was counted.
    Counted,
    /// Something within it was counted.
    Above,
    /// It is within one that was counted.
    Below,
}

/// What became of a body's calls.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    pub(super) observations: Vec<Observation>,
    /// Known from an earlier body.
    pub(super) duplicates: usize,
    /// Around or within another one that counts.
    pub(super) same: usize,
    /// Records that were counted.
    pub(super) records: HashSet<Key>,
    marks: Vec<(Key, Mark)>,
}

impl Admitted {
    /// What is to be remembered once the body is taken.
    pub(super) fn marks(self) -> (Vec<Observation>, Vec<(Key, Mark)>) {
        let records = self.records.into_iter().map(|key| (key, Mark::Counted));
        (self.observations, self.marks.into_iter().chain(records).collect())
    }
}

/// The spans of the last minutes.
#[derive(Debug, Default)]
pub(super) struct Memory {
    order: VecDeque<(Timestamp, Key)>,
    marks: HashMap<Key, Mark>,
}

impl Memory {
    /// Which of a body's calls count. Nothing is remembered yet: only a body that is really taken is.
    pub(super) fn admit(&self, calls: Vec<Told>, others: &[Node]) -> Admitted {
        let mut parents: HashMap<Key, Option<Key>> = HashMap::with_capacity(calls.len() + others.len());
        parents.extend(others.iter().map(|node| (node.key, node.parent)));
        parents.extend(calls.iter().filter_map(|call| Some((call.key?, call.parent))));
        let family = Family {
            parents,
            memory: self,
        };
        let above = family.above(&calls, others);
        let mut admitted = Admitted::default();
        let mut counted: HashSet<Key> = HashSet::with_capacity(calls.len());
        for call in calls {
            let Some(key) = call.key else {
                admitted.observations.push(call.seen);
                continue;
            };
            if self.knows(&key) || counted.contains(&key) {
                admitted.duplicates += 1;
            } else if above.contains(&key) || family.is_below(call.parent, |key| self.is_counted(key)) {
                admitted.same += 1;
            } else {
                counted.insert(key);
                admitted.observations.push(call.seen);
            }
        }
        for node in others {
            if !above.contains(&node.key)
                && family.is_below(node.parent, |key| counted.contains(key) || self.is_counted(key))
            {
                admitted.marks.push((node.key, Mark::Below));
            }
        }
        admitted
            .marks
            .extend(above.into_iter().map(|key| (key, Mark::Above)));
        admitted
            .marks
            .extend(counted.into_iter().map(|key| (key, Mark::Counted)));
        admitted
    }

    /// Whether that very span or record was counted.
    pub(super) fn knows(&self, key: &Key) -> bool {
        self.marks.get(key) == Some(&Mark::Counted)
    }

    fn is_counted(&self, key: &Key) -> bool {
        matches!(self.marks.get(key), Some(Mark::Counted | Mark::Below))
    }

    /// The body was taken.
    pub(super) fn remember(&mut self, marks: Vec<(Key, Mark)>, now: Timestamp) {
        while let Some((at, key)) = self.order.front()
            && now.since(*at) >= REMEMBERED_FOR
        {
            self.marks.remove(key);
            self.order.pop_front();
        }
        for (key, mark) in marks {
            // What was counted stays so.
            if self.marks.contains_key(&key) {
                continue;
            }
            if self.order.len() == REMEMBERED
                && let Some((_, oldest)) = self.order.pop_front()
            {
                self.marks.remove(&oldest);
            }
            self.marks.insert(key, mark);
            self.order.push_back((now, key));
        }
    }
}

/// The spans of a body beside those that are remembered.
struct Family<'m> {
    parents: HashMap<Key, Option<Key>>,
    memory: &'m Memory,
}

impl Family<'_> {
    /// Everything that is around a call: spans of this body, and the first beyond it on each way up.
    fn above(&self, calls: &[Told], others: &[Node]) -> HashSet<Key> {
        let mut above = HashSet::new();
        let from_calls = calls.iter().map(|call| call.parent);
        // What was known to be around a call has something around it itself.
        let known = |key: &Key| self.memory.marks.get(key) == Some(&Mark::Above);
        let from_known = others.iter().map(|node| (Some(node.key), node.parent));
        let from_known = from_known.chain(calls.iter().map(|call| (call.key, call.parent)));
        let from_known = from_known.filter(|(key, _)| key.as_ref().is_some_and(known));
        for start in from_calls.chain(from_known.map(|(_, parent)| parent)) {
            let mut next = start;
            while let Some(key) = next {
                if !above.insert(key) {
                    break;
                }
                next = self.parents.get(&key).copied().flatten();
            }
        }
        above.extend(calls.iter().filter_map(|call| call.key).filter(known));
        above
    }

    /// Whether something above is so.
    fn is_below(&self, parent: Option<Key>, is_so: impl Fn(&Key) -> bool) -> bool {
        let mut next = parent;
        for _ in 0..MAX_DEPTH {
            let Some(key) = next else { return false };
            if is_so(&key) {
                return true;
            }
            next = self.parents.get(&key).copied().flatten();
        }
        false
    }
}

#[cfg(test)]
mod tests;
