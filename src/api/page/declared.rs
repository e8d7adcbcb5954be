//! What people declared of targets: a pause, maintenance, an override.

use std::collections::BTreeMap;

use super::{figures::Moment, frame::href, words};
use crate::{
    clock::Timestamp,
    feed::{
        Time,
        declared::Declared,
        v1::{Health, TargetHealth},
    },
    health::State,
};

/// Most targets that a notice names.
const MAX_NOTED: usize = 4;
/// Most notices that are shown.
const MAX_NOTICES: usize = 12;

/// One declaration in words.
pub(super) struct Word {
    /// What it is drawn as.
    pub(super) state: State,
    pub(super) what: &'static str,
    pub(super) until: Moment,
    /// Who, and why. A person's text.
    pub(super) words: String,
}

/// A declaration with whom it means.
pub(super) struct Notice {
    pub(super) word: Word,
    /// Ids, and where their pages are.
    pub(super) targets: Vec<(String, String)>,
    /// How many more.
    pub(super) more: usize,
}

impl Word {
    fn new(one: &Declared, now: Timestamp) -> Self {
        let (what, state) = match (one.kind.as_ref(), one.hint.as_deref()) {
            ("pause", _) => ("Paused", State::Unknown),
            ("maintenance", _) => ("Maintenance", State::Maintenance),
            (_, Some("allow")) => ("Overridden: use it", State::Operational),
            (_, Some("avoid")) => ("Overridden: do not use it", State::Down),
            _ => ("Declared", State::Unknown),
        };
        let by = words::line(&one.by, words::MAX_LINE);
        Self {
            state,
            what,
            until: Moment::new(one.until.0, now),
            words: if one.why.is_empty() {
                format!("by {by}")
            } else {
                format!("by {by}: {}", words::line(&one.why, words::MAX_LINE))
            },
        }
    }

    /// Everything that is declared of a target.
    pub(super) fn all(target: &TargetHealth, now: Timestamp) -> Vec<Self> {
        target.declared.iter().map(|one| Self::new(one, now)).collect()
    }
}

/// What is declared of any target, the first to end first.
pub(super) fn notices(health: &Health, now: Timestamp) -> Vec<Notice> {
    let mut found: BTreeMap<(Time, &str), (&Declared, Vec<&TargetHealth>)> = BTreeMap::new();
    for target in &health.targets {
        for one in &target.declared {
            let place = found.entry((one.until, &one.id)).or_insert((one, Vec::new()));
            place.1.push(target);
        }
    }
    let notice = |(one, targets): (&Declared, Vec<&TargetHealth>)| Notice {
        word: Word::new(one, now),
        more: targets.len().saturating_sub(MAX_NOTED),
        targets: targets
            .iter()
            .take(MAX_NOTED)
            .map(|target| (target.id.to_string(), href(&target.id)))
            .collect(),
    };
    found.into_values().take(MAX_NOTICES).map(notice).collect()
}
