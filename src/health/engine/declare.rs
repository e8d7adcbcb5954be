//! What people declare, applied to the targets.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Engine;
use crate::{
    clock::Timestamp,
    health::{
        Declaration, DeclareError, Declared, DeclaredKind, Declares, Effect, Forced, Length, Saved, Scope,
        Subject,
    },
};

impl Engine {
    /// Takes a declaration; what it changes is told at once where it begins at once.
    ///
    /// # Errors
    /// It is over, too long, too far ahead, one too many, or means nobody.
    pub fn declare(
        &mut self,
        declaration: Declaration,
        now: Timestamp,
    ) -> Result<(Arc<Declaration>, Vec<Effect>), DeclareError> {
        let now = self.clamp(now);
        let watched = self.targets.iter().map(|target| &target.setup.id);
        let taken = self.declared.add(declaration, watched, now)?;
        let mut out = Vec::new();
        self.apply_declared(now, &mut out);
        Ok((taken, out))
    }

    /// Ends a declaration early; `None`: there is none of that kind and id.
    pub fn undeclare(
        &mut self,
        kind: DeclaredKind,
        id: &str,
        now: Timestamp,
    ) -> Option<(Arc<Declaration>, Vec<Effect>)> {
        let now = self.clamp(now);
        let ended = self.declared.end(kind, id)?;
        let mut out = Vec::new();
        self.apply_declared(now, &mut out);
        Some((ended, out))
    }

    /// Replaces what the configuration plans.
    pub fn plan(&mut self, planned: Vec<Declaration>, now: Timestamp) -> Vec<Effect> {
        let now = self.clamp(now);
        self.declared.plan(planned);
        let mut out = Vec::new();
        self.apply_declared(now, &mut out);
        out
    }

    /// Everything that is declared and not over.
    pub fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Whether a person stopped our probes of that subject. The edge of a provider is left alone once all its targets are.
    pub fn is_paused(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Model(target, _) => self
                .target(target)
                .is_some_and(|target| target.declared.pause.is_some()),
            Subject::Edge(provider) => {
                let home = self.providers.iter().position(|home| home.id == *provider);
                home.is_some_and(|home| self.edge_rests(home))
            }
        }
    }

    /// Takes up the declarations of an earlier process. They are kept apart from what the detectors know, so that they
    /// hold even where that can't be read.
    ///
    /// # Errors
    /// The text is not a saved state.
    pub fn restore_declared(&mut self, saved: &Saved, now: Timestamp) -> Result<(), String> {
        let now = self.clamp(now);
        let kept: KeptWithDeclared =
            serde_json::from_str(&saved.blob).map_err(|error| format!("kept declarations: {error}"))?;
        let (said, ended) = kept.declared.into_declared();
        self.declared.restore(said, ended, now);
        self.apply_declared(now, &mut Vec::new());
        Ok(())
    }

    /// Begins and ends what is due, and judges whom it concerns.
    pub(super) fn apply_declared(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        self.declared.forget(now);
        self.declared_due = self.declared.next_change(now);
        for number in 0..self.targets.len() {
            let target = &mut self.targets[number];
            let in_force = self.declared.in_force(&target.setup.id, now);
            if in_force == target.declared {
                continue;
            }
            let before = std::mem::replace(&mut target.declared, in_force);
            if before.of_state().is_some() && target.declared.of_state().is_none() {
                target.declared_until = Some(now);
            }
            if before.pause.is_some() && target.declared.pause.is_none() {
                self.resume_target(number, now);
            }
            self.judge(number, now, out);
        }
    }

    /// A pause is over: whoever was ill is asked again, as after a restart.
    fn resume_target(&mut self, number: usize, now: Timestamp) {
        let now_ms = now.as_millis();
        let target = &mut self.targets[number];
        for length in [Length::Short, Length::Long] {
            let stream = target.stream_mut(length);
            if stream.machine.alarmed() {
                stream.recovery.ensure(now_ms);
            }
        }
        let edge = &mut self.providers[target.provider].edge;
        if edge.machine.alarmed() {
            edge.recovery.ensure(now_ms);
        }
    }

    /// Whether probes of that provider's edge rest, because every target of it is paused.
    pub(super) fn edge_rests(&self, home: usize) -> bool {
        let targets = &self.providers[home].targets;
        let paused = |number: &usize| self.targets[*number].declared.pause.is_some();
        !targets.is_empty() && targets.iter().all(paused)
    }
}

/// As much of a kept state as declarations need.
#[derive(Deserialize)]
struct KeptWithDeclared {
    #[serde(default)]
    declared: KeptDeclared,
}

/// Declarations as they are kept. What a later version may say and this one doesn't know is left out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct KeptDeclared {
    #[serde(default)]
    said: Vec<KeptDeclaration>,
    #[serde(default)]
    ended: Vec<(String, i64)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptDeclaration {
    id: String,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    targets: Vec<String>,
    from: i64,
    until: i64,
    by: String,
    why: String,
}

impl KeptDeclared {
    pub(super) fn of(declared: &Declared) -> Self {
        Self {
            said: declared
                .said()
                .iter()
                .map(|one| KeptDeclaration::of(one))
                .collect(),
            ended: declared
                .ended()
                .iter()
                .map(|(id, until)| (id.clone(), until.as_millis()))
                .collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty() && self.ended.is_empty()
    }

    fn into_declared(self) -> (Vec<Declaration>, Vec<(String, Timestamp)>) {
        let said = self.said.into_iter().filter_map(KeptDeclaration::into_one);
        let ended = self.ended.into_iter();
        (
            said.collect(),
            ended
                .map(|(id, until)| (id, Timestamp::from_millis(until)))
                .collect(),
        )
    }
}

impl KeptDeclaration {
    fn of(one: &Declaration) -> Self {
        Self {
            id: one.id.clone(),
            kind: one.what.kind().as_str().to_owned(),
            hint: one.what.forced().map(|forced| forced.hint().as_str().to_owned()),
            targets: one.targets.patterns(),
            from: one.from.as_millis(),
            until: one.until.as_millis(),
            by: one.by.clone(),
            why: one.why.clone(),
        }
    }

    fn into_one(self) -> Option<Declaration> {
        let what = match DeclaredKind::parse(&self.kind)? {
            DeclaredKind::Pause => Declares::Pause,
            DeclaredKind::Maintenance => Declares::Maintenance,
            DeclaredKind::Override => Declares::Override(Forced::parse(self.hint.as_deref()?)?),
        };
        Some(Declaration {
            id: self.id,
            what,
            targets: Scope::new(self.targets.iter().map(String::as_str)).ok()?,
            from: Timestamp::from_millis(self.from),
            until: Timestamp::from_millis(self.until),
            by: self.by,
            why: self.why,
            planned: false,
        })
    }
}

#[cfg(test)]
mod tests;
