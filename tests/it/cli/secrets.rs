//! A credential that is planted must never be seen again.

use std::{fs, path::Path};

use endturn::simulate::{Fault, FaultKey, FaultKind, Scope};

use super::{Place, running::Running};
use crate::support::live::{Providers, get, until};

const PLANTED: &str = "sk-PLANTED-5f2c9d1e7a";

fn holds(bytes: &[u8]) -> bool {
    bytes
        .windows(PLANTED.len())
        .any(|window| window == PLANTED.as_bytes())
}

/// Files below the folder that hold the secret, the one that it was planted in apart.
fn leaks(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            leaks(&path, found);
        } else if !path.ends_with("planted.key") && holds(&fs::read(&path).unwrap()) {
            found.push(path.display().to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_secret_is_never_printed() {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.write("planted.key", PLANTED);
    let entry = |id: &str, path: &str, key: &str, model: &str| {
        providers
            .entry(id, path, &format!("\"{model}\""), "100ms")
            .replace("{ env = \"KEY\" }", key)
            .replace("reach = false", "reach = { every = \"100ms\" }")
    };
    place.configure(
        "endturn.toml",
        &[
            entry("anthropic", "anthropic", "{ env = \"PLANTED\" }", "haiku"),
            entry("openai", "openai/v1", "{ file = \"planted.key\" }", "gpt-5.2"),
            entry("gemini", "gemini", "{ env = \"PLANTED\" }", "gemini-2.5-flash"),
        ]
        .concat(),
    );
    // A provider that hands the credential back in its error.
    let body =
        format!("{{\"error\":{{\"type\":\"overloaded\",\"message\":\"your key {PLANTED} is slow\"}}}}");
    let echo = Fault {
        rate: 1.0,
        scope: Scope::All,
        kind: FaultKind::Status {
            code: 503,
            body: Some(body),
            retry_after: None,
        },
    };
    providers.faults.set(FaultKey::provider("openai"), echo);
    let auth = Fault {
        rate: 0.5,
        scope: Scope::All,
        kind: FaultKind::Auth,
    };
    providers.faults.set(FaultKey::provider("gemini"), auth);

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
    // A reload reads and tells everything anew, and a wrong one quotes the file.
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
    let mut found = Vec::new();
    leaks(place.dir.path(), &mut found);
    assert!(found.is_empty(), "while it runs: {found:?}");
    daemon.signal("TERM");
    let done = daemon.end().await.expect(0);
    assert!(
        done.err.contains("TRACE") && done.err.len() > 10_000,
        "the log tells everything"
    );
    assert!(!holds(done.out.as_bytes()) && !holds(done.err.as_bytes()));
    leaks(place.dir.path(), &mut found);
    assert!(found.is_empty(), "{found:?}");

    let targets = ["openai/gpt-5.2", "anthropic/haiku"];
    for args in [
        &["probe", "--log", "trace,endturn=trace"][..],
        &["probe", "--json"],
        &["probe", "--kind", "reach"],
    ] {
        let mut command = place.command(&[args, &targets].concat());
        command.env("PLANTED", PLANTED);
        let done = super::Done::from(command.output().unwrap()).expect(5);
        assert!(
            done.out.contains("503") && !holds(done.out.as_bytes()),
            "{}",
            done.out
        );
        assert!(!holds(done.err.as_bytes()), "{}", done.err);
    }
    for args in [&["check"][..], &["check", "--json"]] {
        let mut command = place.command(args);
        command.env("PLANTED", PLANTED);
        let done = super::Done::from(command.output().unwrap()).expect(0);
        assert!(!holds(done.out.as_bytes()) && !holds(done.err.as_bytes()));
    }
}
