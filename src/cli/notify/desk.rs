//! From the feed to what a screen should show. Pure.
//!
//! It compares what is so with what is shown, each time anew: whatever was missed, refused or put off comes right by
//! itself, with the newest text.

use std::{collections::VecDeque, time::Duration};

use super::alarm::{About, Alarm, Face, severity};
use crate::{
    alert::{Message, Severity},
    client::follow::News,
    feed::{Time, v1::Health},
    health::Network,
    id::TargetId,
};

/// An alarm that got worse is shown anew after this long at the earliest: an outage takes its targets down one by one.
pub(super) const WORSE_EVERY: Duration = Duration::from_secs(3);
/// One that merely changed, after this long.
pub(super) const CHANGED_EVERY: Duration = Duration::from_secs(30);
/// Most notifications within [`RATE_WINDOW`], replaced ones included. What is too much is put off, the gravest last.
pub(super) const RATE: usize = 10;
/// See [`RATE`].
pub(super) const RATE_WINDOW: Duration = Duration::from_secs(60);
/// A daemon that is away for this long is worth a word: a restart takes less.
pub(super) const GONE_AFTER: Duration = Duration::from_secs(30);
/// A network that is away for this long is.
pub(super) const OFFLINE_AFTER: Duration = Duration::from_secs(10);
/// The same incident within this time gets the same notification again.
pub(super) const KEPT: Duration = Duration::from_secs(600);
/// Wait for a notification server that is away; doubled with each failure.
pub(super) const AWAY_FIRST: Duration = Duration::from_secs(1);
/// Never longer than this.
pub(super) const AWAY_LONGEST: Duration = Duration::from_secs(60);

/// Something for the screen.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Where on it.
    pub(super) slot: String,
    /// What it says.
    pub(super) message: Message,
    face: Face,
}

/// What is so, and what is shown.
#[derive(Debug)]
pub(super) struct Desk {
    base: String,
    /// What is less grave is not told.
    least: Severity,
    known: Option<Health>,
    alarms: Vec<Alarm>,
    /// Alarms so far: each has a place of its own.
    count: u64,
    /// Since when the daemon is away, and why.
    lost: Option<(Duration, String)>,
    offline: Option<Duration>,
    /// When what is within the window was shown.
    recent: VecDeque<Duration>,
    /// How often in a row nothing could be shown, and when to try again.
    away: Option<(u32, Duration)>,
}

impl Desk {
    /// Nothing is known, nothing shown.
    pub(super) fn new(base: String, least: Severity) -> Self {
        Self {
            base,
            least,
            known: None,
            alarms: Vec::new(),
            count: 0,
            lost: None,
            offline: None,
            recent: VecDeque::new(),
            away: None,
        }
    }

    /// Takes over what the feed tells.
    pub(super) fn hear(&mut self, news: News, now: Duration) {
        match news {
            News::Lost { why, .. } => {
                let since = self.lost.as_ref().map_or(now, |(since, _)| *since);
                self.lost = Some((since, why));
                return;
            }
            News::Snapshot(health) => self.known = Some(*health),
            News::Delta(delta) => match &mut self.known {
                Some(known) => known.apply(&delta),
                None => return,
            },
        }
        self.lost = None;
        self.compare(now);
    }

    /// Somebody took that one off the screen: it comes back when it gets worse, or is over.
    pub(super) fn dismissed(&mut self, slot: &str) {
        if let Some(alarm) = self.alarms.iter_mut().find(|alarm| alarm.slot == slot) {
            alarm.dismissed = true;
        }
    }

    /// Where that one leads to now.
    pub(super) fn link(&self, slot: &str) -> Option<String> {
        let alarm = self.alarms.iter().find(|alarm| alarm.slot == slot)?;
        Some(alarm.link(&self.base))
    }

    /// It is on the screen.
    pub(super) fn shown(&mut self, order: Order, now: Duration) {
        self.away = None;
        self.recent.push_back(now);
        if let Some(alarm) = self.alarms.iter_mut().find(|alarm| alarm.slot == order.slot) {
            alarm.shown = Some((order.face, now));
            alarm.dismissed = false;
        }
    }

    /// Nothing can be shown for now. `true`: that is new.
    pub(super) fn refused(&mut self, now: Duration) -> bool {
        let failures = self.away.map_or(0, |(failures, _)| failures).saturating_add(1);
        let wait = AWAY_FIRST
            .saturating_mul(2_u32.saturating_pow(failures - 1))
            .min(AWAY_LONGEST);
        self.away = Some((failures, now + wait));
        failures == 1
    }

    /// What is to be shown now, the gravest first.
    pub(super) fn orders(&mut self, now: Duration) -> Vec<Order> {
        self.own(now);
        self.alarms.retain(|alarm| match (alarm.over_at, &alarm.shown) {
            (None, _) => true,
            // Whoever was not told that it began need not hear that it is over.
            (Some(_), None) => false,
            (Some(at), Some(_)) => now.saturating_sub(at) < KEPT,
        });
        if self.away.is_some_and(|(_, retry)| now < retry) {
            return Vec::new();
        }
        while self
            .recent
            .front()
            .is_some_and(|at| now.saturating_sub(*at) >= RATE_WINDOW)
        {
            self.recent.pop_front();
        }
        let due = self.alarms.iter().filter_map(|alarm| {
            let (face, from) = wanted(alarm)?;
            (from <= now).then_some((alarm, face))
        });
        let mut due: Vec<(&Alarm, Face)> = due.collect();
        due.sort_by_key(|(alarm, face)| (face.over, std::cmp::Reverse(alarm.severity())));
        due.truncate(RATE.saturating_sub(self.recent.len()));
        let head = self.known.as_ref().map(|known| &known.head);
        due.into_iter()
            .map(|(alarm, face)| Order {
                slot: alarm.slot.clone(),
                message: alarm.message(head, &self.base),
                face,
            })
            .collect()
    }

    /// How long until something may come due without news.
    pub(super) fn next_wake(&self, now: Duration) -> Option<Duration> {
        let open = |kind: fn(&About) -> bool| {
            self.alarms
                .iter()
                .any(|alarm| alarm.is_open() && kind(&alarm.about))
        };
        let gone = self.lost.as_ref().map(|(since, _)| *since + GONE_AFTER);
        let gone = gone.filter(|_| !open(|about| matches!(about, About::Daemon(..))));
        let offline = self.offline.map(|since| since + OFFLINE_AFTER);
        let offline = offline.filter(|_| self.lost.is_none() && !open(|about| *about == About::Network));
        let pending = self
            .alarms
            .iter()
            .filter_map(|alarm| wanted(alarm).map(|(_, at)| at))
            .min();
        let retry = self.away.map(|(_, retry)| retry);
        let room = self
            .recent
            .front()
            .filter(|_| self.recent.len() >= RATE)
            .map(|at| *at + RATE_WINDOW);
        let pending = pending.map(|at| at.max(retry.unwrap_or_default()).max(room.unwrap_or_default()));
        let next = [gone, offline, pending].into_iter().flatten().min()?;
        Some(next.saturating_sub(now))
    }

    /// Holds the targets against the alarms.
    fn compare(&mut self, now: Duration) {
        let Some(known) = self.known.take() else { return };
        match known.head.network {
            Network::Online => self.offline = None,
            Network::Offline => self.offline = self.offline.or(Some(now)),
        }
        let at = known.head.generated_at;
        for target in &known.targets {
            let told = self
                .alarms
                .iter()
                .position(|alarm| alarm.is_open() && alarm.members.contains_key(&target.id));
            let grave = severity(target.state).is_some_and(|severity| severity >= self.least);
            match told {
                Some(alarm) if grave || !self.alarms[alarm].is_well(&target.id) => {
                    self.alarms[alarm].take(target);
                }
                None if grave => {
                    let alarm = self.alarm_for(&target.provider, target.incident.as_deref(), at, now);
                    self.alarms[alarm].take(target);
                }
                Some(_) | None => {}
            }
        }
        let gone = |id: &TargetId| !known.targets.iter().any(|target| &target.id == id);
        for alarm in &mut self.alarms {
            if alarm.is_open() && matches!(alarm.about, About::Provider(_)) {
                alarm.lose(&gone, at);
                if alarm.all_over() {
                    (alarm.ended, alarm.over_at) = (Some(at), Some(now));
                }
            }
        }
        self.known = Some(known);
    }

    /// The alarm of that provider: the open one, the one that this incident had, or a new one.
    fn alarm_for(&mut self, provider: &str, incident: Option<&str>, at: Time, now: Duration) -> usize {
        let about = About::Provider(provider.to_owned());
        let open = self
            .alarms
            .iter()
            .position(|alarm| alarm.is_open() && alarm.about == about);
        let had = |alarm: &Alarm| {
            let lately = alarm.over_at.is_some_and(|at| now.saturating_sub(at) < KEPT);
            lately && alarm.about == about && incident.is_some_and(|id| alarm.has_incident(id))
        };
        if let Some(found) = open.or_else(|| self.alarms.iter().position(had)) {
            let alarm = &mut self.alarms[found];
            (alarm.ended, alarm.over_at) = (None, None);
            return found;
        }
        self.begin(about, at)
    }

    fn begin(&mut self, about: About, at: Time) -> usize {
        self.count += 1;
        self.alarms
            .push(Alarm::new(format!("alarm-{}", self.count), about, at));
        self.alarms.len() - 1
    }

    /// What concerns ourselves: the daemon and its network.
    fn own(&mut self, now: Duration) {
        let gone = self
            .lost
            .as_ref()
            .filter(|(since, _)| now.saturating_sub(*since) >= GONE_AFTER)
            .map(|(_, why)| About::Daemon(self.base.clone(), why.clone()));
        // While nobody tells, nobody tells of the network either.
        let known = self.lost.is_none();
        let offline = self
            .offline
            .filter(|since| known && now.saturating_sub(*since) >= OFFLINE_AFTER);
        self.set(|about| matches!(about, About::Daemon(..)), gone, now);
        if known {
            self.set(
                |about| *about == About::Network,
                offline.map(|_| About::Network),
                now,
            );
        }
    }

    fn set(&mut self, kind: impl Fn(&About) -> bool, is_so: Option<About>, now: Duration) {
        let at = self
            .known
            .as_ref()
            .map(|known| known.head.generated_at)
            .unwrap_or_default();
        let open = self
            .alarms
            .iter()
            .position(|alarm| alarm.is_open() && kind(&alarm.about));
        match (open, is_so) {
            (None, Some(about)) => {
                self.begin(about, at);
            }
            // The first reason is the one that was shown.
            (Some(_), Some(_)) | (None, None) => {}
            (Some(found), None) => {
                let alarm = &mut self.alarms[found];
                (alarm.ended, alarm.over_at) = (Some(at), Some(now));
            }
        }
    }
}

/// What the screen should show of an alarm in place of what it shows, and from when on it may.
fn wanted(alarm: &Alarm) -> Option<(Face, Duration)> {
    let face = alarm.face();
    let Some((shown, at)) = &alarm.shown else {
        return alarm.is_open().then_some((face, Duration::ZERO));
    };
    // One that came and went again before it could be shown is over as before.
    if *shown == face || (shown.over && face.over) {
        return None;
    }
    let weighty = face.over || face.is_worse_than(shown);
    let wait = if weighty { WORSE_EVERY } else { CHANGED_EVERY };
    (weighty || !alarm.dismissed).then_some((face, *at + wait))
}

#[cfg(test)]
mod tests;
