//! One stream of evidence: detectors, freshness, pace of arrivals, suspicion.

use serde::{Deserialize, Serialize};

use super::{
    Machine, ReasonCode, State,
    base_rate::BaseRate,
    confirm::{Confirm, Look, Recovery},
    evidence::Kind,
    kernel::{Detectors, Input, Tuning},
    recent::Recent,
};
use crate::verdict::{Purpose, Source};

/// Time constant of the arrival rate, in milliseconds.
const LAMBDA_MS: f64 = 10_000.0;
/// Shortest time without evidence after which nothing is known, in milliseconds.
pub(super) const STALE_MIN_MS: i64 = 90_000;
/// Intervals without evidence after which nothing is known.
pub(super) const STALE_GAPS: i64 = 3;
/// Longest such time for a stream that lives on reports, in milliseconds.
pub(super) const STALE_REPORTS_MAX_MS: i64 = 900_000;
/// Sum of H from which an operational stream is suspect.
const SUSPECT_H: f64 = 3.0;
/// Sum of L from which an operational stream is suspect.
const SUSPECT_L: f64 = 4.0;
/// How long a late probe's completion is waited for, in milliseconds.
const PENDING_MS: i64 = 180_000;

/// One counted piece of evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fact {
    /// When it became known.
    pub(super) at_ms: i64,
    /// `Some(kind)` for a failure.
    pub(super) failed: Option<Kind>,
    pub(super) slow: Option<bool>,
    pub(super) weight: f64,
    pub(super) purpose: Purpose,
    pub(super) source: Source,
    pub(super) may_convict: bool,
}

/// One stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stream {
    pub(super) machine: Machine,
    pub(super) kept: Kept,
    pub(super) base: BaseRate,
    pub(super) recent: Recent,
    pub(super) confirm: Confirm,
    pub(super) recovery: Recovery,
    /// First bad evidence of the present spell.
    pub(super) first_bad_ms: Option<i64>,
    /// What the present ill health is about.
    pub(super) code: Option<ReasonCode>,
    lambda: f64,
    lambda_at_ms: i64,
    pended: u32,
    pended_at_ms: i64,
}

/// What must survive a restart beside the detectors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Whether there is fresh evidence behind the state.
    pub(super) known: bool,
    /// Last counted observation.
    pub(super) last_ms: Option<i64>,
    /// Mean distance of scheduled and passive observations, in milliseconds.
    pub(super) mean_gap_ms: f64,
}

impl Stream {
    pub(super) fn new(detectors: Detectors) -> Self {
        Self {
            machine: Machine::new(detectors),
            kept: Kept::default(),
            base: BaseRate::default(),
            recent: Recent::default(),
            confirm: Confirm::default(),
            recovery: Recovery::default(),
            first_bad_ms: None,
            code: None,
            lambda: 0.0,
            lambda_at_ms: 0,
            pended: 0,
            pended_at_ms: 0,
        }
    }

    /// The state if there is fresh evidence behind it.
    pub(super) fn state(&self) -> Option<State> {
        self.kept.known.then(|| self.machine.state())
    }

    /// Close to an alarm without being in one.
    pub(super) fn suspect(&self) -> bool {
        let kernel = self.machine.kernel();
        !kernel.alarmed() && (kernel.h().s() >= SUSPECT_H || kernel.l().s() >= SUSPECT_L)
    }

    /// Arrivals per second now.
    pub(super) fn lambda(&self, now_ms: i64) -> f64 {
        self.lambda * (-((now_ms - self.lambda_at_ms).max(0) as f64) / LAMBDA_MS).exp()
    }

    /// What a confirmer needs to see.
    pub(super) fn look(&self, now_ms: i64, edge: bool) -> Look {
        let kernel = self.machine.kernel();
        Look {
            now_ms,
            s_h: kernel.h().s(),
            s_l: kernel.l().s(),
            alarmed: kernel.alarmed(),
            lambda: self.lambda(now_ms),
            edge,
            polite: false,
            wait_until_ms: None,
        }
    }

    /// Takes one counted piece of evidence.
    pub(super) fn take(&mut self, fact: &Fact) {
        let now = fact.at_ms;
        self.arrive(fact);
        if let Some(p0) = self.base.recompute(now) {
            self.machine.tune(Tuning::for_base_rate(p0));
        }
        let bad = fact.failed.is_some();
        if self.machine.state() == State::Operational {
            self.base.count(now, bad);
        }
        let late = fact.slow == Some(true) && !bad;
        let kind = fact.failed.or(late.then_some(Kind::Slow));
        self.recent.count(now, fact.source, kind, false);
        self.feed(
            &Input {
                t_ms: now,
                bad: Some(bad),
                slow: fact.slow,
                weight: fact.weight,
                confirm: matches!(fact.purpose, Purpose::Confirm | Purpose::Recovery),
                may_convict: fact.may_convict,
            },
            bad || late,
        );
        let alarmed = self.machine.alarmed();
        self.kept.known |= alarmed || !bad;
        let own = fact.purpose == Purpose::Recovery;
        self.recovery.result(now, !bad && !late, alarmed, own);
    }

    /// A probe is late and not finished: feeds L alone.
    pub(super) fn pend(&mut self, now_ms: i64, source: Source, purpose: Purpose) {
        self.pended = self.pended.saturating_add(1);
        self.pended_at_ms = now_ms;
        self.recent.count(now_ms, source, Some(Kind::Slow), true);
        self.kept.last_ms = Some(self.kept.last_ms.map_or(now_ms, |last| last.max(now_ms)));
        let confirm = matches!(purpose, Purpose::Confirm | Purpose::Recovery);
        self.feed(
            &Input {
                t_ms: now_ms,
                bad: None,
                slow: Some(true),
                weight: 1.0,
                confirm,
                may_convict: true,
            },
            true,
        );
        let alarmed = self.machine.alarmed();
        self.kept.known |= alarmed;
        self.recovery
            .result(now_ms, false, alarmed, purpose == Purpose::Recovery);
    }

    /// Whether a late probe that now finished has been fed to L already.
    pub(super) fn settle_pending(&mut self, now_ms: i64) -> bool {
        if now_ms - self.pended_at_ms > PENDING_MS {
            self.pended = 0;
        }
        let was_fed = self.pended > 0;
        self.pended = self.pended.saturating_sub(1);
        was_fed
    }

    fn feed(&mut self, input: &Input, bad: bool) {
        self.machine.observe(input);
        let kernel = self.machine.kernel();
        let at_rest = kernel.h().s() == 0.0 && kernel.l().s() == 0.0 && !kernel.alarmed();
        if at_rest {
            self.first_bad_ms = None;
        } else if bad {
            self.first_bad_ms.get_or_insert(input.t_ms);
        }
        self.code = if self.machine.state().is_impaired() {
            let slow_only = !kernel.h().alarm() && !kernel.e().alarm();
            Some(self.recent.code(input.t_ms, self.code, slow_only))
        } else {
            None
        };
    }

    fn arrive(&mut self, fact: &Fact) {
        let now = fact.at_ms;
        let own = matches!(fact.purpose, Purpose::Confirm | Purpose::Recovery);
        if !own {
            if let Some(last) = self.kept.last_ms {
                let gap = (now - last).max(0) as f64;
                self.kept.mean_gap_ms = if self.kept.mean_gap_ms == 0.0 {
                    gap
                } else {
                    self.kept.mean_gap_ms + (gap - self.kept.mean_gap_ms) / 8.0
                };
            }
            self.lambda = self.lambda(now) + 1000.0 / LAMBDA_MS;
            self.lambda_at_ms = self.lambda_at_ms.max(now);
        }
        self.kept.last_ms = Some(self.kept.last_ms.map_or(now, |last| last.max(now)));
    }

    /// When the evidence counts as stale. `interval_ms`: of the generation probes; without any the reports' own pace
    /// decides.
    pub(super) fn stale_at(&self, interval_ms: Option<i64>) -> Option<i64> {
        let limit = match interval_ms {
            Some(interval) => (STALE_GAPS * interval).max(STALE_MIN_MS),
            None => {
                ((STALE_GAPS as f64 * self.kept.mean_gap_ms) as i64).clamp(STALE_MIN_MS, STALE_REPORTS_MAX_MS)
            }
        };
        self.kept.last_ms.map(|last| last + limit)
    }

    /// Nothing is known any more until fresh evidence.
    pub(super) fn forget(&mut self) {
        self.kept.known = false;
        self.confirm.stop();
    }
}
