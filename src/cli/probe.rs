//! `endturn probe`: one probe now, and what came of it.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use super::{
    Exit,
    args::{KindArg, ProbeArgs},
    complain, load, say,
};
use crate::{
    clock::Clock,
    config::{Loaded, Model, Origin, Provider},
    feed,
    health::Deadlines,
    id::TargetId,
    probe::{ProbeJob, ProbeKind, ProbeReport, Prober},
    verdict::{CanaryKind, Connection, Phases, Purpose, Verdict},
};

/// Columns of the bar.
const BAR: usize = 40;

struct Row {
    name: &'static str,
    from: Duration,
    to: Duration,
}

/// Rows of the waterfall: each phase from the end of the one before it. Connecting stands before zero.
fn rows(phases: &Phases) -> Vec<Row> {
    let before = phases.dns.unwrap_or_default() + phases.connect.unwrap_or_default();
    let mut rows = Vec::new();
    let mut at = Duration::ZERO;
    for (name, length) in [("dns", phases.dns), ("connect + tls", phases.connect)] {
        if let Some(length) = length {
            rows.push(Row {
                name,
                from: at,
                to: at + length,
            });
            at += length;
        }
    }
    let marks = [
        ("request", phases.request),
        ("head", phases.head),
        ("first byte", phases.first_byte),
        ("first token", phases.first_token),
        ("last token", phases.last_token),
        ("stop reason", phases.stop),
        ("terminal", phases.terminal),
        ("end", phases.end),
    ];
    for (name, mark) in marks {
        if let Some(mark) = mark {
            let to = (before + mark).max(at);
            rows.push(Row { name, from: at, to });
            at = to;
        }
    }
    rows
}

fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1e3)
}

fn column(at: Duration, total: Duration) -> usize {
    if total.is_zero() {
        0
    } else {
        (at.as_secs_f64() / total.as_secs_f64() * BAR as f64).round() as usize
    }
}

/// The report for a person.
pub(crate) fn waterfall(report: &ProbeReport) -> String {
    let observation = &report.observation;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{}  {} {}",
        observation.target,
        observation
            .canary_kind()
            .map_or(observation.source.as_str(), CanaryKind::as_str),
        observation.verdict
    );
    let rows = rows(&observation.phases);
    let total = rows.last().map_or(Duration::ZERO, |row| row.to);
    for row in &rows {
        let (from, to) = (column(row.from, total), column(row.to, total));
        let bar = format!("{}{}", " ".repeat(from), "#".repeat((to - from).max(1)));
        let _ = writeln!(
            out,
            "  {:<14}{:>12}  |{:<width$}|",
            row.name,
            millis(row.to.saturating_sub(row.from)),
            bar,
            width = BAR + 1
        );
    }
    let mut figures = Vec::new();
    if let Some(ttft) = observation.ttft() {
        figures.push(format!("TTFT {}", millis(ttft)));
    }
    if let Some(ttfo) = observation.phases.first_output {
        figures.push(format!("TTFO {}", millis(ttfo)));
    }
    if let Some(itl) = observation.itl() {
        figures.push(format!("ITL {}", millis(itl)));
    }
    if let Some(gap) = observation.phases.gap_max {
        figures.push(format!("largest gap {}", millis(gap)));
    }
    if let (Verdict::Complete, Some(e2e)) = (observation.verdict, observation.e2e()) {
        figures.push(format!("E2E {}", millis(e2e)));
    }
    if let Some(connection) = observation.connection {
        figures.push(match connection {
            Connection::Fresh => "fresh connection".to_owned(),
            Connection::Reused => "reused connection".to_owned(),
        });
    }
    if !figures.is_empty() {
        let _ = writeln!(out, "  {}", figures.join(", "));
    }
    facts(&mut out, report);
    out
}

fn facts(out: &mut String, report: &ProbeReport) {
    let observation = &report.observation;
    let tokens = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let cut = report.judgement.as_ref().and_then(|judgement| {
        let words = judgement.cut_after.map(|n| format!("{n} expected words"));
        words.or_else(|| judgement.cut_at_byte.map(|n| format!("{n} bytes")))
    });
    let facts: [(&str, Option<String>); 9] = [
        ("why", observation.detail.clone()),
        ("cut after", cut),
        (
            "http status",
            observation.http_status.map(|status| status.to_string()),
        ),
        ("stop reason", observation.stop_reason.clone()),
        ("served model", observation.served_model.clone()),
        (
            "tokens",
            observation.usage.output.map(|_| {
                format!(
                    "{} in, {} out{}",
                    tokens(observation.usage.input),
                    tokens(observation.usage.output),
                    if observation.usage.provisional {
                        " (provisional: the final count never came)"
                    } else {
                        ""
                    }
                )
            }),
        ),
        ("request id", observation.request_id.clone()),
        ("last words", observation.tail.clone()),
        (
            "flags",
            Some(observation.flags.names().collect::<Vec<_>>().join(", ")).filter(|names| !names.is_empty()),
        ),
    ];
    for (name, fact) in facts {
        if let Some(fact) = fact {
            let _ = writeln!(out, "  {name:<14}{}", crate::cli::printable(&fact));
        }
    }
    if observation.cost_usd > 0.0 {
        let _ = writeln!(out, "  {:<14}${:.6}", "cost", observation.cost_usd);
    }
}

/// Deadlines of a probe without history: as the daemon has them before it has learnt a target's own.
fn deadlines(limit: Duration) -> Deadlines {
    let soft = Duration::from_secs(10).min(limit);
    Deadlines { soft, hard: limit }
}

impl From<KindArg> for ProbeKind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Reach => Self::Reach,
            KindArg::Canary => Self::Canary,
            KindArg::Long => Self::Long,
            KindArg::Json => Self::Json,
            KindArg::Tool => Self::Tool,
        }
    }
}

/// A target that was named.
type Named = (Arc<Provider>, Arc<Model>);

/// Why a target can't be probed.
#[derive(Debug, thiserror::Error)]
enum FindError {
    /// Nothing of that name, and what there is.
    #[error("{0} is not configured\n\nhelp: {1}")]
    NotConfigured(TargetId, String),
    /// Nothing can be generated there.
    #[error("{0} has no canary\n\nhelp: its provider may lack a key; try --kind reach")]
    NoCanary(TargetId),
}

impl FindError {
    /// How to exit.
    const fn exit(&self) -> Exit {
        match self {
            Self::NotConfigured(..) => Exit::Usage,
            Self::NoCanary(_) => Exit::Config,
        }
    }
}

/// What somebody can name, and how to name something else.
fn known(loaded: &Loaded) -> String {
    let models = loaded
        .config
        .providers
        .iter()
        .flat_map(|provider| &provider.models);
    let names: Vec<String> = models.map(|model| model.id.to_string()).collect();
    let names = names.join(", ");
    match loaded.origin {
        Origin::File(_) => format!("known are {names}"),
        Origin::Environment => format!(
            "without a configuration only the presets' default models are known: {names}; another model needs a \
             configuration (`endturn init` writes one)"
        ),
    }
}

/// Finds the targets that were named, or says which are known.
fn find(loaded: &Loaded, targets: &[TargetId], kind: ProbeKind) -> Result<Vec<Named>, FindError> {
    let mut found = Vec::new();
    for target in targets {
        let Some((provider, model)) = loaded.config.find(target) else {
            return Err(FindError::NotConfigured(target.clone(), known(loaded)));
        };
        if kind.canary().is_some_and(|kind| model.any(kind).is_none()) {
            return Err(FindError::NoCanary(target.clone()));
        }
        found.push((Arc::new(provider.clone()), Arc::new(model.clone())));
    }
    Ok(found)
}

/// Runs the command.
pub(crate) async fn run(args: &ProbeArgs, clock: Clock) -> Exit {
    let loaded = match load(args.config.config.as_deref()) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let kind = ProbeKind::from(args.kind);
    let found = match find(&loaded, &args.targets, kind) {
        Ok(found) => found,
        Err(why) => {
            complain(&format!("error: {why}"));
            return why.exit();
        }
    };
    let prober = match Prober::new(clock.clone()) {
        Ok(prober) => prober,
        Err(error) => {
            complain(&format!("error: {error}"));
            return Exit::Failure;
        }
    };
    let mut exit = Exit::Ok;
    for (provider, model) in found {
        let mut report = send(kind, provider, model, &prober, &clock).await;
        report.observation.vantage = Some(loaded.config.vantage.as_str().into());
        let observation = &report.observation;
        let well = match kind.canary() {
            None => observation.expected,
            Some(_) => observation.verdict == Verdict::Complete,
        };
        if !well {
            exit = Exit::Unhealthy;
        }
        if args.json {
            let record = feed::record::Observation::from(observation);
            say(&format!(
                "{}\n",
                serde_json::to_string(&record).unwrap_or_default()
            ));
        } else {
            say(&waterfall(&report));
        }
    }
    exit
}

async fn send(
    kind: ProbeKind,
    provider: Arc<Provider>,
    model: Arc<Model>,
    prober: &Prober,
    clock: &Clock,
) -> ProbeReport {
    let job = ProbeJob {
        connect: None,
        deadlines: deadlines(provider.limits_of(&model).first_token),
        provider,
        model,
        kind,
        purpose: Purpose::Manual,
        check_text: true,
        seed: clock.mono().as_nanos() as u64 ^ clock.now().as_millis().cast_unsigned(),
    };
    let slow =
        |target: TargetId, _| complain(&format!("{target}: no token yet, later than the soft deadline"));
    prober.run(&job, slow).await
}
