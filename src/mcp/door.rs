//! What the tools see of the daemon.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    clock::Timestamp,
    feed::{
        record::Observation,
        route::OneRoute,
        v1::{Head, TargetHealth},
    },
    id::TargetId,
};

/// The feed, and whether it may be believed.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Which feed it is.
    pub head: Head,
    /// Its targets, in configured order.
    pub targets: Vec<Arc<TargetHealth>>,
    /// It may be believed: it is not stale, and the daemon's network is online.
    pub fresh: bool,
}

/// One route, and whether it may be believed.
#[derive(Debug, Clone)]
pub struct SeenRoute {
    /// The route, with the head of what it follows from.
    pub one: OneRoute,
    /// It may be believed.
    pub fresh: bool,
}

/// Which observations are wanted, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// Of one target.
    pub target: Option<TargetId>,
    /// Of one verdict family.
    pub verdict: &'static str,
    /// At most so many.
    pub limit: usize,
}

/// Why a door stays shut. Each tells an agent what it can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// No daemon answers.
    #[error(
        "endturn is not reachable at {url}: {why}. Start it with `endturn run` (or `endturn demo`), or give this server \
         the right address: `endturn mcp --url URL`. Nothing is known about providers now, which is no evidence against \
         them or for them."
    )]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// Not now.
    #[error("endturn can't answer now: {0}; ask again later")]
    Unavailable(String),
}

impl Closed {
    /// There is no route of the name that was asked for; there are these.
    pub fn no_route<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.collect();
        Self::NotFound(if names.is_empty() {
            "no route is configured: add a [[route]] to endturn's configuration, or ask provider_health"
                .to_owned()
        } else {
            format!(
                "no route of that name is configured; there are: {}",
                names.join(", ")
            )
        })
    }
}

/// The daemon, from inside or over HTTP.
pub trait Door: Send + Sync + 'static {
    /// The time where the answer is given.
    fn now(&self) -> Timestamp;
    /// The feed.
    fn health(&self) -> BoxFuture<'_, Result<Seen, Closed>>;
    /// One route.
    fn route<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<SeenRoute, Closed>>;
    /// Recent observations.
    fn failures(&self, wanted: Failures) -> BoxFuture<'_, Result<Vec<Observation>, Closed>>;
}
