//! Who must be told what now. Pure: what is wrong and the time are arguments, messages are the answer.
//!
//! Each look compares the whole feed with what every channel was told. So a look that was lost, a restart or a reload
//! changes nothing: the next look finds the same difference, under the same keys. Only [`Facts::changes`] are events.

mod alarm;
mod compose;
mod follow;
mod gather;
mod memory;
mod tell;
mod words;

use url::Url;

use self::{
    follow::World,
    gather::{gather, group_of, is_offline},
    memory::{Acknowledged, Memory, Notice, VERSION},
    tell::Teller,
};
use super::{Facts, Message};
use crate::{
    clock::Timestamp,
    config::{AlertRule, Alerts, Channel},
    feed::route::Route,
};

pub use alarm::{Alarm, ChannelTold, Phase};
pub use tell::GROUP_INTERVAL;

/// Most events that wait for a quiet channel; of more, the newest are kept.
pub const MAX_HELD_NOTICES: usize = 200;
/// Longest name of whoever acknowledges, in bytes.
pub const MAX_BY_BYTES: usize = 100;

/// Why nothing was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// Nothing of that id is wrong now: ask for the list.
    #[error("no alarm and no alerted incident {0:?} is going on")]
    Unknown(String),
    /// Nobody is named: ask again with a name.
    #[error("nobody is named who takes care of it")]
    Nobody,
}

/// Why a kept memory was not taken up: the policy starts with an empty one.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It is no memory.
    #[error("kept alert memory: {0}")]
    Garbled(#[from] serde_json::Error),
    /// A newer endturn wrote it.
    #[error("kept alert memory has version {0}, known is {VERSION}")]
    Version(u32),
}

/// Decides who is told what.
#[derive(Debug, Clone)]
pub struct Policy {
    rules: Vec<AlertRule>,
    channels: Vec<Channel>,
    public_url: Option<Url>,
    vantage: String,
    memory: Memory,
    offline: bool,
    wake: Option<Timestamp>,
}

impl Policy {
    /// A policy that has told nobody anything. `vantage` is what messages name until the first look.
    pub fn new(alerts: &Alerts, vantage: &str) -> Self {
        let mut policy = Self {
            rules: Vec::new(),
            channels: Vec::new(),
            public_url: None,
            vantage: vantage.to_owned(),
            memory: Memory::default(),
            offline: false,
            wake: None,
        };
        policy.reconfigure(alerts);
        policy
    }

    /// Other rules and channels from now on; the next look tells what follows from them.
    pub fn reconfigure(&mut self, alerts: &Alerts) {
        self.rules.clone_from(&alerts.rules);
        self.channels.clone_from(&alerts.channels);
        self.public_url.clone_from(&alerts.public_url);
    }

    /// Takes up what [`Policy::memory`] gave, once, before the first look.
    ///
    /// # Errors
    /// It can't be read; the policy stays as it was.
    pub fn restore(&mut self, memory: &str) -> Result<(), MemoryError> {
        #[derive(serde::Deserialize)]
        struct Envelope {
            version: u32,
        }
        let Envelope { version } = serde_json::from_str(memory)?;
        if version != VERSION {
            return Err(MemoryError::Version(version));
        }
        self.memory = serde_json::from_str(memory)?;
        Ok(())
    }

    /// What must outlive a restart, as versioned JSON: to be kept in one transaction with the messages of the look that
    /// made it. It changes only where something began, ended or was told, not with every figure.
    pub fn memory(&self) -> String {
        // Plain texts, numbers and times: nothing in it can fail to become JSON.
        serde_json::to_string(&self.memory).unwrap_or_default()
    }

    /// What is to be told now.
    pub fn look(&mut self, facts: &Facts<'_>, now: Timestamp) -> Vec<Message> {
        self.vantage.clone_from(&facts.health.head.vantage);
        self.offline = is_offline(facts);
        let conditions = gather(&self.rules, facts, now, self.public_url.as_ref());
        let world = World::new(&self.rules, facts, now, &self.memory);
        world.join(&mut self.memory, conditions);
        world.follow(&mut self.memory);
        self.hold(facts, now);
        self.tell(facts.routes, now)
    }

    /// Somebody takes care of an alarm, named by its own id or that of one of its incidents: reminders stop, updates
    /// too unless it gets worse. Whoever was told of it hears of that once. Acknowledging again changes nothing.
    ///
    /// # Errors
    /// See [`AckError`].
    pub fn ack(
        &mut self,
        incident_or_alarm: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<Message>, AckError> {
        let by = words::brief(by, MAX_BY_BYTES);
        if by.is_empty() {
            return Err(AckError::Nobody);
        }
        let mut found = false;
        for alarm in self
            .memory
            .alarms
            .iter_mut()
            .filter(|alarm| alarm.is_called(incident_or_alarm))
        {
            found = true;
            alarm.acknowledged.get_or_insert_with(|| Acknowledged {
                by: by.clone(),
                at: now.into(),
            });
        }
        if !found {
            return Err(AckError::Unknown(words::brief(incident_or_alarm, MAX_BY_BYTES)));
        }
        Ok(self.tell(&[], now))
    }

    /// When [`Policy::look`] has something to do though nothing happens; as of the last look.
    pub const fn next_wake(&self) -> Option<Timestamp> {
        self.wake
    }

    /// What is wrong now and who knows, the newest first.
    pub fn alarms(&self) -> Vec<Alarm> {
        alarm::list(&self.memory, &self.channels, self.public_url.as_ref())
    }

    /// Keeps events for each channel that wants them, until it may be told.
    fn hold(&mut self, facts: &Facts<'_>, now: Timestamp) {
        for rule in &self.rules {
            for change in facts.changes {
                let Some((severity, subject)) = gather::notice(rule, change, self.public_url.as_ref()) else {
                    continue;
                };
                let wants = |channel: &&Channel| {
                    rule.channels.contains(&channel.name) && severity >= channel.min_severity
                };
                for channel in self.channels.iter().filter(wants) {
                    let provider = change.target.provider().as_str();
                    self.memory.notices.push(Notice {
                        rule: rule.name.clone(),
                        channel: channel.name.clone(),
                        group: group_of(rule, provider, &subject.name),
                        severity,
                        subject: subject.clone(),
                        due: now.plus(rule.group_wait).into(),
                    });
                }
            }
        }
        let over = self.memory.notices.len().saturating_sub(MAX_HELD_NOTICES);
        self.memory.notices.drain(..over);
    }

    fn tell(&mut self, routes: &[Route], now: Timestamp) -> Vec<Message> {
        let mut teller = Teller {
            rules: &self.rules,
            channels: &self.channels,
            routes,
            public_url: self.public_url.as_ref(),
            vantage: &self.vantage,
            offline: self.offline,
            now,
            messages: Vec::new(),
            wake: None,
        };
        teller.tell(&mut self.memory);
        self.wake = teller.wake;
        teller.messages
    }
}

#[cfg(test)]
mod tests;
