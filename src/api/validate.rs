//! `POST /v1/validate`: the completeness gate. It sees nothing of the daemon and changes nothing.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{ApiState, MAX_VALIDATIONS, body, openapi::schemas, problem::Problem, query};
use crate::{
    feed::validation::Validation,
    gate::{Expect, Input, Options, Outcome},
    protocol::Wire,
};

/// Longest body, in bytes, inflated if it comes packed.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// Longest wait for a whole body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const LIMITS: body::Limits = body::Limits {
    sent: MAX_BODY_BYTES,
    inflated: MAX_BODY_BYTES,
    time: BODY_TIMEOUT,
};
/// Longest wait for a turn, of which there are [`MAX_VALIDATIONS`].
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
/// Bodies up to this size are judged at once: it takes less than a millisecond. Longer ones get a thread.
const INLINE_BYTES: usize = 16 << 10;

/// The query. Beside a JSON envelope only `capture` has a meaning.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Params {
    /// What the capture speaks: a protocol or a dialect.
    #[param(value_type = Option<schemas::Protocols>)]
    protocol: Option<String>,
    /// What the text has to be.
    #[param(value_type = Option<schemas::Expects>)]
    expect: Option<String>,
    /// The body is a finished text, and this the stop reason that came with it.
    stop_reason: Option<String>,
    /// The words that the text was asked to end with.
    ends_with: Option<String>,
    /// The language of code without a fence that names one.
    language: Option<String>,
    /// `1`: the body is a capture even if it is JSON.
    #[param(value_type = Option<schemas::Flag>)]
    capture: Option<String>,
}

/// A JSON body that says what it holds.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"text": "All done.", "stop_reason": "end_turn"}))]
pub(super) struct Envelope {
    text: Option<String>,
    stream: Option<String>,
    stop_reason: Option<String>,
    protocol: Option<String>,
    expect: Option<String>,
    ends_with: Option<String>,
    language: Option<String>,
    content_type: Option<String>,
}

/// What is to be judged, with its bytes.
#[derive(Debug)]
struct Job {
    bytes: Bytes,
    stop_reason: Option<String>,
    wire: Option<Wire>,
    content_type: Option<String>,
    options: Options,
}

impl Job {
    fn run(&self) -> Outcome {
        let input = match &self.stop_reason {
            Some(stop_reason) => Input::Text {
                text: &self.bytes,
                stop_reason,
                wire: self.wire,
            },
            None => Input::Capture {
                bytes: &self.bytes,
                wire: self.wire,
                content_type: self.content_type.as_deref(),
            },
        };
        crate::gate::validate(&input, &self.options)
    }
}

/// The completeness gate: is this reply whole?
///
/// A body of type `application/json` is an envelope, with its parameters in it, unless `capture=1`; any other is a
/// capture, or with `stop_reason` a finished text.
#[utoipa::path(post, path = "/v1/validate", tag = "gate", params(Params),
    request_body(description = "The reply, at most 8 MiB", content(
        (Envelope = "application/json"),
        (String = "text/event-stream"),
        (String = "application/x-ndjson"),
        (String = "text/plain"),
        (Vec<u8> = "application/octet-stream"),
    )), responses(
    (status = 200, description = "What was found", body = Validation),
    schemas::BodyProblems,
    schemas::Unavailable,
))]
pub(super) async fn validate(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    let (head, sent) = request.into_parts();
    // The turn comes first, so that waiting requests hold no bodies.
    let turns = std::sync::Arc::clone(&api.validations);
    let turn = tokio::time::timeout(TURN_TIMEOUT, turns.acquire_owned())
        .await
        .map_err(|_| {
            let detail = format!("{MAX_VALIDATIONS} replies are being validated already");
            Problem::unavailable(detail, 1)
        })?
        .map_err(|_| Problem::internal())?;
    let bytes = body::read(&head.headers, sent, LIMITS).await?;
    let job = job(&head.uri, &head.headers, bytes)?;
    let json = if job.bytes.len() <= INLINE_BYTES {
        answer(&job)
    } else {
        tokio::task::spawn_blocking(move || {
            // The turn is over when the thread is free again, not when the client goes away.
            let _turn = turn;
            answer(&job)
        })
        .await
        .map_err(|_| Problem::internal())?
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, json).into_response())
}

fn answer(job: &Job) -> Vec<u8> {
    serde_json::to_vec(&Validation::from(&job.run())).expect("a document of texts and numbers")
}

/// What the request asks for. A body of type `application/json` is an envelope, unless the query says `capture=1`;
/// of any other type, or of none, it is a capture, or with `stop_reason` a finished text.
fn job(uri: &Uri, headers: &HeaderMap, bytes: Bytes) -> Result<Job, Problem> {
    let params: Params = query::query(uri)?;
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type =
        content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let essence = content_type.as_deref().unwrap_or_default();
    let essence = essence.split(';').next().unwrap_or_default().trim();
    if essence.starts_with("multipart/") {
        let detail = "send the capture itself as the body, not as a part of a form";
        return Err(Problem::unsupported(detail));
    }
    let capture = match params.capture.as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(other) => {
            return Err(Problem::bad_query(format!(
                "capture is {other:?}, allowed are 0 and 1"
            )));
        }
    };
    if essence == "application/json" && !capture {
        return enveloped(&params, &bytes);
    }
    Ok(Job {
        bytes,
        wire: wire(params.protocol.as_deref()).map_err(Problem::bad_query)?,
        content_type,
        options: options(params.expect.as_deref(), params.ends_with, params.language)
            .map_err(Problem::bad_query)?,
        stop_reason: params.stop_reason,
    })
}

fn enveloped(params: &Params, bytes: &[u8]) -> Result<Job, Problem> {
    let Params {
        protocol,
        expect,
        stop_reason,
        ends_with,
        language,
        capture: _,
    } = params;
    if [protocol, expect, stop_reason, ends_with, language]
        .iter()
        .any(|param| param.is_some())
    {
        let detail =
            "with a JSON envelope say it in the envelope, or add capture=1 if the body is a provider's JSON";
        return Err(Problem::bad_query(detail));
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| {
        Problem::bad_request(format!(
            "the body is no envelope with text and stop_reason, or with stream: {error}; a provider's JSON body goes \
             with ?capture=1 or as application/octet-stream"
        ))
    })?;
    let bytes = match (envelope.text, envelope.stream, &envelope.stop_reason) {
        (Some(text), None, Some(_)) if envelope.content_type.is_none() => text,
        (Some(_), None, None) => {
            return Err(Problem::bad_request(
                "text needs its stop_reason: without it nothing tells a whole text from a cut one",
            ));
        }
        (None, Some(stream), None) => stream,
        _ => {
            return Err(Problem::bad_request(
                "an envelope holds text and stop_reason, or stream with or without content_type",
            ));
        }
    };
    Ok(Job {
        bytes: bytes.into(),
        stop_reason: envelope.stop_reason,
        wire: wire(envelope.protocol.as_deref()).map_err(Problem::bad_request)?,
        content_type: envelope.content_type,
        options: options(envelope.expect.as_deref(), envelope.ends_with, envelope.language)
            .map_err(Problem::bad_request)?,
    })
}

fn wire(name: Option<&str>) -> Result<Option<Wire>, String> {
    name.map(str::parse).transpose()
}

fn options(
    expect: Option<&str>,
    ends_with: Option<String>,
    language: Option<String>,
) -> Result<Options, String> {
    Ok(Options {
        expect: expect.map(str::parse::<Expect>).transpose()?,
        ends_with,
        language,
    })
}
