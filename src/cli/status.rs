//! `endturn status`: the feed of a running daemon as a table.

pub(super) mod nagios;
mod oneline;
mod wait;

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};

use super::{Exit, args::StatusArgs, official, printable};
use crate::{
    clock::{Clock, Timestamp},
    feed::v1::{Health, Percentiles, Rate, TargetHealth},
    health::{Network, State},
    id::TargetId,
    probe::http_client,
};

/// Longest wait for the daemon's answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest feed that is read, in bytes.
const MAX_FEED_BYTES: usize = 16 << 20;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusError {
    /// Nobody answers there.
    #[error(
        "no endturn answers at {url}: {why}\n\nhelp: start one with `endturn run` or `endturn demo`, or name it with --url"
    )]
    Unreachable {
        /// Where we asked.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// Somebody answers, but not endturn.
    #[error(
        "{url} answers, but not with a health feed: {why}\n\nhelp: --url takes the address of an endturn daemon"
    )]
    NotOurs {
        /// Where we asked.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The feed doesn't have these targets.
    #[error("the daemon does not watch {0}\n\nhelp: it watches {1}")]
    NoTarget(String, String),
}

impl StatusError {
    /// How to exit.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. } | Self::NotOurs { .. } => Exit::Unreachable,
            Self::NoTarget(..) => Exit::Usage,
        }
    }
}

/// Fetches the feed.
pub(super) async fn fetch(base: &str) -> Result<(Health, String), StatusError> {
    let body = read(base, "/v1/health").await?;
    let health = serde_json::from_slice(&body).map_err(|error| StatusError::NotOurs {
        url: base.to_owned(),
        why: error.to_string(),
    })?;
    Ok((health, String::from_utf8_lossy(&body).into_owned()))
}

/// The body of one of the daemon's own answers.
pub(super) async fn read(base: &str, path: &str) -> Result<Vec<u8>, StatusError> {
    let client = http_client().map_err(|error| StatusError::Unreachable {
        url: base.to_owned(),
        why: error.to_string(),
    })?;
    read_with(&client, base, path).await
}

/// The same by a client that is there already: making one reads the system's roots.
pub(super) async fn read_with(
    client: &reqwest::Client,
    base: &str,
    path: &str,
) -> Result<Vec<u8>, StatusError> {
    let url = format!("{}{path}", base.trim_end_matches('/'));
    let unreachable = |why: String| StatusError::Unreachable {
        url: base.to_owned(),
        why,
    };
    let mut response = client
        .get(&url)
        .timeout(TIMEOUT)
        .send()
        .await
        .map_err(|error| unreachable(innermost(&error)))?;
    let not_ours = |why: String| StatusError::NotOurs {
        url: base.to_owned(),
        why,
    };
    if !response.status().is_success() {
        return Err(not_ours(format!("HTTP {}", response.status().as_u16())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable(innermost(&error)))?
    {
        if body.len() + chunk.len() > MAX_FEED_BYTES {
            return Err(not_ours(format!("more than {MAX_FEED_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The cause at the bottom of an error, which says most.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Runs the command: what to print, and how to exit.
pub(crate) async fn run(args: &StatusArgs, clock: &Clock) -> Result<(String, Exit), StatusError> {
    let fetched = fetch(&args.daemon.url).await.and_then(|(mut health, raw)| {
        select(&mut health, &args.targets)?;
        Ok((health, raw))
    });
    if args.nagios {
        return Ok(match fetched {
            Ok((health, _)) => nagios::service(&health, clock.now()),
            Err(error) => nagios::unknown(&error.to_string()),
        });
    }
    if args.oneline && matches!(fetched, Err(StatusError::Unreachable { .. })) {
        return Ok((oneline::UNREACHABLE.to_owned(), Exit::Unreachable));
    }
    let (health, raw) = fetched?;
    if args.wait_change {
        return Ok(wait::run(args, health, clock).await);
    }
    let exit = verdict(&health, clock.now());
    let text = if args.json && args.targets.is_empty() {
        raw
    } else {
        shown(args, &health, clock).await
    };
    Ok((text, exit))
}

/// The feed in the form that was asked for.
async fn shown(args: &StatusArgs, health: &Health, clock: &Clock) -> String {
    let now = clock.now();
    if args.json {
        serde_json::to_string(health).expect("wire types have text keys")
    } else if args.oneline {
        oneline::text(health, now)
    } else if args.targets.is_empty() {
        table(health, now)
    } else {
        table(health, now) + &official::words(&args.daemon.url, health, now).await
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
