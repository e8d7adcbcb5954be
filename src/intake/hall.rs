//! The way in for real traffic: checked, counted, and handed to whoever judges, or refused at once.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::{
    BodyError, Format, body,
    desk::{Desk, Receipt, Rejected, Reporter},
    tally::{Dimension, Part},
};
use crate::{
    clock::{Clock, Timestamp},
    config::Config,
    id::TargetId,
    verdict::{Observation, Trust},
};

/// Most observations that wait to be judged, twice the most of one body. Whoever brings more is asked to come again.
pub const MAX_WAITING: usize = 20_000;
/// Most targets that nobody configured: they are there because reports tell of them.
pub const MAX_REPORTS_ONLY: usize = 200;
/// Such a target is forgotten when it was silent for so long.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// After so long it is worth coming again when all places are taken, in seconds.
pub const COME_AGAIN_S: u64 = 1;

/// Why nothing of a body was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It holds no reports.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// Too many observations wait to be judged; nothing of this body was counted or remembered.
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// Too many observations wait to be judged, or the daemon is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_WAITING} observations wait to be judged already, or the daemon is ending")]
pub struct Busy;

/// Takes real traffic in. Cheap to clone and never waits; what it takes comes out of its [`Queue`].
#[derive(Debug, Clone)]
pub struct Intake(Arc<Hall>);

#[derive(Debug)]
struct Hall {
    clock: Clock,
    desk: Mutex<Desk>,
    guests: Mutex<Guests>,
    config: watch::Sender<Arc<Config>>,
    places: Arc<Semaphore>,
    /// Bodies that found no places.
    refused: AtomicU64,
    queue: mpsc::UnboundedSender<Batch>,
}

/// What came in together.
#[derive(Debug)]
struct Batch {
    observations: Vec<Observation>,
    /// Given back when all of it is judged.
    places: OwnedSemaphorePermit,
}

/// Whose observations are taken.
#[derive(Debug, Default)]
struct Guests {
    configured: HashSet<TargetId>,
    /// The others, with the time that they were last heard of.
    others: HashMap<TargetId, Timestamp>,
}

impl Guests {
    fn admit(&mut self, target: &TargetId, now: Timestamp) -> bool {
        if self.configured.contains(target) {
            return true;
        }
        if let Some(last) = self.others.get_mut(target) {
            *last = now;
            return true;
        }
        if self.others.len() == MAX_REPORTS_ONLY {
            self.others.retain(|_, last| now.since(*last) < FORGOTTEN_AFTER);
        }
        let room = self.others.len() < MAX_REPORTS_ONLY;
        if room {
            self.others.insert(target.clone(), now);
        }
        room
    }
}

impl Intake {
    /// An empty hall with its queue. `others` are targets that an earlier process heard of.
    pub fn new(config: &Config, others: &[TargetId], clock: Clock) -> (Self, Queue) {
        let (queue, batches) = mpsc::unbounded_channel();
        let intake = Self(Arc::new(Hall {
            clock,
            desk: Mutex::default(),
            guests: Mutex::default(),
            config: watch::Sender::new(Arc::new(config.clone())),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            refused: AtomicU64::new(0),
            queue,
        }));
        intake.configure(config);
        let now = intake.0.clock.now();
        let mut guests = intake.guests();
        for target in others {
            guests.admit(target, now);
        }
        drop(guests);
        let queue = Queue {
            batches,
            batch: Vec::new().into_iter(),
            places: None,
        };
        (intake, queue)
    }

    /// Follows a new configuration.
    pub fn configure(&self, config: &Config) {
        let models = config.providers.iter().flat_map(|provider| &provider.models);
        let configured: HashSet<TargetId> = models.map(|model| model.id.clone()).collect();
        let mut guests = self.guests();
        guests.others.retain(|target, _| !configured.contains(target));
        guests.configured = configured;
        drop(guests);
        self.0.config.send_replace(Arc::new(config.clone()));
    }

    /// The configuration in force: who is known, and who may report.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.config.borrow())
    }

    /// The same for those who must notice that another one is in force.
    pub fn configs(&self) -> watch::Receiver<Arc<Config>> {
        self.0.config.subscribe()
    }

    /// Takes the reports of a body from somebody of that trust. Blocks for the time that it takes to read so many
    /// bytes.
    ///
    /// # Errors
    /// No reports in it, or no places: nothing was taken then.
    pub fn reports(&self, body: &[u8], format: Format, trust: Trust) -> Result<Receipt, Refused> {
        let items = body::items(body, format)?;
        let places = self.places(items.len())?;
        let now = self.0.clock.now();
        let mut desk = self.desk();
        let mut guests = self.guests();
        let mut taken = desk.take(items, trust, now, |target| guests.admit(target, now));
        drop((desk, guests));
        self.hand_over(std::mem::take(&mut taken.observations), places);
        Ok(taken.receipt)
    }

    /// Takes observations that are ready. Those of a target that there is no room for are refused, each by itself.
    ///
    /// # Errors
    /// No places: nothing was taken.
    pub fn observed(&self, observations: Vec<Observation>) -> Result<Receipt, Busy> {
        let places = self.places(observations.len())?;
        let now = self.0.clock.now();
        let mut receipt = Receipt::default();
        let mut admitted = Vec::with_capacity(observations.len());
        let mut desk = self.desk();
        let mut guests = self.guests();
        for (index, mut seen) in observations.into_iter().enumerate() {
            if guests.admit(&seen.target, now) {
                seen.at = now;
                desk.note(&seen, now);
                receipt.accepted += 1;
                admitted.push(seen);
            } else {
                let reason = no_room(&seen.target);
                receipt.rejected.push(Rejected { index, reason });
            }
        }
        drop((desk, guests));
        self.hand_over(admitted, places);
        Ok(receipt)
    }

    /// Takes nothing any more.
    pub fn close(&self) {
        self.0.places.close();
    }

    /// Everybody who was heard, most reports first.
    pub fn reporters(&self) -> Vec<(String, Reporter)> {
        self.desk().reporters()
    }

    /// Real traffic of that target in the last hour, by every dimension, most attempts first.
    pub fn traffic(&self, target: &TargetId) -> Vec<(Dimension, Vec<Part>)> {
        let now = self.0.clock.now();
        let desk = self.desk();
        let parts = |dimension| (dimension, desk.parts(target, dimension, now));
        Dimension::ALL.into_iter().map(parts).collect()
    }

    /// Observations that wait to be judged.
    pub fn waiting(&self) -> usize {
        MAX_WAITING - self.0.places.available_permits()
    }

    /// Bodies that were refused for want of places since start.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn places(&self, n: usize) -> Result<OwnedSemaphorePermit, Busy> {
        let n = u32::try_from(n).map_err(|_| Busy)?;
        Arc::clone(&self.0.places).try_acquire_many_owned(n).map_err(|_| {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            Busy
        })
    }

    fn hand_over(&self, observations: Vec<Observation>, places: OwnedSemaphorePermit) {
        if !observations.is_empty() {
            let batch = Batch { observations, places };
            // The daemon is ending: nobody judges any more.
            let _ = self.0.queue.send(batch);
        }
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guests(&self) -> std::sync::MutexGuard<'_, Guests> {
        self.0.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a target is not taken.
pub(super) fn no_room(target: &TargetId) -> String {
    format!(
        "target {target} is not configured, and reports tell of {MAX_REPORTS_ONLY} others already; add it to the \
         configuration"
    )
}

/// What was taken in, in its order. One reader.
#[derive(Debug)]
pub struct Queue {
    batches: mpsc::UnboundedReceiver<Batch>,
    batch: std::vec::IntoIter<Observation>,
    places: Option<OwnedSemaphorePermit>,
}

impl Queue {
    /// Waits until there is something to take. Loses nothing when it is dropped before. Waits for ever when nobody
    /// can bring anything any more.
    pub async fn ready(&mut self) {
        if self.batch.len() > 0 {
            return;
        }
        // All of the last one is judged, even where nobody asked for more than it held.
        self.places = None;
        match self.batches.recv().await {
            Some(batch) => self.open(batch),
            None => std::future::pending().await,
        }
    }

    /// The next one, if there is one now.
    pub fn take(&mut self) -> Option<Observation> {
        loop {
            if let Some(seen) = self.batch.next() {
                return Some(seen);
            }
            self.places = None;
            let batch = self.batches.try_recv().ok()?;
            self.open(batch);
        }
    }

    fn open(&mut self, batch: Batch) {
        self.batch = batch.observations.into_iter();
        self.places = Some(batch.places);
    }
}

#[cfg(test)]
mod tests;
