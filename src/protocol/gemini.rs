//! Gemini `streamGenerateContent?alt=sse`: chunks of the answer's own shape, no event names, no terminal event.
//! The reply is over when the body ends after a chunk with a `finishReason`; the last such reason counts, because
//! gateways put one on every chunk.

use serde::Deserialize;

use super::{
    Channel, Note, Protocol, StopClass, StopReason, StreamEvent, Usage,
    emit::{Said, delta},
    error_body,
    lenient::{Count, Flag, Json, List, Obj, Present, Text, object},
    stop_reason,
    tools::Calls,
};

/// What has to be remembered between chunks.
#[derive(Debug, Default)]
pub(super) struct Reader {
    said: Said,
    calls: Calls,
    stopped: bool,
    called_tool: bool,
    ended: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow, default)]
    candidates: List<Candidate<'a>>,
    #[serde(borrow, default)]
    prompt_feedback: Obj<PromptFeedback<'a>>,
    #[serde(default)]
    usage_metadata: Obj<Tokens>,
    #[serde(borrow, default)]
    model_version: Text<'a>,
    #[serde(borrow, default)]
    response_id: Text<'a>,
    #[serde(default)]
    error: Present,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(default)]
    index: Count,
    #[serde(borrow, default)]
    content: Obj<Content<'a>>,
    #[serde(borrow, default)]
    finish_reason: Text<'a>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    parts: List<Part<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(default)]
    thought: Flag,
    #[serde(borrow, default)]
    function_call: Obj<FunctionCall<'a>>,
}

#[derive(Deserialize)]
struct FunctionCall<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    args: Json<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromptFeedback<'a> {
    #[serde(borrow, default)]
    block_reason: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names on the wire")]
struct Tokens {
    #[serde(default)]
    prompt_token_count: Count,
    #[serde(default)]
    candidates_token_count: Count,
    #[serde(default)]
    thoughts_token_count: Count,
}

impl Reader {
    pub(super) fn event(&mut self, data: &str, out: &mut Vec<StreamEvent>) -> Result<(), serde_json::Error> {
        if data.trim_ascii() == "[DONE]" {
            return Ok(());
        }
        match object::<Chunk<'_>>(data)? {
            Some(chunk) if chunk.error.0 => {
                out.extend(error_body::from_payload(Protocol::Gemini, data).map(StreamEvent::Error));
            }
            Some(chunk) => {
                if !self.chunk(chunk, out) {
                    self.said.note(Note::UnknownEvent, out);
                }
            }
            None => self.said.note(Note::UnknownEvent, out),
        }
        Ok(())
    }

    /// The body ended: a reply that stopped is over.
    pub(super) fn finish(&mut self, out: &mut Vec<StreamEvent>) {
        if self.stopped && !self.ended {
            self.ended = true;
            out.push(StreamEvent::TerminalByEnd);
        }
    }

    /// A non-streaming answer, or the array of chunks that comes without `alt=sse`. Tells whether it is one.
    pub(super) fn body(&mut self, text: &str, out: &mut Vec<StreamEvent>) -> bool {
        if text.trim_ascii_start().starts_with('[') {
            let Ok(chunks) = serde_json::from_str::<List<Chunk<'_>>>(text) else {
                return false;
            };
            let mut known = false;
            for chunk in chunks.0 {
                known |= self.chunk(chunk, out);
            }
            return known;
        }
        match object::<Chunk<'_>>(text) {
            Ok(Some(chunk)) => self.chunk(chunk, out),
            _ => false,
        }
    }

    /// One chunk; tells whether it had a shape that we know.
    fn chunk(&mut self, chunk: Chunk<'_>, out: &mut Vec<StreamEvent>) -> bool {
        let mut known = !chunk.candidates.0.is_empty();
        self.said
            .meta(chunk.model_version.get(), chunk.response_id.get(), out);
        for candidate in chunk.candidates.0 {
            if candidate.index.0.unwrap_or(0) == 0 {
                self.candidate(candidate, out);
            }
        }
        if let Some(reason) = chunk
            .prompt_feedback
            .0
            .as_ref()
            .and_then(|f| f.block_reason.get())
        {
            known = true;
            self.stopped = true;
            out.push(StreamEvent::Stop(StopReason {
                raw: format!("promptFeedback.blockReason={reason}"),
                class: StopClass::Refused,
            }));
        }
        if let Some(tokens) = chunk.usage_metadata.0 {
            known = true;
            // Thoughts are counted beside the candidates' tokens, not among them; an absent count is zero.
            let thoughts = tokens.thoughts_token_count.0;
            let candidates = tokens.candidates_token_count.0.unwrap_or(0);
            out.push(StreamEvent::Usage(Usage {
                input: tokens.prompt_token_count.0,
                output: Some(candidates.saturating_add(thoughts.unwrap_or(0))),
                reasoning: thoughts,
                provisional: !self.stopped,
            }));
        }
        known
    }

    fn candidate(&mut self, candidate: Candidate<'_>, out: &mut Vec<StreamEvent>) {
        for part in candidate
            .content
            .0
            .into_iter()
            .flat_map(|content| content.parts.0)
        {
            if let Some(called) = part.function_call.0 {
                self.called_tool = true;
                self.calls.whole(called.name.get(), called.args.take(), out);
            }
            let channel = if part.thought.0 {
                Channel::Reasoning
            } else {
                Channel::Text
            };
            delta(channel, part.text.take(), out);
        }
        if let Some(reason) = candidate.finish_reason.get() {
            self.stopped = true;
            let class = match stop_reason::class(Protocol::Gemini, reason) {
                StopClass::Complete if self.called_tool => StopClass::Tool,
                class => class,
            };
            out.push(StreamEvent::Stop(StopReason {
                raw: reason.to_owned(),
                class,
            }));
        }
    }
}
