//! A world in virtual time around the real brain: scripted providers, a network that can fail, real traffic at any
//! rate. No sockets, no clock, no sleep; a seed gives the same run everywhere.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "the bench and the test use different parts"
)]

pub mod measure;
pub mod outcome;
pub mod tables;

use std::{cmp::Reverse, collections::BinaryHeap, fmt::Write as _, time::Duration};

use endturn::{
    clock::Timestamp,
    config::Config,
    daemon::brain::{Act, Brain, Launch},
    health::{Incident, IncidentPhase, State, Transition},
    probe::ProbeKind,
    verdict::Observation,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use outcome::{Fault, Kind, Shape};

/// From the first token of a canary to the last: 30 tokens at 200 a second.
pub const DECODE: Duration = Duration::from_millis(150);

/// Where time starts; midnight UTC, so that a budget's day is whole.
pub const START: Timestamp = Timestamp::from_millis(1_781_913_600_000);

/// What the world is made of.
#[derive(Debug, Clone)]
pub struct Setting {
    pub seed: u64,
    /// Providers, one target each.
    pub providers: usize,
    /// Interval of canaries.
    pub canary: Option<Duration>,
    /// Interval of long canaries.
    pub long: Option<Duration>,
    /// Interval of reachability probes.
    pub reach: Option<Duration>,
    /// Real requests a second and target.
    pub rate: f64,
    /// Share of healthy replies that fail all the same.
    pub background: f64,
    pub anchors: usize,
    pub usd_per_day: Option<f64>,
    /// From the first token to the last.
    pub decode: Duration,
    /// Price of a canary's tokens.
    pub priced: bool,
}

impl Setting {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            providers: 1,
            canary: Some(Duration::from_secs(60)),
            long: None,
            reach: None,
            rate: 0.0,
            background: 0.003,
            anchors: 3,
            usd_per_day: None,
            decode: DECODE,
            priced: false,
        }
    }

    fn toml(&self) -> String {
        let every = |every: Option<Duration>| {
            every.map_or("false".to_owned(), |every| {
                format!("{{ every = \"{}ms\" }}", every.as_millis())
            })
        };
        let anchors: Vec<String> = (0..self.anchors)
            .map(|n| format!("\"127.0.0.{}:443\"", n + 1))
            .collect();
        let mut text = format!("[network]\nanchors = [{}]\n", anchors.join(", "));
        if let Some(usd) = self.usd_per_day {
            let _ = write!(text, "[budget]\nusd_per_day = {usd}\n");
        }
        for n in 0..self.providers {
            let _ = write!(
                text,
                "[[provider]]\nid = \"p{n}\"\npreset = \"openai-compatible\"\nbase_url = \"http://127.0.0.1:1/v1\"\npolite = {}\n\
                 reach = {}\ncanary = {}\nlong = {}\n",
                self.priced,
                every(self.reach),
                every(self.canary),
                every(self.long),
            );
            text.push_str(if self.priced {
                "free = false\n[[provider.model]]\nid = \"m\"\nprice = { input_usd_per_mtok = 1.0, output_usd_per_mtok = 5.0 }\n"
            } else {
                "free = true\nmodels = [\"m\"]\n"
            });
        }
        text
    }

    pub fn config(&self) -> Config {
        let env = endturn::config::Env {
            vars: std::collections::BTreeMap::new(),
            working_dir: std::env::temp_dir(),
            config_home: None,
            state_home: None,
            system_dir: std::path::PathBuf::new(),
        };
        match endturn::config::load_text("world.toml", &self.toml(), &env) {
            Ok(loaded) => loaded.config,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Event {
    Finished(u64, Box<Observation>),
    Slow(u64, usize),
    Anchors(Vec<bool>),
    Arrival(usize),
    Report(Box<Observation>),
}

#[derive(Debug)]
struct Entry(Timestamp, u64, Event);

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// The world.
pub struct World {
    pub now: Timestamp,
    pub brain: Brain,
    pub config: Config,
    setting: Setting,
    queue: BinaryHeap<Reverse<Entry>>,
    serial: u64,
    pub rng: ChaCha8Rng,
    /// What is wrong, when.
    pub faults: Vec<Fault>,
    /// When our own network is lost, and the share of connections that it loses.
    pub lost: Vec<(Timestamp, Timestamp, f64)>,
    /// Every transition told.
    pub transitions: Vec<Transition>,
    /// Every change of an incident.
    pub incidents: Vec<(IncidentPhase, Incident)>,
    /// First bad observation since the mark, a provider.
    first_bad: Vec<Option<Timestamp>>,
    mark: Timestamp,
    /// Probes sent, by kind.
    pub canaries: u64,
    pub reaches: u64,
    /// Observations taken in.
    pub observations: u64,
}

impl World {
    pub fn new(setting: Setting) -> Self {
        let config = setting.config();
        let mut world = Self {
            now: START,
            brain: Brain::new(&config, setting.seed, START),
            config,
            queue: BinaryHeap::new(),
            serial: 0,
            rng: ChaCha8Rng::seed_from_u64(setting.seed),
            faults: Vec::new(),
            lost: Vec::new(),
            transitions: Vec::new(),
            incidents: Vec::new(),
            first_bad: vec![None; setting.providers],
            mark: START,
            canaries: 0,
            reaches: 0,
            observations: 0,
            setting,
        };
        if world.setting.rate > 0.0 {
            for n in 0..world.setting.providers {
                world.arrive(n);
            }
        }
        world
    }

    fn push(&mut self, at: Timestamp, event: Event) {
        self.serial += 1;
        self.queue.push(Reverse(Entry(at, self.serial, event)));
    }

    fn arrive(&mut self, n: usize) {
        let gap = -(1.0 - self.rng.random::<f64>()).ln() / self.setting.rate;
        let at = self.now.plus(Duration::from_secs_f64(gap));
        self.push(at, Event::Arrival(n));
    }

    /// Evidence counts as first from here on.
    pub fn set_mark(&mut self) {
        self.mark = self.now;
        self.first_bad.fill(None);
        self.transitions.clear();
        self.incidents.clear();
    }

    pub fn first_bad(&self, n: usize) -> Option<Timestamp> {
        self.first_bad[n]
    }

    /// Plays until `until`.
    pub fn run_to(&mut self, until: Timestamp) {
        while self.now < until {
            let wake = self.brain.next_wake(self.now);
            let event = self.queue.peek().map(|Reverse(entry)| entry.0);
            let next = event.map_or(wake, |event| event.min(wake));
            if next >= until {
                self.now = until;
                break;
            }
            self.now = self.now.max(next);
            if event.is_some_and(|event| event <= self.now)
                && let Some(Reverse(Entry(_, _, event))) = self.queue.pop()
            {
                self.happen(event);
            }
            if self.brain.next_wake(self.now) <= self.now {
                let acts = self.brain.wake(self.now);
                self.act(acts);
                // A wake that is due at once again must still let time pass.
                if self.brain.next_wake(self.now) <= self.now {
                    self.now = self.now.plus(Duration::from_millis(1));
                }
            }
        }
    }

    pub fn run_for(&mut self, span: Duration) {
        self.run_to(self.now.plus(span));
    }

    fn happen(&mut self, event: Event) {
        let acts = match event {
            Event::Finished(id, observation) => {
                self.note(&observation);
                self.brain.finished(id, &observation, self.now)
            }
            Event::Slow(id, n) => {
                self.first_bad[n].get_or_insert(self.now);
                self.brain.pending_slow(id, self.now)
            }
            Event::Anchors(answered) => self.brain.anchor_round(&answered, self.now),
            Event::Report(observation) => {
                self.note(&observation);
                self.brain.reported(&observation, self.now)
            }
            Event::Arrival(n) => {
                self.request(n);
                self.arrive(n);
                return;
            }
        };
        self.act(acts);
    }

    fn note(&mut self, observation: &Observation) {
        self.observations += 1;
        let n: usize = observation.target.provider().as_str()[1..]
            .parse()
            .expect("p0, p1, ..");
        // A reply that began before the fault is no evidence of it.
        if outcome::is_bad(observation) && observation.started >= self.mark {
            self.first_bad[n].get_or_insert(self.now);
        }
    }

    /// Share of our own connections that are lost now.
    fn lost_share(&self) -> f64 {
        let now = self.now;
        self.lost
            .iter()
            .find(|(from, to, _)| (*from..*to).contains(&now))
            .map_or(0.0, |(_, _, share)| *share)
    }

    fn shape(&mut self, n: usize) -> Shape {
        if self.rng.random::<f64>() < self.lost_share() {
            return Shape::Unreachable { refused: false };
        }
        let now = self.now;
        let fault = self
            .faults
            .iter()
            .rfind(|fault| fault.provider == n && fault.is_on(now));
        let kind = fault
            .filter(|fault| self.rng.random::<f64>() < fault.share)
            .map(|fault| fault.kind);
        let shape = outcome::draw(kind, &mut self.rng);
        if kind.is_none() && self.rng.random::<f64>() < self.setting.background {
            return outcome::draw(Some(Kind::ServerError), &mut self.rng);
        }
        shape
    }

    /// A real request: told when it is over.
    fn request(&mut self, n: usize) {
        let shape = self.shape(n);
        let id = self.config.providers[n].models[0].id.clone();
        let (length, mut observation) = outcome::reply(
            &shape,
            &id,
            self.now,
            Duration::from_secs(30),
            self.setting.decode,
        );
        observation.source = endturn::verdict::Source::Report;
        let at = self.now.plus(length);
        observation.at = at;
        self.push(at, Event::Report(Box::new(observation)));
    }

    fn launch(&mut self, launch: &Launch) {
        let n: usize = launch.provider.id.as_str()[1..].parse().expect("p0, p1, ..");
        let shape = self.shape(n);
        let target = launch.model.id.clone();
        let (length, mut observation) = match launch.kind {
            ProbeKind::Reach => {
                self.reaches += 1;
                outcome::reach(
                    &shape,
                    target,
                    self.now,
                    launch.connect.unwrap_or(launch.provider.limits.connect),
                )
            }
            ProbeKind::Canary | ProbeKind::Long | ProbeKind::Json | ProbeKind::Tool => {
                self.canaries += 1;
                outcome::reply(
                    &shape,
                    &target,
                    self.now,
                    launch.deadlines.hard,
                    self.setting.decode,
                )
            }
        };
        observation.purpose = launch.purpose;
        if launch.kind == ProbeKind::Long {
            observation.source = endturn::verdict::Source::Long;
        }
        let at = self.now.plus(length);
        observation.at = at;
        let first = observation.phases.first_token.unwrap_or(length);
        if launch.kind != ProbeKind::Reach && first > launch.deadlines.soft && length >= launch.deadlines.soft
        {
            self.push(self.now.plus(launch.deadlines.soft), Event::Slow(launch.id, n));
        }
        if let Some(price) = launch.model.price.filter(|_| launch.kind != ProbeKind::Reach) {
            observation.cost_usd = price.cost(45, 30);
        }
        self.push(at, Event::Finished(launch.id, Box::new(observation)));
    }

    fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Probe(launch) => self.launch(&launch),
                Act::Anchors => {
                    let share = self.lost_share();
                    let answered: Vec<bool> = (0..self.setting.anchors)
                        .map(|_| self.rng.random::<f64>() >= share)
                        .collect();
                    let wait = if answered.iter().all(|ok| *ok) { 20 } else { 300 };
                    self.push(
                        self.now.plus(Duration::from_millis(wait)),
                        Event::Anchors(answered),
                    );
                }
                Act::Transition(transition) => self.transitions.push(transition),
                Act::Incident(phase, incident) => self.incidents.push((phase, incident)),
                Act::Network(_) | Act::Change(_) => {}
            }
        }
    }

    /// Times at which a provider's target became impaired, from a state that was not.
    pub fn entries(&self, n: usize) -> Vec<Timestamp> {
        let of = format!("p{n}");
        self.transitions
            .iter()
            .filter(|t| t.target.provider().as_str() == of && t.to.is_impaired() && !t.from.is_impaired())
            .map(|t| t.at)
            .collect()
    }

    /// When the target was operational again for the last time, at or after `from`.
    pub fn recovered(&self, n: usize, from: Timestamp) -> Option<Timestamp> {
        let of = format!("p{n}");
        self.transitions
            .iter()
            .filter(|t| {
                t.target.provider().as_str() == of
                    && t.to == State::Operational
                    && t.from != State::Operational
            })
            .map(|t| t.at)
            .find(|at| *at >= from)
    }
}
