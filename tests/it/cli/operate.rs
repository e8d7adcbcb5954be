//! What an operator declares from the command line, and that it outlives the process.

use super::{
    Place,
    running::{Running, until_state},
};
use crate::support::live::{Providers, get, until};

const HAIKU: &str = "anthropic/claude-haiku-4-5";

async fn watched() -> (Place, Providers, Running, String) {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure("endturn.toml", &providers.usual());
    let running = Running::start(&place, &["run", "-c", "endturn.toml"]);
    let url = format!("http://{}", running.addr().await);
    (place, providers, running, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_declared_outlives_a_kill_and_is_ended_by_a_word() {
    let (place, _providers, running, url) = watched().await;
    until_state(running.addr().await, HAIKU, "operational").await;
    let told = place
        .run(&[
            "pause",
            "anthropic",
            "--for",
            "2h",
            "--why",
            "credit",
            "--by",
            "ana",
            "--url",
            &url,
        ])
        .await
        .expect(0);
    assert!(told.out.contains(&format!("{HAIKU}: paused until ")), "{told:#?}");
    assert!(
        told.out.contains("(2h)") && told.out.contains("endturn pause end "),
        "{told:#?}"
    );
    let told = place
        .run(&[
            "maintenance",
            "openai/*",
            "--from",
            "2099-01-01T00:00:00Z",
            "--for",
            "2h",
            "--url",
            &url,
        ])
        .await
        .expect(2);
    assert!(told.err.contains("begin more than"), "{told:#?}");
    let told = place
        .run(&[
            "override", "openai", "--hint", "avoid", "--for", "90m", "--json", "--url", &url,
        ])
        .await
        .expect(0);
    let forced: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(forced["hint"], "avoid");
    // No time to write anything down but what was promised.
    running.signal("KILL");
    drop(running);

    let running = Running::start(&place, &["run", "-c", "endturn.toml"]);
    let addr = running.addr().await;
    let url = format!("http://{addr}");
    let list = place.run(&["pause", "list", "--url", &url]).await.expect(0);
    assert!(
        list.out.contains("anthropic") && list.out.contains("ana") && list.out.contains("credit"),
        "{list:#?}"
    );
    assert_eq!(
        get(addr, "/v1/up/openai/gpt-5.2").await.0,
        503,
        "an override holds though nothing is known yet"
    );
    let id = forced["id"].as_str().unwrap();
    place.run(&["override", "end", id, "--url", &url]).await.expect(0);
    place.run(&["override", "end", id, "--url", &url]).await.expect(2);
    let told = place.run(&["resume", "openai", "--url", &url]).await.expect(2);
    assert!(
        told.err.contains("nothing was paused as \"openai\"") && told.err.contains("anthropic"),
        "{told:#?}"
    );
    let told = place.run(&["resume", "anthropic", "--url", &url]).await.expect(0);
    assert!(told.out.contains("is over"), "{told:#?}");
    until_state(addr, HAIKU, "operational").await;
    let list = place.run(&["pause", "list", "--url", &url]).await.expect(0);
    assert_eq!(list.out, "no pause is declared\n");
    running.signal("TERM");
    running.end().await.expect(0);
    let nobody = place
        .run(&["pause", "anthropic", "--for", "1h", "--url", &url])
        .await;
    nobody.expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_answers_with_what_came_of_it() {
    let (place, providers, running, url) = watched().await;
    let reload = || async { place.run(&["reload", "--url", &url]).await };
    let done = reload().await.expect(0);
    assert_eq!(done.out, "the new configuration is in force: 2 targets\n");
    place.configure("endturn.toml", &format!("{}cannary = true\n", providers.usual()));
    let done = reload().await.expect(3);
    for part in [
        "error: unknown key `cannary`",
        "\n   |\n",
        "did you mean `canary`?",
        "The old configuration stays in force.",
    ] {
        assert!(done.err.contains(part), "{part:?}: {}", done.err);
    }
    running.line("the old one stays in force").await;
    let plan = "[[maintenance]]\nname = \"n\"\ntargets = [\"*\"]\nevery = \"* * * * *\"\nfor = \"1m\"\n";
    place.configure("endturn.toml", &format!("{}{}", providers.usual(), plan));
    reload().await.expect(3);
    let plan = plan.replace("* * * * *", "0 0 29 2 *");
    place.configure("endturn.toml", &(providers.usual() + &plan));
    reload().await.expect(0);
    let list = place.run(&["maintenance", "list", "--url", &url]).await.expect(0);
    assert!(list.out.contains("the plan n"), "{list:#?}");
    until("the log tells it", || async {
        running
            .err()
            .contains("the new configuration is in force")
            .then_some(())
    })
    .await;
}
