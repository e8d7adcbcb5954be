//! HTTP: the feed, its events, the past, the page. Paths and meaning: `docs/api.md`.
//!
//! [`router`] is everything that answers; [`serve()`] is the loop that accepts. Handlers see the daemon only through
//! the doors in [`ApiState`].

mod events;
mod guard;
mod health;
mod history;
pub mod page;
mod past;
mod problem;
mod query;
mod ready;
mod reliability;
mod report;
mod series;
mod serve;
mod state;
mod validate;

use axum::{
    Router,
    http::StatusCode,
    routing::{get, post},
};

pub use events::{COMMENT_EVERY, MAX_REPLAY, RETRY_MS};
pub use guard::HOSTS;
pub use health::MAX_WAIT;
pub use history::{ChangeQuery, History, HistoryError, IncidentQuery, KeptEvent, Listing, ObservationQuery};
pub use past::{MAX_INCIDENT_ID_BYTES, VERDICTS};
pub use problem::{PROBLEM_JSON, Problem};
pub use query::{DEFAULT_LIMIT, MAX_CURSOR_BYTES, MAX_LIMIT};
pub use ready::SCHEDULER_STALL;
pub use series::{DEFAULT_POINTS, DEFAULT_SPAN};
pub use reliability::{DEFAULT_WINDOW, MAX_PIPELINE};
pub use report::{MAX_REPORTED, REPORT_TIMEOUT};
pub use serve::{DRAIN, HEAD_TIMEOUT, MAX_CONNECTIONS, ServeLimits, serve};
pub use state::{ApiState, Checks, MAX_READS, MAX_VALIDATIONS, READ_TIMEOUT, Readiness};
pub use validate::{BODY_TIMEOUT, MAX_BODY_BYTES};

/// Every path of this API. `pages` are further routes that share its guard: `page::routes().with_state(shelf)`.
pub fn router(state: ApiState, pages: Router<ApiState>) -> Router {
    Router::new()
        .route("/v1/health", get(health::all))
        .route("/v1/health/{*target}", get(health::one))
        .route("/v1/up/{*target}", get(health::up))
        .route("/v1/events", get(events::follow))
        .route("/v1/observations", get(past::observations))
        .route("/v1/series/{*target}", get(series::series))
        .route("/v1/reliability", get(reliability::reliability))
        .route("/v1/report", get(report::report))
        .route("/v1/changes", get(past::changes))
        .route("/v1/incidents", get(past::incidents))
        .route("/v1/incidents/{id}", get(past::incident))
        .route("/v1/validate", post(validate::validate))
        .route("/livez", get(ready::live))
        .route("/readyz", get(ready::ready))
        .merge(pages)
        .fallback(async || StatusCode::NOT_FOUND)
        .method_not_allowed_fallback(async || StatusCode::METHOD_NOT_ALLOWED)
        .with_state(state)
        .layer(axum::middleware::from_fn(guard::guard))
}
