//! A captured response to a judgement: its head, its protocol, its events.

use std::time::Duration;

use serde::de::IgnoredAny;

use super::{
    Judged, MAX_INPUT_BYTES,
    detect::{self, Shape},
    head::{self, Response},
};
use crate::{
    protocol::{Decoder, Limits, Protocol, StreamEvent, Wire, decode_body},
    verdict::{Ending, Expectation, Timeline, judge as judge_timeline},
};

/// Bytes that the decoder gets at a time.
const READ_BYTES: usize = 64 << 10;
/// Bytes of input for which one event is allowed, beyond the decoder's own default. It bounds what a capture of
/// nothing but empty events can take in memory.
const BYTES_AN_EVENT: usize = 32;

/// Why nothing can be said of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Nothing came.
    #[error("the body ended before any content")]
    Empty,
    /// No mark of any protocol.
    #[error("no protocol can be told from these bytes: name it, or give a finished text its stop reason")]
    Unknown,
    /// It is compressed.
    #[error("the body is compressed: capture it decoded")]
    Compressed,
}

/// Judges a capture. `wire`: what it speaks, else it is told from the bytes.
pub(super) fn judge(
    bytes: &[u8],
    wire: Option<Wire>,
    content_type: Option<&str>,
) -> Result<Judged, Unreadable> {
    let mut response = head::split(bytes);
    if response.header("content-type").is_none()
        && let Some(content_type) = content_type
    {
        let header = ("content-type".to_owned(), content_type.to_ascii_lowercase());
        response.headers.push(header);
    }
    if response.body.starts_with(b"\x1f\x8b") {
        return Err(Unreadable::Compressed);
    }
    let Some(wire) = wire.or_else(|| detect::wire(&response)) else {
        return Err(if response.status == 200 && says_nothing(&response.body) {
            Unreadable::Empty
        } else if response.status != 200 {
            // The status alone classifies it, alike in every protocol.
            return Ok(judge_as(Protocol::OpenaiChat.into(), &response, bytes.len()));
        } else {
            Unreadable::Unknown
        });
    };
    Ok(judge_as(wire, &response, bytes.len()))
}

/// Nothing but white space and comments.
fn says_nothing(body: &[u8]) -> bool {
    body.split(|byte| matches!(byte, b'\n' | b'\r'))
        .all(|line| line.starts_with(b":") || line.trim_ascii().is_empty())
}

fn judge_as(wire: Wire, response: &Response<'_>, bytes: usize) -> Judged {
    let mut timeline = Timeline {
        status: Some(response.status),
        headers: response.headers.clone(),
        bytes: response.body.len() as u64,
        ..Timeline::default()
    };
    let body: &[u8] = &response.body;
    let capped = if response.status == 200 {
        read(wire.protocol, body, &mut timeline)
    } else {
        timeline.raw = body[..body.len().min(Timeline::RAW_BYTES)].to_vec();
        false
    };
    let ending = match &response.ending {
        _ if capped || bytes > MAX_INPUT_BYTES => Ending::Capped,
        ending => ending.clone(),
    };
    timeline.end(Duration::ZERO, ending);
    let expectation = Expectation {
        protocol: wire.protocol,
        strict_terminal: wire.dialect.is_none_or(|dialect| dialect.strict_terminal),
        expected: None,
        model: None,
    };
    (judge_timeline(&timeline, &expectation), wire)
}

/// Reads a body of status 200 into the timeline; tells whether it broke a limit.
fn read(protocol: Protocol, body: &[u8], timeline: &mut Timeline) -> bool {
    let mut events = Vec::new();
    if is_one_document(protocol, body) {
        take(decode_body(protocol, body), timeline);
        return false;
    }
    let mut decoder = Decoder::new(protocol, limits(body.len()));
    for read in body.chunks(READ_BYTES) {
        decoder.push(read, &mut events);
        take(events.drain(..), timeline);
    }
    decoder.finish(&mut events);
    take(events, timeline);
    decoder.is_capped()
}

fn take(events: impl IntoIterator<Item = StreamEvent>, timeline: &mut Timeline) {
    for event in events {
        timeline.event(Duration::ZERO, event);
    }
}

/// Limits for an input of that size: a capture is in memory already, so that its lines need no limit of their own.
fn limits(bytes: usize) -> Limits {
    Limits {
        line_bytes: MAX_INPUT_BYTES,
        body_bytes: MAX_INPUT_BYTES,
        events: Limits::default().events + bytes / BYTES_AN_EVENT,
    }
}

/// Whether the body is a document rather than a stream. Where a protocol streams one JSON value a line, a single
/// value is a document and a cut one a stream that is cut.
fn is_one_document(protocol: Protocol, body: &[u8]) -> bool {
    match detect::shape(body) {
        Shape::Json if protocol == Protocol::Ollama => {
            serde_json::from_slice::<IgnoredAny>(detect::start(body)).is_ok()
        }
        Shape::Json | Shape::Other => true,
        Shape::Events | Shape::Frames => false,
    }
}
