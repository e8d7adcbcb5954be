//! The store as the API sees it.

use crate::{
    api::{History, HistoryError, IncidentQuery, KeptEvent, Listing, ObservationQuery},
    health::Incident,
    store::{self, Page, Reader, StoreError},
    verdict::Observation,
};

/// Reads of the past over the store.
#[derive(Clone)]
pub(crate) struct Archive {
    reader: Reader,
}

fn unavailable(error: StoreError) -> HistoryError {
    HistoryError::Unavailable(error.to_string())
}

fn cursor(text: Option<&String>) -> Result<Option<i64>, HistoryError> {
    text.map(|text| text.parse().map_err(|_| HistoryError::Cursor))
        .transpose()
}

fn listing<T, U>(page: Page<T>, item: impl Fn(T) -> U) -> Listing<U> {
    Listing {
        items: page.items.into_iter().map(item).collect(),
        next_cursor: page.next.map(|next| next.to_string()),
    }
}

impl Archive {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }
}

impl History for Archive {
    fn observations(&self, query: &ObservationQuery) -> Result<Listing<Observation>, HistoryError> {
        let query = store::ObservationQuery {
            target: query.target.clone(),
            verdict_family: query.verdict.clone(),
            source: query.source,
            since: None,
            limit: query.limit,
            cursor: cursor(query.cursor.as_ref())?,
        };
        let page = self.reader.observations(&query).map_err(unavailable)?;
        Ok(listing(page, |stored| stored.observation))
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<Listing<Incident>, HistoryError> {
        let query = store::IncidentQuery {
            target: query.target.clone(),
            open: query.open,
            limit: query.limit,
            cursor: cursor(query.cursor.as_ref())?,
        };
        let page = self.reader.incidents(&query).map_err(unavailable)?;
        Ok(listing(page, |incident| incident))
    }

    fn incident(&self, id: &str) -> Result<Option<Incident>, HistoryError> {
        self.reader.incident(id).map_err(unavailable)
    }

    fn events_after(&self, revision: u64, limit: usize) -> Result<Vec<KeptEvent>, HistoryError> {
        let first = self.reader.first_event().map_err(unavailable)?;
        if first.is_none_or(|first| first > revision) {
            return Ok(Vec::new());
        }
        let events = self.reader.events_after(revision, limit).map_err(unavailable)?;
        let kept = |event: store::StoredEvent| KeptEvent {
            revision: event.revision,
            kind: event.kind,
            json: event.json,
        };
        Ok(events.into_iter().map(kept).collect())
    }
}
