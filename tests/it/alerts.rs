//! Alerts through the whole daemon: what is told arrives, whatever the receiver does.

mod fake;
mod kills;
mod receiver;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use endturn::{
    config::{AlertGroup, AlertOn, AlertRule, Config, Env, load_text},
    daemon::{Daemon, StorePlace},
    health::State,
    probe::http_client,
    simulate::FaultKey,
};
pub(crate) use fake::Sample;
use receiver::{Answer, Receiver};
use serde_json::{Value, json};

use crate::support::live::{Providers, Time, get, json as ask, start, stop, until};

/// An entry whose URL stands in the environment, under the channel's name.
fn channel(name: &str) -> String {
    let var = name.to_uppercase();
    format!(
        "[[channel]]\nname = \"{name}\"\ntype = \"webhook\"\nurl = {{ env = \"{var}\" }}\nallow_private = true\n\
         timeout = \"500ms\"\n"
    )
}

/// A rule that tells of every outage at once.
fn rule(channels: &[&str]) -> AlertRule {
    AlertRule {
        on: vec![AlertOn::State(State::Down), AlertOn::State(State::Partial)],
        group: AlertGroup::Target,
        group_wait: Duration::ZERO,
        remind: None,
        ..AlertRule::standard("down", channels.iter().map(|name| (*name).to_owned()).collect())
    }
}

/// A configuration whose channels lead to these URLs.
fn config(entries: &str, channels: &[(&str, String)], dir: &Path) -> Config {
    let hooks: String = channels.iter().map(|(name, _)| channel(name)).collect();
    let text = format!(
        "vantage = \"here\"\n[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n[network]\nanchors = []\n{entries}{hooks}",
        dir.join("endturn.db").display()
    );
    let mut vars = vec![("KEY".to_owned(), "k".to_owned())];
    vars.extend(
        channels
            .iter()
            .map(|(name, url)| (name.to_uppercase(), url.clone())),
    );
    let env = Env {
        vars: vars.into_iter().collect(),
        working_dir: dir.to_owned(),
        system_dir: PathBuf::new(),
        ..Env::default()
    };
    let mut config = load_text("test.toml", &text, &env)
        .unwrap_or_else(|error| panic!("{error}"))
        .config;
    let names: Vec<&str> = channels.iter().map(|(name, _)| *name).collect();
    config.alerts.rules = vec![rule(&names)];
    config
}

async fn post(addr: SocketAddr, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = http_client().unwrap().post(format!("http://{addr}{path}"));
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_str(&response.text().await.unwrap()).unwrap(),
    )
}

/// Kinds of what one receiver took, in order.
fn kinds(receiver: &Receiver) -> Vec<String> {
    let taken = receiver.taken();
    taken
        .iter()
        .map(|it| it.message["kind"].as_str().unwrap().to_owned())
        .collect()
}

async fn channel_of(addr: SocketAddr, name: &str) -> Value {
    let alerts = ask(addr, "/v1/alerts").await;
    let channels = alerts["channels"].as_array().unwrap();
    channels.iter().find(|it| it["name"] == name).unwrap().clone()
}

struct World {
    dir: tempfile::TempDir,
    providers: Providers,
    time: Time,
}

impl World {
    async fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            providers: Providers::start().await,
            time: Time::new(),
        }
    }

    fn config(&self, channels: &[(&str, String)]) -> Config {
        config(&self.providers.usual(), channels, self.dir.path())
    }

    /// Breaks a provider and sets the clock ahead until that is an incident; gives its id.
    async fn outage(&self, addr: SocketAddr) -> String {
        self.state(addr, "operational").await;
        self.providers.truncate("anthropic");
        self.state(addr, "down").await;
        self.time.clock.advance(Duration::from_secs(16));
        until("an incident", || async {
            let health = ask(addr, "/v1/health/anthropic/claude-haiku-4-5").await;
            health["incident"].as_str().map(str::to_owned)
        })
        .await
    }

    async fn state(&self, addr: SocketAddr, state: &str) {
        until(state, || async {
            let health = ask(addr, "/v1/health/anthropic/claude-haiku-4-5").await;
            (health["state"] == state).then_some(())
        })
        .await;
    }

    /// Mends it and sets the clock ahead until that is over for good.
    async fn recovery(&self, addr: SocketAddr) {
        assert!(self.providers.faults.clear(&FaultKey::provider("anthropic")));
        // The way back goes by waits of the detector's clock.
        until("recovery", || async {
            self.time.clock.advance(Duration::from_millis(500));
            let health = ask(addr, "/v1/health/anthropic/claude-haiku-4-5").await;
            (health["incident"].is_null()).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_once_and_its_end_too_over_a_restart() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let config = world.config(&[("oncall", receiver.url())]);
    let daemon = start(config.clone(), &world.time.clock).await;
    let incident = world.outage(daemon.addr()).await;
    let first = until("the alarm", || async { receiver.taken().first().cloned() }).await;
    assert_eq!(first.message["kind"], "firing");
    assert_eq!(
        first.message["subjects"][0]["incident"], incident,
        "{}",
        first.message
    );
    assert_eq!(first.message["key"], first.key);
    let alerts = ask(daemon.addr(), "/v1/alerts").await;
    assert_eq!(alerts["alarms"][0]["id"], first.message["alarm"]);
    stop(daemon).await;

    let daemon = start(config, &world.time.clock).await;
    let again = ask(daemon.addr(), "/v1/alerts").await;
    assert_eq!(again["alarms"][0]["id"], first.message["alarm"]);
    world.recovery(daemon.addr()).await;
    until("its end", || async { (receiver.taken().len() > 1).then_some(()) }).await;
    stop(daemon).await;
    assert_eq!(kinds(&receiver), ["firing", "resolved"]);
    assert_eq!(receiver.taken()[1].message["alarm"], first.message["alarm"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_told_once_and_the_feed_says_what_is_missing() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let (dir, time) = (world.dir.path(), &world.time);
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    std::fs::write(dir.join("endturn.db"), noise).unwrap();
    let mut config = world.config(&[("oncall", receiver.url())]);
    config.alerts.rules = vec![AlertRule {
        group_wait: Duration::ZERO,
        ..AlertRule::standard("default", vec!["oncall".to_owned()])
    }];
    let daemon = start(config.clone(), &time.clock).await;
    let told = until("the alarm", || async { receiver.taken().first().cloned() }).await;
    let store = ask(daemon.addr(), "/v1/health").await["store"].clone();
    let file = store["set_aside"]["file"].as_str().unwrap();
    assert!(
        file.starts_with("endturn.db.corrupt-") && dir.join(file).is_file(),
        "{store}"
    );
    assert_eq!(store["state"], "ok");
    let since = store["set_aside"]["at"].as_str().unwrap();
    let detail = store["detail"].as_str().unwrap();
    assert!(detail.contains(file) && detail.contains(since), "{store}");
    let subject = &told.message["subjects"][0];
    assert_eq!(
        (&told.message["kind"], &subject["what"], &subject["since"]),
        (&json!("firing"), &json!("store_set_aside"), &json!(since))
    );
    assert!(subject["text"].as_str().unwrap().contains(detail), "{subject}");
    let (_, metrics) = get(daemon.addr(), "/metrics").await;
    assert!(metrics.contains("\nendturn_store_set_aside 1"), "{metrics}");
    stop(daemon).await;

    // The next start finds the file sound: that is the end.
    let daemon = start(config, &time.clock).await;
    let store = ask(daemon.addr(), "/v1/health").await["store"].clone();
    assert_eq!(store, json!({"state": "ok", "dropped": 0}));
    until("its end", || async {
        time.clock.advance(Duration::from_secs(2));
        (receiver.taken().len() > 1).then_some(())
    })
    .await;
    stop(daemon).await;
    assert_eq!(kinds(&receiver), ["firing", "resolved"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_does_the_message_arrives_under_one_key_and_others_do_not_wait() {
    let world = World::new().await;
    let (bad, good) = (Receiver::start().await, Receiver::start().await);
    bad.script(&[
        Answer::Status(500, None),
        Answer::Reset,
        Answer::Status(429, Some(20)),
        Answer::TakeAndHang,
        Answer::Take,
    ]);
    let config = world.config(&[("bad", bad.url()), ("good", good.url())]);
    let daemon = start(config, &world.time.clock).await;
    world.outage(daemon.addr()).await;
    until("the other channel", || async { good.taken().first().cloned() }).await;
    let held = until("a request to wait", || async {
        // Time passes only here, so that no wait is over before somebody looks.
        world.time.clock.advance(Duration::from_millis(200));
        let channel = channel_of(daemon.addr(), "bad").await;
        let is_429 = channel["last_error"]
            .as_str()
            .is_some_and(|why| why.contains("429"));
        is_429.then_some(channel)
    })
    .await;
    assert_eq!(held["pending"], 1, "{held}");
    let ready = ask(daemon.addr(), "/readyz").await;
    assert_eq!(ready["checks"]["alerts"]["pending"], 1, "{ready}");
    assert_eq!(ready["checks"]["scheduler"]["status"], "ok");
    world.time.clock.advance(Duration::from_secs(19 - 5));
    assert_eq!(bad.seen().len(), 3, "not before the time that it asked for");
    until("delivery", || async {
        world.time.clock.advance(Duration::from_secs(5));
        (channel_of(daemon.addr(), "bad").await["delivered"] == 1).then_some(())
    })
    .await;
    let keys: Vec<String> = bad.seen().into_iter().map(|it| it.key).collect();
    assert_eq!(keys.len(), 5);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let channel = channel_of(daemon.addr(), "bad").await;
    assert_eq!(
        (&channel["pending"], &channel["circuit"]),
        (&json!(0), &json!("closed"))
    );
    let metrics = get(daemon.addr(), "/metrics").await.1;
    for line in [
        "endturn_alert_delivered_total{channel=\"bad\"} 1",
        "endturn_alert_failed_tries_total{channel=\"bad\"} 4",
        "endturn_alert_delivered_total{channel=\"good\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_at_a_hung_channel_waits_for_the_next_start() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.script(&[Answer::Hang]);
    let config = world.config(&[("oncall", receiver.url())]);
    let daemon = start(config.clone(), &world.time.clock).await;
    world.outage(daemon.addr()).await;
    until("a try", || async { receiver.seen().first().cloned() }).await;
    stop(daemon).await;
    receiver.script(&[Answer::Take]);
    let daemon = start(config, &world.time.clock).await;
    until("delivery", || async {
        world.time.clock.advance(Duration::from_millis(100));
        receiver.taken().first().cloned()
    })
    .await;
    stop(daemon).await;
    let seen = receiver.seen();
    assert!(seen.iter().all(|it| it.key == seen[0].key), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_is_given_up_seen_and_sent_anew() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.script(&[Answer::Status(404, None)]);
    let config = world.config(&[("oncall", receiver.url())]);
    let daemon = start(config.clone(), &world.time.clock).await;
    let addr = daemon.addr();
    world.outage(addr).await;
    let dead = until("a dead letter", || async {
        let alerts = ask(addr, "/v1/alerts").await;
        alerts["dead"].get(0).cloned()
    })
    .await;
    assert_eq!(
        (&dead["channel"], &dead["kind"]),
        (&json!("oncall"), &json!("firing"))
    );
    assert!(dead["error"].as_str().unwrap().contains("404"), "{dead}");
    assert_eq!(receiver.seen().len(), 1, "not tried again");
    // No such channel, no such key, neither of both.
    for (order, status) in [
        (json!({"channel": "nobody"}), 404),
        (json!({"key": "none"}), 404),
        (json!({}), 400),
        (json!({"key": "a", "channel": "b"}), 400),
        (json!({"kee": "a"}), 422),
    ] {
        let (found, body) = post(addr, "/v1/admin/alerts/resend", Some(order.clone())).await;
        assert_eq!(found, status, "{order}: {body}");
    }
    // A channel that goes and comes back leaves its dead letters there.
    let mut without = config.clone();
    without.alerts.channels.clear();
    without.alerts.rules.clear();
    daemon.reload(without).await;
    let gone = post(addr, "/v1/admin/alerts/resend", Some(json!({"key": dead["key"]}))).await;
    assert_eq!(gone.0, 404, "{gone:?}");
    daemon.reload(config).await;
    receiver.script(&[Answer::Take]);
    let (status, body) = post(
        addr,
        "/v1/admin/alerts/resend",
        Some(json!({"channel": "oncall"})),
    )
    .await;
    assert_eq!(status, 200, "{body}");
    assert!(body["resent"].as_u64().unwrap() >= 1, "{body}");
    until("delivery", || async {
        receiver
            .taken()
            .iter()
            .any(|it| it.key == dead["key"])
            .then_some(())
    })
    .await;
    let (status, body) = post(addr, "/v1/admin/alerts/resend", Some(json!({"key": dead["key"]}))).await;
    assert_eq!(status, 400, "it is delivered: {body}");
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_takes_care_and_everybody_hears_who() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let daemon = start(world.config(&[("oncall", receiver.url())]), &world.time.clock).await;
    let addr = daemon.addr();
    let (status, body) = post(addr, "/v1/admin/ack", Some(json!({"incident": "none"}))).await;
    assert_eq!(status, 404, "{body}");
    let incident = world.outage(addr).await;
    until("the alarm", || async { receiver.taken().first().cloned() }).await;
    let order = json!({"incident": incident, "by": "ada"});
    let (status, body) = post(addr, "/v1/admin/ack", Some(order.clone())).await;
    assert_eq!((status, &body["by"]), (200, &json!("ada")));
    let told = until("the word", || async { receiver.taken().get(1).cloned() }).await;
    assert_eq!(
        (&told.message["kind"], &told.message["acknowledged_by"]),
        (&json!("acknowledged"), &json!("ada"))
    );
    let alerts = ask(addr, "/v1/alerts").await;
    assert_eq!(alerts["alarms"][0]["acknowledged_by"], "ada");
    let page = get(addr, &format!("/incidents/{incident}")).await.1;
    assert!(page.contains("ada"), "the page of the incident tells who");
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_tells_what_was_answered() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    receiver.script(&[Answer::Take, Answer::Status(500, None), Answer::Hang]);
    let daemon = start(world.config(&[("oncall", receiver.url())]), &world.time.clock).await;
    let addr = daemon.addr();
    let path = "/v1/admin/alerts/test/oncall";
    let (status, told) = post(addr, path, None).await;
    assert_eq!(
        (status, &told["delivered"], &told["error"]),
        (200, &json!(true), &Value::Null)
    );
    let got = receiver.taken().remove(0);
    assert_eq!(
        (&got.message["kind"], &told["key"]),
        (&json!("test"), &json!(got.key))
    );
    for needle in ["answered 500", "no answer within"] {
        let (_, told) = post(addr, path, None).await;
        assert_eq!(told["delivered"], false);
        assert!(told["error"].as_str().unwrap().contains(needle), "{told}");
    }
    let (status, _) = post(addr, "/v1/admin/alerts/test/nobody", None).await;
    assert_eq!(status, 404);
    // A trial is in no outbox and in no figure.
    assert_eq!(channel_of(addr, "oncall").await["delivered"], 0);
    stop(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_fails_messages_go_from_memory_and_are_kept_when_it_works_again() {
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let daemon = start(world.config(&[("oncall", receiver.url())]), &world.time.clock).await;
    let addr = daemon.addr();
    world.state(addr, "operational").await;
    let other = rusqlite::Connection::open(world.dir.path().join("endturn.db")).unwrap();
    other.busy_timeout(Duration::from_secs(20)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    world.outage(addr).await;
    until("the alarm", || async { receiver.taken().first().cloned() }).await;
    other.execute_batch("ROLLBACK").unwrap();
    let kept = until("the row", || async {
        let row = "SELECT key || ' ' || state FROM outbox WHERE state = 'delivered'";
        other.query_row(row, [], |row| row.get::<_, String>(0)).ok()
    })
    .await;
    assert_eq!(kept, format!("{} delivered", receiver.taken()[0].key));
    stop(daemon).await;
    assert_eq!(receiver.taken().len(), 1);
}

/// What the program says: exit code, standard output, standard error.
async fn endturn(arguments: &[&str], env: &[(&str, String)]) -> (i32, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_endturn"));
    command
        .args(arguments)
        .args(["--log", "error"])
        .env_remove("USER")
        .env_remove("ENDTURN_URL")
        .envs(env.iter().map(|(name, value)| (*name, value.as_str())));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_lists_acknowledges_resends_and_tries() {
    let world = World::new().await;
    let (oncall, mail) = (Receiver::start().await, Receiver::start().await);
    mail.script(&[Answer::Status(404, None)]);
    let config = world.config(&[("oncall", oncall.url()), ("mail", mail.url())]);
    let daemon = start(config, &world.time.clock).await;
    let url = format!("http://{}", daemon.addr());
    let incident = world.outage(daemon.addr()).await;
    let key = until("a dead letter", || async {
        let alerts = ask(daemon.addr(), "/v1/alerts").await;
        alerts["dead"][0]["key"].as_str().map(str::to_owned)
    })
    .await;
    let (code, list, _) = endturn(&["alert", "list", "--url", &url], &[]).await;
    assert_eq!(code, 0, "{list}");
    // Cells are broken into lines where the table is narrow.
    let squeezed: String = list.split_whitespace().collect();
    for needle in ["critical", "firing", "oncall", "mail", "webhook", "closed", "404"] {
        assert!(squeezed.contains(needle), "{needle} is not in {list}");
    }
    let (code, json, _) = endturn(&["alert", "list", "--json", "--url", &url], &[]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["schema"]), (0, &json!("endturn.alerts.v1")));

    let (code, said, _) = endturn(&["alert", "ack", &incident, "--by", "ada", "--url", &url], &[]).await;
    assert_eq!((code, said), (0, format!("{incident}: ada takes care of it\n")));
    let (code, _, error) = endturn(&["alert", "ack", "none", "--url", &url], &[]).await;
    assert_eq!(code, 2, "{error}");
    let (code, _, error) = endturn(&["alert", "resend", "--url", &url], &[]).await;
    assert_eq!(code, 2, "{error}");

    mail.script(&[Answer::Take]);
    let (code, said, error) = endturn(&["alert", "resend", &key, "--url", &url], &[]).await;
    assert_eq!((code, said.as_str()), (0, "1 message is sent anew\n"), "{error}");
    until("delivery", || async {
        mail.taken().iter().any(|it| it.key == key).then_some(())
    })
    .await;
    let (code, said, _) = endturn(&["alert", "test", "oncall", "--url", &url], &[]).await;
    assert!(code == 0 && said.starts_with("oncall: delivered in "), "{said}");
    let (code, _, error) = endturn(&["alert", "test", "nobody", "--url", &url], &[]).await;
    assert!(code == 2 && error.contains("no channel nobody"), "{error}");
    stop(daemon).await;

    // Nobody answers: straight from the configuration.
    let file = world.dir.path().join("endturn.toml");
    let text = format!(
        "[store]\npath = \"{}\"\n{}{}",
        world.dir.path().join("x.db").display(),
        world.providers.usual(),
        channel("oncall")
    );
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let vars = [
        ("ONCALL", oncall.url()),
        ("KEY", "k".to_owned()),
        ("ENDTURN_CONFIG", file.clone()),
    ];
    let before = oncall.taken().len();
    let (code, said, error) = endturn(&["alert", "test", "oncall", "--url", &url], &vars).await;
    assert_eq!(code, 0, "{error}");
    assert!(
        said.starts_with("oncall: delivered in ") && error.contains("straight from the configuration"),
        "{said}{error}"
    );
    oncall.script(&[Answer::Status(403, None)]);
    let (code, said, error) = endturn(&["alert", "test", "oncall", "-c", &file], &vars).await;
    assert!(
        code == 1 && said.is_empty() && error.contains("403"),
        "{said}{error}"
    );
    let (code, _, error) = endturn(&["alert", "test", "nobody", "-c", &file], &vars).await;
    assert!(code == 2 && error.contains("it has oncall"), "{error}");
    assert_eq!(oncall.taken().len(), before + 1);
}
