//! A credential that is planted must never be seen again.

use std::{fs, path::Path};

use endturn::simulate::{Fault, FaultKey, FaultKind, Scope};

use super::{Done, Place, running::Running};
use crate::support::live::{Providers, get, until};

const PLANTED: &str = "sk-PLANTED-5f2c9d1e7a";

fn holds(bytes: &[u8]) -> bool {
    bytes
        .windows(PLANTED.len())
        .any(|window| window == PLANTED.as_bytes())
}

/// The files that the secret is planted in.
const BEDS: [&str; 2] = ["planted.key", "login.json"];

/// Files below the folder that hold the secret, those that it was planted in apart.
fn leaks(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            leaks(&path, found);
        } else if !BEDS.iter().any(|bed| path.ends_with(bed)) && holds(&fs::read(&path).unwrap()) {
            found.push(path.display().to_string());
        }
    }
}

fn fault(kind: FaultKind, rate: f64) -> Fault {
    let scope = Scope::All;
    Fault { rate, scope, kind }
}

/// Three providers with the secret as their key: one well, one that hands it back in its error, one that refuses it. And
/// two with the secret in a cloud's credential: one that signs with it, one whose token endpoint refuses it.
async fn planted() -> (Place, Providers) {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.write("planted.key", PLANTED);
    let entry = |id: &str, path: &str, key: &str, model: &str| {
        providers
            .entry(id, path, &format!("\"{model}\""), "100ms")
            .replace("{ env = \"KEY\" }", key)
            .replace("reach = false", "reach = { every = \"100ms\" }")
    };
    let token_uri = format!("http://{}/nobody-here", providers.addr);
    place.write(
        "login.json",
        &format!(
            "{{\"type\":\"authorized_user\",\"client_id\":\"{PLANTED}\",\"client_secret\":\"{PLANTED}\",\
             \"refresh_token\":\"{PLANTED}\",\"token_uri\":\"{token_uri}\"}}"
        ),
    );
    let key = "{ env = \"PLANTED\" }";
    let cloud = |id: &str, credential: &str| {
        entry(id, id, key, "some-model")
            .replace(&format!("api_key = {key}"), credential)
            .replace(
                "[[provider]]\n",
                "[[provider]]\nvars = { region = \"us-east-1\" }\n",
            )
    };
    place.configure(
        "endturn.toml",
        &[
            entry("anthropic", "anthropic", "{ env = \"PLANTED\" }", "haiku"),
            entry("openai", "openai/v1", "{ file = \"planted.key\" }", "gpt-5.2"),
            entry("gemini", "gemini", "{ env = \"PLANTED\" }", "gemini-2.5-flash"),
            cloud(
                "bedrock",
                &format!(
                    "aws = {{ access_key_id = {key}, secret_access_key = {key}, session_token = {key} }}"
                ),
            ),
            cloud(
                "vertex-claude",
                "google = { service_account = { file = \"login.json\" } }",
            ),
        ]
        .concat(),
    );
    let body =
        format!("{{\"error\":{{\"type\":\"overloaded\",\"message\":\"your key {PLANTED} is slow\"}}}}");
    let echo = FaultKind::Status {
        code: 503,
        body: Some(body),
        retry_after: None,
    };
    let set = |provider: &str, fault| assert!(providers.faults.set(FaultKey::provider(provider), fault));
    set("openai", fault(echo, 1.0));
    set("gemini", fault(FaultKind::Auth, 0.5));
    (place, providers)
}

fn spill(place: &Place) -> Vec<String> {
    let mut found = Vec::new();
    leaks(place.dir.path(), &mut found);
    found
}

fn run(place: &Place, args: &[&str], code: i32) -> Done {
    let mut command = place.command(args);
    let done = Done::from(command.env("PLANTED", PLANTED).output().unwrap()).expect(code);
    assert!(
        !holds(done.out.as_bytes()) && !holds(done.err.as_bytes()),
        "{args:?}: {done:?}"
    );
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_is_never_printed() {
    let (place, _providers) = planted().await;
    let mut command = place.command(&["run", "--log", "trace,endturn=trace"]);
    command.env("PLANTED", PLANTED);
    let daemon = Running::spawn(command);
    let addr = daemon.addr().await;
    for wanted in [
        "\"http_status\":503",
        "\"verdict\":\"complete\"",
        "\"http_status\":4",
    ] {
        until(wanted, || async {
            let (_, page) = get(addr, "/v1/observations?limit=500").await;
            page.contains(wanted).then_some(())
        })
        .await;
    }
    // A reload reads and tells everything anew.
    daemon.signal("HUP");
    daemon.line("the new configuration is in force").await;
    for path in [
        "/",
        "/targets/openai/gpt-5.2",
        "/methodology",
        "/v1/health",
        "/v1/observations?limit=500",
        "/v1/incidents",
        "/readyz",
    ] {
        let (_, body) = get(addr, path).await;
        assert!(!holds(body.as_bytes()), "{path}: {body}");
    }
    assert_eq!(spill(&place), [""; 0], "while it runs");
    daemon.signal("TERM");
    let done = daemon.end().await.expect(0);
    assert!(
        done.err.contains("TRACE") && done.err.len() > 10_000,
        "the log tells everything"
    );
    let leak = done
        .out
        .lines()
        .chain(done.err.lines())
        .find(|line| holds(line.as_bytes()));
    assert_eq!(leak, None);
    assert_eq!(spill(&place), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_keep_a_planted_secret_too() {
    let (place, _providers) = planted().await;
    for args in [
        &["probe", "--log", "trace,endturn=trace"][..],
        &["probe", "--json"],
        &["probe", "--kind", "reach"],
    ] {
        let done = run(
            &place,
            &[args, &["openai/gpt-5.2", "anthropic/haiku"]].concat(),
            5,
        );
        assert!(done.out.contains("503"), "{}", done.out);
    }
    run(&place, &["check"], 0);
    run(&place, &["check", "--json"], 0);
    place.write(
        "endturn.toml",
        &format!("[[provider]]\nid = \"anthropic\"\napi_key = \"{PLANTED}\"\n"),
    );
    run(&place, &["check"], 3);
    run(&place, &["run"], 3);
}
