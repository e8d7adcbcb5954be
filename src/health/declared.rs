//! What a person declares about targets: a pause, maintenance, an override. Each has an end.
//!
//! They decide different things, so that they may overlap: maintenance decides the state, a pause stops our probes and
//! leaves the state unknown unless it is maintenance, an override decides the advice whatever the state. Of two overrides
//! the one declared last counts, of two pauses or maintenances the one that ends last.

use std::{fmt, sync::Arc, time::Duration};

use super::{Hint, Scope};
use crate::{clock::Timestamp, id::TargetId};

/// Shortest declaration.
pub const MIN_DECLARED: Duration = Duration::from_secs(1);
/// Longest declaration. Whatever lasts longer is a change of the configuration.
pub const MAX_DECLARED: Duration = Duration::from_secs(31 * 86_400);
/// How far ahead one may begin.
pub const MAX_AHEAD: Duration = Duration::from_secs(366 * 86_400);
/// Most declarations that people made and that are not over.
pub const MAX_DECLARATIONS: usize = 256;
/// Longest name of who declared, in bytes.
pub const MAX_BY_BYTES: usize = 64;
/// Longest reason, in bytes.
pub const MAX_WHY_BYTES: usize = 300;
/// Longest id, in bytes.
pub const MAX_DECLARATION_ID_BYTES: usize = 96;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What is declared, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeclaredKind {
    /// No probes are sent.
    Pause,
    /// The provider works on it.
    Maintenance,
    /// A person knows better than the detector.
    Override,
}

impl DeclaredKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Pause, Self::Maintenance, Self::Override];

    /// The name in feed, API and store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Maintenance => "maintenance",
            Self::Override => "override",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for DeclaredKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declares {
    /// No probes are sent.
    Pause,
    /// The provider works on it.
    Maintenance,
    /// The advice for routers, whatever the state: [`Hint::Allow`] or [`Hint::Avoid`].
    Override(Forced),
}

/// Advice that a person gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forced {
    /// Use it.
    Allow,
    /// Don't use it.
    Avoid,
}

impl Forced {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Avoid];

    /// The advice.
    pub const fn hint(self) -> Hint {
        match self {
            Self::Allow => Hint::Allow,
            Self::Avoid => Hint::Avoid,
        }
    }

    /// The advice of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|forced| forced.hint().as_str() == text)
    }
}

impl Declares {
    /// Its kind.
    pub const fn kind(self) -> DeclaredKind {
        match self {
            Self::Pause => DeclaredKind::Pause,
            Self::Maintenance => DeclaredKind::Maintenance,
            Self::Override(_) => DeclaredKind::Override,
        }
    }

    /// The advice that it forces.
    pub const fn forced(self) -> Option<Forced> {
        match self {
            Self::Override(forced) => Some(forced),
            Self::Pause | Self::Maintenance => None,
        }
    }
}

/// One declaration. It is in force from `from` until just before `until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Names it, in the API too: letters, digits, `-`, `_` and `.`.
    pub id: String,
    /// What.
    pub what: Declares,
    /// Of whom.
    pub targets: Scope,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Who said so. A person's text: escape it.
    pub by: String,
    /// Why; may be empty. A person's text: escape it.
    pub why: String,
    /// It comes from the configuration's timetable and comes again.
    pub planned: bool,
}

impl Declaration {
    /// Whether it is in force.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// `paused by ana until 14:00 UTC: their status page announces work`.
    pub fn words(&self, now: Timestamp) -> String {
        let what = match self.what {
            Declares::Pause => "paused",
            Declares::Maintenance => "maintenance, declared",
            Declares::Override(Forced::Allow) => "overridden to allow",
            Declares::Override(Forced::Avoid) => "overridden to avoid",
        };
        let mut words = format!("{what} by {} until {}", self.by, until(self.until, now));
        if !self.why.is_empty() {
            words.push_str(": ");
            words.push_str(&self.why);
        }
        words
    }
}

/// A time to the minute, with its day unless that is today.
fn until(at: Timestamp, now: Timestamp) -> String {
    let text = at.to_rfc3339();
    let (day, time) = (
        text.get(..10).unwrap_or(&text),
        text.get(11..16).unwrap_or_default(),
    );
    if at.as_millis().div_euclid(DAY_MS) == now.as_millis().div_euclid(DAY_MS) {
        format!("{time} UTC")
    } else {
        format!("{day} {time} UTC")
    }
}

/// Why a declaration is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// It ends before it begins, or lasts shorter or longer than is allowed.
    #[error("it would last {}, allowed are {} to {}", humantime::format_duration(*.0),
        humantime::format_duration(MIN_DECLARED), humantime::format_duration(MAX_DECLARED))]
    Length(Duration),
    /// It is over already.
    #[error("it would be over already")]
    Over,
    /// It begins later than [`MAX_AHEAD`].
    #[error("it would begin more than {} from now", humantime::format_duration(MAX_AHEAD))]
    TooFar,
    /// A text is too long, or empty where something has to be said.
    #[error("{0}")]
    Text(String),
    /// No target of the feed is meant.
    #[error("no target that is watched is called {0:?}")]
    Nobody(String),
    /// [`MAX_DECLARATIONS`] are there.
    #[error("{MAX_DECLARATIONS} declarations are not over yet: end one first")]
    TooMany,
}

/// What is in force for one target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InForce {
    /// No probes.
    pub pause: Option<Arc<Declaration>>,
    /// Maintenance.
    pub maintenance: Option<Arc<Declaration>>,
    /// Advice.
    pub forced: Option<Arc<Declaration>>,
}

impl InForce {
    /// Everything that is in force: what decides the state first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Declaration>> {
        [&self.maintenance, &self.pause, &self.forced]
            .into_iter()
            .flatten()
    }

    /// Maintenance or a pause: what decides the state.
    pub fn of_state(&self) -> Option<&Declaration> {
        self.maintenance.as_deref().or(self.pause.as_deref())
    }

    /// The advice that is forced.
    pub fn advice(&self) -> Option<Forced> {
        self.forced.as_ref()?.what.forced()
    }
}

/// All declarations that are not over, by time.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// What people said, in the order in which they said it.
    said: Vec<Arc<Declaration>>,
    /// The next occurrences of what the configuration plans.
    planned: Vec<Arc<Declaration>>,
    /// Planned ones that a person ended early, with their planned ends.
    ended: Vec<(String, Timestamp)>,
    /// Grows with every change.
    version: u64,
}

impl Declared {
    /// Grows with every change: who has shown this one need not look again.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Everything that is not over, what people said first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Declaration>> {
        self.said.iter().chain(&self.planned)
    }

    /// What people said.
    pub fn said(&self) -> &[Arc<Declaration>] {
        &self.said
    }

    /// Planned ones that were ended early.
    pub fn ended(&self) -> &[(String, Timestamp)] {
        &self.ended
    }

    /// Takes one. `watched` are the targets of the feed.
    ///
    /// # Errors
    /// A limit, or nobody is meant.
    pub fn add<'a>(
        &mut self,
        declaration: Declaration,
        mut watched: impl Iterator<Item = &'a TargetId>,
        now: Timestamp,
    ) -> Result<Arc<Declaration>, DeclareError> {
        check(&declaration, now)?;
        if !watched.any(|target| declaration.targets.holds(target)) {
            return Err(DeclareError::Nobody(declaration.targets.to_string()));
        }
        self.forget(now);
        if self.said.len() >= MAX_DECLARATIONS {
            return Err(DeclareError::TooMany);
        }
        let declaration = Arc::new(declaration);
        self.version += 1;
        self.said.push(Arc::clone(&declaration));
        Ok(declaration)
    }

    /// Takes up what an earlier process kept.
    pub fn restore(&mut self, said: Vec<Declaration>, ended: Vec<(String, Timestamp)>, now: Timestamp) {
        self.said = said.into_iter().take(MAX_DECLARATIONS).map(Arc::new).collect();
        self.ended = ended;
        self.version += 1;
        self.drop_ended();
        self.forget(now);
    }

    /// Replaces what the configuration plans. Occurrences that a person ended early stay ended.
    pub fn plan(&mut self, planned: Vec<Declaration>) {
        self.version += 1;
        self.planned = planned.into_iter().map(Arc::new).collect();
        self.drop_ended();
    }

    fn drop_ended(&mut self) {
        let ended = &self.ended;
        self.planned
            .retain(|declaration| ended.iter().all(|(id, _)| *id != declaration.id));
    }

    /// Ends one early; `None`: there is none of that kind and id.
    pub fn end(&mut self, kind: DeclaredKind, id: &str) -> Option<Arc<Declaration>> {
        self.version += 1;
        let is = |declaration: &Arc<Declaration>| declaration.what.kind() == kind && declaration.id == id;
        if let Some(at) = self.said.iter().position(is) {
            return Some(self.said.remove(at));
        }
        let at = self.planned.iter().position(is)?;
        let declaration = self.planned.remove(at);
        self.ended.push((declaration.id.clone(), declaration.until));
        Some(declaration)
    }

    /// Forgets what is over.
    pub fn forget(&mut self, now: Timestamp) {
        self.said.retain(|declaration| now < declaration.until);
        self.planned.retain(|declaration| now < declaration.until);
        self.ended.retain(|(_, until)| now < *until);
    }

    /// What is in force for that target.
    pub fn in_force(&self, target: &TargetId, now: Timestamp) -> InForce {
        let mut found = InForce::default();
        let active = self.all().filter(|declaration| declaration.is_active(now));
        for declaration in active.filter(|declaration| declaration.targets.holds(target)) {
            let place = match declaration.what {
                Declares::Pause => &mut found.pause,
                Declares::Maintenance => &mut found.maintenance,
                Declares::Override(_) => {
                    found.forced = Some(Arc::clone(declaration));
                    continue;
                }
            };
            if place.as_ref().is_none_or(|other| other.until < declaration.until) {
                *place = Some(Arc::clone(declaration));
            }
        }
        found
    }

    /// When something begins or ends next.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let edges = self
            .all()
            .flat_map(|declaration| [declaration.from, declaration.until]);
        edges.filter(|at| *at > now).min()
    }
}

/// Everything that one declaration can be wrong in.
fn check(declaration: &Declaration, now: Timestamp) -> Result<(), DeclareError> {
    let length = declaration.until.since(declaration.from);
    if !(MIN_DECLARED..=MAX_DECLARED).contains(&length) {
        return Err(DeclareError::Length(length));
    }
    if declaration.until <= now {
        return Err(DeclareError::Over);
    }
    if declaration.from > now.plus(MAX_AHEAD) {
        return Err(DeclareError::TooFar);
    }
    for (name, text, most, empty) in [
        ("by", &declaration.by, MAX_BY_BYTES, false),
        ("why", &declaration.why, MAX_WHY_BYTES, true),
    ] {
        if text.len() > most {
            return Err(DeclareError::Text(format!(
                "{name} has {} bytes, at most {most} are allowed",
                text.len()
            )));
        }
        if text.is_empty() && !empty {
            return Err(DeclareError::Text(format!(
                "{name} is empty: say who declares it"
            )));
        }
        if text.chars().any(char::is_control) {
            return Err(DeclareError::Text(format!("{name} holds control characters")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
