//! Gemini `generateContent` and `streamGenerateContent?alt=sse`.

use super::{Channel, Encoder, Facts, Finish, Framing, Whole, closed_object, list, quoted};

const CRLF: &str = "\r\n";

/// A call of a tool is no stop reason of its own here.
fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop | Finish::Tool => "STOP",
        Finish::Limit => "MAX_TOKENS",
        Finish::Refused => "SAFETY",
    }
}

fn text_part(text: &str) -> String {
    format!(r#"{{"text":{}}}"#, quoted(text))
}

fn thought_part(text: &str) -> String {
    format!(r#"{{"text":{},"thought":true}}"#, quoted(text))
}

fn call_part(facts: &Facts, arguments: &str) -> String {
    format!(
        r#"{{"functionCall":{{"name":{},"args":{}}}}}"#,
        quoted(&facts.tool),
        closed_object(arguments)
    )
}

/// One response object: `candidate` is its parts with the finish reason, or nothing for a blocked prompt.
fn response(facts: &Facts, candidate: Option<(&str, Option<Finish>)>, tokens: u64) -> String {
    let thoughts = facts.reasoning_tokens.min(tokens);
    let (lead, counted) = match candidate {
        Some((parts, finish)) => {
            let finish = finish.map_or_else(String::new, |finish| {
                format!(r#""finishReason":"{}","#, finish_reason(finish))
            });
            let thinking = match thoughts {
                0 => String::new(),
                thoughts => format!(r#""thoughtsTokenCount":{thoughts},"#),
            };
            (
                format!(
                    r#""candidates":[{{"content":{{"parts":[{parts}],"role":"model"}},{finish}"index":0}}]"#
                ),
                format!(r#""candidatesTokenCount":{},{thinking}"#, tokens - thoughts),
            )
        }
        None => (
            r#""promptFeedback":{"blockReason":"PROHIBITED_CONTENT"}"#.to_owned(),
            String::new(),
        ),
    };
    format!(
        r#"{{{lead},"usageMetadata":{{"promptTokenCount":{0},{counted}"totalTokenCount":{1},"promptTokensDetails":[{{"modality":"TEXT","tokenCount":{0}}}]}},"modelVersion":{2},"responseId":"{3}"}}"#,
        facts.input_tokens,
        facts.input_tokens + tokens,
        quoted(&facts.model),
        facts.id
    )
}

pub(super) struct Stream {
    facts: Facts,
    /// Arguments of the call, which goes out in one part.
    arguments: Option<String>,
    tokens: u64,
    finish: Finish,
}

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self {
            facts,
            arguments: None,
            tokens: 0,
            finish: Finish::Stop,
        }
    }

    fn event(&self, candidate: Option<(&str, Option<Finish>)>, tokens: u64) -> Vec<u8> {
        let json = response(&self.facts, candidate, tokens);
        format!("data: {json}{CRLF}{CRLF}").into_bytes()
    }
}

impl Encoder for Stream {
    fn framing(&self) -> Framing {
        Framing::Sse(CRLF)
    }

    fn head(&mut self) -> Vec<u8> {
        Vec::new()
    }

    fn delta(&mut self, channel: Channel, text: &str, tokens: u64) -> Vec<u8> {
        self.tokens = tokens;
        let part = match channel {
            Channel::Tool => {
                self.arguments.get_or_insert_default().push_str(text);
                return Vec::new();
            }
            Channel::Reasoning => thought_part(text),
            Channel::Text | Channel::Refusal => text_part(text),
        };
        self.event(Some((&part, None)), tokens)
    }

    fn held(&mut self) -> Vec<u8> {
        match self.arguments.take() {
            Some(arguments) => {
                let part = call_part(&self.facts, &arguments);
                self.event(Some((&part, None)), self.tokens)
            }
            None => Vec::new(),
        }
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> Vec<u8> {
        let held = self.held();
        (self.finish, self.tokens) = (finish, tokens);
        held
    }

    fn terminal(&mut self) -> Vec<u8> {
        let part = text_part("");
        let candidate = (self.finish != Finish::Refused).then_some((part.as_str(), Some(self.finish)));
        self.event(candidate, self.tokens)
    }

    fn error(&mut self) -> Vec<u8> {
        let error = r#"{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}"#;
        format!("data: {error}{CRLF}{CRLF}").into_bytes()
    }
}

pub(super) fn whole(facts: &Facts, said: &Whole, finish: Finish, tokens: u64) -> String {
    let mut parts = Vec::new();
    if !said.reasoning.is_empty() {
        parts.push(thought_part(&said.reasoning));
    }
    match &said.arguments {
        Some(arguments) if said.text.is_empty() => parts.push(call_part(facts, arguments)),
        Some(arguments) => parts.extend([text_part(&said.text), call_part(facts, arguments)]),
        None => parts.push(text_part(&said.text)),
    }
    let parts = parts.join(",");
    let candidate = (finish != Finish::Refused).then_some((parts.as_str(), Some(finish)));
    response(facts, candidate, tokens)
}

fn words(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => (
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials.",
        ),
        403 => ("PERMISSION_DENIED", "Permission denied."),
        404 => ("NOT_FOUND", "Requested entity was not found."),
        405 => ("INVALID_ARGUMENT", "Method not allowed."),
        413 => ("INVALID_ARGUMENT", "Request payload size exceeds the limit."),
        429 => (
            "RESOURCE_EXHAUSTED",
            "Resource has been exhausted (e.g. check quota).",
        ),
        499 => ("CANCELLED", "The operation was cancelled."),
        400..500 => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
        503 | 529 => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        504 => (
            "DEADLINE_EXCEEDED",
            "Deadline expired before operation could complete.",
        ),
        _ => ("INTERNAL", "An internal error has occurred."),
    }
}

const KEY_INVALID: &str = r#",
    "details": [
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {
          "service": "generativelanguage.googleapis.com"
        }
      }
    ]"#;

/// `key_invalid` adds the details of a refused API key, which come with 400.
pub(super) fn error(status: u16, message: Option<&str>, key_invalid: bool) -> String {
    let (code, usual) = words(status);
    format!(
        "{{\n  \"error\": {{\n    \"code\": {status},\n    \"message\": {},\n    \"status\": \"{code}\"{}\n  }}\n}}\n",
        quoted(message.unwrap_or(usual)),
        if key_invalid { KEY_INVALID } else { "" },
    )
}

pub(super) fn models(models: &[&str]) -> String {
    let data = list(models, |id| {
        format!(
            r#"{{"name":"models/{id}","version":"001","displayName":"{id}","inputTokenLimit":1048576,"outputTokenLimit":65536,"supportedGenerationMethods":["generateContent","countTokens"]}}"#
        )
    });
    format!(r#"{{"models":[{data}]}}"#)
}
