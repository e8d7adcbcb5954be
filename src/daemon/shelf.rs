//! Feed, store and configuration as the page sees them.

mod days;
mod incidents;

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use crate::{
    api::{
        self,
        page::{Bucket, Budget, Case, DaysOf, MAX_OBSERVATIONS, Past, Plan, Shelf, Spells},
    },
    clock::{Clock, Timestamp},
    config::Config,
    feed::{Hub, v1},
    id::{ProviderId, TargetId},
    probe,
    store::{self, IncidentQuery, ObservationQuery, Reader},
    verdict::Source,
};

/// What the page's sparklines span.
const HOUR: Duration = Duration::from_secs(3_600);
/// Their step.
const MINUTE: Duration = Duration::from_secs(60);

/// The page's shelf: the feed, the store and the configuration in force.
#[derive(Clone)]
pub(crate) struct PageShelf {
    pub(crate) hub: Arc<Hub>,
    pub(crate) reader: Reader,
    pub(crate) config: Arc<RwLock<Arc<Config>>>,
    pub(crate) clock: Clock,
}

impl PageShelf {
    fn config(&self) -> Arc<Config> {
        Arc::clone(
            &self
                .config
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}

fn last_hour(reader: &Reader, target: &TargetId, now: Timestamp) -> Result<Vec<Bucket>, String> {
    let minute = MINUTE.as_millis() as i64;
    let end = Timestamp::from_millis((now.as_millis() / minute + 1) * minute);
    let count = (HOUR.as_millis() / MINUTE.as_millis()) as usize;
    let buckets = reader
        .buckets(target, end.minus(HOUR), MINUTE, count)
        .map_err(|error| error.to_string())?;
    let bucket = |bucket: store::Bucket| Bucket {
        at: bucket.at,
        attempts: bucket.attempts,
        failed: bucket.failed,
        truncated: bucket.truncated,
        ttft_p50_ms: bucket.ttft_p50_ms,
    };
    Ok(buckets.into_iter().map(bucket).collect())
}

fn past(reader: &Reader, target: &TargetId, now: Timestamp) -> Result<Past, String> {
    let buckets = last_hour(reader, target, now)?;
    let query = ObservationQuery {
        target: Some(target.clone()),
        // They come ten to a reply and say nothing about replies.
        without_passed: Some(Source::Reach),
        limit: MAX_OBSERVATIONS,
        ..Default::default()
    };
    let observations = reader
        .observations(&query)
        .map_err(|error| error.to_string())?
        .items
        .into_iter()
        .map(|stored| stored.observation)
        .collect();
    let query = IncidentQuery {
        target: Some(target.clone()),
        open: Some(true),
        limit: 1,
        ..Default::default()
    };
    let incident = reader
        .incidents(&query)
        .map_err(|error| error.to_string())?
        .items
        .pop();
    Ok(Past {
        buckets,
        observations,
        incident,
        missing: None,
    })
}

impl Shelf for PageShelf {
    fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    fn health(&self) -> Arc<v1::Health> {
        Arc::new(self.hub.snapshot().health.clone())
    }

    fn budget(&self) -> Budget {
        Budget {
            usd_per_day: self.config().usd_per_day,
        }
    }

    fn plans(&self, target: &TargetId) -> Vec<Plan> {
        let config = self.config();
        let cost = probe::Plan::of(&config)
            .rows
            .into_iter()
            .find(|row| &row.target == target)
            .map(|row| row.usd_per_day);
        let mut plans = Vec::new();
        if let Some((provider, model)) = config.find(target) {
            if let Some(canary) = &model.canary {
                plans.push(Plan {
                    kind: "canary",
                    what: format!(
                        "a short streamed generation, `{}`, whose right end is known",
                        canary.script.name
                    ),
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

    async fn days(&self, from: Timestamp, to: Timestamp) -> Option<DaysOf> {
        let reader = self.reader.clone();
        let read = tokio::task::spawn_blocking(move || days::read(&reader, from, to));
        within(read).await?.ok()
    }

    async fn incidents(&self, provider: Option<&ProviderId>, before: Option<i64>) -> Option<Spells> {
        let (reader, provider) = (self.reader.clone(), provider.cloned());
        let read = tokio::task::spawn_blocking(move || incidents::list(&reader, provider, before));
        within(read).await?.ok()
    }

    async fn incident(&self, id: &str) -> Result<Option<Case>, String> {
        let (reader, id, now) = (self.reader.clone(), id.to_owned(), self.clock.now());
        let raw_from = now.minus(self.config().store.keep.raw);
        let read = tokio::task::spawn_blocking(move || incidents::one(&reader, &id, now, raw_from));
        match within(read).await {
            Some(found) => found.map_err(|error| error.to_string()),
            None => Err("history takes too long to read".to_owned()),
        }
    }

    async fn past(&self, target: &TargetId) -> Past {
        let (reader, target, now) = (self.reader.clone(), target.clone(), self.clock.now());
        let read = tokio::task::spawn_blocking(move || past(&reader, &target, now));
        let missing = |why: String| Past {
            missing: Some(why),
            ..Past::default()
        };
        match within(read).await {
            Some(Ok(past)) => past,
            Some(Err(error)) => missing(error),
            None => missing("history takes too long to read".to_owned()),
        }
    }
}

/// The page never waits longer for the store than the API does.
async fn within<T>(read: tokio::task::JoinHandle<T>) -> Option<T> {
    tokio::time::timeout(api::READ_TIMEOUT, read).await.ok()?.ok()
}
