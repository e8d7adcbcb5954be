//! All streams, the vantage gate and the incidents behind one door.

mod declare;
mod edge;
mod feed;
mod judge;
mod keep;
mod show;
mod wake;

pub(super) use feed::LONG_TOKENS;

use std::{collections::HashMap, time::Duration};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    Deadlines, Declared, Effect, IncidentPhase, Length, Saved, Setup, View,
    deadline::CANARY_CLASS,
    provider::Provider,
    target::{Target, span_ms},
    vantage::Gate,
};
use crate::{
    clock::Timestamp,
    id::{ProviderId, TargetId},
    verdict::{CanaryKind, Observation, Purpose},
};

/// The deadlines of a target that is not known.
const DEFAULT_DEADLINES: Deadlines = Deadlines {
    soft: Duration::from_secs(10),
    hard: Duration::from_secs(30),
};

/// The whole of health: give it observations and time, do what its effects say.
#[derive(Debug)]
pub struct Engine {
    targets: Vec<Target>,
    providers: Vec<Provider>,
    index: HashMap<TargetId, usize>,
    gate: Gate,
    /// In peer mode: the provider whose evidence waits for another's.
    asker: Option<usize>,
    /// What people declared.
    declared: Declared,
    /// When something declared begins or ends next.
    declared_due: Option<Timestamp>,
    rng: ChaCha8Rng,
    now: Timestamp,
}

impl Engine {
    /// A fresh engine; every target starts `unknown`. `seed` feeds the jitter of bursts and incident ids.
    pub fn new(setup: Setup, seed: u64, now: Timestamp) -> Self {
        let mut engine = Self {
            targets: Vec::new(),
            providers: Vec::new(),
            index: HashMap::new(),
            gate: Gate::new(0, 0),
            asker: None,
            declared: Declared::default(),
            declared_due: None,
            rng: ChaCha8Rng::seed_from_u64(seed),
            now,
        };
        engine.adopt(setup, now);
        engine
    }

    /// Takes a new setup; what is known of targets that stay is kept, and their sentinel rule is on again. An open
    /// incident of a target that goes is closed.
    pub fn reconfigure(&mut self, setup: Setup, now: Timestamp) -> Vec<Effect> {
        let now = self.clamp(now);
        let mut out = Vec::new();
        for mut gone in self.adopt(setup, now) {
            if let Some(spell) = gone.tracker.spell.take().filter(|spell| spell.open) {
                let mut incident = spell.incident;
                incident.closed = Some(now);
                out.push(Effect::Incident(IncidentPhase::Closed, incident));
            }
        }
        self.apply_declared(now, &mut out);
        self.judge_all(now, &mut out);
        out
    }

    /// Replaces targets and providers, taking over what stays; returns the targets that go.
    fn adopt(&mut self, setup: Setup, now: Timestamp) -> Vec<Target> {
        let now_ms = now.as_millis();
        let mut old_targets: HashMap<TargetId, Target> = std::mem::take(&mut self.targets)
            .into_iter()
            .map(|target| (target.setup.id.clone(), target))
            .collect();
        let mut old_providers: HashMap<ProviderId, Provider> = std::mem::take(&mut self.providers)
            .into_iter()
            .map(|provider| (provider.id.clone(), provider))
            .collect();
        self.index.clear();
        let mut by_id: HashMap<ProviderId, usize> = HashMap::new();
        for target in setup.targets {
            if self.index.contains_key(&target.id) {
                continue;
            }
            let provider = *by_id.entry(target.id.provider().clone()).or_insert_with(|| {
                let id = target.id.provider().clone();
                let mut provider = old_providers
                    .remove(&id)
                    .unwrap_or_else(|| Provider::new(id, now_ms));
                provider.targets.clear();
                provider.held.clear();
                provider.interval_ms = None;
                provider.seen = None;
                self.providers.push(provider);
                self.providers.len() - 1
            });
            let number = self.targets.len();
            self.index.insert(target.id.clone(), number);
            let kept = old_targets.remove(&target.id);
            let mut kept = kept.unwrap_or_else(|| Target::new(target.clone(), provider, now));
            kept.provider = provider;
            kept.setup = target;
            kept.sentinels = Default::default();
            let home = &mut self.providers[provider];
            home.interval_ms = home.interval_ms.max(kept.setup.generates_every().map(span_ms));
            home.targets.push(number);
            self.targets.push(kept);
        }
        self.gate.configure(setup.anchors, self.providers.len());
        self.asker = None;
        old_targets.into_values().collect()
    }

    /// One observation, received now. An observation of a target that the setup doesn't name says nothing.
    pub fn observe(&mut self, observation: &Observation, now: Timestamp) -> Vec<Effect> {
        let now = self.clamp(now);
        let mut out = Vec::new();
        if let Some(&number) = self.index.get(&observation.target) {
            self.take(number, observation, now, &mut out);
        }
        out
    }

    /// A generation probe passed its soft deadline without a first token.
    pub fn pending_slow(
        &mut self,
        target: &TargetId,
        length: Length,
        purpose: Purpose,
        now: Timestamp,
    ) -> Vec<Effect> {
        let now = self.clamp(now);
        let mut out = Vec::new();
        if let Some(&number) = self.index.get(target) {
            self.take_pending(number, length, purpose, now, &mut out);
        }
        out
    }

    /// One anchor round finished: whether each anchor answered, in configured order.
    pub fn anchor_round(&mut self, answered: &[bool], now: Timestamp) -> Vec<Effect> {
        let now = self.clamp(now);
        let mut out = Vec::new();
        self.take_round(answered, now, &mut out);
        out
    }

    /// The machine slept or its wall clock jumped by more than 5 s.
    pub fn clock_jumped(&mut self, now: Timestamp) -> Vec<Effect> {
        let now = self.clamp(now);
        let mut out = Vec::new();
        if self.gate.jump(now.as_millis()) {
            self.go_offline(now, &mut out);
        }
        out
    }

    /// Time passed: staleness, ramps, incidents, bursts and recovery probes, held evidence. Cheap when nothing is due.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let now = self.clamp(now);
        let mut out = Vec::new();
        self.wake(now, &mut out);
        out
    }

    /// When [`Engine::tick`] next has something to do; `now` when it has already.
    pub fn next_wake(&self, now: Timestamp) -> Timestamp {
        self.earliest_wake(now)
    }

    /// Soft and hard deadline for a probe of this target. Both lengths of canary have short prompts, so both share
    /// the norm of the smallest input class.
    pub fn deadlines(&self, target: &TargetId, length: Length) -> Deadlines {
        let _: Length = length;
        self.target(target).map_or(DEFAULT_DEADLINES, |target| {
            target
                .latency
                .deadlines(CANARY_CLASS, target.setup.first_token_limit)
        })
    }

    /// Whether the answer of that canary is judged: off after three in a row that were off script, on again after
    /// three sentinels in a row or a new setup. Each kind has its own rule.
    pub fn check_text(&self, target: &TargetId, kind: CanaryKind) -> bool {
        self.target(target)
            .is_none_or(|target| !target.sentinels[kind as usize].off)
    }

    #[cfg(test)]
    /// Whether any stream of the target or its provider's edge is alarmed, so that recovery probes are on.
    pub fn alarmed(&self, target: &TargetId) -> bool {
        self.target(target).is_some_and(|target| {
            target.short.machine.alarmed()
                || target.long.machine.alarmed()
                || self.providers[target.provider].edge.machine.alarmed()
        })
    }

    /// What 95 % of the provider's new connections took over the window; `None` without one.
    pub fn connect_p95(&self, provider: &ProviderId) -> Option<Duration> {
        let provider = self.providers.iter().find(|p| &p.id == provider)?;
        provider
            .connect
            .first_metric()
            .p95
            .map(|ms| Duration::from_secs_f64(ms / 1e3))
    }

    #[cfg(test)]
    /// Since when the provider's last generation answer is an overload (429, 503, 529), and until when it asked us to
    /// wait. While it lasts, a polite schedule sends at most one canary in 10 s, with full jitter.
    pub fn provider_overloaded(&self, provider: &ProviderId) -> Option<(Timestamp, Option<Timestamp>)> {
        let overload = self.providers.iter().find(|p| &p.id == provider)?.overload?;
        Some((
            Timestamp::from_millis(overload.since_ms),
            overload.until_ms.map(Timestamp::from_millis),
        ))
    }

    /// Everything as of now. Figures are as of the last observation or tick.
    pub fn view(&self, now: Timestamp) -> View {
        self.show(now.max(self.now))
    }

    /// Brings an earlier view up to date where targets `moved`, and tells their places in it; what only grew older of
    /// the others (figures, ages) stays as it was. `None`: it shows other targets or another network, and nothing is
    /// changed.
    pub fn view_again<'a>(
        &self,
        view: &mut View,
        moved: impl Iterator<Item = &'a TargetId>,
        now: Timestamp,
    ) -> Option<Vec<usize>> {
        self.show_again(view, moved, now.max(self.now))
    }

    /// The state to keep across restarts.
    pub fn save(&self) -> Saved {
        self.keep()
    }

    /// The same of one target and its provider's edge, to be taken up after the whole; `None`: the setup doesn't name it.
    pub fn save_target(&self, target: &TargetId) -> Option<Saved> {
        self.target(target).map(|target| self.keep_one(target))
    }

    /// Takes up a kept state: targets are `unknown` until fresh evidence if it is stale, open incidents go on. Targets
    /// that the setup doesn't name are left out. Nothing is changed on an error.
    ///
    /// # Errors
    /// The text is not a saved state of a known version.
    pub fn restore(&mut self, saved: &Saved, now: Timestamp) -> Result<(), String> {
        let now = self.clamp(now);
        self.take_up(saved, now)
    }

    fn target(&self, id: &TargetId) -> Option<&Target> {
        self.index.get(id).map(|number| &self.targets[*number])
    }

    /// Time never goes back: an earlier one counts as the last.
    fn clamp(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
