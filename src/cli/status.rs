//! `endturn status`: the feed of a running daemon as a table.

pub(super) mod nagios;
mod oneline;
mod wait;

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};

use super::{
    Exit,
    args::StatusArgs,
    ask::{AskError, Daemon},
    official, printable,
};
use crate::{
    clock::{Clock, Timestamp},
    feed::v1::{Health, Percentiles, Rate, TargetHealth},
    health::{Network, State},
    id::TargetId,
};

/// Longest wait for the daemon's answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    /// There is no feed.
    #[error(transparent)]
    Daemon(#[from] AskError),
    /// The feed doesn't have these targets.
    #[error("the daemon does not watch {0}\n\nhelp: it watches {1}")]
    NoTarget(String, String),
}

impl StatusError {
    /// How to exit. A daemon that has no feed is as good as none.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Daemon(error @ (AskError::Unauthorized(_) | AskError::Token(_))) => error.exit(),
            Self::Daemon(_) => Exit::Unreachable,
            Self::NoTarget(..) => Exit::Usage,
        }
    }
}

/// Fetches the feed.
pub(super) async fn fetch(daemon: &Daemon) -> Result<(Health, String), StatusError> {
    let body = daemon.ask("/v1/health", TIMEOUT).await?;
    let health = daemon.parsed(&body)?;
    Ok((health, String::from_utf8_lossy(&body).into_owned()))
}

/// The daemon, and what it says of the wanted targets.
async fn fetched(args: &StatusArgs) -> Result<(Daemon, Health, String), StatusError> {
    let daemon = Daemon::of(&args.daemon)?;
    let (mut health, raw) = fetch(&daemon).await?;
    select(&mut health, &args.targets)?;
    Ok((daemon, health, raw))
}

/// Runs the command: what to print, and how to exit.
pub(crate) async fn run(args: &StatusArgs, clock: &Clock) -> Result<(String, Exit), StatusError> {
    if args.ready {
        return Ok(ready(args).await);
    }
    let fetched = fetched(args).await;
    if args.nagios {
        return Ok(match fetched {
            Ok((_, health, _)) => nagios::service(&health, clock.now()),
            Err(error) => nagios::unknown(&error.to_string()),
        });
    }
    if args.oneline && matches!(fetched, Err(StatusError::Daemon(AskError::Unreachable { .. }))) {
        return Ok((oneline::UNREACHABLE.to_owned(), Exit::Unreachable));
    }
    let (daemon, health, raw) = fetched?;
    if args.wait_change {
        return Ok(wait::run(args, &daemon, health, clock).await);
    }
    let exit = verdict(&health, clock.now());
    let text = if args.json && args.targets.is_empty() {
        raw
    } else {
        shown(args, &daemon, &health, clock).await
    };
    Ok((text, exit))
}

/// Whether the daemon works. Two exit codes, as engines of containers want them.
async fn ready(args: &StatusArgs) -> (String, Exit) {
    let asked = async { Daemon::of(&args.daemon)?.ask("/readyz", TIMEOUT).await };
    match asked.await {
        Ok(_) => ("endturn: ready\n".to_owned(), Exit::Ok),
        Err(error) => {
            let why = error.to_string();
            let line = why.lines().next().unwrap_or_default();
            (
                format!("endturn: not ready: {}\n", printable(line)),
                Exit::Failure,
            )
        }
    }
}

/// The feed in the form that was asked for.
async fn shown(args: &StatusArgs, daemon: &Daemon, health: &Health, clock: &Clock) -> String {
    let now = clock.now();
    if args.json {
        serde_json::to_string(health).expect("wire types have text keys")
    } else if args.oneline {
        oneline::text(health, now)
    } else if args.targets.is_empty() {
        table(health, now)
    } else {
        table(health, now) + &official::words(daemon, health, now).await
    }
}

fn select(health: &mut Health, wanted: &[TargetId]) -> Result<(), StatusError> {
    let join = |ids: &mut dyn Iterator<Item = String>| ids.collect::<Vec<_>>().join(", ");
    let has = |id: &TargetId| health.targets.iter().any(|target| &target.id == id);
    let missing = join(&mut wanted.iter().filter(|id| !has(id)).map(ToString::to_string));
    if !missing.is_empty() {
        let known = join(&mut health.targets.iter().map(|target| target.id.to_string()));
        return Err(StatusError::NoTarget(missing, known));
    }
    if !wanted.is_empty() {
        health.targets.retain(|target| wanted.contains(&target.id));
    }
    Ok(())
}

/// Past its time: nothing in it is known any more.
pub(super) fn is_stale(health: &Health, now: Timestamp) -> bool {
    now > health.head.stale_after.0
}

fn verdict(health: &Health, now: Timestamp) -> Exit {
    let well = |target: &TargetHealth| matches!(target.state, State::Operational | State::Maintenance);
    if !is_stale(health, now) && health.head.network == Network::Online && health.targets.iter().all(well) {
        Exit::Ok
    } else {
        Exit::Unhealthy
    }
}

/// A share with its interval and n: `58 % (43 to 72, n 12)`.
pub(crate) fn rate(rate: &Rate) -> String {
    match (rate.value, rate.low, rate.high) {
        (Some(value), Some(low), Some(high)) => {
            format!(
                "{:.1} % ({:.1} to {:.1}, n {})",
                value * 1e2,
                low * 1e2,
                high * 1e2,
                rate.n
            )
        }
        _ => "-".to_owned(),
    }
}

/// Median and 95th percentile with n: `412 / 903 ms (n 338)`.
pub(crate) fn millis(figures: &Percentiles) -> String {
    match (figures.p50, figures.p95) {
        (Some(p50), Some(p95)) => format!("{p50:.0} / {p95:.0} ms (n {})", figures.n),
        _ => "-".to_owned(),
    }
}

/// `4 min`, `2 h`, `3 d`.
pub(crate) fn ago(span: Duration) -> String {
    match span.as_secs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..86_400 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

fn table(health: &Health, now: Timestamp) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header([
        "TARGET",
        "STATE",
        "SINCE",
        "HINT",
        "TRUNCATED",
        "ERRORS",
        "TTFT p50/p95",
        "WHY",
    ]);
    for target in &health.targets {
        table.add_row([
            target.id.to_string(),
            target.state.to_string(),
            ago(now.since(target.since.0)),
            target.routing.hint.as_str().to_owned(),
            rate(&target.truncation_rate),
            rate(&target.error_rate),
            millis(&target.ttft_ms),
            printable(&target.reason.text),
        ]);
    }
    let head = &health.head;
    let mut foot = format!(
        "vantage {}, network {}, revision {}, {} old",
        head.vantage,
        head.network.as_str(),
        head.revision,
        ago(now.since(head.generated_at.0)),
    );
    if is_stale(health, now) {
        foot.push_str(": STALE, nothing above is known any more");
    }
    if let Some(detail) = &head.store.detail {
        foot.push_str("; store: ");
        foot.push_str(&printable(detail));
    }
    // Without borders each cell keeps its blanks.
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    format!("{}\n\n{}{foot}\n", lines.join("\n"), pairs(health))
}

/// One model by different ways, side by side. Empty where no target says that it is another's way through.
fn pairs(health: &Health) -> String {
    let line = |label: &str, target: &TargetHealth| {
        let forged = if target.flags.iter().any(|flag| flag == "forged") {
            ", forged endings"
        } else {
            ""
        };
        let rate = rate(&target.truncation_rate);
        format!(
            "  {label:<8} {}: {}, truncated {rate}{forged}\n",
            target.id, target.state
        )
    };
    health.pairs().iter().fold(String::new(), |told, pair| {
        let (direct, through) = (line("direct", pair.direct), line("through", pair.through));
        format!(
            "{told}Same model by two ways: {}\n{direct}{through}\n",
            pair.finding()
        )
    })
}
