//! Ollama's own `/api/chat` and `/api/generate`: one JSON object a line, the last with `done: true`. A whole answer is
//! one such object.

use serde::Deserialize;

use super::{
    Channel, Note, Protocol, StopClass, StopReason, StreamEvent, Usage,
    emit::{Said, delta},
    error_body,
    lenient::{Count, Flag, Json, List, Obj, Present, Text, object},
    stop_reason,
    tools::Calls,
};

/// What is told where a reply is over without a reason: the server has a reason whose text form is empty.
const NO_REASON: &str = "(done_reason absent)";

/// What has to be remembered between lines.
#[derive(Debug, Default)]
pub(super) struct Reader {
    said: Said,
    calls: Calls,
    called_tool: bool,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default)]
    message: Obj<Message<'a>>,
    /// In place of `message` from `/api/generate`.
    #[serde(borrow, default)]
    response: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(default)]
    done: Option<Flag>,
    #[serde(borrow, default)]
    done_reason: Text<'a>,
    #[serde(default)]
    prompt_eval_count: Count,
    #[serde(default)]
    eval_count: Count,
    #[serde(default)]
    error: Present,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Text<'a>,
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(borrow, default)]
    tool_calls: List<ToolCall<'a>>,
}

#[derive(Deserialize)]
struct ToolCall<'a> {
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

impl Reader {
    pub(super) fn event(&mut self, data: &str, out: &mut Vec<StreamEvent>) -> Result<(), serde_json::Error> {
        match object::<Line<'_>>(data)? {
            Some(line) if line.error.0 => {
                out.extend(error_body::from_payload(Protocol::Ollama, data).map(StreamEvent::Error));
            }
            Some(line) => {
                if !self.line(line, out) {
                    self.said.note(Note::UnknownEvent, out);
                }
            }
            None => self.said.note(Note::UnknownEvent, out),
        }
        Ok(())
    }

    /// A non-streaming answer. Tells whether it is one.
    pub(super) fn body(&mut self, text: &str, out: &mut Vec<StreamEvent>) -> bool {
        match object::<Line<'_>>(text) {
            Ok(Some(line)) => self.line(line, out),
            _ => false,
        }
    }

    /// One line; tells whether it had a shape that we know.
    fn line(&mut self, line: Line<'_>, out: &mut Vec<StreamEvent>) -> bool {
        let Some(done) = line.done else {
            return false;
        };
        self.said.meta(line.model.get(), None, out);
        delta(Channel::Reasoning, line.thinking.take(), out);
        delta(Channel::Text, line.response.take(), out);
        if let Some(message) = line.message.0 {
            delta(Channel::Reasoning, message.thinking.take(), out);
            delta(Channel::Text, message.content.take(), out);
            for called in message
                .tool_calls
                .0
                .into_iter()
                .filter_map(|call| call.function.0)
            {
                self.called_tool = true;
                self.calls.whole(called.name.get(), called.arguments.take(), out);
            }
        }
        if done.0 {
            let counts = (line.prompt_eval_count.0, line.eval_count.0);
            if counts != (None, None) {
                out.push(StreamEvent::Usage(Usage {
                    // Absent where the whole prompt was in the cache.
                    input: counts.0,
                    output: counts.1,
                    reasoning: None,
                    provisional: false,
                }));
            }
            let raw = line.done_reason.get().unwrap_or(NO_REASON);
            let class = match stop_reason::class(Protocol::Ollama, raw) {
                StopClass::Complete if self.called_tool => StopClass::Tool,
                class => class,
            };
            out.push(StreamEvent::Stop(StopReason {
                raw: raw.to_owned(),
                class,
            }));
            out.push(StreamEvent::Terminal);
        }
        true
    }
}
