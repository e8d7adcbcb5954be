//! One provider: its edge, what it said about our key, and the roll-up of its targets.

use super::{
    State,
    confirm::{Bucket, RecoveryAllowance},
    evidence::Count,
    kernel::Detectors,
    stream::Stream,
    vantage::PEERS_MS,
    window::Window,
};
use crate::{
    id::ProviderId,
    verdict::{Purpose, Source},
};

/// Share of targets that must be down for the provider to be.
pub(super) const DOWN_SHARE: f64 = 0.6;
/// Most held pieces of edge evidence per provider; further ones say nothing new.
pub(super) const MAX_HELD: usize = 64;

/// Edge evidence that waits for the vantage gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Held {
    pub(super) at_ms: i64,
    pub(super) target: usize,
    pub(super) purpose: Purpose,
    pub(super) source: Source,
    pub(super) may_convict: bool,
    pub(super) count: Count,
}

/// The provider's last generation answer was an overload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overload {
    pub(super) since_ms: i64,
    pub(super) until_ms: Option<i64>,
}

/// One provider.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Provider {
    pub(super) id: ProviderId,
    pub(super) edge: Stream,
    pub(super) targets: Vec<usize>,
    /// Longest interval of its targets' generation probes, in milliseconds.
    pub(super) interval_ms: Option<i64>,
    pub(super) held: Vec<Held>,
    pub(super) last_edge_bad_ms: Option<i64>,
    pub(super) overload: Option<Overload>,
    pub(super) bucket: Bucket,
    pub(super) allowance: RecoveryAllowance,
    pub(super) connect: Window,
    /// What [`Provider::signature`] was when the targets were last looked at.
    pub(super) seen: Option<Signature>,
}

/// What the targets take from their edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Signature {
    state: Option<State>,
    suspect: bool,
    avoidable: [bool; 2],
    code: Option<super::ReasonCode>,
}

impl Provider {
    pub(super) fn new(id: ProviderId, now_ms: i64) -> Self {
        Self {
            id,
            edge: Stream::new(Detectors::HardOnly),
            targets: Vec::new(),
            interval_ms: None,
            held: Vec::new(),
            last_edge_bad_ms: None,
            overload: None,
            bucket: Bucket::for_edge(now_ms),
            allowance: RecoveryAllowance::new(now_ms),
            connect: Window::default(),
            seen: None,
        }
    }

    /// What its targets must be looked at again for when it changes.
    pub(super) fn signature(&self) -> Signature {
        let f = self.edge.machine.fraction();
        let partial = self.edge.machine.state() == State::Partial;
        Signature {
            state: self.edge.state(),
            suspect: self.edge.suspect(),
            avoidable: [partial && f >= 0.2, partial && f >= 0.3],
            code: self.edge.code,
        }
    }

    /// Whether its edge failed within the span in which providers are compared.
    pub(super) fn ails(&self, now_ms: i64) -> bool {
        self.last_edge_bad_ms.is_some_and(|at| now_ms - at < PEERS_MS)
    }
}

/// A provider's state from its edge and the states of its targets; targets without fresh evidence don't vote.
pub(super) fn roll_up(edge: State, targets: impl Iterator<Item = State>) -> State {
    let known: Vec<State> = targets.filter(|state| *state != State::Unknown).collect();
    if !known.is_empty() && known.iter().all(|state| *state == State::Maintenance) {
        return State::Maintenance;
    }
    if edge != State::Operational {
        return edge;
    }
    let known: Vec<State> = known
        .into_iter()
        .filter(|state| *state != State::Maintenance)
        .collect();
    let count = |state: State| known.iter().filter(|s| **s == state).count();
    let (n, down) = (known.len(), count(State::Down));
    if n == 0 {
        State::Unknown
    } else if down >= n.min(2) && down as f64 >= DOWN_SHARE * n as f64 {
        State::Down
    } else if down + count(State::Partial) > 0 {
        State::Partial
    } else if count(State::Degraded) > 0 {
        State::Degraded
    } else {
        State::Operational
    }
}

#[cfg(test)]
mod tests {
    use super::{State::*, *};

    #[test]
    fn the_roll_up_follows_edge_then_targets() {
        for (edge, targets, rolled) in [
            (Down, vec![Operational], Down),
            (Unknown, vec![Operational], Unknown),
            (Operational, vec![], Unknown),
            (Operational, vec![Unknown, Unknown], Unknown),
            (Operational, vec![Unknown, Operational], Operational),
            (Operational, vec![Down], Down),
            (Operational, vec![Down, Operational], Partial),
            (Operational, vec![Down, Down, Operational], Down),
            (Operational, vec![Down, Down, Operational, Operational], Partial),
            (
                Operational,
                vec![Down, Down, Down, Operational, Operational],
                Down,
            ),
            (Operational, vec![Down, Unknown, Unknown], Down),
            (Operational, vec![Partial, Operational], Partial),
            (Operational, vec![Degraded, Operational], Degraded),
        ] {
            assert_eq!(
                roll_up(edge, targets.iter().copied()),
                rolled,
                "{edge} {targets:?}"
            );
        }
    }
}
