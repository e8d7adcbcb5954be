//! `application/health+json` (draft-inadarei-api-health-check-06), for monitors that ask for it by `Accept`; nobody else
//! gets it. Its three words say less than the feed does.

use std::collections::BTreeMap;

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{negotiate::weighted, query, up};
use crate::{
    clock::Timestamp,
    feed::{
        Snapshot, Time,
        v1::{Percentiles, Rate, TargetHealth},
    },
    health::{Hint, State},
};

/// The media type.
pub(super) const HEALTH_JSON: &str = "application/health+json";

/// Whether a request asks for this rather than for plain JSON. A wildcard asks for neither.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let mut best: [f32; 2] = [0.0; 2];
    for (media, weight) in weighted(headers, header::ACCEPT) {
        let place = match media {
            _ if media.eq_ignore_ascii_case(HEALTH_JSON) => 0,
            _ if media.eq_ignore_ascii_case("application/json") => 1,
            _ => continue,
        };
        best[place] = weight.max(best[place]);
    }
    best[0] > 0.0 && best[0] >= best[1]
}

/// How well, in the draft's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    /// Well.
    Pass,
    /// It serves, but not well, or nothing is known.
    Warn,
    /// It is not to be used: goes with 503.
    Fail,
}

/// The document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthDraft {
    /// Of a target its own; of the feed `fail` only if no target may be used.
    status: Word,
    /// Of this format: `1`.
    version: &'static str,
    /// Of endturn.
    #[serde(rename = "releaseId")]
    release_id: &'static str,
    /// The target, or `endturn` for the whole feed.
    #[serde(rename = "serviceId")]
    service_id: String,
    /// Where the feed is made.
    description: String,
    /// Why it is not `pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    /// What was measured: `target:state`, `target:truncationRate`, `target:ttftP95`, ..; each with an entry a target.
    checks: BTreeMap<&'static str, Vec<Check>>,
}

/// One measurement of one target.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Check {
    /// The target.
    #[serde(rename = "componentId")]
    component_id: String,
    /// `component`.
    #[serde(rename = "componentType")]
    component_type: &'static str,
    /// What was seen.
    #[serde(rename = "observedValue")]
    observed_value: Observed,
    /// `ms` or `percent`; absent for a state.
    #[serde(rename = "observedUnit", skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'static str>,
    /// Of the state only: a figure alone is neither good nor bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Word>,
    /// Of a state since when, of a figure when it was made.
    time: Time,
    /// Why it is not `pass`.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

/// A state in our word, or a figure.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Observed {
    State(&'static str),
    Figure(f64),
}

/// Fails with the answer of `/v1/up`: whatever is to be avoided.
fn word(known: Option<&TargetHealth>) -> Word {
    match known {
        Some(target) if target.routing.hint == Hint::Avoid => Word::Fail,
        Some(target) if target.state == State::Operational => Word::Pass,
        _ => Word::Warn,
    }
}

/// The answer about one target of the feed, or about those of it that are wanted.
pub(super) fn answer(
    headers: &HeaderMap,
    snapshot: &Snapshot,
    targets: &[&TargetHealth],
    one: bool,
    now: Timestamp,
) -> Response {
    let document = document(snapshot, targets, one, now);
    let body = serde_json::to_vec(&document).expect("a document of texts and numbers");
    let tag = query::tag(&body);
    // The draft demands an error for `fail`. That is never a 304: who looks at the status alone must see it.
    let fails = document.status == Word::Fail;
    let unconditional = HeaderMap::new();
    let headers = if fails { &unconditional } else { headers };
    let mut response = query::tagged(headers, &tag, HEALTH_JSON, || body.into());
    if fails {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

fn document(snapshot: &Snapshot, targets: &[&TargetHealth], one: bool, now: Timestamp) -> HealthDraft {
    let head = &snapshot.health.head;
    let believed = up::is_believed(snapshot, now);
    let known = |target| up::known(snapshot, target, now);
    let words: Vec<Word> = targets.iter().map(|target| word(known(target))).collect();
    let status = match (words.iter().min(), words.iter().max()) {
        (Some(best), Some(worst)) if best == worst => *best,
        (Some(_), Some(_)) => Word::Warn,
        _ => Word::Pass,
    };
    let mut checks: BTreeMap<&'static str, Vec<Check>> = BTreeMap::new();
    for (target, word) in targets.iter().zip(&words) {
        checks
            .entry("target:state")
            .or_default()
            .push(state(target, known(target).is_some(), *word));
        for (name, value, unit) in figures(target).into_iter().filter(|_| believed) {
            let Some(value) = value else { continue };
            checks.entry(name).or_default().push(Check {
                component_id: target.id.to_string(),
                component_type: "component",
                observed_value: Observed::Figure(value),
                observed_unit: Some(unit),
                status: None,
                time: head.generated_at,
                output: None,
            });
        }
    }
    let first = targets.first().filter(|_| one);
    HealthDraft {
        status,
        version: "1",
        release_id: env!("CARGO_PKG_VERSION"),
        service_id: first.map_or_else(|| "endturn".to_owned(), |target| target.id.to_string()),
        description: format!("LLM targets, seen from {}", head.vantage),
        output: match (believed, first) {
            _ if status == Word::Pass => None,
            (false, _) => Some("the feed is stale or the network is lost: nothing is known".to_owned()),
            (true, Some(target)) => Some(target.reason.text.clone()),
            (true, None) => {
                let well = words.iter().filter(|word| **word == Word::Pass).count();
                Some(format!("{well} of {} targets are well", words.len()))
            }
        },
        checks,
    }
}

fn state(target: &TargetHealth, known: bool, word: Word) -> Check {
    let state = if known { target.state } else { State::Unknown };
    Check {
        component_id: target.id.to_string(),
        component_type: "component",
        observed_value: Observed::State(state.as_str()),
        observed_unit: None,
        status: Some(word),
        time: target.since,
        output: (word != Word::Pass).then(|| target.reason.text.clone()),
    }
}

/// What is measured, by name and unit; absent where there are no samples, which is not zero.
fn figures(target: &TargetHealth) -> [(&'static str, Option<f64>, &'static str); 7] {
    let percent = |rate: &Rate| rate.value.map(|value| (value * 1e4).round() / 1e2);
    let Percentiles { p50, p95, .. } = target.ttft_ms;
    [
        ("target:failureRate", percent(&target.failure_rate), "percent"),
        ("target:errorRate", percent(&target.error_rate), "percent"),
        (
            "target:truncationRate",
            percent(&target.truncation_rate),
            "percent",
        ),
        ("target:ttftP50", p50, "ms"),
        ("target:ttftP95", p95, "ms"),
        ("target:e2eP50", target.e2e_ms.p50, "ms"),
        ("target:e2eP95", target.e2e_ms.p95, "ms"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fixture;

    #[test]
    fn only_who_names_it_gets_it() {
        for (accept, wanted) in [
            ("", false),
            ("*/*", false),
            ("application/*", false),
            ("application/json", false),
            ("application/health+json", true),
            ("Application/Health+JSON", true),
            ("application/health+json, */*", true),
            ("application/json, application/health+json", true),
            ("application/json, application/health+json;q=0.9", false),
            ("application/json;q=0.5, application/health+json; q=0.9", true),
            ("application/health+json;q=0", false),
            ("application/health+json;q=x", false),
            ("application/health+jsonx", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(is_wanted(&headers), wanted, "{accept:?}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[test]
    fn what_is_to_be_avoided_fails_and_nothing_else() {
        for (state, hint, expected) in [
            (State::Operational, Hint::Allow, Word::Pass),
            (State::Operational, Hint::Suspect, Word::Pass),
            (State::Operational, Hint::Ramp, Word::Pass),
            (State::Degraded, Hint::Allow, Word::Warn),
            (State::Partial, Hint::Allow, Word::Warn),
            (State::Partial, Hint::Avoid, Word::Fail),
            (State::Down, Hint::Avoid, Word::Fail),
            (State::Maintenance, Hint::Avoid, Word::Fail),
        ] {
            let target = fixture::target(state, hint, None);
            assert_eq!(word(Some(&target)), expected, "{state} {hint:?}");
        }
        assert_eq!(word(None), Word::Warn);
    }
}
