//! The router over a past of one observation, a hub and a clock that stands.

use endturn::{
    config::{Fitness, OnExhausted, Prefer, Route, RouteTarget},
    route::Board,
};

use super::*;

/// One route over the first two targets, the first preferred.
pub(crate) fn rules() -> Vec<Route> {
    let target = |name| RouteTarget {
        id: id(name),
        price: None,
        fitness: Fitness::Fit,
    };
    vec![Route {
        name: "coding".to_owned(),
        targets: vec![target(IDS[0]), target(IDS[1])],
        on_exhausted: OnExhausted::FailClosed,
        prefer: Prefer::Order,
        max_ttft: Some(Duration::from_secs(4)),
        same_key: true,
        requires: vec!["tools".to_owned()],
    }]
}

/// A past of one observation and one incident, and whatever events a test keeps.
#[derive(Default)]
pub(crate) struct Past {
    pub(super) events: Mutex<Vec<KeptEvent>>,
    pub(super) broken: AtomicU64,
    pub(super) asked: Mutex<Option<String>>,
}

impl Past {
    fn check(&self, asked: &impl std::fmt::Debug, cursor: Option<&String>) -> Result<(), HistoryError> {
        *self.asked.lock().unwrap() = Some(format!("{asked:?}"));
        match (self.broken.load(Ordering::SeqCst), cursor.map(String::as_str)) {
            (0, None | Some("next")) => Ok(()),
            (0, Some(_)) => Err(HistoryError::Cursor),
            (1, _) => Err(HistoryError::Unavailable("disk full".to_owned())),
            _ => panic!("a fault of ours"),
        }
    }
}

impl History for Past {
    fn observations(&self, query: &ObservationQuery) -> Result<Listing<Observation>, HistoryError> {
        self.check(query, query.cursor.as_ref())?;
        Ok(Listing {
            items: vec![Observation::new(
                id(IDS[0]),
                T0,
                Source::Canary,
                Verdict::Complete,
            )],
            next_cursor: Some("next".to_owned()),
        })
    }

    fn incidents(&self, query: &IncidentQuery) -> Result<Listing<Incident>, HistoryError> {
        self.check(query, query.cursor.as_ref())?;
        Ok(Listing {
            items: vec![incident(IDS[0], 7)],
            next_cursor: None,
        })
    }

    fn changes(&self, query: &ChangeQuery) -> Result<Listing<Change>, HistoryError> {
        self.check(query, query.cursor.as_ref())?;
        Ok(Listing {
            items: vec![Change {
                target: id(IDS[0]),
                at: T0,
                kind: ChangeKind::ModelChanged,
                from: "a".to_owned(),
                to: "b".to_owned(),
            }],
            next_cursor: None,
        })
    }

    fn incident(&self, id: &str) -> Result<Option<Incident>, HistoryError> {
        self.check(&id, None)?;
        Ok((id == "inc-7").then(|| incident(IDS[0], 7)))
    }

    fn days(&self, _: Timestamp, _: Timestamp) -> Result<Vec<endturn::store::DayCounts>, HistoryError> {
        Ok(Vec::new())
    }

    fn standings(&self, _: Timestamp, _: Timestamp) -> Result<Vec<endturn::health::Standing>, HistoryError> {
        Ok(Vec::new())
    }

    fn series(&self, _: &SeriesQuery) -> Result<Series, HistoryError> {
        Err(HistoryError::Unavailable("disk full".to_owned()))
    }

    fn series_by_source(&self, _: &SeriesQuery) -> Result<Vec<(Source, Series)>, HistoryError> {
        Err(HistoryError::Unavailable("disk full".to_owned()))
    }

    fn events_after(&self, revision: u64, limit: usize) -> Result<Vec<KeptEvent>, HistoryError> {
        self.check(&revision, None)?;
        let events = self.events.lock().unwrap();
        Ok(events
            .iter()
            .filter(|e| e.revision > revision)
            .take(limit)
            .cloned()
            .collect())
    }
}

pub(crate) struct Daemon(pub(super) Mutex<Checks>);

impl Readiness for Daemon {
    fn checks(&self) -> Checks {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) struct World {
    pub(crate) hub: Arc<Hub>,
    pub(crate) board: Arc<Board>,
    pub(crate) past: Arc<Past>,
    pub(super) daemon: Arc<Daemon>,
    pub(crate) clock: Clock,
    pub(crate) closing: CancellationToken,
    pub(crate) state: ApiState,
    pub(crate) router: Router,
}

pub(crate) fn world() -> World {
    let (hub, past) = (Arc::new(hub()), Arc::new(Past::default()));
    let daemon = Arc::new(Daemon(Mutex::new(Checks {
        scheduler_at: T0,
        store: v1::StoreStatus::default(),
        store_queued: 0,
    })));
    let board = Arc::new(Board::new(&rules(), &hub.snapshot()));
    let (clock, closing) = (Clock::manual(T0), CancellationToken::new());
    let state = ApiState::new(
        Arc::clone(&hub),
        Arc::clone(&board),
        Arc::clone(&past) as Arc<dyn History>,
        Arc::clone(&daemon) as Arc<dyn Readiness>,
        crate::support::intake(&clock).0,
        clock.clone(),
        closing.clone(),
    );
    let pages = Router::new().route(
        "/panics",
        get(async || -> StatusCode { panic!("a fault of ours") }),
    );
    World {
        hub,
        board,
        past,
        daemon,
        clock,
        closing,
        router: router(state.clone(), pages),
        state,
    }
}
