//! What time alone brings: staleness, ramps, incidents, bursts, recovery probes, rounds of the gate.

use super::Engine;
use crate::{
    clock::Timestamp,
    health::{Effect, Length, Network, vantage::HOLD_MS},
    verdict::Purpose,
};

/// The latest that a wake is put off, in milliseconds.
const IDLE_MS: i64 = 60_000;

const LENGTHS: [Length; 2] = [Length::Short, Length::Long];

impl Engine {
    pub(super) fn wake(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let now_ms = now.as_millis();
        if self.declared_due.is_some_and(|due| due <= now) {
            self.apply_declared(now, out);
        }
        if self.gate.comes_back(now_ms) {
            out.push(Effect::Network(Network::Online));
            self.resume(now_ms);
        }
        if self.gate.due_round(now_ms) {
            // In peer mode each round asks another provider.
            let asker = self
                .asker
                .map_or(0, |asker| (asker + 1) % self.providers.len().max(1));
            if !self.providers.is_empty() {
                self.ask_vantage(asker, now, out);
            }
        }
        for home in 0..self.providers.len() {
            self.settle_held(home, now, out);
            self.wake_edge(home, now_ms, out);
        }
        for number in 0..self.targets.len() {
            self.wake_target(number, now_ms, out);
            self.incident_clock(number, now, out);
            self.judge(number, now, out);
        }
    }

    fn resume(&mut self, now_ms: i64) {
        let edges = self.providers.iter_mut().map(|provider| &mut provider.edge);
        let models = self
            .targets
            .iter_mut()
            .flat_map(|target| [&mut target.short, &mut target.long]);
        for stream in edges.chain(models) {
            if stream.machine.alarmed() {
                stream.recovery.ensure(now_ms);
            }
        }
    }

    fn wake_edge(&mut self, home: usize, now_ms: i64, out: &mut Vec<Effect>) {
        let rests = self.edge_rests(home);
        let provider = &mut self.providers[home];
        provider.connect.roll(now_ms);
        let edge = &mut provider.edge;
        if edge.kept.known && edge.stale_at(provider.interval_ms).is_some_and(|at| now_ms >= at) {
            edge.forget();
        }
        if rests {
            edge.recovery.stop();
            edge.confirm.stop();
            provider.seen = Some(provider.signature());
            return;
        }
        let mut look = edge.look(now_ms, true);
        // Held evidence is as good as counted for the question whether to ask again.
        look.s_h += edge.machine.tuning().h.bad_step() * provider.held.len() as f64;
        let confirm = edge.confirm.proceed(&look, &mut provider.bucket, &mut self.rng);
        let recover = !self.gate.offline() && edge.recovery.proceed(&look, &mut provider.allowance);
        provider.seen = Some(provider.signature());
        self.order_edge(home, confirm.as_slice(), Purpose::Confirm, out);
        if recover {
            self.order_edge(home, &[now_ms], Purpose::Recovery, out);
        }
    }

    fn wake_target(&mut self, number: usize, now_ms: i64, out: &mut Vec<Effect>) {
        let offline = self.gate.offline();
        let target = &mut self.targets[number];
        target.window.roll(now_ms);
        if target.key_wake().is_some_and(|at| now_ms >= at) {
            target.key = None;
        }
        for length in LENGTHS {
            let look = self.look(number, length, now_ms);
            let target = &mut self.targets[number];
            let interval = target.interval_ms(length);
            let can_probe = target.can_probe(length);
            let (stream, bucket, allowance) = match length {
                Length::Short => (&mut target.short, &mut target.bucket, &mut target.allowance),
                Length::Long => (&mut target.long, &mut target.bucket, &mut target.allowance),
            };
            if stream.kept.known && stream.stale_at(interval).is_some_and(|at| now_ms >= at) {
                stream.forget();
            }
            if !can_probe {
                stream.recovery.stop();
                stream.confirm.stop();
                continue;
            }
            let confirm = stream.confirm.proceed(&look, bucket, &mut self.rng);
            let recover = !offline && stream.recovery.proceed(&look, allowance);
            self.order_model(number, length, confirm.as_slice(), Purpose::Confirm, out);
            if recover {
                self.order_model(number, length, &[now_ms], Purpose::Recovery, out);
            }
        }
    }

    pub(super) fn earliest_wake(&self, now: Timestamp) -> Timestamp {
        let now_ms = now.max(self.now).as_millis();
        let mut earliest = now_ms + IDLE_MS;
        let mut note = |due: Option<i64>| earliest = earliest.min(due.unwrap_or(i64::MAX));
        note(self.gate.next_wake());
        note(self.declared_due.map(Timestamp::as_millis));
        for provider in &self.providers {
            let edge = &provider.edge;
            note(provider.held.first().map(|held| held.at_ms + HOLD_MS));
            note(provider.connect.next_wake());
            note(edge.confirm.next_wake());
            note(edge.recovery.next_wake().filter(|_| !self.gate.offline()));
            note(edge.stale_at(provider.interval_ms).filter(|_| edge.kept.known));
        }
        for target in &self.targets {
            note(target.window.next_wake());
            note(target.key_wake());
            note(target.advice.next_wake(now_ms));
            note(target.tracker.next_wake());
            for length in LENGTHS {
                let interval = target.interval_ms(length);
                let stream = target.stream(length);
                note(stream.confirm.next_wake());
                note(stream.recovery.next_wake().filter(|_| !self.gate.offline()));
                note(stream.stale_at(interval).filter(|_| stream.kept.known));
            }
        }
        Timestamp::from_millis(earliest.max(now_ms))
    }
}
