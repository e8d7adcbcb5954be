//! What the benches of the feed share: a hub, and the API over it without a history.

use std::sync::Arc;

use axum::Router;
use endturn::{
    api::{
        ApiState, ChangeQuery, Checks, Front, History, HistoryError, IncidentQuery, KeptEvent, Listing,
        ObservationQuery, Readiness, router,
    },
    clock::{Clock, Timestamp},
    config::{Env, load_text},
    feed::{Hub, v1},
    health::{Change, Incident, View},
    intake::Intake,
    route::Board,
    verdict::{Observation, Source},
};
use tokio_util::sync::CancellationToken;

struct Nothing;

impl History for Nothing {
    fn observations(&self, _: &ObservationQuery) -> Result<Listing<Observation>, HistoryError> {
        Err(HistoryError::Cursor)
    }

    fn incidents(&self, _: &IncidentQuery) -> Result<Listing<Incident>, HistoryError> {
        Err(HistoryError::Cursor)
    }

    fn changes(&self, _: &ChangeQuery) -> Result<Listing<Change>, HistoryError> {
        Err(HistoryError::Cursor)
    }

    fn incident(&self, _: &str) -> Result<Option<Incident>, HistoryError> {
        Ok(None)
    }

    fn days(&self, _: Timestamp, _: Timestamp) -> Result<Vec<endturn::store::DayCounts>, HistoryError> {
        Ok(Vec::new())
    }

    fn standings(&self, _: Timestamp, _: Timestamp) -> Result<Vec<endturn::health::Standing>, HistoryError> {
        Ok(Vec::new())
    }

    fn series(&self, _: &endturn::store::SeriesQuery) -> Result<endturn::store::Series, HistoryError> {
        Err(HistoryError::Cursor)
    }

    fn series_by_source(
        &self,
        _: &endturn::store::SeriesQuery,
    ) -> Result<Vec<(Source, endturn::store::Series)>, HistoryError> {
        Err(HistoryError::Cursor)
    }

    fn events_after(&self, _: u64, _: usize) -> Result<Vec<KeptEvent>, HistoryError> {
        Ok(Vec::new())
    }
}

impl Readiness for Nothing {
    fn checks(&self) -> Checks {
        Checks {
            scheduler_at: Timestamp::from_millis(0),
            store: v1::StoreStatus::default(),
            store_queued: 0,
        }
    }
}

/// A hub that tells of this view.
pub(crate) fn hub(view: &View) -> Arc<Hub> {
    let identity = v1::Identity {
        instance: "bench".to_owned(),
        vantage: "bench".to_owned(),
    };
    let mut revision = 0;
    let next = move || {
        revision += 1;
        revision
    };
    Arc::new(Hub::new(identity, next, view, &v1::StoreStatus::default()))
}

/// The API over the hub; event streams end with `closing`.
pub(crate) fn app(hub: &Arc<Hub>, clock: &Clock, closing: &CancellationToken) -> Front {
    let state = ApiState::new(
        Arc::clone(hub),
        Arc::new(Board::new(&[], &hub.snapshot())),
        Arc::new(Nothing),
        Arc::new(Nothing),
        intake(clock),
        clock.clone(),
        closing.clone(),
    );
    Front {
        router: router(state.clone(), Router::new()),
        tap: None,
        api: Some(state),
    }
}

/// Where nobody reports.
fn intake(clock: &Clock) -> Intake {
    let text = "[[provider]]\nid = \"none\"\npreset = \"ollama\"\nbase_url = \"http://127.0.0.1:9\"\nmodels = [\"m\"]\n";
    let config = load_text("bench.toml", text, &Env::default())
        .expect("a configuration")
        .config;
    Intake::new(&config, &[], clock.clone()).0
}
