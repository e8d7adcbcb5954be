//! `endturn notify`: a running daemon's incidents on the desktop of whoever runs this.

mod alarm;
mod desk;

use std::time::Duration;

use clap::{Args, ValueEnum};

use self::desk::Desk;
use super::{Exit, args::UrlArg, ask::Daemon, complain, printable, run::stopped};
use crate::{
    alert::{
        Severity,
        desktop::{Heard, SessionBus, Tray, note, open},
    },
    client::follow::{Follower, News, Patience, Source},
    clock::Clock,
    feed::Filter,
};

pub(super) const HELP: &str = "\
Examples:
  endturn notify
  endturn notify --url https://status.example.com --targets 'anthropic/*' openai/gpt-5.2
  endturn notify --min-severity critical        only what is down
  systemctl --user enable --now endturn-notify  at every login, as the package installs it

docs/desktop.md tells what is shown when.";

/// Arguments of `notify`.
#[derive(Debug, Args)]
pub struct NotifyArgs {
    /// The daemon.
    #[command(flatten)]
    pub daemon: UrlArg,
    /// Only these targets: ids, providers, patterns as in 'anthropic/*' (in quotes, or your shell takes it for files).
    #[arg(long, value_name = "TARGET", num_args = 1.., value_delimiter = ',', value_parser = pattern)]
    pub targets: Vec<String>,
    /// What is worth a notification.
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub min_severity: Least,
}

/// The least that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Least {
    /// Degraded targets too.
    Warning,
    /// Targets that fail in part.
    Error,
    /// Targets that are down, and nothing else.
    Critical,
}

impl From<Least> for Severity {
    fn from(least: Least) -> Self {
        match least {
            Least::Warning => Self::Warning,
            Least::Error => Self::Error,
            Least::Critical => Self::Critical,
        }
    }
}

fn pattern(text: &str) -> Result<String, String> {
    Filter::parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// Runs the command: until a signal.
pub(super) async fn run(args: &NotifyArgs, clock: &Clock) -> Exit {
    let targets = (!args.targets.is_empty()).then(|| args.targets.join(","));
    // Each pattern is one; together they may be too many.
    if let Some(Err(error)) = targets.as_deref().map(Filter::parse) {
        complain(&format!("error: {error}"));
        return Exit::Usage;
    }
    let daemon = match Daemon::of(&args.daemon) {
        Ok(daemon) => daemon,
        Err(error) => {
            complain(&format!("error: {error}"));
            return error.exit();
        }
    };
    let source = Source {
        targets,
        ..daemon.events()
    };
    let follower = Follower::start(source, None, Patience::USUAL);
    let desk = Desk::new(daemon.base.clone(), args.min_severity.into());
    let mut tray = Tray::new(SessionBus::default());
    follow(follower, desk, &mut tray, clock, &daemon.base).await;
    // What is left on the screen would answer nobody.
    tray.clear().await;
    Exit::Ok
}

async fn follow(
    mut follower: Follower,
    mut desk: Desk,
    tray: &mut Tray<SessionBus>,
    clock: &Clock,
    url: &str,
) {
    let stopped = stopped();
    tokio::pin!(stopped);
    let mut connected = None;
    loop {
        show(&mut desk, tray, clock).await;
        tokio::select! {
            news = follower.next() => {
                tell(&news, &mut connected, url);
                desk.hear(news, clock.mono());
            }
            heard = tray.next() => match heard {
                // What was a target's page may be that of an incident by now.
                Heard::Open { slot, link } => open(&desk.link(&slot).unwrap_or(link)),
                Heard::Dismissed(slot) => desk.dismissed(&slot),
            },
            () = due(desk.next_wake(clock.mono())) => {}
            () = &mut stopped => return,
        }
    }
}

/// When something comes due without news, if anything does.
async fn due(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Puts on the screen what is due.
async fn show(desk: &mut Desk, tray: &mut Tray<SessionBus>, clock: &Clock) {
    for order in desk.orders(clock.mono()) {
        match tray.show(&order.slot, &note(&order.message)).await {
            Ok(()) => {
                tracing::debug!(title = order.message.title, "shown");
                desk.shown(order, clock.mono());
            }
            Err(error) => {
                if desk.refused(clock.mono()) {
                    complain(&format!(
                        "{}; trying again until one does",
                        printable(&error.to_string())
                    ));
                }
                return;
            }
        }
    }
}

/// Says on stderr whether there is a feed, when that changes.
fn tell(news: &News, connected: &mut Option<bool>, url: &str) {
    let before = *connected;
    match news {
        News::Lost { why, .. } => {
            *connected = Some(false);
            if before != Some(false) {
                complain(&format!("no feed from {url} ({}), trying again", printable(why)));
            }
        }
        News::Snapshot(_) | News::Delta(_) => {
            *connected = Some(true);
            if before != Some(true) {
                complain(&format!("following {url}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_checked_before_anything_is_asked() {
        assert_eq!(pattern("anthropic/*"), Ok("anthropic/*".to_owned()));
        assert!(pattern("a b").is_err() && pattern("").is_err());
    }

    #[test]
    fn the_words_are_those_of_alerts() {
        for least in Least::value_variants() {
            let word = least.to_possible_value().unwrap();
            assert_eq!(word.get_name(), Severity::from(*least).as_str());
        }
    }
}
