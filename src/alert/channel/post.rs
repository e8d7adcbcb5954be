//! One HTTP request, and what its answer means.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use rustls::ClientConfig;
use url::{Host, Url};

use super::{
    CarrierError,
    guard::{Guard, GuardError},
};
use crate::{
    alert::{
        message::Outcome,
        words::{clean, clip},
    },
    clock::Timestamp,
    config::{Channel, Secret, Way},
    link::{USER_AGENT, innermost},
    protocol::{ErrorClass, error_body::retry_hint},
};

/// Bytes of an answer that are read.
pub const MAX_ANSWER_BYTES: usize = 16 << 10;
/// Longest reason that a channel gives, in bytes.
pub const MAX_WHY_BYTES: usize = 400;
/// Shortest part of a URL's path that may be a secret.
const MIN_SECRET_SEGMENT: usize = 8;

pub(super) const JSON: &str = "application/json";

/// A POST, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Post {
    /// Where to; may hold a secret.
    pub(super) url: Secret,
    /// Headers beside the content type, names in lower case.
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

impl Post {
    /// JSON to that place.
    pub(super) fn json(url: &str, body: &serde_json::Value) -> Self {
        Self {
            url: Secret::new(url),
            headers: Vec::new(),
            content_type: JSON.to_owned(),
            body: body.to_string().into_bytes(),
        }
    }

    pub(super) fn with(mut self, headers: impl IntoIterator<Item = (String, Secret)>) -> Self {
        self.headers.extend(headers);
        self
    }
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// At most [`MAX_ANSWER_BYTES`] of it.
    pub(super) body: String,
}

/// A client of its own for each channel: nothing is shared but the TLS settings.
pub(super) struct Http {
    client: reqwest::Client,
    guard: Guard,
    timeout: Duration,
}

impl Http {
    pub(super) fn new(channel: &Channel, tls: ClientConfig, guard: Guard) -> Result<Self, CarrierError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(USER_AGENT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            // Alarms are rare: a kept connection would only be a dead one.
            .pool_max_idle_per_host(0)
            .dns_resolver(guard.clone())
            .build()
            .map_err(CarrierError::Http)?;
        Ok(Self {
            client,
            guard,
            timeout: channel.timeout,
        })
    }

    /// Sends it once.
    pub(super) async fn send(&self, post: Post, way: &Way, now: Timestamp) -> Outcome {
        let Ok(url) = Url::parse(post.url.expose()) else {
            return Outcome::Refused {
                why: "its address is no URL".to_owned(),
            };
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        if let Err(why) = self.literal(&url) {
            let why = format!("{host}: {why}");
            return Outcome::Refused { why };
        }
        let secrets = secrets(&post, &url);
        match tokio::time::timeout(self.timeout, self.exchange(post, url)).await {
            Ok(Ok(answer)) => outcome(&answer, way, &host, &secrets, now),
            Ok(Err(error)) => Outcome::Later {
                why: told(&format!("{host}: {error}"), &secrets),
                after: None,
            },
            Err(_) => Outcome::Later {
                why: format!(
                    "{host}: no answer within {}",
                    humantime::format_duration(self.timeout)
                ),
                after: None,
            },
        }
    }

    /// An address in the URL is connected to without being looked up.
    fn literal(&self, url: &Url) -> Result<(), GuardError> {
        match url.host() {
            Some(Host::Ipv4(ip)) => self.guard.check(ip.into()),
            Some(Host::Ipv6(ip)) => self.guard.check(ip.into()),
            _ => Ok(()),
        }
    }

    async fn exchange(&self, post: Post, url: Url) -> Result<Answer, String> {
        let told = |error: reqwest::Error| innermost(&error.without_url());
        let mut request = self.client.request(Method::POST, url);
        request = request
            .header(header::CONTENT_TYPE, post.content_type)
            .header(header::ACCEPT, "*/*");
        for (name, value) in &post.headers {
            // Both were checked when they were read or made.
            if let (Ok(name), Ok(mut value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value.expose()),
            ) {
                value.set_sensitive(true);
                request = request.header(name, value);
            }
        }
        let mut response = request.body(post.body).send().await.map_err(told)?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        let headers = headers.collect();
        let mut body = Vec::new();
        // The status has decided: a body that breaks off takes nothing of it back.
        while body.len() < MAX_ANSWER_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            let room = MAX_ANSWER_BYTES - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
        Ok(Answer {
            status,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}

/// What an answer means: by its status, and by what the service is known to say.
fn outcome(answer: &Answer, way: &Way, host: &str, secrets: &[Secret], now: Timestamp) -> Outcome {
    let body = clean(&answer.body);
    let body = if body.is_empty() {
        String::new()
    } else {
        format!(": {body}")
    };
    let why = told(&format!("{host} answered {}{body}", answer.status), secrets);
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_success() {
        // Apprise: nobody is kept under that key, so nobody was told.
        return match way {
            Way::Apprise(_) if status == StatusCode::NO_CONTENT => Outcome::Refused {
                why: format!("{host} answered 204: nobody is to be told under that key"),
            },
            _ => Outcome::Delivered,
        };
    }
    let class = ErrorClass::Overloaded;
    let delay = body_delay(&answer.body);
    let after = || retry_hint(&answer.headers, delay.as_deref(), class, Some(now)).after;
    match answer.status {
        408 | 425 | 429 | 500..=599 => Outcome::Later { why, after: after() },
        // Apprise: some of those behind it were not reached. They alone can't be told again, so all are.
        424 if matches!(way, Way::Apprise(_)) => Outcome::Later { why, after: after() },
        302 | 303 | 307 => Outcome::Later {
            why: format!("{host} answered {}: redirects are not followed", answer.status),
            after: None,
        },
        300..=399 => Outcome::Refused {
            why: format!(
                "{host} answered {}: redirects are not followed, set the new address",
                answer.status
            ),
        },
        _ => Outcome::Refused { why },
    }
}

/// How long to wait by the answer's body: `retry_after` of Discord, in seconds, and `parameters.retry_after` of Telegram.
fn body_delay(body: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    let seconds = body
        .get("retry_after")
        .or_else(|| body.get("parameters")?.get("retry_after"))?
        .as_f64()?;
    Some(format!("{seconds}s"))
}

/// What may be told of a failure: bounded, in one line, without secrets.
fn told(text: &str, secrets: &[Secret]) -> String {
    let clean = clean(text);
    let scrubbed = secrets.iter().fold(clean, |text, secret| secret.scrub(&text));
    clip(&scrubbed, MAX_WHY_BYTES).into_owned()
}

/// Everything in a request that must not be repeated by whoever echoes it: the longest first, so that no part of a secret
/// is left over by a shorter one.
fn secrets(post: &Post, url: &Url) -> Vec<Secret> {
    let mut all = vec![post.url.expose().to_owned()];
    all.extend(url.query().map(ToOwned::to_owned));
    all.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    all.extend(url.password().map(ToOwned::to_owned));
    if url.path().len() >= MIN_SECRET_SEGMENT {
        all.push(url.path().to_owned());
    }
    let segments = url.path_segments().into_iter().flatten();
    all.extend(
        segments
            .filter(|part| part.len() >= MIN_SECRET_SEGMENT)
            .map(ToOwned::to_owned),
    );
    for (_, value) in &post.headers {
        let value = value.expose();
        all.extend(value.split_once(' ').map(|(_, rest)| rest.to_owned()));
        all.push(value.to_owned());
    }
    // Keys that stand in a body: of PagerDuty, Apprise and ntfy.
    if let Ok(serde_json::Value::Object(body)) = serde_json::from_slice(&post.body) {
        let named = ["routing_key", "urls", "topic"].into_iter();
        all.extend(named.filter_map(|name| Some(body.get(name)?.as_str()?.to_owned())));
    }
    all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    all.dedup();
    all.iter().map(|secret| Secret::new(secret)).collect()
}

#[cfg(test)]
mod tests;
