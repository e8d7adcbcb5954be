//! Every vendor that is simulated, as data: its paths, its credentials, its headers and in which manner it speaks.
//!
//! Sources: the vendors' documentation and the sources of their servers and SDKs, November 2026.

use super::manner::{self, Manner};
use crate::protocol::Protocol;

/// One vendor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Vendor {
    /// Its base path.
    pub(crate) name: &'static str,
    /// Where it generates and lists models. The first one gives the shape of errors on unknown paths.
    pub(crate) doors: &'static [Door],
    /// Fixed answers to GET below the base path.
    pub(crate) infos: &'static [Info],
    /// Shape of its HTTP errors.
    pub(crate) style: Style,
    /// Request headers that carry a credential, beside `Authorization`.
    pub(crate) keys: &'static [&'static str],
    /// Answers without a credential as well.
    pub(crate) open: bool,
    /// Headers of every answer; `{id}` is the request id, `{reset}` a second from now.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// Models that its list names; generation takes any.
    pub(crate) models: &'static [&'static str],
}

/// A group of paths that speak one protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Door {
    /// What stands before its paths in the vendor's documentation. A base URL may hold all of it, its last segment, or
    /// none of it.
    pub(crate) base: &'static str,
    /// Which paths there are.
    pub(crate) paths: Paths,
    /// How Chat Completions are spoken here.
    pub(crate) manner: &'static Manner,
}

/// Paths of a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    /// `messages`, `messages/count_tokens`, `models`.
    Messages,
    /// `chat/completions`, `models`.
    Chat,
    /// `responses`.
    Responses,
    /// `deployments/M/chat/completions`.
    Deployments,
    /// `models/M:streamGenerateContent` and its siblings, `models`.
    Gemini,
    /// The same behind `..publishers/google/`.
    VertexGemini,
    /// `..publishers/anthropic/models/M:streamRawPredict` and its siblings.
    VertexClaude,
    /// `chat`, `tags`.
    Ollama,
    /// `model/M/converse-stream`, `model/M/converse`, `foundation-models`.
    Bedrock,
    /// `v2/chat`, `v1/models`.
    Cohere,
}

/// A fixed answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Info {
    /// Path below the vendor's base path.
    pub(crate) path: &'static str,
    /// The body; empty, JSON or text.
    pub(crate) body: &'static str,
    /// Needs no credential.
    pub(crate) open: bool,
}

/// Shape of HTTP errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `{"type":"error","error":{..},"request_id":..}`.
    Anthropic,
    /// `{"error":{"message","type","param","code"}}`, the code a word.
    Openai,
    /// `{"error":{"code","message","status"}}`; an invalid key is 400.
    Google,
    /// The same, but credentials are tokens: 401. Claude behind it answers for itself.
    Vertex,
    /// `{"error":"text"}`.
    Ollama,
    /// `{"message"}`, and the class in a header.
    Aws,
    /// `{"id","message"}`.
    Cohere,
    /// `{"object":"error","message","type","param","code"}`.
    Mistral,
    /// `{"error":{"code":n,"message","metadata"},"user_id"}`.
    OpenRouter,
    /// `{"error":{"object":"error","type","message"}}`.
    Fireworks,
    /// `{"code":"text","error":"text"}`; an invalid key is 400.
    Xai,
    /// `{"error":{"message","type","param","code":n}}`, the type a class name.
    Vllm,
    /// `{"error":{"code":n,"message","type"}}`.
    LlamaCpp,
    /// `{"error":{"message","type","param","code":"n"}}`.
    LiteLlm,
    /// `{"error":{"code","message"}}`.
    Azure,
}

impl Door {
    /// Path of the base URL as the vendor's own ends; what varies is in capitals.
    fn base_url(&self, vendor: &str) -> String {
        match (self.paths, self.base) {
            (Paths::Chat | Paths::Responses, "") => format!("/{vendor}"),
            (Paths::Chat | Paths::Responses, base) => format!("/{vendor}/{base}"),
            (Paths::Deployments, base) => format!("/{vendor}/{base}/deployments/MODEL"),
            (Paths::VertexGemini | Paths::VertexClaude, base) => {
                format!("/{vendor}/{base}/projects/PROJECT/locations/REGION")
            }
            (Paths::Messages | Paths::Gemini | Paths::Ollama | Paths::Bedrock | Paths::Cohere, _) => {
                format!("/{vendor}")
            }
        }
    }

    /// What its generation speaks.
    pub(crate) const fn protocol(&self) -> Protocol {
        match self.paths {
            Paths::Messages | Paths::VertexClaude => Protocol::Anthropic,
            Paths::Chat | Paths::Deployments => Protocol::OpenaiChat,
            Paths::Responses => Protocol::OpenaiResponses,
            Paths::Gemini | Paths::VertexGemini => Protocol::Gemini,
            Paths::Ollama => Protocol::Ollama,
            Paths::Bedrock => Protocol::Bedrock,
            Paths::Cohere => Protocol::Cohere,
        }
    }
}

const fn chat(base: &'static str, manner: &'static Manner) -> Door {
    Door {
        base,
        paths: Paths::Chat,
        manner,
    }
}

const fn other(base: &'static str, paths: Paths) -> Door {
    Door {
        base,
        paths,
        manner: &manner::PLAIN,
    }
}

const fn open(path: &'static str, body: &'static str) -> Info {
    Info {
        path,
        body,
        open: true,
    }
}

const X_REQUEST_ID: &[(&str, &str)] = &[("x-request-id", "{id}")];

const RATE_LIMITS: &[(&str, &str)] = &[
    ("x-request-id", "{id}"),
    ("x-ratelimit-limit-requests", "14400"),
    ("x-ratelimit-remaining-requests", "14399"),
    ("x-ratelimit-reset-requests", "6s"),
    ("x-ratelimit-limit-tokens", "200000"),
    ("x-ratelimit-remaining-tokens", "199000"),
    ("x-ratelimit-reset-tokens", "300ms"),
];

/// What most who speak Chat Completions have in common.
const COMPATIBLE: Vendor = Vendor {
    name: "",
    doors: &[chat("v1", &manner::PLAIN)],
    infos: &[],
    style: Style::Openai,
    keys: &[],
    open: false,
    headers: X_REQUEST_ID,
    models: &[],
};

/// The models of the local servers' lists.
const LOCAL_MODELS: &[&str] = &["llama3.2:1b", "qwen3:4b"];

/// All of them, in the order of the manual.
pub(crate) static VENDORS: [Vendor; 25] = [
    Vendor {
        name: "anthropic",
        doors: &[other("v1", Paths::Messages)],
        style: Style::Anthropic,
        keys: &["x-api-key"],
        headers: &[
            ("request-id", "{id}"),
            (
                "anthropic-organization-id",
                "00000000-0000-4000-8000-000000000000",
            ),
            ("anthropic-ratelimit-requests-limit", "4000"),
            ("anthropic-ratelimit-requests-remaining", "3999"),
            ("anthropic-ratelimit-requests-reset", "{reset}"),
            ("anthropic-ratelimit-tokens-limit", "400000"),
            ("anthropic-ratelimit-tokens-remaining", "399000"),
            ("anthropic-ratelimit-tokens-reset", "{reset}"),
        ],
        models: &["claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"],
        ..COMPATIBLE
    },
    Vendor {
        name: "openai",
        doors: &[chat("v1", &manner::OPENAI), other("v1", Paths::Responses)],
        headers: &[
            ("x-request-id", "{id}"),
            ("openai-organization", "org-simulated"),
            ("openai-version", "2020-10-01"),
            ("openai-processing-ms", "1"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "9999"),
            ("x-ratelimit-reset-requests", "6ms"),
            ("x-ratelimit-limit-tokens", "200000"),
            ("x-ratelimit-remaining-tokens", "199000"),
            ("x-ratelimit-reset-tokens", "300ms"),
        ],
        models: &["gpt-5.2", "gpt-5.2-mini", "gpt-4.1-mini"],
        ..COMPATIBLE
    },
    Vendor {
        name: "gemini",
        doors: &[other("v1beta", Paths::Gemini), other("v1", Paths::Gemini)],
        style: Style::Google,
        keys: &["x-goog-api-key"],
        headers: &[("x-gemini-service-tier", "standard")],
        models: &["gemini-3-flash", "gemini-3-pro"],
        ..COMPATIBLE
    },
    Vendor {
        name: "ollama",
        doors: &[other("api", Paths::Ollama), chat("v1", &manner::OLLAMA)],
        infos: &[
            open("", "Ollama is running"),
            open("api/version", r#"{"version":"0.12.6"}"#),
            open("api/ps", r#"{"models":[]}"#),
        ],
        style: Style::Ollama,
        open: true,
        headers: &[],
        models: LOCAL_MODELS,
        ..COMPATIBLE
    },
    Vendor {
        name: "bedrock",
        doors: &[other("", Paths::Bedrock)],
        style: Style::Aws,
        headers: &[("x-amzn-requestid", "{id}")],
        models: &[
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "amazon.nova-lite-v1:0",
        ],
        ..COMPATIBLE
    },
    Vendor {
        name: "cohere",
        doors: &[other("", Paths::Cohere)],
        style: Style::Cohere,
        headers: &[("x-debug-trace-id", "{id}")],
        models: &["command-a-03-2025", "command-r7b-12-2024"],
        ..COMPATIBLE
    },
    Vendor {
        name: "mistral",
        doors: &[chat("v1", &manner::MISTRAL)],
        style: Style::Mistral,
        headers: &[("mistral-correlation-id", "{id}")],
        models: &["mistral-small-latest", "mistral-large-latest"],
        ..COMPATIBLE
    },
    Vendor {
        name: "openrouter",
        doors: &[chat("api/v1", &manner::OPENROUTER)],
        infos: &[
            open(
                "api/v1/models",
                r#"{"data":[{"id":"meta-llama/llama-3.1-8b-instruct","name":"Llama 3.1 8B Instruct","context_length":131072,"pricing":{"prompt":"0.00000002","completion":"0.00000003"}}]}"#,
            ),
            Info {
                path: "api/v1/key",
                body: r#"{"data":{"label":"sk-or-v1-sim","limit":null,"limit_remaining":null,"usage":0,"is_free_tier":false}}"#,
                open: false,
            },
        ],
        style: Style::OpenRouter,
        headers: &[("x-generation-id", "gen-{id}")],
        models: &["meta-llama/llama-3.1-8b-instruct"],
        ..COMPATIBLE
    },
    Vendor {
        name: "groq",
        doors: &[chat("openai/v1", &manner::GROQ)],
        headers: RATE_LIMITS,
        models: &["llama-3.3-70b-versatile", "llama-3.1-8b-instant"],
        ..COMPATIBLE
    },
    Vendor {
        name: "together",
        doors: &[chat("v1", &manner::TOGETHER)],
        models: &["meta-llama/Llama-3.3-70B-Instruct-Turbo"],
        ..COMPATIBLE
    },
    Vendor {
        name: "fireworks",
        doors: &[chat("inference/v1", &manner::FIREWORKS)],
        style: Style::Fireworks,
        models: &["accounts/fireworks/models/llama-v3p1-8b-instruct"],
        ..COMPATIBLE
    },
    Vendor {
        name: "deepseek",
        doors: &[chat("v1", &manner::DEEPSEEK)],
        models: &["deepseek-chat", "deepseek-reasoner"],
        ..COMPATIBLE
    },
    Vendor {
        name: "xai",
        doors: &[chat("v1", &manner::XAI)],
        style: Style::Xai,
        models: &["grok-4-fast", "grok-4"],
        ..COMPATIBLE
    },
    Vendor {
        name: "perplexity",
        doors: &[chat("", &manner::PLAIN), chat("v1", &manner::PLAIN)],
        infos: &[Info {
            path: "router/v1/models",
            body: r#"{"object":"list","data":[{"id":"sonar","object":"model","created":1767225600,"owned_by":"system"}]}"#,
            open: false,
        }],
        models: &["sonar"],
        ..COMPATIBLE
    },
    Vendor {
        name: "cerebras",
        headers: RATE_LIMITS,
        models: &["llama3.1-8b"],
        ..COMPATIBLE
    },
    Vendor {
        name: "nvidia-nim",
        infos: &[open(
            "v1/health/ready",
            r#"{"object":"health.response","message":"Service is ready."}"#,
        )],
        models: &["meta/llama-3.1-8b-instruct"],
        ..COMPATIBLE
    },
    Vendor {
        name: "moonshot",
        models: &["kimi-k2-turbo-preview"],
        ..COMPATIBLE
    },
    Vendor {
        name: "alibaba-qwen",
        doors: &[chat("compatible-mode/v1", &manner::PLAIN)],
        models: &["qwen-flash", "qwen-plus"],
        ..COMPATIBLE
    },
    Vendor {
        name: "vllm",
        doors: &[chat("v1", &manner::VLLM), other("v1", Paths::Responses)],
        infos: &[open("health", ""), open("version", r#"{"version":"0.11.0"}"#)],
        style: Style::Vllm,
        open: true,
        headers: &[],
        models: &["served-model"],
        ..COMPATIBLE
    },
    Vendor {
        name: "llama-cpp",
        doors: &[chat("v1", &manner::LLAMA_CPP)],
        infos: &[
            open("health", r#"{"status":"ok"}"#),
            open("v1/health", r#"{"status":"ok"}"#),
        ],
        style: Style::LlamaCpp,
        open: true,
        headers: &[],
        models: &["qwen3-4b"],
        ..COMPATIBLE
    },
    Vendor {
        name: "litellm",
        doors: &[
            chat("v1", &manner::LITELLM),
            other("v1", Paths::Messages),
            other("v1", Paths::Responses),
        ],
        infos: &[
            open("health/liveliness", r#""I'm alive!""#),
            open("health/readiness", r#"{"status":"healthy","db":"Not connected"}"#),
        ],
        style: Style::LiteLlm,
        keys: &["x-api-key", "x-litellm-api-key"],
        headers: &[
            ("x-litellm-call-id", "{id}"),
            ("x-litellm-model-id", "simulated"),
            ("x-litellm-attempted-fallbacks", "0"),
        ],
        models: &["gpt-canary"],
        ..COMPATIBLE
    },
    Vendor {
        name: "lm-studio",
        doors: &[chat("v1", &manner::PLAIN), other("v1", Paths::Responses)],
        open: true,
        headers: &[],
        models: LOCAL_MODELS,
        ..COMPATIBLE
    },
    Vendor {
        name: "azure-openai",
        doors: &[
            chat("openai/v1", &manner::AZURE),
            other("openai/v1", Paths::Responses),
            Door {
                base: "openai",
                paths: Paths::Deployments,
                manner: &manner::AZURE,
            },
        ],
        style: Style::Azure,
        keys: &["api-key"],
        headers: &[
            ("apim-request-id", "{id}"),
            ("x-request-id", "{id}"),
            ("x-ms-region", "Simulated Central"),
            ("x-ratelimit-remaining-requests", "99"),
            ("x-ratelimit-remaining-tokens", "99000"),
        ],
        models: &["gpt-5.2", "gpt-4.1-mini"],
        ..COMPATIBLE
    },
    Vendor {
        name: "vertex-gemini",
        doors: &[
            other("v1", Paths::VertexGemini),
            other("v1beta1", Paths::VertexGemini),
        ],
        style: Style::Vertex,
        keys: &["x-goog-api-key"],
        headers: &[],
        models: &["gemini-3-flash", "gemini-3-pro"],
        ..COMPATIBLE
    },
    Vendor {
        name: "vertex-claude",
        doors: &[
            other("v1", Paths::VertexClaude),
            other("v1beta1", Paths::VertexClaude),
        ],
        style: Style::Vertex,
        headers: &[("request-id", "{id}")],
        models: &["claude-haiku-4-5@20251001"],
        ..COMPATIBLE
    },
];

/// Every base URL below the simulator's address, and what is spoken there.
pub(crate) fn base_urls() -> Vec<(String, Vec<Protocol>)> {
    let mut all: Vec<(String, Vec<Protocol>)> = Vec::new();
    for vendor in &VENDORS {
        for door in vendor.doors {
            let path = door.base_url(vendor.name);
            match all.iter_mut().find(|(known, _)| *known == path) {
                Some((_, spoken)) if !spoken.contains(&door.protocol()) => spoken.push(door.protocol()),
                Some(_) => {}
                None => all.push((path, vec![door.protocol()])),
            }
        }
    }
    all
}

/// The vendor of that base path.
pub(crate) fn find(name: &str) -> Option<&'static Vendor> {
    VENDORS.iter().find(|vendor| vendor.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::PROVIDERS;

    #[test]
    fn names_are_unlike_and_lists_are_not_empty() {
        for (n, vendor) in VENDORS.iter().enumerate() {
            assert_eq!(PROVIDERS[n], vendor.name);
            assert!(
                std::ptr::eq(find(vendor.name).unwrap(), vendor),
                "{}",
                vendor.name
            );
            assert!(
                !vendor.doors.is_empty() && !vendor.models.is_empty(),
                "{}",
                vendor.name
            );
            assert_ne!(vendor.name, "control");
        }
    }

    #[test]
    fn the_manual_names_every_vendor() {
        let manual = include_str!("../../docs/simulator.md");
        for vendor in &VENDORS {
            assert!(manual.contains(&format!("/{}", vendor.name)), "{}", vendor.name);
        }
    }
}
