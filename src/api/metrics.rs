//! `GET /metrics`: what Prometheus collects.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{ApiState, openapi::schemas, problem::Problem, query};
use crate::telemetry::Format;

/// Most scrapes at a time; each holds a thread and its text.
pub const MAX_SCRAPES: usize = 4;
/// Longest wait for one of these turns, in seconds; told to those who come in vain.
const COME_AGAIN_S: u64 = 1;

/// Figures for Prometheus: counts of everything that was seen since start, the feed, and endturn itself.
///
/// `OpenMetrics` 1.0 for those whose `Accept` asks for it, the classic text format else. Every name with its meaning:
/// docs/metrics.md.
#[utoipa::path(get, path = "/metrics", tag = "endturn itself", responses(
    (status = 200, description = "As of now", content(
        (String = "application/openmetrics-text"),
        (String = "text/plain"),
    )),
    schemas::Unavailable,
))]
pub(super) async fn scrape(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    query::none(request.uri())?;
    let accepts = request.headers().get_all(header::ACCEPT).iter();
    let accepts: Vec<&str> = accepts.filter_map(|value| value.to_str().ok()).collect();
    let format = Format::negotiate(&accepts.join(","));
    let Ok(turn) = Arc::clone(&api.scrapes).try_acquire_owned() else {
        return Err(Problem::unavailable(
            format!("{MAX_SCRAPES} scrapes are being answered already"),
            COME_AGAIN_S,
        ));
    };
    let exposition = Arc::clone(&api.exposition);
    let text = tokio::task::spawn_blocking(move || {
        // The turn is over when the thread is free again.
        let _turn = turn;
        exposition.text(format)
    });
    let text = text.await.map_err(|_| Problem::internal())?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(format.media_type()),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    Ok((headers, text).into_response())
}
