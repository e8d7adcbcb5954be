//! A message in words: a title, and lines that any channel can take after its own manner. Pure.
//!
//! What others said (error texts, names of models, official pages) is text here and nothing else: control signs and
//! what turns the direction of writing are taken out before a channel escapes the rest.

use std::{borrow::Cow, time::Duration};

use super::message::{MAX_TEXT_BYTES, Message, MessageKind, Severity, Subject};
use crate::feed::Time;

/// Longest title in bytes.
pub(super) const MAX_TITLE_BYTES: usize = 250;
/// What stands where something was cut.
pub(super) const CUT: &str = "…";

/// How a channel writes what it is given.
#[derive(Clone, Copy)]
pub struct Style {
    /// Takes the meaning out of a text's signs.
    pub text: fn(&str) -> String,
    /// Sets a name apart.
    pub strong: fn(&str) -> String,
    /// A link; empty where it can't be written.
    pub link: fn(&str) -> String,
}

/// No markup at all.
pub const PLAIN: Style = Style {
    text: str::to_owned,
    strong: str::to_owned,
    link: str::to_owned,
};

/// One line: what it is about, after what kind of message it is unless it says so itself.
pub fn title(message: &Message) -> String {
    let title = clip(&clean(&message.title), MAX_TITLE_BYTES).into_owned();
    let prefix = match message.kind {
        MessageKind::Firing | MessageKind::Notice => return title,
        MessageKind::Update => "Update",
        MessageKind::Reminder => "Still",
        MessageKind::Acknowledged => "Acknowledged",
        MessageKind::Resolved => "Resolved",
        MessageKind::Test => "Test",
    };
    if title.to_lowercase().starts_with(&prefix.to_lowercase()) {
        return title;
    }
    clip(&format!("{prefix}: {title}"), MAX_TITLE_BYTES).into_owned()
}

/// A sign for the title, where signs are seen.
pub const fn sign(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "🟢",
        (MessageKind::Test, _) => "🔧",
        (MessageKind::Acknowledged, _) => "👀",
        (_, Severity::Info) => "🔵",
        (_, Severity::Warning) => "🟡",
        (_, Severity::Error) => "🟠",
        (_, Severity::Critical) => "🔴",
    }
}

/// The colour that goes with [`sign`], as `0xRRGGBB`.
pub(super) const fn colour(message: &Message) -> u32 {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => 0x002e_a043,
        (MessageKind::Test | MessageKind::Acknowledged, _) => 0x006e_7781,
        (_, Severity::Info) => 0x0009_69da,
        (_, Severity::Warning) => 0x00d4_a72c,
        (_, Severity::Error) => 0x00e1_6f24,
        (_, Severity::Critical) => 0x00cf_222e,
    }
}

/// The whole message without its title, a line an item; an empty one parts what belongs together.
pub fn lines(message: &Message, style: &Style) -> Vec<String> {
    let mut lines = vec![(style.text)(&standing(message))];
    if message.kind == MessageKind::Test && message.subjects.is_empty() {
        lines.push((style.text)("Somebody tries this channel. Nothing is wrong."));
    }
    if let Some(who) = &message.acknowledged_by {
        lines.push((style.text)(&format!("{} takes care of it.", piece(who))));
    }
    for subject in &message.subjects {
        lines.push(String::new());
        subject_lines(subject, style, &mut lines);
    }
    if message.more > 0 {
        lines.push(String::new());
        lines.push((style.text)(&format!("and {} more", message.more)));
    }
    if !message.routes.is_empty() {
        lines.push(String::new());
        for route in &message.routes {
            lines.push((style.text)(&format!("Route {}", piece(route))));
        }
    }
    if let Some(link) = &message.link {
        lines.push(String::new());
        lines.push((style.link)(&clean(link)));
    }
    lines
}

/// All lines as plain text.
pub fn text(message: &Message) -> String {
    lines(message, &PLAIN).join("\n")
}

/// The first subjects in few words, a line each, and how many more there are: for what shows little.
pub fn brief(message: &Message, most: usize) -> Vec<String> {
    let told = message.subjects.iter().take(most).map(|subject| {
        let what = clean(&subject.what);
        let name = clean(&subject.name);
        if subject.text.is_empty() {
            format!("{name}: {what}")
        } else {
            format!("{name}: {what}, {}", piece(&subject.text))
        }
    });
    let mut lines: Vec<String> = told.collect();
    let more = message.more + message.subjects.len().saturating_sub(most);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// How urgent, since when, seen from where.
fn standing(message: &Message) -> String {
    let from = when(message.started_at);
    let severity = message.severity.as_str();
    let span = match (message.kind, message.ended_at) {
        (MessageKind::Test, _) => when(message.at),
        (MessageKind::Notice, _) => format!("at {from}"),
        (_, Some(ended)) => {
            let lasted = ended.0.since(message.started_at.0);
            format!("from {from} to {}, {}", when(ended), span(lasted))
        }
        (_, None) => format!("since {from}"),
    };
    format!("{severity}, {span}, seen from {}", clean(&message.vantage))
}

fn subject_lines(subject: &Subject, style: &Style, lines: &mut Vec<String>) {
    let since = when(subject.since);
    let span = match subject.until {
        Some(until) => format!(" from {since} to {}", when(until)),
        None => format!(" since {since}"),
    };
    let what = format!(": {}{span}", piece(&subject.what));
    lines.push(format!(
        "{}{}",
        (style.strong)(&clip(&clean(&subject.name), MAX_TEXT_BYTES)),
        (style.text)(&what)
    ));
    if !subject.text.is_empty() {
        let code = match subject.code.as_str() {
            "" => String::new(),
            code => format!(" ({})", piece(code)),
        };
        lines.push((style.text)(&format!("{}{code}", piece(&subject.text))));
    }
    if !subject.evidence.is_empty() {
        lines.push((style.text)(&format!("Evidence: {}", piece(&subject.evidence))));
    }
    if let Some(official) = &subject.official {
        lines.push((style.text)(&format!(
            "Its own status page says: {}",
            piece(official)
        )));
    }
    if let Some(link) = &subject.link {
        lines.push((style.link)(&clean(link)));
    }
}

/// `2026-06-20 13:01:00 UTC`.
pub fn when(time: Time) -> String {
    let text = time.0.to_rfc3339();
    match text.get(..19) {
        Some(seconds) => format!("{} UTC", seconds.replace('T', " ")),
        None => text,
    }
}

/// Whole seconds in words: `1h 2m 3s`.
fn span(lasted: Duration) -> String {
    humantime::format_duration(Duration::from_secs(lasted.as_secs())).to_string()
}

/// A bounded text of others.
fn piece(text: &str) -> String {
    clip(&clean(text), MAX_TEXT_BYTES).into_owned()
}

/// One line without control signs and without what turns the direction of writing or joins words unseen.
pub fn clean(text: &str) -> String {
    let bare = text.chars().filter_map(|c| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => Some(' '),
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => None,
        c if c.is_control() => None,
        c => Some(c),
    });
    bare.collect::<String>().trim().to_owned()
}

/// The text within so many bytes, cut between two characters.
pub fn clip(text: &str, most: usize) -> Cow<'_, str> {
    clip_by(text, most, char::len_utf8)
}

/// The text within so many UTF-16 units, as chat services count.
pub(super) fn clip_utf16(text: &str, most: usize) -> Cow<'_, str> {
    clip_by(text, most, char::len_utf16)
}

/// `CUT` is one character; `size` tells what each takes.
fn clip_by(text: &str, most: usize, size: fn(char) -> usize) -> Cow<'_, str> {
    if text.chars().map(size).sum::<usize>() <= most {
        return Cow::Borrowed(text);
    }
    let room = most.saturating_sub(CUT.chars().map(size).sum());
    let mut used = 0;
    let kept: String = text
        .chars()
        .take_while(|c| {
            used += size(*c);
            used <= room
        })
        .collect();
    Cow::Owned(format!("{}{CUT}", kept.trim_end()))
}

/// As many whole lines as fit into so many UTF-16 units; where some don't, the last one says so. Cutting at lines
/// leaves no half of an escaped sign behind.
pub(super) fn fit(lines: &[String], most: usize) -> String {
    let units = |text: &str| text.encode_utf16().count();
    let whole = lines.join("\n");
    if units(&whole) <= most {
        return whole;
    }
    let room = most.saturating_sub(units(CUT) + 1);
    let mut text = String::new();
    for line in lines {
        if units(&text) + units(line) + 1 > room {
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text.push_str(CUT);
    text
}

/// An id as a service takes it: as it is where it is short and plain, else its digest.
pub(super) fn plain_id(id: &str, most: usize) -> String {
    use sha2::{Digest, Sha256};
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !id.is_empty() && id.len() <= most && id.chars().all(plain) {
        return id.to_owned();
    }
    let digest = Sha256::digest(id);
    digest.iter().take(16).fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
