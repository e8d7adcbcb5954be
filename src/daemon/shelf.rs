//! Feed, store and configuration as the page sees them.

mod days;
mod incidents;
mod past;
mod rules;

use std::sync::{Arc, RwLock};

use super::{alarms::Shown, post::Post};
use crate::{
    api::{
        self,
        page::{AGENT_STEPS, Budget, Case, DaysOf, Pair, Past, Plan, Range, Rules, Shelf, Spells, Way},
    },
    clock::{Clock, Timestamp},
    config::{Config, Fitness},
    feed::{Hub, declared::DeclaredBoard, reliability::Reliability, v1},
    id::{ProviderId, TargetId},
    intake::Intake,
    probe,
    route::Board,
    store::{Reader, StoreError},
    verdict::CanaryKind,
};

/// The page's shelf: the feed, the store and the configuration in force.
#[derive(Clone)]
pub(crate) struct PageShelf {
    pub(crate) hub: Arc<Hub>,
    pub(crate) board: Arc<Board>,
    pub(crate) declared: Arc<DeclaredBoard>,
    pub(crate) reader: Reader,
    pub(crate) config: Arc<RwLock<Arc<Config>>>,
    pub(crate) intake: Intake,
    pub(crate) clock: Clock,
    pub(crate) post: Post,
    pub(crate) alarms: Shown,
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
                    what: format!(
                        "{}, `{}`, whose right end is known",
                        purpose(kind),
                        canary.script.name
                    ),
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

    fn ways(&self) -> Vec<Way> {
        let config = self.config();
        let decided = self.board.now();
        let routes = decided.routes.routes.iter();
        routes
            .filter_map(|route| {
                let rule = config.routes.iter().find(|rule| rule.name == route.name)?;
                let mut fit = rule
                    .targets
                    .iter()
                    .filter(|target| target.fitness == Fitness::Fit);
                let first = fit.next()?.id.clone();
                Some(Way {
                    route: route.clone(),
                    pair: (first, fit.next().map(|target| target.id.clone())),
                })
            })
            .collect()
    }

    async fn outlooks(&self, pairs: Vec<Pair>) -> Option<Vec<Reliability>> {
        let (reader, now) = (self.reader.clone(), self.clock.wall());
        let read = tokio::task::spawn_blocking(move || {
            let all = pairs.into_iter();
            all.map(|pair| api::outlook(&reader, pair, AGENT_STEPS, now))
                .collect::<Result<_, _>>()
        });
        within(read).await?.ok()
    }

    fn rules(&self) -> Rules {
        rules::of(&self.config())
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
            Some(Ok(found)) => Ok(found.map(|case| Case {
                alerted: incidents::alerted(&case.incident.id, &self.alarms.now(), &self.post.channels()),
                ..case
            })),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("history takes too long to read".to_owned()),
        }
    }

    async fn past(&self, target: &TargetId, range: Range) -> Past {
        let (reader, target, now) = (self.reader.clone(), target.clone(), self.clock.now());
        let traffic = self.intake.traffic(&target);
        let read = tokio::task::spawn_blocking(move || {
            let mut past = past::read(&reader, &target, range, now)?;
            past.evidence = api::evidence_of(&reader, &target, traffic, now).ok();
            Ok::<_, StoreError>(past)
        });
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
