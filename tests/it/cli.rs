//! The program as a process: what it prints where, how it exits, what signals do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod egress;
mod feed;
mod init;
mod operate;
mod past;
pub(crate) mod running;
mod secrets;
mod service;
mod terminal;

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::live::Providers;

/// A folder of its own that is the program's whole world: no configuration and no key of this machine reaches it.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        // As a key has to be.
        let own = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(name), own).unwrap();
    }

    /// A configuration of this provider's entries, on any free port.
    pub(crate) fn configure(&self, name: &str, entries: &str) {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n[network]\nanchors = []\n{entries}",
            self.path("endturn.db").display()
        );
        self.write(name, &text);
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_endturn"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .env("KEY", "k")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    async fn run(&self, args: &[&str]) -> Done {
        let mut command = self.command(args);
        let done = tokio::task::spawn_blocking(move || command.output().unwrap());
        done.await.unwrap().into()
    }
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

const MODELS: &str = "\"haiku\", \"haiku!truncate.fin\", \"haiku!status.529\"";

async fn probing() -> (Place, Providers) {
    let (place, providers) = (Place::new(), Providers::start().await);
    place.configure(
        "endturn.toml",
        &providers
            .entry("anthropic", "anthropic", MODELS, "100ms")
            .replace("reach = false\n", ""),
    );
    (place, providers)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_is_as_documented() {
    let place = Place::new();
    let cases = trycmd::TestCases::new();
    cases.register_bin("endturn", Path::new(env!("CARGO_BIN_EXE_endturn")));
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        cases.env(name, place.dir.path().display().to_string());
    }
    // What is empty counts as not set.
    for name in [
        "ENDTURN_CONFIG",
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "GEMINI_API_KEY",
    ] {
        cases.env(name, "");
    }
    cases.case("tests/cmd/*.trycmd");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_probe_is_a_waterfall() {
    let (place, _providers) = probing().await;
    let done = place.run(&["probe", "anthropic/haiku"]).await.expect(0);
    assert_eq!(
        done.out.lines().next(),
        Some("anthropic/haiku  canary complete"),
        "{}",
        done.out
    );
    for phase in [
        "connect + tls",
        "head",
        "first token",
        "stop reason",
        "terminal",
        "TTFT ",
        "fresh connection",
    ] {
        assert!(done.out.contains(phase), "{phase} in\n{}", done.out);
    }
    assert!(done.err.is_empty(), "{}", done.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_reply_says_where_it_was_cut() {
    let (place, _providers) = probing().await;
    let done = place
        .run(&["probe", "anthropic/haiku!truncate.fin"])
        .await
        .expect(5);
    assert!(
        done.out.contains("canary truncated(cut)") && done.out.contains("before a stop reason"),
        "{}",
        done.out
    );
    let last = done.out.lines().find(|line| line.contains("last words"));
    assert!(last.is_some_and(|line| line.ends_with(" ten")), "{}", done.out);
    let done = place
        .run(&["probe", "anthropic/haiku!status.529"])
        .await
        .expect(5);
    assert!(
        done.out.contains("errored(overloaded)") && done.out.contains("529"),
        "{}",
        done.out
    );
    // One bad target is enough, and each is told.
    let done = place
        .run(&["probe", "anthropic/haiku!status.529", "anthropic/haiku"])
        .await
        .expect(5);
    assert!(
        done.out.contains("anthropic/haiku  canary complete"),
        "{}",
        done.out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_speaks_json_and_reach() {
    let (place, _providers) = probing().await;
    let done = place
        .run(&[
            "probe",
            "--json",
            "anthropic/haiku",
            "anthropic/haiku!truncate.fin",
        ])
        .await
        .expect(5);
    let lines: Vec<Value> = done
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["verdict"], &lines[0]["purpose"]),
        (&"complete".into(), &"manual".into())
    );
    assert_eq!(
        (&lines[1]["verdict"], &lines[1]["kind"]),
        (&"truncated".into(), &"cut".into())
    );
    let done = place
        .run(&["probe", "--kind", "reach", "--json", "anthropic/haiku"])
        .await
        .expect(0);
    let seen: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&seen["source"], &seen["http_status"], &seen["vantage"]),
        (&"reach".into(), &200.into(), &"local".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_configured_is_told_with_those_that_are() {
    let (place, _providers) = probing().await;
    let done = place.run(&["probe", "anthropic/nobody"]).await.expect(2);
    assert!(
        done.err.contains("anthropic/nobody is not configured") && done.err.contains("help: "),
        "{}",
        done.err
    );
    assert!(
        done.err.contains("anthropic/haiku!truncate.fin") && done.out.is_empty(),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_the_plan_or_every_error() {
    let (place, _providers) = probing().await;
    let done = place.run(&["check"]).await.expect(0);
    let row = done
        .out
        .lines()
        .find(|line| line.starts_with("anthropic/haiku!status.529"));
    assert!(row.is_some_and(|row| row.ends_with("  free")), "{}", done.out);
    assert!(done.out.contains("of at most $1.00"), "{}", done.out);
    let done = place.run(&["check", "--json"]).await.expect(0);
    let plan: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&plan["ok"], plan["targets"].as_array().unwrap().len()),
        (&true.into(), 3)
    );
    place.write(
        "bad.toml",
        "[server]\nlisten = \"nowhere\"\n[[provider]]\nid = \"an thropic\"\n",
    );
    let done = place.run(&["check", "-c", "bad.toml"]).await.expect(3);
    assert!(
        done.out.contains("bad.toml:2") && done.out.contains("2 errors"),
        "{}",
        done.out
    );
    let done = place.run(&["check", "--json", "-c", "bad.toml"]).await.expect(3);
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (&found["ok"], &found["errors"][0]["line"]),
        (&false.into(), &2.into())
    );
    for command in ["check", "run"] {
        let done = place.run(&[command, "-c", "missing.toml"]).await.expect(3);
        let told = done.out + &done.err;
        assert!(told.contains("error: cannot read missing.toml"), "{told}");
    }
    let done = place.run(&["run", "-c", "bad.toml"]).await.expect(3);
    assert!(done.err.contains("bad.toml:2") && done.out.is_empty(), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_the_keys_in_the_environment_decide() {
    let place = Place::new();
    let done = place.run(&["check"]).await.expect(0);
    let row = |done: &Done, start: &str| {
        let row = done.out.lines().find(|line| line.starts_with(start));
        row.unwrap_or_else(|| panic!("{start} in {}", done.out))
            .to_owned()
    };
    for provider in ["anthropic/", "openai/", "gemini/"] {
        assert!(
            row(&done, provider).contains(" off "),
            "no key, no canary: {}",
            done.out
        );
    }
    for provider in ["anthropic ", "openai ", "gemini "] {
        assert!(row(&done, provider).contains(" 5s "), "{}", done.out);
    }
    let mut command = place.command(&["check"]);
    let done: Done = command.env("OPENAI_API_KEY", "sk-1").output().unwrap().into();
    let done = done.expect(0);
    assert!(!row(&done, "openai/").contains(" off "), "{}", done.out);
    assert!(row(&done, "anthropic/").contains(" off "), "{}", done.out);
    let done = place.run(&["probe", "openai/gpt-5.2"]).await.expect(2);
    for told in [
        "openai/gpt-5.2 is not configured",
        "openai/gpt-5.4-nano, ",
        "another model needs a configuration",
    ] {
        assert!(done.err.contains(told), "{told}: {}", done.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_starts_nothing_is_told_of() {
    let place = Place::new();
    let check = |json: &[&str], name: &str| -> Done {
        let mut command = place.command(&[&["check"], json].concat());
        let done: Done = command.env(name, "planted-key").output().unwrap().into();
        done.expect(0)
    };
    let told = "AZURE_OPENAI_API_KEY is set, but azure-openai has no default model";
    let done = check(&[], "AZURE_OPENAI_API_KEY");
    assert!(
        done.out.contains(&format!("warning: {told}")) && !done.out.contains("no key is set"),
        "{}",
        done.out
    );
    assert!(!done.out.contains("planted-key"), "{}", done.out);
    let done = check(&["--json"], "AZURE_OPENAI_API_KEY");
    let plan: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(plan["warnings"][0]["message"], told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_pipe_is_quiet() {
    let (place, _providers) = probing().await;
    for args in [
        &["--help"][..],
        &["check"],
        &["check", "--json"],
        &["probe", "anthropic/haiku"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(args);
        command.stdout(writer).stderr(Stdio::piped());
        let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await;
        let done = Done::from(done.unwrap()).expect(0);
        assert_eq!(done.err, "", "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_without_a_daemon_says_so() {
    let (place, providers) = probing().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let done = place.run(&["status", "--url", &nobody]).await.expect(4);
    assert!(
        done.err.contains(&format!("no endturn answers at {nobody}")) && done.err.contains("help: "),
        "{}",
        done.err
    );
    let other = format!("http://{}", providers.addr);
    let done = place.run(&["status", "--url", &other]).await.expect(4);
    assert!(done.err.contains("but not as endturn does"), "{}", done.err);
    for url in ["nonsense", "ftp://127.0.0.1/", "127.0.0.1:7411"] {
        let done = place.run(&["status", "--url", url]).await.expect(2);
        assert!(done.err.contains("http://"), "{url}: {}", done.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulator_tells_its_port_and_stops() {
    let place = Place::new();
    let simulator = running::Running::start(&place, &["simulate", "--listen", "127.0.0.1:0"]);
    let told = simulator.line("simulator at http://").await;
    let addr: SocketAddr = told.rsplit('/').next().unwrap().parse().unwrap();
    place.configure(
        "endturn.toml",
        &format!(
            "[[provider]]\nid = \"openai\"\nbase_url = \"http://{addr}/openai/v1\"\n\
             api_key = {{ env = \"KEY\" }}\nmodels = [\"gpt-5.2\"]\nfree = true\n"
        ),
    );
    place.run(&["probe", "openai/gpt-5.2"]).await.expect(0);
    let busy = place
        .run(&["simulate", "--listen", &addr.to_string()])
        .await
        .expect(1);
    assert!(
        busy.err.contains("can't be bound") && busy.err.contains("help: "),
        "{}",
        busy.err
    );
    simulator.signal("TERM");
    assert_eq!(simulator.end().await.code, Some(0));
}
