//! What a provider's stop reason means. The provider's own string is kept beside our class everywhere.

use super::{ErrorClass, Protocol, StopClass};

/// The class of a stop reason in that protocol. Sources: the vendors' API references and SDK types of November 2026.
pub fn class(protocol: Protocol, raw: &str) -> StopClass {
    match protocol {
        Protocol::Anthropic => anthropic(raw),
        Protocol::OpenaiChat | Protocol::Ollama | Protocol::Bedrock | Protocol::Cohere => openai_chat(raw),
        Protocol::OpenaiResponses => openai_responses(raw),
        Protocol::Gemini => gemini(raw),
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

fn openai_chat(raw: &str) -> StopClass {
    match raw {
        "stop" | "eos" => StopClass::Complete,
        "length" | "model_length" => StopClass::Limit,
        "content_filter" => StopClass::Refused,
        "tool_calls" | "function_call" => StopClass::Tool,
        "error" | "abort" => StopClass::Error(ErrorClass::ServerError),
        "insufficient_system_resource" => StopClass::Error(ErrorClass::Overloaded),
        _ => StopClass::Unknown,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_tables_has_its_class() {
        use Protocol::{Anthropic, Gemini, OpenaiChat, OpenaiResponses};
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
        ];
        for (protocol, raw, expected) in rows {
            assert_eq!(class(protocol, raw), expected, "{protocol} {raw}");
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
