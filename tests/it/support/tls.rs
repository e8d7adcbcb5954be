//! A certificate for loopback that the tested client trusts by an extra root.

use std::sync::{Arc, LazyLock};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

struct Identity {
    cert: Vec<u8>,
    pem: String,
    key: Vec<u8>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let made =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    Identity {
        cert: made.cert.der().to_vec(),
        pem: made.cert.pem(),
        key: made.signing_key.serialize_der(),
    }
});

/// The certificate, DER.
pub(crate) fn root() -> Vec<u8> {
    IDENTITY.cert.clone()
}

/// The certificate, PEM.
pub(crate) fn pem() -> &'static str {
    &IDENTITY.pem
}

/// A server side that offers this application protocol.
pub(crate) fn acceptor(alpn: &str) -> TlsAcceptor {
    let chain = vec![CertificateDer::from(IDENTITY.cert.clone())];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(IDENTITY.key.clone()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
