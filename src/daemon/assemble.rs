//! Start, reload and shutdown of the whole.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{
    sync::{broadcast, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    control::{Desk, Reader, ReloadAsked},
    core::{Handle, Input},
    front::{figures, front, serve, tap},
    heart::Heart,
    post::Post,
    pulse::Pulse,
    shelf::PageShelf,
    sockets::Sockets,
};
use crate::{
    api::{self, SCHEDULER_STALL},
    clock::Clock,
    config::Config,
    feed::{Hub, Snapshot},
    official,
    probe::ClientError,
    store::{StoreError, Writer},
    tap::Tap,
    telemetry::Outlet,
    verdict::Observation,
};

/// How long the store may take to write what is queued at the end.
const CLOSE: Duration = Duration::from_secs(4);
/// A writer that has not taken its turn for this long is stuck: it takes one every 5 s at least, but a turn may hold the
/// moving of old rows or a disk that answers late.
const WRITER_STALL: Duration = Duration::from_secs(60);

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can't be had.
    #[error("{addr} can't be bound: {source}\n\nhelp: is another endturn running? choose another address")]
    Bind {
        /// Which.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A socket that systemd passed can't be used.
    #[error("a socket that was passed can't be used: {0}")]
    Socket(io::Error),
    /// The database can't be had.
    #[error("{source}\n\nhelp: choose another file with path under [store]")]
    Store {
        /// Which.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The directory of the database is missing and can't be made.
    #[error("the store {} can't be opened: its directory can't be made: {source}\n\nhelp: choose another file with path under [store]", path.display())]
    Directory {
        /// Of which database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No HTTP client.
    #[error("the HTTP client can't be made: {0}")]
    Client(#[from] ClientError),
    /// No HTTP client for status pages.
    #[error("the client for status pages can't be made: {0}")]
    Official(#[from] official::ClientError),
}

/// A daemon that runs. Dropping it does not stop it; [`Daemon::stop`] does.
pub struct Daemon {
    addr: SocketAddr,
    agent: Option<SocketAddr>,
    handle: Handle,
    config: Arc<RwLock<Arc<Config>>>,
    stop: CancellationToken,
    closing: CancellationToken,
    core: JoinHandle<()>,
    server: JoinHandle<()>,
    tap: Arc<Tap>,
    writer: Writer,
    hub: Arc<Hub>,
    pulse: Arc<Pulse>,
    clock: Clock,
    outlet: Arc<Outlet>,
    post: Post,
    reader: Reader,
}

/// Where history goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorePlace {
    /// The file of the configuration.
    File,
    /// A directory that is deleted at the end.
    Temporary,
}

/// Answers HAProxy's agent checks until the end is told.
fn answer_checks(
    listener: tokio::net::TcpListener,
    allowed: Vec<ipnet::IpNet>,
    hub: &Arc<Hub>,
    clock: &Clock,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let (hub, clock, stop) = (Arc::clone(hub), clock.clone(), stop.clone());
    api::serve_agent(listener, allowed, hub, clock, stop, api::AgentLimits::default())
}

impl Daemon {
    /// Binds, opens the store, starts the loop and the HTTP surface.
    ///
    /// # Errors
    /// The address or the database can't be had; nothing runs then.
    pub async fn start(
        config: Config,
        place: StorePlace,
        seed: u64,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let sockets = Sockets::bind(&config.server).await?;
        Self::start_on(sockets, config, place, seed, clock)
    }

    /// The same on sockets that are bound already.
    ///
    /// # Errors
    /// The database can't be had; nothing runs then.
    pub fn start_on(
        sockets: Sockets,
        config: Config,
        place: StorePlace,
        seed: u64,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let Sockets {
            http: (listener, addr),
            agent,
        } = sockets;
        let (stop, closing) = (CancellationToken::new(), CancellationToken::new());
        let Heart {
            core,
            hub,
            pulse,
            intake,
            board,
            declared,
            outlet,
            post,
            alarms,
            writer,
            reader,
        } = Heart::new(&config, place, seed, &clock, &stop)?;
        let handle = core.handle();
        let allowed = config.server.agent_allow.clone();
        let tap = tap(&config, intake.clone(), clock.clone());
        let config = Arc::new(RwLock::new(Arc::new(config)));
        let shelf = PageShelf {
            hub: Arc::clone(&hub),
            board,
            declared,
            reader,
            config: Arc::clone(&config),
            intake,
            clock: clock.clone(),
            post: post.clone(),
            alarms: alarms.clone(),
        };
        let exposition = figures(&outlet, &shelf, &tap, (&writer, &post));
        let configurations = Reader::default();
        let desk = Desk::new(&handle, &configurations, &writer);
        let front = front(
            shelf,
            Arc::clone(&pulse),
            Arc::clone(&tap),
            exposition,
            desk,
            closing.clone(),
        );
        let (agent, agent_addr) = agent.unzip();
        // Told of the end first, it takes back what it said while the rest ends.
        let agent = agent.map(|at| answer_checks(at, allowed, &hub, &clock, &stop));
        let server = serve(listener, front, agent, closing.clone());
        let core = tokio::spawn(core.run());
        Ok(Self {
            addr,
            agent: agent_addr,
            handle,
            config,
            stop,
            closing,
            core,
            server,
            tap,
            writer,
            hub,
            pulse,
            clock,
            outlet,
            post,
            reader: configurations,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where HAProxy's agent checks are answered, if they are.
    pub fn agent_addr(&self) -> Option<SocketAddr> {
        self.agent
    }

    /// Every observation from now on; one who lags loses the oldest.
    pub fn observations(&self) -> broadcast::Receiver<Arc<Observation>> {
        self.handle.observations.subscribe()
    }

    /// The feed as it is published now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.hub.snapshot()
    }

    /// Who stands still, if anybody: the scheduler, the feed or the store's writer. A store that fails (a full disk) does
    /// not stand still: its writer goes on trying, and a restart would not help it.
    pub fn stalled(&self) -> Option<&'static str> {
        let now = self.clock.now();
        if now.since(self.pulse.beat_at()) > SCHEDULER_STALL {
            return Some("the scheduler");
        }
        if !self.hub.snapshot().is_fresh(self.clock.wall()) {
            return Some("the feed");
        }
        (self.writer.idle(&self.clock) > WRITER_STALL).then_some("the store's writer")
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whoever asks over HTTP that the configuration be read anew, from now on: the caller promises to answer each. Until it
    /// is called, and for everybody who calls it again, nobody is heard.
    pub fn reloads(&self) -> mpsc::Receiver<ReloadAsked> {
        let (reader, asked) = mpsc::channel(1);
        let _ = self.reader.set(reader);
        asked
    }

    /// Takes a checked configuration. What only a restart can change (address, store) is kept and told.
    pub async fn reload(&self, config: Config) -> Vec<&'static str> {
        let old = self.config();
        let server = old.server.reloaded(&config.server, self.addr);
        let mut restart = Vec::new();
        for (what, differs) in [
            ("server", server != config.server),
            ("store", old.store != config.store),
            ("vantage", old.vantage != config.vantage),
        ] {
            if differs {
                tracing::warn!(what, "changed in the configuration; takes a restart");
                restart.push(what);
            }
        }
        let config = Config {
            server,
            store: old.store.clone(),
            vantage: old.vantage.clone(),
            ..config
        };
        let (post, alerts) = (self.post.clone(), config.alerts.clone());
        // Before anything is decided for a new channel. New ones may have messages on disk.
        let _ = tokio::task::spawn_blocking(move || post.configure(&alerts)).await;
        let (done, in_force) = oneshot::channel();
        if self
            .handle
            .inputs
            .send(Input::Reload(Box::new(config.clone()), done))
            .await
            .is_ok()
            && in_force.await.is_ok()
        {
            self.tap.set_providers(&config.providers);
            self.tap.set_hosts(&config.server.allowed_hosts);
            self.outlet.reconfigure(&config);
            *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        }
        restart
    }

    /// Runs until the loop or the server ends by itself, which only a bug makes them do.
    pub async fn broken(&mut self) -> String {
        let (what, ended) = tokio::select! {
            ended = &mut self.core => ("the health loop", ended),
            ended = &mut self.server => ("the HTTP server", ended),
        };
        match ended {
            Ok(()) => format!("{what} ended"),
            Err(error) => format!("{what} died: {error}"),
        }
    }

    /// Stops: no new probes, those under way may finish, open streams end, the store is written. At most 10 s.
    pub async fn stop(self) {
        self.stop.cancel();
        if !self.core.is_finished() {
            let _ = self.core.await;
        }
        self.closing.cancel();
        // What is on its way waits in the store for the next start.
        self.post.stop().await;
        let writer = self.writer;
        let closed = tokio::task::spawn_blocking(move || writer.close(CLOSE));
        let outlet = self.outlet;
        let told = tokio::spawn(async move { outlet.stop().await });
        if !self.server.is_finished() {
            let _ = self.server.await;
        }
        let _ = told.await;
        if !closed.await.unwrap_or(false) {
            tracing::warn!("the store could not write all that was queued");
        }
    }
}
