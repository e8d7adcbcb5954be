//! What a request says.

use serde_json::{Map, Value, json};

use super::{Endpoint, RequestSpec, ToolSpec, VERTEX_ANTHROPIC_VERSION};
use crate::protocol::{Dialect, Protocol, UsageAt};

/// The body before the operator's own members.
pub(super) fn build(spec: &RequestSpec<'_>) -> Map<String, Value> {
    let mut body = match spec.protocol {
        Protocol::Anthropic => anthropic(spec),
        Protocol::OpenaiChat => chat(spec),
        Protocol::OpenaiResponses => responses(spec),
        Protocol::Gemini => gemini(spec),
        Protocol::Ollama => ollama(spec),
        Protocol::Bedrock => bedrock(spec),
        Protocol::Cohere => cohere(spec),
    };
    if let Some(tool) = spec.tool {
        body.extend(offer(spec.protocol, tool));
    }
    body
}

fn anthropic(spec: &RequestSpec<'_>) -> Map<String, Value> {
    let mut body = object([("stream", true.into()), ("messages", messages(spec))]);
    body.extend([limit(spec, "max_tokens")]);
    if spec.endpoint == Endpoint::VertexClaude {
        body.extend(object([("anthropic_version", VERTEX_ANTHROPIC_VERSION.into())]));
    } else {
        body.extend(object([("model", spec.model.into())]));
    }
    body
}

fn chat(spec: &RequestSpec<'_>) -> Map<String, Value> {
    let mut body = object([
        ("model", spec.model.into()),
        ("messages", messages(spec)),
        ("stream", true.into()),
    ]);
    if asks_for_usage(spec.dialect) {
        body.extend(object([("stream_options", json!({"include_usage": true}))]));
    }
    body.extend([limit(spec, "max_completion_tokens")]);
    body
}

/// Those who count without being asked may refuse the question.
fn asks_for_usage(dialect: Option<&Dialect>) -> bool {
    dialect.is_none_or(|dialect| match dialect.usage {
        UsageAt::Asked => true,
        UsageAt::Finish | UsageAt::FinishGroq | UsageAt::Last => false,
    })
}

fn responses(spec: &RequestSpec<'_>) -> Map<String, Value> {
    let mut body = object([
        ("model", spec.model.into()),
        ("input", spec.prompt.into()),
        ("stream", true.into()),
        ("store", false.into()),
    ]);
    body.extend([limit(spec, "max_output_tokens")]);
    body
}

fn gemini(spec: &RequestSpec<'_>) -> Map<String, Value> {
    object([
        (
            "contents",
            json!([{"role": "user", "parts": [{"text": spec.prompt}]}]),
        ),
        ("generationConfig", limits(spec, "maxOutputTokens")),
    ])
}

fn ollama(spec: &RequestSpec<'_>) -> Map<String, Value> {
    object([
        ("model", spec.model.into()),
        ("messages", messages(spec)),
        ("stream", true.into()),
        ("options", limits(spec, "num_predict")),
    ])
}

fn bedrock(spec: &RequestSpec<'_>) -> Map<String, Value> {
    object([
        (
            "messages",
            json!([{"role": "user", "content": [{"text": spec.prompt}]}]),
        ),
        ("inferenceConfig", limits(spec, "maxTokens")),
    ])
}

fn cohere(spec: &RequestSpec<'_>) -> Map<String, Value> {
    let mut body = object([
        ("model", spec.model.into()),
        ("messages", messages(spec)),
        ("stream", true.into()),
    ]);
    body.extend([limit(spec, "max_tokens")]);
    body
}

/// The members that offer a tool and, where the protocol has words for it, make the model call it.
fn offer(protocol: Protocol, tool: &ToolSpec) -> Map<String, Value> {
    let ToolSpec {
        name,
        description,
        parameters,
    } = tool;
    let function = json!({"name": name, "description": description, "parameters": parameters});
    let offered = json!([{"type": "function", "function": function}]);
    match protocol {
        Protocol::Anthropic => object([
            (
                "tools",
                json!([{"name": name, "description": description, "input_schema": parameters}]),
            ),
            ("tool_choice", json!({"type": "tool", "name": name})),
        ]),
        Protocol::OpenaiChat => object([
            ("tools", offered),
            (
                "tool_choice",
                json!({"type": "function", "function": {"name": name}}),
            ),
        ]),
        Protocol::OpenaiResponses => object([
            (
                "tools",
                json!([{"type": "function", "name": name, "description": description, "parameters": parameters}]),
            ),
            ("tool_choice", json!({"type": "function", "name": name})),
        ]),
        Protocol::Gemini => object([
            ("tools", json!([{"functionDeclarations": [function]}])),
            (
                "toolConfig",
                json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}}),
            ),
        ]),
        // Ollama has no word for a forced call.
        Protocol::Ollama => object([("tools", offered)]),
        Protocol::Bedrock => {
            let tools = json!([{"toolSpec": {
                "name": name, "description": description, "inputSchema": {"json": parameters},
            }}]);
            object([(
                "toolConfig",
                json!({"tools": tools, "toolChoice": {"tool": {"name": name}}}),
            )])
        }
        Protocol::Cohere => object([("tools", offered), ("tool_choice", "REQUIRED".into())]),
    }
}

fn messages(spec: &RequestSpec<'_>) -> Value {
    json!([{"role": "user", "content": spec.prompt}])
}

/// The token limit by the protocol's own name, or the one that the model insists on.
fn limit(spec: &RequestSpec<'_>, own: &str) -> (String, Value) {
    let name = spec.max_tokens_field.unwrap_or(own);
    (name.to_owned(), spec.max_tokens.into())
}

/// An object of settings that holds the token limit.
fn limits(spec: &RequestSpec<'_>, own: &str) -> Value {
    Value::Object(Map::from_iter([limit(spec, own)]))
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
