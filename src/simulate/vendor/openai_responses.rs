//! OpenAI Responses.

use super::{Channel, Encoder, Facts, Finish, Whole, openai_chat::OBFUSCATION, quoted};

/// The end state in the protocol's words: event and status, `incomplete_details`.
const fn end_state(finish: Finish) -> (&'static str, &'static str) {
    match finish {
        Finish::Stop | Finish::Tool => ("completed", "null"),
        Finish::Limit => ("incomplete", r#"{"reason":"max_output_tokens"}"#),
        Finish::Refused => ("incomplete", r#"{"reason":"content_filter"}"#),
    }
}

fn text_part(text: &str) -> String {
    format!(
        r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":{}}}"#,
        quoted(text)
    )
}

fn summary_part(text: &str) -> String {
    format!(r#"{{"type":"summary_text","text":{}}}"#, quoted(text))
}

/// Prefix of an item's id, by what it holds.
const fn prefix(channel: Channel) -> &'static str {
    match channel {
        Channel::Reasoning => "rs",
        Channel::Tool => "fc",
        Channel::Text | Channel::Refusal => "msg",
    }
}

/// One output item; `inner` is its text or its arguments, `None` before there are any.
fn item(facts: &Facts, channel: Channel, status: &str, inner: Option<&str>) -> String {
    let id = format!("{}_{}", prefix(channel), facts.id);
    match channel {
        Channel::Reasoning => {
            let summary = inner.map_or_else(String::new, summary_part);
            format!(r#"{{"id":"{id}","type":"reasoning","summary":[{summary}]}}"#)
        }
        Channel::Tool => format!(
            r#"{{"id":"{id}","type":"function_call","status":"{status}","arguments":{},"call_id":"call_{}","name":{}}}"#,
            quoted(inner.unwrap_or_default()),
            facts.id,
            quoted(&facts.tool)
        ),
        Channel::Text | Channel::Refusal => {
            let content = inner.map_or_else(String::new, text_part);
            format!(
                r#"{{"id":"{id}","type":"message","status":"{status}","content":[{content}],"role":"assistant"}}"#
            )
        }
    }
}

/// The response object that the first, second and last event carry.
fn response(facts: &Facts, status: &str, details: &str, output: &str, tokens: Option<u64>) -> String {
    let created = facts.created.as_millis() / 1000;
    let completed = if status == "completed" {
        created.to_string()
    } else {
        "null".to_owned()
    };
    let limit = facts
        .max_tokens
        .map_or_else(|| "null".to_owned(), |max| max.to_string());
    let usage = tokens.map_or_else(
        || "null".to_owned(),
        |output| {
            format!(
                r#"{{"input_tokens":{0},"input_tokens_details":{{"cached_tokens":0,"cache_write_tokens":0}},"output_tokens":{output},"output_tokens_details":{{"reasoning_tokens":{1}}},"total_tokens":{2}}}"#,
                facts.input_tokens,
                facts.reasoning_tokens,
                facts.input_tokens + output
            )
        },
    );
    format!(
        r#"{{"id":"resp_{}","object":"response","created_at":{created},"status":"{status}","background":false,"completed_at":{completed},"error":null,"incomplete_details":{details},"instructions":null,"max_output_tokens":{limit},"model":{},"output":[{output}],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{{"effort":"none","summary":null}},"service_tier":"default","store":false,"temperature":1.0,"text":{{"format":{{"type":"text"}},"verbosity":"medium"}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{usage},"user":null,"metadata":{{}}}}"#,
        facts.id,
        quoted(&facts.model)
    )
}

pub(super) struct Stream {
    facts: Facts,
    sequence: u64,
    /// The item that is being written, and its text so far.
    open: Option<(Channel, String)>,
    /// Whole items.
    output: Vec<String>,
    end: (Finish, u64),
}

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            sequence: 0,
            open: None,
            output: Vec::new(),
            end: (Finish::Stop, 0),
        }
    }

    fn event(&mut self, name: &str, members: &str) -> String {
        let sequence = self.sequence;
        self.sequence += 1;
        format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{sequence},{members}}}\n\n")
    }

    fn item_event(&mut self, name: &str, item: &str) -> String {
        let index = self.output.len();
        self.event(name, &format!(r#""output_index":{index},"item":{item}"#))
    }

    /// Where a delta belongs.
    fn place(&self, channel: Channel) -> String {
        let inner = match channel {
            Channel::Reasoning => r#","summary_index":0"#,
            Channel::Tool => "",
            Channel::Text | Channel::Refusal => r#","content_index":0"#,
        };
        format!(
            r#""item_id":"{}_{}","output_index":{}{inner}"#,
            prefix(channel),
            self.facts.id,
            self.output.len()
        )
    }

    fn part_event(&mut self, channel: Channel, what: &str, text: &str) -> String {
        let (name, part) = match channel {
            Channel::Tool => return String::new(),
            Channel::Reasoning => ("response.reasoning_summary_part", summary_part(text)),
            Channel::Text | Channel::Refusal => ("response.content_part", text_part(text)),
        };
        let members = format!(r#"{},"part":{part}"#, self.place(channel));
        self.event(&format!("{name}.{what}"), &members)
    }

    fn open(&mut self, channel: Channel) -> String {
        let closed = self.close("completed");
        let item = item(&self.facts, channel, "in_progress", None);
        let added = self.item_event("response.output_item.added", &item);
        let part = self.part_event(channel, "added", "");
        self.open = Some((channel, String::new()));
        closed + &added + &part
    }

    fn close(&mut self, status: &str) -> String {
        let Some((channel, text)) = self.open.take() else {
            return String::new();
        };
        let place = self.place(channel);
        let whole = quoted(&text);
        let done = match channel {
            Channel::Reasoning => self.event(
                "response.reasoning_summary_text.done",
                &format!(r#"{place},"text":{whole}"#),
            ),
            Channel::Tool => {
                let name = quoted(&self.facts.tool);
                self.event(
                    "response.function_call_arguments.done",
                    &format!(r#"{place},"name":{name},"arguments":{whole}"#),
                )
            }
            Channel::Text | Channel::Refusal => self.event(
                "response.output_text.done",
                &format!(r#"{place},"text":{whole},"logprobs":[]"#),
            ),
        };
        let part = self.part_event(channel, "done", &text);
        let item = item(&self.facts, channel, status, Some(&text));
        let ended = self.item_event("response.output_item.done", &item);
        self.output.push(item);
        done + &part + &ended
    }
}

impl Encoder for Stream {
    fn head(&mut self) -> Vec<u8> {
        let response = format!(
            r#""response":{}"#,
            response(&self.facts, "in_progress", "null", "", None)
        );
        (self.event("response.created", &response) + &self.event("response.in_progress", &response))
            .into_bytes()
    }

    fn delta(&mut self, channel: Channel, text: &str, _tokens: u64) -> Vec<u8> {
        let opened = match &self.open {
            Some((open, _)) if *open == channel => String::new(),
            _ => self.open(channel),
        };
        if let Some((_, sum)) = &mut self.open {
            sum.push_str(text);
        }
        let padding = if self.facts.obfuscation { OBFUSCATION } else { "" };
        let (name, more) = match channel {
            Channel::Reasoning => ("response.reasoning_summary_text.delta", ""),
            Channel::Tool => ("response.function_call_arguments.delta", ""),
            Channel::Text | Channel::Refusal => ("response.output_text.delta", r#","logprobs":[]"#),
        };
        let members = format!(
            r#"{},"delta":{}{more}{padding}"#,
            self.place(channel),
            quoted(text)
        );
        (opened + &self.event(name, &members)).into_bytes()
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> Vec<u8> {
        self.end = (finish, tokens);
        let (status, _) = end_state(finish);
        self.close(status).into_bytes()
    }

    fn terminal(&mut self) -> Vec<u8> {
        let (finish, tokens) = self.end;
        let (status, details) = end_state(finish);
        let response = format!(
            r#""response":{}"#,
            response(&self.facts, status, details, &self.output.join(","), Some(tokens))
        );
        self.event(&format!("response.{status}"), &response).into_bytes()
    }

    fn error(&mut self) -> Vec<u8> {
        self.event(
            "error",
            r#""code":"server_error","message":"The server had an error while processing your request.","param":null"#,
        )
        .into_bytes()
    }
}

pub(super) fn whole(facts: &Facts, said: &Whole, finish: Finish, tokens: u64) -> String {
    let (status, details) = end_state(finish);
    let mut output = Vec::new();
    if !said.reasoning.is_empty() {
        output.push(item(facts, Channel::Reasoning, status, Some(&said.reasoning)));
    }
    if !said.text.is_empty() || said.arguments.is_none() {
        output.push(item(facts, Channel::Text, status, Some(&said.text)));
    }
    if let Some(arguments) = &said.arguments {
        output.push(item(facts, Channel::Tool, status, Some(arguments)));
    }
    response(facts, status, details, &output.join(","), Some(tokens))
}
