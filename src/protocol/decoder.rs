//! One decoder for all protocols: framing, then the protocol's own events.

use serde::de::IgnoredAny;

use super::{
    ErrorClass, Limits, MAX_MESSAGE_BYTES, Note, Protocol, ProviderError, StreamEvent, anthropic, bedrock,
    cohere, error_body, eventstream,
    frame::{Broken, Frame, Tail},
    gemini, ndjson, ollama, openai_chat, openai_responses, sse,
};

/// Incremental decoder of one streamed reply.
#[derive(Debug)]
pub struct Decoder {
    framing: Framing,
    reader: Reader,
    bounds: Bounds,
}

/// Bounds on one body and what of them is used up.
#[derive(Debug)]
struct Bounds {
    limits: Limits,
    bytes: usize,
    frames: usize,
    /// A limit was reached: nothing after it is read.
    capped: bool,
    /// That limit was one of size, not of what the format allows.
    outsize: bool,
}

/// How a protocol cuts its stream into frames.
#[derive(Debug)]
enum Framing {
    /// Server-sent events.
    Sse(sse::Framer),
    /// One JSON value a line.
    Lines(ndjson::Framer),
    /// Binary frames with checksums.
    Binary(eventstream::Framer),
}

/// A protocol's reading of dispatched events.
#[derive(Debug)]
enum Reader {
    Anthropic(anthropic::Reader),
    OpenaiChat(openai_chat::Reader),
    OpenaiResponses(openai_responses::Reader),
    Gemini(gemini::Reader),
    Ollama(ollama::Reader),
    Bedrock(bedrock::Reader),
    Cohere(cohere::Reader),
}

impl Decoder {
    /// A decoder for one reply.
    pub fn new(protocol: Protocol, limits: Limits) -> Self {
        Self {
            framing: Framing::new(protocol, limits.line_bytes),
            reader: Reader::new(protocol),
            bounds: Bounds {
                limits,
                bytes: 0,
                frames: 0,
                capped: false,
                outsize: false,
            },
        }
    }

    /// Feeds what was read; appends the events that it completes. Any split gives the same events. Past a limit an
    /// error of class `protocol` is appended once, and everything later is ignored.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<StreamEvent>) {
        let Self {
            framing,
            reader,
            bounds,
        } = self;
        if bounds.capped {
            return;
        }
        let room = bounds.limits.body_bytes - bounds.bytes;
        let fitting = &bytes[..bytes.len().min(room)];
        bounds.bytes += fitting.len();
        let pushed = framing.push(fitting, &mut |frame| {
            if bounds.admit(out) {
                reader.frame(frame, out);
            }
        });
        if let Err(broken) = pushed {
            bounds.outsize |= matches!(broken, Broken::TooLong { .. });
            bounds.cap(broken.to_string(), out);
        } else if fitting.len() < bytes.len() {
            bounds.outsize = true;
            bounds.cap(over("body", "bytes", bounds.limits.body_bytes), out);
        }
    }

    /// The body ended, cleanly or not. What lacks its last blank line is accepted if it is whole, and dropped
    /// otherwise; a note tells which.
    pub fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        if self.bounds.capped {
            return;
        }
        let tail = self.framing.finish();
        let mut dropped = tail.loose;
        if let Some(data) = tail.data {
            match std::str::from_utf8(&data) {
                Ok(text) if is_whole(text) => {
                    if self.bounds.admit(out) {
                        self.reader.event(&tail.name, text, out);
                        out.push(StreamEvent::Note(Note::ResidueAccepted));
                    }
                }
                _ => dropped = true,
            }
        }
        if !tail.raw.is_empty() && self.bounds.admit(out) {
            dropped |= !self.reader.last_raw(&tail.raw, out);
        }
        if dropped {
            out.push(StreamEvent::Note(Note::Residue));
        }
        self.reader.finish(out);
    }

    /// Whether a limit was reached: reading on is of no use.
    pub fn is_capped(&self) -> bool {
        self.bounds.capped
    }

    /// Whether the reply is larger than the limits allow. Whoever reads somebody else's replies may not call that a
    /// fault.
    pub fn is_outsize(&self) -> bool {
        self.bounds.outsize
    }
}

impl Bounds {
    /// Counts one frame; false once there are too many.
    fn admit(&mut self, out: &mut Vec<StreamEvent>) -> bool {
        if !self.capped && self.frames == self.limits.events {
            self.outsize = true;
            self.cap(over("stream", "events", self.limits.events), out);
        }
        self.frames += 1;
        !self.capped
    }

    fn cap(&mut self, why: String, out: &mut Vec<StreamEvent>) {
        if !self.capped {
            self.capped = true;
            out.push(protocol_error(why));
        }
    }
}

fn over(what: &str, unit: &str, limit: usize) -> String {
    format!("{what} has more than {limit} {unit}")
}

impl Framing {
    fn new(protocol: Protocol, longest: usize) -> Self {
        match protocol {
            Protocol::Anthropic
            | Protocol::OpenaiChat
            | Protocol::OpenaiResponses
            | Protocol::Gemini
            | Protocol::Cohere => Self::Sse(sse::Framer::new(longest)),
            Protocol::Ollama => Self::Lines(ndjson::Framer::new(longest)),
            Protocol::Bedrock => Self::Binary(eventstream::Framer::new(longest)),
        }
    }

    fn push(&mut self, bytes: &[u8], sink: &mut impl FnMut(Frame<'_>)) -> Result<(), Broken> {
        match self {
            Self::Sse(framer) => framer.push(bytes, sink),
            Self::Lines(framer) => framer.push(bytes, sink),
            Self::Binary(framer) => framer.push(bytes, sink),
        }
    }

    fn finish(&mut self) -> Tail {
        match self {
            Self::Sse(framer) => framer.finish(),
            Self::Lines(framer) => framer.finish(),
            Self::Binary(framer) => framer.finish(),
        }
    }
}

impl Reader {
    fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Anthropic => Self::Anthropic(anthropic::Reader::default()),
            Protocol::OpenaiChat => Self::OpenaiChat(openai_chat::Reader::default()),
            Protocol::OpenaiResponses => Self::OpenaiResponses(openai_responses::Reader::default()),
            Protocol::Gemini => Self::Gemini(gemini::Reader::default()),
            Protocol::Ollama => Self::Ollama(ollama::Reader::default()),
            Protocol::Bedrock => Self::Bedrock(bedrock::Reader::default()),
            Protocol::Cohere => Self::Cohere(cohere::Reader::default()),
        }
    }

    fn protocol(&self) -> Protocol {
        match self {
            Self::Anthropic(_) => Protocol::Anthropic,
            Self::OpenaiChat(_) => Protocol::OpenaiChat,
            Self::OpenaiResponses(_) => Protocol::OpenaiResponses,
            Self::Gemini(_) => Protocol::Gemini,
            Self::Ollama(_) => Protocol::Ollama,
            Self::Bedrock(_) => Protocol::Bedrock,
            Self::Cohere(_) => Protocol::Cohere,
        }
    }

    fn frame(&mut self, frame: Frame<'_>, out: &mut Vec<StreamEvent>) {
        match frame {
            Frame::Comment => out.push(StreamEvent::KeepAlive),
            Frame::Failure { name, data } => bedrock::Reader::failure(name, data, out),
            Frame::Event { name, data } => match std::str::from_utf8(data) {
                Ok(text) => self.event(name, text, out),
                Err(error) => out.push(garbled(&error)),
            },
            Frame::Raw(raw) => match serde_json::from_slice::<IgnoredAny>(raw) {
                Ok(_) => {
                    self.document(raw, out);
                }
                Err(_) if is_markup(raw) => out.push(not_a_stream()),
                Err(error) => out.push(garbled(&error)),
            },
        }
    }

    fn event(&mut self, name: &[u8], data: &str, out: &mut Vec<StreamEvent>) {
        // An error may come wrapped in a list; no event does.
        if data.starts_with("[{")
            && let Some(error) = error_body::from_payload(self.protocol(), data)
        {
            out.push(StreamEvent::Error(error));
            return;
        }
        let read = match self {
            Self::Anthropic(reader) => reader.event(name, data, out),
            Self::OpenaiChat(reader) => reader.event(data, out),
            Self::OpenaiResponses(reader) => reader.event(name, data, out),
            Self::Gemini(reader) => reader.event(data, out),
            Self::Ollama(reader) => reader.event(data, out),
            Self::Bedrock(reader) => reader.event(name, data, out),
            Self::Cohere(reader) => reader.event(name, data, out),
        };
        if let Err(error) = read {
            out.push(garbled(&error));
        }
    }

    /// Text that is no SSE, at the end of the body. Tells whether it was whole.
    fn last_raw(&mut self, raw: &[u8], out: &mut Vec<StreamEvent>) -> bool {
        if serde_json::from_slice::<IgnoredAny>(raw).is_ok() {
            self.document(raw, out);
        } else if is_markup(raw) {
            out.push(not_a_stream());
        } else {
            return false;
        }
        true
    }

    /// A whole JSON document where events should be: an error object or a non-streaming answer. Tells whether it was
    /// either.
    fn document(&mut self, json: &[u8], out: &mut Vec<StreamEvent>) -> bool {
        let Ok(text) = std::str::from_utf8(json) else {
            out.push(StreamEvent::Garbled {
                detail: "document is not UTF-8".to_owned(),
            });
            return true;
        };
        if let Some(error) = error_body::from_payload(self.protocol(), text) {
            out.push(StreamEvent::Error(error));
            return true;
        }
        match self {
            Self::Anthropic(reader) => reader.body(text, out),
            Self::OpenaiChat(reader) => reader.body(text, out),
            Self::OpenaiResponses(reader) => reader.body(text, out),
            Self::Gemini(reader) => reader.body(text, out),
            Self::Ollama(reader) => reader.body(text, out),
            Self::Bedrock(reader) => reader.body(text, out),
            Self::Cohere(reader) => reader.body(text, out),
        }
    }

    /// The body ended: what the reader held back comes out.
    fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        match self {
            Self::Anthropic(reader) => reader.finish(out),
            Self::OpenaiChat(reader) => reader.finish(out),
            Self::OpenaiResponses(reader) => reader.finish(out),
            Self::Gemini(reader) => reader.finish(out),
            Self::Bedrock(reader) => reader.finish(out),
            Self::Cohere(reader) => reader.finish(out),
            Self::Ollama(_) => {}
        }
    }
}

/// Events of a whole 200 body that is no stream: the provider's error object or its non-streaming answer.
/// Anything else is an error of class `protocol`; a document that ends too early is garbled, an empty body is
/// nothing. A stream under a wrong content type is read as the stream that it is.
pub fn decode_body(protocol: Protocol, body: &[u8]) -> Vec<StreamEvent> {
    let mut out = Vec::new();
    let text = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
    if text.is_empty() {
        return out;
    }
    if is_stream(protocol, text) {
        let mut decoder = Decoder::new(protocol, Limits::default());
        decoder.push(body, &mut out);
        decoder.finish(&mut out);
        return out;
    }
    match serde_json::from_slice::<IgnoredAny>(text) {
        Ok(_) => {
            let mut reader = Reader::new(protocol);
            if reader.document(text, &mut out) {
                reader.finish(&mut out);
            } else {
                out.push(protocol_error(
                    "the body is JSON, but neither an error nor an answer".to_owned(),
                ));
            }
        }
        Err(error) if error.is_eof() => out.push(StreamEvent::Garbled {
            detail: "the body ends inside its JSON".to_owned(),
        }),
        Err(_) => out.push(not_a_stream()),
    }
    out
}

/// Whether a body under a wrong content type is the protocol's stream after all.
fn is_stream(protocol: Protocol, text: &[u8]) -> bool {
    match Framing::new(protocol, 0) {
        Framing::Sse(_) => [&b"data:"[..], b"event:", b":"]
            .iter()
            .any(|start| text.starts_with(start)),
        // More than one value, the first of them whole.
        Framing::Lines(_) => memchr::memchr(b'\n', text)
            .is_some_and(|end| serde_json::from_slice::<IgnoredAny>(&text[..end]).is_ok()),
        // No text begins with a zero, and no frame is so long that it doesn't.
        Framing::Binary(_) => text.first().is_some_and(|first| *first <= 1),
    }
}

fn is_whole(text: &str) -> bool {
    let text = text.trim_ascii();
    text == "[DONE]" || (text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn is_markup(raw: &[u8]) -> bool {
    raw.first() == Some(&b'<')
}

fn not_a_stream() -> StreamEvent {
    protocol_error("the body is neither an event stream nor JSON".to_owned())
}

fn protocol_error(message: String) -> StreamEvent {
    StreamEvent::Error(ProviderError {
        class: ErrorClass::Protocol,
        code: None,
        message,
        retry_after: None,
    })
}

fn garbled(error: &dyn std::fmt::Display) -> StreamEvent {
    let mut detail = error.to_string();
    error_body::cut(&mut detail, MAX_MESSAGE_BYTES);
    StreamEvent::Garbled { detail }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vendor_tests;
