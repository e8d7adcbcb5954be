//! The simulator in this process, and questions to whoever serves HTTP on loopback.

use std::{future::Future, net::SocketAddr, time::Duration};

use endturn::{
    clock::Clock,
    config::Config,
    daemon::{Daemon, StorePlace},
    probe::http_client,
    simulate::{
        Cut, Fault, FaultKey, FaultKind, Faults, Options, Pace, RequestLog, Scope, Simulator, StatusPages,
    },
};
use serde_json::Value;
use tokio::task::JoinHandle;

/// Long enough that only a defect reaches it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The bound that the manual gives for the end of a daemon.
pub(crate) const STOP: Duration = Duration::from_secs(10);

/// A simulator that serves until it is dropped.
pub(crate) struct Providers {
    pub(crate) addr: SocketAddr,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    pub(crate) pages: StatusPages,
    task: JoinHandle<()>,
}

impl Drop for Providers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Providers {
    pub(crate) async fn start() -> Self {
        let options = Options {
            seed: 1,
            pace: Pace::instant(),
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let simulator = Simulator::bind(any, options, Clock::system()).await.unwrap();
        Self {
            addr: simulator.local_addr(),
            faults: simulator.faults(),
            log: simulator.log(),
            pages: simulator.status_pages(),
            task: tokio::spawn(simulator.serve(std::future::pending())),
        }
    }

    pub(crate) fn fail(&self, provider: &str, kind: FaultKind) {
        let fault = Fault {
            rate: 1.0,
            scope: Scope::Generate,
            kind,
        };
        assert!(self.faults.set(FaultKey::provider(provider), fault));
    }

    pub(crate) fn truncate(&self, provider: &str) {
        let how = Cut::Fin;
        self.fail(provider, FaultKind::Truncate { at: 0.5, how });
    }

    /// A provider's entry whose canaries come that often.
    pub(crate) fn entry(&self, id: &str, path: &str, models: &str, every: &str) -> String {
        format!(
            "[[provider]]\nid = \"{id}\"\nbase_url = \"http://{}/{path}\"\napi_key = {{ env = \"KEY\" }}\n\
             models = [{models}]\nfree = true\npolite = false\nreach = false\ncanary = {{ every = \"{every}\" }}\n",
            self.addr
        )
    }

    /// Two providers with one target each, probed ten times a second.
    pub(crate) fn usual(&self) -> String {
        self.entry("anthropic", "anthropic", "\"claude-haiku-4-5\"", "100ms")
            + &self.entry("openai", "openai/v1", "\"gpt-5.2\"", "100ms")
    }
}

/// A clock by hand that keeps the machine's pace until it is dropped, and can be set ahead.
pub(crate) struct Time {
    pub(crate) clock: Clock,
    task: JoinHandle<()>,
}

impl Time {
    pub(crate) fn new() -> Self {
        let system = Clock::system();
        let clock = Clock::manual(system.now());
        let moved = clock.clone();
        let task = tokio::spawn(async move {
            let mut last = system.mono();
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                let now = system.mono();
                moved.advance(now.saturating_sub(last));
                last = now;
            }
        });
        Self { clock, task }
    }
}

impl Drop for Time {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A daemon whose store is a file.
pub(crate) async fn start(config: Config, clock: &Clock) -> Daemon {
    Daemon::start(config, StorePlace::File, 7, clock.clone())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) async fn stop(daemon: Daemon) {
    tokio::time::timeout(STOP, daemon.stop())
        .await
        .expect("an end within its bound");
}

pub(crate) async fn get(addr: SocketAddr, path: &str) -> (u16, String) {
    let url = format!("http://{addr}{path}");
    let asked = async {
        let response = http_client().unwrap().get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("an answer")
}

pub(crate) async fn json(addr: SocketAddr, path: &str) -> Value {
    let (_, body) = get(addr, path).await;
    serde_json::from_str(&body).unwrap()
}

/// Asks again and again until there is an answer, within a bound.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asked = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come"))
}
