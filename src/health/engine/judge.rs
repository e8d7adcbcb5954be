//! From streams to what is told: states, hints, reasons, incidents.

use super::Engine;
use crate::{
    clock::Timestamp,
    health::{
        Effect, Reason, State, Transition,
        incident::Change,
        target::{Decision, Published, Speaker},
    },
};

impl Engine {
    pub(super) fn judge_after(&mut self, number: usize, now: Timestamp, out: &mut Vec<Effect>) {
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
        let routing = target.advise(&decision, now_ms);
        let before = target.published.clone();
        let same_advice = routing.hint == before.routing.hint && routing.weight == before.routing.weight;
        let same_reason = decision.code == before.code || !decision.state.is_impaired();
        let same_state = decision.state == before.state;
        let same_word = target.declared == before.declared;
        target.published = Published {
            state: decision.state,
            since: if same_state { before.since } else { now },
            code: decision.code,
            routing,
            declared: target.declared.clone(),
        };
        if same_state && same_advice && same_reason && same_word {
            return;
        }
        let reason = self.reason(number, &decision, now);
        let first_evidence = self.first_evidence(number, &decision);
        if !(same_state && same_reason && same_word) {
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
        let first = stream.first_bad_ms.map(Timestamp::from_millis)?;
        // What failed while somebody had declared that it would is no part of a spell of ill health.
        Some(target.declared_until.map_or(first, |end| first.max(end)))
    }

    pub(super) fn incident_clock(&mut self, number: usize, now: Timestamp, out: &mut Vec<Effect>) {
        let target = &mut self.targets[number];
        // A target that nobody asks for replies never becomes operational: its reachable edge is all that can recover.
        if target.published.state == State::Unknown
            && target.short.kept.last_ms.is_none()
            && target.long.kept.last_ms.is_none()
            && target.setup.generates_every().is_none()
            && self.providers[target.provider].edge.state() == Some(State::Operational)
        {
            let told = target.tracker.reachable_again(now);
            out.extend(told.map(|(phase, incident)| Effect::Incident(phase, incident)));
        }
        while let Some((phase, incident)) = self.targets[number].tracker.advance(now) {
            out.push(Effect::Incident(phase, incident));
        }
    }
}
