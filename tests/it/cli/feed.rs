//! Commands that read a running daemon: plugins, waiting, completions.

use std::process::Command;

use serde_json::Value;

use super::{
    Done, Place,
    running::{Running, entry, until_state},
};
use crate::support::live::Providers;

/// A daemon with one target at one provider.
async fn one_target() -> (Place, Providers, Running, String) {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &entry(&providers, "anthropic", "anthropic", "\"haiku\""),
    );
    let daemon = Running::start(&place, &["run"]);
    let addr = daemon.addr().await;
    until_state(addr, "anthropic/haiku", "operational").await;
    (place, providers, daemon, format!("http://{addr}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_answers_with_its_own_exit_codes() {
    let (place, providers, daemon, url) = one_target().await;
    let check = ["status", "--nagios", "--url", &url];
    let done = place.run(&check).await.expect(0);
    let first = done.out.lines().next().unwrap();
    assert!(
        first.starts_with("ENDTURN OK - 1 of 1 operational | operational=1;;;0;1 "),
        "{first}"
    );
    assert!(
        first.contains(" 'anthropic/haiku truncated'=0.00%;;;0;100 "),
        "{first}"
    );

    providers.truncate("anthropic");
    let addr = url.trim_start_matches("http://").parse().unwrap();
    until_state(addr, "anthropic/haiku", "down").await;
    let done = place.run(&check).await.expect(2);
    assert!(
        done.out
            .starts_with("ENDTURN CRITICAL - 1 of 1 impaired: anthropic/haiku down | "),
        "{}",
        done.out
    );
    assert!(
        done.out
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("anthropic/haiku: down for "),
        "{}",
        done.out
    );
    assert!(done.err.is_empty(), "{}", done.err);

    let done = place
        .run(&[&check[..], &["anthropic/nobody"]].concat())
        .await
        .expect(3);
    assert_eq!(
        done.out,
        "ENDTURN UNKNOWN - the daemon does not watch anthropic/nobody\n"
    );
    let done = place.run(&[&check[..], &["--oneline"]].concat()).await.expect(3);
    assert!(
        done.out.starts_with("ENDTURN UNKNOWN - the argument '--"),
        "{}",
        done.out
    );
    assert!(done.err.contains("Usage: "), "{}", done.err);
    daemon.signal("TERM");
    daemon.end().await.expect(0);
    let done = place.run(&check).await.expect(3);
    assert!(
        done.out
            .starts_with(&format!("ENDTURN UNKNOWN - no endturn answers at {url}")),
        "{}",
        done.out
    );
    let line = ["status", "--oneline", "--url", &url];
    let done = place.run(&line).await.expect(4);
    assert_eq!(
        (done.out.as_str(), done.err.as_str()),
        ("endturn: not reachable\n", "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_with_the_next_change_and_outlives_a_restart() {
    let (place, providers, daemon, url) = one_target().await;
    // From now on the port is the same.
    let text = std::fs::read_to_string(place.path("endturn.toml")).unwrap();
    let addr = url.trim_start_matches("http://");
    place.write("endturn.toml", &text.replace("127.0.0.1:0", addr));
    let table = Running::start(&place, &["status", "--wait-change", "--url", &url]);
    let json = Running::start(&place, &["status", "--wait-change", "--json", "--url", &url]);
    let bar = Running::start(&place, &["status", "--wait-change", "--oneline", "--url", &url]);
    let idle = Running::start(&place, &["status", "--wait-change", "--url", &url]);

    for waiting in [&table, &json, &bar, &idle] {
        waiting.line("waiting for a change of 1 target").await;
    }
    daemon.signal("TERM");
    daemon.end().await.expect(0);
    for waiting in [&table, &json, &bar, &idle] {
        waiting.line(" lost (").await;
    }
    let daemon = Running::start(&place, &["run"]);
    for waiting in [&table, &json, &bar, &idle] {
        waiting.line("connected again").await;
        assert_eq!(waiting.out(), "", "a restart is no change");
    }
    // Nobody is left behind by a signal, and nothing is told. Not INT: whoever was started in the background of a script
    // ignores that one, and so do its children.
    idle.signal("TERM");
    let done = idle.end().await;
    assert_eq!(
        (done.code, done.out.as_str()),
        (None, ""),
        "ended by the signal: no code that a script takes for good"
    );

    providers.truncate("anthropic");
    let done = table.outcome().await.expect(5);
    let first = done.out.lines().next().unwrap();
    assert!(
        first.starts_with("anthropic/haiku  operational -> "),
        "{}",
        done.out
    );
    assert!(done.out.contains("\n\nTARGET "), "{}", done.out);
    let done = bar.outcome().await.expect(5);
    assert_eq!(done.out.lines().count(), 1, "{}", done.out);
    assert!(done.out.starts_with("endturn: anthropic/haiku "), "{}", done.out);
    let done = json.outcome().await.expect(5);
    let feed: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(feed["schema"], "endturn.health.v1");
    assert_eq!(feed["changes"][0]["from"], "operational");
    assert_eq!(feed["changes"][0]["to"], feed["targets"][0]["state"]);
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_nobody_is_an_error_at_once() {
    let (place, _providers, _daemon, url) = one_target().await;
    let wait = ["status", "--wait-change", "--url", &url, "anthropic/nobody"];
    let done = place.run(&wait).await.expect(2);
    assert!(
        done.err.contains("does not watch anthropic/nobody"),
        "{}",
        done.err
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    place
        .run(&["status", "--wait-change", "--url", &nobody])
        .await
        .expect(4);
}

#[test]
fn bash_completes_commands_and_flags() {
    let place = Place::new();
    let script: Done = place.command(&["completions", "bash"]).output().unwrap().into();
    place.write("endturn.bash", &script.expect(0).out);
    let complete = |words: &str, at: usize| {
        let line = format!(
            "source endturn.bash && COMP_WORDS=({words}) COMP_CWORD={at} && \
             _endturn endturn \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{}]}}\" && echo \"${{COMPREPLY[@]}}\"",
            at - 1
        );
        let output = Command::new("bash")
            .args(["-c", &line])
            .current_dir(place.path("."))
            .output();
        let Ok(output) = output else { return None };
        Some(Done::from(output).expect(0).out)
    };
    let Some(commands) = complete("endturn sta", 1) else {
        return; // No bash here: nobody to complete for.
    };
    assert_eq!(commands.trim(), "status");
    assert_eq!(
        complete("endturn status --wa", 2).unwrap().trim(),
        "--wait-change"
    );
    assert_eq!(complete("endturn status --na", 2).unwrap().trim(), "--nagios");
}
