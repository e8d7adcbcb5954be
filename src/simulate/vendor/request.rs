//! Generation requests, read from each protocol's shape.

use serde_json::Value;

use crate::{protocol::Protocol, simulate::endpoint::Place};

/// A generation request, protocol apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Model as asked for, fault suffix included.
    pub(crate) model: String,
    /// Text of the last user message.
    pub(crate) prompt: String,
    /// Names of the tools that may be called.
    pub(crate) tools: Vec<String>,
    /// Whether a stream is asked for.
    pub(crate) stream: bool,
    /// Token limit.
    pub(crate) max_tokens: Option<u64>,
    /// Whether the stream carries token counts (Chat Completions alone ask).
    pub(crate) include_usage: bool,
    /// Whether chunks carry random padding (OpenAI alone).
    pub(crate) obfuscation: bool,
}

/// What a protocol's request keeps elsewhere than the others.
struct Shape {
    /// Said when the model is missing.
    no_model: &'static str,
    /// The prompt, and what is said when it is missing.
    prompt: (Option<String>, &'static str),
    /// Where the token limit may be; the first one found counts.
    limits: &'static [&'static str],
    /// Whether a request that doesn't say wants a stream.
    streams: bool,
}

fn shape(protocol: Protocol, json: &Value) -> Shape {
    let messages = || last_user(json.get("messages"), "content");
    match protocol {
        Protocol::Anthropic => Shape {
            no_model: "model: Field required",
            prompt: (messages(), "messages: Field required"),
            limits: &["/max_tokens"],
            streams: false,
        },
        Protocol::OpenaiChat => Shape {
            no_model: "you must provide a model parameter",
            prompt: (messages(), "Missing required parameter: 'messages'."),
            limits: &["/max_completion_tokens", "/max_tokens"],
            streams: false,
        },
        Protocol::OpenaiResponses => Shape {
            no_model: "Missing required parameter: 'model'.",
            prompt: (
                match json.get("input") {
                    Some(Value::String(text)) => Some(text.clone()),
                    input => last_user(input, "content"),
                },
                "Missing required parameter: 'input'.",
            ),
            limits: &["/max_output_tokens"],
            streams: false,
        },
        Protocol::Gemini => Shape {
            no_model: "model is not specified",
            prompt: (
                last_user(json.get("contents"), "parts"),
                "contents is not specified",
            ),
            limits: &["/generationConfig/maxOutputTokens"],
            streams: false,
        },
        Protocol::Ollama => Shape {
            no_model: "model is required",
            prompt: (messages(), "messages is required"),
            limits: &["/options/num_predict"],
            streams: true,
        },
        Protocol::Bedrock => Shape {
            no_model: "The provided model identifier is invalid.",
            prompt: (
                messages(),
                "1 validation error detected: Value at 'messages' failed to satisfy constraint: Member must not be null",
            ),
            limits: &["/inferenceConfig/maxTokens"],
            streams: false,
        },
        Protocol::Cohere => Shape {
            no_model: "invalid request: model is required",
            prompt: (messages(), "invalid request: messages is required"),
            limits: &["/max_tokens"],
            streams: false,
        },
    }
}

/// Reads a generation request. The error is what the vendor would say.
pub(crate) fn parse(protocol: Protocol, body: &[u8], place: &Place) -> Result<Ask, String> {
    let json: Value =
        serde_json::from_slice(body).map_err(|error| format!("the body is not valid JSON: {error}"))?;
    let shape = shape(protocol, &json);
    let limit = shape
        .limits
        .iter()
        .find_map(|place| json.pointer(place).and_then(Value::as_u64));
    if protocol == Protocol::Anthropic && limit.is_none() {
        return Err("max_tokens: Field required".to_owned());
    }
    let options = json.get("stream_options").unwrap_or(&Value::Null);
    let model = place.model.clone().or_else(|| text_member(&json, "model"));
    Ok(Ask {
        model: model.ok_or(shape.no_model)?,
        prompt: shape.prompt.0.ok_or(shape.prompt.1)?,
        tools: tool_names(&json),
        stream: place
            .stream
            .unwrap_or_else(|| flag(&json, "stream").unwrap_or(shape.streams)),
        max_tokens: limit,
        include_usage: flag(options, "include_usage").unwrap_or(false),
        obfuscation: flag(options, "include_obfuscation").unwrap_or(true),
    })
}

/// Text of a message's `content`: a string, or a list of parts with `text`.
fn content_text(content: Option<&Value>) -> String {
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text").and_then(Value::as_str))
            .collect(),
        _ => String::new(),
    }
}

/// Text of the last user message of a list, whose content is under `member`.
fn last_user(messages: Option<&Value>, member: &str) -> Option<String> {
    messages?
        .as_array()?
        .iter()
        .rev()
        .find(|message| message.get("role").is_none_or(|role| role == "user"))
        .map(|message| content_text(message.get(member)))
}

/// Names of the request's tools, wherever the protocol keeps them.
fn tool_names(json: &Value) -> Vec<String> {
    let tools = json.get("tools").or_else(|| json.pointer("/toolConfig/tools"));
    let named = |tool: &Value| {
        ["/name", "/function/name", "/toolSpec/name"]
            .iter()
            .find_map(|place| tool.pointer(place))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    tools
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .flat_map(|tool| match tool.get("functionDeclarations") {
            Some(Value::Array(declared)) => declared.iter().filter_map(named).collect(),
            _ => named(tool).into_iter().collect::<Vec<_>>(),
        })
        .collect()
}

fn text_member(json: &Value, name: &str) -> Option<String> {
    json.get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn flag(json: &Value, name: &str) -> Option<bool> {
    json.get(name).and_then(Value::as_bool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_found_in_every_shape() {
        for (protocol, body) in [
            (
                Protocol::Anthropic,
                r#"{"model":"m","max_tokens":9,"tools":[{"name":"t"}],"messages":[{"role":"user","content":"p"}]}"#,
            ),
            (
                Protocol::OpenaiChat,
                r#"{"model":"m","max_tokens":9,"tools":[{"type":"function","function":{"name":"t"}}],"messages":[{"role":"user","content":"p"}]}"#,
            ),
            (
                Protocol::OpenaiResponses,
                r#"{"model":"m","max_output_tokens":9,"tools":[{"type":"function","name":"t"}],"input":"p"}"#,
            ),
            (
                Protocol::Gemini,
                r#"{"generationConfig":{"maxOutputTokens":9},"tools":[{"functionDeclarations":[{"name":"t"}]}],"contents":[{"parts":[{"text":"p"}]}]}"#,
            ),
            (
                Protocol::Ollama,
                r#"{"model":"m","options":{"num_predict":9},"tools":[{"function":{"name":"t"}}],"messages":[{"role":"user","content":"p"}]}"#,
            ),
            (
                Protocol::Bedrock,
                r#"{"inferenceConfig":{"maxTokens":9},"toolConfig":{"tools":[{"toolSpec":{"name":"t"}}]},"messages":[{"role":"user","content":[{"text":"p"}]}]}"#,
            ),
            (
                Protocol::Cohere,
                r#"{"model":"m","max_tokens":9,"tools":[{"type":"function","function":{"name":"t"}}],"messages":[{"role":"user","content":"p"}]}"#,
            ),
        ] {
            let place = Place {
                model: Some("m".to_owned()),
                stream: None,
            };
            let ask = parse(protocol, body.as_bytes(), &place).unwrap();
            assert_eq!(
                (ask.model.as_str(), ask.prompt.as_str()),
                ("m", "p"),
                "{protocol}"
            );
            assert_eq!(
                (ask.tools, ask.max_tokens),
                (vec!["t".to_owned()], Some(9)),
                "{protocol}"
            );
            assert_eq!(ask.stream, protocol == Protocol::Ollama, "{protocol}");
        }
    }
}
