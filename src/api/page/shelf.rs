//! The daemon's shelf: hub, history and configuration behind the page.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::Mutex;

use super::{BUCKET, BUCKETS, Bucket, Budget, MAX_OBSERVATIONS, Past, Plan, Scene, serve::Shelf};
use crate::{
    api::{ApiState, History, HistoryError, IncidentQuery, ObservationQuery},
    clock::Timestamp,
    config::Config,
    id::TargetId,
    store,
};

/// How long one reading of everybody's last hour is shown before it is read again: any number of open pages costs
/// the store one read in this time.
pub const HOURS_FRESH: Duration = Duration::from_secs(10);
/// Seconds of a day, for costs.
const DAY_S: f64 = 86_400.0;

/// Reads the last hour of a target. Calls block; the page makes them on threads of the API's readers.
pub trait LastHour: Send + Sync + 'static {
    /// `count` buckets of `step` each from `from` on; empty ones may be left out.
    fn buckets(
        &self,
        target: &TargetId,
        from: Timestamp,
        step: Duration,
        count: usize,
    ) -> Result<Vec<Bucket>, HistoryError>;
}

impl LastHour for store::Reader {
    fn buckets(
        &self,
        target: &TargetId,
        from: Timestamp,
        step: Duration,
        count: usize,
    ) -> Result<Vec<Bucket>, HistoryError> {
        let buckets = Self::buckets(self, target, from, step, count)
            .map_err(|error| HistoryError::Unavailable(error.to_string()))?;
        Ok(buckets
            .into_iter()
            .map(|b| Bucket {
                at: b.at,
                attempts: b.attempts,
                failed: b.failed,
                truncated: b.truncated,
                ttft_p50_ms: b.ttft_p50_ms,
            })
            .collect())
    }
}

type Hours = Arc<HashMap<TargetId, Vec<Bucket>>>;

/// What the daemon hands to [`super::routes`]. Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    api: ApiState,
    hour: Arc<dyn LastHour>,
    config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    kept: Arc<Mutex<Option<(Timestamp, Hours)>>>,
}

impl Pages {
    /// Joins the parts. `config` gives the configuration in force, as a reload may change it.
    pub fn new(
        api: ApiState,
        hour: Arc<dyn LastHour>,
        config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    ) -> Self {
        Self {
            api,
            hour,
            config,
            kept: Arc::default(),
        }
    }
}

impl Shelf for Pages {
    fn scene<T>(&self, show: impl FnOnce(&Scene<'_>) -> T) -> T {
        let snapshot = self.api.hub.snapshot();
        show(&Scene {
            health: &snapshot.health,
            now: self.api.clock.now(),
            budget: Budget {
                usd_per_day: (self.config)().usd_per_day,
            },
        })
    }

    fn plans(&self, target: &TargetId) -> Vec<Plan> {
        plans(&(self.config)(), target)
    }

    async fn hours(&self) -> Hours {
        // Held while the store is read: whoever else asks meanwhile waits for the same answer.
        let mut kept = self.kept.lock().await;
        let now = self.api.clock.now();
        if let Some((at, hours)) = kept.as_ref()
            && now.since(*at) < HOURS_FRESH
        {
            return Arc::clone(hours);
        }
        let snapshot = self.api.hub.snapshot();
        let ids: Vec<TargetId> = snapshot.health.targets.iter().map(|t| t.id.clone()).collect();
        let hour = Arc::clone(&self.hour);
        let read = self.api.read(move |_| {
            ids.into_iter()
                .map(|id| {
                    let buckets = hour.buckets(&id, hour_from(now), BUCKET, BUCKETS)?;
                    Ok((id, buckets))
                })
                .collect::<Result<HashMap<_, _>, HistoryError>>()
        });
        // A failed read is kept as well, or a slow disk would be asked by every page anew.
        let hours: Hours = Arc::new(read.await.unwrap_or_default());
        *kept = Some((now, Arc::clone(&hours)));
        hours
    }

    async fn past(&self, target: &TargetId) -> Past {
        let (now, hour, target) = (self.api.clock.now(), Arc::clone(&self.hour), target.clone());
        // The store's own words come back as a value: the page shows them beside what the feed still knows.
        let read = self
            .api
            .read(move |history| Ok(read_past(history, hour.as_ref(), &target, now)));
        match read.await {
            Ok(Ok(past)) => past,
            Ok(Err(error)) => Past::missing(error.to_string()),
            Err(_) => Past::missing("history takes too long to read"),
        }
    }
}

fn read_past(
    history: &dyn History,
    hour: &dyn LastHour,
    target: &TargetId,
    now: Timestamp,
) -> Result<Past, HistoryError> {
    let observations = history.observations(&ObservationQuery {
        target: Some(target.clone()),
        limit: MAX_OBSERVATIONS,
        ..ObservationQuery::default()
    })?;
    let incidents = history.incidents(&IncidentQuery {
        target: Some(target.clone()),
        open: Some(true),
        limit: 1,
        ..IncidentQuery::default()
    })?;
    Ok(Past {
        buckets: hour.buckets(target, hour_from(now), BUCKET, BUCKETS)?,
        observations: observations.items,
        incident: incidents.items.into_iter().next(),
        missing: None,
    })
}

impl Past {
    fn missing(why: impl Into<String>) -> Self {
        Self {
            missing: Some(why.into()),
            ..Self::default()
        }
    }
}

/// [`BUCKETS`] buckets from here on end now.
fn hour_from(now: Timestamp) -> Timestamp {
    now.minus(BUCKET * BUCKETS as u32)
}

/// What the configuration probes of a target, with its cost at that pace.
pub(super) fn plans(config: &Config, target: &TargetId) -> Vec<Plan> {
    let Some((provider, model)) = config.find(target) else {
        return Vec::new();
    };
    let mut plans = Vec::new();
    if let Some(reach) = &provider.reach {
        plans.push(Plan {
            kind: "reach",
            what: "the provider’s edge and our credential, without a token".to_owned(),
            every: reach.every,
            usd_per_day: Some(0.0),
        });
    }
    if let Some(canary) = &model.canary {
        let script = &canary.script;
        let cost = |price: crate::config::Price| {
            price.cost(u64::from(script.input_tokens), u64::from(script.output_tokens)) * DAY_S
                / canary.every.as_secs_f64()
        };
        plans.push(Plan {
            kind: "canary",
            what: format!(
                "a short streamed reply that must end in a known word ({})",
                script.name
            ),
            every: canary.every,
            usd_per_day: model.price.map(cost),
        });
    }
    plans
}
