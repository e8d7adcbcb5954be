//! What is wrong now into what is remembered: alarms begin, gather members, and end.

use std::collections::HashMap;

use super::{
    gather::{Condition, group_of, is_offline},
    memory::{Alarm, CLEAR_AFTER, End, FORGOTTEN_AFTER, First, Member, Memory, passed, rank},
};
use crate::{
    alert::Facts,
    clock::Timestamp,
    config::{AlertOn, AlertRule, Trouble},
    feed::{Time, v1::TargetHealth},
    health::{Incident, State},
};

/// What following looks at.
pub(super) struct World<'a> {
    pub(super) rules: &'a [AlertRule],
    pub(super) facts: &'a Facts<'a>,
    pub(super) now: Timestamp,
    /// Every target of the feed by its id.
    targets: HashMap<String, &'a TargetHealth>,
}

/// What becomes of a member that is not wrong at this moment.
enum Fate {
    /// It may be over: nothing is sure yet.
    Held,
    /// It is gone, and over if it stays so until then.
    Clearing(std::time::Duration),
    /// It is over.
    Ended(End),
}

impl<'a> World<'a> {
    pub(super) fn new(rules: &'a [AlertRule], facts: &'a Facts<'a>, now: Timestamp, memory: &Memory) -> Self {
        // Ids become text only where somebody will look for one.
        let targets = if memory.alarms.iter().any(|alarm| alarm.ended.is_none()) {
            let all = facts.health.targets.iter();
            all.map(|target| (target.id.to_string(), target)).collect()
        } else {
            HashMap::new()
        };
        Self {
            rules,
            facts,
            now,
            targets,
        }
    }

    fn incident(&self, member: &Member) -> Option<&Incident> {
        self.facts.incidents.get(member.subject.incident.as_ref()?)
    }

    /// Takes in what is wrong.
    pub(super) fn join(&self, memory: &mut Memory, conditions: Vec<Condition<'_>>) {
        let mut live: HashMap<(String, String), usize> = HashMap::new();
        for (number, alarm) in memory.alarms.iter_mut().enumerate() {
            alarm
                .members
                .values_mut()
                .for_each(|member| member.present = false);
            if alarm.ended.is_none() && !conditions.is_empty() {
                live.insert((alarm.rule.clone(), alarm.group.clone()), number);
            }
        }
        for condition in conditions {
            let of = (condition.rule.name.clone(), condition.group.clone());
            let number = *live.entry(of).or_insert_with_key(|(rule, group)| {
                memory.alarms.push(Alarm::new(rule, group));
                memory.alarms.len() - 1
            });
            memory.alarms[number].take(condition, self.now);
        }
    }

    /// Looks after what is remembered and not wrong now, and what has lasted long enough.
    pub(super) fn follow(&self, memory: &mut Memory) {
        let offline = is_offline(self.facts);
        for alarm in memory.alarms.iter_mut().filter(|alarm| alarm.ended.is_none()) {
            if offline && !alarm.is_own() {
                continue;
            }
            let (rule, group) = (alarm.rule.clone(), alarm.group.clone());
            let rule = self.rules.iter().find(|known| known.name == rule);
            alarm
                .members
                .retain(|key, member| self.look_after(rule, &group, key, member));
            self.count(alarm, &memory.past);
        }
        for alarm in memory.alarms.iter_mut().filter(|alarm| alarm.ended.is_none()) {
            if let Some(first) = alarm.end() {
                memory.past.push(first);
            }
        }
        memory.alarms.retain(|alarm| !alarm.members.is_empty());
        // Only what an open incident began could begin once more in the same way.
        let open = |id: &String| self.facts.incidents.contains_key(id);
        memory
            .past
            .retain(|first| first.incident.as_ref().is_some_and(open));
    }

    /// Whether it is still to be remembered.
    fn look_after(&self, rule: Option<&AlertRule>, group: &str, key: &str, member: &mut Member) -> bool {
        if member.end.is_some() {
            return true;
        }
        if let Some(incident) = self.incident(member) {
            member.recovered = incident.recovered.map(Time::from);
        }
        if member.present && rule.is_some() {
            return true;
        }
        let fate = match rule {
            Some(rule) => match member.trouble() {
                Some(trouble) => self.trouble(rule, trouble, key),
                None => self.target(rule, group, key, member),
            },
            None => Fate::Ended(End::Unwatched),
        };
        let now = Time::from(self.now);
        match fate {
            Fate::Ended(_) | Fate::Clearing(_) if !member.counted => return false,
            Fate::Held => {
                member.recovered = member.recovered.filter(|_| member.subject.incident.is_some());
            }
            Fate::Clearing(span) => {
                let since = *member.recovered.get_or_insert(now);
                if passed(since, span, self.now) {
                    member.end = Some((End::Over, since));
                }
            }
            Fate::Ended(End::Over) => member.end = Some((End::Over, member.recovered.unwrap_or(now))),
            Fate::Ended(end) => member.end = Some((end, now)),
        }
        true
    }

    /// What becomes of a target that is in no state which the rule names.
    fn target(&self, rule: &AlertRule, group: &str, key: &str, member: &Member) -> Fate {
        let Some(target) = self.targets.get(key).filter(|_| rule.wants(key)) else {
            return Fate::Ended(End::Unwatched);
        };
        if group_of(rule, &target.provider, key) != group {
            return Fate::Ended(End::Unwatched);
        }
        let what = State::parse(&member.now().what);
        if !rule.on.iter().any(|on| matches!(on, AlertOn::State(_))) {
            return Fate::Ended(End::Unwatched);
        }
        if target.state == State::Maintenance {
            return Fate::Ended(End::Maintenance);
        }
        if target.reason.code == "paused" {
            return Fate::Ended(End::Paused);
        }
        if what == Some(State::Unknown) && member.subject.incident.is_none() {
            return match target.state {
                State::Unknown => Fate::Held,
                _ => Fate::Clearing(CLEAR_AFTER),
            };
        }
        match (&target.incident, target.state) {
            (Some(open), _) if member.subject.incident.as_ref() == Some(open) => Fate::Held,
            // Nobody asks it for replies, so it never becomes operational: that its edge answers is all there is.
            (None, State::Unknown) if target.last_complete_at.is_none() && self.edge_is_well(target) => {
                Fate::Clearing(FORGOTTEN_AFTER)
            }
            // Nothing is known, or it fails and health has not decided yet: a restart may have forgotten the incident.
            (_, State::Unknown) | (None, State::Down | State::Partial | State::Degraded) => Fate::Held,
            _ => Fate::Ended(End::Over),
        }
    }

    fn edge_is_well(&self, target: &TargetHealth) -> bool {
        let mut providers = self.facts.health.providers.iter();
        providers.any(|provider| {
            provider.id.as_str() == target.provider && provider.edge.state == State::Operational
        })
    }

    /// What becomes of a trouble of our own that is not there now.
    fn trouble(&self, rule: &AlertRule, trouble: Trouble, key: &str) -> Fate {
        if !rule.on.contains(&AlertOn::Trouble(trouble)) {
            return Fate::Ended(End::Unwatched);
        }
        match trouble {
            Trouble::VantageOffline | Trouble::StoreFailing | Trouble::StoreSetAside => {
                Fate::Clearing(CLEAR_AFTER)
            }
            Trouble::BudgetSpent => Fate::Clearing(FORGOTTEN_AFTER),
            Trouble::BlockedKey | Trouble::Throttled => {
                let mut theirs = self
                    .facts
                    .health
                    .targets
                    .iter()
                    .filter(|target| target.provider == key && rule.wants(&target.id.to_string()))
                    .peekable();
                if theirs.peek().is_none() {
                    return Fate::Ended(End::Unwatched);
                }
                let known = theirs.any(|target| target.state != State::Unknown);
                Fate::Clearing(if known { CLEAR_AFTER } else { FORGOTTEN_AFTER })
            }
        }
    }

    /// Counts members that have lasted long enough. The first of them gives the alarm its id.
    fn count(&self, alarm: &mut Alarm, past: &[First]) {
        let now = self.now;
        for member in alarm.members.values_mut() {
            member.counted |= member.present && now >= member.due.0;
        }
        let active = alarm.active().map(|(_, member)| member.severity).max();
        alarm.severity = alarm.severity.max(active.unwrap_or(alarm.severity));
        if alarm.due.is_some() || active.is_none() {
            return;
        }
        let first = alarm
            .active()
            .min_by_key(|(key, member)| (member.subject.since, *key))
            .map(|(key, member)| First {
                key: key.clone(),
                incident: member.subject.incident.clone(),
                at: member.subject.incident.is_none().then_some(member.seen),
                rule: alarm.rule.clone(),
                group: alarm.group.clone(),
            });
        let dues = alarm.active().map(|(_, member)| member.due);
        alarm.due = dues.min();
        alarm.id = first.as_ref().map(|first| first.id(past)).unwrap_or_default();
        alarm.first = first;
    }
}

impl Alarm {
    /// Takes in something that is wrong now.
    fn take(&mut self, condition: Condition<'_>, now: Timestamp) {
        let Condition {
            rule,
            key,
            severity,
            from,
            subject,
            ..
        } = condition;
        let due = Time::from(from.unwrap_or(now).plus(rule.after));
        let known = self.members.get_mut(&key).filter(|member| member.end.is_none());
        let Some(member) = known else {
            let member = Member {
                rank: rank(&subject.what),
                subject,
                fresh: None,
                severity,
                seen: now.into(),
                due,
                counted: false,
                present: true,
                recovered: None,
                end: None,
            };
            self.members.insert(key, member);
            return;
        };
        let mut subject = subject;
        if from.is_none() {
            subject.since = member.subject.since;
        }
        member.present = true;
        member.recovered = None;
        member.severity = severity;
        // A restart may have found it anew, under another incident: what comes after goes by that one.
        member.subject.incident.clone_from(&subject.incident);
        member.rank = member.rank.max(rank(&subject.what));
        if member.subject.what != subject.what || member.subject.code != subject.code {
            member.subject.clone_from(&subject);
        }
        member.fresh = Some(subject);
    }

    /// Ends it when the last of it is over; gives what it began with.
    fn end(&mut self) -> Option<First> {
        if self
            .members
            .values()
            .any(|member| member.counted && member.end.is_none())
        {
            return None;
        }
        let last = self
            .members
            .values()
            .filter_map(|member| member.end.map(|(_, at)| at))
            .max()?;
        // What has not lasted long enough begins an alarm of its own.
        self.members.retain(|_, member| member.counted);
        self.ended = Some(last);
        self.first.clone()
    }
}
