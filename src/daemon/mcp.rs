//! The door of `/mcp`: the tools over this very daemon.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    api::{ApiState, ObservationQuery},
    clock::Timestamp,
    feed::record::Observation,
    health::Network,
    mcp::{Closed, Door, Failures, Seen, SeenRoute},
};

/// The daemon as its tools see it.
pub(super) struct Inside(pub(super) ApiState);

impl Door for Inside {
    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn health(&self) -> BoxFuture<'_, Result<Seen, Closed>> {
        let snapshot = self.0.hub.snapshot();
        let health = &snapshot.health;
        let seen = Seen {
            head: health.head.clone(),
            targets: health.targets.iter().cloned().map(Arc::new).collect(),
            fresh: snapshot.is_fresh(self.now()) && health.head.network == Network::Online,
        };
        Box::pin(std::future::ready(Ok(seen)))
    }

    fn route<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<SeenRoute, Closed>> {
        let decided = self.0.board.now();
        let found = decided.one(name).map(|one| SeenRoute {
            fresh: self.now() <= one.head.stale_after.0 && one.head.network == Network::Online,
            one,
        });
        let names = decided.routes.routes.iter().map(|route| route.name.as_str());
        let found = found.ok_or_else(|| Closed::no_route(names));
        Box::pin(std::future::ready(found))
    }

    fn failures(&self, wanted: Failures) -> BoxFuture<'_, Result<Vec<Observation>, Closed>> {
        let query = ObservationQuery {
            target: wanted.target,
            verdict: Some(wanted.verdict.to_owned()),
            limit: wanted.limit,
            ..ObservationQuery::default()
        };
        Box::pin(async move {
            let listing = self.0.read(move |history| history.observations(&query)).await;
            let listing = listing.map_err(|_| Closed::Unavailable("history can't be read".to_owned()))?;
            Ok(listing.items.iter().map(Observation::from).collect())
        })
    }
}
