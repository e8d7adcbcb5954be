use std::{fmt::Write as _, time::Duration};

use super::*;
use crate::config::{ConfigError, Env, load_text};

const PROVIDERS: &str = r#"
[[provider]]
id = "anthropic"
api_key = { env = "KEY" }
[[provider.model]]
id = "claude-haiku-4-5"
tags = ["tools", "vision"]
price = { input_usd_per_mtok = 1.0, output_usd_per_mtok = 5.0 }
[[provider]]
id = "own"
preset = "openai"
base_url = "http://127.0.0.1:9/v1"
canary = false
models = ["llama"]
"#;

fn routes(text: &str) -> Result<Vec<Route>, Vec<String>> {
    let env = Env {
        vars: [("KEY".to_owned(), "k".to_owned())].into(),
        ..Env::default()
    };
    match load_text("endturn.toml", &format!("{PROVIDERS}{text}"), &env) {
        Ok(loaded) => Ok(loaded.config.routes),
        Err(ConfigError::Invalid(found)) => {
            Err(found.items().iter().map(|item| item.message.clone()).collect())
        }
        Err(error) => Err(vec![error.to_string()]),
    }
}

fn route(rest: &str) -> String {
    format!("[[route]]\nname = \"r\"\ntargets = [\"anthropic/claude-haiku-4-5\", \"own/llama\"]\n{rest}\n")
}

#[test]
fn what_is_left_out_has_a_default() {
    let read = routes(&route("")).unwrap().remove(0);
    assert_eq!(
        (read.on_exhausted, read.prefer, read.max_ttft, read.same_key),
        (OnExhausted::FailClosed, Prefer::Order, None, true)
    );
    let ids: Vec<String> = read.targets.iter().map(|target| target.id.to_string()).collect();
    assert_eq!(ids, ["anthropic/claude-haiku-4-5", "own/llama"]);
    assert!(read.targets.iter().all(|target| target.fitness == Fitness::Fit));
}

#[test]
fn every_key_is_read() {
    let read = routes(&route(
        "on_exhausted = \"least_bad\"\nprefer = \"latency\"\nmax_ttft = \"4s\"\nsame_key = false\nrequires = [\"tools\"]",
    ));
    let read = read.unwrap().remove(0);
    assert_eq!(
        (read.on_exhausted, read.prefer, read.max_ttft, read.same_key),
        (
            OnExhausted::LeastBad,
            Prefer::Latency,
            Some(Duration::from_secs(4)),
            false
        )
    );
    assert_eq!(read.requires, ["tools"]);
    let fitness: Vec<_> = read.targets.iter().map(|target| target.fitness.clone()).collect();
    assert_eq!(fitness, [Fitness::Fit, Fitness::Lacks("tools".to_owned())]);
}

#[test]
fn a_price_is_held_at_its_limit_and_an_unknown_one_is_too_much() {
    for (limit, fit) in [
        ("input_usd_per_mtok = 1.0, output_usd_per_mtok = 5.0", true),
        ("output_usd_per_mtok = 5.0", true),
        ("output_usd_per_mtok = 4.99", false),
        ("input_usd_per_mtok = 0.99", false),
    ] {
        let read = routes(&route(&format!("max_price = {{ {limit} }}")));
        match read {
            Ok(read) => {
                assert!(fit, "{limit}");
                assert_eq!(read[0].targets[1].fitness, Fitness::TooExpensive, "{limit}");
            }
            Err(found) => assert!(
                !fit && found[0].contains("no target can ever serve"),
                "{limit}: {found:?}"
            ),
        }
    }
    let found = routes(&route("prefer = \"cost\"")).unwrap_err();
    assert!(
        found[0].contains("nobody knows what own/llama costs"),
        "{found:?}"
    );
}

#[test]
fn limits_hold() {
    let named = |bytes: usize| route("").replace("\"r\"", &format!("\"{}\"", "n".repeat(bytes)));
    let many = |n: usize| {
        (0..n).fold(String::new(), |mut text, n| {
            let _ = write!(text, "[[route]]\nname = \"r{n}\"\ntargets = [\"own/llama\"]\n");
            text
        })
    };
    let ttft = |ms: u128| route(&format!("max_ttft = \"{ms}ms\""));
    let tags = |n: usize| {
        let names: Vec<String> = (0..n).map(|n| format!("\"t{n}\"")).collect();
        let all = names.join(", ");
        format!(
            "[[provider]]\nid = \"o\"\npreset = \"ollama\"\nbase_url = \"http://127.0.0.1:9\"\n[[provider.model]]\nid = \"m\"\ntags = [{all}]\n"
        )
    };
    let targets = |n: usize| {
        let names: Vec<String> = (0..n).map(|n| format!("\"m{n}\"")).collect();
        let ids: Vec<String> = (0..n).map(|n| format!("\"o/m{n}\"")).collect();
        format!(
            "[[provider]]\nid = \"o\"\npreset = \"ollama\"\nbase_url = \"http://127.0.0.1:9\"\nmodels = [{}]\n\
             [[route]]\nname = \"r\"\ntargets = [{}]\n",
            names.join(", "),
            ids.join(", ")
        )
    };
    for (what, within, beyond) in [
        (
            "name",
            named(MAX_ROUTE_NAME_BYTES),
            named(MAX_ROUTE_NAME_BYTES + 1),
        ),
        ("routes", many(MAX_ROUTES), many(MAX_ROUTES + 1)),
        (
            "ttft",
            ttft(MAX_TTFT.0.as_millis()),
            ttft(MAX_TTFT.0.as_millis() - 1),
        ),
        (
            "ttft",
            ttft(MAX_TTFT.1.as_millis()),
            ttft(MAX_TTFT.1.as_millis() + 1),
        ),
        ("tags", tags(MAX_TAGS), tags(MAX_TAGS + 1)),
        (
            "targets",
            targets(MAX_ROUTE_TARGETS),
            targets(MAX_ROUTE_TARGETS + 1),
        ),
        ("targets", targets(1), targets(0)),
    ] {
        assert!(routes(&within).is_ok(), "{what}: {:?}", routes(&within));
        assert!(routes(&beyond).is_err(), "{what}");
    }
}
