//! All streams, the vantage gate and the incidents behind one door.

use std::time::Duration;

use super::{Deadlines, Effect, Length, Saved, Setup, View};
use crate::{
    clock::Timestamp,
    id::TargetId,
    verdict::{Observation, Purpose},
};

/// The whole of health: give it observations and time, do what its effects say.
#[derive(Debug)]
pub struct Engine {
    setup: Setup,
}

impl Engine {
    /// A fresh engine; every target starts `unknown`. `seed` feeds the jitter of bursts and incident ids.
    pub fn new(setup: Setup, seed: u64, now: Timestamp) -> Self {
        let _ = (seed, now);
        Self { setup }
    }

    /// Takes a new setup; what is known of targets that stay is kept.
    pub fn reconfigure(&mut self, setup: Setup, now: Timestamp) -> Vec<Effect> {
        let _ = now;
        self.setup = setup;
        Vec::new()
    }

    /// One observation, received now.
    pub fn observe(&mut self, observation: &Observation, now: Timestamp) -> Vec<Effect> {
        let _ = (observation, now);
        Vec::new()
    }

    /// A generation probe passed its soft deadline without a first token.
    pub fn pending_slow(
        &mut self,
        target: &TargetId,
        length: Length,
        purpose: Purpose,
        now: Timestamp,
    ) -> Vec<Effect> {
        let _ = (target, length, purpose, now);
        Vec::new()
    }

    /// One anchor round finished: whether each anchor answered, in configured order.
    pub fn anchor_round(&mut self, answered: &[bool], now: Timestamp) -> Vec<Effect> {
        let _ = (answered, now);
        Vec::new()
    }

    /// The machine slept or its wall clock jumped by more than 5 s.
    pub fn clock_jumped(&mut self, now: Timestamp) -> Vec<Effect> {
        let _ = now;
        Vec::new()
    }

    /// Time passed: staleness, holds, ramps, incidents, hourly base rates.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let _ = now;
        Vec::new()
    }

    /// When [`Engine::tick`] next has something to do.
    pub fn next_wake(&self, now: Timestamp) -> Timestamp {
        now.plus(Duration::from_secs(1))
    }

    /// Soft and hard deadline for a probe of this target.
    pub fn deadlines(&self, target: &TargetId, length: Length) -> Deadlines {
        let _ = (target, length);
        Deadlines {
            soft: Duration::from_secs(10),
            hard: Duration::from_secs(30),
        }
    }

    /// Everything as of now.
    pub fn view(&self, now: Timestamp) -> View {
        View {
            at: now,
            network: super::Network::Online,
            targets: Vec::new(),
            providers: Vec::new(),
        }
    }

    /// The state to keep across restarts.
    pub fn save(&self) -> Saved {
        Saved::default()
    }

    /// Takes up a kept state: targets are `unknown` until fresh evidence if it is stale, open incidents go on.
    ///
    /// # Errors
    /// The text is not a saved state of a known version.
    pub fn restore(&mut self, saved: &Saved, now: Timestamp) -> Result<(), String> {
        let _ = (saved, now);
        Ok(())
    }
}
