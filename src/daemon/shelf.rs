//! Feed, store and configuration as the page sees them.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use crate::{
    api::{
        self,
        page::{
            Bucket, Budget, History, MAX_FAILURES, MAX_LISTED, MAX_OBSERVATIONS, Past, Plan, Range, Shelf,
        },
    },
    clock::{Clock, Timestamp},
    config::Config,
    feed::{Hub, v1},
    health::Incident,
    id::TargetId,
    probe,
    store::{self, IncidentQuery, ObservationQuery, Reader, SeriesQuery, StoreError},
    verdict::{CanaryKind, Observation, Source, Verdict},
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

/// Most incidents that are shaded behind the charts.
const MAX_SHADED: usize = 100;
/// Complete replies of a canary that its phases are read from; the long one comes seldom.
const PHASED: usize = 60;
const PHASED_LONG: usize = 8;
/// How far back they may lie.
const PHASED_SINCE: Duration = Duration::from_secs(86_400);
/// What uptime is told over, in days.
const UPTIME: Duration = Duration::from_secs(89 * 86_400);

fn past(reader: &Reader, target: &TargetId, range: Range, now: Timestamp) -> Result<Past, StoreError> {
    let newest = |query: ObservationQuery| -> Result<Vec<Observation>, StoreError> {
        let query = ObservationQuery {
            target: Some(target.clone()),
            ..query
        };
        let page = reader.observations(&query)?;
        Ok(page.items.into_iter().map(|stored| stored.observation).collect())
    };
    let mut failures = Vec::new();
    for family in ["truncated", "errored"] {
        failures.extend(newest(ObservationQuery {
            verdict_family: Some(family.to_owned()),
            limit: MAX_FAILURES,
            ..Default::default()
        })?);
    }
    failures.sort_by_key(|o| std::cmp::Reverse(o.at));
    failures.truncate(MAX_FAILURES);
    let observations = newest(ObservationQuery {
        // They come ten to a reply and say nothing about replies.
        without_passed: Some(Source::Reach),
        limit: MAX_OBSERVATIONS,
        ..Default::default()
    })?;
    let incidents = reader.incidents(&IncidentQuery {
        target: Some(target.clone()),
        limit: MAX_SHADED,
        ..Default::default()
    })?;
    let history = history(reader, target, range, now, incidents.items.clone())?;
    Ok(Past {
        complete: complete(reader, target, &history, now)?,
        history: Some(history),
        failures,
        observations,
        standings: reader.standings(now.minus(UPTIME), now)?,
        incident: incidents.items.iter().find(|i| i.closed.is_none()).cloned(),
        incidents: incidents.items.into_iter().take(MAX_LISTED).collect(),
        missing: None,
    })
}

/// The series of every source, all over the same steps.
fn history(
    reader: &Reader,
    target: &TargetId,
    range: Range,
    now: Timestamp,
    incidents: Vec<Incident>,
) -> Result<History, StoreError> {
    let from = range.from(now);
    let series = Source::ALL
        .into_iter()
        .map(|source| {
            let query = SeriesQuery {
                target: target.clone(),
                from,
                to: from.plus(range.step() * range.steps()),
                step: range.step(),
                sources: vec![source],
            };
            Ok((source, reader.series(&query)?))
        })
        .collect::<Result<_, StoreError>>()?;
    let touches = |i: &Incident| i.recovered.is_none_or(|end| end >= from);
    Ok(History {
        range,
        series,
        incidents: incidents.into_iter().filter(touches).collect(),
    })
}

/// Recent complete replies of the short canary, and of the long one where the charts saw any.
fn complete(
    reader: &Reader,
    target: &TargetId,
    history: &History,
    now: Timestamp,
) -> Result<Vec<(CanaryKind, Vec<Observation>)>, StoreError> {
    let seen = |source| {
        let series = history.series.iter().find(|(have, _)| *have == source);
        series.is_some_and(|(_, series)| series.points.iter().any(|point| !point.is_empty()))
    };
    let mut all = Vec::new();
    for (kind, limit) in [(CanaryKind::Short, PHASED), (CanaryKind::Long, PHASED_LONG)] {
        if !seen(kind.source()) {
            continue;
        }
        let query = ObservationQuery {
            target: Some(target.clone()),
            verdict_family: Some(Verdict::Complete.family().to_owned()),
            source: Some(kind.source()),
            since: Some(now.minus(PHASED_SINCE)),
            limit,
            ..Default::default()
        };
        let found = reader.observations(&query)?.items.into_iter();
        let replies = found.map(|stored| stored.observation);
        all.push((kind, replies.filter(|o| o.canary_kind() == Some(kind)).collect()));
    }
    Ok(all)
}

/// What each kind of probe proves.
fn purpose(kind: CanaryKind) -> &'static str {
    match kind {
        CanaryKind::Short => "a short streamed generation",
        CanaryKind::Long => "some 400 tokens: long replies end early where short ones do not",
        CanaryKind::Json => "a JSON document",
        CanaryKind::Tool => "a forced call of a tool",
    }
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
        let rows = probe::Plan::of(&config).rows;
        let mut plans = Vec::new();
        if let Some((provider, model)) = config.find(target) {
            for (kind, canary) in model.canaries() {
                let row = rows.iter().find(|row| &row.target == target && row.kind == kind);
                plans.push(Plan {
                    kind: kind.as_str(),
                    what: format!("{}, `{}`, whose right end is known", purpose(kind), canary.script.name),
                    every: canary.every,
                    usd_per_day: model.price.and(row.map(|row| row.usd_per_day)),
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
        let (reader, now) = (self.reader.clone(), self.clock.now());
        let targets: Vec<TargetId> = self
            .hub
            .snapshot()
            .health
            .targets
            .iter()
            .map(|target| target.id.clone())
            .collect();
        let read = tokio::task::spawn_blocking(move || {
            targets
                .into_iter()
                .filter_map(|target| last_hour(&reader, &target, now).ok().map(|hour| (target, hour)))
                .collect()
        });
        within(read).await.unwrap_or_default()
    }

    async fn past(&self, target: &TargetId, range: Range) -> Past {
        let (reader, target, now) = (self.reader.clone(), target.clone(), self.clock.now());
        let read = tokio::task::spawn_blocking(move || past(&reader, &target, range, now));
        let missing = |why: String| Past {
            missing: Some(why),
            ..Past::default()
        };
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
