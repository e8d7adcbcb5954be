//! Gemini `generateContent` and `streamGenerateContent?alt=sse`.

use serde_json::Value;

use super::{Ask, Encoder, Facts, Finish, Refusal, last_user, quoted};

/// Models that the list names; generation takes any.
const MODELS: [&str; 2] = ["gemini-3-flash", "gemini-3-pro"];

pub(super) fn parse(json: &Value, model: &str, stream: bool) -> Result<Ask, String> {
    Ok(Ask {
        model: model.to_owned(),
        prompt: last_user(json.get("contents"), "parts").ok_or("contents is not specified")?,
        stream,
        max_tokens: json
            .pointer("/generationConfig/maxOutputTokens")
            .and_then(Value::as_u64),
        include_usage: true,
        obfuscation: false,
    })
}

fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "STOP",
        Finish::Limit => "MAX_TOKENS",
        Finish::Refused => "SAFETY",
    }
}

/// One response object: `candidate` is the text with its finish reason, or nothing for a blocked prompt.
fn response(facts: &Facts, candidate: Option<(&str, Option<Finish>)>, tokens: u64) -> String {
    let (lead, counted) = match candidate {
        Some((text, finish)) => {
            let finish = finish.map_or_else(String::new, |finish| {
                format!(r#""finishReason":"{}","#, finish_reason(finish))
            });
            (
                format!(
                    r#""candidates":[{{"content":{{"parts":[{{"text":{}}}],"role":"model"}},{finish}"index":0}}]"#,
                    quoted(text)
                ),
                format!(r#""candidatesTokenCount":{tokens},"#),
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

pub(super) struct Stream(Facts);

impl Stream {
    pub(super) fn new(facts: Facts) -> Self {
        Self(facts)
    }
}

fn event(json: &str) -> String {
    format!("data: {json}\r\n\r\n")
}

impl Encoder for Stream {
    fn head(&mut self) -> String {
        String::new()
    }

    fn delta(&mut self, text: &str, tokens: u64) -> String {
        event(&response(&self.0, Some((text, None)), tokens))
    }

    fn stop(&mut self, finish: Finish, tokens: u64) -> String {
        let candidate = (finish != Finish::Refused).then_some(("", Some(finish)));
        event(&response(&self.0, candidate, tokens))
    }

    fn terminal(&mut self) -> String {
        String::new()
    }

    fn error(&mut self) -> String {
        event(
            r#"{"error":{"code":503,"message":"The model is overloaded. Please try again later.","status":"UNAVAILABLE"}}"#,
        )
    }
}

pub(super) fn whole(facts: &Facts, text: &str, finish: Finish, tokens: u64) -> String {
    let candidate = (finish != Finish::Refused).then_some((text, Some(finish)));
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

fn body(status: u16, code: &str, message: &str, details: &str) -> String {
    format!(
        "{{\n  \"error\": {{\n    \"code\": {status},\n    \"message\": {},\n    \"status\": \"{code}\"{details}\n  }}\n}}\n",
        quoted(message)
    )
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

pub(super) fn refusal(what: &Refusal) -> (u16, String) {
    let (status, message) = match what {
        Refusal::BadKey => {
            let text = body(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                KEY_INVALID,
            );
            return (400, text);
        }
        Refusal::NoKey => (
            403,
            Some(
                "Method doesn't allow unregistered callers (callers without established identity)."
                    .to_owned(),
            ),
        ),
        Refusal::RateLimit => (429, None),
        Refusal::Status(status) => (*status, None),
        Refusal::Invalid(message) => (400, Some(message.clone())),
        Refusal::NoPath(path) => (404, Some(format!("The requested URL {path} was not found."))),
        Refusal::Method => (405, Some("Method not allowed.".to_owned())),
        Refusal::TooLarge => (413, Some("Request payload size exceeds the limit.".to_owned())),
    };
    let (code, usual) = words(status);
    (
        status,
        body(status, code, message.as_deref().unwrap_or(usual), ""),
    )
}

pub(super) fn models() -> String {
    let data: Vec<String> = MODELS
        .iter()
        .map(|id| {
            format!(
                r#"{{"name":"models/{id}","version":"001","displayName":"{id}","inputTokenLimit":1048576,"outputTokenLimit":65536,"supportedGenerationMethods":["generateContent","countTokens"]}}"#
            )
        })
        .collect();
    format!(r#"{{"models":[{}]}}"#, data.join(","))
}
