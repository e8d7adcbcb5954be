//! `endturn history`: how one target was, step by step.

mod table;

use std::{fmt::Write, io::IsTerminal, time::Duration};

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    args::UrlArg,
    ask::{self, AskError, Daemon},
    status,
};
use crate::{
    clock::{Clock, Timestamp},
    feed::Time,
    id::TargetId,
};

/// Longest wait for a series.
const PATIENCE: Duration = Duration::from_secs(15);

/// Examples of the help.
pub(super) const HELP: &str = "\
Examples:
  endturn history anthropic/claude-haiku-4-5 --since 7d --step 1h
  endturn history openai/gpt-5.2 --from 2026-11-01 --step 1d --metric truncation_rate
  endturn history openai/gpt-5.2 --since 90d --metric ttft_ms --csv > ttft.csv";

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Whose.
    #[arg(value_name = "TARGET")]
    pub target: TargetId,
    /// How far back from now.
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = span, conflicts_with_all = ["from", "to"])]
    pub since: Duration,
    /// From this day or time (UTC), as 2026-11-01 or 2026-11-01T13:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<Timestamp>,
    /// To this day or time [default: now].
    #[arg(long, value_name = "TIME", value_parser = time, requires = "from")]
    pub to: Option<Timestamp>,
    /// Length of a step, a minute or more; a longer one is taken where so fine figures are no longer kept [default: the
    /// finest with at most some 300 steps].
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub step: Option<Duration>,
    /// One metric with all its figures, in place of the overview.
    #[arg(long, value_name = "METRIC")]
    pub metric: Option<Metric>,
    /// Comma-separated values.
    #[arg(long)]
    pub csv: bool,
    /// The series as the daemon answers it; without --metric an array of those behind the overview.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
}

/// A metric of `/v1/series`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Metric {
    Counts,
    FailureRate,
    ErrorRate,
    TruncationRate,
    TtftMs,
    TtfoMs,
    ItlMs,
    GapMs,
    E2eMs,
    ConnectMs,
    Verdicts,
    Tokens,
    SpendUsd,
}

impl Metric {
    /// The name in the API.
    fn name(self) -> String {
        self.to_possible_value()
            .map_or(String::new(), |value| value.get_name().to_owned())
    }
}

/// A series as the daemon answers it. Figures are read by name, since each metric has its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Series {
    target: String,
    metric: String,
    from: Time,
    to: Time,
    step_s: u64,
    points: Vec<Point>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Point {
    at: Time,
    attempts: u64,
    #[serde(flatten)]
    figures: Map<String, Value>,
}

impl Point {
    fn number(&self, name: &str) -> Option<f64> {
        self.figures.get(name).and_then(Value::as_f64)
    }

    /// Whether nothing was seen in it.
    fn is_gap(&self) -> bool {
        let nothing = |figure: &Value| match figure {
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::Array(list) => list.is_empty(),
            _ => true,
        };
        self.attempts == 0 && self.figures.values().all(nothing)
    }
}

/// What the overview is made of.
const OVERVIEW: [Metric; 3] = [Metric::Counts, Metric::TtftMs, Metric::E2eMs];

fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|span| *span >= Duration::from_secs(60))
        .ok_or_else(|| "no length of a minute or more, write it as 1h or 7d".to_owned())
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::from_rfc3339(text)
        .or_else(|| Timestamp::from_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "no day or time, write it as 2026-11-01 or 2026-11-01T13:00:00Z".to_owned())
}

/// Refuses what the feed doesn't know either. Without a feed nobody can tell.
async fn watched(daemon: &Daemon, target: &TargetId) -> Result<(), AskError> {
    let Ok((health, _)) = status::fetch(daemon).await else {
        return Ok(());
    };
    let mut ids = health.targets.iter().map(|watched| &watched.id);
    if ids.any(|id| id == target) {
        return Ok(());
    }
    let ids: Vec<String> = health
        .targets
        .iter()
        .map(|watched| watched.id.to_string())
        .collect();
    Err(AskError::Refused(format!(
        "the daemon does not watch {target} and has no history of it in this time\n\nhelp: it watches {}",
        ids.join(", ")
    )))
}

/// What to print.
pub(crate) async fn run(args: &HistoryArgs, clock: &Clock) -> Result<String, AskError> {
    let now = clock.wall();
    let (from, to) = match args.from {
        Some(from) => (from, args.to.unwrap_or(now)),
        None => (now.minus(args.since), now),
    };
    let metrics = match &args.metric {
        Some(metric) => std::slice::from_ref(metric),
        None => &OVERVIEW,
    };
    let daemon = Daemon::of(&args.daemon)?;
    let mut bodies = Vec::with_capacity(metrics.len());
    for metric in metrics {
        let mut path = format!(
            "/v1/series/{}?metric={}&from={}&to={}",
            ask::encoded(&args.target.to_string()),
            metric.name(),
            from.to_rfc3339(),
            to.to_rfc3339(),
        );
        if let Some(step) = args.step {
            let _ = write!(path, "&step={}s", step.as_secs());
        }
        bodies.push(daemon.ask(&path, PATIENCE).await?);
    }
    let series: Vec<Series> = bodies
        .iter()
        .map(|body| daemon.parsed(body))
        .collect::<Result<_, _>>()?;
    if series.iter().flat_map(|series| &series.points).all(Point::is_gap) {
        watched(&daemon, &args.target).await?;
    }
    if args.json {
        let texts: Vec<String> = bodies
            .iter()
            .map(|body| String::from_utf8_lossy(body).into_owned())
            .collect();
        return Ok(match texts.as_slice() {
            [one] => format!("{one}\n"),
            several => format!("[{}]\n", several.join(",")),
        });
    }
    Ok(if args.csv {
        table::csv(&series)
    } else {
        table::text(&series, std::io::stdout().is_terminal())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_times_are_checked() {
        for (text, seconds) in [
            ("1m", Some(60)),
            ("7d", Some(604_800)),
            ("59s", None),
            ("", None),
            ("week", None),
        ] {
            assert_eq!(span(text).ok().map(|span| span.as_secs()), seconds, "{text}");
        }
        let day = time("2026-11-01").unwrap();
        assert_eq!(day, time("2026-11-01T00:00:00Z").unwrap());
        assert_eq!(time("2026-11-01T01:00:00+01:00").unwrap(), day);
        assert!(time("yesterday").is_err() && time("2026-13-01").is_err());
    }

    #[test]
    fn metrics_have_the_names_of_the_api() {
        let names: Vec<String> = Metric::value_variants().iter().map(|m| m.name()).collect();
        assert_eq!(names, crate::api::METRICS);
    }
}
