//! `endturn run`: the daemon until a signal.

use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, args::RunArgs, check, complain, load};
use crate::{
    api::{ReloadError, Reloaded},
    clock::Clock,
    config::{self, ConfigError, Env, Loaded, Origin},
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
fn prepare(mut loaded: Loaded) -> (Loaded, Vec<String>) {
    let mut warnings: Vec<String> = loaded.warnings.lines().collect();
    warnings.extend(check::hint(&loaded).map(str::to_owned));
    warnings.extend(stretch(&mut loaded.config));
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    (loaded, warnings)
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
        Ok(loaded) => prepare(loaded).0,
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
    let mut asked = daemon.reloads();
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
                // The log tells what came of it.
                let _ = reread(daemon, path).await;
                manager.ready();
            }
            Some(asker) = asked.recv() => {
                manager.reloading();
                // Whoever asked may have gone.
                let _ = asker.send(reread(daemon, path).await);
                manager.ready();
            }
        }
    }
}

/// Reads the configuration anew: the new one is in force, or the old one stays and both log and answer say why.
async fn reread(daemon: &Daemon, path: Option<&Path>) -> Result<Reloaded, ReloadError> {
    match config::load(path, &Env::process()) {
        Ok(loaded) => {
            let (loaded, warnings) = prepare(loaded);
            let models = loaded
                .config
                .providers
                .iter()
                .map(|provider| provider.models.len());
            let targets = models.sum();
            let restart = daemon.reload(loaded.config).await;
            tracing::info!("the new configuration is in force");
            Ok(Reloaded {
                targets,
                warnings,
                restart,
            })
        }
        Err(error) => {
            let wrong = wrong(&error);
            if let ReloadError::Wrong { text, .. } = &wrong {
                complain(text);
            }
            tracing::error!("the new configuration is wrong: the old one stays in force");
            Err(wrong)
        }
    }
}

/// What `check` would print of it, in both forms.
fn wrong(error: &ConfigError) -> ReloadError {
    let (mut text, mut findings) = (Vec::new(), Vec::new());
    // Writing to memory can't fail.
    let _ = check::write_error(error, false, &mut text);
    let _ = check::write_json(Err(error), &mut findings);
    ReloadError::Wrong {
        text: String::from_utf8_lossy(&text).trim_end().to_owned(),
        findings: serde_json::from_slice(&findings).unwrap_or_default(),
    }
}
