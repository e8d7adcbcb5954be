//! An HTTP client's error to a [`Fault`]: which class, and the innermost cause in words.
//!
//! The client's own predicates mislead: it calls every failed body a decoding error. So the chain of sources is
//! walked to the error that began it. Measured against real sockets in `tests/it/endings.rs`.

use std::{error::Error, io};

use super::Marks;
use crate::{
    link::{is_tunnel, proxy_fault},
    protocol::ErrorClass,
    verdict::Fault,
};

/// Where in the exchange it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before a response head.
    Head,
    /// While the body was read.
    Body,
}

/// Classifies a failure of the HTTP client. The URL, whose query may hold a secret, is left out of the words.
pub(super) fn fault(error: reqwest::Error, stage: Stage, marks: &Marks) -> Fault {
    let proxy = marks.proxy().filter(|_| stopped_by_proxy(&error, stage));
    let class = class(&error, stage, marks);
    let why = innermost(&error.without_url());
    match proxy {
        Some(proxy) => proxy_fault(proxy, &why),
        None => Fault { class, detail: why },
    }
}

/// Whether a request that goes by a proxy got no further: there is no tunnel, or, for plain http, which the proxy itself
/// is spoken to in, no connection.
fn stopped_by_proxy(error: &reqwest::Error, stage: Stage) -> bool {
    let plain = error.url().is_some_and(|url| url.scheme() == "http");
    stage == Stage::Head && error.is_connect() && (plain || chain(error).any(is_tunnel))
}

fn class(error: &reqwest::Error, stage: Stage, marks: &Marks) -> ErrorClass {
    let seen = marks.seen();
    if error.is_builder() {
        ErrorClass::InvalidRequest
    } else if stage == Stage::Head && (error.is_dns() || (seen.dns_start.is_some() && seen.dns_end.is_none()))
    {
        ErrorClass::Dns
    } else if stage == Stage::Head && error.is_connect() {
        connect_class(error)
    } else {
        exchange_class(error)
    }
}

/// The chain of causes, outermost first. `io::Error` hides what it wraps from `source()`, so it is opened.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        error
            .downcast_ref::<io::Error>()
            .and_then(|io| io.get_ref())
            .map(|inner| inner as &(dyn Error + 'static))
            .or_else(|| error.source())
    })
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

/// TCP or TLS: the connector fails as one.
fn connect_class(error: &reqwest::Error) -> ErrorClass {
    let tcp = chain(error).any(|cause| cause.to_string().starts_with("tcp "));
    let tls = error.url().is_some_and(|url| url.scheme() == "https");
    let rustls = chain(error).any(<dyn Error>::is::<rustls::Error>);
    if rustls || (tls && !tcp) {
        ErrorClass::Tls
    } else {
        ErrorClass::Connect
    }
}

/// After the connection was open.
fn exchange_class(error: &reqwest::Error) -> ErrorClass {
    let broken_by_us = |cause: &(dyn Error + 'static)| {
        let http1 = cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(|hyper| hyper.is_parse() || hyper.is_parse_too_large());
        // h2 says "detected" where it found the peer in breach, "received" where the peer told.
        let text = cause.to_string();
        let http2 = ["stream error detected", "connection error detected"]
            .iter()
            .any(|start| text.starts_with(start));
        let io = cause.downcast_ref::<io::Error>().is_some_and(|io| {
            matches!(
                io.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
            )
        });
        http1 || http2 || io
    };
    if chain(error).any(broken_by_us) {
        ErrorClass::Protocol
    } else if error.is_timeout() || chain(error).any(timed_out) {
        ErrorClass::Timeout
    } else {
        ErrorClass::Reset
    }
}

fn timed_out(cause: &(dyn Error + 'static)) -> bool {
    cause
        .downcast_ref::<io::Error>()
        .is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
}
