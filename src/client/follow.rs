//! Following a daemon's feed: connect, read events, go on where we were, and try again for as long as it takes.

use std::{convert::Infallible, time::Duration};

use rand::RngExt;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    clock::Clock,
    config::Secret,
    feed::{Delta, Kind, v1::Health},
    link::{http_client, innermost},
    protocol::EventReader,
};

/// Largest event that is read, in bytes: a snapshot holds the whole feed.
const MAX_EVENT_BYTES: usize = 16 << 20;
/// Longest wait for the head of an answer.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// Events that wait for whoever reads them; with more the daemon is read more slowly, and sends a snapshot instead.
const QUEUE: usize = 64;

/// How long to wait: between two attempts to connect, and for a word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// After the first failure; doubled with each further one.
    pub(crate) first: Duration,
    /// Never longer than this.
    pub(crate) longest: Duration,
    /// The share of each wait that is drawn anew, 0 to 1, so that not everybody comes back at once.
    pub(crate) jitter: f64,
    /// A connection that is silent for this long is dead, whatever TCP says.
    pub(crate) silence: Duration,
}

impl Patience {
    /// Quick enough for a restart, slow enough for a night without a daemon.
    pub(crate) const USUAL: Self = Self {
        first: Duration::from_millis(250),
        longest: Duration::from_secs(5),
        jitter: 0.5,
        // A heartbeat comes every 5 s, and what was heard holds for 15.
        silence: Duration::from_secs(12),
    };

    /// The longest wait after that many failures in a row, from 1.
    fn bound(self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// The wait after that many failures in a row.
    pub(super) fn after(self, failures: u32) -> Duration {
        let draw: f64 = rand::rng().random();
        self.bound(failures).mul_f64(1.0 - self.jitter * draw)
    }
}

/// Whom to follow, and what of it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The daemon's address.
    pub(crate) base: String,
    /// Patterns of targets, as `?targets=` takes them; none: all.
    pub(crate) targets: Option<String>,
    /// What it asks of readers.
    pub(crate) token: Option<Secret>,
    /// The HTTP client; made when it is needed, if there is none.
    pub(crate) http: Option<reqwest::Client>,
    /// A place that is older than this is forgotten: after a longer absence the whole feed is asked for, instead of
    /// what was missed.
    pub(crate) forget: Option<(Clock, Duration)>,
}

impl Source {
    /// Everything that the daemon at `base` tells, whatever was missed included.
    pub(crate) fn all_of(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            targets: None,
            token: None,
            http: None,
            forget: None,
        }
    }
}

/// What a follower hears.
#[derive(Debug)]
pub(crate) enum News {
    /// The whole feed: replaces everything.
    Snapshot(Box<Health>),
    /// What changed.
    Delta(Box<Delta>),
    /// No connection; the next attempt comes after `retry`.
    Lost {
        /// What went wrong.
        why: String,
        /// How long until the next attempt.
        retry: Duration,
    },
}

/// A task that follows the feed until it is dropped.
#[derive(Debug)]
pub(crate) struct Follower {
    news: mpsc::Receiver<News>,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    /// Follows a daemon, from a feed that is known already or from its whole feed.
    pub(crate) fn start(source: Source, known: Option<&Health>, patience: Patience) -> Self {
        let (sender, news) = mpsc::channel(QUEUE);
        let line = Line {
            place: known.map(Place::of),
            heard: source.forget.as_ref().map(|(clock, _)| clock.mono()),
            source,
            sender,
            patience,
        };
        Self {
            news,
            task: tokio::spawn(line.hold()),
        }
    }

    /// The next news. Cancel safe. Never ends by itself.
    pub(crate) async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            // Only a panic ends the task; whoever waits for news then waits in vain, but is not told lies.
            None => std::future::pending().await,
        }
    }
}

/// How far we have read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    instance: String,
    revision: u64,
}

impl Place {
    fn of(known: &Health) -> Self {
        Self {
            instance: known.head.instance.clone(),
            revision: known.head.revision,
        }
    }
}

struct Line {
    source: Source,
    /// `None`: only a snapshot will do.
    place: Option<Place>,
    /// When the last news came, where that matters.
    heard: Option<Duration>,
    sender: mpsc::Sender<News>,
    patience: Patience,
}

/// Why a connection ended.
enum End {
    /// Nobody listens to us any more.
    Unheard,
    /// It failed.
    Failed(String),
}

impl Line {
    async fn hold(mut self) {
        let mut failures = 0;
        loop {
            let before = self.place.clone();
            let why = match self.connection().await {
                Err(End::Unheard) => return,
                Err(End::Failed(why)) => why,
                Ok(never) => match never {},
            };
            // One that told something new was a good one.
            let good = self.place.is_some() && self.place != before;
            failures = if good { 1 } else { failures + 1 };
            let retry = self.patience.after(failures);
            if self.sender.send(News::Lost { why, retry }).await.is_err() {
                return;
            }
            tokio::time::sleep(retry).await;
        }
    }

    /// One connection, from its request to its end.
    async fn connection(&mut self) -> Result<Infallible, End> {
        let failed = |why: &dyn std::error::Error| End::Failed(innermost(why));
        let client = match &self.source.http {
            Some(client) => client.clone(),
            // Once: it reads the system's roots.
            None => http_client()
                .map(|client| self.source.http.insert(client).clone())
                .map_err(|error| failed(&error))?,
        };
        self.forget();
        let url = format!("{}/v1/events", self.source.base.trim_end_matches('/'));
        let mut url = url::Url::parse(&url).map_err(|error| failed(&error))?;
        if let Some(place) = &self.place {
            url.query_pairs_mut().append_pair("instance", &place.instance);
        }
        if let Some(targets) = &self.source.targets {
            url.query_pairs_mut().append_pair("targets", targets);
        }
        let mut request = client.get(url).header("accept", "text/event-stream");
        if let Some(place) = &self.place {
            request = request.header("last-event-id", place.revision.to_string());
        }
        if let Some(token) = &self.source.token {
            request = request.bearer_auth(token.expose());
        }
        let silent = |limit: Duration| End::Failed(format!("no answer for {} s", limit.as_secs()));
        let mut response = tokio::time::timeout(HEAD_LIMIT, request.send())
            .await
            .map_err(|_| silent(HEAD_LIMIT))?
            .map_err(|error| failed(&error))?;
        let status = response.status();
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|kind| kind.to_str().ok());
        if !status.is_success() || !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(End::Failed(format!("HTTP {} without events", status.as_u16())));
        }
        let mut reader = EventReader::new(MAX_EVENT_BYTES);
        loop {
            let chunk = tokio::time::timeout(self.patience.silence, response.chunk())
                .await
                .map_err(|_| silent(self.patience.silence))?
                .map_err(|error| failed(&error))?
                .ok_or_else(|| End::Failed("the daemon closed the connection".to_owned()))?;
            let mut heard = Vec::new();
            reader
                .push(&chunk, |name, data| heard.push(event(name, data)))
                .map_err(|error| failed(&error))?;
            for news in heard {
                let news = news.map_err(|why| {
                    // What can't be read once can't be read again: only the whole feed helps.
                    self.place = None;
                    End::Failed(why)
                })?;
                self.tell(news).await?;
            }
        }
    }

    /// Forgets a place that is too old to go on from.
    fn forget(&mut self) {
        if let (Some((clock, limit)), Some(heard)) = (&self.source.forget, self.heard)
            && clock.mono().saturating_sub(heard) > *limit
        {
            self.place = None;
        }
    }

    async fn tell(&mut self, (news, place): (News, Place)) -> Result<(), End> {
        let delta = matches!(news, News::Delta(_));
        let other = |old: &Place| old.instance != place.instance;
        if delta && self.place.as_ref().is_none_or(other) {
            self.place = None;
            return Err(End::Failed("a change came before its feed".to_owned()));
        }
        self.place = Some(place);
        self.heard = self.source.forget.as_ref().map(|(clock, _)| clock.mono());
        self.sender.send(news).await.map_err(|_| End::Unheard)
    }
}

/// One event, whatever its name: newer daemons may have kinds that we don't know, whose targets count all the same.
fn event(name: &[u8], data: &[u8]) -> Result<(News, Place), String> {
    let unread = |error: serde_json::Error| format!("an event can't be read: {error}");
    if name == Kind::Snapshot.as_str().as_bytes() {
        let health: Health = serde_json::from_slice(data).map_err(unread)?;
        let place = Place::of(&health);
        return Ok((News::Snapshot(Box::new(health)), place));
    }
    let delta: Delta = serde_json::from_slice(data).map_err(unread)?;
    let place = Place {
        instance: delta.head.instance.clone(),
        revision: delta.head.revision,
    };
    Ok((News::Delta(Box::new(delta)), place))
}

#[cfg(test)]
pub(super) mod tests;
