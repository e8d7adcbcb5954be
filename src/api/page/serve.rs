//! The page's routes. What they read comes through [`Shelf`], so that they run in tests without hub and store.

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    extract::{OriginalUri, Path, State},
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::Mutex;

use super::{
    Bucket, Budget, Past, Plan, Range, Scene,
    assets::{self, Asset},
};
use crate::{clock::Timestamp, feed::v1::Health, id::TargetId};

/// How long one reading of everybody's last hour is shown before it is read again: any number of open pages costs
/// the store one read in this time.
pub const HOURS_FRESH: Duration = Duration::from_secs(10);

type Hours = HashMap<TargetId, Vec<Bucket>>;

/// Where the page gets what it shows.
pub trait Shelf: Clone + Send + Sync + 'static {
    /// The time. A feed that is too old by it is shown as one that knows nothing.
    fn now(&self) -> Timestamp;

    /// The feed as of now.
    fn health(&self) -> Arc<Health>;

    /// The daily budget of all probes.
    fn budget(&self) -> Budget;

    /// What is probed of a target. Empty for one that only reports tell of.
    fn plans(&self, target: &TargetId) -> Vec<Plan>;

    /// The last hour of every target, a minute a bucket. Targets without attempts may be absent; empty where the
    /// store cannot be read.
    fn hours(&self) -> impl Future<Output = HashMap<TargetId, Vec<Bucket>>> + Send;

    /// What is remembered of one target over that range: its series, failures, observations and incidents.
    fn past(&self, target: &TargetId, range: Range) -> impl Future<Output = Past> + Send;
}

/// `/`, `/targets/{target}` and the assets of both. To be given to [`crate::api::router`], whose guard adds the
/// security headers.
pub fn routes<S: Shelf>() -> Router<S> {
    Router::new()
        .route("/", get(show_overview::<S>))
        .route("/targets/{*target}", get(show_target::<S>))
        .route("/assets/{name}", get(show_asset))
        .route("/favicon.ico", get(show_icon))
        .layer(Extension(Kept::default()))
}

/// The last reading of everybody's last hour.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Option<Reading>>>);

/// When it was read, and what.
type Reading = (Timestamp, Arc<Hours>);

impl Kept {
    /// That reading, or a new one once it is [`HOURS_FRESH`] old.
    async fn hours(&self, shelf: &impl Shelf) -> Arc<Hours> {
        // Held while the store is read: whoever asks meanwhile waits for the same answer.
        let mut kept = self.0.lock().await;
        let now = shelf.now();
        if let Some((at, hours)) = kept.as_ref()
            && now.since(*at) < HOURS_FRESH
        {
            return Arc::clone(hours);
        }
        let hours = Arc::new(shelf.hours().await);
        *kept = Some((now, Arc::clone(&hours)));
        hours
    }
}

fn scene<'a>(shelf: &impl Shelf, health: &'a Health) -> Scene<'a> {
    Scene {
        health,
        now: shelf.now(),
        budget: shelf.budget(),
    }
}

async fn show_overview<S: Shelf>(State(shelf): State<S>, Extension(kept): Extension<Kept>) -> Response {
    let hours = kept.hours(&shelf).await;
    page(StatusCode::OK, scene(&shelf, &shelf.health()).overview(&hours))
}

/// The range that a request names; the shortest where it names none that we know.
fn range(uri: &Uri) -> Range {
    let named = uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("range="));
    named.and_then(Range::parse).unwrap_or_default()
}

async fn show_target<S: Shelf>(
    State(shelf): State<S>,
    Path(asked): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Response {
    let range = range(&uri);
    let known = asked
        .parse::<TargetId>()
        .ok()
        .filter(|id| shelf.health().targets.iter().any(|t| &t.id == id));
    let past = match &known {
        Some(id) => shelf.past(id, range).await,
        None => Past::default(),
    };
    let health = shelf.health();
    let scene = scene(&shelf, &health);
    // Nothing here either if a reload took it away while the store was read.
    match known.and_then(|id| scene.target(&id, range, &past, &shelf.plans(&id))) {
        Some(body) => page(StatusCode::OK, body),
        None => page(StatusCode::NOT_FOUND, scene.missing(&asked)),
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

/// Where browsers look that were shown JSON, which can't name its icon. The address has no hash: kept for a day.
async fn show_icon() -> Response {
    let headers: [(HeaderName, &'static str); 2] = [
        (header::CONTENT_TYPE, assets::ICON.mime),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, assets::ICON.body).into_response()
}

/// A page of ours: never kept, for it is as old as its figures.
fn page(status: StatusCode, body: String) -> Response {
    let headers: [(HeaderName, &'static str); 2] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}
