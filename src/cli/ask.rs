//! Questions to a running daemon.

use std::{error::Error, path::Path, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Exit, args::UrlArg, printable};
use crate::{
    client::follow::Source,
    config::{self, Secret},
    link::{http_client, innermost},
};

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// What an endturn says that does not know a path: an older one.
const UNKNOWN_PATH: &str = "there is nothing at this path";
/// How the types of our problems begin.
const PROBLEM: &str = "urn:endturn:problem:";
/// What needs no encoding in a path or a query.
const SAFE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody answers there.
    #[error(
        "no endturn answers at {url}: {why}\n\nhelp: start one with `endturn run` or `endturn demo`, or name it with --url"
    )]
    Unreachable {
        /// Where we asked.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// Somebody answers, but not as endturn does.
    #[error(
        "{url} answers, but not as endturn does: {why}\n\nhelp: --url takes the address of an endturn daemon"
    )]
    NotOurs {
        /// Where we asked.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The daemon turns the question away: ask another one.
    #[error("{0}")]
    Refused(String),
    /// The daemon wants a token, or another one.
    #[error(
        "the daemon asks who you are: {0}\n\nhelp: name a file that holds a token with --token-file, or set ENDTURN_TOKEN"
    )]
    Unauthorized(String),
    /// The token can't be had.
    #[error("{0}")]
    Token(String),
    /// The daemon can't answer now.
    #[error("the daemon can't answer: {0}")]
    Unavailable(String),
}

impl AskError {
    /// How to exit.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::NotOurs { .. } => Exit::Unreachable,
            Self::Refused(_) => Exit::Usage,
            Self::Unauthorized(_) | Self::Token(_) | Self::Unavailable(_) => Exit::Failure,
        }
    }
}

/// The part of a problem document that tells what is wrong.
#[derive(Debug, Deserialize)]
struct ProblemDetail {
    r#type: String,
    detail: String,
}

/// A text as part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, SAFE).to_string()
}

/// The access token from its file, else from `$ENDTURN_TOKEN`, if there is one. What went wrong names the file, never its
/// content.
pub(crate) fn token(file: Option<&Path>) -> Result<Option<Secret>, String> {
    if let Some(path) = file {
        return config::read_key_file(path).map(Some);
    }
    let token = Secret::new(&std::env::var("ENDTURN_TOKEN").unwrap_or_default());
    match token.expose() {
        "" => Ok(None),
        text if text.chars().all(|c| c.is_ascii_graphic()) => Ok(Some(token)),
        _ => Err("ENDTURN_TOKEN holds characters that a header can't carry".to_owned()),
    }
}

/// A running daemon, and the way to it.
#[derive(Debug, Clone)]
pub(crate) struct Daemon {
    /// Its address.
    pub(crate) base: String,
    /// What it asks of us.
    pub(crate) token: Option<Secret>,
    client: reqwest::Client,
}

impl Daemon {
    /// The daemon that the command line names.
    ///
    /// # Errors
    /// The token's file can't be read, or there is no HTTP client.
    pub(crate) fn of(args: &UrlArg) -> Result<Self, AskError> {
        Ok(Self {
            base: args.url.trim_end_matches('/').to_owned(),
            token: token(args.token_file.as_deref()).map_err(AskError::Token)?,
            client: http_client().map_err(|error| AskError::Unreachable {
                url: args.url.clone(),
                why: innermost(&error),
            })?,
        })
    }

    /// What a `GET` of the path answers, waited for so long.
    pub(crate) async fn ask(&self, path: &str, patience: Duration) -> Result<Vec<u8>, AskError> {
        let request = self.client.get(format!("{}{path}", self.base));
        self.answer(request.timeout(patience)).await
    }

    /// What it answers to an order, waited for so long; `None` is no body at all.
    pub(crate) async fn order(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&serde_json::Value>,
        patience: Duration,
    ) -> Result<Vec<u8>, AskError> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, url).timeout(patience);
        if let Some(body) = body {
            let kind = "application/json";
            request = request
                .header(http::header::CONTENT_TYPE, kind)
                .body(body.to_string());
        }
        self.answer(request).await
    }

    /// Its events, all of them.
    pub(crate) fn events(&self) -> Source {
        Source {
            token: self.token.clone(),
            http: Some(self.client.clone()),
            ..Source::all_of(&self.base)
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Vec<u8>, AskError> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        };
        answer(&self.base, request).await
    }

    /// An answer as a document of ours.
    pub(crate) fn parsed<T: serde::de::DeserializeOwned>(&self, body: &[u8]) -> Result<T, AskError> {
        serde_json::from_slice(body).map_err(|error| AskError::NotOurs {
            url: self.base.clone(),
            why: error.to_string(),
        })
    }
}

async fn answer(base: &str, request: reqwest::RequestBuilder) -> Result<Vec<u8>, AskError> {
    let unreachable = |error: &dyn Error| AskError::Unreachable {
        url: base.to_owned(),
        why: innermost(error),
    };
    let not_ours = |why: String| AskError::NotOurs {
        url: base.to_owned(),
        why,
    };
    let mut response = request.send().await.map_err(|error| unreachable(&error))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(not_ours(format!("more than {MAX_ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return Ok(body);
    }
    // Others have problems too.
    let problem = serde_json::from_slice::<ProblemDetail>(&body)
        .ok()
        .filter(|problem| problem.r#type.starts_with(PROBLEM));
    match problem {
        Some(problem) if matches!(status.as_u16(), 401 | 403) => {
            Err(AskError::Unauthorized(printable(&problem.detail)))
        }
        // Come again later: the question is a good one.
        Some(problem) if status.as_u16() == 429 => Err(AskError::Unavailable(printable(&problem.detail))),
        Some(problem) if status.is_client_error() && problem.detail != UNKNOWN_PATH => {
            // Findings about a configuration have lines.
            let lines: Vec<String> = problem.detail.lines().map(printable).collect();
            Err(AskError::Refused(lines.join("\n")))
        }
        Some(problem) if status.is_server_error() => Err(AskError::Unavailable(printable(&problem.detail))),
        _ => Err(not_ours(format!("HTTP {}", status.as_u16()))),
    }
}

/// One cell of CSV: quoted where it has to be.
pub(crate) fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a\nb", "\"a\nb\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn targets_go_into_addresses() {
        assert_eq!(
            encoded("ollama/llama3:8b @x?y&z"),
            "ollama/llama3:8b%20%40x%3Fy%26z"
        );
    }
}
