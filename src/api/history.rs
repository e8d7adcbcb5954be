//! The past as the API asks for it, and the store as the one who answers.

use super::problem::Problem;
use crate::{
    clock::Timestamp,
    feed::v1,
    health,
    id::{ProviderId, TargetId},
    store::{self, Reader, StoreError},
    verdict::{self, Source},
};

/// Which observations are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservationQuery {
    /// Of one target.
    pub target: Option<TargetId>,
    /// Of one verdict family (`complete`, `truncated`, ..).
    pub verdict: Option<String>,
    /// From one source.
    pub source: Option<Source>,
    /// Of one finer kind (`cut`, `overloaded`, ..).
    pub kind: Option<String>,
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// At most this many.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which incidents are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IncidentQuery {
    /// Of one target.
    pub target: Option<TargetId>,
    /// Of one provider's targets.
    pub provider: Option<ProviderId>,
    /// Open ones or closed ones only.
    pub open: Option<bool>,
    /// Those that were that bad at their worst.
    pub worst: Option<health::State>,
    /// With that reason at their worst.
    pub reason: Option<health::ReasonCode>,
    /// Not closed before this time.
    pub since: Option<Timestamp>,
    /// Begun before this time.
    pub until: Option<Timestamp>,
    /// At most this many.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Which changes of who answers are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeQuery {
    /// Of one target.
    pub target: Option<TargetId>,
    /// Of one kind.
    pub kind: Option<health::ChangeKind>,
    /// At most this many.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// A part of a longer list, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// Opaque; `None` at the end.
    pub next_cursor: Option<String>,
}

/// One kept event of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// Its revision.
    pub revision: u64,
    /// Its SSE name.
    pub kind: String,
    /// Its payload, one line.
    pub json: String,
}

/// Why history gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The cursor is none of ours: a mistake of whoever asks.
    #[error("the cursor is not one that this list gave out")]
    Cursor,
    /// The store can't be read now.
    #[error("history can't be read: {0}")]
    Unavailable(String),
}

/// Reads of the past. Calls block; the API runs them on threads of their own.
pub trait History: Send + Sync + 'static {
    /// Observations, newest first.
    fn observations(&self, query: &ObservationQuery) -> Result<Listing<verdict::Observation>, HistoryError>;
    /// Incidents, newest first.
    fn incidents(&self, query: &IncidentQuery) -> Result<Listing<health::Incident>, HistoryError>;
    /// Changes of who answers, newest first.
    fn changes(&self, query: &ChangeQuery) -> Result<Listing<health::Change>, HistoryError>;
    /// One incident.
    fn incident(&self, id: &str) -> Result<Option<health::Incident>, HistoryError>;
    /// Days of every target.
    fn days(&self, from: Timestamp, to: Timestamp) -> Result<Vec<store::DayCounts>, HistoryError>;
    /// How every target stood, day by day.
    fn standings(&self, from: Timestamp, to: Timestamp) -> Result<Vec<health::Standing>, HistoryError>;
    /// A series of one target.
    fn series(&self, query: &store::SeriesQuery) -> Result<store::Series, HistoryError>;
    /// The same, each source by itself in the order of the query.
    fn series_by_source(
        &self,
        query: &store::SeriesQuery,
    ) -> Result<Vec<(Source, store::Series)>, HistoryError>;
    /// Kept events after a revision, oldest first, at most `limit`. Empty where that revision is past retention.
    fn events_after(&self, revision: u64, limit: usize) -> Result<Vec<KeptEvent>, HistoryError>;
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Cursor => Self::bad_query(error.to_string()),
            HistoryError::Unavailable(_) => Self::unavailable(error.to_string(), 5),
        }
    }
}

impl From<StoreError> for HistoryError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The store's cursors are row ids; outside they are opaque.
fn cursor(text: Option<&str>) -> Result<Option<i64>, HistoryError> {
    text.map(|text| text.parse().map_err(|_| HistoryError::Cursor))
        .transpose()
}

impl History for Reader {
    fn observations(&self, query: &ObservationQuery) -> Result<Listing<verdict::Observation>, HistoryError> {
        let page = Reader::observations(
            self,
            &store::ObservationQuery {
                target: query.target.clone(),
                verdict_family: query.verdict.clone(),
                source: query.source,
                kind: query.kind.clone(),
                without_passed: None,
                since: query.since,
                until: query.until,
                limit: query.limit,
                cursor: cursor(query.cursor.as_deref())?,
            },
        )?;
        Ok(Listing {
            items: page.items.into_iter().map(|stored| stored.observation).collect(),
            next_cursor: page.next.map(|next| next.to_string()),
        })
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<Listing<health::Incident>, HistoryError> {
        let page = Reader::incidents(
            self,
            &store::IncidentQuery {
                target: query.target.clone(),
                provider: query.provider.clone(),
                open: query.open,
                worst: query.worst,
                reason: query.reason,
                since: query.since,
                until: query.until,
                limit: query.limit,
                cursor: cursor(query.cursor.as_deref())?,
            },
        )?;
        Ok(Listing {
            items: page.items,
            next_cursor: page.next.map(|next| next.to_string()),
        })
    }

    fn changes(&self, query: &ChangeQuery) -> Result<Listing<health::Change>, HistoryError> {
        let page = Reader::changes(
            self,
            &store::ChangeQuery {
                target: query.target.clone(),
                kind: query.kind,
                limit: query.limit,
                cursor: cursor(query.cursor.as_deref())?,
            },
        )?;
        Ok(Listing {
            items: page.items,
            next_cursor: page.next.map(|next| next.to_string()),
        })
    }

    fn incident(&self, id: &str) -> Result<Option<health::Incident>, HistoryError> {
        Ok(Reader::incident(self, id)?)
    }

    fn days(&self, from: Timestamp, to: Timestamp) -> Result<Vec<store::DayCounts>, HistoryError> {
        Ok(Reader::days(self, from, to)?)
    }

    fn standings(&self, from: Timestamp, to: Timestamp) -> Result<Vec<health::Standing>, HistoryError> {
        Ok(Reader::standings(self, from, to)?)
    }

    fn series(&self, query: &store::SeriesQuery) -> Result<store::Series, HistoryError> {
        Ok(Reader::series(self, query)?)
    }

    fn series_by_source(
        &self,
        query: &store::SeriesQuery,
    ) -> Result<Vec<(Source, store::Series)>, HistoryError> {
        Ok(Reader::series_by_source(self, query)?)
    }

    fn events_after(&self, revision: u64, limit: usize) -> Result<Vec<KeptEvent>, HistoryError> {
        // Before its first event the log can't say what is missing.
        if Reader::first_event(self)?.is_none_or(|first| first > revision.saturating_add(1)) {
            return Ok(Vec::new());
        }
        let events = Reader::events_after(self, revision, limit)?;
        Ok(events
            .into_iter()
            .map(|event| KeptEvent {
                revision: event.revision,
                kind: event.kind,
                json: event.json,
            })
            .collect())
    }
}

impl From<&store::StoreStatus> for v1::StoreStatus {
    fn from(status: &store::StoreStatus) -> Self {
        let set_aside = status.corrupt_set_aside.as_ref().map(|aside| v1::SetAside {
            at: aside.at.into(),
            file: aside
                .path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        });
        let now = match &status.failing {
            Some(failing) => Some(failing.error.clone()),
            None => status.migrating.then(|| StoreError::Migrating.to_string()),
        };
        let missing = set_aside.as_ref().map(ToString::to_string);
        let parts: Vec<String> = now.into_iter().chain(missing).collect();
        Self {
            state: match status.failing {
                None => v1::StoreState::Ok,
                Some(_) => v1::StoreState::Failing,
            },
            dropped: status.dropped.total(),
            detail: (!parts.is_empty()).then(|| parts.join("; ")),
            set_aside,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        clock::Clock,
        store::{Options, Record, Store},
        verdict::{Observation, Verdict},
    };

    #[test]
    fn the_store_answers_page_by_page() {
        let clock = Clock::manual(Timestamp::from_millis(1_781_960_460_000));
        let (writer, reader) = Store::temporary(Options::default(), clock.clone()).unwrap();
        let target: TargetId = "anthropic/m".parse().unwrap();
        for second in 0..5 {
            let at = clock.now().plus(Duration::from_secs(second));
            let seen = Observation::new(target.clone(), at, Source::Canary, Verdict::Complete);
            writer.send(Record::Observation(seen));
        }
        for revision in [200_u64, 203, 207] {
            writer.send(Record::Event {
                revision,
                at: clock.now(),
                kind: "health".to_owned(),
                json: format!("{{\"revision\":{revision}}}"),
            });
        }
        assert!(writer.flush(Duration::from_secs(10)));
        let history: &dyn History = &reader;

        let mut query = ObservationQuery {
            target: Some(target),
            verdict: Some("complete".to_owned()),
            source: Some(Source::Canary),
            limit: 2,
            ..ObservationQuery::default()
        };
        let mut lengths = Vec::new();
        loop {
            let page = history.observations(&query).unwrap();
            lengths.push(page.items.len());
            match page.next_cursor {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(lengths.iter().sum::<usize>(), 5, "{lengths:?}");
        query.cursor = Some("made-up".to_owned());
        assert_eq!(history.observations(&query), Err(HistoryError::Cursor));

        for (known, told) in [
            (207, vec![]),
            (203, vec![207]),
            (201, vec![203, 207]),
            (199, vec![200, 203, 207]),
            (198, vec![]),
        ] {
            let events = history.events_after(known, 10).unwrap();
            let revisions: Vec<_> = events.iter().map(|event| event.revision).collect();
            assert_eq!(revisions, told, "after {known}");
        }
        assert_eq!(history.incident("none"), Ok(None));
        assert_eq!(
            history
                .incidents(&IncidentQuery {
                    limit: 1,
                    ..IncidentQuery::default()
                })
                .unwrap()
                .items,
            []
        );
    }
}
