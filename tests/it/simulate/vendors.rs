//! Every vendor in its own words: headers, credentials, lists, errors, and what a dialect adds.

use endturn::{
    protocol::{Dialect, ErrorAt, Protocol, UsageAt},
    simulate::PROVIDERS,
};
use serde_json::Value;

use super::{
    client::{Running, request},
    shapes::events,
    ways::{WAYS, Way},
};

#[test]
fn every_vendor_and_every_dialect_has_a_way() {
    for provider in PROVIDERS {
        assert!(WAYS.iter().any(|way| way.provider == provider), "{provider}");
    }
    for dialect in &endturn::protocol::DIALECTS {
        assert!(
            WAYS.iter().any(|way| way.dialect == Some(dialect.name)),
            "{}",
            dialect.name
        );
    }
}

/// A free path, whether it wants a key, the status without one, and a member of the answer.
const FREE: &[(&str, &str, u16, &str)] = &[
    ("anthropic", "/v1/models", 401, "\"data\":[{"),
    ("openai", "/v1/models", 401, "\"data\":[{"),
    ("gemini", "/v1beta/models", 403, "\"models\":[{"),
    ("ollama", "", 200, "Ollama is running"),
    ("ollama", "/", 200, "Ollama is running"),
    ("ollama", "/api/version", 200, "\"version\""),
    ("ollama", "/api/tags", 200, "\"models\":[{"),
    ("ollama", "/v1/models", 200, "\"data\":[{"),
    ("bedrock", "/foundation-models", 403, "\"modelSummaries\":[{"),
    ("cohere", "/v1/models", 401, "\"models\":[{"),
    ("mistral", "/v1/models", 401, "\"data\":[{"),
    ("openrouter", "/api/v1/models", 200, "\"data\":[{"),
    ("openrouter", "/api/v1/key", 401, "\"data\":{"),
    ("groq", "/openai/v1/models", 401, "\"data\":[{"),
    ("together", "/v1/models", 401, "\"data\":[{"),
    ("fireworks", "/inference/v1/models", 401, "\"data\":[{"),
    ("deepseek", "/models", 401, "\"data\":[{"),
    ("xai", "/v1/models", 401, "\"data\":[{"),
    ("alibaba-qwen", "/compatible-mode/v1/models", 401, "\"data\":[{"),
    ("vllm", "/health", 200, ""),
    ("vllm", "/v1/models", 200, "\"data\":[{"),
    ("llama-cpp", "/health", 200, "\"status\":\"ok\""),
    ("litellm", "/health/liveliness", 200, "alive"),
    ("litellm", "/v1/models", 401, "\"data\":[{"),
    ("lm-studio", "/v1/models", 200, "\"data\":[{"),
    ("azure-openai", "/openai/v1/models", 401, "\"data\":[{"),
    (
        "vertex-gemini",
        "/v1beta1/publishers/google/models",
        401,
        "\"models\":[{",
    ),
    (
        "vertex-claude",
        "/v1beta1/publishers/anthropic/models",
        401,
        "\"data\":[{",
    ),
];

#[tokio::test]
async fn free_paths_want_a_key_where_the_vendor_does() {
    let sim = Running::instant(1).await;
    for (provider, path, refused, member) in FREE {
        let way = WAYS.iter().find(|way| way.provider == *provider).unwrap();
        let path = format!("/{provider}{path}");
        let without = sim.send(&request("GET", &path, "", "")).await;
        assert_eq!(without.status, *refused, "{path}");
        let with = sim.send(&request("GET", &path, way.key, "")).await;
        assert_eq!(with.status, 200, "{path}");
        assert!(with.text().contains(member), "{path}: {}", with.text());
    }
    let query = request("GET", "/gemini/v1beta/models?key=k", "", "");
    assert_eq!(sim.send(&query).await.status, 200);
    sim.stop().await;
}

#[tokio::test]
async fn request_ids_come_in_the_vendors_header() {
    let sim = Running::instant(1).await;
    for (provider, name) in [
        ("azure-openai", "apim-request-id"),
        ("bedrock", "x-amzn-requestid"),
        ("litellm", "x-litellm-call-id"),
        ("mistral", "mistral-correlation-id"),
        ("groq", "x-request-id"),
    ] {
        let way = WAYS.iter().find(|way| way.provider == provider).unwrap();
        for model in ["m", "m!status.500"] {
            let exchange = sim.send(&way.canary(model)).await;
            let entry = sim.logged(|entry| entry.end.is_some()).await;
            assert_eq!(
                exchange.header(name),
                entry.request_id.as_deref(),
                "{provider} {model}"
            );
        }
    }
    let way = WAYS.iter().find(|way| way.provider == "openrouter").unwrap();
    let exchange = sim.send(&way.canary("m")).await;
    assert!(exchange.header("x-generation-id").unwrap().starts_with("gen-"));
    sim.stop().await;
}

/// Members of error bodies: provider, status fault, what must stand in the body.
const ERRORS: &[(&str, &str, &str)] = &[
    ("openrouter", "status.529", r#"{"error":{"code":529,"message":"#),
    (
        "openrouter",
        "status.529",
        r#""error_type":"provider_overloaded""#,
    ),
    ("groq", "rate_limit", r#""code":"rate_limit_exceeded""#),
    (
        "fireworks",
        "status.500",
        r#"{"error":{"object":"error","type":"server_error""#,
    ),
    (
        "xai",
        "auth",
        r#"{"code":"Client specified an invalid argument","error":"Incorrect API key"#,
    ),
    ("mistral", "auth", r#"{"message":"Unauthorized","request_id""#),
    (
        "mistral",
        "rate_limit",
        r#""type":"rate_limited","param":null,"code":"4290""#,
    ),
    ("vllm", "auth", r#"{"error":"Unauthorized"}"#),
    (
        "vllm",
        "status.404",
        r#""type":"NotFoundError","param":null,"code":404"#,
    ),
    ("llama-cpp", "status.503", r#""type":"unavailable_error""#),
    ("litellm", "rate_limit", r#""message":"litellm.RateLimitError: "#),
    ("litellm", "rate_limit", r#""code":"429""#),
    (
        "azure-openai",
        "status.404",
        r#"{"error":{"code":"DeploymentNotFound""#,
    ),
    ("vertex-gemini", "auth", r#""status": "UNAUTHENTICATED""#),
    ("vertex-claude", "auth", r#""status": "UNAUTHENTICATED""#),
    ("vertex-claude", "status.529", r#""type":"overloaded_error""#),
];

#[tokio::test]
async fn errors_come_in_the_vendors_shape() {
    let sim = Running::instant(1).await;
    for (provider, fault, member) in ERRORS {
        let of = |way: &&Way| way.provider == *provider && way.protocol != Protocol::OpenaiResponses;
        let way = WAYS.iter().find(of).unwrap();
        let exchange = sim.send(&way.canary(&format!("m!{fault}"))).await;
        assert!(exchange.status >= 400, "{provider} {fault}");
        assert!(
            exchange.text().contains(member),
            "{provider} {fault}: {}",
            exchange.text()
        );
    }
    sim.stop().await;
}

/// What a dialect says about itself is what its stream does.
#[tokio::test]
async fn a_dialects_stream_is_as_its_data_says() {
    let sim = Running::instant(1).await;
    for way in WAYS.iter().filter(|way| way.dialect.is_some()) {
        let name = way.name();
        let dialect: &Dialect = way.dialect().unwrap();
        let body = sim.send(&way.canary("m-reason")).await.text();
        let events = events(Protocol::OpenaiChat, body.as_bytes());
        if let Some(comment) = dialect.keep_alive {
            assert!(body.starts_with(&format!("{comment}\n\n")), "{name}");
        }
        // A member of its own, or else a typed part of the content.
        let place = match dialect.reasoning.first() {
            Some(member) => format!("/choices/0/delta/{member}"),
            None => "/choices/0/delta/content/0/thinking/0/text".to_owned(),
        };
        let reasoned = |event: &Value| event.pointer(&place).is_some_and(Value::is_string);
        assert_eq!(
            events.iter().filter(|event| reasoned(event)).count(),
            16,
            "{name}"
        );
        let counted: Vec<usize> = (0..events.len())
            .filter(|n| events[*n]["usage"].is_object() || events[*n]["x_groq"]["usage"].is_object())
            .collect();
        let stopped = events
            .iter()
            .position(|event| {
                event
                    .pointer("/choices/0/finish_reason")
                    .is_some_and(Value::is_string)
            })
            .unwrap();
        let last = events.len() - 1;
        match dialect.usage {
            UsageAt::Finish => assert_eq!(counted, [stopped], "{name}"),
            UsageAt::FinishGroq => assert!(events[stopped]["x_groq"]["usage"].is_object(), "{name}"),
            UsageAt::Asked | UsageAt::Last => {
                assert_eq!((&counted[..], stopped), (&[last][..], last - 1), "{name}");
            }
        }
        let error = sim.send(&way.canary("m!error_event")).await;
        let body = error.text();
        match dialect.error {
            ErrorAt::Event => assert!(
                body.ends_with("}}\n\n") && body.contains("data: {\"error\":"),
                "{name}"
            ),
            ErrorAt::EventThenDone => {
                assert!(
                    body.contains("data: {\"error\":") && body.ends_with("data: [DONE]\n\n"),
                    "{name}"
                );
            }
            ErrorAt::Chunk => assert!(body.contains("\"finish_reason\":\"error\""), "{name}"),
            ErrorAt::Body => assert!(body.starts_with("{\"code\":"), "{name}: {body}"),
            ErrorAt::Swallowed => assert!(
                body.contains("\"model\":\"\"") && !body.contains("\"error\""),
                "{name}"
            ),
        }
        let json = error.header("content-type") == Some("application/json");
        assert_eq!(json, dialect.error == ErrorAt::Body, "{name}");
    }
    sim.stop().await;
}

#[tokio::test]
async fn azure_tells_of_its_filters() {
    let sim = Running::instant(1).await;
    let way = WAYS
        .iter()
        .find(|way| way.dialect == Some("azure-openai"))
        .unwrap();
    let events = events(Protocol::OpenaiChat, &sim.send(&way.canary("m")).await.body);
    assert_eq!(events[0]["choices"], serde_json::json!([]));
    assert!(events[0]["prompt_filter_results"].is_array());
    for event in &events[1..events.len() - 1] {
        assert!(
            event["choices"][0]["content_filter_results"].is_object(),
            "{event}"
        );
    }
    sim.stop().await;
}
