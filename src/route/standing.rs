//! How one target stands on a route: may it serve, and who comes before it.

use std::time::Duration;

use crate::{
    config::{Fitness, Route, RouteTarget},
    feed::v1::{Percentiles, TargetHealth},
    health::{Hint, Network, State},
};

/// Fewest first tokens that a target is called too slow by.
pub const MIN_SLOW: u64 = 3;
/// From this many first tokens on their 95th percentile is held against `max_ttft`, below it their median: the tail of a
/// handful is one reply.
pub const MIN_TAIL: u64 = 20;
/// A target that was too slow is eligible again below this part of `max_ttft`.
pub const BACK_BELOW: f64 = 0.8;
/// How a target stands, the best first. What comes before [`Standing::TooSlow`] is eligible; the order of the others is
/// that in which `least_bad` takes them, but for [`Standing::Unfit`], which never serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// It finishes its replies.
    Well,
    /// So far it does, but something has just failed there.
    Suspect,
    /// It is slow or fails in part.
    Impaired,
    /// It was down and is coming back.
    Ramping,
    /// Nobody knows. Not healthy, but no reason to keep away either.
    Unknown,
    /// Its first tokens come too late for this route.
    TooSlow,
    /// The key that it would be asked with is limited or refused.
    OwnKey,
    /// It can't finish its replies.
    Avoid,
    /// It lacks a tag or costs too much.
    Unfit,
}

impl Standing {
    /// Whether it may serve.
    pub fn is_eligible(self) -> bool {
        self < Self::TooSlow
    }

    /// How `target` stands on `route`, given whether it was too slow before.
    pub(super) fn of(
        route: &Route,
        target: &RouteTarget,
        health: Option<&TargetHealth>,
        network: Network,
        was_slow: bool,
    ) -> Self {
        if target.fitness != Fitness::Fit {
            return Self::Unfit;
        }
        let Some(health) = health.filter(|_| network == Network::Online) else {
            return Self::Unknown;
        };
        let standing = match health.routing.hint {
            Hint::Allow if health.routing.weight.is_none_or(|weight| weight >= 1.0) => Self::Well,
            Hint::Allow => Self::Impaired,
            Hint::Suspect => Self::Suspect,
            Hint::Ramp => Self::Ramping,
            Hint::NoOpinion => Self::Unknown,
            Hint::Throttle | Hint::Blocked if route.same_key => Self::OwnKey,
            Hint::Throttle | Hint::Blocked => Self::by_state(health),
            Hint::Avoid => Self::Avoid,
        };
        let slow = route
            .max_ttft
            .is_some_and(|most| is_slow(&health.ttft_ms, most, was_slow));
        if slow && standing.is_eligible() {
            Self::TooSlow
        } else {
            standing
        }
    }

    /// Where the hint speaks of endturn's key and the route's users have one of their own, the state speaks.
    fn by_state(health: &TargetHealth) -> Self {
        match health.hint_without_key() {
            Hint::Avoid => Self::Avoid,
            Hint::NoOpinion => Self::Unknown,
            _ if health.state == State::Operational => Self::Well,
            _ => Self::Impaired,
        }
    }
}

/// Which figure is held against `max_ttft`, with its name; `None`: too few samples for any.
pub(super) fn measured(ttft: &Percentiles) -> Option<(&'static str, f64)> {
    match ttft.n {
        0..MIN_SLOW => None,
        MIN_SLOW..MIN_TAIL => Some(("median", ttft.p50?)),
        _ => Some(("p95", ttft.p95?)),
    }
}

/// Too few samples accuse nobody.
pub(super) fn is_slow(ttft: &Percentiles, most: Duration, was: bool) -> bool {
    let most = most.as_secs_f64() * 1e3;
    let limit = if was { most * BACK_BELOW } else { most };
    measured(ttft).is_some_and(|(_, ms)| ms > limit)
}
