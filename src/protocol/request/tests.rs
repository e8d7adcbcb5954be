use serde_json::from_slice;

use super::*;

fn built(protocol: Protocol, base_url: &str, field: Option<&str>, params: Value) -> (String, Value) {
    let Value::Object(params) = params else {
        panic!("params are an object")
    };
    let request = build(&RequestSpec {
        protocol,
        base_url,
        model: "m/1",
        prompt: "p",
        max_tokens: 64,
        max_tokens_field: field,
        params: &params,
    });
    assert_eq!(request.method, "POST");
    (request.url, from_slice(&request.body).unwrap())
}

#[test]
fn each_protocol_has_its_url_and_body() {
    use Protocol::{Anthropic, Gemini, OpenaiChat, OpenaiResponses};
    let messages = json!([{"role": "user", "content": "p"}]);
    let anthropic = json!({"model": "m/1", "max_tokens": 64, "stream": true, "messages": messages});
    let rows = [
        (Anthropic, "https://h", "https://h/v1/messages", anthropic.clone()),
        (Anthropic, "https://h/v1/", "https://h/v1/messages", anthropic),
        (
            OpenaiChat,
            "https://h/v1",
            "https://h/v1/chat/completions",
            json!({"model": "m/1", "messages": messages, "stream": true, "max_completion_tokens": 64,
                   "stream_options": {"include_usage": true}}),
        ),
        (
            OpenaiResponses,
            "https://h/v1",
            "https://h/v1/responses",
            json!({"model": "m/1", "input": "p", "stream": true, "store": false, "max_output_tokens": 64}),
        ),
        (
            Gemini,
            "https://h",
            "https://h/v1beta/models/m/1:streamGenerateContent?alt=sse",
            json!({"contents": [{"role": "user", "parts": [{"text": "p"}]}],
                   "generationConfig": {"maxOutputTokens": 64}}),
        ),
    ];
    for (protocol, base, url, body) in rows {
        assert_eq!(built(protocol, base, None, json!({})), (url.to_owned(), body));
    }
}

#[test]
fn params_are_a_merge_patch() {
    let params =
        json!({"stream_options": {"include_obfuscation": false}, "reasoning_effort": "low", "stream": null});
    let (_, body) = built(Protocol::OpenaiChat, "https://h", Some("max_tokens"), params);
    assert_eq!(
        body,
        json!({"model": "m/1", "messages": [{"role": "user", "content": "p"}], "max_tokens": 64,
               "stream_options": {"include_usage": true, "include_obfuscation": false}, "reasoning_effort": "low"})
    );
    let (_, body) = built(
        Protocol::OpenaiChat,
        "https://h",
        None,
        json!({"stream_options": null}),
    );
    assert_eq!(body.get("stream_options"), None);
}

#[test]
fn anthropic_names_its_version_and_all_ask_for_plain_bytes() {
    for protocol in Protocol::ALL {
        let spec = RequestSpec {
            protocol,
            base_url: "https://h",
            model: "m?#",
            prompt: "p",
            max_tokens: 1,
            max_tokens_field: None,
            params: &Map::new(),
        };
        let request = build(&spec);
        let has = |name: &str| request.headers.iter().any(|(n, _)| *n == name);
        assert!(has("content-type") && has("accept") && has("accept-encoding"));
        assert_eq!(has("anthropic-version"), protocol == Protocol::Anthropic);
        assert_eq!(request.url.contains("m%3F%23"), protocol == Protocol::Gemini);
    }
}
