//! A finished text with the stop reason that somebody was told: judged as if it had come in a stream that ended well.

use std::time::Duration;

use super::content::Broken;
use crate::{
    protocol::{Channel, Protocol, StopClass, StopReason, StreamEvent, Wire, stop_reason},
    verdict::{Ending, Expectation, Flags, Judgement, Timeline, judge as judge_timeline},
};

/// A judgement, and where the bytes themselves are no text.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) judgement: Judgement,
    pub(super) broken: Option<Broken>,
}

/// Judges the text by its stop reason.
pub(super) fn judge(bytes: &[u8], stop_reason: &str, wire: Option<Wire>) -> Finished {
    let (text, broken) = decode(bytes);
    let mut timeline = Timeline {
        status: Some(200),
        ..Timeline::default()
    };
    let stop = StopReason {
        raw: stop_reason.to_owned(),
        class: class(stop_reason, wire),
    };
    let events = [
        StreamEvent::Delta {
            channel: Channel::Text,
            text: text.to_owned(),
        },
        StreamEvent::Stop(stop),
        StreamEvent::Terminal,
    ];
    for event in events {
        timeline.event(Duration::ZERO, event);
    }
    timeline.end(Duration::ZERO, Ending::Clean);
    let expectation = Expectation {
        protocol: wire.map_or(Protocol::OpenaiChat, |wire| wire.protocol),
        strict_terminal: true,
        expected: None,
        model: None,
    };
    let mut judgement = judge_timeline(&timeline, &expectation);
    // A text alone has no token counts to miss.
    judgement.flags = Flags::from_bits(judgement.flags.bits() & !Flags::USAGE_MISSING.bits());
    Finished { judgement, broken }
}

/// The text as far as it is one.
fn decode(bytes: &[u8]) -> (&str, Option<Broken>) {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let end = error.valid_up_to();
            let text = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
            let broken = if error.error_len().is_none() {
                Broken::cut(end, "half a character", "the text ends inside a character")
            } else {
                Broken::garbled(end, "no UTF-8", "the text is not UTF-8")
            };
            (text, Some(broken))
        }
    }
}

/// What the stop reason means: in the named protocol first, then in any, as it is written and in either case.
fn class(raw: &str, wire: Option<Wire>) -> StopClass {
    let word = raw.trim();
    // Responses say it as a status with a reason: `status=incomplete/max_output_tokens`.
    let word = word.strip_prefix("status=").unwrap_or(word);
    let word = word.strip_prefix("incomplete/").unwrap_or(word);
    let spellings = [
        word.to_owned(),
        word.to_ascii_lowercase(),
        word.to_ascii_uppercase(),
    ];
    let own = wire.map(|wire| wire.protocol);
    own.into_iter()
        .chain(Protocol::ALL)
        .flat_map(|protocol| {
            spellings
                .iter()
                .map(move |word| stop_reason::class(protocol, word))
        })
        .find(|class| *class != StopClass::Unknown)
        .unwrap_or(StopClass::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ErrorClass;

    #[test]
    fn stop_reasons_in_anybodys_words() {
        use StopClass::{Complete, Error, Limit, Refused, Tool, Unknown};
        for (word, expected) in [
            ("end_turn", Complete),
            ("stop", Complete),
            ("STOP", Complete),
            ("Stop", Complete),
            ("completed", Complete),
            ("status=completed", Complete),
            ("status=incomplete/max_output_tokens", Limit),
            ("length", Limit),
            ("MAX_TOKENS", Limit),
            ("max_tokens", Limit),
            ("refusal", Refused),
            ("SAFETY", Refused),
            ("tool_calls", Tool),
            ("tool_use", Tool),
            ("error", Error(ErrorClass::ServerError)),
            ("", Unknown),
            ("because", Unknown),
        ] {
            assert_eq!(class(word, None), expected, "{word}");
        }
    }

    #[test]
    fn bytes_that_are_no_text() {
        assert_eq!(decode("é".as_bytes()), ("é", None));
        let (text, broken) = decode(b"ab\xC3");
        assert_eq!((text, broken.map(|b| b.at)), ("ab", Some(2)));
        let (text, broken) = decode(b"a\xFFb");
        assert_eq!((text, broken.map(|b| b.at)), ("a", Some(1)));
    }
}
