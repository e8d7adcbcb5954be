//! The store, the brain with what it remembers, the hub and the loop: all that beats whether anybody looks or not.

use std::{io, path::Path, sync::Arc};

use tokio_util::sync::CancellationToken;

use super::{
    StartError, StorePlace,
    alarms::{Alarms, Shown},
    annotate::Annotator,
    brain::Brain,
    carriers::carriers,
    core::{Core, Doors, store_status},
    post::Post,
    pulse::Pulse,
};
use crate::{
    clock::Clock,
    config::Config,
    feed::{Hub, declared::DeclaredBoard, v1},
    health::Incident,
    intake::Intake,
    official::{self, Fetcher},
    probe::Prober,
    route::Board,
    store::{IncidentQuery, MAX_LIMIT, Options, Reader, Store, Writer},
    telemetry::Outlet,
};

/// Makes the directory that the database is to lie in, for our user alone, as a first start finds none.
fn make_home(home: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home)
}

fn open_store(config: &Config, place: StorePlace, clock: &Clock) -> Result<(Writer, Reader), StartError> {
    let options = Options {
        keep_raw: config.store.keep.raw,
        keep_minutes: config.store.keep.minute,
        keep_hours: config.store.keep.hour,
        keep_days: config.store.keep.day,
        max_bytes: config.store.max_bytes,
        ..Options::default()
    };
    let path = &config.store.path;
    let home = path.parent().filter(|home| !home.as_os_str().is_empty());
    let opened = match (place, home) {
        (StorePlace::Temporary, _) => Store::temporary(options, clock.clone()),
        (StorePlace::File, home) => {
            home.map_or(Ok(()), make_home)
                .map_err(|source| StartError::Directory {
                    path: path.clone(),
                    source,
                })?;
            Store::open(path, options, clock.clone())
        }
    };
    opened.map_err(|source| StartError::Store {
        path: path.clone(),
        source,
    })
}

/// Takes up what an earlier process left.
fn restore(brain: &mut Brain, reader: &Reader, clock: &Clock) {
    let now = clock.now();
    match reader.saved_state() {
        Ok(Some(state)) => {
            let whole = brain.restore(&state.saved, now);
            let later = state.later.iter().map(|saved| brain.restore_target(saved, now));
            for error in std::iter::once(whole).chain(later).filter_map(Result::err) {
                tracing::warn!(
                    error,
                    "the kept detector state was not taken up; targets start unknown"
                );
            }
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the kept detector state can't be read; targets start unknown"),
    }
    match reader.spent_today(now) {
        Ok(spent) => brain.restore_spending(&spent, now),
        Err(error) => tracing::warn!(%error, "today's spending can't be read; the budget starts full"),
    }
}

/// Incidents that were open when the last process ended.
fn open_incidents(reader: &Reader) -> Vec<Incident> {
    let query = IncidentQuery {
        open: Some(true),
        limit: MAX_LIMIT,
        ..IncidentQuery::default()
    };
    match reader.incidents(&query) {
        Ok(page) => page.items,
        Err(error) => {
            tracing::warn!(%error, "open incidents can't be read; what is told of them lacks their beginning");
            Vec::new()
        }
    }
}

/// The way to people, with what an earlier process left undelivered.
fn post(config: &Config, writer: &Writer, reader: &Reader, clock: &Clock) -> Post {
    let store = (writer.clone(), reader.clone());
    Post::start(&config.alerts, &config.vantage, store, clock.clone(), carriers())
}

/// The hub with what is known at the start.
fn publisher(brain: &mut Brain, writer: &Writer, vantage: String, clock: &Clock) -> Arc<Hub> {
    let identity = v1::Identity {
        instance: writer.instance().to_owned(),
        vantage,
    };
    let revisions = writer.revisions();
    Arc::new(Hub::new(
        identity,
        move || revisions.next(),
        &brain.view(clock.now()),
        &store_status(writer),
    ))
}

/// The loop with all that it reaches out through, and what else looks at the same.
pub(super) struct Heart {
    pub(super) core: Core,
    pub(super) hub: Arc<Hub>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) intake: Intake,
    pub(super) board: Arc<Board>,
    pub(super) declared: Arc<DeclaredBoard>,
    pub(super) outlet: Arc<Outlet>,
    pub(super) post: Post,
    pub(super) alarms: Shown,
    pub(super) writer: Writer,
    pub(super) reader: Reader,
}

impl Heart {
    pub(super) fn new(
        config: &Config,
        place: StorePlace,
        seed: u64,
        clock: &Clock,
        stop: &CancellationToken,
    ) -> Result<Self, StartError> {
        let prober = Arc::new(Prober::new(clock.clone())?);
        let fetcher = Fetcher::new(official::TIMEOUT)?;
        let (writer, reader) = open_store(config, place, clock)?;
        writer.check();
        let mut brain = Brain::new(config, seed, clock.now());
        restore(&mut brain, &reader, clock);

        let open = open_incidents(&reader);
        let mut annotator = Annotator::new(config);
        annotator.resume(open.clone());
        let post = post(config, &writer, &reader, clock);
        let alarms = Alarms::new(&config.alerts, &config.vantage, &open, post.clone(), &reader);
        let shown = alarms.shown();

        let hub = publisher(&mut brain, &writer, config.vantage.clone(), clock);
        let pulse = Arc::new(Pulse::new(writer.clone(), clock.now()));
        let outlet = Arc::new(Outlet::new(clock.clone()));
        let (intake, reported) = Intake::new(config, &brain.reports_only(), clock.clone());
        let board = Arc::new(Board::new(&config.routes, &hub.snapshot()));
        let declared = Arc::new(DeclaredBoard::default());
        let doors = Doors {
            hub: Arc::clone(&hub),
            writer: writer.clone(),
            prober,
            clock: clock.clone(),
            pulse: Arc::clone(&pulse),
            annotator,
            alarms,
            fetcher,
            intake: intake.clone(),
            reported,
            outlet: Arc::clone(&outlet),
            board: Arc::clone(&board),
            declared: Arc::clone(&declared),
            seed,
        };
        let core = Core::new(brain, doors, config, stop.clone());
        Ok(Self {
            core,
            hub,
            pulse,
            intake,
            board,
            declared,
            outlet,
            post,
            alarms: shown,
            writer,
            reader,
        })
    }
}
