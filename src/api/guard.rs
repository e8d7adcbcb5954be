//! What every request passes: its host, its origin, who asks and how often, its body, panics, security headers, problem
//! documents.

use std::{net::IpAddr, panic::AssertUnwindSafe, sync::Arc};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{self, Extensions, HeaderMap, HeaderName, HeaderValue, Method, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::sync::watch;

use super::{
    access::{self, Need},
    limit::{BODIES_PER_CLIENT, Client, Connected, Sending, Taken, WRONG_TOKEN, is_in, origin},
    order::SOMEBODY,
    origin::is_foreign,
    page::CONTENT_SECURITY_POLICY,
    problem::{self, Problem},
    token::{self, Shown},
};
use crate::{
    clock::Clock,
    config::{Config, OWN_HOSTS, Scope, Server, Token, is_host_of, is_own_host},
    intake::Intake,
    verdict::Trust,
};

/// Headers of every response. No inline script or style, no frames, no guessing of media types.
const SECURITY: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];
/// What a proxy adds to a request that it passes on.
const FORWARDED: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
];

/// The address that a connection comes from; in-process requests have none and count as of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Who asks, as the guard found it; with every request that a handler sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The name of the token; none was asked for and none shown otherwise.
    pub(super) name: Option<String>,
    /// How far reports of this caller are trusted.
    pub(super) trust: Trust,
    /// Whether the caller may read everything.
    pub(super) reads: bool,
}

impl Caller {
    /// Who orders something: as the order says, else by the name of the token.
    pub(super) fn named(&self, said: Option<String>) -> String {
        let name = || self.name.clone().unwrap_or_else(|| SOMEBODY.to_owned());
        said.unwrap_or_else(name)
    }

    /// Who makes the request of these extensions.
    ///
    /// # Errors
    /// 500: no guard saw it, a fault of ours.
    pub(super) fn of(extensions: &Extensions) -> Result<&Self, Problem> {
        extensions.get().ok_or_else(Problem::internal)
    }
}

/// What a request was let in by, for an answer that goes on: another configuration may take it away.
pub(super) struct Leave {
    configs: watch::Receiver<Arc<Config>>,
    need: Need,
    shown: Shown,
    host: Option<String>,
}

impl Leave {
    /// Whether the request would still be let in. As long as the configuration is the same, that costs one look at a
    /// number.
    pub(super) fn holds(&mut self) -> bool {
        if !self.configs.has_changed().unwrap_or_default() {
            return true;
        }
        let config = Arc::clone(&self.configs.borrow_and_update());
        let server = &config.server;
        // Only orders ask how near somebody is, and none of their answers goes on.
        is_named(self.host.as_deref(), server) && caller(server, self.need, &self.shown, false).is_ok()
    }
}

/// The guard: cheap to clone, one per daemon.
#[derive(Debug, Clone)]
pub struct Guard {
    intake: Intake,
    clock: Clock,
    taken: Arc<Taken>,
}

impl Guard {
    /// By the configuration that is in force at `intake`.
    pub(super) fn new(intake: Intake, clock: Clock) -> Self {
        let taken = Arc::default();
        Self { intake, clock, taken }
    }

    fn config(&self) -> Arc<Config> {
        self.intake.config()
    }

    /// A place for a connection from there: `Err`, where that client has too many. A proxy that is believed is not a client.
    pub(super) fn connection(&self, peer: IpAddr) -> Result<Option<Connected>, ()> {
        match Client::of(peer) {
            Some(client) if !is_in(&self.config().server.trusted_proxies, peer) => {
                self.taken.connection(client).map(Some).ok_or(())
            }
            _ => Ok(None),
        }
    }

    /// A request for the tap, which shows its token in a header of our own, for `Authorization` is the provider's.
    ///
    /// # Errors
    /// Why it is turned away.
    pub(super) fn admit_to_tap<B>(&self, request: &mut http::Request<B>) -> Result<(), Problem> {
        let shown = token::shown_to_tap(request.headers());
        // Whatever is asked, it goes no further.
        request.headers_mut().remove(token::TAP_TOKEN);
        self.admit(request, access::TAP, &shown).map(|_| ())
    }

    /// Who asks, if that may be.
    pub(super) fn admit<B>(
        &self,
        request: &http::Request<B>,
        need: Need,
        shown: &Shown,
    ) -> Result<Caller, Problem> {
        let (config, headers) = (self.config(), request.headers());
        let server = &config.server;
        let host = host(request)?;
        let named = is_named(host, server);
        if !named && need != Need::Nothing {
            let names = OWN_HOSTS.into_iter();
            let names: Vec<&str> = names
                .chain(server.allowed_hosts.iter().map(String::as_str))
                .collect();
            return Err(Problem::misdirected(format!(
                "this server answers to {}, not to the host of this request; others are named by allowed_hosts",
                names.join(", ")
            )));
        }
        let (peer, client) = (peer(request), client(request, server));
        self.count(client, 1.0)?;
        let near = peer.is_none_or(|peer| peer.to_canonical().is_loopback())
            && host.is_none_or(is_own_host)
            && !FORWARDED.iter().any(|name| headers.contains_key(name));
        let caller = caller(server, need, shown, near);
        if caller.as_ref().is_err_and(Problem::is_unknown_token) {
            self.count(client, WRONG_TOKEN)?;
        }
        caller.map(|caller| Caller {
            reads: caller.reads && named,
            ..caller
        })
    }

    /// What that request, which was let in, was let in by.
    ///
    /// # Errors
    /// None that it was not refused for already.
    pub(super) fn leave(&self, request: &Request) -> Result<Leave, Problem> {
        let mut configs = self.intake.configs();
        // One may have come since.
        configs.mark_changed();
        Ok(Leave {
            configs,
            need: need(request),
            shown: token::shown(request.method(), request.headers()),
            host: host(request)?.map(str::to_owned),
        })
    }

    fn count(&self, client: Option<Client>, cost: f64) -> Result<(), Problem> {
        let Some(client) = client else {
            return Ok(());
        };
        self.taken
            .requests(client, cost, self.clock.mono())
            .map_err(|wait| Problem::too_many("too many requests from this address", wait.as_secs() + 1))
    }

    /// The rest of the way, once it is known who asks.
    async fn pass(&self, mut request: Request, next: Next) -> Result<Response, Problem> {
        let (need, checks_origin) = (need(&request), access::checks_origin(route(&request)));
        let shown = token::shown(request.method(), request.headers());
        let caller = self.admit(&request, need, &shown)?;
        let (method, headers) = (request.method(), request.headers());
        let bodied = has_body(headers, request.body());
        match *method {
            Method::GET | Method::HEAD if bodied => {
                return Err(Problem::body_too_large("GET takes no body here"));
            }
            Method::GET | Method::HEAD | Method::OPTIONS => {}
            _ if !checks_origin && is_foreign(headers, host(&request)?) => {
                return Err(Problem::forbidden(
                    "a page of another site made the browser ask this: only pages of this server may",
                ));
            }
            // A form can't send this type across sites, whatever the browser leaves out.
            _ if access::is_admin(need) && bodied && !is_json(headers) => {
                return Err(Problem::unsupported("bodies here are application/json"));
            }
            _ => {}
        }
        let sender = bodied.then(|| client(&request, &self.config().server)).flatten();
        let _turn = self.body_turn(sender).await?;
        request.extensions_mut().insert(caller);
        let path = request.uri().path().to_owned();
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        answer.map_err(|_| {
            tracing::error!(path, "a request handler panicked");
            Problem::internal()
        })
    }

    /// A turn to send a body, for who is not this machine.
    async fn body_turn(&self, client: Option<Client>) -> Result<Option<Sending>, Problem> {
        let Some(client) = client else {
            return Ok(None);
        };
        let turn = self.taken.body(client).await;
        turn.map(Some).ok_or_else(|| {
            let detail = format!("{BODIES_PER_CLIENT} bodies of this address are being read already");
            Problem::too_many(detail, 1)
        })
    }
}

fn route(request: &Request) -> Option<&str> {
    request.extensions().get().map(MatchedPath::as_str)
}

fn need(request: &Request) -> Need {
    access::need(route(request), request.uri().path())
}

fn peer<B>(request: &http::Request<B>) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|peer| peer.0)
}

/// Whose request counts as whose; `None`: this machine's.
fn client<B>(request: &http::Request<B>, server: &Server) -> Option<Client> {
    let origin = origin(peer(request)?, request.headers(), &server.trusted_proxies);
    Client::of(origin)
}

/// Who shows that, if it is enough.
fn caller(server: &Server, need: Need, shown: &Shown, near: bool) -> Result<Caller, Problem> {
    let tokens = &server.tokens;
    if tokens.is_empty() {
        if access::is_admin(need) && !near {
            return Err(Problem::forbidden(
                "without access tokens only this machine may do this, and this request came by another name or through a \
                 proxy: `endturn token new --scope admin` makes one",
            ));
        }
        return Ok(Caller {
            name: None,
            trust: Trust::Full,
            reads: true,
        });
    }
    let known = match shown {
        Shown::Token(given) => token::known(tokens, given),
        _ => None,
    };
    let may =
        |scope: Option<Scope>| scope.is_none_or(|scope| known.is_some_and(|token| token.scopes.has(scope)));
    let wanted = access::scope(need, server.reading);
    if may(wanted) {
        return Ok(Caller {
            name: known.map(|token| token.name.clone()),
            // Only who may report reports.
            trust: known.map_or(Trust::Corroborate, |token| token.trust),
            reads: may(access::scope(Need::Scope(Scope::Read), server.reading)),
        });
    }
    Err(refusal(
        wanted.map_or("", Scope::as_str),
        need == access::TAP,
        shown,
        known,
    ))
}

/// Why what was shown is not enough for the scope `wanted`.
fn refusal(wanted: &str, tap: bool, shown: &Shown, known: Option<&Token>) -> Problem {
    let how = if tap {
        "X-Endturn-Token:"
    } else {
        "Authorization: Bearer"
    };
    match (shown, known) {
        (_, Some(token)) => Problem::forbidden(format!(
            "the token {:?} lacks the scope {wanted:?}: its [[server.token]] entry says what it is for",
            token.name
        )),
        (Shown::Token(_), None) => Problem::unknown_token(),
        (Shown::Password, None) => Problem::unauthorized(
            "a password is taken for reading only: send the token as Authorization: Bearer TOKEN",
        ),
        (Shown::Nothing | Shown::Garbage, None) => Problem::unauthorized(format!(
            "send the token of a [[server.token]] with scope {wanted:?} as {how} TOKEN"
        )),
    }
}

/// The layer itself.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let bodied = request.version() < Version::HTTP_2 && has_body(request.headers(), request.body());
    let passed = guard.pass(request, next).await;
    let mut response = finish(passed.unwrap_or_else(IntoResponse::into_response), &path);
    let failed = response.status().is_client_error() || response.status().is_server_error();
    if bodied && failed {
        // What is left of the body is not read, so the connection ends. A proxy that is not told would send its next
        // request into it, and tell its client that we are broken.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What every response of ours has.
pub(super) fn finish(response: Response, path: &str) -> Response {
    let mut response = problem::complete(response, path);
    for (name, value) in SECURITY {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The host that the request names. Only HTTP/1.0, as simple health checks speak it, may name none: every browser
/// does.
fn host<B>(request: &http::Request<B>) -> Result<Option<&str>, Problem> {
    if let Some(authority) = request.uri().authority() {
        return Ok(Some(authority.as_str()));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host
            .to_str()
            .map(Some)
            .map_err(|_| Problem::bad_request("the Host header is not text")),
        (None, _) if request.version() <= Version::HTTP_10 => Ok(None),
        (None, _) => Err(Problem::bad_request("the request has no Host header")),
        (Some(_), Some(_)) => Err(Problem::bad_request("the request has two Host headers")),
    }
}

/// Whether this server answers to the name that a request asked by.
fn is_named(host: Option<&str>, server: &Server) -> bool {
    host.is_none_or(|host| is_host_of(host, &server.allowed_hosts))
}

pub(super) fn has_body(headers: &HeaderMap, body: &impl http_body::Body) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) || body.size_hint().lower() > 0
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}
