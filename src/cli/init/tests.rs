use std::collections::BTreeMap;

use super::*;
use crate::config::{Loaded, Severity, load_text};

/// What every planted key holds.
const PLANTED: &str = "planted-9f86d081884c7d65";
/// Keys of one's surroundings: none, one, those of which one needs more than a key, too many for the budget.
const SURROUNDINGS: [&[&str]; 7] = [
    &[],
    &["ANTHROPIC_API_KEY"],
    &["XAI_API_KEY"],
    &["OPENAI_API_KEY", "PERPLEXITY_API_KEY"],
    &[
        "AWS_BEARER_TOKEN_BEDROCK",
        "AZURE_OPENAI_API_KEY",
        "LITELLM_API_KEY",
    ],
    &["AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION"],
    &[
        "ANTHROPIC_API_KEY",
        "COHERE_API_KEY",
        "GEMINI_API_KEY",
        "OPENAI_API_KEY",
        "MOONSHOT_API_KEY",
    ],
];

fn env(names: &[&str]) -> Env {
    let value = |name: &str| match name {
        "AWS_REGION" => "eu-central-1".to_owned(),
        _ => PLANTED.to_owned(),
    };
    Env {
        vars: names
            .iter()
            .map(|name| ((*name).to_owned(), value(name)))
            .collect(),
        system_dir: PathBuf::from("/nowhere"),
        ..Env::default()
    }
}

fn first(names: &[&str]) -> First {
    First::of(&env(names)).unwrap_or_else(|error| panic!("{error}"))
}

/// It loads, and nobody has to be told anything of it.
fn loaded(text: &str, env: &Env) -> Loaded {
    let loaded = load_text("endturn.toml", text, env).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(
        loaded.warnings.is_empty(),
        "{}\n{text}",
        loaded.warnings.render(false)
    );
    loaded
}

/// The examples of a text: from a line that is TOML behind its "# " to the next empty one.
fn examples(text: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        let bare = line.strip_prefix("# ").unwrap_or_default();
        let key = bare.split(" = ").next().unwrap_or_default();
        let begins = bare.starts_with('[') || (bare.contains(" = ") && !key.contains(' '));
        if begins && !within {
            within = true;
            examples.push(String::new());
        } else if line.is_empty() {
            within = false;
        }
        if within && let Some(example) = examples.last_mut() {
            example.extend([line, "\n"]);
        }
    }
    examples
}

/// As somebody takes it.
fn taken(text: &str, example: &str) -> String {
    assert!(text.contains(example), "{example}");
    let bare = example
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or_default().to_owned() + "\n");
    text.replace(example, &bare.collect::<String>())
}

/// With what the examples name.
fn with_examples(names: &[&str]) -> Env {
    let mut env = env(names);
    let named = [
        ("ANTHROPIC_API_KEY", PLANTED),
        ("ENDTURN_DASHBOARDS_TOKEN", "a-token-of-at-least-20-signs"),
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/x"),
    ];
    env.vars
        .extend(named.map(|(name, value)| (name.to_owned(), value.to_owned())));
    env
}

#[test]
fn it_watches_whom_run_would_watch_without_it() {
    for names in SURROUNDINGS {
        let env = env(names);
        let mut run = config::load(None, &env).unwrap().config;
        run.providers.retain(text::is_watched);
        run.official
            .pages
            .retain(|(id, _)| run.providers.iter().any(|provider| provider.id == *id));
        let first = first(names);
        if run.providers.is_empty() {
            let error = load_text("endturn.toml", &first.text, &env).unwrap_err();
            let ConfigError::Invalid(findings) = error else {
                panic!("{error}");
            };
            let told: Vec<_> = findings
                .items()
                .iter()
                .map(|item| (item.severity, item.message.as_str()))
                .collect();
            assert_eq!(told, [(Severity::Error, "no provider is configured")]);
        } else {
            assert_eq!(loaded(&first.text, &env).config, run, "{names:?}\n{}", first.text);
        }
        assert_eq!(first.config.providers, run.providers);
        assert!(
            first.text.ends_with("\"\n") && !first.text.contains("\n\n\n"),
            "{}",
            first.text
        );
    }
}

#[test]
fn every_example_is_right_alone_and_with_all_others() {
    for names in SURROUNDINGS {
        let first = first(names);
        let env = with_examples(names);
        let mut text = first.text.clone();
        let mut heads = Vec::new();
        // Nothing starts without a provider: where nobody is watched its example is taken first.
        let (own, others): (Vec<_>, Vec<_>) = examples(&text)
            .into_iter()
            .partition(|example| example.contains("api_key"));
        assert_eq!(own.len(), usize::from(first.found.is_empty()), "{text}");
        for example in own {
            text = taken(&text, &example);
            let entry = &loaded(&text, &env).config.providers;
            let run = config::load(None, &env).unwrap().config.providers;
            assert_eq!(entry.len(), 1);
            assert!(run.contains(&entry[0]), "{text}");
        }
        let mut all = text.clone();
        let alone = loaded(&text, &env).config;
        for example in others {
            heads.push(
                example
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .trim_start_matches("# ")
                    .to_owned(),
            );
            let with = loaded(&taken(&text, &example), &env).config;
            all = taken(&all, &example);
            let is_default = example.contains("[store]") || example.contains("[network]");
            assert_eq!(with == alone, is_default, "{example}");
        }
        let config = loaded(&all, &env).config;
        assert_eq!(
            config.routes.len() + config.alerts.rules.len() + config.server.tokens.len(),
            3
        );
        assert_eq!(
            heads,
            [
                "vantage = \"fra-1\"",
                "[server]",
                "[store]",
                "[network]",
                "[[provider]]",
                "[[route]]",
                "[[channel]]",
                "[telemetry.otlp]"
            ]
        );
    }
}

#[test]
fn no_key_is_in_what_it_tells() {
    for names in SURROUNDINGS {
        let first = first(names);
        let told = first.text.clone() + &first.told(None) + &first.told(Some(Path::new("x")));
        for part in PLANTED.split('-').chain([PLANTED]) {
            assert!(!told.contains(part), "{told}");
        }
        for name in names.iter().filter(|name| name.ends_with("_API_KEY")) {
            assert!(
                told.contains(name) || ["AZURE_OPENAI_API_KEY", "LITELLM_API_KEY"].contains(name),
                "{told}"
            );
        }
    }
}

#[test]
fn what_no_key_can_be_is_told_and_nothing_written() {
    let mut env = env(&[]);
    env.vars = BTreeMap::from([("OPENAI_API_KEY".to_owned(), format!("{PLANTED} {PLANTED}"))]);
    let error = First::of(&env).err().unwrap().to_string();
    assert!(
        error.contains("OPENAI_API_KEY") && !error.contains(PLANTED),
        "{error}"
    );
}

#[test]
fn a_terminal_is_told_what_was_found_and_what_to_do() {
    assert_eq!(
        first(&["ANTHROPIC_API_KEY"]).told(None),
        "watched: anthropic (ANTHROPIC_API_KEY); about $0.42 a day\n
  endturn init -o endturn.toml   writes it there
  endturn check -c endturn.toml  every mistake, or the plan and its cost a day; sends nothing
  endturn run -c endturn.toml    the daemon; its page is at http://127.0.0.1:7411/"
    );
    assert_eq!(
        first(&[]).told(Some(Path::new("a\u{1b}.toml"))).lines().next(),
        Some(
            "no key was found, so all of it is an example: set a variable that it names, and take the \"# \" off its \
             entry"
        )
    );
    let dear = first(SURROUNDINGS[6]).told(Some(Path::new("a\u{1b}.toml")));
    assert!(
        dear.contains("\nwarning: the plan of all providers would cost $"),
        "{dear}"
    );
    assert!(
        dear.contains("\n  endturn check -c a\\u{1b}.toml  ") && !dear.contains("init -o"),
        "{dear}"
    );
}

#[test]
fn a_file_is_new_or_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let names = || -> Vec<_> {
        let entries = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        entries.collect()
    };
    let path = dir.path().join("endturn.toml");
    write(&path, "a").unwrap();
    assert_eq!(
        (fs::read_to_string(&path).unwrap().as_str(), names().len()),
        ("a", 1)
    );
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    for taken in [&path, &link, dir.path()] {
        let error = write(taken, "b").unwrap_err();
        assert!(matches!(error, WriteError::Exists(_)), "{error}");
    }
    for nowhere in ["missing/endturn.toml", "endturn.toml/endturn.toml", "missing/"] {
        let error = write(&dir.path().join(nowhere), "b").unwrap_err();
        assert!(matches!(error, WriteError::Write { .. }), "{error}");
    }
    assert_eq!(
        (fs::read_to_string(&path).unwrap().as_str(), names().len()),
        ("a", 2)
    );
}
