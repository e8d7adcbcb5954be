//! A probe's request in each protocol's words.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Protocol;

/// What is asked, protocol apart.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestSpec<'a> {
    /// Wire protocol.
    pub protocol: Protocol,
    /// Base URL. For the `OpenAI` protocols it ends where `/chat/completions` or `/responses` begins, version included
    /// (`https://api.openai.com/v1`); for Anthropic and Gemini the version may be left out.
    pub base_url: &'a str,
    /// Model id.
    pub model: &'a str,
    /// The one user message.
    pub prompt: &'a str,
    /// Token limit.
    pub max_tokens: u32,
    /// Name of the token-limit member where it differs from the protocol's own.
    pub max_tokens_field: Option<&'a str>,
    /// Further members, merged over the protocol's own as a JSON merge patch (RFC 7396): objects are merged, anything
    /// else replaces, `null` removes.
    pub params: &'a Map<String, Value>,
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

/// The API version that Anthropic requests name. Newer versions refuse sampling parameters, which we never send; this
/// one is understood by every model and every compatible server.
pub const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Builds a streaming generation request. No sampling parameter is ever sent: they are the commonest refusals of current
/// models, and the prompt alone makes the answer certain.
pub fn build(spec: &RequestSpec<'_>) -> HttpRequest {
    let base = spec.base_url.trim_end_matches('/');
    let limit = |own: &'static str| spec.max_tokens_field.unwrap_or(own).to_owned();
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "text/event-stream".to_owned()),
        // A compressing proxy on the way would buffer the stream, and the first token's time with it.
        ("accept-encoding", "identity".to_owned()),
    ];
    let messages = json!([{"role": "user", "content": spec.prompt}]);
    let (url, mut body) = match spec.protocol {
        Protocol::Anthropic => {
            headers.push(("anthropic-version", ANTHROPIC_VERSION.to_owned()));
            let mut body = json!({"model": spec.model, "stream": true, "messages": messages});
            body[limit("max_tokens")] = spec.max_tokens.into();
            (format!("{}/messages", versioned(base, "v1")), body)
        }
        Protocol::OpenaiChat | Protocol::Ollama | Protocol::Bedrock | Protocol::Cohere => {
            let mut body = json!({
                "model": spec.model,
                "messages": messages,
                "stream": true,
                "stream_options": {"include_usage": true},
            });
            body[limit("max_completion_tokens")] = spec.max_tokens.into();
            (format!("{base}/chat/completions"), body)
        }
        Protocol::OpenaiResponses => {
            let mut body = json!({"model": spec.model, "input": spec.prompt, "stream": true, "store": false});
            body[limit("max_output_tokens")] = spec.max_tokens.into();
            (format!("{base}/responses"), body)
        }
        Protocol::Gemini => {
            let mut config = Map::new();
            config.insert(limit("maxOutputTokens"), spec.max_tokens.into());
            let body = json!({
                "contents": [{"role": "user", "parts": [{"text": spec.prompt}]}],
                "generationConfig": config,
            });
            let model = spec.model.strip_prefix("models/").unwrap_or(spec.model);
            let model = utf8_percent_encode(model, PATH);
            let base = versioned(base, "v1beta");
            (
                format!("{base}/models/{model}:streamGenerateContent?alt=sse"),
                body,
            )
        }
    };
    if let Value::Object(members) = &mut body {
        merge(members, spec.params);
    }
    HttpRequest {
        method: "POST",
        url,
        headers,
        body: body.to_string().into_bytes(),
    }
}

/// What may not stand raw in a path.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The base with `version` appended unless it names a version itself.
fn versioned(base: &str, version: &str) -> String {
    let last = base.rsplit('/').next().unwrap_or_default();
    let names_version = last
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if names_version {
        base.to_owned()
    } else {
        format!("{base}/{version}")
    }
}

fn merge(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                into.remove(key);
            }
            Value::Object(patch) => {
                let slot = into
                    .entry(key.clone())
                    .or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(members) = slot {
                    merge(members, patch);
                }
            }
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
