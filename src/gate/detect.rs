//! Which protocol a capture speaks, told from its first bytes: the names of its events, the members of its JSON, the
//! manner of its frames.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::head::Response;
use crate::protocol::{Dialect, Protocol, Wire};

/// How much of a stream is looked at, in bytes. A first event may carry a long prompt; its name comes before.
const SNIFF_BYTES: usize = 256 << 10;
/// Most lines that are looked at.
const SNIFF_LINES: usize = 400;

/// What the body is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Server-sent events.
    Events,
    /// JSON, one value or one a line.
    Json,
    /// Binary frames.
    Frames,
    /// Something else.
    Other,
}

/// The body behind a byte order mark and white space.
pub(super) fn start(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF")
        .unwrap_or(body)
        .trim_ascii_start()
}

/// What the body is made of, by its first bytes.
pub(super) fn shape(body: &[u8]) -> Shape {
    // A frame begins with its length, below 2^24, as four bytes; no text begins with a zero.
    if body.first() == Some(&0) {
        return Shape::Frames;
    }
    let body = start(body);
    let line = &body[..memchr::memchr(b'\n', body).unwrap_or(body.len()).min(64)];
    let name = &line[..memchr::memchr(b':', line).unwrap_or(line.len())];
    match body.first() {
        Some(b'{' | b'[') => Shape::Json,
        Some(b':') => Shape::Events,
        _ if matches!(name, b"data" | b"event" | b"id" | b"retry") => Shape::Events,
        _ => Shape::Other,
    }
}

/// What the capture speaks, if it can be told.
pub(super) fn wire(response: &Response<'_>) -> Option<Wire> {
    let body: &[u8] = &response.body;
    match shape(body) {
        Shape::Frames => Some(Protocol::Bedrock.into()),
        Shape::Events => events(start(body)),
        Shape::Json => json(start(body), response),
        Shape::Other => by_head(response),
    }
}

/// What the response's own headers tell.
fn by_head(response: &Response<'_>) -> Option<Wire> {
    let content_type = response.header("content-type").unwrap_or_default();
    let wire = |protocol: Protocol| Some(protocol.into());
    if content_type.starts_with("application/vnd.amazon.eventstream")
        || response.header("x-amzn-requestid").is_some()
        || response.header("x-amzn-errortype").is_some()
    {
        return wire(Protocol::Bedrock);
    }
    if content_type.starts_with("application/x-ndjson") {
        return wire(Protocol::Ollama);
    }
    let has = |prefix: &str| response.headers.iter().any(|(name, _)| name.starts_with(prefix));
    if has("anthropic-") {
        return wire(Protocol::Anthropic);
    }
    (has("openai-")).then(|| Protocol::OpenaiChat.into())
}

fn events(body: &[u8]) -> Option<Wire> {
    let window = &body[..body.len().min(SNIFF_BYTES)];
    let mut seen = Seen::default();
    let lines = window
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|line| !line.is_empty());
    for line in lines.take(SNIFF_LINES) {
        if line.starts_with(b":") {
            seen.comment(line);
        } else if let Some(name) = line.strip_prefix(b"event:") {
            seen.kind(&String::from_utf8_lossy(name.trim_ascii()));
        } else if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.trim_ascii();
            if data == b"[DONE]" {
                seen.done = true;
            } else {
                seen.look(data);
            }
        }
        if seen
            .protocol
            .is_some_and(|protocol| protocol != Protocol::OpenaiChat)
        {
            break;
        }
    }
    // An error before any event of the protocol's own, or an end without anything before it.
    let chat = seen.done || seen.error.is_some() || seen.gateway_comment();
    seen.wire()
        .or_else(|| chat.then(|| seen.dialect(Protocol::OpenaiChat)))
}

fn json(body: &[u8], response: &Response<'_>) -> Option<Wire> {
    let mut seen = Seen::default();
    seen.look(body);
    if let Some(wire) = seen.wire() {
        return Some(wire);
    }
    if let Some(wire) = by_head(response) {
        return Some(wire);
    }
    match seen.error? {
        Error::Text if seen.code => Some(Wire {
            protocol: Protocol::OpenaiChat,
            dialect: Dialect::find("xai"),
        }),
        Error::Text => Some(Protocol::Ollama.into()),
        Error::Google => Some(Protocol::Gemini.into()),
        Error::Message => Some(Protocol::Bedrock.into()),
        Error::Other => Some(Protocol::OpenaiChat.into()),
    }
}

/// The manner of an error object that no protocol's own event came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Error {
    /// `{"error":"text"}`.
    Text,
    /// `{"error":{"code":503,"status":"UNAVAILABLE",..}}`.
    Google,
    /// `{"message":"text"}` alone.
    Message,
    /// `{"error":{"message":..}}`.
    Other,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    protocol: Option<Protocol>,
    dialect: Option<&'static str>,
    error: Option<Error>,
    code: bool,
    done: bool,
    keep_alive: bool,
}

impl Seen {
    fn wire(&self) -> Option<Wire> {
        self.protocol.map(|protocol| self.dialect(protocol))
    }

    fn dialect(&self, protocol: Protocol) -> Wire {
        let dialect = self.dialect.filter(|_| protocol == Protocol::OpenaiChat);
        Wire {
            protocol,
            dialect: dialect.and_then(Dialect::find),
        }
    }

    fn gateway_comment(&self) -> bool {
        self.dialect.is_some() && self.keep_alive
    }

    /// A comment that one dialect alone sends.
    fn comment(&mut self, line: &[u8]) {
        self.keep_alive = true;
        let known = crate::protocol::DIALECTS.iter().find(|dialect| {
            dialect
                .keep_alive
                .is_some_and(|comment| comment.len() > 1 && comment.as_bytes() == line.trim_ascii())
        });
        if let Some(dialect) = known {
            self.dialect.get_or_insert(dialect.name);
        }
    }

    fn is(&mut self, protocol: Protocol) {
        self.protocol.get_or_insert(protocol);
    }

    /// The name of an event, or the `type` of an object.
    fn kind(&mut self, name: &str) {
        match name {
            "message_start"
            | "content_block_start"
            | "content_block_delta"
            | "content_block_stop"
            | "message_delta"
            | "message_stop"
            | "message" => self.is(Protocol::Anthropic),
            "message-start" | "content-start" | "content-delta" | "content-end" | "message-end"
            | "tool-plan-delta" | "tool-call-start" | "tool-call-delta" | "tool-call-end"
            | "citation-start" | "citation-end" => self.is(Protocol::Cohere),
            name if name.starts_with("response.") => self.is(Protocol::OpenaiResponses),
            _ => {}
        }
    }

    /// The members of an object, also of one that ends too early. An array tells by its first element.
    fn look(&mut self, json: &[u8]) {
        let mut object = Object::default();
        let mut reader = serde_json::Deserializer::from_slice(json);
        // What was read before an error counts.
        let _ = Root(&mut object).deserialize(&mut reader);
        self.judge(&object);
    }

    fn judge(&mut self, object: &Object) {
        if object.choices || object.named.starts_with("chat.completion") {
            self.is(Protocol::OpenaiChat);
        } else if object.candidates {
            self.is(Protocol::Gemini);
        } else if object.named == "response" {
            self.is(Protocol::OpenaiResponses);
        } else if object.done && (object.model || object.message) {
            self.is(Protocol::Ollama);
        } else if object.bedrock {
            self.is(Protocol::Bedrock);
        } else if object.finish_reason && object.message {
            self.is(Protocol::Cohere);
        }
        if object.kind == "error" {
            // Both vendors name their error event so; only one counts its events.
            self.is(if object.sequence || object.code {
                Protocol::OpenaiResponses
            } else {
                Protocol::Anthropic
            });
        }
        self.kind(&object.kind);
        if let Some(dialect) = object.dialect {
            self.dialect.get_or_insert(dialect);
        }
        let alone = object.message_text.then_some(Error::Message);
        if let Some(error) = object.error.or(alone) {
            self.error.get_or_insert(error);
            self.code |= object.code;
            if error == Error::Google {
                self.is(Protocol::Gemini);
            }
        }
    }
}

/// Members that tell.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one a member")]
struct Object {
    kind: String,
    named: String,
    choices: bool,
    candidates: bool,
    done: bool,
    model: bool,
    message: bool,
    message_text: bool,
    finish_reason: bool,
    bedrock: bool,
    sequence: bool,
    code: bool,
    error: Option<Error>,
    dialect: Option<&'static str>,
}

impl Object {
    /// Which dialect a `system_fingerprint` belongs to.
    fn fingerprint(&mut self, text: &str) {
        let build = text.strip_prefix('b').and_then(|rest| rest.split_once('-'));
        if text == "fp_ollama" {
            self.dialect = Some("ollama-openai");
        } else if build
            .is_some_and(|(number, _)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        {
            self.dialect = Some("llamacpp");
        }
    }
}

/// An object, or an array of them.
struct Root<'a>(&'a mut Object);

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        seq.next_element_seed(Root(self.0))?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let object = &mut *self.0;
            match name.as_ref() {
                "type" => object.kind = map.next_value_seed(Word)?.unwrap_or_default(),
                "object" => object.named = map.next_value_seed(Word)?.unwrap_or_default(),
                "system_fingerprint" => {
                    let text = map.next_value_seed(Word)?.unwrap_or_default();
                    object.fingerprint(&text);
                }
                "error" => {
                    // Known before its value is read: that may be cut.
                    object.error = Some(Error::Other);
                    object.error = map.next_value_seed(ErrorValue)?;
                }
                "message" | "Message" => {
                    object.message = true;
                    object.message_text = map.next_value_seed(Word)?.is_some();
                }
                other => {
                    object.mark(other);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

impl Object {
    /// A member whose presence tells enough.
    fn mark(&mut self, name: &str) {
        match name {
            "choices" => self.choices = true,
            "candidates" | "promptFeedback" | "usageMetadata" => self.candidates = true,
            "done" => self.done = true,
            "model" => self.model = true,
            "response" => self.message = true,
            "finish_reason" => self.finish_reason = true,
            "stopReason" | "__type" => self.bedrock = true,
            "sequence_number" => self.sequence = true,
            "code" => self.code = true,
            "x_groq" => self.dialect = Some("groq"),
            "provider" => self.dialect = Some("openrouter"),
            "prompt_filter_results" => self.dialect = Some("azure-openai"),
            "timings" => self.dialect = Some("llamacpp"),
            _ => {}
        }
    }
}

/// A text, or nothing if it is something else.
struct Word;

impl<'de> DeserializeSeed<'de> for Word {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        let value = <&serde_json::value::RawValue as serde::Deserialize>::deserialize(deserializer);
        value.map(|raw| serde_json::from_str(raw.get()).ok())
    }
}

/// The manner of an `error` member; `null` is none.
struct ErrorValue;

impl<'de> DeserializeSeed<'de> for ErrorValue {
    type Value = Option<Error>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Error>, D::Error> {
        let raw = <&serde_json::value::RawValue as serde::Deserialize>::deserialize(deserializer)?;
        Ok(match raw.get().as_bytes().first() {
            Some(b'"') => Some(Error::Text),
            Some(b'{') => Some(if is_google(raw.get()) {
                Error::Google
            } else {
                Error::Other
            }),
            _ => None,
        })
    }
}

fn is_google(error: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Google {
        code: u16,
        status: String,
    }
    serde_json::from_str::<Google>(error).is_ok_and(|error| error.code > 0 && !error.status.is_empty())
}
