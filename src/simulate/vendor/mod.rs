//! Each vendor's wire shapes: requests in, events, answers and errors out. Pure.
//!
//! Bodies are written as text, not built as JSON values: member order is the vendors' own, so that recorded and
//! simulated streams look alike.

mod anthropic;
mod bedrock;
mod cohere;
mod error;
mod frame;
mod gemini;
mod ollama;
mod openai_chat;
mod openai_responses;
mod request;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

pub(crate) use error::{Denial, Refusal, refusal};
pub(crate) use request::{Ask, parse};

use super::{
    catalog::{Door, Vendor},
    manner::Manner,
};
use crate::{
    clock::Timestamp,
    protocol::{Channel, ErrorAt, Protocol},
};

/// Who speaks: a vendor, through one of its doors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speaker {
    /// The vendor.
    pub(crate) vendor: &'static Vendor,
    /// The door.
    pub(crate) door: &'static Door,
}

impl Speaker {
    /// What is spoken.
    pub(crate) const fn protocol(self) -> Protocol {
        self.door.protocol()
    }

    /// Whether an error inside a reply takes the place of the whole stream.
    pub(crate) fn errs_instead(self) -> bool {
        self.protocol() == Protocol::OpenaiChat && self.door.manner.error() == ErrorAt::Body
    }
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
    /// Tokens of reasoning among the generated ones.
    pub(crate) reasoning_tokens: u64,
    /// The tool that the reply calls; empty where it calls none.
    pub(crate) tool: String,
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
    /// The model called its tool.
    Tool,
    /// A token limit.
    Limit,
    /// A refusal.
    Refused,
}

/// How events are told apart on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events with this line end.
    Sse(&'static str),
    /// One JSON value a line.
    Lines,
    /// Binary frames with checksums.
    Binary,
}

impl Framing {
    /// The stream's content type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Sse("\n") => "text/event-stream; charset=utf-8",
            Self::Sse(_) => "text/event-stream",
            Self::Lines => "application/x-ndjson",
            Self::Binary => "application/vnd.amazon.eventstream",
        }
    }

    /// The start of an event that is lost in the middle: what stands before the piece's last event, and half of that.
    pub(crate) fn half(self, piece: &[u8]) -> Vec<u8> {
        let (from, end) = match self {
            Self::Sse(_) => {
                let end = piece.trim_ascii_end().len();
                (rfind(&piece[..end], b"data: ").unwrap_or(0), end)
            }
            Self::Lines => {
                let end = piece.trim_ascii_end().len();
                (rfind(&piece[..end], b"\n").map_or(0, |at| at + 1), end)
            }
            Self::Binary => (frame::last(piece), piece.len()),
        };
        let mut half = from + (end - from) / 2;
        // Never inside a character: what is cut is an event, not its encoding.
        while self != Self::Binary && half > from && piece[half] & 0b1100_0000 == 0b1000_0000 {
            half -= 1;
        }
        piece[..half].to_vec()
    }

    /// The piece with its last event spoilt: cut JSON in a whole event, or a frame whose checksum is wrong.
    pub(crate) fn garbled(self, piece: &[u8]) -> Vec<u8> {
        match self {
            Self::Sse(line_end) => [&self.half(piece), line_end.as_bytes(), line_end.as_bytes()].concat(),
            Self::Lines => [&self.half(piece), b"\n".as_slice()].concat(),
            Self::Binary => {
                let mut piece = piece.to_vec();
                if let Some(last) = piece.last_mut() {
                    *last ^= 1;
                }
                piece
            }
        }
    }
}

fn rfind(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).rposition(|window| window == what)
}

/// Writes one streamed reply, piece by piece, in order. A piece may be several events or none.
pub(crate) trait Encoder: Send {
    /// How its events are told apart.
    fn framing(&self) -> Framing {
        Framing::Sse("\n")
    }
    /// Events before the first token.
    fn head(&mut self) -> Vec<u8>;
    /// One piece of a channel's text; `tokens` so far, these included. Channels come one after the other.
    fn delta(&mut self, channel: Channel, text: &str, tokens: u64) -> Vec<u8>;
    /// The tool call as far as it has come, in protocols that send it in one piece; deltas give nothing there.
    fn held(&mut self) -> Vec<u8> {
        Vec::new()
    }
    /// The stop reason, after what is held; nothing but the end of the text where the stop reason is the terminal event
    /// itself. `tokens` is the count that the reply claims.
    fn stop(&mut self, finish: Finish, tokens: u64) -> Vec<u8>;
    /// The terminal event.
    fn terminal(&mut self) -> Vec<u8>;
    /// The error event.
    fn error(&mut self) -> Vec<u8>;
}

/// The encoder of a speaker.
pub(crate) fn encoder(speaker: Speaker, facts: Facts) -> Box<dyn Encoder> {
    match speaker.protocol() {
        Protocol::Anthropic => Box::new(anthropic::Stream::new(facts)),
        Protocol::OpenaiChat => Box::new(openai_chat::Stream::new(speaker, facts)),
        Protocol::OpenaiResponses => Box::new(openai_responses::Stream::new(facts)),
        Protocol::Gemini => Box::new(gemini::Stream::new(facts)),
        Protocol::Ollama => Box::new(ollama::Stream::new(facts)),
        Protocol::Bedrock => Box::new(bedrock::Stream::new(facts)),
        Protocol::Cohere => Box::new(cohere::Stream::new(facts)),
    }
}

/// A reply in one piece.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Whole {
    /// Reasoning; empty where there is none.
    pub(crate) reasoning: String,
    /// Visible text.
    pub(crate) text: String,
    /// Arguments of the tool call, if there is one.
    pub(crate) arguments: Option<String>,
}

/// The whole reply to a request without `stream`.
pub(crate) fn whole(speaker: Speaker, facts: &Facts, said: &Whole, finish: Finish, tokens: u64) -> String {
    match speaker.protocol() {
        Protocol::Anthropic => anthropic::whole(facts, said, finish, tokens),
        Protocol::OpenaiChat => openai_chat::whole(speaker.door.manner, facts, said, finish, tokens),
        Protocol::OpenaiResponses => openai_responses::whole(facts, said, finish, tokens),
        Protocol::Gemini => gemini::whole(facts, said, finish, tokens),
        Protocol::Ollama => ollama::whole(facts, said, finish, tokens),
        Protocol::Bedrock => bedrock::whole(facts, said, finish, tokens),
        Protocol::Cohere => cohere::whole(facts, said, finish, tokens),
    }
}

/// Body of the models list.
pub(crate) fn models(speaker: Speaker) -> String {
    let models = speaker.vendor.models;
    match speaker.protocol() {
        Protocol::Anthropic => anthropic::models(models),
        Protocol::OpenaiChat | Protocol::OpenaiResponses => openai_chat::models(models),
        Protocol::Gemini => gemini::models(models),
        Protocol::Ollama => ollama::models(models),
        Protocol::Bedrock => bedrock::models(models),
        Protocol::Cohere => cohere::models(models),
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

/// Items of a list, each from a template, with commas between them.
fn list(models: &[&str], item: impl Fn(&str) -> String) -> String {
    models.iter().map(|id| item(id)).collect::<Vec<_>>().join(",")
}

/// A JSON object as far as it has come, closed after its last whole member: for protocols that send arguments as an
/// object and so can't cut it elsewhere.
fn closed_object(json: &str) -> String {
    if serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok() {
        return json.to_owned();
    }
    let (mut depth, mut in_string, mut escaped, mut end) = (0_u32, false, false, None);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => end = Some(at),
            _ => {}
        }
    }
    end.map_or_else(|| "{}".to_owned(), |end| format!("{}}}", &json[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_end_inside_the_last_event() {
        let sse = Framing::Sse("\n");
        let piece = b"event: a\ndata: {\"a\":1}\n\nevent: b\ndata: {\"b\":\"\xc3\xa9\"}\n\n";
        let half = sse.half(piece);
        assert!(piece.starts_with(&half));
        assert!(half.ends_with(b"data: {\""), "{}", String::from_utf8_lossy(&half));
        assert!(sse.garbled(piece).ends_with(b"data: {\"\n\n"));
        assert_eq!(
            Framing::Lines.half(b"{\"a\":1}\n{\"bb\":2}\n"),
            b"{\"a\":1}\n{\"bb"
        );
        assert_eq!(Framing::Lines.half(b""), b"");
        for at in 1..4 {
            let text = format!("data: {}\u{e9}\u{e9}\u{e9}\n\n", "x".repeat(at));
            assert!(String::from_utf8(sse.half(text.as_bytes())).is_ok());
        }
    }

    #[test]
    fn objects_close_after_their_last_whole_member() {
        let whole = r#"{"a":7,"b":[1,{"c":","}],"d":"\"},","e":1}"#;
        for (upto, closed) in [
            (whole.len(), whole),
            (0, "{}"),
            (5, "{}"),
            (8, r#"{"a":7}"#),
            (20, r#"{"a":7}"#),
            (26, r#"{"a":7,"b":[1,{"c":","}]}"#),
            (whole.len() - 1, r#"{"a":7,"b":[1,{"c":","}],"d":"\"},"}"#),
        ] {
            assert_eq!(closed_object(&whole[..upto]), closed, "{upto}");
        }
    }
}
