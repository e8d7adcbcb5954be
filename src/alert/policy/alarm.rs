//! Alarms as the API shows them.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::{memory, memory::Memory, words};
use crate::{
    alert::{MAX_MESSAGE_SUBJECTS, Severity, Subject},
    config::Channel,
    feed::Time,
};

/// Where an alarm stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AlarmPhase)]
pub enum Phase {
    /// It goes on.
    Firing,
    /// It goes on, and somebody takes care of it.
    Acknowledged,
    /// It is over, and some channel will be told when its quiet hours end.
    Ended,
}

/// Something that is wrong, and who was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    /// Its id: messages carry it, and it can be acknowledged by it.
    pub id: String,
    /// Name of the `[[alert]]` that asked for it.
    pub rule: String,
    /// What is told together: a provider, a target, a kind of trouble.
    pub group: String,
    /// Where it stands.
    pub phase: Phase,
    /// The highest severity that it has had.
    pub severity: Severity,
    /// One line on what is wrong.
    pub title: String,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    #[schema(required = true)]
    pub ended_at: Option<Time>,
    /// Who takes care of it.
    #[schema(required = true)]
    pub acknowledged_by: Option<String>,
    /// Since when.
    #[schema(required = true)]
    pub acknowledged_at: Option<Time>,
    /// What it is about; at most [`MAX_MESSAGE_SUBJECTS`].
    pub subjects: Vec<Subject>,
    /// How many more there are.
    pub more: usize,
    /// Who was told what.
    pub told: Vec<ChannelTold>,
    /// Where a person reads more.
    #[schema(required = true)]
    pub link: Option<String>,
}

/// What one channel was told of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelTold {
    /// Name of the channel.
    pub channel: String,
    /// When the last message was decided; delivery is another matter.
    pub at: Time,
    /// Messages so far.
    pub messages: u32,
    /// Whether it waits to hear that it is over.
    pub awaits_end: bool,
}

/// Everything that is known to somebody or about to be, the newest first.
pub(super) fn list(memory: &Memory, channels: &[Channel], public_url: Option<&Url>) -> Vec<Alarm> {
    let counted = memory.alarms.iter().filter(|alarm| alarm.due.is_some());
    let mut all: Vec<Alarm> = counted.map(|alarm| alarm.show(channels, public_url)).collect();
    all.sort_by(|a, b| (b.started_at, &a.id).cmp(&(a.started_at, &b.id)));
    all
}

impl memory::Alarm {
    /// Whether it goes on and has that id, or an incident of that id.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let told = || self.told.values().any(|told| self.name_for(Some(told)) == name);
        let incident = || {
            self.active()
                .any(|(_, member)| member.subject.incident.as_deref() == Some(name))
        };
        self.ended.is_none() && self.due.is_some() && (self.id == name || told() || incident())
    }

    fn show(&self, channels: &[Channel], public_url: Option<&Url>) -> Alarm {
        let going_on = self.ended.is_none();
        let mut members: Vec<&memory::Member> = self
            .members
            .values()
            .filter(|member| member.counted && (member.end.is_none() || !going_on))
            .collect();
        members.sort_by_key(|member| (std::cmp::Reverse(member.rank), member.now().since));
        let subjects: Vec<&Subject> = members.iter().map(|member| member.now()).collect();
        let known = self.acknowledged.as_ref();
        let told = channels.iter().filter_map(|channel| {
            let told = self.told.get(&channel.name)?;
            Some(ChannelTold {
                channel: channel.name.clone(),
                at: told.at,
                messages: told.sent,
                awaits_end: told.open,
            })
        });
        Alarm {
            id: self.id.clone(),
            rule: self.rule.clone(),
            group: self.group.clone(),
            phase: match (going_on, known) {
                (false, _) => Phase::Ended,
                (true, Some(_)) => Phase::Acknowledged,
                (true, None) => Phase::Firing,
            },
            severity: self.severity,
            title: words::title(&subjects),
            started_at: self.started().unwrap_or_default(),
            ended_at: self.ended,
            acknowledged_by: known.map(|known| known.by.clone()),
            acknowledged_at: known.map(|known| known.at),
            more: subjects.len().saturating_sub(MAX_MESSAGE_SUBJECTS),
            link: match subjects.as_slice() {
                [one] => one.link.clone(),
                _ => None,
            }
            .or_else(|| public_url.map(Url::to_string)),
            subjects: subjects.into_iter().take(MAX_MESSAGE_SUBJECTS).cloned().collect(),
            told: told.collect(),
        }
    }
}
