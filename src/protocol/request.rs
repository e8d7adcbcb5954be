//! A probe's request in each protocol's words.

mod body;
mod url;

use serde_json::{Map, Value};

use super::{Dialect, Protocol};

/// What is asked, protocol apart.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestSpec<'a> {
    /// Wire protocol.
    pub protocol: Protocol,
    /// In whose manner it is spoken; `None`: the protocol's own.
    pub dialect: Option<&'a Dialect>,
    /// Whose front door it goes through.
    pub endpoint: Endpoint,
    /// Base URL: where the protocol's own path begins. For the `OpenAI` protocols that is before `/chat/completions` or
    /// `/responses`, version included (`https://api.openai.com/v1`); for Anthropic, Gemini and Cohere the version may be
    /// left out; for Vertex it ends with `/locations/REGION`. `{model}` in it, also as `%7Bmodel%7D`, stands for the
    /// percent-encoded model id. A query is kept behind the protocol's own path.
    pub base_url: &'a str,
    /// Model id.
    pub model: &'a str,
    /// The one user message.
    pub prompt: &'a str,
    /// A tool that the model is to call, forced where the protocol can.
    pub tool: Option<&'a ToolSpec>,
    /// Token limit.
    pub max_tokens: u32,
    /// Name of the token-limit member where it differs from the protocol's own.
    pub max_tokens_field: Option<&'a str>,
    /// Further members, merged over the protocol's own as a JSON merge patch (RFC 7396): objects are merged, anything
    /// else replaces, `null` removes.
    pub params: &'a Map<String, Value>,
}

/// Whose front door a protocol is spoken through, where that changes the path or the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Endpoint {
    /// The protocol's own.
    #[default]
    Native,
    /// Gemini on Vertex AI: `/publishers/google/models/MODEL:streamGenerateContent`.
    VertexGemini,
    /// Claude on Vertex AI: `/publishers/anthropic/models/MODEL:streamRawPredict`, the model's id only there and the
    /// version in the body.
    VertexClaude,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Native, Self::VertexGemini, Self::VertexClaude];

    /// The name used in presets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::VertexGemini => "vertex-gemini",
            Self::VertexClaude => "vertex-claude",
        }
    }

    /// Itself, where that protocol is spoken through it; else the protocol's own.
    #[must_use]
    pub const fn speaking(self, protocol: Protocol) -> Self {
        match (self, protocol) {
            (Self::VertexGemini, Protocol::Gemini) | (Self::VertexClaude, Protocol::Anthropic) => self,
            _ => Self::Native,
        }
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|e| e.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown endpoint {text:?}, known are {known}")
        })
    }
}

/// A tool that is offered to the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_`, at most 64, which every protocol takes.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON schema of its arguments. `type`, `properties`, `required`, `items`, `enum` and `description` are what every
    /// protocol takes; Gemini refuses `additionalProperties`.
    pub parameters: Value,
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

/// The version that a request for Claude on Vertex AI names in its body: the one that every model there takes.
pub const VERTEX_ANTHROPIC_VERSION: &str = "vertex-2023-10-16";

/// Builds a streaming generation request. No sampling parameter is ever sent: they are the commonest refusals of current
/// models, and the prompt alone makes the answer certain.
pub fn build(spec: &RequestSpec<'_>) -> HttpRequest {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", accept(spec.protocol).to_owned()),
        // A compressing proxy on the way would buffer the stream, and the first token's time with it.
        ("accept-encoding", "identity".to_owned()),
    ];
    if spec.protocol == Protocol::Anthropic && spec.endpoint != Endpoint::VertexClaude {
        headers.push(("anthropic-version", ANTHROPIC_VERSION.to_owned()));
    }
    let mut body = body::build(spec);
    merge(&mut body, spec.params);
    HttpRequest {
        method: "POST",
        url: url::build(spec),
        headers,
        body: Value::Object(body).to_string().into_bytes(),
    }
}

/// What kind of stream is asked for.
const fn accept(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Anthropic
        | Protocol::OpenaiChat
        | Protocol::OpenaiResponses
        | Protocol::Gemini
        | Protocol::Cohere => "text/event-stream",
        Protocol::Ollama => "application/x-ndjson",
        Protocol::Bedrock => "application/vnd.amazon.eventstream",
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
