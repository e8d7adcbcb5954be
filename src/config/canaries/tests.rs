//! Which canaries a file turns on, with which limits; and what a canary's own file may say.

use std::time::Duration;

use super::*;
use crate::config::{Answer, CanaryScript, ConfigError, Env, Model, canary_file::CanaryFile, load_text};

fn load(rest: &str) -> Result<Model, Vec<String>> {
    let text = format!(
        "[[provider]]\nid = \"own\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\nfree = true\n{rest}\n"
    );
    let text = if rest.contains("provider.model") {
        text
    } else {
        text + "models = [\"m\"]\n"
    };
    let env = Env {
        working_dir: std::env::temp_dir(),
        ..Env::default()
    };
    match load_text("canaries.toml", &text, &env) {
        Ok(loaded) => Ok(loaded.config.providers[0].models[0].clone()),
        Err(ConfigError::Invalid(findings)) => {
            Err(findings.items().iter().map(|item| item.message.clone()).collect())
        }
        Err(error) => panic!("{error}"),
    }
}

/// `canary 60 2048, long 1800 3520`: kind, seconds, token limit of what is on the timetable.
fn shown(rest: &str) -> String {
    let model = load(rest).unwrap();
    let all = model.canaries().count() + model.manual.len();
    assert_eq!(all, CanaryKind::ALL.len(), "the rest can be asked for by hand");
    let rows = model
        .canaries()
        .map(|(kind, canary)| format!("{kind} {} {}", canary.every.as_secs(), canary.max_tokens));
    rows.collect::<Vec<_>>().join(", ")
}

#[test]
fn canaries_are_turned_on_and_off_one_by_one() {
    for (rest, expected) in [
        ("", "canary 60 2048, long 1800 3520"),
        ("canary = false", ""),
        ("long = false", "canary 60 2048"),
        ("canary = false\nlong = true", "long 1800 3520"),
        (
            "canary = { every = \"5s\" }\nlong = { every = \"1h\", max_tokens = 900 }",
            "canary 5 2048, long 3600 900",
        ),
        (
            "json = true\ntool = { every = \"15m\" }",
            "canary 60 2048, long 1800 3520, json 1800 2200, tool 900 2120",
        ),
        (
            "json = true\n[[provider.model]]\nid = \"m\"\nlong = false\njson = false\ntool = { max_tokens = 64 }\nmax_tokens = 128",
            "canary 60 128, tool 1800 64",
        ),
        (
            "[[provider.model]]\nid = \"m\"\nmax_tokens = 128",
            "canary 60 128, long 1800 1600",
        ),
    ] {
        assert_eq!(shown(rest), expected, "{rest}");
    }
}

#[test]
fn intervals_and_limits_have_bounds() {
    let wrong = |rest: &str| load(rest).unwrap_err().join("; ");
    assert_eq!(wrong("long = { every = \"2d\" }"), "the interval of long is 2d");
    assert_eq!(wrong("tool = { every = \"1ms\" }"), "the interval of tool is 1ms");
    assert_eq!(wrong("json = { max_tokens = 15 }"), "max_tokens is 15");
    assert!(load("json = { max_tokens = 16 }").is_ok() && load("json = { max_tokens = 65536 }").is_ok());
    assert_eq!(wrong("json = { max_tokens = 65537 }"), "max_tokens is 65537");
    assert!(wrong("reach = { every = \"5s\", max_tokens = 64 }").contains("max_tokens"));
}

fn script(text: &str) -> Result<CanaryScript, String> {
    let file: CanaryFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    file.check("x")
}

#[test]
fn shipped_scripts_hold_together() {
    for (name, text) in [
        ("count20", include_str!("../../../probes/canaries/count20.toml")),
        ("long", include_str!("../../../probes/canaries/long.toml")),
        ("json", include_str!("../../../probes/canaries/json.toml")),
        ("tool", include_str!("../../../probes/canaries/tool.toml")),
    ] {
        let script = script(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        let shown = match &script.answer {
            Answer::Words(words) => words[0].clone(),
            Answer::Json(document) => document.to_string(),
            Answer::Tool(tool) => {
                let required = tool.parameters["required"].as_array().unwrap();
                let named = |name: &String| required.iter().any(|required| required == name);
                assert!(tool.arguments.as_object().unwrap().keys().all(named));
                assert!(script.prompt.contains(&tool.name));
                tool.arguments.to_string()
            }
        };
        assert!(
            script.prompt.contains(&shown),
            "{name} shows what it expects: {shown}"
        );
        assert_eq!(script.sentinels.len(), 30, "{name}");
    }
}

#[test]
fn a_script_that_lacks_something_says_what() {
    let rest = "sentinels = [\"amber\"]\ninput_tokens = 1\noutput_tokens = 1\n";
    let prompt = "prompt = \"SENTINEL_WORD\"\n";
    let tool = |name: &str, parameters: &str, arguments: &str| {
        format!(
            "[tool]\nname = \"{name}\"\ndescription = \"d\"\nparameters = '{parameters}'\narguments = '{arguments}'"
        )
    };
    let (schema, word) = ("{\"type\":\"object\"}", "{\"a\":\"SENTINEL_WORD\"}");
    for (text, why) in [
        (
            format!("prompt = \"x\"\nwords = [\"a\"]\n{rest}"),
            "the prompt does not hold SENTINEL_WORD",
        ),
        (
            format!("{prompt}{rest}"),
            "exactly one of words, json and [tool] says what is expected",
        ),
        (
            format!("{prompt}words = [\"a\"]\njson = '{{}}'\n{rest}"),
            "exactly one of words, json and [tool] says what is expected",
        ),
        (format!("{prompt}words = []\n{rest}"), "words must be 1 to 400"),
        (
            format!("{prompt}words = [\"a\", \"b\", \"a\"]\n{rest}"),
            "\"a\" comes twice: a cut there would have two places",
        ),
        (
            format!("{prompt}words = [\"a-\"]\n{rest}"),
            "\"a-\" is not a plain lower-case ASCII word",
        ),
        (
            format!("{prompt}words = [\"amber\"]\n{rest}"),
            "\"amber\" is both a word and a sentinel",
        ),
        (
            format!("{prompt}json = '[\"SENTINEL_WORD\"]'\n{rest}"),
            "json is not an object",
        ),
        (
            format!("{prompt}json = '{{}}'\n{rest}"),
            "json does not hold SENTINEL_WORD",
        ),
        (
            format!("{prompt}{rest}{}", tool("a b", schema, word)),
            "\"a b\" is no name for a tool: 1 to 64 letters, digits and `_`",
        ),
        (
            format!("{prompt}{rest}{}", tool("t", "{}", word)),
            "parameters are not a JSON schema of an object",
        ),
        (
            format!("{prompt}{rest}{}", tool("t", schema, "{}")),
            "arguments does not hold SENTINEL_WORD",
        ),
    ] {
        assert_eq!(script(&text).unwrap_err(), why, "{text}");
    }
    let many = |n: usize| {
        let word = |n: usize| format!("\"w{}\"", "x".repeat(n));
        let words: Vec<String> = (0..n).map(word).collect();
        script(&format!("{prompt}words = [{}]\n{rest}", words.join(", ")))
    };
    assert!(many(400).is_ok());
    assert_eq!(many(401).unwrap_err(), "words must be 1 to 400");
    let right = script(&format!("{prompt}{rest}{}", tool("t", schema, word))).unwrap();
    assert!(matches!(right.answer, Answer::Tool(_)));
    assert_eq!(ON_EVERY, Duration::from_secs(1_800));
}
