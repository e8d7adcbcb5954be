//! What every request passes: host, body, panics, security headers, problem documents.

use std::panic::AssertUnwindSafe;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http_body::Body as _;

use super::{
    page::CONTENT_SECURITY_POLICY,
    problem::{self, Problem},
};
use crate::config::{OWN_HOSTS, is_own_host};

/// Headers of every response. No inline script or style, no frames, no guessing of media types.
const SECURITY: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The layer itself.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = match check(&request) {
        Err(problem) => problem.into_response(),
        Ok(()) => AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| {
                tracing::error!(path, "a request handler panicked");
                Problem::internal().into_response()
            }),
    };
    let mut response = problem::complete(response, &path);
    for (name, value) in SECURITY {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn check(request: &Request) -> Result<(), Problem> {
    let host = host(request)?;
    if !host.is_none_or(is_own_host) {
        return Err(Problem::misdirected(format!(
            "this server answers to {}, not to the host of this request",
            OWN_HOSTS.join(", ")
        )));
    }
    let takes_none = matches!(*request.method(), Method::GET | Method::HEAD);
    if takes_none && has_body(request.headers(), request.body()) {
        return Err(Problem::body_too_large("GET takes no body here"));
    }
    Ok(())
}

/// The host that the request names. Only HTTP/1.0, as simple health checks speak it, may name none: every browser
/// does.
fn host(request: &Request) -> Result<Option<&str>, Problem> {
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

fn has_body(headers: &HeaderMap, body: &Body) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING) || body.size_hint().lower() > 0
}
