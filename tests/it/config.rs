//! Configuration from the outside: search order, precedence, diagnostics, secrets.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use endturn::config::{Auth, ConfigError, Env, Loaded, Origin, load};
use tempfile::TempDir;

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
        path
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        load(None, &self.env)
    }

    fn shown(&self, error: &ConfigError) -> String {
        error
            .to_string()
            .replace(&format!("{}/", self.dir.path().display()), "")
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
    let expected = BTreeMap::from([
        ("anthropic", (true, true, true)),
        ("gemini", (true, false, false)),
        ("openai", (true, false, false)),
    ]);
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
        ("syntax", SYNTAX),
        ("empty", "vantage = \"x\"\n"),
    ] {
        insta::assert_snapshot!(name, errors(text));
    }
}

const UNKNOWN_KEYS: &str = r#"vantag = "x"
zzz = 1
[sever]
listen = "127.0.0.1:1"
[store]
keep = { raw = "48h", minute = "14d" }
[[provider]]
id = "anthropic"
api_kye = "planted-9f86d081884c7d65"
canary = { evry = "3s" }
long = { every = "30m" }
[[provider]]
id = "openai"
[[provider.model]]
id = "gpt-5.4-nano"
prise = 1
[[route]]
name = "x"
[telemetry.otlp]
endpoint = "http://127.0.0.1:4318"
"#;

const WRONG_TYPES: &str = r#"vantage = 7
[store]
max_size = "2 potatoes"
keep = { raw = 48 }
[budget]
usd_per_day = "1.00"
[[provider]]
id = "anthropic"
reach = "5s"
canary = { every = "often" }
headers = "Authorization: planted-9f86d081884c7d65"
limits = { total = 180, gap = "30 parsecs" }
[[provider]]
id = 7
models = "claude-haiku-4-5"
[[provider]]
"#;

const OUT_OF_RANGE: &str = r#"vantage = "my house"
[store]
max_size = "1MiB"
keep = { raw = "1s" }
[network]
anchors = ["1.1.1.1", "8.8.8.8:443", "8.8.8.8:443", "x:0"]
[budget]
usd_per_day = 0
[[provider]]
id = "anthropic"
usd_per_day = -1
reach = { every = "99ms" }
canary = { every = "999ms" }
limits = { connect = "0s", first_token = "60s", total = "30s" }
[[provider.model]]
id = "claude-haiku-4-5"
max_tokens = 15
[[provider.model]]
id = "claude-haiku-5-5"
price = { input_usd_per_mtok = -1, output_usd_per_mtok = 1 }
canary = { every = "25h" }
"#;

const NAMES: &str = r#"[[provider]]
id = "antropic"
[[provider]]
id = "openai"
[[provider]]
id = "openai"
[[provider]]
id = "my provider"
[[provider]]
id = "a"
preset = "open-ai"
[[provider]]
id = "b"
protocol = "openai"
base_url = "http://localhost:1/v1"
[[provider]]
models = ["m"]
[[provider]]
id = "gemini"
models = ["gemini-2.5-flash-lite", "gemini-2.5-flash-lite", "a model"]
"#;

const ADDRESSES: &str = r#"[server]
listen = "0.0.0.0:7411"
[[provider]]
id = "a"
protocol = "openai-chat"
[[provider]]
id = "b"
protocol = "openai-chat"
base_url = "localhost:8000"
[[provider]]
id = "c"
protocol = "openai-chat"
base_url = "https://user:planted-9f86d081884c7d65@example.com/v1"
[[provider]]
id = "d"
protocol = "openai-chat"
base_url = "https://example.com/v1?key=planted-9f86d081884c7d65"
[[provider]]
id = "e"
protocol = "openai-chat"
base_url = "http://127.0.0.1:8000/v1"
free = true
"#;

const HEADERS: &str = r#"[[provider]]
id = "anthropic"
[provider.headers]
Authorization = "Bearer planted-9f86d081884c7d65"
x-api-key = "planted-9f86d081884c7d65"
host = "example.com"
"not a header" = "x"
x-fine = "yes"
"#;

const KEYS: &str = r#"[[provider]]
id = "anthropic"
api_key = "planted-9f86d081884c7d65"
[[provider]]
id = "openai"
api_key = { env = "OPENAI_KEY" }
[[provider]]
id = "gemini"
api_key = { env = "planted-9f86d081884c7d65" }
[[provider]]
id = "a"
preset = "openai"
api_key = { credential = "../key" }
[[provider]]
id = "b"
preset = "openai"
api_key = { credential = "key" }
[[provider]]
id = "c"
preset = "openai"
api_key = { file = "missing.key" }
[[provider]]
id = "d"
preset = "openai"
api_key = { env = "A", file = "b" }
[[provider]]
id = "e"
preset = "openai"
api_key = { value = "planted-9f86d081884c7d65" }
"#;

const PRICES: &str = r#"[[provider]]
id = "anthropic"
models = ["claude-99"]
free = true
[[provider]]
id = "gateway"
preset = "openai-compatible"
base_url = "http://localhost:4000/v1"
models = ["gpt-5.4-nano"]
"#;

const SYNTAX: &str = r#"vantage = "a" "b"
[[provider]]
id = anthropic
api_key = planted-9f86d081884c7d65
[[provider]]
id = "openai"
id = "gemini"
[provider]
api_kye = "planted-9f86d081884c7d65
"#;
