//! The accept loop. Our own, because the framework's never drops a client that sends its head slowly and waits
//! forever for open event streams at the end.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Version, header},
    response::{IntoResponse, Response},
};
use futures_util::future::{self, Either};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    ApiState,
    guard::{Peer, finish},
    lane,
    limit::Connected,
};
use crate::tap::{self, Line, Tap, Wire};

/// Most open connections; one more is closed at once. Above the subscriber limit, so that event streams alone can't
/// shut out a health check.
pub const MAX_CONNECTIONS: usize = 13_000;
/// Longest wait for a whole request head, on a new connection as well as between two requests.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long open exchanges may go on after the server was told to end.
pub const DRAIN: Duration = Duration::from_secs(10);
/// How long a connection that has asked nothing yet may still ask once the server was told to end.
const LAST_HEAD: Duration = Duration::from_millis(500);
/// Pause after an accept that failed for want of something of ours, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most request headers.
const MAX_HEADERS: usize = 64;
/// Largest request head, and largest write buffer of a connection, in bytes.
const MAX_BUFFER: usize = 64 << 10;
/// Most concurrent streams of one HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// How often a silent HTTP/2 connection is asked whether it lives.
const H2_PING_EVERY: Duration = Duration::from_secs(20);

/// Below this path stands the tap.
pub const TAP_PATH: &str = "/tap";

/// Bounds of one server. The default is for the daemon; tests make them small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// [`HEAD_TIMEOUT`].
    pub head: Duration,
    /// [`DRAIN`].
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            head: HEAD_TIMEOUT,
            drain: DRAIN,
        }
    }
}

/// What is answered, and by whom.
pub struct Front {
    /// Everything of our own.
    pub router: Router,
    /// What stands below [`TAP_PATH`], if anything. It passes the guard, but none of our headers: what it answers is the
    /// provider's.
    pub tap: Option<Arc<Tap>>,
    /// What the router answers from, for what it can't see (connections, and the tap, which needs the guard) and for
    /// what is answered without it.
    pub api: Option<ApiState>,
}

impl From<Router> for Front {
    fn from(router: Router) -> Self {
        Self {
            router,
            tap: None,
            api: None,
        }
    }
}

/// Serves `front` on `listener` until `closing` is cancelled, then lets open exchanges end for as long as the limits
/// allow. Event streams end by the same token, which they share through [`super::ApiState`].
pub async fn serve(
    listener: TcpListener,
    front: impl Into<Front>,
    closing: CancellationToken,
    limits: ServeLimits,
) {
    let front = Arc::new(front.into());
    let places = Arc::new(Semaphore::new(limits.connections));
    let server = Arc::new(builder(limits.head));
    let graceful = GracefulShutdown::new();
    let cut = CancellationToken::new();
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            () = closing.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) => {
                    pause(&error).await;
                    continue;
                }
            },
        };
        // Without a place the stream is dropped, and so closed.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(limit = limits.connections, "too many connections, one was closed");
            continue;
        };
        let Ok(share) = front
            .api
            .as_ref()
            .map_or(Ok(None), |api| api.guard.connection(peer))
        else {
            tracing::debug!(%peer, "too many connections from there, one was closed");
            continue;
        };
        let connection = Connection {
            server: Arc::clone(&server),
            front: Arc::clone(&front),
            watcher: graceful.watcher(),
            closing: closing.clone(),
            cut: cut.clone(),
            head_timeout: limits.head,
            place,
            share,
            peer: Peer(peer),
        };
        tokio::spawn(connection.run(stream));
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("connections were still open after the drain, they were cut");
    }
    cut.cancel();
}

fn builder(head_timeout: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_BUFFER).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING_EVERY)
        .keep_alive_timeout(head_timeout);
    builder
}

/// A client that is gone before we took it is nobody's fault; anything else won't pass by asking again at once.
pub(super) async fn pause(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    ) {
        tracing::warn!(%error, "no connection could be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

struct Connection {
    server: Arc<Builder<TokioExecutor>>,
    front: Arc<Front>,
    watcher: Watcher,
    closing: CancellationToken,
    cut: CancellationToken,
    head_timeout: Duration,
    place: OwnedSemaphorePermit,
    share: Option<Connected>,
    peer: Peer,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
        let _place = (self.place, self.share);
        let asked = Arc::new(AtomicBool::new(false));
        // A provider's reset, seen by the tap, ends this connection the same way.
        let (stream, line) = Wire::new(stream);
        let service = {
            let (front, asked, peer) = (self.front, Arc::clone(&asked), self.peer);
            service_fn(move |mut request: hyper::Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(peer);
                match front.api.as_ref().and_then(|api| lane::answer(api, &request)) {
                    Some(answer) => Either::Left(future::ready(Ok(answer))),
                    None => Either::Right(Box::pin(answer(Arc::clone(&front), request, line.clone()))),
                }
            })
        };
        let connection = self
            .server
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        let mut served = std::pin::pin!(self.watcher.watch(connection));
        // The library's own limit begins once it knows the protocol; a client that sends half a preface, or nothing,
        // would stay forever.
        let patience = async {
            tokio::select! {
                () = tokio::time::sleep(self.head_timeout) => {}
                () = self.closing.cancelled() => tokio::time::sleep(LAST_HEAD).await,
            }
        };
        let result = tokio::select! {
            result = &mut served => result,
            () = self.cut.cancelled() => return,
            () = patience => {
                if !asked.load(Ordering::Relaxed) {
                    tracing::debug!("a client sent no request in time");
                    return;
                }
                tokio::select! {
                    result = &mut served => result,
                    () = self.cut.cancelled() => return,
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(error = &*error, "a connection ended badly");
        }
    }
}

async fn answer(
    front: Arc<Front>,
    mut request: hyper::Request<Incoming>,
    line: Line,
) -> Result<Response, tap::Cut> {
    let path = request.uri().path();
    let tapped = path
        .strip_prefix(TAP_PATH)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match (&front.tap, &front.api) {
        (Some(tap), Some(api)) if tapped => match api.guard.admit_to_tap(&mut request) {
            Ok(()) => Ok(through(tap, request, line).await?.map(Body::new)),
            Err(problem) => {
                let mut refused = finish(problem.into_response(), request.uri().path());
                // Its body is not read: see the guard.
                if request.version() < Version::HTTP_2 {
                    let close = HeaderValue::from_static("close");
                    refused.headers_mut().insert(header::CONNECTION, close);
                }
                Ok(refused)
            }
        },
        _ => {
            let request: Request = request.map(Body::new);
            match front.router.clone().oneshot(request).await {
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        }
    }
}

/// What the tap answers, its own status included.
async fn through(
    tap: &Tap,
    request: hyper::Request<Incoming>,
    line: Line,
) -> Result<http::Response<tap::Reply>, tap::Cut> {
    let host = request.headers().get(http::header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let base = format!("http://{host}{TAP_PATH}");
    match tap::status(&request, tap, None, &base) {
        Some(status) => Ok(status),
        None => tap.answer(request, TAP_PATH, line).await,
    }
}
