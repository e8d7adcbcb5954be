//! OpenAI Chat Completions and the dialects of everybody who speaks it: usage may ride anywhere or be missing, errors
//! are objects or strings, deltas may be absent. `[DONE]` is the terminal event, but proves nothing by itself:
//! some servers send it after an error.

use serde::Deserialize;

use super::{
    Channel, Note, Protocol, StopClass, StopReason, StreamEvent, Usage,
    emit::{Said, delta},
    error_body,
    lenient::{Count, Json, List, Obj, Present, Text, TextOrList, object},
    stop_reason,
    tools::{Calls, Piece},
};

/// What has to be remembered between chunks.
#[derive(Debug, Default)]
pub(super) struct Reader {
    said: Said,
    calls: Calls,
    stopped: bool,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    object: Text<'a>,
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    system_fingerprint: Text<'a>,
    #[serde(borrow, default)]
    choices: Option<List<Choice<'a>>>,
    #[serde(default)]
    usage: Obj<Tokens>,
    #[serde(default)]
    error: Present,
    #[serde(default)]
    x_groq: Obj<Groq>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Count,
    #[serde(borrow, default)]
    delta: Obj<Delta<'a>>,
    /// In place of `delta` in a non-streaming answer.
    #[serde(borrow, default)]
    message: Obj<Delta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
    /// `OpenRouter`: the reason as the provider behind it gave it.
    #[serde(borrow, default)]
    native_finish_reason: Text<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: TextOrList<'a, Part<'a>>,
    #[serde(borrow, default)]
    reasoning: Text<'a>,
    #[serde(borrow, default)]
    reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    refusal: Text<'a>,
    #[serde(borrow, default)]
    tool_calls: List<ToolCall<'a>>,
    #[serde(borrow, default)]
    function_call: Obj<Function<'a>>,
}

/// A typed part of a content list (Mistral).
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    thinking: TextOrList<'a, ThinkingPart<'a>>,
}

#[derive(Deserialize)]
struct ThinkingPart<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
    #[serde(default)]
    index: Count,
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    function: Obj<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    /// Pieces of JSON in strings; some servers give the object itself.
    #[serde(borrow, default)]
    arguments: Json<'a>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Tokens {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    completion_tokens_details: Obj<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    reasoning_tokens: Count,
}

#[derive(Deserialize)]
struct Groq {
    #[serde(default)]
    usage: Obj<Tokens>,
    #[serde(default)]
    error: Present,
}

impl Reader {
    pub(super) fn event(&mut self, data: &str, out: &mut Vec<StreamEvent>) -> Result<(), serde_json::Error> {
        if data.trim_ascii_start().starts_with("[DONE]") {
            out.push(StreamEvent::Terminal);
            return Ok(());
        }
        match object::<Chunk<'_>>(data)? {
            Some(chunk) => {
                if !self.chunk(data, chunk, out) {
                    self.said.note(Note::UnknownEvent, out);
                }
            }
            None => self.said.note(Note::UnknownEvent, out),
        }
        Ok(())
    }

    /// A non-streaming answer. Tells whether it is one.
    pub(super) fn body(&mut self, text: &str, out: &mut Vec<StreamEvent>) -> bool {
        let Ok(Some(chunk)) = object::<Chunk<'_>>(text) else {
            return false;
        };
        let is_answer = chunk
            .choices
            .as_ref()
            .is_some_and(|choices| choices.0.iter().any(|choice| choice.message.0.is_some()));
        if is_answer {
            self.chunk(text, chunk, out);
            out.push(StreamEvent::Terminal);
        }
        is_answer
    }

    /// One chunk; tells whether it had a shape that we know.
    fn chunk(&mut self, data: &str, chunk: Chunk<'_>, out: &mut Vec<StreamEvent>) -> bool {
        self.said.meta(chunk.model.get(), chunk.id.get(), out);
        self.said.fingerprint(chunk.system_fingerprint.get(), out);
        let groq = chunk.x_groq.0;
        let failed = chunk.error.0
            || chunk.object.get() == Some("error")
            || groq.as_ref().is_some_and(|groq| groq.error.0);
        let mut known = failed || chunk.choices.is_some();
        let is_usage_chunk = chunk.choices.as_ref().is_none_or(|choices| choices.0.is_empty());
        for choice in chunk.choices.into_iter().flat_map(|choices| choices.0) {
            if choice.index.0.unwrap_or(0) == 0 {
                self.choice(choice, out);
            }
        }
        let tokens = chunk.usage.0.or(groq.and_then(|groq| groq.usage.0));
        if let Some(tokens) = tokens.filter(|tokens| tokens.completion_tokens.0.is_some()) {
            known = true;
            out.push(StreamEvent::Usage(Usage {
                input: tokens.prompt_tokens.0,
                output: tokens.completion_tokens.0,
                reasoning: tokens
                    .completion_tokens_details
                    .0
                    .and_then(|details| details.reasoning_tokens.0),
                // Some servers repeat a running count on every chunk.
                provisional: !(self.stopped || is_usage_chunk),
            }));
        }
        if failed {
            out.extend(error_body::from_payload(Protocol::OpenaiChat, data).map(StreamEvent::Error));
        }
        known
    }

    fn choice(&mut self, choice: Choice<'_>, out: &mut Vec<StreamEvent>) {
        if let Some(piece) = choice.delta.0.or(choice.message.0) {
            // Some gateways send the same thought under both names.
            let thought = piece.reasoning_content.take().or_else(|| piece.reasoning.take());
            delta(Channel::Reasoning, thought, out);
            match piece.content {
                TextOrList::Text(text) => delta(Channel::Text, text.take(), out),
                TextOrList::List(parts) => parts.into_iter().for_each(|part| part.emit(out)),
            }
            delta(Channel::Refusal, piece.refusal.take(), out);
            // The older name of a call; llama-cpp-python sends each piece of a call under both.
            let older = piece.function_call.0.filter(|_| piece.tool_calls.0.is_empty());
            for call in piece.tool_calls.0 {
                if let Some(function) = call.function.0 {
                    self.call(call.index.0, call.id.get(), function, out);
                }
            }
            if let Some(function) = older {
                self.call(Some(0), None, function, out);
            }
        }
        if let Some(reason) = choice.finish_reason.get() {
            self.stopped = true;
            self.calls.flush(out);
            out.push(StreamEvent::Stop(finish(
                reason,
                choice.native_finish_reason.get(),
            )));
        }
    }

    fn call(
        &mut self,
        index: Option<u64>,
        id: Option<&str>,
        function: Function<'_>,
        out: &mut Vec<StreamEvent>,
    ) {
        let piece = Piece {
            index,
            id,
            name: function.name.get(),
            arguments: function.arguments.take(),
        };
        self.calls.piece(piece, out);
    }

    /// The body ended: calls that waited go out.
    pub(super) fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        self.calls.flush(out);
    }
}

impl Part<'_> {
    fn emit(self, out: &mut Vec<StreamEvent>) {
        match self.thinking {
            TextOrList::Text(text) => delta(Channel::Reasoning, text.take(), out),
            TextOrList::List(parts) => {
                for part in parts {
                    delta(Channel::Reasoning, part.text.take(), out);
                }
            }
        }
        delta(Channel::Text, self.text.take(), out);
    }
}

/// A gateway's normalised `stop` doesn't hide what the provider behind it said: a known abnormal native reason wins.
fn finish(reason: &str, native: Option<&str>) -> StopReason {
    let class = stop_reason::class(Protocol::OpenaiChat, reason);
    if class == StopClass::Complete
        && let Some((native, hidden)) =
            native.and_then(|native| Some((native, stop_reason::abnormal(native)?)))
    {
        return StopReason {
            raw: format!("{reason} (native {native})"),
            class: hidden,
        };
    }
    StopReason {
        raw: reason.to_owned(),
        class,
    }
}
