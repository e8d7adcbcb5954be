//! Where a request goes.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Endpoint, RequestSpec};
use crate::protocol::Protocol;

/// What may not stand raw in a path segment that holds a model id: everything but the unreserved characters of RFC 3986,
/// because `:` begins a verb at Google, and `/` another segment everywhere.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same with `@`, which Vertex writes raw before the version of a Claude model.
const VERTEX_SEGMENT: &AsciiSet = &SEGMENT.remove(b'@');

/// The same with `/`: Gemini's ids may name a collection.
const GEMINI_SEGMENTS: &AsciiSet = &SEGMENT.remove(b'/');

/// What stands for the model id in a base URL, as written and as the URL parser writes it.
const PLACEHOLDERS: [&str; 3] = ["{model}", "%7Bmodel%7D", "%7bmodel%7d"];

/// The absolute URL.
pub(super) fn build(spec: &RequestSpec<'_>) -> String {
    let (base, query) = spec.base_url.split_once('?').unwrap_or((spec.base_url, ""));
    let id = utf8_percent_encode(spec.model, SEGMENT).to_string();
    let base = PLACEHOLDERS
        .iter()
        .fold(base.trim_end_matches('/').to_owned(), |base, placeholder| {
            base.replace(placeholder, &id)
        });
    let (path, own_query) = own_path(spec, &base);
    let query = join(own_query, query);
    if query.is_empty() {
        format!("{base}{path}")
    } else {
        format!("{base}{path}?{query}")
    }
}

/// The protocol's own path behind the base, and its own query.
fn own_path(spec: &RequestSpec<'_>, base: &str) -> (String, &'static str) {
    match (spec.endpoint, spec.protocol) {
        (Endpoint::VertexGemini, _) => {
            let model = utf8_percent_encode(spec.model, VERTEX_SEGMENT);
            let path = format!("/publishers/google/models/{model}:streamGenerateContent");
            (path, "alt=sse")
        }
        (Endpoint::VertexClaude, _) => {
            let model = utf8_percent_encode(spec.model, VERTEX_SEGMENT);
            let path = format!("/publishers/anthropic/models/{model}:streamRawPredict");
            (path, "")
        }
        (Endpoint::Native, Protocol::Anthropic) => (versioned(base, "v1", "/messages"), ""),
        (Endpoint::Native, Protocol::OpenaiChat) => ("/chat/completions".to_owned(), ""),
        (Endpoint::Native, Protocol::OpenaiResponses) => ("/responses".to_owned(), ""),
        (Endpoint::Native, Protocol::Gemini) => {
            let model = spec.model.strip_prefix("models/").unwrap_or(spec.model);
            let model = utf8_percent_encode(model, GEMINI_SEGMENTS);
            let path = format!("/models/{model}:streamGenerateContent");
            (versioned(base, "v1beta", &path), "alt=sse")
        }
        (Endpoint::Native, Protocol::Ollama) => ("/api/chat".to_owned(), ""),
        (Endpoint::Native, Protocol::Bedrock) => {
            let model = utf8_percent_encode(spec.model, SEGMENT);
            (format!("/model/{model}/converse-stream"), "")
        }
        (Endpoint::Native, Protocol::Cohere) => (versioned(base, "v2", "/chat"), ""),
    }
}

/// The path behind `version`, unless the base names a version itself.
fn versioned(base: &str, version: &str, path: &str) -> String {
    let last = base.rsplit('/').next().unwrap_or_default();
    let names_version = last
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if names_version {
        path.to_owned()
    } else {
        format!("/{version}{path}")
    }
}

/// The protocol's own query, then the base's without what the protocol has set.
fn join(own: &str, kept: &str) -> String {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let own_names: Vec<String> = own.split('&').map(name).collect();
    let kept = kept
        .split('&')
        .filter(|pair| !pair.is_empty() && !own_names.contains(&name(pair)));
    own.split('&')
        .filter(|pair| !pair.is_empty())
        .chain(kept)
        .collect::<Vec<_>>()
        .join("&")
}
