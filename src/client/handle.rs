//! The client's handle.

use std::{fmt, sync::Arc, time::Duration};

use rand::RngExt;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    builder::Builder,
    follow::{Patience, Source},
    keep::{self, Shared, State},
    known::Feed,
    order::{self, Order},
    routes::{self, Asked},
};
use crate::{
    clock::Clock,
    feed::{
        outcome::Outcome,
        route::Route,
        v1::{Head, TargetHealth},
    },
    link::ShipperView,
};

/// How long the last reports may take after the last handle is gone or [`Client::close`] was called.
pub const FLUSH_LIMIT: Duration = Duration::from_secs(10);

/// Follows a daemon's feed and reports to it. A clone is another handle to the same; when the last one is dropped the
/// following ends, and reports that wait are sent for at most [`FLUSH_LIMIT`].
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.status()).finish()
    }
}

/// How the client is: for logs and metrics, not for decisions.
#[derive(Debug, Clone)]
pub struct Status {
    /// The feed may be believed now. If not, the client behaves as if there were none.
    pub fresh: bool,
    /// What the feed that came last says of itself, stale or not; `None` before the first.
    pub head: Option<Head>,
    /// How long ago it came.
    pub age: Option<Duration>,
    /// Why there is no connection; `None` while there is one, and before the first attempt has failed.
    pub trouble: Option<Arc<str>>,
    /// Routes that can't be had, and why.
    pub routes: Vec<(String, Arc<str>)>,
    /// The way of the reports.
    pub reports: ShipperView,
}

impl Client {
    /// A client of the daemon at this address, such as `http://127.0.0.1:7411`.
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(super) fn start(
        shared: Arc<Shared>,
        source: Source,
        routes: Vec<String>,
        asked: &Asked,
        patience: Patience,
    ) -> Self {
        let closing = CancellationToken::new();
        let tasks = TaskTracker::new();
        let feed = keep::feed(Arc::clone(&shared), source, patience, closing.clone());
        tasks.spawn(feed);
        tasks.spawn(keep::reports(Arc::clone(&shared), closing.clone(), FLUSH_LIMIT));
        for name in routes {
            let shared = Arc::clone(&shared);
            tasks.spawn(routes::keep(
                shared,
                name,
                asked.clone(),
                patience,
                closing.clone(),
            ));
        }
        tasks.close();
        Self {
            inner: Arc::new(Inner {
                shared,
                closing,
                tasks,
            }),
        }
    }

    fn clock(&self) -> &Clock {
        &self.inner.shared.clock
    }

    /// The feed, while it may be believed. One call, one state of things: whoever reads several targets for one
    /// decision reads them here.
    pub fn feed(&self) -> Option<Arc<Feed>> {
        let feed = self.inner.shared.state.borrow().feed.clone()?;
        feed.left(self.clock()).map(|_| feed)
    }

    /// The feed that came last, believed or not: for displays that say so.
    pub fn last_feed(&self) -> Option<Arc<Feed>> {
        self.inner.shared.state.borrow().feed.clone()
    }

    /// One target by its id `provider/model`, while the feed may be believed and names it.
    pub fn health(&self, target: &str) -> Option<Arc<TargetHealth>> {
        self.feed()?.target(target).cloned()
    }

    /// Whether a request may go there: `false` only where a feed that may be believed advises against it.
    pub fn allows(&self, target: &str) -> bool {
        let own_keys = self.inner.shared.own_keys;
        !self
            .health(target)
            .is_some_and(|target| order::is_out(&target, own_keys))
    }

    /// These candidates, given in order of preference, in the order in which to try them. One that comes back by
    /// degrees, or serves in part, keeps its place in as many calls of a hundred as its weight says; so call it for each
    /// request.
    pub fn pick<'a, T: AsRef<str>>(&self, candidates: &'a [T]) -> Order<'a> {
        let Some(feed) = self.feed() else {
            return order::as_given(candidates);
        };
        let mut draws = rand::rng();
        order::arrange(
            candidates,
            |id| feed.target(id).map(Arc::as_ref),
            self.inner.shared.own_keys,
            || draws.random(),
        )
    }

    /// A route of the daemon's, as it was decided there last; `None` while nothing is known, or if it was not asked for
    /// ([`Builder::routes`]). Take its `target`, or spread requests over its candidates by their `share`; at
    /// `fail_closed` nobody should be asked. Without it behave as without endturn: your own order.
    pub fn route(&self, name: &str) -> Option<Arc<Route>> {
        let kept = self.inner.shared.state.borrow().route(name)?.kept.clone()?;
        kept.left(self.clock()).map(|_| Arc::clone(&kept.route))
    }

    /// Tells what became of a request. Returns at once: reports go out in batches, in the background. At most 20,000
    /// wait; beyond them the oldest goes, and is counted. `false`: this one was too long
    /// ([`MAX_REPORT_BYTES`](super::MAX_REPORT_BYTES)), or the client is closed.
    ///
    /// `target` (or `provider` and `model`) and `verdict` are required; `docs/reports.md` tells the rest. Without an
    /// `id` it gets one, so that it counts once however often it is sent.
    pub fn report(&self, outcome: Outcome<'_>) -> bool {
        !self.inner.closing.is_cancelled() && self.inner.shared.shipper.send(outcome)
    }

    /// How it is.
    pub fn status(&self) -> Status {
        let state = self.inner.shared.state.borrow().clone();
        Status {
            fresh: self.feed().is_some(),
            head: state.feed.as_ref().map(|feed| feed.head().clone()),
            age: state.feed.as_ref().map(|feed| feed.age(self.clock())),
            trouble: state.trouble,
            routes: state
                .routes
                .into_iter()
                .filter_map(|(name, copy)| Some((name, copy.trouble?)))
                .collect(),
            reports: self.inner.shared.shipper.view(),
        }
    }

    /// Waits until a feed is there that may be believed, for so long at most; tells whether it is.
    pub async fn ready(&self, limit: Duration) -> bool {
        let mut changes = self.changes();
        let known = async {
            while self.feed().is_none() {
                changes.next().await;
            }
        };
        tokio::time::timeout(limit, known).await.is_ok()
    }

    /// Waits for the next change: news came, or what was known ran out. What happens between two calls is missed;
    /// [`Self::changes`] misses nothing.
    pub async fn changed(&self) {
        self.changes().next().await;
    }

    /// Changes from now on.
    pub fn changes(&self) -> Changes {
        let mut state = self.inner.shared.state.subscribe();
        let (believed, _) = state.borrow_and_update().believed(self.clock());
        Changes {
            state,
            clock: self.clock().clone(),
            believed,
        }
    }

    /// Ends it: the following at once, the sending when nothing waits any more, after `limit` at the latest (at most
    /// [`FLUSH_LIMIT`]). Answers what became of the reports: those still `waiting` are lost.
    pub async fn close(&self, limit: Duration) -> ShipperView {
        self.inner.closing.cancel();
        let _ = tokio::time::timeout(limit.min(FLUSH_LIMIT), self.inner.tasks.wait()).await;
        self.inner.shared.shipper.view()
    }
}

/// Waits for change after change, and misses none: several at once count as one.
#[derive(Debug)]
pub struct Changes {
    state: watch::Receiver<State>,
    clock: Clock,
    /// How many things were believed when we looked last.
    believed: usize,
}

impl Changes {
    /// Waits for the next one: news came, or what was known ran out. Cancel safe. Once the client is gone it waits for
    /// ever.
    pub async fn next(&mut self) {
        loop {
            let (believed, left) = self.state.borrow().believed(&self.clock);
            let before = std::mem::replace(&mut self.believed, believed);
            if believed < before {
                return;
            }
            let run_out = async {
                match left {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                news = self.state.changed() => match news {
                    Ok(()) => {
                        self.believed = self.state.borrow().believed(&self.clock).0;
                        return;
                    }
                    Err(_) => std::future::pending().await,
                },
                () = run_out => {}
            }
        }
    }
}
