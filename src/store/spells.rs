//! Incidents in brief, without their timelines, and the failures behind one: for the page.

use rusqlite::{Row, params};

use super::{
    MAX_LIMIT, Reader, StoreError,
    apply::first_id,
    packed,
    query::{RawObservation, rows},
    reader::Session,
};
use crate::{
    clock::Timestamp,
    health::{ReasonCode, State},
    id::{ProviderId, TargetId},
    verdict::Observation,
};

/// An incident in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spell {
    /// Where it stands in the list: a cursor.
    pub seq: i64,
    /// The incident's id.
    pub id: String,
    /// Whose.
    pub target: TargetId,
    /// First bad evidence.
    pub started: Timestamp,
    /// When the state came back to operational.
    pub recovered: Option<Timestamp>,
    /// When it was closed.
    pub closed: Option<Timestamp>,
    /// The worst state in it.
    pub worst: State,
    /// Why, at its worst.
    pub code: ReasonCode,
    /// The same in words.
    pub text: String,
    /// Seconds from our detection to the official page's first word.
    pub lead_s: Option<i64>,
}

/// Which incidents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpellQuery {
    /// Only of this provider's targets.
    pub provider: Option<ProviderId>,
    /// Only open ones, or only closed ones.
    pub open: Option<bool>,
    /// Only those below this [`Spell::seq`].
    pub before: Option<i64>,
    /// Rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
}

const COLUMNS: &str = "i.seq, i.id, i.target, i.started, i.recovered, i.closed, i.worst, i.reason_code, \
                       i.reason_text, i.lead_s";

impl Reader {
    /// Incidents in brief, last opened first. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn spells(&self, query: &SpellQuery) -> Result<Vec<Spell>, StoreError> {
        self.with(|session| session.spells(query))
    }

    /// Whose incidents lasted from when to when, of those that began at or after `from`; `None`: it goes on. In no
    /// order, at most `limit`. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn spans(
        &self,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<(TargetId, Timestamp, Option<Timestamp>)>, StoreError> {
        self.with(|session| {
            let found: Vec<(i64, i64, Option<i64>)> = session
                .connection
                .prepare_cached(
                    "SELECT target, started, coalesce(recovered, closed) FROM incidents INDEXED BY incidents_started
                     WHERE started >= ?1 ORDER BY started DESC LIMIT ?2",
                )?
                .query_map(params![from.as_millis(), rows(limit)], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })?
                .collect::<Result<_, _>>()?;
            found
                .into_iter()
                .map(|(target, started, ended)| {
                    Ok((
                        session.target(target)?,
                        Timestamp::from_millis(started),
                        ended.map(Timestamp::from_millis),
                    ))
                })
                .collect()
        })
    }

    /// What was truncated or failed for a target from `from` until before `to`, `reach` included; oldest first, at
    /// most `limit` of each family. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn failures(
        &self,
        target: &TargetId,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Observation>, StoreError> {
        self.with(|session| session.failures(target, (from, to), limit))
    }
}

impl Session {
    fn spells(&mut self, query: &SpellQuery) -> Result<Vec<Spell>, StoreError> {
        let (from, provider) = match &query.provider {
            Some(provider) => (
                "incidents i JOIN targets t ON t.id = i.target AND substr(t.name, 1, length(?3)) = ?3",
                format!("{provider}/"),
            ),
            None => ("incidents i", String::new()),
        };
        let open = match query.open {
            None => "",
            Some(true) => " AND i.closed IS NULL",
            Some(false) => " AND i.closed IS NOT NULL",
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM {from} WHERE i.seq < ?1 AND length(?3) >= 0{open} ORDER BY i.seq DESC LIMIT ?2"
        );
        let limit = query.limit.clamp(1, MAX_LIMIT);
        let found: Vec<(i64, i64, Option<Spell>)> = self
            .connection
            .prepare_cached(&sql)?
            .query_map(
                params![query.before.unwrap_or(i64::MAX), rows(limit), provider],
                spell,
            )?
            .collect::<Result<_, _>>()?;
        found
            .into_iter()
            .map(|(seq, target, spell)| {
                let mut spell = spell.ok_or(StoreError::Row {
                    table: "incidents",
                    id: seq,
                })?;
                spell.target = self.target(target)?;
                Ok(spell)
            })
            .collect()
    }

    fn failures(
        &mut self,
        target: &TargetId,
        (from, to): (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<Observation>, StoreError> {
        let Some(number) = self.number_of(target)? else {
            return Ok(Vec::new());
        };
        let mut raws: Vec<RawObservation> = Vec::new();
        for kind in ["truncated", "errored"]
            .into_iter()
            .filter_map(packed::kind_of_family)
        {
            let found = self
                .connection
                .prepare_cached(
                    "SELECT id, target, kind, data FROM observations INDEXED BY observations_bad_by_target
                     WHERE target = ?1 AND kind = ?2 AND kind > 0 AND id >= ?3 AND id < ?4 ORDER BY id LIMIT ?5",
                )?
                .query_map(
                    params![number, kind, first_id(from), first_id(to), rows(limit)],
                    RawObservation::read,
                )?
                .collect::<Result<Vec<_>, _>>()?;
            raws.extend(found);
        }
        raws.sort_by_key(|raw| raw.id);
        raws.iter().map(|raw| self.unpack(raw)).collect()
    }
}

/// Row number, target number, and the rest where it can be read.
fn spell(row: &Row<'_>) -> rusqlite::Result<(i64, i64, Option<Spell>)> {
    let time = |index: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
    };
    let seq = row.get(0)?;
    let code: String = row.get(7)?;
    let code = ReasonCode::ALL.into_iter().find(|known| known.as_str() == code);
    let parts = (State::parse(&row.get::<_, String>(6)?), code, time(3)?);
    let built = match (parts, "unknown/unknown".parse().ok()) {
        ((Some(worst), Some(code), Some(started)), Some(target)) => Some(Spell {
            seq,
            id: row.get(1)?,
            target,
            started,
            recovered: time(4)?,
            closed: time(5)?,
            worst,
            code,
            text: row.get(8)?,
            lead_s: row.get(9)?,
        }),
        _ => None,
    };
    Ok((seq, row.get(2)?, built))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        clock::Clock,
        health::{Incident, Reason},
        store::{Options, Record, Store},
        verdict::{Source, Truncation, Verdict},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_781_960_460_000);

    fn ago(seconds: u64) -> Timestamp {
        NOW.minus(Duration::from_secs(seconds))
    }

    fn incident(id: &str, target: &str, started: u64, ended: Option<u64>) -> Record {
        Record::Incident(Incident {
            id: id.to_owned(),
            target: target.parse().unwrap(),
            started: ago(started),
            detected: ago(started - 1),
            opened: ago(started - 15),
            recovered: ended.map(ago),
            closed: ended.map(|seconds| ago(seconds - 60)),
            worst: State::Down,
            reason: Reason {
                code: ReasonCode::Overloaded,
                text: "9 of 9".to_owned(),
                sources: vec![Source::Canary],
            },
            timeline: Vec::new(),
            lead_s: Some(7),
        })
    }

    fn ids(reader: &Reader, query: &SpellQuery) -> Vec<String> {
        reader.spells(query).unwrap().into_iter().map(|s| s.id).collect()
    }

    #[test]
    fn incidents_are_listed_by_provider_and_by_whether_they_are_open() {
        let (writer, reader) = Store::temporary(Options::default(), Clock::manual(NOW)).unwrap();
        for record in [
            incident("a", "one/m", 9_000, Some(8_000)),
            incident("b", "one-more/m", 7_000, Some(6_000)),
            incident("c", "one/m", 5_000, Some(4_000)),
            incident("d", "two/m", 3_000, None),
        ] {
            writer.send(record);
        }
        assert!(writer.flush(Duration::from_secs(10)));
        let all = SpellQuery {
            limit: 500,
            ..SpellQuery::default()
        };
        assert_eq!(ids(&reader, &all), ["d", "c", "b", "a"]);
        for (provider, open, found) in [
            (Some("one"), None, vec!["c", "a"]),
            (Some("one"), Some(true), vec![]),
            (None, Some(true), vec!["d"]),
            (None, Some(false), vec!["c", "b", "a"]),
            (Some("nobody"), None, vec![]),
        ] {
            let query = SpellQuery {
                provider: provider.map(|id| id.parse().unwrap()),
                open,
                ..all.clone()
            };
            assert_eq!(ids(&reader, &query), found, "{provider:?} {open:?}");
        }
        let first = reader
            .spells(&SpellQuery {
                limit: 2,
                ..all.clone()
            })
            .unwrap();
        let next = SpellQuery {
            before: Some(first[1].seq),
            ..all
        };
        assert_eq!(ids(&reader, &next), ["b", "a"]);
        assert_eq!(
            (first[1].worst, first[1].lead_s, first[1].recovered),
            (State::Down, Some(7), Some(ago(4_000)))
        );
        let spans = reader.spans(ago(5_000), 10).unwrap();
        assert_eq!(
            spans
                .iter()
                .map(|(target, at, end)| (target.to_string(), *at, *end))
                .collect::<Vec<_>>(),
            [
                ("two/m".to_owned(), ago(3_000), None),
                ("one/m".to_owned(), ago(5_000), Some(ago(4_000)))
            ]
        );
    }

    #[test]
    fn failures_are_those_of_the_target_and_the_time() {
        let (writer, reader) = Store::temporary(Options::default(), Clock::manual(NOW)).unwrap();
        let target: TargetId = "one/m".parse().unwrap();
        let cut = Verdict::Truncated(Truncation::Cut);
        for (name, seconds, verdict) in [
            ("one/m", 100, cut),
            ("one/m", 90, Verdict::Complete),
            ("one/m", 80, cut),
            ("one/m", 70, Verdict::Refused),
            ("two/m", 60, cut),
            ("one/m", 50, cut),
        ] {
            let seen = Observation::new(name.parse().unwrap(), ago(seconds), Source::Canary, verdict);
            writer.send(Record::Observation(seen));
        }
        assert!(writer.flush(Duration::from_secs(10)));
        let times = |from, to, limit| -> Vec<Timestamp> {
            let found = reader.failures(&target, ago(from), ago(to), limit).unwrap();
            found.into_iter().map(|o| o.at).collect()
        };
        assert_eq!(times(100, 50, 9), [ago(100), ago(80)]);
        assert_eq!(times(99, 49, 9), [ago(80), ago(50)]);
        assert_eq!(times(100, 49, 1), [ago(100)]);
    }
}
