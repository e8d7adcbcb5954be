//! Opening a page of ours in the person's browser.

use std::process::{Command, Stdio};

/// Opens this URL, which has to be one of ours: never one that somebody else wrote.
pub fn open(url: &str) {
    let url = url.to_owned();
    // INVOCATION_ID is set where systemd started us.
    let unit = std::env::var_os("INVOCATION_ID").is_some();
    // It may last as long as the browser does.
    drop(tokio::task::spawn_blocking(move || {
        let opened = ways(&url, unit).into_iter().any(|argv| ran(&argv));
        if !opened {
            tracing::warn!(url, "nothing here opens a page; is xdg-open installed?");
        }
    }));
}

/// Command lines to try in this order. A browser must not run inside our unit: our sandbox would be its own, and our end
/// its end.
fn ways(url: &str, unit: bool) -> Vec<Vec<&str>> {
    let outside = vec![
        "systemd-run",
        "--user",
        "--collect",
        "--quiet",
        "--",
        "xdg-open",
        url,
    ];
    let plain = vec!["xdg-open", url];
    if unit { vec![outside, plain] } else { vec![plain] }
}

fn ran(argv: &[&str]) -> bool {
    let mut command = Command::new(argv[0]);
    command
        .args(&argv[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_a_unit_the_browser_runs_outside_of_it() {
        assert_eq!(ways("http://h/", false), [vec!["xdg-open", "http://h/"]]);
        let ways = ways("http://h/", true);
        assert_eq!(
            (ways.len(), ways[0][0], ways[1][0]),
            (2, "systemd-run", "xdg-open")
        );
        assert_eq!(ways[0].last(), Some(&"http://h/"));
    }

    #[test]
    fn a_program_that_is_missing_or_fails_did_not_open_it() {
        assert!(ran(&["true"]));
        assert!(!ran(&["false"]));
        assert!(!ran(&["endturn-no-such-program", "http://h/"]));
    }
}
