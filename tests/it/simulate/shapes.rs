//! The wire shapes, read by other code than the decoders'.

use endturn::protocol::Protocol;
use serde_json::{Value, json};

use crate::vectors::binary;

/// The JSON of every event, `[DONE]` apart. A frame's is put under the name of its event.
pub(crate) fn events(protocol: Protocol, body: &[u8]) -> Vec<Value> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    match protocol {
        Protocol::Bedrock => {
            let (frames, rest) = binary::frames(body);
            assert!(rest.is_empty(), "half a frame is left");
            frames.into_iter().map(frame).collect()
        }
        Protocol::Ollama => text(body).lines().map(parse).collect(),
        _ => text(body)
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| !data.starts_with("[DONE]"))
            .map(parse)
            .collect(),
    }
}

fn text(body: &[u8]) -> &str {
    std::str::from_utf8(body).unwrap()
}

/// A frame as JSON. Both checksums must be right.
fn frame(frame: &[u8]) -> Value {
    let (headers, payload) = binary::parts(frame);
    assert_eq!(binary::frame(headers, payload), frame, "a checksum is wrong");
    let names = String::from_utf8_lossy(headers);
    let kind = ["event-type", "exception-type"].into_iter().find_map(|name| {
        let from = names.find(name)? + name.len() + 3;
        names[from..].split(':').next()
    });
    // The next header's length stands between its colon and the value.
    let kind = kind.unwrap().trim_end_matches(|c: char| !c.is_ascii_alphabetic());
    json!({kind: serde_json::from_slice::<Value>(payload).unwrap()})
}

/// The events that are whole, of a body that may end inside one.
pub(crate) fn whole_events(protocol: Protocol, body: &[u8]) -> Vec<Value> {
    let end = match protocol {
        Protocol::Bedrock => body.len() - binary::frames(body).1.len(),
        Protocol::Ollama => body
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1),
        Protocol::Gemini => rfind(body, b"\r\n\r\n"),
        _ => rfind(body, b"\n\n"),
    };
    events(protocol, &body[..end])
}

fn rfind(body: &[u8], what: &[u8]) -> usize {
    body.windows(what.len())
        .rposition(|window| window == what)
        .map_or(0, |at| at + what.len())
}

/// Whether a body ends between two events.
pub(crate) fn ends_between(protocol: Protocol, body: &[u8]) -> bool {
    match protocol {
        Protocol::Bedrock => binary::frames(body).1.is_empty(),
        Protocol::Ollama => body.is_empty() || body.ends_with(b"\n"),
        Protocol::Gemini => body.is_empty() || body.ends_with(b"\r\n\r\n"),
        _ => body.is_empty() || body.ends_with(b"\n\n"),
    }
}

/// Visible text of a stream's events.
pub(crate) fn visible(protocol: Protocol, events: &[Value]) -> String {
    let place = match protocol {
        Protocol::Anthropic => "/delta/text",
        Protocol::OpenaiChat => "/choices/0/delta/content",
        Protocol::OpenaiResponses => "/delta",
        Protocol::Gemini => "/candidates/0/content/parts/0/text",
        Protocol::Ollama => "/message/content",
        Protocol::Bedrock => "/contentBlockDelta/delta/text",
        Protocol::Cohere => "/delta/message/content/text",
    };
    let texts = events.iter().filter_map(|event| event.pointer(place));
    texts.filter_map(Value::as_str).collect()
}

/// How many tokens were generated, as the last event with a count tells.
pub(crate) fn usage(protocol: Protocol, events: &[Value]) -> Option<u64> {
    let place = match protocol {
        Protocol::Anthropic => "/usage/output_tokens",
        Protocol::OpenaiChat => "/usage/completion_tokens",
        Protocol::OpenaiResponses => "/response/usage/output_tokens",
        Protocol::Gemini => "/usageMetadata/candidatesTokenCount",
        Protocol::Ollama => "/eval_count",
        Protocol::Bedrock => "/metadata/usage/outputTokens",
        Protocol::Cohere => "/delta/usage/tokens/output_tokens",
    };
    let mut counts = events.iter().rev().filter_map(|event| event.pointer(place));
    counts.find_map(Value::as_u64)
}

/// Whether a body ends as a healthy one does.
pub(crate) fn is_over(protocol: Protocol, body: &[u8]) -> bool {
    let end: &[u8] = match protocol {
        Protocol::Anthropic => b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        Protocol::OpenaiChat | Protocol::Cohere => b"\n\ndata: [DONE]\n\n",
        Protocol::OpenaiResponses => b",\"user\":null,\"metadata\":{}}}\n\n",
        Protocol::Gemini => b"\"}\r\n\r\n",
        Protocol::Ollama => b"}\n",
        Protocol::Bedrock => {
            return binary::frames(body)
                .0
                .last()
                .is_some_and(|last| frame(last).get("metadata").is_some());
        }
    };
    body.ends_with(end)
}

/// What a natural end says, as bytes of the stream.
pub(crate) fn stop_member(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Anthropic => "\"stop_reason\":\"end_turn\"",
        Protocol::OpenaiChat => "\"finish_reason\":\"stop\"",
        Protocol::OpenaiResponses => "response.output_item.done",
        Protocol::Gemini => "\"finishReason\":\"STOP\"",
        Protocol::Ollama => "\"done_reason\":\"stop\"",
        Protocol::Bedrock => "\"stopReason\":\"end_turn\"",
        Protocol::Cohere => "\"finish_reason\":\"COMPLETE\"",
    }
}

/// Whether the stop reason is the terminal event itself, so that no body has one without the other.
pub(crate) fn stop_is_terminal(protocol: Protocol) -> bool {
    matches!(
        protocol,
        Protocol::Gemini | Protocol::Ollama | Protocol::Bedrock | Protocol::Cohere
    )
}
