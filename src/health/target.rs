//! One target: its two model streams, its figures, our key there, and what was last published.

use std::time::Duration;

use super::{
    DeclaredKind, Hint, InForce, Length, Machine, ReasonCode, Routing, State, TargetSetup, WINDOW,
    confirm::{Bucket, RecoveryAllowance},
    deadline::Latency,
    evidence::Key,
    flags::Sentinel,
    hint::{Advice, Facts, KeyHint},
    identity::{Change, Served},
    incident::Tracker,
    kernel::Detectors,
    provider::Provider,
    stream::{STALE_GAPS, STALE_MIN_MS, Stream},
    vantage::{Gate, Mode},
    window::Window,
};
use crate::{
    clock::Timestamp,
    protocol::ErrorClass,
    verdict::{CanaryKind, Flags, Observation, Source, Verdict},
};

/// Wait for a rate limit that names none, in milliseconds.
pub(super) const RETRY_DEFAULT_MS: i64 = 30_000;
/// Longest wait that is taken at its word, in milliseconds.
pub(super) const RETRY_MAX_MS: i64 = 3_600_000;
/// Milliseconds of a day of UTC.
const DAY_MS: i64 = 86_400_000;

/// Trouble with our credential.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KeyTrouble {
    pub(super) key: Key,
    pub(super) at_ms: i64,
    pub(super) retry_at_ms: Option<i64>,
    /// Seen by `reach`: then a good `reach` ends it.
    pub(super) by_reach: bool,
}

impl KeyTrouble {
    pub(super) fn blocks(&self) -> bool {
        matches!(self.key, Key::Refused | Key::Spent)
    }

    fn hint(&self) -> KeyHint {
        KeyHint {
            hint: if self.blocks() {
                Hint::Blocked
            } else {
                Hint::Throttle
            },
            retry_at: self.retry_at_ms.map(Timestamp::from_millis),
        }
    }
}

/// Known, but not allowed that: 403, where 401 means that the credential itself is refused.
fn is_forbidden(observation: &Observation) -> bool {
    matches!(observation.verdict, Verdict::Errored(failure) if failure.class == ErrorClass::Permission)
}

/// An interval in milliseconds, small enough to be reckoned with.
pub(super) fn span_ms(span: Duration) -> i64 {
    let most = i64::MAX / 8;
    i64::try_from(span.as_millis()).unwrap_or(most).min(most)
}

/// What was last told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Published {
    pub(super) state: State,
    pub(super) since: Timestamp,
    pub(super) code: ReasonCode,
    pub(super) routing: Routing,
    pub(super) declared: InForce,
}

/// Which stream speaks for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    Edge,
    Model(Length),
    Nobody,
}

/// What a target's streams amount to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decision {
    pub(super) state: State,
    pub(super) code: ReasonCode,
    pub(super) speaker: Speaker,
    pub(super) facts: Facts,
}

/// One target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) setup: TargetSetup,
    pub(super) provider: usize,
    pub(super) short: Stream,
    pub(super) long: Stream,
    pub(super) latency: Latency,
    pub(super) window: Window,
    pub(super) key: Option<KeyTrouble>,
    pub(super) bucket: Bucket,
    pub(super) allowance: RecoveryAllowance,
    pub(super) advice: Advice,
    pub(super) tracker: Tracker,
    pub(super) published: Published,
    /// One for each kind of canary: who can't call a tool may well be able to count.
    pub(super) sentinels: [Sentinel; CanaryKind::ALL.len()],
    pub(super) last_complete_ms: Option<i64>,
    pub(super) last_seen_ms: Option<i64>,
    /// When a generation of ours last got past the check of our key.
    key_good_ms: Option<i64>,
    pub(super) served: Served,
    terminal_lax: bool,
    /// When a natural stop last came with a cut text.
    forged_ms: Option<i64>,
    spent: (i64, f64),
    /// What people declared of it and is in force.
    pub(super) declared: InForce,
    /// When maintenance or a pause last ended: what failed before concerns nobody.
    pub(super) declared_until: Option<Timestamp>,
}

impl Target {
    pub(super) fn new(setup: TargetSetup, provider: usize, now: Timestamp) -> Self {
        let now_ms = now.as_millis();
        Self {
            setup,
            provider,
            short: Stream::new(Detectors::All),
            long: Stream::new(Detectors::All),
            latency: Latency::default(),
            window: Window::default(),
            key: None,
            bucket: Bucket::for_model(now_ms),
            allowance: RecoveryAllowance::new(now_ms),
            advice: Advice::default(),
            tracker: Tracker::default(),
            published: Published {
                state: State::Unknown,
                since: now,
                code: ReasonCode::Starting,
                routing: Routing {
                    hint: Hint::NoOpinion,
                    weight: None,
                    retry_at: None,
                },
                declared: InForce::default(),
            },
            sentinels: Default::default(),
            last_complete_ms: None,
            last_seen_ms: None,
            key_good_ms: None,
            served: Served::default(),
            terminal_lax: false,
            forged_ms: None,
            spent: (0, 0.0),
            declared: InForce::default(),
            declared_until: None,
        }
    }

    pub(super) fn stream(&self, length: Length) -> &Stream {
        match length {
            Length::Short => &self.short,
            Length::Long => &self.long,
        }
    }

    pub(super) fn stream_mut(&mut self, length: Length) -> &mut Stream {
        match length {
            Length::Short => &mut self.short,
            Length::Long => &mut self.long,
        }
    }

    /// How often generation probes of that length come, in milliseconds.
    pub(super) fn interval_ms(&self, length: Length) -> Option<i64> {
        let long = self.setup.long_interval.filter(|_| length == Length::Long);
        long.or(self.setup.interval).map(span_ms)
    }

    /// Whether a probe of that length can be ordered.
    pub(super) fn can_probe(&self, length: Length) -> bool {
        let asked = match length {
            Length::Short => self.setup.interval.is_some(),
            Length::Long => self.setup.long,
        };
        asked && self.declared.pause.is_none()
    }

    /// Notes what is shown beside the state and judged by nobody. Gives what changed about who answers.
    pub(super) fn note(&mut self, observation: &Observation, now_ms: i64) -> Vec<Change> {
        self.last_seen_ms = Some(now_ms);
        let day = now_ms.div_euclid(DAY_MS);
        if self.spent.0 != day {
            self.spent = (day, 0.0);
        }
        if observation.cost_usd.is_finite() {
            self.spent.1 += observation.cost_usd.max(0.0);
        }
        if matches!(observation.source, Source::Canary | Source::Long) {
            if let Some(kind) = observation.canary_kind() {
                self.sentinels[kind as usize].note(observation);
            }
            if observation.verdict == Verdict::Complete {
                self.terminal_lax = observation.flags.contains(Flags::TERMINAL_LAX);
            }
        }
        if observation.verdict == Verdict::Complete && observation.source != Source::Reach {
            self.last_complete_ms = Some(now_ms);
        }
        if observation.flags.contains(Flags::FORGED) {
            self.forged_ms = Some(now_ms);
        }
        self.served
            .note(self.setup.id.model().as_str(), observation, now_ms)
    }

    /// Dollars spent on the day of `now_ms` in UTC.
    pub(super) fn spent_today(&self, now_ms: i64) -> f64 {
        if self.spent.0 == now_ms.div_euclid(DAY_MS) {
            self.spent.1
        } else {
            0.0
        }
    }

    /// Flags shown in the feed.
    pub(super) fn flags(&self, now_ms: i64) -> Vec<&'static str> {
        let window_ms = WINDOW.as_millis() as i64;
        let forged = self.forged_ms.is_some_and(|at| now_ms - at < window_ms);
        [
            (self.served.changed(now_ms), "model_changed"),
            (forged, "forged"),
            (self.sentinels.iter().any(|sentinel| sentinel.off), "sentinel_off"),
            (self.terminal_lax, "terminal_lax"),
            (self.setup.reports_only, "reports_only"),
            (self.declared.forced.is_some(), "overridden"),
            (self.declared.pause.is_some(), "paused"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect()
    }

    /// Takes what an observation says about our key.
    pub(super) fn note_key(&mut self, key: Key, observation: &Observation, now_ms: i64) {
        let by_reach = observation.source == Source::Reach;
        let wait = observation.retry_after.map(|wait| {
            i64::try_from(wait.as_millis())
                .unwrap_or(RETRY_MAX_MS)
                .min(RETRY_MAX_MS)
        });
        match key {
            Key::Ignored => {}
            Key::Works => {
                if !by_reach {
                    self.key_good_ms = Some(now_ms);
                }
                if !by_reach || self.key.is_some_and(|trouble| trouble.by_reach) {
                    self.key = None;
                }
            }
            Key::Throttled => {
                self.key = Some(KeyTrouble {
                    key,
                    at_ms: now_ms,
                    retry_at_ms: Some(now_ms + wait.unwrap_or(RETRY_DEFAULT_MS)),
                    by_reach,
                });
            }
            // A key may generate and yet not list models: the generation knows better.
            Key::Refused if by_reach && is_forbidden(observation) && self.key_generates(now_ms) => {}
            Key::Refused | Key::Spent => {
                let retry = wait.or_else(|| self.setup.generates_every().map(span_ms).filter(|_| !by_reach));
                self.key = Some(KeyTrouble {
                    key,
                    at_ms: now_ms,
                    retry_at_ms: retry.map(|wait| now_ms + wait),
                    by_reach,
                });
            }
        }
    }

    /// Whether a generation with our key went through of late.
    fn key_generates(&self, now_ms: i64) -> bool {
        let every = self.setup.generates_every().map_or(0, span_ms);
        let fresh = (STALE_GAPS * every).max(STALE_MIN_MS);
        self.key_good_ms.is_some_and(|at| now_ms - at < fresh)
    }

    /// When a rate limit is over.
    pub(super) fn key_wake(&self) -> Option<i64> {
        self.key.filter(|trouble| !trouble.blocks())?.retry_at_ms
    }

    /// What is so: what people declared where they did, else what the evidence amounts to.
    pub(super) fn decide(&self, provider: &Provider, gate: &Gate, now_ms: i64) -> Decision {
        let mut decision = self.judge_evidence(provider, gate, now_ms);
        if let Some(declared) = self.declared.of_state() {
            let paused = declared.what.kind() == DeclaredKind::Pause;
            (decision.state, decision.code) = if paused {
                (State::Unknown, ReasonCode::Paused)
            } else {
                (State::Maintenance, ReasonCode::Maintenance)
            };
            decision.speaker = Speaker::Nobody;
            decision.facts.key = None;
        }
        decision
    }

    /// What the streams amount to: the worst of those with fresh evidence; unknown unless edge and a model stream
    /// are both known to be good.
    fn judge_evidence(&self, provider: &Provider, gate: &Gate, now_ms: i64) -> Decision {
        let streams = [
            (Speaker::Edge, &provider.edge),
            (Speaker::Model(Length::Short), &self.short),
            (Speaker::Model(Length::Long), &self.long),
        ];
        let known = || streams.iter().filter(|(_, stream)| stream.kept.known);
        let facts = Facts {
            fraction: known()
                .map(|(_, stream)| &stream.machine)
                .filter(|machine| matches!(machine.state(), State::Partial | State::Down))
                .map(Machine::fraction)
                .fold(0.0, f64::max),
            suspect: known().any(|(_, stream)| stream.suspect()),
            key: self.key.map(|trouble| trouble.hint()),
        };
        let decision = |state, code, speaker| Decision {
            state,
            code,
            speaker,
            facts,
        };
        let unknown = |code| decision(State::Unknown, code, Speaker::Nobody);
        if gate.offline() {
            return unknown(ReasonCode::VantageOffline);
        }
        let lone_edge = gate.mode() == Mode::Lone && provider.edge.machine.alarmed();
        if lone_edge && provider.edge.kept.known {
            return unknown(ReasonCode::Unreachable);
        }
        let blocked = self.key.filter(KeyTrouble::blocks);
        let told_since = |stream: &Stream, at: i64| stream.kept.last_ms.is_some_and(|last| last > at);
        let silenced = blocked
            .is_some_and(|key| !told_since(&self.short, key.at_ms) && !told_since(&self.long, key.at_ms));
        // The first of equals speaks: an edge that fails explains its models' failures.
        let mut worst: Option<(State, Speaker, &Stream)> = None;
        for (speaker, stream) in known() {
            let state = stream.machine.state();
            let hushed = silenced && *speaker != Speaker::Edge;
            if state.is_impaired() && !hushed && worst.is_none_or(|(other, _, _)| state > other) {
                worst = Some((state, *speaker, stream));
            }
        }
        if let Some((state, speaker, stream)) = worst {
            return decision(state, stream.code.unwrap_or(ReasonCode::Errors), speaker);
        }
        if silenced {
            return unknown(ReasonCode::OwnKey);
        }
        let model = [Length::Short, Length::Long]
            .into_iter()
            .find(|length| self.stream(*length).kept.known);
        match model {
            Some(length) if provider.edge.kept.known => {
                decision(State::Operational, ReasonCode::Healthy, Speaker::Model(length))
            }
            _ if self.key.is_some() => unknown(ReasonCode::OwnKey),
            _ if self.is_stale(now_ms) => unknown(ReasonCode::Stale),
            _ => unknown(ReasonCode::Starting),
        }
    }

    /// The advice that follows from a decision; what a person forces comes before it.
    pub(super) fn advise(&mut self, decision: &Decision, now_ms: i64) -> Routing {
        let routing = self.advice.routing(decision.state, &decision.facts, now_ms);
        match self.declared.advice() {
            Some(forced) => self.advice.force(forced),
            None => routing,
        }
    }

    fn is_stale(&self, now_ms: i64) -> bool {
        let stale = |length| {
            let at = self.stream(length).stale_at(self.interval_ms(length));
            at.is_some_and(|at| now_ms >= at)
        };
        stale(Length::Short) || (self.setup.interval.is_none() && stale(Length::Long))
    }
}
