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
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiState,
    openapi::schemas,
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

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Poll {
    /// Answer as soon as a revision other than this one is current.
    since: Option<u64>,
    /// How long to wait for it: `30s`, or seconds alone; at most 60 s.
    #[param(value_type = Option<schemas::Span>)]
    wait: Option<String>,
    /// At which instance `since` was seen.
    instance: Option<String>,
    /// Only these targets.
    #[param(value_type = Option<schemas::Patterns>)]
    targets: Option<String>,
}

/// The same for one target, and for routes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PollOne {
    /// Answer as soon as a revision other than this one is current.
    pub(super) since: Option<u64>,
    /// How long to wait for it: `30s`, or seconds alone; at most 60 s.
    #[param(value_type = Option<schemas::Span>)]
    pub(super) wait: Option<String>,
    /// At which instance `since` was seen.
    pub(super) instance: Option<String>,
}

impl From<PollOne> for Poll {
    fn from(poll: PollOne) -> Self {
        Self {
            since: poll.since,
            wait: poll.wait,
            instance: poll.instance,
            targets: None,
        }
    }
}

/// The whole feed, at once or as soon as it has moved on.
#[utoipa::path(get, path = "/v1/health", tag = "now", params(Poll), responses(
    (status = 200, description = "The feed", body = crate::feed::v1::Health,
        headers(("ETag" = String, description = "Names this revision"))),
    (status = 304, description = "If-None-Match names this revision"),
))]
pub(super) async fn all(
    State(api): State<ApiState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let poll: Poll = query::query(&uri)?;
    let filter = query::targets(poll.targets.as_deref())?;
    let snapshot = polled(&api, &poll).await?;
    Ok(cached(&headers, &snapshot.etag, || match &filter {
        Some(filter) => snapshot.json_filtered(filter),
        None => snapshot.json(),
    }))
}

/// The snapshot to answer with: at once, unless the reader has the newest one and wants to wait for a newer.
async fn polled(api: &ApiState, poll: &Poll) -> Result<Arc<Snapshot>, Problem> {
    let wait = waiting(poll.since, poll.wait.as_deref())?;
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

/// How long a poll may wait, checked.
pub(super) fn waiting(since: Option<u64>, wait: Option<&str>) -> Result<Duration, Problem> {
    if since.is_some_and(|since| i64::try_from(since).is_err()) {
        return Err(Problem::bad_query("since is beyond every revision"));
    }
    query::wait(wait, MAX_WAIT)
}

/// One target's members beside those of the feed's head.
#[utoipa::path(get, path = "/v1/health/{target}", tag = "now",
    params(("target" = schemas::Target, Path, description = "provider/model"), PollOne), responses(
    (status = 200, description = "The target", body = crate::feed::v1::OneTarget,
        headers(("ETag" = String, description = "Names this revision"))),
    (status = 304, description = "If-None-Match names this revision"),
    schemas::NotFound,
))]
pub(super) async fn one(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let target = query::target(path)?;
    let poll: PollOne = query::query(&uri)?;
    let poll = Poll::from(poll);
    let snapshot = polled(&api, &poll).await?;
    let body = snapshot
        .target_json(&target)
        .ok_or_else(|| Problem::not_found(format!("no target {target} is configured")))?;
    Ok(cached(&headers, &snapshot.etag, || body))
}

/// The body, or 304 where the reader has it already. A heartbeat makes a new revision and so a new tag: a 304 never
/// renews a copy that has grown stale.
pub(super) fn cached(headers: &HeaderMap, etag: &str, body: impl FnOnce() -> Bytes) -> Response {
    let mut response = if query::matches_tag(headers, etag) {
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
    if let Ok(tag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UpQuery {
    /// What to say of a target of which nothing is known.
    #[serde(default)]
    #[param(value_type = Option<Unknown>)]
    unknown: Unknown,
}

/// What a load balancer is told of a target of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unknown {
    #[default]
    Up,
    Down,
}

/// 200 or 503 with one line, for load balancers.
///
/// The hint decides; where nothing is known (the state is unknown,
/// the feed is stale or the network is lost) the target passes unless `?unknown=down`.
#[utoipa::path(get, path = "/v1/up/{target}", tag = "now",
    params(("target" = schemas::Target, Path, description = "provider/model"), UpQuery), responses(
    (status = 200, description = "`up ID STATE`", body = String, content_type = "text/plain",
        headers(("x-envoy-degraded" = String, description = "`true` while it serves less well than it should"))),
    (status = 503, description = "`down ID STATE`", body = String, content_type = "text/plain"),
    schemas::NotFound,
))]
pub(super) async fn up(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    let id = query::target(path)?;
    let UpQuery { unknown } = query::query(&uri)?;
    let snapshot = api.hub.snapshot();
    let target = query::watched(&snapshot.health, &id)?;
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
