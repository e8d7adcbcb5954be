#![expect(clippy::too_many_lines, reason = "tables of cases are long")]

use std::time::Duration;

use super::*;

fn class(protocol: Protocol, status: u16, body: &str) -> ErrorClass {
    classify(protocol, status, &[], body.as_bytes()).class
}

#[test]
fn the_tables_of_all_providers() {
    use ErrorClass::{
        Auth, Cancelled, ContentPolicy, InvalidRequest, ModelNotFound, Overloaded, Permission,
        Protocol as Odd, Quota, RateLimit, RequestTooLarge, ServerError, Timeout,
    };
    use Protocol::{Anthropic, Gemini, OpenaiChat, OpenaiResponses};
    let anthropic = |kind: &str, code: &str| {
        format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"m","details":{{"error_code":"{code}"}}}}}}"#
        )
    };
    let openai = |kind: &str, code: &str| {
        format!(r#"{{"error":{{"message":"m","type":"{kind}","param":null,"code":"{code}"}}}}"#)
    };
    let openrouter = |kind: &str| {
        format!(r#"{{"error":{{"code":400,"message":"m","metadata":{{"error_type":"{kind}"}}}}}}"#)
    };
    let says = |message: &str| format!(r#"{{"error":{{"message":"{message}"}}}}"#);
    let gemini = |status: &str| format!(r#"{{"error":{{"code":1,"message":"m","status":"{status}"}}}}"#);
    let gemini_quota = |id: &str| {
        format!(
            r#"{{"error":{{"code":429,"message":"check your plan and billing details","status":"RESOURCE_EXHAUSTED","details":[{{"@type":"x","violations":[{{"quotaId":"{id}"}}]}}]}}}}"#
        )
    };
    let rows = [
        (
            Anthropic,
            400,
            anthropic("invalid_request_error", ""),
            InvalidRequest,
        ),
        (
            Anthropic,
            400,
            anthropic("invalid_request_error", "organization_on_hold"),
            Permission,
        ),
        (
            Anthropic,
            400,
            says("Your credit balance is too low to access the API"),
            Quota,
        ),
        (Anthropic, 401, anthropic("authentication_error", ""), Auth),
        (Anthropic, 402, anthropic("billing_error", ""), Quota),
        (Anthropic, 403, anthropic("permission_error", ""), Permission),
        (Anthropic, 404, anthropic("not_found_error", ""), ModelNotFound),
        (Anthropic, 408, String::new(), Timeout),
        (Anthropic, 409, anthropic("conflict_error", ""), ServerError),
        (
            Anthropic,
            413,
            "<html>too large</html>".to_owned(),
            RequestTooLarge,
        ),
        (
            Anthropic,
            429,
            anthropic("rate_limit_error", "ramp_limit_exceeded"),
            RateLimit,
        ),
        (
            Anthropic,
            429,
            anthropic("rate_limit_error", "enforced_spend_limit_reached"),
            Quota,
        ),
        (Anthropic, 499, String::new(), Cancelled),
        (Anthropic, 500, anthropic("api_error", ""), ServerError),
        (Anthropic, 503, anthropic("api_error", ""), Overloaded),
        (Anthropic, 504, anthropic("timeout_error", ""), Timeout),
        (Anthropic, 529, anthropic("overloaded_error", ""), Overloaded),
        (Anthropic, 520, "<html>".to_owned(), ServerError),
        (Anthropic, 522, "<html>".to_owned(), Timeout),
        (
            OpenaiChat,
            400,
            openai("invalid_request_error", "unsupported_parameter"),
            InvalidRequest,
        ),
        (
            OpenaiChat,
            400,
            openai("invalid_request_error", "context_length_exceeded"),
            RequestTooLarge,
        ),
        (
            OpenaiChat,
            400,
            openai("invalid_request_error", "content_policy_violation"),
            ContentPolicy,
        ),
        (
            OpenaiChat,
            401,
            openai("invalid_request_error", "invalid_api_key"),
            Auth,
        ),
        (OpenaiChat, 401, openai("invalid_request_error", ""), Auth),
        (
            OpenaiChat,
            403,
            openai("", "unsupported_country_region_territory"),
            Permission,
        ),
        (
            OpenaiChat,
            403,
            says("Input flagged by moderation"),
            ContentPolicy,
        ),
        (
            OpenaiChat,
            404,
            openai("invalid_request_error", "model_not_found"),
            ModelNotFound,
        ),
        (
            OpenaiChat,
            429,
            openai("requests", "rate_limit_exceeded"),
            RateLimit,
        ),
        (
            OpenaiChat,
            429,
            openai("insufficient_quota", "insufficient_quota"),
            Quota,
        ),
        (OpenaiChat, 429, openai("x", "credit_balance_exhausted"), Quota),
        (OpenaiChat, 429, openai("x", "slow_down"), RateLimit),
        (OpenaiChat, 429, openai("x", "engine_overloaded"), Overloaded),
        (
            OpenaiChat,
            429,
            openai("rate_limit_exceeded", "overloaded"),
            RateLimit,
        ),
        (OpenaiChat, 503, openai("x", "slow_down"), Overloaded),
        (
            OpenaiChat,
            503,
            openai("service_unavailable_error", "server_is_overloaded"),
            Overloaded,
        ),
        (OpenaiChat, 502, String::new(), ServerError),
        (OpenaiChat, 424, String::new(), ServerError),
        (
            OpenaiChat,
            412,
            r#"{"error":"account suspended"}"#.to_owned(),
            Quota,
        ),
        (OpenaiChat, 498, openai("", "capacity_exceeded"), Overloaded),
        (OpenaiChat, 498, r#"{"message":"invalid token"}"#.to_owned(), Auth),
        (OpenaiChat, 400, openrouter("payment_required"), Quota),
        (OpenaiChat, 400, openrouter("provider_overloaded"), Overloaded),
        (OpenaiChat, 400, openrouter("refusal"), InvalidRequest),
        (OpenaiChat, 413, openrouter("payload_too_large"), RequestTooLarge),
        (
            OpenaiChat,
            400,
            openai("exceed_context_size_error", ""),
            RequestTooLarge,
        ),
        (OpenaiChat, 503, says("Loading model"), Overloaded),
        (OpenaiResponses, 400, openai("x", "invalid_prompt"), ContentPolicy),
        (Gemini, 400, gemini("INVALID_ARGUMENT"), InvalidRequest),
        (Gemini, 400, gemini("FAILED_PRECONDITION"), Permission),
        (Gemini, 403, gemini("PERMISSION_DENIED"), Permission),
        (Gemini, 404, gemini("NOT_FOUND"), ModelNotFound),
        (Gemini, 409, gemini("ABORTED"), InvalidRequest),
        (
            Gemini,
            429,
            gemini_quota("GenerateRequestsPerDayPerProjectPerModel"),
            Quota,
        ),
        (
            Gemini,
            429,
            gemini_quota("GenerateRequestsPerMinutePerProject"),
            RateLimit,
        ),
        (Gemini, 429, says("check your plan and billing details"), Quota),
        (Gemini, 500, gemini("INTERNAL"), ServerError),
        (Gemini, 503, gemini("UNAVAILABLE"), Overloaded),
        (Gemini, 504, gemini("DEADLINE_EXCEEDED"), Timeout),
        (OpenaiChat, 302, "<a href>".to_owned(), Odd),
        (OpenaiChat, 204, String::new(), Odd),
        (OpenaiChat, 418, String::new(), InvalidRequest),
    ];
    for (protocol, status, body, expected) in rows {
        assert_eq!(
            class(protocol, status, &body),
            expected,
            "{protocol} {status} {body}"
        );
    }
}

#[test]
fn a_body_may_be_cut_anywhere() {
    let body = r#"{"error":{"code":"insufficient_quota","message":"You exceeded — your quota","type":"insufficient_quota"}}"#;
    for end in 0..=body.len() {
        let error = classify(Protocol::OpenaiChat, 429, &[], &body.as_bytes()[..end]);
        let expected = if end >= 36 {
            ErrorClass::Quota
        } else {
            ErrorClass::RateLimit
        };
        assert_eq!(error.class, expected, "cut at {end}");
        assert!(!error.message.is_empty());
    }
}

#[test]
fn messages_are_bounded_and_hold_no_control_characters() {
    let body = format!(r#"{{"error":{{"message":"a\u001b[31m{}"}}}}"#, "é".repeat(600));
    let error = classify(Protocol::OpenaiChat, 500, &[], body.as_bytes());
    assert!(error.message.len() <= MAX_MESSAGE_BYTES && error.message.len() > MAX_MESSAGE_BYTES - 2);
    assert!(!error.message.contains(char::is_control));
    assert_eq!(
        classify(Protocol::OpenaiChat, 500, &[], b"<html>..").message,
        "an HTML page"
    );
    assert_eq!(
        classify(Protocol::OpenaiChat, 500, &[], b"").message,
        "HTTP 500 without a message"
    );
}

#[test]
fn waits_come_from_headers_or_from_the_body() {
    let headers = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    };
    let wait = |pairs: &[(&str, &str)], body: &str| {
        classify(Protocol::Gemini, 429, &headers(pairs), body.as_bytes()).retry_after
    };
    let google = r#"{"error":{"code":429,"details":[{"retryDelay":"34.07s"}]}}"#;
    assert_eq!(wait(&[], google), Some(Duration::from_millis(34_070)));
    assert_eq!(
        wait(&[("retry-after", "2")], google),
        Some(Duration::from_secs(2))
    );
    assert_eq!(
        wait(&[("retry-after", "2"), ("x-should-retry", "false")], google),
        None
    );
    let dated = [
        ("date", "Sun, 22 Nov 2026 01:00:00 GMT"),
        ("retry-after", "Sun, 22 Nov 2026 01:01:00 GMT"),
    ];
    assert_eq!(wait(&dated, ""), Some(Duration::from_secs(60)));
    assert_eq!(wait(&dated[1..], ""), None);
}
