//! What the tap tells of itself: `GET /`.

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;

use super::{CountsView, Reply, ShipperView, Tap, pass::problem};

/// The document.
#[derive(Serialize)]
struct Status<'a> {
    service: &'static str,
    version: &'static str,
    counts: CountsView,
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon: Option<ShipperView>,
    providers: Vec<Provider<'a>>,
}

#[derive(Serialize)]
struct Provider<'a> {
    id: &'a str,
    base_url: String,
    upstream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<String>,
}

/// Answers what is asked of the tap itself: `GET` (or `HEAD`) of the path that `base`, its own URL, ends with. `None`:
/// it is for a provider. `daemon`: the way to one, where there is one between them.
pub fn status<B>(
    request: &Request<B>,
    tap: &Tap,
    daemon: Option<ShipperView>,
    base: &str,
) -> Option<Response<Reply>> {
    let own = base.splitn(4, '/').nth(3).unwrap_or_default();
    let path = request.uri().path();
    if path.trim_matches('/') != own || path.starts_with("//") || request.uri().authority().is_some() {
        return None;
    }
    if !tap.is_addressed(request) {
        return Some(problem(
            StatusCode::MISDIRECTED_REQUEST,
            &super::Refusal::Host.to_string(),
        ));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(problem(StatusCode::METHOD_NOT_ALLOWED, "this path takes GET"));
    }
    let doors = tap.doors();
    let document = Status {
        service: "endturn tap",
        version: env!("CARGO_PKG_VERSION"),
        counts: tap.counts(),
        daemon,
        providers: doors
            .iter()
            .map(|door| Provider {
                id: door.provider.as_str(),
                base_url: format!("{base}{}", door.base_path),
                upstream: &door.upstream,
                env: door.line(base),
            })
            .collect(),
    };
    let body = serde_json::to_string_pretty(&document).unwrap_or_default();
    let mut response = Response::new(Reply::own(body + "\n"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}
