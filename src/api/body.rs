//! Bodies that somebody sends: read within caps on their bytes, inflated or not, and within a time.
//!
//! `Content-Encoding` may be `gzip`. What is inflated never exceeds its cap by more than a byte, whatever the body
//! claims, and never holds up other requests: beyond a little it happens on a thread of its own.

use std::{
    io::{self, Read},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
};
use bytes::{Buf, Bytes, buf::Reader};
use flate2::read::MultiGzDecoder;
use http_body::Body as _;
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};

use super::problem::Problem;

/// How much of a body is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Longest body as it is sent, in bytes.
    pub(super) sent: usize,
    /// Longest body once it is inflated, in bytes.
    pub(super) inflated: usize,
    /// Longest wait for the whole of it.
    pub(super) time: Duration,
}

/// What is inflated at once, in bytes: it takes less than a millisecond. The rest gets a thread.
const INLINE_BYTES: usize = 256 << 10;

/// The whole body, inflated if it was packed.
///
/// # Errors
/// 400: it broke off, or is no gzip although it says so. 408: it came too slowly. 413: it is longer than a limit.
/// 415: it is packed in another way.
pub(super) async fn read(headers: &HeaderMap, body: Body, limits: Limits) -> Result<Bytes, Problem> {
    let packed = is_packed(headers)?;
    let sent = collect(body, limits).await?;
    if packed {
        inflate(sent, limits.inflated).await
    } else {
        Ok(sent)
    }
}

/// Whether the body is gzip; `identity` is none at all.
fn is_packed(headers: &HeaderMap) -> Result<bool, Problem> {
    let mut packed = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        for coding in words(value)? {
            match coding.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !packed => packed = true,
                _ => return Err(unsupported()),
            }
        }
    }
    Ok(packed)
}

fn words(value: &HeaderValue) -> Result<impl Iterator<Item = &str>, Problem> {
    let text = value.to_str().map_err(|_| unsupported())?;
    Ok(text.split(',').map(str::trim))
}

fn unsupported() -> Problem {
    Problem::unsupported("a body may be packed by gzip once, or not at all")
}

async fn collect(body: Body, limits: Limits) -> Result<Bytes, Problem> {
    let too_large = || Problem::body_too_large(format!("the body is longer than {} bytes", limits.sent));
    // A length that is told beforehand is believed: nothing of such a body need be read.
    if body.size_hint().lower() > limits.sent as u64 {
        return Err(too_large());
    }
    let whole = tokio::time::timeout(limits.time, Limited::new(body, limits.sent).collect())
        .await
        .map_err(|_| {
            let seconds = limits.time.as_secs();
            Problem::timeout(format!("the body did not come within {seconds} s"))
        })?;
    whole.map(Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large()
        } else {
            Problem::bad_request("the body broke off")
        }
    })
}

async fn inflate(sent: Bytes, most: usize) -> Result<Bytes, Problem> {
    let mut inflater = Inflater::new(sent);
    if inflater
        .up_to(most.min(INLINE_BYTES))
        .map_err(|error| broken(&error))?
    {
        return Ok(inflater.bytes.into());
    }
    let over = tokio::task::spawn_blocking(move || {
        let whole = inflater.up_to(most)?;
        io::Result::Ok(whole.then_some(inflater.bytes))
    });
    let whole = over
        .await
        .map_err(|_| Problem::internal())?
        .map_err(|error| broken(&error))?;
    whole
        .map(Bytes::from)
        .ok_or_else(|| Problem::body_too_large(format!("the body inflates to more than {most} bytes")))
}

/// The decoder's own words say what is wrong and hold nothing of the body.
fn broken(error: &io::Error) -> Problem {
    Problem::bad_request(format!("the body is no whole gzip: {error}"))
}

/// A body that is being inflated.
struct Inflater {
    source: MultiGzDecoder<Reader<Bytes>>,
    bytes: Vec<u8>,
}

impl Inflater {
    fn new(sent: Bytes) -> Self {
        Self {
            source: MultiGzDecoder::new(sent.reader()),
            bytes: Vec::new(),
        }
    }

    /// Goes on until there are more than so many bytes; `true`: this was all, and not too much.
    fn up_to(&mut self, most: usize) -> io::Result<bool> {
        let left = (most + 1).saturating_sub(self.bytes.len());
        (&mut self.source)
            .take(left as u64)
            .read_to_end(&mut self.bytes)?;
        Ok(self.bytes.len() <= most)
    }
}

#[cfg(test)]
mod tests;
