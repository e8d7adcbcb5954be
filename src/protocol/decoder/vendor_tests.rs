//! What single vendors do: calls of tools in each protocol's form, whole bodies, errors where they are least expected.

#![expect(clippy::too_many_lines, reason = "tables of cases are long")]

use std::fmt::Write;

use super::{
    tests::{binary, events, feed, is_protocol_error},
    *,
};
use crate::protocol::{Channel, StopClass};

/// Events in a readable form: `[name]` begins a call, `{..}` are its arguments, `T:`, `R:` text and reasoning, then the
/// class of a stop, `$` the end, `!` an error with its class. Counts and ids are left out.
fn told(events: &[StreamEvent]) -> String {
    let mut out = String::new();
    for event in events {
        let _ = match event {
            StreamEvent::ToolCall { name } => write!(out, "[{name}]"),
            StreamEvent::Delta { channel, text } => match channel {
                Channel::Tool => write!(out, "{text}"),
                Channel::Text => write!(out, "T:{text} "),
                Channel::Reasoning => write!(out, "R:{text} "),
                Channel::Refusal => write!(out, "X:{text} "),
            },
            StreamEvent::Stop(stop) => write!(out, " {:?}", stop.class),
            StreamEvent::Terminal | StreamEvent::TerminalByEnd => write!(out, " $"),
            StreamEvent::Error(error) => write!(out, " !{}", error.class),
            StreamEvent::Garbled { .. } => write!(out, " garbled"),
            StreamEvent::Note(note) => write!(out, " {note:?}"),
            StreamEvent::Meta { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::KeepAlive
            | StreamEvent::Fingerprint(_) => Ok(()),
        };
    }
    out
}

/// A stream of these payloads in the protocol's framing; a payload of Bedrock's is `kind {..}`.
fn stream(protocol: Protocol, payloads: &[&str]) -> Vec<u8> {
    payloads
        .iter()
        .flat_map(|payload| match protocol {
            Protocol::Ollama => format!("{payload}\n").into_bytes(),
            Protocol::Bedrock => {
                let (kind, payload) = payload.split_once(' ').unwrap();
                binary(kind, payload)
            }
            _ => format!("event: e\ndata: {payload}\n\n").into_bytes(),
        })
        .collect()
}

#[test]
fn calls_are_told_in_one_form_whatever_the_protocol() {
    use Protocol::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};
    let two = "[f]{\"a\":1}[g]{\"b\":2} Tool $";
    let rows: [(Protocol, &[&str], &str); 14] = [
        (
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{\"a\""}}]}}]}"#,
                r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"y","function":{"name":"g","arguments":"{\"b\":"}},{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
                r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"2}"}}]},"finish_reason":"tool_calls"}]}"#,
                "[DONE]",
            ],
            two,
        ),
        // Arguments as objects, calls without numbers.
        (
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"tool_calls":[{"id":"x","function":{"name":"f","arguments":{"a":1}}},{"id":"y","function":{"name":"g","arguments":{"b":2}}}]}}]}"#,
                r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
                "[DONE]",
            ],
            two,
        ),
        (
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"function_call":{"name":"f","arguments":"{\"a\""}}}]}"#,
                r#"{"choices":[{"delta":{"function_call":{"arguments":":1}"}},"finish_reason":"function_call"}]}"#,
                "[DONE]",
            ],
            "[f]{\"a\":1} Tool $",
        ),
        // The stream is cut while the second call waits.
        (
            OpenaiChat,
            &[
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}},{"index":1,"function":{"name":"g","arguments":"{\"b\":2}"}}]}}]}"#,
            ],
            "[f]{[g]{\"b\":2}",
        ),
        (
            Anthropic,
            &[
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}"#,
                r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"u","name":"g","input":{"b":2}}}"#,
                r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
                r#"{"type":"content_block_stop","index":1}"#,
                r#"{"type":"content_block_stop","index":2}"#,
                r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#,
                r#"{"type":"message_stop"}"#,
            ],
            two,
        ),
        (
            Anthropic,
            &[
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"none","input":{}}}"#,
                r#"{"type":"content_block_stop","index":0}"#,
            ],
            "[none]{}",
        ),
        (
            OpenaiResponses,
            &[
                r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","name":"f","arguments":""}}"#,
                r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"custom_tool_call","name":"g","input":""}}"#,
                r#"{"type":"response.custom_tool_call_input.delta","output_index":1,"delta":"{\"b\":2}"}"#,
                r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":"}"#,
                r#"{"type":"response.function_call_arguments.delta","output_index":0,"delta":"1}"}"#,
                r#"{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"}"#,
                r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","name":"f","arguments":"{\"a\":1}"}}"#,
                r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"custom_tool_call","name":"g","input":"{\"b\":2}"}}"#,
                r#"{"type":"response.completed","response":{"status":"completed"}}"#,
            ],
            two,
        ),
        // A gateway that streams no arguments, and a tool that the server runs itself.
        (
            OpenaiResponses,
            &[
                r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"web_search_call"}}"#,
                r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"web_search_call"}}"#,
                r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","name":"f"}}"#,
                r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","name":"f","arguments":"{\"a\":1}"}}"#,
                r#"{"type":"response.completed","response":{"status":"completed"}}"#,
            ],
            "[web_search_call][f]{\"a\":1} Tool $",
        ),
        (
            Gemini,
            &[
                r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g","args":{"b":2}}}]}}]}"#,
                r#"{"candidates":[{"finishReason":"STOP"}]}"#,
            ],
            two,
        ),
        (
            Ollama,
            &[
                r#"{"message":{"tool_calls":[{"function":{"index":0,"name":"f","arguments":{"a":1}}}]},"done":false}"#,
                r#"{"message":{"tool_calls":[{"function":{"name":"g","arguments":{"b":2}}}]},"done":false}"#,
                r#"{"message":{"content":""},"done":true,"done_reason":"stop"}"#,
            ],
            two,
        ),
        (
            Bedrock,
            &[
                r#"contentBlockStart {"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}"#,
                r#"contentBlockStart {"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"u","name":"g"}}}"#,
                r#"contentBlockDelta {"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"b\":2}"}},"p":"abc"}"#,
                r#"contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"a\":"}},"p":"ab"}"#,
                r#"contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"1}"}}}"#,
                r#"contentBlockStop {"contentBlockIndex":0}"#,
                r#"messageStop {"stopReason":"tool_use"}"#,
            ],
            two,
        ),
        (
            Cohere,
            &[
                r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"x","type":"function","function":{"name":"f","arguments":""}}}}}"#,
                r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\""}}}}}"#,
                r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":":1}"}}}}}"#,
                r#"{"type":"tool-call-end","index":0}"#,
                r#"{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"y","function":{"name":"g","arguments":"{\"b\":2}"}}}}}"#,
                r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}"#,
            ],
            two,
        ),
        (
            Cohere,
            &[
                r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will"}}}"#,
                r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"x","function":{"name":"f"}}}}}"#,
            ],
            "R:I will [f]",
        ),
        (
            Bedrock,
            &[
                r#"contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#,
                r#"contentBlockDelta {"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"s"}}}"#,
                r#"contentBlockDelta {"contentBlockIndex":1,"delta":{"text":"v"}}"#,
                r#"contentBlockDelta {"contentBlockIndex":1,"delta":{"citation":{"title":"t"}}}"#,
                r"messageStop {}",
            ],
            "R:hm T:v  Unknown $",
        ),
    ];
    for (protocol, payloads, expected) in rows {
        let body = stream(protocol, payloads);
        let whole = feed(protocol, Limits::default(), &[&body]);
        assert_eq!(told(&whole), expected, "{protocol} {payloads:?}");
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(
            feed(protocol, Limits::default(), &bytes),
            whole,
            "{protocol} {payloads:?}"
        );
    }
}

#[test]
fn whole_bodies_of_all_protocols_are_judged_like_streams() {
    use Protocol::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};
    let rows = [
        (
            OpenaiChat,
            r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"x","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"y","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
            "[f]{\"a\":1}[g]{} Tool $",
        ),
        // DeepSeek keeps a waiting connection alive with empty lines.
        (
            OpenaiChat,
            "\n\n\r\n\n{\"choices\":[{\"message\":{\"reasoning_content\":\"r\",\"content\":\"a\"},\"finish_reason\":\"stop\"}]}",
            "R:r T:a  Complete $",
        ),
        (
            Anthropic,
            r#"{"type":"message","content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}},{"type":"tool_use","name":"g","input":{}}],"stop_reason":"tool_use"}"#,
            "T:a [f]{\"a\":1}[g]{} Tool $",
        ),
        (
            OpenaiResponses,
            r#"{"object":"response","status":"completed","output":[{"type":"reasoning","content":[{"type":"reasoning_text","text":"r"}]},{"type":"function_call","name":"f","arguments":"{\"a\":1}"},{"type":"function_call","name":"g","arguments":"{}"}]}"#,
            "R:r [f]{\"a\":1}[g]{} Tool $",
        ),
        (
            Gemini,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"name":"f","args":{"a":[1,"]"]}}}]},"finishReason":"STOP"}]}"#,
            "T:a [f]{\"a\":[1,\"]\"]} Tool $",
        ),
        (
            Ollama,
            r#"{"model":"m","message":{"thinking":"r","content":"a"},"done":true,"done_reason":"stop","eval_count":1}"#,
            "R:r T:a  Complete $",
        ),
        (
            Ollama,
            r#"{"model":"m","response":"a","done":true,"done_reason":"length"}"#,
            "T:a  Limit $",
        ),
        (
            Ollama,
            r#"{"model":"m","message":{},"done":true,"done_reason":"load"}"#,
            " Unknown $",
        ),
        (Ollama, r#"{"model":"m","done":false}"#, ""),
        (Ollama, r#"{"model":"m"}"#, " !protocol"),
        (Ollama, r#"{"error":"model 'x' not found"}"#, " !server_error"),
        // A stream that calls itself JSON.
        (
            Ollama,
            "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"done\":true,\"done_reason\":\"stop\"}\n",
            "T:a  Complete $",
        ),
        (
            Bedrock,
            r#"{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"r","signature":"s"}}},{"text":"a"},{"toolUse":{"toolUseId":"t","name":"f","input":{"a":1}}}]}},"stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":2}}"#,
            "R:r T:a [f]{\"a\":1} Tool $",
        ),
        (
            Bedrock,
            r#"{"type":"message","content":[{"type":"text","text":"a"}],"stop_reason":"end_turn"}"#,
            "T:a  Complete $",
        ),
        (
            Bedrock,
            r#"{"message":"The model is overloaded"}"#,
            " !overloaded",
        ),
        (
            Bedrock,
            r#"{"Message":"m","__type":"ThrottlingException"}"#,
            " !rate_limit",
        ),
        (
            Cohere,
            r#"{"id":"i","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"thinking","thinking":"r"},{"type":"text","text":"a"}]},"usage":{"tokens":{"input_tokens":5.0,"output_tokens":2.0}}}"#,
            "R:r T:a  Complete $",
        ),
        (
            Cohere,
            r#"{"id":"i","finish_reason":"TOOL_CALL","message":{"tool_plan":"p","tool_calls":[{"id":"x","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"y","function":{"name":"g","arguments":"{}"}}]}}"#,
            "R:p [f]{\"a\":1}[g]{} Tool $",
        ),
        (
            Cohere,
            r#"{"id":"i","message":"internal server error"}"#,
            " !server_error",
        ),
        (
            Gemini,
            r#"[{"error":{"code":404,"status":"NOT_FOUND"}}]"#,
            " !model_not_found",
        ),
        (
            Anthropic,
            r#"[{"error":{"code":401,"status":"UNAUTHENTICATED"}}]"#,
            " !auth",
        ),
    ];
    for (protocol, body, expected) in rows {
        assert_eq!(
            told(&decode_body(protocol, body.as_bytes())),
            expected,
            "{protocol} {body}"
        );
    }
}

#[test]
fn errors_inside_a_stream_of_any_framing_are_found() {
    use Protocol::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat};
    let rows = [
        (
            Ollama,
            "{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"error\":\"model runner has unexpectedly stopped\"}\n",
            "T:a  !server_error",
        ),
        (
            Ollama,
            "{\"error\":\"server busy, please try again\"}",
            " !overloaded ResidueAccepted",
        ),
        (Ollama, "{\"done\":fal", " Residue"),
        (Ollama, "{\"done\":fal\n", " garbled"),
        (Ollama, "<html>\n", " !protocol"),
        (Ollama, "5\n", " UnknownEvent"),
        (Bedrock, "{\"message\":\"m\"}", " !server_error"),
        (Bedrock, "<html>", " !protocol"),
        (Bedrock, "{\"message\":", " Residue"),
        (Bedrock, "data: {}\n\ndata: {}\n\n", " !protocol"),
        (
            Cohere,
            "data: {\"message\":\"rate limit reached\"}\n\n",
            " !rate_limit",
        ),
        (
            Cohere,
            "event: message-end\ndata: {\"delta\":{\"finish_reason\":\"TIMEOUT\",\"error\":\"m\"}}\n\n",
            " Error(Timeout) !timeout $",
        ),
        (
            Cohere,
            "event: message-end\ndata: {\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"the model is overloaded\"}}\n\n",
            " Error(ServerError) !overloaded $",
        ),
        (
            Cohere,
            "event: message-end\ndata: {\"type\":\"message-end\"}\n\ndata: [DONE]\n\n",
            " $",
        ),
        (
            Gemini,
            "data: [{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}]\n\n",
            " !overloaded",
        ),
        (
            Anthropic,
            "event: error\ndata: {\"error\":{\"code\":429,\"status\":\"RESOURCE_EXHAUSTED\"}}\n\n",
            " !rate_limit",
        ),
        (OpenaiChat, "data: [{\"a\":1}]\n\n", " UnknownEvent"),
    ];
    for (protocol, body, expected) in rows {
        assert_eq!(told(&events(protocol, body)), expected, "{protocol} {body}");
    }
}

#[test]
fn chunks_of_an_invoked_model_are_read_as_its_own_events() {
    let chunk = |event: &str| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        binary(
            "chunk",
            &format!("{{\"bytes\":\"{}\",\"p\":\"ab\"}}", STANDARD.encode(event)),
        )
    };
    let body = [
        chunk(r#"{"type":"message_start","message":{"model":"m","usage":{"input_tokens":1,"output_tokens":1}}}"#),
        chunk(r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#),
        chunk(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#),
        chunk(r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}"#),
    ]
    .concat();
    assert_eq!(
        told(&feed(Protocol::Bedrock, Limits::default(), &[&body])),
        "T:a  Complete $"
    );
    for (payload, expected) in [
        ("{\"bytes\":\"!\"}", " garbled"),
        ("{\"bytes\":\"/w==\"}", " garbled"),
        ("{\"bytes\":\"eyI=\"}", " garbled"),
        ("{}", " garbled"),
    ] {
        let body = binary("chunk", payload);
        assert_eq!(
            told(&feed(Protocol::Bedrock, Limits::default(), &[&body])),
            expected,
            "{payload}"
        );
    }
}

#[test]
fn counts_are_read_in_each_protocols_words() {
    let rows = [
        (
            Protocol::Cohere,
            stream(
                Protocol::Cohere,
                &[
                    r#"{"type":"message-end","delta":{"usage":{"billed_units":{"input_tokens":3,"output_tokens":4.0}}}}"#,
                ],
            ),
            (Some(3), Some(4)),
        ),
        (
            Protocol::Cohere,
            stream(
                Protocol::Cohere,
                &[
                    r#"{"type":"message-end","delta":{"usage":{"billed_units":{"input_tokens":3},"tokens":{"input_tokens":520.0,"output_tokens":16.0}}}}"#,
                ],
            ),
            (Some(520), Some(16)),
        ),
        (
            Protocol::Bedrock,
            stream(
                Protocol::Bedrock,
                &[
                    r#"metadata {"usage":{"inputTokens":5,"cacheReadInputTokens":7,"cacheWriteInputTokens":1,"outputTokens":9,"totalTokens":22}}"#,
                ],
            ),
            (Some(13), Some(9)),
        ),
        // The whole prompt was in the cache.
        (
            Protocol::Ollama,
            stream(
                Protocol::Ollama,
                &[r#"{"done":true,"done_reason":"stop","eval_count":9}"#],
            ),
            (None, Some(9)),
        ),
    ];
    for (protocol, body, expected) in rows {
        let got = feed(protocol, Limits::default(), &[&body]);
        let usage = got.iter().find_map(|event| match event {
            StreamEvent::Usage(usage) if !usage.provisional => Some((usage.input, usage.output)),
            _ => None,
        });
        assert_eq!(usage, Some(expected), "{protocol}: {got:?}");
    }
}

#[test]
fn a_wrong_checksum_ends_the_reading() {
    let mut body = binary("contentBlockDelta", "{\"delta\":{\"text\":\"a\"}}");
    let good = body.clone();
    body.extend(&good);
    let last = body.len() - 10;
    body[last] ^= 1;
    body.extend(binary("messageStop", "{\"stopReason\":\"end_turn\"}"));
    let mut decoder = Decoder::new(Protocol::Bedrock, Limits::default());
    let mut out = Vec::new();
    decoder.push(&body, &mut out);
    decoder.finish(&mut out);
    assert!(decoder.is_capped());
    assert_eq!(told(&out), "T:a  !protocol");
    assert!(is_protocol_error(out.last().unwrap()));
    assert!(
        !out.iter()
            .any(|event| matches!(event, StreamEvent::Stop(stop) if stop.class == StopClass::Complete))
    );
}
