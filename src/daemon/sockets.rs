//! Where the daemon listens: on addresses that it binds, or on sockets that systemd bound for it.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
};

use listenfd::ListenFd;
use tokio::net::TcpListener;

use super::StartError;
use crate::config::Server;

/// A bound socket and its address.
pub(crate) type Bound = (TcpListener, SocketAddr);

/// The sockets of a daemon.
#[derive(Debug)]
pub struct Sockets {
    pub(crate) http: Bound,
    pub(crate) agent: Option<Bound>,
}

impl Sockets {
    /// Binds what is configured.
    ///
    /// # Errors
    /// An address can't be had.
    pub async fn bind(server: &Server) -> Result<Self, StartError> {
        let http = bind(server.listen).await?;
        let agent = match server.agent {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Self { http, agent })
    }

    /// Takes what systemd bound for this process (`LISTEN_FDS`): the first socket is that of the API, a second one that
    /// of the agent checks. What it didn't bind is bound as configured.
    ///
    /// # Errors
    /// A socket is none that we can listen on, or not on loopback although only this machine may ask, or an address can't be had.
    pub async fn inherited(server: &Server) -> Result<Self, StartError> {
        let mut passed = ListenFd::from_env();
        let http = match passed.take_tcp_listener(0).map_err(StartError::Socket)? {
            Some(listener) => {
                let help = "configure access tokens and allowed_hosts";
                taken(listener, server.is_guarded(), help)?
            }
            None => bind(server.listen).await?,
        };
        let second = if passed.len() > 1 {
            passed.take_tcp_listener(1).map_err(StartError::Socket)?
        } else {
            None
        };
        let agent = match (second, server.agent) {
            (Some(listener), _) => {
                let help = "configure agent_allow";
                Some(taken(listener, !server.agent_allow.is_empty(), help)?)
            }
            (None, Some(address)) => Some(bind(address).await?),
            (None, None) => None,
        };
        Ok(Self { http, agent })
    }
}

async fn bind(addr: SocketAddr) -> Result<Bound, StartError> {
    let bound = |source| StartError::Bind { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(bound)?;
    let addr = listener.local_addr().map_err(bound)?;
    Ok((listener, addr))
}

/// The rule for addresses holds whoever bound them: beyond loopback only where others `may` ask.
fn taken(listener: StdListener, may: bool, help: &str) -> Result<Bound, StartError> {
    let addr = listener.local_addr().map_err(StartError::Socket)?;
    if !may && !addr.ip().is_loopback() {
        let message = format!(
            "{addr} is not a loopback address: {help}, or put ListenStream=127.0.0.1:{} into the socket unit",
            addr.port()
        );
        return Err(StartError::Socket(io::Error::new(
            io::ErrorKind::InvalidInput,
            message,
        )));
    }
    listener.set_nonblocking(true).map_err(StartError::Socket)?;
    let listener = TcpListener::from_std(listener).map_err(StartError::Socket)?;
    Ok((listener, addr))
}
