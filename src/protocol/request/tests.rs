use proptest::prelude::*;
use serde_json::{from_slice, json};

use super::*;

/// What most rows share: a Chat Completions request without extras.
fn spec(params: &Map<String, Value>) -> RequestSpec<'_> {
    RequestSpec {
        protocol: Protocol::OpenaiChat,
        dialect: None,
        endpoint: Endpoint::Native,
        base_url: "https://h",
        model: "m/1",
        prompt: "p",
        tool: None,
        max_tokens: 64,
        max_tokens_field: None,
        params,
    }
}

fn tool() -> ToolSpec {
    ToolSpec {
        name: "record".to_owned(),
        description: "Records the words.".to_owned(),
        parameters: json!({"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}),
    }
}

fn body(request: &HttpRequest) -> Value {
    from_slice(&request.body).unwrap()
}

fn shown(request: &HttpRequest) -> String {
    let lines = request.headers.iter();
    let lines: Vec<String> = lines.map(|(name, value)| format!("{name}: {value}")).collect();
    let headers = lines.join("\n");
    let body = serde_json::to_string_pretty(&body(request)).unwrap();
    format!("{} {}\n{headers}\n\n{body}\n", request.method, request.url)
}

#[test]
fn one_request_of_each_kind() {
    use Endpoint::{Native, VertexClaude, VertexGemini};
    use Protocol::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};
    const VERTEX: &str = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5";
    let rows = [
        (Anthropic, Native, "https://api.anthropic.com", "claude-haiku-4-5"),
        (OpenaiChat, Native, "https://api.openai.com/v1", "gpt-5-nano"),
        (OpenaiResponses, Native, "https://api.openai.com/v1", "gpt-5-nano"),
        (
            Gemini,
            Native,
            "https://generativelanguage.googleapis.com",
            "gemini-2.5-flash",
        ),
        (Ollama, Native, "http://127.0.0.1:11434", "llama3.2:1b"),
        (
            Bedrock,
            Native,
            "https://bedrock-runtime.us-east-1.amazonaws.com",
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        (Cohere, Native, "https://api.cohere.com", "command-r7b-12-2024"),
        (Gemini, VertexGemini, VERTEX, "gemini-2.5-flash"),
        (Anthropic, VertexClaude, VERTEX, "claude-haiku-4-5@20251001"),
        (
            OpenaiChat,
            Native,
            "https://r.openai.azure.com/openai/deployments/%7Bmodel%7D?api-version=2024-10-21",
            "my-deployment",
        ),
        (
            OpenaiChat,
            Native,
            "https://r.openai.azure.com/openai/v1",
            "my-deployment",
        ),
    ];
    let (none, tool) = (Map::new(), tool());
    let all: Vec<String> = rows
        .into_iter()
        .map(|(protocol, endpoint, base_url, model)| {
            shown(&build(&RequestSpec {
                protocol,
                endpoint,
                base_url,
                model,
                tool: Some(&tool),
                ..spec(&none)
            }))
        })
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn each_base_leads_to_its_url() {
    use Protocol::{Anthropic, Bedrock, Cohere, Gemini, Ollama, OpenaiChat, OpenaiResponses};
    let rows = [
        (Anthropic, "https://h", "https://h/v1/messages"),
        (Anthropic, "https://h/v1/", "https://h/v1/messages"),
        (
            Anthropic,
            "https://h/anthropic",
            "https://h/anthropic/v1/messages",
        ),
        (OpenaiChat, "https://h/v1", "https://h/v1/chat/completions"),
        (OpenaiChat, "https://h/?a=b&c", "https://h/chat/completions?a=b&c"),
        (
            OpenaiChat,
            "https://h/d/{model}?api-version=1",
            "https://h/d/m%2F1/chat/completions?api-version=1",
        ),
        (
            OpenaiChat,
            "https://h/d/%7bmodel%7d/",
            "https://h/d/m%2F1/chat/completions",
        ),
        (OpenaiResponses, "https://h/v1?", "https://h/v1/responses"),
        (
            Gemini,
            "https://h",
            "https://h/v1beta/models/m/1:streamGenerateContent?alt=sse",
        ),
        (
            Gemini,
            "https://h/v1/?alt=json&key=k",
            "https://h/v1/models/m/1:streamGenerateContent?alt=sse&key=k",
        ),
        (Ollama, "http://h:1/", "http://h:1/api/chat"),
        (Bedrock, "https://h", "https://h/model/m%2F1/converse-stream"),
        (Cohere, "https://h", "https://h/v2/chat"),
        (Cohere, "https://h/v2", "https://h/v2/chat"),
    ];
    let none = Map::new();
    for (protocol, base_url, url) in rows {
        let request = build(&RequestSpec {
            protocol,
            base_url,
            ..spec(&none)
        });
        assert_eq!(request.url, url, "{protocol} at {base_url}");
    }
}

#[test]
fn params_are_a_merge_patch() {
    let built = |field, params: Value| {
        let Value::Object(params) = params else {
            panic!("params are an object")
        };
        body(&build(&RequestSpec {
            max_tokens_field: field,
            ..spec(&params)
        }))
    };
    let params =
        json!({"stream_options": {"include_obfuscation": false}, "reasoning_effort": "low", "stream": null});
    assert_eq!(
        built(Some("max_tokens"), params),
        json!({"model": "m/1", "messages": [{"role": "user", "content": "p"}], "max_tokens": 64,
               "stream_options": {"include_usage": true, "include_obfuscation": false}, "reasoning_effort": "low"})
    );
    let without = built(None, json!({"stream_options": null}));
    assert_eq!(without.get("stream_options"), None);
}

#[test]
fn the_token_limit_goes_where_the_protocol_wants_it() {
    let rows = [
        (Protocol::Anthropic, "/max_tokens"),
        (Protocol::OpenaiChat, "/max_completion_tokens"),
        (Protocol::OpenaiResponses, "/max_output_tokens"),
        (Protocol::Gemini, "/generationConfig/maxOutputTokens"),
        (Protocol::Ollama, "/options/num_predict"),
        (Protocol::Bedrock, "/inferenceConfig/maxTokens"),
        (Protocol::Cohere, "/max_tokens"),
    ];
    let none = Map::new();
    for (protocol, place) in rows {
        let built = |max_tokens_field| {
            body(&build(&RequestSpec {
                protocol,
                max_tokens_field,
                ..spec(&none)
            }))
        };
        assert_eq!(built(None).pointer(place), Some(&json!(64)), "{protocol}");
        let (parent, _) = place.rsplit_once('/').unwrap();
        let other = built(Some("limit"));
        assert_eq!(
            other.pointer(&format!("{parent}/limit")),
            Some(&json!(64)),
            "{protocol}"
        );
        assert_eq!(other.pointer(place), None, "{protocol}");
    }
    assert_eq!(rows.len(), Protocol::ALL.len());
}

#[test]
fn usage_is_asked_for_only_where_it_does_not_come_by_itself() {
    let none = Map::new();
    let asks = |dialect| {
        let built = body(&build(&RequestSpec {
            dialect,
            ..spec(&none)
        }));
        built.get("stream_options").is_some()
    };
    assert!(asks(None));
    for name in ["vllm", "litellm", "azure-openai", "ollama-openai", "xai"] {
        assert!(asks(Dialect::find(name)), "{name}");
    }
    for name in ["mistral", "openrouter", "groq", "deepseek"] {
        assert!(!asks(Dialect::find(name)), "{name}");
    }
}

#[test]
fn a_tool_is_offered_only_when_asked_for() {
    let none = Map::new();
    for protocol in Protocol::ALL {
        let plain = body(&build(&RequestSpec {
            protocol,
            ..spec(&none)
        }));
        for member in ["tools", "tool_choice", "toolConfig"] {
            assert_eq!(plain.get(member), None, "{protocol}");
        }
    }
}

#[test]
fn all_ask_for_plain_bytes_of_their_kind_of_stream() {
    let none = Map::new();
    for protocol in Protocol::ALL {
        for endpoint in Endpoint::ALL {
            let request = build(&RequestSpec {
                protocol,
                endpoint,
                ..spec(&none)
            });
            let value = |name: &str| {
                let mut found = request.headers.iter().filter(|(n, _)| *n == name);
                found.next().map(|(_, value)| value.as_str())
            };
            assert_eq!(value("content-type"), Some("application/json"));
            assert_eq!(value("accept-encoding"), Some("identity"));
            let accept = match protocol {
                Protocol::Ollama => "application/x-ndjson",
                Protocol::Bedrock => "application/vnd.amazon.eventstream",
                _ => "text/event-stream",
            };
            assert_eq!(value("accept"), Some(accept));
            let named = protocol == Protocol::Anthropic && endpoint != Endpoint::VertexClaude;
            assert_eq!(value("anthropic-version").is_some(), named);
        }
    }
}

#[test]
fn an_endpoint_is_found_by_its_name() {
    for endpoint in Endpoint::ALL {
        assert_eq!(endpoint.as_str().parse(), Ok(endpoint));
    }
    assert!(
        "vertex"
            .parse::<Endpoint>()
            .unwrap_err()
            .contains("vertex-claude")
    );
}

#[test]
fn an_endpoint_holds_only_for_its_own_protocol() {
    for protocol in Protocol::ALL {
        let gemini = Endpoint::VertexGemini.speaking(protocol);
        assert_eq!(gemini != Endpoint::Native, protocol == Protocol::Gemini);
        let claude = Endpoint::VertexClaude.speaking(protocol);
        assert_eq!(claude != Endpoint::Native, protocol == Protocol::Anthropic);
        assert_eq!(Endpoint::Native.speaking(protocol), Endpoint::Native);
    }
}

fn protocols() -> impl Strategy<Value = (Protocol, Endpoint)> {
    let native = proptest::sample::select(&Protocol::ALL[..]).prop_map(|p| (p, Endpoint::Native));
    let vertex = prop_oneof![
        Just((Protocol::Gemini, Endpoint::VertexGemini)),
        Just((Protocol::Anthropic, Endpoint::VertexClaude)),
    ];
    prop_oneof![native, vertex]
}

proptest! {
    /// Whatever the base and the id: one absolute URL without empty segments, the host and the query as they were, and
    /// the id once in the path where the protocol puts it there, decoding to itself.
    #[test]
    fn urls_are_whole(
        (protocol, endpoint) in protocols(),
        path in "(/[a-z0-9]{1,6}){0,3}",
        templated: bool,
        slashes in "/{0,3}",
        query in "(\\?([a-z]{1,5}=[a-z0-9-]{1,8})(&[a-z]{1,5}=[a-z0-9-]{0,8}){0,2})?",
        // What `ModelId` allows; a slash only between other characters, as vendors write ids.
        model in "[A-Za-z0-9@!+_:.-]{1,8}[A-Za-z0-9](/[A-Za-z0-9@!+_:.-]{1,8}[A-Za-z0-9]){0,2}",
    ) {
        let template = if templated { "/d/{model}" } else { "" };
        let base = format!("https://host.example:8443{path}{template}{slashes}{query}");
        let parsed: ::url::Url = base.parse().unwrap();
        let none = Map::new();
        // As written, and as the URL type writes it.
        for base_url in [base.as_str(), parsed.as_str()] {
            let request = build(&RequestSpec { protocol, endpoint, base_url, model: &model, ..spec(&none) });
            let url: ::url::Url = request.url.parse().unwrap();
            prop_assert_eq!(url.as_str(), &request.url, "what the parser would rewrite");
            prop_assert!(!url.path().contains("//"), "{}", url);
            prop_assert_eq!(url.host_str(), Some("host.example"));
            prop_assert_eq!(url.port(), Some(8443));
            prop_assert_eq!(url.fragment(), None);
            for (name, value) in parsed.query_pairs().filter(|(name, _)| name != "alt") {
                prop_assert!(url.query_pairs().any(|pair| pair == (name.clone(), value.clone())), "{}", url);
            }
            prop_assert_eq!(
                url.query_pairs().filter(|(name, value)| name == "alt" && value == "sse").count(),
                usize::from(protocol == Protocol::Gemini)
            );
            let named = |segment: &str| {
                let segment = percent_encoding::percent_decode_str(segment).decode_utf8().unwrap();
                let verb = segment.rfind(":stream").map_or(&*segment, |at| &segment[..at]);
                verb == model
            };
            let in_path = url.path_segments().unwrap().filter(|segment| named(segment)).count();
            let own = protocol == Protocol::Bedrock || endpoint != Endpoint::Native;
            let slashed = protocol == Protocol::Gemini && endpoint == Endpoint::Native;
            if templated || own {
                prop_assert!(in_path >= usize::from(templated) + usize::from(own), "{} in {}", model, url);
            }
            if slashed {
                prop_assert!(url.path().ends_with(":streamGenerateContent"));
            }
        }
    }
}
