//! `/v1/up/{target}`, and what every load balancer's answer begins with: what is known of a target right now.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiState,
    openapi::schemas,
    problem::{Own, Problem},
    query,
};
use crate::{
    clock::Timestamp,
    feed::{Snapshot, v1::TargetHealth},
    health::{Hint, Network, State as HealthState},
};

/// Tells Envoy that a host serves, but not well.
const ENVOY_DEGRADED: HeaderName = HeaderName::from_static("x-envoy-degraded");

/// Whether the feed may be believed: it is fresh and the vantage has a network. Otherwise nothing is known of anybody.
pub(super) fn is_believed(snapshot: &Snapshot, now: Timestamp) -> bool {
    snapshot.is_fresh(now) && snapshot.health.head.network == Network::Online
}

/// The target, if anything is known of it or a person says what to do with it; `None` must steer nobody.
pub(super) fn known<'a>(
    snapshot: &Snapshot,
    target: &'a TargetHealth,
    now: Timestamp,
) -> Option<&'a TargetHealth> {
    let told = target.state != HealthState::Unknown || is_forced(target);
    (is_believed(snapshot, now) && told).then_some(target)
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
    let known = known(&snapshot, target, api.clock.now());
    let (up, degraded, state) = match known {
        Some(target) => (
            target.routing.hint != Hint::Avoid,
            is_degraded(target),
            target.state,
        ),
        None => (unknown == Unknown::Up, false, HealthState::Unknown),
    };
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

/// A person forces the hint: of an unknown target no evidence says `allow` or `avoid`.
fn is_forced(target: &TargetHealth) -> bool {
    matches!(target.routing.hint, Hint::Allow | Hint::Avoid)
}

/// It serves, but less well than it should or with less than its full share.
fn is_degraded(target: &TargetHealth) -> bool {
    target.state.is_impaired() || target.routing.weight.is_some_and(|weight| weight < 1.0)
}
