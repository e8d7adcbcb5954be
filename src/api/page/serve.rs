//! The page's routes. What they read comes through [`Shelf`], so that they run in tests without hub and store.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{OriginalUri, Path, Query, State, rejection::QueryRejection},
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::Mutex;

use super::{
    Budget, Case, Missing, Pair, Past, Plan, Range, Rules, Scene, Spells, Way,
    assets::{self, Asset},
    bars::{self, Calendar, DAYS, DaysOf, midnight},
};
use crate::{
    api::MAX_INCIDENT_ID_BYTES,
    clock::Timestamp,
    feed::{reliability::Reliability, v1::Health},
    id::{ProviderId, TargetId},
};

/// How long one reading of the days that are over is shown: any number of open pages costs the store one such read in
/// this time.
pub const CLOSED_FRESH: Duration = Duration::from_secs(60);
/// The same for the running day.
pub const TODAY_FRESH: Duration = Duration::from_secs(10);
/// A reading that is no older than this many times its freshness is still shown while it is read anew.
const WILL_DO: u32 = 3;
/// Length of a day.
const DAY: Duration = Duration::from_secs(86_400);

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

    /// Every route, as it is decided now.
    fn ways(&self) -> Vec<Way>;

    /// What an agent of [`AGENT_STEPS`](super::AGENT_STEPS) steps may expect of each of these; `None` where the store
    /// cannot be read.
    fn outlooks(&self, pairs: Vec<Pair>) -> impl Future<Output = Option<Vec<Reliability>>> + Send;

    /// The configuration in force, for whoever asks how we judge.
    fn rules(&self) -> Rules;

    /// Days of every target from the day of `from` to the one before that of `to`, both midnight UTC; `None` where the
    /// store cannot be read.
    fn days(&self, from: Timestamp, to: Timestamp) -> impl Future<Output = Option<DaysOf>> + Send;

    /// Incidents of one provider or of all: the open ones, then the closed ones below `before`. `None` where the store
    /// cannot be read.
    fn incidents(
        &self,
        provider: Option<&ProviderId>,
        before: Option<i64>,
    ) -> impl Future<Output = Option<Spells>> + Send;

    /// One incident with its evidence; `Ok(None)` where none has that id.
    ///
    /// # Errors
    /// Why the store cannot be read, in words.
    fn incident(&self, id: &str) -> impl Future<Output = Result<Option<Case>, String>> + Send;

    /// What is remembered of one target over that range: its series, failures, observations and incidents.
    fn past(&self, target: &TargetId, range: Range) -> impl Future<Output = Past> + Send;
}

/// The pages and their assets. To be given to [`crate::api::router`], whose guard adds the
/// security headers.
pub fn routes<S: Shelf>() -> Router<S> {
    Router::new()
        .route("/", get(show_overview::<S>))
        .route("/targets/{*target}", get(show_target::<S>))
        .route("/days/{*target}", get(show_days::<S>))
        .route("/incidents", get(show_incidents::<S>))
        .route("/incidents/{id}", get(show_incident::<S>))
        .route("/methodology", get(show_methodology::<S>))
        .route("/assets/{name}", get(show_asset))
        .route("/favicon.ico", get(show_icon))
        .layer(Extension(Kept::default()))
}

/// What was read last, for all who look.
#[derive(Clone, Default)]
struct Kept {
    closed: Reading<Timestamp, DaysOf>,
    today: Reading<Timestamp, DaysOf>,
    outlooks: Reading<Vec<Pair>, Vec<Reliability>>,
}

/// Something as it was read last, and under which key.
struct Reading<K, T>(Arc<Mutex<Read<K, T>>>);

struct Read<K, T> {
    /// When, and under which key.
    at: Option<(Timestamp, K)>,
    found: Arc<T>,
    /// Whether somebody reads it anew behind our back.
    renewing: bool,
}

impl<K, T> Clone for Reading<K, T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, T: Default> Default for Reading<K, T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Read {
            at: None,
            found: Arc::default(),
            renewing: false,
        })))
    }
}

impl<K: PartialEq, T: Default> Read<K, T> {
    fn renew(&mut self, read: Option<T>, now: Timestamp, key: K) {
        match read {
            Some(found) => self.found = Arc::new(found),
            // What was read before is better than nothing, but under its own key alone.
            None if self.at.as_ref().is_some_and(|(_, known)| *known == key) => {}
            None => self.found = Arc::default(),
        }
        self.at = Some((now, key));
        self.renewing = false;
    }
}

impl<K, T> Reading<K, T>
where
    K: PartialEq + Send + 'static,
    T: Default + Send + Sync + 'static,
{
    /// What is under this key. Once it is `fresh` old it is read anew: behind our back while what we have will do, and
    /// before the answer once it is far too old or of another key.
    async fn get(
        &self,
        now: Timestamp,
        key: K,
        fresh: Duration,
        read: impl Future<Output = Option<T>> + Send + 'static,
    ) -> Arc<T> {
        let mut kept = self.0.lock().await;
        let age = kept
            .at
            .as_ref()
            .filter(|(_, known)| *known == key)
            .map(|(at, _)| now.since(*at));
        match age {
            Some(age) if age < fresh => {}
            Some(age) if age < fresh * WILL_DO => {
                if !kept.renewing {
                    kept.renewing = true;
                    let mine = self.clone();
                    tokio::spawn(async move {
                        let read = read.await;
                        mine.0.lock().await.renew(read, now, key);
                    });
                }
            }
            // Held while the store is read: whoever asks meanwhile waits for the same answer.
            _ => {
                let read = read.await;
                kept.renew(read, now, key);
            }
        }
        Arc::clone(&kept.found)
    }
}

impl Kept {
    /// The last days of everybody.
    async fn calendar<S: Shelf>(&self, shelf: &S) -> Calendar {
        let now = shelf.now();
        let today = midnight(now);
        let first = today.minus(DAY * (DAYS as u32 - 1));
        let read = |from, to| {
            let shelf = shelf.clone();
            async move { shelf.days(from, to).await }
        };
        Calendar {
            closed: self
                .closed
                .get(now, first, CLOSED_FRESH, read(first, today))
                .await,
            today: self
                .today
                .get(now, today, TODAY_FRESH, read(today, today.plus(DAY)))
                .await,
        }
    }

    /// What agents may expect of these routes.
    async fn outlooks<S: Shelf>(&self, shelf: &S, ways: &[Way]) -> Arc<Vec<Reliability>> {
        if ways.is_empty() {
            return Arc::default();
        }
        let pairs: Vec<Pair> = ways.iter().map(|way| way.pair.clone()).collect();
        let (shelf, now, asked) = (shelf.clone(), shelf.now(), pairs.clone());
        let read = async move { shelf.outlooks(asked).await };
        self.outlooks.get(now, pairs, CLOSED_FRESH, read).await
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
    let calendar = kept.calendar(&shelf).await;
    let ways = shelf.ways();
    let outlooks = kept.outlooks(&shelf, &ways).await;
    let health = shelf.health();
    let body = scene(&shelf, &health).overview(&calendar, &ways, &outlooks);
    page(StatusCode::OK, body)
}

/// The days of one target in words, for the script: a JSON list of [`DAYS`] texts, oldest first.
async fn show_days<S: Shelf>(
    State(shelf): State<S>,
    Extension(kept): Extension<Kept>,
    Path(asked): Path<String>,
) -> Response {
    let known = asked
        .parse::<TargetId>()
        .ok()
        .filter(|id| shelf.health().targets.iter().any(|t| &t.id == id));
    match known {
        Some(id) => {
            let calendar = kept.calendar(&shelf).await;
            let days = bars::days_in_words(&calendar, &id, shelf.now());
            ([(header::CACHE_CONTROL, "no-store")], Json(days)).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
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
        None => page(StatusCode::NOT_FOUND, scene.missing(Missing::Target, &asked)),
    }
}

/// What the list of incidents is asked for.
#[derive(serde::Deserialize, Default)]
struct Listed {
    provider: Option<String>,
    before: Option<i64>,
}

async fn show_incidents<S: Shelf>(
    State(shelf): State<S>,
    asked: Result<Query<Listed>, QueryRejection>,
) -> Response {
    // Somebody who edits the address gets the list from its beginning, not an error.
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let provider: Option<ProviderId> = asked.provider.and_then(|id| id.parse().ok());
    let spells = shelf.incidents(provider.as_ref(), asked.before).await;
    let health = shelf.health();
    let body = scene(&shelf, &health).incidents(spells.as_ref(), provider.as_ref());
    page(StatusCode::OK, body)
}

async fn show_incident<S: Shelf>(State(shelf): State<S>, Path(id): Path<String>) -> Response {
    let found = if id.len() > MAX_INCIDENT_ID_BYTES {
        Ok(None)
    } else {
        shelf.incident(&id).await
    };
    let health = shelf.health();
    let scene = scene(&shelf, &health);
    match found {
        Ok(Some(case)) => page(StatusCode::OK, scene.incident(&case)),
        Ok(None) => page(StatusCode::NOT_FOUND, scene.missing(Missing::Incident, &id)),
        // The list says that the store does not answer.
        Err(_) => page(StatusCode::SERVICE_UNAVAILABLE, scene.incidents(None, None)),
    }
}

async fn show_methodology<S: Shelf>(State(shelf): State<S>) -> Response {
    let body = scene(&shelf, &shelf.health()).methodology(&shelf.rules());
    page(StatusCode::OK, body)
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
            body.as_str(),
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
    (headers, assets::ICON.body.as_str()).into_response()
}

/// A page of ours: never kept, for it is as old as its figures.
fn page(status: StatusCode, body: String) -> Response {
    let headers: [(HeaderName, &'static str); 2] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}
