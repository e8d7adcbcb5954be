//! The timetable: who is probed when. Pure; the caller waits, sends and tells what came of it.
//!
//! Slots stand at `epoch + phase + k * interval`, so nothing drifts; each probe is due a random part of a tenth of the
//! interval after its slot. Phases spread the streams over the interval. A slot that was missed (machine asleep,
//! probe still running, provider overloaded) is counted and never made up for. `docs/detection.md` says who yields
//! to whom.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::ProbeKind;
use crate::{
    clock::Timestamp,
    config::{Config, Provider},
    health::Subject,
    id::ProviderId,
    verdict::Purpose,
};

/// Jitter after the slot, as a share of the interval.
pub const JITTER: f64 = 0.1;
/// A probe that is later than this, or than its interval, is skipped: the machine slept.
pub const MAX_LATE: Duration = Duration::from_secs(5);
/// While a polite provider is overloaded, its canaries come at least this far apart.
pub const POLITE_GAP: Duration = Duration::from_secs(10);
/// Longest `Retry-After` that is obeyed; a provider that asks for more is asked again after this.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// Beyond its own deadlines, how long a probe may stay unfinished before it counts as lost.
pub const LEASE_SLACK: Duration = Duration::from_secs(30);
/// Fractional part of the golden ratio: steps of it spread any number of phases evenly.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// A probe to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Of whom.
    pub subject: Subject,
    /// What to send.
    pub kind: ProbeKind,
    /// When it should have been sent.
    pub at: Timestamp,
}

/// One row of the timetable.
#[derive(Debug)]
struct Stream {
    subject: Subject,
    kind: ProbeKind,
    every: Duration,
    /// Slot zero.
    first: Timestamp,
    /// Number of the next slot.
    slot: u64,
    /// That slot with its jitter.
    due: Timestamp,
}

impl Stream {
    fn slot_at(&self, slot: u64) -> Timestamp {
        let every = u64::try_from(self.every.as_millis()).unwrap_or(u64::MAX);
        self.first.plus(Duration::from_millis(every.saturating_mul(slot)))
    }

    /// The slot whose span holds `now`.
    fn current_slot(&self, now: Timestamp) -> u64 {
        (now.since(self.first).as_millis() / self.every.as_millis().max(1)) as u64
    }

    fn advance(&mut self, slot: u64, rng: &mut ChaCha8Rng) {
        self.slot = slot;
        self.due = self
            .slot_at(slot)
            .plus(self.every.mul_f64(rng.random::<f64>() * JITTER));
    }
}

/// What a provider asked of us.
#[derive(Debug, Clone, Copy)]
struct Hold {
    /// `Retry-After`: nothing but what a person asks for is sent before.
    retry_at: Timestamp,
    /// Back-off: no scheduled or confirming canary is sent before.
    next: Timestamp,
}

/// The timetable of one configuration.
#[derive(Debug)]
pub struct Schedule {
    streams: Vec<Stream>,
    in_flight: HashMap<(Subject, ProbeKind), Timestamp>,
    lease: HashMap<ProviderId, Duration>,
    polite: HashSet<ProviderId>,
    holds: HashMap<ProviderId, Hold>,
    rng: ChaCha8Rng,
    phase: f64,
    skipped: u64,
}

impl Schedule {
    /// A timetable that begins now. The same seed gives the same timetable.
    pub fn new(config: &Config, seed: u64, now: Timestamp) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let phase = rng.random();
        let mut schedule = Self {
            streams: Vec::new(),
            in_flight: HashMap::new(),
            lease: HashMap::new(),
            polite: HashSet::new(),
            holds: HashMap::new(),
            rng,
            phase,
            skipped: 0,
        };
        schedule.reconfigure(config, now);
        schedule
    }

    /// Takes a new configuration. Streams whose interval stays keep their slots; what is in flight stays in flight.
    pub fn reconfigure(&mut self, config: &Config, now: Timestamp) {
        let mut old: HashMap<(Subject, ProbeKind), Stream> = self
            .streams
            .drain(..)
            .map(|stream| ((stream.subject.clone(), stream.kind), stream))
            .collect();
        for (row, every) in rows(config) {
            let stream = match old.remove(&row).filter(|stream| stream.every == every) {
                Some(stream) => stream,
                None => self.stream(row, every, now),
            };
            self.streams.push(stream);
        }
        let providers = || config.providers.iter();
        self.lease = providers()
            .map(|p| (p.id.clone(), longest(p) + LEASE_SLACK))
            .collect();
        self.polite = providers().filter(|p| p.polite).map(|p| p.id.clone()).collect();
        self.holds.retain(|provider, _| self.polite.contains(provider));
    }

    fn stream(&mut self, (subject, kind): (Subject, ProbeKind), every: Duration, now: Timestamp) -> Stream {
        self.phase = (self.phase + GOLDEN).fract();
        let mut stream = Stream {
            subject,
            kind,
            every,
            first: now.plus(every.mul_f64(self.phase)),
            slot: 0,
            due: now,
        };
        stream.advance(0, &mut self.rng);
        stream
    }

    /// When [`Schedule::take_due`] next has something to do; `None` for an empty timetable.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.streams.iter().map(|stream| stream.due).min()
    }

    /// What is to be sent now, the longest due first. Each is in flight until [`Schedule::finished`].
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Due> {
        let mut order: Vec<usize> = (0..self.streams.len())
            .filter(|at| self.streams[*at].due <= now)
            .collect();
        order.sort_by_key(|at| self.streams[*at].due);
        let mut out = Vec::new();
        for at in order {
            let stream = &mut self.streams[at];
            let (due, slot) = (stream.due, stream.slot);
            let late = now.since(due) >= stream.every.min(MAX_LATE);
            let current = stream.current_slot(now).max(slot);
            stream.advance(current + 1, &mut self.rng);
            let row = (stream.subject.clone(), stream.kind);
            let send = !late && !self.busy(&row, now) && self.admit(&row.0, Purpose::Scheduled, now).is_ok();
            self.skipped += current - slot + u64::from(!send);
            if send {
                self.in_flight.insert(row.clone(), now);
                let (subject, kind) = row;
                out.push(Due {
                    subject,
                    kind,
                    at: due,
                });
            }
        }
        out
    }

    /// Whether the last probe of that stream is still running. One that was not heard of for longer than its
    /// deadlines allow is lost, and doesn't silence its stream for good.
    fn busy(&self, row: &(Subject, ProbeKind), now: Timestamp) -> bool {
        let lease = self
            .lease
            .get(provider_of(&row.0))
            .copied()
            .unwrap_or(LEASE_SLACK);
        self.in_flight
            .get(row)
            .is_some_and(|since| now.since(*since) < lease)
    }

    /// A scheduled probe ended, whatever came of it (also when it was not sent after all, for lack of budget).
    pub fn finished(&mut self, subject: &Subject, kind: ProbeKind) {
        self.in_flight.remove(&(subject.clone(), kind));
    }

    /// Whether a probe may be sent now, for orders that come beside the timetable. An admitted scheduled or
    /// confirming canary counts for the back-off; reachability is always admitted.
    ///
    /// # Errors
    /// Not before that time.
    pub fn admit(&mut self, subject: &Subject, purpose: Purpose, now: Timestamp) -> Result<(), Timestamp> {
        let Subject::Model(target, _) = subject else {
            return Ok(());
        };
        let Some(hold) = self.holds.get_mut(target.provider()) else {
            return Ok(());
        };
        let until = match purpose {
            Purpose::Manual => return Ok(()),
            Purpose::Recovery => hold.retry_at,
            Purpose::Scheduled | Purpose::Confirm => hold.next.max(hold.retry_at),
        };
        if now < until {
            return Err(until);
        }
        if purpose != Purpose::Recovery {
            hold.next = now.plus(gap(&mut self.rng));
        }
        Ok(())
    }

    /// The provider answered that it has no capacity (429 of the overload kind, 503, 529). Ignored for providers
    /// that are not polite.
    pub fn overload(&mut self, provider: &ProviderId, retry_after: Option<Duration>, now: Timestamp) {
        if !self.polite.contains(provider) {
            return;
        }
        let next = now.plus(gap(&mut self.rng));
        let retry_at = retry_after.map_or(now, |wait| now.plus(wait.min(MAX_RETRY_AFTER)));
        let hold = self
            .holds
            .entry(provider.clone())
            .or_insert(Hold { retry_at, next });
        hold.retry_at = hold.retry_at.max(retry_at);
    }

    /// The provider answered something else than an overload: the timetable is in force again.
    pub fn ok(&mut self, provider: &ProviderId) {
        self.holds.remove(provider);
    }

    /// Slots that passed without a probe since the start.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

/// At least the gap, with full jitter beyond it, so that many daemons don't come back at once.
fn gap(rng: &mut ChaCha8Rng) -> Duration {
    POLITE_GAP + POLITE_GAP.mul_f64(rng.random::<f64>())
}

/// The longest that a probe of that provider may take.
fn longest(provider: &Provider) -> Duration {
    let own = provider.models.iter().map(|model| provider.limits_of(model));
    own.chain([provider.limits])
        .map(|limits| limits.connect + limits.total)
        .max()
        .unwrap_or_default()
}

fn provider_of(subject: &Subject) -> &ProviderId {
    match subject {
        Subject::Model(target, _) => target.provider(),
        Subject::Edge(provider) => provider,
    }
}

/// Every stream of a configuration with its interval.
fn rows(config: &Config) -> impl Iterator<Item = ((Subject, ProbeKind), Duration)> {
    config.providers.iter().flat_map(|provider| {
        let edge = provider.reach.as_ref().map(|reach| {
            let row = (Subject::Edge(provider.id.clone()), ProbeKind::Reach);
            (row, reach.every)
        });
        let canaries = provider.models.iter().flat_map(|model| {
            model.canaries().map(|(kind, canary)| {
                let kind = ProbeKind::from(kind);
                let subject = Subject::Model(model.id.clone(), kind.length());
                ((subject, kind), canary.every)
            })
        });
        edge.into_iter().chain(canaries)
    })
}

#[cfg(test)]
mod tests;
