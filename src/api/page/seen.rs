//! Observations as evidence: one line each, with the provider's own words.

use crate::{clock::Timestamp, health::State, verdict::Observation};

use super::{
    figures::{Moment, NONE, duration},
    words,
};

/// One observation in the table.
pub(super) struct Seen {
    pub(super) at: Moment,
    pub(super) source: &'static str,
    pub(super) purpose: Option<&'static str>,
    pub(super) tone: State,
    pub(super) verdict: String,
    pub(super) words: &'static str,
    pub(super) ttft: String,
    pub(super) e2e: String,
    pub(super) stop: String,
    pub(super) status: String,
    pub(super) request_id: String,
    pub(super) detail: Option<String>,
    pub(super) tail: Option<String>,
}

/// One observation, worded. Evidence is shown for what is not complete.
pub(super) fn seen(observation: &Observation, now: Timestamp) -> Seen {
    use crate::verdict::{Purpose, Verdict};
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    let foreign = |text: &Option<String>| text.as_deref().map(|t| words::line(t, words::MAX_LINE));
    let failed = observation.verdict != Verdict::Complete;
    Seen {
        at: Moment::new(observation.at, now),
        source: observation.source.as_str(),
        purpose: (observation.purpose != Purpose::Scheduled).then(|| observation.purpose.as_str()),
        tone: words::verdict_tone(observation.verdict, observation.flags),
        verdict: match observation.verdict.detail() {
            Some(kind) => format!(
                "{} · {}",
                words::flag(observation.verdict.family()),
                words::flag(kind)
            ),
            None => words::flag(observation.verdict.family()),
        },
        words: words::verdict(observation.verdict),
        ttft: or_none(observation.ttft().map(duration)),
        e2e: or_none(observation.e2e().map(duration)),
        stop: or_none(foreign(&observation.stop_reason)),
        status: or_none(observation.http_status.map(|s| s.to_string())),
        request_id: or_none(foreign(&observation.request_id)),
        detail: foreign(&observation.detail).filter(|text| failed && !text.is_empty()),
        tail: observation
            .tail
            .as_deref()
            .filter(|text| failed && !text.is_empty())
            .map(|text| words::tail(text, words::MAX_TAIL)),
    }
}
