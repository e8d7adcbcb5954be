//! What an error body says, in whatever shape its provider chose.

use serde_json::Value;

use super::{MAX_MESSAGE_BYTES, cut};

/// Most codes that are gathered from one body.
const MAX_CODES: usize = 24;

/// The parts of an error body that classification needs.
#[derive(Debug, Default)]
pub(super) struct Info {
    /// Codes, types and statuses as given, the most telling first.
    codes: Vec<String>,
    /// The message, cut at [`MAX_MESSAGE_BYTES`].
    pub(super) message: String,
    /// An HTTP status that the body itself names.
    pub(super) status: Option<u16>,
    /// Google's `RetryInfo.retryDelay`.
    retry_delay: Option<String>,
    /// Whether a quota that Google names is that of a day; `None` where it names none.
    pub(super) quota_per_day: Option<bool>,
}

impl Info {
    /// The error of an HTTP error body: like [`Info::of_payload`], but a bare message is enough.
    pub(super) fn of_body(json: &Value) -> Option<Self> {
        Self::of_payload(json).or_else(|| {
            let root = first(json);
            let has_words = ["message", "Message", "detail", "code", "__type"]
                .iter()
                .any(|key| root.get(key).is_some());
            has_words.then(|| Self::scanned(&[root]))
        })
    }

    /// The error of a JSON payload, if it is one.
    pub(super) fn of_payload(json: &Value) -> Option<Self> {
        let root = first(json);
        let marked = |key: &str| root.get(key).and_then(Value::as_str) == Some("error");
        match root.get("error") {
            Some(error @ Value::Object(_)) => Some(Self::scanned(&[error, root])),
            Some(Value::String(error)) if !error.is_empty() => {
                let mut info = Self::scanned(&[root]);
                info.set_message(error);
                // A word is a code, a sentence is a message.
                if info.codes.is_empty() && !error.contains(' ') {
                    info.code_text(error);
                }
                Some(info)
            }
            Some(Value::Array(_) | Value::Number(_) | Value::Bool(true)) => Some(Self::scanned(&[root])),
            _ if marked("type") || marked("object") => Some(Self::scanned(&[root])),
            _ => root.get("x_groq").and_then(Self::of_payload),
        }
    }

    /// The error of a protocol whose errors are nothing but a message: `{"message":"text"}`, with an id at most.
    pub(super) fn of_message(json: &Value) -> Option<Self> {
        let bare = ["message", "Message"]
            .iter()
            .any(|key| json.get(key).is_some_and(Value::is_string));
        (bare && json.get("type").is_none()).then(|| Self::scanned(&[json]))
    }

    /// A body that is no JSON.
    pub(super) fn of_text(text: &str) -> Self {
        let mut info = Self::default();
        let text = text.trim();
        if text.starts_with('<') {
            info.set_message("an HTML page");
        } else {
            info.set_message(text);
            for code in CUT_JSON_CODES {
                if text.contains(code) {
                    info.code_text(code);
                }
            }
        }
        info
    }

    /// The same with a code that stands outside the body and is the most telling.
    pub(super) fn named(mut self, code: &str) -> Self {
        let before = std::mem::take(&mut self.codes);
        self.code_text(code);
        self.codes.extend(before);
        self
    }

    /// Says whose fault it is where a signature was refused for its time: this machine's clock is off.
    pub(super) fn with_clock(mut self) -> Self {
        let skewed = ["signature expired", "signature not yet current"];
        if self.has_code(&["invalidsignature"]) && self.says(&skewed) {
            let message = format!("the clock of this machine is off: {}", self.message);
            self.set_message(&message);
        }
        self
    }

    fn scanned(objects: &[&Value]) -> Self {
        let mut info = Self::default();
        for object in objects {
            info.scan(object);
        }
        info
    }

    fn scan(&mut self, object: &Value) {
        for key in ["code", "type", "status", "__type"] {
            match object.get(key) {
                Some(Value::String(text)) => {
                    self.number(text.parse().ok());
                    self.code_text(text);
                }
                Some(Value::Number(number)) => self.number(number.as_u64()),
                _ => {}
            }
        }
        for path in [
            ["details", "error_code"],
            ["metadata", "error_type"],
            ["innererror", "code"],
        ] {
            let found = path.iter().try_fold(object, |value, key| value.get(key));
            if let Some(text) = found.and_then(Value::as_str) {
                self.code_text(text);
            }
        }
        for detail in object
            .get("details")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.scan_google(detail);
        }
        for key in ["message", "Message", "error", "detail"] {
            let words = object.get(key).and_then(|value| match value {
                // A list of what is wrong with which member (Mistral, vLLM).
                Value::Array(items) => items.first()?.get("msg"),
                other => Some(other),
            });
            if let (true, Some(text)) = (self.message.is_empty(), words.and_then(Value::as_str)) {
                self.set_message(text);
            }
        }
    }

    /// One entry of Google's `details`.
    fn scan_google(&mut self, detail: &Value) {
        if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
            self.code_text(reason);
        }
        if let Some(delay) = detail.get("retryDelay").and_then(Value::as_str) {
            self.retry_delay = Some(delay.to_owned());
        }
        for violation in detail
            .get("violations")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(id) = violation.get("quotaId").and_then(Value::as_str) {
                self.quota_per_day = Some(self.quota_per_day == Some(true) || id.contains("PerDay"));
            }
        }
    }

    fn number(&mut self, number: Option<u64>) {
        let status = number.and_then(|n| u16::try_from(n).ok());
        self.status = self.status.or(status.filter(|n| (400..600).contains(n)));
    }

    fn code_text(&mut self, text: &str) {
        if self.codes.len() < MAX_CODES && !text.is_empty() && text != "error" {
            let mut code = text.to_owned();
            cut(&mut code, 128);
            self.codes.push(code);
        }
    }

    fn set_message(&mut self, text: &str) {
        self.message = text
            .trim()
            .chars()
            .take(MAX_MESSAGE_BYTES)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        cut(&mut self.message, MAX_MESSAGE_BYTES);
    }

    /// The code that is shown: the first that is a word, else the first.
    pub(super) fn code(&self) -> Option<String> {
        self.codes
            .iter()
            .find(|code| code.parse::<u64>().is_err())
            .or(self.codes.first())
            .cloned()
    }

    /// Whether a code holds one of these words (lower case).
    pub(super) fn has_code(&self, needles: &[&str]) -> bool {
        self.codes.iter().any(|code| {
            let code = code.to_ascii_lowercase();
            needles.iter().any(|needle| code.contains(needle))
        })
    }

    /// Whether the message holds one of these phrases (lower case).
    pub(super) fn says(&self, needles: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        needles.iter().any(|needle| message.contains(needle))
    }

    /// The wait that the body asks for.
    pub(super) fn delay(&self) -> Option<&str> {
        self.retry_delay.as_deref()
    }
}

/// Codes that tell enough to be looked for in JSON that was cut before it could be parsed.
const CUT_JSON_CODES: [&str; 9] = [
    "insufficient_quota",
    "invalid_api_key",
    "API_KEY_INVALID",
    "content_filter",
    "model_not_found",
    "context_length_exceeded",
    "rate_limit",
    "overloaded_error",
    "organization_on_hold",
];

/// Some surfaces wrap the error in an array.
fn first(json: &Value) -> &Value {
    match json {
        Value::Array(items) => items.first().unwrap_or(json),
        _ => json,
    }
}
