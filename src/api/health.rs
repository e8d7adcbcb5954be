//! `/v1/health` and `/v1/health/{target}`: what is so right now.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    ApiState,
    health_json::{self, HealthDraft},
    negotiate::takes_gzip,
    openapi::schemas,
    problem::Problem,
    query,
};
use crate::feed::{Known, Snapshot, v1::TargetHealth};

/// Longest long poll. Heartbeats end one earlier, unless the daemon stands still.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// Room for the headers of an answer with those that the guard and the server add, so that it is found once.
const HEADERS: usize = 12;

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
    (status = 200, description = "The feed; by Accept the same for monitors",
        content((crate::feed::v1::Health = "application/json"), (HealthDraft = "application/health+json")),
        headers(("ETag" = String, description = "Names this revision, packed or plain"),
            ("Content-Encoding" = String, description = "gzip, where that is accepted and the whole feed is asked for"))),
    (status = 304, description = "If-None-Match names this revision"),
    (status = 503, description = "For monitors: no target is to be used", body = HealthDraft,
        content_type = "application/health+json"),
))]
pub(super) async fn all(
    State(api): State<ApiState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let poll: Poll = query::query(&uri)?;
    let filter = query::targets(poll.targets.as_deref())?;
    let snapshot = polled(&api, &poll).await?;
    if health_json::is_wanted(&headers) {
        let wanted = |target: &&TargetHealth| filter.as_ref().is_none_or(|filter| filter.wants(&target.id));
        let targets: Vec<&TargetHealth> = snapshot.health.targets.iter().filter(wanted).collect();
        let now = api.clock.now();
        return Ok(health_json::answer(&headers, &snapshot, &targets, false, now));
    }
    if let Some(filter) = &filter {
        return Ok(cached(&headers, &snapshot.etag, || {
            snapshot.json_filtered(filter)
        }));
    }
    let packed = if takes_gzip(&headers) {
        snapshot.gzip().await
    } else {
        None
    };
    Ok(whole(&headers, &snapshot, packed))
}

/// The whole feed, plain or packed.
pub(super) fn whole(headers: &HeaderMap, snapshot: &Snapshot, packed: Option<&Bytes>) -> Response {
    let (tag, body) = match packed {
        Some(packed) => (&snapshot.gzip_etag, packed.clone()),
        None => (&snapshot.etag, snapshot.json()),
    };
    let mut response = cached(headers, tag, || body);
    let told = response.headers_mut();
    told.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    if packed.is_some() && told.contains_key(header::CONTENT_TYPE) {
        told.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
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
    (status = 200, description = "The target; by Accept the same for monitors",
        content((crate::feed::v1::OneTarget = "application/json"), (HealthDraft = "application/health+json")),
        headers(("ETag" = String, description = "Names this revision"))),
    (status = 304, description = "If-None-Match names this revision"),
    (status = 503, description = "For monitors: it is not to be used", body = HealthDraft,
        content_type = "application/health+json"),
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
    if health_json::is_wanted(&headers) {
        let found = query::watched(&snapshot.health, &target)?;
        let now = api.clock.now();
        return Ok(health_json::answer(&headers, &snapshot, &[found], true, now));
    }
    let body = snapshot
        .target_json(&target)
        .ok_or_else(|| Problem::not_found(format!("no target {target} is configured")))?;
    Ok(cached(&headers, &snapshot.etag, || body))
}

/// The body, or 304 where the reader has it already. A heartbeat makes a new revision and so a new tag: a 304 never
/// renews a copy that has grown stale.
pub(super) fn cached(headers: &HeaderMap, etag: &str, body: impl FnOnce() -> Bytes) -> Response {
    let mut response = Response::new(Body::empty());
    let told = response.headers_mut();
    told.reserve(HEADERS);
    if let Ok(tag) = HeaderValue::from_str(etag) {
        told.insert(header::ETAG, tag);
    }
    told.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    told.insert(header::VARY, HeaderValue::from_static("accept"));
    if query::matches_tag(headers, etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        told.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Body::from(body());
    }
    response
}
