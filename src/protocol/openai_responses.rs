//! OpenAI Responses: typed events with sequence numbers, the whole text repeated at its end, and a terminal event that
//! carries status and usage.

use serde::Deserialize;

use super::{
    Channel, ErrorClass, Note, Protocol, StopClass, StopReason, StreamEvent, Usage,
    emit::{Said, delta},
    error_body,
    lenient::{Count, Json, List, Obj, Text, object},
    stop_reason,
    tools::{Calls, Piece},
};

/// Most content parts whose text is compared with its repetition; later ones are not.
const MAX_PARTS: usize = 64;

/// What has to be remembered between events.
#[derive(Debug, Default)]
pub(super) struct Reader {
    said: Said,
    calls: Calls,
    sequence: Option<u64>,
    parts: Vec<PartSum>,
    called_tool: bool,
    refused: bool,
}

/// Running length and hash of one part's deltas: enough to compare without keeping the text.
#[derive(Debug)]
struct PartSum {
    output: u64,
    content: u64,
    bytes: usize,
    hash: u64,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    sequence_number: Count,
    #[serde(default)]
    output_index: Count,
    #[serde(default)]
    content_index: Count,
    #[serde(borrow, default)]
    delta: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    item: Obj<Item<'a>>,
    #[serde(borrow, default)]
    response: Obj<Response<'a>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    object: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    status: Text<'a>,
    #[serde(borrow, default)]
    incomplete_details: Obj<Incomplete<'a>>,
    #[serde(borrow, default)]
    output: List<Item<'a>>,
    #[serde(default)]
    usage: Obj<Tokens>,
}

#[derive(Deserialize)]
struct Incomplete<'a> {
    #[serde(borrow, default)]
    reason: Text<'a>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    /// Of a function's call.
    #[serde(borrow, default)]
    arguments: Json<'a>,
    /// Of a custom tool's call.
    #[serde(borrow, default)]
    input: Json<'a>,
    #[serde(borrow, default)]
    content: List<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Tokens {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    output_tokens_details: Obj<Details>,
}

#[derive(Deserialize)]
struct Details {
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
        self.follow(event.sequence_number.0, out);
        let part = (
            event.output_index.0.unwrap_or(0),
            event.content_index.0.unwrap_or(0),
        );
        let kind = event.kind.get().or_else(|| std::str::from_utf8(name).ok());
        match kind.unwrap_or_default() {
            "response.output_text.delta" => {
                self.add(part, event.delta.get().unwrap_or_default());
                delta(Channel::Text, event.delta.take(), out);
            }
            "response.output_text.done" => self.compare(part, event.text.get().unwrap_or_default(), out),
            "response.refusal.delta" => {
                self.refused = true;
                delta(Channel::Refusal, event.delta.take(), out);
            }
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                delta(Channel::Reasoning, event.delta.take(), out);
            }
            "response.output_item.added" => {
                if let Some(item) = event.item.0 {
                    self.call(&item, event.output_index.0, out);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = event.item.0 {
                    let arguments = item.arguments.take().or_else(|| item.input.take());
                    self.calls.fallback(event.output_index.0, arguments);
                    self.calls.close(event.output_index.0, out);
                }
            }
            "response.completed" | "response.incomplete" | "response.failed" | "response.cancelled" => {
                let ending = kind
                    .and_then(|kind| kind.strip_prefix("response."))
                    .unwrap_or_default();
                self.ended(ending, event.response.0.as_ref(), data, out);
            }
            kind if kind.starts_with("response.") => {
                if let Some(response) = event.response.0 {
                    self.said.meta(response.model.get(), response.id.get(), out);
                }
                if kind.contains("_call") {
                    let piece = Piece {
                        index: event.output_index.0,
                        arguments: event.delta.take(),
                        ..Piece::default()
                    };
                    self.calls.piece(piece, out);
                }
            }
            "keepalive" | "ping" => out.push(StreamEvent::KeepAlive),
            _ => match error_body::from_payload(Protocol::OpenaiResponses, data) {
                Some(error) => out.extend([StreamEvent::Error(error), StreamEvent::Terminal]),
                None => self.said.note(Note::UnknownEvent, out),
            },
        }
        Ok(())
    }

    /// A non-streaming answer. Tells whether it is one.
    pub(super) fn body(&mut self, text: &str, out: &mut Vec<StreamEvent>) -> bool {
        let Ok(Some(mut response)) = object::<Response<'_>>(text) else {
            return false;
        };
        if response.object.get() != Some("response") {
            return false;
        }
        for (index, mut item) in (0..).zip(std::mem::take(&mut response.output.0)) {
            for content in std::mem::take(&mut item.content.0) {
                match content.kind.get().unwrap_or_default() {
                    "refusal" => {
                        self.refused = true;
                        delta(Channel::Refusal, content.refusal.take(), out);
                    }
                    "reasoning_text" => delta(Channel::Reasoning, content.text.take(), out),
                    _ => delta(Channel::Text, content.text.take(), out),
                }
            }
            let arguments = std::mem::take(&mut item.arguments).take();
            let arguments = arguments.or_else(|| std::mem::take(&mut item.input).take());
            self.call(&item, Some(index), out);
            self.calls.fallback(Some(index), arguments);
            self.calls.close(Some(index), out);
        }
        self.ended("", Some(&response), text, out);
        true
    }

    /// The body ended: calls that waited go out.
    pub(super) fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        self.calls.flush(out);
    }

    /// Sequence numbers grow by one; a skip proves lost events. They need not begin at zero behind a gateway.
    fn follow(&mut self, number: Option<u64>, out: &mut Vec<StreamEvent>) {
        let Some(number) = number else { return };
        if self.sequence.is_some_and(|last| number > last.saturating_add(1)) {
            self.said.note(Note::SequenceGap, out);
        }
        self.sequence = Some(number);
    }

    /// An output item that may be a call. Its arguments are streamed, or come with the item's end.
    fn call(&mut self, item: &Item<'_>, index: Option<u64>, out: &mut Vec<StreamEvent>) {
        let kind = item.kind.get().unwrap_or_default();
        if kind.ends_with("_call") || waits_for_us(item.kind.get()) {
            self.called_tool |= waits_for_us(item.kind.get());
            let piece = Piece {
                index,
                name: Some(item.name.get().unwrap_or(kind)),
                ..Piece::default()
            };
            self.calls.piece(piece, out);
        }
    }

    fn add(&mut self, part: (u64, u64), text: &str) {
        let at = match self
            .parts
            .iter()
            .position(|sum| (sum.output, sum.content) == part)
        {
            Some(at) => at,
            None if self.parts.len() < MAX_PARTS => {
                self.parts.push(PartSum {
                    output: part.0,
                    content: part.1,
                    bytes: 0,
                    hash: FNV_START,
                });
                self.parts.len() - 1
            }
            None => return,
        };
        let sum = &mut self.parts[at];
        sum.bytes += text.len();
        sum.hash = fnv1a(sum.hash, text);
    }

    fn compare(&mut self, part: (u64, u64), text: &str, out: &mut Vec<StreamEvent>) {
        let same = match self.parts.iter().find(|sum| (sum.output, sum.content) == part) {
            Some(sum) => sum.bytes == text.len() && sum.hash == fnv1a(FNV_START, text),
            None => text.is_empty() || self.parts.len() == MAX_PARTS,
        };
        if !same {
            self.said.note(Note::TextMismatch, out);
        }
    }

    /// A terminal event: status, usage and, where it failed, the error.
    fn ended(
        &mut self,
        ending: &str,
        response: Option<&Response<'_>>,
        data: &str,
        out: &mut Vec<StreamEvent>,
    ) {
        let status = response
            .and_then(|response| response.status.get())
            .unwrap_or(ending);
        let mut reason = None;
        if let Some(response) = response {
            self.said.meta(response.model.get(), response.id.get(), out);
            reason = response
                .incomplete_details
                .0
                .as_ref()
                .and_then(|details| details.reason.get());
            if let Some(tokens) = &response.usage.0 {
                out.push(StreamEvent::Usage(Usage {
                    input: tokens.input_tokens.0,
                    output: tokens.output_tokens.0,
                    reasoning: tokens
                        .output_tokens_details
                        .0
                        .as_ref()
                        .and_then(|details| details.reasoning_tokens.0),
                    provisional: false,
                }));
            }
        }
        let error = (status == "failed")
            .then(|| error_body::from_response(Protocol::OpenaiResponses, data))
            .flatten();
        let class = match (status, reason) {
            ("completed", _) if self.refused => StopClass::Refused,
            ("completed", _) if self.called_tool => StopClass::Tool,
            ("failed", _) => StopClass::Error(
                error
                    .as_ref()
                    .map_or(ErrorClass::ServerError, |error| error.class),
            ),
            ("incomplete", Some(reason)) => stop_reason::class(Protocol::OpenaiResponses, reason),
            (status, _) => stop_reason::class(Protocol::OpenaiResponses, status),
        };
        let raw = match reason {
            Some(reason) => format!("status={status}/{reason}"),
            None => format!("status={status}"),
        };
        self.calls.flush(out);
        out.push(StreamEvent::Stop(StopReason { raw, class }));
        out.extend(error.map(StreamEvent::Error));
        out.push(StreamEvent::Terminal);
    }
}

/// Whether an output item is a call that its client must answer. The server's own tools go on by themselves.
fn waits_for_us(kind: Option<&str>) -> bool {
    matches!(
        kind,
        Some(
            "function_call"
                | "custom_tool_call"
                | "computer_call"
                | "local_shell_call"
                | "shell_call"
                | "apply_patch_call"
                | "mcp_approval_request"
        )
    )
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: pieces hash like the whole, which is all that is asked of it here.
fn fnv1a(start: u64, text: &str) -> u64 {
    text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
