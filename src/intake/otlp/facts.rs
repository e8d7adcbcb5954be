//! What a span says of a model call, whatever dialect of names it says it in.
//!
//! Only attributes that are named here are ever looked at: prompts, answers, tool arguments and messages of exceptions
//! are passed over where they lie. Names: the OpenTelemetry `GenAI` conventions and the sources of `OpenLLMetry` 0.62,
//! `OpenInference`, `LiteLLM` 1.109, Vercel AI 4 to 7, as of November 2026 (`docs/otlp.md`).

use std::borrow::Cow;

use super::span::Exception;

/// One attribute's value; an array comes as its items, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Int(i64),
    Double(f64),
    Bool(bool),
}

/// Something that attributes are told to: it says which of them it wants.
pub(super) trait Told<'a> {
    /// Which attribute it is.
    type Name: Copy;

    /// The name of that attribute; `None`: its value need not be read.
    fn name(key: &[u8]) -> Option<Self::Name>;

    /// Takes its value. One of an odd type says nothing.
    fn tell(&mut self, name: Self::Name, value: Value<'a>);
}

/// An attribute that is of use here. The number ranks names for the same fact: the highest is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Provider(u8),
    RequestModel(u8),
    ResponseModel(u8),
    Operation,
    SpanKind,
    RequestType,
    Finish(u8),
    Stream,
    FirstChunkSeconds,
    FirstChunkMillis,
    Input(u8),
    Output(u8),
    Reasoning,
    ResponseId(u8),
    Fingerprint,
    ErrorType(u8),
    HttpStatus(u8),
    Host,
    BaseUrl,
    Synthetic,
}

impl Name {
    /// The name of that attribute; `None` for all others.
    fn of(key: &[u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        if let Some(rest) = key.strip_prefix("gen_ai.") {
            Self::gen_ai(rest)
        } else if let Some(rest) = key.strip_prefix("llm.") {
            Self::llm(rest)
        } else if let Some(rest) = key.strip_prefix("ai.") {
            Self::vercel(rest)
        } else {
            Some(match key {
                "openinference.span.kind" => Self::SpanKind,
                "error.type" => Self::ErrorType(1),
                "http.response.status_code" => Self::HttpStatus(1),
                "http.status_code" => Self::HttpStatus(0),
                "server.address" => Self::Host,
                "user_agent.synthetic.type" => Self::Synthetic,
                "openai.response.system_fingerprint" => Self::Fingerprint,
                _ => return None,
            })
        }
    }

    /// OpenTelemetry, and what `OpenLLMetry` called so before it agreed with it.
    fn gen_ai(key: &str) -> Option<Self> {
        Some(match key {
            "provider.name" => Self::Provider(4),
            "system" => Self::Provider(3),
            "request.model" => Self::RequestModel(2),
            "response.model" => Self::ResponseModel(2),
            "operation.name" => Self::Operation,
            "response.finish_reasons" => Self::Finish(3),
            "request.stream" | "is_streaming" => Self::Stream,
            "response.time_to_first_chunk" | "client.operation.time_to_first_chunk" => {
                Self::FirstChunkSeconds
            }
            "usage.input_tokens" => Self::Input(2),
            "usage.prompt_tokens" => Self::Input(1),
            "usage.output_tokens" => Self::Output(2),
            "usage.completion_tokens" => Self::Output(1),
            "usage.reasoning.output_tokens" | "usage.reasoning_tokens" => Self::Reasoning,
            "response.id" => Self::ResponseId(2),
            "openai.response.system_fingerprint" | "response.system_fingerprint" => Self::Fingerprint,
            "openai.api_base" => Self::BaseUrl,
            _ if key.starts_with("completion.") && key.ends_with(".finish_reason") => Self::Finish(1),
            _ => return None,
        })
    }

    /// `OpenInference`, and older `OpenLLMetry`.
    fn llm(key: &str) -> Option<Self> {
        Some(match key {
            "provider" => Self::Provider(2),
            "system" => Self::Provider(1),
            "model_name" => Self::RequestModel(1),
            "response.model_name" => Self::ResponseModel(1),
            "request.type" => Self::RequestType,
            "finish_reason" => Self::Finish(2),
            "response.finish_reason" | "response.stop_reason" => Self::Finish(1),
            "is_streaming" | "request.streaming" => Self::Stream,
            "token_count.prompt" => Self::Input(1),
            "token_count.completion" => Self::Output(1),
            "token_count.completion_details.reasoning" | "usage.reasoning_tokens" => Self::Reasoning,
            "response.id" => Self::ResponseId(1),
            "openai.response.system_fingerprint" => Self::Fingerprint,
            "api_base" => Self::BaseUrl,
            _ => return None,
        })
    }

    /// Vercel AI up to version 6. Later ones use OpenTelemetry's names.
    fn vercel(key: &str) -> Option<Self> {
        Some(match key {
            "model.provider" => Self::Provider(0),
            "model.id" => Self::RequestModel(0),
            "response.model" => Self::ResponseModel(0),
            "response.finishReason" => Self::Finish(2),
            "response.msToFirstChunk" => Self::FirstChunkMillis,
            "usage.promptTokens" | "usage.inputTokens" => Self::Input(0),
            "usage.completionTokens" | "usage.outputTokens" => Self::Output(0),
            "usage.reasoningTokens" => Self::Reasoning,
            "response.id" => Self::ResponseId(0),
            _ => return None,
        })
    }
}

/// A fact that several names may tell: that of the highest rank stays, of one rank the last.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranked<T>(Option<(u8, T)>);

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Ranked<T> {
    fn tell(&mut self, rank: u8, value: T) {
        if self.0.as_ref().is_none_or(|(known, _)| *known <= rank) {
            self.0 = Some((rank, value));
        }
    }

    pub(super) fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }
}

/// Everything that is taken from a span's attributes and events.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Facts<'a> {
    pub(super) provider: Ranked<Cow<'a, str>>,
    pub(super) request_model: Ranked<Cow<'a, str>>,
    pub(super) response_model: Ranked<Cow<'a, str>>,
    pub(super) operation: Option<Cow<'a, str>>,
    pub(super) span_kind: Option<Cow<'a, str>>,
    pub(super) request_type: Option<Cow<'a, str>>,
    /// One for each choice of the reply.
    pub(super) finish: Ranked<Vec<Cow<'a, str>>>,
    pub(super) stream: Option<bool>,
    /// Seconds to the first chunk.
    pub(super) first_chunk_s: Option<f64>,
    /// When the first token came, in nanoseconds since the epoch.
    pub(super) first_token_ns: Option<u64>,
    pub(super) input: Ranked<u64>,
    pub(super) output: Ranked<u64>,
    pub(super) reasoning: Option<u64>,
    pub(super) response_id: Ranked<Cow<'a, str>>,
    pub(super) fingerprint: Option<Cow<'a, str>>,
    pub(super) error_type: Ranked<Cow<'a, str>>,
    pub(super) http_status: Ranked<u16>,
    pub(super) host: Option<Cow<'a, str>>,
    pub(super) base_url: Option<Cow<'a, str>>,
    pub(super) synthetic: bool,
}

/// Most finish reasons of one call that are kept: one for each choice that was asked for.
const MAX_CHOICES: usize = 16;

impl<'de: 'a, 'a> Told<'de> for Facts<'a> {
    type Name = Name;

    fn name(key: &[u8]) -> Option<Name> {
        Name::of(key)
    }

    fn tell(&mut self, name: Name, value: Value<'de>) {
        match name {
            Name::Provider(rank) => words(&mut self.provider, rank, value),
            Name::RequestModel(rank) => words(&mut self.request_model, rank, value),
            Name::ResponseModel(rank) => words(&mut self.response_model, rank, value),
            Name::ResponseId(rank) => words(&mut self.response_id, rank, value),
            Name::ErrorType(rank) => match value {
                Value::Int(code) => self.error_type.tell(rank, code.to_string().into()),
                value => words(&mut self.error_type, rank, value),
            },
            Name::Operation => self.operation = text(value),
            Name::SpanKind => self.span_kind = text(value),
            Name::RequestType => self.request_type = text(value),
            Name::Fingerprint => self.fingerprint = text(value),
            Name::Host => self.host = text(value),
            Name::BaseUrl => self.base_url = text(value),
            Name::Finish(rank) => self.finish(rank, value),
            Name::Stream => match value {
                Value::Bool(stream) => self.stream = Some(stream),
                // `LiteLLM` writes it as Python does.
                Value::Text(stream) => self.stream = stream.to_ascii_lowercase().parse().ok(),
                Value::Int(_) | Value::Double(_) => {}
            },
            Name::FirstChunkSeconds => self.first_chunk_s = number(&value),
            Name::FirstChunkMillis => self.first_chunk_s = number(&value).map(|ms| ms / 1e3),
            Name::Input(rank) => count(&mut self.input, rank, &value),
            Name::Output(rank) => count(&mut self.output, rank, &value),
            Name::Reasoning => self.reasoning = whole(&value),
            Name::HttpStatus(rank) => {
                let status = whole(&value).and_then(|status| u16::try_from(status).ok());
                if let Some(status) = status.filter(|status| (100..=599).contains(status)) {
                    self.http_status.tell(rank, status);
                }
            }
            Name::Synthetic => self.synthetic = matches!(value, Value::Text(kind) if kind == "test"),
        }
    }
}

impl<'a> Facts<'a> {
    /// A reason, an array of them, or (`LiteLLM`) an array written as JSON into a string.
    fn finish(&mut self, rank: u8, value: Value<'a>) {
        let Value::Text(told) = value else { return };
        if told.starts_with('[') {
            let reasons: Vec<Option<String>> = serde_json::from_str(&told).unwrap_or_default();
            for reason in reasons.into_iter().flatten() {
                self.one_finish(rank, reason.into());
            }
        } else {
            self.one_finish(rank, told);
        }
    }

    fn one_finish(&mut self, rank: u8, reason: Cow<'a, str>) {
        if reason.is_empty() || reason == "None" {
            return;
        }
        match &mut self.finish.0 {
            Some((known, reasons)) if *known == rank => {
                if reasons.len() < MAX_CHOICES {
                    reasons.push(reason);
                }
            }
            _ => self.finish.tell(rank, vec![reason]),
        }
    }

    /// A chunk came then; the first of them counts.
    pub(super) fn chunk(&mut self, time_ns: u64) {
        let first = self.first_token_ns.get_or_insert(time_ns);
        *first = time_ns.min(*first);
    }

    /// The type of an exception that was recorded as an event; `error.type` tells better.
    pub(super) fn failed_by(&mut self, exception: Exception<'a>) {
        if let Some(kind) = exception.0 {
            self.error_type.tell(0, kind);
        }
    }

    /// The finish reasons, one for each choice.
    pub(super) fn finishes(&self) -> &[Cow<'a, str>] {
        self.finish.get().map_or(&[], Vec::as_slice)
    }
}

fn text(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

fn words<'a>(fact: &mut Ranked<Cow<'a, str>>, rank: u8, value: Value<'a>) {
    if let Some(text) = text(value) {
        fact.tell(rank, text);
    }
}

fn count(fact: &mut Ranked<u64>, rank: u8, value: &Value<'_>) {
    if let Some(n) = whole(value) {
        fact.tell(rank, n);
    }
}

/// A number, however it is written.
pub(super) fn number(value: &Value<'_>) -> Option<f64> {
    let number = match value {
        Value::Int(n) => *n as f64,
        Value::Double(x) => *x,
        Value::Text(text) => text.trim().parse().ok()?,
        Value::Bool(_) => return None,
    };
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// A whole number, however it is written.
pub(super) fn whole(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Int(n) => u64::try_from(*n).ok(),
        Value::Double(x) if *x >= 0.0 && *x < 9.0e15 && x.fract() == 0.0 => Some(*x as u64),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Double(_) | Value::Bool(_) => None,
    }
}

#[cfg(test)]
mod tests;
