//! Ollama's own `/api/chat`: one JSON value a line.

use super::{Channel, Encoder, Facts, Finish, Framing, Whole, closed_object, list, quoted};

/// Nanoseconds that a token claims to have taken.
const TOKEN_NS: u64 = 12_000_000;

/// A call of a tool ends as a text does. There is no refusal: the model's own words are all there is.
const fn done_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Tool | Finish::Refused => "stop",
        Finish::Limit => "length",
    }
}

/// One answer object with these members of `message` and, after `done`, these.
fn object(facts: &Facts, message: &str, done: &str) -> String {
    format!(
        r#"{{"model":{},"created_at":"{}","message":{{"role":"assistant",{message}}},{done}}}"#,
        quoted(&facts.model),
        facts.created.to_rfc3339()
    )
}

fn content(text: &str) -> String {
    format!(r#""content":{}"#, quoted(text))
}

fn calls(facts: &Facts, arguments: &str) -> String {
    format!(
        r#""tool_calls":[{{"function":{{"name":{},"arguments":{}}}}}]"#,
        quoted(&facts.tool),
        closed_object(arguments)
    )
}

fn done(facts: &Facts, finish: Finish, tokens: u64) -> String {
    let span = TOKEN_NS * (tokens + 4);
    format!(
        r#""done":true,"done_reason":"{}","total_duration":{},"load_duration":41000000,"prompt_eval_count":{},"prompt_eval_duration":{span},"eval_count":{tokens},"eval_duration":{}"#,
        done_reason(finish),
        2 * span + 41_000_000,
        facts.input_tokens,
        TOKEN_NS * tokens
    )
}

pub(super) struct Stream {
    facts: Facts,
    /// Arguments of the call, which goes out on one line.
    arguments: Option<String>,
    end: (Finish, u64),
}

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            arguments: None,
            end: (Finish::Stop, 0),
        }
    }

    fn line(&self, message: &str, done: &str) -> Vec<u8> {
        (object(&self.facts, message, done) + "\n").into_bytes()
    }
}

impl Encoder for Stream {
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    fn head(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn delta(&mut self, channel: Channel, text: &str, _tokens: u64) -> Vec<u8> {
        let message = match channel {
            Channel::Tool => {
                self.arguments.get_or_insert_default().push_str(text);
                return Vec::new();
            }
            Channel::Reasoning => format!(r#""content":"","thinking":{}"#, quoted(text)),
            Channel::Text | Channel::Refusal => content(text),
        };
        self.line(&message, r#""done":false"#)
    }

    fn held(&mut self) -> Vec<u8> {
        match self.arguments.take() {
            Some(arguments) => {
                let message = format!(r#""content":"",{}"#, calls(&self.facts, &arguments));
                self.line(&message, r#""done":false"#)
            }
            None => Vec::new(),
        }
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> Vec<u8> {
        self.end = (finish, tokens);
        if finish == Finish::Refused {
            return self.line(&content(REFUSAL), r#""done":false"#);
        }
        self.held()
    }

    fn terminal(&mut self) -> Vec<u8> {
        let (finish, tokens) = self.end;
        self.line(&content(""), &done(&self.facts, finish, tokens))
    }

    fn error(&mut self) -> Vec<u8> {
        b"{\"error\":\"an error was encountered while running the model: unexpected EOF\"}\n".to_vec()
    }
}

/// What a model says that does not want to.
const REFUSAL: &str = "I can't help with that.";

pub(super) fn whole(facts: &Facts, said: &Whole, finish: Finish, tokens: u64) -> String {
    let mut message = content(if finish == Finish::Refused {
        REFUSAL
    } else {
        &said.text
    });
    if !said.reasoning.is_empty() {
        message = format!(r#"{message},"thinking":{}"#, quoted(&said.reasoning));
    }
    if let Some(arguments) = &said.arguments {
        message = format!("{message},{}", calls(facts, arguments));
    }
    object(facts, &message, &done(facts, finish, tokens))
}

pub(super) fn models(models: &[&str]) -> String {
    let data = list(models, |id| {
        format!(
            r#"{{"name":"{id}","model":"{id}","modified_at":"2026-01-01T00:00:00Z","size":1321098329,"digest":"baf6a787fdffd633537aa2eb51cfd54cb93ff08e28040095462bb63daf552878","details":{{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"1.2B","quantization_level":"Q8_0"}}}}"#
        )
    });
    format!(r#"{{"models":[{data}]}}"#)
}
