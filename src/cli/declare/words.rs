//! What a declaration does, in words for whoever made it.

use std::{fmt::Write as _, time::Duration};

use comfy_table::{ContentArrangement, Table, presets};

use super::Answered;
use crate::{
    cli::{printable, status::ago},
    clock::Timestamp,
    feed::declared::{Declaration, Declarations},
    health::DeclaredKind,
};

/// Most targets that are named one by one.
const MAX_NAMED: usize = 8;

/// A time to the minute.
fn minute(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => text,
    }
}

fn whom(answered: &Answered) -> String {
    let means = &answered.means;
    match means.len() {
        0 => format!(
            "{} (no target of the feed now)",
            answered.declaration.targets.join(", ")
        ),
        n if n > MAX_NAMED => format!("{} and {} more", means[..MAX_NAMED].join(", "), n - MAX_NAMED),
        _ => means.join(", "),
    }
}

/// What happens now, and when it ends.
pub(super) fn taken(answered: &Answered, now: Timestamp) -> String {
    let one = &answered.declaration.declared;
    let hint = one.hint.as_deref().unwrap_or_default();
    let (what, follows) = match one.kind.as_ref() {
        "pause" => (
            "paused".to_owned(),
            "no probes are sent there; the state is unknown, the hint no_opinion, nothing is alerted",
        ),
        "maintenance" => (
            "in maintenance".to_owned(),
            "probes go on; the state is maintenance, the hint avoid, nothing is alerted",
        ),
        _ => (
            format!("overridden to {hint}"),
            "the state stays what the evidence says; routers are told this hint",
        ),
    };
    let begin = if one.from.0 > now {
        format!(" from {}", minute(one.from.0))
    } else {
        String::new()
    };
    let lasts = Duration::from_secs(one.until.0.since(one.from.0).as_secs());
    let lasts = humantime::format_duration(lasts);
    format!(
        "{}: {what}{begin} until {} ({lasts})\n  {follows}\n  to end it early: endturn {} end {}\n",
        whom(answered),
        minute(one.until.0),
        one.kind,
        one.id
    )
}

/// What is over now.
pub(super) fn ended(answered: &Answered) -> String {
    let one = &answered.declaration.declared;
    let follows = match one.kind.as_ref() {
        "pause" => "the next probe is that of the timetable",
        "maintenance" => "the state is what the evidence says again",
        _ => "the hint is what the state says again; a target that was avoided comes back by degrees",
    };
    format!(
        "{}: {} {} is over\n  {follows}\n",
        whom(answered),
        one.kind,
        one.id
    )
}

/// Everything of a kind that is not over.
pub(super) fn list(kind: DeclaredKind, all: &Declarations, now: Timestamp) -> String {
    if all.declared.is_empty() {
        return format!("no {kind} is declared\n");
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["ID", "TARGETS", "FROM", "UNTIL", "NOW", "BY", "WHY"]);
    for one in &all.declared {
        table.add_row(row(one, now));
    }
    let mut text = String::new();
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.strip_prefix(' ').unwrap_or(&line).trim_end());
    }
    text
}

fn row(one: &Declaration, now: Timestamp) -> [String; 7] {
    let declared = &one.declared;
    let state = match (&declared.hint, one.active) {
        (Some(hint), true) => hint.to_string(),
        (None, true) => "active".to_owned(),
        (_, false) => format!("in {}", ago(declared.from.0.since(now))),
    };
    [
        declared.id.clone(),
        printable(&one.targets.join(", ")),
        minute(declared.from.0),
        minute(declared.until.0),
        state,
        printable(&declared.by),
        printable(&declared.why),
    ]
}
