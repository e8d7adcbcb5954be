//! One polite request for one page: conditional, bounded in time, bytes and redirects.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::redirect;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use url::Url;

use super::parse::MAX_BODY_BYTES;
use crate::{
    clock::Timestamp,
    protocol::{ErrorClass, error_body::retry_hint},
};

/// Most redirects that are followed; vendors move their pages.
pub const MAX_REDIRECTS: usize = 5;
/// How we introduce ourselves to a vendor's web server.
const USER_AGENT: &str = concat!("endturn/", env!("CARGO_PKG_VERSION"));
/// Longest validator in bytes that is kept and sent back.
const MAX_VALIDATOR_BYTES: usize = 512;

/// What a page is asked with the next time, so that it need not be sent again unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// A page that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Its body, and what to ask with the next time.
    Page(Vec<u8>, Validators),
    /// It is what it was.
    Unchanged,
}

/// Why a page could not be read. Tells nothing about the provider: its page is another service, often another vendor's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The server said no.
    #[error("HTTP {status}")]
    Status {
        /// With this status.
        status: u16,
        /// And that long to wait.
        retry_after: Option<Duration>,
    },
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The body has more than [`MAX_BODY_BYTES`].
    #[error("the page is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// No connection, or it broke, or too many redirects.
    #[error("{0}")]
    Transport(String),
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS library refused its settings.
    #[error("tls settings: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client refused its settings.
    #[error("http client: {0}")]
    Http(#[from] reqwest::Error),
}

/// Requests for status pages. A client of its own: it follows redirects, and the probes' connections are no business of
/// a page's. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    timeout: Duration,
}

impl Fetcher {
    /// A client whose requests end within `timeout`, redirects and body included.
    ///
    /// # Errors
    /// TLS or HTTP settings are refused.
    pub fn new(timeout: Duration) -> Result<Self, ClientError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::custom(follow))
            .referer(false)
            .retry(reqwest::retry::never())
            // One request a minute: a kept connection would only be a dead one.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self { client, timeout })
    }

    /// Asks for a page. `now` reads an absolute `Retry-After`.
    ///
    /// # Errors
    /// There is no page to read.
    pub async fn get(&self, url: &Url, known: &Validators, now: Timestamp) -> Result<Answer, FetchError> {
        tokio::time::timeout(self.timeout, self.exchange(url, known, now))
            .await
            .unwrap_or(Err(FetchError::Timeout(self.timeout)))
    }

    async fn exchange(&self, url: &Url, known: &Validators, now: Timestamp) -> Result<Answer, FetchError> {
        let mut request = self.client.get(url.clone());
        for (name, value) in [
            (header::IF_NONE_MATCH, &known.etag),
            (header::IF_MODIFIED_SINCE, &known.last_modified),
        ] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let mut response = request.send().await.map_err(|error| transport(&error))?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED && *known != Validators::default() {
            return Ok(Answer::Unchanged);
        }
        if status != StatusCode::OK {
            return Err(FetchError::Status {
                status: status.as_u16(),
                retry_after: retry_after(response.headers(), now),
            });
        }
        let validators = Validators {
            etag: validator(response.headers(), &header::ETAG),
            last_modified: validator(response.headers(), &header::LAST_MODIFIED),
        };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::Page(body, validators))
    }
}

fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let mut config = match Verifier::new(provider) {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        // The probes' client has said so already; pages over plain HTTP still work.
        Err(_) => builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A few steps, and never from a protected connection to an open one.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let protected = attempt
        .previous()
        .last()
        .is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else if protected && attempt.url().scheme() != "https" {
        attempt.error("a redirect leaves https")
    } else {
        attempt.follow()
    }
}

fn validator(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let value = headers.get(name)?;
    (value.len() <= MAX_VALIDATOR_BYTES).then(|| value.clone())
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let headers = [("retry-after".to_owned(), value.to_owned())];
    retry_hint(&headers, None, ErrorClass::ServerError, Some(now)).after
}

/// The innermost cause, without the address, which is known.
fn transport(error: &reqwest::Error) -> FetchError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    FetchError::Transport(cause.to_string())
}
