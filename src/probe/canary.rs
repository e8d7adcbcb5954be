//! The generation probe: its request and what its answer says.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Map, Value};

use super::{Call, ProbeJob, exchange::header, wire};
use crate::{
    clock::Timestamp,
    config::{Answer, CanaryScript, Model, SENTINEL_WORD},
    protocol::{
        REQUEST_ID_HEADERS, Usage,
        request::{RequestSpec, ToolSpec, build},
    },
    verdict::{
        CanaryKind, Expectation, Expected, ExpectedAnswer, Fault, Flags, Judgement, Match, Observation,
        Timeline, Verdict, judge, match_answer,
    },
};

/// Length of the kept end of a failed answer, in characters.
pub const TAIL_CHARS: usize = 120;

/// Times the planned input tokens that a provider's count is believed up to: templates of gateways come on top.
const INPUT_BELIEVED: u64 = 20;

/// The word drawn for this job: successive seeds take turns, so that a cached answer shows at once.
fn sentinel<'a>(job: &ProbeJob, script: &'a CanaryScript) -> &'a str {
    let words = &script.sentinels;
    let index = job.seed.checked_rem(words.len() as u64).unwrap_or(0);
    words.get(index as usize).map_or("", String::as_str)
}

/// The request, credential included.
pub(super) fn call(job: &ProbeJob, kind: CanaryKind) -> Result<Call, Fault> {
    let (provider, model) = (&job.provider, &job.model);
    let canary = model
        .any(kind)
        .ok_or_else(|| wire::invalid(format!("{} has no {kind} canary", model.id)))?;
    let script = &canary.script;
    let prompt = script.prompt.replace(SENTINEL_WORD, sentinel(job, script));
    let tool = match &script.answer {
        Answer::Tool(tool) => Some(ToolSpec {
            name: tool.name.clone(),
            description: tool.description.clone(),
            parameters: tool.parameters.clone(),
        }),
        Answer::Words(_) | Answer::Json(_) => None,
    };
    let mut params = model.params.clone();
    merge(&mut params, &canary.params);
    let request = build(&RequestSpec {
        protocol: provider.protocol,
        dialect: provider.dialect,
        endpoint: provider.endpoint,
        base_url: provider.base_url.as_str(),
        model: model.id.model().as_str(),
        prompt: &prompt,
        tool: tool.as_ref(),
        max_tokens: canary.max_tokens,
        max_tokens_field: model.max_tokens_field.as_deref(),
        params: &params,
    });
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| wire::invalid(format!("{:?} is no http method", request.method)))?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        wire::header(&mut headers, name, value)?;
    }
    wire::provider_headers(&mut headers, provider)?;
    Ok(Call {
        method,
        url: request.url,
        headers,
        body: Bytes::from(request.body),
        fresh: false,
    })
}

/// Members over members: objects are joined, anything else replaces. `null` stays, for the request that it is merged
/// into.
fn merge(into: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        match (into.get_mut(name), value) {
            (Some(Value::Object(into)), Value::Object(over)) => merge(into, over),
            _ => drop(into.insert(name.clone(), value.clone())),
        }
    }
}

/// Judges the exchange and writes it down; timings, connection and flags of the transport are added by the caller.
pub(super) fn observe(
    job: &ProbeJob,
    kind: CanaryKind,
    at: Timestamp,
    timeline: &Timeline,
) -> (Observation, Judgement) {
    let right = job.model.any(kind).map(|canary| expected(job, &canary.script));
    let expectation = Expectation {
        protocol: job.provider.protocol,
        strict_terminal: job.provider.strict_terminal,
        expected: right.clone().filter(|_| job.check_text),
        model: Some(job.model.id.model().as_str().to_owned()),
    };
    let mut judgement = judge(timeline, &expectation);
    if let Some(right) = right.filter(|_| !job.check_text) {
        note_answer(&mut judgement, &right);
    }
    let mut seen = Observation::new(job.model.id.clone(), at, kind.source(), judgement.verdict);
    seen.canary = Some(kind).filter(|kind| kind.source().canary() != Some(*kind));
    seen.flags = judgement.flags;
    seen.flags.set(Flags::SENTINEL_OFF, !job.check_text);
    let late = timeline
        .phases
        .first_token
        .is_some_and(|at| at > job.deadlines.soft);
    seen.flags.set(Flags::SLOW, late);
    seen.stop_reason = judgement.stop_reason.as_ref().map(|stop| stop.raw.clone());
    seen.usage = judgement.usage;
    seen.cost_usd = cost(&job.model, kind, timeline, judgement.usage);
    seen.retry_after = judgement.retry_after;
    seen.served_model.clone_from(&judgement.served_model);
    seen.fingerprint.clone_from(&judgement.fingerprint);
    if judgement.verdict != Verdict::Complete {
        seen.request_id = request_id(timeline).or_else(|| judgement.response_id.clone());
        seen.detail.clone_from(&judgement.detail);
        seen.tail = tail(last_words(&judgement));
    }
    (seen, judgement)
}

/// The right answer with the word drawn.
fn expected(job: &ProbeJob, script: &CanaryScript) -> Expected {
    let sentinel = sentinel(job, script);
    let answer = match &script.answer {
        Answer::Words(words) => {
            ExpectedAnswer::Words(words.iter().cloned().chain([sentinel.to_owned()]).collect())
        }
        Answer::Json(document) => ExpectedAnswer::Json(filled(document, sentinel)),
        Answer::Tool(tool) => ExpectedAnswer::Tool {
            name: tool.name.clone(),
            arguments: filled(&tool.arguments, sentinel),
        },
    };
    Expected {
        answer,
        sentinels: script.sentinels.clone(),
        tokens: script.output_tokens,
    }
}

/// A document with the word drawn in its place.
fn filled(value: &Value, sentinel: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(SENTINEL_WORD, sentinel)),
        Value::Array(items) => items.iter().map(|item| filled(item, sentinel)).collect(),
        Value::Object(members) => {
            let members = members.iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), filled(value, sentinel)))
                    .collect(),
            )
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// While the sentinel rule is off the answer decides nothing, but three right ones bring the rule back.
fn note_answer(judgement: &mut Judgement, expected: &Expected) {
    let mut flags = judgement.flags;
    let found = match_answer(&judgement.text, &[], &judgement.tools, expected, &mut flags);
    flags.set(Flags::SENTINEL_FOUND, found == Match::Found);
    judgement.flags = flags;
}

/// Dollars: reported tokens where the provider counted, planned ones where it began to answer and did not count. A
/// count beyond what we asked for is nonsense and must not spend the budget of everybody else.
/// An exchange without a 200 is not billed.
fn cost(model: &Model, kind: CanaryKind, timeline: &Timeline, usage: Usage) -> f64 {
    let (Some(price), Some(canary), Some(200)) = (model.price, model.any(kind), timeline.status) else {
        return 0.0;
    };
    let output = usage.output.filter(|_| !usage.provisional);
    let planned = u64::from(canary.script.input_tokens);
    price.cost(
        usage
            .input
            .unwrap_or(planned)
            .min(planned.saturating_mul(INPUT_BELIEVED)),
        output
            .unwrap_or(canary.output_tokens())
            .min(u64::from(canary.max_tokens)),
    )
}

/// The provider's id of this request, from the response headers.
pub(super) fn request_id(timeline: &Timeline) -> Option<String> {
    REQUEST_ID_HEADERS
        .iter()
        .find_map(|name| header(timeline, name).filter(|id| !id.is_empty()))
        .map(str::to_owned)
}

/// What came last of the visible reply: the arguments of the last call, else the text.
fn last_words(judgement: &Judgement) -> &str {
    let call = judgement.tools.last().map(|call| call.arguments.as_str());
    call.filter(|arguments| !arguments.is_empty())
        .unwrap_or(&judgement.text)
}

/// The last [`TAIL_CHARS`] characters.
fn tail(text: &str) -> Option<String> {
    let start = text
        .char_indices()
        .rev()
        .nth(TAIL_CHARS - 1)
        .map_or(0, |(at, _)| at);
    (!text.is_empty()).then(|| text[start..].to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::probe::{budget::worst_case, fixture::config};

    const KIND: CanaryKind = CanaryKind::Short;

    #[test]
    fn a_nonsense_count_of_tokens_costs_no_more_than_was_asked_for() {
        let config = config(1, Duration::from_secs(60));
        let model = &config.providers[0].models[0];
        let timeline = Timeline {
            status: Some(200),
            ..Timeline::default()
        };
        let counted = |input, output| Usage {
            input: Some(input),
            output: Some(output),
            ..Usage::default()
        };
        let most = worst_case(model, KIND);
        assert!(cost(model, KIND, &timeline, counted(1, u64::MAX)) <= most);
        let all = cost(model, KIND, &timeline, counted(u64::MAX, u64::MAX));
        assert!(all > 0.0 && all <= most * INPUT_BELIEVED as f64, "{all} {most}");
        let plain = cost(model, KIND, &timeline, counted(500, 100));
        assert!((plain - 0.001).abs() < 1e-12, "{plain}");
    }
}
