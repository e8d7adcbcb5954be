//! Spans and log records as both encodings yield them: borrowed from the body, one at a time.

use std::borrow::Cow;

use super::{
    agent::Event,
    facts::{Facts, Told, Value},
};

/// The event by which `OpenInference` tells of the first token.
pub(super) const FIRST_TOKEN: &str = "First Token Stream Event";
/// The event by which `OpenLLMetry` tells of each chunk.
pub(super) const CHUNK: &str = "gen_ai.content.completion.chunk";
/// The event by which OpenTelemetry tells of an exception.
pub(super) const EXCEPTION: &str = "exception";
/// `STATUS_CODE_ERROR`.
pub(super) const STATUS_ERROR: u64 = 2;

/// A span's name among all: its trace and its own id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) trace: u128,
    pub(super) span: u64,
}

impl Key {
    /// From the bytes of both ids; `None` where either is missing, of another length or all zero.
    pub(super) fn new(trace: &[u8], span: &[u8]) -> Option<Self> {
        let key = Self {
            trace: u128::from_be_bytes(trace.try_into().ok()?),
            span: u64::from_be_bytes(span.try_into().ok()?),
        };
        (key.trace != 0 && key.span != 0).then_some(key)
    }
}

/// Who sends: what is taken from a resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Resource<'a> {
    pub(super) service: Option<Cow<'a, str>>,
    pub(super) region: Option<Cow<'a, str>>,
}

/// What a resource is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Service,
    Region,
}

impl<'de: 'a, 'a> Told<'de> for Resource<'a> {
    type Name = Whose;

    fn name(key: &[u8]) -> Option<Whose> {
        match key {
            b"service.name" => Some(Whose::Service),
            b"cloud.region" => Some(Whose::Region),
            _ => None,
        }
    }

    fn tell(&mut self, name: Whose, value: Value<'de>) {
        let Value::Text(text) = value else { return };
        match name {
            Whose::Service => self.service = Some(text),
            Whose::Region => self.region = Some(text),
        }
    }
}

/// The type of an exception; its message and stack are passed over.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Exception<'a>(pub(super) Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Told<'de> for Exception<'a> {
    type Name = ();

    fn name(key: &[u8]) -> Option<()> {
        (key == b"exception.type").then_some(())
    }

    fn tell(&mut self, (): (), value: Value<'de>) {
        if let Value::Text(kind) = value {
            self.0 = Some(kind).filter(|kind| !kind.is_empty());
        }
    }
}

/// A span, as far as it is of use.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Span<'a> {
    pub(super) key: Option<Key>,
    /// The span above it, of the same trace.
    pub(super) parent: Option<Key>,
    pub(super) name: Cow<'a, str>,
    /// Nanoseconds since the epoch; zero where it is missing.
    pub(super) start_ns: u64,
    /// Nanoseconds since the epoch; zero where it is missing.
    pub(super) end_ns: u64,
    /// Its status is an error.
    pub(super) failed: bool,
    /// The words of its status: they tell how it failed and are kept nowhere.
    pub(super) message: Cow<'a, str>,
    pub(super) facts: Facts<'a>,
}

/// A log record, as far as it is of use.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Record<'a> {
    /// Nanoseconds since the epoch; zero where it is missing.
    pub(super) time_ns: u64,
    /// Its body, if that is a text.
    pub(super) body: Cow<'a, str>,
    /// The name of its event, where it has one beside its attributes.
    pub(super) event: Cow<'a, str>,
    pub(super) facts: Event<'a>,
}

/// What both encodings tell, in the order of the body.
pub(super) trait Take<'a> {
    /// A span, with whoever sent it.
    fn span(&mut self, resource: &Resource<'a>, span: Span<'a>);
    /// A log record, with its scope's name.
    fn record(&mut self, resource: &Resource<'a>, scope: &str, record: Record<'a>);
}
