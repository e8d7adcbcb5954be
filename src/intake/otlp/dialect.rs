//! Which spans are model calls, whose they are, and why they ended: the words of every dialect in ours.

use std::borrow::Cow;

use super::span::Span;
use crate::protocol::{Protocol, StopClass, stop_reason};

/// Operations of OpenTelemetry's `gen_ai.operation.name` that are one request to a model which generates text.
const OPERATIONS: [&str; 4] = ["chat", "text_completion", "generate_content", "completion"];
/// What `OpenLLMetry`'s and `LiteLLM`'s `llm.request.type` calls so.
const REQUEST_TYPES: [&str; 10] = [
    "chat",
    "completion",
    "acompletion",
    "text_completion",
    "atext_completion",
    "responses",
    "aresponses",
    "anthropic_messages",
    "generate_content",
    "agenerate_content",
];
/// Spans of `LiteLLM` beside its model call: the raw request below it, which says the same again, and the request that
/// came in.
const BESIDE: [&str; 2] = ["raw_gen_ai_request", "Received Proxy Server Request"];
/// What the names of `OpenLLMetry`'s spans end in, where a call failed before anything else was said of it.
const CALLS: [&str; 5] = [
    ".chat",
    ".completion",
    ".response",
    ".generate_content",
    ".messages",
];
/// How Vercel AI up to version 6 names its calls; `ai.streamText` and the like are what is around them.
const VERCEL_CALLS: [&str; 2] = [".doGenerate", ".doStream"];

/// Whether the span is a request to a model: it, or one within it, is to be counted.
pub(super) fn is_model_call(span: &Span<'_>) -> bool {
    let facts = &span.facts;
    if let Some(kind) = &facts.span_kind {
        return kind.eq_ignore_ascii_case("LLM");
    }
    if BESIDE.contains(&span.name.as_ref()) {
        return false;
    }
    if let Some(rest) = span.name.strip_prefix("ai.") {
        return VERCEL_CALLS.iter().any(|call| rest.ends_with(call));
    }
    if let Some(operation) = &facts.operation {
        let operation = operation.to_ascii_lowercase();
        if OPERATIONS.contains(&operation.as_str()) {
            return true;
        }
        // Old `LiteLLM` writes its call type here.
        return facts.request_type.is_none() && REQUEST_TYPES.contains(&operation.as_str());
    }
    if let Some(kind) = &facts.request_type {
        return REQUEST_TYPES.contains(&kind.as_ref());
    }
    let named = CALLS.iter().any(|call| span.name.ends_with(call));
    named && facts.provider.get().is_some() && facts.request_model.get().is_some()
}

/// Whether the reply was streamed, as far as it is told.
pub(super) fn is_stream(span: &Span<'_>) -> Option<bool> {
    let timed = span.facts.first_chunk_s.is_some() || span.facts.first_token_ns.is_some();
    match span.facts.stream {
        Some(told) => Some(told),
        None if timed || span.name.ends_with(".doStream") => Some(true),
        None if span.name.ends_with(".doGenerate") => Some(false),
        None => None,
    }
}

/// What a provider is called, and how we call it.
const PROVIDERS: [(&str, &[&str]); 25] = [
    ("alibaba_cloud", &["alibaba-qwen"]),
    ("anthropic", &["anthropic"]),
    ("aws.bedrock", &["bedrock"]),
    ("azure.ai.inference", &["azure-openai"]),
    ("azure.ai.openai", &["azure-openai"]),
    ("cerebras", &["cerebras"]),
    ("cohere", &["cohere"]),
    ("deepseek", &["deepseek"]),
    ("fireworks", &["fireworks"]),
    ("gcp.gemini", &["gemini"]),
    ("gcp.gen_ai", &["gemini", "vertex-gemini"]),
    ("gcp.vertex_ai", &["vertex-gemini", "vertex-claude"]),
    ("groq", &["groq"]),
    ("litellm", &["litellm"]),
    ("lm_studio", &["lm-studio"]),
    ("mistral_ai", &["mistral"]),
    ("moonshot_ai", &["moonshot"]),
    ("nvidia_nim", &["nvidia-nim"]),
    ("ollama", &["ollama"]),
    ("openai", &["openai", "openai-responses"]),
    ("openrouter", &["openrouter"]),
    ("perplexity", &["perplexity"]),
    ("together", &["together"]),
    // Claude Code tells no provider, but its model's name says that it is Claude on Vertex.
    ("vertex-claude", &["vertex-claude"]),
    ("x_ai", &["xai"]),
];

/// Other words for the same.
const ALIASES: [(&str, &str); 34] = [
    ("alibaba", "alibaba_cloud"),
    ("amazon-bedrock", "aws.bedrock"),
    ("amazon_bedrock", "aws.bedrock"),
    ("aws", "aws.bedrock"),
    ("aws_bedrock", "aws.bedrock"),
    ("az.ai.openai", "azure.ai.openai"),
    ("az.ai.inference", "azure.ai.inference"),
    ("azure", "azure.ai.openai"),
    ("azure-openai", "azure.ai.openai"),
    ("azure_ai", "azure.ai.inference"),
    ("azure_openai", "azure.ai.openai"),
    ("bedrock", "aws.bedrock"),
    ("bedrock_converse", "aws.bedrock"),
    ("dashscope", "alibaba_cloud"),
    ("fireworks_ai", "fireworks"),
    ("fireworks-ai", "fireworks"),
    ("gemini", "gcp.gemini"),
    ("google", "gcp.gemini"),
    ("google.generative-ai", "gcp.gemini"),
    ("google.vertex", "gcp.vertex_ai"),
    ("google_genai", "gcp.gen_ai"),
    ("llamaapi", "llama-cpp"),
    ("mistral", "mistral_ai"),
    ("mistralai", "mistral_ai"),
    ("moonshot", "moonshot_ai"),
    ("moonshotai", "moonshot_ai"),
    ("ollama_chat", "ollama"),
    ("together_ai", "together"),
    ("togetherai", "together"),
    ("vertex", "gcp.vertex_ai"),
    ("vertex_ai", "gcp.vertex_ai"),
    ("vertex_ai_beta", "gcp.vertex_ai"),
    ("vertexai", "gcp.vertex_ai"),
    ("xai", "x_ai"),
];

/// Vercel AI names the API behind the provider; it is no part of its name.
const APIS: [&str; 3] = [".chat", ".responses", ".messages"];

/// The provider's name as the conventions have it.
pub(super) fn provider(told: &str) -> Cow<'_, str> {
    let mut name = Cow::Borrowed(told.trim());
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name = Cow::Owned(name.to_ascii_lowercase());
    }
    if let Some(cut) = APIS.iter().find_map(|api| name.strip_suffix(api)) {
        let length = cut.len();
        name = match name {
            Cow::Borrowed(name) => Cow::Borrowed(&name[..length]),
            Cow::Owned(mut name) => {
                name.truncate(length);
                Cow::Owned(name)
            }
        };
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    alias.map_or(name, |(_, known)| Cow::Borrowed(known))
}

/// The presets of that provider, the likeliest first.
pub(super) fn presets(provider: &str) -> &'static [&'static str] {
    let known = PROVIDERS.iter().find(|(name, _)| *name == provider);
    known.map_or(&[], |(_, presets)| *presets)
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Finish {
    /// By itself: a natural stop, a call of a tool, a paused turn.
    Natural,
    /// In a word that we don't know.
    Unknown,
    /// Refused or filtered.
    Refused,
    /// At a limit.
    Limit,
    /// It did not: the conventions' word for a stream that was cut is `error`.
    Cut,
}

/// What a finish reason means, whoever wrote it.
pub(super) fn finish(told: &str) -> Finish {
    let told = told.strip_prefix("FinishReason.").unwrap_or(told);
    match told {
        "stop" | "end_turn" | "tool_calls" | "tool_use" | "tool-calls" => return Finish::Natural,
        "length" | "max_tokens" => return Finish::Limit,
        // Mistral and others have the word as well; a stream that ends with it did not end.
        "error" => return Finish::Cut,
        _ => {}
    }
    let plain = told.to_ascii_lowercase().replace('-', "_");
    let upper = plain.to_ascii_uppercase();
    let class = Protocol::ALL
        .into_iter()
        .flat_map(|protocol| [told, &plain, &upper].map(|word| stop_reason::class(protocol, word)))
        .find(|class| *class != StopClass::Unknown);
    match class {
        Some(StopClass::Complete | StopClass::Tool | StopClass::Paused) => Finish::Natural,
        Some(StopClass::Limit) => Finish::Limit,
        Some(StopClass::Refused) => Finish::Refused,
        Some(StopClass::Error(_)) => Finish::Cut,
        Some(StopClass::Unknown) | None => Finish::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_have_one_name_each() {
        for (told, name) in [
            ("openai", "openai"),
            ("OpenAI", "openai"),
            ("openai.chat", "openai"),
            ("OpenAI.Responses", "openai"),
            ("anthropic.messages", "anthropic"),
            ("az.ai.openai", "azure.ai.openai"),
            ("azure", "azure.ai.openai"),
            ("google.vertex.chat", "gcp.vertex_ai"),
            ("VertexAI", "gcp.vertex_ai"),
            ("gemini", "gcp.gemini"),
            ("Google", "gcp.gemini"),
            ("AWS", "aws.bedrock"),
            ("mistralai", "mistral_ai"),
            ("xai", "x_ai"),
            ("moonshot", "moonshot_ai"),
            ("my.own-server", "my.own-server"),
        ] {
            assert_eq!(provider(told), name, "{told}");
        }
        for (alias, name) in ALIASES {
            assert_eq!(provider(name), name, "{alias}: an alias of an alias");
        }
    }

    #[test]
    fn every_preset_that_is_named_exists() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/providers");
        for preset in PROVIDERS.iter().flat_map(|(_, presets)| *presets) {
            assert!(folder.join(format!("{preset}.toml")).exists(), "{preset}");
        }
    }

    #[test]
    fn every_dialect_of_an_end_is_known() {
        for (told, wanted) in [
            ("stop", Finish::Natural),
            ("STOP", Finish::Natural),
            ("FinishReason.STOP", Finish::Natural),
            ("end_turn", Finish::Natural),
            ("stop_sequence", Finish::Natural),
            ("COMPLETE", Finish::Natural),
            ("completed", Finish::Natural),
            ("eos", Finish::Natural),
            ("tool_calls", Finish::Natural),
            ("tool-calls", Finish::Natural),
            ("function_call", Finish::Natural),
            ("pause_turn", Finish::Natural),
            ("length", Finish::Limit),
            ("max_tokens", Finish::Limit),
            ("MAX_TOKENS", Finish::Limit),
            ("max_output_tokens", Finish::Limit),
            ("content_filter", Finish::Refused),
            ("content-filter", Finish::Refused),
            ("SAFETY", Finish::Refused),
            ("refusal", Finish::Refused),
            ("error", Finish::Cut),
            ("failed", Finish::Cut),
            ("unknown", Finish::Unknown),
            ("other", Finish::Unknown),
            ("banana", Finish::Unknown),
        ] {
            assert_eq!(finish(told), wanted, "{told}");
        }
    }
}
