//! Messages to channels: written with what they tell of, marked as they are tried, kept until somebody took them.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{MAX_LIMIT, Reader, StoreError, apply::run, query::rows, reader::Session};
use crate::{
    clock::Timestamp,
    health::{Incident, Saved, Transition},
    id::TargetId,
};

/// Longest error text that is kept of a try, in bytes.
pub const MAX_LETTER_ERROR_BYTES: usize = 500;
/// Most messages that wait; beyond it the oldest are given up.
pub const MAX_PENDING_LETTERS: u64 = 10_000;
/// Most delivered messages that are kept.
pub const MAX_DELIVERED_LETTERS: u64 = 10_000;
/// Most dead messages that are kept.
pub const MAX_DEAD_LETTERS: u64 = 1_000;
/// Days for which delivered messages are kept.
pub const KEEP_DELIVERED_DAYS: i64 = 7;
/// Days for which dead messages are kept: long enough that somebody who comes back finds them.
pub const KEEP_DEAD_DAYS: i64 = 90;

/// What is said of those for which there was no room.
const CROWDED: &str = "too many messages waited";
const COLUMNS: &str =
    "seq, key, channel, alarm, kind, json, queued_at, tries, next_try_at, last_error, state, done_at";

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// Nobody took it yet.
    Pending,
    /// Somebody took it.
    Delivered,
    /// It was given up.
    Dead,
}

impl LetterState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The name in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// One message to one channel, as it now stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Idempotency key; no two messages have the same.
    pub key: String,
    /// To which channel.
    pub channel: String,
    /// What it is about: of one alarm they go in their order.
    pub alarm: String,
    /// What it tells: `firing`, `resolved`, ..
    pub kind: String,
    /// The message.
    pub json: Arc<str>,
    /// When it was decided, or sent anew by a person.
    pub queued_at: Timestamp,
    /// How often it was tried since.
    pub tries: u32,
    /// When it is tried next, at the earliest.
    pub next_try_at: Option<Timestamp>,
    /// How the last try failed, without secrets; at most [`MAX_LETTER_ERROR_BYTES`].
    pub last_error: Option<String>,
    /// How far it has come.
    pub state: LetterState,
    /// When it was delivered or given up.
    pub done_at: Option<Timestamp>,
}

/// What is decided together is kept together: one round of health with the messages that it caused, and what the policy
/// remembers of them. All in one transaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Round {
    /// Changes of state or hint.
    pub transitions: Vec<Transition>,
    /// Incidents as they now stand.
    pub incidents: Vec<Incident>,
    /// The detector state that they follow from: of each target that they are about.
    pub states: Vec<(TargetId, Saved)>,
    /// Messages; one whose key is there already is left as it is.
    pub letters: Vec<Letter>,
    /// The policy's memory; replaces the one before.
    pub memory: Option<String>,
}

impl Round {
    /// Nothing to be kept.
    pub fn is_empty(&self) -> bool {
        self.transitions.is_empty()
            && self.incidents.is_empty()
            && self.states.is_empty()
            && self.letters.is_empty()
            && self.memory.is_none()
    }
}

impl Letter {
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + self.key.len()
            + self.channel.len()
            + self.alarm.len()
            + self.kind.len()
            + self.json.len()
            + self.last_error.as_ref().map_or(0, String::len)
    }
}

/// A message that is new: one that is there stays as it is.
pub(super) fn add(connection: &Connection, letter: &Letter) -> rusqlite::Result<()> {
    put(connection, letter, "DO NOTHING")
}

/// A message as it now stands. What was delivered stays so.
pub(super) fn mark(connection: &Connection, letter: &Letter) -> rusqlite::Result<()> {
    put(
        connection,
        letter,
        "DO UPDATE SET queued_at = excluded.queued_at, tries = excluded.tries,
           next_try_at = excluded.next_try_at, last_error = excluded.last_error, state = excluded.state,
           done_at = excluded.done_at WHERE outbox.state <> 'delivered'",
    )
}

fn put(connection: &Connection, letter: &Letter, or: &str) -> rusqlite::Result<()> {
    run(
        connection,
        &format!(
            "INSERT INTO outbox (key, channel, alarm, kind, json, queued_at, tries, next_try_at, last_error, state, done_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (key) {or}"
        ),
        params![
            letter.key,
            letter.channel,
            letter.alarm,
            letter.kind,
            letter.json,
            letter.queued_at.as_millis(),
            letter.tries,
            letter.next_try_at.map(Timestamp::as_millis),
            letter.last_error,
            letter.state.as_str(),
            letter.done_at.map(Timestamp::as_millis),
        ],
    )
}

pub(super) fn remember(connection: &Connection, memory: &str, now: Timestamp) -> rusqlite::Result<()> {
    run(
        connection,
        "INSERT INTO alert_memory (id, at, json) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET at = excluded.at, json = excluded.json",
        params![now.as_millis(), memory],
    )
}

/// Deletes what is done with and past its age or count; gives up the oldest of too many that wait.
pub(super) fn sweep(connection: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    for (state, days, most) in [
        (LetterState::Delivered, KEEP_DELIVERED_DAYS, MAX_DELIVERED_LETTERS),
        (LetterState::Dead, KEEP_DEAD_DAYS, MAX_DEAD_LETTERS),
    ] {
        let before = now.as_millis() - days * super::apply::DAY_MS;
        run(
            connection,
            "DELETE FROM outbox WHERE state = ?1 AND done_at < ?2",
            params![state.as_str(), before],
        )?;
        beyond_of(connection, state, most, "DELETE FROM outbox")?;
    }
    let give_up = format!(
        "UPDATE outbox SET state = 'dead', last_error = '{CROWDED}', next_try_at = NULL, done_at = {}",
        now.as_millis()
    );
    beyond_of(connection, LetterState::Pending, MAX_PENDING_LETTERS, &give_up)
}

/// Does something to those of a state that are beyond the newest `keep`.
fn beyond_of(connection: &Connection, state: LetterState, keep: u64, what: &str) -> rusqlite::Result<()> {
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    connection
        .prepare(&format!(
            "{what} WHERE state = ?1 AND seq <= (
               SELECT seq FROM outbox WHERE state = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)"
        ))?
        .execute(params![state.as_str(), keep])
        .map(drop)
}

/// Deletes the oldest messages that were delivered; how many.
pub(super) fn drop_delivered(connection: &Connection, most: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM outbox WHERE seq IN (
               SELECT seq FROM outbox WHERE state = 'delivered' ORDER BY seq LIMIT ?1)",
        )?
        .execute([most])
}

/// Which messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterQuery {
    /// How far they have come.
    pub state: LetterState,
    /// Only to this channel.
    pub channel: Option<String>,
    /// Only those behind this place.
    pub after: i64,
    /// Rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
}

/// A message with its place in the order of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    /// Grows with every message.
    pub seq: i64,
    /// The message.
    pub letter: Letter,
}

impl Reader {
    /// Messages of one state, oldest first. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn letters(&self, query: &LetterQuery) -> Result<Vec<StoredLetter>, StoreError> {
        self.with(|session| session.letters(query))
    }

    /// The message of that key. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn letter(&self, key: &str) -> Result<Option<Letter>, StoreError> {
        self.with(|session| {
            let found = session
                .connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE key = ?1"))?
                .query_row([key], |row| Ok(read(row)))
                .optional()?;
            found.transpose().map(|found| found.map(|it| it.letter))
        })
    }

    /// How many messages of that state there are, by channel. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn letter_counts(&self, state: LetterState) -> Result<Vec<(String, u64)>, StoreError> {
        self.with(|session| {
            let counts = session
                .connection
                .prepare_cached("SELECT channel, count(*) FROM outbox WHERE state = ?1 GROUP BY channel")?
                .query_map([state.as_str()], |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
                })?
                .collect::<Result<_, _>>()?;
            Ok(counts)
        })
    }

    /// What the policy remembered last. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn alert_memory(&self) -> Result<Option<String>, StoreError> {
        self.with(|session| {
            Ok(session
                .connection
                .query_row("SELECT json FROM alert_memory WHERE id = 1", [], |row| row.get(0))
                .optional()?)
        })
    }
}

impl Session {
    fn letters(&mut self, query: &LetterQuery) -> Result<Vec<StoredLetter>, StoreError> {
        let limit = query.limit.clamp(1, MAX_LIMIT);
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox
             WHERE state = ?1 AND (?2 IS NULL OR channel = ?2) AND seq > ?3 ORDER BY seq LIMIT ?4"
        ))?;
        let found = statement.query_map(
            params![query.state.as_str(), query.channel, query.after, rows(limit)],
            |row| Ok(read(row)),
        )?;
        found
            .map(|row| row.map_err(StoreError::from).and_then(|it| it))
            .collect()
    }
}

fn read(row: &Row<'_>) -> Result<StoredLetter, StoreError> {
    let seq = row.get(0)?;
    let broken = || StoreError::Row {
        table: "outbox",
        id: seq,
    };
    let time = |ms: Option<i64>| ms.map(Timestamp::from_millis);
    let state: String = row.get(10)?;
    Ok(StoredLetter {
        seq,
        letter: Letter {
            key: row.get(1)?,
            channel: row.get(2)?,
            alarm: row.get(3)?,
            kind: row.get(4)?,
            json: row.get(5)?,
            queued_at: Timestamp::from_millis(row.get(6)?),
            tries: row.get(7)?,
            next_try_at: time(row.get(8)?),
            last_error: row.get(9)?,
            state: LetterState::parse(&state).ok_or_else(broken)?,
            done_at: time(row.get(11)?),
        },
    })
}
