//! What a notification says of a message. Pure.

use std::{fmt::Write as _, time::Duration};

use crate::alert::{Message, MessageKind, Severity, Subject, clean, clip, title};

/// Longest summary, in bytes: servers show one line of it.
pub const MAX_SUMMARY_BYTES: usize = 160;
/// Longest body, in bytes.
pub const MAX_BODY_BYTES: usize = 1_000;
/// Longest line of a body, in bytes.
const MAX_LINE_BYTES: usize = 300;
/// Most subjects that are named; the rest is a number.
pub const NAMED: usize = 4;
/// Most routes that are named.
const ROUTES: usize = 2;
/// How long one stays that asks for nothing.
const BRIEFLY: Duration = Duration::from_secs(10);

/// How urgent it looks (Desktop Notifications Specification 1.2, urgency levels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Goes by itself.
    Low,
    /// As others.
    Normal,
    /// Stays until somebody takes it away, over full-screen windows too.
    Critical,
}

/// How long it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// As long as it is true: until it is replaced or taken away.
    Stays,
    /// This long, and in no list of old ones after that.
    Passes(Duration),
}

/// One notification, before it knows what its server can show. Plain text throughout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The line in bold.
    pub summary: String,
    /// What else there is to say, some lines.
    pub body: String,
    /// How urgent it looks.
    pub urgency: Urgency,
    /// How long it stays.
    pub life: Life,
    /// A name of the icon naming specification.
    pub icon: &'static str,
    /// A category of the notification specification.
    pub category: &'static str,
    /// What "Open" opens.
    pub link: Option<String>,
}

/// The notification for a message.
pub fn note(message: &Message) -> Note {
    let over = matches!(message.kind, MessageKind::Resolved);
    let quiet = over || matches!(message.kind, MessageKind::Acknowledged | MessageKind::Notice);
    let urgency = match message.severity {
        _ if quiet => Urgency::Low,
        Severity::Critical => Urgency::Critical,
        Severity::Error | Severity::Warning => Urgency::Normal,
        Severity::Info => Urgency::Low,
    };
    let icon = match (over, message.severity) {
        (true, _) | (_, Severity::Info) => "dialog-information",
        (_, Severity::Warning) => "dialog-warning",
        (_, Severity::Error | Severity::Critical) => "dialog-error",
    };
    let summary = match message.kind {
        // It stands where the last one stood, and says itself that it is over.
        MessageKind::Firing | MessageKind::Update | MessageKind::Resolved | MessageKind::Notice => {
            message.title.clone()
        }
        MessageKind::Reminder | MessageKind::Acknowledged | MessageKind::Test => title(message),
    };
    Note {
        summary: cut(&summary, MAX_SUMMARY_BYTES),
        body: body(message),
        urgency,
        life: match urgency {
            Urgency::Low => Life::Passes(BRIEFLY),
            Urgency::Normal | Urgency::Critical => Life::Stays,
        },
        icon,
        category: if over { "network" } else { "network.error" },
        link: message.link.clone(),
    }
}

fn body(message: &Message) -> String {
    let mut lines = Vec::new();
    let alone = message.subjects.len() == 1 && message.more == 0;
    for subject in message.subjects.iter().take(NAMED) {
        lines.push(told(subject, alone));
    }
    let unnamed = message.subjects.len().saturating_sub(NAMED) + message.more;
    if unnamed > 0 {
        lines.push(format!("and {unnamed} more"));
    }
    if alone && let Some(subject) = message.subjects.first() {
        if message.kind != MessageKind::Resolved && !subject.evidence.is_empty() {
            lines.push(subject.evidence.clone());
        }
        if let Some(official) = &subject.official {
            lines.push(format!("Its own page: {official}"));
        }
    }
    lines.extend(message.routes.iter().take(ROUTES).cloned());
    if let Some(who) = &message.acknowledged_by {
        lines.push(format!("{who} takes care of it"));
    }
    let lines = lines.iter().map(|line| cut(line, MAX_LINE_BYTES));
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    clip(&lines.join("\n"), MAX_BODY_BYTES).into_owned()
}

/// A subject in one line; whoever is the only one is named in the summary already.
fn told(subject: &Subject, alone: bool) -> String {
    let mut line = String::new();
    if !alone {
        let _ = write!(line, "{}: {}", subject.name, subject.what);
        if !subject.text.is_empty() {
            line.push_str(", ");
        }
    }
    line.push_str(&subject.text);
    line
}

fn cut(text: &str, most: usize) -> String {
    clip(&clean(text), most).into_owned()
}

impl Note {
    /// The body for a server that reads markup: as it would show it without.
    pub fn marked_up(&self) -> String {
        let mut out = String::with_capacity(self.body.len());
        for c in self.body.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                c => out.push(c),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, feed::Time};

    fn subject(name: &str, what: &str, text: &str) -> Subject {
        Subject {
            name: name.to_owned(),
            what: what.to_owned(),
            since: Time(Timestamp::from_millis(0)),
            until: None,
            code: "truncated".to_owned(),
            text: text.to_owned(),
            evidence: String::new(),
            official: None,
            incident: None,
            link: None,
        }
    }

    fn message(kind: MessageKind, severity: Severity, subjects: Vec<Subject>) -> Message {
        Message {
            key: "k".to_owned(),
            channel: "desk".to_owned(),
            alarm: "a".to_owned(),
            rule: "r".to_owned(),
            kind,
            severity,
            at: Time(Timestamp::from_millis(0)),
            started_at: Time(Timestamp::from_millis(0)),
            ended_at: None,
            vantage: "fra-1".to_owned(),
            title: "p/m is down".to_owned(),
            subjects,
            more: 0,
            routes: Vec::new(),
            link: Some("http://127.0.0.1:7411/incidents/i-1".to_owned()),
            acknowledged_by: None,
        }
    }

    #[test]
    fn urgency_goes_by_severity_and_good_news_are_quiet_and_brief() {
        use MessageKind::{Acknowledged, Firing, Notice, Reminder, Resolved, Test, Update};
        use Severity::{Critical, Error, Info, Warning};
        for (kind, severity, urgency, stays) in [
            (Firing, Critical, Urgency::Critical, true),
            (Update, Error, Urgency::Normal, true),
            (Reminder, Warning, Urgency::Normal, true),
            (Firing, Info, Urgency::Low, false),
            (Test, Warning, Urgency::Normal, true),
            (Resolved, Critical, Urgency::Low, false),
            (Acknowledged, Critical, Urgency::Low, false),
            (Notice, Error, Urgency::Low, false),
        ] {
            let note = note(&message(kind, severity, Vec::new()));
            assert_eq!(note.urgency, urgency, "{kind} {severity:?}");
            assert_eq!(note.life == Life::Stays, stays, "{kind} {severity:?}");
        }
        let over = note(&message(Resolved, Critical, Vec::new()));
        assert_eq!((over.icon, over.category), ("dialog-information", "network"));
    }

    #[test]
    fn one_subject_speaks_for_itself_and_several_are_named() {
        let mut one = message(
            MessageKind::Firing,
            Severity::Critical,
            vec![subject("p/m", "down", "7 of 12 replies cut")],
        );
        one.subjects[0].evidence = "58 %, 32 to 81 %, n 12; canary".to_owned();
        one.subjects[0].official = Some("all systems operational".to_owned());
        one.routes = vec!["coding: use q/m".to_owned()];
        assert_eq!(
            note(&one).body,
            "7 of 12 replies cut\n58 %, 32 to 81 %, n 12; canary\nIts own page: all systems operational\n\
             coding: use q/m"
        );
        let mut many = message(MessageKind::Firing, Severity::Critical, Vec::new());
        many.subjects = (0..6)
            .map(|n| subject(&format!("p/{n}"), "down", "cut"))
            .collect();
        many.more = 3;
        many.acknowledged_by = Some("kim".to_owned());
        assert_eq!(
            note(&many).body,
            "p/0: down, cut\np/1: down, cut\np/2: down, cut\np/3: down, cut\nand 5 more\nkim takes care of it"
        );
    }

    #[test]
    fn text_of_others_neither_breaks_nor_steers_a_notification() {
        let bad = "<b>x</b> & \u{1b}[31m\u{202e}desrever\nline";
        let note = note(&message(
            MessageKind::Firing,
            Severity::Error,
            vec![subject("p/m", "partial", bad)],
        ));
        assert_eq!(note.body, "<b>x</b> & [31mdesrever line");
        assert_eq!(note.marked_up(), "&lt;b&gt;x&lt;/b&gt; &amp; [31mdesrever line");
    }

    #[test]
    fn every_length_is_held_at_its_limit() {
        for (extra, cut) in [(0, false), (1, true)] {
            let mut long = message(MessageKind::Firing, Severity::Error, Vec::new());
            long.title = "ä".repeat(MAX_SUMMARY_BYTES / 2 + extra);
            let summary = note(&long).summary;
            assert!(summary.len() <= MAX_SUMMARY_BYTES);
            assert_eq!(summary.ends_with('…'), cut);
        }
        let text = "ü".repeat(1_000);
        let mut long = message(MessageKind::Firing, Severity::Error, Vec::new());
        long.subjects = (0..9).map(|n| subject(&n.to_string(), "down", &text)).collect();
        let body = note(&long).body;
        assert!(
            (MAX_BODY_BYTES - 1..=MAX_BODY_BYTES).contains(&body.len()),
            "{}",
            body.len()
        );
        assert!(body.lines().all(|line| line.len() <= MAX_LINE_BYTES));
    }

    #[test]
    fn a_reminder_and_a_test_say_what_they_are() {
        for (kind, summary) in [
            (MessageKind::Firing, "p/m is down"),
            (MessageKind::Update, "p/m is down"),
            (MessageKind::Reminder, "Still: p/m is down"),
            (MessageKind::Test, "Test: p/m is down"),
        ] {
            assert_eq!(note(&message(kind, Severity::Error, Vec::new())).summary, summary);
        }
    }
}
