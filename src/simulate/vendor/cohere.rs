//! Cohere v2 chat.

use super::{Channel, Encoder, Facts, Finish, Whole, list, quoted};

const fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "COMPLETE",
        Finish::Tool => "TOOL_CALL",
        Finish::Limit => "MAX_TOKENS",
        Finish::Refused => "ERROR_TOXIC",
    }
}

fn usage(facts: &Facts, tokens: u64) -> String {
    format!(
        r#"{{"billed_units":{{"input_tokens":{0},"output_tokens":{tokens}}},"tokens":{{"input_tokens":{1},"output_tokens":{tokens}}},"cached_tokens":0}}"#,
        facts.input_tokens,
        facts.input_tokens + 495
    )
}

fn event(name: &str, members: &str) -> String {
    format!("event: {name}\ndata: {{\"type\":\"{name}\"{members}}}\n\n")
}

fn message(inner: &str) -> String {
    format!(r#","delta":{{"message":{{{inner}}}}}"#)
}

fn call(facts: &Facts, arguments: &str) -> String {
    format!(
        r#"{{"id":"{}_{}","type":"function","function":{{"name":{},"arguments":{arguments}}}}}"#,
        facts.tool,
        facts.id,
        quoted(&facts.tool)
    )
}

pub(super) struct Stream {
    facts: Facts,
    open: Option<Channel>,
    index: u64,
    end: (Finish, u64),
}

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            open: None,
            index: 0,
            end: (Finish::Stop, 0),
        }
    }

    fn place(&self) -> String {
        format!(r#","index":{}"#, self.index)
    }

    fn open(&mut self, channel: Channel) -> String {
        let closed = self.close();
        self.open = Some(channel);
        let place = self.place();
        closed
            + &match channel {
                Channel::Tool => {
                    let call = format!(r#""tool_calls":{}"#, call(&self.facts, r#""""#));
                    event("tool-call-start", &(place + &message(&call)))
                }
                Channel::Reasoning => {
                    let thinking = r#""content":{"type":"thinking","thinking":""}"#;
                    event("content-start", &(place + &message(thinking)))
                }
                Channel::Text | Channel::Refusal => {
                    let text = r#""content":{"type":"text","text":""}"#;
                    event("content-start", &(place + &message(text)))
                }
            }
    }

    fn close(&mut self) -> String {
        let name = match self.open.take() {
            None => return String::new(),
            Some(Channel::Tool) => "tool-call-end",
            Some(_) => "content-end",
        };
        let end = event(name, &self.place());
        self.index += 1;
        end
    }
}

impl Encoder for Stream {
    fn head(&mut self) -> Vec<u8> {
        let start = format!(
            r#","id":"{}"{}"#,
            self.facts.id,
            message(r#""role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]"#)
        );
        event("message-start", &start).into_bytes()
    }

    fn delta(&mut self, channel: Channel, text: &str, _tokens: u64) -> Vec<u8> {
        let opened = if self.open == Some(channel) {
            String::new()
        } else {
            self.open(channel)
        };
        let text = quoted(text);
        let (name, inner) = match channel {
            Channel::Tool => (
                "tool-call-delta",
                format!(r#""tool_calls":{{"function":{{"arguments":{text}}}}}"#),
            ),
            Channel::Reasoning => ("content-delta", format!(r#""content":{{"thinking":{text}}}"#)),
            Channel::Text | Channel::Refusal => ("content-delta", format!(r#""content":{{"text":{text}}}"#)),
        };
        (opened + &event(name, &(self.place() + &message(&inner)))).into_bytes()
    }

    /// The stop reason is in the terminal event: before it there is only the end of the block.
    fn stop(&mut self, finish: Finish, tokens: u64) -> Vec<u8> {
        self.end = (finish, tokens);
        self.close().into_bytes()
    }

    fn terminal(&mut self) -> Vec<u8> {
        let (finish, tokens) = self.end;
        let end = format!(
            r#","id":"{}","delta":{{"finish_reason":"{}","usage":{}}}"#,
            self.facts.id,
            finish_reason(finish),
            usage(&self.facts, tokens)
        );
        (event("message-end", &end) + "data: [DONE]\n\n").into_bytes()
    }

    fn error(&mut self) -> Vec<u8> {
        let end = format!(
            r#","id":"{}","delta":{{"finish_reason":"ERROR","error":"internal server error","usage":{}}}"#,
            self.facts.id,
            usage(&self.facts, 0)
        );
        (self.close() + &event("message-end", &end)).into_bytes()
    }
}

pub(super) fn whole(facts: &Facts, said: &Whole, finish: Finish, tokens: u64) -> String {
    let mut content = Vec::new();
    if !said.reasoning.is_empty() {
        content.push(format!(
            r#"{{"type":"thinking","thinking":{}}}"#,
            quoted(&said.reasoning)
        ));
    }
    if !said.text.is_empty() {
        content.push(format!(r#"{{"type":"text","text":{}}}"#, quoted(&said.text)));
    }
    let calls = said.arguments.as_ref().map_or_else(String::new, |arguments| {
        format!(r#","tool_calls":[{}]"#, call(facts, &quoted(arguments)))
    });
    format!(
        r#"{{"id":"{}","message":{{"role":"assistant","content":[{}]{calls}}},"finish_reason":"{}","usage":{}}}"#,
        facts.id,
        content.join(","),
        finish_reason(finish),
        usage(facts, tokens)
    )
}

pub(super) fn models(models: &[&str]) -> String {
    let data = list(models, |id| {
        format!(
            r#"{{"name":"{id}","endpoints":["chat"],"finetuned":false,"context_length":256000,"default_endpoints":[]}}"#
        )
    });
    format!(r#"{{"models":[{data}]}}"#)
}
