//! One request to one response.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    PROVIDERS,
    body::{Kill, Play, Reply, Start},
    catalog::Vendor,
    control,
    endpoint::{self, Endpoint, Kind, Place},
    fault::{Fault, FaultKind, Scope},
    fault_spec,
    faults::Faults,
    log::{RequestLog, Ticket},
    pace, prompt,
    script::{self, Order},
    server::Options,
    status_page::StatusPages,
    vendor::{self, Ask, Denial, Facts, Refusal, Speaker},
};
use crate::{
    clock::{Clock, Timestamp},
    protocol::Protocol,
};

/// Largest request body in bytes.
pub const MAX_REQUEST_BYTES: usize = 4 << 20;
/// Most targets whose requests are numbered apart; later ones share a number line.
const MAX_COUNTED_TARGETS: usize = 4096;
/// How long a request body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Lists and errors take this share of the time to a first token.
const QUICK_SHARE: f64 = 0.2;
/// The model that answers under `wrong_model`.
const WRONG_MODEL: &str = "simulated-substitute-1";
const MAX_MODEL_BYTES: usize = crate::id::MAX_MODEL_BYTES;

/// What every connection shares.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    pub(crate) pages: StatusPages,
    counts: Mutex<HashMap<String, u64>>,
}

/// A vendor request after its body is read.
struct Call {
    endpoint: Endpoint,
    ask: Option<Result<Ask, String>>,
    has_key: bool,
    right_method: bool,
    path: String,
    request_id: String,
    start: Start,
    rng: ChaCha8Rng,
    ticket: Ticket,
}

impl State {
    pub(crate) fn new(options: Options, clock: Clock) -> Self {
        Self {
            options,
            log: RequestLog::new(clock.clone()),
            clock,
            faults: Faults::default(),
            pages: StatusPages::default(),
            counts: Mutex::default(),
        }
    }

    /// How many requests the target had before this one.
    fn count(&self, target: &str) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if counts.len() < MAX_COUNTED_TARGETS || counts.contains_key(target) {
            target
        } else {
            ""
        };
        let count = counts.entry(key.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// Answers. An error closes the connection without an answer.
    pub(crate) async fn answer(&self, request: Request<Incoming>, kill: Kill) -> io::Result<Response<Reply>> {
        // In this order: a script's offsets never come out shorter in the log than they were planned.
        let arrival = self.clock.mono();
        let start = Start::now();
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        if path == "/control" || path.starts_with("/control/") {
            let body = read(body, control::MAX_BODY_BYTES).await?;
            return Ok(control::answer(
                self,
                &head.method,
                &path,
                head.uri.query(),
                body.as_deref(),
            ));
        }
        let Some(endpoint) = endpoint::of_path(&path) else {
            return Ok(control::problem(
                StatusCode::NOT_FOUND,
                &format!("no such provider; known are {}", PROVIDERS.join(", ")),
            ));
        };
        let vendor = endpoint.vendor;
        let ticket = self.log.open(arrival, vendor.name, endpoint.kind.name());
        let right_method = head.method == endpoint.kind.method();
        if endpoint.kind == Kind::StatusPage && right_method {
            return Ok(self.status_page(vendor.name, &path, &head.headers, ticket).await);
        }
        let body = read(body, MAX_REQUEST_BYTES).await?;
        let protocol = endpoint.door.protocol();
        let ask = match (&endpoint.kind, &body) {
            (Kind::Generate(place), Some(body)) => Some(vendor::parse(protocol, body, place)),
            (Kind::CountTokens(place), Some(body)) => Some(count_ask(protocol, body, place)),
            _ => None,
        };
        let target = match &ask {
            Some(Ok(ask)) => format!("{}/{}", vendor.name, ask.model),
            _ => format!("{}/", vendor.name),
        };
        let mut rng = pace::generator(self.options.seed, &target, self.count(&target));
        let call = Call {
            has_key: vendor.open || has_key(vendor, &head.headers, head.uri.query()),
            right_method,
            request_id: format!("req_011{}", vendor::random_id(&mut rng, 21)),
            endpoint,
            ask,
            path,
            start,
            rng,
            ticket,
        };
        if body.is_none() {
            return Ok(self.refuse(call, &Refusal::TooLarge, None).await);
        }
        self.vendor(call, kill).await
    }

    async fn vendor(&self, mut call: Call, kill: Kill) -> io::Result<Response<Reply>> {
        if let Some(Ok(ask)) = &call.ask {
            let (model, stream) = (ask.model.clone(), ask.stream);
            call.ticket.note(|entry, _| {
                entry.model = Some(model);
                entry.stream = stream;
            });
        }
        let fault = match self.fault(&mut call) {
            Ok(fault) => fault,
            Err(message) => return Ok(self.refuse(call, &Refusal::Invalid(message), None).await),
        };
        if let Some(fault) = &fault {
            let label = fault.label();
            call.ticket.note(|entry, _| entry.fault = Some(label));
        }
        let kind = fault.map(|fault| fault.kind);
        match &kind {
            Some(FaultKind::Hang) => std::future::pending().await,
            Some(FaultKind::Refuse) => {
                kill.reset();
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Some(FaultKind::Auth) => return Ok(self.refuse(call, &Refusal::BadKey, None).await),
            Some(FaultKind::RateLimit { retry_after }) => {
                return Ok(self.refuse(call, &Refusal::RateLimit, Some(*retry_after)).await);
            }
            Some(FaultKind::Status {
                code,
                body,
                retry_after,
            }) => return Ok(self.status(call, *code, body.as_deref(), *retry_after).await),
            _ => {}
        }
        let refusal = if call.endpoint.kind == Kind::Unknown {
            Some(Refusal::NoPath(call.path.clone()))
        } else if !call.right_method {
            Some(Refusal::Method)
        } else if !call.has_key && !matches!(call.endpoint.kind, Kind::Info(info) if info.open) {
            Some(Refusal::NoKey)
        } else if let Some(Err(message)) = &call.ask {
            Some(Refusal::Invalid(message.clone()))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return Ok(self.refuse(call, &refusal, None).await);
        }
        match (&call.endpoint.kind, call.ask.take()) {
            (Kind::Generate(_), Some(Ok(ask))) => Ok(self.generate(call, &ask, kind.as_ref(), kill).await),
            (Kind::CountTokens(_), Some(Ok(ask))) => {
                let tokens = vendor::input_tokens(&ask.prompt);
                let body = vendor::token_count(call.speaker().protocol(), tokens);
                Ok(self.fixed(call, 200, body, None).await)
            }
            (&Kind::Info(info), _) => Ok(self.fixed(call, 200, info.body.to_owned(), None).await),
            _ => {
                let body = vendor::models(call.speaker());
                Ok(self.fixed(call, 200, body, None).await)
            }
        }
    }

    /// The fault that strikes this request, if one does: the model id's own, else the rule in force.
    fn fault(&self, call: &mut Call) -> Result<Option<Fault>, String> {
        let generates = matches!(call.endpoint.kind, Kind::Generate(_));
        let model = match &call.ask {
            Some(Ok(ask)) => Some(ask.model.as_str()),
            _ => None,
        };
        if model.is_some_and(|model| model.len() > MAX_MODEL_BYTES) {
            return Err(format!("model ids have at most {MAX_MODEL_BYTES} bytes"));
        }
        let own = match model {
            Some(model) => fault_spec::of_model(model).map_err(|error| error.to_string())?,
            None => None,
        };
        let fault = own.or_else(|| self.faults.rule(call.endpoint.vendor.name, model));
        // Drawn in any case: a rule that comes or goes doesn't shift the timings of a seed.
        let draw: f64 = call.rng.random();
        Ok(fault.filter(|fault| (generates || fault.scope == Scope::All) && draw < fault.rate))
    }

    async fn generate(
        &self,
        mut call: Call,
        ask: &Ask,
        fault: Option<&FaultKind>,
        kill: Kill,
    ) -> Response<Reply> {
        let answer = prompt::answer(&ask.model, &ask.prompt, &ask.tools);
        let facts = Facts {
            model: if matches!(fault, Some(FaultKind::WrongModel)) {
                WRONG_MODEL.to_owned()
            } else {
                ask.model.clone()
            },
            id: vendor::random_id(&mut call.rng, 24),
            request_id: call.request_id.clone(),
            created: self.clock.now(),
            input_tokens: vendor::input_tokens(&ask.prompt),
            reasoning_tokens: answer.reasoning_tokens() as u64,
            tool: answer.tool.clone(),
            max_tokens: ask.max_tokens,
            include_usage: ask.include_usage,
            obfuscation: ask.obfuscation,
        };
        let order = Order {
            speaker: call.speaker(),
            ask,
            facts,
            answer,
            fault,
            pace: self.options.pace,
        };
        let script = script::write(order, &mut call.rng);
        call.start.wait(script.head_due).await;
        let mut headers = self.headers(&call);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(script.content_type),
        );
        if ask.stream {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        note_head(&call, StatusCode::OK);
        let play = Play::new(script, call.start, call.ticket, kill);
        let mut response = Response::new(Reply::Play(Box::new(play)));
        *response.headers_mut() = headers;
        response
    }

    async fn refuse(&self, call: Call, what: &Refusal, retry_after: Option<u64>) -> Response<Reply> {
        let denial = vendor::refusal(call.speaker(), what, &call.request_id);
        self.deny(call, denial, retry_after).await
    }

    async fn status(
        &self,
        call: Call,
        code: u16,
        body: Option<&str>,
        retry_after: Option<u64>,
    ) -> Response<Reply> {
        let mut denial = vendor::refusal(call.speaker(), &Refusal::Status(code), &call.request_id);
        if let Some(body) = body {
            body.clone_into(&mut denial.body);
        }
        self.deny(call, denial, retry_after).await
    }

    async fn deny(&self, call: Call, denial: Denial, retry_after: Option<u64>) -> Response<Reply> {
        let mut response = self.fixed(call, denial.status, denial.body, retry_after).await;
        if let Some((name, value)) = denial.header
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }

    async fn fixed(
        &self,
        mut call: Call,
        status: u16,
        body: String,
        retry_after: Option<u64>,
    ) -> Response<Reply> {
        let due = self.options.pace.draw_ttft(&mut call.rng).mul_f64(QUICK_SHARE);
        call.start.wait(due).await;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = self.headers(&call);
        let content_type = match body.trim_start().bytes().next() {
            Some(b'{' | b'[' | b'"') => "application/json",
            Some(b'<') => "text/html; charset=utf-8",
            _ => "text/plain; charset=utf-8",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        note_head(&call, status);
        call.ticket.note(|entry, _| entry.played = true);
        let mut response = Response::new(Reply::fixed(body.into(), Some(call.ticket)));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    async fn status_page(
        &self,
        provider: &str,
        path: &str,
        headers: &HeaderMap,
        ticket: Ticket,
    ) -> Response<Reply> {
        let known = headers.get(header::IF_NONE_MATCH);
        let Some(served) = self.pages.serve(provider, path, known, self.clock.now()) else {
            return std::future::pending().await;
        };
        ticket.note(|entry, now| {
            entry.status = Some(served.status().as_u16());
            entry.head = Some(now);
            entry.played = true;
        });
        served.map(|body| Reply::fixed(body, Some(ticket)))
    }

    /// Request id and rate-limit headers, as each vendor names them.
    fn headers(&self, call: &Call) -> HeaderMap {
        let reset = reset_time(self.clock.now());
        let headers = call.endpoint.vendor.headers.iter().filter_map(|(name, value)| {
            let value = value.replace("{id}", &call.request_id).replace("{reset}", &reset);
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        });
        headers.collect()
    }
}

impl Call {
    fn speaker(&self) -> Speaker {
        Speaker {
            vendor: self.endpoint.vendor,
            door: self.endpoint.door,
        }
    }
}

/// A second from now, without fractions, as Anthropic writes it.
fn reset_time(now: Timestamp) -> String {
    let whole = Timestamp::from_millis(now.as_millis() / 1000 * 1000 + 1000);
    whole.to_rfc3339().replace(".000", "")
}

fn note_head(call: &Call, status: StatusCode) {
    let request_id = call.request_id.clone();
    call.ticket.note(|entry, now| {
        entry.status = Some(status.as_u16());
        entry.request_id = Some(request_id);
        entry.head = Some(now);
    });
}

/// The body; `None` when it is larger than allowed.
async fn read(body: Incoming, limit: usize) -> io::Result<Option<Bytes>> {
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, limit).collect()).await {
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
        Ok(Ok(whole)) => Ok(Some(whole.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Ok(None),
        Ok(Err(_)) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// A token count asks as generation does, but needs no limit.
fn count_ask(protocol: Protocol, body: &[u8], place: &Place) -> Result<Ask, String> {
    let mut json: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not valid JSON: {error}"))?;
    if let Some(members) = json.as_object_mut() {
        members.insert("max_tokens".to_owned(), 1.into());
    }
    vendor::parse(protocol, json.to_string().as_bytes(), place)
}

/// Any credential will do: a token or a signature in `Authorization`, a key in the vendor's own header, or, where that
/// header is Google's, in the query.
fn has_key(vendor: &Vendor, headers: &HeaderMap, query: Option<&str>) -> bool {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("").trim()
    };
    let authorized = header("authorization")
        .split_once(' ')
        .is_some_and(|(scheme, rest)| {
            ["Bearer", "AWS4-HMAC-SHA256"].contains(&scheme) && !rest.trim().is_empty()
        });
    let in_query = || {
        url::form_urlencoded::parse(query.unwrap_or("").as_bytes())
            .any(|(name, value)| name == "key" && !value.is_empty())
    };
    authorized
        || vendor.keys.iter().any(|name| !header(name).is_empty())
        || (vendor.keys.contains(&"x-goog-api-key") && in_query())
}

/// Whether `method` is one that changes nothing.
pub(crate) fn is_get(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}
