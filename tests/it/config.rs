//! Configuration from the outside: search order, precedence, diagnostics, secrets.

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
