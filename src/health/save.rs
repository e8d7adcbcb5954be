//! Pieces of the kept detector state. Names instead of numbers, so that a kept file reads well and survives a
//! reordered enum.

use serde::{Deserialize, Serialize};

use super::{
    Incident, IncidentEntry, Machine, Reason, ReasonCode, State,
    base_rate::BaseRate,
    incident::Spell,
    kernel::Tuning,
    stream::{Kept, Stream},
};
use crate::{clock::Timestamp, id::TargetId, verdict::Source};

/// States by their name in the feed.
pub(super) mod state_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::health::State;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(state: &State, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(state.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<State, D::Error> {
        let text = String::deserialize(from)?;
        State::parse(&text).ok_or_else(|| D::Error::custom(format!("unknown state {text:?}")))
    }
}

/// One stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptStream {
    machine: Machine,
    kept: Kept,
    base: BaseRate,
    first_bad_ms: Option<i64>,
    code: Option<String>,
}

fn code_named(text: &str) -> Option<ReasonCode> {
    ReasonCode::ALL.into_iter().find(|code| code.as_str() == text)
}

impl KeptStream {
    pub(super) fn of(stream: &Stream) -> Self {
        Self {
            machine: stream.machine.clone(),
            kept: stream.kept.clone(),
            base: stream.base.clone(),
            first_bad_ms: stream.first_bad_ms,
            code: stream.code.map(|code| code.as_str().to_owned()),
        }
    }

    /// Whether a stream could have become this.
    pub(super) fn is_sane(&self) -> bool {
        self.machine.is_sane() && self.kept.mean_gap_ms.is_finite() && self.kept.mean_gap_ms >= 0.0
    }

    /// Goes on where it was; unknown if the evidence is stale by now.
    pub(super) fn into_stream(self, stream: &mut Stream, interval_ms: Option<i64>, now_ms: i64) {
        stream.machine = self.machine;
        stream.machine.rebase(now_ms);
        stream.machine.tune(Tuning::for_base_rate(self.base.rate()));
        stream.base = self.base;
        stream.kept = self.kept;
        stream.kept.last_ms = stream.kept.last_ms.map(|last| last.min(now_ms));
        stream.first_bad_ms = self.first_bad_ms.map(|at| at.min(now_ms));
        stream.code = self.code.as_deref().and_then(code_named);
        if stream.stale_at(interval_ms).is_none_or(|at| now_ms >= at) {
            stream.forget();
        }
        if stream.machine.alarmed() {
            stream.recovery.ensure(now_ms);
        }
    }
}

/// A spell of ill health with its incident.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeptSpell {
    open: bool,
    id: String,
    started: i64,
    detected: i64,
    opened: i64,
    recovered: Option<i64>,
    #[serde(with = "state_name")]
    worst: State,
    code: String,
    text: String,
    sources: Vec<String>,
    timeline: Vec<KeptEntry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptEntry {
    at: i64,
    kind: String,
    #[serde(with = "state_name")]
    state: State,
    text: String,
}

/// Kinds of timeline entries.
const ENTRY_KINDS: [&str; 5] = ["first_evidence", "transition", "opened", "recovered", "closed"];

impl KeptSpell {
    pub(super) fn of(spell: &Spell) -> Self {
        let incident = &spell.incident;
        Self {
            open: spell.open,
            id: incident.id.clone(),
            started: incident.started.as_millis(),
            detected: incident.detected.as_millis(),
            opened: incident.opened.as_millis(),
            recovered: incident.recovered.map(Timestamp::as_millis),
            worst: incident.worst,
            code: incident.reason.code.as_str().to_owned(),
            text: incident.reason.text.clone(),
            sources: incident
                .reason
                .sources
                .iter()
                .map(|s| s.as_str().to_owned())
                .collect(),
            timeline: incident
                .timeline
                .iter()
                .map(|entry| KeptEntry {
                    at: entry.at.as_millis(),
                    kind: entry.kind.to_owned(),
                    state: entry.state,
                    text: entry.text.clone(),
                })
                .collect(),
        }
    }

    /// `None` when it names a reason that this version doesn't know.
    pub(super) fn into_spell(self, target: TargetId) -> Option<Spell> {
        let time = Timestamp::from_millis;
        let timeline = self.timeline.into_iter().filter_map(|entry| {
            Some(IncidentEntry {
                at: time(entry.at),
                kind: ENTRY_KINDS.into_iter().find(|kind| *kind == entry.kind)?,
                state: entry.state,
                text: entry.text,
            })
        });
        let sources = Source::ALL.into_iter();
        Some(Spell {
            open: self.open,
            incident: Incident {
                id: self.id,
                target,
                started: time(self.started),
                detected: time(self.detected),
                opened: time(self.opened),
                recovered: self.recovered.map(time),
                closed: None,
                worst: self.worst,
                reason: Reason {
                    code: code_named(&self.code)?,
                    text: self.text,
                    sources: sources
                        .filter(|s| self.sources.iter().any(|name| name == s.as_str()))
                        .collect(),
                },
                timeline: timeline.collect(),
                lead_s: None,
            },
        })
    }
}

/// Bytes as hex digits.
pub(super) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
            // Writing to a string can't fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// Hex digits as bytes.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
