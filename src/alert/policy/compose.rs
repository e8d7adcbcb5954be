//! From alarms and events to messages.

use url::Url;

use super::{
    gather::notice_id,
    memory::{Alarm, End, Notice, Told, digest},
    tell::Teller,
    words,
};
use crate::{
    alert::{MAX_MESSAGE_SUBJECTS, Message, MessageKind, Severity, Subject},
    config::Channel,
};

impl Teller<'_> {
    /// What that channel is told of an alarm.
    pub(super) fn message(&self, alarm: &Alarm, channel: &Channel, kind: MessageKind) -> Message {
        let told = alarm.told.get(&channel.name);
        let over = kind == MessageKind::Resolved;
        let told_of = self.told_of(alarm, told, over);
        let started_at = alarm.started().unwrap_or_default();
        let ended_at = over.then(|| alarm.ended.unwrap_or(self.now.into()));
        let all: Vec<&Subject> = told_of.iter().map(|(subject, _)| subject).collect();
        let title = if over {
            let ends: Vec<(&Subject, End)> = told_of
                .iter()
                .map(|(subject, end)| (subject, end.unwrap_or(End::Over)))
                .collect();
            words::over(&ends, ended_at.unwrap_or(started_at).0.since(started_at.0))
        } else {
            let going_on: Vec<&Subject> = all
                .iter()
                .copied()
                .filter(|subject| subject.until.is_none())
                .collect();
            words::title(&going_on)
        };
        let name = alarm.name_for(told);
        let sent = told.map_or(0, |told| told.sent).to_string();
        let state: Vec<String> = alarm
            .active()
            .map(|(key, member)| format!("{key} {}", member.rank))
            .collect();
        let parts = [
            &*name,
            &channel.name,
            &sent,
            kind.as_str(),
            alarm.severity.as_str(),
            &state.join("\n"),
        ];
        Message {
            key: format!("{name}.{}", digest(&parts)),
            channel: channel.name.clone(),
            rule: alarm.rule.clone(),
            kind,
            severity: alarm.severity,
            at: self.now.into(),
            started_at,
            ended_at,
            vantage: self.vantage.to_owned(),
            title,
            routes: words::routes(self.routes, &all),
            link: self.link(&all),
            more: all.len().saturating_sub(MAX_MESSAGE_SUBJECTS),
            subjects: all.into_iter().take(MAX_MESSAGE_SUBJECTS).cloned().collect(),
            acknowledged_by: alarm.acknowledged.as_ref().map(|known| known.by.clone()),
            alarm: name,
        }
    }

    /// What a message is about, with why it ended where it has: what goes on before what is over, the worst first,
    /// then the oldest. Of what is over, whoever hears that all is over hears everything, others only what is news.
    fn told_of(&self, alarm: &Alarm, told: Option<&Told>, over: bool) -> Vec<(Subject, Option<End>)> {
        let is_news = |key: &String| over || told.is_some_and(|told| told.members.contains_key(key));
        let mut found: Vec<(u8, Subject, Option<End>)> = Vec::new();
        for (key, member) in alarm.members.iter().filter(|(_, member)| member.counted) {
            let end = member
                .end
                .or_else(|| over.then(|| (End::Unwatched, self.now.into())));
            let mut subject = member.now().clone();
            if let Some((end, at)) = end {
                if !is_news(key) {
                    continue;
                }
                subject.until = Some(at);
                if let Some(why) = why(end) {
                    why.clone_into(&mut subject.text);
                }
            }
            found.push((member.rank, subject, end.map(|(end, _)| end)));
        }
        found.sort_by(|(rank, a, _), (other, b, _)| {
            (a.until.is_some(), other, a.since, &a.name).cmp(&(b.until.is_some(), rank, b.since, &b.name))
        });
        found
            .into_iter()
            .map(|(_, subject, end)| (subject, end))
            .collect()
    }

    /// Where a person reads more: of one thing its own place.
    fn link(&self, subjects: &[&Subject]) -> Option<String> {
        let own = match subjects {
            [one] => one.link.clone(),
            _ => None,
        };
        own.or_else(|| self.public_url.map(Url::to_string))
    }

    /// What a channel is told of events of one group.
    pub(super) fn notice(&self, channel: &Channel, rule: &str, group: &str, notices: Vec<Notice>) -> Message {
        let severity = notices.iter().map(|notice| notice.severity).max();
        let subjects: Vec<Subject> = notices.into_iter().map(|notice| notice.subject).collect();
        let id = notice_id(rule, group, &subjects);
        let all: Vec<&Subject> = subjects.iter().collect();
        Message {
            key: format!("{id}.{}", digest(&[&id, &channel.name])),
            channel: channel.name.clone(),
            alarm: id,
            rule: rule.to_owned(),
            kind: MessageKind::Notice,
            severity: severity.unwrap_or(Severity::Info),
            at: self.now.into(),
            started_at: subjects
                .iter()
                .map(|subject| subject.since)
                .min()
                .unwrap_or_default(),
            ended_at: None,
            vantage: self.vantage.to_owned(),
            title: words::title(&all),
            link: self.link(&all),
            more: all.len().saturating_sub(MAX_MESSAGE_SUBJECTS),
            subjects: all.into_iter().take(MAX_MESSAGE_SUBJECTS).cloned().collect(),
            routes: Vec::new(),
            acknowledged_by: None,
        }
    }
}

/// What an end that is no recovery says of itself.
fn why(end: End) -> Option<&'static str> {
    match end {
        End::Over => None,
        End::Maintenance => Some("maintenance was declared: nothing is told while it lasts"),
        End::Paused => Some("a person paused it: nothing is known while that lasts"),
        End::Unwatched => Some("no longer watched: the configuration asks for it no more"),
    }
}
