use std::{collections::BTreeSet, fs};

use super::*;
use crate::config::{Auth, BodyKind, MAX_TOKENS, address};

/// Every shipped preset, as few as the product promises.
const SHIPPED: [&str; 27] = [
    "alibaba-qwen",
    "anthropic",
    "azure-openai",
    "bedrock",
    "cerebras",
    "cohere",
    "deepseek",
    "fireworks",
    "gemini",
    "groq",
    "litellm",
    "llama-cpp",
    "lm-studio",
    "mistral",
    "moonshot",
    "nvidia-nim",
    "ollama",
    "openai",
    "openai-compatible",
    "openai-responses",
    "openrouter",
    "perplexity",
    "together",
    "vertex-claude",
    "vertex-gemini",
    "vllm",
    "xai",
];

fn shipped() -> Presets {
    let mut report = Report::default();
    let presets = Presets::load(None, &mut report);
    let findings = report.seal();
    assert!(findings.is_empty(), "{}", findings.render(false));
    presets
}

#[test]
fn every_shipped_preset_parses() {
    let presets = shipped();
    let names: Vec<_> = presets.iter().map(|preset| preset.name.as_str()).collect();
    assert_eq!(names, SHIPPED);
}

/// Each file says of each group of facts whether somebody saw it.
#[test]
fn every_group_of_facts_is_there_and_says_whether_it_was_verified() {
    for (kind, name, text) in embedded().filter(|(kind, _, _)| *kind == "providers") {
        let file: toml::Table = text.parse().unwrap();
        let says = |table: &toml::Table| table.get("verified").is_some_and(toml::Value::is_bool);
        assert!(says(&file), "{kind}/{name}: verified");
        let preset = shipped().get(name).cloned().unwrap();
        let mut groups = vec!["reach", "canary", "refuses"];
        if !preset.free && name != "openai-compatible" {
            groups.push("status");
        }
        for group in groups {
            let table = file.get(group).and_then(toml::Value::as_table);
            assert!(table.is_some_and(says), "{kind}/{name}: [{group}] with verified");
        }
        let reach = &file["reach"];
        for key in ["body_with_key", "body_without_key"] {
            assert!(reach.get(key).is_some(), "{kind}/{name}: reach.{key}");
        }
        assert!(text.starts_with("# "), "{kind}/{name} begins with what it is");
        assert_eq!(
            preset.unverified.contains(&"address"),
            file["verified"].as_bool() == Some(false),
            "{name}"
        );
    }
}

#[test]
fn addresses_are_encrypted_or_of_this_machine() {
    for preset in shipped().iter() {
        let name = &preset.name;
        let variants = preset
            .address
            .variants
            .iter()
            .map(|variant| variant.base_url.as_str());
        let all = preset.address.base_url.as_deref().into_iter().chain(variants);
        for template in all.chain(preset.reach.base_url.as_deref()) {
            let url = Url::parse(&address::fill(template, |_| Some("x".to_owned())).unwrap()).unwrap();
            let loopback = url.host_str() == Some("127.0.0.1");
            assert_eq!(loopback, preset.free, "{name}: {template}");
            assert_eq!(url.scheme() == "https", !loopback, "{name}: {template}");
            assert!(!template.ends_with('/'), "{name}: {template}");
        }
        for var in preset.address.vars.values() {
            assert!(!var.env.is_empty() && !var.help.is_empty(), "{name}");
        }
        assert!(preset.reach.path.starts_with('/'), "{name}");
        for expected in [&preset.reach.with_key, &preset.reach.without_key] {
            assert!(!expected.status.is_empty(), "{name}");
            let anything = expected.body == BodyKind::Any;
            assert!(
                !anything || name == "openai-compatible",
                "{name}: nothing is said of the body"
            );
            let known = expected.status.iter().all(|status| (200..500).contains(status));
            assert!(known, "{name}: an outage is not what is expected");
        }
        if let Some(page) = &preset.status {
            assert_eq!(page.url.scheme(), "https", "{name}");
        }
    }
}

#[test]
fn default_models_have_a_price_and_prices_a_day_and_a_source() {
    for preset in shipped().iter() {
        let name = &preset.name;
        match &preset.default_model {
            Some(model) => assert!(preset.models.contains_key(model), "{name}/{model}"),
            // Whose models are its operator's own.
            None => assert!(
                preset.free || ["azure-openai", "openai-compatible"].contains(&name.as_str()),
                "{name}"
            ),
        }
        for (model, known) in &preset.models {
            let price = &known.price;
            assert!(
                price.price.cost(1, 1) > 0.0 || name == "nvidia-nim",
                "{name}/{model}"
            );
            assert!(!price.source.is_empty(), "{name}/{model}");
            assert!(
                price.as_of.as_str() > "2024-01-01" && price.as_of.len() == 10,
                "{name}/{model}"
            );
            crate::id::ModelId::new(model).unwrap();
        }
    }
}

#[test]
fn credentials_are_named_and_asked_for() {
    let mut variables = BTreeSet::new();
    for preset in shipped().iter() {
        let name = &preset.name;
        let local = preset.free || name == "openai-compatible";
        assert_eq!(preset.key_required, !local, "{name}");
        assert!(
            local || preset.key_env.is_some() || preset.auth.cloud.is_some(),
            "{name}"
        );
        assert_ne!(preset.auth.key, Auth::None, "{name}");
        if let Some(variable) = &preset.key_env {
            let first = variables.insert(variable.clone());
            assert!(
                first || name == "openai-responses",
                "{name}: {variable} is another one's"
            );
        }
    }
}

/// What a canary sends is nothing that the same file says is refused, and never a sampling parameter.
#[test]
fn canaries_send_nothing_that_is_refused() {
    let presets = shipped();
    for preset in presets.iter() {
        let name = &preset.name;
        assert!(presets.canary(&preset.canary.script).is_some(), "{name}");
        let models = preset.models.keys().map(String::as_str).chain(["any other"]);
        for model in models {
            let canary = preset.canary_for(model);
            assert!(
                (MAX_TOKENS.0..=MAX_TOKENS.1).contains(&canary.max_tokens),
                "{name}/{model}"
            );
            let field = canary.max_tokens_field.as_deref().unwrap_or_default();
            assert!(
                !preset.refuses.iter().any(|member| member == field),
                "{name}: {field}"
            );
            for member in &preset.refuses {
                assert!(
                    !canary.params.contains_key(member),
                    "{name}/{model} sends {member}"
                );
            }
            for param in ["temperature", "top_p", "top_k", "seed", "stop", "logprobs"] {
                assert!(!canary.params.contains_key(param), "{name}/{model} sends {param}");
            }
        }
    }
}

/// The budgets that don't starve an answer: reasoning that can't be switched off gets 2048 tokens.
#[test]
fn reasoning_does_not_starve_the_answer() {
    for preset in shipped().iter() {
        for model in preset.models.keys().map(String::as_str).chain(["any other"]) {
            let canary = preset.canary_for(model);
            assert!(canary.max_tokens >= 2048, "{}/{model}", preset.name);
        }
    }
}

#[test]
fn a_model_may_have_settings_of_its_own() {
    let presets = shipped();
    let openai = presets.get("openai").unwrap();
    let nano = openai.canary_for("gpt-5.4-nano");
    assert_eq!(nano.params["reasoning_effort"], "low");
    assert_eq!(nano.params["stream_options"]["include_obfuscation"], false);
    assert_eq!(nano.extra_output_tokens, 128);
    let luna = openai.canary_for("gpt-5.6-luna");
    assert_eq!(
        (&luna.params["reasoning_effort"], luna.extra_output_tokens),
        (&"none".into(), 0)
    );
    assert!(
        !openai
            .canary_for("gpt-4.1")
            .params
            .contains_key("reasoning_effort")
    );
}

/// The reference lists every preset, by name and with its default model and the variable of its key.
#[test]
fn every_preset_is_in_the_reference() {
    let docs = include_str!("../../../docs/providers.md");
    for preset in shipped().iter() {
        let row = docs
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", preset.name)))
            .unwrap_or_else(|| panic!("{} is not in docs/providers.md", preset.name));
        assert!(row.contains(&format!("`{}`", preset.wire)), "protocol: {row}");
        let told = [preset.key_env.as_deref(), preset.default_model.as_deref()];
        for told in told.into_iter().flatten() {
            assert!(row.contains(&format!("`{told}`")), "{told}: {row}");
        }
        let reach = format!("`{} {}`", preset.reach.method, preset.reach.path);
        assert!(row.contains(&reach), "{reach}: {row}");
        let last = row.trim_end_matches(" |").rsplit("| ").next().unwrap_or_default();
        let unverified = match preset.unverified.as_slice() {
            [] => "-".to_owned(),
            groups => groups.join(", "),
        };
        assert_eq!(last, unverified, "{row}");
    }
}

#[test]
fn a_preset_that_lacks_something_says_what() {
    let whole = include_str!("../../../probes/providers/openai.toml");
    for (from, to, what) in [
        ("protocol = \"openai-chat\"", "", "protocol is missing"),
        (
            "protocol = \"openai-chat\"",
            "protocol = \"x\"",
            "unknown protocol \"x\"",
        ),
        ("strict_terminal = true", "", "strict_terminal is missing"),
        ("auth = \"bearer\"", "auth = \"basic\"", "auth is"),
        ("\"2026-07-02\"", "\"July\"", "as_of \"July\" is not a day"),
        (
            "input_usd_per_mtok = 0.20",
            "input_usd_per_mtok = 20000.0",
            "must lie between 0 and 10000 dollars",
        ),
        (
            "format = \"statuspage\"",
            "format = \"fax\"",
            "status format \"fax\"",
        ),
        (
            "base_url = \"https://api.openai.com/v1\"",
            "base_url = \"x\"",
            "is not a URL",
        ),
    ] {
        assert!(whole.contains(from), "{from}");
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("providers")).unwrap();
        fs::write(dir.path().join("providers/own.toml"), whole.replace(from, to)).unwrap();
        let mut report = Report::default();
        Presets::load(Some(dir.path()), &mut report);
        let findings = report.seal();
        assert_eq!(findings.items().len(), 1, "{what}");
        assert!(
            findings.items()[0].message.contains(what),
            "{:?}",
            findings.items()
        );
    }
}
