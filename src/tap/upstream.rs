//! Connections to providers.

use std::{
    error::Error,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self, Client, ResponseFuture,
        connect::{HttpConnector, proxy::Tunnel},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use rustls_platform_verifier::Verifier;
use tower::Service;

use super::{
    body::Upload,
    shared::{CURRENT, Shared},
};
use crate::{
    config::{Egress, Proxy, ProxyServer},
    link::{is_tunnel, proxy_fault},
    protocol::ErrorClass,
    verdict::Fault,
};

/// Longest wait for an open connection: name, TCP, a proxy's tunnel and TLS. Longer than any client's own.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(120);
/// How long an idle connection is kept: under the 60 s after which common load balancers drop theirs.
const POOL_IDLE: Duration = Duration::from_secs(50);
/// Idle connections kept per origin and lane.
const POOL_IDLE_PER_HOST: usize = 64;
/// TCP keep-alive on connections to providers: one that died silently is found, one that is merely quiet is left alone.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// HTTP/2 ping on a connection, and how long its answer may take before the connection counts as dead.
const H2_PING_EVERY: Duration = Duration::from_secs(20);
const H2_PING_WAIT: Duration = Duration::from_secs(60);
/// Bytes that an HTTP/2 stream may have under way to a client that reads slowly, and all streams of a connection: so
/// many slow ones hold up no other.
const H2_STREAM_WINDOW: u32 = 128 << 10;
const H2_CONNECTION_WINDOW: u32 = 16 << 20;
/// Streams of one HTTP/2 connection before another is opened: servers commonly allow 100, and the next one would wait.
const LANE_STREAMS: usize = 64;
/// Most lanes, and so HTTP/2 connections to one origin.
const LANES: usize = 64;

type Direct = HttpsConnector<HttpConnector>;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An extra root certificate is not one, or the TLS library refused its settings.
    #[error("tls settings: {0}")]
    Tls(#[from] rustls::Error),
}

/// Sends requests to providers. One call is one request on the wire.
///
/// The library asks again by itself in one case: where a kept connection turned out dead before it had taken a byte of
/// the request, which it then gives back whole. Nobody has seen such a request, so that nothing is sent twice; without
/// this a client would see failures that its own connection would not have had.
pub(super) struct Upstream {
    lanes: Vec<Lane>,
    /// Name of the proxy in between.
    proxy: Option<String>,
}

/// A client with connections of its own.
struct Lane {
    client: Caller,
    open: Arc<AtomicUsize>,
}

/// A client by its way out.
enum Caller {
    Direct(Box<Client<Timed<Direct>, Upload>>),
    /// By a proxy, to which the connection may itself be encrypted.
    Through(Box<Client<Timed<HttpsConnector<Tunnel<Direct>>>, Upload>>),
}

impl Caller {
    fn new(tls: ClientConfig, proxy: Option<&ProxyServer>) -> Self {
        match proxy {
            None => Self::Direct(Box::new(client(tls, connector()))),
            Some(server) => Self::Through(Box::new(client(tls.clone(), tunnel(tls, server)))),
        }
    }

    fn request(&self, request: Request<Upload>) -> ResponseFuture {
        match self {
            Self::Direct(client) => client.request(request),
            Self::Through(client) => client.request(request),
        }
    }
}

/// A stream's place in its lane, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<AtomicUsize>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    /// By that way out. Trusts the system's roots, those of the way and `extra_roots` (DER).
    pub(super) fn new(egress: &Egress, extra_roots: &[Vec<u8>]) -> Result<Self, ClientError> {
        let tls = tls_config(&[extra_roots, &egress.roots].concat())?;
        let proxy = match &egress.proxy {
            Proxy::Through(server) => Some(server),
            Proxy::Direct | Proxy::Environment => None,
        };
        let lane = |_| Lane {
            client: Caller::new(tls.clone(), proxy),
            open: Arc::default(),
        };
        Ok(Self {
            lanes: (0..LANES).map(lane).collect(),
            proxy: proxy.map(ProxyServer::name),
        })
    }

    /// Sends, and gives the answer's head as soon as it came.
    pub(super) async fn send(
        &self,
        request: Request<Upload>,
        shared: Arc<Shared>,
    ) -> Result<(Response<Incoming>, Turn), legacy::Error> {
        let lane = self.lane();
        lane.open.fetch_add(1, Ordering::Relaxed);
        let turn = Turn(Arc::clone(&lane.open));
        let response = CURRENT.scope(shared, lane.client.request(request)).await?;
        Ok((response, turn))
    }

    /// What a failure before the response head was, and whether no connection came about at all.
    pub(super) fn head_fault(&self, error: &legacy::Error) -> (Fault, bool) {
        let connect = error.is_connect();
        let class = if connect {
            connect_class(error)
        } else {
            broken_class(error)
        };
        let fault = fault(error, class);
        // Who of the two was slow can't be told.
        let by_proxy = connect && (chain(error).any(is_tunnel) || is_io(error, io::ErrorKind::TimedOut));
        match self.proxy.as_deref().filter(|_| by_proxy) {
            Some(proxy) => (proxy_fault(proxy, &fault.detail), connect),
            None => (fault, connect),
        }
    }

    /// The first with room; if none has, the one with the fewest streams.
    fn lane(&self) -> &Lane {
        let open = |lane: &&Lane| lane.open.load(Ordering::Relaxed);
        let free = self.lanes.iter().find(|lane| open(lane) < LANE_STREAMS);
        free.or_else(|| self.lanes.iter().min_by_key(open))
            .unwrap_or(&self.lanes[0])
    }
}

fn tls_config(extra_roots: &[Vec<u8>]) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let roots = extra_roots.iter().map(|der| CertificateDer::from(der.clone()));
    match Verifier::new_with_extra_roots(roots, provider) {
        Ok(verifier) => Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()),
        Err(error) if extra_roots.is_empty() => {
            tracing::warn!(%error, "no system root certificates, https providers will fail");
            Ok(builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth())
        }
        Err(error) => Err(error),
    }
}

fn connector() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(TCP_KEEPALIVE));
    tcp
}

/// To wherever, by CONNECT to a proxy.
fn tunnel(tls: ClientConfig, server: &ProxyServer) -> Tunnel<Direct> {
    let to_proxy = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector());
    // What was checked as a URL is one.
    let at = Uri::try_from(server.url.as_str()).unwrap_or_default();
    let tunnel = Tunnel::new(at, to_proxy);
    match server.authorization() {
        Some(value) => tunnel.with_auth(value),
        None => tunnel,
    }
}

fn client<C>(tls: ClientConfig, way: C) -> Client<Timed<HttpsConnector<C>>, Upload>
where
    Timed<HttpsConnector<C>>: legacy::connect::Connect + Clone + Send + Sync + 'static,
{
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(way);
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
        .http1_preserve_header_case(true)
        .http2_initial_stream_window_size(H2_STREAM_WINDOW)
        .http2_initial_connection_window_size(H2_CONNECTION_WINDOW)
        .http2_keep_alive_interval(H2_PING_EVERY)
        .http2_keep_alive_timeout(H2_PING_WAIT)
        .build(Timed { inner: https })
}

/// A connector with its time taken and bounded.
#[derive(Debug, Clone)]
struct Timed<S> {
    inner: S,
}

impl<S> Service<Uri> for Timed<S>
where
    S: Service<Uri>,
    S::Response: 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = S::Response;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // Here and not later: the library may finish opening a connection in a task of its own.
        let shared = CURRENT.try_with(Arc::clone).ok();
        if let Some(shared) = &shared {
            shared.marks.connecting();
        }
        let connecting = self.inner.call(uri);
        Box::pin(async move {
            let connection = tokio::time::timeout(CONNECT_LIMIT, connecting)
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
                .map_err(Into::into)?;
            if let Some(shared) = shared {
                shared.marks.connected();
            }
            Ok(connection)
        })
    }
}

/// The chain of causes, outermost first. `io::Error` hides what it wraps from `source()`, so it is opened.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        error
            .downcast_ref::<io::Error>()
            .and_then(|io| io.get_ref())
            .map(|inner| inner as &(dyn Error + 'static))
            .or_else(|| error.source())
    })
}

fn is_io(error: &(dyn Error + 'static), kind: io::ErrorKind) -> bool {
    chain(error).any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|io| io.kind() == kind)
    })
}

/// Whether the connection ended by a reset, in which case the client's is to end so too. What HTTP/2 shows of it is the
/// kind in words.
pub(super) fn is_reset(error: &(dyn Error + 'static)) -> bool {
    is_io(error, io::ErrorKind::ConnectionReset)
        || chain(error).any(|cause| cause.to_string() == io::ErrorKind::ConnectionReset.to_string())
}

/// What a failure inside a body was.
pub(super) fn body_fault(error: &hyper::Error) -> Fault {
    fault(error, broken_class(error))
}

/// In the words of the innermost cause: the library's or the system's own, never the peer's.
fn fault(error: &(dyn Error + 'static), class: ErrorClass) -> Fault {
    Fault {
        class,
        detail: chain(error).last().unwrap_or(error).to_string(),
    }
}

/// The connector fails as one: name, TCP or TLS.
fn connect_class(error: &(dyn Error + 'static)) -> ErrorClass {
    let says = |start: &str| chain(error).any(|cause| cause.to_string().starts_with(start));
    if says("dns error") {
        ErrorClass::Dns
    } else if chain(error).any(<dyn Error>::is::<rustls::Error>) {
        ErrorClass::Tls
    } else {
        ErrorClass::Connect
    }
}

/// After the connection was open. h2 says "detected" where it found the peer in breach, "received" where the peer told.
fn broken_class(error: &(dyn Error + 'static)) -> ErrorClass {
    let breach = |cause: &(dyn Error + 'static)| {
        let http1 = cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(|hyper| hyper.is_parse() || hyper.is_parse_too_large());
        let text = cause.to_string();
        http1
            || ["stream error detected", "connection error detected"]
                .iter()
                .any(|start| text.starts_with(start))
    };
    if chain(error).any(breach)
        || is_io(error, io::ErrorKind::InvalidInput)
        || is_io(error, io::ErrorKind::InvalidData)
    {
        ErrorClass::Protocol
    } else if is_io(error, io::ErrorKind::TimedOut) {
        ErrorClass::Timeout
    } else {
        ErrorClass::Reset
    }
}
