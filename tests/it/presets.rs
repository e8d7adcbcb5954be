//! Presets from the outside: where each variant of an address leads, which credential goes there, what is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeSet, path::Path};

use endturn::{
    config::{Auth, CloudCredential, Config, ConfigError, Env, Loaded, Provider, load, load_text},
    protocol::{Protocol, request::Endpoint},
};

/// A secret that must never be seen again.
const PLANTED: &str = "planted-9f86d081884c7d65";
/// A service account's key as Google hands it out, shortened.
const ACCOUNT: &str = r#"{"type":"service_account","project_id":"p","private_key_id":"i","private_key":"planted-9f86d081884c7d65",
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
    let account = dir.path().join("account.json");
    std::fs::write(&account, ACCOUNT).unwrap();
    std::fs::set_permissions(&account, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
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

/// Entry and environment in, base URL and reach URL out; the latter where it isn't the former.
#[track_caller]
fn leads(entry: &str, vars: &[(&str, &str)], base: &str, reach: Option<&str>) {
    let provider = provider(entry, vars);
    assert_eq!(provider.base_url.as_str(), base, "{entry}");
    let probe = provider.reach.unwrap();
    assert_eq!(probe.base_url.as_ref().map(url::Url::as_str), reach, "{entry}");
}

#[test]
fn bedrock_has_a_host_per_region_and_one_for_control() {
    let west = [("AWS_REGION", "eu-west-1")];
    leads(
        "id = \"bedrock\"",
        &west,
        "https://bedrock-runtime.eu-west-1.amazonaws.com/",
        Some("https://bedrock.eu-west-1.amazonaws.com/"),
    );
    leads(
        "id = \"bedrock\"\nvars = { region = \"us-east-1\" }",
        &west,
        "https://bedrock-runtime.us-east-1.amazonaws.com/",
        Some("https://bedrock.us-east-1.amazonaws.com/"),
    );
    // With a base URL of one's own the reach request goes there too.
    let own = "id = \"bedrock\"\nbase_url = \"http://127.0.0.1:9/bedrock\"\nfree = true";
    leads(own, &[], "http://127.0.0.1:9/bedrock", None);
}

#[test]
fn azure_has_two_forms() {
    let azure = "id = \"azure-openai\"\nmodels = [\"gpt-5-nano\"]\ncanary = false\n";
    let v1 = "https://res.openai.azure.com/openai/v1";
    leads(
        &format!("{azure}vars = {{ resource = \"res\" }}"),
        &[],
        v1,
        Some(v1),
    );
    leads(
        &format!("{azure}vars = {{ resource = \"res\", api_version = \"2024-10-21\" }}"),
        &[],
        "https://res.openai.azure.com/openai/deployments/%7Bmodel%7D?api-version=2024-10-21",
        Some(v1),
    );
    leads(
        azure,
        &[
            ("AZURE_RESOURCE_NAME", "res"),
            ("OPENAI_API_VERSION", "2025-04-01-preview"),
        ],
        "https://res.openai.azure.com/openai/deployments/%7Bmodel%7D?api-version=2025-04-01-preview",
        Some(v1),
    );
    let own = |url: &str| format!("{azure}base_url = \"{url}\"");
    leads(
        &own("https://gw.example/azure/openai/deployments/{model}?api-version=1"),
        &[],
        "https://gw.example/azure/openai/deployments/%7Bmodel%7D?api-version=1",
        Some("https://gw.example/azure/openai?api-version=1"),
    );
    let model = "https://gw.example/%7Bmodel%7D/v1";
    leads(
        &own("https://gw.example/{model}/v1"),
        &[],
        model,
        Some("https://gw.example/"),
    );
    // One's own resource by hand is the preset's own address all the same.
    let by_hand = format!("{}\nvars = {{ resource = \"res\" }}", own(v1));
    leads(&by_hand, &[], v1, Some(v1));
}

#[test]
fn vertex_has_hosts_of_regions_and_multi_regions() {
    let project = [("GOOGLE_CLOUD_PROJECT", "proj")];
    for id in ["vertex-gemini", "vertex-claude"] {
        for (region, host) in [
            ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            ("us", "aiplatform.us.rep.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ] {
            let entry = format!("id = \"{id}\"\nvars = {{ region = \"{region}\" }}");
            let base = format!("https://{host}/v1/projects/proj/locations/{region}");
            leads(&entry, &project, &base, None);
        }
        let base = "https://aiplatform.googleapis.com/v1/projects/proj/locations/global";
        leads(&format!("id = \"{id}\""), &project, base, None);
    }
}

#[test]
fn reach_lies_beside_the_version_path() {
    let vllm = "id = \"vllm\"\nmodels = [\"m\"]\n";
    leads(
        vllm,
        &[],
        "http://127.0.0.1:8000/v1",
        Some("http://127.0.0.1:8000/"),
    );
    let own = |url: &str| format!("{vllm}base_url = \"{url}\"");
    leads(
        &own("http://gpu-box/inference/v1"),
        &[],
        "http://gpu-box/inference/v1",
        Some("http://gpu-box/inference"),
    );
    leads(
        &own("http://gpu-box/inference"),
        &[],
        "http://gpu-box/inference",
        None,
    );
    leads(
        "id = \"ollama\"\nmodels = [\"m\"]",
        &[],
        "http://127.0.0.1:11434/",
        None,
    );
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
        (
            "id = \"vertex-gemini\"\nprotocol = \"openai-chat\"\nbase_url = \"https://aiplatform.example/openapi\"\ncanary = false",
            Protocol::OpenaiChat,
            None,
            Endpoint::Native,
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

    // What the machine offers is taken only where the file says so.
    let machine = provider("id = \"bedrock\"\naws = { ambient = true }", &AWS[..1]);
    assert!(signed(&machine) && machine.models[0].canary.is_some());
    assert_eq!(machine.cloud, Some(CloudCredential::AwsAmbient));

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
    // The login of a user does as well.
    let login = r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}"#;
    let vars = [("GOOGLE_CLOUD_PROJECT", "p"), ("LOGIN", login)];
    let file = "id = \"vertex-claude\"\ngoogle = { service_account = { env = \"LOGIN\" } }";
    assert!(provider(file, &vars).cloud.is_some());
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
id = "bedrock-4"
preset = "bedrock"
vars = { region = "us-east-1" }
aws = { access_key_id = { env = "ID" }, ambient = true }
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
    let user = format!("{{\"type\":\"external_account\",\"refresh_token\":\"{PLANTED}\"}}");
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
    let priced = "[[provider]]\nid = \"litellm\"\n[[provider.model]]\nid = \"m\"\n\
                  price = { input_usd_per_mtok = 1.0, output_usd_per_mtok = 5.0 }\n";
    assert_eq!(warnings(priced), Vec::<String>::new());
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

/// What is set and starts nothing is named, without its value, with what is missing.
#[test]
fn without_a_file_credentials_that_start_nothing_are_named() {
    let aws = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set, but a cloud's general credentials start nothing \
               by themselves";
    let google = "GOOGLE_APPLICATION_CREDENTIALS is set, but a cloud's general credentials start nothing by themselves";
    let azure = "AZURE_OPENAI_API_KEY is set, but azure-openai has no default model";
    let bedrock = "AWS_BEARER_TOKEN_BEDROCK is set, but bedrock needs its region too";
    let rows = [
        (vec![], vec![]),
        (vec![("AZURE_OPENAI_API_KEY", PLANTED)], vec![azure]),
        (
            vec![("AZURE_OPENAI_API_KEY", PLANTED), ("OPENAI_API_KEY", PLANTED)],
            vec![azure],
        ),
        (AWS[1..2].to_vec(), vec![]),
        (AWS[1..].to_vec(), vec![aws]),
        (vec![AWS[0], AWS[1], AWS[2]], vec![aws]),
        (vec![AWS[1], AWS[2], ("OPENAI_API_KEY", PLANTED)], vec![]),
        (vec![("AWS_BEARER_TOKEN_BEDROCK", PLANTED)], vec![bedrock]),
        (vec![("AWS_BEARER_TOKEN_BEDROCK", PLANTED), AWS[0]], vec![]),
        (vec![("GOOGLE_APPLICATION_CREDENTIALS", "/k.json")], vec![google]),
        (vec![("OPENAI_API_KEY", PLANTED)], vec![]),
        (
            vec![("LITELLM_API_KEY", PLANTED)],
            vec!["LITELLM_API_KEY is set, but litellm has no default model"],
        ),
    ];
    for (vars, wanted) in rows {
        let dir = tempfile::tempdir().unwrap();
        let loaded = load(None, &env(dir.path(), &vars)).unwrap();
        let told: Vec<&str> = loaded
            .warnings
            .items()
            .iter()
            .map(|item| item.message.as_str())
            .collect();
        assert_eq!(told, wanted, "{vars:?}");
        let shown = loaded.warnings.render(false);
        assert!(!shown.contains(PLANTED) && !shown.contains("k.json"), "{shown}");
    }
    let vars = [("AWS_BEARER_TOKEN_BEDROCK", PLANTED)];
    let dir = tempfile::tempdir().unwrap();
    let shown = load(None, &env(dir.path(), &vars))
        .unwrap()
        .warnings
        .render(false);
    assert!(
        shown.contains("set AWS_REGION or AWS_DEFAULT_REGION, or name it in"),
        "{shown}"
    );
}

/// What each preset needs beside its id.
const NEEDED: [(&str, &str); 10] = [
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
];
/// Presets that need nothing, and the variables of their keys.
const HOSTED: [(&str, &str); 17] = [
    ("anthropic", "ANTHROPIC_API_KEY"),
    ("openai", "OPENAI_API_KEY"),
    ("openai-responses", "OPENAI_API_KEY"),
    ("gemini", "GEMINI_API_KEY"),
    ("openrouter", "OPENROUTER_API_KEY"),
    ("mistral", "MISTRAL_API_KEY"),
    ("cohere", "COHERE_API_KEY"),
    ("groq", "GROQ_API_KEY"),
    ("together", "TOGETHER_API_KEY"),
    ("fireworks", "FIREWORKS_API_KEY"),
    ("deepseek", "DEEPSEEK_API_KEY"),
    ("xai", "XAI_API_KEY"),
    ("perplexity", "PERPLEXITY_API_KEY"),
    ("cerebras", "CEREBRAS_API_KEY"),
    ("nvidia-nim", "NVIDIA_API_KEY"),
    ("moonshot", "MOONSHOT_API_KEY"),
    ("alibaba-qwen", "DASHSCOPE_API_KEY"),
];

/// Every preset in one file: what `endturn check` says of it.
#[test]
fn check_shows_every_preset() {
    let entries = NEEDED.into_iter().chain(HOSTED.map(|(id, _)| (id, "")));
    let text = entries.fold("[budget]\nusd_per_day = 100\n".to_owned(), |text, (id, more)| {
        text + &format!("[[provider]]\nid = \"{id}\"\n{more}\n")
    });
    let mut vars = HOSTED.map(|(_, variable)| (variable, PLANTED)).to_vec();
    vars.extend(["AWS_BEARER_TOKEN_BEDROCK", "AZURE_OPENAI_API_KEY"].map(|variable| (variable, PLANTED)));
    let loaded = loaded(&text, &vars);
    let generates = |provider: &Provider| provider.models[0].canary.is_some();
    let presets: BTreeSet<_> = loaded
        .config
        .providers
        .iter()
        .map(|p| p.preset.as_str())
        .collect();
    assert_eq!(presets.len(), 27);
    assert!(loaded.config.providers.iter().all(generates));
    let mut out = Vec::new();
    endturn::cli::check::write_plan(&loaded, false, &mut out).unwrap();
    let shown = String::from_utf8(out).unwrap();
    assert!(!shown.contains(PLANTED));
    insta::assert_snapshot!("check_every_preset", shown);
}
