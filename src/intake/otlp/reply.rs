//! The answer to an export: `Export{Trace,Logs,Metrics}ServiceResponse` with its `partial_success`.

use serde_json::{Map, Value, json};

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metrics, which are not used.
    Metrics,
}

/// How a body is written, and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

impl Encoding {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    /// The encoding of that media type, parameters left out.
    pub fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        [Self::Protobuf, Self::Json]
            .into_iter()
            .find(|encoding| essence.eq_ignore_ascii_case(encoding.media_type()))
    }

    /// The answer: so many items were rejected, and why. Without either it is empty, which is full success; a message
    /// alone is a warning.
    pub fn reply(self, signal: Signal, rejected: u64, message: &str) -> Vec<u8> {
        let partial = rejected > 0 || !message.is_empty();
        match self {
            Self::Protobuf => {
                let mut success = Vec::new();
                if rejected > 0 {
                    success.push(0x08);
                    varint(&mut success, rejected);
                }
                if !message.is_empty() {
                    bytes(&mut success, 2, message.as_bytes());
                }
                let mut reply = Vec::new();
                if partial {
                    bytes(&mut reply, 1, &success);
                }
                reply
            }
            Self::Json => {
                let mut reply = Map::new();
                if partial {
                    // Readers take 64-bit numbers bare or in a string, but for one that takes them bare alone.
                    let success = json!({signal.rejected(): rejected, "errorMessage": message});
                    reply.insert("partialSuccess".to_owned(), success);
                }
                Value::Object(reply).to_string().into_bytes()
            }
        }
    }
}

impl Signal {
    const fn rejected(self) -> &'static str {
        match self {
            Self::Traces => "rejectedSpans",
            Self::Logs => "rejectedLogRecords",
            Self::Metrics => "rejectedDataPoints",
        }
    }
}

/// What is said to whoever sends metrics.
pub const fn metrics_unused() -> &'static str {
    "metrics are accepted and not used: endturn learns from spans and logs"
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn bytes(to: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    to.push(number << 3 | 2);
    varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}
