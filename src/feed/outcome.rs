//! A report as it is sent: what became of one real request (`POST /v1/reports`, `docs/reports.md`).

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    protocol::{ErrorClass, Usage},
    verdict::{FailedAt, Failure, Observation, Source, Verdict},
};

/// What became of one real request. Members that this version doesn't know are left alone: within v1 they are only
/// added. What a reporter doesn't know it leaves out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RequestReport, example = json!({
    "id": "req_0182", "target": "anthropic/claude-haiku-4-5", "reporter": "litellm-prod-1",
    "verdict": "errored", "error": "overloaded", "http_status": 529, "e2e_ms": 1900
}))]
pub struct Outcome<'a> {
    /// Names this report: the same one counts once.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub id: Option<Cow<'a, str>>,
    /// `provider/model`; or give the two apart.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub target: Option<Cow<'a, str>>,
    /// The provider, beside `model`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub provider: Option<Cow<'a, str>>,
    /// The model, beside `provider`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub model: Option<Cow<'a, str>>,
    /// When the request was sent, RFC 3339; now, if left out.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub at: Option<Cow<'a, str>>,
    /// Who tells.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub reporter: Option<Cow<'a, str>>,
    /// Where the request came from, in the reporter's own words.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub region: Option<Cow<'a, str>>,
    /// `report`, or `tap` where the reply was judged on the wire.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub source: Option<Cow<'a, str>>,
    /// What the reply was.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub verdict: Option<Cow<'a, str>>,
    /// How it was truncated, where that is known (`cut`, `stall`, ..).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub kind: Option<Cow<'a, str>>,
    /// Our class of the error, or the provider's word for it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub error: Option<Cow<'a, str>>,
    /// Why, in one line. No prompt, no answer.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub detail: Option<Cow<'a, str>>,
    /// The provider's id of the request.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub request_id: Option<Cow<'a, str>>,
    /// HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The provider's stop reason.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub stop_reason: Option<Cow<'a, str>>,
    /// The model that answered.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub served_model: Option<Cow<'a, str>>,
    /// The configuration that served (`system_fingerprint`).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub fingerprint: Option<Cow<'a, str>>,
    /// Milliseconds of connecting, where a connection was opened: DNS, TCP and TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<f64>,
    /// Milliseconds to the first token of any channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Milliseconds to the first visible token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttfo_ms: Option<f64>,
    /// Milliseconds to the last token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_token_ms: Option<f64>,
    /// Largest gap between two chunks of the answer, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_ms: Option<f64>,
    /// Milliseconds to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e2e_ms: Option<f64>,
    /// Milliseconds that the provider asked to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<f64>,
    /// Prompt tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Generated tokens, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Reasoning tokens among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

fn text(of: Option<&String>) -> Option<Cow<'_, str>> {
    of.map(|text| Cow::Borrowed(text.as_str()))
}

fn ms(of: Option<Duration>) -> Option<f64> {
    of.map(|length| length.as_secs_f64() * 1e3)
}

impl<'a> Outcome<'a> {
    /// What is told of a request that was seen; id and reporter are the sender's to add. A call of a tool and a
    /// paused turn are complete for whoever reports.
    pub fn of(seen: &'a Observation) -> Self {
        let (verdict, kind, error) = match seen.verdict {
            Verdict::OffScript(_) => (Verdict::Complete.family(), None, None),
            Verdict::Errored(Failure {
                class: ErrorClass::Cancelled,
                ..
            }) => ("cancelled", None, None),
            Verdict::Errored(failure) => ("errored", None, Some(failure.class.as_str())),
            verdict => (verdict.family(), verdict.detail(), None),
        };
        let status = match seen.verdict {
            Verdict::Errored(Failure {
                at: FailedAt::Status(status),
                ..
            }) => Some(status),
            _ => seen.http_status,
        };
        let p = &seen.phases;
        // What stands at the start of a stream is no count.
        let usage = if seen.usage.provisional {
            Usage::default()
        } else {
            seen.usage
        };
        let connecting = p.connect.map(|connect| connect + p.dns.unwrap_or_default());
        Self {
            id: None,
            target: Some(Cow::Owned(seen.target.to_string())),
            provider: None,
            model: None,
            at: Some(Cow::Owned(seen.started.to_rfc3339())),
            reporter: text(seen.reporter.as_ref()),
            region: text(seen.region.as_ref()),
            source: (seen.source == Source::Tap).then_some(Cow::Borrowed(Source::Tap.as_str())),
            verdict: Some(Cow::Borrowed(verdict)),
            kind: kind.map(Cow::Borrowed),
            error: error.map(Cow::Borrowed),
            detail: text(seen.detail.as_ref()),
            request_id: text(seen.request_id.as_ref()),
            http_status: status,
            stop_reason: text(seen.stop_reason.as_ref()),
            served_model: text(seen.served_model.as_ref()),
            fingerprint: text(seen.fingerprint.as_ref()),
            connect_ms: ms(connecting),
            ttft_ms: ms(p.first_token),
            ttfo_ms: ms(p.first_output),
            last_token_ms: ms(p.last_token),
            gap_ms: ms(p.gap_max),
            e2e_ms: ms(seen.e2e()),
            retry_after_ms: ms(seen.retry_after),
            input_tokens: usage.input,
            output_tokens: usage.output,
            reasoning_tokens: usage.reasoning,
        }
    }
}
