//! `/v1/health`, `/v1/health/{target}` and `/v1/up/{target}`: what is so right now.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Deserialize;

use super::{
    ApiState,
    problem::{Own, Problem},
    query,
};
use crate::{
    feed::{Known, Snapshot, v1::TargetHealth},
    health::{Hint, Network, State as HealthState},
};

/// Longest long poll. Heartbeats end one earlier, unless the daemon stands still.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// Tells Envoy that a host serves, but not well.
const ENVOY_DEGRADED: HeaderName = HeaderName::from_static("x-envoy-degraded");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Poll {
    since: Option<u64>,
    wait: Option<String>,
    instance: Option<String>,
    targets: Option<String>,
}

/// `GET /v1/health`.
pub(super) async fn all(
    State(api): State<ApiState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let poll: Poll = query::query(&uri)?;
    let filter = query::targets(poll.targets.as_deref())?;
    let snapshot = polled(&api, &poll).await?;
    Ok(cached(&headers, &snapshot, || match &filter {
        Some(filter) => snapshot.json_filtered(filter),
        None => snapshot.json(),
    }))
}

/// The snapshot to answer with: at once, unless the reader has the newest one and wants to wait for a newer.
async fn polled(api: &ApiState, poll: &Poll) -> Result<Arc<Snapshot>, Problem> {
    let wait = query::wait(poll.wait.as_deref(), MAX_WAIT)?;
    if let Some(since) = poll.since
        && !wait.is_zero()
        && api.hub.known(since, poll.instance.as_deref()) == Known::Current
    {
        tokio::select! {
            () = api.hub.moved_past(since) => {}
            () = tokio::time::sleep(wait) => {}
            () = api.closing.cancelled() => {}
        }
    }
    Ok(api.hub.snapshot())
}

/// `GET /v1/health/{target}`.
pub(super) async fn one(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let target = query::target(path)?;
    let poll: Poll = query::query(&uri)?;
    if poll.targets.is_some() {
        return Err(Problem::bad_query("targets has no meaning for one target"));
    }
    let snapshot = polled(&api, &poll).await?;
    let body = snapshot
        .target_json(&target)
        .ok_or_else(|| Problem::not_found(format!("no target {target} is configured")))?;
    Ok(cached(&headers, &snapshot, || body))
}

/// The body, or 304 where the reader has it already. A heartbeat makes a new revision and so a new tag: a 304 never
/// renews a copy that has grown stale.
fn cached(headers: &HeaderMap, snapshot: &Snapshot, body: impl FnOnce() -> Bytes) -> Response {
    let mut response = if query::matches_tag(headers, &snapshot.etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(body()));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&snapshot.etag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpQuery {
    #[serde(default)]
    unknown: Unknown,
}

/// What a load balancer is told of a target of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unknown {
    #[default]
    Up,
    Down,
}

/// `GET /v1/up/{target}`: 200 or 503 with one line. The hint decides; where nothing is known (the state is unknown,
/// the feed is stale or the network is lost) the target passes unless `?unknown=down`.
pub(super) async fn up(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    let id = query::target(path)?;
    let UpQuery { unknown } = query::query(&uri)?;
    let snapshot = api.hub.snapshot();
    let target = snapshot
        .health
        .targets
        .iter()
        .find(|target| target.id == id)
        .ok_or_else(|| Problem::not_found(format!("no target {id} is configured")))?;
    let known = snapshot.is_fresh(api.clock.now())
        && snapshot.health.head.network == Network::Online
        && target.state != HealthState::Unknown;
    let (up, degraded) = if known {
        (target.routing.hint != Hint::Avoid, is_degraded(target))
    } else {
        (unknown == Unknown::Up, false)
    };
    let state = if known { target.state } else { HealthState::Unknown };
    let (status, word) = if up {
        (StatusCode::OK, "up")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "down")
    };
    let mut response = (status, format!("{word} {id} {state}\n")).into_response();
    response.extensions_mut().insert(Own);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if up && degraded {
        headers.insert(ENVOY_DEGRADED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// It serves, but less well than it should or with less than its full share.
fn is_degraded(target: &TargetHealth) -> bool {
    target.state.is_impaired() || target.routing.weight.is_some_and(|weight| weight < 1.0)
}
