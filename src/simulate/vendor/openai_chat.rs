//! OpenAI Chat Completions.

use serde_json::Value;

use super::{Ask, Encoder, Facts, Finish, flag, last_user, openai, quoted, text_member};

pub(super) fn parse(json: &Value) -> Result<Ask, String> {
    let options = json.get("stream_options").unwrap_or(&Value::Null);
    Ok(Ask {
        model: text_member(json, "model").ok_or("you must provide a model parameter")?,
        prompt: last_user(json.get("messages"), "content")
            .ok_or("Missing required parameter: 'messages'.")?,
        stream: flag(json, "stream"),
        max_tokens: ["max_completion_tokens", "max_tokens"]
            .iter()
            .find_map(|name| json.get(name).and_then(Value::as_u64)),
        include_usage: flag(options, "include_usage"),
        obfuscation: options
            .get("include_obfuscation")
            .and_then(Value::as_bool)
            .unwrap_or(true),
    })
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Limit => "length",
        Finish::Refused => "content_filter",
    }
}

fn usage(input: u64, output: u64) -> String {
    format!(
        r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}}"#,
        input + output
    )
}

pub(super) struct Stream {
    facts: Facts,
    tokens: u64,
}

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self { facts, tokens: 0 }
    }

    /// A chunk with these `choices`; `usage` is null on all but the last where usage was asked for.
    fn chunk(&self, choices: &str, usage: Option<&str>) -> String {
        let usage = match usage {
            Some(usage) => format!(r#","usage":{usage}"#),
            None if self.facts.include_usage => r#","usage":null"#.to_owned(),
            None => String::new(),
        };
        let padding = if self.facts.obfuscation {
            openai::OBFUSCATION
        } else {
            ""
        };
        format!(
            "data: {{\"id\":\"chatcmpl-{}\",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":{},\"service_tier\":\"default\",\"system_fingerprint\":\"fp_sim\",\"choices\":[{choices}]{usage}{padding}}}\n\n",
            self.facts.id,
            self.facts.created.as_millis() / 1000,
            quoted(&self.facts.model),
        )
    }
}

impl Encoder for Stream {
    fn head(&mut self) -> String {
        self.chunk(
            r#"{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}"#,
            None,
        )
    }

    fn delta(&mut self, text: &str, _tokens: u64) -> String {
        let choice = format!(
            r#"{{"index":0,"delta":{{"content":{}}},"logprobs":null,"finish_reason":null}}"#,
            quoted(text)
        );
        self.chunk(&choice, None)
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> String {
        self.tokens = tokens;
        let choice = format!(
            r#"{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{}"}}"#,
            finish_reason(finish)
        );
        self.chunk(&choice, None)
    }

    fn terminal(&mut self) -> String {
        let usage = if self.facts.include_usage {
            self.chunk("", Some(&usage(self.facts.input_tokens, self.tokens)))
        } else {
            String::new()
        };
        usage + "data: [DONE]\n\n"
    }

    fn error(&mut self) -> String {
        let body = openai::error_body(
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
        );
        format!("data: {body}\n\n")
    }
}

pub(super) fn whole(facts: &Facts, text: &str, finish: Finish, tokens: u64) -> String {
    format!(
        r#"{{"id":"chatcmpl-{}","object":"chat.completion","created":{},"model":{},"choices":[{{"index":0,"message":{{"role":"assistant","content":{},"refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"{}"}}],"usage":{},"service_tier":"default","system_fingerprint":"fp_sim"}}"#,
        facts.id,
        facts.created.as_millis() / 1000,
        quoted(&facts.model),
        quoted(text),
        finish_reason(finish),
        usage(facts.input_tokens, tokens)
    )
}
