//! Edge evidence: held, ruled on by the vantage gate, then counted or dropped.

use super::Engine;
use crate::{
    clock::Timestamp,
    health::{
        Effect, Network, ProbeOrder, Subject,
        evidence::{self, Count, Edge, Evidence, Kind},
        provider::{Held, MAX_HELD},
        stream::Fact,
        vantage::{Mode, PEERS_MIN, Ruling},
    },
    verdict::{Observation, Purpose, Trust},
};

impl Engine {
    pub(super) fn take_edge(
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
            // A network that loses half of its connections answers a round in eight with luck. Whatever adds to a
            // suspicion therefore needs a round of its own.
            let decisive = !machine.alarmed() && machine.kernel().h().s() > 0.0;
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
                Ruling::Commit => {
                    if decisive {
                        self.gate.spend();
                    }
                    self.commit(home, held, now_ms);
                }
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
        let others = (1..self.providers.len())
            .map(|step| (asker + step) % self.providers.len())
            .filter(|peer| !self.edge_rests(*peer));
        let well = others
            .clone()
            .find(|i| !self.providers[*i].edge.machine.alarmed());
        if let Some(peer) = well.or_else(|| others.clone().next()) {
            let due = [now.as_millis()];
            self.order_edge(peer, &due, Purpose::Confirm, out);
        }
    }

    /// In peer mode another provider's edge is the anchor.
    pub(super) fn peer_answer(
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

    pub(super) fn order_edge(&self, home: usize, due: &[i64], purpose: Purpose, out: &mut Vec<Effect>) {
        if self.edge_rests(home) {
            return;
        }
        out.extend(due.iter().map(|due| {
            Effect::Probe(ProbeOrder {
                subject: Subject::Edge(self.providers[home].id.clone()),
                due: Timestamp::from_millis(*due),
                purpose,
            })
        }));
    }
}
