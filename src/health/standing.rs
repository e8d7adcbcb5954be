//! How long each target stood in each state: what uptime is reckoned from.
//!
//! Only time that somebody watched counts: while the daemon was not running or the machine slept, nothing is known and
//! nothing is added, so an hour without a monitor is neither up nor down.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::State;
use crate::{clock::Timestamp, id::TargetId};

/// The longest stretch between two looks that still counts as watched: three heartbeats of the feed.
pub const MAX_UNWATCHED: Duration = Duration::from_secs(15);
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Time in each state, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StateTimes([u64; State::ALL.len()]);

impl StateTimes {
    /// Milliseconds in that state.
    pub const fn of(&self, state: State) -> u64 {
        self.0[state as usize]
    }

    /// Adds milliseconds to that state.
    pub fn add(&mut self, state: State, ms: u64) {
        let sum = &mut self.0[state as usize];
        *sum = sum.saturating_add(ms);
    }

    /// Adds the time of another stretch.
    pub fn merge(&mut self, other: &Self) {
        for state in State::ALL {
            self.add(state, other.of(state));
        }
    }

    /// Milliseconds in which the state was known: neither unknown nor maintenance.
    pub fn known_ms(&self) -> u64 {
        [State::Operational, State::Degraded, State::Partial, State::Down]
            .into_iter()
            .fold(0, |sum, state| sum.saturating_add(self.of(state)))
    }

    /// Milliseconds that count against uptime: partial and down. A degraded target still finishes its replies.
    pub fn out_ms(&self) -> u64 {
        self.of(State::Partial).saturating_add(self.of(State::Down))
    }

    /// Share of the known time that was neither partial nor down, 0 to 1; `None` where nothing was known.
    pub fn uptime(&self) -> Option<f64> {
        let known = self.known_ms();
        (known > 0).then(|| 1.0 - self.out_ms() as f64 / known as f64)
    }

    /// The worst state that was met; `None` where no time was counted. Unknown and maintenance are worst only where
    /// there was nothing else.
    pub fn worst(&self) -> Option<State> {
        [
            State::Down,
            State::Partial,
            State::Degraded,
            State::Operational,
            State::Maintenance,
            State::Unknown,
        ]
        .into_iter()
        .find(|state| self.of(*state) > 0)
    }
}

/// How a target stood in one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose.
    pub target: TargetId,
    /// Midnight UTC.
    pub day: Timestamp,
    /// Time in each state.
    pub times: StateTimes,
}

/// Adds up the time between looks.
#[derive(Debug, Default)]
pub struct StandingKeeper {
    looked: Option<Timestamp>,
    states: HashMap<TargetId, State>,
    sums: BTreeMap<(i64, TargetId), StateTimes>,
}

impl StandingKeeper {
    /// The states as of `now`. Until now each target stood where the last look found it, if that is no longer ago than
    /// [`MAX_UNWATCHED`]; a stretch over midnight is divided there.
    pub fn look<'a>(&mut self, now: Timestamp, states: impl Iterator<Item = (&'a TargetId, State)>) {
        let begin = self
            .looked
            .replace(now)
            .filter(|at| now.since(*at) <= MAX_UNWATCHED);
        let mut now_states = HashMap::with_capacity(self.states.len());
        for (target, state) in states {
            if let (Some(begin), Some(before)) = (begin, self.states.get(target)) {
                for (day, ms) in by_day(begin, now) {
                    self.sums
                        .entry((day, target.clone()))
                        .or_default()
                        .add(*before, ms);
                }
            }
            now_states.insert(target.clone(), state);
        }
        self.states = now_states;
    }

    /// What was added up since the last taking, in order of day and target.
    pub fn take(&mut self) -> Vec<Standing> {
        std::mem::take(&mut self.sums)
            .into_iter()
            .map(|((day, target), times)| Standing {
                target,
                day: Timestamp::from_millis(day * DAY_MS),
                times,
            })
            .collect()
    }
}

/// Days since 1970 that a stretch touches, with the milliseconds in each.
fn by_day(begin: Timestamp, end: Timestamp) -> impl Iterator<Item = (i64, u64)> {
    let (begin, end) = (begin.as_millis(), end.as_millis());
    (begin.div_euclid(DAY_MS)..=end.div_euclid(DAY_MS)).filter_map(move |day| {
        let from = begin.max(day * DAY_MS);
        let to = end.min((day + 1) * DAY_MS);
        (to > from).then(|| (day, (to - from).cast_unsigned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 20_000 * DAY_MS + DAY_MS / 2;

    fn look(keeper: &mut StandingKeeper, ms: i64, states: &[(&str, State)]) {
        let ids: Vec<(TargetId, State)> = states.iter().map(|(id, s)| (id.parse().unwrap(), *s)).collect();
        keeper.look(Timestamp::from_millis(ms), ids.iter().map(|(id, s)| (id, *s)));
    }

    fn times(taken: &[Standing], target: &str, state: State) -> u64 {
        taken
            .iter()
            .filter(|s| s.target.to_string() == target)
            .map(|s| s.times.of(state))
            .sum()
    }

    #[test]
    fn time_counts_for_the_state_that_it_began_in() {
        let mut keeper = StandingKeeper::default();
        look(
            &mut keeper,
            NOON,
            &[("a/m", State::Operational), ("b/m", State::Down)],
        );
        look(
            &mut keeper,
            NOON + 1_000,
            &[("a/m", State::Partial), ("b/m", State::Down)],
        );
        look(&mut keeper, NOON + 1_500, &[("a/m", State::Partial)]);
        look(
            &mut keeper,
            NOON + 2_500,
            &[("a/m", State::Operational), ("b/m", State::Down)],
        );
        let taken = keeper.take();
        assert_eq!(times(&taken, "a/m", State::Operational), 1_000);
        assert_eq!(times(&taken, "a/m", State::Partial), 1_500);
        // b was gone from the feed for a second: nobody watched it then.
        assert_eq!(times(&taken, "b/m", State::Down), 1_000);
        assert!(keeper.take().is_empty());
    }

    #[test]
    fn time_that_nobody_watched_is_neither_up_nor_down() {
        let limit = MAX_UNWATCHED.as_millis() as i64;
        for (gap, counted) in [(limit, limit), (limit + 1, 0), (-5, 0)] {
            let mut keeper = StandingKeeper::default();
            look(&mut keeper, NOON, &[("a/m", State::Operational)]);
            look(&mut keeper, NOON + gap, &[("a/m", State::Operational)]);
            let taken = keeper.take();
            assert_eq!(
                times(&taken, "a/m", State::Operational),
                counted.cast_unsigned(),
                "gap of {gap} ms"
            );
        }
    }

    #[test]
    fn a_stretch_over_midnight_is_divided() {
        let midnight = 20_001 * DAY_MS;
        let mut keeper = StandingKeeper::default();
        look(&mut keeper, midnight - 400, &[("a/m", State::Degraded)]);
        look(&mut keeper, midnight + 600, &[("a/m", State::Degraded)]);
        let days: Vec<_> = keeper
            .take()
            .iter()
            .map(|s| (s.day.as_millis(), s.times.of(State::Degraded)))
            .collect();
        assert_eq!(days, [(midnight - DAY_MS, 400), (midnight, 600)]);
    }

    #[test]
    fn unknown_and_maintenance_are_no_part_of_uptime() {
        let mut times = StateTimes::default();
        assert_eq!((times.uptime(), times.worst()), (None, None));
        times.add(State::Unknown, 10_000);
        times.add(State::Maintenance, 10_000);
        assert_eq!((times.uptime(), times.worst()), (None, Some(State::Maintenance)));
        times.add(State::Operational, 900);
        times.add(State::Degraded, 50);
        times.add(State::Partial, 30);
        times.add(State::Down, 20);
        assert_eq!(times.known_ms(), 1_000);
        assert_eq!(times.out_ms(), 50);
        assert!((times.uptime().unwrap() - 0.95).abs() < 1e-12);
        assert_eq!(times.worst(), Some(State::Down));
    }
}
