//! What the handlers need from outside, as narrow doors.

use std::{ops::Deref, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    alerts::{Alerting, NoAlerting},
    control::{Control, NoControl},
    guard::Guard,
    history::{History, HistoryError},
    metrics::MAX_SCRAPES,
    otlp::MAX_EXPORTS,
    problem::Problem,
};
use crate::{
    clock::{Clock, Timestamp},
    feed::{Hub, declared::DeclaredBoard, v1::StoreStatus},
    intake::{Intake, otlp::Receiver},
    route::Board,
    telemetry::{Exposition, Ledger, Nobody},
};

/// Most reads of history at a time; each holds a thread while it runs.
pub const MAX_READS: usize = 8;
/// Most replies that are validated at a time; each holds its body, and a thread while it is judged.
pub const MAX_VALIDATIONS: usize = 4;
/// Most bodies of real traffic that are held at a time.
pub const MAX_BODIES: usize = 16;
/// Most bytes of long answers about reports that are held until they are read.
pub const MAX_UNREAD: usize = 32 << 20;
/// Most channels that are tried at a time.
pub const MAX_TRIALS: usize = 4;
/// Longest wait for one read of history, its turn included.
pub const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// What the daemon knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checks {
    /// When the scheduler last made a round.
    pub scheduler_at: Timestamp,
    /// Whether history is being kept.
    pub store: StoreStatus,
    /// Records that wait for the store.
    pub store_queued: u64,
}

/// Who knows whether the daemon works.
pub trait Readiness: Send + Sync + 'static {
    /// As of now; must not block.
    fn checks(&self) -> Checks;
}

/// Everything that the handlers share. A clone is one count: the router makes several for each request.
#[derive(Clone)]
pub struct ApiState(Arc<Doors>);

/// The doors themselves.
#[derive(Clone)]
pub struct Doors {
    /// The published health.
    pub hub: Arc<Hub>,
    /// What follows from it for every route.
    pub board: Arc<Board>,
    /// The past.
    pub history: Arc<dyn History>,
    /// The daemon's own condition.
    pub status: Arc<dyn Readiness>,
    /// Where real traffic comes in.
    pub intake: Intake,
    /// What people declared.
    pub(super) declared: Arc<DeclaredBoard>,
    /// Who does what an operator asks for.
    pub(super) control: Arc<dyn Control>,
    /// Time.
    pub clock: Clock,
    /// Cancelled when the server is to end: open event streams and long polls end at once.
    pub closing: CancellationToken,
    /// Who alarms people.
    pub(super) alerting: Arc<dyn Alerting>,
    /// Turns for trials of channels.
    pub(super) trials: Arc<Semaphore>,
    /// What every request passes.
    pub guard: Guard,
    /// What is shown of all this to those who collect figures.
    pub(super) exposition: Arc<Exposition>,
    /// Turns for those who do.
    pub(super) scrapes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    pub(super) validations: Arc<Semaphore>,
    pub(super) reports: Arc<Semaphore>,
    /// Turns for bodies of real traffic.
    pub(super) bodies: Arc<Semaphore>,
    /// Bytes of long answers, until they are read.
    pub(super) unread: Arc<Semaphore>,
    /// Turns for exports of telemetry.
    pub(super) exports: Arc<Semaphore>,
    /// What is known of the telemetry that came.
    pub(super) otlp: Arc<Receiver>,
}

impl Deref for ApiState {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.0
    }
}

impl ApiState {
    /// Joins the parts.
    pub fn new(
        hub: Arc<Hub>,
        board: Arc<Board>,
        history: Arc<dyn History>,
        status: Arc<dyn Readiness>,
        intake: Intake,
        clock: Clock,
        closing: CancellationToken,
    ) -> Self {
        let exposition = Exposition::new(Arc::clone(&hub), Arc::new(Ledger::default()), Arc::new(Nobody));
        Self(Arc::new(Doors {
            alerting: Arc::new(NoAlerting),
            trials: Arc::new(Semaphore::new(MAX_TRIALS)),
            exposition: Arc::new(exposition),
            scrapes: Arc::new(Semaphore::new(MAX_SCRAPES)),
            guard: Guard::new(intake.clone(), clock.clone()),
            hub,
            board,
            history,
            status,
            intake,
            declared: Arc::default(),
            control: Arc::new(NoControl),
            clock,
            closing,
            reads: Arc::new(Semaphore::new(MAX_READS)),
            validations: Arc::new(Semaphore::new(MAX_VALIDATIONS)),
            reports: Arc::new(Semaphore::new(1)),
            bodies: Arc::new(Semaphore::new(MAX_BODIES)),
            unread: Arc::new(Semaphore::new(MAX_UNREAD)),
            exports: Arc::new(Semaphore::new(MAX_EXPORTS)),
            otlp: Arc::default(),
        }))
    }

    /// The same with figures of more than the feed alone.
    #[must_use]
    pub fn with_metrics(mut self, exposition: Exposition) -> Self {
        Arc::make_mut(&mut self.0).exposition = Arc::new(exposition);
        self
    }

    /// The same with somebody who alarms people.
    #[must_use]
    pub fn with_alerting(mut self, alerting: Arc<dyn Alerting>) -> Self {
        Arc::make_mut(&mut self.0).alerting = alerting;
        self
    }

    /// The same with somebody who does what an operator asks for.
    #[must_use]
    pub fn with_control(mut self, control: Arc<dyn Control>, declared: Arc<DeclaredBoard>) -> Self {
        let doors = Arc::make_mut(&mut self.0);
        (doors.control, doors.declared) = (control, declared);
        self
    }

    /// Reads history on a thread of its own, at most [`MAX_READS`] at a time, for at most [`READ_TIMEOUT`].
    pub async fn read<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn History) -> Result<T, HistoryError> + Send + 'static,
    {
        self.read_within(READ_TIMEOUT, read).await
    }

    /// The same with another limit of time.
    pub(super) async fn read_within<T, F>(&self, limit: Duration, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn History) -> Result<T, HistoryError> + Send + 'static,
    {
        let history = Arc::clone(&self.history);
        let reads = Arc::clone(&self.reads);
        let work = async move {
            let turn = reads.acquire_owned().await.map_err(|_| Problem::internal())?;
            tokio::task::spawn_blocking(move || {
                // The turn is over when the thread is free again, not when somebody stops waiting for it.
                let _turn = turn;
                read(history.as_ref())
            })
            .await
            .map_err(|_| Problem::internal())?
            .map_err(Problem::from)
        };
        tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(Problem::unavailable("history takes too long to read", 5)))
    }
}
