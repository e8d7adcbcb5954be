//! What a provider's stop reason means. The provider's own string is kept beside our class everywhere.

use super::{DIALECTS, ErrorClass, Protocol, StopClass};

/// The class of a stop reason in that protocol. Sources: the vendors' API references and SDK types of November 2026.
pub fn class(protocol: Protocol, raw: &str) -> StopClass {
    match protocol {
        Protocol::Anthropic => anthropic(raw),
        Protocol::OpenaiChat => openai_chat(raw),
        Protocol::OpenaiResponses => openai_responses(raw),
        Protocol::Gemini => gemini(raw),
        Protocol::Ollama => ollama(raw),
        Protocol::Bedrock => bedrock(raw),
        Protocol::Cohere => cohere(raw),
    }
}

/// What a native reason behind a gateway's `stop` hides, if it is one that we know to be no natural end. `None` for
/// natural ends and for words that we don't know: a gateway passes on many spellings of a plain stop.
pub fn abnormal(native: &str) -> Option<StopClass> {
    let (lower, upper) = (native.to_ascii_lowercase(), native.to_ascii_uppercase());
    if matches!(upper.as_str(), "OTHER" | "FINISH_REASON_UNSPECIFIED") {
        return Some(StopClass::Unknown);
    }
    [
        anthropic(&lower),
        openai_chat(&lower),
        openai_responses(&lower),
        gemini(&upper),
        bedrock(&lower),
        cohere(&upper),
    ]
    .into_iter()
    .find(|class| *class != StopClass::Unknown)
    .filter(|class| *class != StopClass::Complete)
}

fn anthropic(raw: &str) -> StopClass {
    match raw {
        "end_turn" | "stop_sequence" => StopClass::Complete,
        "max_tokens" | "model_context_window_exceeded" => StopClass::Limit,
        "refusal" => StopClass::Refused,
        "tool_use" => StopClass::Tool,
        "pause_turn" | "compaction" => StopClass::Paused,
        _ => StopClass::Unknown,
    }
}

/// The protocol's own reasons, then those of its dialects, whoever speaks: gateways pass on each other's words.
fn openai_chat(raw: &str) -> StopClass {
    match raw {
        "stop" => StopClass::Complete,
        "length" => StopClass::Limit,
        "content_filter" => StopClass::Refused,
        "tool_calls" | "function_call" => StopClass::Tool,
        _ => DIALECTS
            .iter()
            .flat_map(|dialect| dialect.stops)
            .find(|(reason, _)| *reason == raw)
            .map_or(StopClass::Unknown, |(_, class)| *class),
    }
}

/// A final status, or the reason of an incomplete one.
fn openai_responses(raw: &str) -> StopClass {
    match raw {
        "completed" => StopClass::Complete,
        "max_output_tokens" => StopClass::Limit,
        "content_filter" => StopClass::Refused,
        "failed" | "cancelled" => StopClass::Error(ErrorClass::ServerError),
        _ => StopClass::Unknown,
    }
}

fn gemini(raw: &str) -> StopClass {
    match raw {
        "STOP" => StopClass::Complete,
        "MAX_TOKENS" | "CONTINUATION" => StopClass::Limit,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "MODEL_ARMOR"
        | "ESCALATION"
        | "PUP_LIMITED_DISABLED"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => StopClass::Refused,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE" => StopClass::Tool,
        "MALFORMED_RESPONSE" | "NO_IMAGE" | "IMAGE_OTHER" => StopClass::Error(ErrorClass::ServerError),
        _ => StopClass::Unknown,
    }
}

/// `load` and `unload` answer a request that generates nothing: no end of a reply.
fn ollama(raw: &str) -> StopClass {
    match raw {
        "stop" => StopClass::Complete,
        "length" => StopClass::Limit,
        _ => StopClass::Unknown,
    }
}

fn bedrock(raw: &str) -> StopClass {
    match raw {
        "end_turn" | "stop_sequence" => StopClass::Complete,
        "max_tokens" | "model_context_window_exceeded" => StopClass::Limit,
        "guardrail_intervened" | "content_filtered" => StopClass::Refused,
        "tool_use" => StopClass::Tool,
        "malformed_model_output" | "malformed_tool_use" => StopClass::Error(ErrorClass::ServerError),
        _ => StopClass::Unknown,
    }
}

fn cohere(raw: &str) -> StopClass {
    match raw {
        "COMPLETE" | "STOP_SEQUENCE" => StopClass::Complete,
        "MAX_TOKENS" | "ERROR_LIMIT" => StopClass::Limit,
        "ERROR_TOXIC" => StopClass::Refused,
        "TOOL_CALL" => StopClass::Tool,
        "ERROR" => StopClass::Error(ErrorClass::ServerError),
        "TIMEOUT" => StopClass::Error(ErrorClass::Timeout),
        _ => StopClass::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_tables_has_its_class() {
        use Protocol::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};
        use StopClass::{Complete, Error, Limit, Paused, Refused, Tool, Unknown};
        let rows = [
            (Anthropic, "end_turn", Complete),
            (Anthropic, "stop_sequence", Complete),
            (Anthropic, "model_context_window_exceeded", Limit),
            (Anthropic, "refusal", Refused),
            (Anthropic, "tool_use", Tool),
            (Anthropic, "pause_turn", Paused),
            (Anthropic, "compaction", Paused),
            (Anthropic, "stop", Unknown),
            (OpenaiChat, "stop", Complete),
            (OpenaiChat, "eos", Complete),
            (OpenaiChat, "length", Limit),
            (OpenaiChat, "model_length", Limit),
            (OpenaiChat, "content_filter", Refused),
            (OpenaiChat, "function_call", Tool),
            (OpenaiChat, "abort", Error(ErrorClass::ServerError)),
            (
                OpenaiChat,
                "insufficient_system_resource",
                Error(ErrorClass::Overloaded),
            ),
            (OpenaiChat, "load", Unknown),
            (OpenaiChat, "repetition", Unknown),
            (OpenaiResponses, "completed", Complete),
            (OpenaiResponses, "max_output_tokens", Limit),
            (OpenaiResponses, "cancelled", Error(ErrorClass::ServerError)),
            (OpenaiResponses, "queued", Unknown),
            (Gemini, "STOP", Complete),
            (Gemini, "CONTINUATION", Limit),
            (Gemini, "MODEL_ARMOR", Refused),
            (Gemini, "MALFORMED_FUNCTION_CALL", Tool),
            (Gemini, "MALFORMED_RESPONSE", Error(ErrorClass::ServerError)),
            (Gemini, "OTHER", Unknown),
            (Gemini, "stop", Unknown),
            (Ollama, "stop", Complete),
            (Ollama, "length", Limit),
            (Ollama, "load", Unknown),
            (Ollama, "unload", Unknown),
            (Ollama, "", Unknown),
            (Bedrock, "end_turn", Complete),
            (Bedrock, "stop_sequence", Complete),
            (Bedrock, "max_tokens", Limit),
            (Bedrock, "model_context_window_exceeded", Limit),
            (Bedrock, "tool_use", Tool),
            (Bedrock, "guardrail_intervened", Refused),
            (Bedrock, "content_filtered", Refused),
            (Bedrock, "malformed_model_output", Error(ErrorClass::ServerError)),
            (Bedrock, "malformed_tool_use", Error(ErrorClass::ServerError)),
            (Bedrock, "COMPLETE", Unknown),
            (Cohere, "COMPLETE", Complete),
            (Cohere, "STOP_SEQUENCE", Complete),
            (Cohere, "MAX_TOKENS", Limit),
            (Cohere, "TOOL_CALL", Tool),
            (Cohere, "ERROR", Error(ErrorClass::ServerError)),
            (Cohere, "TIMEOUT", Error(ErrorClass::Timeout)),
            (Cohere, "ERROR_TOXIC", Refused),
            (Cohere, "ERROR_LIMIT", Limit),
            (Cohere, "complete", Unknown),
        ];
        for (protocol, raw, expected) in rows {
            assert_eq!(class(protocol, raw), expected, "{protocol} {raw}");
        }
    }

    #[test]
    fn dialects_agree_on_every_reason() {
        for dialect in &DIALECTS {
            for (reason, expected) in dialect.stops {
                assert_eq!(
                    class(Protocol::OpenaiChat, reason),
                    *expected,
                    "{} {reason}",
                    dialect.name
                );
            }
        }
    }

    #[test]
    fn a_native_reason_tells_what_a_stop_hides() {
        assert_eq!(abnormal("MAX_TOKENS"), Some(StopClass::Limit));
        assert_eq!(abnormal("max_tokens"), Some(StopClass::Limit));
        assert_eq!(abnormal("SAFETY"), Some(StopClass::Refused));
        assert_eq!(abnormal("refusal"), Some(StopClass::Refused));
        assert_eq!(abnormal("OTHER"), Some(StopClass::Unknown));
        assert_eq!(abnormal("STOP"), None);
        assert_eq!(abnormal("end_turn"), None);
        assert_eq!(abnormal("<|im_end|>"), None);
    }
}
