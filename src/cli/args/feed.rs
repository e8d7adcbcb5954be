//! Arguments of the commands that read a running daemon.

use std::path::PathBuf;

use clap::Args;

use super::{DEFAULT_LISTEN, DEFAULT_URL};
use crate::id::TargetId;

/// Where the daemon is.
#[derive(Debug, Args)]
pub struct UrlArg {
    /// The daemon's address.
    #[arg(
        long,
        env = "ENDTURN_URL",
        hide_env_values = true,
        default_value = DEFAULT_URL,
        value_name = "URL",
        value_parser = base_url
    )]
    pub url: String,
    /// File that holds the access token, where the daemon asks for one; else `$ENDTURN_TOKEN`.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only these targets.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<TargetId>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
    /// The feed's JSON; with --wait-change the member `changes` beside it.
    #[arg(long, conflicts_with = "oneline")]
    pub json: bool,
    /// One line for a prompt or a status bar: no figures, so that it changes with states only.
    #[arg(long)]
    pub oneline: bool,
    /// One line with performance data for Nagios, Icinga and their kin; exits 0 OK, 1 WARNING (degraded), 2 CRITICAL
    /// (partial or down), 3 UNKNOWN (unknown, stale, offline, not reachable, wrong usage).
    #[arg(long, conflicts_with_all = ["json", "oneline", "wait_change"])]
    pub nagios: bool,
    /// Whether the daemon itself works, whatever its targets do: for the health check of a container. Needs no token; exits 0
    /// or 1.
    #[arg(long, conflicts_with_all = ["targets", "json", "oneline", "nagios", "wait_change"])]
    pub ready: bool,
    /// Wait until a state changes, tell what changed, then the table. Waits through restarts of the daemon.
    #[arg(long)]
    pub wait_change: bool,
}

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
}

/// Where a daemon answers, without a path.
pub(in crate::cli) fn base_url(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.to_owned()),
        _ => Err(format!("no URL, write it as http://{DEFAULT_LISTEN}")),
    }
}
