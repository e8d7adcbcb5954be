//! What must hold for any bytes whatever. The targets only choose the protocol.

mod otlp;
mod reports;

pub use otlp::check_otlp;
pub use reports::check_reports;

use std::time::Duration;

use endturn::{
    gate::{Advice, Expect, Input, Options, validate},
    official::{Format, MAX_COMPONENTS, MAX_INCIDENTS, MAX_NAME_BYTES, MAX_URL_BYTES, MAX_WORD_BYTES, parse},
    protocol::{
        Decoder, ErrorClass, Limits, MAX_MESSAGE_BYTES, Protocol, StreamEvent, Wire, decode_body,
        error_body::classify,
    },
    verdict::{Ending, Expectation, Expected, Fault, Judgement, Timeline, Verdict, judge},
};

/// One stream: splits change nothing, memory stays within the input, and nothing without a stop is complete.
pub fn check_stream(protocol: Protocol, limits: Limits, data: &[u8]) {
    let whole = feed(protocol, limits, [data].into_iter());
    let split = feed(protocol, limits, pieces(data).into_iter());
    assert_eq!(whole, split, "a split changed the events");
    if data.len() <= 2048 {
        assert_eq!(
            whole,
            feed(protocol, limits, data.chunks(1)),
            "byte by byte changed the events"
        );
    }
    assert!(kept(&whole) <= data.len(), "more text than was sent");

    let reset = Fault {
        class: ErrorClass::Reset,
        detail: String::new(),
    };
    for ending in [
        Ending::Clean,
        Ending::Failed(reset),
        Ending::Stalled,
        Ending::Cancelled,
    ] {
        let timeline = timeline(&whole, data, ending);
        assert!(timeline.events.len() <= whole.len() && kept(&timeline.events) <= data.len());
        for strict in [true, false] {
            for expectation in expectations(protocol, strict) {
                check_verdict(&whole, &judge(&timeline, &expectation), strict);
            }
        }
    }
}

/// A whole body and an error response of the same bytes: bounded, never complete without a stop.
pub fn check_body(data: &[u8]) {
    for protocol in Protocol::ALL {
        let events = decode_body(protocol, data);
        assert!(kept(&events) <= data.len(), "more text than was sent");
        let mut plain = Timeline {
            status: Some(200),
            raw: data.to_vec(),
            bytes: data.len() as u64,
            ..Timeline::default()
        };
        plain.end(Duration::ZERO, Ending::Clean);
        for expectation in expectations(protocol, true) {
            check_verdict(&events, &judge(&plain, &expectation), true);
        }
        for status in [302, 400, 401, 403, 404, 429, 498, 500, 503, 529] {
            let text = String::from_utf8_lossy(&data[..data.len().min(64)]).into_owned();
            let headers = [
                "retry-after",
                "retry-after-ms",
                "x-should-retry",
                "date",
                "x-ratelimit-reset-tokens",
                "x-amzn-errortype",
            ];
            let headers = headers.map(|name| (name.to_owned(), text.clone()));
            let error = classify(protocol, status, &headers, data);
            assert!(!error.message.is_empty() && error.message.len() <= MAX_MESSAGE_BYTES);
            assert!(error.code.is_none_or(|code| code.len() <= 128));
        }
    }
}

/// Frames of Bedrock's with right checksums, one a line of the bytes: its first byte chooses the headers, the rest is
/// the payload.
pub fn framed(data: &[u8]) -> Vec<u8> {
    const NAMES: [(&str, &str); 11] = [
        ("event", "messageStart"),
        ("event", "contentBlockStart"),
        ("event", "contentBlockDelta"),
        ("event", "contentBlockStop"),
        ("event", "messageStop"),
        ("event", "metadata"),
        ("event", "chunk"),
        ("event", "zz"),
        ("exception", "throttlingException"),
        ("error", "InternalError"),
        ("", ""),
    ];
    let mut out = Vec::new();
    for piece in data.split(|byte| *byte == b'\n') {
        let Some((&choice, payload)) = piece.split_first() else {
            continue;
        };
        let (kind, name) = NAMES[usize::from(choice) % NAMES.len()];
        let mut headers = Vec::new();
        let name_of = match kind {
            "exception" => ":exception-type",
            "error" => ":error-code",
            _ => ":event-type",
        };
        for (header, value) in [(":message-type", kind), (name_of, name)] {
            headers.push(header.len() as u8);
            headers.extend(header.as_bytes());
            headers.extend([7, 0, value.len() as u8]);
            headers.extend(value.as_bytes());
        }
        // Then headers that may be anything.
        if choice >= 128 {
            headers.extend(&payload[..payload.len().min(9)]);
        }
        let from = out.len();
        for number in [headers.len() + payload.len() + 16, headers.len()] {
            out.extend((number as u32).to_be_bytes());
        }
        out.extend(crc32fast::hash(&out[from..]).to_be_bytes());
        out.extend(headers);
        out.extend(payload);
        out.extend(crc32fast::hash(&out[from..]).to_be_bytes());
    }
    out
}

fn check_verdict(events: &[StreamEvent], got: &Judgement, strict: bool) {
    let stopped = events.iter().any(|event| matches!(event, StreamEvent::Stop(_)));
    let ended = events
        .iter()
        .any(|event| matches!(event, StreamEvent::Terminal | StreamEvent::TerminalByEnd));
    let broken = events
        .iter()
        .any(|event| matches!(event, StreamEvent::Error(_) | StreamEvent::Garbled { .. }));
    if got.verdict == Verdict::Complete {
        assert!(stopped, "complete without a stop reason");
        assert!(ended || !strict, "complete without a terminal event");
        assert!(!broken, "complete in spite of an error");
    }
}

fn expectations(protocol: Protocol, strict_terminal: bool) -> [Expectation; 2] {
    let words = "one two three four five six seven eight nine ten eleven twelve kestrel";
    let expected = Expected::words(
        words.split(' ').map(str::to_owned).collect(),
        vec!["kestrel".to_owned(), "amber".to_owned()],
    );
    [Some(expected), None].map(|expected| Expectation {
        protocol,
        strict_terminal,
        expected,
        model: Some("gpt-5".to_owned()),
    })
}

fn feed<'a>(protocol: Protocol, limits: Limits, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<StreamEvent> {
    let mut decoder = Decoder::new(protocol, limits);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece, &mut events);
    }
    decoder.finish(&mut events);
    events
}

fn timeline(events: &[StreamEvent], data: &[u8], ending: Ending) -> Timeline {
    let mut timeline = Timeline {
        status: Some(200),
        bytes: data.len() as u64,
        ..Timeline::default()
    };
    for event in events {
        timeline.event(Duration::from_millis(1), event.clone());
    }
    timeline.end(Duration::from_millis(2), ending);
    timeline
}

/// Pieces of lengths that depend on the bytes alone, so that recorded streams are seeds as they are.
fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let mut state = data.iter().fold(0x9e37_79b9_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    let mut pieces = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let (piece, after) = rest.split_at((state as usize % 37 + 1).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Bytes of text that the events hold, our own words apart.
fn kept(events: &[StreamEvent]) -> usize {
    let bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    events
        .iter()
        .map(|event| match event {
            StreamEvent::Delta { text, .. } => text.len(),
            StreamEvent::Meta { model, response_id } => bytes(model) + bytes(response_id),
            _ => 0,
        })
        .sum()
}

/// The gate: no bytes break it, its advice follows its verdict, a position is in its text, and nothing is complete
/// without a stop reason. The first byte chooses what is expected of the rest.
pub fn check_gate(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let names: Vec<&str> = Wire::names().collect();
    let wire = names
        .get(usize::from(choice >> 3))
        .and_then(|name| name.parse().ok());
    let options = Options {
        expect: Expect::ALL.get(usize::from(choice & 7)).copied(),
        ends_with: None,
        language: LANGUAGES
            .get(usize::from(choice >> 3))
            .map(|name| (*name).to_owned()),
    };
    let capture = Input::Capture {
        bytes: data,
        wire,
        content_type: None,
    };
    for input in [capture, Input::text(data, "end_turn")] {
        let outcome = validate(&input, &options);
        let complete = outcome.verdict == Verdict::Complete;
        assert_eq!(outcome.advice == Advice::Accept, complete);
        assert!(
            !complete || outcome.stop_reason.is_some(),
            "complete without a stop"
        );
        if let Some(position) = &outcome.position {
            assert!(outcome.subject(position).is_char_boundary(position.byte));
        }
    }
}

const LANGUAGES: [&str; 12] = [
    "rust", "c", "cpp", "csharp", "java", "kotlin", "go", "js", "php", "css", "python", "sh",
];

/// One status page in every format: bounded, and nothing that can't be read is well.
pub fn check_official(data: &[u8]) {
    for format in Format::ALL {
        let Ok(page) = parse(format, data) else { continue };
        assert!(page.components.len() <= MAX_COMPONENTS && page.incidents.len() <= MAX_INCIDENTS);
        assert!(page.word.as_ref().is_none_or(|word| word.len() <= MAX_WORD_BYTES));
        for incident in &page.incidents {
            assert!(incident.name.len() <= MAX_NAME_BYTES && incident.word.len() <= MAX_WORD_BYTES);
            assert!(incident.url.as_ref().is_none_or(|url| url.len() <= MAX_URL_BYTES));
        }
        let said = page.about(&["api".to_owned()]);
        assert!(said.title.is_none_or(|title| title.len() <= MAX_NAME_BYTES));
    }
}
