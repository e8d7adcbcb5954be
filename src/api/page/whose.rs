//! Whose word a target's figures are, in a table.

use super::{
    figures::{Figure, NONE, NOTABLE_SHARE},
    words,
};
use crate::feed::evidence::{Evidence, Part, SourceSeen};

/// Most reporters, regions or models that are named.
const MAX_NAMED: usize = 5;

/// The section.
pub(super) struct Whose {
    pub(super) disagreement: Option<String>,
    pub(super) sources: Vec<Row>,
    pub(super) by: Vec<By>,
}

/// One source.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) attempts: u64,
    /// Share with interval.
    pub(super) failed: String,
    pub(super) truncated: u64,
    pub(super) errors: u64,
    pub(super) ttft: String,
}

/// Real traffic told apart.
pub(super) struct By {
    pub(super) name: &'static str,
    pub(super) parts: Vec<Named>,
    /// How many are not named.
    pub(super) more: usize,
}

/// One reporter, region or model.
pub(super) struct Named {
    pub(super) value: String,
    pub(super) attempts: u64,
    pub(super) failed: u64,
    /// It clearly fails.
    pub(super) marked: bool,
}

impl Whose {
    /// The section; `None` where nothing was seen.
    pub(super) fn of(evidence: &Evidence) -> Option<Self> {
        if evidence.sources.is_empty() {
            return None;
        }
        let by = [
            ("By reporter", &evidence.reporters),
            ("By region", &evidence.regions),
            ("By answering model", &evidence.models),
        ];
        Some(Self {
            disagreement: evidence
                .disagreement
                .as_ref()
                .map(|found| words::line(&found.text, words::MAX_LINE)),
            sources: evidence.sources.iter().map(Row::of).collect(),
            by: by
                .into_iter()
                .filter_map(|(name, parts)| By::of(name, parts))
                .collect(),
        })
    }
}

impl Row {
    fn of(seen: &SourceSeen) -> Self {
        let name = match seen.source.as_ref() {
            "reach" => "reach probe",
            "canary" => "canary",
            "long" => "long canary",
            "tap" => "tap (real traffic)",
            _ => "reports (real traffic)",
        };
        let failed = Figure::rate("failure_rate", "", seen.failure_rate);
        let ttft = Figure::percentiles("ttft_ms", "", seen.ttft_ms);
        let with_note = |figure: Figure| {
            if figure.value == NONE {
                figure.value
            } else {
                format!("{} ({})", figure.value, figure.note)
            }
        };
        Self {
            name,
            attempts: seen.attempts,
            failed: with_note(failed),
            truncated: seen.truncated,
            errors: seen.errors,
            ttft: with_note(ttft),
        }
    }
}

impl By {
    /// `None` where nobody told anything.
    fn of(name: &'static str, parts: &[Part]) -> Option<Self> {
        if parts.iter().all(|part| part.value == crate::intake::UNTOLD) {
            return None;
        }
        let named = |part: &Part| Named {
            value: words::line(&part.value, words::MAX_LINE),
            attempts: part.attempts,
            failed: part.errors + part.truncated,
            marked: part.failure_rate.low.is_some_and(|low| low > NOTABLE_SHARE),
        };
        Some(Self {
            name,
            parts: parts.iter().take(MAX_NAMED).map(named).collect(),
            more: parts.len().saturating_sub(MAX_NAMED),
        })
    }
}
