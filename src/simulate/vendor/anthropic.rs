//! Anthropic Messages.

use serde_json::Value;

use super::{Ask, Encoder, Facts, Finish, Refusal, flag, last_user, quoted, text_member};

/// Models that the list names; generation takes any.
const MODELS: [&str; 3] = ["claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"];

pub(super) fn parse(json: &Value) -> Result<Ask, String> {
    let max_tokens = json
        .get("max_tokens")
        .and_then(Value::as_u64)
        .ok_or("max_tokens: Field required")?;
    Ok(Ask {
        model: text_member(json, "model").ok_or("model: Field required")?,
        prompt: last_user(json.get("messages"), "content").ok_or("messages: Field required")?,
        stream: flag(json, "stream"),
        max_tokens: Some(max_tokens),
        include_usage: true,
        obfuscation: false,
    })
}

fn event(name: &str, members: &str) -> String {
    format!("event: {name}\ndata: {{\"type\":\"{name}\"{members}}}\n\n")
}

fn usage(input: u64, output: u64) -> String {
    format!(
        r#"{{"input_tokens":{input},"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":{output}}}"#
    )
}

fn stop_members(finish: Finish) -> (&'static str, &'static str) {
    match finish {
        Finish::Stop => ("end_turn", ""),
        Finish::Limit => ("max_tokens", ""),
        Finish::Refused => (
            "refusal",
            r#","stop_details":{"type":"refusal","category":"general_harms","explanation":null}"#,
        ),
    }
}

pub(super) struct Stream(Facts);

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self(facts)
    }
}

impl Encoder for Stream {
    fn head(&mut self) -> String {
        let start = format!(
            r#","message":{{"model":{},"id":"msg_01{}","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"usage":{{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}}"#,
            quoted(&self.0.model),
            self.0.id,
            self.0.input_tokens
        );
        event("message_start", &start)
            + &event(
                "content_block_start",
                r#","index":0,"content_block":{"type":"text","text":""}"#,
            )
            + &event("ping", "")
    }

    fn delta(&mut self, text: &str, _tokens: u64) -> String {
        let delta = format!(
            r#","index":0,"delta":{{"type":"text_delta","text":{}}}"#,
            quoted(text)
        );
        event("content_block_delta", &delta)
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> String {
        let (reason, details) = stop_members(finish);
        let delta = format!(
            r#","delta":{{"stop_reason":"{reason}","stop_sequence":null{details}}},"usage":{}"#,
            usage(self.0.input_tokens, tokens)
        );
        event("content_block_stop", r#","index":0"#) + &event("message_delta", &delta)
    }

    fn terminal(&mut self) -> String {
        event("message_stop", "")
    }

    fn error(&mut self) -> String {
        let error = format!(
            r#","error":{{"type":"overloaded_error","message":"Overloaded"}},"request_id":"{}""#,
            self.0.request_id
        );
        event("error", &error)
    }
}

pub(super) fn whole(facts: &Facts, text: &str, finish: Finish, tokens: u64) -> String {
    let (reason, details) = stop_members(finish);
    let content = if finish == Finish::Refused {
        "[]".to_owned()
    } else {
        format!(r#"[{{"type":"text","text":{}}}]"#, quoted(text))
    };
    format!(
        r#"{{"model":{},"id":"msg_01{}","type":"message","role":"assistant","content":{content},"stop_reason":"{reason}","stop_sequence":null{details},"usage":{}}}"#,
        quoted(&facts.model),
        facts.id,
        usage(facts.input_tokens, tokens)
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

pub(super) fn refusal(what: &Refusal, request_id: &str) -> (u16, String) {
    let (status, message) = match what {
        Refusal::NoKey => (401, Some("x-api-key header is required".to_owned())),
        Refusal::BadKey => (401, None),
        Refusal::RateLimit => (429, None),
        Refusal::Status(status) => (*status, None),
        Refusal::Invalid(message) => (400, Some(message.clone())),
        Refusal::NoPath(path) => (404, Some(format!("Not found: {path}"))),
        Refusal::Method => (405, Some("Method Not Allowed".to_owned())),
        Refusal::TooLarge => (413, None),
    };
    let (kind, usual) = kind_of(status);
    let message = quoted(message.as_deref().unwrap_or(usual));
    (
        status,
        format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}},"request_id":"{request_id}"}}"#
        ),
    )
}

pub(super) fn models() -> String {
    let data: Vec<String> = MODELS
        .iter()
        .map(|id| {
            format!(
                r#"{{"type":"model","id":"{id}","display_name":"{id}","created_at":"2026-01-01T00:00:00Z"}}"#
            )
        })
        .collect();
    format!(
        r#"{{"data":[{}],"has_more":false,"first_id":"{}","last_id":"{}"}}"#,
        data.join(","),
        MODELS[0],
        MODELS[MODELS.len() - 1]
    )
}
