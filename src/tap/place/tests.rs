use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::config::{Env, load_text};

fn place(toml: &str) -> Place {
    let env = Env {
        vars: BTreeMap::from([("KEY".to_owned(), "k".to_owned())]),
        ..Env::default()
    };
    let loaded = load_text("t.toml", toml, &env).unwrap_or_else(|error| panic!("{error}\n{toml}"));
    Place::new(&loaded.config.providers[0]).unwrap()
}

fn preset(id: &str, more: &str) -> Place {
    place(&format!(
        "[[provider]]\nid = \"{id}\"\nmodels = [\"m\"]\ncanary = false\nlong = false\n{more}"
    ))
}

fn at(base_url: &str) -> Place {
    preset(
        "openai",
        &format!("base_url = \"{base_url}\"\napi_key = {{ env = \"KEY\" }}\n"),
    )
}

/// Where a client's path leads, its provider's id in front.
fn way(place: &Place, path: &str) -> Result<String, Refusal> {
    let (id, rest) = split(path);
    assert_eq!(id, place.id.as_str(), "{path}");
    place.url(rest, None).map(|url| url.to_string())
}

#[test]
fn every_preset_is_reached_by_the_base_urls_that_its_clients_write() {
    const KEY: &str = "api_key = { env = \"KEY\" }\n";
    let key = KEY;
    let vertex = "vars = { region = \"europe-west1\", project = \"p\" }\napi_key = { env = \"KEY\" }\n";
    let vertex_base = "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1";
    let google = format!("{vertex_base}/publishers/google/models/g:generateContent");
    let claude = format!("{vertex_base}/publishers/anthropic/models/c:rawPredict");
    let rest = |url: &str| url.split_once(".com").unwrap().1.to_owned();
    let chat = "chat/completions";
    let rows: Vec<(&str, &str, Vec<String>, String)> = vec![
        (
            "anthropic",
            key,
            vec!["v1/messages".into()],
            "https://api.anthropic.com/v1/messages".into(),
        ),
        (
            "openai",
            key,
            vec![format!("v1/{chat}"), chat.into()],
            format!("https://api.openai.com/v1/{chat}"),
        ),
        (
            "openai-responses",
            key,
            vec!["v1/responses".into(), "responses".into()],
            "https://api.openai.com/v1/responses".into(),
        ),
        (
            "gemini",
            key,
            vec!["v1beta/models/g:generateContent".into()],
            "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent".into(),
        ),
        (
            "groq",
            key,
            vec![format!("openai/v1/{chat}"), format!("v1/{chat}"), chat.into()],
            format!("https://api.groq.com/openai/v1/{chat}"),
        ),
        (
            "openrouter",
            key,
            vec![format!("api/v1/{chat}"), format!("v1/{chat}"), chat.into()],
            format!("https://openrouter.ai/api/v1/{chat}"),
        ),
        (
            "fireworks",
            key,
            vec![format!("inference/v1/{chat}"), format!("v1/{chat}")],
            format!("https://api.fireworks.ai/inference/v1/{chat}"),
        ),
        (
            "alibaba-qwen",
            key,
            vec![format!("compatible-mode/v1/{chat}"), format!("v1/{chat}")],
            format!("https://dashscope-intl.aliyuncs.com/compatible-mode/v1/{chat}"),
        ),
        (
            "cerebras",
            key,
            vec![format!("v1/{chat}"), chat.into()],
            format!("https://api.cerebras.ai/v1/{chat}"),
        ),
        (
            "cohere",
            key,
            vec!["v2/chat".into()],
            "https://api.cohere.com/v2/chat".into(),
        ),
        (
            "deepseek",
            key,
            vec![chat.into()],
            format!("https://api.deepseek.com/{chat}"),
        ),
        (
            "deepseek",
            key,
            vec![format!("v1/{chat}")],
            format!("https://api.deepseek.com/v1/{chat}"),
        ),
        (
            "litellm",
            key,
            vec![format!("v1/{chat}"), chat.into()],
            format!("http://127.0.0.1:4000/v1/{chat}"),
        ),
        (
            "llama-cpp",
            "",
            vec![format!("v1/{chat}"), chat.into()],
            format!("http://127.0.0.1:8080/v1/{chat}"),
        ),
        (
            "lm-studio",
            "",
            vec![format!("v1/{chat}"), chat.into()],
            format!("http://127.0.0.1:1234/v1/{chat}"),
        ),
        (
            "mistral",
            key,
            vec![format!("v1/{chat}"), chat.into()],
            format!("https://api.mistral.ai/v1/{chat}"),
        ),
        (
            "moonshot",
            key,
            vec![format!("v1/{chat}"), chat.into()],
            format!("https://api.moonshot.ai/v1/{chat}"),
        ),
        (
            "nvidia-nim",
            key,
            vec![format!("v1/{chat}"), chat.into()],
            format!("https://integrate.api.nvidia.com/v1/{chat}"),
        ),
        (
            "ollama",
            "",
            vec!["api/chat".into()],
            "http://127.0.0.1:11434/api/chat".into(),
        ),
        (
            "ollama",
            "",
            vec![format!("v1/{chat}")],
            format!("http://127.0.0.1:11434/v1/{chat}"),
        ),
        (
            "perplexity",
            key,
            vec![chat.into()],
            format!("https://api.perplexity.ai/{chat}"),
        ),
        (
            "together",
            key,
            vec![format!("v1/{chat}"), chat.into()],
            format!("https://api.together.ai/v1/{chat}"),
        ),
        (
            "vllm",
            "",
            vec![format!("v1/{chat}"), chat.into()],
            format!("http://127.0.0.1:8000/v1/{chat}"),
        ),
        (
            "xai",
            key,
            vec![format!("v1/{chat}"), chat.into()],
            format!("https://api.x.ai/v1/{chat}"),
        ),
        (
            "openai-compatible",
            "base_url = \"https://llm.example/serving/v1\"\napi_key = { env = \"KEY\" }\n",
            vec![format!("serving/v1/{chat}"), format!("v1/{chat}"), chat.into()],
            format!("https://llm.example/serving/v1/{chat}"),
        ),
        (
            "vertex-gemini",
            vertex,
            vec![rest(&google)[1..].to_owned()],
            google.clone(),
        ),
        (
            "vertex-claude",
            vertex,
            vec![rest(&claude)[1..].to_owned()],
            claude.clone(),
        ),
        (
            "bedrock",
            "vars = { region = \"eu-west-1\" }\napi_key = { env = \"KEY\" }\n",
            vec!["model/amazon.nova%3A0/converse".into()],
            "https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.nova%3A0/converse".into(),
        ),
        (
            "azure-openai",
            "vars = { resource = \"r\" }\napi_key = { env = \"KEY\" }\n",
            vec![format!("openai/v1/{chat}"), format!("v1/{chat}"), chat.into()],
            format!("https://r.openai.azure.com/openai/v1/{chat}"),
        ),
        (
            "azure-openai",
            "vars = { resource = \"r\", api_version = \"2024-10-21\" }\napi_key = { env = \"KEY\" }\n",
            vec![format!("openai/deployments/d/{chat}")],
            format!("https://r.openai.azure.com/openai/deployments/d/{chat}"),
        ),
    ];
    let tested: BTreeSet<String> = rows.iter().map(|(id, ..)| format!("{id}.toml")).collect();
    let shipped: BTreeSet<String> =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/probes/providers"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
    assert_eq!(tested, shipped);
    for (id, more, paths, expected) in rows {
        let place = preset(id, more);
        for path in paths {
            assert_eq!(
                way(&place, &format!("/{id}/{path}")).unwrap(),
                expected,
                "{id} {path}"
            );
        }
    }
}

#[test]
fn what_a_client_shows_is_what_it_asks_for() {
    for (base, path, expected) in [
        (
            "https://h.example",
            "/openai/v1/a%2Fb%20c",
            "https://h.example/v1/a%2Fb%20c",
        ),
        (
            "https://h.example:8443/v1/",
            "/openai/v1/x",
            "https://h.example:8443/v1/x",
        ),
        ("https://h.example/v1", "/openai", "https://h.example/v1"),
        ("https://h.example", "/openai", "https://h.example/"),
        ("https://h.example/v1", "/openai/", "https://h.example/v1/"),
        ("https://h.example/v1", "/openai//x", "https://h.example/v1//x"),
        (
            "https://h.example",
            "/openai//evil.example/x",
            "https://h.example//evil.example/x",
        ),
        (
            "https://h.example",
            "/openai/@evil.example/",
            "https://h.example/@evil.example/",
        ),
        (
            "https://h.example",
            "/openai/:80@evil.example/",
            "https://h.example/:80@evil.example/",
        ),
        (
            "https://h.example/v1",
            "/openai/https://evil.example/",
            "https://h.example/v1/https://evil.example/",
        ),
        (
            "https://h.example/a/v1",
            "/openai/v10/x",
            "https://h.example/a/v1/v10/x",
        ),
        (
            "https://h.example/v1",
            "/openai/x...y/..z/.w",
            "https://h.example/v1/x...y/..z/.w",
        ),
    ] {
        assert_eq!(way(&at(base), path).unwrap(), expected, "{base} {path}");
    }
    let place = at("https://h.example/v1?api-version=1");
    assert_eq!(
        place.url("/x", Some("a=b&c")).unwrap(),
        "https://h.example/v1/x?a=b&c"
    );
    assert_eq!(place.upstream(), "https://h.example/v1");
}

#[test]
fn no_path_climbs() {
    let place = at("https://h.example/v1");
    for rest in [
        "/..",
        "/.",
        "/../admin",
        "/v1/../../admin",
        "/v1/%2e%2e/admin",
        "/v1/%2E./admin",
        "/v1/..%2fadmin",
        "/v1%2f..%2fadmin",
        "/v1/%252e%252e/admin",
        "/v1/%25252e%25252e/admin",
        "/v1/..\\admin",
        "/v1/..%5cadmin",
        "/v1/..;/admin",
        "/v1/..;x=y/admin",
        "/v1/.;/admin",
        "/%2525252525252525252e",
    ] {
        assert_eq!(place.url(rest, None), Err(Refusal::DotSegment), "{rest}");
    }
}

#[test]
fn a_path_begins_with_an_id() {
    for (path, expected) in [
        ("/a/b/c", ("a", "/b/c")),
        ("/a", ("a", "")),
        ("/a/", ("a", "/")),
        ("/", ("", "")),
        ("//a", ("", "/a")),
        ("*", ("*", "")),
    ] {
        assert_eq!(split(path), expected, "{path}");
    }
}

proptest! {
    /// However it is written, and however the server reads it: origin and base path are the provider's.
    #[test]
    fn nothing_leaves_the_base_url(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("v1".to_owned()), Just("..".to_owned()), Just(".".to_owned()), Just("%2e%2e".to_owned()),
                Just("%2f".to_owned()), Just("//".to_owned()), Just("\\".to_owned()), Just("@evil.example".to_owned()),
                Just("evil.example:80".to_owned()), Just(String::new()), "[a-z%0-9.;:@?#]{0,6}"
            ],
            0..8,
        ),
    ) {
        let place = at("https://h.example/serving/v1");
        let rest = parts.iter().fold(String::new(), |path, part| path + "/" + part);
        // As a client's request line would have been cut.
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        if let Ok(uri) = place.url(rest, None) {
            prop_assert_eq!(uri.authority().map(http::uri::Authority::as_str), Some("h.example"));
            let read = url::Url::parse(&uri.to_string()).unwrap();
            prop_assert_eq!(read.host_str(), Some("h.example"));
            prop_assert!(read.path().starts_with("/serving/v1"), "{rest} became {read}");
        }
    }
}
