//! Query parameters and path ids, checked at the door.

use std::{fmt::Write, time::Duration};

use axum::{
    extract::{Path, Query, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::{
    clock::Timestamp,
    feed::{
        Filter,
        v1::{Health, TargetHealth},
    },
    id::{ProviderId, TargetId},
};

/// Items of a list where the request says no `limit`.
pub const DEFAULT_LIMIT: usize = 100;
/// Most items of a list in one answer.
pub const MAX_LIMIT: usize = 500;
/// Longest cursor in bytes.
pub const MAX_CURSOR_BYTES: usize = 128;
/// Longest word of a parameter in bytes.
pub const MAX_WORD_BYTES: usize = 64;

/// The query as `T`; parameters that `T` doesn't know are an error.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    Query::<T>::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|rejection| Problem::bad_query(plain(&rejection.body_text())))
}

/// That there are no parameters.
pub(super) fn none(uri: &Uri) -> Result<(), Problem> {
    match uri.query() {
        None | Some("") => Ok(()),
        Some(_) => Err(Problem::bad_query("this path takes no parameters")),
    }
}

/// The part of a rejection that tells what is wrong: `foo: unknown field ..`.
fn plain(rejection: &str) -> &str {
    rejection
        .strip_prefix("Failed to deserialize query string: ")
        .unwrap_or(rejection)
}

/// The rest of a path as a target id; its slashes came raw or as `%2F`.
pub(super) fn target(path: Result<Path<String>, PathRejection>) -> Result<TargetId, Problem> {
    let Path(text) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    text.parse()
        .map_err(|error: crate::id::IdError| Problem::bad_request(error.to_string()))
}

/// A `target` parameter.
pub(super) fn target_filter(text: Option<&str>) -> Result<Option<TargetId>, Problem> {
    text.map(|text| {
        text.parse()
            .map_err(|error: crate::id::IdError| Problem::bad_query(error.to_string()))
    })
    .transpose()
}

/// A `provider` parameter.
pub(super) fn provider_filter(text: Option<&str>) -> Result<Option<ProviderId>, Problem> {
    text.map(|text| ProviderId::new(text).map_err(|error| Problem::bad_query(error.to_string())))
        .transpose()
}

/// The target of that id in the feed.
pub(super) fn watched<'a>(health: &'a Health, id: &TargetId) -> Result<&'a TargetHealth, Problem> {
    health
        .targets
        .iter()
        .find(|target| &target.id == id)
        .ok_or_else(|| Problem::not_found(format!("no target {id} is configured")))
}

/// A `targets` parameter.
pub(super) fn targets(text: Option<&str>) -> Result<Option<Filter>, Problem> {
    text.map(|text| Filter::parse(text).map_err(|error| Problem::bad_query(error.to_string())))
        .transpose()
}

/// A parameter that is a time.
pub(super) fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    text.map(|text| {
        Timestamp::from_rfc3339(text).ok_or_else(|| {
            Problem::bad_query(format!(
                "{name} {text:?} is no RFC 3339 time, as in 2026-06-20T13:00:00Z"
            ))
        })
    })
    .transpose()
}

/// The parameters `from` and `to`: until now, and so long, unless the request says otherwise.
pub(super) fn span(
    from: Option<&str>,
    to: Option<&str>,
    now: Timestamp,
    default: Duration,
) -> Result<(Timestamp, Timestamp), Problem> {
    let to = time("to", to)?.unwrap_or(now);
    let from = time("from", from)?.unwrap_or_else(|| to.minus(default));
    if from >= to {
        return Err(Problem::bad_query("from is not before to"));
    }
    Ok((from, to))
}

/// A parameter that is one word of ours: lower case letters, digits and `_`, at most [`MAX_WORD_BYTES`].
pub(super) fn word(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    let is_word = |text: &str| {
        !text.is_empty()
            && text.len() <= MAX_WORD_BYTES
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    match text {
        Some(text) if !is_word(&text) => Err(Problem::bad_query(format!("{name} is no word such as cut"))),
        other => Ok(other),
    }
}

/// The values of a parameter that may come several times, and the address without them.
pub(super) fn repeated(uri: &Uri, name: &str) -> (Vec<String>, Uri) {
    let mut values = Vec::new();
    let mut rest = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if key == name {
            values.push(value.into_owned());
        } else {
            rest.append_pair(&key, &value);
        }
    }
    // What was encoded anew is an address again.
    let rest = format!("/?{}", rest.finish()).parse().unwrap_or_default();
    (values, rest)
}

/// A `limit` parameter: 1 to [`MAX_LIMIT`].
pub(super) fn limit(limit: Option<usize>) -> Result<usize, Problem> {
    match limit {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::bad_query(format!(
            "limit is {limit}, allowed are 1 to {MAX_LIMIT}"
        ))),
    }
}

/// A `cursor` parameter.
pub(super) fn cursor(cursor: Option<String>) -> Result<Option<String>, Problem> {
    match cursor {
        Some(text) if text.len() > MAX_CURSOR_BYTES => Err(Problem::bad_query(format!(
            "cursor has {} bytes, at most {MAX_CURSOR_BYTES} are allowed",
            text.len()
        ))),
        other => Ok(other),
    }
}

/// A `wait` parameter: `30s`, or seconds alone. Longer waits than `max` are cut.
pub(super) fn wait(text: Option<&str>, max: Duration) -> Result<Duration, Problem> {
    let Some(text) = text else {
        return Ok(Duration::ZERO);
    };
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| Problem::bad_query(format!("wait {text:?} is no duration: {error}")))?,
    };
    Ok(wait.min(max))
}

/// A strong tag for these bytes.
pub(super) fn tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let mut tag = String::from("\"");
    for byte in digest.iter().take(16) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag + "\""
}

/// A body that is asked for again each time, or 304 where the reader has it already.
pub(super) fn tagged(
    headers: &HeaderMap,
    tag: &str,
    media: &'static str,
    body: impl FnOnce() -> Bytes,
) -> Response {
    let mut response = if matches_tag(headers, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(media))], body()).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Whether `If-None-Match` names this strong tag.
pub(super) fn matches_tag(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
