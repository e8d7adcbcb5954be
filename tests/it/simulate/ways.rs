//! Every way into the simulator: which vendor, in whose words, at which base URL. Requests come from the same builder as
//! the probe's.

use endturn::protocol::{
    Dialect, Protocol,
    request::{Endpoint, RequestSpec, ToolSpec, build},
};

use super::client::{PROMPT, request};

/// One way.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) provider: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) dialect: Option<&'static str>,
    pub(crate) endpoint: Endpoint,
    /// Path of the base URL; `{model}` stands for the model.
    pub(crate) base: &'static str,
    /// Header that carries a credential; empty: none is wanted.
    pub(crate) key: &'static str,
}

const BEARER: &str = "authorization: Bearer k\r\n";

const fn way(provider: &'static str, protocol: Protocol, base: &'static str, key: &'static str) -> Way {
    Way {
        provider,
        protocol,
        dialect: None,
        endpoint: Endpoint::Native,
        base,
        key,
    }
}

const fn chat(provider: &'static str, dialect: Option<&'static str>, base: &'static str) -> Way {
    Way {
        dialect,
        ..way(provider, Protocol::OpenaiChat, base, BEARER)
    }
}

/// The first of each protocol is the protocol's own.
pub(crate) static WAYS: [Way; 33] = [
    way("anthropic", Protocol::Anthropic, "/anthropic", "x-api-key: k\r\n"),
    way("openai", Protocol::OpenaiChat, "/openai/v1", BEARER),
    way("openai", Protocol::OpenaiResponses, "/openai/v1", BEARER),
    way("gemini", Protocol::Gemini, "/gemini", "x-goog-api-key: k\r\n"),
    way("ollama", Protocol::Ollama, "/ollama", ""),
    way(
        "bedrock",
        Protocol::Bedrock,
        "/bedrock",
        "authorization: AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/bedrock/aws4_request\r\n",
    ),
    way("cohere", Protocol::Cohere, "/cohere", BEARER),
    chat("mistral", Some("mistral"), "/mistral/v1"),
    chat("openrouter", Some("openrouter"), "/openrouter/api/v1"),
    chat("groq", Some("groq"), "/groq/openai/v1"),
    chat("together", Some("together"), "/together/v1"),
    chat("fireworks", Some("fireworks"), "/fireworks/inference/v1"),
    chat("deepseek", Some("deepseek"), "/deepseek"),
    chat("xai", Some("xai"), "/xai/v1"),
    chat("perplexity", None, "/perplexity"),
    chat("cerebras", None, "/cerebras/v1"),
    chat("nvidia-nim", None, "/nvidia-nim/v1"),
    chat("moonshot", None, "/moonshot/v1"),
    chat("alibaba-qwen", None, "/alibaba-qwen/compatible-mode/v1"),
    chat("vllm", Some("vllm"), "/vllm/v1"),
    chat("llama-cpp", Some("llamacpp"), "/llama-cpp/v1"),
    chat("litellm", Some("litellm"), "/litellm/v1"),
    way("litellm", Protocol::Anthropic, "/litellm", BEARER),
    way("litellm", Protocol::OpenaiResponses, "/litellm/v1", BEARER),
    chat("lm-studio", None, "/lm-studio/v1"),
    chat("ollama", Some("ollama-openai"), "/ollama/v1"),
    way(
        "azure-openai",
        Protocol::OpenaiResponses,
        "/azure-openai/openai/v1",
        BEARER,
    ),
    chat("azure-openai", Some("azure-openai"), "/azure-openai/openai/v1"),
    Way {
        key: "api-key: k\r\n",
        ..chat(
            "azure-openai",
            Some("azure-openai"),
            "/azure-openai/openai/deployments/{model}?api-version=2024-10-21",
        )
    },
    Way {
        endpoint: Endpoint::VertexGemini,
        ..way(
            "vertex-gemini",
            Protocol::Gemini,
            "/vertex-gemini/v1/projects/p/locations/us-east5",
            BEARER,
        )
    },
    Way {
        endpoint: Endpoint::VertexClaude,
        ..way(
            "vertex-claude",
            Protocol::Anthropic,
            "/vertex-claude/v1/projects/p/locations/global",
            BEARER,
        )
    },
    // A base URL that leaves out what the vendor's has.
    chat("groq", Some("groq"), "/groq"),
    chat("openrouter", Some("openrouter"), "/openrouter/v1"),
];

impl Way {
    /// The protocol's own.
    pub(crate) fn of(protocol: Protocol) -> &'static Self {
        WAYS.iter().find(|way| way.protocol == protocol).unwrap()
    }

    /// For messages of tests.
    pub(crate) fn name(&self) -> String {
        format!("{} {} {}", self.provider, self.protocol, self.base)
    }

    pub(crate) fn dialect(&self) -> Option<&'static Dialect> {
        self.dialect.map(|name| Dialect::find(name).unwrap())
    }

    /// The canary, streamed.
    pub(crate) fn canary(&self, model: &str) -> Vec<u8> {
        self.generate(model, true, None)
    }

    /// The canary.
    pub(crate) fn generate(&self, model: &str, stream: bool, max_tokens: Option<u32>) -> Vec<u8> {
        self.ask(model, PROMPT, None, stream, max_tokens.unwrap_or(256))
    }

    /// Anything.
    pub(crate) fn ask(
        &self,
        model: &str,
        prompt: &str,
        tool: Option<&ToolSpec>,
        stream: bool,
        max_tokens: u32,
    ) -> Vec<u8> {
        let mut params = serde_json::Map::new();
        if !stream && self.protocol != Protocol::Bedrock && self.protocol != Protocol::Gemini {
            params.insert("stream".to_owned(), false.into());
        }
        if self.provider == "openai" {
            params.insert(
                "stream_options".to_owned(),
                serde_json::json!({"include_obfuscation": false}),
            );
        }
        let built = build(&RequestSpec {
            protocol: self.protocol,
            dialect: self.dialect(),
            endpoint: self.endpoint,
            base_url: &format!("http://sim{}", self.base),
            model,
            prompt,
            tool,
            max_tokens,
            max_tokens_field: None,
            params: &params,
        });
        let url = if stream {
            built.url
        } else {
            built
                .url
                .replace("streamGenerateContent?alt=sse", "generateContent")
                .replace("converse-stream", "converse")
        };
        let body = String::from_utf8(built.body).unwrap();
        request(
            built.method,
            url.strip_prefix("http://sim").unwrap(),
            self.key,
            &body,
        )
    }
}
