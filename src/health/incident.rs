//! When ill health becomes an incident: opened after 15 s, closed 60 s after recovery.

use super::{Incident, IncidentEntry, IncidentPhase, MAX_TIMELINE, Reason, State};
use crate::{clock::Timestamp, id::TargetId};

/// Ill health that lasts this long is an incident, in milliseconds.
pub(super) const OPEN_AFTER_MS: i64 = 15_000;
/// Health that lasts this long ends it, in milliseconds.
pub(super) const CLOSE_AFTER_MS: i64 = 60_000;

/// The present spell of one target.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Tracker {
    pub(super) spell: Option<Spell>,
}

/// A stretch of ill health, announced or not.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spell {
    pub(super) incident: Incident,
    /// Whether it was announced.
    pub(super) open: bool,
}

/// What the tracker is told after every change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    pub(super) target: &'a TargetId,
    pub(super) state: State,
    pub(super) reason: &'a Reason,
    pub(super) first_bad: Option<Timestamp>,
    pub(super) now: Timestamp,
}

/// An announcement.
pub(super) type Told = (IncidentPhase, Incident);

fn severity(state: State) -> u8 {
    match state {
        State::Degraded => 1,
        State::Partial => 2,
        State::Down => 3,
        State::Operational | State::Unknown | State::Maintenance => 0,
    }
}

impl Tracker {
    /// Id of the open incident.
    pub(super) fn open_id(&self) -> Option<&str> {
        let spell = self.spell.as_ref().filter(|spell| spell.open)?;
        Some(&spell.incident.id)
    }

    /// A state or reason changed. `id` makes an id for a new spell.
    pub(super) fn change(&mut self, change: &Change<'_>, id: impl FnOnce() -> String) -> Option<Told> {
        if change.state.is_impaired() {
            if let Some(spell) = &mut self.spell {
                return spell.goes_on(change);
            }
            self.spell = Some(Spell::begin(change, id()));
            return None;
        }
        let spell = self.spell.as_mut()?;
        if !spell.open {
            self.spell = None;
            return None;
        }
        let kind = if change.state == State::Operational && spell.incident.recovered.is_none() {
            spell.incident.recovered = Some(change.now);
            "recovered"
        } else {
            "transition"
        };
        spell.note(change.now, kind, change.state, change.reason.text.clone());
        Some((IncidentPhase::Updated, spell.incident.clone()))
    }

    /// What made it ill is over, though nothing more is known: the way of a target that is only reached.
    pub(super) fn reachable_again(&mut self, now: Timestamp) -> Option<Told> {
        let spell = self.spell.as_mut()?;
        if !spell.open || spell.incident.recovered.is_some() {
            return None;
        }
        spell.incident.recovered = Some(now);
        spell.note(
            now,
            "recovered",
            State::Unknown,
            "it can be reached again".to_owned(),
        );
        Some((IncidentPhase::Updated, spell.incident.clone()))
    }

    /// A restart found nothing of a spell: one that was not announced is forgotten.
    pub(super) fn forget_unannounced(&mut self) {
        self.spell = self.spell.take().filter(|spell| spell.open);
    }

    /// Opens and closes by the clock.
    pub(super) fn advance(&mut self, now: Timestamp) -> Option<Told> {
        if self.next_wake().is_none_or(|due| now.as_millis() < due) {
            return None;
        }
        let spell = self.spell.as_mut()?;
        if spell.open {
            spell.incident.closed = Some(now);
            let state = spell.last_state().filter(|state| !state.is_impaired());
            spell.note(
                now,
                "closed",
                state.unwrap_or(State::Operational),
                "60 s without a relapse".to_owned(),
            );
            return self
                .spell
                .take()
                .map(|spell| (IncidentPhase::Closed, spell.incident));
        }
        spell.open = true;
        spell.incident.opened = now;
        let text = spell.incident.reason.text.clone();
        let state = spell.last_state().unwrap_or(State::Degraded);
        spell.note(now, "opened", state, text);
        Some((IncidentPhase::Opened, spell.incident.clone()))
    }

    /// When the spell opens or closes.
    pub(super) fn next_wake(&self) -> Option<i64> {
        let spell = self.spell.as_ref()?;
        if spell.open {
            Some(spell.incident.recovered?.as_millis() + CLOSE_AFTER_MS)
        } else {
            Some(spell.incident.detected.as_millis() + OPEN_AFTER_MS)
        }
    }
}

impl Spell {
    fn begin(change: &Change<'_>, id: String) -> Self {
        let started = change.first_bad.unwrap_or(change.now).min(change.now);
        let mut spell = Self {
            incident: Incident {
                id,
                target: change.target.clone(),
                started,
                detected: change.now,
                opened: change.now,
                recovered: None,
                closed: None,
                worst: change.state,
                reason: change.reason.clone(),
                timeline: Vec::new(),
                lead_s: None,
            },
            open: false,
        };
        spell.note(
            started,
            "first_evidence",
            State::Operational,
            change.reason.text.clone(),
        );
        spell.note(change.now, "transition", change.state, change.reason.text.clone());
        spell
    }

    fn last_state(&self) -> Option<State> {
        self.incident.timeline.last().map(|entry| entry.state)
    }

    fn goes_on(&mut self, change: &Change<'_>) -> Option<Told> {
        self.incident.recovered = None;
        if severity(change.state) > severity(self.incident.worst) {
            self.incident.worst = change.state;
            self.incident.reason = change.reason.clone();
        }
        self.note(change.now, "transition", change.state, change.reason.text.clone());
        self.open.then(|| (IncidentPhase::Updated, self.incident.clone()))
    }

    fn note(&mut self, at: Timestamp, kind: &'static str, state: State, text: String) {
        if self.incident.timeline.len() == MAX_TIMELINE {
            self.incident.timeline.pop();
        }
        self.incident.timeline.push(IncidentEntry {
            at,
            kind,
            state,
            text,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::ReasonCode;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn tell(tracker: &mut Tracker, state: State, ms: i64) -> Option<Told> {
        let target: TargetId = "p/m".parse().unwrap();
        let reason = Reason {
            code: ReasonCode::Truncated,
            text: format!("{state} at {ms}"),
            sources: Vec::new(),
        };
        let change = Change {
            target: &target,
            state,
            reason: &reason,
            first_bad: Some(at(ms - 500)),
            now: at(ms),
        };
        tracker.change(&change, || "i1".to_owned())
    }

    #[test]
    fn opens_at_15_seconds_and_not_before() {
        let mut tracker = Tracker::default();
        assert_eq!(tell(&mut tracker, State::Partial, 1_000), None);
        assert_eq!(tracker.advance(at(15_999)), None);
        assert_eq!(tracker.open_id(), None);
        let (phase, incident) = tracker.advance(at(16_000)).unwrap();
        assert_eq!(phase, IncidentPhase::Opened);
        assert_eq!(
            (incident.started, incident.detected, incident.opened),
            (at(500), at(1_000), at(16_000))
        );
        assert_eq!(tracker.open_id(), Some("i1"));
        assert_eq!(tracker.advance(at(16_001)), None);
    }

    #[test]
    fn a_short_spell_leaves_no_incident() {
        let mut tracker = Tracker::default();
        tell(&mut tracker, State::Down, 0);
        assert_eq!(tell(&mut tracker, State::Operational, 14_999), None);
        assert_eq!(tracker.advance(at(100_000)), None);
    }

    #[test]
    fn closes_60_seconds_after_recovery_unless_it_relapses() {
        let mut tracker = Tracker::default();
        tell(&mut tracker, State::Partial, 0);
        tracker.advance(at(15_000)).unwrap();
        tell(&mut tracker, State::Operational, 20_000).unwrap();
        let (_, worse) = tell(&mut tracker, State::Down, 79_999).unwrap();
        assert_eq!((worse.worst, worse.recovered), (State::Down, None));
        assert_eq!(worse.reason.text, "down at 79999");
        assert_eq!(tracker.advance(at(80_000)), None);
        tell(&mut tracker, State::Operational, 90_000).unwrap();
        assert_eq!(tracker.advance(at(149_999)), None);
        let (phase, done) = tracker.advance(at(150_000)).unwrap();
        assert_eq!(
            (phase, done.recovered, done.closed),
            (IncidentPhase::Closed, Some(at(90_000)), Some(at(150_000)))
        );
        assert_eq!(tracker, Tracker::default());
    }

    #[test]
    fn the_timeline_is_bounded() {
        let mut tracker = Tracker::default();
        let changes = 2 * i64::try_from(MAX_TIMELINE).unwrap();
        for i in 0..changes {
            tell(&mut tracker, State::Partial, i);
        }
        let timeline = &tracker.spell.unwrap().incident.timeline;
        assert_eq!(timeline.len(), MAX_TIMELINE);
        assert_eq!(timeline.last().unwrap().at, at(changes - 1));
    }
}
