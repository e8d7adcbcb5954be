//! What the policy remembers: what is wrong, and what each channel was told of it.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    alert::{Severity, Subject},
    clock::Timestamp,
    config::{AlertOn, Trouble},
    feed::Time,
    health::State,
};

/// Version of the kept form.
pub(super) const VERSION: u32 = 1;

/// Everything that outlives a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) version: u32,
    #[serde(default)]
    pub(super) alarms: Vec<Alarm>,
    #[serde(default)]
    pub(super) notices: Vec<Notice>,
    /// What alarms that are over began with, while the same could begin again.
    #[serde(default)]
    pub(super) past: Vec<First>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            version: VERSION,
            alarms: Vec::new(),
            notices: Vec::new(),
            past: Vec::new(),
        }
    }
}

/// Something is wrong, or was and not everybody knows that it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Alarm {
    /// Empty until something has lasted long enough.
    pub(super) id: String,
    pub(super) rule: String,
    pub(super) group: String,
    /// What it began with.
    pub(super) first: Option<First>,
    /// The highest that it has had.
    pub(super) severity: Severity,
    /// Since when something has lasted long enough: what begins together is gathered from then on.
    pub(super) due: Option<Time>,
    /// When it ended.
    pub(super) ended: Option<Time>,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) acknowledged: Option<Acknowledged>,
    /// By channel.
    pub(super) told: BTreeMap<String, Told>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Member {
    /// As it was last told, or first seen.
    pub(super) subject: Subject,
    /// As it is now; not kept, so that figures which move don't make a memory that must be written.
    #[serde(skip)]
    pub(super) fresh: Option<Subject>,
    /// Whether it is wrong at this look.
    #[serde(skip)]
    pub(super) present: bool,
    pub(super) severity: Severity,
    /// How bad it has been at its worst: what is worse is worth a message.
    pub(super) rank: u8,
    /// When it was first seen.
    pub(super) seen: Time,
    /// When it has lasted long enough.
    pub(super) due: Time,
    /// Whether it has.
    pub(super) counted: bool,
    /// When it recovered, while it is not over yet.
    pub(super) recovered: Option<Time>,
    /// Why and when it ended.
    pub(super) end: Option<(End, Time)>,
}

/// Why something is told no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// It is well again.
    Over,
    /// A person declared maintenance.
    Maintenance,
    /// A person paused it.
    Paused,
    /// No rule or no target asks for it any more.
    Unwatched,
}

/// Somebody takes care.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Acknowledged {
    pub(super) by: String,
    pub(super) at: Time,
}

/// What a channel knows of an alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Whether it waits for the end.
    pub(super) open: bool,
    /// How often it was told that it is over, though it went on: the channel was taken out of the rule and put back.
    #[serde(default)]
    pub(super) again: u32,
    /// Messages so far: a part of their keys.
    pub(super) sent: u32,
    /// When the last one was decided.
    pub(super) at: Time,
    /// How urgent it was then.
    pub(super) severity: Severity,
    /// What failed then, and how badly.
    pub(super) members: BTreeMap<String, u8>,
    /// Whether it knows who takes care.
    pub(super) acknowledged: bool,
}

/// What an alarm began with: its id follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct First {
    pub(super) key: String,
    pub(super) incident: Option<String>,
    /// When it was first seen, where there is no incident.
    pub(super) at: Option<Time>,
    pub(super) rule: String,
    pub(super) group: String,
}

/// An event that waits to be told to one channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Notice {
    pub(super) rule: String,
    pub(super) channel: String,
    /// What is told in one message.
    pub(super) group: String,
    pub(super) severity: Severity,
    pub(super) subject: Subject,
    /// Not before.
    pub(super) due: Time,
}

impl Alarm {
    pub(super) fn new(rule: &str, group: &str) -> Self {
        Self {
            id: String::new(),
            rule: rule.to_owned(),
            group: group.to_owned(),
            first: None,
            severity: Severity::Info,
            due: None,
            ended: None,
            members: BTreeMap::new(),
            acknowledged: None,
            told: BTreeMap::new(),
        }
    }

    /// What has lasted long enough and is not over.
    pub(super) fn active(&self) -> impl Iterator<Item = (&String, &Member)> {
        self.members
            .iter()
            .filter(|(_, member)| member.counted && member.end.is_none())
    }

    /// Whether any channel waits for its end.
    pub(super) fn is_awaited(&self) -> bool {
        self.told.values().any(|told| told.open)
    }

    /// Whether it is about ourselves alone, so that a lost network doesn't silence it.
    pub(super) fn is_own(&self) -> bool {
        self.members.values().any(|member| {
            matches!(
                member.trouble(),
                Some(Trouble::VantageOffline | Trouble::StoreFailing | Trouble::StoreSetAside)
            )
        })
    }

    /// Since when the first of it has been.
    pub(super) fn started(&self) -> Option<Time> {
        let counted = self.members.values().filter(|member| member.counted);
        counted.map(|member| member.subject.since).min()
    }

    /// What its channels know it by.
    pub(super) fn name_for(&self, told: Option<&Told>) -> String {
        match told.map_or(0, |told| told.again) {
            0 => self.id.clone(),
            again => format!("{}-{again}", self.id),
        }
    }
}

impl Member {
    /// As it is now, or was last seen.
    pub(super) fn now(&self) -> &Subject {
        self.fresh.as_ref().unwrap_or(&self.subject)
    }

    /// What it is, where it isn't a state.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let what = &self.subject.what;
        Trouble::ALL.into_iter().find(|trouble| trouble.as_str() == what)
    }
}

/// How bad a state is; whatever else there is has no degrees.
pub(super) fn rank(what: &str) -> u8 {
    match State::parse(what) {
        Some(State::Down) => 4,
        Some(State::Partial) => 3,
        Some(State::Degraded) => 2,
        Some(State::Unknown) => 1,
        _ => 0,
    }
}

impl First {
    /// The id of an alarm that begins with this, after as many others did.
    pub(super) fn id(&self, past: &[Self]) -> String {
        let before = past.iter().filter(|other| *other == self).count();
        let begin = match (&self.incident, self.at) {
            (Some(incident), _) => incident.clone(),
            (None, at) => at.map(|at| at.to_string()).unwrap_or_default(),
        };
        digest(&[&self.rule, &self.group, &self.key, &begin, &before.to_string()])
    }
}

/// Sixteen hexadecimal digits that stand for these texts.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // A part never flows into the next.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&hash[..8]);
    format!("{:016x}", u64::from_be_bytes(head))
}

/// How urgent something is, unless its rule says.
pub(super) fn severity(on: AlertOn) -> Severity {
    match on {
        AlertOn::State(State::Down) | AlertOn::Trouble(Trouble::VantageOffline) => Severity::Critical,
        AlertOn::State(State::Partial)
        | AlertOn::Trouble(Trouble::BlockedKey | Trouble::StoreFailing | Trouble::StoreSetAside) => {
            Severity::Error
        }
        AlertOn::State(_)
        | AlertOn::Trouble(Trouble::BudgetSpent | Trouble::Throttled)
        | AlertOn::Change(
            crate::health::ChangeKind::ModelChanged | crate::health::ChangeKind::ModelMismatch,
        ) => Severity::Warning,
        AlertOn::Change(_) => Severity::Info,
    }
}

/// How long something that has no incident must be gone until it is over, so that what flickers is one alarm: as long
/// as health waits before it closes an incident.
pub(super) const CLEAR_AFTER: Duration = Duration::from_secs(60);
/// The same where a restart may have forgotten it until it is asked again: a key's trouble, a spent budget, an
/// incident of a target that is never asked for replies.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);

/// How long it is told that a damaged database was set aside: it happened once and has no end of its own. Shorter than
/// the usual time to a reminder.
pub(super) const SET_ASIDE_FOR: Duration = Duration::from_secs(3_600);

/// Whether so long has passed.
pub(super) fn passed(since: Time, span: Duration, now: Timestamp) -> bool {
    now >= since.0.plus(span)
}
