//! The transport over reqwest.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, future::BoxFuture};
use http::{StatusCode, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use rustls::ClientConfig;

use super::{
    Call, Marks, Reply, Transport,
    classify::{self, Stage},
    hooks::{MARKS, MarkConnect, MarkedBody, MarkedResolver},
};
pub use crate::link::{ClientError, http_client};
use crate::{
    config::{Egress, Proxy},
    link::{USER_AGENT, proxy_wants_login, tls_config},
    verdict::Fault,
};

/// How long an idle connection is kept: under the 60 s after which common load balancers drop theirs.
const POOL_IDLE: Duration = Duration::from_secs(50);

/// Idle connections kept per origin.
const POOL_IDLE_PER_HOST: usize = 4;

/// HTTP/2 ping on connections with open streams, and how long its answer may take. A connection that died silently
/// would otherwise be offered to every later probe.
const H2_PING_EVERY: Duration = Duration::from_secs(15);
const H2_PING_WAIT: Duration = Duration::from_secs(10);

/// Requests over the network. One thing is beyond our reach: the client itself sends a request again, on another
/// connection, when the kept one turns out dead before a byte of it was written. Nothing is hidden by that, since the
/// server never saw the first; the marks tell of the connection that was used. Two clients with the same settings: one keeps connections, one never does.
#[derive(Debug, Clone)]
pub struct ReqwestTransport {
    pooled: reqwest::Client,
    fresh: reqwest::Client,
    way: Way,
}

/// Which proxy stands before whom: the clients don't tell.
#[derive(Debug, Clone)]
enum Way {
    Direct,
    /// The proxy of that name, before everybody.
    Through(String),
    /// As the environment says.
    Environment(Arc<Matcher>),
}

impl Way {
    fn of(proxy: &Proxy) -> Self {
        match proxy {
            Proxy::Direct => Self::Direct,
            Proxy::Through(server) => Self::Through(server.name()),
            Proxy::Environment => Self::Environment(Arc::new(Matcher::from_system())),
        }
    }

    /// `host:port` of the proxy before that URL.
    fn proxy(&self, url: &str) -> Option<String> {
        match self {
            Self::Direct => None,
            Self::Through(name) => Some(name.clone()),
            Self::Environment(matcher) => {
                let proxy = matcher.intercept(&url.parse().ok()?)?;
                Some(proxy_name(proxy.uri()))
            }
        }
    }
}

/// `host:port`; a user and a password are no part of it.
fn proxy_name(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    match uri.port_u16() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

impl ReqwestTransport {
    /// Clients that trust the system's roots and `extra_roots` (DER). A system without roots is no error: plain
    /// HTTP works, and each TLS handshake tells what is missing.
    pub fn new(extra_roots: &[Vec<u8>]) -> Result<Self, ClientError> {
        Self::by(&Egress::default(), extra_roots)
    }

    /// The same by that way out, whose roots are trusted as well.
    pub fn by(egress: &Egress, extra_roots: &[Vec<u8>]) -> Result<Self, ClientError> {
        let tls = tls_config(&[extra_roots, &egress.roots].concat())?;
        let client = |idle| build(tls.clone(), &egress.proxy, idle).map_err(ClientError::Http);
        Ok(Self {
            pooled: client(POOL_IDLE_PER_HOST)?,
            fresh: client(0)?,
            way: Way::of(&egress.proxy),
        })
    }
}

fn build(tls: ClientConfig, proxy: &Proxy, idle_per_host: usize) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder();
    let builder = match proxy {
        Proxy::Environment => builder,
        Proxy::Direct => builder.no_proxy(),
        Proxy::Through(server) => {
            let proxy = reqwest::Proxy::all(server.url.clone())?;
            builder.proxy(match server.authorization() {
                Some(value) => proxy.custom_http_auth(value),
                None => proxy,
            })
        }
    };
    builder
        .tls_backend_preconfigured(tls)
        .user_agent(USER_AGENT)
        // A redirect is an answer, a retry hides the fault that we measure.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(idle_per_host)
        .pool_idle_timeout(POOL_IDLE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(H2_PING_EVERY)
        .http2_keep_alive_timeout(H2_PING_WAIT)
        .dns_resolver(Arc::new(MarkedResolver))
        .connector_layer(MarkConnect)
        .build()
}

impl Transport for ReqwestTransport {
    fn send(&self, call: Call, marks: Arc<Marks>) -> BoxFuture<'static, Result<Reply, Fault>> {
        let client = if call.fresh { &self.fresh } else { &self.pooled };
        let plain = call.url.starts_with("http:");
        if let Some(proxy) = self.way.proxy(&call.url) {
            marks.goes_by(proxy);
        }
        let mut request = client.request(call.method, call.url).headers(call.headers);
        if !call.body.is_empty() {
            request = request.body(reqwest::Body::wrap(MarkedBody::new(
                call.body,
                Arc::clone(&marks),
            )));
        }
        let sending = request.send();
        let scope = Arc::clone(&marks);
        Box::pin(MARKS.scope(scope, async move {
            let response = sending
                .await
                .map_err(|error| classify::fault(error, Stage::Head, &marks))?;
            if let Some(proxy) = marks.proxy().filter(|_| plain)
                && response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
            {
                return Err(proxy_wants_login(proxy));
            }
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            let body = response
                .bytes_stream()
                .map_err(move |error| classify::fault(error, Stage::Body, &marks))
                .boxed();
            Ok(Reply {
                status,
                headers,
                body,
            })
        }))
    }
}
