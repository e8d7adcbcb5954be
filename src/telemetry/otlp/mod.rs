//! OTLP out: metrics, a span a probe, log records of transitions and incidents.
//!
//! What happened goes from the loop through a bounded queue to a thread of its own, which hands it to OpenTelemetry's
//! SDK; the SDK's threads batch and send. So a collector that is dead, slow or hung holds up nothing but these threads,
//! and what is lost on the way is counted in the [`Tally`].

mod carrier;
mod counted;
mod desk;
mod measured;
mod place;
mod record;
mod span;
mod tally;
mod transport;
mod watched;

use std::{
    sync::{
        Arc, RwLock,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use opentelemetry_otlp::ExporterBuildError;
use tokio::{runtime::Handle, sync::oneshot};

pub use carrier::MAX_REPLY_BYTES;
pub(super) use place::Places;
pub(super) use tally::Tally;

use counted::Books;
use desk::Desk;
use tally::Lost;

use super::{Ledger, Owner};
use crate::{
    clock::Timestamp,
    config::{Conventions, Otlp, OtlpSignal},
    feed::Hub,
    health::{Change, Incident, IncidentPhase, Network, Transition},
    link::ClientError,
    verdict::Observation,
};

/// Most that waits between the loop and the exporter.
pub const MAX_TOLD: usize = 4_096;
/// Most spans, and most log records, that wait for their export where the environment doesn't say.
pub const MAX_BATCHED: usize = 2_048;
/// How long what is left may take to be sent when the daemon ends or is configured anew.
pub const SHUTDOWN: Duration = Duration::from_secs(3);

/// Why nothing goes out.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// No HTTP client.
    #[error("the client for telemetry can't be made: {0}")]
    Client(#[from] ClientError),
    /// An exporter refused its settings.
    #[error("the exporter can't be made: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// No thread.
    #[error("the thread of telemetry can't be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// Something that happened.
#[derive(Debug)]
pub(super) enum Told {
    /// Something was seen.
    Observation(Arc<Observation>),
    /// A target moved.
    Transition(Box<Transition>),
    /// An incident opened, changed or closed.
    Incident(IncidentPhase, Box<Incident>),
    /// Somebody else answers.
    Change(Box<Change>),
    /// Our own network went or came.
    Network(Network, Timestamp),
}

impl Told {
    /// Where it is told.
    fn signals(&self) -> &'static [OtlpSignal] {
        match self {
            Self::Observation(seen) if seen.source.is_probe() => &[OtlpSignal::Metrics, OtlpSignal::Traces],
            Self::Observation(_) => &[OtlpSignal::Metrics],
            Self::Transition(_) | Self::Incident(..) | Self::Change(_) | Self::Network(..) => {
                &[OtlpSignal::Logs]
            }
        }
    }
}

/// What an exporter looks at and works with.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) runtime: Handle,
    pub(super) hub: Arc<Hub>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) owner: Arc<dyn Owner>,
    pub(super) tally: Arc<Tally>,
    pub(super) places: Arc<RwLock<Arc<Places>>>,
}

/// A way to the collectors of one configuration.
pub(super) struct Exporter {
    told: SyncSender<Told>,
    signals: Vec<OtlpSignal>,
    tally: Arc<Tally>,
    ended: oneshot::Receiver<()>,
    books: Vec<(OtlpSignal, Arc<Books>)>,
}

/// Hands on what is told until nobody tells any more, then sends what is left.
#[expect(clippy::needless_pass_by_value, reason = "the end of its thread")]
fn work(desk: Desk, told: Receiver<Told>, ended: oneshot::Sender<()>) {
    while let Ok(told) = told.recv() {
        desk.tell(&told);
    }
    desk.close();
    // Nobody waits any more: the bound has passed.
    let _ = ended.send(());
}

impl Exporter {
    /// Opens the ways to the collectors. Nothing is sent yet, so a collector that isn't there is no error.
    ///
    /// # Errors
    /// An exporter refused its settings, or there is no thread.
    pub(super) fn start(
        otlp: &Otlp,
        conventions: Conventions,
        context: &Context,
    ) -> Result<Self, StartError> {
        let desk = Desk::open(otlp, conventions, context)?;
        let books = desk.books();
        let (told, receiver) = sync_channel(MAX_TOLD);
        let (sender, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("telemetry".to_owned())
            .spawn(move || work(desk, receiver, sender))?;
        Ok(Self {
            told,
            signals: otlp.routes.iter().map(|route| route.signal).collect(),
            tally: Arc::clone(&context.tally),
            ended,
            books,
        })
    }

    /// Whether any of these signals is told to anybody.
    pub(super) fn wants(&self, signal: OtlpSignal) -> bool {
        self.signals.contains(&signal)
    }

    /// Tells something, or counts it as lost. Never waits.
    pub(super) fn tell(&self, told: Told) {
        let wanted = |told: &Told| told.signals().iter().any(|signal| self.wants(*signal));
        if !wanted(&told) {
            return;
        }
        if let Err(TrySendError::Full(told) | TrySendError::Disconnected(told)) = self.told.try_send(told) {
            for signal in told.signals().iter().filter(|signal| self.wants(**signal)) {
                self.tally.lost(*signal, Lost::Queue, 1);
            }
        }
    }

    /// Sends what is left, for at most [`SHUTDOWN`]; what is still there then is lost.
    pub(super) async fn stop(self) {
        drop(self.told);
        if tokio::time::timeout(SHUTDOWN, self.ended).await.is_ok() {
            return;
        }
        let mut left = 0;
        for (signal, books) in self.books {
            let items = books.close();
            self.tally.lost(signal, Lost::Shutdown, items);
            left += items;
        }
        tracing::warn!(
            items = left,
            "telemetry was not sent in time; what was left is lost"
        );
    }
}

#[cfg(test)]
mod tests;
