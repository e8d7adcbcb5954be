//! A first configuration as a process makes it: what goes where, and what never does.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::{Done, Place};

/// What every planted key holds.
const PLANTED: &str = "sk-PLANTED-5f2c9d1e7a";

/// The program with these keys, under that umask.
fn begun(place: &Place, umask: &str, keys: &[&str], args: &[&str]) -> Done {
    let program = place.command(args);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .env("HOME", place.path(""))
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(place.path(""));
    for key in keys {
        shell.env(key, PLANTED);
    }
    shell.output().unwrap().into()
}

#[test]
fn a_first_configuration_is_what_check_takes_and_run_would_have_taken() {
    let place = Place::new();
    let keys = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"];
    let shown = begun(&place, "022", &keys, &["init"]).expect(0);
    let written = begun(&place, "022", &keys, &["init", "-o", "endturn.toml"]).expect(0);
    assert_eq!(fs::read_to_string(place.path("endturn.toml")).unwrap(), shown.out);
    assert_eq!(written.out, "");
    // Nobody sits before it.
    assert_eq!((shown.err.as_str(), written.err.as_str()), ("", ""));
    assert!(
        !shown.out.contains(PLANTED) && !shown.out.contains("5f2c9d1e7a"),
        "{}",
        shown.out
    );
    let plan = |args: &[&str]| -> Vec<String> {
        let told = begun(&place, "022", &keys, args).expect(0).out;
        assert!(
            !told.contains("no credential") && !told.contains(PLANTED),
            "{told}"
        );
        let probed = told
            .lines()
            .filter(|line| line.contains(" canary ") || line.contains(" long "));
        let probed = probed.filter(|line| !line.contains(" off "));
        // Without what depends on the widest name.
        probed
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    let with = plan(&["check"]);
    fs::remove_file(place.path("endturn.toml")).unwrap();
    assert_eq!(with, plan(&["check"]));
    assert_eq!(with.len(), 4, "{with:?}");
}

#[test]
fn a_first_configuration_is_its_owners_and_overwrites_nothing() {
    let place = Place::new();
    for (umask, mode) in [("000", 0o640), ("022", 0o640), ("077", 0o600)] {
        let name = format!("{umask}.toml");
        begun(&place, umask, &["XAI_API_KEY"], &["init", "-o", &name]).expect(0);
        let found = fs::metadata(place.path(&name)).unwrap().permissions().mode();
        assert_eq!(found & 0o7777, mode, "{umask}");
    }
    place.write("mine.toml", "mine");
    for (name, why) in [
        (
            "mine.toml",
            "error: mine.toml exists already and is not overwritten\n\nhelp: choose another name, or move it away\n",
        ),
        (
            "missing/endturn.toml",
            "error: cannot write missing/endturn.toml: No such file or directory (os error 2)\n\n\
             help: name a file in a directory that exists and that you may write\n",
        ),
        (
            "mine.toml/endturn.toml",
            "error: cannot write mine.toml/endturn.toml: Not a directory (os error 20)\n\n\
             help: name a file in a directory that exists and that you may write\n",
        ),
    ] {
        let refused = begun(&place, "022", &["XAI_API_KEY"], &["init", "-o", name]).expect(1);
        assert_eq!((refused.out.as_str(), refused.err.as_str()), ("", why));
    }
    assert_eq!(fs::read_to_string(place.path("mine.toml")).unwrap(), "mine");
    assert_eq!(fs::read_dir(place.path("")).unwrap().count(), 4);
}

#[test]
fn without_a_key_a_first_configuration_says_how_to_begin() {
    let place = Place::new();
    begun(&place, "022", &[], &["init", "-o", "endturn.toml"]).expect(0);
    let text = fs::read_to_string(place.path("endturn.toml")).unwrap();
    assert!(
        text.contains("# api_key = { env = \"ANTHROPIC_API_KEY\" }"),
        "{text}"
    );
    let told = begun(&place, "022", &[], &["check"]).expect(3).out;
    assert!(
        told.contains("no provider is configured") && told.contains("add [[provider]]"),
        "{told}"
    );
    // As its owner begins: the line of a key, and that of the head above it.
    let entry: String = text
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("# [[provider]]"))
        .take_while(|line| *line != "\n")
        .map(|line| line.trim_start_matches("# "))
        .collect();
    place.write("endturn.toml", &(text + &entry));
    let told = begun(&place, "022", &["ANTHROPIC_API_KEY"], &["check"])
        .expect(0)
        .out;
    assert!(told.contains("anthropic/claude-haiku-4-5  canary"), "{told}");
}

#[test]
fn a_key_that_can_be_none_is_told_and_nothing_is_written() {
    let place = Place::new();
    let mut command = place.command(&["init", "-o", "endturn.toml"]);
    command.env("OPENAI_API_KEY", format!("{PLANTED} {PLANTED}"));
    let done = Done::from(command.output().unwrap()).expect(3);
    assert!(
        done.err.contains("OPENAI_API_KEY") && !done.err.contains(PLANTED),
        "{}",
        done.err
    );
    assert!(!place.path("endturn.toml").exists());
}
