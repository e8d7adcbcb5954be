//! The generation probe: its request and what its answer says.

use bytes::Bytes;
use http::{HeaderMap, Method};

use super::{Call, ProbeJob, exchange::header, wire};
use crate::{
    clock::Timestamp,
    config::{CanaryScript, Model},
    protocol::{
        Usage,
        request::{RequestSpec, build},
    },
    verdict::{
        Expectation, Expected, Fault, Flags, Judgement, Observation, Source, Timeline, Verdict, judge,
    },
};

/// Stands in a canary's prompt for the word drawn.
pub const SENTINEL_WORD: &str = "SENTINEL_WORD";

/// Length of the kept end of a failed answer, in characters.
pub const TAIL_CHARS: usize = 120;

/// Times the planned input tokens that a provider's count is believed up to: templates of gateways come on top.
const INPUT_BELIEVED: u64 = 20;

/// Headers that may carry the provider's request id, the surest first (`docs/verdicts.md`).
const REQUEST_ID_HEADERS: [&str; 7] = [
    "request-id",
    "x-request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "x-generation-id",
    "x-litellm-call-id",
    "cf-ray",
];

fn script(model: &Model) -> Option<&CanaryScript> {
    model.canary.as_ref().map(|canary| &canary.script)
}

/// The word drawn for this job: successive seeds take turns, so that a cached answer shows at once.
pub(super) fn sentinel(job: &ProbeJob) -> &str {
    let words = script(&job.model).map_or(&[][..], |script| &script.sentinels);
    let index = job.seed.checked_rem(words.len() as u64).unwrap_or(0);
    words.get(index as usize).map_or("", String::as_str)
}

/// The request, credential included.
pub(super) fn call(job: &ProbeJob, sentinel: &str) -> Result<Call, Fault> {
    let (provider, model) = (&job.provider, &job.model);
    let script = script(model).ok_or_else(|| wire::invalid(format!("{} has no canary", model.id)))?;
    let prompt = script.prompt.replace(SENTINEL_WORD, sentinel);
    let request = build(&RequestSpec {
        protocol: provider.protocol,
        dialect: provider.dialect,
        endpoint: provider.endpoint,
        base_url: provider.base_url.as_str(),
        model: model.id.model().as_str(),
        prompt: &prompt,
        tool: None,
        max_tokens: model.max_tokens,
        max_tokens_field: model.max_tokens_field.as_deref(),
        params: &model.params,
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

/// Judges the exchange and writes it down; timings, connection and flags of the transport are added by the caller.
pub(super) fn observe(
    job: &ProbeJob,
    sentinel: &str,
    at: Timestamp,
    timeline: &Timeline,
) -> (Observation, Judgement) {
    let judgement = judge(timeline, &expectation(job, sentinel));
    let mut seen = Observation::new(job.model.id.clone(), at, Source::Canary, judgement.verdict);
    seen.flags = judgement.flags;
    seen.flags.set(Flags::SENTINEL_OFF, !job.check_text);
    let late = timeline
        .phases
        .first_token
        .is_some_and(|at| at > job.deadlines.soft);
    seen.flags.set(Flags::SLOW, late);
    seen.stop_reason = judgement.stop_reason.as_ref().map(|stop| stop.raw.clone());
    seen.usage = judgement.usage;
    seen.cost_usd = cost(&job.model, timeline, judgement.usage);
    seen.retry_after = judgement.retry_after;
    seen.served_model.clone_from(&judgement.served_model);
    seen.fingerprint.clone_from(&judgement.fingerprint);
    if judgement.verdict != Verdict::Complete {
        seen.request_id = request_id(timeline).or_else(|| judgement.response_id.clone());
        seen.detail.clone_from(&judgement.detail);
        seen.tail = tail(&judgement.text);
    }
    (seen, judgement)
}

fn expectation(job: &ProbeJob, sentinel: &str) -> Expectation {
    let expected = script(&job.model)
        .filter(|_| job.check_text)
        .map(|script| Expected {
            words: script
                .words
                .iter()
                .cloned()
                .chain([sentinel.to_owned()])
                .collect(),
            sentinels: script.sentinels.clone(),
        });
    Expectation {
        protocol: job.provider.protocol,
        strict_terminal: job.provider.strict_terminal,
        expected,
        model: Some(job.model.id.model().as_str().to_owned()),
    }
}

/// Dollars: reported tokens where the provider counted, planned ones where it began to answer and did not count. A
/// count beyond what we asked for is nonsense and must not spend the budget of everybody else.
/// An exchange without a 200 is not billed.
fn cost(model: &Model, timeline: &Timeline, usage: Usage) -> f64 {
    let (Some(price), Some(script), Some(200)) = (model.price, script(model), timeline.status) else {
        return 0.0;
    };
    let output = usage.output.filter(|_| !usage.provisional);
    let planned = u64::from(script.input_tokens);
    price.cost(
        usage
            .input
            .unwrap_or(planned)
            .min(planned.saturating_mul(INPUT_BELIEVED)),
        output
            .unwrap_or(u64::from(script.output_tokens))
            .min(u64::from(model.max_tokens)),
    )
}

/// The provider's id of this request, from the response headers.
pub(super) fn request_id(timeline: &Timeline) -> Option<String> {
    REQUEST_ID_HEADERS
        .iter()
        .find_map(|name| header(timeline, name).filter(|id| !id.is_empty()))
        .map(str::to_owned)
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
        let most = worst_case(model);
        assert!(cost(model, &timeline, counted(1, u64::MAX)) <= most);
        let all = cost(model, &timeline, counted(u64::MAX, u64::MAX));
        assert!(all > 0.0 && all <= most * INPUT_BELIEVED as f64, "{all} {most}");
        let plain = cost(model, &timeline, counted(500, 100));
        assert!((plain - 0.001).abs() < 1e-12, "{plain}");
    }
}
