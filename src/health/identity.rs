//! Who answers on a target: the served model, its configuration, and how it counts tokens. A change is told as an event
//! of its own kind; it never moves a state, because another model is no outage.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    id::TargetId,
    verdict::{CanaryKind, Observation, Source, Verdict, same_model},
};

/// A change to the same name is told again after this long. Behind a gateway that deals out two models in turn, every
/// reply would be news otherwise.
pub const TELL_AGAIN: Duration = Duration::from_secs(3_600);
/// How long the flag `model_changed` stays.
pub const CHANGED_FOR: Duration = Duration::from_secs(86_400);
/// Configurations remembered per target: providers serve from several at once.
pub const MAX_FINGERPRINTS: usize = 8;
/// Canaries in a row that must count alike before a drift is told.
pub const DRIFT_RUN: usize = 5;
/// Longest name that is kept, in bytes; what is longer is cut.
pub const MAX_NAME_BYTES: usize = 128;
/// Changes told and remembered per target.
const MAX_TOLD: usize = 16;
/// A prompt's tokens may differ by this many because of the sentinel alone.
const DRIFT_TOKENS: u64 = 6;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// Another model answers than before.
    ModelChanged,
    /// The first answer names another model than was asked for: a name of one's own (a deployment, a file), or a swap.
    ModelMismatch,
    /// The alias that was asked for leads to another dated snapshot.
    SnapshotChanged,
    /// The provider names a configuration that it did not name within the last day (`system_fingerprint`).
    FingerprintChanged,
    /// The same prompt counts another number of tokens: another tokenizer, or another template around it.
    TokensDrifted,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::ModelChanged,
        Self::ModelMismatch,
        Self::SnapshotChanged,
        Self::FingerprintChanged,
        Self::TokensDrifted,
    ];

    /// The name in the feed, the store and alert rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ModelChanged => "model_changed",
            Self::ModelMismatch => "model_mismatch",
            Self::SnapshotChanged => "snapshot_changed",
            Self::FingerprintChanged => "fingerprint_changed",
            Self::TokensDrifted => "tokens_drifted",
        }
    }

    /// The kind of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something else answers than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub target: TargetId,
    /// When it was seen.
    pub at: Timestamp,
    /// What changed.
    pub kind: ChangeKind,
    /// What it was.
    pub from: String,
    /// What it is. Foreign text: escape it.
    pub to: String,
}

impl Change {
    /// In words.
    pub fn text(&self) -> String {
        let Self { from, to, .. } = self;
        match self.kind {
            ChangeKind::ModelChanged => format!("{to} answers where {from} answered before"),
            ChangeKind::ModelMismatch => format!("{to} answers where {from} was asked for"),
            ChangeKind::SnapshotChanged => format!("the alias now leads to {to}, before to {from}"),
            ChangeKind::FingerprintChanged => format!("served by configuration {to}, before by {from}"),
            ChangeKind::TokensDrifted => format!("the same prompt counts {to} tokens, before {from}"),
        }
    }
}

/// What is known about who answers on one target. Kept across restarts, so that nothing is told twice.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Served {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    changed_ms: Option<i64>,
    /// Name told, when.
    #[serde(default)]
    told: VecDeque<(String, i64)>,
    /// Configuration, when last seen.
    #[serde(default)]
    fingerprints: VecDeque<(String, i64)>,
    #[serde(default)]
    short: Counts,
    #[serde(default)]
    long: Counts,
    #[serde(default)]
    json: Counts,
    #[serde(default)]
    tool: Counts,
}

/// Prompt tokens that a canary was counted at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Counts {
    usual: Option<u64>,
    recent: VecDeque<u64>,
}

impl Served {
    /// The model that answered last.
    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether the model changed within [`CHANGED_FOR`].
    pub(super) fn changed(&self, now_ms: i64) -> bool {
        self.changed_ms
            .is_some_and(|at| now_ms - at < millis(CHANGED_FOR))
    }

    /// Takes in a complete reply; others may name whatever an error page names. `asked` is the model's own name in the
    /// configuration.
    pub(super) fn note(&mut self, asked: &str, observation: &Observation, now_ms: i64) -> Vec<Change> {
        if observation.verdict != Verdict::Complete || observation.source == Source::Reach {
            return Vec::new();
        }
        let model = observation
            .served_model
            .as_deref()
            .and_then(|name| self.model_news(asked, cut(name), now_ms));
        let fingerprint = observation
            .fingerprint
            .as_deref()
            .and_then(|name| self.fingerprint_news(cut(name), now_ms));
        let tokens = self.token_news(observation);
        [model, fingerprint, tokens]
            .into_iter()
            .flatten()
            .map(|(kind, from, to)| Change {
                target: observation.target.clone(),
                at: Timestamp::from_millis(now_ms),
                kind,
                from,
                to,
            })
            .collect()
    }

    fn model_news(&mut self, asked: &str, served: &str, now_ms: i64) -> Option<(ChangeKind, String, String)> {
        if self.model.as_deref() == Some(served) {
            return None;
        }
        let before = self.model.replace(served.to_owned());
        let kind = match &before {
            // The alias itself says nothing about snapshots.
            Some(before) if same_model(asked, before) && same_model(asked, served) => {
                let both_dated = !is_name(asked, before) && !is_name(asked, served);
                both_dated.then_some(ChangeKind::SnapshotChanged)?
            }
            Some(before) if same_model(before, served) || same_model(served, before) => return None,
            Some(_) => ChangeKind::ModelChanged,
            None if same_model(asked, served) => return None,
            None => ChangeKind::ModelMismatch,
        };
        if kind == ChangeKind::ModelChanged {
            self.changed_ms = Some(now_ms);
        }
        self.is_news(served, now_ms).then(|| {
            (
                kind,
                before.unwrap_or_else(|| asked.to_owned()),
                served.to_owned(),
            )
        })
    }

    fn is_news(&mut self, name: &str, now_ms: i64) -> bool {
        self.told.retain(|(_, at)| now_ms - at < millis(TELL_AGAIN));
        if self.told.iter().any(|(told, _)| told == name) {
            return false;
        }
        if self.told.len() == MAX_TOLD {
            self.told.pop_front();
        }
        self.told.push_back((name.to_owned(), now_ms));
        true
    }

    fn fingerprint_news(&mut self, served: &str, now_ms: i64) -> Option<(ChangeKind, String, String)> {
        self.fingerprints
            .retain(|(_, at)| now_ms - at < millis(CHANGED_FOR));
        if let Some(known) = self.fingerprints.iter().position(|(name, _)| name == served) {
            // The one seen last stands last.
            self.fingerprints.remove(known);
            self.fingerprints.push_back((served.to_owned(), now_ms));
            return None;
        }
        let before = self.fingerprints.back().map(|(name, _)| name.clone());
        if self.fingerprints.len() == MAX_FINGERPRINTS {
            self.fingerprints.pop_front();
        }
        self.fingerprints.push_back((served.to_owned(), now_ms));
        before.map(|before| (ChangeKind::FingerprintChanged, before, served.to_owned()))
    }

    fn token_news(&mut self, observation: &Observation) -> Option<(ChangeKind, String, String)> {
        let counts = match observation.canary_kind()? {
            CanaryKind::Short => &mut self.short,
            CanaryKind::Long => &mut self.long,
            CanaryKind::Json => &mut self.json,
            CanaryKind::Tool => &mut self.tool,
        };
        let (from, to) = counts.note(observation.usage.input?)?;
        Some((ChangeKind::TokensDrifted, from.to_string(), to.to_string()))
    }
}

impl Counts {
    fn note(&mut self, tokens: u64) -> Option<(u64, u64)> {
        if self.recent.len() == DRIFT_RUN {
            self.recent.pop_front();
        }
        self.recent.push_back(tokens);
        if self.recent.len() < DRIFT_RUN {
            return None;
        }
        let mut sorted: Vec<u64> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted[DRIFT_RUN / 2];
        let usual = *self.usual.get_or_insert(median);
        let slack = DRIFT_TOKENS.max(usual / 10);
        let above = sorted[0] > usual.saturating_add(slack);
        let below = sorted[DRIFT_RUN - 1].saturating_add(slack) < usual;
        (above || below).then(|| {
            self.usual = Some(median);
            (usual, median)
        })
    }
}

/// Whether `served` is just the name that was asked for, prefixes and case apart.
fn is_name(asked: &str, served: &str) -> bool {
    same_model(asked, served) && same_model(served, asked)
}

fn millis(span: Duration) -> i64 {
    span.as_millis() as i64
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn seen(served: Option<&str>, fingerprint: Option<&str>, input: Option<u64>) -> Observation {
        let target = "p/gpt-5.2".parse().unwrap();
        let mut seen = Observation::new(target, Timestamp::default(), Source::Canary, Verdict::Complete);
        seen.served_model = served.map(str::to_owned);
        seen.fingerprint = fingerprint.map(str::to_owned);
        seen.usage.input = input;
        seen
    }

    fn told(served: &mut Served, observation: &Observation, at: i64) -> Vec<String> {
        served
            .note("gpt-5.2", observation, at)
            .iter()
            .map(|change| format!("{} {} {}", change.kind.as_str(), change.from, change.to))
            .collect()
    }

    #[test]
    fn another_model_is_told_and_an_alias_is_not() {
        let mut known = Served::default();
        let rows: [(&str, i64, &[&str], bool); 9] = [
            ("gpt-5.2", 0, &[], false),
            ("gpt-5.2-2026-02-01", 1, &[], false),
            (
                "gpt-5.2-2026-05-01",
                2,
                &["snapshot_changed gpt-5.2-2026-02-01 gpt-5.2-2026-05-01"],
                false,
            ),
            ("openai/GPT-5.2", 3, &[], false),
            (
                "gpt-5.2-mini",
                4,
                &["model_changed openai/GPT-5.2 gpt-5.2-mini"],
                true,
            ),
            ("gpt-5.2", 5, &["model_changed gpt-5.2-mini gpt-5.2"], true),
            // Again within the hour: counted in the flag, told no more.
            ("gpt-5.2-mini", 6, &[], true),
            ("gpt-5.2", 7, &[], true),
            (
                "gpt-5.2-mini",
                2 * HOUR,
                &["model_changed gpt-5.2 gpt-5.2-mini"],
                true,
            ),
        ];
        for (model, at, expected, flag) in rows {
            assert_eq!(
                told(&mut known, &seen(Some(model), None, None), at),
                expected,
                "{model}"
            );
            assert_eq!((known.model(), known.changed(at)), (Some(model), flag), "{model}");
        }
        assert!(!known.changed(26 * HOUR));
    }

    #[test]
    fn the_first_answer_is_held_against_what_was_asked() {
        let mut known = Served::default();
        let other = seen(Some("gpt-4o-mini"), None, None);
        assert_eq!(
            told(&mut known, &other, 0),
            ["model_mismatch gpt-5.2 gpt-4o-mini"]
        );
        // A server's own name for it is told once and is no change.
        assert!(told(&mut known, &other, 2 * HOUR).is_empty());
        assert!(!known.changed(2 * HOUR));
        let asked = seen(Some("gpt-5.2"), None, None);
        assert_eq!(
            told(&mut known, &asked, 3 * HOUR),
            ["model_changed gpt-4o-mini gpt-5.2"]
        );
    }

    #[test]
    fn only_whole_replies_tell_who_answers() {
        let mut known = Served::default();
        let mut cut = seen(Some("gpt-4o"), Some("fp_1"), Some(60));
        cut.verdict = Verdict::Limited;
        assert!(told(&mut known, &cut, 0).is_empty());
        assert_eq!(known, Served::default());
    }

    #[test]
    fn a_fingerprint_is_news_once_a_day_and_rotation_is_none() {
        let mut known = Served::default();
        let rows: [(&str, i64, &[&str]); 6] = [
            ("fp_a", 0, &[]),
            ("fp_b", 1, &["fingerprint_changed fp_a fp_b"]),
            ("fp_a", 2, &[]),
            ("fp_b", 3, &[]),
            ("fp_c", 4, &["fingerprint_changed fp_b fp_c"]),
            ("fp_a", 30 * HOUR, &[]),
        ];
        for (name, at, expected) in rows {
            assert_eq!(
                told(&mut known, &seen(None, Some(name), None), at),
                expected,
                "{name} {at}"
            );
        }
        for n in 0..100 {
            told(&mut known, &seen(None, Some(&format!("fp_{n}")), None), 31 * HOUR);
            assert!(known.fingerprints.len() <= MAX_FINGERPRINTS);
        }
    }

    #[test]
    fn five_counts_beyond_the_sentinels_share_are_a_drift() {
        let mut known = Served::default();
        let mut feed = |counts: &[u64]| -> Vec<String> {
            let each = counts
                .iter()
                .flat_map(|n| told(&mut known, &seen(None, None, Some(*n)), 0));
            each.collect()
        };
        assert!(feed(&[60, 61, 60, 62, 60]).is_empty());
        assert!(
            feed(&[66, 66, 66, 66, 66, 66]).is_empty(),
            "six tokens may be the sentinel's"
        );
        assert!(feed(&[78, 60, 78, 78, 78, 78]).is_empty(), "not in a row");
        assert_eq!(feed(&[79]), ["tokens_drifted 60 78"]);
        assert!(feed(&[78, 78, 78]).is_empty(), "told once");
        assert_eq!(feed(&[60, 60, 60, 60, 60]), ["tokens_drifted 78 60"]);
    }

    #[test]
    fn names_are_cut_and_lists_bounded() {
        let mut known = Served::default();
        for n in 0..100 {
            let long = format!("{n:03}{}", "é".repeat(200));
            known.note("gpt-5.2", &seen(Some(&long), None, None), n);
            assert!(known.told.len() <= MAX_TOLD);
            assert!(known.model().unwrap().len() <= MAX_NAME_BYTES);
        }
    }
}
