//! `/v1/routes` and `/v1/routes/{name}`: who should serve now.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, Uri},
    response::Response,
};
use bytes::Bytes;
use serde::Serialize;

use super::{
    ApiState,
    health::{PollOne, cached, waiting},
    openapi::schemas,
    problem::Problem,
    query,
};
use crate::{
    feed::route::{OneRoute, Routes},
    route::Decided,
};

/// Every route: whether somebody should serve it now, who, and why.
#[utoipa::path(get, path = "/v1/routes", tag = "now", params(PollOne), responses(
    (status = 200, description = "Every configured route", body = Routes,
        headers(("ETag" = String, description = "Names the revision that it follows from"))),
    (status = 304, description = "If-None-Match names this revision"),
))]
pub(super) async fn routes(
    State(api): State<ApiState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let decided = polled(&api, &query::query(&uri)?).await?;
    Ok(cached(&headers, &decided.etag, || json(&decided.routes)))
}

/// One route: whether somebody should serve it now, who, and why.
#[utoipa::path(get, path = "/v1/routes/{name}", tag = "now",
    params(("name" = schemas::RouteName, Path, description = "As configured"), PollOne), responses(
    (status = 200, description = "The route", body = OneRoute,
        headers(("ETag" = String, description = "Names the revision that it follows from"))),
    (status = 304, description = "If-None-Match names this revision"),
    schemas::NotFound,
))]
pub(super) async fn route(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = path.map_err(|error| Problem::bad_request(error.body_text()))?;
    let decided = polled(&api, &query::query(&uri)?).await?;
    let route = decided.one(&name).ok_or_else(|| {
        Problem::not_found(format!(
            "no route of that name is configured; there are: {}",
            names(&decided)
        ))
    })?;
    Ok(cached(&headers, &decided.etag, || json(&route)))
}

fn names(decided: &Decided) -> String {
    let names: Vec<&str> = decided
        .routes
        .routes
        .iter()
        .map(|route| route.name.as_str())
        .collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// The decisions to answer with: at once, unless the reader has the newest ones and wants to wait for newer.
async fn polled(api: &ApiState, poll: &PollOne) -> Result<Arc<Decided>, Problem> {
    let wait = waiting(poll.since, poll.wait.as_deref())?;
    let now = api.board.now();
    let head = &now.routes.head;
    let same_instance = poll
        .instance
        .as_ref()
        .is_none_or(|instance| *instance == head.instance);
    if poll.since != Some(head.revision) || wait.is_zero() || !same_instance {
        return Ok(now);
    }
    tokio::select! {
        () = api.board.moved_past(head.revision) => {}
        () = tokio::time::sleep(wait) => {}
        () = api.closing.cancelled() => {}
    }
    Ok(api.board.now())
}

fn json(answer: &impl Serialize) -> Bytes {
    serde_json::to_vec(answer)
        .expect("a document of texts and numbers")
        .into()
}
