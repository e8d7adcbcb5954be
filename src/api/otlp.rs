//! `POST /v1/traces`, `/v1/logs`, `/v1/metrics`: OTLP over HTTP, in protobuf or JSON, as any exporter sends it.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

use super::{
    ApiState,
    body::{self, Limits},
    guard::Caller,
    openapi::schemas,
    problem::Problem,
    query,
};
use crate::{
    intake::{
        Busy, COME_AGAIN_S,
        otlp::{Encoding, MAX_REASONS, Signal, metrics_unused},
    },
    verdict::Trust,
};

/// Longest export as it is sent, in bytes.
pub const MAX_EXPORT_BYTES: usize = 8 << 20;
/// Longest export once it is inflated, in bytes.
pub const MAX_INFLATED_BYTES: usize = 32 << 20;
/// Longest wait for a whole export.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most exports that are held at a time.
pub const MAX_EXPORTS: usize = 4;
/// Longest wait for one of these turns: exporters come in bursts.
const TURN_TIMEOUT: Duration = Duration::from_secs(1);
/// Exports up to this size are read at once: it takes less than a millisecond. Longer ones get a thread.
const INLINE_BYTES: usize = 64 << 10;

const LIMITS: Limits = Limits {
    sent: MAX_EXPORT_BYTES,
    inflated: MAX_INFLATED_BYTES,
    time: EXPORT_TIMEOUT,
};

/// Takes spans: those of model calls become observations, one a call.
///
/// `ExportTraceServiceRequest` of OTLP. The reply is of the same encoding; `partialSuccess` names what was not taken
/// and why.
#[utoipa::path(post, path = "/v1/traces", tag = "reports",
    request_body(description = "Spans, at most 8 MiB, inflated 32 MiB", content(
        (Vec<u8> = "application/x-protobuf"),
        (Object = "application/json"),
    )), responses(
    (status = 200, description = "Taken, but for what the reply names", content(
        (Vec<u8> = "application/x-protobuf"),
        (Object = "application/json"),
    )),
    schemas::Unauthorized,
    schemas::BodyProblems,
    schemas::Unavailable,
))]
pub(super) async fn traces(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    export(api, Signal::Traces, request).await
}

/// Takes log records: those by which Claude Code tells of its requests become observations.
///
/// `ExportLogsServiceRequest` of OTLP; replies as `/v1/traces` does.
#[utoipa::path(post, path = "/v1/logs", tag = "reports",
    request_body(description = "Log records, at most 8 MiB, inflated 32 MiB", content(
        (Vec<u8> = "application/x-protobuf"),
        (Object = "application/json"),
    )), responses(
    (status = 200, description = "Taken, but for what the reply names", content(
        (Vec<u8> = "application/x-protobuf"),
        (Object = "application/json"),
    )),
    schemas::Unauthorized,
    schemas::BodyProblems,
    schemas::Unavailable,
))]
pub(super) async fn logs(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    export(api, Signal::Logs, request).await
}

/// Takes metrics, so that an exporter of all three signals finds its path, and uses none: the reply says so.
///
/// `ExportMetricsServiceRequest` of OTLP; replies as `/v1/traces` does.
#[utoipa::path(post, path = "/v1/metrics", tag = "reports",
    request_body(description = "Metrics, at most 8 MiB, inflated 32 MiB", content(
        (Vec<u8> = "application/x-protobuf"),
        (Object = "application/json"),
    )), responses(
    (status = 200, description = "Received and not used", content(
        (Vec<u8> = "application/x-protobuf"),
        (Object = "application/json"),
    )),
    schemas::Unauthorized,
    schemas::BodyProblems,
    schemas::Unavailable,
))]
pub(super) async fn metrics(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    export(api, Signal::Metrics, request).await
}

async fn export(api: ApiState, signal: Signal, request: Request) -> Result<Response, Problem> {
    let (head, sent) = request.into_parts();
    query::none(&head.uri)?;
    let trust = Caller::of(&head.extensions)?.trust;
    let encoding = encoding(&head.headers)?;
    // The turn comes first, so that waiting requests hold no bodies.
    let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&api.exports).acquire_owned());
    let turn = turn
        .await
        .map_err(|_| {
            Problem::unavailable(
                format!("{MAX_EXPORTS} exports are being read already"),
                COME_AGAIN_S,
            )
        })?
        .map_err(|_| Problem::internal())?;
    let bytes = body::read(&head.headers, sent, LIMITS).await?;
    let reply = if bytes.len() <= INLINE_BYTES {
        answer(&api, signal, encoding, &bytes, trust)
    } else {
        tokio::task::spawn_blocking(move || {
            // The turn is over when the thread is free again, not when the client goes away.
            let _turn = turn;
            answer(&api, signal, encoding, &bytes, trust)
        })
        .await
        .map_err(|_| Problem::internal())?
    }?;
    let kind = HeaderValue::from_static(encoding.media_type());
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, reply).into_response())
}

/// A form of a browser can't send these types across origins without asking first.
fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.and_then(Encoding::of).ok_or_else(|| {
        Problem::unsupported("telemetry is OTLP, as application/x-protobuf or application/json")
    })
}

fn answer(
    api: &ApiState,
    signal: Signal,
    encoding: Encoding,
    bytes: &Bytes,
    trust: Trust,
) -> Result<Vec<u8>, Problem> {
    let now = api.clock.now();
    let directory = api.otlp.directory(&api.intake.config());
    let batch = api
        .otlp
        .read((signal, encoding), bytes, &directory, trust, now)
        .map_err(|error| Problem::bad_request(error.to_string()))?;
    if signal == Signal::Metrics {
        return Ok(encoding.reply(signal, 0, metrics_unused()));
    }
    let taken = api
        .otlp
        .take(batch, now, |observations| api.intake.observed(observations));
    let (outcome, receipt) =
        taken.map_err(|busy: Busy| Problem::unavailable(busy.to_string(), COME_AGAIN_S))?;
    let mut reasons: Vec<&str> = Vec::new();
    reasons.extend((!outcome.message.is_empty()).then_some(outcome.message.as_str()));
    for refused in &receipt.rejected {
        if reasons.len() <= MAX_REASONS && !reasons.contains(&refused.reason.as_str()) {
            reasons.push(&refused.reason);
        }
    }
    let rejected = outcome.rejected + receipt.rejected.len() as u64;
    Ok(encoding.reply(signal, rejected, &reasons.join("; ")))
}
