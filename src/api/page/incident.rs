//! One incident: what happened when, from the first evidence to recovery, and the evidence itself.

use std::time::Duration;

use askama::Template;
use percent_encoding::utf8_percent_encode;

use crate::{
    clock::Timestamp,
    health::{Incident, State},
    id::TargetId,
    verdict::Observation,
};

use super::{
    Scene,
    figures::{Moment, age, duration, percent, strftime},
    frame::{Frame, SEGMENT, href},
    html,
    seen::{Seen, seen},
    sentence::Sentence,
    words,
};

/// Most failures that are shown as the evidence of one incident: the first ones.
pub const MAX_EVIDENCE: usize = 50;

/// What is kept of one incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The incident.
    pub incident: Incident,
    /// Failures while it lasted, oldest first; up to [`MAX_EVIDENCE`], and one more where there are more.
    pub failures: Vec<Observation>,
    /// What was counted while it lasted.
    pub lost: Lost,
    /// Raw observations are kept from here on.
    pub raw_from: Timestamp,
    /// Who was told; `None` where nobody is, or that is no longer known.
    pub alerted: Option<Alerted>,
}

/// Who was told of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alerted {
    /// Channels to which a message was decided.
    pub channels: Vec<String>,
    /// Who takes care of it, and since when.
    pub by: Option<(String, Timestamp)>,
    /// Those of the channels to which messages can't be delivered at present.
    pub failing: Vec<String>,
}

/// Replies that an incident cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Attempts that count.
    pub attempts: u64,
    /// Those that failed.
    pub failed: u64,
    /// In steps of this length: the first and the last one may hold more than the incident.
    pub step: Duration,
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    frame: Frame,
    id: String,
    target: TargetId,
    target_href: String,
    worst: State,
    reason: String,
    sources: String,
    started: Moment,
    noticed: String,
    recovered: Option<Moment>,
    lasted: String,
    lost: String,
    lost_note: String,
    lead: String,
    alerted: Option<String>,
    steps: Vec<Step>,
    seen: Vec<Seen>,
    more: bool,
    gone: Option<String>,
    raw: String,
}

impl Scene<'_> {
    /// One incident's page.
    pub fn incident(&self, case: &Case) -> String {
        let (incident, now) = (&case.incident, self.now);
        let over = incident.recovered.or(incident.closed);
        let lasted = over.unwrap_or(now).since(incident.started);
        html(&IncidentPage {
            frame: Frame::new(self, self.health, Sentence::incident(incident, now), ""),
            id: incident.id.clone(),
            target: incident.target.clone(),
            target_href: href(&incident.target),
            worst: incident.worst,
            reason: words::line(&incident.reason.text, words::MAX_LINE),
            sources: words::sources(&incident.reason.sources),
            started: Moment::new(incident.started, now),
            noticed: duration(incident.detected.since(incident.started)),
            recovered: over.map(|at| Moment::new(at, now)),
            lasted: age(lasted),
            lost: lost(&case.lost),
            lost_note: lost_note(&case.lost),
            lead: self.lead(incident),
            alerted: case.alerted.as_ref().map(|alerted| told(alerted, now)),
            steps: steps(incident, now),
            more: case.failures.len() > MAX_EVIDENCE,
            seen: case
                .failures
                .iter()
                .take(MAX_EVIDENCE)
                .map(|o| seen(o, now))
                .collect(),
            gone: gone(case, now),
            raw: raw_href(incident),
        })
    }
}

impl Scene<'_> {
    /// What the official page had to say about it.
    fn lead(&self, incident: &Incident) -> String {
        if incident.lead_s.is_some() {
            return words::lead(incident.lead_s);
        }
        let target = self.health.targets.iter().find(|t| t.id == incident.target);
        match target.and_then(|t| t.official.as_ref()) {
            None => "is not read",
            Some(_) if incident.closed.is_some() => "never spoke of it",
            Some(_) => "has not spoken of it yet",
        }
        .to_owned()
    }
}

/// `told oncall; ada takes care of it since 13:04; nothing gets through to mail now`.
fn told(alerted: &Alerted, now: Timestamp) -> String {
    let line = |name: &String| words::line(name, words::MAX_LINE);
    let names = |names: &[String]| names.iter().map(line).collect::<Vec<_>>().join(", ");
    let mut parts = Vec::new();
    if alerted.channels.is_empty() {
        parts.push("nobody was told yet".to_owned());
    } else {
        parts.push(format!("told {}", names(&alerted.channels)));
    }
    if let Some((by, at)) = &alerted.by {
        parts.push(format!(
            "{} takes care of it since {}",
            line(by),
            Moment::new(*at, now).full
        ));
    }
    if !alerted.failing.is_empty() {
        parts.push(format!("nothing gets through to {} now", names(&alerted.failing)));
    }
    parts.join("; ")
}

fn lost(lost: &Lost) -> String {
    match lost.attempts {
        0 => "none counted".to_owned(),
        n => format!(
            "{} of {n} ({})",
            lost.failed,
            percent(lost.failed as f64 / n as f64)
        ),
    }
}

fn lost_note(lost: &Lost) -> String {
    match lost.step.as_secs() {
        0..=60 => "counted in whole minutes".to_owned(),
        61..=3_600 => "counted in whole hours: its minutes are no longer kept".to_owned(),
        _ => "counted in whole days: its hours are no longer kept".to_owned(),
    }
}

/// Why there is no evidence to show, or not all of it.
fn gone(case: &Case, now: Timestamp) -> Option<String> {
    let kept = age(now.since(case.raw_from));
    let over = case.incident.recovered.unwrap_or(now);
    if over < case.raw_from {
        Some(format!(
            "What was observed then is gone: raw observations are kept for {kept}"
        ))
    } else if case.incident.started < case.raw_from {
        Some(format!(
            "The first part of it is gone: raw observations are kept for {kept}"
        ))
    } else if case.failures.is_empty() && case.lost.failed > 0 {
        Some("What was observed then is gone: it had to make room".to_owned())
    } else {
        None
    }
}

/// The raw observations of its target while it lasted.
fn raw_href(incident: &Incident) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, SEGMENT).to_string();
    let target = encoded(&incident.target.to_string());
    let since = encoded(&incident.started.to_rfc3339());
    let mut href = format!("/v1/observations?target={target}&since={since}");
    if let Some(over) = incident.recovered.or(incident.closed) {
        href.push_str("&until=");
        href.push_str(&encoded(&over.to_rfc3339()));
    }
    href
}

impl Sentence {
    /// About one incident.
    pub(super) fn incident(incident: &Incident, now: Timestamp) -> Self {
        let what = words::incident_name(incident.reason.code.as_str());
        let target = &incident.target;
        match incident.recovered.or(incident.closed) {
            Some(at) => Self {
                text: format!(
                    "{what} at {target} for {} on {}",
                    age(at.since(incident.started)),
                    strftime(incident.started, "%-d %B %Y")
                ),
                since: None,
                state: State::Operational,
            },
            None => Self {
                text: format!("{what} at {target}"),
                since: Some(Moment::new(incident.started, now)),
                state: incident.worst,
            },
        }
    }
}

/// One line of an incident's timeline.
pub(super) struct Step {
    pub(super) at: Moment,
    /// Delay from the onset, `+4 s`.
    pub(super) delay: String,
    pub(super) state: State,
    pub(super) text: String,
}

/// The timeline of an incident, with delays from its onset.
pub(super) fn steps(incident: &Incident, now: Timestamp) -> Vec<Step> {
    incident
        .timeline
        .iter()
        .map(|entry| Step {
            at: Moment::new(entry.at, now),
            delay: match entry.at.since(incident.started) {
                Duration::ZERO => "onset".to_owned(),
                delay => format!("+{}", duration(delay)),
            },
            state: entry.state,
            text: words::step(entry.kind, entry.state, &entry.text),
        })
        .collect()
}
