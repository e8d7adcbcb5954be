//! The exporter's way over the network: our own HTTP client, on the daemon's runtime.
//!
//! The exporters' threads have no runtime of their own, and the client that comes with them would bring a second TLS
//! stack. A request runs on the daemon's runtime; the exporter's thread waits for it, and nobody else does.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use super::tally::Tally;
use crate::config::OtlpSignal;

/// Longest answer of a collector that is read, in bytes.
pub const MAX_REPLY_BYTES: usize = 64 << 10;

/// Carries the exports of one signal.
pub(super) struct Carrier {
    pub(super) client: reqwest::Client,
    pub(super) runtime: Handle,
    pub(super) timeout: Duration,
    /// Headers of the configuration; they replace those of the same name that come from the environment.
    pub(super) headers: HeaderMap,
    pub(super) signal: OtlpSignal,
    pub(super) tally: Arc<Tally>,
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier")
            .field("signal", &self.signal)
            .finish_non_exhaustive()
    }
}

/// Why a request got no answer, without its URL, which may hold a token.
#[derive(Debug, thiserror::Error)]
enum CarryError {
    #[error("no answer: {0}")]
    Http(#[from] reqwest::Error),
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("an answer of more than {MAX_REPLY_BYTES} bytes")]
    Outsize,
    #[error("no answer: the daemon ends")]
    Ended,
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, CarryError> {
    let request = reqwest::Request::try_from(request).map_err(reqwest::Error::without_url)?;
    let mut answer = client
        .execute(request)
        .await
        .map_err(reqwest::Error::without_url)?;
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MAX_REPLY_BYTES {
            return Err(CarryError::Outsize);
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Bytes::from(body));
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}

impl HttpClient for Carrier {
    fn send_bytes<'life, 'future>(
        &'life self,
        mut request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let (client, timeout) = (self.client.clone(), self.timeout);
        let sending = self.runtime.spawn(async move {
            tokio::time::timeout(timeout, send(client, request))
                .await
                .unwrap_or(Err(CarryError::Timeout(timeout)))
        });
        Box::pin(async move {
            let response = sending.await.map_err(|_| CarryError::Ended)??;
            if response.status().is_success() {
                self.tally.rejected(self.signal, rejected(response.body()));
            }
            Ok(response)
        })
    }
}

/// How many items a collector rejected, after its reply: `partial_success { rejected_* }`, fields 1 and 1, in protobuf.
/// What can't be read rejects nothing.
pub(super) fn rejected(reply: &[u8]) -> u64 {
    fn varint(bytes: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first()?;
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
    /// The first field of that number and wire type.
    fn field(mut bytes: &[u8], wanted: u64) -> Option<(u64, &[u8])> {
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let (value, body) = match key & 7 {
                0 => (varint(&mut bytes)?, bytes),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).ok()?;
                    let (body, rest) = bytes.split_at_checked(length)?;
                    bytes = rest;
                    (0, body)
                }
                _ => return None,
            };
            if key == wanted {
                return Some((value, body));
            }
        }
        None
    }
    let partial = field(reply, 1 << 3 | 2).map_or(&[][..], |(_, body)| body);
    let count = field(partial, 1 << 3).map_or(0, |(count, _)| count);
    // A negative count is a mistake.
    i64::try_from(count).map_or(0, i64::cast_unsigned)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn reply(rejected_spans: i64, error_message: &str) -> Vec<u8> {
        let partial = ExportTracePartialSuccess {
            rejected_spans,
            error_message: error_message.to_owned(),
        };
        ExportTraceServiceResponse {
            partial_success: Some(partial),
        }
        .encode_to_vec()
    }

    #[test]
    fn a_partial_success_tells_what_was_rejected() {
        for (reply, n) in [
            (Vec::new(), 0),
            (reply(0, ""), 0),
            (reply(0, "a warning"), 0),
            (reply(7, ""), 7),
            (reply(300, "quota"), 300),
            (reply(-1, ""), 0),
            (b"<html>".to_vec(), 0),
        ] {
            assert_eq!(rejected(&reply), n, "{reply:?}");
        }
    }

    proptest! {
        #[test]
        fn any_reply_is_read_without_harm(reply in prop::collection::vec(any::<u8>(), 0..64)) {
            rejected(&reply);
        }
    }
}
