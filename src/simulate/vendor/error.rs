//! HTTP errors in each vendor's own shape.

use super::{Speaker, anthropic, gemini, quoted};
use crate::{protocol::Protocol, simulate::catalog::Style};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No credential.
    NoKey,
    /// The credential is not accepted.
    BadKey,
    /// Too many requests.
    RateLimit,
    /// This status, with the vendor's usual words.
    Status(u16),
    /// The request is malformed.
    Invalid(String),
    /// No such path.
    NoPath(String),
    /// The path exists, the method doesn't.
    Method,
    /// The body is larger than allowed.
    TooLarge,
}

/// An HTTP error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Denial {
    /// Status.
    pub(crate) status: u16,
    /// Body.
    pub(crate) body: String,
    /// A header that goes with it.
    pub(crate) header: Option<(&'static str, String)>,
}

/// What a status is called, and said with it.
struct Words {
    /// `OpenAI`'s type.
    kind: &'static str,
    /// `OpenAI`'s code; empty: null.
    code: &'static str,
    /// A class name, as Python servers have it.
    class: &'static str,
    /// An exception's name, as AWS has it.
    exception: &'static str,
    message: &'static str,
}

/// By status, where it has words of its own.
static NAMED: &[(&[u16], Words)] = &[
    (
        &[401],
        Words {
            kind: "invalid_request_error",
            code: "invalid_api_key",
            class: "AuthenticationError",
            exception: "UnrecognizedClientException",
            message: "Incorrect API key provided: sk-sim****.",
        },
    ),
    (
        &[403],
        Words {
            kind: "permission_error",
            code: "",
            class: "PermissionDeniedError",
            exception: "AccessDeniedException",
            message: "You don't have access to this resource.",
        },
    ),
    (
        &[404],
        Words {
            kind: "invalid_request_error",
            code: "model_not_found",
            class: "NotFoundError",
            exception: "ResourceNotFoundException",
            message: "The model does not exist or you do not have access to it.",
        },
    ),
    (
        &[405],
        Words {
            kind: "invalid_request_error",
            code: "",
            class: "MethodNotAllowedError",
            exception: "UnknownOperationException",
            message: "Not allowed to use this method on this URL.",
        },
    ),
    (
        &[408],
        Words {
            kind: "timeout",
            code: "",
            class: "Timeout",
            exception: "ModelTimeoutException",
            message: "Request timed out.",
        },
    ),
    (
        &[413],
        Words {
            kind: "invalid_request_error",
            code: "",
            class: "BadRequestError",
            exception: "ValidationException",
            message: "The request body is larger than allowed.",
        },
    ),
    (
        &[429],
        Words {
            kind: "tokens",
            code: "rate_limit_exceeded",
            class: "RateLimitError",
            exception: "ThrottlingException",
            message: "Rate limit reached on tokens per min (TPM): Limit 200000, Used 199950, Requested 120. Please try again in 21ms.",
        },
    ),
    (
        &[503, 529],
        Words {
            kind: "service_unavailable_error",
            code: "server_is_overloaded",
            class: "ServiceUnavailableError",
            exception: "ServiceUnavailableException",
            message: "The server is currently overloaded. Please try again later.",
        },
    ),
    (
        &[504],
        Words {
            kind: "timeout",
            code: "",
            class: "Timeout",
            exception: "ModelTimeoutException",
            message: "The request timed out upstream.",
        },
    ),
];

/// What the client did wrong otherwise.
static CLIENT: Words = Words {
    kind: "invalid_request_error",
    code: "",
    class: "BadRequestError",
    exception: "ValidationException",
    message: "Invalid request.",
};

/// What the server did wrong otherwise.
static SERVER: Words = Words {
    kind: "server_error",
    code: "",
    class: "InternalServerError",
    exception: "InternalServerException",
    message: "The server had an error while processing your request. Sorry about that!",
};

fn words(status: u16) -> &'static Words {
    let named = NAMED.iter().find(|(statuses, _)| statuses.contains(&status));
    match named {
        Some((_, words)) => words,
        None if (400..500).contains(&status) => &CLIENT,
        None => &SERVER,
    }
}

/// The error in the vendor's shape.
pub(crate) fn refusal(speaker: Speaker, what: &Refusal, request_id: &str) -> Denial {
    let style = style(speaker, what);
    let (status, message) = told(style, what);
    let plain = |body| Denial {
        status,
        body,
        header: None,
    };
    match style {
        Style::Anthropic => plain(anthropic::error(status, message.as_deref(), request_id)),
        Style::Google | Style::Vertex => {
            let key_invalid = style == Style::Google && *what == Refusal::BadKey;
            plain(gemini::error(status, message.as_deref(), key_invalid))
        }
        Style::Aws => Denial {
            header: Some(("x-amzn-errortype", exception(what, status).to_owned())),
            ..plain(format!(
                r#"{{"message":{}}}"#,
                quoted(message.as_deref().unwrap_or(words(status).message))
            ))
        },
        _ => plain(shaped(style, status, message.as_deref(), request_id)),
    }
}

/// Whose shape it is: whoever speaks Anthropic's protocol has Anthropic's errors, but a cloud answers for its own door.
fn style(speaker: Speaker, what: &Refusal) -> Style {
    let vendor = speaker.vendor.style;
    match (speaker.protocol(), vendor) {
        (Protocol::Anthropic, Style::Vertex) => match what {
            Refusal::Invalid(_) | Refusal::TooLarge | Refusal::Status(400 | 413 | 500..) => Style::Anthropic,
            _ => Style::Vertex,
        },
        (Protocol::Anthropic, _) => Style::Anthropic,
        (Protocol::OpenaiChat, Style::Ollama) => Style::Openai,
        _ => vendor,
    }
}

/// Status and words where they are not the usual ones of that status.
fn told(style: Style, what: &Refusal) -> (u16, Option<String>) {
    let said = |status, message: &str| (status, Some(message.to_owned()));
    match (what, style) {
        (Refusal::NoKey, Style::Anthropic) => said(401, "x-api-key header is required"),
        (Refusal::NoKey, Style::Google) => said(
            403,
            "Method doesn't allow unregistered callers (callers without established identity).",
        ),
        (Refusal::NoKey, Style::Aws) => said(403, "Missing Authentication Token"),
        (Refusal::NoKey, Style::Openai) => said(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer \
             auth (i.e. Authorization: Bearer YOUR_KEY).",
        ),
        (Refusal::NoKey, Style::OpenRouter) => said(401, "No auth credentials found"),
        (Refusal::NoKey | Refusal::BadKey, Style::Cohere) => said(401, "invalid api token"),
        (Refusal::BadKey, Style::Google) => said(400, "API key not valid. Please pass a valid API key."),
        (Refusal::BadKey, Style::Xai) => said(
            400,
            "Incorrect API key provided: sk***im. You can obtain an API key from https://console.x.ai.",
        ),
        (Refusal::BadKey, Style::Aws) => said(403, "The security token included in the request is invalid."),
        (Refusal::NoKey | Refusal::BadKey, Style::Mistral) => said(401, "Unauthorized"),
        (Refusal::NoKey | Refusal::BadKey, Style::Ollama) => said(401, "unauthorized"),
        (Refusal::NoKey | Refusal::BadKey, _) => (401, None),
        (Refusal::RateLimit, _) => (429, None),
        (Refusal::Status(404), Style::Ollama) => said(404, "model \"m\" not found, try pulling it first"),
        (Refusal::Status(503), Style::Ollama) => said(
            503,
            "server busy, please try again.  maximum pending requests exceeded",
        ),
        (Refusal::Status(status), _) => (*status, None),
        (Refusal::Invalid(message), Style::Mistral) => said(422, message),
        (Refusal::Invalid(message), _) => said(400, message),
        (Refusal::NoPath(path), Style::Openai) => said(404, &format!("Invalid URL ({path})")),
        (Refusal::NoPath(path), Style::Google | Style::Vertex) => {
            said(404, &format!("The requested URL {path} was not found."))
        }
        (Refusal::NoPath(path), _) => said(404, &format!("Not found: {path}")),
        (Refusal::Method, _) => (405, None),
        (Refusal::TooLarge, _) => (413, None),
    }
}

/// The name of an AWS error.
fn exception(what: &Refusal, status: u16) -> &'static str {
    match what {
        Refusal::NoKey => "MissingAuthenticationTokenException",
        Refusal::BadKey => "UnrecognizedClientException",
        _ => words(status).exception,
    }
}

/// Who writes text and codes as JSON of their own.
fn shaped(style: Style, status: u16, message: Option<&str>, request_id: &str) -> String {
    let words = words(status);
    let plain = message.unwrap_or(words.message);
    let text = quoted(plain);
    let code = if words.code.is_empty() {
        "null".to_owned()
    } else {
        quoted(words.code)
    };
    match style {
        Style::Ollama => format!(r#"{{"error":{text}}}"#),
        Style::Cohere => format!(r#"{{"id":"{request_id}","message":{text}}}"#),
        Style::Mistral if status == 401 => format!(r#"{{"message":{text},"request_id":"{request_id}"}}"#),
        Style::Mistral if status == 422 => {
            format!(r#"{{"detail":[{{"type":"missing","loc":["body"],"msg":{text},"input":null}}]}}"#)
        }
        Style::Mistral => format!(
            r#"{{"object":"error","message":{text},"type":"{}","param":null,"code":"{}"}}"#,
            mistral_kind(status),
            u32::from(status) * 10
        ),
        Style::OpenRouter => format!(
            r#"{{"error":{{"code":{status},"message":{text},"metadata":{{"error_type":"{}"}}}},"user_id":"user_simulated"}}"#,
            openrouter_kind(status)
        ),
        Style::Fireworks => format!(
            r#"{{"error":{{"object":"error","type":"{}","message":{text}}}}}"#,
            words.kind
        ),
        Style::Xai => format!(r#"{{"code":"{}","error":{text}}}"#, xai_code(status)),
        Style::Vllm if status == 401 => r#"{"error":"Unauthorized"}"#.to_owned(),
        Style::Vllm => format!(
            r#"{{"error":{{"message":{text},"type":"{}","param":null,"code":{status}}}}}"#,
            words.class
        ),
        Style::LlamaCpp => format!(
            r#"{{"error":{{"code":{status},"message":{text},"type":"{}"}}}}"#,
            llama_kind(status)
        ),
        Style::LiteLlm => format!(
            r#"{{"error":{{"message":{},"type":null,"param":null,"code":"{status}"}}}}"#,
            quoted(&format!("litellm.{}: {plain}", words.class))
        ),
        Style::Azure => format!(
            r#"{{"error":{{"code":"{}","message":{}}}}}"#,
            azure_code(status, message.is_some()),
            quoted(azure_message(status, message).unwrap_or(plain))
        ),
        _ => format!(
            r#"{{"error":{{"message":{text},"type":"{}","param":null,"code":{code}}}}}"#,
            words.kind
        ),
    }
}

const fn mistral_kind(status: u16) -> &'static str {
    match status {
        404 => "invalid_model",
        429 => "rate_limited",
        400..500 => "invalid_request_error",
        _ => "internal_server_error",
    }
}

const fn openrouter_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication",
        402 => "payment_required",
        403 => "permission_denied",
        404 => "not_found",
        408 | 504 | 524 => "timeout",
        413 => "payload_too_large",
        429 => "rate_limit_exceeded",
        400..500 => "invalid_request",
        503 | 529 => "provider_overloaded",
        _ => "server",
    }
}

const fn xai_code(status: u16) -> &'static str {
    match status {
        401 => "No credentials provided",
        403 => "The caller does not have permission to execute the specified operation",
        404 => "Some requested entity was not found",
        429 => "Some resource has been exhausted",
        400..500 => "Client specified an invalid argument",
        503 | 529 => "The service is currently unavailable",
        _ => "Internal error",
    }
}

const fn llama_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        400..=499 => "invalid_request_error",
        501 => "not_supported_error",
        503 | 529 => "unavailable_error",
        _ => "server_error",
    }
}

/// A number for most, a word for what happens often; a path that is none (it has words of its own) is no deployment.
fn azure_code(status: u16, no_path: bool) -> String {
    match status {
        404 if !no_path => "DeploymentNotFound".to_owned(),
        429 => "RateLimitReached".to_owned(),
        status => status.to_string(),
    }
}

const fn azure_message(status: u16, message: Option<&str>) -> Option<&str> {
    match (status, message) {
        (401, None) => Some(
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for \
             an active subscription and use a correct regional API endpoint for your resource.",
        ),
        (404, None) => Some(
            "The API deployment for this resource does not exist. If you created the deployment within the last 5 \
             minutes, please wait a moment and try again.",
        ),
        (429, None) => Some("Rate limit is exceeded. Please retry after 20 seconds."),
        (_, message) => message,
    }
}
