//! From what was published to what people are told, and what is kept of both.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::post::Post;
use crate::{
    alert::{AckError, Alarm, Facts, Message, Policy},
    clock::Timestamp,
    config::Alerts,
    feed::{route::Route, v1::Health},
    health::{Change, Incident, IncidentPhase, Saved, Transition},
    id::TargetId,
    store::{Reader, Round},
};

/// The policy looks again no sooner than this after a look, unless something happens: whatever it asks for, the loop
/// never turns without a pause.
const REST: Duration = Duration::from_millis(10);

/// What is told of now, as the policy last saw it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown(Arc<Mutex<Vec<Alarm>>>);

impl Shown {
    pub(crate) fn now(&self) -> Vec<Alarm> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, alarms: Vec<Alarm>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = alarms;
    }
}

/// What the loop's round brought.
pub(crate) struct Brought<'a> {
    pub(crate) transitions: &'a [Transition],
    pub(crate) incidents: &'a [(IncidentPhase, Incident)],
    pub(crate) changes: &'a [Change],
}

/// The policy, what it looks at, and what was last kept of it.
pub(crate) struct Alarms {
    policy: Policy,
    post: Post,
    incidents: HashMap<String, Incident>,
    memory: String,
    wake: Option<Timestamp>,
    shown: Shown,
}

impl Alarms {
    /// Takes up what an earlier process told. `open`: incidents that were open when it ended. **Blocks.**
    pub(crate) fn new(
        alerts: &Alerts,
        vantage: &str,
        open: &[Incident],
        post: Post,
        reader: &Reader,
    ) -> Self {
        let mut policy = Policy::new(alerts, vantage);
        match reader.alert_memory() {
            Ok(Some(memory)) => {
                if let Err(error) = policy.restore(&memory) {
                    tracing::error!(%error, "what was told is not known any more: open alarms are told anew");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "what was told can't be read: open alarms are told anew"),
        }
        let shown = Shown::default();
        shown.set(policy.alarms());
        Self {
            memory: policy.memory(),
            wake: None,
            incidents: open.iter().map(|it| (it.id.clone(), it.clone())).collect(),
            policy,
            post,
            shown,
        }
    }

    /// For whoever shows alarms.
    pub(crate) fn shown(&self) -> Shown {
        self.shown.clone()
    }

    /// Whether the policy has something to do though nothing happened.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.wake.is_some_and(|wake| wake <= now)
    }

    /// When that is.
    pub(crate) const fn next_wake(&self) -> Option<Timestamp> {
        self.wake
    }

    pub(crate) fn reconfigure(&mut self, alerts: &Alerts) {
        self.policy.reconfigure(alerts);
    }

    /// Looks at what is published by now and keeps what follows, with the state of each target that it is about (`save`)
    /// in the same transaction: a restart then knows of the very incidents that it told of. True: the round's
    /// transitions and incidents are kept with it.
    pub(crate) fn look(
        &mut self,
        brought: &Brought<'_>,
        (health, routes): (&Health, &[Route]),
        save: impl Fn(&TargetId) -> Option<Saved>,
        now: Timestamp,
    ) -> bool {
        let mut weighty = false;
        for (phase, incident) in brought.incidents {
            weighty |= *phase != IncidentPhase::Updated;
            self.incidents.insert(incident.id.clone(), incident.clone());
        }
        let facts = Facts {
            health,
            incidents: &self.incidents,
            routes,
            changes: brought.changes,
        };
        let messages = self.policy.look(&facts, now);
        self.wake = self.policy.next_wake().map(|wake| wake.max(now.plus(REST)));
        self.incidents.retain(|_, incident| incident.closed.is_none());
        self.keep(brought, messages, weighty, save, now)
    }

    /// Somebody takes care of it.
    ///
    /// # Errors
    /// There is nothing of that name that goes on.
    pub(crate) fn ack(&mut self, what: &str, by: &str, now: Timestamp) -> Result<(), AckError> {
        let messages = self.policy.ack(what, by, now)?;
        let nothing = Brought {
            transitions: &[],
            incidents: &[],
            changes: &[],
        };
        self.keep(&nothing, messages, false, |_| None, now);
        Ok(())
    }

    fn keep(
        &mut self,
        brought: &Brought<'_>,
        messages: Vec<Message>,
        weighty: bool,
        save: impl Fn(&TargetId) -> Option<Saved>,
        now: Timestamp,
    ) -> bool {
        let memory = self.policy.memory();
        let moved = memory != self.memory;
        if !weighty && !moved && messages.is_empty() {
            return false;
        }
        let moved_targets = brought.transitions.iter().map(|it| &it.target);
        let about: BTreeSet<&TargetId> = moved_targets
            .chain(brought.incidents.iter().map(|(_, it)| &it.target))
            .collect();
        let state = |target: &TargetId| Some((target.clone(), save(target)?));
        let round = Round {
            transitions: brought.transitions.to_vec(),
            incidents: brought.incidents.iter().map(|(_, it)| it.clone()).collect(),
            states: about.into_iter().filter_map(state).collect(),
            letters: Vec::new(),
            memory: moved.then(|| memory.clone()),
        };
        self.memory = memory;
        self.post.keep(round, messages, now);
        // Behind the messages: nobody sees that all is well and that nothing waits while an end is yet to be told.
        self.shown.set(self.policy.alarms());
        true
    }
}
