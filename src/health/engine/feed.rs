//! The way of an observation: evidence, gate, detectors, suspicion, state.

use super::Engine;
use crate::{
    clock::Timestamp,
    health::{
        Effect, Length, Network, ProbeOrder, Reason, State, Subject, Transition,
        confirm::Look,
        deadline::{CANARY_CLASS, class_of},
        evidence::{self, Count, Edge, Evidence, Key, Kind, Model},
        incident::Change,
        provider::{Held, MAX_HELD, Overload},
        stream::Fact,
        target::{Decision, Published, RETRY_MAX_MS, Speaker},
        vantage::{Mode, PEERS_MIN, Ruling},
    },
    protocol::ErrorClass,
    verdict::{Flags, Observation, Purpose, Source, Trust, Verdict},
};

/// A report older than this is history only, in milliseconds.
const REPORT_MAX_AGE_MS: i64 = 60_000;
/// Output tokens from which a reply counts as long.
const LONG_TOKENS: u64 = 300;

/// The stream that a reply belongs to.
fn length_of(observation: &Observation) -> Length {
    let passive = !observation.source.is_probe();
    let long_reply = passive && observation.usage.output.is_some_and(|n| n >= LONG_TOKENS);
    if observation.source == Source::Long || long_reply {
        Length::Long
    } else {
        Length::Short
    }
}

impl Engine {
    pub(super) fn take(
        &mut self,
        number: usize,
        observation: &Observation,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let now_ms = now.as_millis();
        self.incident_clock(number, now, out);
        let started = observation.started.as_millis();
        let old = observation.source == Source::Report && now_ms - started > REPORT_MAX_AGE_MS;
        let target = &mut self.targets[number];
        if old {
            return;
        }
        target.note(observation, now_ms);
        if self.gate.discards(started) {
            if self.gate.offline() && self.gate.mode() == Mode::Peer {
                self.peer_answer(number, observation, now, out);
            }
            return;
        }
        let class = if observation.source.is_probe() {
            CANARY_CLASS
        } else {
            class_of(observation.usage.input)
        };
        let hard = target
            .latency
            .deadlines(class, target.setup.first_token_limit)
            .hard;
        let evidence = evidence::read(observation, &target.setup, hard);
        if evidence.edge != Edge::Bad {
            target.window.count(now_ms, evidence.count, observation);
        }
        self.note_provider(number, observation, &evidence, now_ms);
        let at_ms = observation
            .at
            .as_millis()
            .clamp(now_ms - REPORT_MAX_AGE_MS, now_ms);
        self.take_edge(number, observation, &evidence, at_ms, now, out);
        self.take_model(number, observation, evidence.model, class, at_ms, now, out);
        if evidence.ask {
            self.ask_all(self.targets[number].provider, now_ms, out);
        }
        self.judge_after(number, now, out);
    }

    /// Connect times, overload and what the answer says about our key.
    fn note_provider(&mut self, number: usize, observation: &Observation, evidence: &Evidence, now_ms: i64) {
        let home = self.targets[number].provider;
        let provider = &mut self.providers[home];
        if let Some(connect) = observation.phases.connect {
            let whole = connect + observation.phases.dns.unwrap_or_default();
            provider.connect.value(now_ms, whole.as_secs_f64() * 1000.0);
        }
        let answered = evidence.edge == Edge::Good;
        if observation.source != Source::Reach && answered {
            provider.overload = match observation.verdict {
                Verdict::Errored(failure)
                    if matches!(failure.class, ErrorClass::Overloaded | ErrorClass::RateLimit) =>
                {
                    let wait = observation.retry_after.map(|wait| wait.as_millis() as i64);
                    let since_ms = provider.overload.map_or(now_ms, |overload| overload.since_ms);
                    Some(Overload {
                        since_ms,
                        until_ms: wait.map(|wait| now_ms + wait.clamp(0, RETRY_MAX_MS)),
                    })
                }
                _ => None,
            };
        }
        if observation.source == Source::Reach {
            for number in provider.targets.clone() {
                self.targets[number].note_key(evidence.key, observation, now_ms);
            }
            return;
        }
        let own = observation.source.is_probe() && observation.with_key;
        let key = match evidence.key {
            // Any evidence about the model means that the request got past the check of our key.
            Key::Ignored if own && evidence.model != Model::Ignored => Key::Works,
            key => key,
        };
        self.targets[number].note_key(key, observation, now_ms);
    }

    fn take_edge(
        &mut self,
        number: usize,
        observation: &Observation,
        evidence: &Evidence,
        at_ms: i64,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let home = self.targets[number].provider;
        let may_convict = observation.trust == Trust::Full;
        if evidence.edge != Edge::Ignored && self.gate.mode() == Mode::Peer {
            self.peer_answer(number, observation, now, out);
            if self.gate.offline() {
                return;
            }
        }
        match evidence.edge {
            Edge::Ignored => {}
            Edge::Good => {
                self.providers[home].edge.take(&Fact {
                    at_ms,
                    failed: None,
                    slow: None,
                    weight: 1.0,
                    purpose: observation.purpose,
                    source: observation.source,
                    may_convict,
                });
            }
            Edge::Bad => {
                let provider = &mut self.providers[home];
                if may_convict {
                    provider.last_edge_bad_ms = Some(at_ms);
                }
                if provider.held.len() < MAX_HELD {
                    provider.held.push(Held {
                        at_ms,
                        target: number,
                        purpose: observation.purpose,
                        source: observation.source,
                        may_convict,
                        count: evidence.count,
                    });
                }
                // The burst runs beside the anchors, as if the evidence already counted.
                let mut look = provider.edge.look(at_ms, true);
                look.s_h += provider.edge.machine.tuning().h.bad_step();
                let due =
                    provider
                        .edge
                        .confirm
                        .trigger(&look, true, false, &mut provider.bucket, &mut self.rng);
                self.order_edge(home, &due, Purpose::Confirm, out);
                self.settle_held(home, now, out);
            }
        }
    }

    /// Lets go of held evidence that the gate has ruled on, and asks for a round where it can't yet.
    pub(super) fn settle_held(&mut self, home: usize, now: Timestamp, out: &mut Vec<Effect>) {
        if self.providers[home].held.is_empty() {
            return;
        }
        let now_ms = now.as_millis();
        let ailing = self.providers.iter().filter(|p| p.ails(now_ms)).count();
        let common = self.providers.len() >= PEERS_MIN && 2 * ailing > self.providers.len();
        let mut waiting = Vec::new();
        for held in std::mem::take(&mut self.providers[home].held) {
            let machine = &self.providers[home].edge.machine;
            let step = machine.tuning().h.bad_step();
            let decisive =
                !machine.alarmed() && machine.kernel().h().s() + step >= machine.tuning().h.cap() - 1e-9;
            let ruling = match self.gate.rule(held.at_ms, decisive, now_ms) {
                Ruling::Commit if common => Ruling::Drop,
                ruling => ruling,
            };
            match ruling {
                Ruling::Drop => {}
                Ruling::Wait => {
                    if self.gate.wants_round(now_ms, decisive) {
                        self.ask_vantage(home, now, out);
                    }
                    waiting.push(held);
                }
                Ruling::Commit => self.commit(home, held, now_ms),
            }
        }
        // A dropped piece still asks whether we have a network at all.
        if waiting.is_empty() && self.gate.wants_round(now_ms, false) {
            self.ask_vantage(home, now, out);
        }
        self.providers[home].held = waiting;
    }

    fn commit(&mut self, home: usize, held: Held, now_ms: i64) {
        self.providers[home].edge.take(&Fact {
            at_ms: held.at_ms,
            failed: Some(Kind::Unreachable),
            slow: None,
            weight: 1.0,
            purpose: held.purpose,
            source: held.source,
            may_convict: held.may_convict,
        });
        if held.count == Count::Error {
            self.targets[held.target].window.error(now_ms);
        }
    }

    /// Orders a round of whatever vouches for our network.
    pub(super) fn ask_vantage(&mut self, asker: usize, now: Timestamp, out: &mut Vec<Effect>) {
        if self.gate.mode() == Mode::Anchors {
            out.push(Effect::Anchors);
            return;
        }
        self.asker = Some(asker);
        let others = (1..self.providers.len()).map(|step| (asker + step) % self.providers.len());
        let well = others
            .clone()
            .find(|i| !self.providers[*i].edge.machine.alarmed());
        if let Some(peer) = well.or_else(|| others.clone().next()) {
            let due = [now.as_millis()];
            self.order_edge(peer, &due, Purpose::Confirm, out);
        }
    }

    /// In peer mode another provider's edge is the anchor.
    fn peer_answer(
        &mut self,
        number: usize,
        observation: &Observation,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let home = self.targets[number].provider;
        let waited_for =
            self.gate.offline() || (self.gate.awaits() && self.asker.is_some_and(|asker| asker != home));
        if !waited_for {
            return;
        }
        match evidence::edge_of(observation) {
            Edge::Ignored => {}
            Edge::Good => self.take_round(&[true], now, out),
            Edge::Bad => self.take_round(&[false], now, out),
        }
    }

    pub(super) fn take_round(&mut self, answered: &[bool], now: Timestamp, out: &mut Vec<Effect>) {
        if self.gate.round(answered, now.as_millis()) {
            self.go_offline(now, out);
            return;
        }
        for home in 0..self.providers.len() {
            if !self.providers[home].held.is_empty() {
                self.settle_held(home, now, out);
                self.judge_provider(home, now, out);
            }
        }
    }

    pub(super) fn go_offline(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        out.push(Effect::Network(Network::Offline));
        for provider in &mut self.providers {
            provider.held.clear();
            provider.edge.forget();
            provider.edge.recovery.stop();
        }
        for target in &mut self.targets {
            for stream in [&mut target.short, &mut target.long] {
                stream.forget();
                stream.recovery.stop();
            }
        }
        self.judge_all(now, out);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of the way of an observation, split for reading"
    )]
    fn take_model(
        &mut self,
        number: usize,
        observation: &Observation,
        model: Model,
        class: usize,
        at_ms: i64,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let length = length_of(observation);
        let target = &mut self.targets[number];
        let soft = target.latency.soft(class);
        let ttft = observation.ttft();
        let late = observation.flags.contains(Flags::SLOW) || ttft.is_some_and(|ttft| ttft > soft);
        let own = matches!(observation.source, Source::Canary | Source::Long);
        let fed = own && (late || ttft.is_none()) && target.stream_mut(length).settle_pending(at_ms);
        let (failed, weight) = match model {
            Model::Ignored => return,
            Model::Good => (None, 1.0),
            Model::Bad(weight, kind) => (Some(kind), weight),
        };
        let slow = (failed.is_none() && ttft.is_some() && !fed).then_some(late);
        if let Some(ttft) = ttft
            && observation.verdict == Verdict::Complete
            && observation.trust == Trust::Full
            && !target.published.state.is_impaired()
        {
            target
                .latency
                .record(now.as_millis(), class, ttft.as_secs_f64() * 1000.0);
        }
        target.stream_mut(length).take(&Fact {
            at_ms,
            failed,
            slow,
            weight,
            purpose: observation.purpose,
            source: observation.source,
            may_convict: observation.trust == Trust::Full,
        });
        self.suspect(
            number,
            length,
            failed.is_some(),
            slow == Some(true),
            now.as_millis(),
            out,
        );
    }

    pub(super) fn take_pending(
        &mut self,
        number: usize,
        length: Length,
        purpose: Purpose,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let now_ms = now.as_millis();
        let target = &mut self.targets[number];
        let soft = target.latency.soft(CANARY_CLASS).as_millis() as i64;
        if self.gate.discards(now_ms - soft) {
            return;
        }
        self.incident_clock(number, now, out);
        let source = match length {
            Length::Short => Source::Canary,
            Length::Long => Source::Long,
        };
        self.targets[number]
            .stream_mut(length)
            .pend(now_ms, source, purpose);
        self.suspect(number, length, false, true, now_ms, out);
        self.judge_after(number, now, out);
    }

    /// Starts a burst if the last evidence calls for one.
    fn suspect(
        &mut self,
        number: usize,
        length: Length,
        bad: bool,
        slow: bool,
        now_ms: i64,
        out: &mut Vec<Effect>,
    ) {
        if !(bad || slow) || !self.targets[number].can_probe(length) {
            return;
        }
        let look = self.look(number, length, now_ms);
        let target = &mut self.targets[number];
        let bucket = &mut target.bucket;
        let stream = match length {
            Length::Short => &mut target.short,
            Length::Long => &mut target.long,
        };
        let due = stream.confirm.trigger(&look, bad, slow, bucket, &mut self.rng);
        self.order_model(number, length, &due, Purpose::Confirm, out);
    }

    /// A provider's edge answers with server errors: its targets are asked at once.
    fn ask_all(&mut self, home: usize, now_ms: i64, out: &mut Vec<Effect>) {
        for number in self.providers[home].targets.clone() {
            if !self.targets[number].can_probe(Length::Short) {
                continue;
            }
            let look = self.look(number, Length::Short, now_ms);
            let target = &mut self.targets[number];
            let due = target
                .short
                .confirm
                .start(&look, &mut target.bucket, &mut self.rng);
            self.order_model(number, Length::Short, &due, Purpose::Confirm, out);
        }
    }

    /// A model stream as its confirmer sees it, with the provider's wishes where the target is polite.
    pub(super) fn look(&self, number: usize, length: Length, now_ms: i64) -> Look {
        let target = &self.targets[number];
        let mut look = target.stream(length).look(now_ms, false);
        if let Some(overload) = self.providers[target.provider]
            .overload
            .filter(|_| target.setup.polite)
        {
            look.polite = true;
            look.wait_until_ms = overload.until_ms;
        }
        look
    }

    pub(super) fn order_model(
        &self,
        number: usize,
        length: Length,
        due: &[i64],
        purpose: Purpose,
        out: &mut Vec<Effect>,
    ) {
        out.extend(due.iter().map(|due| {
            Effect::Probe(ProbeOrder {
                subject: Subject::Model(self.targets[number].setup.id.clone(), length),
                due: Timestamp::from_millis(*due),
                purpose,
            })
        }));
    }

    pub(super) fn order_edge(&self, home: usize, due: &[i64], purpose: Purpose, out: &mut Vec<Effect>) {
        out.extend(due.iter().map(|due| {
            Effect::Probe(ProbeOrder {
                subject: Subject::Edge(self.providers[home].id.clone()),
                due: Timestamp::from_millis(*due),
                purpose,
            })
        }));
    }

    fn judge_after(&mut self, number: usize, now: Timestamp, out: &mut Vec<Effect>) {
        self.judge_provider(self.targets[number].provider, now, out);
        self.judge(number, now, out);
    }

    /// Judges a provider's targets if what they take from its edge has changed.
    pub(super) fn judge_provider(&mut self, home: usize, now: Timestamp, out: &mut Vec<Effect>) {
        let provider = &mut self.providers[home];
        let signature = provider.signature();
        if provider.seen == Some(signature) {
            return;
        }
        provider.seen = Some(signature);
        for number in provider.targets.clone() {
            self.judge(number, now, out);
        }
    }

    pub(super) fn judge_all(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        for number in 0..self.targets.len() {
            self.judge(number, now, out);
        }
    }

    /// Decides one target anew and tells what changed.
    pub(super) fn judge(&mut self, number: usize, now: Timestamp, out: &mut Vec<Effect>) {
        let now_ms = now.as_millis();
        let home = self.targets[number].provider;
        let decision = self.targets[number].decide(&self.providers[home], &self.gate, now_ms);
        let target = &mut self.targets[number];
        let routing = target.advice.routing(decision.state, &decision.facts, now_ms);
        let before = target.published.clone();
        let same_advice = routing.hint == before.routing.hint && routing.weight == before.routing.weight;
        let same_reason = decision.code == before.code || !decision.state.is_impaired();
        let same_state = decision.state == before.state;
        target.published = Published {
            state: decision.state,
            since: if same_state { before.since } else { now },
            code: decision.code,
            routing,
        };
        if same_state && same_advice && same_reason {
            return;
        }
        let reason = self.reason(number, &decision, now);
        let first_evidence = self.first_evidence(number, &decision);
        if !(same_state && same_reason) {
            self.tell_tracker(number, decision.state, &reason, first_evidence, now, out);
        }
        out.push(Effect::Transition(Transition {
            target: self.targets[number].setup.id.clone(),
            at: now,
            from: before.state,
            to: decision.state,
            routing,
            reason,
            first_evidence,
        }));
    }

    fn tell_tracker(
        &mut self,
        number: usize,
        state: State,
        reason: &Reason,
        first_bad: Option<Timestamp>,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let rng = &mut self.rng;
        let target = &mut self.targets[number];
        let change = Change {
            target: &target.setup.id,
            state,
            reason,
            first_bad,
            now,
        };
        let told = target.tracker.change(&change, || {
            let mut random = [0; 10];
            rand::Rng::fill_bytes(rng, &mut random);
            let millis = u64::try_from(now.as_millis()).unwrap_or(0);
            uuid::Builder::from_unix_timestamp_millis(millis, &random)
                .into_uuid()
                .to_string()
        });
        out.extend(told.map(|(phase, incident)| Effect::Incident(phase, incident)));
    }

    /// The first bad evidence behind a decision.
    fn first_evidence(&self, number: usize, decision: &Decision) -> Option<Timestamp> {
        if !decision.state.is_impaired() {
            return None;
        }
        let target = &self.targets[number];
        let stream = match decision.speaker {
            Speaker::Edge => &self.providers[target.provider].edge,
            Speaker::Model(length) => target.stream(length),
            Speaker::Nobody => return None,
        };
        stream.first_bad_ms.map(Timestamp::from_millis)
    }

    pub(super) fn incident_clock(&mut self, number: usize, now: Timestamp, out: &mut Vec<Effect>) {
        while let Some((phase, incident)) = self.targets[number].tracker.advance(now) {
            out.push(Effect::Incident(phase, incident));
        }
    }
}
