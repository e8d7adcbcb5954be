//! Where the loop tells what happened. Nothing here waits.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    Ledger, NotSent, OwnExport, Owner,
    otlp::{Context, Exporter, Places, Tally, Told},
};
use crate::{
    clock::{Clock, Timestamp},
    config::{Config, Telemetry},
    feed::Hub,
    health::{Change, Incident, IncidentPhase, Network, Transition},
    id::TargetId,
    verdict::Observation,
};

/// What became of everything that was to be exported.
#[derive(Debug, Clone)]
pub struct Exports(Arc<Tally>);

impl Exports {
    /// By signal; only those that were ever to be told.
    pub fn own(&self) -> Vec<OwnExport> {
        self.0.own()
    }
}

/// The loop's way out to those who collect.
pub struct Outlet {
    ledger: Arc<Ledger>,
    tally: Arc<Tally>,
    places: Arc<RwLock<Arc<Places>>>,
    exporter: RwLock<Option<Exporter>>,
    /// What the exporter was made from and with, for the next one.
    made: Mutex<Option<(Telemetry, Context)>>,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

impl Outlet {
    /// A way out that counts, and exports nothing yet.
    pub fn new(clock: Clock) -> Self {
        Self {
            ledger: Arc::default(),
            tally: Arc::new(Tally::new(clock)),
            places: Arc::default(),
            exporter: RwLock::new(None),
            made: Mutex::new(None),
        }
    }

    /// What was counted so far.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// What became of exports.
    pub fn exports(&self) -> Exports {
        Exports(Arc::clone(&self.tally))
    }

    /// Begins to export what the configuration asks for, on the runtime of the caller.
    pub fn start(&self, config: &Config, hub: Arc<Hub>, owner: Arc<dyn Owner>) {
        let context = Context {
            runtime: Handle::current(),
            hub,
            ledger: self.ledger(),
            owner,
            tally: Arc::clone(&self.tally),
            places: Arc::clone(&self.places),
        };
        self.place(config);
        self.open(&config.telemetry, &context);
        *self.made() = Some((config.telemetry.clone(), context));
    }

    /// Follows a new configuration. Where the way out is another one, the old one ends beside the work, within its
    /// bound.
    pub fn reconfigure(&self, config: &Config) {
        self.place(config);
        let mut made = self.made();
        let Some((telemetry, context)) = made.as_mut() else {
            return;
        };
        if *telemetry == config.telemetry {
            return;
        }
        telemetry.clone_from(&config.telemetry);
        let old = self.swap(None);
        self.open(telemetry, context);
        if let Some(old) = old {
            context.runtime.spawn(old.stop());
        }
    }

    /// Sends what is left, for at most [`super::otlp::SHUTDOWN`], and exports nothing any more.
    pub async fn stop(&self) {
        *self.made() = None;
        if let Some(exporter) = self.swap(None) {
            exporter.stop().await;
        }
    }

    fn open(&self, telemetry: &Telemetry, context: &Context) {
        let Some(otlp) = &telemetry.otlp else { return };
        match Exporter::start(otlp, telemetry.conventions, context) {
            Ok(exporter) => {
                for route in &otlp.routes {
                    let (signal, url) = (route.signal.as_str(), route.url.as_str());
                    tracing::info!(signal, url, "telemetry goes out");
                }
                self.swap(Some(exporter));
            }
            Err(error) => tracing::error!(%error, "telemetry can't go out; everything else goes on"),
        }
    }

    fn swap(&self, exporter: Option<Exporter>) -> Option<Exporter> {
        let mut current = self.exporter.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, exporter)
    }

    fn place(&self, config: &Config) {
        let places = Arc::new(Places::of(config));
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = places;
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Option<(Telemetry, Context)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, told: impl FnOnce() -> Told) {
        let exporter = self.exporter.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(exporter) = exporter.as_ref() {
            exporter.tell(told());
        }
    }

    /// Something was seen.
    pub fn observation(&self, seen: &Arc<Observation>) {
        self.ledger.add(seen);
        self.tell(|| Told::Observation(Arc::clone(seen)));
    }

    /// A target moved.
    pub fn transition(&self, told: &Transition) {
        self.tell(|| Told::Transition(Box::new(told.clone())));
    }

    /// An incident opened, changed or closed.
    pub fn incident(&self, phase: IncidentPhase, told: &Incident) {
        self.tell(|| Told::Incident(phase, Box::new(told.clone())));
    }

    /// Somebody else answers.
    pub fn change(&self, told: &Change) {
        self.tell(|| Told::Change(Box::new(told.clone())));
    }

    /// Our own network went or came.
    pub fn network(&self, network: Network, at: Timestamp) {
        self.tell(|| Told::Network(network, at));
    }

    /// The loop made a round.
    pub fn round(&self, now: Timestamp, lag: Option<Duration>) {
        self.ledger.round(now, lag);
    }

    /// Probes under way, and those that were not sent.
    pub fn probes(&self, in_flight: usize, not_sent: NotSent) {
        self.ledger.probes(in_flight, not_sent);
    }

    /// Which targets are watched: the others are forgotten.
    pub fn watched(&self, is_watched: impl Fn(&TargetId) -> bool) {
        self.ledger.retain(is_watched);
    }
}
