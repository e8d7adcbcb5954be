//! `/livez` and `/readyz`: whether endturn itself works. Outages of providers are its business, not its illness.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{ApiState, guard::Caller};
use crate::feed::v1::StoreState;

/// A scheduler that has not made a round for this long stands still. It wakes at least every second.
pub const SCHEDULER_STALL: Duration = Duration::from_secs(15);

/// What works.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// `ok`, `degraded` (answers stay right, history suffers) or `failing`.
    status: &'static str,
    checks: ReadyChecks,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyChecks {
    scheduler: SchedulerCheck,
    feed: FeedCheck,
    store: StoreCheck,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SchedulerCheck {
    status: &'static str,
    idle_ms: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FeedCheck {
    status: &'static str,
    revision: u64,
    age_ms: u64,
    subscribers: usize,
    lagged: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StoreCheck {
    status: &'static str,
    dropped: u64,
    queued: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Live {
    status: &'static str,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/livez", tag = "endturn itself", responses(
    (status = 200, description = "It does", body = Live),
))]
pub(super) async fn live() -> Response {
    no_store(Json(Live { status: "ok" }).into_response())
}

/// Whether the feed can be believed.
///
/// 503 when the feed can't be believed, because the scheduler or the publisher stands still. A
/// failing store is told but stays 200: the feed is as fresh as ever, and to turn readers away would cost them more
/// than the history that is lost.
#[utoipa::path(get, path = "/readyz", tag = "endturn itself", responses(
    (status = 200, description = "It can", body = Ready),
    (status = 503, description = "It can't", body = Ready),
))]
pub(super) async fn ready(State(api): State<ApiState>, Extension(caller): Extension<Caller>) -> Response {
    let now = api.clock.now();
    let checks = api.status.checks();
    let snapshot = api.hub.snapshot();
    let word = |ok| if ok { "ok" } else { "failing" };
    let idle = now.since(checks.scheduler_at);
    let moves = idle <= SCHEDULER_STALL;
    let fresh = snapshot.is_fresh(now);
    let keeps = checks.store.state == StoreState::Ok;
    let status = match (moves && fresh, keeps) {
        (false, _) => "failing",
        (true, false) => "degraded",
        (true, true) => "ok",
    };
    let body = Ready {
        status,
        checks: ReadyChecks {
            scheduler: SchedulerCheck {
                status: word(moves),
                idle_ms: millis(idle),
            },
            feed: FeedCheck {
                status: word(fresh),
                revision: snapshot.revision(),
                age_ms: millis(now.since(snapshot.health.head.generated_at.0)),
                subscribers: api.hub.subscribers(),
                lagged: api.hub.lagged(),
            },
            store: StoreCheck {
                status: word(keeps),
                dropped: checks.store.dropped,
                queued: checks.store_queued,
                // It may name a path; the rest is for everybody.
                detail: checks.store.detail.filter(|_| caller.reads),
            },
        },
    };
    let code = if moves && fresh {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    no_store((code, Json(body)).into_response())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn no_store(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
