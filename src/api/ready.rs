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
use crate::{alert::CircuitState, clock::Timestamp, feed::v1::StoreState};

/// A scheduler that has not made a round for this long stands still. It wakes at least every second.
pub const SCHEDULER_STALL: Duration = Duration::from_secs(15);

/// A message that waits for longer is told.
const UNDELIVERED: Duration = Duration::from_secs(600);

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
    alerts: AlertsCheck,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertsCheck {
    /// `failing` while a channel fails so often that it gets one trial at a time, or a message waits for ten minutes.
    status: &'static str,
    /// Messages that wait.
    pending: u64,
    /// Age of the oldest of them.
    oldest_s: u64,
    /// Messages given up since start.
    dead: u64,
    /// Channels that fail.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    channels: Vec<String>,
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
/// failing store, or alerts that don't arrive, are told but stay 200: the feed is as fresh as ever, and to turn readers
/// away would cost them more.
#[utoipa::path(get, path = "/readyz", tag = "endturn itself", responses(
    (status = 200, description = "It can", body = Ready),
    (status = 503, description = "It can't", body = Ready),
))]
pub(super) async fn ready(State(api): State<ApiState>, Extension(caller): Extension<Caller>) -> Response {
    let now = api.clock.now();
    let checks = api.status.checks();
    let snapshot = api.hub.snapshot();
    let idle = now.since(checks.scheduler_at);
    let moves = idle <= SCHEDULER_STALL;
    let fresh = snapshot.is_fresh(now);
    let keeps = checks.store.state == StoreState::Ok;
    let alerts = alerts(&api, now);
    let status = match (moves && fresh, keeps && alerts.status == word(true)) {
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
            alerts,
        },
    };
    let code = if moves && fresh {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    no_store((code, Json(body)).into_response())
}

const fn word(ok: bool) -> &'static str {
    if ok { "ok" } else { "failing" }
}

/// Whether people are reached.
fn alerts(api: &ApiState, now: Timestamp) -> AlertsCheck {
    let (mut pending, mut dead, mut oldest, mut channels) = (0, 0, Duration::ZERO, Vec::new());
    for channel in api.alerting.channels() {
        pending += channel.pending as u64;
        dead += channel.dead;
        let waits = channel.oldest_at.map_or(Duration::ZERO, |at| now.since(at.0));
        oldest = oldest.max(waits);
        if channel.circuit != CircuitState::Closed.as_str() || waits > UNDELIVERED {
            channels.push(channel.name);
        }
    }
    AlertsCheck {
        status: word(channels.is_empty()),
        pending,
        oldest_s: oldest.as_secs(),
        dead,
        channels,
    }
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
