//! `endturn run`: the daemon until a signal.

use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, args::RunArgs, check, complain, load};
use crate::{
    clock::Clock,
    config::{Loaded, Origin},
    daemon::{Daemon, Sockets, StorePlace, systemd::Manager},
    probe::plan::stretch,
};

/// Done at SIGTERM or Ctrl-C.
pub(crate) async fn stopped() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals can't be received; end the process by force");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Tells what somebody should know though it starts, and stretches a plan that is over budget.
fn prepare(mut loaded: Loaded) -> Loaded {
    for warning in loaded.warnings.lines() {
        tracing::warn!("{warning}");
    }
    if let Some(warning) = check::hint(&loaded) {
        tracing::warn!("{warning}");
    }
    for warning in stretch(&mut loaded.config) {
        tracing::warn!("{warning}");
    }
    loaded
}

/// Runs the command.
pub(crate) async fn run(args: &RunArgs, clock: Clock) -> Exit {
    let path = args.config.config.as_deref();
    // Before anything else: a reload that is asked for during the start must not end the process.
    let Ok(mut hangup) = signal(SignalKind::hangup()) else {
        complain("error: signals can't be received");
        return Exit::Failure;
    };
    let loaded = match load(path) {
        Ok(loaded) => prepare(loaded),
        Err(exit) => return exit,
    };
    match &loaded.origin {
        Origin::File(path) => tracing::info!(path = %path.display(), "configuration"),
        Origin::Environment => {
            tracing::info!("no configuration file: watching what the environment has keys for");
        }
    }
    let targets: usize = loaded
        .config
        .providers
        .iter()
        .map(|provider| provider.models.len())
        .sum();
    // The schedule's phases and the sentinels should differ from one start to the next.
    let seed = clock.now().as_millis().cast_unsigned();
    let started = Sockets::inherited(&loaded.config.server)
        .await
        .and_then(|sockets| Daemon::start_on(sockets, loaded.config, StorePlace::File, seed, clock));
    let mut daemon = match started {
        Ok(daemon) => daemon,
        Err(error) => {
            complain(&format!("error: {error}"));
            return Exit::Failure;
        }
    };
    tracing::info!(page = format!("http://{}/", daemon.addr()), targets, "ready");
    let mut manager = Manager::of_this_process();
    manager.ready();
    let exit = wait(&mut daemon, path, &mut hangup, &mut manager).await;
    manager.stopping();
    daemon.stop().await;
    exit
}

async fn wait(daemon: &mut Daemon, path: Option<&Path>, hangup: &mut Signal, manager: &mut Manager) -> Exit {
    let stopped = stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => {
                tracing::info!("stopping");
                return Exit::Ok;
            }
            why = daemon.broken() => {
                tracing::error!(why, "a bug: please report it");
                return Exit::Failure;
            }
            () = manager.tick() => manager.look(&daemon.snapshot().health, daemon.stalled()),
            _ = hangup.recv() => {
                manager.reloading();
                if let Ok(loaded) = load(path) {
                    daemon.reload(prepare(loaded).config).await;
                    tracing::info!("the new configuration is in force");
                } else {
                    tracing::error!("the new configuration is wrong: the old one stays in force");
                }
                manager.ready();
            }
        }
    }
}
