//! Anthropic Messages: events are routed by `data.type`; the `event:` line only repeats it.

use serde::Deserialize;

use super::{
    Channel, Note, Protocol, StopReason, StreamEvent, Usage,
    emit::{Said, delta},
    error_body,
    lenient::{Count, Json, List, Obj, Text, object},
    stop_reason,
    tools::{Calls, Piece},
};

/// What has to be remembered between events.
#[derive(Debug, Default)]
pub(super) struct Reader {
    said: Said,
    calls: Calls,
    input: Option<u64>,
    /// A `message_delta` came.
    closing: bool,
    stopped: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    index: Count,
    #[serde(borrow, default)]
    message: Obj<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Obj<Block<'a>>,
    #[serde(borrow, default)]
    delta: Obj<Block<'a>>,
    #[serde(default)]
    usage: Obj<Tokens>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    content: List<Block<'a>>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(default)]
    usage: Obj<Tokens>,
}

/// A content block, or a change of one, or of the message.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    partial_json: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    /// A call's whole arguments; an empty object where they are streamed.
    #[serde(borrow, default)]
    input: Json<'a>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Tokens {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    cache_creation_input_tokens: Count,
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    output_tokens_details: Obj<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    thinking_tokens: Count,
    #[serde(default)]
    reasoning_tokens: Count,
}

impl Reader {
    pub(super) fn event(
        &mut self,
        name: &[u8],
        data: &str,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), serde_json::Error> {
        if data.trim_ascii() == "[DONE]" {
            return Ok(());
        }
        let Some(event) = object::<Event<'_>>(data)? else {
            self.said.note(Note::UnknownEvent, out);
            return Ok(());
        };
        if name.is_empty() {
            self.said.note(Note::MissingEventName, out);
        }
        let kind = event.kind.get().or_else(|| std::str::from_utf8(name).ok());
        match kind.unwrap_or_default() {
            "content_block_delta" => {
                if let Some(block) = event.delta.0 {
                    self.block(block, event.index.0, out);
                }
            }
            "content_block_start" => {
                if let Some(block) = event.content_block.0 {
                    self.block(block, event.index.0, out);
                }
            }
            "ping" => out.push(StreamEvent::KeepAlive),
            "message_start" => {
                if let Some(message) = event.message.0 {
                    self.said.meta(message.model.get(), message.id.get(), out);
                    self.usage(message.usage.0, true, out);
                }
            }
            "message_delta" => {
                self.closing = true;
                if let Some(reason) = event.delta.0.as_ref().and_then(|delta| delta.stop_reason.get()) {
                    self.stop(reason, out);
                }
                self.usage(event.usage.0, false, out);
            }
            "message_stop" => {
                if self.closing && !self.stopped {
                    self.stop("null", out);
                }
                self.calls.flush(out);
                out.push(StreamEvent::Terminal);
            }
            "content_block_stop" => self.calls.close(event.index.0, out),
            _ => match error_body::from_payload(Protocol::Anthropic, data) {
                Some(error) => out.push(StreamEvent::Error(error)),
                None => self.said.note(Note::UnknownEvent, out),
            },
        }
        Ok(())
    }

    /// A non-streaming answer. Tells whether it is one.
    pub(super) fn body(&mut self, text: &str, out: &mut Vec<StreamEvent>) -> bool {
        let Ok(Some(message)) = object::<Message<'_>>(text) else {
            return false;
        };
        if message.kind.get() != Some("message") {
            return false;
        }
        self.said.meta(message.model.get(), message.id.get(), out);
        for (index, block) in (0..).zip(message.content.0) {
            self.block(block, Some(index), out);
            self.calls.close(Some(index), out);
        }
        self.usage(message.usage.0, false, out);
        if let Some(reason) = message.stop_reason.get() {
            self.stop(reason, out);
        }
        out.push(StreamEvent::Terminal);
        true
    }

    fn block(&mut self, block: Block<'_>, index: Option<u64>, out: &mut Vec<StreamEvent>) {
        match block.kind.get().unwrap_or_default() {
            "text_delta" | "text" => delta(Channel::Text, block.text.take(), out),
            "thinking_delta" | "thinking" => delta(Channel::Reasoning, block.thinking.take(), out),
            "input_json_delta" => {
                let piece = Piece {
                    index,
                    arguments: block.partial_json.take(),
                    ..Piece::default()
                };
                self.calls.piece(piece, out);
            }
            // The server's own tools are called in the same way.
            "tool_use" | "server_tool_use" | "mcp_tool_use" => {
                let piece = Piece {
                    index,
                    name: block.name.get(),
                    ..Piece::default()
                };
                self.calls.piece(piece, out);
                self.calls.fallback(index, block.input.take());
            }
            "signature_delta" | "citations_delta" | "redacted_thinking" => {}
            _ => self.said.note(Note::UnknownEvent, out),
        }
    }

    /// The body ended: calls that waited go out.
    pub(super) fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        self.calls.flush(out);
    }

    fn stop(&mut self, reason: &str, out: &mut Vec<StreamEvent>) {
        self.stopped = true;
        self.calls.flush(out);
        out.push(StreamEvent::Stop(StopReason {
            raw: reason.to_owned(),
            class: stop_reason::class(Protocol::Anthropic, reason),
        }));
    }

    /// Counts are cumulative: a later one replaces the former, but may leave the input out.
    fn usage(&mut self, tokens: Option<Tokens>, provisional: bool, out: &mut Vec<StreamEvent>) {
        let Some(tokens) = tokens else { return };
        if let Some(input) = tokens.input_tokens.0 {
            let cached = [tokens.cache_creation_input_tokens, tokens.cache_read_input_tokens];
            let cached = cached.iter().filter_map(|count| count.0);
            self.input = Some(cached.fold(input, u64::saturating_add));
        }
        let details = tokens.output_tokens_details.0;
        out.push(StreamEvent::Usage(Usage {
            input: self.input,
            output: tokens.output_tokens.0,
            reasoning: details.and_then(|d| d.thinking_tokens.0.or(d.reasoning_tokens.0)),
            provisional,
        }));
    }
}
