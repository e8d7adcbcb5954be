//! `POST /v1/reports`: real outcomes. `GET /v1/reporters`: who sends them.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{
    ApiState, MAX_BODIES,
    body::{self, Limits},
    openapi::schemas,
    problem::Problem,
    query, token,
};
use crate::{
    feed::{
        Time,
        outcome::Outcome,
        reports::{Receipt, Rejected, Reporter, Reporters},
    },
    intake::{COME_AGAIN_S, Format, Refused},
};

/// Longest body of reports in bytes, as sent and as inflated.
pub const MAX_REPORTS_BYTES: usize = 4 << 20;
/// Longest wait for a whole body of reports.
pub const REPORTS_TIMEOUT: Duration = Duration::from_secs(10);
/// Bodies up to this size are read at once: it takes less than a millisecond. Longer ones get a thread.
const INLINE_BYTES: usize = 64 << 10;

/// Takes outcomes of real requests: one object, an array, or one object a line.
///
/// A report whose `id` its reporter sent before, within its last 10,000 reports or ten minutes, counts once; so a body
/// may be sent again. Each report is judged alone. 202 says that they are counted; health knows within milliseconds.
#[utoipa::path(post, path = "/v1/reports", tag = "reports",
    request_body(description = "Reports, at most 4 MiB and 10,000, maybe packed by gzip", content(
        (Outcome<'static> = "application/json"),
        (String = "application/x-ndjson"),
    )), responses(
    (status = 202, description = "Counted, but for what was rejected", body = Receipt),
    schemas::Unauthorized,
    schemas::BodyProblems,
    schemas::Unavailable,
))]
pub(super) async fn take(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    query::none(&head.uri)?;
    let trust = token::trust(&api.intake.config().server.tokens, &head.headers)?;
    let format = format(&head.headers)?;
    let turn = Arc::clone(&api.bodies).try_acquire_owned();
    let _turn = turn.map_err(|_| {
        Problem::unavailable(
            format!("{MAX_BODIES} bodies are being read already"),
            COME_AGAIN_S,
        )
    })?;
    let limits = Limits {
        sent: MAX_REPORTS_BYTES,
        inflated: MAX_REPORTS_BYTES,
        time: REPORTS_TIMEOUT,
    };
    let bytes = body::read(&head.headers, body, limits).await?;
    let intake = api.intake.clone();
    let taken = if bytes.len() <= INLINE_BYTES {
        intake.reports(&bytes, format, trust)
    } else {
        let reading = tokio::task::spawn_blocking(move || intake.reports(&bytes, format, trust));
        reading.await.map_err(|_| Problem::internal())?
    };
    let receipt = taken.map_err(|why| match why {
        Refused::Body(error) => Problem::bad_request(error.to_string()),
        Refused::Busy(busy) => Problem::unavailable(busy.to_string(), COME_AGAIN_S),
    })?;
    let rejected = receipt.rejected.into_iter().map(|report| Rejected {
        index: report.index,
        reason: report.reason,
    });
    let answer = Receipt {
        accepted: receipt.accepted,
        duplicates: receipt.duplicates,
        rejected: rejected.collect(),
    };
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// A form of a browser can't send these types across origins without asking first.
fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    match kind.unwrap_or_default().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/x-ndjson" => Ok(Format::Lines),
        _ => Err(Problem::unsupported(
            "reports are application/json (one object or an array) or application/x-ndjson (one object a line)",
        )),
    }
}

/// Everybody who reported since start, with figures.
#[utoipa::path(get, path = "/v1/reporters", tag = "reports", responses(
    (status = 200, description = "Most reports first", body = Reporters),
))]
pub(super) async fn reporters(State(api): State<ApiState>, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    let reporters = api
        .intake
        .reporters()
        .into_iter()
        .map(|(name, figures)| Reporter {
            name,
            accepted: figures.accepted,
            duplicates: figures.duplicates,
            rejected: figures.rejected,
            failed: figures.failed,
            last_at: Time(figures.last_at),
        });
    let answer = Reporters {
        reporters: reporters.collect(),
        waiting: api.intake.waiting(),
    };
    Ok(Json(answer).into_response())
}
