//! Processes that go on until a signal.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{Done, Place};
use crate::support::live::{PATIENCE, Providers, get, json, until};

/// How long the manual gives it to end.
const STOP: Duration = Duration::from_secs(10);

/// A process of ours. Dropping it kills it, and nothing else.
pub(crate) struct Running {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself can't be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl Read + Send + 'static) -> (Arc<Mutex<String>>, thread::JoinHandle<()>) {
    let all = Arc::new(Mutex::new(String::new()));
    let to = Arc::clone(&all);
    let reader = thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut all = to.lock().unwrap();
            all.push_str(&line);
            all.push('\n');
        }
    });
    (all, reader)
}

impl Running {
    pub(crate) fn start(place: &Place, args: &[&str]) -> Self {
        Self::spawn(place.command(args))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, out_reader) = collect(child.stdout.take().unwrap());
        let (err, err_reader) = collect(child.stderr.take().unwrap());
        Self {
            child,
            out,
            err,
            readers: vec![out_reader, err_reader],
        }
    }

    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    pub(crate) fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// The first line on stdout or stderr that holds this.
    pub(crate) async fn line(&self, part: &str) -> String {
        until(part, || async {
            let told = self.out() + &self.err();
            told.lines().find(|line| line.contains(part)).map(str::to_owned)
        })
        .await
    }

    /// The address in `ready page="http://ADDR/"`.
    pub(crate) async fn addr(&self) -> std::net::SocketAddr {
        let line = self.line(" ready ").await;
        let rest = line.split("http://").nth(1).unwrap();
        rest.split('/').next().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its own end, within the bound of a shutdown.
    pub(crate) async fn end(self) -> Done {
        self.end_within(STOP).await
    }

    /// Waits for its own end where something has to happen before it.
    pub(crate) async fn outcome(self) -> Done {
        self.end_within(PATIENCE).await
    }

    async fn end_within(mut self, bound: Duration) -> Done {
        let waited = async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let code = tokio::time::timeout(bound, waited).await;
        let code = code.unwrap_or_else(|_| panic!("no end in time: {}", self.err()));
        // Its last words may still be on their way to us.
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Done {
            code,
            out: self.out(),
            err: self.err(),
        }
    }
}

pub(crate) fn entry(providers: &Providers, id: &str, path: &str, models: &str) -> String {
    providers.entry(id, path, models, "100ms")
}

pub(crate) async fn until_state(addr: std::net::SocketAddr, target: &str, state: &str) -> Value {
    until(&format!("{target} {state}"), || async {
        let (status, body) = get(addr, &format!("/v1/health/{target}")).await;
        let health: Value = serde_json::from_str(&body).unwrap();
        (status == 200 && body.contains(&format!("\"state\":\"{state}\""))).then_some(health)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_takes_a_right_file_and_keeps_the_old_one_for_a_wrong_one() {
    let (place, providers) = (Place::new(), Providers::start().await);
    let one = entry(&providers, "anthropic", "anthropic", "\"haiku\"");
    place.configure("endturn.toml", &one);
    let daemon = Running::start(&place, &["run"]);
    // Asked for while it starts, a reload comes after the start.
    daemon.line("configuration path").await;
    daemon.signal("HUP");
    let addr = daemon.addr().await;
    daemon.line("the new configuration is in force").await;
    until_state(addr, "anthropic/haiku", "operational").await;

    place.configure("endturn.toml", &(one.clone() + "nonsense = 1\n"));
    daemon.signal("HUP");
    daemon.line("the old one stays in force").await;
    let told = daemon.err();
    assert!(
        told.contains("nonsense") && told.contains("endturn.toml:"),
        "{told}"
    );
    assert_eq!(
        json(addr, "/v1/health").await["targets"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let two = one.clone() + &entry(&providers, "openai", "openai/v1", "\"gpt-5.2\"");
    place.configure("endturn.toml", &two);
    let before = json(addr, "/v1/health/anthropic/haiku").await;
    daemon.signal("HUP");
    until_state(addr, "openai/gpt-5.2", "operational").await;
    let after = json(addr, "/v1/health/anthropic/haiku").await;
    let since = |health: &Value| {
        health
            .to_string()
            .split("\"since\":")
            .nth(1)
            .map(|s| s[..26].to_owned())
    };
    assert_eq!(since(&before), since(&after), "what was known stays known");

    // And away again.
    place.configure("endturn.toml", &one);
    daemon.signal("HUP");
    until("an end of the second", || async {
        (get(addr, "/v1/health/openai/gpt-5.2").await.0 == 404).then_some(())
    })
    .await;
    daemon.signal("TERM");
    let done = daemon.end().await.expect(0);
    assert_eq!(done.out, "", "a daemon's words are diagnostics");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_an_error_that_helps() {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &entry(&providers, "anthropic", "anthropic", "\"haiku\""),
    );
    let text = std::fs::read_to_string(place.path("endturn.toml")).unwrap();
    place.write(
        "endturn.toml",
        &text.replace("127.0.0.1:0", &providers.addr.to_string()),
    );
    let done = place.run(&["run"]).await.expect(1);
    assert!(
        done.err.contains(&format!("{} can't be bound", providers.addr)) && done.err.contains("help: "),
        "{}",
        done.err
    );
    let done = place
        .run(&["demo", "--once", "--listen", &providers.addr.to_string()])
        .await
        .expect(1);
    assert!(done.err.contains("can't be bound"), "{}", done.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_the_feed_and_exits_by_it() {
    let (place, providers) = (Place::new(), Providers::start().await);
    let both = entry(&providers, "anthropic", "anthropic", "\"haiku\"")
        + &entry(&providers, "openai", "openai/v1", "\"gpt-5.2!truncate.fin\"");
    place.configure("endturn.toml", &both);
    let daemon = Running::start(&place, &["run"]);
    let addr = daemon.addr().await;
    let url = format!("http://{addr}/");
    until_state(addr, "anthropic/haiku", "operational").await;
    until_state(addr, "openai/gpt-5.2!truncate.fin", "down").await;

    let done = place.run(&["status", "--url", &url]).await.expect(5);
    let row = |id: &str| done.out.lines().find(|line| line.starts_with(id)).unwrap();
    assert!(row("anthropic/haiku").contains("operational"), "{}", done.out);
    assert!(
        row("openai/gpt-5.2!truncate.fin").contains("down"),
        "{}",
        done.out
    );
    assert!(
        done.out.contains("network online") && done.err.is_empty(),
        "{done:?}"
    );
    let done = place.run(&["status", "--url", &url, "--json"]).await.expect(5);
    let feed: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&feed["schema"], feed["targets"].as_array().unwrap().len()),
        (&"endturn.health.v1".into(), 2)
    );
    let done = place.run(&["status", "--url", &url, "--oneline"]).await.expect(5);
    assert_eq!(done.out, "endturn: openai/gpt-5.2!truncate.fin down\n");

    // Only who was asked for counts.
    let well = ["status", "--url", &url, "anthropic/haiku"];
    assert!(!place.run(&well).await.expect(0).out.contains("openai"));
    let done = place.run(&[&well[..], &["--json"]].concat()).await.expect(0);
    let feed: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(feed["targets"].as_array().unwrap().len(), 1);
    let done = place.run(&[&well[..], &["--oneline"]].concat()).await.expect(0);
    assert_eq!(done.out, "endturn: 1 target operational\n");
    let done = place
        .run(&["status", "--url", &url, "anthropic/nobody"])
        .await
        .expect(2);
    assert!(
        done.err.contains("does not watch anthropic/nobody") && done.err.contains("anthropic/haiku"),
        "{}",
        done.err
    );
    daemon.signal("INT");
    daemon.end().await.expect(0);
    place.run(&["status", "--url", &url]).await.expect(4);
}

/// The same model directly and through a gateway that cuts its replies and calls them finished.
#[tokio::test(flavor = "multi_thread")]
async fn status_sets_two_ways_to_one_model_side_by_side() {
    let (place, providers) = (Place::new(), Providers::start().await);
    let gateway = entry(&providers, "gateway", "litellm/v1", "")
        .replace("id = \"gateway\"", "id = \"gateway\"\npreset = \"litellm\"")
        .replace("models = []\n", "")
        + "[[provider.model]]\nid = \"fast\"\nvia = \"anthropic/haiku\"\n";
    let direct = entry(&providers, "anthropic", "anthropic", "\"haiku\"");
    place.configure("endturn.toml", &(direct + &gateway));
    let daemon = Running::start(&place, &["run"]);
    let addr = daemon.addr().await;
    until_state(addr, "gateway/fast", "operational").await;
    until_state(addr, "anthropic/haiku", "operational").await;
    let url = format!("http://{addr}");
    let done = place.run(&["status", "--url", &url]).await.expect(0);
    assert!(
        done.out.contains("two ways: both ways finish their replies"),
        "{}",
        done.out
    );

    let how = endturn::simulate::Cut::Silent;
    providers.fail("litellm", endturn::simulate::FaultKind::Truncate { at: 0.5, how });
    let health = until_state(addr, "gateway/fast", "down").await;
    assert_eq!(health["via"], "anthropic/haiku");
    let done = place.run(&["status", "--url", &url]).await.expect(5);
    let told = "two ways: the model finishes directly; the way through cuts replies and calls them finished";
    assert!(done.out.contains(told), "{}", done.out);
    assert!(done.out.contains("through  gateway/fast: down") && done.out.contains("forged endings"));
    daemon.signal("TERM");
    daemon.end().await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_that_were_not_sent_are_told_at_the_end() {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &entry(&providers, "anthropic", "anthropic", "\"haiku\", \"haiku!hang\""),
    );
    let daemon = Running::start(&place, &["run"]);
    let addr = daemon.addr().await;
    until("ten observations", || async {
        let page = json(addr, "/v1/observations?limit=10").await;
        (page["items"].as_array().unwrap().len() == 10).then_some(())
    })
    .await;
    daemon.signal("TERM");
    let done = daemon.end().await.expect(0);
    let told = done
        .err
        .lines()
        .find(|line| line.contains("probes were not sent"));
    assert!(
        told.is_some_and(|line| line.contains("overdue=") && line.contains("budget=0")),
        "{}",
        done.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_tells_transitions_and_is_silent_otherwise() {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &entry(
            &providers,
            "anthropic",
            "anthropic",
            "\"haiku\", \"haiku!truncate.fin\"",
        ),
    );
    let daemon = Running::start(&place, &["run"]);
    let addr = daemon.addr().await;
    until_state(addr, "anthropic/haiku", "operational").await;
    until_state(addr, "anthropic/haiku!truncate.fin", "down").await;
    until("fifty observations", || async {
        let page = json(addr, "/v1/observations?limit=50").await;
        (page["items"].as_array().unwrap().len() == 50).then_some(())
    })
    .await;
    daemon.signal("TERM");
    let done = daemon.end().await.expect(0);
    let lines: Vec<&str> = done.err.lines().collect();
    let changed = lines
        .iter()
        .filter(|line| line.contains("health changed"))
        .count();
    assert!((2..=8).contains(&changed), "{}", done.err);
    assert!(
        lines.len() <= changed + 4,
        "nothing but start, changes and end:\n{}",
        done.err
    );
    assert!(!done.err.contains('\u{1b}'), "no colour in a pipe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_makes_its_state_directory() {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.write(
        "endturn.toml",
        &format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[network]\nanchors = []\n{}",
            entry(&providers, "anthropic", "anthropic", "\"haiku\"")
        ),
    );
    let daemon = Running::start(&place, &["run"]);
    until_state(daemon.addr().await, "anthropic/haiku", "operational").await;
    daemon.signal("TERM");
    daemon.end().await.expect(0);
    assert!(place.path(".local/state/endturn/endturn.db").exists());
    place.write("taken", "");
    let text = std::fs::read_to_string(place.path("endturn.toml")).unwrap();
    place.write(
        "endturn.toml",
        &format!("[store]\npath = \"taken/endturn.db\"\n{text}"),
    );
    let done = place.run(&["run"]).await.expect(1);
    assert!(
        done.err.contains("taken/endturn.db") && done.err.contains("help: "),
        "{}",
        done.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_tells_each_thing_once() {
    let place = Place::new();
    let demo = Running::start(&place, &["demo", "--listen", "127.0.0.1:0"]);
    for target in ["anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash-lite"] {
        demo.line(&format!("{target}  unknown -> operational")).await;
    }
    demo.signal("INT");
    let done = demo.end().await.expect(0);
    assert_eq!(done.err, "", "what stdout tells is not logged too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_can_be_json() {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &entry(&providers, "anthropic", "anthropic", "\"haiku\""),
    );
    let daemon = Running::start(&place, &["run", "--log-format", "json"]);
    daemon.line("ready").await;
    daemon.line("health changed").await;
    daemon.signal("TERM");
    let done = daemon.end().await.expect(0);
    assert!(done.err.lines().count() >= 3, "{}", done.err);
    for line in done.err.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["timestamp"].is_string() && line["level"].is_string(),
            "{line}"
        );
    }
}
