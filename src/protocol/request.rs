//! A probe's request in each protocol's words.

use super::Protocol;

/// What is asked, protocol apart.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestSpec<'a> {
    /// Wire protocol.
    pub protocol: Protocol,
    /// Base URL without trailing slash.
    pub base_url: &'a str,
    /// Model id.
    pub model: &'a str,
    /// The one user message.
    pub prompt: &'a str,
    /// Token limit.
    pub max_tokens: u32,
    /// Name of the token-limit member where it differs from the protocol's own.
    pub max_tokens_field: Option<&'a str>,
    /// Further members, merged over the protocol's own; `null` removes one.
    pub params: &'a serde_json::Map<String, serde_json::Value>,
}

/// A request ready to be sent, credential apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Method.
    pub method: &'static str,
    /// Absolute URL.
    pub url: String,
    /// Headers: content type, accept, the protocol's version.
    pub headers: Vec<(&'static str, String)>,
    /// JSON body.
    pub body: Vec<u8>,
}

/// Builds a streaming generation request.
pub fn build(spec: &RequestSpec<'_>) -> HttpRequest {
    let _ = spec;
    HttpRequest {
        method: "POST",
        url: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}
