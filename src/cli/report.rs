//! `endturn report`: the reliability report of a month.

mod csv;
mod markdown;
mod words;

use std::{fmt::Write, time::Duration};

use clap::{Args, ValueEnum};

use super::{
    args::UrlArg,
    ask::{self, AskError, Daemon},
};
use crate::{
    feed::{Filter, report::Report},
    report::{DEFAULT_OBJECTIVE, MIN_OBJECTIVE, Month},
};

/// Longest wait for a report.
const PATIENCE: Duration = Duration::from_secs(60);

/// Examples of the help.
pub(super) const HELP: &str = "\
Examples:
  endturn report --month 2026-11 > november.md
  endturn report --month 2026-11 --objective 99.9 --targets 'anthropic/*'
  endturn report --format csv | column -ts,";

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The month in UTC, as 2026-11 [default: the running one].
    #[arg(long, value_name = "MONTH", value_parser = month)]
    pub month: Option<Month>,
    /// What it is held against, in percent of the time and of the replies.
    #[arg(long, value_name = "PERCENT", default_value_t = DEFAULT_OBJECTIVE, value_parser = objective)]
    pub objective: f64,
    /// Markdown for people, CSV for tables, JSON for programs.
    #[arg(long, value_name = "FORMAT", default_value = "md")]
    pub format: Format,
    /// Only these: ids, providers, patterns as in 'anthropic/*', with commas between.
    #[arg(long, value_name = "PATTERNS", value_parser = patterns)]
    pub targets: Option<String>,
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Markdown.
    Md,
    /// The document of `/v1/report`.
    Json,
    /// One row a provider and target.
    Csv,
}

fn month(text: &str) -> Result<Month, String> {
    text.parse()
        .map_err(|error: crate::report::NotAMonth| error.to_string())
}

fn objective(text: &str) -> Result<f64, String> {
    let percent = text.trim_end_matches('%').trim_end().parse::<f64>().ok();
    percent
        .filter(|percent| (MIN_OBJECTIVE..=100.0).contains(percent))
        .ok_or_else(|| format!("no share from {MIN_OBJECTIVE} to 100 percent, write it as 99.5"))
}

fn patterns(text: &str) -> Result<String, String> {
    Filter::parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// What to print.
pub(crate) async fn run(args: &ReportArgs) -> Result<String, AskError> {
    let mut path = format!("/v1/report?objective={}", args.objective);
    if let Some(month) = args.month {
        let _ = write!(path, "&month={month}");
    }
    if let Some(targets) = &args.targets {
        let _ = write!(path, "&targets={}", ask::encoded(targets));
    }
    let daemon = Daemon::of(&args.daemon)?;
    let body = daemon.ask(&path, PATIENCE).await?;
    let report: Report = daemon.parsed(&body)?;
    Ok(match args.format {
        Format::Md => markdown::write(&report),
        Format::Json => format!("{}\n", String::from_utf8_lossy(&body)),
        Format::Csv => csv::write(&report),
    })
}

#[cfg(test)]
mod tests;
