//! The store as the API and the page see it.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use crate::{
    api::{
        self, History, HistoryError, IncidentQuery, KeptEvent, Listing, ObservationQuery,
        page::{Bucket, Budget, MAX_OBSERVATIONS, Past, Plan, Shelf},
    },
    clock::{Clock, Timestamp},
    config::Config,
    feed::{Hub, v1},
    health::Incident,
    id::TargetId,
    probe,
    store::{self, Page, Reader, StoreError},
    verdict::Observation,
};

/// What the page's sparklines span.
const HOUR: Duration = Duration::from_secs(3_600);
/// Their step.
const MINUTE: Duration = Duration::from_secs(60);

/// Reads of the past over the store.
#[derive(Clone)]
pub(crate) struct Archive {
    reader: Reader,
}

fn unavailable(error: StoreError) -> HistoryError {
    HistoryError::Unavailable(error.to_string())
}

fn cursor(text: Option<&String>) -> Result<Option<i64>, HistoryError> {
    text.map(|text| text.parse().map_err(|_| HistoryError::Cursor)).transpose()
}

fn listing<T, U>(page: Page<T>, item: impl Fn(T) -> U) -> Listing<U> {
    Listing {
        items: page.items.into_iter().map(item).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    }
}

impl Archive {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

impl History for Archive {
    fn observations(&self, query: &ObservationQuery) -> Result<Listing<Observation>, HistoryError> {
        let query = store::ObservationQuery {
            target: query.target.clone(),
            verdict_family: query.verdict.clone(),
            source: query.source,
            since: None,
            limit: query.limit,
            cursor: cursor(query.cursor.as_ref())?,
        };
        let page = self.reader.observations(&query).map_err(unavailable)?;
        Ok(listing(page, |stored| stored.observation))
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<Listing<Incident>, HistoryError> {
        let query = store::IncidentQuery {
            target: query.target.clone(),
            open: query.open,
            limit: query.limit,
            cursor: cursor(query.cursor.as_ref())?,
        };
        let page = self.reader.incidents(&query).map_err(unavailable)?;
        Ok(listing(page, |incident| incident))
    }

    fn incident(&self, id: &str) -> Result<Option<Incident>, HistoryError> {
        self.reader.incident(id).map_err(unavailable)
    }

    fn events_after(&self, revision: u64, limit: usize) -> Result<Vec<KeptEvent>, HistoryError> {
        let first = self.reader.first_event().map_err(unavailable)?;
        if first.is_none_or(|first| first > revision) {
            return Ok(Vec::new());
        }
        let events = self.reader.events_after(revision, limit).map_err(unavailable)?;
        let kept = |event: store::StoredEvent| KeptEvent { revision: event.revision, kind: event.kind, json: event.json };
        Ok(events.into_iter().map(kept).collect())
    }
}

/// The page's shelf: the feed, the store and the configuration in force.
#[derive(Clone)]
pub(crate) struct PageShelf {
    pub(crate) hub: Arc<Hub>,
    pub(crate) archive: Archive,
    pub(crate) config: Arc<RwLock<Arc<Config>>>,
    pub(crate) clock: Clock,
}

impl PageShelf {
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

fn last_hour(archive: &Archive, target: &TargetId, now: Timestamp) -> Result<Vec<Bucket>, HistoryError> {
    let minute = MINUTE.as_millis() as i64;
    let end = Timestamp::from_millis((now.as_millis() / minute + 1) * minute);
    let count = (HOUR.as_millis() / MINUTE.as_millis()) as usize;
    let buckets = archive.reader.buckets(target, end.minus(HOUR), MINUTE, count).map_err(unavailable)?;
    let bucket = |bucket: store::Bucket| Bucket {
        at: bucket.at,
        attempts: bucket.attempts,
        failed: bucket.failed,
        truncated: bucket.truncated,
        ttft_p50_ms: bucket.ttft_p50_ms,
    };
    Ok(buckets.into_iter().map(bucket).collect())
}

fn past(archive: &Archive, target: &TargetId, now: Timestamp) -> Result<Past, HistoryError> {
    let buckets = last_hour(archive, target, now)?;
    let query = ObservationQuery { target: Some(target.clone()), limit: MAX_OBSERVATIONS, ..Default::default() };
    let observations = archive.observations(&query)?.items;
    let query = IncidentQuery { target: Some(target.clone()), open: Some(true), limit: 1, ..Default::default() };
    let incident = archive.incidents(&query)?.items.pop();
    Ok(Past { buckets, observations, incident, missing: None })
}

impl Shelf for PageShelf {
    fn health(&self) -> Arc<v1::Health> {
        Arc::new(self.hub.snapshot().health.clone())
    }

    fn budget(&self) -> Budget {
        Budget { usd_per_day: self.config().usd_per_day }
    }

    fn plans(&self, target: &TargetId) -> Vec<Plan> {
        let config = self.config();
        let cost = probe::Plan::of(&config).rows.into_iter().find(|row| &row.target == target).map(|row| row.usd_per_day);
        let mut plans = Vec::new();
        if let Some((provider, model)) = config.find(target) {
            if let Some(canary) = &model.canary {
                plans.push(Plan {
                    kind: "canary",
                    what: format!("a short streamed generation, `{}`, whose right end is known", canary.script.name),
                    every: canary.every,
                    usd_per_day: model.price.and(cost),
                });
            }
            if let Some(reach) = &provider.reach {
                plans.push(Plan {
                    kind: "reach",
                    what: format!("{} {}: transport, edge and credential", reach.method, reach.path),
                    every: reach.every,
                    usd_per_day: Some(0.0),
                });
            }
        }
        plans
    }

    async fn hours(&self) -> HashMap<TargetId, Vec<Bucket>> {
        let (archive, now) = (self.archive.clone(), self.clock.now());
        let targets: Vec<TargetId> = self.hub.snapshot().health.targets.iter().map(|target| target.id.clone()).collect();
        let read = tokio::task::spawn_blocking(move || {
            targets
                .into_iter()
                .filter_map(|target| last_hour(&archive, &target, now).ok().map(|hour| (target, hour)))
                .collect()
        });
        within(read).await.unwrap_or_default()
    }

    async fn past(&self, target: &TargetId) -> Past {
        let (archive, target, now) = (self.archive.clone(), target.clone(), self.clock.now());
        let read = tokio::task::spawn_blocking(move || past(&archive, &target, now));
        let missing = |why: String| Past { missing: Some(why), ..Past::default() };
        match within(read).await {
            Some(Ok(past)) => past,
            Some(Err(error)) => missing(error.to_string()),
            None => missing("history takes too long to read".to_owned()),
        }
    }
}

/// The page never waits longer for the store than the API does.
async fn within<T>(read: tokio::task::JoinHandle<T>) -> Option<T> {
    tokio::time::timeout(api::READ_TIMEOUT, read).await.ok()?.ok()
}
