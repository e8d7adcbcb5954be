//! What load balancers and status boards read, over a socket and in process.

#![expect(clippy::unwrap_used, reason = "a test helper: a failure is the test's")]

mod monitors;
mod statuspage;

use std::{sync::Arc, time::Duration};

use endturn::{
    api::{AgentLimits, serve_agent},
    clock::Clock,
    feed::{
        Cause, Hub,
        v1::{self, FRESH_FOR},
    },
    health::{Hint, Network, Routing, State, View},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::feed::{IDS, T0, hub, view};

/// A responder over a hub and a clock that stands.
struct Agent {
    hub: Arc<Hub>,
    clock: Clock,
    closing: CancellationToken,
    addr: std::net::SocketAddr,
    serving: JoinHandle<()>,
}

/// Long enough that only a defect reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

async fn agent() -> Agent {
    agent_within(AgentLimits::default()).await
}

async fn agent_within(limits: AgentLimits) -> Agent {
    let (hub, clock, closing) = (Arc::new(hub()), Clock::manual(T0), CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve_agent(
        listener,
        Vec::new(),
        Arc::clone(&hub),
        clock.clone(),
        closing.clone(),
        limits,
    ));
    Agent {
        hub,
        clock,
        closing,
        addr,
        serving,
    }
}

impl Agent {
    fn publish(&self, view: &View) {
        let store = v1::StoreStatus::default();
        self.hub.publish(view, Cause::Heartbeat, &store).unwrap();
    }

    /// The whole answer to a check that sends this.
    async fn asked(&self, sent: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let _ = stream.write_all(sent.as_bytes()).await;
        let mut answer = String::new();
        // Closed without a place, the connection may end in a reset.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    async fn told(&self) -> String {
        self.asked(&format!("{}\n", IDS[0])).await
    }
}

#[tokio::test]
async fn an_agent_check_is_told_what_is_so_now() {
    let agent = agent().await;
    assert_eq!(agent.told().await, "up ready 100%\n");
    for (state, expected) in [
        (State::Down, "ready down #truncated\n"),
        (State::Partial, "up drain\n"),
        (State::Degraded, "up ready 50%\n"),
        (State::Maintenance, "up maint\n"),
        (State::Unknown, "up ready 100%\n"),
        (State::Operational, "up ready 100%\n"),
    ] {
        agent.publish(&view(T0, state));
        assert_eq!(agent.told().await, expected, "{state}");
    }
    // A person's word holds though nothing is known.
    let mut forced = view(T0, State::Unknown);
    forced.targets[0].routing = Routing {
        hint: Hint::Avoid,
        weight: Some(0.0),
        retry_at: None,
    };
    agent.publish(&forced);
    assert_eq!(agent.told().await, "up drain\n");
    for silent in ["openai/nobody\n", "nonsense\n", "\n"] {
        assert_eq!(agent.asked(silent).await, "", "{silent:?}");
    }
}

/// HAProxy keeps the last word: silence would hold a server out on what nobody knows any more.
#[tokio::test]
async fn what_is_no_longer_known_is_taken_back() {
    let agent = agent().await;
    agent.publish(&view(T0, State::Down));
    agent.clock.advance(FRESH_FOR);
    assert_eq!(agent.told().await, "ready down #truncated\n", "still fresh");
    agent.clock.advance(Duration::from_millis(1));
    assert_eq!(agent.told().await, "up ready 100%\n", "stale");
    let lost = View {
        network: Network::Offline,
        ..view(agent.clock.now(), State::Down)
    };
    agent.publish(&lost);
    assert_eq!(agent.told().await, "up ready 100%\n", "no network of our own");
}

#[tokio::test]
async fn an_agent_that_ends_lets_everybody_go_first() {
    let release = Duration::from_secs(1);
    let agent = agent_within(AgentLimits {
        release,
        ..AgentLimits::default()
    })
    .await;
    agent.publish(&view(T0, State::Down));
    assert_eq!(agent.told().await, "ready down #truncated\n");
    agent.closing.cancel();
    assert_eq!(agent.told().await, "up ready 100%\n");
    tokio::time::timeout(PATIENCE, agent.serving)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(agent.addr).await.is_err(), "the port is free");
}

#[tokio::test]
async fn an_agent_that_holds_nobody_back_ends_at_once() {
    let limits = AgentLimits {
        release: 2 * PATIENCE,
        ..AgentLimits::default()
    };
    let agent = agent_within(limits).await;
    assert_eq!(agent.told().await, "up ready 100%\n");
    agent.closing.cancel();
    tokio::time::timeout(PATIENCE, agent.serving)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn one_agent_check_too_many_is_closed() {
    let limits = AgentLimits {
        connections: 2,
        line: 2 * PATIENCE,
        ..AgentLimits::default()
    };
    let agent = agent_within(limits).await;
    let silent = [
        TcpStream::connect(agent.addr).await.unwrap(),
        TcpStream::connect(agent.addr).await.unwrap(),
    ];
    let mut late = TcpStream::connect(agent.addr).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, late.read(&mut [0; 8]))
        .await
        .unwrap();
    assert_eq!(
        closed.unwrap_or(0),
        0,
        "they are taken in order, and two have the places"
    );
    drop(silent);
    let free = async { while agent.told().await.is_empty() {} };
    tokio::time::timeout(PATIENCE, free)
        .await
        .expect("the places are free again");
}
