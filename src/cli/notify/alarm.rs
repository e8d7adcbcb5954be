//! One alarm: a provider with targets that fail, our network, or the daemon itself. Pure.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::{
    alert::{MAX_MESSAGE_SUBJECTS, Message, MessageKind, Severity, Subject},
    cli::{ask::encoded, status::ago},
    feed::{
        Time,
        v1::{Head, Rate, TargetHealth},
    },
    health::State,
    id::TargetId,
};

/// Reason of a target that a person paused: nothing is known of it, and that is wanted.
const PAUSED: &str = "paused";
/// Longest id of an incident that is made a link, in bytes.
const MAX_INCIDENT_BYTES: usize = 64;

/// How bad a state is, where it is bad at all.
pub(super) fn severity(state: State) -> Option<Severity> {
    match state {
        State::Down => Some(Severity::Critical),
        State::Partial => Some(Severity::Error),
        State::Degraded => Some(Severity::Warning),
        State::Operational | State::Unknown | State::Maintenance => None,
    }
}

/// What an alarm is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// Targets of that provider.
    Provider(String),
    /// The network of the machine that probes.
    Network,
    /// The daemon that we follow, by its address; and why it is not reached.
    Daemon(String, String),
}

/// A target that failed, and since when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    incident: Option<String>,
    state: State,
    code: String,
    text: String,
    evidence: String,
    official: Option<String>,
    since: Time,
    /// When it was over, and how it is now.
    over: Option<(Time, &'static str)>,
}

impl Member {
    fn is_over(&self) -> bool {
        self.over.is_some()
    }
}

/// What a notification shows of an alarm: as long as this is the same, it stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Face {
    pub(super) over: bool,
    severity: Option<Severity>,
    /// Who, how, why, and what the provider itself says.
    members: Vec<(TargetId, &'static str, String, Option<String>)>,
}

impl Face {
    /// Whether this is worse than what was shown: graver, or somebody more.
    pub(super) fn is_worse_than(&self, shown: &Self) -> bool {
        let failing = |face: &Self| face.members.iter().filter(|one| one.1 != WELL).count();
        !self.over && (shown.over || self.severity > shown.severity || failing(self) > failing(shown))
    }
}

const WELL: &str = "operational";

/// An alarm.
#[derive(Debug, Clone)]
pub(super) struct Alarm {
    /// Its place on the screen.
    pub(super) slot: String,
    pub(super) about: About,
    pub(super) members: BTreeMap<TargetId, Member>,
    pub(super) began: Time,
    /// When it was over by the daemon's time; of a provider once nobody fails any more.
    pub(super) ended: Option<Time>,
    /// When we saw that it was over.
    pub(super) over_at: Option<Duration>,
    /// What the screen shows, and since when.
    pub(super) shown: Option<(Face, Duration)>,
    /// A person took it off the screen.
    pub(super) dismissed: bool,
}

impl Alarm {
    pub(super) fn new(slot: String, about: About, began: Time) -> Self {
        Self {
            slot,
            about,
            members: BTreeMap::new(),
            began,
            ended: None,
            over_at: None,
            shown: None,
            dismissed: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.over_at.is_none()
    }

    /// Whether one of its incidents is that one.
    pub(super) fn has_incident(&self, id: &str) -> bool {
        let mut incidents = self
            .members
            .values()
            .filter_map(|member| member.incident.as_deref());
        incidents.any(|incident| incident == id)
    }

    /// Takes over how a target is.
    pub(super) fn take(&mut self, target: &TargetHealth) {
        let old = self.members.get(&target.id);
        // A target that is bad again goes on where it was.
        let since = old.map_or(target.since, |member| member.since);
        let over = match target.state {
            State::Operational => Some((target.since, WELL)),
            State::Maintenance => Some((target.since, "in maintenance")),
            State::Unknown if target.reason.code == PAUSED => Some((target.since, PAUSED)),
            // Nothing new is known.
            State::Unknown => return,
            State::Degraded | State::Partial | State::Down => None,
        };
        let member = match (old, over) {
            (Some(old), Some(_)) => Member { over, ..old.clone() },
            (None, Some(_)) => return,
            (_, None) => Member {
                incident: target.incident.clone(),
                state: target.state,
                code: target.reason.code.to_string(),
                text: target.reason.text.clone(),
                evidence: evidence(target),
                official: official(target),
                since,
                over,
            },
        };
        self.members.insert(target.id.clone(), member);
    }

    /// Of a target that nobody watches any more nothing will be heard.
    pub(super) fn lose(&mut self, gone: &dyn Fn(&TargetId) -> bool, at: Time) {
        for (id, member) in &mut self.members {
            if member.over.is_none() && gone(id) {
                member.over = Some((at, "no longer watched"));
            }
        }
    }

    /// Whether this target failed and does so no more.
    pub(super) fn is_well(&self, id: &TargetId) -> bool {
        self.members.get(id).is_some_and(Member::is_over)
    }

    fn failing(&self) -> impl Iterator<Item = (&TargetId, &Member)> {
        self.members.iter().filter(|(_, member)| !member.is_over())
    }

    /// Whether nothing of it fails any more.
    pub(super) fn all_over(&self) -> bool {
        self.failing().next().is_none()
    }

    pub(super) fn severity(&self) -> Severity {
        let members: Vec<&Member> = if self.is_open() {
            self.failing().map(|(_, member)| member).collect()
        } else {
            self.members.values().collect()
        };
        let worst = members.iter().filter_map(|member| severity(member.state)).max();
        worst.unwrap_or(Severity::Warning)
    }

    pub(super) fn face(&self) -> Face {
        let open = self.is_open();
        let members = self.members.iter().map(|(id, member)| match member.over {
            Some((_, now)) => (id.clone(), now, String::new(), None),
            None => (
                id.clone(),
                member.state.as_str(),
                member.code.clone(),
                member.official.clone(),
            ),
        });
        Face {
            over: !open,
            severity: open.then(|| self.severity()),
            members: members.collect(),
        }
    }

    /// The message that tells of it. `base`: where the pages are.
    pub(super) fn message(&self, head: Option<&Head>, base: &str) -> Message {
        let kind = match (&self.shown, self.is_open()) {
            (_, false) => MessageKind::Resolved,
            (Some((face, _)), true) if !face.over => MessageKind::Update,
            (_, true) => MessageKind::Firing,
        };
        let mut subjects = self.subjects(base);
        let more = subjects.len().saturating_sub(MAX_MESSAGE_SUBJECTS);
        subjects.truncate(MAX_MESSAGE_SUBJECTS);
        Message {
            // Nobody sends it twice: it goes to one screen.
            key: self.slot.clone(),
            channel: "desktop".to_owned(),
            alarm: self.slot.clone(),
            rule: "notify".to_owned(),
            kind,
            severity: self.severity(),
            at: head.map_or(self.began, |head| head.generated_at),
            started_at: self.began,
            ended_at: self.ended,
            vantage: head.map(|head| head.vantage.clone()).unwrap_or_default(),
            title: self.title(),
            subjects,
            more,
            routes: Vec::new(),
            link: Some(self.link(base)),
            acknowledged_by: None,
        }
    }

    fn title(&self) -> String {
        let open = self.is_open();
        let provider = match &self.about {
            About::Network if open => return "No network where endturn runs".to_owned(),
            About::Network => return "The network is back where endturn runs".to_owned(),
            About::Daemon(..) if open => return "endturn does not answer".to_owned(),
            About::Daemon(..) => return "endturn answers again".to_owned(),
            About::Provider(provider) => provider,
        };
        if let (1, Some((id, member))) = (self.members.len(), self.members.iter().next()) {
            return match member.over {
                None => format!("{id} {}", words(member.state)),
                Some((_, WELL)) => format!("{id} is operational again"),
                Some((_, now)) => format!("{id} is {now}"),
            };
        }
        let n = self.members.len();
        if !open {
            let well = self
                .members
                .values()
                .all(|member| matches!(member.over, Some((_, WELL))));
            let how = if well {
                "operational again"
            } else {
                "no longer failing"
            };
            return format!("{provider}: all {n} targets are {how}");
        }
        let mut title = format!("{provider}:");
        for state in [State::Down, State::Partial, State::Degraded] {
            let count = self.failing().filter(|(_, member)| member.state == state).count();
            if count > 0 {
                let comma = if title.ends_with(':') { "" } else { "," };
                let _ = write!(
                    title,
                    "{comma} {count} target{} {state}",
                    if count == 1 { "" } else { "s" }
                );
            }
        }
        match self.members.values().filter(|member| member.is_over()).count() {
            0 => {}
            over => {
                let _ = write!(title, ", {over} well again");
            }
        }
        title
    }

    fn subjects(&self, base: &str) -> Vec<Subject> {
        let own = |text: String| {
            vec![Subject {
                name: "endturn".to_owned(),
                what: if self.is_open() { "not reached" } else { WELL }.to_owned(),
                since: self.began,
                until: self.ended,
                code: "own".to_owned(),
                text,
                evidence: String::new(),
                official: None,
                incident: None,
                link: None,
            }]
        };
        match &self.about {
            About::Provider(_) => {}
            About::Network if self.is_open() => {
                return own("Nothing is known about providers until it is back.".to_owned());
            }
            About::Daemon(url, why) if self.is_open() => {
                return own(format!("{url}: {why}. Nothing is known until it is back."));
            }
            About::Network | About::Daemon(..) => return Vec::new(),
        }
        let mut members: Vec<_> = self.members.iter().collect();
        // Stable: by name among those who are alike.
        members.sort_by_key(|(_, member)| (member.is_over(), std::cmp::Reverse(severity(member.state))));
        members
            .iter()
            .map(|(id, member)| subject(id, member, base))
            .collect()
    }

    /// Where a person reads more: below `base`.
    pub(super) fn link(&self, base: &str) -> String {
        let base = base.trim_end_matches('/');
        let mut failing = self
            .members
            .iter()
            .filter(|(_, member)| !self.is_open() || !member.is_over());
        match (failing.next(), failing.next()) {
            (Some((id, member)), None) => page(id, member, base),
            _ => format!("{base}/"),
        }
    }
}

fn subject(id: &TargetId, member: &Member, base: &str) -> Subject {
    let text = match member.over {
        None => member.text.clone(),
        Some((at, _)) => format!("after {} ({})", ago(at.0.since(member.since.0)), member.code),
    };
    Subject {
        name: id.to_string(),
        what: member
            .over
            .map_or(member.state.as_str(), |(_, now)| now)
            .to_owned(),
        since: member.since,
        until: member.over.map(|(at, _)| at),
        code: member.code.clone(),
        text,
        evidence: member.evidence.clone(),
        official: member.official.clone(),
        incident: member.incident.clone(),
        link: Some(page(id, member, base.trim_end_matches('/'))),
    }
}

/// The page on it, below the address that the person gave us: no address in the feed is followed.
fn page(id: &TargetId, member: &Member, base: &str) -> String {
    let plain = |id: &&String| {
        let known = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        !id.is_empty() && id.len() <= MAX_INCIDENT_BYTES && id.bytes().all(known)
    };
    match member.incident.as_ref().filter(plain) {
        Some(incident) => format!("{base}/incidents/{incident}"),
        None => format!("{base}/targets/{}", encoded(&id.to_string())),
    }
}

fn words(state: State) -> &'static str {
    match state {
        State::Down => "is down",
        State::Partial => "fails in part",
        State::Degraded => "is degraded",
        State::Operational | State::Unknown | State::Maintenance => "is not failing",
    }
}

/// `58 % of 12 fail (32 to 81 %); canary, report`.
fn evidence(target: &TargetHealth) -> String {
    let sources = target.reason.sources.join(", ");
    let Rate { value, low, high, n } = target.failure_rate;
    let (Some(value), Some(low), Some(high)) = (value, low, high) else {
        return sources;
    };
    let percent = |share: f64| format!("{:.0}", share * 100.0);
    let figures = format!(
        "{} % of {n} fail ({} to {} %)",
        percent(value),
        percent(low),
        percent(high)
    );
    if sources.is_empty() {
        figures
    } else {
        format!("{figures}; {sources}")
    }
}

fn official(target: &TargetHealth) -> Option<String> {
    let official = target.official.as_ref()?;
    let word = official.title.as_ref().or(official.word.as_ref());
    Some(word.cloned().unwrap_or_else(|| official.state.to_string()))
}
