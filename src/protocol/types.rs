//! What every protocol is reduced to.

use std::{fmt, str::FromStr, time::Duration};

/// A wire protocol that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions and its dialects.
    OpenaiChat,
    /// OpenAI Responses.
    OpenaiResponses,
    /// Gemini `streamGenerateContent?alt=sse`.
    Gemini,
    /// Ollama's own `/api/chat`: one JSON value a line.
    Ollama,
    /// AWS Bedrock `converse-stream`: binary frames.
    Bedrock,
    /// Cohere v2 chat.
    Cohere,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Anthropic,
        Self::OpenaiChat,
        Self::OpenaiResponses,
        Self::Gemini,
        Self::Ollama,
        Self::Bedrock,
        Self::Cohere,
    ];

    /// The name used in configuration, presets and vectors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenaiChat => "openai-chat",
            Self::OpenaiResponses => "openai-responses",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
        }
    }

    /// Whether token counts regularly come after the terminal event.
    pub const fn usage_follows_terminal(self) -> bool {
        matches!(self, Self::Bedrock)
    }

    /// Whether a 200 of that content type is the protocol's stream; otherwise it is read whole, as an error object or
    /// a non-streaming answer. A missing content type counts as a stream: the decoder tells.
    pub fn is_stream(self, content_type: Option<&str>) -> bool {
        let Some(given) = content_type else { return true };
        let given = given.trim().to_ascii_lowercase();
        let kinds: &[&str] = match self {
            Self::Anthropic | Self::OpenaiChat | Self::OpenaiResponses | Self::Gemini | Self::Cohere => {
                &["text/event-stream"]
            }
            Self::Ollama => &["application/x-ndjson", "application/ndjson", "application/jsonl"],
            Self::Bedrock => &["application/vnd.amazon.eventstream"],
        };
        kinds.iter().any(|kind| given.starts_with(kind))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|p| p.as_str() == text).ok_or_else(|| {
            format!(
                "unknown protocol {text:?}, known are {}",
                Self::ALL.map(Self::as_str).join(", ")
            )
        })
    }
}

/// One thing that a stream said.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamEvent {
    /// Who answers. Either may come late or again; the last non-empty one counts.
    Meta {
        /// The model that the reply names.
        model: Option<String>,
        /// The reply's id in its body.
        response_id: Option<String>,
    },
    /// Generated tokens: never empty.
    Delta {
        /// Which channel they belong to.
        channel: Channel,
        /// The text as sent.
        text: String,
    },
    /// The model begins a call of that tool; its arguments follow as deltas of [`Channel::Tool`].
    ToolCall {
        /// The tool's name.
        name: String,
    },
    /// The configuration that the provider says it served with (`system_fingerprint`). The last one counts.
    Fingerprint(String),
    /// A ping or comment: proves a living connection, nothing else.
    KeepAlive,
    /// The protocol's stop reason. The last one counts.
    Stop(StopReason),
    /// Cumulative token counts. The last one counts.
    Usage(Usage),
    /// An error inside the stream; it wins over any stop reason.
    Error(ProviderError),
    /// The protocol's terminal event.
    Terminal,
    /// The body ended after a stop reason in a protocol that has no terminal event (Gemini): the reply was over with
    /// that stop. Emitted only by [`super::Decoder::finish`].
    TerminalByEnd,
    /// A dispatched event whose payload was not valid.
    Garbled {
        /// What was wrong with it.
        detail: String,
    },
    /// Something to remember that changes no verdict by itself.
    Note(Note),
}

/// Where generated tokens go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The visible answer.
    Text,
    /// Thinking; counts for TTFT, not for TTFO.
    Reasoning,
    /// Arguments of a tool call.
    Tool,
    /// Text of a refusal.
    Refusal,
}

/// Facts about a stream that are kept as flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Note {
    /// Bytes of an unfinished event were left at the end and dropped.
    Residue,
    /// The last event lacked its blank line but was whole.
    ResidueAccepted,
    /// Sequence numbers skipped: events were lost.
    SequenceGap,
    /// An event without the name that its protocol requires.
    MissingEventName,
    /// An event type that we don't know.
    UnknownEvent,
    /// The full text that the protocol repeats at the end differs from the sum of the deltas.
    TextMismatch,
}

/// Why a reply ended, in the provider's word and in ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReason {
    /// The provider's own string.
    pub raw: String,
    /// What it means.
    pub class: StopClass,
}

/// Meaning of a stop reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopClass {
    /// The model finished by itself.
    Complete,
    /// A token or context limit.
    Limit,
    /// Refusal, safety filter, blocked prompt.
    Refused,
    /// The model called a tool.
    Tool,
    /// The server paused a turn.
    Paused,
    /// The stop reason itself tells of an error.
    Error(ErrorClass),
    /// Not in our tables.
    Unknown,
}

/// Headers that may carry the provider's request id, the surest first (`docs/verdicts.md`).
pub const REQUEST_ID_HEADERS: [&str; 7] = [
    "request-id",
    "x-request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "x-generation-id",
    "x-litellm-call-id",
    "cf-ray",
];

/// Token counts as the provider reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Prompt tokens.
    pub input: Option<u64>,
    /// Generated tokens, hidden reasoning included where the provider includes it.
    pub output: Option<u64>,
    /// Reasoning tokens within (or beside, for Gemini: already added to) `output`.
    pub reasoning: Option<u64>,
    /// The count is a placeholder from the start of the stream, not a final one.
    pub provisional: bool,
}

impl Usage {
    /// Tokens that were streamed visibly: output without hidden reasoning.
    pub fn visible(&self) -> Option<u64> {
        if self.provisional {
            return None;
        }
        self.output
            .map(|out| out.saturating_sub(self.reasoning.unwrap_or(0)))
    }
}

/// The master classification of failures (`wire-protocols.md` 14.2), transport classes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The name did not resolve.
    Dns,
    /// No TCP connection.
    Connect,
    /// The TLS handshake failed.
    Tls,
    /// The connection broke before a response head.
    Reset,
    /// A deadline passed, ours or the provider's.
    Timeout,
    /// Credential refused.
    Auth,
    /// Money or quota spent.
    Quota,
    /// Not allowed.
    Permission,
    /// Model unknown or retired.
    ModelNotFound,
    /// Content policy refused the request.
    ContentPolicy,
    /// Request larger than allowed.
    RequestTooLarge,
    /// Too many requests by us.
    RateLimit,
    /// The provider has no capacity.
    Overloaded,
    /// The provider broke.
    ServerError,
    /// The request was malformed; before anything was sent: it could not be, by us or by a proxy of ours.
    InvalidRequest,
    /// The answer is none of the known shapes, or broke a limit of ours.
    Protocol,
    /// Whoever asked went away.
    Cancelled,
}

impl ErrorClass {
    /// Every class, for exhaustive tables.
    pub const ALL: [Self; 17] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Reset,
        Self::Timeout,
        Self::Auth,
        Self::Quota,
        Self::Permission,
        Self::ModelNotFound,
        Self::ContentPolicy,
        Self::RequestTooLarge,
        Self::RateLimit,
        Self::Overloaded,
        Self::ServerError,
        Self::InvalidRequest,
        Self::Protocol,
        Self::Cancelled,
    ];

    /// The name in vectors, the store and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Auth => "auth",
            Self::Quota => "quota",
            Self::Permission => "permission",
            Self::ModelNotFound => "model_not_found",
            Self::ContentPolicy => "content_policy",
            Self::RequestTooLarge => "request_too_large",
            Self::RateLimit => "rate_limit",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::InvalidRequest => "invalid_request",
            Self::Protocol => "protocol",
            Self::Cancelled => "cancelled",
        }
    }

    /// The class of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A provider's error, from a body or from inside a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderError {
    /// Our class.
    pub class: ErrorClass,
    /// The provider's code, type or status, if it gave one.
    pub code: Option<String>,
    /// The provider's message, cut at [`MAX_MESSAGE_BYTES`].
    pub message: String,
    /// How long the provider asks us to wait.
    pub retry_after: Option<Duration>,
}

/// Longest error message that is kept, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 512;

/// Bounds on foreign bytes. Reaching one is an error of class `protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest line, in bytes.
    pub line_bytes: usize,
    /// Longest body, in bytes.
    pub body_bytes: usize,
    /// Most dispatched events.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 1 << 20,
            body_bytes: 8 << 20,
            events: 20_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_knows_its_stream_by_content_type() {
        let sse = "text/event-stream";
        let rows = [
            (Protocol::Anthropic, Some(sse), true),
            (Protocol::Gemini, Some("text/event-stream"), true),
            (
                Protocol::OpenaiChat,
                Some("Text/Event-Stream; charset=utf-8"),
                true,
            ),
            (Protocol::OpenaiChat, Some("application/json"), false),
            (Protocol::OpenaiResponses, Some("text/html"), false),
            (Protocol::Cohere, Some(sse), true),
            (Protocol::Ollama, Some("application/x-ndjson"), true),
            (Protocol::Ollama, Some("application/json; charset=utf-8"), false),
            (Protocol::Ollama, Some(sse), false),
            (
                Protocol::Bedrock,
                Some("application/vnd.amazon.eventstream"),
                true,
            ),
            (Protocol::Bedrock, Some("application/json"), false),
            (Protocol::Bedrock, Some(""), false),
            (Protocol::Bedrock, None, true),
        ];
        for (protocol, content_type, expected) in rows {
            assert_eq!(
                protocol.is_stream(content_type),
                expected,
                "{protocol} {content_type:?}"
            );
        }
    }
}
