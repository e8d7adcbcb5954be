//! AWS Bedrock `converse-stream`: binary frames whose headers name the event. `messageStop` is the terminal event of the
//! text; `metadata` brings the counts after it. The stream names no model.
//!
//! Frames of `invoke-with-response-stream` hold the model's own events in base64; those of Anthropic's models are read.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{
    Channel, Note, Protocol, StopReason, StreamEvent, Usage, anthropic,
    emit::{Said, delta},
    error_body,
    lenient::{Count, Json, List, Obj, Text, object},
    stop_reason,
    tools::{Calls, Piece},
};

/// What has to be remembered between frames.
#[derive(Debug, Default)]
pub(super) struct Reader {
    said: Said,
    calls: Calls,
    /// Reads what comes in `chunk` frames.
    invoked: Option<Box<anthropic::Reader>>,
}

/// The payload of any event: its members differ, the names do not collide.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(default)]
    content_block_index: Count,
    #[serde(borrow, default)]
    start: Obj<Block<'a>>,
    #[serde(borrow, default)]
    delta: Obj<Block<'a>>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(default)]
    usage: Obj<Tokens>,
    /// Of a `chunk` frame.
    #[serde(borrow, default)]
    bytes: Text<'a>,
}

/// A non-streaming answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    output: Obj<Output<'a>>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(default)]
    usage: Obj<Tokens>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow, default)]
    message: Obj<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: List<Block<'a>>,
}

/// A content block, its start or a change of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Obj<Reasoning<'a>>,
    #[serde(borrow, default)]
    tool_use: Obj<ToolUse<'a>>,
}

/// In a stream the text itself, in a whole answer an object around it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    reasoning_text: Obj<ReasoningText<'a>>,
}

#[derive(Deserialize)]
struct ReasoningText<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
}

/// In a stream `input` is a piece of JSON in a string, in a whole answer the object.
#[derive(Deserialize)]
struct ToolUse<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    input: Json<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Tokens {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    cache_write_input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
}

impl Reader {
    pub(super) fn event(
        &mut self,
        name: &[u8],
        data: &str,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), serde_json::Error> {
        let Some(event) = object::<Event<'_>>(data)? else {
            self.said.note(Note::UnknownEvent, out);
            return Ok(());
        };
        let index = event.content_block_index.0;
        match name {
            b"contentBlockDelta" => {
                if let Some(block) = event.delta.0 {
                    self.block(block, index, out);
                }
            }
            b"contentBlockStart" => {
                if let Some(block) = event.start.0 {
                    self.block(block, index, out);
                }
            }
            b"contentBlockStop" => self.calls.close(index, out),
            b"messageStop" => {
                self.stop(event.stop_reason.get(), out);
                out.push(StreamEvent::Terminal);
            }
            b"metadata" => usage(event.usage.0, out),
            b"chunk" => return self.chunk(event.bytes.get().unwrap_or_default(), out),
            b"messageStart" => {}
            _ => self.said.note(Note::UnknownEvent, out),
        }
        Ok(())
    }

    /// A frame that tells of a failure: an exception with its payload, or an error code with its message.
    pub(super) fn failure(name: &[u8], data: &[u8], out: &mut Vec<StreamEvent>) {
        let name = String::from_utf8_lossy(name);
        out.push(StreamEvent::Error(error_body::from_exception(
            Protocol::Bedrock,
            &name,
            data,
        )));
    }

    /// The body ended: calls that waited go out.
    pub(super) fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        self.calls.flush(out);
        if let Some(invoked) = &mut self.invoked {
            invoked.finish(out);
        }
    }

    /// A non-streaming answer. Tells whether it is one.
    pub(super) fn body(&mut self, text: &str, out: &mut Vec<StreamEvent>) -> bool {
        let Ok(Some(answer)) = object::<Answer<'_>>(text) else {
            return false;
        };
        let Some(message) = answer.output.0.and_then(|output| output.message.0) else {
            // What `invoke` answers is the model's own.
            return anthropic::Reader::default().body(text, out);
        };
        for (index, block) in (0..).zip(message.content.0) {
            self.block(block, Some(index), out);
            self.calls.close(Some(index), out);
        }
        usage(answer.usage.0, out);
        self.stop(answer.stop_reason.get(), out);
        out.push(StreamEvent::Terminal);
        true
    }

    fn block(&mut self, block: Block<'_>, index: Option<u64>, out: &mut Vec<StreamEvent>) {
        if let Some(reasoning) = block.reasoning_content.0 {
            delta(Channel::Reasoning, reasoning.text.take(), out);
            let whole = reasoning.reasoning_text.0.and_then(|inner| inner.text.take());
            delta(Channel::Reasoning, whole, out);
        }
        delta(Channel::Text, block.text.take(), out);
        if let Some(tool) = block.tool_use.0 {
            let piece = Piece {
                index,
                id: None,
                name: tool.name.get(),
                arguments: tool.input.take(),
            };
            self.calls.piece(piece, out);
        }
    }

    fn stop(&mut self, reason: Option<&str>, out: &mut Vec<StreamEvent>) {
        self.calls.flush(out);
        let reason = reason.unwrap_or("null");
        out.push(StreamEvent::Stop(StopReason {
            raw: reason.to_owned(),
            class: stop_reason::class(Protocol::Bedrock, reason),
        }));
    }

    /// One of the model's own events.
    fn chunk(&mut self, bytes: &str, out: &mut Vec<StreamEvent>) -> Result<(), serde_json::Error> {
        let garbled = |detail: &str| StreamEvent::Garbled {
            detail: format!("a chunk is not {detail}"),
        };
        let Ok(event) = STANDARD.decode(bytes) else {
            out.push(garbled("base64"));
            return Ok(());
        };
        let Ok(event) = std::str::from_utf8(&event) else {
            out.push(garbled("UTF-8"));
            return Ok(());
        };
        self.invoked.get_or_insert_default().event(b"chunk", event, out)
    }
}

fn usage(tokens: Option<Tokens>, out: &mut Vec<StreamEvent>) {
    let Some(tokens) = tokens else { return };
    let cached = [tokens.cache_read_input_tokens, tokens.cache_write_input_tokens];
    let cached = cached.iter().filter_map(|count| count.0);
    out.push(StreamEvent::Usage(Usage {
        // What came from or went into the cache is counted beside the rest.
        input: tokens
            .input_tokens
            .0
            .map(|input| cached.fold(input, u64::saturating_add)),
        output: tokens.output_tokens.0,
        reasoning: None,
        provisional: false,
    }));
}
