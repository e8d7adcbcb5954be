//! The reachability probe: free, no tokens; judges the provider's edge by the head of its answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header::ACCEPT};

use super::{Call, ProbeJob, canary::request_id, exchange::header, wire};
use crate::{
    clock::Timestamp,
    config::Provider,
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
    let base = provider.base_url.as_str().trim_end_matches('/');
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    wire::provider_headers(&mut headers, provider)?;
    Ok(Call {
        method,
        url: format!("{base}/{}", reach.path.trim_start_matches('/')),
        headers,
        body: Bytes::new(),
        fresh: false,
    })
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

/// The head decides. What the body does after it is no matter of the edge, save that a page for people is no API.
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
    if expected(provider).contains(&status) {
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

fn expected(provider: &Provider) -> &[u16] {
    let reach = provider.reach.as_ref();
    reach.map_or(&[], |reach| {
        if wire::sends_key(provider) {
            &reach.expect_with_key
        } else {
            &reach.expect_without_key
        }
    })
}

/// A login page, a captive portal, a hoster's default page.
fn is_page(timeline: &Timeline) -> bool {
    let html = header(timeline, "content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
    html || timeline.raw.trim_ascii_start().starts_with(b"<")
}
