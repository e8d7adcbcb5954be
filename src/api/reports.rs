//! `POST /v1/reports`: real outcomes. `GET /v1/reporters`: who sends them.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    ApiState, MAX_BODIES,
    body::{self, Limits},
    guard::Caller,
    openapi::schemas,
    problem::Problem,
    query,
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
/// Answers up to this size are held for whoever is slow to read, as a connection's own buffers are.
pub const SHORT_ANSWER: usize = 64 << 10;
/// Rejected reports that are told of even while too many long answers wait to be read.
pub const TOLD_ANYHOW: usize = 50;

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
    let trust = Caller::of(&head.extensions)?.trust;
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
        rejected_untold: 0,
    };
    accepted(&api.unread, answer)
}

/// A long answer, with its bytes' share of what may be held until it is read.
struct Held {
    json: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

/// The answer, cut short if it is long and too many long ones wait to be read already.
fn accepted(unread: &Arc<Semaphore>, mut answer: Receipt) -> Result<Response, Problem> {
    let write = |answer: &Receipt| serde_json::to_vec(answer).map_err(|_| Problem::internal());
    let json = write(&answer)?;
    let body = if json.len() <= SHORT_ANSWER {
        Body::from(json)
    } else {
        let share = u32::try_from(json.len()).unwrap_or(u32::MAX);
        if let Ok(share) = Arc::clone(unread).try_acquire_many_owned(share) {
            Body::from(Bytes::from_owner(Held { json, _share: share }))
        } else {
            answer.rejected_untold = answer.rejected.len().saturating_sub(TOLD_ANYHOW);
            answer.rejected.truncate(TOLD_ANYHOW);
            Body::from(write(&answer)?)
        }
    };
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((StatusCode::ACCEPTED, kind, body).into_response())
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

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// An answer that tells of so many wrong reports.
    fn wrong(n: usize) -> Receipt {
        let reason = "x".repeat(400);
        let rejected = (0..n).map(|index| Rejected {
            index,
            reason: reason.clone(),
        });
        Receipt {
            accepted: 7,
            duplicates: 0,
            rejected: rejected.collect(),
            rejected_untold: 0,
        }
    }

    /// How many wrong ones it tells of, and how many it leaves out.
    async fn told(answer: Response) -> (usize, u64) {
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(answer["accepted"], 7);
        let told = answer["rejected"].as_array().unwrap().len();
        (told, answer["rejected_untold"].as_u64().unwrap_or_default())
    }

    #[tokio::test]
    async fn long_answers_that_nobody_reads_make_later_ones_short() {
        let length = serde_json::to_vec(&wrong(1_000)).unwrap().len();
        let unread = Arc::new(Semaphore::new(2 * length));
        let answer = |n| accepted(&unread, wrong(n)).unwrap();
        let held = [answer(1_000), answer(1_000)];
        assert_eq!(unread.available_permits(), 0);
        assert_eq!(
            told(answer(1_000)).await,
            (TOLD_ANYHOW, 1_000 - TOLD_ANYHOW as u64)
        );
        // A short one needs no share.
        assert_eq!(told(answer(100)).await, (100, 0));
        for answer in held {
            assert_eq!(told(answer).await, (1_000, 0));
        }
        assert_eq!(unread.available_permits(), 2 * length);
        assert_eq!(told(answer(1_000)).await, (1_000, 0));
    }
}
