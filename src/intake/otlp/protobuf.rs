//! OTLP in protobuf: `opentelemetry/proto/{trace,logs,common}/v1` as of version 1.10, by field number.

use std::borrow::Cow;

use super::{
    facts::{Facts, Told, Value},
    span::{CHUNK, EXCEPTION, Exception, FIRST_TOKEN, Key, Record, Resource, STATUS_ERROR, Span, Take},
    wire::{Field, Fields, WireError},
};

/// Every span of an `ExportTraceServiceRequest`.
pub(super) fn traces<'a>(body: &'a [u8], take: &mut impl Take<'a>) -> Result<(), WireError> {
    each_item(body, |resource, _, item| {
        let read = span(item)?;
        take.span(resource, read);
        Ok(())
    })
}

/// Every record of an `ExportLogsServiceRequest`.
pub(super) fn logs<'a>(body: &'a [u8], take: &mut impl Take<'a>) -> Result<(), WireError> {
    each_item(body, |resource, scope, item| {
        let read = record(item)?;
        take.record(resource, scope, read);
        Ok(())
    })
}

/// Whether the body is one message at all: all that is asked of metrics.
pub(super) fn is_message(body: &[u8]) -> Result<(), WireError> {
    Fields::of(body).each(1, |_| Ok(()))
}

/// Both requests nest alike: 1 resource part { 1 resource, 2 scope part { 1 scope, 2 item } }.
fn each_item<'a>(
    body: &'a [u8],
    mut take: impl FnMut(&Resource<'a>, &str, &'a [u8]) -> Result<(), WireError>,
) -> Result<(), WireError> {
    Fields::of(body).each(1, |part| {
        // A field may come anywhere in its message: who sends is looked for before what was sent.
        let mut resource = Resource::default();
        Fields::of(part).each(1, |message| {
            Fields::of(message).each(1, |pair| attribute(pair, &mut resource))
        })?;
        Fields::of(part).each(2, |scoped| {
            let mut scope = Cow::default();
            Fields::of(scoped).each(1, |message| {
                Fields::of(message).each(1, |name| {
                    scope = text(name);
                    Ok(())
                })
            })?;
            Fields::of(scoped).each(2, |item| take(&resource, &scope, item))
        })
    })
}

fn span(message: &[u8]) -> Result<Span<'_>, WireError> {
    let mut read = Span::default();
    let (mut trace, mut own, mut parent) = (&[][..], &[][..], &[][..]);
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => trace = field.bytes(number)?,
            2 => own = field.bytes(number)?,
            4 => parent = field.bytes(number)?,
            5 => read.name = text(field.bytes(number)?),
            7 => read.start_ns = field.fixed64(number)?,
            8 => read.end_ns = field.fixed64(number)?,
            9 => attribute(field.bytes(number)?, &mut read.facts)?,
            11 => event(field.bytes(number)?, &mut read.facts)?,
            15 => status(field.bytes(number)?, &mut read)?,
            _ => {}
        }
    }
    read.key = Key::new(trace, own);
    read.parent = Key::new(trace, parent);
    Ok(read)
}

fn attribute<'a, T: Told<'a>>(pair: &'a [u8], told: &mut T) -> Result<(), WireError> {
    let (key, value) = key_value(pair)?;
    match T::name(key) {
        Some(name) => any_value(value, |value| told.tell(name, value)),
        None => Ok(()),
    }
}

fn event<'a>(message: &'a [u8], facts: &mut Facts<'a>) -> Result<(), WireError> {
    let (mut time_ns, mut name) = (0, &[][..]);
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => time_ns = field.fixed64(number)?,
            2 => name = field.bytes(number)?,
            _ => {}
        }
    }
    match text(name).as_ref() {
        FIRST_TOKEN | CHUNK => {
            facts.chunk(time_ns);
            Ok(())
        }
        EXCEPTION => {
            let mut exception = Exception::default();
            Fields::of(message).each(3, |pair| attribute(pair, &mut exception))?;
            facts.failed_by(exception);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn status<'a>(message: &'a [u8], span: &mut Span<'a>) -> Result<(), WireError> {
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            2 => span.message = text(field.bytes(number)?),
            3 => span.failed = field.varint(number)? == STATUS_ERROR,
            _ => {}
        }
    }
    Ok(())
}

fn record(message: &[u8]) -> Result<Record<'_>, WireError> {
    let mut read = Record::default();
    let mut observed_ns = 0;
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => read.time_ns = field.fixed64(number)?,
            5 => any_value(field.bytes(number)?, |value| {
                if let Value::Text(body) = value {
                    read.body = body;
                }
            })?,
            6 => attribute(field.bytes(number)?, &mut read.facts)?,
            11 => observed_ns = field.fixed64(number)?,
            12 => read.event = text(field.bytes(number)?),
            _ => {}
        }
    }
    if read.time_ns == 0 {
        read.time_ns = observed_ns;
    }
    Ok(read)
}

/// Key and value of an attribute, both as they lie there.
fn key_value(pair: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut key, mut value) = (&[][..], &[][..]);
    let mut fields = Fields::of(pair);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => key = field.bytes(number)?,
            2 => value = field.bytes(number)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// A value, or each item of an array; maps, bytes and arrays within arrays are passed over.
fn any_value<'a>(message: &'a [u8], mut take: impl FnMut(Value<'a>)) -> Result<(), WireError> {
    let mut fields = Fields::of(message);
    while let Some((number, field)) = fields.next()? {
        if number == 5 {
            Fields::of(field.bytes(number)?).each(1, |item| {
                let mut fields = Fields::of(item);
                while let Some((number, field)) = fields.next()? {
                    if let Some(value) = scalar(number, field)? {
                        take(value);
                    }
                }
                Ok(())
            })?;
        } else if let Some(value) = scalar(number, field)? {
            take(value);
        }
    }
    Ok(())
}

fn scalar(number: u32, field: Field<'_>) -> Result<Option<Value<'_>>, WireError> {
    Ok(Some(match number {
        1 => Value::Text(text(field.bytes(number)?)),
        2 => Value::Bool(field.varint(number)? != 0),
        3 => Value::Int(field.varint(number)?.cast_signed()),
        4 => Value::Double(f64::from_bits(field.fixed64(number)?)),
        _ => return Ok(None),
    }))
}

/// A text; what is no UTF-8 is none.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    Cow::Borrowed(std::str::from_utf8(bytes).unwrap_or_default())
}
