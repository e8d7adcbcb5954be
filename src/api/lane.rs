//! `GET /v1/health` as routers ask it: the whole feed, at once, answered without the framework's router.
//!
//! The same guard lets it in and the same function answers; only what lies between, an allocation for every layer, is left
//! out. Whatever asks for more goes the long way.

use axum::{
    http::{self, Method},
    response::{IntoResponse, Response},
};

use super::{
    ApiState, access,
    guard::{finish, has_body},
    health, health_json,
    negotiate::takes_gzip,
    token,
};

/// The path, which is its route's name too.
const PATH: &str = "/v1/health";

/// The answer, unless the request asks for more than the feed as it is or the router has to make something first.
pub(super) fn answer<B: http_body::Body>(api: &ApiState, request: &http::Request<B>) -> Option<Response> {
    let (uri, headers) = (request.uri(), request.headers());
    if uri.path() != PATH
        || uri.query().is_some()
        || *request.method() != Method::GET
        || has_body(headers, request.body())
        || health_json::is_wanted(headers)
    {
        return None;
    }
    let snapshot = api.hub.snapshot();
    let packed = if takes_gzip(headers) {
        Some(snapshot.gzip_made()?)
    } else {
        None
    };
    let need = access::need(Some(PATH), PATH);
    let admitted = api
        .guard
        .admit(request, need, &token::shown(request.method(), headers));
    let response = match admitted {
        Ok(_) => health::whole(headers, &snapshot, packed),
        Err(problem) => problem.into_response(),
    };
    Some(finish(response, PATH))
}
