//! One target: figures with interval and n, phases, the last failures with their evidence.

use std::fmt::Write as _;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Paragraph,
};

use super::{
    HEAD, QUIET, Theme, reason_of_selected, table,
    text::{clock_time, fit},
};
use crate::{
    cli::{
        printable,
        status::{ago, rate},
        top::{
            app::App,
            past::{BARS, Details},
        },
    },
    feed::{
        record::Observation,
        v1::{Percentiles, TargetHealth},
    },
};

/// Below this height some figures make room for failures.
const ALL_FIGURES: u16 = 30;

/// Draws what is known of the selected target, top down, as far as it fits.
pub(super) fn draw(app: &App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let Some(target) = app.selection() else { return };
    let width = usize::from(area.width);
    let state = app.state(target);
    let mut lines = vec![
        Line::styled(target.id.to_string(), HEAD),
        Line::styled(reason_of_selected(app).unwrap_or_default(), theme.state(state)),
    ];
    let known = app.dark().is_none();
    if known {
        lines.push(Line::raw(advice(target)));
        lines.extend(aside(app, target).map(Line::raw));
        lines.push(Line::default());
        lines.extend(figures(target, area.height < ALL_FIGURES));
    }
    lines.push(Line::default());
    let mut hour = table::hour(app, theme, target, BARS);
    hour.spans.insert(0, Span::styled("last hour  ", QUIET));
    lines.push(hour);
    match app.details.as_ref().filter(|(id, _)| id == &target.id) {
        Some((_, details)) => past(details, &mut lines),
        None => lines.push(Line::styled("history is being read", QUIET)),
    }
    if let Some(why) = &app.unread {
        let why = why.lines().next().unwrap_or_default();
        lines.push(Line::styled(
            format!("history can't be read: {}", printable(why)),
            theme.bad(),
        ));
    }
    for line in &mut lines {
        cut(line, width);
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// An ellipsis instead of a hard edge: the last span is the one that grows.
fn cut(line: &mut Line<'_>, width: usize) {
    if let Some((last, before)) = line.spans.split_last_mut() {
        let used: usize = before.iter().map(Span::width).sum();
        last.content = fit(&last.content, width.saturating_sub(used)).into();
    }
}

fn advice(target: &TargetHealth) -> String {
    let routing = &target.routing;
    let mut text = format!("hint {}", routing.hint.as_str());
    if let Some(weight) = routing.weight {
        let _ = write!(text, ", weight {weight:.2}");
    }
    let _ = write!(text, ", breaker {}", routing.breaker.as_str());
    if let Some(at) = routing.retry_at {
        let _ = write!(text, ", again at {}", clock_time(at.0));
    }
    text
}

/// What else is known of it, one line each.
fn aside<'a>(app: &'a App, target: &'a TargetHealth) -> impl Iterator<Item = String> + 'a {
    let official = target.official.as_ref().map(|said| {
        let title = said
            .title
            .as_deref()
            .map(|title| format!(", \"{}\"", printable(title)));
        let age = ago(app.now.since(said.at.0));
        format!(
            "official page {}{}, read {age} ago",
            said.state,
            title.unwrap_or_default()
        )
    });
    let served = target.served_model.as_ref().map(|model| {
        let flags = match target.flags.join(", ") {
            flags if flags.is_empty() => flags,
            flags => format!(" ({})", printable(&flags)),
        };
        format!("served as {}{flags}", printable(model))
    });
    let last = target.last_complete_at.map(|at| {
        let age = ago(app.now.since(at.0));
        let spent = match target.spent_usd_today {
            free if free <= 0.0 => String::new(),
            dollars => format!(", ${dollars:.3} spent today"),
        };
        format!("last complete reply {age} ago{spent}")
    });
    [official, served, last].into_iter().flatten()
}

/// `few`: only those that decide, so that failures have room.
fn figures(target: &TargetHealth, few: bool) -> Vec<Line<'static>> {
    let title = format!(
        "{:<12}{:>9}{:>9}{:>9}{:>7}  in {} s",
        "", "p50", "p95", "p99", "n", target.window_s
    );
    let mut lines = vec![Line::styled(title, QUIET)];
    for (name, figures, decides) in [
        ("TTFT ms", &target.ttft_ms, true),
        ("TTFO ms", &target.ttfo_ms, false),
        ("ITL ms", &target.itl_ms, false),
        ("E2E ms", &target.e2e_ms, true),
        ("tokens/s", &target.output_tps, false),
    ] {
        if few && !decides {
            continue;
        }
        lines.push(Line::raw(percentiles(name, figures)));
    }
    for (name, share) in [
        ("truncated", &target.truncation_rate),
        ("errors", &target.error_rate),
        ("failed", &target.failure_rate),
    ] {
        lines.push(Line::raw(format!("{name:<12}{}", rate(share))));
    }
    lines
}

fn percentiles(name: &str, figures: &Percentiles) -> String {
    let figure = |value: Option<f64>| match value {
        None => "–".to_owned(),
        Some(value) if value < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    };
    let [p50, p95, p99] = [figures.p50, figures.p95, figures.p99].map(figure);
    format!("{name:<12}{p50:>9}{p95:>9}{p99:>9}{:>7}", figures.n)
}

fn past(details: &Details, lines: &mut Vec<Line<'static>>) {
    if let Some(complete) = &details.complete {
        let at = clock_time(complete.at.0);
        lines.push(Line::from(vec![
            Span::styled(format!("complete {at}  "), QUIET),
            Span::raw(phases(complete)),
        ]));
    }
    lines.push(Line::default());
    let title = if details.failures.is_empty() {
        "NO FAILURE IS KEPT"
    } else {
        "LAST FAILURES"
    };
    lines.push(Line::styled(title, QUIET));
    for failure in &details.failures {
        lines.push(Line::raw(evidence(failure)));
        if let Some(tail) = failure.tail.as_deref().filter(|tail| !tail.is_empty()) {
            lines.push(Line::styled(format!("          …{}", printable(tail)), QUIET));
        }
    }
}

/// The marks of one exchange, in milliseconds.
fn phases(seen: &Observation) -> String {
    let phases = &seen.phases_ms;
    let marks = [
        ("dns", phases.dns),
        ("connect", phases.connect),
        ("head", phases.head),
        ("first token", phases.first_token),
        ("last token", phases.last_token),
        ("end", phases.terminal),
    ];
    let known = marks
        .into_iter()
        .filter_map(|(name, mark)| Some(format!("{name} {:.0}", mark?)));
    known.collect::<Vec<_>>().join(" · ") + " ms"
}

/// Time, source, verdict, status, stop reason, request id, why.
fn evidence(seen: &Observation) -> String {
    let kind = seen
        .kind
        .as_ref()
        .map(|kind| format!("({kind})"))
        .unwrap_or_default();
    let mut text = format!(
        "{}  {:<7} {}{kind}",
        clock_time(seen.at.0),
        seen.source,
        seen.verdict
    );
    if let Some(status) = seen.http_status {
        let _ = write!(text, "  HTTP {status}");
    }
    if let Some(stop) = &seen.stop_reason {
        let _ = write!(text, "  stop {}", printable(stop));
    }
    if let Some(detail) = &seen.detail {
        let _ = write!(text, "  {}", printable(detail));
    }
    if let Some(id) = &seen.request_id {
        let _ = write!(text, "  {}", printable(id));
    }
    text
}
