//! From a state to advice for routers: hint, weight, and the slow way back after `avoid`.

use serde::{Deserialize, Serialize};

use super::{Forced, Hint, Routing, State};
use crate::clock::Timestamp;

/// Failing fraction from which a partial target is to be avoided.
pub(super) const AVOID_FROM: f64 = 0.30;
/// Failing fraction below which it may be used again.
pub(super) const AVOID_BELOW: f64 = 0.20;
/// Most traffic for a target that is not well.
const HALF: f64 = 0.5;
/// Length of one step of the ramp, in milliseconds.
pub(super) const STEP_MS: i64 = 10_000;
/// Weights of the ramp's steps; after the last the target is as any other.
pub(super) const RAMP: [f64; RAMP_STEPS as usize] = [0.05, 0.25, 0.5];
/// Number of steps.
const RAMP_STEPS: i64 = 3;

/// Trouble with our own credential, as a hint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KeyHint {
    pub(super) hint: Hint,
    pub(super) retry_at: Option<Timestamp>,
}

/// What a hint depends on beside the state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Facts {
    /// The largest failing fraction.
    pub(super) fraction: f64,
    /// Close to an alarm.
    pub(super) suspect: bool,
    pub(super) key: Option<KeyHint>,
}

/// What the hint remembers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Advice {
    /// Traffic was kept away and has not come back yet; stays through `unknown`.
    away: bool,
    /// Partial, above the line of `avoid`.
    partial_avoid: bool,
    ramp_since_ms: Option<i64>,
}

impl Advice {
    /// The advice for a state at this time.
    pub(super) fn routing(&mut self, state: State, facts: &Facts, now_ms: i64) -> Routing {
        let own = |key: KeyHint| Routing {
            hint: key.hint,
            weight: None,
            retry_at: key.retry_at,
        };
        if state == State::Unknown {
            return facts.key.map_or(
                Routing {
                    hint: Hint::NoOpinion,
                    weight: None,
                    retry_at: None,
                },
                own,
            );
        }
        let line = if self.partial_avoid {
            AVOID_BELOW
        } else {
            AVOID_FROM
        };
        self.partial_avoid = match state {
            State::Partial => facts.fraction >= line,
            State::Down => true,
            _ => false,
        };
        let avoid = self.partial_avoid || state == State::Maintenance;
        if avoid {
            self.away = true;
            self.ramp_since_ms = None;
            return plain(Hint::Avoid, 0.0);
        }
        if std::mem::take(&mut self.away) {
            self.ramp_since_ms = Some(now_ms);
        }
        let (hint, weight) = match state {
            State::Degraded => (Hint::Allow, HALF),
            State::Partial => (Hint::Allow, HALF.min(1.0 - facts.fraction)),
            _ if facts.suspect => (Hint::Suspect, 1.0),
            _ => (Hint::Allow, 1.0),
        };
        if let Some(since) = self.ramp_since_ms {
            match RAMP.get(usize::try_from((now_ms - since) / STEP_MS).unwrap_or(0)) {
                Some(step) => return plain(Hint::Ramp, weight.min(*step)),
                None => self.ramp_since_ms = None,
            }
        }
        facts.key.map_or_else(|| plain(hint, weight), own)
    }

    /// The advice that a person forces. Whom nobody was sent comes back by degrees once that is over.
    pub(super) fn force(&mut self, forced: Forced) -> Routing {
        self.ramp_since_ms = None;
        self.away = forced == Forced::Avoid;
        match forced {
            Forced::Allow => plain(Hint::Allow, 1.0),
            Forced::Avoid => plain(Hint::Avoid, 0.0),
        }
    }

    /// When the next step of the ramp begins.
    pub(super) fn next_wake(&self, now_ms: i64) -> Option<i64> {
        let since = self.ramp_since_ms?;
        let step = (now_ms - since).max(0) / STEP_MS + 1;
        Some(since + step.min(RAMP_STEPS) * STEP_MS)
    }
}

fn plain(hint: Hint, weight: f64) -> Routing {
    Routing {
        hint,
        weight: Some(weight),
        retry_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(fraction: f64) -> Facts {
        Facts {
            fraction,
            suspect: false,
            key: None,
        }
    }

    fn told(advice: &mut Advice, state: State, f: f64, now_ms: i64) -> (Hint, Option<f64>) {
        let routing = advice.routing(state, &facts(f), now_ms);
        (routing.hint, routing.weight)
    }

    #[test]
    fn the_way_back_takes_30_seconds() {
        let mut advice = Advice::default();
        assert_eq!(told(&mut advice, State::Down, 1.0, 0), (Hint::Avoid, Some(0.0)));
        for (at, hint, weight) in [
            (1_000, Hint::Ramp, 0.05),
            (10_999, Hint::Ramp, 0.05),
            (11_000, Hint::Ramp, 0.25),
            (21_000, Hint::Ramp, 0.5),
            (30_999, Hint::Ramp, 0.5),
            (31_000, Hint::Allow, 1.0),
        ] {
            assert_eq!(
                told(&mut advice, State::Operational, 0.0, at),
                (hint, Some(weight)),
                "{at}"
            );
        }
        assert_eq!(advice.next_wake(31_000), None);
    }

    #[test]
    fn unknown_does_not_shorten_the_way_back() {
        let mut advice = Advice::default();
        told(&mut advice, State::Down, 1.0, 0);
        assert_eq!(told(&mut advice, State::Unknown, 0.0, 1).0, Hint::NoOpinion);
        assert_eq!(
            told(&mut advice, State::Operational, 0.0, 99_000),
            (Hint::Ramp, Some(0.05))
        );
        assert_eq!(advice.next_wake(99_000), Some(109_000));
        assert_eq!(advice.next_wake(109_000), Some(119_000));
    }

    #[test]
    fn partial_is_avoided_from_30_percent_down_to_20() {
        let mut advice = Advice::default();
        for (f, hint) in [
            (0.299, Hint::Allow),
            (0.30, Hint::Avoid),
            (0.20, Hint::Avoid),
            (0.199, Hint::Ramp),
            (0.299, Hint::Ramp),
            (0.30, Hint::Avoid),
        ] {
            assert_eq!(told(&mut advice, State::Partial, f, 0).0, hint, "{f}");
        }
    }

    #[test]
    fn our_own_key_yields_to_avoid_and_ramp() {
        let key = Some(KeyHint {
            hint: Hint::Throttle,
            retry_at: Some(Timestamp::from_millis(5)),
        });
        let with_key = |f| Facts { key, ..facts(f) };
        let mut advice = Advice::default();
        assert_eq!(
            advice.routing(State::Unknown, &with_key(0.0), 0).hint,
            Hint::Throttle
        );
        assert_eq!(
            advice.routing(State::Operational, &with_key(0.0), 0).hint,
            Hint::Throttle
        );
        assert_eq!(advice.routing(State::Down, &with_key(1.0), 0).hint, Hint::Avoid);
        assert_eq!(
            advice.routing(State::Operational, &with_key(0.0), 1).hint,
            Hint::Ramp
        );
    }
}
