//! Which requests ask a model for a reply, told from method and path. Everything else passes unjudged: lists of models,
//! token counts, files, embeddings, batches.

use super::place::is_version;
use crate::protocol::Protocol;

/// A request for a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    /// What the reply speaks.
    pub(super) protocol: Protocol,
    /// The model, where the path names it; else the body does.
    pub(super) model: Option<String>,
}

impl Generation {
    const fn of_body(protocol: Protocol) -> Self {
        Self {
            protocol,
            model: None,
        }
    }

    fn of_path(protocol: Protocol, model: &str) -> Option<Self> {
        let model = percent_encoding::percent_decode_str(model).decode_utf8().ok()?;
        Some(Self {
            protocol,
            model: Some(model.into_owned()),
        })
    }
}

/// What a request asks for; `None`: no reply of a model, or one in a protocol that we don't read.
pub(super) fn of(method: &http::Method, path: &str) -> Option<Generation> {
    if method != http::Method::POST {
        return None;
    }
    let mut back = path.trim_end_matches('/').rsplit('/');
    let last = back.next()?;
    let before = back.next().unwrap_or_default();
    let third = back.next().unwrap_or_default();
    match (third, before, last) {
        // A deployment's own path (Azure) names it; the body may too, and means the same.
        (deployment, "chat", "completions") => match back.next() {
            Some("deployments") => Generation::of_path(Protocol::OpenaiChat, deployment),
            _ => Some(Generation::of_body(Protocol::OpenaiChat)),
        },
        (_, _, "responses") => Some(Generation::of_body(Protocol::OpenaiResponses)),
        // Not those of a thread, which are no replies.
        (_, version, "messages") if is_version(version) => Some(Generation::of_body(Protocol::Anthropic)),
        (_, "v2", "chat") => Some(Generation::of_body(Protocol::Cohere)),
        (_, "api", "chat" | "generate") => Some(Generation::of_body(Protocol::Ollama)),
        // What `invoke` answers is the model's own; of its streams, those of Anthropic's models are read.
        ("model", model, "converse" | "converse-stream") => Generation::of_path(Protocol::Bedrock, model),
        ("model", model, "invoke-with-response-stream") if model.contains("anthropic.") => {
            Generation::of_path(Protocol::Bedrock, model)
        }
        _ => google(third, before, last),
    }
}

/// `models/MODEL:VERB`, where the model may be Anthropic's.
fn google(publisher: &str, models: &str, last: &str) -> Option<Generation> {
    if models != "models" && models != "tunedModels" {
        return None;
    }
    let (model, verb) = last.split_once(':')?;
    let protocol = match (publisher, verb) {
        ("anthropic", "rawPredict" | "streamRawPredict") if model != "count-tokens" => Protocol::Anthropic,
        (_, "generateContent" | "streamGenerateContent") => Protocol::Gemini,
        _ => return None,
    };
    Generation::of_path(protocol, model)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    /// Path, protocol and the model that the path names; `-` for none.
    const PATHS: &str = "
        /v1/messages                                     anthropic         -
        /api/v1/messages                                 anthropic         -
        /v1/chat/completions                             openai-chat       -
        /chat/completions                                openai-chat       -
        /openai/v1/chat/completions                      openai-chat       -
        /v1/responses                                    openai-responses  -
        /openai/deployments/my%2Dgpt/chat/completions    openai-chat       my-gpt
        /v1beta/models/g-2.5:streamGenerateContent       gemini            g-2.5
        /v1beta/models/g-2.5:generateContent             gemini            g-2.5
        /v1/projects/p/locations/r/publishers/google/models/g:generateContent             gemini     g
        /v1/projects/p/locations/r/publishers/anthropic/models/c@2025:streamRawPredict    anthropic  c@2025
        /v1/projects/p/locations/r/publishers/anthropic/models/c%402025:rawPredict        anthropic  c@2025
        /api/chat                                        ollama            -
        /api/generate                                    ollama            -
        /model/eu.amazon.nova-v1%3A0/converse-stream     bedrock           eu.amazon.nova-v1:0
        /model/m/converse                                bedrock           m
        /model/us.anthropic.claude-v1:0/invoke-with-response-stream    bedrock    us.anthropic.claude-v1:0
        /v2/chat                                         cohere            -
        /v1/messages/count_tokens                        -                 -
        /v1/messages/batches                             -                 -
        /v1/complete                                     -                 -
        /v1/models                                       -                 -
        /v1/completions                                  -                 -
        /v1/fim/completions                              -                 -
        /v1/embeddings                                   -                 -
        /v1/threads/thread_1/messages                    -                 -
        /v1/files                                        -                 -
        /v1/responses/resp_1/cancel                      -                 -
        /v1beta/models/g-2.5:countTokens                 -                 -
        /v1beta/models/g-embedding:embedContent          -                 -
        /v1/projects/p/locations/r/publishers/anthropic/models/count-tokens:rawPredict    -    -
        /v1/projects/p/locations/r/publishers/mistralai/models/m:rawPredict               -    -
        /api/embed                                       -                 -
        /api/tags                                        -                 -
        /model/amazon.nova/invoke-with-response-stream   -                 -
        /model/anthropic.claude/invoke                   -                 -
        /v1/chat                                         -                 -
        /v2/embed                                        -                 -
        /                                                -                 -
        *                                                -                 -";

    #[test]
    fn replies_are_told_from_everything_else() {
        for line in PATHS.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let [path, protocol, model] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            let found = of(&Method::POST, path);
            let told = found.as_ref().map_or("-", |asked| asked.protocol.as_str());
            let named = found.as_ref().and_then(|asked| asked.model.as_deref());
            assert_eq!((told, named.unwrap_or("-")), (protocol, model), "{path}");
            assert_eq!(of(&Method::GET, path), None, "{path}");
        }
    }
}
