//! When to ask again: bursts that settle a suspicion, and probes that see whether an alarmed stream is back.

use rand::{Rng, RngExt};

/// Probes fired at once when a suspicion arises.
pub(super) const BURST: u32 = 4;
/// Most probes of one burst, the single ones included.
pub(super) const BURST_MAX: u32 = 12;
/// Distance of the first four probes of a model burst, in milliseconds.
const MODEL_STEP_MS: i64 = 160;
/// Distance of the first four probes of an edge burst, in milliseconds.
const EDGE_STEP_MS: i64 = 110;
/// Jitter of each, in milliseconds.
const JITTER_MS: i64 = 30;
/// Distance of the single probes that follow, in milliseconds.
const SINGLE_MS: i64 = 300;
/// Least distance of two bursts, in milliseconds.
const BURST_GAP_MS: i64 = 2_000;
/// Distance of confirming probes while a polite provider is overloaded, in milliseconds.
pub(super) const POLITE_MS: i64 = 10_000;
/// Rate of arrivals that settles suspicions by itself, per second.
pub(super) const FAST: f64 = 10.0;
/// Rate from which a single slow answer calls for no burst, per second.
const BRISK: f64 = 0.2;
/// Pauses after bad recovery probes, in milliseconds.
pub(super) const BACKOFF_MS: [i64; 4] = [2_000, 4_000, 8_000, 15_000];
/// Pause after a good observation of an alarmed stream, in milliseconds.
const AFTER_GOOD_MS: i64 = 500;
/// Most recovery probes per rolling hour, after which one per [`BACKOFF_MS`]' last goes out.
pub(super) const RECOVERY_PER_HOUR: u32 = 600;
/// After this long without an answer, a recovery probe counts as lost, in milliseconds.
const LOST_MS: i64 = 45_000;

/// A bucket of tokens that fills with time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bucket {
    tokens: f64,
    size: f64,
    per_hour: f64,
    at_ms: i64,
    /// Tokens that only a strong suspicion may spend.
    reserve: f64,
}

impl Bucket {
    /// For generation probes of one model: 60, refilled by 60 an hour, the lower half reserved.
    pub(super) fn for_model(now_ms: i64) -> Self {
        Self::new(60.0, 60.0, 30.0, now_ms)
    }

    /// For edge probes of one provider: 600 an hour, nothing reserved.
    pub(super) fn for_edge(now_ms: i64) -> Self {
        Self::new(600.0, 600.0, 0.0, now_ms)
    }

    fn new(size: f64, per_hour: f64, reserve: f64, at_ms: i64) -> Self {
        Self {
            tokens: size,
            size,
            per_hour,
            at_ms,
            reserve,
        }
    }

    /// Takes `n` tokens if they are there; the reserve only when `strong`.
    fn take(&mut self, n: u32, strong: bool, now_ms: i64) -> bool {
        let hours = (now_ms - self.at_ms).max(0) as f64 / 3_600_000.0;
        self.at_ms = self.at_ms.max(now_ms);
        self.tokens = (self.tokens + hours * self.per_hour).min(self.size);
        let floor = if strong { 0.0 } else { self.reserve };
        let enough = self.tokens - f64::from(n) >= floor;
        if enough {
            self.tokens -= f64::from(n);
        }
        enough
    }
}

/// What a stream looks like to its confirmer, after an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) now_ms: i64,
    pub(super) s_h: f64,
    pub(super) s_l: f64,
    pub(super) alarmed: bool,
    /// Arrivals per second, confirming and recovery probes not counted.
    pub(super) lambda: f64,
    /// An edge stream, whose probes are free and quick.
    pub(super) edge: bool,
    /// Hold back: one probe per [`POLITE_MS`].
    pub(super) polite: bool,
    /// The provider asked us to wait until then.
    pub(super) wait_until_ms: Option<i64>,
}

/// The burst of one stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Confirm {
    last_start_ms: Option<i64>,
    /// Probes sent in the running burst.
    sent: u32,
    /// When the running burst looks again.
    next_ms: Option<i64>,
}

impl Confirm {
    /// After an observation: whether a burst starts. Returns when its probes are due.
    pub(super) fn trigger(
        &mut self,
        look: &Look,
        bad: bool,
        slow: bool,
        bucket: &mut Bucket,
        rng: &mut impl Rng,
    ) -> Vec<i64> {
        let line = if look.lambda >= BRISK { 4.0 } else { 2.0 };
        if (bad && look.s_h >= 1.0) || (slow && look.s_l >= line) {
            self.start(look, bucket, rng)
        } else {
            Vec::new()
        }
    }

    /// Starts a burst unless one ran within 2 s, traffic is fast enough to settle it, or the budget is spent.
    pub(super) fn start(&mut self, look: &Look, bucket: &mut Bucket, rng: &mut impl Rng) -> Vec<i64> {
        let now = look.now_ms;
        let recent = self.last_start_ms.is_some_and(|last| now - last < BURST_GAP_MS);
        let running = self.next_ms.is_some();
        let waiting = look.wait_until_ms.is_some_and(|until| now < until);
        if look.alarmed || recent || running || waiting || look.lambda >= FAST {
            return Vec::new();
        }
        let count = if look.polite { 1 } else { BURST };
        if !bucket.take(count, look.s_h >= 6.5, now) {
            return Vec::new();
        }
        self.last_start_ms = Some(now);
        self.sent = count;
        if look.polite {
            self.next_ms = Some(now + POLITE_MS);
            return vec![now + rng.random_range(0..POLITE_MS)];
        }
        let step = if look.edge { EDGE_STEP_MS } else { MODEL_STEP_MS };
        let due: Vec<i64> = (1..=i64::from(BURST))
            .map(|i| now + step * i + rng.random_range(0..=JITTER_MS))
            .collect();
        self.next_ms = due.last().map(|last| last + SINGLE_MS);
        due
    }

    /// At the time of [`Confirm::next_wake`]: one more probe while undecided. Returns when it is due.
    pub(super) fn proceed(&mut self, look: &Look, bucket: &mut Bucket, rng: &mut impl Rng) -> Option<i64> {
        let now = look.now_ms;
        if self.next_ms.is_none_or(|next| now < next) {
            return None;
        }
        self.next_ms = None;
        let undecided = !look.alarmed && (look.s_h > 0.7 || look.s_l > 1.0);
        let waiting = look.wait_until_ms.is_some_and(|until| now < until);
        if !undecided || waiting || self.sent >= BURST_MAX || look.lambda >= FAST {
            return None;
        }
        if !bucket.take(1, look.s_h >= 3.0, now) {
            return None;
        }
        self.sent += 1;
        if look.polite {
            self.next_ms = Some(now + POLITE_MS);
            Some(now + rng.random_range(0..POLITE_MS))
        } else {
            self.next_ms = Some(now + SINGLE_MS);
            Some(now)
        }
    }

    /// Ends a running burst.
    pub(super) fn stop(&mut self) {
        self.next_ms = None;
    }

    pub(super) const fn next_wake(&self) -> Option<i64> {
        self.next_ms
    }
}

/// Recovery probes of the last hour, in minutes.
#[derive(Debug, Clone, PartialEq)]
struct HourCount {
    minutes: [u16; 60],
    minute: i64,
}

impl HourCount {
    fn roll(&mut self, now_ms: i64) {
        let minute = now_ms.div_euclid(60_000);
        for step in 1..=(minute - self.minute).clamp(0, 60) {
            self.minutes[(self.minute + step).rem_euclid(60) as usize] = 0;
        }
        self.minute = self.minute.max(minute);
    }

    fn sum(&self) -> u32 {
        self.minutes.iter().map(|n| u32::from(*n)).sum()
    }

    fn add(&mut self) {
        let slot = &mut self.minutes[self.minute.rem_euclid(60) as usize];
        *slot = slot.saturating_add(1);
    }
}

/// The hourly allowance of recovery probes, shared by the streams of one model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RecoveryAllowance(HourCount);

impl RecoveryAllowance {
    pub(super) fn new(now_ms: i64) -> Self {
        Self(HourCount {
            minutes: [0; 60],
            minute: now_ms.div_euclid(60_000),
        })
    }
}

/// The recovery probes of one stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Recovery {
    next_ms: Option<i64>,
    backoff: usize,
    last_sent_ms: Option<i64>,
}

impl Recovery {
    /// After a counted observation of the stream.
    pub(super) fn result(&mut self, now_ms: i64, good: bool, alarmed: bool, own: bool) {
        if !alarmed {
            *self = Self {
                last_sent_ms: self.last_sent_ms,
                ..Self::default()
            };
            return;
        }
        if good {
            self.backoff = 0;
            let soon = now_ms + AFTER_GOOD_MS;
            self.next_ms = Some(self.next_ms.map_or(soon, |next| next.min(soon)));
            return;
        }
        if self.next_ms.is_none() || own {
            self.next_ms = Some(now_ms + BACKOFF_MS[self.backoff]);
            self.backoff = (self.backoff + 1).min(BACKOFF_MS.len() - 1);
        }
    }

    /// Sees to it that an alarmed stream has a probe ahead: after a restart, or when the network is back.
    pub(super) fn ensure(&mut self, now_ms: i64) {
        self.next_ms.get_or_insert(now_ms + BACKOFF_MS[0]);
    }

    /// Forgets what was planned.
    pub(super) fn stop(&mut self) {
        self.next_ms = None;
        self.backoff = 0;
    }

    /// At the time of [`Recovery::next_wake`]: whether a probe goes out now.
    pub(super) fn proceed(&mut self, look: &Look, allowance: &mut RecoveryAllowance) -> bool {
        let now = look.now_ms;
        if self.next_ms.is_none_or(|next| now < next) {
            return false;
        }
        if let Some(until) = look.wait_until_ms.filter(|until| now < *until) {
            self.next_ms = Some(until);
            return false;
        }
        if look.lambda >= FAST {
            // Traffic tells; look again when it may have ebbed.
            self.next_ms = Some(now + BACKOFF_MS[0]);
            return false;
        }
        allowance.0.roll(now);
        let slowest = BACKOFF_MS[BACKOFF_MS.len() - 1];
        if allowance.0.sum() >= RECOVERY_PER_HOUR
            && let Some(last) = self.last_sent_ms.filter(|last| now - last < slowest)
        {
            self.next_ms = Some(last + slowest);
            return false;
        }
        allowance.0.add();
        self.last_sent_ms = Some(now);
        self.next_ms = Some(now + LOST_MS);
        true
    }

    pub(super) const fn next_wake(&self) -> Option<i64> {
        self.next_ms
    }
}
