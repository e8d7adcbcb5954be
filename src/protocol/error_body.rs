//! A failed response to a [`ProviderError`]: the master classification.
//!
//! Specific codes speak first, then the HTTP status, then general codes and phrases of the message, which alone are
//! left for errors inside a stream. Bodies may be cut or be no JSON at all: then the status decides.

mod info;
mod retry;

use info::Info;
pub use retry::{MAX_RETRY_AFTER, RetryHint, retry_hint};

use super::{ErrorClass, MAX_MESSAGE_BYTES, Protocol, ProviderError};
use crate::clock::Timestamp;

/// Classifies an HTTP error response. Header names are lower case. `body` may be cut at any length. Times that the
/// headers give as dates are read against the response's own `date` header.
pub fn classify(protocol: Protocol, status: u16, headers: &[(String, String)], body: &[u8]) -> ProviderError {
    let text = String::from_utf8_lossy(body);
    let info = serde_json::from_str(&text)
        .ok()
        .and_then(|json| Info::of_body(&json))
        .unwrap_or_else(|| Info::of_text(&text));
    let header = |name: &str| {
        headers
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value)
    };
    let info = match header("x-amzn-errortype") {
        // `ValidationException:http://..`
        Some(kind) => info.named(kind.split(':').next().unwrap_or_default().trim()),
        None => info,
    };
    let class = class_of(protocol, Some(status), &info);
    let info = info.with_clock();
    let now = header("date").and_then(|value| retry::http_date(value));
    let hint = retry_hint(headers, info.delay(), class, now);
    ProviderError {
        class,
        code: info.code(),
        message: if info.message.is_empty() {
            format!("HTTP {status} without a message")
        } else {
            info.message
        },
        retry_after: hint.after.filter(|_| hint.should_retry != Some(false)),
    }
}

/// The class of an error of which codes and a message are known, the most telling code first, but no body.
pub fn class_of_words(protocol: Protocol, status: u16, codes: &[&str], message: &str) -> ErrorClass {
    let info = Info::of_text(message);
    let info = codes.iter().rev().fold(info, |info, code| info.named(code));
    class_of(protocol, Some(status), &info)
}

/// The error in a JSON payload of a 200 response, if it holds one: an `error` member, or an object that says of itself
/// that it is an error.
pub(super) fn from_payload(protocol: Protocol, text: &str) -> Option<ProviderError> {
    let json = serde_json::from_str(text).ok()?;
    let info = match protocol {
        Protocol::Cohere | Protocol::Bedrock => Info::of_payload(&json).or_else(|| Info::of_message(&json)),
        _ => Info::of_payload(&json),
    };
    Some(in_stream(protocol, info?))
}

/// The error inside a Responses object, bare or as the `response` member of an event.
pub(super) fn from_response(protocol: Protocol, text: &str) -> Option<ProviderError> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let response = json.get("response").unwrap_or(&json);
    Some(in_stream(protocol, Info::of_payload(response)?))
}

/// An error of which only its words are known; `otherwise` if they tell no class.
pub(super) fn from_words(protocol: Protocol, words: &str, otherwise: ErrorClass) -> ProviderError {
    let info = Info::of_text(words);
    let class = by_code(protocol, None, &info).or_else(|| by_phrase(&info));
    ProviderError {
        class: class
            .filter(|_| otherwise == ErrorClass::ServerError)
            .unwrap_or(otherwise),
        ..in_stream(protocol, info)
    }
}

/// The error that a frame tells of: its type or code by name, and a payload that is JSON with a message or the message.
pub(super) fn from_exception(protocol: Protocol, name: &str, payload: &[u8]) -> ProviderError {
    let text = String::from_utf8_lossy(payload);
    let info = serde_json::from_str(&text)
        .ok()
        .and_then(|json| Info::of_body(&json))
        .unwrap_or_else(|| Info::of_text(&text));
    in_stream(protocol, info.named(name))
}

fn in_stream(protocol: Protocol, info: Info) -> ProviderError {
    ProviderError {
        class: class_of(protocol, info.status, &info),
        code: info.code(),
        retry_after: retry_hint(&[], info.delay(), ErrorClass::RateLimit, None::<Timestamp>).after,
        message: info.message,
    }
}

/// Cuts a text at a character boundary.
pub(super) fn cut(text: &mut String, bytes: usize) {
    text.truncate(text.floor_char_boundary(bytes));
}

fn class_of(protocol: Protocol, status: Option<u16>, info: &Info) -> ErrorClass {
    by_code(protocol, status, info)
        .or_else(|| status.and_then(|status| by_status(protocol, status)))
        .or_else(|| by_general_code(info))
        .or_else(|| by_phrase(info))
        .unwrap_or(match status {
            Some(400..=499) => ErrorClass::InvalidRequest,
            Some(500..) | None => ErrorClass::ServerError,
            Some(_) => ErrorClass::Protocol,
        })
}

/// One line of the master classification.
struct Rule {
    class: ErrorClass,
    /// Parts of codes, lower case.
    codes: &'static [&'static str],
    /// Phrases of messages, lower case.
    phrases: &'static [&'static str],
    /// With which status, if any.
    when: fn(Option<u16>) -> bool,
}

impl Rule {
    const fn codes(class: ErrorClass, codes: &'static [&'static str], when: fn(Option<u16>) -> bool) -> Self {
        Self {
            class,
            codes,
            phrases: &[],
            when,
        }
    }

    const fn phrases(
        class: ErrorClass,
        phrases: &'static [&'static str],
        when: fn(Option<u16>) -> bool,
    ) -> Self {
        Self {
            class,
            codes: &[],
            phrases,
            when,
        }
    }
}

const AUTH: [Rule; 2] = [
    Rule::codes(
        ErrorClass::Auth,
        &[
            "authentication",
            "invalid_api_key",
            "api_key_invalid",
            "unauthenticated",
            "unauthorized",
            "unrecognizedclient",
            "invalidsignature",
            "incompletesignature",
            "expiredtoken",
        ],
        |_| true,
    ),
    // xAI and Gemini answer a wrong key with 400.
    Rule::phrases(
        ErrorClass::Auth,
        &["incorrect api key", "api key not valid"],
        |status| status == Some(400),
    ),
];

/// After authentication and quota, in the order of the master classification.
const BY_CODE: [Rule; 16] = [
    // Bedrock's words for any malformed request; its message may speak of models.
    Rule::codes(ErrorClass::InvalidRequest, &["validationexception"], |_| true),
    Rule::codes(ErrorClass::Overloaded, &["modelnotready"], |_| true),
    // OpenRouter's words for a broken provider behind it.
    Rule::codes(ErrorClass::ServerError, &["provider_unavailable"], |_| true),
    Rule::codes(
        ErrorClass::ContentPolicy,
        &[
            "content_filter",
            "content_policy",
            "bio_policy",
            "moderation",
            "refusal",
            "responsibleai",
        ],
        |_| true,
    ),
    Rule::phrases(ErrorClass::ContentPolicy, &["moderation", "flagged"], |status| {
        status == Some(403)
    }),
    Rule::codes(
        ErrorClass::Permission,
        &[
            "organization_on_hold",
            "permission",
            "forbidden",
            "failed_precondition",
            "data_residency",
        ],
        |_| true,
    ),
    // OpenRouter's; its status 412 is Fireworks' word for a suspended account.
    Rule::codes(ErrorClass::InvalidRequest, &["precondition_failed"], |_| true),
    Rule::codes(
        ErrorClass::ModelNotFound,
        &["deploymentnotfound", "invalid_model", "not_found"],
        |status| matches!(status, None | Some(400 | 404)),
    ),
    Rule::phrases(
        ErrorClass::ModelNotFound,
        &["model identifier is invalid"],
        |status| status == Some(400),
    ),
    Rule::codes(
        ErrorClass::RequestTooLarge,
        &[
            "context_length_exceeded",
            "exceed_context_size",
            "string_too_long",
            "request_too_large",
            "payload_too_large",
            "max_tokens_exceeded",
            "token_limit_exceeded",
        ],
        |_| true,
    ),
    // A traffic ramp in today's words (429), an overload in yesterday's (503).
    Rule::codes(ErrorClass::Overloaded, &["slow_down"], |status| {
        status == Some(503)
    }),
    Rule::codes(
        ErrorClass::RateLimit,
        &[
            "rate_limit",
            "resource_exhausted",
            "slow_down",
            "throttling",
            "ramp_limit",
        ],
        // Groq says so of one request that is larger than a minute's tokens.
        |status| status != Some(413),
    ),
    Rule::codes(
        ErrorClass::Overloaded,
        &[
            "overloaded",
            "over_capacity",
            "capacity_exceeded",
            "insufficient_system_resource",
        ],
        |status| status != Some(429),
    ),
    // A 429 whose own type is an overload speaks of the provider's load, not of our limit.
    Rule::codes(ErrorClass::Overloaded, &["overloaded"], |status| {
        status == Some(429)
    }),
    // Azure's words for the same.
    Rule::phrases(ErrorClass::Overloaded, &["high demand"], |status| {
        matches!(status, None | Some(429))
    }),
    Rule::codes(ErrorClass::Timeout, &["timeout", "deadline_exceeded"], |status| {
        status != Some(429)
    }),
];

/// Codes that mean one thing whatever status they come with.
fn by_code(protocol: Protocol, status: Option<u16>, info: &Info) -> Option<ErrorClass> {
    let first = |rules: &[Rule]| {
        rules
            .iter()
            .find(|rule| (rule.when)(status) && (info.has_code(rule.codes) || info.says(rule.phrases)))
            .map(|rule| rule.class)
    };
    if let Some(class) = first(&AUTH) {
        return Some(class);
    }
    if is_quota(status, info) {
        return Some(ErrorClass::Quota);
    }
    if protocol == Protocol::OpenaiResponses && info.has_code(&["invalid_prompt"]) {
        return Some(ErrorClass::ContentPolicy);
    }
    // Azure's answer to a wrong path or version; a deployment that is missing has a code of its own.
    if status == Some(404) && info.has_code(&["404"]) && info.says(&["resource not found"]) {
        return Some(ErrorClass::InvalidRequest);
    }
    first(&BY_CODE)
}

fn is_quota(status: Option<u16>, info: &Info) -> bool {
    let codes = [
        "insufficient_quota",
        "credit_balance_exhausted",
        "spend_limit",
        "payment_required",
        "billing",
        "servicequotaexceeded",
    ];
    if info.has_code(&codes) {
        return true;
    }
    match (status, info.quota_per_day) {
        // Gemini names the exhausted quota; its message speaks of billing for the quota of a minute too.
        (Some(429) | None, Some(per_day)) => per_day,
        (Some(429), None) => info.says(&["billing", "credits", "monthly", "/ month", "per month"]),
        (Some(400 | 403), None) => {
            info.says(&["credit balance", "spend limit", "api usage limits", "credits"])
        }
        _ => false,
    }
}

fn by_status(protocol: Protocol, status: u16) -> Option<ErrorClass> {
    Some(match status {
        // Groq's 498 is an overload, but names it by its code; elsewhere it is an invalid token.
        401 | 498 => ErrorClass::Auth,
        402 | 412 => ErrorClass::Quota,
        403 => ErrorClass::Permission,
        404 => ErrorClass::ModelNotFound,
        413 => ErrorClass::RequestTooLarge,
        429 => ErrorClass::RateLimit,
        503 | 529 => ErrorClass::Overloaded,
        408 | 504 | 522 | 524 => ErrorClass::Timeout,
        499 => ErrorClass::Cancelled,
        // A conflict is worth a retry in the SDKs of both vendors.
        409 if protocol != Protocol::Gemini => ErrorClass::ServerError,
        424 | 500..=599 => ErrorClass::ServerError,
        400..=499 => ErrorClass::InvalidRequest,
        _ => return None,
    })
}

/// Codes too general to overrule a status.
fn by_general_code(info: &Info) -> Option<ErrorClass> {
    let rows: [(&[&str], ErrorClass); 3] = [
        (&["unavailable", "capacity"], ErrorClass::Overloaded),
        (
            &["api_error", "server_error", "internal", "server"],
            ErrorClass::ServerError,
        ),
        (
            &[
                "invalid_request",
                "invalid_argument",
                "validation",
                "badrequest",
                "unprocessable",
                "invalid_",
            ],
            ErrorClass::InvalidRequest,
        ),
    ];
    rows.into_iter()
        .find(|(needles, _)| info.has_code(needles))
        .map(|(_, class)| class)
}

/// Phrases of messages: the last resort, for errors that carry nothing else.
fn by_phrase(info: &Info) -> Option<ErrorClass> {
    let rows: [(&[&str], ErrorClass); 4] = [
        (&["rate limit", "too many requests"], ErrorClass::RateLimit),
        (
            &["overloaded", "unavailable", "server busy", "capacity"],
            ErrorClass::Overloaded,
        ),
        (
            &["timeout", "timed out", "deadline exceeded"],
            ErrorClass::Timeout,
        ),
        (&["invalid api key", "incorrect api key"], ErrorClass::Auth),
    ];
    rows.into_iter()
        .find(|(needles, _)| info.says(needles))
        .map(|(_, class)| class)
}

#[cfg(test)]
mod tests;
