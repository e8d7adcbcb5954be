use std::{fs, path::Path};

use super::*;
use crate::{
    alert::channel::fixture::{hostile, huge, message},
    config::Secret,
};

/// Long enough for any program of a busy machine; nothing waits for it that works.
const AMPLE: Duration = Duration::from_secs(30);

/// By the shell's name: a file that was just written can't be run while another test's child still holds it open.
fn script(dir: &Path, text: &str) -> Command {
    let path = dir.join("told");
    fs::write(&path, text).unwrap();
    let argv = ["/bin/sh", path.to_str().unwrap(), "$HOME;`id`"];
    Command {
        argv: argv.map(str::to_owned).to_vec(),
        env: vec![("PLANTED".to_owned(), Secret::new("planted-secret"))],
    }
}

async fn told(text: &str) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    run(&message(), &script(dir.path(), text), AMPLE).await
}

#[tokio::test]
async fn it_gets_the_message_on_stdin_and_in_its_environment_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let text = format!("exec >{0}; cat; printf '%s\\n' \"$1\"; env | sort", out.display());
    let mut hostile = hostile();
    hostile.routes.clear();
    assert_eq!(
        run(&hostile, &script(dir.path(), &text), AMPLE).await,
        Outcome::Delivered
    );
    let written = fs::read_to_string(&out).unwrap();
    let mut lines = written.lines();
    let json: Message = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(json, hostile);
    // No shell looked at it.
    assert_eq!(lines.next(), Some("$HOME;`id`"));
    let names: Vec<&str> = written
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();
    for name in &names {
        let shells = ["PWD", "SHLVL", "_", "OLDPWD"].contains(name);
        assert!(
            shells || ["PATH", "LANG", "PLANTED"].contains(name) || name.starts_with("ENDTURN_"),
            "{name}"
        );
    }
    assert_eq!(
        names.iter().filter(|name| name.starts_with("ENDTURN_")).count(),
        13
    );
    assert!(written.contains("ENDTURN_KIND=firing\n"));
}

#[tokio::test]
async fn how_it_ends_decides() {
    assert_eq!(told("exit 0").await, Outcome::Delivered);
    for code in [EX_USAGE, EX_DATAERR, EX_CONFIG] {
        assert!(
            matches!(told(&format!("exit {code}")).await, Outcome::Refused { .. }),
            "{code}"
        );
    }
    for end in ["exit 1", "exit 75", "exit 127", "kill -9 $$"] {
        assert!(
            matches!(told(end).await, Outcome::Later { after: None, .. }),
            "{end}"
        );
    }
    let missing = Command {
        argv: vec!["/nonexistent/program".to_owned()],
        env: Vec::new(),
    };
    let Outcome::Later { why, .. } = run(&message(), &missing, AMPLE).await else {
        panic!()
    };
    assert!(why.starts_with("/nonexistent/program was not started"), "{why}");
}

#[tokio::test]
async fn what_it_says_is_bounded_and_holds_no_secret() {
    let Outcome::Later { why, .. } = told("echo \"no such key $PLANTED\" >&2; echo out; exit 3").await else {
        panic!()
    };
    assert!(why.ends_with("ended with 3: no such key *** out"), "{why}");
    // More than any pipe holds: it is read away, so that the program ends.
    let Outcome::Later { why, .. } = told("head -c 1000000 /dev/zero | tr '\\0' x; exit 1").await else {
        panic!()
    };
    assert!(why.len() <= MAX_WHY_BYTES, "{}", why.len());
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let text = format!(
        "sleep 1000 & echo $! >{0}.new; mv {0}.new {0}; wait",
        pids.display()
    );
    let settings = script(dir.path(), &text);
    // It hangs until it has said who its child is, and then it is only waited for.
    let running = tokio::spawn(async move { run(&message(), &settings, Duration::from_secs(3)).await });
    let outcome = running.await.unwrap();
    let Outcome::Later { why, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(why.contains("did not end within 3s, and was killed"), "{why}");
    let child: i32 = fs::read_to_string(&pids).unwrap().trim().parse().unwrap();
    let stat = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    // Killed, whether somebody has waited for it yet or not.
    for _ in 0..500 {
        if stat().is_empty() || stat().contains(") Z ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("its child lives: {}", stat());
}

#[tokio::test]
async fn what_it_leaves_running_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let text = format!("sleep 1000 & echo $! >{}; exit 0", pid.display());
    assert_eq!(
        run(&message(), &script(dir.path(), &text), AMPLE).await,
        Outcome::Delivered
    );
    let left: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn no_variable_holds_a_nul_or_is_too_long() {
    for message in [hostile(), huge()] {
        for (name, value) in variables(&message) {
            assert!(
                !value.contains('\0') && value.len() <= MAX_VARIABLE_BYTES,
                "{name}"
            );
        }
    }
}
