//! The wall between a probe and the network, so that tests and simulation can script the other side.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use http::{HeaderMap, Method};

use super::Marks;
use crate::verdict::Fault;

/// A request ready for the wire, credential included.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Absolute URL.
    pub url: String,
    /// All headers of ours.
    pub headers: HeaderMap,
    /// Body; empty for none.
    pub body: Bytes,
    /// Whether a new connection must be opened, pooled ones left alone.
    pub fresh: bool,
}

/// A response head with its body still to be read. Dropping it closes the exchange.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Response headers.
    pub headers: HeaderMap,
    /// The body as it is read; after an error nothing follows.
    pub body: BoxStream<'static, Result<Bytes, Fault>>,
}

/// Sends requests. One call is one request on the wire: no retry, no redirect, no decompression.
pub trait Transport: Send + Sync {
    /// Sends, noting in `marks` when the connection opened and took the request. Resolves at the response head.
    /// Dropping the future closes the exchange.
    fn send(&self, call: Call, marks: Arc<Marks>) -> BoxFuture<'static, Result<Reply, Fault>>;
}
