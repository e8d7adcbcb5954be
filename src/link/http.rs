//! HTTP clients with our TLS settings.

use std::{error::Error, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use rustls_platform_verifier::Verifier;

/// What we call ourselves.
pub(crate) const USER_AGENT: &str = concat!("endturn/", env!("CARGO_PKG_VERSION"));

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An extra root certificate is not one, or the TLS library refused its settings.
    #[error("tls settings: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP client refused its settings.
    #[error("http client: {0}")]
    Http(#[source] reqwest::Error),
}

/// The system's roots and `extra_roots` (DER), by a provider of our own: whoever uses this as a library need not
/// install one. A system without roots is no error: plain HTTP works, and each TLS handshake tells what is missing.
pub(crate) fn tls_config(extra_roots: &[Vec<u8>]) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let roots = extra_roots.iter().map(|der| CertificateDer::from(der.clone()));
    let mut config = match Verifier::new_with_extra_roots(roots, provider) {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        Err(error) if extra_roots.is_empty() => {
            tracing::warn!(%error, "no system root certificates, https targets will fail");
            builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
        Err(error) => return Err(error),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// A client for one-off requests to a daemon of ours: no redirects, no retries, and no proxy between us and it.
pub fn http_client() -> Result<reqwest::Client, ClientError> {
    side_client(false)
}

/// A client for requests that are no probes; `proxied`: through the proxy that the environment names.
pub(crate) fn side_client(proxied: bool) -> Result<reqwest::Client, ClientError> {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config(&[])?)
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never());
    let builder = if proxied { builder } else { builder.no_proxy() };
    builder.build().map_err(ClientError::Http)
}

/// The cause at the bottom of an error, which says most.
pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
