//! OpenAI Responses.

use serde_json::Value;

use super::{Ask, Encoder, Facts, Finish, flag, last_user, openai, quoted, text_member};

pub(super) fn parse(json: &Value) -> Result<Ask, String> {
    let input = json.get("input");
    let prompt = match input {
        Some(Value::String(text)) => Some(text.clone()),
        _ => last_user(input, "content"),
    };
    Ok(Ask {
        model: text_member(json, "model").ok_or("Missing required parameter: 'model'.")?,
        prompt: prompt.ok_or("Missing required parameter: 'input'.")?,
        stream: flag(json, "stream"),
        max_tokens: json.get("max_output_tokens").and_then(Value::as_u64),
        include_usage: true,
        obfuscation: json
            .pointer("/stream_options/include_obfuscation")
            .and_then(Value::as_bool)
            .unwrap_or(true),
    })
}

/// The end state in the protocol's words: event and status, `incomplete_details`.
fn end_state(finish: Finish) -> (&'static str, &'static str) {
    match finish {
        Finish::Stop => ("completed", "null"),
        Finish::Limit => ("incomplete", r#"{"reason":"max_output_tokens"}"#),
        Finish::Refused => ("incomplete", r#"{"reason":"content_filter"}"#),
    }
}

fn part(text: &str) -> String {
    format!(
        r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":{}}}"#,
        quoted(text)
    )
}

fn item(facts: &Facts, status: &str, content: &str) -> String {
    format!(
        r#"{{"id":"msg_{}","type":"message","status":"{status}","content":[{content}],"role":"assistant"}}"#,
        facts.id
    )
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
                r#"{{"input_tokens":{0},"input_tokens_details":{{"cached_tokens":0,"cache_write_tokens":0}},"output_tokens":{output},"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":{1}}}"#,
                facts.input_tokens,
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
    text: String,
    end: (Finish, u64),
}

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            sequence: 0,
            text: String::new(),
            end: (Finish::Stop, 0),
        }
    }

    fn event(&mut self, name: &str, members: &str) -> String {
        let sequence = self.sequence;
        self.sequence += 1;
        format!("event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{sequence},{members}}}\n\n")
    }

    fn place(&self) -> String {
        format!(
            r#""item_id":"msg_{}","output_index":0,"content_index":0"#,
            self.facts.id
        )
    }
}

impl Encoder for Stream {
    fn head(&mut self) -> String {
        let response = format!(
            r#""response":{}"#,
            response(&self.facts, "in_progress", "null", "", None)
        );
        let item = format!(
            r#""output_index":0,"item":{}"#,
            item(&self.facts, "in_progress", "")
        );
        let part = format!(r#"{},"part":{}"#, self.place(), part(""));
        self.event("response.created", &response)
            + &self.event("response.in_progress", &response)
            + &self.event("response.output_item.added", &item)
            + &self.event("response.content_part.added", &part)
    }

    fn delta(&mut self, text: &str, _tokens: u64) -> String {
        self.text.push_str(text);
        let padding = if self.facts.obfuscation {
            openai::OBFUSCATION
        } else {
            ""
        };
        let members = format!(
            r#"{},"delta":{},"logprobs":[]{padding}"#,
            self.place(),
            quoted(text)
        );
        self.event("response.output_text.delta", &members)
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> String {
        self.end = (finish, tokens);
        if finish == Finish::Refused {
            return String::new();
        }
        let (status, _) = end_state(finish);
        let text = format!(r#"{},"text":{},"logprobs":[]"#, self.place(), quoted(&self.text));
        let whole = part(&self.text);
        let done = format!(r#"{},"part":{whole}"#, self.place());
        let item = format!(r#""output_index":0,"item":{}"#, item(&self.facts, status, &whole));
        self.event("response.output_text.done", &text)
            + &self.event("response.content_part.done", &done)
            + &self.event("response.output_item.done", &item)
    }

    fn terminal(&mut self) -> String {
        let (finish, tokens) = self.end;
        let (status, details) = end_state(finish);
        let output = item(&self.facts, status, &part(&self.text));
        let response = format!(
            r#""response":{}"#,
            response(&self.facts, status, details, &output, Some(tokens))
        );
        self.event(&format!("response.{status}"), &response)
    }

    fn error(&mut self) -> String {
        self.event(
            "error",
            r#""code":"server_error","message":"The server had an error while processing your request.","param":null"#,
        )
    }
}

pub(super) fn whole(facts: &Facts, text: &str, finish: Finish, tokens: u64) -> String {
    let (status, details) = end_state(finish);
    let output = item(facts, status, &part(text));
    response(facts, status, details, &output, Some(tokens))
}
