//! What the service manager is told: ready, reloading, stopping, how things stand, and that we are not stuck.
//!
//! Without systemd (no `NOTIFY_SOCKET`) nothing is told to anybody.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior};

use crate::{
    feed::v1::Health,
    health::{Network, State},
};

/// How often the status line is looked at where there is no watchdog to feed.
const LOOK: Duration = Duration::from_secs(5);

/// The way to the service manager.
#[derive(Debug)]
pub struct Manager {
    ticks: Interval,
    watched: bool,
    /// The status line that was told last.
    told: String,
}

impl Manager {
    /// The service manager that this process was started by, if any. To be made inside a runtime.
    pub fn of_this_process() -> Self {
        let watchdog = sd_notify::watchdog_enabled();
        // As sd_watchdog_enabled(3) advises: at half of the time that is allowed.
        let mut ticks = tokio::time::interval(watchdog.map_or(LOOK, |limit| (limit / 2).min(LOOK)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ticks,
            watched: watchdog.is_some(),
            told: String::new(),
        }
    }

    /// Requests are taken, the store is open.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// A new configuration is being read; [`Manager::ready`] ends it.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::debug!(%error, "no monotonic clock to tell the service manager of"),
        }
    }

    /// The end has begun.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// When to look next: often enough for the watchdog.
    pub async fn tick(&mut self) {
        self.ticks.tick().await;
    }

    /// Tells how things stand. Whoever `stalled` names is stuck: then the watchdog is left hungry, so that the service
    /// manager ends this process and starts another.
    pub fn look(&mut self, health: &Health, stalled: Option<&'static str>) {
        if self.watched {
            match stalled {
                None => tell(&[NotifyState::Watchdog]),
                Some(who) => tracing::error!(who, "stands still: the watchdog is not fed"),
            }
        }
        let line = stalled.map_or_else(|| line(health), |who| format!("{who} stands still"));
        if line != self.told {
            tell(&[NotifyState::Status(&line)]);
            self.told = line;
        }
    }
}

/// The service manager may be gone or slow; that stops nothing.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager can't be told");
    }
}

/// `9 targets, 1 impaired: anthropic/claude-haiku-4-5 is down (truncated)`. Ids and codes only: no foreign text.
fn line(health: &Health) -> String {
    let n = health.targets.len();
    let count = format!("{n} target{}", if n == 1 { "" } else { "s" });
    if health.head.network == Network::Offline {
        return format!("{count}, nothing known: no network here");
    }
    let mut ill = health.targets.iter().filter(|target| target.state.is_impaired());
    let unknown = health
        .targets
        .iter()
        .filter(|target| target.state == State::Unknown)
        .count();
    match ill.next() {
        Some(first) => format!(
            "{count}, {} impaired: {} is {} ({})",
            1 + ill.count(),
            first.id,
            first.state,
            first.reason.code
        ),
        None if unknown > 0 => format!("{count}, {unknown} unknown"),
        None => format!("{count}, all operational"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::fixture;

    #[test]
    fn the_status_line_is_one_sentence() {
        for (states, expected) in [
            (&["operational", "operational"][..], "2 targets, all operational"),
            (&["operational", "unknown"], "2 targets, 1 unknown"),
            (
                &["unknown", "down", "partial"],
                "3 targets, 2 impaired: p1/m is down (truncated)",
            ),
            (&[], "0 targets, all operational"),
            (&["down"], "1 target, 1 impaired: p0/m is down (truncated)"),
        ] {
            assert_eq!(line(&fixture::health(states)), expected);
        }
        let mut lost = fixture::health(&["operational"]);
        lost.head.network = Network::Offline;
        assert_eq!(line(&lost), "1 target, nothing known: no network here");
    }
}
