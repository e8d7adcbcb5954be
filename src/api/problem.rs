//! Errors as RFC 9457 problem documents: everything that is not an answer looks like this.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde::Serialize;

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Longest request path that is repeated in a problem, in bytes.
pub(super) const MAX_INSTANCE_BYTES: usize = 512;

/// Why a request got no answer. The response gets its `instance` from the guard around the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_s: Option<u64>,
    findings: Option<serde_json::Value>,
}

/// How a token is shown (RFC 6750, RFC 7617): to programs, and to browsers, which ask their user for a password.
const CHALLENGES: [&str; 2] = [
    "Bearer realm=\"endturn\"",
    "Basic realm=\"endturn: any name, the token as password\", charset=\"UTF-8\"",
];
/// The code of a token that nobody knows.
const UNKNOWN_TOKEN: &str = "unknown-token";

/// The document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<&'a serde_json::Value>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_s: None,
            findings: None,
        }
    }

    /// The same with every finding about what was sent, or about the file that it is about.
    #[must_use]
    pub fn with_findings(mut self, findings: serde_json::Value) -> Self {
        self.findings = Some(findings);
        self
    }

    /// 400: the request can't be understood; asking again the same way won't help.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// 400: a query parameter is unknown or has a bad value.
    pub fn bad_query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-query", detail)
    }

    /// 401: the request has no token, or one that is not known.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 401: the request has a token that is not known.
    pub(super) fn unknown_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, UNKNOWN_TOKEN, "this token is not known")
    }

    /// Whether it is that.
    pub(super) fn is_unknown_token(&self) -> bool {
        self.code == UNKNOWN_TOKEN
    }

    /// 403: it is known who asks, and that is not enough, or a page of another site asks in somebody's name.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 429: this client asks too much; asking again later will help.
    pub fn too_many(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail)
        }
    }

    /// 404: nothing is there.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 413: the request has a body that nobody asked for, or a larger one than is read.
    pub fn body_too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
    }

    /// 408: the request's body did not come in time.
    pub fn timeout(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", detail)
    }

    /// 415: the body is of a kind that this path does not read.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            detail,
        )
    }

    /// 409: it can't be done beside what is under way or spent.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    /// 422: it is understood, and makes no sense.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", detail)
    }

    /// 421: the request was meant for another host name.
    pub fn misdirected(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail)
    }

    /// 500: a fault of ours.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request hit a fault in endturn",
        )
    }

    /// 503: not now; asking again later may help.
    pub fn unavailable(detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self {
            retry_after_s: Some(retry_after_s),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
        }
    }

    /// The problem for a bare status that some layer answered with.
    fn from_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("not-found", "there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => ("method-not-allowed", "this path does not take that method"),
            StatusCode::PAYLOAD_TOO_LARGE => ("body-too-large", "the request is too large"),
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
                ("timeout", "the request took too long")
            }
            _ if status.is_client_error() => ("bad-request", "the request can't be answered"),
            _ => ("internal", "the request hit a fault in endturn"),
        };
        Self::new(status, code, detail)
    }

    fn response(&self, instance: &str) -> Response<Body> {
        let instance = instance.get(..MAX_INSTANCE_BYTES).unwrap_or(instance);
        let document = Document {
            r#type: format!("urn:endturn:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance,
            findings: self.findings.as_ref(),
        };
        let body = serde_json::to_vec(&document).expect("a document of texts and a number");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            for challenge in CHALLENGES {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// A bare response that carries the problem; [`complete`] writes the document once the path is at hand.
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the document of a problem; error responses that brought their own body (pages, `/v1/up`, `/readyz`) pass.
/// Headers of the bare response, such as `Allow`, are kept.
pub(super) fn complete(mut response: Response<Body>, path: &str) -> Response<Body> {
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if is_bare_error(&response) => Problem::from_status(response.status()),
        None => return response,
    };
    let mut complete = problem.response(path);
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = response.headers_mut().remove(&name) {
            complete.headers_mut().insert(name, value);
        }
    }
    complete
}

/// An error without a body of its own, or with the plain text of a framework's rejection.
fn is_bare_error(response: &Response<Body>) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error())
        && response.extensions().get::<Own>().is_none()
        && response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_none_or(|value| value.as_bytes().starts_with(b"text/plain"))
}

/// Marks a plain-text error response as meant: `/v1/up` says `down ..` with a 503.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own;
