//! Keeps the local copy: news of the follower in, a state that anybody reads out.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    follow::{Follower, News, Patience, Source},
    known::Feed,
    routes,
};
use crate::{clock::Clock, link::Shipper};

/// What is known, and how the way to the daemon is. Cheap to replace: readers hold its lock for the copy of a pointer,
/// the writer for that of another.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// As it came last, believed or not.
    pub(super) feed: Option<Arc<Feed>>,
    /// Why there is no connection; `None` while there is one, and before the first attempt has failed.
    pub(super) trouble: Option<Arc<str>>,
    /// Routes that were asked for, by name.
    pub(super) routes: HashMap<String, routes::Copy>,
}

impl State {
    /// How many things in it are believed, and when the first of them runs out.
    pub(super) fn believed(&self, clock: &Clock) -> (usize, Option<Duration>) {
        let feed = self.feed.iter().filter_map(|feed| feed.left(clock));
        let routes = self.routes.values().filter_map(|copy| copy.kept.as_ref());
        let left: Vec<_> = feed.chain(routes.filter_map(|kept| kept.left(clock))).collect();
        (left.len(), left.into_iter().min())
    }

    /// What is known of a route that was asked for.
    pub(super) fn route(&self, name: &str) -> Option<&routes::Copy> {
        self.routes.get(name)
    }
}

/// What handles and tasks share.
pub(super) struct Shared {
    pub(super) state: watch::Sender<State>,
    pub(super) clock: Clock,
    pub(super) shipper: Shipper,
    pub(super) own_keys: bool,
}

impl Shared {
    pub(super) fn new(state: State, clock: Clock, shipper: Shipper, own_keys: bool) -> Self {
        Self {
            state: watch::Sender::new(state),
            clock,
            shipper,
            own_keys,
        }
    }

    /// Takes the follower's news.
    fn hear(&self, news: News) {
        // Only this task writes the feed, so it is built before the state's lock is taken.
        let known = self.state.borrow().feed.clone();
        let next = match news {
            News::Snapshot(health) => Some(Feed::new(*health, &self.clock)),
            News::Delta(delta) => known.and_then(|feed| feed.after(*delta, &self.clock)),
            News::Lost { why, .. } => {
                self.quietly(|state| state.trouble = Some(why.into()));
                return;
            }
        };
        match next {
            Some(feed) => self.state.send_modify(|state| {
                state.feed = Some(Arc::new(feed));
                state.trouble = None;
            }),
            None => self.quietly(|state| state.trouble = None),
        }
    }

    /// Changes what nobody waits for.
    pub(super) fn quietly(&self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|state| {
            change(state);
            false
        });
    }
}

/// Follows until the client closes.
pub(super) async fn feed(
    shared: Arc<Shared>,
    source: Source,
    patience: Patience,
    closing: CancellationToken,
) {
    let mut follower = Follower::start(source, None, patience);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            news = follower.next() => shared.hear(news),
        }
    }
}

/// Sends reports until the client closes, and those that wait then for at most `flush`.
pub(super) async fn reports(shared: Arc<Shared>, closing: CancellationToken, flush: Duration) {
    let bound = async {
        closing.cancelled().await;
        tokio::time::sleep(flush).await;
    };
    tokio::select! {
        () = shared.shipper.run(closing.clone()) => {}
        () = bound => {}
    }
}
