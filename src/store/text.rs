//! Enums and timelines as text columns, out and in.

use serde_json::{Value, json};

use crate::{
    clock::Timestamp,
    health::{Hint, IncidentEntry, ReasonCode, State},
    verdict::Source,
};

/// Kinds of timeline entries that come back by name; any other becomes `note`.
const ENTRY_KINDS: [&str; 8] = [
    "first_evidence",
    "transition",
    "opened",
    "updated",
    "recovered",
    "closed",
    "official",
    "note",
];

const HINTS: [Hint; 7] = [
    Hint::Allow,
    Hint::Suspect,
    Hint::Avoid,
    Hint::Ramp,
    Hint::Throttle,
    Hint::Blocked,
    Hint::NoOpinion,
];

pub(super) fn sources(sources: &[Source]) -> String {
    let names: Vec<&str> = sources.iter().map(|source| source.as_str()).collect();
    names.join(",")
}

pub(super) fn parse_sources(text: &str) -> Option<Vec<Source>> {
    text.split(',')
        .filter(|name| !name.is_empty())
        .map(parse_source)
        .collect()
}

pub(super) fn parse_source(name: &str) -> Option<Source> {
    Source::ALL.into_iter().find(|source| source.as_str() == name)
}

pub(super) fn parse_hint(name: &str) -> Option<Hint> {
    HINTS.into_iter().find(|hint| hint.as_str() == name)
}

pub(super) fn parse_reason(name: &str) -> Option<ReasonCode> {
    ReasonCode::ALL.into_iter().find(|code| code.as_str() == name)
}

pub(super) fn timeline(entries: &[IncidentEntry]) -> String {
    let entries: Vec<Value> = entries
        .iter()
        .map(|e| json!({"at": e.at.as_millis(), "kind": e.kind, "state": e.state.as_str(), "text": e.text}))
        .collect();
    Value::Array(entries).to_string()
}

pub(super) fn parse_timeline(text: &str) -> Option<Vec<IncidentEntry>> {
    let Ok(Value::Array(entries)) = serde_json::from_str(text) else {
        return None;
    };
    entries.iter().map(parse_entry).collect()
}

fn parse_entry(entry: &Value) -> Option<IncidentEntry> {
    let word = |name: &str| entry.get(name)?.as_str();
    let kind = word("kind")?;
    Some(IncidentEntry {
        at: Timestamp::from_millis(entry.get("at")?.as_i64()?),
        kind: ENTRY_KINDS
            .into_iter()
            .find(|known| *known == kind)
            .unwrap_or("note"),
        state: State::parse(word("state")?)?,
        text: word("text")?.to_owned(),
    })
}
