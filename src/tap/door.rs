//! How a client is pointed at a provider through the tap.

use super::place::Place;
use crate::id::ProviderId;

/// A provider as a client reaches it here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its id.
    pub provider: ProviderId,
    /// The path that stands for its base URL.
    pub base_path: String,
    /// What is asked: scheme, host and base path.
    pub upstream: String,
    /// The variable that the vendor's own programs read a base URL from, and the path that it wants there.
    pub variable: Option<(&'static str, String)>,
}

/// What part of the provider's URL a client's own base URL holds.
#[derive(Debug, Clone, Copy)]
enum Holds {
    /// All of the base URL.
    Base,
    /// The host alone: the client writes the version itself.
    Host,
    /// The host and the version.
    Version(&'static str),
}

/// Variables that the vendors' SDKs and tools read, by preset.
const VARIABLES: [(&str, &str, Holds); 13] = [
    ("anthropic", "ANTHROPIC_BASE_URL", Holds::Host),
    ("azure-openai", "AZURE_OPENAI_ENDPOINT", Holds::Host),
    ("bedrock", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", Holds::Host),
    ("cerebras", "CEREBRAS_BASE_URL", Holds::Host),
    ("cohere", "CO_API_URL", Holds::Host),
    ("gemini", "GOOGLE_GEMINI_BASE_URL", Holds::Host),
    ("groq", "GROQ_BASE_URL", Holds::Host),
    ("ollama", "OLLAMA_HOST", Holds::Host),
    ("openai", "OPENAI_BASE_URL", Holds::Base),
    ("openai-responses", "OPENAI_BASE_URL", Holds::Base),
    ("together", "TOGETHER_BASE_URL", Holds::Base),
    ("vertex-claude", "ANTHROPIC_VERTEX_BASE_URL", Holds::Version("v1")),
    ("vertex-gemini", "GOOGLE_VERTEX_BASE_URL", Holds::Host),
];

impl Door {
    pub(super) fn of(place: &Place) -> Self {
        let known = VARIABLES.iter().find(|(preset, ..)| *preset == place.preset);
        let path = |holds: Holds| match holds {
            Holds::Base => place.base_path(),
            Holds::Host => format!("/{}", place.id),
            Holds::Version(version) => format!("/{}/{version}", place.id),
        };
        Self {
            provider: place.id.clone(),
            base_path: place.base_path(),
            upstream: place.upstream(),
            variable: known.map(|(_, name, holds)| (*name, path(*holds))),
        }
    }

    /// `NAME=http://ADDR/path`, as a shell takes it; `base` is the tap's own URL.
    pub fn line(&self, base: &str) -> Option<String> {
        let (name, path) = self.variable.as_ref()?;
        Some(format!("{name}={base}{path}"))
    }
}
