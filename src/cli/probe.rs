//! `endturn probe`: one probe now, and what came of it.

use std::{
    fmt::Write as _,
    time::Duration,
};

use crate::{
    probe::ProbeReport,
    verdict::{Connection, Phases, Verdict},
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
            rows.push(Row { name, from: at, to: at + length });
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
    if total.is_zero() { 0 } else { (at.as_secs_f64() / total.as_secs_f64() * BAR as f64).round() as usize }
}

/// The report for a person.
pub(crate) fn waterfall(report: &ProbeReport) -> String {
    let observation = &report.observation;
    let mut out = String::new();
    let _ = writeln!(out, "{}  {} {}", observation.target, observation.source, observation.verdict);
    let rows = rows(&observation.phases);
    let total = rows.last().map_or(Duration::ZERO, |row| row.to);
    for row in &rows {
        let (from, to) = (column(row.from, total), column(row.to, total));
        let bar = format!("{}{}", " ".repeat(from), "#".repeat((to - from).max(1)));
        let _ = writeln!(out, "  {:<14}{:>12}  |{:<width$}|", row.name, millis(row.to - row.from), bar, width = BAR + 1);
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
    let facts: [(&str, Option<String>); 8] = [
        ("why", observation.detail.clone()),
        ("http status", observation.http_status.map(|status| status.to_string())),
        ("stop reason", observation.stop_reason.clone()),
        ("served model", observation.served_model.clone()),
        (
            "tokens",
            observation
                .usage
                .output
                .map(|_| format!("{} in, {} out", tokens(observation.usage.input), tokens(observation.usage.output))),
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
