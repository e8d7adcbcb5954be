//! The newest decision of every route, for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{Known, Memory, decide};
use crate::{
    config::Route as Rule,
    feed::{
        Snapshot,
        route::{OneRoute, ROUTES_SCHEMA, Routes},
        v1::Head,
    },
};

/// Every route as of one revision of the feed.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The answer of `GET /v1/routes`.
    pub routes: Routes,
    /// Strong entity tag, quotes included: a revision has one for the feed and for what follows from it.
    pub etag: String,
}

impl Decided {
    /// The answer of `GET /v1/routes/{name}`.
    pub fn one(&self, name: &str) -> Option<OneRoute> {
        let route = self.routes.routes.iter().find(|route| route.name == name)?;
        Some(OneRoute {
            head: self.routes.head.clone(),
            route: route.clone(),
        })
    }
}

/// Keeps what each route remembers, and the newest decisions.
#[derive(Debug)]
pub struct Board {
    rules: Mutex<Vec<(Rule, Memory)>>,
    current: watch::Sender<Arc<Decided>>,
}

impl Board {
    /// A board that shows what follows from `first`.
    pub fn new(rules: &[Rule], first: &Snapshot) -> Self {
        let mut rules = remembered(rules, &[]);
        let decided = Arc::new(follow(&mut rules, first));
        Self {
            rules: Mutex::new(rules),
            current: watch::Sender::new(decided),
        }
    }

    /// Takes other routes, in force from the next [`Board::follow`] on. One that had the name before keeps its memory.
    pub fn set(&self, rules: &[Rule]) {
        let mut held = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        *held = remembered(rules, &held);
    }

    /// Decides every route by a new revision of the feed.
    pub fn follow(&self, snapshot: &Snapshot) {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let decided = Arc::new(follow(&mut rules, snapshot));
        self.current.send_replace(decided);
    }

    /// The newest decisions.
    pub fn now(&self) -> Arc<Decided> {
        Arc::clone(&self.current.borrow())
    }

    /// Waits until there are decisions of another revision than this one.
    pub async fn moved_past(&self, revision: u64) {
        let mut current = self.current.subscribe();
        // The sender lives as long as we do.
        let _ = current
            .wait_for(|decided| decided.routes.head.revision != revision)
            .await;
    }
}

fn remembered(rules: &[Rule], before: &[(Rule, Memory)]) -> Vec<(Rule, Memory)> {
    let memory = |rule: &Rule| {
        let known = before.iter().find(|(known, _)| known.name == rule.name);
        known.map(|(_, memory)| memory.clone()).unwrap_or_default()
    };
    rules.iter().map(|rule| (rule.clone(), memory(rule))).collect()
}

fn follow(rules: &mut [(Rule, Memory)], snapshot: &Snapshot) -> Decided {
    let routes = if rules.is_empty() {
        // Which is what most daemons have: nobody is looked up for nothing.
        Vec::new()
    } else {
        let feed = Known::of(&snapshot.health);
        let decided = rules.iter_mut().map(|(rule, memory)| {
            let (route, next) = decide(rule, &feed, memory);
            *memory = next;
            route
        });
        decided.collect()
    };
    Decided {
        routes: Routes {
            head: Head {
                schema: ROUTES_SCHEMA.into(),
                ..snapshot.health.head.clone()
            },
            routes,
        },
        etag: snapshot.etag.clone(),
    }
}
