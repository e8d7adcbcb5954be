//! Cohere v2 chat: events named by `event:` and `data.type`; `message-end` is the terminal event and carries the reason
//! and the counts. A `[DONE]` after it says nothing more.

use serde::Deserialize;

use super::{
    Channel, Note, Protocol, ProviderError, StopClass, StopReason, StreamEvent, Usage,
    emit::{Said, delta},
    error_body,
    lenient::{Count, Json, Obj, OneOrMore, Text, object},
    stop_reason,
    tools::{Calls, Piece},
};

/// What has to be remembered between events.
#[derive(Debug, Default)]
pub(super) struct Reader {
    said: Said,
    calls: Calls,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(default)]
    index: Count,
    #[serde(borrow, default)]
    delta: Obj<Ending<'a>>,
}

/// A change of the message, or its end. A non-streaming answer has the same members.
#[derive(Deserialize)]
struct Ending<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    message: Obj<Message<'a>>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
    #[serde(borrow, default)]
    error: Text<'a>,
    #[serde(default)]
    usage: Obj<Tokens>,
}

#[derive(Deserialize)]
struct Message<'a> {
    /// One part in a stream, a list of them in a whole answer.
    #[serde(borrow, default)]
    content: OneOrMore<Part<'a>>,
    #[serde(borrow, default)]
    tool_plan: Text<'a>,
    #[serde(borrow, default)]
    tool_calls: OneOrMore<ToolCall<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    function: Obj<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    arguments: Json<'a>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    tokens: Obj<Counts>,
    #[serde(default)]
    billed_units: Obj<Counts>,
}

/// Counts may be floats.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Counts {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
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
        let kind = event.kind.get().or_else(|| std::str::from_utf8(name).ok());
        let index = event.index.0;
        match kind.unwrap_or_default() {
            "message-start" => self.said.meta(None, event.id.get(), out),
            "content-start" | "content-delta" | "tool-plan-delta" | "tool-call-start" | "tool-call-delta" => {
                if let Some(message) = event.delta.0.and_then(|delta| delta.message.0) {
                    self.message(message, index, out);
                }
            }
            "tool-call-end" => self.calls.close(index, out),
            "message-end" => {
                self.said.meta(None, event.id.get(), out);
                if let Some(ending) = event.delta.0 {
                    self.ending(&ending, out);
                }
                self.calls.flush(out);
                out.push(StreamEvent::Terminal);
            }
            "content-end" | "citation-start" | "citation-end" | "debug" => {}
            _ => match error_body::from_payload(Protocol::Cohere, data) {
                Some(error) => out.push(StreamEvent::Error(error)),
                None => self.said.note(Note::UnknownEvent, out),
            },
        }
        Ok(())
    }

    /// The body ended: calls that waited go out.
    pub(super) fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        self.calls.flush(out);
    }

    /// A non-streaming answer. Tells whether it is one.
    pub(super) fn body(&mut self, text: &str, out: &mut Vec<StreamEvent>) -> bool {
        let Ok(Some(mut answer)) = object::<Ending<'_>>(text) else {
            return false;
        };
        let Some(message) = answer.message.0.take() else {
            return false;
        };
        self.said.meta(None, answer.id.get(), out);
        self.message(message, None, out);
        self.ending(&answer, out);
        out.push(StreamEvent::Terminal);
        true
    }

    fn message(&mut self, message: Message<'_>, index: Option<u64>, out: &mut Vec<StreamEvent>) {
        delta(Channel::Reasoning, message.tool_plan.take(), out);
        for part in message.content.0 {
            delta(Channel::Reasoning, part.thinking.take(), out);
            delta(Channel::Text, part.text.take(), out);
        }
        for call in message.tool_calls.0 {
            let Some(function) = call.function.0 else { continue };
            let piece = Piece {
                index,
                id: call.id.get(),
                name: function.name.get(),
                arguments: function.arguments.take(),
            };
            self.calls.piece(piece, out);
        }
    }

    /// Why the reply is over, and what it took.
    fn ending(&mut self, ending: &Ending<'_>, out: &mut Vec<StreamEvent>) {
        self.calls.flush(out);
        if let Some(usage) = &ending.usage.0 {
            // Billed units leave out what Cohere itself puts into the prompt.
            if let Some(counts) = usage.tokens.0.as_ref().or(usage.billed_units.0.as_ref()) {
                out.push(StreamEvent::Usage(Usage {
                    input: counts.input_tokens.0,
                    output: counts.output_tokens.0,
                    reasoning: counts.reasoning_tokens.0,
                    provisional: false,
                }));
            }
        }
        let Some(reason) = ending.finish_reason.get() else {
            return;
        };
        let class = stop_reason::class(Protocol::Cohere, reason);
        out.push(StreamEvent::Stop(StopReason {
            raw: reason.to_owned(),
            class,
        }));
        if let (StopClass::Error(class), Some(words)) = (class, ending.error.get()) {
            out.push(StreamEvent::Error(ProviderError {
                code: Some(reason.to_owned()),
                ..error_body::from_words(Protocol::Cohere, words, class)
            }));
        }
    }
}
