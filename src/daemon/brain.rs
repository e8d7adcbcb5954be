//! The loop without the I/O: timetable, budget and health in one pure machine.
//!
//! The daemon feeds it what happened and does what it says; the simulation does the same in virtual time.

mod declared;
mod traffic;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

pub use declared::ProbeRefused;
use traffic::Traffic;

use crate::{
    clock::Timestamp,
    config::{Config, Model, Provider},
    health::{
        Change, Deadlines, Effect, Engine, Incident, IncidentPhase, Length, Network, ProbeOrder, Saved,
        Setup, Subject, TargetSetup, TargetView, Transition, View,
    },
    id::{ProviderId, TargetId},
    probe::{
        ProbeKind,
        budget::{Budget, Grant, worst_case},
        schedule::Schedule,
    },
    protocol::ErrorClass,
    verdict::{Observation, Purpose, Source, Verdict},
};

/// Most probes under way at once; beyond it, due ones are skipped and counted.
pub const MAX_IN_FLIGHT: usize = 1_000;

/// How long a confirming probe of an edge may connect (`docs/detection.md`).
pub const EDGE_CONFIRM: Duration = Duration::from_millis(400);

/// A probe to be sent now.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Names it in [`Brain::finished`].
    pub id: u64,
    /// What it is about.
    pub subject: Subject,
    /// Its provider.
    pub provider: Arc<Provider>,
    /// Its model; for an edge probe, the one that the observation is booked on.
    pub model: Arc<Model>,
    /// What to send.
    pub kind: ProbeKind,
    /// Why.
    pub purpose: Purpose,
    /// Deadlines of the first token.
    pub deadlines: Deadlines,
    /// A connect deadline tighter than the provider's.
    pub connect: Option<Duration>,
    /// Whether the sentinel rule is in force.
    pub check_text: bool,
    /// Draws the sentinel.
    pub seed: u64,
}

/// What the brain wants done or told.
#[derive(Debug)]
pub enum Act {
    /// Send this probe.
    Probe(Launch),
    /// Connect to every anchor and report the round.
    Anchors,
    /// Tell the feed, at once.
    Transition(Transition),
    /// Tell and keep.
    Incident(IncidentPhase, Incident),
    /// Our own network went or came.
    Network(Network),
    /// Another model, configuration or tokenizer answers. Tell and keep.
    Change(Change),
}

/// Counts of what was not done, for the feed and the metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Due while the one before it was still under way, or while too many were.
    pub overdue: u64,
    /// No money left.
    pub budget: u64,
    /// Held back for an overloaded provider.
    pub polite: u64,
    /// Rested while real traffic told enough.
    pub resting: u64,
}

#[derive(Debug)]
struct Flight {
    subject: Subject,
    kind: ProbeKind,
    purpose: Purpose,
    target: TargetId,
    grant: Option<Grant>,
}

/// Timetable, budget and health.
#[derive(Debug)]
pub struct Brain {
    engine: Engine,
    schedule: Schedule,
    budget: Budget,
    config: Arc<Config>,
    providers: HashMap<ProviderId, Arc<Provider>>,
    models: HashMap<TargetId, Arc<Model>>,
    orders: BTreeMap<(Timestamp, u64), ProbeOrder>,
    flights: HashMap<u64, Flight>,
    serial: u64,
    seed: u64,
    skipped: Skipped,
    /// What last failed in a target's short stream: a suspicion is confirmed by what raised it.
    suspects: HashMap<TargetId, ProbeKind>,
    /// Targets whose last canary was not sent for want of money.
    spent_out: HashSet<TargetId>,
    /// Targets whose last short canary was not sent because real traffic told enough.
    resting: HashSet<TargetId>,
    traffic: Traffic,
    /// When the next occurrences of planned maintenance are reckoned again.
    plan_due: Timestamp,
}

/// What the engine must know of a configuration.
fn setup(config: &Config, traffic: &Traffic) -> Setup {
    let configured = config.providers.iter().flat_map(|provider| {
        provider.models.iter().map(move |model| TargetSetup {
            id: model.id.clone(),
            strict_terminal: provider.strict_terminal,
            interval: every(model, Length::Short),
            long: model.long.is_some(),
            long_interval: every(model, Length::Long),
            first_token_limit: provider.limits_of(model).first_token,
            polite: provider.polite,
            reports_only: false,
        })
    });
    Setup {
        targets: configured.chain(traffic.setups()).collect(),
        anchors: config.anchors.len(),
    }
}

/// How often canaries of that length come: the most frequent kind counts.
fn every(model: &Model, length: Length) -> Option<Duration> {
    let kinds = model.canaries();
    kinds
        .filter(|(kind, _)| ProbeKind::from(*kind).length() == length)
        .map(|(_, canary)| canary.every)
        .min()
}

impl Brain {
    /// A brain for this configuration.
    pub fn new(config: &Config, seed: u64, now: Timestamp) -> Self {
        let traffic = Traffic::new(now);
        let mut brain = Self {
            engine: Engine::new(setup(config, &traffic), seed, now),
            schedule: Schedule::new(config, seed, now),
            budget: Budget::new(config, now),
            config: Arc::new(config.clone()),
            providers: HashMap::new(),
            models: HashMap::new(),
            orders: BTreeMap::new(),
            flights: HashMap::new(),
            serial: 0,
            seed,
            skipped: Skipped::default(),
            suspects: HashMap::new(),
            spent_out: HashSet::new(),
            resting: HashSet::new(),
            traffic,
            plan_due: now,
        };
        brain.index(config);
        // Nobody has been told anything yet that could have changed.
        let _ = brain.plan(now);
        brain
    }

    fn index(&mut self, config: &Config) {
        self.providers = config
            .providers
            .iter()
            .map(|p| (p.id.clone(), Arc::new(p.clone())))
            .collect();
        let models = config.providers.iter().flat_map(|p| &p.models);
        self.models = models.map(|m| (m.id.clone(), Arc::new(m.clone()))).collect();
    }

    /// Takes a new configuration; what is known of targets that stay is kept, probes under way end as they are.
    pub fn reconfigure(&mut self, config: &Config, now: Timestamp) -> Vec<Act> {
        self.index(config);
        self.schedule.reconfigure(config, now);
        self.budget.reconfigure(config);
        let models = &self.models;
        let providers = &self.providers;
        self.suspects.retain(|target, _| models.contains_key(target));
        self.orders.retain(|_, order| match &order.subject {
            Subject::Model(target, _) => models.contains_key(target),
            Subject::Edge(provider) => providers.contains_key(provider),
        });
        self.traffic.configured(|target| models.contains_key(target));
        self.resting.clear();
        self.config = Arc::new(config.clone());
        let mut acts = self.resetup(now);
        acts.extend(self.plan(now));
        acts
    }

    fn resetup(&mut self, now: Timestamp) -> Vec<Act> {
        let effects = self.engine.reconfigure(setup(&self.config, &self.traffic), now);
        self.acts(effects, now)
    }

    /// A probe that was launched came back.
    pub fn finished(&mut self, id: u64, observation: &Observation, now: Timestamp) -> Vec<Act> {
        if let Some(flight) = self.flights.remove(&id) {
            self.note_suspect(&flight, observation);
            self.land(flight, observation.cost_usd, now);
        }
        self.note_overload(observation, now);
        let effects = self.engine.observe(observation, now);
        self.acts(effects, now)
    }

    /// A probe passed its soft deadline without a first token.
    pub fn pending_slow(&mut self, id: u64, now: Timestamp) -> Vec<Act> {
        // Many servers send a call whole, once it is finished: its first token tells nothing.
        let Some(flight) = self
            .flights
            .get(&id)
            .filter(|flight| flight.kind != ProbeKind::Tool)
        else {
            return Vec::new();
        };
        if flight.kind.length() == Length::Short {
            self.suspects.insert(flight.target.clone(), flight.kind);
        }
        let effects = self
            .engine
            .pending_slow(&flight.target, flight.kind.length(), flight.purpose, now);
        self.acts(effects, now)
    }

    /// An anchor round finished.
    pub fn anchor_round(&mut self, answered: &[bool], now: Timestamp) -> Vec<Act> {
        let effects = self.engine.anchor_round(answered, now);
        self.acts(effects, now)
    }

    /// The machine slept, or its wall clock jumped.
    pub fn clock_jumped(&mut self, now: Timestamp) -> Vec<Act> {
        let effects = self.engine.clock_jumped(now);
        self.acts(effects, now)
    }

    /// Does what is due. Call it at [`Brain::next_wake`].
    pub fn wake(&mut self, now: Timestamp) -> Vec<Act> {
        let effects = self.engine.tick(now);
        let mut acts = self.acts(effects, now);
        acts.extend(self.replan(now));
        while let Some(entry) = self.orders.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let order = entry.remove();
            self.ordered(order, now, &mut acts);
        }
        if self.traffic.forget(now) {
            acts.extend(self.resetup(now));
        }
        for due in self.schedule.take_due(now) {
            if self.engine.is_paused(&due.subject) || self.rests(&due.subject, due.kind, now) {
                self.schedule.finished(&due.subject, due.kind);
                continue;
            }
            match self.launch(due.subject.clone(), due.kind, Purpose::Scheduled, now) {
                Some(launch) => acts.push(Act::Probe(launch)),
                None => self.schedule.finished(&due.subject, due.kind),
            }
        }
        acts
    }

    /// When [`Brain::wake`] next has something to do.
    pub fn next_wake(&self, now: Timestamp) -> Timestamp {
        let orders = self.orders.first_key_value().map(|((due, _), _)| *due);
        let due = [Some(self.engine.next_wake(now)), self.schedule.next_due(), orders];
        due.into_iter().flatten().min().unwrap_or(now).max(now)
    }

    /// Everything as of now, with money.
    pub fn view(&mut self, now: Timestamp) -> View {
        let mut view = self.engine.view(now);
        for target in &mut view.targets {
            self.complete(target, now);
        }
        view
    }

    /// Brings an earlier view up to date where targets `moved`. The figures of the others wait for the next whole view,
    /// so that one target's news costs no more for all the others. `false`: only a whole view will do.
    pub fn view_again<'a>(
        &mut self,
        view: &mut View,
        moved: impl Iterator<Item = &'a TargetId>,
        now: Timestamp,
    ) -> bool {
        let places = self.engine.view_again(view, moved, now);
        for place in places.iter().flatten() {
            self.complete(&mut view.targets[*place], now);
        }
        places.is_some()
    }

    /// What the engine doesn't know of a target.
    fn complete(&mut self, target: &mut TargetView, now: Timestamp) {
        target.spent_usd_today = self.budget.spent_today(&target.id, now);
        target.via = self.models.get(&target.id).and_then(|model| model.via.clone());
        if self.spent_out.contains(&target.id) {
            target.flags.push("budget_spent");
        }
        if self.resting.contains(&target.id) {
            target.flags.push("canary_resting");
        }
    }

    /// What was not done.
    pub fn skipped(&self) -> Skipped {
        Skipped {
            overdue: self.skipped.overdue + self.schedule.skipped(),
            ..self.skipped
        }
    }

    /// Probes under way.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// The detector state to keep.
    pub fn save(&self) -> Saved {
        self.engine.save()
    }

    /// That of one target, for [`Brain::restore_target`]; `None`: nobody knows it any more.
    pub fn save_target(&self, target: &TargetId) -> Option<Saved> {
        self.engine.save_target(target)
    }

    /// Takes up kept detector state and today's spending.
    ///
    /// # Errors
    /// The state is of an unknown version; nothing was taken up then.
    pub fn restore(&mut self, saved: &Saved, now: Timestamp) -> Result<(), String> {
        self.take_in(saved, now);
        // First what people declared: it is part of what every target's state was, and holds whatever becomes of the rest.
        self.engine.restore_declared(saved, now)?;
        self.engine.restore(saved, now)
    }

    /// Takes up what was kept of one target since.
    ///
    /// # Errors
    /// The state is of an unknown version; nothing was taken up then.
    pub fn restore_target(&mut self, saved: &Saved, now: Timestamp) -> Result<(), String> {
        self.take_in(saved, now);
        self.engine.restore(saved, now)
    }

    /// Books money that an earlier process spent today.
    pub fn restore_spending(&mut self, spent: &[(TargetId, f64)], now: Timestamp) {
        self.budget.restore(spent, now, now);
    }

    /// A probe died without a result: its place is free again, its money counts as spent.
    pub fn lost(&mut self, id: u64, now: Timestamp) {
        if let Some(flight) = self.flights.remove(&id) {
            let cost = flight
                .kind
                .canary()
                .zip(self.models.get(&flight.target))
                .map_or(0.0, |(kind, model)| worst_case(model, kind));
            self.land(flight, cost, now);
        }
    }

    fn land(&mut self, flight: Flight, cost_usd: f64, now: Timestamp) {
        if flight.purpose == Purpose::Scheduled {
            self.schedule.finished(&flight.subject, flight.kind);
        }
        if let Some(grant) = flight.grant {
            self.budget.settle(grant, cost_usd, now);
        }
    }

    fn acts(&mut self, effects: Vec<Effect>, now: Timestamp) -> Vec<Act> {
        let mut acts = Vec::with_capacity(effects.len());
        for effect in effects {
            match effect {
                Effect::Transition(transition) => acts.push(Act::Transition(transition)),
                Effect::Incident(phase, incident) => acts.push(Act::Incident(phase, incident)),
                Effect::Network(network) => acts.push(Act::Network(network)),
                Effect::Change(change) => acts.push(Act::Change(change)),
                Effect::Anchors => acts.push(Act::Anchors),
                Effect::Probe(order) if order.due <= now => self.ordered(order, now, &mut acts),
                Effect::Probe(order) => {
                    self.serial += 1;
                    self.orders.insert((order.due, self.serial), order);
                }
            }
        }
        acts
    }

    /// An order of the engine: recovery goes ahead of politeness, a confirm does not; nothing goes ahead of
    /// `Retry-After` or money.
    fn ordered(&mut self, order: ProbeOrder, now: Timestamp, acts: &mut Vec<Act>) {
        // It may have waited from before the pause.
        if self.engine.is_paused(&order.subject) {
            return;
        }
        match self.schedule.admit(&order.subject, order.purpose, now) {
            Ok(()) => {
                if let Some(kind) = self.kind_for(&order.subject) {
                    let launch = self.launch(order.subject, kind, order.purpose, now);
                    acts.extend(launch.map(Act::Probe));
                }
            }
            // A recovery probe is the only one of its kind: it waits. Of confirming ones there are more.
            Err(until) if order.purpose == Purpose::Recovery => {
                // Health asks again when it hears nothing; one that waits is enough.
                if !self
                    .orders
                    .values()
                    .any(|waiting| waiting.subject == order.subject && waiting.purpose == order.purpose)
                {
                    self.serial += 1;
                    self.orders.insert((until, self.serial), order);
                }
            }
            Err(_) => self.skipped.polite += 1,
        }
    }

    /// What to send where health asks for a probe: what raised the suspicion, else the first canary on the timetable.
    fn kind_for(&self, subject: &Subject) -> Option<ProbeKind> {
        let (target, length) = match subject {
            Subject::Edge(_) => return Some(ProbeKind::Reach),
            Subject::Model(target, length) => (target, *length),
        };
        let model = self.models.get(target)?;
        let kinds: Vec<ProbeKind> = model.canaries().map(|(kind, _)| kind.into()).collect();
        let suspect = self.suspects.get(target).copied();
        let fits = |kind: &ProbeKind| kind.length() == length && kinds.contains(kind);
        suspect.filter(fits).or_else(|| kinds.iter().copied().find(fits))
    }

    /// Remembers which kind of short canary failed last, until it is answered rightly by the timetable.
    fn note_suspect(&mut self, flight: &Flight, observation: &Observation) {
        if flight.kind == ProbeKind::Reach || flight.kind.length() != Length::Short {
            return;
        }
        if observation.is_failure() {
            self.suspects.insert(flight.target.clone(), flight.kind);
        } else if flight.purpose == Purpose::Scheduled
            && self.suspects.get(&flight.target) == Some(&flight.kind)
        {
            self.suspects.remove(&flight.target);
        }
    }

    /// A probe of the timetable or of health; what is not sent is counted.
    fn launch(
        &mut self,
        subject: Subject,
        kind: ProbeKind,
        purpose: Purpose,
        now: Timestamp,
    ) -> Option<Launch> {
        let target = match &subject {
            Subject::Model(target, _) => target.clone(),
            Subject::Edge(id) => self.providers.get(id)?.models.first()?.id.clone(),
        };
        if let Some(canary) = kind.canary() {
            self.models.get(&target)?.scheduled(canary)?;
        }
        match self.try_launch(subject, target.clone(), kind, purpose, now) {
            Ok(launch) => Some(launch),
            Err(refused) => {
                match refused {
                    ProbeRefused::TooMany => self.skipped.overdue += 1,
                    ProbeRefused::Spent(_) => {
                        self.skipped.budget += 1;
                        self.spent_out.insert(target);
                    }
                    ProbeRefused::Unknown(_) | ProbeRefused::NoSuch(..) | ProbeRefused::UnderWay(_) => {}
                }
                None
            }
        }
    }

    fn try_launch(
        &mut self,
        subject: Subject,
        target: TargetId,
        kind: ProbeKind,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Launch, ProbeRefused> {
        if self.flights.len() >= MAX_IN_FLIGHT {
            return Err(ProbeRefused::TooMany);
        }
        let unknown = || ProbeRefused::Unknown(target.clone());
        let provider = Arc::clone(self.providers.get(target.provider()).ok_or_else(unknown)?);
        let model = Arc::clone(self.models.get(&target).ok_or_else(unknown)?);
        let grant = match kind.canary() {
            None => None,
            Some(canary) => {
                let grant = self
                    .budget
                    .reserve(&target, purpose, worst_case(&model, canary), now)?;
                self.spent_out.remove(&target);
                Some(grant)
            }
        };
        let connect = self.connect_limit(&provider, kind, purpose);
        self.serial += 1;
        let id = self.serial;
        let launch = Launch {
            id,
            subject: subject.clone(),
            deadlines: self.deadlines(&provider, &model, kind),
            provider,
            model,
            kind,
            purpose,
            connect,
            check_text: kind
                .canary()
                .is_none_or(|kind| self.engine.check_text(&target, kind)),
            seed: self.seed ^ id.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        };
        let flight = Flight {
            subject,
            kind,
            purpose,
            target,
            grant,
        };
        self.flights.insert(id, flight);
        Ok(launch)
    }

    /// When the first token is due. That of a call says nothing about the model's speed, so it has the limit alone.
    fn deadlines(&self, provider: &Provider, model: &Model, kind: ProbeKind) -> Deadlines {
        if kind == ProbeKind::Tool {
            let limit = provider.limits_of(model).first_token;
            return Deadlines {
                soft: limit,
                hard: limit,
            };
        }
        self.engine.deadlines(&model.id, kind.length())
    }

    /// How long a reachability probe may connect: half its interval, so that a slow one is known before the next; a
    /// confirming one [`EDGE_CONFIRM`]. Never less than twice what the provider's own connections take, so that a
    /// long way is not taken for a broken one.
    fn connect_limit(&self, provider: &Provider, kind: ProbeKind, purpose: Purpose) -> Option<Duration> {
        if kind != ProbeKind::Reach {
            return None;
        }
        let limit = match purpose {
            Purpose::Confirm => EDGE_CONFIRM,
            _ => provider.reach.as_ref()?.every / 2,
        };
        let usual = self.engine.connect_p95(&provider.id).unwrap_or_default();
        Some(limit.max(EDGE_CONFIRM).max(usual * 2))
    }

    /// Tells the timetable what the last answer of a provider means for the next request.
    fn note_overload(&mut self, observation: &Observation, now: Timestamp) {
        let provider = observation.target.provider();
        match observation.verdict {
            // The edge answers whatever the models behind it do: it neither ends a wait nor begins a back-off, and
            // only a wait that it names itself holds.
            _ if observation.source == Source::Reach => {
                if observation.retry_after.is_some() {
                    self.schedule.overload(provider, observation.retry_after, now);
                }
            }
            Verdict::Errored(failure)
                if matches!(failure.class, ErrorClass::Overloaded | ErrorClass::RateLimit) =>
            {
                self.schedule.overload(provider, observation.retry_after, now);
            }
            Verdict::Errored(_) => {}
            _ => self.schedule.ok(provider),
        }
    }
}

#[cfg(test)]
mod tests;
