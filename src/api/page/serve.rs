//! The page's routes. What they read comes through [`Shelf`], so that they run in tests without hub and store.

use std::{collections::HashMap, future::Future, sync::Arc};

use axum::{
    Router,
    extract::{OriginalUri, Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    Bucket, Past, Plan, Scene,
    assets::{self, Asset},
};
use crate::id::TargetId;

/// Where the page gets what it shows.
pub trait Shelf: Clone + Send + Sync + 'static {
    /// The feed, the time and the budget as of now.
    fn scene<T>(&self, show: impl FnOnce(&Scene<'_>) -> T) -> T;

    /// What is probed of a target. Empty for one that only reports tell of.
    fn plans(&self, target: &TargetId) -> Vec<Plan>;

    /// The last hour of every target, a minute a bucket. Targets without attempts may be absent; empty where the
    /// store cannot be read.
    fn hours(&self) -> impl Future<Output = Arc<HashMap<TargetId, Vec<Bucket>>>> + Send;

    /// What is remembered of one target: its last hour, up to [`super::MAX_OBSERVATIONS`] observations and its
    /// open incident.
    fn past(&self, target: &TargetId) -> impl Future<Output = Past> + Send;
}

/// `/`, `/targets/{target}` and the assets of both, to be merged into [`crate::api::router`], whose guard adds the
/// security headers.
pub fn routes<S: Shelf, T: Clone + Send + Sync + 'static>(shelf: S) -> Router<T> {
    Router::new()
        .route("/", get(show_overview::<S>))
        .route("/targets/{*target}", get(show_target::<S>))
        .route("/assets/{name}", get(show_asset))
        .with_state(shelf)
}

async fn show_overview<S: Shelf>(State(shelf): State<S>) -> Response {
    let hours = shelf.hours().await;
    let body = shelf.scene(|scene| scene.overview(&hours));
    page(StatusCode::OK, body)
}

async fn show_target<S: Shelf>(State(shelf): State<S>, Path(asked): Path<String>) -> Response {
    let id = asked.parse::<TargetId>().ok();
    let known = id.filter(|id| shelf.scene(|scene| scene.health.targets.iter().any(|t| &t.id == id)));
    let found = match known {
        Some(id) => {
            let (past, plans) = (shelf.past(&id).await, shelf.plans(&id));
            // Nothing here if a reload took it away while the store was read.
            shelf.scene(|scene| scene.target(&id, &past, &plans))
        }
        None => None,
    };
    match found {
        Some(body) => page(StatusCode::OK, body),
        None => page(StatusCode::NOT_FOUND, shelf.scene(|scene| scene.missing(&asked))),
    }
}

async fn show_asset(OriginalUri(uri): OriginalUri) -> Response {
    match assets::find(uri.path()) {
        Some(Asset { mime, body, .. }) => (
            [
                (header::CONTENT_TYPE, HeaderValue::from_static(mime)),
                (
                    header::CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=31536000, immutable"),
                ),
                (
                    header::X_CONTENT_TYPE_OPTIONS,
                    HeaderValue::from_static("nosniff"),
                ),
            ],
            *body,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A page of ours: never kept, for it is as old as its figures.
fn page(status: StatusCode, body: String) -> Response {
    let headers: [(HeaderName, &'static str); 2] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}
