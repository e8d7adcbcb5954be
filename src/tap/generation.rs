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
    fn of_body(protocol: Protocol) -> Option<Self> {
        Some(Self {
            protocol,
            model: None,
        })
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
            _ => Generation::of_body(Protocol::OpenaiChat),
        },
        (_, _, "responses") => Generation::of_body(Protocol::OpenaiResponses),
        // Not those of a thread, which are no replies.
        (_, version, "messages") if is_version(version) => Generation::of_body(Protocol::Anthropic),
        (_, "v2", "chat") => Generation::of_body(Protocol::Cohere),
        (_, "api", "chat" | "generate") => Generation::of_body(Protocol::Ollama),
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

    #[test]
    fn replies_are_told_from_everything_else() {
        use Protocol::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};
        let rows: &[(&str, Option<(Protocol, Option<&str>)>)] = &[
            ("/v1/messages", Some((Anthropic, None))),
            ("/api/v1/messages", Some((Anthropic, None))),
            ("/v1/messages/count_tokens", None),
            ("/v1/messages/batches", None),
            ("/v1/complete", None),
            ("/v1/models", None),
            ("/v1/chat/completions", Some((OpenaiChat, None))),
            ("/chat/completions", Some((OpenaiChat, None))),
            ("/openai/v1/chat/completions", Some((OpenaiChat, None))),
            ("/v1/completions", None),
            ("/v1/fim/completions", None),
            ("/v1/embeddings", None),
            ("/v1/threads/thread_1/messages", None),
            ("/v1/files", None),
            ("/v1/responses", Some((OpenaiResponses, None))),
            ("/v1/responses/resp_1/cancel", None),
            (
                "/openai/deployments/my%20gpt/chat/completions",
                Some((OpenaiChat, Some("my gpt"))),
            ),
            (
                "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
                Some((Gemini, Some("gemini-2.5-flash"))),
            ),
            (
                "/v1beta/models/gemini-2.5-flash:generateContent",
                Some((Gemini, Some("gemini-2.5-flash"))),
            ),
            ("/v1beta/models/gemini-2.5-flash:countTokens", None),
            ("/v1beta/models/gemini-embedding-001:embedContent", None),
            (
                "/v1/projects/p/locations/r/publishers/google/models/g:generateContent",
                Some((Gemini, Some("g"))),
            ),
            (
                "/v1/projects/p/locations/r/publishers/anthropic/models/claude-haiku-4-5@20251001:streamRawPredict",
                Some((Anthropic, Some("claude-haiku-4-5@20251001"))),
            ),
            (
                "/v1/projects/p/locations/r/publishers/anthropic/models/claude-haiku-4-5%4020251001:rawPredict",
                Some((Anthropic, Some("claude-haiku-4-5@20251001"))),
            ),
            (
                "/v1/projects/p/locations/r/publishers/anthropic/models/count-tokens:rawPredict",
                None,
            ),
            (
                "/v1/projects/p/locations/r/publishers/mistralai/models/m:rawPredict",
                None,
            ),
            ("/api/chat", Some((Ollama, None))),
            ("/api/generate", Some((Ollama, None))),
            ("/api/embed", None),
            ("/api/tags", None),
            (
                "/model/eu.amazon.nova-2-lite-v1%3A0/converse-stream",
                Some((Bedrock, Some("eu.amazon.nova-2-lite-v1:0"))),
            ),
            ("/model/m/converse", Some((Bedrock, Some("m")))),
            (
                "/model/us.anthropic.claude-haiku-4-5-20251001-v1:0/invoke-with-response-stream",
                Some((Bedrock, Some("us.anthropic.claude-haiku-4-5-20251001-v1:0"))),
            ),
            ("/model/amazon.nova/invoke-with-response-stream", None),
            ("/model/anthropic.claude/invoke", None),
            ("/v2/chat", Some((Cohere, None))),
            ("/v1/chat", None),
            ("/v2/embed", None),
            ("/", None),
            ("", None),
        ];
        for (path, expected) in rows {
            let found = of(&Method::POST, path);
            let found = found.as_ref().map(|g| (g.protocol, g.model.as_deref()));
            assert_eq!(found, *expected, "{path}");
            assert_eq!(of(&Method::GET, path), None, "{path}");
        }
    }
}
