//! What a person asks of the post: how channels are, a trial, sending anew.

use std::{collections::HashMap, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{FLUSH, Post, held};
use crate::{
    alert::{self, Figures, Held, Outcome},
    clock::Timestamp,
    store::{Letter, LetterQuery, LetterState, MAX_DEAD_LETTERS, MAX_LIMIT, Record, StoreError},
};

/// One channel, as it is now.
#[derive(Debug, Clone)]
pub(crate) struct ChannelView {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) figures: Figures,
    /// There are more on disk that wait.
    pub(crate) more: bool,
}

/// What to send anew.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    Key(String),
    Channel(String),
}

/// Why it can't be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeskError {
    /// Ask for another one.
    #[error("there is no channel {0} in the configuration")]
    NoChannel(String),
    /// Ask for another one.
    #[error("there is no message with the key {0}")]
    NoLetter(String),
    /// It is not dead: nothing is to be done.
    #[error("the message {key} is {state}: only one that was given up is sent anew")]
    NotDead { key: String, state: &'static str },
    /// Ask again later.
    #[error("the store can't be asked now: {0}")]
    Unavailable(String),
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// How a trial went.
#[derive(Debug, Clone)]
pub(crate) struct Tested {
    pub(crate) key: String,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

impl Post {
    /// Every configured channel.
    pub(crate) fn channels(&self) -> Vec<ChannelView> {
        let now = self.0.clock.now();
        let mut uncommitted: HashMap<String, (usize, Timestamp)> = HashMap::new();
        for (_, since, message) in &self.waiting().messages {
            let (count, _) = uncommitted.entry(message.channel.clone()).or_insert((0, *since));
            *count += 1;
        }
        let lines = self.lines();
        let view = |(name, line): (&String, &super::Line)| {
            let (mut figures, more) = line.mailbox.with(|queue| (queue.figures(now), queue.has_more()));
            // Those whose transaction is under way wait as well.
            if let Some((count, since)) = uncommitted.get(name) {
                figures.pending += count;
                figures.oldest = Some(figures.oldest.map_or(*since, |oldest| oldest.min(*since)));
            }
            ChannelView {
                name: name.clone(),
                kind: line.channel.way.as_str(),
                figures,
                more,
            }
        };
        lines.iter().map(view).collect()
    }

    /// Messages that were given up, newest first, at most `limit`. **Blocks.**
    pub(crate) fn dead(&self, limit: usize) -> Result<Vec<Letter>, StoreError> {
        let mut dead = self.all_dead(None)?;
        dead.reverse();
        dead.truncate(limit);
        Ok(dead)
    }

    /// Sends a marked message that says that nothing is wrong, at once and beside whatever waits.
    pub(crate) async fn test(&self, channel: &str) -> Result<Tested, DeskError> {
        let carrier = self.lines().get(channel).map(|line| Arc::clone(&line.carrier));
        let Some(carrier) = carrier else {
            return Err(DeskError::NoChannel(channel.to_owned()));
        };
        let clock = &self.0.clock;
        let key = format!("test-{}", Uuid::new_v4());
        let link = self
            .0
            .public_url
            .lock()
            .map_or(None, |url| url.as_ref().map(ToString::to_string));
        let message = alert::trial(channel, &self.0.vantage, key.clone(), link, clock.wall());
        let begun = clock.mono();
        let outcome = alert::attempt(carrier.as_ref(), &message, clock.wall()).await;
        Ok(Tested {
            key,
            outcome,
            took: clock.mono().saturating_sub(begun),
        })
    }

    /// Sends anew what was given up, under the keys that it had; how many that are. **Blocks.**
    pub(crate) fn resend(&self, which: &Which) -> Result<usize, DeskError> {
        if !self.0.writer.flush(FLUSH) {
            return Err(DeskError::Unavailable("it does not take what waits".to_owned()));
        }
        let dead = match which {
            Which::Channel(name) => {
                self.known(name)?;
                self.all_dead(Some(name))?
            }
            Which::Key(key) => {
                let found = self.0.reader.letter(key)?;
                let found = found.ok_or_else(|| DeskError::NoLetter(key.clone()))?;
                if found.state != LetterState::Dead {
                    return Err(DeskError::NotDead {
                        key: key.clone(),
                        state: found.state.as_str(),
                    });
                }
                self.known(&found.channel)?;
                vec![found]
            }
        };
        Ok(dead.into_iter().filter(|row| self.anew(row)).count())
    }

    /// From dead to waiting, with a day of tries before it.
    fn anew(&self, row: &Letter) -> bool {
        let Some(was) = held(row) else { return false };
        let anew = Held {
            queued_at: self.0.clock.now(),
            tries: 0,
            next_try_at: None,
            ..was
        };
        let lines = self.lines();
        let Some(line) = lines.get(&row.channel) else {
            return false;
        };
        let waits = super::letter(&anew, alert::Fate::Waits, anew.queued_at);
        self.0.writer.send(Record::Letter(Box::new(waits)));
        line.mailbox.with(|queue| queue.push(anew));
        line.mailbox.wake();
        true
    }

    fn known(&self, name: &str) -> Result<(), DeskError> {
        if self.lines().contains_key(name) {
            return Ok(());
        }
        Err(DeskError::NoChannel(name.to_owned()))
    }

    /// Oldest first.
    fn all_dead(&self, channel: Option<&str>) -> Result<Vec<Letter>, StoreError> {
        let (mut dead, mut after) = (Vec::new(), 0);
        // A page more than are kept: the sweep comes once a minute.
        while dead.len() < MAX_DEAD_LETTERS as usize + MAX_LIMIT {
            let page = self.0.reader.letters(&LetterQuery {
                state: LetterState::Dead,
                channel: channel.map(str::to_owned),
                after,
                limit: MAX_LIMIT,
            })?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            dead.extend(page.into_iter().map(|row| row.letter));
        }
        Ok(dead)
    }
}
