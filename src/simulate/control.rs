//! The control API: faults, status pages and the log, over the simulator's own port.

use http::{HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    PROVIDERS,
    body::Reply,
    fault::Fault,
    fault_spec::FaultSpec,
    faults::FaultKey,
    service::{State, is_get},
    status_page::PageState,
};

/// Largest body of a control request, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 64 << 10;

type Outcome = Result<Response<Reply>, (StatusCode, String)>;

/// Answers a request below `/control`. `body` is `None` when it was larger than allowed.
pub(crate) fn answer(
    state: &State,
    method: &Method,
    path: &str,
    query: Option<&str>,
    body: Option<&[u8]>,
) -> Response<Reply> {
    let Some(body) = body else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "a control body has at most 64 KiB");
    };
    let rest = path.trim_start_matches("/control").trim_matches('/');
    let (head, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let outcome = match head {
        "faults" => faults(state, method, rest, body),
        "log" if rest.is_empty() => log(state, method, query),
        "status" => status(state, method, rest, body),
        _ => Err((
            StatusCode::NOT_FOUND,
            "no such path; there are /control/faults, /control/log and /control/status".to_owned(),
        )),
    };
    outcome.unwrap_or_else(|(status, detail)| problem(status, &detail))
}

/// An RFC 9457 problem.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Response<Reply> {
    let body = json!({
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    respond(status, "application/problem+json", body.to_string())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Reply> {
    let mut response = Response::new(Reply::fixed(body.into(), None));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn ok(body: &impl Serialize) -> Outcome {
    serde_json::to_string(body)
        .map(|body| respond(StatusCode::OK, "application/json", body))
        .map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

fn nothing() -> Response<Reply> {
    let mut response = Response::new(Reply::fixed(bytes::Bytes::new(), None));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn method_error<T>(allowed: &str) -> Result<T, (StatusCode, String)> {
    Err((
        StatusCode::METHOD_NOT_ALLOWED,
        format!("this path takes {allowed}"),
    ))
}

fn known(provider: &str) -> Result<&'static str, (StatusCode, String)> {
    PROVIDERS
        .into_iter()
        .find(|known| *known == provider)
        .ok_or_else(|| {
            (
                StatusCode::NOT_FOUND,
                format!("no provider {provider:?}; known are {}", PROVIDERS.join(", ")),
            )
        })
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, (StatusCode, String)> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

/// `{provider}[/{model}]`, percent-decoded; a model's own slashes may come raw.
fn key(path: &str) -> Result<FaultKey, (StatusCode, String)> {
    let path = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| (StatusCode::BAD_REQUEST, "the path is not valid UTF-8".to_owned()))?;
    let (provider, model) = path.split_once('/').unwrap_or((&path, ""));
    let provider = known(provider)?;
    if model.is_empty() {
        return Ok(FaultKey::provider(provider));
    }
    match crate::id::ModelId::new(model) {
        Ok(model) => Ok(FaultKey::model(provider, model.as_str())),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

fn rule(key: &FaultKey, fault: &Fault) -> Value {
    json!({"provider": key.provider, "model": key.model, "fault": FaultSpec::from(fault)})
}

fn faults(state: &State, method: &Method, path: &str, body: &[u8]) -> Outcome {
    if path.is_empty() {
        if *method == Method::DELETE {
            state.faults.clear_all();
            return Ok(nothing());
        }
        if !is_get(method) {
            return method_error("GET and DELETE");
        }
        let rules: Vec<Value> = state
            .faults
            .all()
            .iter()
            .map(|(key, fault)| rule(key, fault))
            .collect();
        return ok(&json!({"faults": rules}));
    }
    let key = key(path)?;
    if *method == Method::PUT {
        let fault = parse::<FaultSpec>(body)?
            .resolve()
            .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        if !state.faults.set(key.clone(), fault.clone()) {
            return Err((
                StatusCode::CONFLICT,
                format!("{} rules are in force already", super::MAX_RULES),
            ));
        }
        return ok(&rule(&key, &fault));
    }
    if *method == Method::DELETE {
        state.faults.clear(&key);
        return Ok(nothing());
    }
    if !is_get(method) {
        return method_error("GET, PUT and DELETE");
    }
    match state.faults.get(&key) {
        Some(fault) => ok(&rule(&key, &fault)),
        None => Err((StatusCode::NOT_FOUND, "no fault is in force here".to_owned())),
    }
}

fn log(state: &State, method: &Method, query: Option<&str>) -> Outcome {
    if *method == Method::DELETE {
        state.log.clear();
        return Ok(nothing());
    }
    if !is_get(method) {
        return method_error("GET and DELETE");
    }
    let since = url::form_urlencoded::parse(query.unwrap_or("").as_bytes())
        .find(|(name, _)| name == "since")
        .map_or(Ok(0), |(_, value)| value.parse());
    match since {
        Ok(since) => ok(&state.log.page(since)),
        Err(_) => Err((
            StatusCode::BAD_REQUEST,
            "since must be a sequence number".to_owned(),
        )),
    }
}

fn status(state: &State, method: &Method, provider: &str, body: &[u8]) -> Outcome {
    let provider = known(provider)?;
    if *method == Method::PUT {
        let page: PageState = parse(body)?;
        if !state.pages.set(provider, page, state.clock.now()) {
            return Err((
                StatusCode::BAD_REQUEST,
                "incident must have at most 200 bytes".to_owned(),
            ));
        }
        return Ok(nothing());
    }
    if *method == Method::DELETE {
        state.pages.clear(provider);
        return Ok(nothing());
    }
    method_error("PUT and DELETE")
}
