//! A failed response to a [`ProviderError`]: the master classification.

use super::{ErrorClass, Protocol, ProviderError};

/// Classifies an HTTP error response. Header names are lower case. `body` may be cut at any length.
pub fn classify(protocol: Protocol, status: u16, headers: &[(String, String)], body: &[u8]) -> ProviderError {
    let _ = (protocol, status, headers, body);
    ProviderError {
        class: ErrorClass::ServerError,
        code: None,
        message: String::new(),
        retry_after: None,
    }
}
