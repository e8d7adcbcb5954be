//! Sends what was judged to a daemon, in batches, and keeps it while the daemon is away.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{http::innermost, spool::Spool};
use crate::{config::Secret, feed::outcome::Outcome};

/// How long a report waits for others that may go with it.
const GATHER: Duration = Duration::from_millis(20);
/// Most reports of one request.
const BATCH: usize = 500;
/// Most bytes of one request.
const BATCH_BYTES: usize = 512 << 10;
/// Longest wait for the daemon's answer.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest report in bytes, as JSON; a longer one is dropped. What a daemon keeps of one fits many times over.
pub const MAX_REPORT_BYTES: usize = 16 << 10;
/// Bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 256 << 10;
/// First pause after a failure; each further one doubles it.
const BACKOFF_MIN: Duration = Duration::from_millis(250);
/// Longest pause after a failure.
pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Longest pause that a daemon may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The way to a daemon.
pub struct Shipper {
    client: reqwest::Client,
    url: String,
    token: Option<Secret>,
    reporter: String,
    spool: Mutex<Spool>,
    news: Notify,
    /// Batches on their way.
    under_way: AtomicU64,
    sent: AtomicU64,
    refused: AtomicU64,
    /// Too long for a report.
    unfit: AtomicU64,
    away: AtomicBool,
}

/// How the way to the daemon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ShipperView {
    /// The last attempt failed.
    pub away: bool,
    /// Reports that wait, those under way included.
    pub waiting: u64,
    /// Taken by the daemon.
    pub sent: u64,
    /// Turned away by it.
    pub refused: u64,
    /// Lost because too many waited, or because they were longer than [`MAX_REPORT_BYTES`].
    pub dropped: u64,
}

/// What the daemon says to a batch.
#[derive(Deserialize)]
struct Receipt {
    #[serde(default)]
    rejected: Vec<serde::de::IgnoredAny>,
}

/// What became of a batch.
enum Sent {
    /// Taken, but for so many.
    Taken { rejected: u64 },
    /// Wrong: sending it again won't help.
    Refused(StatusCode),
    /// Not now; perhaps after so long.
    Later(String, Option<Duration>),
}

impl Shipper {
    /// To the daemon at `base`, in the name of `reporter`. `client` neither retries nor follows redirects.
    pub fn new(client: reqwest::Client, base: &str, token: Option<Secret>, reporter: &str) -> Self {
        Self {
            client,
            url: format!("{}/v1/reports", base.trim_end_matches('/')),
            token,
            reporter: reporter.to_owned(),
            spool: Mutex::default(),
            news: Notify::new(),
            under_way: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unfit: AtomicU64::new(0),
            away: AtomicBool::new(false),
        }
    }

    /// How it is now.
    pub fn view(&self) -> ShipperView {
        let spool = self.lock();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ShipperView {
            away: self.away.load(Ordering::Relaxed),
            waiting: spool.len() as u64 + load(&self.under_way),
            sent: load(&self.sent),
            refused: load(&self.refused),
            dropped: spool.dropped() + load(&self.unfit),
        }
    }

    /// Sends until `closing` is cancelled and nothing waits any more.
    pub async fn run(&self, closing: CancellationToken) {
        let mut backoff = BACKOFF_MIN;
        loop {
            if self.lock().len() == 0 {
                tokio::select! {
                    biased;
                    () = self.news.notified() => {}
                    () = closing.cancelled() => return,
                }
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    () = closing.cancelled() => {}
                }
            }
            let batch = self.take();
            if batch.is_empty() {
                continue;
            }
            match self.post(&batch).await {
                Sent::Later(why, wait) => {
                    self.put_back(batch);
                    if !self.away.swap(true, Ordering::Relaxed) {
                        tracing::warn!(url = self.url, why, "the daemon takes no reports now; they wait");
                    }
                    let pause = wait.unwrap_or_else(|| {
                        let own = backoff;
                        backoff = (backoff * 2).min(BACKOFF_MAX);
                        own
                    });
                    tokio::time::sleep(pause.min(MAX_RETRY_AFTER)).await;
                }
                taken => {
                    self.settle(batch.len() as u64, &taken);
                    backoff = BACKOFF_MIN;
                }
            }
        }
    }

    fn take(&self) -> Vec<String> {
        let mut spool = self.lock();
        let batch = spool.take(BATCH, BATCH_BYTES);
        self.under_way.store(batch.len() as u64, Ordering::Relaxed);
        batch
    }

    fn put_back(&self, batch: Vec<String>) {
        let mut spool = self.lock();
        self.under_way.store(0, Ordering::Relaxed);
        spool.put_back(batch);
    }

    /// The daemon has answered for a batch.
    fn settle(&self, reports: u64, answer: &Sent) {
        let rejected = match answer {
            Sent::Taken { rejected } => (*rejected).min(reports),
            Sent::Refused(status) => {
                tracing::warn!(url = self.url, %status, reports, "the daemon refused reports");
                reports
            }
            Sent::Later(..) => return,
        };
        self.under_way.store(0, Ordering::Relaxed);
        self.refused.fetch_add(rejected, Ordering::Relaxed);
        self.sent.fetch_add(reports - rejected, Ordering::Relaxed);
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!(url = self.url, "the daemon takes reports again");
        }
    }

    async fn post(&self, batch: &[String]) -> Sent {
        tokio::time::timeout(ANSWER, self.exchange(batch))
            .await
            .unwrap_or_else(|_| Sent::Later("no answer in time".to_owned(), None))
    }

    async fn exchange(&self, batch: &[String]) -> Sent {
        let mut request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/x-ndjson")
            .body(batch.concat());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Sent::Later(innermost(&error.without_url()), None),
        };
        let status = response.status();
        if matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
        ) {
            return Sent::Refused(status);
        }
        if !status.is_success() {
            let asked = response.headers().get(header::RETRY_AFTER);
            let seconds = asked.and_then(|value| value.to_str().ok()?.trim().parse().ok());
            let wait = seconds.map(Duration::from_secs);
            return Sent::Later(format!("HTTP {status}"), wait);
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await
            && body.len() < MAX_ANSWER_BYTES
        {
            body.extend_from_slice(&chunk);
        }
        // An answer that can't be read is a yes all the same: it had the status of one.
        let receipt: Option<Receipt> = serde_json::from_slice(&body).ok();
        let rejected = receipt.map_or(0, |receipt| receipt.rejected.len() as u64);
        Sent::Taken { rejected }
    }

    fn lock(&self) -> MutexGuard<'_, Spool> {
        // A spool is whole between its calls, whoever panicked.
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a report, with an id and our reporter's name where it has none; tells whether there was room for it.
    /// Doesn't wait: somebody who calls [`Self::run`] sends it.
    pub fn send(&self, outcome: Outcome<'_>) -> bool {
        let outcome = Outcome {
            id: Some(match outcome.id {
                Some(id) => id,
                None => uuid::Uuid::now_v7().to_string().into(),
            }),
            reporter: Some(match outcome.reporter {
                Some(reporter) => reporter,
                None => self.reporter.as_str().into(),
            }),
            ..outcome
        };
        match serde_json::to_string(&outcome) {
            Ok(line) if line.len() <= MAX_REPORT_BYTES => {
                self.lock().push(line + "\n");
                self.news.notify_one();
                true
            }
            Ok(_) => {
                self.unfit.fetch_add(1, Ordering::Relaxed);
                false
            }
            Err(error) => {
                tracing::error!(%error, "a report can't be written: a bug");
                false
            }
        }
    }
}
