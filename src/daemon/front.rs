//! What answers on our ports, put together.

use std::{sync::Arc, time::Duration};

use futures_util::future::OptionFuture;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    bell::Bell, control::Desk, mcp::Inside, own::Condition, post::Post, pulse::Pulse, shelf::PageShelf,
};
use crate::{
    api,
    clock::Clock,
    config::Config,
    intake::Intake,
    mcp,
    store::Writer,
    tap::Tap,
    telemetry::{Exposition, Outlet, Owner},
    verdict::Observation,
};

/// How long open exchanges may go on at the end. With the probes' own bound before it, less than the 10 s that a
/// service manager is told.
const SERVER_DRAIN: Duration = Duration::from_secs(4);
/// The name under which what the daemon's own tap saw is told.
const TAP_REPORTER: &str = "tap";

/// The tap on our own port: what it sees is taken in at once.
pub(super) fn tap(config: &Config, intake: Intake, clock: Clock) -> Arc<Tap> {
    let sink = move |mut seen: Observation| {
        seen.reporter = Some(TAP_REPORTER.to_owned());
        intake
            .observed(vec![seen])
            .is_ok_and(|receipt| receipt.rejected.is_empty())
    };
    let tap = Tap::new(
        &config.providers,
        Arc::new(sink),
        clock,
        tokio::runtime::Handle::current(),
        &[],
    );
    tap.set_hosts(&config.server.allowed_hosts);
    Arc::new(tap)
}

/// What is shown to those who collect figures; what is told to them begins to go out.
pub(super) fn figures(
    outlet: &Outlet,
    shelf: &PageShelf,
    tap: &Arc<Tap>,
    (writer, post): (&Writer, &Post),
) -> Exposition {
    let condition = Condition {
        started: shelf.clock.wall(),
        writer: writer.clone(),
        intake: shelf.intake.clone(),
        tap: Arc::clone(tap),
        config: Arc::clone(&shelf.config),
        exports: outlet.exports(),
        post: post.clone(),
    };
    let config = condition.in_force();
    let owner: Arc<dyn Owner> = Arc::new(condition);
    outlet.start(&config, Arc::clone(&shelf.hub), Arc::clone(&owner));
    Exposition::new(Arc::clone(&shelf.hub), outlet.ledger(), owner)
}

/// Everything that answers on our port.
pub(super) fn front(
    shelf: PageShelf,
    pulse: Arc<Pulse>,
    tap: Arc<Tap>,
    exposition: Exposition,
    desk: Desk,
    closing: CancellationToken,
) -> api::Front {
    let bell = Bell {
        post: shelf.post.clone(),
        shown: shelf.alarms.clone(),
        inputs: desk.inputs.clone(),
    };
    let state = api::ApiState::new(
        Arc::clone(&shelf.hub),
        Arc::clone(&shelf.board),
        Arc::new(shelf.reader.clone()),
        pulse,
        shelf.intake.clone(),
        shelf.clock.clone(),
        closing.clone(),
    )
    .with_metrics(exposition)
    .with_alerting(Arc::new(bell))
    .with_control(Arc::new(desk), Arc::clone(&shelf.declared));
    let tools = mcp::routes(Arc::new(Inside(state.clone())), closing);
    let pages = api::page::routes().with_state(shelf);
    api::Front {
        router: api::router(state.clone(), pages.merge(tools)),
        tap: Some(tap),
        api: Some(state),
    }
}

/// Answers on our ports until the end.
pub(super) fn serve(
    listener: TcpListener,
    front: api::Front,
    agent: Option<impl Future<Output = ()> + Send + 'static>,
    closing: CancellationToken,
) -> JoinHandle<()> {
    let limits = api::ServeLimits {
        drain: SERVER_DRAIN,
        ..api::ServeLimits::default()
    };
    let serving = api::serve(listener, front, closing, limits);
    tokio::spawn(async move {
        tokio::join!(serving, OptionFuture::from(agent));
    })
}
