//! One batch of records to rows, within one transaction.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Record, Round, changes, outbox,
    packed::{self, Texts, Words},
    roll::{Late, Mark},
    standing, text,
};
use crate::{
    clock::Timestamp,
    health::{Incident, Saved, Transition},
    id::TargetId,
    verdict::{Observation, Verdict},
};

/// 2026-01-01T00:00:00Z: row ids count from here, which saves bytes in every row and index entry.
const EPOCH_MS: i64 = 1_767_225_600_000;
/// Bits of a row id below the millisecond.
const SEQUENCE_BITS: u32 = 8;
/// Rows of one moment may spill over into the ids of the second that follows.
pub(super) const SPILL_MS: i64 = 1_000;
/// Times beyond this many milliseconds from 2026 share the outermost ids.
const FARTHEST_MS: i64 = 1 << 50;
/// Most texts of the dictionary; further ones are stored with their row.
const MAX_WORDS: usize = 10_000;
/// Of them, as many may come from reports of real traffic: whoever makes names up leaves room for those of our probes.
const MAX_TOLD_WORDS: usize = MAX_WORDS / 2;
/// Longest text of the dictionary in bytes.
pub(super) const MAX_WORD_BYTES: usize = 128;

/// Milliseconds of an hour.
pub(super) const HOUR_MS: i64 = 3_600_000;
/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// The first row id of that moment.
pub(super) const fn first_id(at: Timestamp) -> i64 {
    let ms = at.as_millis().saturating_sub(EPOCH_MS);
    let ms = if ms > FARTHEST_MS {
        FARTHEST_MS
    } else if ms < -FARTHEST_MS {
        -FARTHEST_MS
    } else {
        ms
    };
    ms << SEQUENCE_BITS
}

/// The moment that a row id tells.
pub(super) const fn time_of_id(id: i64) -> Timestamp {
    Timestamp::from_millis((id >> SEQUENCE_BITS) + EPOCH_MS)
}

/// What the writer remembers of the tables, so that a healthy row costs one insert.
#[derive(Default)]
pub(super) struct Memory {
    targets: HashMap<TargetId, i64>,
    words: HashMap<String, u64>,
    last_id: Option<i64>,
    /// How far rolling has come.
    pub(super) mark: Option<Mark>,
    late: Late,
    spend: BTreeMap<(i64, i64), f64>,
}

/// The record that could not be stored, and why.
pub(super) struct Rejected {
    /// Its place in the batch; `None` when the batch as a whole failed.
    pub(super) index: Option<usize>,
    pub(super) error: rusqlite::Error,
}

impl Memory {
    /// Reads what a fresh connection needs to know.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut memory = Self::default();
        let mut words = connection.prepare("SELECT id, text FROM words")?;
        let mut rows = words.query([])?;
        while let Some(row) = rows.next()? {
            memory
                .words
                .insert(row.get(1)?, row.get::<_, i64>(0)?.cast_unsigned());
        }
        memory.mark = Mark::load(connection)?;
        memory.last_id = connection.query_row("SELECT max(id) FROM observations", [], |row| row.get(0))?;
        Ok(memory)
    }

    /// Writes all records or none.
    pub(super) fn write(
        &mut self,
        connection: &Connection,
        batch: &[Record],
        now: Timestamp,
    ) -> Result<(), Rejected> {
        let whole = |error| Rejected { index: None, error };
        self.late.clear();
        self.spend.clear();
        connection
            .prepare_cached("BEGIN IMMEDIATE")
            .and_then(|mut s| s.execute([]))
            .map_err(whole)?;
        for (index, record) in batch.iter().enumerate() {
            self.record(connection, record, now).map_err(|error| Rejected {
                index: Some(index),
                error,
            })?;
        }
        self.sums(connection).map_err(whole)?;
        connection
            .prepare_cached("COMMIT")
            .and_then(|mut s| s.execute([]))
            .map_err(whole)?;
        Ok(())
    }

    fn record(&mut self, connection: &Connection, record: &Record, now: Timestamp) -> rusqlite::Result<()> {
        match record {
            Record::Observation(observation) => self.observation(connection, observation),
            Record::Sum(sum) => {
                let target = self.target(connection, &sum.target)?;
                self.late.merge(target, sum);
                Ok(())
            }
            Record::Transition(transition) => self.transition(connection, transition),
            Record::Incident(incident) => self.incident(connection, incident),
            Record::Change(change) => {
                let target = self.target(connection, &change.target)?;
                changes::write(connection, target, change)
            }
            Record::Standing(standing) => {
                let target = self.target(connection, &standing.target)?;
                standing::write(connection, target, standing)
            }
            Record::State(saved) => state(connection, saved, now),
            Record::Round(round) => self.round(connection, round, now),
            Record::Letter(letter) => outbox::mark(connection, letter),
            Record::Event {
                revision,
                at,
                kind,
                json,
            } => run(
                connection,
                "INSERT OR REPLACE INTO events (revision, at, kind, json) VALUES (?1, ?2, ?3, ?4)",
                params![revision.cast_signed(), at.as_millis(), kind, json],
            ),
        }
    }

    fn round(&mut self, connection: &Connection, round: &Round, now: Timestamp) -> rusqlite::Result<()> {
        for transition in &round.transitions {
            self.transition(connection, transition)?;
        }
        for incident in &round.incidents {
            self.incident(connection, incident)?;
        }
        for (target, saved) in &round.states {
            let target = self.target(connection, target)?;
            // Always behind the others: what came later counts.
            run(
                connection,
                "INSERT OR REPLACE INTO detector_parts (target, at, blob) VALUES (?1, ?2, ?3)",
                params![target, now.as_millis(), saved.blob],
            )?;
        }
        for letter in &round.letters {
            outbox::add(connection, letter)?;
        }
        if let Some(memory) = &round.memory {
            outbox::remember(connection, memory, now)?;
        }
        Ok(())
    }

    fn observation(&mut self, connection: &Connection, o: &Observation) -> rusqlite::Result<()> {
        let target = self.target(connection, &o.target)?;
        let id = self.free_id(connection, o.at)?;
        let mut texts = Texts::default();
        // Our own name: no flood of foreign words leaves it without a place.
        let vantage = self.word(connection, o.vantage.as_deref(), usize::MAX, &mut None)?;
        let most = if o.source.is_probe() {
            MAX_WORDS
        } else {
            MAX_TOLD_WORDS
        };
        let mut word = |text: &Option<String>, beside: &mut Option<String>| {
            self.word(connection, text.as_deref(), most, beside)
        };
        let words = Words {
            stop_reason: word(&o.stop_reason, &mut texts.stop_reason)?,
            served_model: word(&o.served_model, &mut texts.served_model)?,
            reporter: word(&o.reporter, &mut texts.reporter)?,
            vantage,
        };
        if o.verdict != Verdict::Complete {
            texts.request_id.clone_from(&o.request_id);
            texts.detail.clone_from(&o.detail);
            texts.tail.clone_from(&o.tail);
        }
        let has_texts = texts != Texts::default();
        let data = packed::pack(o, time_of_id(id), words, has_texts);
        run(
            connection,
            "INSERT INTO observations (id, target, kind, data) VALUES (?1, ?2, ?3, ?4)",
            params![id, target, packed::kind(o.verdict), data],
        )?;
        if has_texts {
            run(
                connection,
                "INSERT INTO texts (id, request_id, detail, tail, stop_reason, served_model, reporter)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    id,
                    texts.request_id,
                    texts.detail,
                    texts.tail,
                    texts.stop_reason,
                    texts.served_model,
                    texts.reporter
                ],
            )?;
        }
        self.last_id = self.last_id.max(Some(id));
        self.count(target, id, o);
        Ok(())
    }

    fn count(&mut self, target: i64, id: i64, o: &Observation) {
        if self.mark.is_some_and(|mark| mark.passed(id)) {
            self.late.add(target, o);
        }
        if o.cost_usd.is_finite() && o.cost_usd != 0.0 {
            let day = o.at.as_millis().div_euclid(DAY_MS);
            *self.spend.entry((day, target)).or_default() += o.cost_usd;
        }
    }

    /// Adds what the batch counted to the tables.
    fn sums(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.late.fold(connection, self.mark.as_ref())?;
        for ((day, target), usd) in &self.spend {
            run(
                connection,
                "INSERT INTO spend (day, target, usd) VALUES (?1, ?2, ?3)
                 ON CONFLICT (day, target) DO UPDATE SET usd = usd + excluded.usd",
                params![day, target, usd],
            )?;
        }
        Ok(())
    }

    /// An id at or after the moment's first one that no row has: ids of one moment run on; a row that comes late by
    /// more than a second goes to its own place in time.
    fn free_id(&self, connection: &Connection, at: Timestamp) -> rusqlite::Result<i64> {
        let first = first_id(at);
        let Some(last) = self.last_id else {
            return Ok(first);
        };
        let end = first + (SPILL_MS << SEQUENCE_BITS);
        if last < end {
            return Ok(first.max(last + 1));
        }
        let taken: Option<i64> = connection
            .prepare_cached("SELECT max(id) FROM observations WHERE id >= ?1 AND id < ?2")?
            .query_row(params![first, end], |row| row.get(0))?;
        let free = taken.map_or(first, |id| id + 1);
        Ok(if free < end { free } else { last + 1 })
    }

    /// The target's number, made up on first sight.
    fn target(&mut self, connection: &Connection, target: &TargetId) -> rusqlite::Result<i64> {
        if let Some(id) = self.targets.get(target) {
            return Ok(*id);
        }
        let name = target.to_string();
        let known = connection
            .prepare_cached("SELECT id FROM targets WHERE name = ?1")?
            .query_row([&name], |row| row.get(0))
            .optional()?;
        let id = if let Some(id) = known {
            id
        } else {
            run(connection, "INSERT INTO targets (name) VALUES (?1)", [&name])?;
            connection.last_insert_rowid()
        };
        self.targets.insert(target.clone(), id);
        Ok(id)
    }

    /// The word's number; where the dictionary holds `most` or more, a new text goes to `beside`.
    fn word(
        &mut self,
        connection: &Connection,
        text: Option<&str>,
        most: usize,
        beside: &mut Option<String>,
    ) -> rusqlite::Result<Option<u64>> {
        let Some(text) = text else { return Ok(None) };
        if let Some(id) = self.words.get(text) {
            return Ok(Some(*id));
        }
        if text.len() > MAX_WORD_BYTES || self.words.len() >= most {
            *beside = Some(text.to_owned());
            return Ok(None);
        }
        run(connection, "INSERT INTO words (text) VALUES (?1)", [text])?;
        let id = connection.last_insert_rowid().cast_unsigned();
        self.words.insert(text.to_owned(), id);
        Ok(Some(id))
    }

    fn transition(&mut self, connection: &Connection, t: &Transition) -> rusqlite::Result<()> {
        let target = self.target(connection, &t.target)?;
        run(
            connection,
            "INSERT INTO transitions (target, at, from_state, to_state, hint, weight, retry_at, reason_code,
               reason_text, sources, first_evidence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                target,
                t.at.as_millis(),
                t.from.as_str(),
                t.to.as_str(),
                t.routing.hint.as_str(),
                t.routing.weight,
                t.routing.retry_at.map(Timestamp::as_millis),
                t.reason.code.as_str(),
                t.reason.text,
                text::sources(&t.reason.sources),
                t.first_evidence.map(Timestamp::as_millis),
            ],
        )
    }

    fn incident(&mut self, connection: &Connection, i: &Incident) -> rusqlite::Result<()> {
        let target = self.target(connection, &i.target)?;
        run(
            connection,
            "INSERT INTO incidents (id, target, started, detected, opened, recovered, closed, worst, reason_code,
               reason_text, sources, timeline, lead_s)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (id) DO UPDATE SET
               target = excluded.target, started = excluded.started, detected = excluded.detected,
               opened = excluded.opened, recovered = excluded.recovered, closed = excluded.closed,
               worst = excluded.worst, reason_code = excluded.reason_code, reason_text = excluded.reason_text,
               sources = excluded.sources, timeline = excluded.timeline, lead_s = excluded.lead_s",
            params![
                i.id,
                target,
                i.started.as_millis(),
                i.detected.as_millis(),
                i.opened.as_millis(),
                i.recovered.map(Timestamp::as_millis),
                i.closed.map(Timestamp::as_millis),
                i.worst.as_str(),
                i.reason.code.as_str(),
                i.reason.text,
                text::sources(&i.reason.sources),
                text::timeline(&i.timeline),
                i.lead_s,
            ],
        )
    }
}

fn state(connection: &Connection, saved: &Saved, now: Timestamp) -> rusqlite::Result<()> {
    run(
        connection,
        "INSERT INTO detector_state (id, at, blob) VALUES (1, ?1, ?2)
         ON CONFLICT (id) DO UPDATE SET at = excluded.at, blob = excluded.blob",
        params![now.as_millis(), saved.blob],
    )?;
    run(connection, "DELETE FROM detector_parts", [])
}

pub(super) fn run(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute(params).map(drop)
}
