//! OTLP in JSON: the same messages in lowerCamelCase, ids in hexadecimal, 64-bit numbers as strings or numbers
//! (opentelemetry.io, "OTLP Specification", "JSON Protobuf Encoding").
//!
//! Lists are never built: each level is kept as the text that it is until who sent it is known, and its items are read
//! one at a time. Members that we don't know are passed over. What holds several resources is read thrice, which costs
//! less than to keep it.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};
use serde_json::{Error as JsonError, value::RawValue};

use super::{
    agent::Event,
    facts::{Facts, Told, Value},
    span::{CHUNK, EXCEPTION, Exception, FIRST_TOKEN, Key, Record, Resource, STATUS_ERROR, Span, Take},
};

/// Every span of an `ExportTraceServiceRequest`.
pub(super) fn traces<'a>(body: &'a [u8], take: &mut impl Take<'a>) -> Result<(), JsonError> {
    let request = request(body)?;
    each_item(request.resource_spans, |resource, _, item: SpanItem<'a>| {
        take.span(resource, item.span());
    })
}

/// Every record of an `ExportLogsServiceRequest`.
pub(super) fn logs<'a>(body: &'a [u8], take: &mut impl Take<'a>) -> Result<(), JsonError> {
    let request = request(body)?;
    each_item(request.resource_logs, |resource, scope, item: RecordItem<'a>| {
        take.record(resource, scope, item.record());
    })
}

/// Whether the body is an object at all: all that is asked of metrics.
pub(super) fn is_message(body: &[u8]) -> Result<(), JsonError> {
    request(body).map(|_| ())
}

/// The outermost object. serde would also take its members in their order from an array.
fn request(body: &[u8]) -> Result<Request<'_>, JsonError> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(JsonError::custom("an array is no export"));
    }
    serde_json::from_slice(body)
}

type Raw<'a> = Option<&'a RawValue>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    resource_spans: Raw<'a>,
    #[serde(borrow)]
    resource_logs: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourcePart<'a> {
    #[serde(borrow)]
    resource: Option<ResourceItem<'a>>,
    #[serde(borrow, alias = "scopeLogs")]
    scope_spans: Raw<'a>,
}

#[derive(Deserialize)]
struct ResourceItem<'a> {
    #[serde(borrow, default)]
    attributes: Attributes<Resource<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopePart<'a> {
    #[serde(borrow)]
    scope: Option<Scope<'a>>,
    #[serde(borrow, alias = "logRecords")]
    spans: Raw<'a>,
}

#[derive(Deserialize)]
struct Scope<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
}

fn each_item<'a, T: Deserialize<'a>>(
    parts: Raw<'a>,
    mut take: impl FnMut(&Resource<'a>, &str, T),
) -> Result<(), JsonError> {
    each(parts, |part: ResourcePart<'a>| {
        let resource = part.resource.map(|item| item.attributes.0).unwrap_or_default();
        each(part.scope_spans, |scoped: ScopePart<'a>| {
            let name = scoped.scope.and_then(|scope| scope.name);
            let name = name.map_or(Cow::Borrowed(""), |name| name.0);
            each(scoped.spans, |item: T| {
                take(&resource, &name, item);
                Ok(())
            })
        })
    })
}

/// Reads the items of an array one after the other.
fn each<'a, T, F>(array: Raw<'a>, take: F) -> Result<(), JsonError>
where
    T: Deserialize<'a>,
    F: FnMut(T) -> Result<(), JsonError>,
{
    match array {
        Some(array) => {
            let mut reader = serde_json::Deserializer::from_str(array.get());
            reader.deserialize_any(Items(take, PhantomData))
        }
        None => Ok(()),
    }
}

/// Takes each item of an array where it stands; null is an empty one.
struct Items<T, F>(F, PhantomData<T>);

impl<'a, T, F> Visitor<'a> for Items<T, F>
where
    T: Deserialize<'a>,
    F: FnMut(T) -> Result<(), JsonError>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.0)(item).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpanItem<'a> {
    #[serde(borrow, default)]
    trace_id: Text<'a>,
    #[serde(borrow, default)]
    span_id: Text<'a>,
    #[serde(borrow, default)]
    parent_span_id: Text<'a>,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(default)]
    start_time_unix_nano: Whole,
    #[serde(default)]
    end_time_unix_nano: Whole,
    #[serde(borrow, default)]
    attributes: Attributes<Facts<'a>>,
    #[serde(borrow, default)]
    events: Events<'a>,
    #[serde(borrow)]
    status: Option<Status<'a>>,
}

impl<'a> SpanItem<'a> {
    fn span(self) -> Span<'a> {
        let trace = hex::<16>(&self.trace_id.0);
        let key = |span: &Text<'_>| Key::new(&trace?, &hex::<8>(&span.0)?);
        let status = self.status.unwrap_or_default();
        let mut facts = self.attributes.0;
        if let Some(first) = self.events.first_chunk_ns {
            facts.chunk(first);
        }
        facts.failed_by(self.events.exception);
        Span {
            key: key(&self.span_id),
            parent: key(&self.parent_span_id),
            name: self.name.0,
            start_ns: self.start_time_unix_nano.0,
            end_ns: self.end_time_unix_nano.0,
            failed: status.code.0 == STATUS_ERROR,
            message: status.message.0,
            facts,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status<'a> {
    code: Whole,
    #[serde(borrow)]
    message: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordItem<'a> {
    #[serde(default)]
    time_unix_nano: Whole,
    #[serde(default)]
    observed_time_unix_nano: Whole,
    #[serde(borrow)]
    body: Option<AnyValue<'a>>,
    #[serde(borrow, default)]
    event_name: Text<'a>,
    #[serde(borrow, default)]
    attributes: Attributes<Event<'a>>,
}

impl<'a> RecordItem<'a> {
    fn record(self) -> Record<'a> {
        let times = [self.time_unix_nano.0, self.observed_time_unix_nano.0];
        Record {
            time_ns: times.into_iter().find(|ns| *ns != 0).unwrap_or_default(),
            body: self.body.and_then(|body| body.string_value).unwrap_or_default().0,
            event: self.event_name.0,
            facts: self.attributes.0,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventItem<'a> {
    #[serde(default)]
    time_unix_nano: Whole,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    attributes: Attributes<Exception<'a>>,
}

/// What is taken from a span's events.
#[derive(Default)]
struct Events<'a> {
    first_chunk_ns: Option<u64>,
    exception: Exception<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Events<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let mut events = Self::default();
        reader.deserialize_any(Items(
            |event: EventItem<'a>| {
                match event.name.0.as_ref() {
                    FIRST_TOKEN | CHUNK => {
                        let first = events.first_chunk_ns.get_or_insert(u64::MAX);
                        *first = event.time_unix_nano.0.min(*first);
                    }
                    EXCEPTION => events.exception = event.attributes.0,
                    _ => {}
                }
                Ok(())
            },
            PhantomData,
        ))?;
        Ok(events)
    }
}

/// Attributes, told as they come. The values of those that nobody wants are not even read.
#[derive(Default)]
struct Attributes<T>(T);

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow, default)]
    key: Text<'a>,
    #[serde(borrow)]
    value: Raw<'a>,
}

impl<'de, T: Told<'de> + Default> Deserialize<'de> for Attributes<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let mut told = T::default();
        reader.deserialize_any(Items(
            |pair: KeyValue<'de>| {
                let (Some(name), Some(value)) = (T::name(pair.key.0.as_bytes()), pair.value) else {
                    return Ok(());
                };
                let value: Option<AnyValue<'de>> = serde_json::from_str(value.get())?;
                value.unwrap_or_default().each(|value| told.tell(name, value));
                Ok(())
            },
            PhantomData,
        ))?;
        Ok(Self(told))
    }
}

/// A value; maps and bytes are passed over.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "these are the members' names")]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Text<'a>>,
    bool_value: Option<bool>,
    int_value: Option<Signed>,
    double_value: Option<Double>,
    #[serde(borrow)]
    array_value: Option<ArrayValue<'a>>,
}

#[derive(Deserialize)]
struct ArrayValue<'a> {
    #[serde(borrow, default)]
    values: Scalars<'a>,
}

impl<'a> AnyValue<'a> {
    fn each(self, mut take: impl FnMut(Value<'a>)) {
        for value in self.array_value.into_iter().flat_map(|array| array.values.0) {
            take(value);
        }
        let scalars = [
            self.string_value.map(|text| Value::Text(text.0)),
            self.bool_value.map(Value::Bool),
            self.int_value.map(|n| Value::Int(n.0)),
            self.double_value.map(|x| Value::Double(x.0)),
        ];
        scalars.into_iter().flatten().for_each(take);
    }
}

/// Most items of an array that are kept.
const MAX_ITEMS: usize = 64;

/// The scalars of an array.
#[derive(Default)]
struct Scalars<'a>(Vec<Value<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalars<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let mut kept = Vec::new();
        reader.deserialize_any(Items(
            |item: &'de RawValue| {
                if kept.len() < MAX_ITEMS {
                    let value: AnyValue<'a> = serde_json::from_str(item.get())?;
                    if value.array_value.is_none() {
                        value.each(|value| kept.push(value));
                    }
                }
                Ok(())
            },
            PhantomData,
        ))?;
        Ok(Self(kept))
    }
}

macro_rules! scalar {
    ($(#[$doc:meta])* $name:ident($inner:ty), $what:literal, {$($visit:tt)*}) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq)]
        struct $name($inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                struct Scalar;

                impl Visitor<'_> for Scalar {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_unit<E>(self) -> Result<$name, E> {
                        Ok($name::default())
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map($name).map_err(|_| E::custom(concat!("a text is not ", $what)))
                    }

                    $($visit)*
                }

                reader.deserialize_any(Scalar)
            }
        }
    };
}

scalar! {
    /// A whole number that is not negative.
    Whole(u64), "a whole number from 0 to 2^64 - 1, or one in a string", {
        fn visit_u64<E>(self, n: u64) -> Result<Whole, E> {
            Ok(Whole(n))
        }
    }
}

scalar! {
    /// A whole number.
    Signed(i64), "a whole number of 64 bits, or one in a string", {
        fn visit_u64<E: Error>(self, n: u64) -> Result<Signed, E> {
            i64::try_from(n).map(Signed).map_err(|_| E::custom("a number is longer than 64 bits"))
        }

        fn visit_i64<E>(self, n: i64) -> Result<Signed, E> {
            Ok(Signed(n))
        }
    }
}

scalar! {
    /// A number; NaN and the infinities come in strings.
    Double(f64), "a number, or one in a string", {
        fn visit_u64<E>(self, n: u64) -> Result<Double, E> {
            Ok(Double(n as f64))
        }

        fn visit_i64<E>(self, n: i64) -> Result<Double, E> {
            Ok(Double(n as f64))
        }

        fn visit_f64<E>(self, x: f64) -> Result<Double, E> {
            Ok(Double(x))
        }
    }
}

/// A text, borrowed unless it has escapes; null is the empty one.
#[derive(Debug, Clone, Default, PartialEq)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Borrowed;

        impl<'de> Visitor<'de> for Borrowed {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        reader.deserialize_any(Borrowed)
    }
}

/// The bytes of an id in hexadecimal of either case.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(bytes)
}
