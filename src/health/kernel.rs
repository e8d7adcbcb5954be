//! Three clipped, slotted, capped Bernoulli CUSUMs: hard (H), elevated (E) and latency (L).
//!
//! A detector sums log-likelihood ratios of "failing" against "healthy". The sum is kept between zero and a cap, and
//! gains at most a clip per slot of [`SLOT_MS`], so that one instant can't convict. The rules and numbers are those
//! of `docs/detection.md`, "The three detectors".

use serde::{Deserialize, Serialize};

/// Length of a slot, in milliseconds.
pub const SLOT_MS: i64 = 200;
/// Slack when a sum is compared with its cap.
const CAP_SLACK: f64 = 1e-9;
/// Slack when a sum is compared with its alarm line.
const ALARM_SLACK: f64 = 1e-12;
/// Distance below the cap that evidence which may not convict is held at.
const CORROBORATE_MARGIN: f64 = 0.5;
/// Most observations that the hard fraction remembers.
const HARD_MEMORY: u32 = 32;
/// Most observations that the elevated fraction remembers.
const ELEVATED_MEMORY: u32 = 64;

/// A pair of rates that can't be told apart, or is none.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("rates must satisfy 0 < p0 < p1 < 1, got p0 {p0} and p1 {p1}")]
pub struct RateError {
    /// The healthy rate.
    pub p0: f64,
    /// The failing rate.
    pub p1: f64,
}

/// What one detector is built from. All sums are in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    bad: f64,
    good: f64,
    cap: f64,
    clear: f64,
    clip: f64,
}

impl Params {
    /// Checks the rates and derives the two steps.
    ///
    /// # Errors
    /// The rates are not `0 < p0 < p1 < 1`, which NaN is not either.
    pub fn new(p0: f64, p1: f64, cap: f64, clear: f64, clip_steps: f64) -> Result<Self, RateError> {
        if !(0.0 < p0 && p0 < p1 && p1 < 1.0) {
            return Err(RateError { p0, p1 });
        }
        let bad = (p1 / p0).ln();
        Ok(Self {
            bad,
            good: ((1.0 - p1) / (1.0 - p0)).ln(),
            cap,
            clear,
            clip: clip_steps * bad,
        })
    }

    /// What a bad observation of weight 1 adds.
    pub const fn bad_step(&self) -> f64 {
        self.bad
    }

    /// What a good observation of weight 1 adds: negative.
    pub const fn good_step(&self) -> f64 {
        self.good
    }

    /// The cap, at which the alarm is raised.
    pub const fn cap(&self) -> f64 {
        self.cap
    }

    /// The sum at which the alarm is cleared.
    pub const fn clear(&self) -> f64 {
        self.clear
    }

    /// The healthy and the failing rate that it tells apart.
    pub fn rates(&self) -> (f64, f64) {
        // bad = ln(p1 / p0) and good = ln((1 - p1) / (1 - p0)), solved for both.
        let (bad, good) = (self.bad.exp(), self.good.exp());
        let p0 = (1.0 - good) / (bad - good);
        (p0, p0 * bad)
    }

    /// Bad observations in a row that raise the alarm from nothing.
    pub fn in_a_row(&self) -> u32 {
        (self.cap / self.bad).ceil() as u32
    }
}

/// Lowest healthy rate that the base rate may fall to.
pub const P0_MIN: f64 = 0.01;
/// Highest healthy rate that the base rate may rise to.
pub const P0_MAX: f64 = 0.05;

/// The three detectors' parameters for one base rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// Hard failure.
    pub h: Params,
    /// Elevated failure.
    pub e: Params,
    /// Latency.
    pub l: Params,
}

impl Tuning {
    /// Parameters for a healthy failure rate, clamped to [`P0_MIN`]..[`P0_MAX`]; a NaN counts as the minimum.
    ///
    /// # Panics
    /// Never: the constants and the clamped rate are in order, which a test holds for the whole range.
    pub fn for_base_rate(p0: f64) -> Self {
        let p0 = if p0.is_nan() {
            P0_MIN
        } else {
            p0.clamp(P0_MIN, P0_MAX)
        };
        let elevated = if p0 > 0.02 { 3.0 * p0 } else { 0.06 };
        let build = |p0, p1, cap, clear, clip| {
            Params::new(p0, p1, cap, clear, clip).expect("constants and clamped rates are ordered")
        };
        Self {
            h: build(p0, 0.5, 16.0, 5.0, 1.0),
            e: build(p0, elevated, 15.0, 8.0, 2.0),
            l: build(0.05, 0.5, 14.0, 3.0, 1.0),
        }
    }
}

/// One detector's running state.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Detector {
    base: f64,
    acc: f64,
    s: f64,
    alarm: bool,
    top_ms: i64,
}

impl Detector {
    /// The sum in nats, from 0 to the cap.
    pub const fn s(&self) -> f64 {
        self.s
    }

    /// Whether it is alarmed.
    pub const fn alarm(&self) -> bool {
        self.alarm
    }

    fn turn(&mut self) {
        self.base = self.s;
        self.acc = 0.0;
    }

    fn settle(&mut self, p: &Params) {
        self.s = (self.base + self.acc.clamp(-p.clip, p.clip)).max(0.0).min(p.cap);
    }

    /// Steps 2 and 3. Evidence that may not convict leaves the sum below the alarm line unless it stood there.
    fn add(&mut self, p: &Params, bad: bool, weight: f64, may_convict: bool) {
        let before = self.s;
        self.acc += weight * if bad { p.bad } else { p.good };
        self.settle(p);
        let ceiling = before.max(p.cap - CORROBORATE_MARGIN);
        if !may_convict && self.s > ceiling {
            self.base = ceiling;
            self.acc = 0.0;
            self.s = ceiling;
        }
    }

    /// Step 4.
    fn raise(&mut self, p: &Params, t: i64) {
        if self.s >= p.cap - CAP_SLACK {
            self.top_ms = t;
        }
        if self.s >= p.cap - ALARM_SLACK {
            self.alarm = true;
        }
    }

    /// Step 5; true when it cleared.
    fn clear(&mut self, p: &Params, t: i64, hold_ms: i64) -> bool {
        let clears = self.alarm && self.s <= p.clear && t - self.top_ms >= hold_ms;
        if clears {
            self.alarm = false;
        }
        clears
    }

    fn is_sane(&self, p: &Params) -> bool {
        self.base.is_finite() && self.acc.is_finite() && (0.0..=p.cap).contains(&self.s)
    }
}

/// A fading share of bad observations.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Fraction {
    n: u32,
    f: f64,
}

impl Fraction {
    /// The share, 0 to 1.
    pub const fn value(&self) -> f64 {
        self.f
    }

    fn update(&mut self, bad: bool, detector: &Detector, memory: u32) {
        if detector.s == 0.0 && !detector.alarm {
            *self = Self::default();
            return;
        }
        self.n = (self.n + 1).min(memory);
        self.f += (f64::from(u8::from(bad)) - self.f) / f64::from(self.n);
    }
}

/// Which detectors a stream runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Detectors {
    /// H, E and L: a model stream.
    All,
    /// Only H: an edge stream.
    HardOnly,
}

/// One counted observation, as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input {
    /// When it became known, in milliseconds. A time before the last one counts as the last one.
    pub t_ms: i64,
    /// Whether it was a failure; `None`: not known yet (a probe that is late so far).
    pub bad: Option<bool>,
    /// Whether its first token was late; `None`: says nothing about latency. Read only when it was no failure.
    pub slow: Option<bool>,
    /// Weight, 0 to 1.
    pub weight: f64,
    /// A confirm or recovery probe: opens a slot of its own.
    pub confirm: bool,
    /// Whether it may raise an alarm.
    pub may_convict: bool,
}

impl Input {
    /// A scheduled observation of full weight.
    pub const fn new(t_ms: i64, bad: bool) -> Self {
        Self {
            t_ms,
            bad: Some(bad),
            slow: None,
            weight: 1.0,
            confirm: false,
            may_convict: true,
        }
    }
}

/// The detectors of one stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    detectors: Detectors,
    h: Detector,
    e: Detector,
    l: Detector,
    f_h: Fraction,
    f_e: Fraction,
    slot: Option<i64>,
    last_ms: Option<i64>,
}

impl Kernel {
    /// At rest.
    pub fn new(detectors: Detectors) -> Self {
        Self {
            detectors,
            h: Detector::default(),
            e: Detector::default(),
            l: Detector::default(),
            f_h: Fraction::default(),
            f_e: Fraction::default(),
            slot: None,
            last_ms: None,
        }
    }

    /// Detector H.
    pub const fn h(&self) -> &Detector {
        &self.h
    }

    /// Detector E.
    pub const fn e(&self) -> &Detector {
        &self.e
    }

    /// Detector L.
    pub const fn l(&self) -> &Detector {
        &self.l
    }

    /// Failing fraction since H left rest.
    pub const fn f_h(&self) -> f64 {
        self.f_h.value()
    }

    /// Failing fraction since E left rest.
    pub const fn f_e(&self) -> f64 {
        self.f_e.value()
    }

    /// Whether any detector is alarmed.
    pub const fn alarmed(&self) -> bool {
        self.h.alarm || self.e.alarm || self.l.alarm
    }

    /// Whether every number is one that [`Kernel::feed`] can leave behind: what a kept state must satisfy.
    pub fn is_sane(&self, tuning: &Tuning) -> bool {
        let share = |f: &Fraction| (0.0..=1.0).contains(&f.f);
        self.h.is_sane(&tuning.h)
            && self.e.is_sane(&tuning.e)
            && self.l.is_sane(&tuning.l)
            && share(&self.f_h)
            && share(&self.f_e)
    }

    pub(super) fn rebase(&mut self, now_ms: i64) {
        if self.last_ms.is_some_and(|last| last > now_ms) {
            self.last_ms = Some(now_ms);
            self.slot = None;
        }
        for detector in [&mut self.h, &mut self.e, &mut self.l] {
            detector.top_ms = detector.top_ms.min(now_ms);
        }
    }

    /// Takes one observation; returns its time after clamping. `hold_ms` is how long an alarm stays at least after
    /// its sum last stood at the cap.
    pub fn feed(&mut self, input: &Input, tuning: &Tuning, hold_ms: i64) -> i64 {
        let t = self.last_ms.map_or(input.t_ms, |last| last.max(input.t_ms));
        self.last_ms = Some(t);
        let slot = t.div_euclid(SLOT_MS);
        if self.slot != Some(slot) || input.confirm {
            self.slot = Some(slot);
            self.h.turn();
            self.e.turn();
            self.l.turn();
        }
        let weight = if input.weight.is_finite() {
            input.weight.clamp(0.0, 1.0)
        } else {
            0.0
        };
        let all = self.detectors == Detectors::All;
        if let Some(bad) = input.bad {
            self.h.add(&tuning.h, bad, weight, input.may_convict);
            if all {
                self.e.add(&tuning.e, bad, weight, input.may_convict);
            }
        }
        if let Some(slow) = input.slow
            && all
            && input.bad != Some(true)
        {
            self.l.add(&tuning.l, slow, weight, input.may_convict);
        }
        if let Some(bad) = input.bad {
            self.f_h.update(bad, &self.h, HARD_MEMORY);
            self.f_e.update(bad, &self.e, ELEVATED_MEMORY);
        }
        self.h.raise(&tuning.h, t);
        self.e.raise(&tuning.e, t);
        self.l.raise(&tuning.l, t);
        if self.h.clear(&tuning.h, t, hold_ms) {
            self.e.base = self.e.base.min(tuning.e.clear + 1.0);
            self.e.acc = self.e.acc.min(0.0);
            self.e.settle(&tuning.e);
        }
        self.e.clear(&tuning.e, t, hold_ms);
        self.l.clear(&tuning.l, t, hold_ms);
        t
    }
}
