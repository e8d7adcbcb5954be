//! What somebody orders over HTTP: a small strict document.

use std::time::Duration;

use axum::{extract::Request, http::header};
use serde::de::DeserializeOwned;

use super::{
    body::{self, Limits},
    problem::Problem,
    query,
};

/// Longest body of an order in bytes: the longest list of targets fits.
pub const MAX_ORDER_BYTES: usize = 32 << 10;
/// Longest wait for a whole body of an order.
pub const ORDER_TIMEOUT: Duration = Duration::from_secs(5);
/// Who orders where nobody said who.
pub(super) const SOMEBODY: &str = "somebody";

/// The order in a body. Only JSON: a form of a browser can't send that across origins without asking first.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let (head, body) = request.into_parts();
    query::none(&head.uri)?;
    let kind = head
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported("an order is application/json"));
    }
    let limits = Limits {
        sent: MAX_ORDER_BYTES,
        inflated: MAX_ORDER_BYTES,
        time: ORDER_TIMEOUT,
    };
    let bytes = body::read(&head.headers, body, limits).await?;
    serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Problem::unprocessable(error.to_string()),
        _ => Problem::bad_request(format!("the body is no JSON: {error}")),
    })
}
