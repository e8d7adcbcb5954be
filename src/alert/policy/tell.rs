//! What each channel must be told now: the difference between what is and what it knows.

use std::{collections::BTreeMap, time::Duration};

use url::Url;

use super::memory::{Alarm, CLEAR_AFTER, FORGOTTEN_AFTER, Memory, Notice, Told};
use crate::{
    alert::{Message, MessageKind, Severity},
    clock::Timestamp,
    config::{AlertRule, Channel},
    feed::route::Route,
};

/// Least time between a message of an alarm and one that tells of further or fewer targets. One that tells of a higher
/// severity doesn't wait.
pub const GROUP_INTERVAL: Duration = Duration::from_secs(300);
/// Most stretches of quiet hours that are followed one into the next.
const MAX_JOINED: usize = 32;
/// Most messages of one alarm to one channel in one look: worse, then acknowledged.
const MAX_AT_ONCE: usize = 3;

/// What telling looks at.
pub(super) struct Teller<'a> {
    pub(super) rules: &'a [AlertRule],
    pub(super) channels: &'a [Channel],
    pub(super) routes: &'a [Route],
    pub(super) public_url: Option<&'a Url>,
    pub(super) vantage: &'a str,
    /// Our own network is lost: of others nothing is told.
    pub(super) offline: bool,
    pub(super) now: Timestamp,
    pub(super) messages: Vec<Message>,
    /// When there is something to do again.
    pub(super) wake: Option<Timestamp>,
}

/// What is to be done about one alarm on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Nothing, until something happens.
    Rest,
    /// Nothing before that time.
    At(Timestamp),
    /// This is to be told.
    Tell(MessageKind),
}

/// When somebody may be disturbed again; `None`: now.
fn quiet_until(channel: &Channel, severity: Severity, now: Timestamp) -> Option<Timestamp> {
    let mut at = now;
    for _ in 0..MAX_JOINED {
        let open = |unless: Option<_>| unless.is_none_or(|least| severity < least);
        let stretches = channel.quiet.iter().filter(|quiet| open(quiet.unless));
        match stretches.filter_map(|quiet| quiet.until(at)).max() {
            Some(until) => at = until,
            None => break,
        }
    }
    (at > now).then_some(at)
}

impl Teller<'_> {
    pub(super) fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
    }

    /// Tells whatever is to be told, and forgets what everybody knows to be over.
    pub(super) fn tell(&mut self, memory: &mut Memory) {
        for alarm in &mut memory.alarms {
            if self.offline && !alarm.is_own() {
                continue;
            }
            let (rules, channels) = (self.rules, self.channels);
            let rule = rules.iter().find(|rule| rule.name == alarm.rule);
            for channel in channels {
                self.tell_channel(alarm, channel, rule);
            }
            alarm
                .told
                .retain(|name, _| channels.iter().any(|channel| channel.name == *name));
        }
        memory
            .alarms
            .retain(|alarm| alarm.ended.is_none() || alarm.is_awaited());
        if !self.offline {
            self.notices(&mut memory.notices);
        }
        self.clocks(memory);
    }

    /// Whatever that channel must hear of the alarm now, and when it may have to hear more.
    fn tell_channel(&mut self, alarm: &mut Alarm, channel: &Channel, rule: Option<&AlertRule>) {
        for _ in 0..MAX_AT_ONCE {
            match self.step(alarm, channel, rule) {
                Step::Rest => return,
                Step::At(at) => return self.wake_at(at),
                Step::Tell(kind) => self.say(alarm, channel, kind),
            }
        }
    }

    /// When members have lasted long enough, or have been gone long enough.
    fn clocks(&mut self, memory: &Memory) {
        for alarm in memory.alarms.iter().filter(|alarm| alarm.ended.is_none()) {
            for member in alarm.members.values().filter(|member| member.end.is_none()) {
                if !member.counted && member.due.0 > self.now {
                    self.wake_at(member.due.0);
                }
                if let Some(recovered) = member.recovered {
                    let due = [CLEAR_AFTER, FORGOTTEN_AFTER]
                        .map(|span| recovered.0.plus(span))
                        .into_iter()
                        .find(|due| *due > self.now);
                    if let Some(due) = due {
                        self.wake_at(due);
                    }
                }
            }
        }
    }

    fn step(&self, alarm: &Alarm, channel: &Channel, rule: Option<&AlertRule>) -> Step {
        let asked = rule.filter(|rule| rule.channels.contains(&channel.name));
        let told = alarm.told.get(&channel.name).filter(|told| told.open);
        let wanted = match (told, asked) {
            (None, None) => Step::Rest,
            (Some(_), None) => Step::Tell(MessageKind::Resolved),
            (Some(_), Some(_)) if alarm.ended.is_some() => Step::Tell(MessageKind::Resolved),
            (None, Some(rule)) => self.begin(alarm, channel, rule),
            (Some(told), Some(rule)) => self.go_on(alarm, told, rule, channel),
        };
        match wanted {
            Step::Tell(_) => match quiet_until(channel, alarm.severity, self.now) {
                Some(at) => Step::At(at),
                None => wanted,
            },
            other => other,
        }
    }

    /// What a channel that knows nothing of it must hear.
    fn begin(&self, alarm: &Alarm, channel: &Channel, rule: &AlertRule) -> Step {
        let Some(due) = alarm.due.filter(|_| alarm.ended.is_none()) else {
            return Step::Rest;
        };
        if alarm.severity < channel.min_severity {
            return Step::Rest;
        }
        self.once(due.0.plus(rule.group_wait), MessageKind::Firing)
    }

    /// What a channel that knows of it must hear.
    fn go_on(&self, alarm: &Alarm, told: &Told, rule: &AlertRule, channel: &Channel) -> Step {
        if alarm.severity > told.severity {
            return Step::Tell(MessageKind::Update);
        }
        if alarm.acknowledged.is_some() && !told.acknowledged {
            return Step::Tell(MessageKind::Acknowledged);
        }
        let mut worse = false;
        let mut active = 0;
        for (key, member) in alarm.active() {
            active += 1;
            worse |= told.members.get(key).is_none_or(|known| member.rank > *known);
        }
        let fewer = active < told.members.len();
        let acknowledged = alarm.acknowledged.is_some();
        if worse || (fewer && !acknowledged) {
            return self.once(told.at.0.plus(GROUP_INTERVAL), MessageKind::Update);
        }
        // A machine that takes silence for an end hears it again whoever takes care.
        let remind = rule.remind.filter(|_| !acknowledged);
        match channel.repeat_every().or(remind) {
            Some(remind) => self.once(told.at.0.plus(remind), MessageKind::Reminder),
            None => Step::Rest,
        }
    }

    fn once(&self, at: Timestamp, kind: MessageKind) -> Step {
        if self.now >= at {
            Step::Tell(kind)
        } else {
            Step::At(at)
        }
    }

    /// Tells it, and remembers that.
    fn say(&mut self, alarm: &mut Alarm, channel: &Channel, kind: MessageKind) {
        for member in alarm.members.values_mut() {
            if let Some(fresh) = &member.fresh {
                member.subject.clone_from(fresh);
            }
        }
        let message = self.message(alarm, channel, kind);
        let told = alarm.told.remove(&channel.name);
        let active = || alarm.active().map(|(key, member)| (key.clone(), member.rank));
        let open = kind != MessageKind::Resolved;
        let told = Told {
            open,
            again: told.as_ref().map_or(0, |told| told.again) + u32::from(!open),
            sent: told.map_or(0, |told| told.sent) + 1,
            at: self.now.into(),
            severity: alarm.severity,
            members: if open { active().collect() } else { BTreeMap::new() },
            acknowledged: alarm.acknowledged.is_some(),
        };
        alarm.told.insert(channel.name.clone(), told);
        self.messages.push(message);
    }

    /// Tells events, those of one group in one message.
    fn notices(&mut self, held: &mut Vec<Notice>) {
        let (rules, channels) = (self.rules, self.channels);
        held.retain(|notice| {
            rules
                .iter()
                .any(|rule| rule.name == notice.rule && rule.channels.contains(&notice.channel))
                && channels.iter().any(|channel| channel.name == notice.channel)
        });
        for channel in channels {
            let mut groups: Vec<(String, String)> = Vec::new();
            for notice in held.iter().filter(|notice| notice.channel == channel.name) {
                let due = quiet_until(channel, notice.severity, self.now).unwrap_or(notice.due.0);
                let group = (notice.rule.clone(), notice.group.clone());
                if due > self.now {
                    self.wake_at(due);
                } else if !groups.contains(&group) {
                    groups.push(group);
                }
            }
            for (rule, group) in groups {
                let of_group = |notice: &mut Notice| {
                    notice.channel == channel.name && notice.rule == rule && notice.group == group
                };
                let notices: Vec<Notice> = held.extract_if(.., of_group).collect();
                let message = self.notice(channel, &rule, &group, notices);
                self.messages.push(message);
            }
        }
    }
}
