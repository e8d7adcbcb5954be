//! Pages of observations, incidents, transitions and events.

use rusqlite::{OptionalExtension, Row, params, types::Value};

use super::{
    Reader, StoreError,
    apply::{SPILL_MS, first_id, time_of_id},
    packed::{self, Texts},
    reader::Session,
    text,
};
use crate::{
    clock::Timestamp,
    health::{Incident, Reason, ReasonCode, Routing, Saved, State, Transition},
    id::{ProviderId, TargetId},
    verdict::{Observation, Source},
};

/// Most rows of a page; a limit of zero counts as one.
pub const MAX_LIMIT: usize = 500;
/// Most events of one answer.
pub const MAX_EVENTS: usize = 10_000;
/// Most rows that one page of observations looks at. A page may so be short, or even empty, and still have a next.
pub const MAX_SCAN: usize = 50_000;

/// Rows, newest first, and where the next page begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<i64>,
}

/// Which observations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservationQuery {
    /// Only of this target.
    pub target: Option<TargetId>,
    /// Only of this verdict family (`complete`, `truncated`, …); an unknown name matches nothing.
    pub verdict_family: Option<String>,
    /// Only of this source.
    pub source: Option<Source>,
    /// Without the complete ones of this source.
    pub without_passed: Option<Source>,
    /// Only of this finer kind (`cut`, `overloaded`, ..).
    pub kind: Option<String>,
    /// Only at or after this time.
    pub since: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
    /// Rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// [`Page::next`] of the page before.
    pub cursor: Option<i64>,
}

/// An observation with its row id, which is also a cursor.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredObservation {
    /// Row id: grows with time.
    pub id: i64,
    /// The observation: times to the microsecond, `request_id`, `detail` and `tail` only where it is not complete.
    pub observation: Observation,
}

/// Which incidents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentQuery {
    /// Only of this target.
    pub target: Option<TargetId>,
    /// Only of targets of this provider.
    pub provider: Option<ProviderId>,
    /// Only open ones, or only closed ones.
    pub open: Option<bool>,
    /// Only those that were that bad at their worst.
    pub worst: Option<State>,
    /// Only with this reason at their worst.
    pub reason: Option<ReasonCode>,
    /// Only those that were not closed before this time.
    pub since: Option<Timestamp>,
    /// Only those that began before this time.
    pub until: Option<Timestamp>,
    /// Rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// [`Page::next`] of the page before.
    pub cursor: Option<i64>,
}

/// An event of the feed as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its revision.
    pub revision: u64,
    /// When.
    pub at: Timestamp,
    /// `snapshot`, `health`, `incident`, `heartbeat`.
    pub kind: String,
    /// As it was sent.
    pub json: String,
}

/// The detector state with the time that it was stored at.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredState {
    /// When it was written.
    pub at: Timestamp,
    /// The state.
    pub saved: Saved,
    /// That of single targets as it was kept since, in its order: to be taken up after it.
    pub later: Vec<Saved>,
}

const INCIDENT_COLUMNS: &str = "seq, id, target, started, detected, opened, recovered, closed, worst, reason_code, \
                                reason_text, sources, timeline, lead_s";

impl Reader {
    /// Observations, newest first. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn observations(&self, query: &ObservationQuery) -> Result<Page<StoredObservation>, StoreError> {
        self.with(|session| session.observations(query))
    }

    /// Incidents, last opened first. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn incidents(&self, query: &IncidentQuery) -> Result<Page<Incident>, StoreError> {
        self.with(|session| session.incidents(query))
    }

    /// One incident. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn incident(&self, id: &str) -> Result<Option<Incident>, StoreError> {
        self.with(|session| {
            let sql = format!("SELECT {INCIDENT_COLUMNS} FROM incidents WHERE id = ?1");
            let raw = session
                .connection
                .prepare_cached(&sql)?
                .query_row([id], RawIncident::read)
                .optional()?;
            raw.map(|raw| raw.finish(session)).transpose()
        })
    }

    /// The last transitions of one target or of all, newest first. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn transitions(
        &self,
        target: Option<&TargetId>,
        limit: usize,
    ) -> Result<Vec<Transition>, StoreError> {
        self.with(|session| session.transitions(target, limit.clamp(1, MAX_LIMIT)))
    }

    /// Events after that revision, oldest first, at most `limit` of at most [`MAX_EVENTS`]. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn events_after(&self, revision: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.with(|session| {
            let mut statement = session.connection.prepare_cached(
                "SELECT revision, at, kind, json FROM events WHERE revision > ?1 ORDER BY revision LIMIT ?2",
            )?;
            let limit = rows(limit.clamp(1, MAX_EVENTS));
            let revision = i64::try_from(revision).unwrap_or(i64::MAX);
            let events = statement.query_map(params![revision, limit], |row| {
                Ok(StoredEvent {
                    revision: row.get::<_, i64>(0)?.cast_unsigned(),
                    at: Timestamp::from_millis(row.get(1)?),
                    kind: row.get(2)?,
                    json: row.get(3)?,
                })
            })?;
            Ok(events.collect::<Result<_, _>>()?)
        })
    }

    /// The oldest revision in the event log: who knows an older one only needs a snapshot. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn first_event(&self) -> Result<Option<u64>, StoreError> {
        self.with(|session| {
            let first: Option<i64> =
                session
                    .connection
                    .query_row("SELECT min(revision) FROM events", [], |row| row.get(0))?;
            Ok(first.map(i64::cast_unsigned))
        })
    }

    /// The detector state that was stored last. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn saved_state(&self) -> Result<Option<StoredState>, StoreError> {
        self.with(|session| {
            let mut all = session.connection.prepare(
                "SELECT at, blob FROM (SELECT 0 AS seq, at, blob FROM detector_state
                   UNION ALL SELECT seq, at, blob FROM detector_parts) ORDER BY seq",
            )?;
            let mut states = all.query_map([], |row| {
                Ok((Timestamp::from_millis(row.get(0)?), Saved { blob: row.get(1)? }))
            })?;
            let Some((at, saved)) = states.next().transpose()? else {
                return Ok(None);
            };
            let later = states.map(|state| state.map(|(_, saved)| saved));
            let later = later.collect::<Result<_, _>>()?;
            Ok(Some(StoredState { at, saved, later }))
        })
    }
}

/// One row of `observations` as it lies on disk.
pub(super) struct RawObservation {
    pub(super) id: i64,
    pub(super) target: i64,
    pub(super) kind: u8,
    pub(super) data: Vec<u8>,
}

impl RawObservation {
    /// Columns in the order `id, target, kind, data`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            target: row.get(1)?,
            kind: row.get(2)?,
            data: row.get(3)?,
        })
    }
}

impl Session {
    fn observations(&mut self, query: &ObservationQuery) -> Result<Page<StoredObservation>, StoreError> {
        let limit = query.limit.clamp(1, MAX_LIMIT);
        let nothing = Page {
            items: Vec::new(),
            next: None,
        };
        let target = match &query.target {
            Some(target) => match self.number_of(target)? {
                Some(number) => Some(number),
                None => return Ok(nothing),
            },
            None => None,
        };
        let kind = match &query.verdict_family {
            Some(family) => match packed::kind_of_family(family) {
                Some(kind) => Some(kind),
                None => return Ok(nothing),
            },
            None => None,
        };
        let (rows, next) = self.raw_observations(query, target, kind, limit)?;
        let mut items = Vec::with_capacity(rows.len());
        for raw in rows {
            let id = raw.id;
            let observation = self.unpack(&raw)?;
            let (since, until) = (query.since, query.until);
            if since.is_none_or(|since| observation.at >= since)
                && until.is_none_or(|until| observation.at < until)
            {
                items.push(StoredObservation { id, observation });
            }
        }
        Ok(Page { items, next })
    }

    /// The rows of a page that match, and the cursor behind the last row looked at.
    fn raw_observations(
        &self,
        query: &ObservationQuery,
        target: Option<i64>,
        kind: Option<u8>,
        limit: usize,
    ) -> Result<(Vec<RawObservation>, Option<i64>), StoreError> {
        // Each way has the index that it needs; numbers, never texts, are formatted in.
        let (from, and_target) = match (target, kind) {
            (None, None | Some(0)) => ("observations NOT INDEXED", String::new()),
            (Some(target), None | Some(0)) => (
                "observations INDEXED BY observations_by_target",
                format!("target = {target} AND "),
            ),
            (None, Some(_)) => ("observations INDEXED BY observations_bad", String::new()),
            (Some(target), Some(_)) => (
                "observations INDEXED BY observations_bad_by_target",
                format!("target = {target} AND "),
            ),
        };
        let and_kind = kind
            .filter(|k| *k > 0)
            .map_or(String::new(), |k| format!("kind = {k} AND kind > 0 AND "));
        let mut statement = self.connection.prepare(&format!(
            "SELECT id, target, kind, data FROM {from} WHERE {and_target}{and_kind}id < ?1 AND id >= ?2
             ORDER BY id DESC LIMIT ?3"
        ))?;
        let before = query.cursor.unwrap_or(i64::MAX);
        // Ids may run on behind their moment; the exact time is looked at once the row is unpacked.
        let until = query.until.map_or(i64::MAX, |until| {
            first_id(Timestamp::from_millis(until.as_millis().saturating_add(SPILL_MS)))
        });
        let before = before.min(until);
        let since = query.since.map_or(i64::MIN, first_id);
        let mut rows = statement.query(params![before, since, rows(MAX_SCAN)])?;
        let mut found = Vec::new();
        let (mut seen, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            seen += 1;
            let id: i64 = row.get(0)?;
            last = Some(id);
            let fits_kind = kind.is_none_or(|kind| row.get::<_, u8>(2).is_ok_and(|k| k == kind));
            let source = || {
                row.get_ref(3)
                    .ok()
                    .and_then(|data| packed::source_of(data.as_blob().ok()?))
            };
            let fits_source = query.source.is_none_or(|wanted| source() == Some(wanted));
            let passed = query
                .without_passed
                .is_some_and(|tired| row.get::<_, u8>(2).is_ok_and(|k| k == 0) && source() == Some(tired));
            let finer = || {
                let data = row.get_ref(3).ok()?.as_blob().ok()?;
                let row = packed::unpack(packed::nobody(), time_of_id(id), row.get(2).ok()?, data)?;
                row.observation.verdict.detail()
            };
            let fits_finer = |kind: &String| finer() == Some(kind.as_str());
            if fits_kind && fits_source && !passed && query.kind.as_ref().is_none_or(fits_finer) {
                found.push(RawObservation::read(row)?);
                if found.len() == limit {
                    return Ok((found, last));
                }
            }
        }
        let next = if seen == MAX_SCAN { last } else { None };
        Ok((found, next))
    }

    /// A row with its names and texts.
    pub(super) fn unpack(&mut self, raw: &RawObservation) -> Result<Observation, StoreError> {
        let broken = || StoreError::Row {
            table: "observations",
            id: raw.id,
        };
        let target = self.target(raw.target)?;
        let row = packed::unpack(target, time_of_id(raw.id), raw.kind, &raw.data).ok_or_else(broken)?;
        let mut o = row.observation;
        let texts = if row.has_texts {
            self.texts(raw.id)?
        } else {
            Texts::default()
        };
        let mut word = |number: Option<u64>, text| match number {
            Some(number) => self.word(number).map(Some),
            None => Ok(text),
        };
        o.stop_reason = word(row.words.stop_reason, texts.stop_reason)?;
        o.served_model = word(row.words.served_model, texts.served_model)?;
        o.reporter = word(row.words.reporter, texts.reporter)?;
        o.vantage = word(row.words.vantage, None)?.map(Into::into);
        (o.request_id, o.detail, o.tail) = (texts.request_id, texts.detail, texts.tail);
        Ok(o)
    }

    fn texts(&self, id: i64) -> Result<Texts, StoreError> {
        let texts = self
            .connection
            .prepare_cached(
                "SELECT request_id, detail, tail, stop_reason, served_model, reporter FROM texts WHERE id = ?1",
            )?
            .query_row([id], |row| {
                Ok(Texts {
                    request_id: row.get(0)?,
                    detail: row.get(1)?,
                    tail: row.get(2)?,
                    stop_reason: row.get(3)?,
                    served_model: row.get(4)?,
                    reporter: row.get(5)?,
                })
            })
            .optional()?;
        // The row may have gone between the two reads: then its texts are gone too.
        Ok(texts.unwrap_or_default())
    }

    fn incidents(&mut self, query: &IncidentQuery) -> Result<Page<Incident>, StoreError> {
        let limit = query.limit.clamp(1, MAX_LIMIT);
        let mut sql = format!("SELECT {INCIDENT_COLUMNS} FROM incidents WHERE seq < ?1");
        let mut bound = vec![
            Value::Integer(query.cursor.unwrap_or(i64::MAX)),
            Value::Integer(rows(limit)),
        ];
        let mut and = |condition: &str, value: Value| {
            bound.push(value);
            sql.push_str(&condition.replace('?', &format!("?{}", bound.len())));
        };
        if let Some(target) = &query.target {
            match self.number_of(target)? {
                Some(number) => and(" AND target = ?", number.into()),
                None => {
                    return Ok(Page {
                        items: Vec::new(),
                        next: None,
                    });
                }
            }
        }
        if let Some(provider) = &query.provider {
            let condition = " AND target IN (SELECT id FROM targets WHERE substr(name, 1, length(?)) = ?)";
            and(condition, format!("{provider}/").into());
        }
        if let Some(worst) = query.worst {
            and(" AND worst = ?", worst.as_str().to_owned().into());
        }
        if let Some(reason) = query.reason {
            and(" AND reason_code = ?", reason.as_str().to_owned().into());
        }
        if let Some(since) = query.since {
            and(" AND (closed IS NULL OR closed >= ?)", since.as_millis().into());
        }
        if let Some(until) = query.until {
            and(" AND started < ?", until.as_millis().into());
        }
        sql.push_str(match query.open {
            None => "",
            Some(true) => " AND closed IS NULL",
            Some(false) => " AND closed IS NOT NULL",
        });
        sql.push_str(" ORDER BY seq DESC LIMIT ?2");
        let raws: Vec<RawIncident> = self
            .connection
            .prepare(&sql)?
            .query_map(rusqlite::params_from_iter(bound), RawIncident::read)?
            .collect::<Result<_, _>>()?;
        let next = (raws.len() == limit)
            .then(|| raws.last().map(|raw| raw.seq))
            .flatten();
        let items = raws
            .into_iter()
            .map(|raw| raw.finish(self))
            .collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    fn transitions(
        &mut self,
        target: Option<&TargetId>,
        limit: usize,
    ) -> Result<Vec<Transition>, StoreError> {
        let and = match target {
            Some(target) => match self.number_of(target)? {
                Some(number) => format!("WHERE target = {number}"),
                None => return Ok(Vec::new()),
            },
            None => String::new(),
        };
        let raws: Vec<RawTransition> = self
            .connection
            .prepare(&format!(
                "SELECT id, target, at, from_state, to_state, hint, weight, retry_at, reason_code, reason_text,
                   sources, first_evidence FROM transitions {and} ORDER BY id DESC LIMIT ?1"
            ))?
            .query_map([rows(limit)], RawTransition::read)?
            .collect::<Result<_, _>>()?;
        raws.into_iter().map(|raw| raw.finish(self)).collect()
    }
}

/// A number of rows as SQL takes it.
pub(super) fn rows(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    row.get(index).map(Timestamp::from_millis)
}

fn time_or_none(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
}

/// The three reason columns from `index` on.
fn reason(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Reason>> {
    let (code, text, sources): (String, String, String) =
        (row.get(index)?, row.get(index + 1)?, row.get(index + 2)?);
    Ok(text::parse_reason(&code)
        .zip(text::parse_sources(&sources))
        .map(|(code, sources)| Reason { code, text, sources }))
}

fn state(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<State>> {
    Ok(State::parse(&row.get::<_, String>(index)?))
}

struct RawIncident {
    seq: i64,
    target: i64,
    build: Option<Incident>,
}

/// Stands for the target until the row's number is looked up.
fn nobody() -> Option<TargetId> {
    "unknown/unknown".parse().ok()
}

impl RawIncident {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let parts = (
            nobody(),
            state(row, 8)?,
            reason(row, 9)?,
            text::parse_timeline(&row.get::<_, String>(12)?),
        );
        let build = match parts {
            (Some(target), Some(worst), Some(reason), Some(timeline)) => Some(Incident {
                id: row.get(1)?,
                target,
                started: time(row, 3)?,
                detected: time(row, 4)?,
                opened: time(row, 5)?,
                recovered: time_or_none(row, 6)?,
                closed: time_or_none(row, 7)?,
                worst,
                reason,
                timeline,
                lead_s: row.get(13)?,
            }),
            _ => None,
        };
        Ok(Self {
            seq: row.get(0)?,
            target: row.get(2)?,
            build,
        })
    }

    fn finish(self, session: &mut Session) -> Result<Incident, StoreError> {
        let mut incident = self.build.ok_or(StoreError::Row {
            table: "incidents",
            id: self.seq,
        })?;
        incident.target = session.target(self.target)?;
        Ok(incident)
    }
}

struct RawTransition {
    id: i64,
    target: i64,
    build: Option<Transition>,
}

impl RawTransition {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let hint = text::parse_hint(&row.get::<_, String>(5)?);
        let parts = (nobody(), state(row, 3)?, state(row, 4)?, hint, reason(row, 8)?);
        let build = match parts {
            (Some(target), Some(from), Some(to), Some(hint), Some(reason)) => Some(Transition {
                target,
                at: time(row, 2)?,
                from,
                to,
                routing: Routing {
                    hint,
                    weight: row.get(6)?,
                    retry_at: time_or_none(row, 7)?,
                },
                reason,
                first_evidence: time_or_none(row, 11)?,
            }),
            _ => None,
        };
        Ok(Self {
            id: row.get(0)?,
            target: row.get(1)?,
            build,
        })
    }

    fn finish(self, session: &mut Session) -> Result<Transition, StoreError> {
        let mut transition = self.build.ok_or(StoreError::Row {
            table: "transitions",
            id: self.id,
        })?;
        transition.target = session.target(self.target)?;
        Ok(transition)
    }
}
