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
    Bucket, Budget, CONTENT_SECURITY_POLICY, Past, Plan,
    assets::{self, Asset},
    missing, overview, target,
};
use crate::{feed::v1::Health, id::TargetId};

/// Where the page gets what it shows.
pub trait Shelf: Clone + Send + Sync + 'static {
    /// The feed as of now.
    fn health(&self) -> Arc<Health>;

    /// The daily budget of all probes.
    fn budget(&self) -> Budget;

    /// What is probed of a target. Empty for one that only reports tell of.
    fn plans(&self, target: &TargetId) -> Vec<Plan>;

    /// The last hour of every target, a minute a bucket. Targets without attempts may be absent; empty where the
    /// store cannot be read.
    fn hours(&self) -> impl Future<Output = HashMap<TargetId, Vec<Bucket>>> + Send;

    /// What is remembered of one target: its last hour, up to [`super::MAX_OBSERVATIONS`] observations and its
    /// open incident.
    fn past(&self, target: &TargetId) -> impl Future<Output = Past> + Send;
}

/// `/`, `/targets/{target}` and the assets of both.
pub fn routes<S: Shelf>() -> Router<S> {
    Router::new()
        .route("/", get(show_overview::<S>))
        .route("/targets/{*target}", get(show_target::<S>))
        .route("/assets/{name}", get(show_asset))
}

async fn show_overview<S: Shelf>(State(shelf): State<S>) -> Response {
    let hours = shelf.hours().await;
    let health = shelf.health();
    let body = overview(&health, shelf.budget(), &hours);
    page(StatusCode::OK, body)
}

async fn show_target<S: Shelf>(State(shelf): State<S>, Path(asked): Path<String>) -> Response {
    let id = asked.parse::<TargetId>().ok();
    let known = |health: &Health| id.clone().filter(|id| health.targets.iter().any(|t| &t.id == id));
    let past = match known(&shelf.health()) {
        Some(id) => shelf.past(&id).await,
        None => Past::default(),
    };
    // Asked again: a reload may have taken the target away while the store was read.
    let health = shelf.health();
    match health.targets.iter().find(|t| Some(&t.id) == id.as_ref()) {
        Some(found) => page(
            StatusCode::OK,
            target(&health, shelf.budget(), found, &past, &shelf.plans(&found.id)),
        ),
        None => page(StatusCode::NOT_FOUND, missing(&health, shelf.budget(), &asked)),
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
    let headers: [(HeaderName, &'static str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, body).into_response()
}
