//! The reachability probe: free, no tokens; judges the provider's edge by the head of its answer.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use url::Url;

use super::{Call, ProbeJob, canary::request_id, exchange::header, wire};
use crate::{
    clock::Timestamp,
    config::{BodyKind, Expected, Provider},
    protocol::{ErrorClass, error_body},
    verdict::{Ending, FailedAt, Failure, Fault, Observation, Source, Timeline, Verdict},
};

/// The request, credential included.
pub(super) fn call(provider: &Provider) -> Result<Call, Fault> {
    let reach = provider
        .reach
        .as_ref()
        .ok_or_else(|| wire::invalid(format!("{} has no reach request", provider.id)))?;
    let method = Method::from_bytes(reach.method.as_bytes())
        .map_err(|_| wire::invalid(format!("{:?} is no http method", reach.method)))?;
    let base = reach.base_url.as_ref().unwrap_or(&provider.base_url);
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if reach.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    wire::provider_headers(&mut headers, provider)?;
    Ok(Call {
        method,
        url: url(base, &reach.path),
        headers,
        body: reach.body.clone().map(Bytes::from).unwrap_or_default(),
        fresh: false,
    })
}

/// The path below the base, whose query goes on behind it.
fn url(base: &Url, below: &str) -> String {
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let mut url = base.clone();
    url.set_query(None);
    let start = url.as_str().trim_end_matches('/');
    let queries = [query, base.query().unwrap_or_default()];
    let queries: Vec<&str> = queries.into_iter().filter(|query| !query.is_empty()).collect();
    let mark = if queries.is_empty() { "" } else { "?" };
    format!(
        "{start}/{}{mark}{}",
        path.trim_start_matches('/'),
        queries.join("&")
    )
}

/// Writes down what the answer says; timings, connection and flags of the transport are added by the caller.
pub(super) fn observe(job: &ProbeJob, at: Timestamp, timeline: &Timeline) -> Observation {
    let judged = judge(&job.provider, timeline);
    let mut seen = Observation::new(job.model.id.clone(), at, Source::Reach, judged.verdict);
    seen.expected = judged.verdict == Verdict::Complete;
    seen.retry_after = judged.retry_after;
    if !seen.expected {
        seen.detail = judged.detail;
        seen.request_id = request_id(timeline);
    }
    seen
}

struct Judged {
    verdict: Verdict,
    detail: Option<String>,
    retry_after: Option<Duration>,
}

fn failed(class: ErrorClass, at: FailedAt, detail: String) -> Judged {
    Judged {
        verdict: Verdict::Errored(Failure { class, at }),
        detail: Some(detail),
        retry_after: None,
    }
}

/// The head decides, and whether the body is of the API at all: a captive portal has a 200 for everything. What the body
/// does later is no matter of the edge.
fn judge(provider: &Provider, timeline: &Timeline) -> Judged {
    let Some(status) = timeline.status else {
        return match &timeline.ending {
            Some(Ending::Failed(fault)) => failed(fault.class, FailedAt::Transport, fault.detail.clone()),
            _ => failed(
                ErrorClass::Timeout,
                FailedAt::Transport,
                "no response head".to_owned(),
            ),
        };
    };
    if status == 200 && is_page(timeline) {
        let detail = "a page instead of an answer of the api".to_owned();
        return failed(ErrorClass::Protocol, FailedAt::Stream, detail);
    }
    let expected = expected(provider);
    if expected.is_some_and(|expected| expected.status.contains(&status)) {
        let body = expected.map_or(&BodyKind::Any, |expected| &expected.body);
        if let Some(detail) = unlike(body, timeline) {
            return failed(ErrorClass::Protocol, FailedAt::Stream, detail);
        }
        return Judged {
            verdict: Verdict::Complete,
            detail: None,
            retry_after: None,
        };
    }
    if (200..300).contains(&status) {
        let detail = format!("http status {status} is not the expected one");
        return failed(ErrorClass::Protocol, FailedAt::Stream, detail);
    }
    let error = error_body::classify(provider.protocol, status, &timeline.headers, &timeline.raw);
    Judged {
        retry_after: error.retry_after,
        ..failed(error.class, FailedAt::Status(status), error.message)
    }
}

fn expected(provider: &Provider) -> Option<&Expected> {
    let reach = provider.reach.as_ref()?;
    Some(if wire::sends_key(provider) {
        &reach.with_key
    } else {
        &reach.without_key
    })
}

/// In what the body differs from its kind. Only what came is judged: a body that breaks off, or is longer than we read,
/// is right as far as it goes.
fn unlike(kind: &BodyKind, timeline: &Timeline) -> Option<String> {
    let raw = timeline.raw.trim_ascii();
    let nothing = raw.is_empty();
    match kind {
        BodyKind::Any => None,
        BodyKind::Empty => (!nothing).then(|| "a body where none is expected".to_owned()),
        _ if nothing && header(timeline, "content-length") == Some("0") => Some("an empty body".to_owned()),
        _ if nothing => None,
        BodyKind::Text(start) => {
            let seen = raw.len().min(start.len());
            let alike = raw[..seen] == start.as_bytes()[..seen];
            (!alike).then(|| format!("a body that does not begin with {start:?}"))
        }
        BodyKind::Json => match serde_json::from_slice::<IgnoredAny>(raw) {
            Err(error) if !error.is_eof() => Some("a body that is no JSON".to_owned()),
            _ => None,
        },
        BodyKind::JsonWith(member) => match serde_json::from_slice::<Map<String, Value>>(raw) {
            Ok(object) if object.contains_key(member) => None,
            Err(error) if error.is_eof() => None,
            Ok(_) => Some(format!("JSON without {member:?}")),
            Err(_) => Some("a body that is no JSON object".to_owned()),
        },
    }
}

/// A login page, a captive portal, a hoster's default page.
fn is_page(timeline: &Timeline) -> bool {
    let html = header(timeline, "content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
    html || timeline.raw.trim_ascii_start().starts_with(b"<")
}

#[cfg(test)]
mod tests;
