//! Which endpoint of which vendor a path is.

use percent_encoding::percent_decode_str;

use super::{
    catalog::{self, Door, Info, Paths, Vendor},
    status_page,
};

/// A vendor path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Whose path.
    pub(crate) vendor: &'static Vendor,
    /// The group of paths that it belongs to; the vendor's first where it belongs to none.
    pub(crate) door: &'static Door,
    /// What it does.
    pub(crate) kind: Kind,
}

/// What a vendor path does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Generates.
    Generate(Place),
    /// Lists models.
    Models,
    /// Counts a prompt's tokens.
    CountTokens(Place),
    /// Answers with fixed bytes.
    Info(&'static Info),
    /// The official status page.
    StatusPage,
    /// No such path.
    Unknown,
}

/// What the path itself says about a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
    /// Whether to stream, where the path decides.
    pub(crate) stream: Option<bool>,
}

impl Kind {
    /// The name in the log.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Generate(_) => "generate",
            Self::Models => "models",
            Self::CountTokens(_) => "count_tokens",
            Self::Info(_) => "info",
            Self::StatusPage => "status",
            Self::Unknown => "unknown",
        }
    }

    /// The one method that it takes.
    pub(crate) const fn method(&self) -> http::Method {
        match self {
            Self::Generate(_) | Self::CountTokens(_) => http::Method::POST,
            Self::Models | Self::Info(_) | Self::StatusPage | Self::Unknown => http::Method::GET,
        }
    }
}

/// The endpoint of a path; `None` when it is not below one of the vendors.
pub(crate) fn of_path(path: &str) -> Option<Endpoint> {
    let path = path.strip_prefix('/')?;
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let vendor = catalog::find(name)?;
    let endpoint = |door, kind| Endpoint { vendor, door, kind };
    let first = &vendor.doors[0];
    if status_page::is_page(rest) {
        return Some(endpoint(first, Kind::StatusPage));
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(info) = vendor.infos.iter().find(|info| info.path == rest) {
        return Some(endpoint(first, Kind::Info(info)));
    }
    let found = vendor.doors.iter().find_map(|door| {
        let kind = within(door.base, rest).find_map(|rest| door.paths.kind(rest))?;
        Some(endpoint(door, kind))
    });
    Some(found.unwrap_or_else(|| endpoint(first, Kind::Unknown)))
}

/// What may stand below a door's base: a base URL ends with all of it, with its last segment, or before it.
fn within<'a>(base: &'static str, rest: &'a str) -> impl Iterator<Item = &'a str> {
    let below = move |base: &str| rest.strip_prefix(base)?.strip_prefix('/');
    let last = base.rsplit('/').next().unwrap_or(base);
    [below(base), below(last), Some(rest)].into_iter().flatten()
}

impl Paths {
    fn kind(self, rest: &str) -> Option<Kind> {
        let plain = || Kind::Generate(Place::default());
        Some(match (self, rest) {
            (Self::Messages, "messages")
            | (Self::Chat, "chat/completions")
            | (Self::Responses, "responses")
            | (Self::Ollama, "chat")
            | (Self::Cohere, "v2/chat") => plain(),
            (Self::Messages, "messages/count_tokens") => Kind::CountTokens(Place::default()),
            (Self::Messages | Self::Chat | Self::Gemini, "models")
            | (Self::Ollama, "tags")
            | (Self::Bedrock, "foundation-models")
            | (Self::Cohere, "v1/models")
            | (Self::VertexGemini, "publishers/google/models")
            | (Self::VertexClaude, "publishers/anthropic/models") => Kind::Models,
            (Self::Deployments, _) => {
                let rest = rest.strip_prefix("deployments/")?;
                Kind::Generate(Place {
                    model: Some(decoded(rest.strip_suffix("/chat/completions")?)?),
                    stream: None,
                })
            }
            (Self::Gemini, _) => gemini(rest.strip_prefix("models/")?)?,
            (Self::VertexGemini, _) => gemini(rest.split_once("publishers/google/models/")?.1)?,
            (Self::VertexClaude, _) => claude(rest.split_once("publishers/anthropic/models/")?.1)?,
            (Self::Bedrock, _) => bedrock(rest.strip_prefix("model/")?)?,
            _ => return None,
        })
    }
}

/// A model id from a path; `None` where there is none.
fn decoded(text: &str) -> Option<String> {
    let text = percent_decode_str(text).decode_utf8().ok()?;
    (!text.is_empty()).then(|| text.into_owned())
}

/// `M:operation`, the colon percent-encoded or not.
fn operation(rest: &str) -> Option<(String, String)> {
    let rest = decoded(rest)?;
    let (model, operation) = rest.rsplit_once(':')?;
    (!model.is_empty()).then(|| (model.to_owned(), operation.to_owned()))
}

fn gemini(rest: &str) -> Option<Kind> {
    let (model, operation) = operation(rest)?;
    let place = |stream| Place {
        model: Some(model),
        stream,
    };
    match operation.as_str() {
        "streamGenerateContent" => Some(Kind::Generate(place(Some(true)))),
        "generateContent" => Some(Kind::Generate(place(Some(false)))),
        "countTokens" => Some(Kind::CountTokens(place(Some(false)))),
        _ => None,
    }
}

/// The body says whether to stream, as it does at Anthropic itself.
fn claude(rest: &str) -> Option<Kind> {
    let (model, operation) = operation(rest)?;
    match operation.as_str() {
        "rawPredict" if model == "count-tokens" => Some(Kind::CountTokens(Place::default())),
        "streamRawPredict" | "rawPredict" => Some(Kind::Generate(Place {
            model: Some(model),
            stream: None,
        })),
        _ => None,
    }
}

fn bedrock(rest: &str) -> Option<Kind> {
    let (model, operation) = rest.rsplit_once('/')?;
    let stream = match operation {
        "converse-stream" => true,
        "converse" => false,
        _ => return None,
    };
    Some(Kind::Generate(Place {
        model: Some(decoded(model)?),
        stream: Some(stream),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Protocol;

    fn place(model: &str, stream: Option<bool>) -> Kind {
        Kind::Generate(Place {
            model: Some(model.to_owned()),
            stream,
        })
    }

    #[test]
    fn paths_are_the_vendors_own() {
        let plain = || Kind::Generate(Place::default());
        let rows = [
            ("/anthropic/v1/messages", plain()),
            ("/anthropic/messages", plain()),
            (
                "/anthropic/v1/messages/count_tokens",
                Kind::CountTokens(Place::default()),
            ),
            ("/anthropic/v1/models", Kind::Models),
            ("/anthropic/status/api/v2/summary.json", Kind::StatusPage),
            ("/anthropic", Kind::Unknown),
            ("/openai/v1/chat/completions", plain()),
            ("/openai/chat/completions", plain()),
            ("/openai/v1/responses", plain()),
            ("/openai/v1/models", Kind::Models),
            ("/openai/v1/embeddings", Kind::Unknown),
            (
                "/gemini/v1beta/models/g-3:streamGenerateContent",
                place("g-3", Some(true)),
            ),
            (
                "/gemini/v1/models/g-3%21hang:generateContent",
                place("g-3!hang", Some(false)),
            ),
            ("/gemini/v1beta/models", Kind::Models),
            ("/gemini/v1beta/models/:generateContent", Kind::Unknown),
            ("/gemini/v1beta/modelsx", Kind::Unknown),
        ];
        for (path, kind) in rows {
            assert_eq!(of_path(path).unwrap().kind, kind, "{path}");
        }
        assert_eq!(of_path("/acme/v1/models"), None);
    }

    #[test]
    fn further_paths_are_the_vendors_own() {
        let plain = || Kind::Generate(Place::default());
        let vertex = "/vertex-gemini/v1/projects/p/locations/us-east5/publishers/google/models";
        let claude = "/vertex-claude/v1/projects/p/locations/us-east5/publishers/anthropic/models";
        for (path, kind) in [
            ("/groq/openai/v1/chat/completions", plain()),
            ("/groq/v1/chat/completions", plain()),
            ("/groq/chat/completions", plain()),
            ("/groq/openai/chat/completions", Kind::Unknown),
            ("/openrouter/api/v1/chat/completions", plain()),
            ("/fireworks/inference/v1/chat/completions", plain()),
            ("/ollama/api/chat", plain()),
            ("/ollama/v1/chat/completions", plain()),
            ("/ollama/api/tags", Kind::Models),
            ("/cohere/v2/chat", plain()),
            ("/cohere/v1/models", Kind::Models),
            (
                "/bedrock/model/us.a%3A0/converse-stream",
                place("us.a:0", Some(true)),
            ),
            (
                "/bedrock/model/arn%3Aa%2Fb/converse",
                place("arn:a/b", Some(false)),
            ),
            ("/bedrock/foundation-models", Kind::Models),
            ("/bedrock/model//converse", Kind::Unknown),
            (
                "/azure-openai/openai/deployments/d1/chat/completions",
                place("d1", None),
            ),
            ("/azure-openai/openai/v1/responses", plain()),
            (
                &format!("{vertex}/g-3:streamGenerateContent"),
                place("g-3", Some(true)),
            ),
            (
                &format!("{vertex}/g-3:countTokens"),
                Kind::CountTokens(Place {
                    model: Some("g-3".to_owned()),
                    stream: Some(false),
                }),
            ),
            (&format!("{claude}/c@1:streamRawPredict"), place("c@1", None)),
            (
                &format!("{claude}/count-tokens:rawPredict"),
                Kind::CountTokens(Place::default()),
            ),
            (&format!("{claude}/c:predict"), Kind::Unknown),
        ] {
            assert_eq!(of_path(path).unwrap().kind, kind, "{path}");
        }
    }

    #[test]
    fn doors_and_fixed_answers_are_found() {
        let protocol = |path: &str| of_path(path).unwrap().door.protocol();
        assert_eq!(protocol("/openai/v1/responses"), Protocol::OpenaiResponses);
        assert_eq!(protocol("/ollama/v1/chat/completions"), Protocol::OpenaiChat);
        assert_eq!(protocol("/ollama/api/chat"), Protocol::Ollama);
        assert_eq!(protocol("/litellm/v1/messages"), Protocol::Anthropic);
        assert_eq!(protocol("/vertex-claude/nothing"), Protocol::Anthropic);
        for (path, body) in [
            ("/ollama", "Ollama is running"),
            ("/ollama/", "Ollama is running"),
            ("/ollama/api/version", r#"{"version":"0.12.6"}"#),
            ("/vllm/health", ""),
            ("/llama-cpp/health", r#"{"status":"ok"}"#),
        ] {
            let kind = of_path(path).unwrap().kind;
            assert!(
                matches!(kind, Kind::Info(info) if info.body == body),
                "{path}: {kind:?}"
            );
        }
    }
}
