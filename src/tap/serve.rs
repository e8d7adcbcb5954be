//! The tap's own accept loop: HTTP/1.1 on loopback, drained at the end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use super::{Cut, Line, Reply, Tap, Wire};

/// Most open connections of clients; one more is closed at once.
pub const MAX_CONNECTIONS: usize = 8_192;
/// Longest wait for a whole request head, and longest time that an idle connection is kept: longer than clients keep
/// theirs, so that it is they who close.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(300);
/// How long open exchanges may go on after the end was asked for.
pub const DRAIN: Duration = Duration::from_secs(60);
/// Pause after an accept that failed for want of something of ours, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 4_096;
/// Most request headers, and largest request head in bytes.
const MAX_HEADERS: usize = 200;
const MAX_HEAD_BYTES: usize = 256 << 10;

/// Bounds of one server. The default is for the process; tests make them small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// [`HEAD_TIMEOUT`].
    pub head: Duration,
    /// [`DRAIN`].
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            head: HEAD_TIMEOUT,
            drain: DRAIN,
        }
    }
}

/// Binds. Sockets that it accepts are asked from time to time whether their peer lives: one that went without a word
/// would keep its stream for ever.
///
/// # Errors
/// As binding a socket does.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.set_keepalive(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Serves until `closing` is cancelled, then lets open exchanges end for as long as the limits allow; at `cut` they end
/// at once. `own` answers what is asked of the tap itself.
pub async fn serve(
    listener: TcpListener,
    tap: Arc<Tap>,
    own: impl Fn(&Request<Incoming>) -> Option<Response<Reply>> + Send + Sync + 'static,
    closing: CancellationToken,
    cut: CancellationToken,
    limits: Limits,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let own: Arc<Own> = Arc::new(own);
    loop {
        let stream = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "no connection could be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // Without a place the stream is dropped, and so closed.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tap.desk().counts.turn_away();
            continue;
        };
        let connection = Connection {
            tap: Arc::clone(&tap),
            own: Arc::clone(&own),
            watcher: graceful.watcher(),
            cut: cut.clone(),
            head: limits.head,
            place,
        };
        tokio::spawn(connection.run(stream));
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(limits.drain) => {
            tracing::warn!("exchanges were still open after the drain, they were cut");
        }
        () = cut.cancelled() => {}
    }
    cut.cancel();
}

type Own = dyn Fn(&Request<Incoming>) -> Option<Response<Reply>> + Send + Sync;

struct Connection {
    tap: Arc<Tap>,
    own: Arc<Own>,
    watcher: Watcher,
    cut: CancellationToken,
    head: Duration,
    place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let _place = self.place;
        let _open = self.tap.desk().counts.connect();
        let (wire, line) = Wire::new(stream);
        let service = {
            let (tap, own) = (Arc::clone(&self.tap), self.own);
            service_fn(move |request| {
                let (tap, own, line) = (Arc::clone(&tap), Arc::clone(&own), line.clone());
                async move { answer(&tap, &*own, request, line).await }
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES)
            .preserve_header_case(true)
            .auto_date_header(false)
            .serve_connection(TokioIo::new(wire), service);
        tokio::select! {
            served = self.watcher.watch(connection) => {
                if let Err(error) = served {
                    // A provider's cut ends here too, and so does every client that leaves early.
                    tracing::trace!(%error, "a connection ended");
                }
            }
            () = self.cut.cancelled() => {}
        }
    }
}

async fn answer(
    tap: &Tap,
    own: &Own,
    request: Request<Incoming>,
    line: Line,
) -> Result<Response<Reply>, Cut> {
    match own(&request) {
        Some(response) => Ok(response),
        None => tap.answer(request, "", line).await,
    }
}
