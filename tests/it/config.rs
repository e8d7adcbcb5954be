//! Configuration from the outside: search order, precedence, diagnostics, secrets.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod broken;

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use endturn::config::{Auth, ConfigError, Env, Keep, Loaded, Origin, load};
use tempfile::TempDir;

use broken::{
    ADDRESSES, ALERTS, HEADERS, KEYS, NAMES, OUT_OF_RANGE, PRICES, ROUTES, SYNTAX, UNKNOWN_KEYS, WRONG_TYPES,
};

/// A key that must never be seen again.
const PLANTED: &str = "planted-9f86d081884c7d65";

struct Place {
    dir: TempDir,
    env: Env,
}

impl Place {
    fn new(vars: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env = Env {
            vars: vars
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            working_dir: dir.path().join("here"),
            config_home: Some(dir.path().join("home")),
            state_home: Some(dir.path().join("state")),
            system_dir: dir.path().join("etc"),
        };
        Self { dir, env }
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        // As a key has to be.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        load(None, &self.env)
    }

    fn shown(&self, error: &ConfigError) -> String {
        self.strip(&error.to_string())
    }

    /// Without the temporary directory's own name.
    fn strip(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

/// The environment's usual keys.
fn keys() -> Vec<(&'static str, &'static str)> {
    vec![("ANTHROPIC_API_KEY", PLANTED), ("OPENAI_API_KEY", PLANTED)]
}

/// What is shown of a file's errors.
fn errors(text: &str) -> String {
    let place = Place::new(&keys());
    place.write("here/endturn.toml", text);
    place.shown(&place.load().expect_err("this file is wrong"))
}

#[test]
fn the_example_is_right() {
    let place = Place::new(&keys());
    place.write("here/endturn.toml", include_str!("../../examples/endturn.toml"));
    let loaded = place.load().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config.vantage, "fra-1");
    let ids: Vec<_> = loaded
        .config
        .providers
        .iter()
        .flat_map(|p| &p.models)
        .map(|m| m.id.to_string())
        .collect();
    assert_eq!(
        ids,
        [
            "anthropic/claude-haiku-4-5",
            "openai/gpt-5.4-nano",
            "vllm/meta-llama/llama-3.1-8b-instruct"
        ]
    );
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render(false));
    let openai = &loaded.config.providers[1];
    assert_eq!(
        openai.models[0].canary.as_ref().unwrap().every,
        Duration::from_secs(120)
    );
    assert_eq!(openai.models[0].params["reasoning_effort"], "low");
    assert_eq!(
        openai.models[0].params["stream_options"]["include_obfuscation"],
        false
    );
    let vllm = &loaded.config.providers[2];
    assert_eq!(
        (vllm.auth.clone(), vllm.key.clone(), vllm.polite),
        (Auth::None, None, false)
    );
    assert_eq!(vllm.limits.first_token, Duration::from_secs(60));
    assert_eq!(vllm.limits.connect, Duration::from_secs(5));
}

#[test]
fn without_a_file_the_keys_decide() {
    let place = Place::new(&[("ANTHROPIC_API_KEY", PLANTED)]);
    let loaded = place.load().unwrap();
    assert_eq!(loaded.origin, Origin::Environment);
    let seen: BTreeMap<_, _> = loaded
        .config
        .providers
        .iter()
        .map(|p| {
            (
                p.id.as_str(),
                (p.reach.is_some(), p.models[0].canary.is_some(), p.key.is_some()),
            )
        })
        .collect();
    // Everybody with one address for all; nobody's own server, nothing that needs a region, project or resource.
    let reached = [
        "alibaba-qwen",
        "cerebras",
        "cohere",
        "deepseek",
        "fireworks",
        "gemini",
        "groq",
        "mistral",
        "moonshot",
        "nvidia-nim",
        "openai",
        "openrouter",
        "perplexity",
        "together",
        "xai",
    ];
    let mut expected = BTreeMap::from(reached.map(|id| (id, (true, false, false))));
    expected.insert("anthropic", (true, true, true));
    assert_eq!(seen, expected);
    assert_eq!(
        loaded.config.store.path,
        place.dir.path().join("state/endturn/endturn.db")
    );
}

/// Broken files by what is broken; each snapshot shows every error with line, caret and help.
#[test]
fn every_mistake_is_shown_with_line_caret_and_help() {
    for (name, text) in [
        ("unknown_keys", UNKNOWN_KEYS),
        ("wrong_types", WRONG_TYPES),
        ("out_of_range", OUT_OF_RANGE),
        ("names", NAMES),
        ("addresses", ADDRESSES),
        ("headers", HEADERS),
        ("keys", KEYS),
        ("prices", PRICES),
        ("alerts", ALERTS),
        ("routes", ROUTES),
        ("syntax", SYNTAX),
        ("empty", "vantage = \"x\"\n"),
    ] {
        insta::assert_snapshot!(name, errors(text));
    }
}

#[test]
fn a_file_is_looked_for_in_order() {
    let place = Place::new(&[]);
    let file = |vantage: &str| format!("vantage = \"{vantage}\"\n[[provider]]\nid = \"anthropic\"\n");
    let vantage = |place: &Place| place.load().unwrap().config.vantage;
    assert_eq!(place.load().unwrap().origin, Origin::Environment);
    place.write("etc/endturn.toml", &file("machine"));
    assert_eq!(vantage(&place), "machine");
    place.write("home/endturn/endturn.toml", &file("user"));
    assert_eq!(vantage(&place), "user");
    place.write("here/endturn.toml", &file("here"));
    assert_eq!(vantage(&place), "here");
    let named = place.write("named.toml", &file("variable"));
    let mut env = place.env.clone();
    env.vars
        .insert("ENDTURN_CONFIG".to_owned(), named.display().to_string());
    assert_eq!(load(None, &env).unwrap().config.vantage, "variable");
    let flag = place.write("flag.toml", &file("flag"));
    assert_eq!(load(Some(&flag), &env).unwrap().config.vantage, "flag");
    // A named file that is missing is an error, not a reason to look further.
    let missing = load(Some(&place.dir.path().join("none.toml")), &env).unwrap_err();
    assert!(matches!(missing, ConfigError::Read { .. }), "{missing}");
    assert!(
        place.shown(&missing).starts_with("cannot read none.toml: "),
        "{missing}"
    );
}

#[test]
fn keys_come_from_variables_files_and_credentials() {
    let place = Place::new(&[
        ("SOME_KEY", "from-variable\n"),
        ("OPENAI_API_KEY", "not-for-others"),
    ]);
    place.write("here/beside.key", "from-file\n");
    let credentials = place.write("creds/openai", "from-credential");
    let mut env = place.env.clone();
    let dir = credentials.parent().unwrap().display().to_string();
    env.vars.insert("CREDENTIALS_DIRECTORY".to_owned(), dir);
    place.write(
        "here/endturn.toml",
        r#"
[[provider]]
id = "anthropic"
api_key = { env = "SOME_KEY" }
[[provider]]
id = "gemini"
api_key = { file = "beside.key" }
[[provider]]
id = "openai-responses"
api_key = { credential = "openai" }
[[provider]]
id = "openai"
[[provider]]
id = "elsewhere"
preset = "openai"
base_url = "https://gateway.example/v1/"
canary = false
"#,
    );
    let config = load(None, &env).unwrap().config;
    let seen: Vec<_> = config
        .providers
        .iter()
        .map(|p| (p.id.as_str(), p.key.as_ref().map(endturn::config::Secret::expose)))
        .collect();
    assert_eq!(
        seen,
        [
            ("anthropic", Some("from-variable")),
            ("gemini", Some("from-file")),
            ("openai-responses", Some("from-credential")),
            ("openai", Some("not-for-others")),
            // A vendor's key is never sent to another host unasked.
            ("elsewhere", None),
        ]
    );
    assert_eq!(
        config.providers[4].base_url.as_str(),
        "https://gateway.example/v1"
    );
    assert_eq!(config.providers[0].auth, Auth::Bearer);
    assert_eq!(
        config.providers[1].auth,
        Auth::Header("x-goog-api-key".to_owned())
    );
    assert_eq!(config.providers[4].auth, Auth::None);
}

#[test]
fn a_provider_without_a_key_is_only_reached_and_says_so() {
    let place = Place::new(&[]);
    place.write("here/endturn.toml", "[[provider]]\nid = \"anthropic\"\n");
    let loaded = place.load().unwrap();
    assert!(loaded.config.providers[0].models[0].canary.is_none());
    assert!(loaded.config.providers[0].reach.is_some());
    let lines: Vec<_> = loaded.warnings.lines().collect();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].ends_with(
            "endturn.toml:1: provider anthropic has no credential: only its reachability is probed"
        )
    );
}

#[test]
fn unencrypted_http_to_a_public_host_is_a_warning() {
    for (url, warned) in [
        ("http://api.example.com/v1", true),
        ("http://93.184.216.34/v1", true),
        ("https://api.example.com/v1", false),
        ("http://localhost:8000/v1", false),
        ("http://gpu-box:8000/v1", false),
        ("http://192.168.1.7/v1", false),
        ("http://[::1]:8000/v1", false),
        ("http://[fd00::1]/v1", false),
    ] {
        let place = Place::new(&[]);
        let entry = format!(
            "[[provider]]\nid = \"x\"\nprotocol = \"openai-chat\"\nbase_url = \"{url}\"\nmodels = [\"m\"]\nfree = true\n"
        );
        place.write("here/endturn.toml", &entry);
        let loaded = place.load().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(!loaded.warnings.is_empty(), warned, "{url}");
        // No key is needed on a server of one's own.
        assert!(loaded.config.providers[0].models[0].canary.is_some());
    }
}

#[test]
fn switches_and_defaults_layer() {
    let place = Place::new(&keys());
    place.write(
        "here/endturn.toml",
        r#"
[[provider]]
id = "anthropic"
reach = false
canary = { every = "5m" }
headers = { Anthropic-Version = "2023-06-01", x-team = "ops" }
strict_terminal = false
[[provider.model]]
id = "claude-haiku-4-5"
[[provider.model]]
id = "claude-haiku-5-5"
canary = { every = "90s" }
[[provider.model]]
id = "claude-opus-5-5"
canary = false
[[provider]]
id = "openai"
canary = true
"#,
    );
    let config = place.load().unwrap_or_else(|error| panic!("{error}")).config;
    let anthropic = &config.providers[0];
    let every: Vec<_> = anthropic
        .models
        .iter()
        .map(|m| m.canary.as_ref().map(|c| c.every.as_secs()))
        .collect();
    assert_eq!(every, [Some(300), Some(90), None]);
    assert_eq!(
        (
            anthropic.reach.clone(),
            anthropic.strict_terminal,
            anthropic.polite
        ),
        (None, false, true)
    );
    assert_eq!(
        anthropic.headers,
        [
            ("anthropic-version".to_owned(), "2023-06-01".to_owned()),
            ("x-team".to_owned(), "ops".to_owned())
        ]
    );
    let openai = &config.providers[1];
    assert_eq!(
        openai.models[0].canary.as_ref().unwrap().every,
        Duration::from_secs(60)
    );
    assert_eq!(openai.reach.as_ref().unwrap().every, Duration::from_secs(5));
    assert_eq!(
        openai.models[0].max_tokens_field.as_deref(),
        Some("max_completion_tokens")
    );
    assert_eq!((config.usd_per_day, config.anchors.len()), (Some(1.0), 3));
    assert_eq!(
        config.store.keep,
        Keep {
            raw: Duration::from_secs(48 * 3600),
            minute: Duration::from_secs(14 * 86_400),
            hour: Duration::from_secs(400 * 86_400),
            day: None,
        }
    );
    assert_eq!(config.store.max_bytes, 2 << 30);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:7411");
}

#[test]
fn files_of_the_operator_win_over_shipped_presets() {
    let place = Place::new(&keys());
    place.write(
        "here/endturn.toml",
        "[[provider]]\nid = \"anthropic\"\n[[provider]]\nid = \"mine\"\nmodels = [\"m\"]\n",
    );
    let preset = "protocol = \"anthropic\"\nbase_url = \"https://proxy.example\"\nauth = \"none\"\nkey_required = false\n\
                  strict_terminal = false\ndefault_model = \"m\"\n[reach]\nmethod = \"HEAD\"\npath = \"/\"\n\
                  expect_with_key = [204]\nexpect_without_key = [204]\n[canary]\nmax_tokens = 64\n\
                  extra_output_tokens = 0\n[models.m]\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 2\n\
                  as_of = \"2026-11-01\"\nsource = \"contract\"\nverified = true\n";
    for name in ["anthropic", "mine"] {
        place.write(&format!("etc/probes/providers/{name}.toml"), preset);
    }
    let config = place.load().unwrap_or_else(|error| panic!("{error}")).config;
    for provider in &config.providers {
        assert_eq!(provider.base_url.host_str(), Some("proxy.example"));
        assert_eq!(provider.reach.as_ref().unwrap().method, "HEAD");
        assert_eq!(provider.models[0].canary.as_ref().unwrap().max_tokens, 64);
    }
    // A broken one stops the start, with its own file named.
    place.write(
        "etc/probes/providers/mine.toml",
        &preset.replace("method", "methud"),
    );
    place.write(
        "etc/probes/canaries/count20.toml",
        "prompt = \"say SENTINEL_WORD\"\nwords = [\"One\"]\nsentinels = [\"x\"]\n",
    );
    insta::assert_snapshot!("presets", place.shown(&place.load().unwrap_err()));
}

/// However a key gets into the wrong place, it is never shown again.
#[test]
fn a_planted_key_never_comes_out() {
    let lines = [
        "api_key = \"KEY\"",
        "api_key = 'KEY'",
        "api_key = KEY",
        "api_key = \"\"\"\nKEY\"\"\"",
        "api_key = [\"KEY\"]",
        "api_key = { value = \"KEY\" }",
        "api_key = { env = \"KEY\" }",
        "api_kye = \"KEY\"",
        "api_kye = KEY",
        "key = \"KEY",
        "headers = { authorization = \"Bearer KEY\" }",
        "headers = { x-api-key = \"KEY\" }",
        "headers = [\"KEY\"]",
        "aws = \"KEY\"",
        "aws = { access_key_id = \"KEY\", secret_access_key = 'KEY' }",
        "aws = { secret_acess_key = \"KEY\" }",
        "aws = { session_token = KEY }",
        "google = { service_account = \"KEY\" }",
        "google = { service_account = { json = \"KEY\" } }",
        "google = { metadata = \"KEY\" }",
        "base_url = \"https://KEY@example.com\"",
        "base_url = \"https://example.com/?key=KEY\"",
        "models = [\"m\"] # api_key = KEY",
        "canary = { every = \"1ms\", token = \"KEY\" }",
    ];
    for line in lines {
        let place = Place::new(&keys());
        let text = format!(
            "[[provider]]\nid = \"anthropic\"\n{}\n",
            line.replace("KEY", PLANTED)
        );
        place.write("here/endturn.toml", &text);
        let error = place.load().expect_err(line);
        let ConfigError::Invalid(findings) = &error else {
            panic!("{line}")
        };
        let lines: Vec<_> = findings.lines().collect();
        for shown in [
            error.to_string(),
            format!("{error:?}"),
            findings.render(true),
            lines.join("\n"),
        ] {
            assert!(!shown.contains(PLANTED), "{line} gives\n{shown}");
        }
    }
    let place = Place::new(&keys());
    place.write("here/endturn.toml", include_str!("../../examples/endturn.toml"));
    let loaded = place.load().unwrap();
    assert_eq!(loaded.config.providers[0].key.as_ref().unwrap().expose(), PLANTED);
    let mut out = Vec::new();
    endturn::cli::check::write_plan(&loaded, false, &mut out).unwrap();
    endturn::cli::check::write_json(Ok(&loaded), &mut out).unwrap();
    let shown = format!("{loaded:?} {:?} {}", place.env, String::from_utf8(out).unwrap());
    assert!(!shown.contains(PLANTED));
}

#[test]
fn check_shows_the_plan_and_what_had_to_be_stretched() {
    let place = Place::new(&[("ANTHROPIC_API_KEY", PLANTED)]);
    place.write(
        "here/endturn.toml",
        r#"
[budget]
usd_per_day = 0.20
[[provider]]
id = "anthropic"
[[provider]]
id = "openai"
[[provider]]
id = "vllm"
preset = "openai-compatible"
base_url = "http://127.0.0.1:8000/v1"
free = true
canary = { every = "10s" }
[[provider.model]]
id = "llama"
tags = ["own"]
[[route]]
name = "small"
targets = ["anthropic/claude-haiku-4-5", "vllm/llama"]
requires = ["own"]
[[channel]]
name = "desk"
type = "desktop"
[[channel]]
name = "phone"
type = "desktop"
quiet = [{ from = "22:00", to = "07:00", zone = "UTC" }]
[[alert]]
name = "models"
targets = ["anthropic/*", "vllm/llama"]
on = ["down", "model_changed"]
after = "2m"
remind = "never"
"#,
    );
    let loaded = place.load().unwrap();
    let mut text = Vec::new();
    endturn::cli::check::write_plan(&loaded, false, &mut text).unwrap();
    insta::assert_snapshot!("check_plan", place.strip(&String::from_utf8(text).unwrap()));
    let mut json = Vec::new();
    endturn::cli::check::write_json(Ok(&loaded), &mut json).unwrap();
    insta::assert_snapshot!("check_json", place.strip(&String::from_utf8(json).unwrap()));
}

#[test]
fn check_tells_errors_in_both_forms() {
    let place = Place::new(&keys());
    place.write(
        "here/endturn.toml",
        "vantag = 1\n[[provider]]\nid = \"antropic\"\n",
    );
    let error = place.load().unwrap_err();
    let mut out = Vec::new();
    endturn::cli::check::write_error(&error, false, &mut out).unwrap();
    endturn::cli::check::write_json(Err(&error), &mut out).unwrap();
    let missing = load(Some(&place.dir.path().join("none.toml")), &place.env).unwrap_err();
    endturn::cli::check::write_error(&missing, false, &mut out).unwrap();
    endturn::cli::check::write_json(Err(&missing), &mut out).unwrap();
    insta::assert_snapshot!("check_errors", place.strip(&String::from_utf8(out).unwrap()));
}
