//! Each vendor's wire shapes: requests in, events, answers and errors out. Pure.
//!
//! Bodies are written as text, not built as JSON values: member order is the vendors' own, so that recorded and
//! simulated streams look alike.

mod anthropic;
mod gemini;
mod openai;
mod openai_chat;
mod openai_responses;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::{clock::Timestamp, protocol::Protocol};

/// A generation request, protocol apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Model as asked for, fault suffix included.
    pub(crate) model: String,
    /// Text of the last user message.
    pub(crate) prompt: String,
    /// Whether a stream is asked for.
    pub(crate) stream: bool,
    /// Token limit.
    pub(crate) max_tokens: Option<u64>,
    /// Whether the stream carries token counts (OpenAI Chat alone asks).
    pub(crate) include_usage: bool,
    /// Whether chunks carry random padding (OpenAI alone).
    pub(crate) obfuscation: bool,
}

/// What an encoder needs to know about a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The model that answers.
    pub(crate) model: String,
    /// 24 letters and digits; each vendor puts its prefix before them.
    pub(crate) id: String,
    /// Request id, as the header tells it.
    pub(crate) request_id: String,
    /// Time of the request.
    pub(crate) created: Timestamp,
    /// Prompt tokens.
    pub(crate) input_tokens: u64,
    /// Token limit.
    pub(crate) max_tokens: Option<u64>,
    /// See [`Ask::include_usage`].
    pub(crate) include_usage: bool,
    /// See [`Ask::obfuscation`].
    pub(crate) obfuscation: bool,
}

/// Why a reply ends, as the protocol tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The model finished.
    Stop,
    /// A token limit.
    Limit,
    /// A refusal.
    Refused,
}

/// Writes one streamed reply, piece by piece, in order. A piece may be several events or none.
pub(crate) trait Encoder: Send {
    /// Events before the first token.
    fn head(&mut self) -> String;
    /// One piece of text; `tokens` so far, these included.
    fn delta(&mut self, text: &str, tokens: u64) -> String;
    /// The stop reason. `tokens` is the count that the reply claims.
    fn stop(&mut self, finish: Finish, tokens: u64) -> String;
    /// The terminal event. Empty where the stop reason is the end.
    fn terminal(&mut self) -> String;
    /// The error event.
    fn error(&mut self) -> String;
}

/// The encoder of a protocol.
pub(crate) fn encoder(protocol: Protocol, facts: Facts) -> Box<dyn Encoder> {
    match protocol {
        Protocol::Anthropic => Box::new(anthropic::Stream::new(facts)),
        Protocol::OpenaiChat | Protocol::Ollama | Protocol::Bedrock | Protocol::Cohere => {
            Box::new(openai_chat::Stream::new(facts))
        }
        Protocol::OpenaiResponses => Box::new(openai_responses::Stream::new(facts)),
        Protocol::Gemini => Box::new(gemini::Stream::new(facts)),
    }
}

/// The whole reply to a request without `stream`.
pub(crate) fn whole(protocol: Protocol, facts: &Facts, text: &str, finish: Finish, tokens: u64) -> String {
    match protocol {
        Protocol::Anthropic => anthropic::whole(facts, text, finish, tokens),
        Protocol::OpenaiChat | Protocol::Ollama | Protocol::Bedrock | Protocol::Cohere => {
            openai_chat::whole(facts, text, finish, tokens)
        }
        Protocol::OpenaiResponses => openai_responses::whole(facts, text, finish, tokens),
        Protocol::Gemini => gemini::whole(facts, text, finish, tokens),
    }
}

/// An HTTP error that a vendor gives.
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

/// Status and body of an error in the vendor's shape.
pub(crate) fn refusal(protocol: Protocol, what: &Refusal, request_id: &str) -> (u16, String) {
    match protocol {
        Protocol::Anthropic => anthropic::refusal(what, request_id),
        Protocol::OpenaiChat
        | Protocol::OpenaiResponses
        | Protocol::Ollama
        | Protocol::Bedrock
        | Protocol::Cohere => openai::refusal(what),
        Protocol::Gemini => gemini::refusal(what),
    }
}

/// Reads a generation request. `path_model` is the model of a Gemini path, `stream` whether its path asks for one.
pub(crate) fn parse(protocol: Protocol, body: &[u8], path: Option<(&str, bool)>) -> Result<Ask, String> {
    let json: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not valid JSON: {error}"))?;
    match protocol {
        Protocol::Anthropic => anthropic::parse(&json),
        Protocol::OpenaiChat | Protocol::Ollama | Protocol::Bedrock | Protocol::Cohere => {
            openai_chat::parse(&json)
        }
        Protocol::OpenaiResponses => openai_responses::parse(&json),
        Protocol::Gemini => {
            let (model, stream) = path.unwrap_or_default();
            gemini::parse(&json, model, stream)
        }
    }
}

/// Body of the models list.
pub(crate) fn models(protocol: Protocol) -> String {
    match protocol {
        Protocol::Anthropic => anthropic::models(),
        Protocol::OpenaiChat
        | Protocol::OpenaiResponses
        | Protocol::Ollama
        | Protocol::Bedrock
        | Protocol::Cohere => openai::models(),
        Protocol::Gemini => gemini::models(),
    }
}

/// Body of a token count.
pub(crate) fn token_count(protocol: Protocol, tokens: u64) -> String {
    match protocol {
        Protocol::Gemini => format!("{{\n  \"totalTokens\": {tokens}\n}}\n"),
        _ => format!(r#"{{"input_tokens":{tokens}}}"#),
    }
}

/// Prompt tokens by the usual rule of thumb: four bytes each, and some for the frame around them.
pub(crate) fn input_tokens(prompt: &str) -> u64 {
    (prompt.len() as u64).div_ceil(4) + 7
}

/// `len` letters and digits.
pub(crate) fn random_id(rng: &mut ChaCha8Rng, len: usize) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..len)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

/// A JSON string with its quotes.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Text of a message's `content`: a string, or a list of parts with `text`.
fn content_text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    }
}

/// Text of the last user message of a list, whose content is under `member`.
fn last_user(messages: Option<&Value>, member: &str) -> Option<String> {
    messages?
        .as_array()?
        .iter()
        .rev()
        .find(|message| message.get("role").is_none_or(|role| role == "user"))
        .map(|message| content_text(message.get(member)))
}

fn text_member(json: &Value, name: &str) -> Option<String> {
    json.get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn flag(json: &Value, name: &str) -> bool {
    json.get(name).and_then(Value::as_bool).unwrap_or(false)
}
