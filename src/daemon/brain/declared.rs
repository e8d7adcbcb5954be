//! What people declare and ask for: pauses, maintenance, overrides, and probes by hand.

use std::sync::Arc;

use super::{Act, Brain, Launch};
use crate::{
    clock::Timestamp,
    health::{Declaration, DeclareError, Declared, DeclaredKind, Subject},
    id::TargetId,
    probe::{ProbeKind, budget::Spent},
    verdict::Purpose,
};

/// How often the next occurrences of planned maintenance are reckoned anew.
const PLAN_EVERY: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Why a probe that a person asks for is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeRefused {
    /// Nobody configured that target.
    #[error("no target {0} is configured")]
    Unknown(TargetId),
    /// Nothing of that kind can be sent there.
    #[error("{0} has no probe of kind {1}: its provider may lack a key, or the preset a request for it")]
    NoSuch(TargetId, &'static str),
    /// One that a person asked for is under way there.
    #[error("a probe of {0} that somebody asked for is under way")]
    UnderWay(TargetId),
    /// As many are under way as may be.
    #[error("too many probes are under way")]
    TooMany,
    /// The day's money is spent.
    #[error(transparent)]
    Spent(#[from] Spent),
}

impl Brain {
    /// Takes a declaration.
    ///
    /// # Errors
    /// As [`crate::health::Engine::declare`].
    pub fn declare(
        &mut self,
        declaration: Declaration,
        now: Timestamp,
    ) -> Result<(Arc<Declaration>, Vec<Act>), DeclareError> {
        let (taken, effects) = self.engine.declare(declaration, now)?;
        Ok((taken, self.acts(effects, now)))
    }

    /// Ends one early; `None`: there is none of that kind and id.
    pub fn undeclare(
        &mut self,
        kind: DeclaredKind,
        id: &str,
        now: Timestamp,
    ) -> Option<(Arc<Declaration>, Vec<Act>)> {
        let (ended, effects) = self.engine.undeclare(kind, id, now)?;
        Some((ended, self.acts(effects, now)))
    }

    /// Everything that is declared and not over.
    pub fn declared(&self) -> &Declared {
        self.engine.declared()
    }

    /// Tells health when planned maintenance comes next.
    pub(super) fn plan(&mut self, now: Timestamp) -> Vec<Act> {
        self.plan_due = now.plus(PLAN_EVERY);
        let planned = self.config.maintenance.iter();
        let planned = planned.flat_map(|entry| entry.occurrences(now)).collect();
        let effects = self.engine.plan(planned, now);
        self.acts(effects, now)
    }

    /// Plans again where it is time.
    pub(super) fn replan(&mut self, now: Timestamp) -> Vec<Act> {
        if now < self.plan_due || self.config.maintenance.is_empty() {
            return Vec::new();
        }
        self.plan(now)
    }

    /// A probe that a person asks for, now: whatever the timetable, politeness or a pause say, but not beyond the budget.
    /// One at a time for each target.
    ///
    /// # Errors
    /// It is not sent, and why.
    pub fn ask(
        &mut self,
        target: &TargetId,
        kind: ProbeKind,
        now: Timestamp,
    ) -> Result<Launch, ProbeRefused> {
        let Some(model) = self.models.get(target) else {
            return Err(ProbeRefused::Unknown(target.clone()));
        };
        let can = match kind.canary() {
            Some(canary) => model.any(canary).is_some(),
            None => self
                .providers
                .get(target.provider())
                .is_some_and(|p| p.reach.is_some()),
        };
        if !can {
            return Err(ProbeRefused::NoSuch(target.clone(), kind.as_str()));
        }
        let asked = |flight: &super::Flight| flight.purpose == Purpose::Manual && flight.target == *target;
        if self.flights.values().any(asked) {
            return Err(ProbeRefused::UnderWay(target.clone()));
        }
        let subject = Subject::Model(target.clone(), kind.length());
        self.try_launch(subject, target.clone(), kind, Purpose::Manual, now)
    }
}
