//! Whom to ask, in which order: the rules for readers of the feed. Pure.

use std::cmp::Ordering;

use crate::{
    feed::v1::TargetHealth,
    health::{Hint, State},
};

/// What an [`Order`] rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The feed.
    Feed,
    /// Nothing is known: the feed is stale, its network is lost, or no daemon answers. The candidates stand as given.
    Nothing,
}

/// Candidates in the order in which to try them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order<'a> {
    basis: Basis,
    candidates: Vec<&'a str>,
    eligible: usize,
}

impl<'a> Order<'a> {
    /// What it rests on.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Whom to ask, best first.
    pub fn eligible(&self) -> &[&'a str] {
        &self.candidates[..self.eligible]
    }

    /// Whom not to ask: `avoid`, or a key that is limited or refused there. The least bad comes first.
    pub fn out(&self) -> &[&'a str] {
        &self.candidates[self.eligible..]
    }

    /// Everybody is out: your policy decides, [`Self::first`] or [`Self::least_bad`].
    pub fn is_exhausted(&self) -> bool {
        self.eligible == 0 && !self.candidates.is_empty()
    }

    /// The best; `None` where everybody is out: **fail closed**.
    pub fn first(&self) -> Option<&'a str> {
        self.eligible().first().copied()
    }

    /// The best, or else the **least bad**; `None` only without candidates.
    pub fn least_bad(&self) -> Option<&'a str> {
        self.candidates.first().copied()
    }

    /// Everybody, those who are out last: for a loop that fails over and would rather try than fail.
    pub fn all(&self) -> &[&'a str] {
        &self.candidates
    }
}

/// A candidate's place, as a route of the daemon's has it; those below [`Rank::Limited`] are eligible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It serves, or it was drawn although it serves in part or comes back by degrees.
    Good,
    /// Something has just failed there.
    Suspect,
    /// It serves in part, and has had its share.
    Impaired,
    /// It comes back by degrees, and has had its share.
    Ramping,
    /// Nobody knows: no reason to keep away, but others are known to serve.
    Unknown,
    /// The key is limited or refused there.
    Limited,
    /// It fails.
    Avoid,
}

impl Rank {
    /// `draw` is uniform from 0 to 1.
    fn of(target: &TargetHealth, own_keys: bool, mut draw: impl FnMut() -> f64) -> Self {
        let weight = target.routing.weight;
        let mut drawn = |usual: f64| draw() < weight.unwrap_or(usual);
        match target.routing.hint {
            Hint::Avoid => Self::Avoid,
            Hint::Suspect => Self::Suspect,
            Hint::NoOpinion => Self::Unknown,
            Hint::Throttle | Hint::Blocked if own_keys => Self::by_state(target, || drawn(0.5)),
            Hint::Throttle | Hint::Blocked => Self::Limited,
            Hint::Allow if weight.is_none_or(|weight| weight >= 1.0) => Self::Good,
            Hint::Allow | Hint::Ramp if drawn(1.0) => Self::Good,
            Hint::Allow => Self::Impaired,
            Hint::Ramp => Self::Ramping,
        }
    }

    /// Where the hint speaks of endturn's key and the caller's is another one, the state speaks.
    fn by_state(target: &TargetHealth, mut drawn: impl FnMut() -> bool) -> Self {
        match target.hint_without_key() {
            Hint::Avoid => Self::Avoid,
            Hint::NoOpinion => Self::Unknown,
            _ if target.state == State::Operational || drawn() => Self::Good,
            _ => Self::Impaired,
        }
    }

    fn is_eligible(self) -> bool {
        self < Self::Limited
    }
}

/// Whether the feed advises against a target. What it doesn't know passes.
pub(super) fn is_out(target: &TargetHealth, own_keys: bool) -> bool {
    !Rank::of(target, own_keys, || 0.0).is_eligible()
}

/// The candidates as given.
pub(super) fn as_given<T: AsRef<str>>(candidates: &[T]) -> Order<'_> {
    Order {
        basis: Basis::Nothing,
        candidates: candidates.iter().map(AsRef::as_ref).collect(),
        eligible: candidates.len(),
    }
}

/// The candidates by what is known of each; equals stay as given. `own_keys`: the caller's keys are not endturn's.
/// `draw` is uniform from 0 to 1, anew each time.
pub(super) fn arrange<'a, 'f, T: AsRef<str>>(
    candidates: &'a [T],
    known: impl Fn(&str) -> Option<&'f TargetHealth>,
    own_keys: bool,
    mut draw: impl FnMut() -> f64,
) -> Order<'a> {
    let mut ranked: Vec<_> = candidates
        .iter()
        .map(|candidate| {
            let id = candidate.as_ref();
            let target = known(id);
            let rank = target.map_or(Rank::Unknown, |target| Rank::of(target, own_keys, &mut draw));
            // Among those who fail, whoever fails least.
            let failing = target.filter(|_| rank == Rank::Avoid);
            let failing = failing
                .and_then(|target| target.failure_rate.value)
                .unwrap_or(0.0);
            (rank, failing, id)
        })
        .collect();
    ranked.sort_by(|(rank, failing, _), (other, more, _)| {
        rank.cmp(other)
            .then(failing.partial_cmp(more).unwrap_or(Ordering::Equal))
    });
    Order {
        basis: Basis::Feed,
        eligible: ranked.iter().filter(|(rank, ..)| rank.is_eligible()).count(),
        candidates: ranked.into_iter().map(|(_, _, id)| id).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::{fixture, v1::Health};

    fn target(health: &Health, at: usize, hint: Hint, weight: Option<f64>, failing: u64) -> TargetHealth {
        let mut target = health.targets[at].clone();
        target.routing.hint = hint;
        target.routing.weight = weight;
        target.failure_rate = fixture::rate(failing, 12);
        target
    }

    /// Arranges candidates `p0/m`, `p1/m`, .. with these hints; answers their numbers, `|` before those who are out.
    fn arranged(hints: &[(Hint, Option<f64>, u64)], own_keys: bool, draw: f64) -> String {
        let health = fixture::health(&vec!["operational"; hints.len()]);
        let targets: Vec<_> = hints
            .iter()
            .enumerate()
            .map(|(at, &(hint, weight, failing))| target(&health, at, hint, weight, failing))
            .collect();
        let ids: Vec<String> = targets.iter().map(|target| target.id.to_string()).collect();
        let known = |id: &str| targets.iter().find(|target| target.id.to_string() == id);
        let order = arrange(&ids, known, own_keys, || draw);
        let numbers = |part: &[&str]| part.iter().map(|id| &id[1..2]).collect::<String>();
        format!("{}|{}", numbers(order.eligible()), numbers(order.out()))
    }

    /// Hints with weights and failures, whether the keys are one's own, the draw, and what comes out.
    type Row<'a> = (&'a [(Hint, Option<f64>, u64)], bool, f64, &'a str);

    #[test]
    fn the_rules_of_the_feed() {
        use Hint::{Allow, Avoid, Blocked, NoOpinion, Ramp, Suspect, Throttle};
        let one = Some(1.0);
        let rows: &[Row<'_>] = &[
            (&[], false, 0.0, "|"),
            (&[(Allow, one, 0), (Allow, one, 0)], false, 0.0, "01|"),
            (&[(Avoid, Some(0.0), 9), (Allow, one, 0)], false, 0.0, "1|0"),
            // Unknown passes, behind whoever is known to serve.
            (&[(NoOpinion, None, 0), (Allow, one, 0)], false, 0.9, "10|"),
            (&[(NoOpinion, None, 0), (Suspect, one, 0)], false, 0.0, "10|"),
            (&[(NoOpinion, None, 0), (Avoid, Some(0.0), 9)], false, 0.0, "0|1"),
            // Coming back: its share of the draws, and behind a suspect for the rest.
            (&[(Ramp, Some(0.25), 0), (Allow, one, 0)], false, 0.24, "01|"),
            (&[(Ramp, Some(0.25), 0), (Allow, one, 0)], false, 0.25, "10|"),
            (&[(Ramp, Some(0.05), 0), (Suspect, one, 0)], false, 0.5, "10|"),
            // Serving in part.
            (&[(Allow, Some(0.5), 3), (Allow, one, 0)], false, 0.7, "10|"),
            // The only one serves, whatever was drawn.
            (
                &[(Ramp, Some(0.05), 0), (Avoid, Some(0.0), 9)],
                false,
                0.99,
                "0|1",
            ),
            // A key of one's own.
            (
                &[(Throttle, None, 0), (Blocked, None, 0), (Allow, one, 0)],
                false,
                0.0,
                "2|01",
            ),
            (
                &[(Throttle, None, 0), (Blocked, None, 0), (Allow, one, 0)],
                true,
                0.0,
                "012|",
            ),
            (&[(Avoid, Some(0.0), 9), (Allow, one, 0)], true, 0.0, "1|0"),
            // Everybody is out: the least bad first.
            (
                &[(Avoid, Some(0.0), 12), (Avoid, Some(0.0), 5), (Throttle, None, 0)],
                false,
                0.0,
                "|210",
            ),
        ];
        for (hints, own_keys, draw, expected) in rows {
            assert_eq!(arranged(hints, *own_keys, *draw), *expected, "{hints:?}");
        }
    }

    #[test]
    fn what_the_feed_does_not_name_passes() {
        let order = arrange(&["new/m", "other/m"], |_| None, false, || 0.5);
        assert_eq!(order.eligible(), ["new/m", "other/m"]);
        assert_eq!(order.basis(), Basis::Feed);
    }

    #[test]
    fn policies_at_the_end() {
        let given = ["a/m", "b/m"];
        let order = as_given(&given);
        assert_eq!((order.first(), order.basis()), (Some("a/m"), Basis::Nothing));
        let out = Order {
            basis: Basis::Feed,
            candidates: vec!["b/m", "a/m"],
            eligible: 0,
        };
        assert!(out.is_exhausted());
        assert_eq!((out.first(), out.least_bad()), (None, Some("b/m")));
        assert!(!as_given::<&str>(&[]).is_exhausted());
    }

    fn hint() -> impl Strategy<Value = (Hint, Option<f64>, u64)> {
        let hints = [
            Hint::Allow,
            Hint::Suspect,
            Hint::Avoid,
            Hint::Ramp,
            Hint::Throttle,
            Hint::Blocked,
            Hint::NoOpinion,
        ];
        (
            proptest::sample::select(hints.to_vec()),
            proptest::option::of(0.0..=1.0),
            0..=12_u64,
        )
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_none_to_avoid_comes_before_an_eligible_one(
            hints in proptest::collection::vec(hint(), 0..9),
            own_keys: bool,
            draw in 0.0..1.0,
        ) {
            let order = arranged(&hints, own_keys, draw);
            let (eligible, out) = order.split_once('|').unwrap();
            let mut all: Vec<_> = eligible.chars().chain(out.chars()).collect();
            all.sort_unstable();
            let expected: Vec<_> = (0..hints.len()).map(|n| n.to_string().remove(0)).collect();
            prop_assert_eq!(all, expected);
            for c in eligible.chars() {
                let hint = hints[c.to_digit(10).unwrap() as usize].0;
                prop_assert_ne!(hint, Hint::Avoid);
            }
        }
    }
}
