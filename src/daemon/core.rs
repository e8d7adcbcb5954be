//! The one task that owns the brain: takes what happened, publishes first, then launches and records.

mod orders;
mod seen;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use orders::Answer;
pub(crate) use orders::Order;

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    alarms::{Alarms, Brought},
    annotate::Annotator,
    brain::{Act, Brain, Launch, ProbeRefused, Skipped},
    pulse::Pulse,
    unsent::Unsent,
    watch::Watch,
};
use crate::{
    alert::AckError,
    clock::{Clock, Timestamp},
    config::Config,
    feed::{Cause, FIGURES_EVERY, HEARTBEAT, Hub, declared::DeclaredBoard, v1},
    health::{Change, Incident, IncidentPhase, Network, StandingKeeper, Transition, View},
    id::TargetId,
    intake::{Intake, Queue, Sampler},
    official::{Fetcher, Page, Reading},
    probe::{Anchors, ProbeJob, Prober},
    route::Board,
    store::{Record, Sums, Writer},
    telemetry::{NotSent, Outlet},
    verdict::Observation,
};

/// Most inputs that wait for the loop; a probe that finishes meanwhile waits with its result.
pub(crate) const MAX_INPUTS: usize = 4_096;
/// Most inputs that are taken in before the feed is told.
const MAX_BATCH: usize = 256;
/// Most observations of real traffic that are judged before the feed is told.
const MAX_REPORTED: usize = 1_024;
/// How often the detector state is kept.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// A wall clock this far ahead means that the machine slept.
const CLOCK_JUMP: Duration = Duration::from_secs(5);
/// How long probes under way may finish at the end.
const DRAIN: Duration = Duration::from_secs(3);
/// How often the log tells of probes that were not sent, if there are any.
const SKIPPED_EVERY: Duration = Duration::from_secs(600);
/// Observations kept for followers in the same process.
const FOLLOWED: usize = 1_024;

/// What can happen to the loop.
#[derive(Debug)]
pub(crate) enum Input {
    /// A probe came back.
    Finished(u64, Box<Observation>),
    /// A probe passed its soft deadline without a first token.
    Slow(u64),
    /// A probe died without a result; a bug of ours, told in the log.
    Lost(u64),
    /// An anchor round finished.
    Anchors(Vec<bool>),
    /// An official status page was read.
    Official(Box<(Page, Reading)>),
    /// A new configuration, checked; the answer comes when it is in force.
    Reload(Box<Config>, oneshot::Sender<()>),
    /// An operator asks for something.
    Order(Order),
    /// Somebody takes care of an incident or alarm of that name.
    Ack(Box<Ack>),
}

/// Somebody takes care of something.
#[derive(Debug)]
pub(crate) struct Ack {
    /// Id of an incident or of an alarm.
    pub(crate) what: String,
    /// Who.
    pub(crate) by: String,
    /// Told when it is known to whoever was alarmed, or why not.
    pub(crate) done: oneshot::Sender<Result<(), AckError>>,
}

/// Handles of the loop for the rest of the process.
#[derive(Debug, Clone)]
pub(crate) struct Handle {
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) observations: broadcast::Sender<Arc<Observation>>,
}

/// What the loop reaches out through.
pub(crate) struct Doors {
    pub(crate) hub: Arc<Hub>,
    pub(crate) writer: Writer,
    pub(crate) prober: Arc<Prober>,
    pub(crate) clock: Clock,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) annotator: Annotator,
    pub(crate) alarms: Alarms,
    pub(crate) fetcher: Fetcher,
    pub(crate) intake: Intake,
    pub(crate) reported: Queue,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) board: Arc<Board>,
    pub(crate) declared: Arc<DeclaredBoard>,
    pub(crate) seed: u64,
}

/// The loop.
pub(crate) struct Core {
    /// Where this process runs.
    vantage: Arc<str>,
    brain: Brain,
    annotator: Annotator,
    alarms: Alarms,
    watch: Watch,
    hub: Arc<Hub>,
    writer: Writer,
    prober: Arc<Prober>,
    clock: Clock,
    pulse: Arc<Pulse>,
    anchors: Arc<Anchors>,
    receiver: mpsc::Receiver<Input>,
    intake: Intake,
    reported: Queue,
    board: Arc<Board>,
    /// What was published last; `None` before there was anything.
    view: Option<View>,
    /// Where everybody sees what is declared, and which version of it.
    declared: Arc<DeclaredBoard>,
    shown: u64,
    /// Probes under way that somebody waits for.
    asked: HashMap<u64, oneshot::Sender<Result<Box<Observation>, ProbeRefused>>>,
    /// Which observations of real traffic are kept one by one; the others are only summed.
    sampler: Sampler,
    sums: Sums,
    handle: Handle,
    probes: TaskTracker,
    stop: CancellationToken,
    /// What the log has told of probes that were not sent.
    skipped: Skipped,
    unsent: Unsent,
    /// Whether the log was told that the store fails.
    store_failing: bool,
    /// Adds up the time in each state.
    standing: StandingKeeper,
    /// Where it is told to those who collect figures.
    outlet: Arc<Outlet>,
}

/// What one round of the loop has to tell.
#[derive(Default)]
struct News {
    transitions: Vec<Transition>,
    incidents: Vec<(IncidentPhase, Incident)>,
    changes: Vec<Change>,
    network: Option<Network>,
    launches: Vec<Launch>,
    anchors: bool,
    /// Another configuration is in force: the feed shows it at once.
    reloaded: bool,
    /// What is answered once the feed is told.
    answers: Vec<Answer>,
}

impl Core {
    pub(crate) fn new(brain: Brain, doors: Doors, config: &Config, stop: CancellationToken) -> Self {
        let Doors {
            hub,
            writer,
            prober,
            clock,
            pulse,
            annotator,
            alarms,
            fetcher,
            intake,
            reported,
            outlet,
            board,
            declared,
            seed,
        } = doors;
        declared.set(brain.declared());
        let (inputs, receiver) = mpsc::channel(MAX_INPUTS);
        let (observations, _) = broadcast::channel(FOLLOWED);
        let mut watch = Watch::new(fetcher, clock.clone(), inputs.clone(), stop.clone(), seed);
        watch.follow(config);
        Self {
            vantage: config.vantage.as_str().into(),
            shown: brain.declared().version(),
            declared,
            asked: HashMap::new(),
            brain,
            annotator,
            alarms,
            watch,
            hub,
            writer,
            prober,
            clock,
            pulse,
            anchors: Arc::new(Anchors::of(config)),
            receiver,
            intake,
            reported,
            board,
            view: None,
            sampler: Sampler::default(),
            sums: Sums::default(),
            handle: Handle { inputs, observations },
            probes: TaskTracker::new(),
            stop,
            skipped: Skipped::default(),
            unsent: Unsent::default(),
            store_failing: false,
            standing: StandingKeeper::default(),
            outlet,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until it is stopped, then lets probes under way finish and keeps the state.
    pub(crate) async fn run(mut self) {
        let mut heartbeat = self.clock.now().plus(HEARTBEAT);
        let mut figures = self.clock.now().plus(FIGURES_EVERY);
        let mut save = self.clock.now().plus(SAVE_EVERY);
        let mut skipped = self.clock.now().plus(SKIPPED_EVERY);
        loop {
            let now = self.clock.now();
            let wake = self.brain.next_wake(now).min(heartbeat).min(figures).min(save);
            let wake = self.alarms.next_wake().map_or(wake, |due| wake.min(due.max(now)));
            let first = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                input = self.receiver.recv() => input,
                () = self.reported.ready() => None,
                () = tokio::time::sleep(wake.since(now)) => None,
            };
            let woke = self.clock.now();
            let mut news = News::default();
            self.follow_wall(&mut news);
            self.take(first, &mut news);
            self.take_reported(&mut news);
            let now = self.clock.now();
            news.add(self.brain.wake(now));
            self.annotate(&mut news, now);
            self.tell(&news, now);
            self.show_declared();
            news.answers.drain(..).for_each(Answer::give);
            if now >= heartbeat || news.reloaded {
                heartbeat = now.plus(HEARTBEAT);
                self.publish(&[Cause::Heartbeat], now);
            } else if now >= figures {
                self.publish(&[Cause::Figures], now);
            }
            let kept = self.alarm(&news, now >= figures, now);
            if now >= figures {
                figures = now.plus(FIGURES_EVERY);
                self.count_probes();
                self.write_sums();
                self.log_store();
            }
            if now >= save {
                save = now.plus(SAVE_EVERY);
                self.keep();
            }
            if now >= skipped {
                skipped = now.plus(SKIPPED_EVERY);
                self.log_skipped();
            }
            self.act(news, kept);
            self.outlet.round(now, (woke >= wake).then(|| woke.since(wake)));
            self.pulse.beat(now);
        }
        self.drain().await;
        self.log_skipped();
    }

    /// The store began to fail, or takes writes again: once each.
    fn log_store(&mut self) {
        let status = self.writer.status();
        if status.failing.is_some() == self.store_failing {
            return;
        }
        self.store_failing = status.failing.is_some();
        if let Some(failing) = status.failing {
            tracing::error!(
                error = failing.error,
                "history is not being kept; probing and the feed go on"
            );
        } else {
            tracing::info!(dropped = status.dropped.total(), "history is being kept again");
        }
    }

    /// Probes under way and not sent, for those who collect figures.
    fn count_probes(&self) {
        let skipped = self.brain.skipped();
        let not_sent = NotSent {
            overdue: skipped.overdue,
            budget: skipped.budget,
            polite: skipped.polite,
            resting: skipped.resting,
        };
        self.outlet.probes(self.brain.in_flight(), not_sent);
    }

    /// What was not sent since the last time, and why.
    fn log_skipped(&mut self) {
        let (now, before) = (self.brain.skipped(), self.skipped);
        if now != before {
            tracing::warn!(
                overdue = now.overdue - before.overdue,
                budget = now.budget - before.budget,
                polite = now.polite - before.polite,
                resting = now.resting - before.resting,
                "probes were not sent: the one before was still under way, no money was left, \
                 the provider asked to wait, or real traffic told enough"
            );
            self.skipped = now;
        }
    }

    fn follow_wall(&mut self, news: &mut News) {
        if self.clock.wall().since(self.clock.now()) > CLOCK_JUMP {
            let ahead = self.clock.follow_wall();
            tracing::warn!(
                ahead_ms = ahead.as_millis() as u64,
                "the wall clock jumped ahead: the machine slept or was set"
            );
            news.add(self.brain.clock_jumped(self.clock.now()));
        }
    }

    /// Takes in what is there, up to a bound, so that a flood is told in one revision and still told soon.
    fn take(&mut self, first: Option<Input>, news: &mut News) {
        let mut next = first;
        for _ in 0..MAX_BATCH {
            let Some(input) = next else { break };
            let now = self.clock.now();
            match input {
                Input::Finished(id, mut observation) => {
                    observation.at = now;
                    news.add(self.brain.finished(id, &observation, now));
                    let observation = self.signed(*observation);
                    self.unsent.note(&observation);
                    self.keep_seen(&observation);
                    self.answer_probe(id, &observation, news);
                }
                Input::Slow(id) => news.add(self.brain.pending_slow(id, now)),
                Input::Lost(id) => {
                    self.asked.remove(&id);
                    self.brain.lost(id, now);
                }
                Input::Order(order) => self.take_order(order, news, now),
                Input::Anchors(answered) => news.add(self.brain.anchor_round(&answered, now)),
                Input::Official(read) => {
                    let (page, reading) = *read;
                    // What health has just said of an incident comes before what the page adds to it.
                    self.annotate(news, now);
                    news.incidents.extend(self.annotator.read(&page, reading, now));
                }
                Input::Reload(config, done) => {
                    news.add(self.brain.reconfigure(&config, now));
                    self.prober.set_providers(&config.providers);
                    self.intake.configure(&config);
                    self.annotator.reconfigure(&config);
                    self.watch.follow(&config);
                    self.anchors = Arc::new(Anchors::of(&config));
                    self.board.set(&config.routes);
                    self.alarms.reconfigure(&config.alerts);
                    news.reloaded = true;
                    let _ = done.send(());
                }
                Input::Ack(ack) => {
                    let done = self.alarms.ack(&ack.what, &ack.by, now);
                    // Whoever asked may have gone.
                    let _ = ack.done.send(done);
                }
            }
            next = self.receiver.try_recv().ok();
        }
    }

    /// Judges what real traffic told, up to a bound: what is over waits for the next round, after whatever else
    /// happened. Gives how many there were.
    fn take_reported(&mut self, news: &mut News) -> usize {
        for taken in 0..MAX_REPORTED {
            let Some(observation) = self.reported.take() else {
                return taken;
            };
            let now = self.clock.now();
            news.add(self.brain.reported(&observation, now));
            let observation = self.signed(observation);
            if self.sampler.keeps(&observation, now) {
                self.keep_seen(&observation);
            } else if self.sums.add(&observation) {
                self.write_sums();
            }
        }
        MAX_REPORTED
    }

    fn write_sums(&mut self) {
        for sum in self.sums.take() {
            self.writer.send(Record::Sum(sum));
        }
    }

    /// Publishes transitions and incidents before anything else is done about them.
    fn tell(&mut self, news: &News, now: Timestamp) {
        let moved = !news.transitions.is_empty() || news.network.is_some();
        let moved = moved.then_some(Cause::Transition(&news.transitions));
        let incidents = news.incidents.iter();
        let incidents = incidents.map(|(phase, incident)| Cause::Incident(*phase, incident));
        let causes = moved.into_iter().chain(incidents);
        let causes: Vec<_> = causes.chain(news.changes.iter().map(Cause::Change)).collect();
        if !causes.is_empty() {
            self.publish(&causes, now);
        }
    }

    /// Decides who is told, once the feed is told. True: what the round brought is kept with it.
    fn alarm(&mut self, news: &News, tick: bool, now: Timestamp) -> bool {
        let moved = !news.transitions.is_empty()
            || !news.incidents.is_empty()
            || !news.changes.is_empty()
            || news.network.is_some()
            || news.reloaded;
        if !(moved || tick || self.alarms.is_due(now)) {
            return false;
        }
        let (snapshot, decided) = (self.hub.snapshot(), self.board.now());
        let brought = Brought {
            transitions: &news.transitions,
            incidents: &news.incidents,
            changes: &news.changes,
        };
        let facts = (&snapshot.health, decided.routes.routes.as_slice());
        self.alarms
            .look(&brought, facts, |target| self.brain.save_target(target), now)
    }

    /// Health has decided; what the vendors' own pages say is added to its incidents.
    fn annotate(&mut self, news: &mut News, now: Timestamp) {
        for (_, incident) in &mut news.incidents {
            self.annotator.incident(incident, now);
        }
    }

    fn publish(&mut self, causes: &[Cause<'_>], now: Timestamp) {
        let about = causes.iter().map(about).collect::<Option<Vec<_>>>();
        let known = self.view.take().zip(about).and_then(|(mut view, about)| {
            let moved = about.into_iter().flatten();
            self.brain.view_again(&mut view, moved, now).then_some(view)
        });
        let mut view = known.unwrap_or_else(|| self.brain.view(now));
        self.standing
            .look(now, view.targets.iter().map(|target| (&target.id, target.state)));
        self.annotator.fill(&mut view, now);
        // Readers compare with their own wall clock, so the feed is dated by ours, not by the detector's time.
        view.at = self.clock.wall();
        let events = self.hub.publish_all(&view, causes, &store_status(&self.writer));
        self.board.follow(&self.hub.snapshot());
        self.view = Some(view);
        for event in events.iter().filter(|event| event.durable) {
            self.writer.send(Record::Event {
                revision: event.revision,
                at: event.at,
                kind: event.kind.as_str().to_owned(),
                json: String::from_utf8_lossy(&event.json()).into_owned(),
            });
        }
    }

    /// Does what is to be done and keeps what was not `kept` yet.
    fn act(&mut self, news: News, kept: bool) {
        for transition in news.transitions {
            log_transition(&transition);
            self.outlet.transition(&transition);
            if !kept {
                self.writer.send(Record::Transition(transition));
            }
        }
        for (phase, incident) in news.incidents {
            log_incident(phase, &incident);
            self.outlet.incident(phase, &incident);
            if !kept {
                self.writer.send(Record::Incident(incident));
            }
        }
        for change in news.changes {
            log_change(&change);
            self.outlet.change(&change);
            self.writer.send(Record::Change(change));
        }
        if let Some(network) = news.network {
            tracing::warn!(network = network.as_str(), "own network");
            self.outlet.network(network, self.clock.now());
        }
        for launch in news.launches {
            self.launch(launch);
        }
        if news.anchors {
            let (anchors, inputs) = (Arc::clone(&self.anchors), self.handle.inputs.clone());
            self.probes.spawn(async move {
                let answered = anchors.round().await;
                // The loop has ended: nobody needs the round.
                let _ = inputs.send(Input::Anchors(answered)).await;
            });
        }
    }

    fn launch(&self, launch: Launch) {
        let (prober, inputs, slow) = (
            Arc::clone(&self.prober),
            self.handle.inputs.clone(),
            self.handle.inputs.clone(),
        );
        let id = launch.id;
        let probe = async move {
            let job = ProbeJob {
                provider: launch.provider,
                model: launch.model,
                kind: launch.kind,
                purpose: launch.purpose,
                deadlines: launch.deadlines,
                connect: launch.connect,
                check_text: launch.check_text,
                seed: launch.seed,
            };
            prober
                .run(&job, move |_, _| {
                    // A full channel means that the loop has later news of this probe on the way.
                    let _ = slow.try_send(Input::Slow(id));
                })
                .await
        };
        self.probes.spawn(async move {
            let input = match tokio::spawn(probe).await {
                Ok(report) => Input::Finished(id, Box::new(report.observation)),
                Err(error) => {
                    tracing::error!(%error, "a probe died; please report this");
                    Input::Lost(id)
                }
            };
            // The loop has ended: the result has no reader any more.
            let _ = inputs.send(input).await;
        });
    }

    /// No new probes; those under way may finish within a bound.
    async fn drain(&mut self) {
        self.probes.close();
        let deadline = tokio::time::sleep(DRAIN);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = &mut deadline => break,
                () = self.probes.wait(), if self.receiver.is_empty() => break,
                input = self.receiver.recv() => {
                    let mut news = News::default();
                    self.take(input, &mut news);
                    self.last_words(news);
                }
            }
        }
        // What was accepted is judged and kept; from now on nothing is.
        self.intake.close();
        loop {
            let mut news = News::default();
            let taken = self.take_reported(&mut news);
            self.last_words(news);
            if taken < MAX_REPORTED {
                break;
            }
        }
        self.write_sums();
        self.keep();
    }

    /// Tells and keeps what is left to tell; nothing is asked any more.
    fn last_words(&mut self, mut news: News) {
        self.annotate(&mut news, self.clock.now());
        self.tell(&news, self.clock.now());
        let kept = self.alarm(&news, false, self.clock.now());
        self.show_declared();
        news.answers.drain(..).for_each(Answer::give);
        news.launches.clear();
        news.anchors = false;
        self.act(news, kept);
    }

    /// What a restart needs, and the time in each state so far.
    fn keep(&mut self) {
        self.writer.send(Record::State(self.brain.save()));
        for standing in self.standing.take() {
            self.writer.send(Record::Standing(standing));
        }
        let view = self.hub.snapshot();
        let watched: HashSet<&TargetId> = view.health.targets.iter().map(|target| &target.id).collect();
        self.outlet.watched(|target| watched.contains(target));
    }
}

impl News {
    fn add(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Probe(launch) => self.launches.push(launch),
                Act::Anchors => self.anchors = true,
                Act::Transition(transition) => self.transitions.push(transition),
                Act::Incident(phase, incident) => self.incidents.push((phase, incident)),
                Act::Network(network) => self.network = Some(network),
                Act::Change(change) => self.changes.push(change),
            }
        }
    }
}

/// The targets that a revision is about; `None`: all of them.
fn about<'a>(cause: &Cause<'a>) -> Option<Vec<&'a TargetId>> {
    match *cause {
        Cause::Transition(moved) => Some(moved.iter().map(|it| &it.target).collect()),
        Cause::Incident(_, incident) => Some(vec![&incident.target]),
        Cause::Change(change) => Some(vec![&change.target]),
        Cause::Figures | Cause::Heartbeat => None,
    }
}

/// One line per change of state or advice.
fn log_transition(transition: &Transition) {
    let (from, state) = (transition.from.as_str(), transition.to.as_str());
    let (hint, reason) = (transition.routing.hint.as_str(), transition.reason.code.as_str());
    let (target_id, weight) = (&transition.target, transition.routing.weight);
    let text = &transition.reason.text;
    if transition.to.is_impaired() && transition.from != transition.to {
        tracing::warn!(%target_id, from, state, hint, weight, reason, text, "health changed");
    } else {
        tracing::info!(%target_id, from, state, hint, weight, reason, text, "health changed");
    }
}

/// One line per change of who answers.
fn log_change(change: &Change) {
    let (target_id, kind) = (&change.target, change.kind.as_str());
    tracing::warn!(%target_id, kind, from = change.from, to = change.to, "someone else answers");
}

/// Begin and end; what lies between are transitions.
fn log_incident(phase: IncidentPhase, incident: &Incident) {
    let (incident_id, target_id, worst) = (&incident.id, &incident.target, incident.worst.as_str());
    match phase {
        IncidentPhase::Opened => tracing::warn!(%target_id, incident_id, worst, "incident opened"),
        IncidentPhase::Closed => {
            let end = incident.recovered.or(incident.closed).unwrap_or(incident.started);
            let lasted = humantime::format_duration(end.since(incident.started));
            tracing::info!(%target_id, incident_id, worst, %lasted, "incident closed");
        }
        IncidentPhase::Updated => {}
    }
}

/// The store's state for the feed.
pub(crate) fn store_status(writer: &Writer) -> v1::StoreStatus {
    v1::StoreStatus::from(&writer.status())
}
