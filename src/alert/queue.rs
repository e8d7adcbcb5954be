//! What waits for one channel, and what goes next. Pure.
//!
//! Of one alarm messages go in their order: a `resolved` never overtakes its `firing`. Otherwise a message that is
//! refused time and again holds up nobody else.

use std::{collections::HashSet, sync::Arc};

use super::{
    CircuitState, Message, Outcome,
    retry::{Circuit, GIVE_UP_AFTER, wait},
};
use crate::clock::Timestamp;

/// Most messages to one channel that are held in memory; more wait on disk.
pub const MAX_HELD: usize = 500;
/// Longest error that is kept of a try, in bytes.
pub const MAX_ERROR_BYTES: usize = 500;

/// A message on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// What to say.
    pub message: Arc<Message>,
    /// Since when it is tried.
    pub queued_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, at the earliest.
    pub next_try_at: Option<Timestamp>,
    /// How the last try failed.
    pub last_error: Option<String>,
}

impl Held {
    /// One that was never tried.
    pub fn new(message: Message, now: Timestamp) -> Self {
        Self {
            message: Arc::new(message),
            queued_at: now,
            tries: 0,
            next_try_at: None,
            last_error: None,
        }
    }
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It will be tried again.
    Waits,
    /// Somebody took it.
    Delivered,
    /// It was given up.
    Dead,
}

/// What became of a message: to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// The message as it now stands.
    pub held: Held,
    /// How far it has come.
    pub fate: Fate,
    /// When that was.
    pub at: Timestamp,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Deliver this one, and tell [`Queue::done`].
    Try(Arc<Message>),
    /// Nothing before then.
    Wait(Timestamp),
    /// Nothing waits.
    Idle,
}

/// How a channel is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Messages that wait in memory.
    pub pending: usize,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// When the next try is due, where something waits.
    pub next_try_at: Option<Timestamp>,
    /// Whether the channel is tried.
    pub circuit: CircuitState,
    /// Failures in a row.
    pub failures: u32,
    /// When somebody last took a message.
    pub last_success_at: Option<Timestamp>,
    /// How and when a try last failed.
    pub last_error: Option<(Timestamp, String)>,
    /// Messages delivered since start.
    pub delivered: u64,
    /// Tries that failed since start.
    pub failed: u64,
    /// Messages given up since start.
    pub dead: u64,
}

/// Everything that waits for one channel.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    /// In the order of sending.
    waiting: Vec<Held>,
    under_way: Option<String>,
    circuit: Circuit,
    last_success_at: Option<Timestamp>,
    last_error: Option<(Timestamp, String)>,
    delivered: u64,
    failed: u64,
    dead: u64,
    /// How many were left on disk since it was last read; as long as there is one, all that comes stays behind it.
    left: u64,
}

/// Cuts a text of others to what is kept of it.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_ERROR_BYTES {
        let end = (0..=MAX_ERROR_BYTES)
            .rev()
            .find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
    }
    text
}

/// A number that differs from message to message and is the same after a restart.
fn seed(key: &str) -> u64 {
    // FNV-1a: the lot need not be unguessable.
    key.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

impl Queue {
    /// Takes a message. False, and it is left on disk: there is no room, or there are others before it.
    pub fn push(&mut self, held: Held) -> bool {
        if self.waiting.iter().any(|it| it.message.key == held.message.key) {
            return true;
        }
        if self.left > 0 || self.waiting.len() >= MAX_HELD {
            self.left += 1;
            return false;
        }
        self.waiting.push(held);
        true
    }

    /// Whether it is time to read those that were left on disk; a number for [`Queue::refill`] then.
    pub fn wants_more(&self) -> Option<u64> {
        (self.left > 0 && self.waiting.len() <= MAX_HELD / 2).then_some(self.left)
    }

    /// Whether some were left on disk.
    pub fn has_more(&self) -> bool {
        self.left > 0
    }

    /// Takes those that were on disk, oldest first, as somebody read them after [`Queue::wants_more`] had told `left`.
    /// `whole`: there were no others.
    pub fn refill(&mut self, read: impl IntoIterator<Item = Held>, left: u64, whole: bool) {
        let whole = whole && self.left == left;
        self.left = 0;
        let mut taken = true;
        for held in read {
            taken &= self.push(held);
        }
        if !(taken && whole) {
            self.left = self.left.max(1);
        }
    }

    /// The channel is another one than before: what was learnt of it no longer counts.
    pub fn renew(&mut self) {
        self.circuit = Circuit::default();
        self.waiting.iter_mut().for_each(|held| held.next_try_at = None);
    }

    /// What to do now. Only one message is under way at a time.
    pub fn next(&mut self, now: Timestamp) -> Next {
        if self.waiting.is_empty() || self.under_way.is_some() {
            return Next::Idle;
        }
        if let Some(until) = self.circuit.closed_until(now) {
            return Next::Wait(until);
        }
        let mut alarms = HashSet::new();
        let first = self
            .waiting
            .iter()
            .filter(|held| alarms.insert(held.message.alarm.as_str()));
        let chosen = if self.circuit.is_open() {
            // Whichever was tried least: one that is refused for its own sake keeps no channel shut.
            first.min_by_key(|held| held.tries)
        } else {
            first.min_by_key(|held| held.next_try_at.filter(|due| now < *due))
        };
        let Some(held) = chosen else { return Next::Idle };
        if let Some(due) = held
            .next_try_at
            .filter(|due| now < *due && !self.circuit.is_open())
        {
            return Next::Wait(due);
        }
        self.under_way = Some(held.message.key.clone());
        Next::Try(Arc::clone(&held.message))
    }

    /// The try under way was broken off: as if it had never begun.
    pub fn abandon(&mut self) {
        self.under_way = None;
    }

    /// How the try ended; what is to be kept of it.
    pub fn done(&mut self, key: &str, outcome: Outcome, now: Timestamp) -> Vec<Mark> {
        self.under_way = None;
        let Some(place) = self.waiting.iter().position(|held| held.message.key == key) else {
            return Vec::new();
        };
        self.waiting[place].tries = self.waiting[place].tries.saturating_add(1);
        match outcome {
            Outcome::Delivered => {
                self.last_success_at = Some(now);
                self.delivered += 1;
                if self.circuit.worked() {
                    // It is back: nobody waits any longer for its sake.
                    self.waiting.iter_mut().for_each(|held| held.next_try_at = None);
                }
                vec![self.take(place, Fate::Delivered, now)]
            }
            Outcome::Refused { why } => {
                // The channel answers, so it can be reached.
                self.circuit.worked();
                self.note(place, why, now);
                self.dead += 1;
                vec![self.take(place, Fate::Dead, now)]
            }
            Outcome::Later { why, after } => {
                self.note(place, why, now);
                let lot = seed(key);
                self.circuit.failed(after, lot, now);
                let held = &mut self.waiting[place];
                held.next_try_at = Some(now.plus(wait(held.tries, after, lot)));
                let tried = Mark {
                    held: held.clone(),
                    fate: Fate::Waits,
                    at: now,
                };
                let mut marks = self.give_up(now);
                if !marks.iter().any(|mark| mark.held.message.key == key) {
                    marks.push(tried);
                }
                marks
            }
        }
    }

    /// Gives up what waited too long; the channel has just failed.
    fn give_up(&mut self, now: Timestamp) -> Vec<Mark> {
        let mut marks = Vec::new();
        while let Some(place) = self
            .waiting
            .iter()
            .position(|held| now.since(held.queued_at) >= GIVE_UP_AFTER)
        {
            self.dead += 1;
            let channel = self.last_error.clone();
            let held = &mut self.waiting[place];
            held.last_error = held.last_error.take().or(channel.map(|(_, why)| why));
            marks.push(self.take(place, Fate::Dead, now));
        }
        marks
    }

    /// Gives up everything that waits, one under way included: there is no such channel any more.
    pub fn close(&mut self, why: &str, now: Timestamp) -> Vec<Mark> {
        let mut marks = Vec::new();
        while let Some(place) = self.waiting.len().checked_sub(1) {
            self.dead += 1;
            self.waiting[place].last_error = Some(why.to_owned());
            marks.push(self.take(place, Fate::Dead, now));
        }
        marks.reverse();
        marks
    }

    /// Everything in memory, as it now stands.
    pub fn held(&self) -> &[Held] {
        &self.waiting
    }

    /// How the channel is doing.
    pub fn figures(&self, now: Timestamp) -> Figures {
        let due = self.waiting.iter().filter_map(|held| held.next_try_at).min();
        Figures {
            pending: self.waiting.len(),
            oldest: self.waiting.iter().map(|held| held.queued_at).min(),
            next_try_at: self.circuit.closed_until(now).or(due),
            circuit: self.circuit.state(now),
            failures: self.circuit.failures(),
            last_success_at: self.last_success_at,
            last_error: self.last_error.clone(),
            delivered: self.delivered,
            failed: self.failed,
            dead: self.dead,
        }
    }

    fn note(&mut self, place: usize, why: String, now: Timestamp) {
        self.failed += 1;
        let why = bounded(why);
        self.last_error = Some((now, why.clone()));
        self.waiting[place].last_error = Some(why);
    }

    fn take(&mut self, place: usize, fate: Fate, now: Timestamp) -> Mark {
        let mut held = self.waiting.remove(place);
        held.next_try_at = None;
        Mark { held, fate, at: now }
    }
}

#[cfg(test)]
pub(super) mod tests;
