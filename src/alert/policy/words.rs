//! What messages say, in words. Texts of others are cleaned and cut here, once; each channel escapes in its own way.

use std::time::Duration;

use url::Url;

use super::{gather::OURSELVES, memory::End};
use crate::{
    alert::{MAX_TEXT_BYTES, Subject},
    config::Trouble,
    feed::{
        route::{Decision, Route},
        v1::{Official, SetAside, StoreStatus, TargetHealth},
    },
    health::{ChangeKind, State},
};

/// Longest title in bytes: what a telephone shows of it.
pub(super) const MAX_TITLE_BYTES: usize = 120;
/// Most routes that one message tells of.
pub(super) const MAX_ROUTE_LINES: usize = 10;
/// Most names that one sentence lists.
const MAX_NAMES: usize = 3;

/// A text of others: on one line, without what steers a terminal or turns the writing round, at most
/// [`MAX_TEXT_BYTES`].
pub(super) fn clean(text: &str) -> String {
    brief(text, MAX_TEXT_BYTES)
}

/// The same with another bound in bytes.
pub(super) fn brief(text: &str, most: usize) -> String {
    let mut clean = String::new();
    let mut blank = false;
    for c in text.chars() {
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || c.is_whitespace() {
            blank = true;
        } else if !hidden {
            // A blank counts once something follows it.
            if std::mem::take(&mut blank) && !clean.is_empty() {
                clean.push(' ');
            }
            clean.push(c);
        }
        if clean.len() > most {
            let end = clean.floor_char_boundary(most - '…'.len_utf8());
            return format!("{}…", clean[..end].trim_end());
        }
    }
    clean
}

/// On what a target's state rests, and how sure that is.
pub(super) fn evidence(target: &TargetHealth) -> String {
    let rate = &target.failure_rate;
    let minutes = target.window_s / 60;
    let counts = match (rate.value, rate.low, rate.high) {
        (Some(value), Some(low), Some(high)) => {
            let failed = (value * rate.n as f64).round();
            let percent = |share: f64| (share * 100.0).round();
            format!(
                "{failed} of {} attempts failed in {minutes} min, {} to {} %",
                rate.n,
                percent(low),
                percent(high)
            )
        }
        _ => format!("no attempts in {minutes} min"),
    };
    let sources: Vec<&str> = target.reason.sources.iter().map(|source| &**source).collect();
    if sources.is_empty() {
        counts
    } else {
        clean(&format!("{counts}; {}", sources.join(", ")))
    }
}

/// What the provider's own page says, where anybody could read it.
pub(super) fn official(said: &Official) -> Option<String> {
    let word = match (&said.word, said.state) {
        (Some(word), _) => word.as_str(),
        (None, State::Unknown) if said.title.is_none() => return None,
        (None, state) => state.as_str(),
    };
    Some(match &said.title {
        Some(title) => clean(&format!("{word}: {title}")),
        None => clean(word),
    })
}

/// Where a person reads more of a target or an incident.
pub(super) fn link(public: &Url, target: &str, incident: Option<&str>) -> Option<String> {
    let mut url = public.clone();
    {
        let mut path = url.path_segments_mut().ok()?;
        path.pop_if_empty();
        match incident {
            Some(incident) => path.extend(["incidents", incident]),
            None => path.push("targets").extend(target.split('/')),
        };
    }
    Some(url.into())
}

/// Why history is not kept.
pub(super) fn store(status: &StoreStatus) -> String {
    let detail = status.detail.as_deref().unwrap_or("the store takes no writes");
    clean(&format!(
        "history is not being kept ({detail}); {} records are lost so far; probing and the feed go on",
        status.dropped
    ))
}

/// Which history is missing.
pub(super) fn set_aside(aside: &SetAside) -> String {
    clean(&format!(
        "{aside}; a fresh one is written, probing and the feed go on"
    ))
}

/// What is wrong with our key.
pub(super) fn key(target: &TargetHealth, trouble: Trouble) -> String {
    let what = match (&*target.reason.code, trouble) {
        // Then the reason speaks of the key.
        ("self", _) => return clean(&target.reason.text),
        (_, Trouble::Throttled) => "our key is rate limited there",
        _ => "our key is refused there, or its quota is spent",
    };
    format!("{what}; this says nothing about the provider")
}

/// Whose replies are asked for no more.
pub(super) fn budget(names: &[&str]) -> String {
    clean(&format!(
        "today's money is spent: no replies are asked of {} until midnight UTC; whether they can be reached is still watched",
        list(names)
    ))
}

fn list(names: &[&str]) -> String {
    match names.len().checked_sub(MAX_NAMES) {
        Some(more) if more > 0 => format!("{} and {more} more", names[..MAX_NAMES].join(", ")),
        _ => names.join(", "),
    }
}

/// What a reason's code means for whoever reads a title.
fn phrase(code: &str) -> Option<&'static str> {
    Some(match code {
        "truncated" => "replies are cut",
        "overloaded" => "no capacity",
        "server_error" => "server errors",
        "timeout" => "no answer in time",
        "unreachable" => "can't be reached",
        "slow" => "slow",
        "errors" => "requests fail",
        "stale" => "no fresh evidence",
        "self" => "our key",
        _ => return None,
    })
}

/// One line on what is wrong.
pub(super) fn title(subjects: &[&Subject]) -> String {
    let Some(first) = subjects.first() else {
        return String::new();
    };
    let whole = match trouble(first) {
        Some(trouble) => troubled(first, trouble),
        None => failing(first, subjects),
    };
    brief(&whole, MAX_TITLE_BYTES)
}

fn trouble(subject: &Subject) -> Option<Trouble> {
    Trouble::ALL
        .into_iter()
        .find(|trouble| trouble.as_str() == subject.what)
}

fn troubled(subject: &Subject, trouble: Trouble) -> String {
    let name = &subject.name;
    match trouble {
        Trouble::BudgetSpent => "endturn: today's budget is spent".to_owned(),
        Trouble::BlockedKey => format!("{name}: our key is refused"),
        Trouble::Throttled => format!("{name}: our key is rate limited"),
        Trouble::VantageOffline => "endturn: own network lost, nobody is watched".to_owned(),
        Trouble::StoreFailing => "endturn: history is not being kept".to_owned(),
        Trouble::StoreSetAside => "endturn: history is lost, its database was damaged".to_owned(),
    }
}

fn failing(first: &Subject, subjects: &[&Subject]) -> String {
    if subjects.len() > 1
        && let Some(news) = ChangeKind::parse(&first.what)
    {
        return format!("{}{} targets: {}", whose(subjects), subjects.len(), changed(news));
    }
    let why = phrase(&first.code)
        .map(|why| format!(": {why}"))
        .unwrap_or_default();
    if subjects.len() == 1 {
        return match State::parse(&first.what) {
            Some(_) => format!("{} is {}{why}", first.name, first.what),
            None => format!("{}: {}", first.name, first.text),
        };
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for subject in subjects {
        match counts.iter_mut().find(|(what, _)| *what == subject.what) {
            Some((_, count)) => *count += 1,
            None => counts.push((&subject.what, 1)),
        }
    }
    let mut parts = counts
        .iter()
        .enumerate()
        .map(|(at, (what, count))| match (at, count) {
            (0, 1) => format!("1 target {what}"),
            (0, _) => format!("{count} targets {what}"),
            _ => format!("{count} {what}"),
        });
    let counts = parts.by_ref().collect::<Vec<_>>().join(", ");
    format!("{}{counts}{why}", whose(subjects))
}

/// What a change is, where several targets have it.
fn changed(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::ModelChanged => "another model answers",
        ChangeKind::ModelMismatch => "another model answers than was asked for",
        ChangeKind::SnapshotChanged => "the alias leads to another snapshot",
        ChangeKind::FingerprintChanged => "another configuration serves",
        ChangeKind::TokensDrifted => "the same prompt counts other tokens",
    }
}

/// `anthropic: ` where all are one provider's.
fn whose(subjects: &[&Subject]) -> String {
    let provider = |subject: &Subject| {
        subject
            .name
            .split_once('/')
            .map(|(provider, _)| provider.to_owned())
    };
    let mut all = subjects.iter().map(|subject| provider(subject));
    match all.next().flatten() {
        Some(first) if all.all(|other| other.as_deref() == Some(&*first)) => format!("{first}: "),
        _ => String::new(),
    }
}

/// One line on what is wrong no more.
pub(super) fn over(subjects: &[(&Subject, End)], lasted: Duration) -> String {
    let Some((first, end)) = subjects.first() else {
        return String::new();
    };
    let who = match subjects.len() {
        1 => first.name.clone(),
        n => {
            let all: Vec<&Subject> = subjects.iter().map(|(subject, _)| *subject).collect();
            format!("{}{n} targets", whose(&all))
        }
    };
    let after = span(lasted);
    if subjects.iter().any(|(_, other)| other != end) {
        return brief(&format!("{who}: over after {after}"), MAX_TITLE_BYTES);
    }
    let unknown = subjects
        .iter()
        .all(|(subject, _)| subject.what == State::Unknown.as_str());
    let whole = match (trouble(first), end) {
        (_, End::Unwatched) => format!("{who}: no longer watched"),
        (_, End::Maintenance) => format!("{who}: maintenance was declared"),
        (_, End::Paused) => format!("{who}: paused by a person"),
        (Some(Trouble::BudgetSpent), _) => format!("endturn: there is money again after {after}"),
        (Some(Trouble::BlockedKey), _) => format!("{who}: our key works again after {after}"),
        (Some(Trouble::Throttled), _) => format!("{who}: our key is no longer limited after {after}"),
        (Some(Trouble::VantageOffline), _) => format!("endturn: own network is back after {after}"),
        (Some(Trouble::StoreFailing), _) => format!("endturn: history is kept again after {after}"),
        (Some(Trouble::StoreSetAside), _) => format!("endturn: history has been kept anew for {after}"),
        (None, _) if unknown => format!("{who}: known again after {after}"),
        (None, _) if subjects.len() == 1 => format!("{who} is well again after {after}"),
        (None, _) => format!("{who} are well again after {after}"),
    };
    brief(&whole, MAX_TITLE_BYTES)
}

/// A length of time in its two largest units: `1 h 5 min`.
fn span(span: Duration) -> String {
    let s = span.as_secs();
    let (days, hours, minutes) = (s / 86_400, s / 3_600 % 24, s / 60 % 60);
    let both = |large: u64, unit: &str, small: u64, lesser: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {lesser}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, _) => both(minutes, "min", s % 60, "s"),
        (0, _, _) => both(hours, "h", minutes, "min"),
        _ => both(days, "d", hours, "h"),
    }
}

/// A line for each route that one of these targets belongs to: who serves it now.
pub(super) fn routes(routes: &[Route], subjects: &[&Subject]) -> Vec<String> {
    let concerns = |route: &&Route| {
        let mut candidates = route.candidates.iter();
        candidates.any(|candidate| {
            let id = candidate.target.to_string();
            let provider = &candidate.target.provider().to_string();
            subjects
                .iter()
                .any(|subject| subject.name == id || subject.name == *provider)
        })
    };
    let everybody = subjects.iter().any(|subject| subject.name == OURSELVES);
    routes
        .iter()
        .filter(|route| !everybody && concerns(route))
        .take(MAX_ROUTE_LINES)
        .map(|route| {
            let line = match (&route.target, route.decision) {
                (Some(target), Decision::Use) => {
                    let mut candidates = route.candidates.iter();
                    if candidates.any(|candidate| candidate.target == *target && candidate.eligible) {
                        format!("{}: {target} serves", route.name)
                    } else {
                        format!("{}: nobody is well, {target} serves as the least bad", route.name)
                    }
                }
                _ => format!("{}: nobody can serve", route.name),
            };
            clean(&line)
        })
        .collect()
}

#[cfg(test)]
mod tests;
