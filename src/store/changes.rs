//! Changes of who answers: written one by one, read in pages.

use rusqlite::{Connection, params};

use super::{MAX_LIMIT, Page, Reader, StoreError, apply::run, query::rows, reader::Session};
use crate::{
    clock::Timestamp,
    health::{Change, ChangeKind},
    id::TargetId,
};

/// Which changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeQuery {
    /// Only of this target.
    pub target: Option<TargetId>,
    /// Only of this kind.
    pub kind: Option<ChangeKind>,
    /// Rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// [`Page::next`] of the page before.
    pub cursor: Option<i64>,
}

pub(super) fn write(connection: &Connection, target: i64, change: &Change) -> rusqlite::Result<()> {
    run(
        connection,
        "INSERT INTO changes (target, at, kind, was, is_now) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            target,
            change.at.as_millis(),
            change.kind.as_str(),
            change.from,
            change.to
        ],
    )
}

impl Reader {
    /// Changes of who answers, newest first. **Blocks.**
    ///
    /// # Errors
    /// The database can't be read.
    pub fn changes(&self, query: &ChangeQuery) -> Result<Page<Change>, StoreError> {
        self.with(|session| session.changes(query))
    }
}

impl Session {
    fn changes(&mut self, query: &ChangeQuery) -> Result<Page<Change>, StoreError> {
        let limit = query.limit.clamp(1, MAX_LIMIT);
        let target = match &query.target {
            None => None,
            Some(target) => match self.number_of(target)? {
                Some(number) => Some(number),
                None => {
                    return Ok(Page {
                        items: Vec::new(),
                        next: None,
                    });
                }
            },
        };
        let found: Vec<(i64, i64, i64, String, String, String)> = self
            .connection
            .prepare_cached(
                "SELECT id, target, at, kind, was, is_now FROM changes
                 WHERE id < ?1 AND (?2 IS NULL OR target = ?2) AND (?3 IS NULL OR kind = ?3)
                 ORDER BY id DESC LIMIT ?4",
            )?
            .query_map(
                params![
                    query.cursor.unwrap_or(i64::MAX),
                    target,
                    query.kind.map(ChangeKind::as_str),
                    rows(limit)
                ],
                |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        row.get(5)?,
                    ))
                },
            )?
            .collect::<Result<_, _>>()?;
        let next = (found.len() == limit)
            .then(|| found.last().map(|row| row.0))
            .flatten();
        let items = found
            .into_iter()
            .map(|(id, target, at, kind, from, to)| {
                Ok(Change {
                    target: self.target(target)?,
                    at: Timestamp::from_millis(at),
                    kind: ChangeKind::parse(&kind).ok_or(StoreError::Row { table: "changes", id })?,
                    from,
                    to,
                })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Page { items, next })
    }
}
