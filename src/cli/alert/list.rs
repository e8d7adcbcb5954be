//! Alarms, channels and dead letters as tables.

use std::fmt::Write;

use comfy_table::{ContentArrangement, Table, presets};

use crate::{
    alert::{Alarm, Phase},
    api::{Alerts, ChannelStatus, DeadLetter},
    cli::{printable, status::ago},
    clock::Timestamp,
    feed::Time,
};

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    // Without borders each cell keeps its blanks.
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    lines.join("\n") + "\n"
}

fn since(at: Option<Time>, now: Timestamp) -> String {
    at.map_or("-".to_owned(), |at| ago(now.since(at.0)))
}

/// Everything for a person.
pub(super) fn words(alerts: &Alerts, now: Timestamp) -> String {
    let mut text = String::new();
    if alerts.alarms.is_empty() {
        text.push_str("Nothing is wrong that somebody is told of.\n");
    } else {
        let head = ["SEVERITY", "STATE", "SINCE", "WHAT", "INCIDENT OR ALARM", "BY"];
        text += &table(&head, alerts.alarms.iter().map(|it| alarm(it, now)));
    }
    if alerts.channels.is_empty() {
        text.push_str("\nNo channel is configured: nobody is told of anything. docs/channels.md tells how to add one.\n");
    } else {
        let head = [
            "CHANNEL",
            "TYPE",
            "CIRCUIT",
            "WAITING",
            "OLDEST",
            "LAST TAKEN",
            "LAST FAILURE",
        ];
        text.push('\n');
        text += &table(&head, alerts.channels.iter().map(|it| channel(it, now)));
    }
    if !alerts.dead.is_empty() {
        let head = ["GIVEN UP", "CHANNEL", "KIND", "WHAT", "WHY", "KEY"];
        text.push('\n');
        text += &table(&head, alerts.dead.iter().map(|it| dead(it, now)));
        let _ = writeln!(
            text,
            "\n`endturn alert resend KEY` or `--channel NAME` sends them anew."
        );
    }
    text
}

fn alarm(alarm: &Alarm, now: Timestamp) -> Vec<String> {
    let incident = alarm.subjects.iter().find_map(|subject| subject.incident.clone());
    vec![
        alarm.severity.as_str().to_owned(),
        phase(alarm.phase).to_owned(),
        ago(now.since(alarm.started_at.0)),
        printable(&alarm.title),
        printable(&incident.unwrap_or_else(|| alarm.id.clone())),
        printable(alarm.acknowledged_by.as_deref().unwrap_or("-")),
    ]
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Firing => "firing",
        Phase::Acknowledged => "acknowledged",
        Phase::Ended => "ended",
    }
}

fn channel(channel: &ChannelStatus, now: Timestamp) -> Vec<String> {
    let more = if channel.more { " and more" } else { "" };
    let failure = match (&channel.last_error, channel.last_error_at) {
        (Some(why), at) => format!("{} ago: {}", since(at, now), printable(why)),
        _ => "-".to_owned(),
    };
    vec![
        printable(&channel.name),
        channel.r#type.clone(),
        channel.circuit.clone(),
        format!("{}{more}", channel.pending),
        since(channel.oldest_at, now),
        since(channel.last_success_at, now),
        failure,
    ]
}

fn dead(letter: &DeadLetter, now: Timestamp) -> Vec<String> {
    vec![
        ago(now.since(letter.given_up_at.0)),
        printable(&letter.channel),
        letter.kind.clone(),
        printable(&letter.title),
        printable(letter.error.as_deref().unwrap_or("-")),
        printable(&letter.key),
    ]
}
