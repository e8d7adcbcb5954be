//! `endturn reload`: the daemon reads its configuration anew.

use std::{fmt::Write as _, time::Duration};

use clap::Args;
use reqwest::Method;
use serde::Deserialize;

use super::{
    Exit,
    args::UrlArg,
    ask::{AskError, Daemon},
    complain, printable, say,
};

/// Longest wait for the daemon's answer: it reads files.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Examples.
pub(super) const HELP: &str = "\
Examples:
  endturn check -c /etc/endturn/endturn.toml && endturn reload
  systemctl reload endturn          the same by SIGHUP, without an answer";

/// Arguments of `reload`.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
    /// The daemon's answer as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Deserialize)]
struct Reloaded {
    targets: usize,
    warnings: Vec<String>,
    restart: Vec<String>,
}

/// Runs the command.
pub(crate) async fn run(args: &ReloadArgs) -> Exit {
    match ordered(&args.daemon).await {
        Ok((_, body)) if args.json => {
            say(&format!("{}\n", String::from_utf8_lossy(&body).trim_end()));
            Exit::Ok
        }
        Ok((done, _)) => {
            say(&words(&done));
            Exit::Ok
        }
        // What is turned away here is the configuration.
        Err(AskError::Refused(why)) => {
            complain(&format!("{why}\n\nThe old configuration stays in force."));
            Exit::Config
        }
        Err(error) => {
            complain(&format!("error: {error}"));
            error.exit()
        }
    }
}

async fn ordered(daemon: &UrlArg) -> Result<(Reloaded, Vec<u8>), AskError> {
    let daemon = Daemon::of(daemon)?;
    let body = daemon
        .order(Method::POST, "/v1/admin/reload", None, TIMEOUT)
        .await?;
    Ok((daemon.parsed(&body)?, body))
}

fn words(done: &Reloaded) -> String {
    let mut text = format!("the new configuration is in force: {} targets\n", done.targets);
    for warning in &done.warnings {
        let _ = writeln!(text, "warning: {}", printable(warning));
    }
    for section in &done.restart {
        let _ = writeln!(text, "[{}] differs and takes a restart", printable(section));
    }
    text
}
