//! Questions to a running daemon.

use std::{error::Error, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{Exit, printable};
use crate::link::{http_client, innermost};

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
            Self::Unavailable(_) => Exit::Failure,
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

/// The body of an answer of the daemon at `base`, waited for so long.
pub(crate) async fn ask(base: &str, path: &str, patience: Duration) -> Result<Vec<u8>, AskError> {
    let client = http_client().map_err(|error| AskError::Unreachable {
        url: base.to_owned(),
        why: innermost(&error),
    })?;
    ask_with(&client, base, path, patience).await
}

/// The same by a client that is there already: making one reads the system's roots.
pub(crate) async fn ask_with(
    client: &reqwest::Client,
    base: &str,
    path: &str,
    patience: Duration,
) -> Result<Vec<u8>, AskError> {
    let url = format!("{}{path}", base.trim_end_matches('/'));
    answer(base, client.get(&url).timeout(patience)).await
}

/// What the daemon at `base` answers to an order, waited for so long.
pub(crate) async fn order(
    base: &str,
    method: reqwest::Method,
    path: &str,
    body: Option<&serde_json::Value>,
    patience: Duration,
) -> Result<Vec<u8>, AskError> {
    let client = http_client().map_err(|error| AskError::Unreachable {
        url: base.to_owned(),
        why: innermost(&error),
    })?;
    let url = format!("{}{path}", base.trim_end_matches('/'));
    let mut request = client.request(method, &url).timeout(patience);
    if let Some(body) = body {
        let kind = "application/json";
        request = request
            .header(http::header::CONTENT_TYPE, kind)
            .body(body.to_string());
    }
    answer(base, request).await
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
    let response = request.send().await;
    let mut response = response.map_err(|error| unreachable(&error))?;
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
        Some(problem) if status.is_client_error() && problem.detail != UNKNOWN_PATH => {
            Err(AskError::Refused(printable(&problem.detail)))
        }
        Some(problem) if status.is_server_error() => Err(AskError::Unavailable(printable(&problem.detail))),
        _ => Err(not_ours(format!("HTTP {}", status.as_u16()))),
    }
}

/// The same as a document of ours.
pub(crate) fn parsed<T: serde::de::DeserializeOwned>(base: &str, body: &[u8]) -> Result<T, AskError> {
    serde_json::from_slice(body).map_err(|error| AskError::NotOurs {
        url: base.to_owned(),
        why: error.to_string(),
    })
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
