//! The last minutes of evidence by kind: what a reason says in words.

use std::{collections::VecDeque, time::Duration};

use super::{ReasonCode, evidence::Kind};
use crate::verdict::Source;

/// Length of one slice, in milliseconds.
const SLICE_MS: i64 = 10_000;
/// Slices that are kept.
const SLICES: i64 = 30;
/// Failures whose kinds decide the code.
const LAST: usize = 8;
/// How long a failure may decide the code, in milliseconds.
const LAST_MS: i64 = 300_000;
/// What a reason looks back on first, in milliseconds.
const SHORT_MS: i64 = 60_000;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Slice {
    start: i64,
    n: u64,
    kinds: [u64; Kind::COUNT],
    seen_by: u8,
    failed_by: u8,
}

/// Counts by kind over the last five minutes, and the kinds of the last failures.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Recent {
    slices: VecDeque<Slice>,
    last: VecDeque<(i64, Kind)>,
}

/// What was counted over a span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tally {
    pub(super) span: Duration,
    pub(super) n: u64,
    pub(super) cut: u64,
    pub(super) code: u64,
    pub(super) bad: u64,
    seen_by: u8,
    failed_by: u8,
}

fn bit(source: Source) -> u8 {
    1 << Source::ALL.iter().position(|s| *s == source).unwrap_or(0)
}

fn sources(mask: u8) -> Vec<Source> {
    Source::ALL.into_iter().filter(|s| mask & bit(*s) != 0).collect()
}

impl Tally {
    /// Who saw the failures; everybody who saw anything where there were none.
    pub(super) fn sources(&self) -> Vec<Source> {
        sources(if self.failed_by == 0 {
            self.seen_by
        } else {
            self.failed_by
        })
    }
}

impl Recent {
    /// Counts one piece of evidence. A late first token (`Kind::Slow`) is no reply of its own when it is `pending`.
    pub(super) fn count(&mut self, now_ms: i64, source: Source, failed: Option<Kind>, pending: bool) {
        let start = now_ms - now_ms.rem_euclid(SLICE_MS);
        if self.slices.back().is_none_or(|last| last.start < start) {
            if self.slices.len() == SLICES as usize {
                self.slices.pop_front();
            }
            self.slices.push_back(Slice {
                start,
                ..Slice::default()
            });
        }
        let Some(slice) = self.slices.back_mut() else {
            return;
        };
        slice.n += u64::from(!pending);
        slice.seen_by |= bit(source);
        if let Some(kind) = failed {
            slice.kinds[kind as usize] += 1;
            slice.failed_by |= bit(source);
            if self.last.len() == LAST {
                self.last.pop_front();
            }
            self.last.push_back((now_ms, kind));
        }
    }

    /// The code that the last failures speak for. A code that stands is replaced only by one with three quarters of
    /// them, so that a mixture does not flicker.
    pub(super) fn code(&self, now_ms: i64, standing: Option<ReasonCode>, slow_only: bool) -> ReasonCode {
        if slow_only {
            return ReasonCode::Slow;
        }
        let codes: Vec<ReasonCode> = self
            .last
            .iter()
            .filter(|(at, kind)| now_ms - at <= LAST_MS && *kind != Kind::Slow)
            .map(|(_, kind)| kind.code())
            .collect();
        let share = |code: ReasonCode| codes.iter().filter(|c| **c == code).count();
        let top = codes.iter().copied().max_by_key(|code| share(*code));
        match (top, standing) {
            (None, Some(code)) => code,
            (None, None) => ReasonCode::Errors,
            (Some(top), Some(code)) if code != ReasonCode::Slow => {
                if 4 * share(top) >= 3 * codes.len() {
                    top
                } else {
                    code
                }
            }
            (Some(top), _) => {
                if 2 * share(top) >= codes.len() {
                    top
                } else {
                    ReasonCode::Errors
                }
            }
        }
    }

    /// Counts for a reason of that code: over the last minute if a failure falls into it, else over five.
    pub(super) fn tally(&self, now_ms: i64, code: ReasonCode) -> Tally {
        let short = self.sum(now_ms, SHORT_MS, code);
        if short.bad > 0 || short.n > 0 && code == ReasonCode::Healthy {
            short
        } else {
            self.sum(now_ms, SLICE_MS * SLICES, code)
        }
    }

    fn sum(&self, now_ms: i64, span_ms: i64, code: ReasonCode) -> Tally {
        let mut tally = Tally {
            span: Duration::from_millis(span_ms as u64),
            n: 0,
            cut: 0,
            code: 0,
            bad: 0,
            seen_by: 0,
            failed_by: 0,
        };
        for slice in self.slices.iter().filter(|slice| slice.start > now_ms - span_ms) {
            tally.n += slice.n;
            tally.seen_by |= slice.seen_by;
            tally.failed_by |= slice.failed_by;
            tally.cut += slice.kinds[Kind::Cut as usize];
            for kind in KINDS {
                let n = slice.kinds[kind as usize];
                tally.code += if kind.code() == code { n } else { 0 };
                tally.bad += if kind == Kind::Slow && code != ReasonCode::Slow {
                    0
                } else {
                    n
                };
            }
        }
        tally
    }
}

const KINDS: [Kind; Kind::COUNT] = [
    Kind::Cut,
    Kind::Silent,
    Kind::Overloaded,
    Kind::ServerError,
    Kind::Timeout,
    Kind::Unreachable,
    Kind::Slow,
    Kind::Other,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(kinds: &[Option<Kind>]) -> Recent {
        let mut recent = Recent::default();
        for (i, kind) in kinds.iter().enumerate() {
            recent.count(i as i64 * 1000, Source::Canary, *kind, false);
        }
        recent
    }

    #[test]
    fn the_code_is_that_of_most_failures() {
        use Kind::{Cut, Overloaded, ServerError, Silent, Timeout};
        for (kinds, code) in [
            (vec![Cut, Cut, Silent, Overloaded], ReasonCode::Truncated),
            (vec![Overloaded; 8], ReasonCode::Overloaded),
            (vec![Cut, Overloaded, ServerError, Timeout], ReasonCode::Errors),
        ] {
            let kinds: Vec<_> = kinds.into_iter().map(Some).collect();
            assert_eq!(counted(&kinds).code(5_000, None, false), code);
        }
        assert_eq!(Recent::default().code(0, None, false), ReasonCode::Errors);
    }

    #[test]
    fn a_standing_code_gives_way_to_three_quarters() {
        let mut recent = counted(&[Some(Kind::Cut); 8]);
        for i in 0..5 {
            recent.count(10_000 + i, Source::Canary, Some(Kind::Overloaded), false);
            assert_eq!(
                recent.code(10_000, Some(ReasonCode::Truncated), false),
                ReasonCode::Truncated
            );
        }
        recent.count(10_005, Source::Canary, Some(Kind::Overloaded), false);
        assert_eq!(
            recent.code(10_000, Some(ReasonCode::Truncated), false),
            ReasonCode::Overloaded
        );
    }

    #[test]
    fn old_slices_leave_the_tally() {
        let recent = counted(&[Some(Kind::Cut), None, Some(Kind::Cut)]);
        let tally = recent.tally(9_000, ReasonCode::Truncated);
        assert_eq!((tally.code, tally.n, tally.span.as_secs()), (2, 3, 60));
        let later = recent.tally(100_000, ReasonCode::Truncated);
        assert_eq!((later.code, later.n, later.span.as_secs()), (2, 3, 300));
        assert_eq!(recent.tally(400_000, ReasonCode::Truncated).n, 0);
    }
}
