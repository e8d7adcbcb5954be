//! HTTP: the feed, its events, the past, the page. Paths and meaning: `docs/api.md`.
//!
//! [`router`] is everything that answers; [`serve()`] is the loop that accepts. Handlers see the daemon only through
//! the doors in [`ApiState`].

mod access;
mod admin;
mod agent;
mod alerts;
mod badge;
mod body;
mod control;
mod events;
mod evidence;
#[cfg(test)]
mod fixture;
mod guard;
mod health;
mod health_json;
mod history;
mod incidents_feed;
mod lane;
mod limit;
mod metrics;
mod negotiate;
mod openapi;
mod order;
mod origin;
mod otlp;
pub mod page;
mod past;
mod problem;
mod query;
mod ready;
mod reliability;
mod report;
mod reports;
mod routes;
mod series;
mod serve;
mod state;
mod statuspage;
mod token;
mod up;
mod validate;

use axum::{
    Router,
    http::StatusCode,
    routing::{MethodRouter, delete, get, post},
};

pub use agent::{
    AGENT_LINE_TIMEOUT, AgentLimits, MAX_AGENT_CONNECTIONS, MAX_AGENT_LINE, RELEASE_FOR, serve_agent,
};
pub use alerts::{
    AckOrder, Acknowledged, Alerting, AlertingError, Alerts, ChannelStatus, DeadLetter, MAX_DEAD_LISTED,
    NoAlerting, ResendOrder, Resent, TestResult,
};
pub use badge::MAX_LABEL;
pub use control::{Control, ControlError, ReloadError, Reloaded};
pub use events::{COMMENT_EVERY, MAX_REPLAY, RETRY_MS};
pub use evidence::gather as evidence_of;
pub use guard::Guard;
pub use health::MAX_WAIT;
pub use history::{ChangeQuery, History, HistoryError, IncidentQuery, KeptEvent, Listing, ObservationQuery};
pub use incidents_feed::MAX_ENTRIES;
pub use limit::{
    BODIES_PER_CLIENT, CONNECTIONS_PER_CLIENT, REQUESTS_AT_ONCE, REQUESTS_PER_SECOND, WRONG_TOKEN,
};
pub use metrics::MAX_SCRAPES;
pub use openapi::{SERVED, document};
pub use order::{MAX_ORDER_BYTES, ORDER_TIMEOUT};
pub use otlp::{EXPORT_TIMEOUT, MAX_EXPORT_BYTES, MAX_EXPORTS, MAX_INFLATED_BYTES};
pub use past::{MAX_INCIDENT_ID_BYTES, VERDICTS};
pub use problem::{PROBLEM_JSON, Problem};
pub use query::{DEFAULT_LIMIT, MAX_CURSOR_BYTES, MAX_LIMIT, MAX_WORD_BYTES};
pub use ready::SCHEDULER_STALL;
pub use reliability::{DEFAULT_WINDOW, MAX_PIPELINE, outlook};
pub use report::{MAX_REPORTED, REPORT_TIMEOUT};
pub use reports::{MAX_REPORTS_BYTES, REPORTS_TIMEOUT, SHORT_ANSWER, TOLD_ANYHOW};
pub use series::{DEFAULT_POINTS, DEFAULT_SPAN, METRICS};
pub use serve::{DRAIN, Front, HEAD_TIMEOUT, MAX_CONNECTIONS, ServeLimits, TAP_PATH, serve};
pub use state::{
    ApiState, Checks, Doors, MAX_BODIES, MAX_READS, MAX_TRIALS, MAX_UNREAD, MAX_VALIDATIONS, READ_TIMEOUT,
    Readiness,
};
pub use statuspage::MAX_RECENT;
pub use validate::{BODY_TIMEOUT, MAX_BODY_BYTES};

/// Every path of this API with what answers it. Those that end in a wildcard take target ids with their slashes.
fn paths_and_answers() -> Vec<(&'static str, MethodRouter<ApiState>)> {
    vec![
        ("/v1/health", get(health::all)),
        ("/v1/health/{*target}", get(health::one)),
        ("/v1/up/{*target}", get(up::up)),
        ("/v1/events", get(events::follow)),
        ("/v1/routes", get(routes::routes)),
        ("/v1/routes/{name}", get(routes::route)),
        ("/v1/observations", get(past::observations)),
        ("/v1/series/{*target}", get(series::series)),
        ("/v1/reliability", get(reliability::reliability)),
        ("/v1/report", get(report::report)),
        ("/v1/changes", get(past::changes)),
        ("/v1/incidents", get(past::incidents)),
        ("/v1/incidents/{id}", get(past::incident)),
        ("/v1/reports", post(reports::take)),
        ("/v1/evidence/{*target}", get(evidence::evidence)),
        ("/v1/reporters", get(reports::reporters)),
        ("/v1/traces", post(otlp::traces)),
        ("/v1/logs", post(otlp::logs)),
        ("/v1/metrics", post(otlp::metrics)),
        ("/v1/validate", post(validate::validate)),
        ("/v1/alerts", get(alerts::alerts)),
        ("/v1/admin/ack", post(alerts::ack)),
        ("/v1/admin/alerts/resend", post(alerts::resend)),
        ("/v1/admin/alerts/test/{channel}", post(alerts::test)),
        ("/v1/declared", get(admin::declared)),
        ("/v1/admin/pause", post(admin::pause)),
        ("/v1/admin/pause/{id}", delete(admin::end_pause)),
        ("/v1/admin/maintenance", post(admin::maintenance)),
        ("/v1/admin/maintenance/{id}", delete(admin::end_maintenance)),
        ("/v1/admin/override", post(admin::overrule)),
        ("/v1/admin/override/{id}", delete(admin::end_overrule)),
        ("/v1/admin/probe/{*target}", post(admin::probe)),
        ("/v1/admin/reload", post(admin::reload)),
        ("/feed.atom", get(incidents_feed::feed)),
        ("/api/v2/summary.json", get(statuspage::board_summary)),
        ("/api/v2/status.json", get(statuspage::board_status)),
        ("/api/v2/components.json", get(statuspage::board_components)),
        ("/api/v2/incidents.json", get(statuspage::board_incidents)),
        (
            "/api/v2/incidents/unresolved.json",
            get(statuspage::board_unresolved),
        ),
        (
            "/api/v2/scheduled-maintenances.json",
            get(statuspage::board_maintenances),
        ),
        (
            "/api/v2/scheduled-maintenances/active.json",
            get(statuspage::board_active),
        ),
        (
            "/api/v2/scheduled-maintenances/upcoming.json",
            get(statuspage::board_upcoming),
        ),
        ("/badge/{*target}", get(badge::badge)),
        ("/metrics", get(metrics::scrape)),
        ("/openapi.json", get(openapi::description)),
        ("/livez", get(ready::live)),
        ("/readyz", get(ready::ready)),
    ]
}

/// The paths that [`router`] answers, pages left out.
pub fn paths() -> Vec<&'static str> {
    paths_and_answers().into_iter().map(|(path, _)| path).collect()
}

/// Every path of this API. `pages` are further routes that share its guard: `page::routes().with_state(shelf)`.
pub fn router(state: ApiState, pages: Router<ApiState>) -> Router {
    let guard = state.guard.clone();
    paths_and_answers()
        .into_iter()
        .fold(Router::new(), |router, (path, answers)| {
            router.route(path, answers)
        })
        .merge(pages)
        .fallback(async || StatusCode::NOT_FOUND)
        .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
        .with_state(state)
        .layer(axum::middleware::from_fn_with_state(guard, guard::guard))
}
