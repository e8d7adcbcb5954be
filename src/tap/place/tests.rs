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

/// What an entry of that preset needs beside its id.
fn needs(preset: &str) -> &'static str {
    match preset {
        "llama-cpp" | "lm-studio" | "ollama" | "vllm" => "",
        "vertex-gemini" | "vertex-claude" => {
            "vars = { region = \"europe-west1\", project = \"p\" }\napi_key = { env = \"KEY\" }\n"
        }
        "bedrock" => "vars = { region = \"eu-west-1\" }\napi_key = { env = \"KEY\" }\n",
        "azure-openai" => "vars = { resource = \"r\" }\napi_key = { env = \"KEY\" }\n",
        "openai-compatible" => "base_url = \"https://llm.example/serving/v1\"\napi_key = { env = \"KEY\" }\n",
        _ => "api_key = { env = \"KEY\" }\n",
    }
}

/// Preset, what its clients put behind the tap's address and the provider's id, and where that leads.
const CLIENTS: [(&str, &[&str], &str); 29] = [
    (
        "alibaba-qwen",
        &["compatible-mode/v1/c", "v1/c"],
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/c",
    ),
    (
        "anthropic",
        &["v1/messages"],
        "https://api.anthropic.com/v1/messages",
    ),
    (
        "azure-openai",
        &["openai/v1/c", "v1/c", "c"],
        "https://r.openai.azure.com/openai/v1/c",
    ),
    (
        "bedrock",
        &["model/amazon.nova%3A0/converse"],
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/amazon.nova%3A0/converse",
    ),
    ("cerebras", &["v1/c", "c"], "https://api.cerebras.ai/v1/c"),
    ("cohere", &["v2/chat"], "https://api.cohere.com/v2/chat"),
    ("deepseek", &["c"], "https://api.deepseek.com/c"),
    ("deepseek", &["v1/c"], "https://api.deepseek.com/v1/c"),
    (
        "fireworks",
        &["inference/v1/c", "v1/c"],
        "https://api.fireworks.ai/inference/v1/c",
    ),
    (
        "gemini",
        &["v1beta/models/g:generateContent"],
        "https://generativelanguage.googleapis.com/v1beta/models/g:generateContent",
    ),
    (
        "groq",
        &["openai/v1/c", "v1/c", "c"],
        "https://api.groq.com/openai/v1/c",
    ),
    ("litellm", &["v1/c", "c"], "http://127.0.0.1:4000/v1/c"),
    ("llama-cpp", &["v1/c", "c"], "http://127.0.0.1:8080/v1/c"),
    ("lm-studio", &["v1/c", "c"], "http://127.0.0.1:1234/v1/c"),
    ("mistral", &["v1/c", "c"], "https://api.mistral.ai/v1/c"),
    ("moonshot", &["v1/c", "c"], "https://api.moonshot.ai/v1/c"),
    (
        "nvidia-nim",
        &["v1/c", "c"],
        "https://integrate.api.nvidia.com/v1/c",
    ),
    ("ollama", &["api/chat"], "http://127.0.0.1:11434/api/chat"),
    ("ollama", &["v1/c"], "http://127.0.0.1:11434/v1/c"),
    ("openai", &["v1/c", "c"], "https://api.openai.com/v1/c"),
    (
        "openai-compatible",
        &["serving/v1/c", "v1/c", "c"],
        "https://llm.example/serving/v1/c",
    ),
    (
        "openai-responses",
        &["v1/responses", "responses"],
        "https://api.openai.com/v1/responses",
    ),
    (
        "openrouter",
        &["api/v1/c", "v1/c", "c"],
        "https://openrouter.ai/api/v1/c",
    ),
    ("perplexity", &["c"], "https://api.perplexity.ai/c"),
    ("together", &["v1/c", "c"], "https://api.together.ai/v1/c"),
    (
        "vertex-claude",
        &["v1/projects/p/locations/europe-west1/publishers/anthropic/models/c:rawPredict"],
        "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/anthropic/models/c:rawPredict",
    ),
    (
        "vertex-gemini",
        &["v1/projects/p/locations/europe-west1/publishers/google/models/g:generateContent"],
        "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/google/models/g:generateContent",
    ),
    ("vllm", &["v1/c", "c"], "http://127.0.0.1:8000/v1/c"),
    ("xai", &["v1/c", "c"], "https://api.x.ai/v1/c"),
];

#[test]
fn every_preset_is_reached_by_the_base_urls_that_its_clients_write() {
    let tested: BTreeSet<String> = CLIENTS.iter().map(|(id, ..)| format!("{id}.toml")).collect();
    let shipped: BTreeSet<String> =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/probes/providers"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
    assert_eq!(tested, shipped);
    for (id, paths, expected) in CLIENTS {
        let place = preset(id, needs(id));
        for path in paths {
            assert_eq!(
                way(&place, &format!("/{id}/{path}")).unwrap(),
                expected,
                "{id} {path}"
            );
        }
        // What we tell people to set leads there too.
        let door = crate::tap::Door::of(&place);
        assert!(door.base_path.starts_with(&format!("/{id}")), "{door:?}");
    }
    let dated = "vars = { resource = \"r\", api_version = \"2024-10-21\" }\napi_key = { env = \"KEY\" }\n";
    assert_eq!(
        way(
            &preset("azure-openai", dated),
            "/azure-openai/openai/deployments/d/c"
        )
        .unwrap(),
        "https://r.openai.azure.com/openai/deployments/d/c"
    );
}

/// Preset, the variable that its vendor's programs read, what they put behind it, and where that leads.
#[test]
fn what_people_are_told_to_set_works() {
    for (id, line, behind, expected) in [
        (
            "anthropic",
            "ANTHROPIC_BASE_URL=http://t/anthropic",
            "/v1/messages",
            "https://api.anthropic.com/v1/messages",
        ),
        (
            "openai",
            "OPENAI_BASE_URL=http://t/openai/v1",
            "/c",
            "https://api.openai.com/v1/c",
        ),
        (
            "groq",
            "GROQ_BASE_URL=http://t/groq",
            "/openai/v1/c",
            "https://api.groq.com/openai/v1/c",
        ),
        (
            "cerebras",
            "CEREBRAS_BASE_URL=http://t/cerebras",
            "/v1/c",
            "https://api.cerebras.ai/v1/c",
        ),
        (
            "together",
            "TOGETHER_BASE_URL=http://t/together/v1",
            "/c",
            "https://api.together.ai/v1/c",
        ),
        (
            "cohere",
            "CO_API_URL=http://t/cohere",
            "/v2/chat",
            "https://api.cohere.com/v2/chat",
        ),
        (
            "ollama",
            "OLLAMA_HOST=http://t/ollama",
            "/api/chat",
            "http://127.0.0.1:11434/api/chat",
        ),
        (
            "gemini",
            "GOOGLE_GEMINI_BASE_URL=http://t/gemini",
            "/v1beta/models/g:x",
            "https://generativelanguage.googleapis.com/v1beta/models/g:x",
        ),
        (
            "vertex-claude",
            "ANTHROPIC_VERTEX_BASE_URL=http://t/vertex-claude/v1",
            "/projects/p/locations/europe-west1/x",
            "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/x",
        ),
    ] {
        let place = preset(id, needs(id));
        assert_eq!(crate::tap::Door::of(&place).line("http://t").unwrap(), line);
        let path = line.split_once("http://t").unwrap().1.to_owned() + behind;
        assert_eq!(way(&place, &path).unwrap(), expected);
    }
    assert_eq!(
        crate::tap::Door::of(&preset("mistral", needs("mistral"))).line("http://t"),
        None
    );
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
