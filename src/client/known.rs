//! What is known here and now: the feed as it was received last, and for how long it may be believed. Does no I/O.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, Timestamp},
    feed::{
        Delta,
        v1::{Head, Health, TargetHealth},
    },
    health::Network,
};

/// Nothing that was received is believed for longer, whatever its sender says.
pub const MAX_FRESH: Duration = Duration::from_secs(60);

/// When something was received, by the clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    mono: Duration,
    wall: Timestamp,
}

impl Receipt {
    /// Now.
    pub(super) fn now(clock: &Clock) -> Self {
        Self {
            mono: clock.mono(),
            wall: clock.wall(),
        }
    }

    /// How long ago it was. The monotonic clock decides; where it stood still while the machine slept, the wall clock
    /// tells more. A wall clock that was set ahead makes things old until the next heartbeat, never young.
    pub(super) fn age(self, clock: &Clock) -> Duration {
        let mono = clock.mono().saturating_sub(self.mono);
        mono.max(clock.wall().since(self.wall))
    }
}

/// For how long something with this head may be believed from its receipt on: the difference of two times of the
/// daemon's own, so that nobody's clock is compared with another machine's.
fn fresh_for(head: &Head) -> Duration {
    head.stale_after.0.since(head.generated_at.0).min(MAX_FRESH)
}

/// How long something may still be believed; `None` once nothing in it is known any more.
pub(super) fn left(head: &Head, received: Receipt, clock: &Clock) -> Option<Duration> {
    if head.network != Network::Online {
        return None;
    }
    let left = fresh_for(head).saturating_sub(received.age(clock));
    (!left.is_zero()).then_some(left)
}

/// The feed as it was received.
#[derive(Debug, Clone)]
pub struct Feed {
    head: Head,
    targets: Vec<Arc<TargetHealth>>,
    places: Arc<HashMap<String, usize>>,
    received: Receipt,
}

impl Feed {
    /// A whole feed, received now.
    pub(super) fn new(health: Health, clock: &Clock) -> Self {
        let targets: Vec<_> = health.targets.into_iter().map(Arc::new).collect();
        Self {
            head: health.head,
            places: places(&targets),
            targets,
            received: Receipt::now(clock),
        }
    }

    /// The feed after a change that was received now; `None` if the change is none: it is of another daemon, or was
    /// overtaken already.
    pub(super) fn after(&self, delta: Delta, clock: &Clock) -> Option<Self> {
        if delta.head.instance != self.head.instance || delta.head.revision <= self.head.revision {
            return None;
        }
        let mut next = self.clone();
        next.head = delta.head;
        next.received = Receipt::now(clock);
        let known = next.targets.len();
        for target in delta.targets {
            match next.places.get(&target.id.to_string()) {
                Some(&place) => next.targets[place] = Arc::new(target),
                None => next.targets.push(Arc::new(target)),
            }
        }
        if next.targets.len() > known {
            next.places = places(&next.targets);
        }
        Some(next)
    }

    /// Which feed this is: instance, vantage, revision, its times by the daemon's clock.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// One target, by its id `provider/model`.
    pub fn target(&self, id: &str) -> Option<&Arc<TargetHealth>> {
        self.places.get(id).map(|&place| &self.targets[place])
    }

    /// All targets, in configured order.
    pub fn targets(&self) -> &[Arc<TargetHealth>] {
        &self.targets
    }

    /// How long ago it was received.
    pub(super) fn age(&self, clock: &Clock) -> Duration {
        self.received.age(clock)
    }

    /// How long it may still be believed; `None` once nothing in it is known any more.
    pub(super) fn left(&self, clock: &Clock) -> Option<Duration> {
        left(&self.head, self.received, clock)
    }
}

fn places(targets: &[Arc<TargetHealth>]) -> Arc<HashMap<String, usize>> {
    let places = targets.iter().enumerate();
    Arc::new(
        places
            .map(|(place, target)| (target.id.to_string(), place))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::fixture::{self, NOW};

    fn feed(clock: &Clock) -> Feed {
        Feed::new(fixture::health(&["operational", "down"]), clock)
    }

    fn delta(revision: u64, targets: &[(&str, &str)]) -> Delta {
        let mut health = fixture::named(targets);
        health.head.revision = revision;
        serde_json::from_value(serde_json::to_value(health).unwrap()).unwrap()
    }

    #[test]
    fn it_is_believed_for_fifteen_seconds_from_its_receipt_whatever_the_daemons_clock_says() {
        // Ours is a year behind theirs: what counts is how long ago it came.
        let clock = Clock::manual(NOW.minus(Duration::from_secs(31_536_000)));
        let feed = feed(&clock);
        assert_eq!(feed.left(&clock), Some(Duration::from_secs(15)));
        clock.advance(Duration::from_millis(14_999));
        assert_eq!(feed.left(&clock), Some(Duration::from_millis(1)));
        clock.advance(Duration::from_millis(1));
        assert_eq!(feed.left(&clock), None);
    }

    #[test]
    fn a_machine_that_slept_knows_by_its_wall_clock() {
        let clock = Clock::manual(NOW);
        let slept = Duration::from_secs(20);
        let received = |wall| Receipt {
            mono: clock.mono(),
            wall,
        };
        assert_eq!(received(NOW.minus(slept)).age(&clock), slept);
        // One that was set back makes nothing young, nor old.
        assert_eq!(received(NOW.plus(slept)).age(&clock), Duration::ZERO);
    }

    #[test]
    fn nobody_is_believed_for_long() {
        let clock = Clock::manual(NOW);
        let mut health = fixture::health(&["operational"]);
        health.head.stale_after = NOW.plus(Duration::from_secs(86_400)).into();
        assert_eq!(Feed::new(health.clone(), &clock).left(&clock), Some(MAX_FRESH));
        // A time that lies before its own making: never.
        health.head.stale_after = NOW.minus(Duration::from_secs(1)).into();
        assert_eq!(Feed::new(health, &clock).left(&clock), None);
    }

    #[test]
    fn a_lost_network_tells_nothing() {
        let clock = Clock::manual(NOW);
        let mut health = fixture::health(&["operational"]);
        health.head.network = Network::Offline;
        assert_eq!(Feed::new(health, &clock).left(&clock), None);
    }

    #[test]
    fn a_change_replaces_adds_and_renews() {
        let clock = Clock::manual(NOW);
        let first = feed(&clock);
        clock.advance(Duration::from_secs(10));
        let next = first
            .after(
                delta(18_232, &[("p1/m", "operational"), ("p2/m", "unknown")]),
                &clock,
            )
            .unwrap();
        assert_eq!(next.left(&clock), Some(Duration::from_secs(15)));
        let states: Vec<_> = next
            .targets()
            .iter()
            .map(|target| target.state.as_str())
            .collect();
        assert_eq!(states, ["operational", "operational", "unknown"]);
        assert_eq!(next.target("p2/m").unwrap().id.to_string(), "p2/m");
        assert!(next.target("p3/m").is_none());
        assert_eq!(
            first.target("p1/m").unwrap().state.as_str(),
            "down",
            "it is whole"
        );
    }

    #[test]
    fn what_was_overtaken_or_is_of_another_daemon_changes_nothing() {
        let clock = Clock::manual(NOW);
        let feed = feed(&clock);
        assert!(
            feed.after(delta(18_231, &[("p1/m", "operational")]), &clock)
                .is_none()
        );
        let mut other = delta(18_232, &[("p1/m", "operational")]);
        other.head.instance = "i-2".to_owned();
        assert!(feed.after(other, &clock).is_none());
    }
}
