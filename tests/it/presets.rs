//! Presets from the outside: where each variant of an address leads, which credential goes there, what is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, path::Path};

use endturn::{
    config::{Auth, CloudCredential, Config, ConfigError, Env, Loaded, Provider, load, load_text},
    protocol::{Protocol, request::Endpoint},
};

/// A secret that must never be seen again.
const PLANTED: &str = "planted-9f86d081884c7d65";
/// A service account's key as Google hands it out, shortened.
const ACCOUNT: &str = r#"{"type":"service_account","project_id":"p","private_key":"planted-9f86d081884c7d65",
"client_email":"e@p.iam.gserviceaccount.com","token_uri":"https://oauth2.googleapis.com/token"}"#;

fn env(dir: &Path, vars: &[(&str, &str)]) -> Env {
    Env {
        vars: vars
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        working_dir: dir.to_owned(),
        config_home: None,
        state_home: None,
        system_dir: dir.join("etc"),
    }
}

fn loaded(text: &str, vars: &[(&str, &str)]) -> Loaded {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("account.json"), ACCOUNT).unwrap();
    load_text("endturn.toml", text, &env(dir.path(), vars)).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn config(text: &str, vars: &[(&str, &str)]) -> Config {
    loaded(text, vars).config
}

fn provider(entry: &str, vars: &[(&str, &str)]) -> Provider {
    let text = format!("[[provider]]\n{entry}\n");
    config(&text, vars).providers.remove(0)
}

fn wrong(text: &str, vars: &[(&str, &str)]) -> String {
    let dir = tempfile::tempdir().unwrap();
    match load_text("endturn.toml", text, &env(dir.path(), vars)) {
        Ok(_) => panic!("taken: {text}"),
        Err(error @ ConfigError::Invalid(_)) => {
            let shown = error
                .to_string()
                .replace(&format!("{}/", dir.path().display()), "");
            assert!(!format!("{error:?}{shown}").contains(PLANTED), "{shown}");
            shown
        }
        Err(error) => panic!("{error}"),
    }
}

/// Entry and environment in, base URL and reach URL out.
#[test]
fn every_variant_of_an_address_leads_where_it_should() {
    let azure = "id = \"azure-openai\"\nmodels = [\"gpt-5-nano\"]\n";
    let own = |url: &str| format!("{azure}base_url = \"{url}\"\n");
    let aws = [("AWS_REGION", "eu-west-1")];
    let google = [("GOOGLE_CLOUD_PROJECT", "proj")];
    let vertex = |id: &str, region: &str| format!("id = \"{id}\"\nvars = {{ region = \"{region}\" }}");
    let vertex_at = |host: &str, region: &str| format!("https://{host}/v1/projects/proj/locations/{region}");
    let rows: Vec<(String, &[(&str, &str)], String, Option<&str>)> = vec![
        (
            "id = \"bedrock\"\nvars = { region = \"us-east-1\" }".to_owned(),
            &aws,
            "https://bedrock-runtime.us-east-1.amazonaws.com/".to_owned(),
            Some("https://bedrock.us-east-1.amazonaws.com/"),
        ),
        (
            "id = \"bedrock\"".to_owned(),
            &aws,
            "https://bedrock-runtime.eu-west-1.amazonaws.com/".to_owned(),
            Some("https://bedrock.eu-west-1.amazonaws.com/"),
        ),
        // With an own base URL the request for reach goes there too.
        (
            "id = \"bedrock\"\nbase_url = \"http://127.0.0.1:9/bedrock\"\nfree = true".to_owned(),
            &[],
            "http://127.0.0.1:9/bedrock".to_owned(),
            None,
        ),
        (
            format!("{azure}vars = {{ resource = \"res\" }}"),
            &[],
            "https://res.openai.azure.com/openai/v1".to_owned(),
            Some("https://res.openai.azure.com/openai/v1"),
        ),
        (
            format!("{azure}vars = {{ resource = \"res\", api_version = \"2024-10-21\" }}"),
            &[],
            "https://res.openai.azure.com/openai/deployments/%7Bmodel%7D?api-version=2024-10-21".to_owned(),
            Some("https://res.openai.azure.com/openai/v1"),
        ),
        (
            azure.to_owned(),
            &[
                ("AZURE_RESOURCE_NAME", "env"),
                ("OPENAI_API_VERSION", "2025-04-01-preview"),
            ],
            "https://env.openai.azure.com/openai/deployments/%7Bmodel%7D?api-version=2025-04-01-preview"
                .to_owned(),
            Some("https://env.openai.azure.com/openai/v1"),
        ),
        (
            own("https://gw.example/azure/openai/deployments/{model}?api-version=2024-10-21")
                + "canary = false",
            &[],
            "https://gw.example/azure/openai/deployments/%7Bmodel%7D?api-version=2024-10-21".to_owned(),
            Some("https://gw.example/azure/openai?api-version=2024-10-21"),
        ),
        (
            own("https://gw.example/{model}/v1") + "canary = false",
            &[],
            "https://gw.example/%7Bmodel%7D/v1".to_owned(),
            Some("https://gw.example/"),
        ),
        (
            vertex("vertex-gemini", "europe-west4"),
            &google,
            vertex_at("europe-west4-aiplatform.googleapis.com", "europe-west4"),
            None,
        ),
        (
            "id = \"vertex-gemini\"".to_owned(),
            &google,
            vertex_at("aiplatform.googleapis.com", "global"),
            None,
        ),
        (
            vertex("vertex-claude", "us"),
            &google,
            vertex_at("aiplatform.us.rep.googleapis.com", "us"),
            None,
        ),
        (
            vertex("vertex-claude", "eu"),
            &google,
            vertex_at("aiplatform.eu.rep.googleapis.com", "eu"),
            None,
        ),
        // Beside /v1, wherever that is.
        (
            "id = \"vllm\"\nmodels = [\"m\"]".to_owned(),
            &[],
            "http://127.0.0.1:8000/v1".to_owned(),
            Some("http://127.0.0.1:8000/"),
        ),
        (
            "id = \"vllm\"\nmodels = [\"m\"]\nbase_url = \"http://gpu-box/inference/v1\"".to_owned(),
            &[],
            "http://gpu-box/inference/v1".to_owned(),
            Some("http://gpu-box/inference"),
        ),
        (
            "id = \"vllm\"\nmodels = [\"m\"]\nbase_url = \"http://gpu-box/inference\"".to_owned(),
            &[],
            "http://gpu-box/inference".to_owned(),
            None,
        ),
        (
            "id = \"ollama\"\nmodels = [\"llama3.2:1b\"]".to_owned(),
            &[],
            "http://127.0.0.1:11434/".to_owned(),
            None,
        ),
    ];
    for (entry, vars, base, reach) in rows {
        let provider = provider(&entry, vars);
        assert_eq!(provider.base_url.as_str(), base, "{entry}");
        let probe = provider.reach.unwrap();
        assert_eq!(probe.base_url.as_ref().map(url::Url::as_str), reach, "{entry}");
    }
}

#[test]
fn protocols_and_dialects_come_from_the_preset_or_the_file() {
    for (entry, protocol, dialect, endpoint) in [
        (
            "id = \"groq\"",
            Protocol::OpenaiChat,
            Some("groq"),
            Endpoint::Native,
        ),
        ("id = \"openai\"", Protocol::OpenaiChat, None, Endpoint::Native),
        (
            "id = \"openai\"\nprotocol = \"litellm\"",
            Protocol::OpenaiChat,
            Some("litellm"),
            Endpoint::Native,
        ),
        ("id = \"cohere\"", Protocol::Cohere, None, Endpoint::Native),
        (
            "id = \"ollama\"\nmodels = [\"m\"]",
            Protocol::Ollama,
            None,
            Endpoint::Native,
        ),
        (
            "id = \"ollama\"\nmodels = [\"m\"]\nprotocol = \"ollama-openai\"\nbase_url = \"http://127.0.0.1:11434/v1\"",
            Protocol::OpenaiChat,
            Some("ollama-openai"),
            Endpoint::Native,
        ),
        (
            "id = \"x\"\nprotocol = \"vllm\"\nbase_url = \"http://gpu-box/v1\"\nmodels = [\"m\"]\nfree = true",
            Protocol::OpenaiChat,
            Some("vllm"),
            Endpoint::Native,
        ),
        (
            "id = \"vertex-claude\"\nvars = { project = \"p\" }",
            Protocol::Anthropic,
            None,
            Endpoint::VertexClaude,
        ),
        (
            "id = \"vertex-gemini\"\nvars = { project = \"p\" }",
            Protocol::Gemini,
            None,
            Endpoint::VertexGemini,
        ),
    ] {
        let provider = provider(entry, &[]);
        let dialect_name = provider.dialect.map(|dialect| dialect.name);
        assert_eq!(
            (provider.protocol, dialect_name, provider.endpoint),
            (protocol, dialect, endpoint),
            "{entry}"
        );
    }
}

const AWS: [(&str, &str); 4] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", PLANTED),
    ("AWS_SESSION_TOKEN", PLANTED),
];

fn signed(provider: &Provider) -> bool {
    matches!(&provider.auth, Auth::SigV4 { region, service } if region == "us-east-1" && service == "bedrock")
}

#[test]
fn aws_credentials_come_from_the_file_or_the_environment() {
    let bedrock = provider("id = \"bedrock\"", &AWS);
    assert!(signed(&bedrock) && bedrock.key.is_none());
    let Some(CloudCredential::AwsKeys {
        access_key_id,
        session_token,
        ..
    }) = &bedrock.cloud
    else {
        panic!("{:?}", bedrock.cloud)
    };
    assert_eq!(access_key_id.expose(), "AKIDEXAMPLE");
    assert!(session_token.is_some() && bedrock.models[0].canary.is_some());
    assert!(!format!("{bedrock:?}").contains(PLANTED) && !format!("{bedrock:?}").contains("AKIDEXAMPLE"));

    // An API key wins over keys that sign; what the file names wins over both.
    let mut both = AWS.to_vec();
    both.push(("AWS_BEARER_TOKEN_BEDROCK", "bearer"));
    let bearer = provider("id = \"bedrock\"", &both);
    assert_eq!((bearer.auth, bearer.cloud), (Auth::Bearer, None));
    let keys = "aws = { access_key_id = { env = \"AWS_ACCESS_KEY_ID\" }, \
                secret_access_key = { env = \"AWS_SECRET_ACCESS_KEY\" } }";
    let named = provider(&format!("id = \"bedrock\"\n{keys}"), &both);
    assert!(signed(&named));
    assert!(matches!(
        named.cloud,
        Some(CloudCredential::AwsKeys {
            session_token: None,
            ..
        })
    ));

    // Half a credential is none.
    assert_eq!(provider("id = \"bedrock\"", &AWS[..2]).cloud, None);
    // Nobody else gets what the environment holds, unless the file says so.
    let elsewhere = "id = \"bedrock\"\nbase_url = \"https://proxy.example\"\ncanary = false\n";
    let quiet = provider(elsewhere, &both);
    assert_eq!((quiet.auth, quiet.key, quiet.cloud), (Auth::None, None, None));
    assert!(signed(&provider(&format!("{elsewhere}{keys}"), &AWS)));
}

#[test]
fn google_credentials_come_from_the_file_or_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("account.json");
    std::fs::write(&path, ACCOUNT).unwrap();
    let vars = [
        ("GOOGLE_CLOUD_PROJECT", "p"),
        ("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap()),
    ];
    for id in ["vertex-gemini", "vertex-claude"] {
        let ambient = provider(&format!("id = \"{id}\""), &vars);
        assert_eq!(ambient.auth, Auth::GoogleToken);
        assert!(matches!(
            ambient.cloud,
            Some(CloudCredential::GoogleServiceAccount(_))
        ));
        assert!(!format!("{ambient:?}").contains(PLANTED));
        let file = format!("id = \"{id}\"\ngoogle = {{ service_account = {{ file = \"account.json\" }} }}");
        assert_eq!(provider(&file, &vars[..1]).cloud, ambient.cloud);
        let machine = provider(&format!("id = \"{id}\"\ngoogle = {{ metadata = true }}"), &vars);
        assert_eq!(machine.cloud, Some(CloudCredential::GoogleMetadata));
        let elsewhere = format!("id = \"{id}\"\nbase_url = \"https://proxy.example\"\ncanary = false");
        assert_eq!(provider(&elsewhere, &vars).cloud, None);
        let inline = [("GOOGLE_CLOUD_PROJECT", "p"), ("ACCOUNT", ACCOUNT)];
        let variable = format!("id = \"{id}\"\ngoogle = {{ service_account = {{ env = \"ACCOUNT\" }} }}");
        assert_eq!(provider(&variable, &inline).cloud, ambient.cloud);
    }
    // A plain key is one of the express mode.
    let express = [("GOOGLE_CLOUD_PROJECT", "p"), ("EXPRESS", "k")];
    let key = provider(
        "id = \"vertex-gemini\"\napi_key = { env = \"EXPRESS\" }",
        &express,
    );
    assert_eq!(key.auth, Auth::Header("x-goog-api-key".to_owned()));
}

const ADDRESSES: &str = r#"[[provider]]
id = "bedrock"
[[provider]]
id = "azure-openai"
vars = { resorce = "x" }
models = ["m"]
[[provider]]
id = "azure-2"
preset = "azure-openai"
vars = { resource = "evil.example/x?" }
models = ["m"]
[[provider]]
id = "openai"
vars = { region = "x" }
base_url = "https://{region}.example/v1"
[[provider]]
id = "vertex-claude"
vars = { project = "p" }
base_url = "https://{project}.example/v1?key=planted-9f86d081884c7d65"
"#;

const CREDENTIALS: &str = r#"[[provider]]
id = "bedrock"
vars = { region = "us-east-1" }
aws = { access_key_id = { env = "ID" } }
[[provider]]
id = "bedrock-2"
preset = "bedrock"
vars = { region = "us-east-1" }
api_key = { env = "ID" }
aws = { access_key_id = { env = "ID" }, secret_access_key = "planted-9f86d081884c7d65" }
[[provider]]
id = "bedrock-3"
preset = "bedrock"
base_url = "https://proxy.example"
aws = { access_key_id = { env = "ID" }, secret_access_key = { env = "ID" } }
[[provider]]
id = "openai"
aws = { access_key_id = { env = "ID" }, secret_access_key = { env = "ID" } }
[[provider]]
id = "vertex-gemini"
vars = { project = "p" }
google = { service_account = "planted-9f86d081884c7d65" }
[[provider]]
id = "vertex-claude"
vars = { project = "p" }
google = { service_account = { env = "ID" } }
[[provider]]
id = "vertex-2"
preset = "vertex-claude"
vars = { project = "p" }
google = { service_account = { env = "USER" }, metadata = true }
[[provider]]
id = "vertex-3"
preset = "vertex-claude"
vars = { project = "p" }
google = { service_account = { env = "USER" } }
"#;

const WAYS: &str = r#"[[provider]]
id = "openai"
[[provider]]
id = "litellm"
[[provider.model]]
id = "a"
via = "openai/gpt-5.4-mini"
[[provider.model]]
id = "b"
via = "litellm/b"
[[provider.model]]
id = "c"
via = "zzz"
"#;

#[test]
fn mistakes_are_shown_with_line_caret_and_help() {
    let user = format!("{{\"type\":\"authorized_user\",\"refresh_token\":\"{PLANTED}\"}}");
    let vars = [("ID", PLANTED), ("USER", user.as_str()), ("OPENAI_API_KEY", "k")];
    for (name, text) in [
        ("addresses", ADDRESSES),
        ("credentials", CREDENTIALS),
        ("ways", WAYS),
    ] {
        insta::assert_snapshot!(name, wrong(text, &vars));
    }
}

#[test]
fn via_joins_two_ways_to_one_model() {
    let text = "[[provider]]\nid = \"litellm\"\n[[provider.model]]\nid = \"gpt\"\nvia = \"openai/gpt-5.4-nano\"\n\
                price = { input_usd_per_mtok = 1, output_usd_per_mtok = 2, usd_per_request = 0.5 }\n\
                [[provider]]\nid = \"openai\"\n";
    let config = config(text, &[("OPENAI_API_KEY", "k")]);
    let gateway = &config.providers[0].models[0];
    assert_eq!(
        gateway.via.as_ref().map(ToString::to_string).as_deref(),
        Some("openai/gpt-5.4-nano")
    );
    assert!((gateway.price.unwrap().cost(1_000_000, 0) - 1.5).abs() < 1e-9);
    assert_eq!(config.providers[1].models[0].via, None);
}

#[test]
fn local_servers_cost_nothing_as_long_as_they_are_local() {
    for id in ["ollama", "vllm", "llama-cpp", "lm-studio", "litellm"] {
        let entry = format!("id = \"{id}\"\nmodels = [\"m\"]");
        let local = provider(&entry, &[]);
        assert!(local.models[0].canary.is_some(), "{id}");
        assert!(
            local.models[0].price.unwrap().cost(1000, 1000).abs() < 1e-12,
            "{id}"
        );
        assert_eq!(local.auth, Auth::None, "{id}");
        let named = wrong(&format!("[[provider]]\nid = \"{id}\"\n"), &[]);
        assert!(named.contains("has no model"), "{named}");
        let public = wrong(
            &format!("[[provider]]\n{entry}\nbase_url = \"https://gpu.example/v1\"\n"),
            &[],
        );
        assert!(public.contains("no price is known"), "{public}");
    }
}

fn warnings(text: &str) -> Vec<String> {
    let loaded = loaded(text, &[("OPENAI_API_KEY", "k"), ("ANTHROPIC_API_KEY", "k")]);
    loaded
        .warnings
        .items()
        .iter()
        .map(|item| item.message.clone())
        .collect()
}

#[test]
fn what_a_preset_knows_better_is_a_warning() {
    let gateway = "[[provider]]\nid = \"litellm\"\nmodels = [\"m\"]\n";
    assert_eq!(
        warnings(gateway),
        ["what litellm passes its probes on to may cost money that no budget counts"]
    );
    assert_eq!(warnings(&format!("{gateway}free = true\n")), Vec::<String>::new());
    let refused = |params: &str| {
        warnings(&format!(
            "[[provider]]\nid = \"openai\"\n[[provider.model]]\nid = \"gpt-5.4-nano\"\nparams = {params}\n"
        ))
    };
    assert_eq!(
        refused("{ temperature = 0, max_tokens = 5, reasoning_effort = \"low\" }"),
        [
            "params hold max_tokens, which models of preset openai refuse",
            "params hold temperature, which models of preset openai refuse"
        ]
    );
    assert_eq!(refused("{ reasoning_effort = \"low\" }"), Vec::<String>::new());
}

/// A cloud's general credentials are no wish to spend money on its models.
#[test]
fn without_a_file_clouds_need_their_own_key_and_variables() {
    let ids = |vars: &[(&str, &str)]| -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let loaded = load(None, &env(dir.path(), vars)).unwrap();
        loaded.config.providers.iter().map(|p| p.id.to_string()).collect()
    };
    let fixed = ids(&[]);
    assert_eq!(fixed.len(), 16);
    assert_eq!(ids(&AWS), fixed);
    assert_eq!(ids(&[("AWS_BEARER_TOKEN_BEDROCK", "k")]), fixed);
    let mut bedrock = ids(&[("AWS_BEARER_TOKEN_BEDROCK", "k"), ("AWS_REGION", "us-east-1")]);
    bedrock.retain(|id| !fixed.contains(id));
    assert_eq!(bedrock, ["bedrock"]);
}

/// Every preset in one file: what `endturn check` says of it.
#[test]
fn check_shows_every_preset() {
    let mut text = String::from("[budget]\nusd_per_day = 100\n");
    for (id, more) in [
        ("bedrock", "vars = { region = \"us-east-1\" }"),
        (
            "azure-openai",
            "vars = { resource = \"res\" }\nmodels = [\"gpt-5-nano\"]",
        ),
        (
            "vertex-gemini",
            "vars = { project = \"p\" }\ngoogle = { metadata = true }",
        ),
        (
            "vertex-claude",
            "vars = { project = \"p\" }\ngoogle = { metadata = true }",
        ),
        ("ollama", "models = [\"llama3.2:1b\"]"),
        ("vllm", "models = [\"m\"]"),
        ("llama-cpp", "models = [\"m\"]"),
        ("lm-studio", "models = [\"m\"]"),
        ("litellm", "models = [\"m\"]"),
        (
            "openai-compatible",
            "models = [\"m\"]\nbase_url = \"http://gpu-box/v1\"\nfree = true",
        ),
        ("anthropic", ""),
        ("openai", ""),
        ("openai-responses", ""),
        ("gemini", ""),
        ("openrouter", ""),
        ("mistral", ""),
        ("cohere", ""),
        ("groq", ""),
        ("together", ""),
        ("fireworks", ""),
        ("deepseek", ""),
        ("xai", ""),
        ("perplexity", ""),
        ("cerebras", ""),
        ("nvidia-nim", ""),
        ("moonshot", ""),
        ("alibaba-qwen", ""),
    ] {
        text.push_str(&format!("[[provider]]\nid = \"{id}\"\n{more}\n"));
    }
    let keys = [
        "ANTHROPIC",
        "OPENAI",
        "GEMINI",
        "OPENROUTER",
        "MISTRAL",
        "COHERE",
        "GROQ",
        "TOGETHER",
        "FIREWORKS",
        "DEEPSEEK",
        "XAI",
        "PERPLEXITY",
        "CEREBRAS",
        "NVIDIA",
        "MOONSHOT",
        "DASHSCOPE",
        "AZURE_OPENAI",
    ];
    let names: Vec<String> = keys.iter().map(|key| format!("{key}_API_KEY")).collect();
    let mut vars: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), PLANTED)).collect();
    vars.push(("AWS_BEARER_TOKEN_BEDROCK", PLANTED));
    let loaded = loaded(&text, &vars);
    let canaries: BTreeMap<_, _> = loaded
        .config
        .providers
        .iter()
        .map(|p| (p.preset.as_str(), p.models[0].canary.is_some()))
        .collect();
    assert_eq!(canaries.len(), 27);
    assert!(canaries.values().all(|canary| *canary), "{canaries:?}");
    let mut out = Vec::new();
    endturn::cli::check::write_plan(&loaded, false, &mut out).unwrap();
    let shown = String::from_utf8(out).unwrap();
    assert!(!shown.contains(PLANTED));
    insta::assert_snapshot!("check_every_preset", shown);
}
