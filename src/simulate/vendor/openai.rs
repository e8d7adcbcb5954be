//! What OpenAI's two protocols share: errors and the models list.

use super::{Refusal, quoted};

/// Models that the list names; generation takes any.
const MODELS: [&str; 3] = ["gpt-5.2", "gpt-5.2-mini", "gpt-4.1-mini"];

/// Random padding of the vendor's chunks; its length is what varies there, and here it need not.
pub(super) const OBFUSCATION: &str = r#","obfuscation":"zX9kQ""#;

struct Words {
    message: &'static str,
    kind: &'static str,
    code: Option<&'static str>,
}

fn words(status: u16) -> Words {
    let (message, kind, code) = match status {
        401 => (
            "Incorrect API key provided: sk-sim****. You can find your API key at https://platform.openai.com/account/api-keys.",
            "invalid_request_error",
            Some("invalid_api_key"),
        ),
        404 => (
            "The model does not exist or you do not have access to it.",
            "invalid_request_error",
            Some("model_not_found"),
        ),
        429 => (
            "Rate limit reached on tokens per min (TPM): Limit 200000, Used 199950, Requested 120. Please try again in 21ms.",
            "tokens",
            Some("rate_limit_exceeded"),
        ),
        400..500 => ("Invalid request.", "invalid_request_error", None),
        503 | 529 => (
            "The server is currently overloaded. Please try again later.",
            "service_unavailable_error",
            Some("server_is_overloaded"),
        ),
        _ => (
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
        ),
    };
    Words { message, kind, code }
}

/// The error object with its wrapper.
pub(super) fn error_body(message: &str, kind: &str, code: Option<&str>) -> String {
    let code = code.map_or_else(|| "null".to_owned(), quoted);
    format!(
        r#"{{"error":{{"message":{},"type":"{kind}","param":null,"code":{code}}}}}"#,
        quoted(message)
    )
}

pub(super) fn refusal(what: &Refusal) -> (u16, String) {
    let invalid = |status, message: &str| (status, error_body(message, "invalid_request_error", None));
    match what {
        Refusal::NoKey => invalid(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer \
             auth (i.e. Authorization: Bearer YOUR_KEY).",
        ),
        Refusal::BadKey => usual(401),
        Refusal::RateLimit => usual(429),
        Refusal::Status(status) => usual(*status),
        Refusal::Invalid(message) => invalid(400, message),
        Refusal::NoPath(path) => invalid(404, &format!("Invalid URL ({path})")),
        Refusal::Method => invalid(405, "Not allowed to use this method on this URL."),
        Refusal::TooLarge => invalid(413, "The request body is larger than allowed."),
    }
}

fn usual(status: u16) -> (u16, String) {
    let Words { message, kind, code } = words(status);
    (status, error_body(message, kind, code))
}

pub(super) fn models() -> String {
    let data: Vec<String> = MODELS
        .iter()
        .map(|id| format!(r#"{{"id":"{id}","object":"model","created":1767225600,"owned_by":"system"}}"#))
        .collect();
    format!(r#"{{"object":"list","data":[{}]}}"#, data.join(","))
}
