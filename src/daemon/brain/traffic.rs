//! What real traffic changes for the brain: targets that nobody configured, and canaries that may rest.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::{Act, Brain};
use crate::{
    clock::Timestamp,
    health::{Saved, Subject, TargetSetup},
    id::TargetId,
    intake::{FORGOTTEN_AFTER, MAX_REPORTS_ONLY},
    probe::ProbeKind,
    verdict::{CanaryKind, Observation, Trust, Verdict},
};

/// How long a first token of a target may take whose deadlines nobody configured.
const FIRST_TOKEN_LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked which targets are silent.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// Targets that are there because reports tell of them, and the last whole replies of every target.
#[derive(Debug)]
pub(super) struct Traffic {
    guests: HashMap<TargetId, Timestamp>,
    whole: HashMap<TargetId, VecDeque<Timestamp>>,
    look: Timestamp,
}

impl Traffic {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            guests: HashMap::new(),
            whole: HashMap::new(),
            look: now.plus(LOOK_EVERY),
        }
    }

    /// Takes a target up that nobody configured, or hears of it again; `true`: it is new.
    pub(super) fn hear(&mut self, target: &TargetId, now: Timestamp) -> bool {
        if let Some(last) = self.guests.get_mut(target) {
            *last = now;
            return false;
        }
        let room = self.guests.len() < MAX_REPORTS_ONLY;
        if room {
            self.guests.insert(target.clone(), now);
        }
        room
    }

    /// Forgets those that were silent for too long; `true`: some went.
    pub(super) fn forget(&mut self, now: Timestamp) -> bool {
        if now < self.look {
            return false;
        }
        self.look = now.plus(LOOK_EVERY);
        let before = self.guests.len();
        self.guests.retain(|_, last| now.since(*last) < FORGOTTEN_AFTER);
        self.guests.len() != before
    }

    /// Those that are configured now are guests no longer.
    pub(super) fn configured(&mut self, is: impl Fn(&TargetId) -> bool) {
        self.guests.retain(|target, _| !is(target));
    }

    /// What health must know of them, in the order of their names.
    pub(super) fn setups(&self) -> Vec<TargetSetup> {
        let mut ids: Vec<&TargetId> = self.guests.keys().collect();
        ids.sort();
        let setup = |id: &TargetId| TargetSetup {
            id: id.clone(),
            strict_terminal: false,
            interval: None,
            long: false,
            long_interval: None,
            first_token_limit: FIRST_TOKEN_LIMIT,
            polite: true,
            reports_only: true,
        };
        ids.into_iter().map(setup).collect()
    }

    /// Counts a whole reply for the rest of the canary; one that failed begins the count anew. `most`: how many make a
    /// canary rest.
    pub(super) fn count(&mut self, seen: &Observation, most: u32, now: Timestamp) {
        if seen.is_failure() {
            self.whole.remove(&seen.target);
        } else if seen.verdict == Verdict::Complete && seen.trust == Trust::Full {
            let whole = match self.whole.get_mut(&seen.target) {
                Some(whole) => whole,
                None => self.whole.entry(seen.target.clone()).or_default(),
            };
            whole.push_back(now);
            while whole.len() > most as usize {
                whole.pop_front();
            }
        }
    }

    /// Whether that many whole replies came within the interval, and none that failed.
    pub(super) fn suffices(&self, target: &TargetId, n: u32, every: Duration, now: Timestamp) -> bool {
        self.whole
            .get(target)
            .filter(|whole| whole.len() >= n as usize)
            .and_then(|whole| whole.front())
            .is_some_and(|oldest| now.since(*oldest) < every)
    }
}

impl Brain {
    /// Somebody's real request. A target that nobody configured is taken up with its first one.
    pub fn reported(&mut self, observation: &Observation, now: Timestamp) -> Vec<Act> {
        let target = &observation.target;
        if observation.is_failure() {
            self.suspects.remove(target);
        }
        let mut acts = Vec::new();
        if let Some(model) = self.models.get(target) {
            let most = model.canary.as_ref().and_then(|canary| canary.rest_after);
            if let Some(most) = most {
                self.traffic.count(observation, most, now);
            }
        } else if self.traffic.hear(target, now) {
            acts = self.resetup(now);
        }
        let effects = self.engine.observe(observation, now);
        acts.extend(self.acts(effects, now));
        acts
    }

    /// Whether a short canary that is due rests, because real traffic told enough since the last one.
    pub(super) fn rests(&mut self, subject: &Subject, kind: ProbeKind, now: Timestamp) -> bool {
        let Subject::Model(target, _) = subject else {
            return false;
        };
        let canary = self.models.get(target).and_then(|model| model.canary.as_ref());
        let Some((canary, n)) = canary.and_then(|canary| Some((canary, canary.rest_after?))) else {
            return false;
        };
        if kind.canary() != Some(CanaryKind::Short) {
            return false;
        }
        let rests = self.traffic.suffices(target, n, canary.every, now);
        if rests {
            self.skipped.resting += 1;
            self.resting.insert(target.clone());
        } else {
            self.resting.remove(target);
        }
        rests
    }

    /// Targets that an earlier process heard of by reports.
    pub(super) fn take_in(&mut self, saved: &Saved, now: Timestamp) {
        let others = saved.reports_only().into_iter();
        let mut new = false;
        for target in others.filter(|target| !self.models.contains_key(target)) {
            new |= self.traffic.hear(&target, now);
        }
        if new {
            // Nothing is known yet that could have changed.
            let _ = self.resetup(now);
        }
    }

    /// Targets that are there because reports tell of them, in the order of their names.
    pub fn reports_only(&self) -> Vec<TargetId> {
        self.traffic.setups().into_iter().map(|setup| setup.id).collect()
    }
}
