//! One request on its way: checked, mapped, sent, and its answer handed back as it comes.

use std::{
    error::Error,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use hyper::body::Incoming;
use tokio::runtime::Handle;

use super::{
    body::{Download, Exchange, Reply, Upload},
    counts::{Counts, CountsView},
    desk::{Desk, Sink},
    door::Door,
    generation,
    headers::{credentials, has_credential, strip_hop},
    judge::Case,
    line::Line,
    marks::Marks,
    place::{self, Place, Refusal},
    recorder::Recorder,
    shared::Shared,
    upstream::{ClientError, is_reset},
    upstreams::Upstreams,
};
use crate::{
    clock::Clock,
    config::{Provider, is_host_of},
    verdict::Ending,
};

/// Passes requests on. One per process.
pub struct Tap {
    desk: Arc<Desk>,
    upstreams: Upstreams,
    places: RwLock<Vec<Arc<Place>>>,
    /// Names beside our own that it answers to.
    hosts: RwLock<Vec<String>>,
}

/// The client's connection is to end without an answer, as the provider's did.
#[derive(Debug)]
pub struct Cut(String);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer to pass on: {}", self.0)
    }
}

impl Error for Cut {}

impl Tap {
    /// Passes on to these providers, judges on this runtime, and gives what was judged to `sink`. `extra_roots` (DER)
    /// are trusted beside the system's.
    pub fn new(
        providers: &[Provider],
        sink: Arc<dyn Sink>,
        clock: Clock,
        runtime: Handle,
        extra_roots: &[Vec<u8>],
    ) -> Self {
        let tap = Self {
            desk: Arc::new(Desk::new(clock, sink, runtime)),
            upstreams: Upstreams::new(extra_roots),
            places: RwLock::default(),
            hosts: RwLock::default(),
        };
        tap.set_providers(providers);
        tap
    }

    /// Makes ready what the first request would, some milliseconds for each way out.
    ///
    /// # Errors
    /// The TLS library refuses its settings, and will for every request.
    pub fn prepare(&self) -> Result<(), ClientError> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places
            .iter()
            .try_for_each(|place| self.upstreams.of(&place.egress).map(drop))
    }

    /// Other providers from now on; exchanges under way go on.
    pub fn set_providers(&self, providers: &[Provider]) {
        let mut places = Vec::new();
        for provider in providers {
            match Place::new(provider) {
                Ok(place) => places.push(Arc::new(place)),
                Err(error) => tracing::warn!(%error, "not passed on to"),
            }
        }
        self.upstreams.keep(&places);
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = places;
    }

    /// Further host names to answer to from now on.
    pub fn set_hosts(&self, hosts: &[String]) {
        hosts.clone_into(&mut self.hosts.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Who is passed on to.
    pub fn doors(&self) -> Vec<Door> {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places.iter().map(|place| Door::of(place)).collect()
    }

    /// What it did so far.
    pub fn counts(&self) -> CountsView {
        self.desk.counts.view()
    }

    /// Waits until everything that ended is judged. No request may begin any more.
    pub async fn idle(&self) {
        self.desk.idle().await;
    }

    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Answers a request whose path behind `prefix` begins with a provider's id.
    ///
    /// # Errors
    /// The connection is to be closed without an answer; its [`Line`] knows how.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        prefix: &str,
        line: Line,
    ) -> Result<Response<Reply>, Cut> {
        let (place, uri) = match self.way(&request, prefix) {
            Ok(way) => way,
            Err(refusal) => {
                Counts::add(&self.desk.counts.refused);
                return Ok(refuse(&refusal));
            }
        };
        let upstream = match self.upstreams.of(&place.egress) {
            Ok(upstream) => upstream,
            Err(error) => return Ok(problem(StatusCode::BAD_GATEWAY, &error.to_string())),
        };
        let shared = Arc::new(Shared::new(Marks::new(self.desk.clock.clone())));
        let exchange = Exchange::new(Arc::clone(&self.desk), Arc::clone(&shared));
        let generation = generation::of(request.method(), uri.path());
        let look = generation.as_ref().is_some_and(|asked| asked.model.is_none())
            && !request.headers().contains_key(header::CONTENT_ENCODING);
        let mut recorder = generation.map(|asked| {
            let mut case = Case::new(
                Arc::clone(&place),
                asked.protocol,
                asked.model,
                Arc::clone(&shared),
            );
            case.started = self.desk.clock.now();
            case.with_key = has_credential(request.headers(), uri.query());
            case.secrets = credentials(request.headers(), uri.query());
            Recorder::new(Arc::clone(&self.desk), case)
        });
        let (head, body) = request.into_parts();
        let upload = Upload::new(body, Arc::clone(&shared), look);
        let request = outgoing(head, uri, upload.clone());
        let (response, turn) = match upstream.send(request, Arc::clone(&shared)).await {
            Ok(answered) => answered,
            Err(error) => {
                let now = self.desk.clock.mono();
                let (fault, connecting) = upstream.head_fault(&error);
                tracing::debug!(provider = %place.id, why = fault.detail, "no answer to pass on");
                if connecting || is_reset(&error) {
                    line.reset();
                }
                let cut = Cut(fault.detail.clone());
                if let Some(recorder) = &mut recorder {
                    if connecting {
                        upload.look_for_model().await;
                    }
                    let broke = shared.upload_broke();
                    recorder.end(
                        now,
                        if broke {
                            Ending::Cancelled
                        } else {
                            Ending::Failed(fault)
                        },
                    );
                }
                return Err(cut);
            }
        };
        if let Some(recorder) = &mut recorder {
            recorder.head(self.desk.clock.mono(), response.status(), response.headers());
        }
        Ok(incoming(response, |body| {
            Reply::passing(Download::new(body, recorder, line, exchange, turn))
        }))
    }

    /// Whether the request is for this machine by a name of ours. HTTP/1.0 may name none: every browser does.
    pub(super) fn is_addressed<B>(&self, request: &Request<B>) -> bool {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().unwrap_or_default(),
            (None, _) => return request.version() <= Version::HTTP_10,
            (Some(_), Some(_)) => return false,
        };
        is_host_of(host, &self.hosts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where the request goes.
    fn way(&self, request: &Request<Incoming>, prefix: &str) -> Result<(Arc<Place>, Uri), Refusal> {
        let uri = request.uri();
        if request.method() == Method::CONNECT || uri.authority().is_some() {
            return Err(Refusal::Form);
        }
        if !self.is_addressed(request) {
            return Err(Refusal::Host);
        }
        let path = uri.path().strip_prefix(prefix).ok_or(Refusal::Form)?;
        let (id, rest) = place::split(path);
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        let place = places
            .iter()
            .find(|place| place.id.as_str() == id)
            .map(Arc::clone)
            .ok_or_else(|| Refusal::Provider(id.chars().take(80).collect()))?;
        drop(places);
        let uri = place.url(rest, uri.query())?;
        Ok((place, uri))
    }
}

/// The request as it goes to the provider.
fn outgoing(mut head: http::request::Parts, uri: Uri, body: Upload) -> Request<Upload> {
    head.uri = uri;
    head.version = Version::HTTP_11;
    strip_hop(&mut head.headers);
    head.headers.remove(header::HOST);
    Request::from_parts(head, body)
}

/// The answer as it goes to the client. A provider that closes its connection has us close ours: some clients take the
/// end of such an answer for its end, and are to do so here too.
fn incoming(response: Response<Incoming>, body: impl FnOnce(Incoming) -> Reply) -> Response<Reply> {
    let (mut head, inner) = response.into_parts();
    head.version = Version::HTTP_11;
    if strip_hop(&mut head.headers) {
        head.headers
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(head, body(inner))
}

fn refuse(refusal: &Refusal) -> Response<Reply> {
    let status = match refusal {
        Refusal::Provider(_) => StatusCode::NOT_FOUND,
        Refusal::DotSegment | Refusal::Form => StatusCode::BAD_REQUEST,
        Refusal::BaseUrl(_) | Refusal::PlainProxy(_) => StatusCode::BAD_GATEWAY,
        Refusal::Host => StatusCode::MISDIRECTED_REQUEST,
    };
    problem(status, &refusal.to_string())
}

/// A problem document (RFC 9457): words of ours, told from a provider's by its type.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response<Reply> {
    let body = serde_json::json!({
        "type": "urn:endturn:problem:tap",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = Response::new(Reply::own(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}
