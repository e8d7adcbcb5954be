//! Which endpoint of which vendor a path is.

use percent_encoding::percent_decode_str;

use super::status_page;
use crate::protocol::Protocol;

/// A vendor path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The provider's base path.
    pub(crate) provider: &'static str,
    /// Whose shapes its answers have.
    pub(crate) protocol: Protocol,
    /// What it does.
    pub(crate) kind: Kind,
}

/// What a vendor path does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Generates. Gemini names the model and whether to stream in the path.
    Generate(Option<(String, bool)>),
    /// Lists models.
    Models,
    /// Counts a prompt's tokens.
    CountTokens(Option<String>),
    /// The official status page.
    StatusPage,
    /// No such path.
    Unknown,
}

impl Kind {
    /// The name in the log.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Generate(_) => "generate",
            Self::Models => "models",
            Self::CountTokens(_) => "count_tokens",
            Self::StatusPage => "status",
            Self::Unknown => "unknown",
        }
    }

    /// The one method that it takes.
    pub(crate) const fn method(&self) -> http::Method {
        match self {
            Self::Generate(_) | Self::CountTokens(_) => http::Method::POST,
            Self::Models | Self::StatusPage | Self::Unknown => http::Method::GET,
        }
    }
}

/// The endpoint of a path; `None` when it is not below one of the providers.
pub(crate) fn of_path(path: &str) -> Option<Endpoint> {
    let mut parts = path.strip_prefix('/')?.splitn(2, '/');
    let (provider, rest) = (parts.next()?, parts.next().unwrap_or(""));
    let (provider, protocol, kind) = match provider {
        "anthropic" => ("anthropic", Protocol::Anthropic, anthropic(rest)),
        "openai" => {
            let (protocol, kind) = openai(rest);
            ("openai", protocol, kind)
        }
        "gemini" => ("gemini", Protocol::Gemini, gemini(rest)),
        _ => return None,
    };
    let kind = if status_page::is_page(rest) {
        Kind::StatusPage
    } else {
        kind
    };
    Some(Endpoint {
        provider,
        protocol,
        kind,
    })
}

fn anthropic(rest: &str) -> Kind {
    match rest {
        "v1/messages" => Kind::Generate(None),
        "v1/messages/count_tokens" => Kind::CountTokens(None),
        "v1/models" => Kind::Models,
        _ => Kind::Unknown,
    }
}

/// With and without `/v1`: a base URL may end in either.
fn openai(rest: &str) -> (Protocol, Kind) {
    match rest.strip_prefix("v1/").unwrap_or(rest) {
        "chat/completions" => (Protocol::OpenaiChat, Kind::Generate(None)),
        "responses" => (Protocol::OpenaiResponses, Kind::Generate(None)),
        "models" => (Protocol::OpenaiChat, Kind::Models),
        _ => (Protocol::OpenaiChat, Kind::Unknown),
    }
}

fn gemini(rest: &str) -> Kind {
    let Some(rest) = rest
        .strip_prefix("v1beta/models")
        .or_else(|| rest.strip_prefix("v1/models"))
    else {
        return Kind::Unknown;
    };
    if rest.is_empty() {
        return Kind::Models;
    }
    let Ok(rest) = percent_decode_str(rest).decode_utf8() else {
        return Kind::Unknown;
    };
    match rest.strip_prefix('/').and_then(|rest| rest.rsplit_once(':')) {
        Some((model, "streamGenerateContent")) if !model.is_empty() => {
            Kind::Generate(Some((model.to_owned(), true)))
        }
        Some((model, "generateContent")) if !model.is_empty() => {
            Kind::Generate(Some((model.to_owned(), false)))
        }
        Some((model, "countTokens")) if !model.is_empty() => Kind::CountTokens(Some(model.to_owned())),
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_vendors_own() {
        let gemini = |model: &str, stream| Kind::Generate(Some((model.to_owned(), stream)));
        for (path, kind) in [
            ("/anthropic/v1/messages", Kind::Generate(None)),
            ("/anthropic/v1/messages/count_tokens", Kind::CountTokens(None)),
            ("/anthropic/v1/models", Kind::Models),
            ("/anthropic/status/api/v2/summary.json", Kind::StatusPage),
            ("/anthropic", Kind::Unknown),
            ("/openai/v1/chat/completions", Kind::Generate(None)),
            ("/openai/chat/completions", Kind::Generate(None)),
            ("/openai/v1/responses", Kind::Generate(None)),
            ("/openai/v1/models", Kind::Models),
            ("/openai/v1/embeddings", Kind::Unknown),
            (
                "/gemini/v1beta/models/g-3:streamGenerateContent",
                gemini("g-3", true),
            ),
            (
                "/gemini/v1/models/g-3%21hang:generateContent",
                gemini("g-3!hang", false),
            ),
            ("/gemini/v1beta/models", Kind::Models),
            (
                "/gemini/v1beta/models/g-3:countTokens",
                Kind::CountTokens(Some("g-3".to_owned())),
            ),
            ("/gemini/v1beta/models/:generateContent", Kind::Unknown),
            ("/gemini/v1beta/modelsx", Kind::Unknown),
        ] {
            assert_eq!(of_path(path).unwrap().kind, kind, "{path}");
        }
        assert_eq!(of_path("/mistral/v1/models"), None);
        assert_eq!(
            of_path("/openai/v1/responses").unwrap().protocol,
            Protocol::OpenaiResponses
        );
    }
}
