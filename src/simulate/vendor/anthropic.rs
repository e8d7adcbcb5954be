//! Anthropic Messages.

use super::{Channel, Encoder, Facts, Finish, Whole, closed_object, list, quoted};

fn event(name: &str, members: &str) -> String {
    format!("event: {name}\ndata: {{\"type\":\"{name}\"{members}}}\n\n")
}

fn usage(facts: &Facts, output: u64) -> String {
    let details = match facts.reasoning_tokens {
        0 => String::new(),
        thinking => format!(r#","output_tokens_details":{{"thinking_tokens":{thinking}}}"#),
    };
    format!(
        r#"{{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":{output}{details}}}"#,
        facts.input_tokens
    )
}

fn stop_members(finish: Finish) -> (&'static str, &'static str) {
    match finish {
        Finish::Stop => ("end_turn", ""),
        Finish::Tool => ("tool_use", ""),
        Finish::Limit => ("max_tokens", ""),
        Finish::Refused => (
            "refusal",
            r#","stop_details":{"type":"refusal","category":"general_harms","explanation":null}"#,
        ),
    }
}

/// Thinking is signed; nobody here checks it.
const SIGNATURE: &str = "EqQBCgIYAhIkc2ltdWxhdGVk";

fn tool_block(facts: &Facts, input: &str) -> String {
    format!(
        r#"{{"type":"tool_use","id":"toolu_01{}","name":{},"input":{input}}}"#,
        facts.id,
        quoted(&facts.tool)
    )
}

pub(super) struct Stream {
    facts: Facts,
    open: Option<Channel>,
    index: u64,
}

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            open: None,
            index: 0,
        }
    }

    fn place(&self) -> String {
        format!(r#","index":{}"#, self.index)
    }

    fn block_delta(&self, delta: &str) -> String {
        event(
            "content_block_delta",
            &format!(r#"{},"delta":{delta}"#, self.place()),
        )
    }

    /// Ends the open block and begins one of that channel.
    fn open(&mut self, channel: Channel) -> String {
        let closed = self.close();
        self.open = Some(channel);
        let block = match channel {
            Channel::Reasoning => r#"{"type":"thinking","thinking":"","signature":""}"#.to_owned(),
            Channel::Tool => tool_block(&self.facts, "{}"),
            Channel::Text | Channel::Refusal => r#"{"type":"text","text":""}"#.to_owned(),
        };
        closed
            + &event(
                "content_block_start",
                &format!(r#"{},"content_block":{block}"#, self.place()),
            )
    }

    fn close(&mut self) -> String {
        let Some(open) = self.open.take() else {
            return String::new();
        };
        let signature = if open == Channel::Reasoning {
            self.block_delta(&format!(
                r#"{{"type":"signature_delta","signature":"{SIGNATURE}"}}"#
            ))
        } else {
            String::new()
        };
        let stop = event("content_block_stop", &self.place());
        self.index += 1;
        signature + &stop
    }
}

impl Encoder for Stream {
    fn head(&mut self) -> Vec<u8> {
        let start = format!(
            r#","message":{{"model":{},"id":"msg_01{}","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}}"#,
            quoted(&self.facts.model),
            self.facts.id,
            self.facts.input_tokens
        );
        (event("message_start", &start) + &event("ping", "")).into_bytes()
    }

    fn delta(&mut self, channel: Channel, text: &str, _tokens: u64) -> Vec<u8> {
        let opened = if self.open == Some(channel) {
            String::new()
        } else {
            self.open(channel)
        };
        let (kind, member) = match channel {
            Channel::Reasoning => ("thinking_delta", "thinking"),
            Channel::Tool => ("input_json_delta", "partial_json"),
            Channel::Text | Channel::Refusal => ("text_delta", "text"),
        };
        let delta = self.block_delta(&format!(r#"{{"type":"{kind}","{member}":{}}}"#, quoted(text)));
        (opened + &delta).into_bytes()
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> Vec<u8> {
        let (reason, details) = stop_members(finish);
        let delta = format!(
            r#","delta":{{"stop_reason":"{reason}","stop_sequence":null{details}}},"usage":{}"#,
            usage(&self.facts, tokens)
        );
        (self.close() + &event("message_delta", &delta)).into_bytes()
    }

    fn terminal(&mut self) -> Vec<u8> {
        event("message_stop", "").into_bytes()
    }

    fn error(&mut self) -> Vec<u8> {
        let error = format!(
            r#","error":{{"type":"overloaded_error","message":"Overloaded"}},"request_id":"{}""#,
            self.facts.request_id
        );
        event("error", &error).into_bytes()
    }
}

pub(super) fn whole(facts: &Facts, said: &Whole, finish: Finish, tokens: u64) -> String {
    let (reason, details) = stop_members(finish);
    let mut content = Vec::new();
    if !said.reasoning.is_empty() {
        content.push(format!(
            r#"{{"type":"thinking","thinking":{},"signature":"{SIGNATURE}"}}"#,
            quoted(&said.reasoning)
        ));
    }
    if !said.text.is_empty() {
        content.push(format!(r#"{{"type":"text","text":{}}}"#, quoted(&said.text)));
    }
    if let Some(arguments) = &said.arguments {
        content.push(tool_block(facts, &closed_object(arguments)));
    }
    format!(
        r#"{{"model":{},"id":"msg_01{}","type":"message","role":"assistant","content":[{}],"stop_reason":"{reason}","stop_sequence":null{details},"usage":{}}}"#,
        quoted(&facts.model),
        facts.id,
        content.join(","),
        usage(facts, tokens)
    )
}

fn kind_of(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your credit balance is too low."),
        403 => (
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        404 => ("not_found_error", "Not found"),
        405 => ("invalid_request_error", "Method Not Allowed"),
        409 => ("conflict_error", "Conflict"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => (
            "rate_limit_error",
            "This request would exceed your organization's rate limit.",
        ),
        400..500 => ("invalid_request_error", "Invalid request"),
        504 => ("timeout_error", "Request timed out"),
        529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    }
}

pub(super) fn error(status: u16, message: Option<&str>, request_id: &str) -> String {
    let (kind, usual) = kind_of(status);
    let message = quoted(message.unwrap_or(usual));
    format!(
        r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}},"request_id":"{request_id}"}}"#
    )
}

pub(super) fn models(models: &[&str]) -> String {
    let data = list(models, |id| {
        format!(r#"{{"type":"model","id":"{id}","display_name":"{id}","created_at":"2026-01-01T00:00:00Z"}}"#)
    });
    format!(
        r#"{{"data":[{data}],"has_more":false,"first_id":"{}","last_id":"{}"}}"#,
        models[0],
        models[models.len() - 1]
    )
}
