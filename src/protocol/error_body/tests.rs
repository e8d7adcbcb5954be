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
        (OpenaiChat, 400, openrouter("refusal"), ContentPolicy),
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

/// Who, status, class, body.
const DIALECT_ROWS: &str = r#"
openrouter 400 content_policy {"error":{"code":400,"message":"m","metadata":{"error_type":"content_policy_violation"}}}
openrouter 400 request_too_large {"error":{"code":400,"message":"m","metadata":{"error_type":"context_length_exceeded"}}}
openrouter 400 request_too_large {"error":{"code":400,"message":"m","metadata":{"error_type":"string_too_long"}}}
openrouter 401 auth {"error":{"code":401,"message":"m","metadata":{"error_type":"authentication"}}}
openrouter 402 quota {"error":{"code":402,"message":"Insufficient credits"},"user_id":"u"}
openrouter 403 permission {"error":{"code":403,"message":"m","metadata":{"error_type":"permission_denied"}}}
openrouter 403 content_policy {"error":{"code":403,"message":"Your input was flagged","metadata":{"reasons":["violence"]}}}
openrouter 404 model_not_found {"error":{"code":404,"message":"No endpoints found"}}
openrouter 408 timeout {"error":{"code":408,"message":"m"}}
openrouter 412 invalid_request {"error":{"code":412,"message":"m","metadata":{"error_type":"precondition_failed"}}}
openrouter 422 invalid_request {"error":{"code":422,"message":"m","metadata":{"error_type":"unprocessable"}}}
openrouter 429 rate_limit {"error":{"code":429,"message":"m","metadata":{"error_type":"rate_limit_exceeded"}}}
openrouter 502 server_error {"error":{"code":502,"message":"m","metadata":{"error_type":"provider_unavailable"}}}
openrouter 503 overloaded {"error":{"code":503,"message":"m"}}
openrouter 524 timeout error code: 524
openrouter 529 overloaded {"error":{"code":529,"message":"m","metadata":{"error_type":"provider_overloaded"}}}
groq 498 overloaded {"error":{"message":"m","type":"capacity_exceeded","code":"capacity_exceeded"}}
groq 413 request_too_large {"error":{"message":"m","type":"tokens","code":"rate_limit"}}
groq 424 server_error {"error":{"message":"m"}}
together 402 quota {"error":{"message":"m","type":"credit_limit","param":null,"code":null}}
together 503 overloaded {"id":"x","error":{"message":"The engine is overloaded","type":"service_unavailable","param":null,"code":"engine_overloaded"}}
together 520 server_error <html>
together 524 timeout <html>
fireworks 400 invalid_request {"error":{"object":"error","type":"invalid_request_error","message":"m"}}
fireworks 401 auth {"error":"unauthorized"}
fireworks 404 model_not_found {"error":{"object":"error","type":"invalid_request_error","message":"Model not found"}}
fireworks 412 quota {"error":{"object":"error","type":"error","message":"Account is suspended"}}
deepseek 402 quota {"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}
deepseek 422 invalid_request {"error":{"message":"m","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}
deepseek 503 overloaded {"error":{"message":"m","type":"service_unavailable_error","param":null,"code":"service_unavailable"}}
xai 400 auth {"code":"Client specified an invalid argument","error":"Incorrect API key provided: na***ys."}
xai 400 invalid_request {"code":"Client specified an invalid argument","error":"m"}
xai 403 quota {"code":"The caller does not have permission to execute the specified operation","error":"Your team has no credits"}
xai 403 permission {"code":"The caller does not have permission to execute the specified operation","error":"The key is blocked"}
xai 404 model_not_found {"code":"Some requested entity was not found","error":"The model x does not exist"}
vllm 400 invalid_request {"error":{"message":"m","type":"BadRequestError","param":null,"code":400}}
vllm 400 invalid_request {"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}
vllm 401 auth {"error":"Unauthorized"}
vllm 404 model_not_found {"error":{"message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}}
vllm 500 server_error {"error":{"message":"m","type":"InternalServerError","param":null,"code":500}}
llamacpp 400 request_too_large {"error":{"code":400,"message":"request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9412,"n_ctx":8192}}
llamacpp 401 auth {"error":{"code":401,"message":"Invalid API Key","type":"authentication_error"}}
llamacpp 403 permission {"error":{"code":403,"message":"m","type":"permission_error"}}
llamacpp 404 model_not_found {"error":{"code":404,"message":"m","type":"not_found_error"}}
llamacpp 501 server_error {"error":{"code":501,"message":"m","type":"not_supported_error"}}
llamacpp 503 overloaded {"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}
litellm 401 auth {"error":{"message":"litellm.AuthenticationError: m","type":"auth_error","param":"None","code":"401"}}
litellm 404 model_not_found {"error":{"message":"litellm.NotFoundError: m","type":null,"param":null,"code":"404"}}
litellm 429 rate_limit {"error":{"message":"litellm.RateLimitError: m","type":"throttling_error","param":null,"code":"429"}}
litellm 500 server_error {"error":{"message":"litellm.InternalServerError: m","type":null,"param":null,"code":"500","provider_specific_fields":{"x":1}}}
azure-openai 401 auth {"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}
azure-openai 404 model_not_found {"error":{"code":"DeploymentNotFound","message":"m"}}
azure-openai 404 invalid_request {"error":{"code":"404","message":"Resource not found"}}
azure-openai 400 content_policy {"error":{"code":"content_filter","message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}
azure-openai 400 content_policy {"error":{"code":null,"message":"m","innererror":{"code":"ResponsibleAIPolicyViolation"}}}
azure-openai 408 timeout {"error":{"code":"Timeout","message":"The operation was timeout."}}
azure-openai 429 rate_limit {"error":{"code":"429","message":"Requests have exceeded the call rate limit. Please retry after 6 seconds."}}
azure-openai 429 rate_limit {"error":{"code":"RateLimitReached","message":"m"}}
azure-openai 429 overloaded {"error":{"code":"429","message":"The system is experiencing high demand."}}
azure-openai 503 overloaded {"error":{"code":"503","message":"m"}}
mistral 401 auth {"message":"Unauthorized","request_id":"r"}
mistral 400 model_not_found {"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}
mistral 404 model_not_found {"object":"error","message":"m","type":"invalid_model","param":null,"code":"1500"}
mistral 422 invalid_request {"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted","type":"extra_forbidden"}]}
mistral 429 rate_limit {"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300"}
mistral 500 server_error {"object":"error","message":"m","type":"internal_server_error","param":null,"code":"1000"}
cohere 400 invalid_request {"id":"i","message":"invalid request: m"}
cohere 401 auth {"message":"invalid api token"}
cohere 404 model_not_found {"message":"model 'x' not found"}
cohere 422 invalid_request {"message":"m"}
cohere 429 quota {"message":"You are using a Trial key, which is limited to 1000 API calls / month."}
cohere 429 quota {"message":"Your monthly limit is reached"}
cohere 429 rate_limit {"message":"You are using a Trial key, which is limited to 20 API calls / minute."}
cohere 498 auth {"message":"invalid token"}
cohere 499 cancelled {"message":"m"}
cohere 501 server_error {"message":"m"}
cohere 503 overloaded {"message":"m"}
cohere 504 timeout {"message":"m"}
ollama 400 invalid_request {"error":""x" does not support thinking"}
ollama 401 auth {"error":"unauthorized","signin_url":"https://example.com"}
ollama 403 permission {"error":"cloud models are disabled"}
ollama 404 model_not_found {"error":"model "x" not found, try pulling it first"}
ollama 429 rate_limit {"error":"you have reached your hourly usage limit"}
ollama 499 cancelled {"error":"request canceled"}
ollama 500 server_error {"error":"model requires more system memory (8.0 GiB) than is available (4.0 GiB)"}
ollama 500 server_error {"error":"open blob: permission denied"}
ollama 502 server_error {"error":"the cloud is unreachable"}
ollama 503 overloaded {"error":"server busy, please try again.  maximum pending requests exceeded"}
ollama-openai 404 model_not_found {"error":{"message":"model 'x' not found","type":"not_found_error","param":null,"code":null}}
gemini 401 auth [{"error":{"code":401,"message":"m","status":"UNAUTHENTICATED"}}]
gemini 403 permission {"error":{"code":403,"message":"Method doesn't allow unregistered callers","status":"PERMISSION_DENIED"}}
gemini 404 model_not_found [{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]
gemini 400 auth {"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}
anthropic 401 auth [{"error":{"code":401,"message":"m","status":"UNAUTHENTICATED"}}]
anthropic 403 permission {"error":{"code":403,"message":"m","status":"PERMISSION_DENIED"}}
anthropic 404 model_not_found [{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}]
anthropic 429 rate_limit [{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]
anthropic 503 overloaded {"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}
anthropic 529 overloaded {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}
bedrock 403 permission {"Message":"User is not authorized to perform: bedrock:InvokeModel"}
bedrock 403 auth {"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token is invalid"}
bedrock 413 request_too_large <html>
"#;

#[test]
fn the_bodies_of_all_dialects() {
    for row in DIALECT_ROWS.trim().lines() {
        let mut cells = row.splitn(4, ' ');
        let mut cell = || cells.next().unwrap();
        let wire: crate::protocol::Wire = cell().parse().unwrap();
        let status = cell().parse().unwrap();
        let expected = ErrorClass::parse(cell()).unwrap();
        let body = cell();
        let error = classify(wire.protocol, status, &[], body.as_bytes());
        assert_eq!(error.class, expected, "{row}");
        let words = body.contains("essage\":\"") || body.contains("\"msg\"");
        assert!(!error.message.starts_with("HTTP "), "{row}: {}", error.message);
        assert!(
            !words || !error.message.starts_with('{'),
            "{row}: {}",
            error.message
        );
    }
}

#[test]
fn aws_names_its_errors_in_a_header() {
    let rows = [
        (
            "ValidationException:http://internal.amazon.com/",
            400,
            "The provided model identifier is invalid.",
            "invalid_request",
        ),
        ("ServiceQuotaExceededException", 400, "m", "quota"),
        (
            "AccessDeniedException",
            403,
            "You don't have access to the model with the specified model ID.",
            "permission",
        ),
        ("UnrecognizedClientException", 403, "m", "auth"),
        (
            "InvalidSignatureException",
            403,
            "The request signature we calculated does not match",
            "auth",
        ),
        ("IncompleteSignatureException", 403, "m", "auth"),
        ("ExpiredTokenException", 403, "m", "auth"),
        (
            "MissingAuthenticationTokenException",
            403,
            "Missing Authentication Token",
            "auth",
        ),
        (
            "ResourceNotFoundException",
            404,
            "Resource not found",
            "model_not_found",
        ),
        ("ModelTimeoutException", 408, "m", "timeout"),
        ("ModelErrorException", 424, "m", "server_error"),
        ("ThrottlingException", 429, "Too many requests", "rate_limit"),
        ("ModelNotReadyException", 429, "m", "overloaded"),
        ("InternalServerException", 500, "m", "server_error"),
        ("ServiceUnavailableException", 503, "m", "overloaded"),
    ];
    for (kind, status, message, expected) in rows {
        for key in ["message", "Message"] {
            let headers = [("x-amzn-errortype".to_owned(), kind.to_owned())];
            let body = format!("{{\"{key}\":\"{message}\"}}");
            let error = classify(Protocol::Bedrock, status, &headers, body.as_bytes());
            assert_eq!(error.class.as_str(), expected, "{kind}");
            assert_eq!(error.code.as_deref(), kind.split(':').next(), "{kind}");
            assert_eq!(error.message, message, "{kind}");
        }
    }
}

#[test]
fn a_clock_that_is_off_is_told_apart_from_a_wrong_key() {
    let headers = [(
        "x-amzn-errortype".to_owned(),
        "InvalidSignatureException".to_owned(),
    )];
    let message = |text: &str| {
        let body = format!("{{\"message\":\"{text}\"}}");
        let error = classify(Protocol::Bedrock, 403, &headers, body.as_bytes());
        assert_eq!(error.class, ErrorClass::Auth);
        error.message
    };
    for skewed in [
        "Signature expired: 20261121T225000Z is now earlier than ..",
        "Signature not yet current: ..",
    ] {
        assert_eq!(
            message(skewed),
            format!("the clock of this machine is off: {skewed}")
        );
    }
    let wrong = "The request signature we calculated does not match the signature you provided";
    assert_eq!(message(wrong), wrong);
}

#[test]
fn exceptions_in_a_stream_have_their_class() {
    let rows = [
        ("internalServerException", "server_error"),
        ("modelStreamErrorException", "server_error"),
        ("throttlingException", "rate_limit"),
        ("validationException", "invalid_request"),
        ("serviceUnavailableException", "overloaded"),
        ("modelTimeoutException", "timeout"),
        ("InternalError", "server_error"),
        ("", "server_error"),
    ];
    for (name, expected) in rows {
        for payload in ["{\"message\":\"m\",\"originalStatusCode\":429}", "m", ""] {
            let error = from_exception(Protocol::Bedrock, name, payload.as_bytes());
            assert_eq!(error.class.as_str(), expected, "{name} {payload}");
            assert_eq!(error.code.as_deref().unwrap_or_default(), name);
        }
    }
}
