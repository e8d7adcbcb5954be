//! The way of an observation: evidence, gate, detectors, suspicion, state.

use super::Engine;
use crate::{
    clock::Timestamp,
    health::{
        Effect, Length, ProbeOrder, Subject,
        confirm::Look,
        deadline::{CANARY_CLASS, class_of},
        evidence::{self, Edge, Evidence, Key, Model},
        provider::Overload,
        stream::Fact,
        target::RETRY_MAX_MS,
        vantage::Mode,
    },
    protocol::ErrorClass,
    verdict::{CanaryKind, Flags, Observation, Purpose, Source, Trust, Verdict},
};

/// A report older than this is history only, in milliseconds.
const REPORT_MAX_AGE_MS: i64 = 60_000;
/// Output tokens from which a reply counts as long.
pub(in crate::health) const LONG_TOKENS: u64 = 300;

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

/// Whether the first token tells how fast the model is. Many servers send a call whole, once it is finished.
fn is_timed(observation: &Observation) -> bool {
    observation.canary_kind() != Some(CanaryKind::Tool)
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
        // A long reply is news when it ends, however long ago it was asked for.
        let ended = observation
            .started
            .plus(observation.phases.end.unwrap_or_default());
        let old = observation.source == Source::Report && now_ms - ended.as_millis() > REPORT_MAX_AGE_MS;
        let target = &mut self.targets[number];
        if old {
            return;
        }
        out.extend(target.note(observation, now_ms).into_iter().map(Effect::Change));
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
        let hard = if is_timed(observation) {
            let limit = target.setup.first_token_limit;
            target.latency.deadlines(class, limit).hard
        } else {
            target.setup.first_token_limit
        };
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
        let limit = target.setup.first_token_limit;
        let soft = target.latency.soft(class, limit);
        let ttft = observation.ttft().filter(|_| is_timed(observation));
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
        let limit = target.setup.first_token_limit;
        let soft = target.latency.soft(CANARY_CLASS, limit).as_millis() as i64;
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
        if self.targets[number].declared.pause.is_some() {
            return;
        }
        out.extend(due.iter().map(|due| {
            Effect::Probe(ProbeOrder {
                subject: Subject::Model(self.targets[number].setup.id.clone(), length),
                due: Timestamp::from_millis(*due),
                purpose,
            })
        }));
    }
}
