//! What the tap did since it started.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::{
    protocol::ErrorClass,
    verdict::{Failure, Verdict},
};

/// Why a reply went by without a verdict. Its bytes flowed all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unjudged {
    /// The request doesn't name its model where it is looked for, or by a name that is none.
    NoModel,
    /// The reply is larger than the judge reads.
    Outsize,
    /// It is packed in a way that isn't read, or is not what it says.
    Coding,
    /// It says something that our tables don't have.
    Unknown,
    /// Its judge could not follow.
    Overrun,
    /// Its judge failed: a bug.
    Failed,
}

/// Counters. Each only grows, but for `open`.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) turned_away: AtomicU64,
    pub(super) untold: AtomicU64,
    verdicts: [AtomicU64; 6],
    unjudged: [AtomicU64; 6],
}

/// [`Counts`] as they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CountsView {
    /// Requests that were passed on.
    pub requests: u64,
    /// Requests under way.
    pub open: u64,
    /// Requests that lead nowhere: no such provider, or no path of its.
    pub refused: u64,
    /// Connections that are open.
    pub connections: u64,
    /// Connections beyond the limit, closed at once.
    pub turned_away: u64,
    /// Verdicts that there was no room for where they are told.
    pub untold: u64,
    /// Replies by verdict.
    pub verdicts: VerdictsView,
    /// Replies without one.
    pub unjudged: UnjudgedView,
}

/// Replies by verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct VerdictsView {
    /// Whole.
    pub complete: u64,
    /// Ended too early.
    pub truncated: u64,
    /// Ended by a limit of tokens.
    pub limited: u64,
    /// Refused.
    pub refused: u64,
    /// Failed.
    pub errored: u64,
    /// The client went away first.
    pub cancelled: u64,
}

/// Replies without a verdict, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UnjudgedView {
    /// The request names no model.
    pub no_model: u64,
    /// The reply is too large.
    pub outsize: u64,
    /// It is packed in a way that isn't read.
    pub coding: u64,
    /// It says something unknown.
    pub unknown: u64,
    /// Its judge could not follow.
    pub overrun: u64,
    /// Its judge failed.
    pub failed: u64,
}

/// Something open; dropped, it is no longer counted.
pub(super) struct Open<'a>(&'a AtomicU64);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection beyond the limit.
    pub(super) fn turn_away(&self) {
        Self::add(&self.turned_away);
    }

    /// A connection, counted as open until what is given is dropped.
    pub(super) fn connect(&self) -> Open<'_> {
        Self::add(&self.connections);
        Open(&self.connections)
    }

    /// A reply without a verdict.
    pub(super) fn unjudged(&self, why: Unjudged) {
        Self::add(&self.unjudged[why as usize]);
    }

    /// A reply with one.
    pub(super) fn judged(&self, verdict: Verdict) {
        let index = match verdict {
            Verdict::Complete | Verdict::OffScript(_) => 0,
            Verdict::Truncated(_) => 1,
            Verdict::Limited => 2,
            Verdict::Refused => 3,
            Verdict::Errored(Failure {
                class: ErrorClass::Cancelled,
                ..
            }) => 5,
            Verdict::Errored(_) => 4,
            Verdict::Unknown => return self.unjudged(Unjudged::Unknown),
        };
        Self::add(&self.verdicts[index]);
    }

    /// What they are now.
    pub(super) fn view(&self) -> CountsView {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [complete, truncated, limited, refused, errored, cancelled] = self.verdicts.each_ref().map(of);
        let [no_model, outsize, coding, unknown, overrun, failed] = self.unjudged.each_ref().map(of);
        CountsView {
            requests: of(&self.requests),
            open: of(&self.open),
            refused: of(&self.refused),
            connections: of(&self.connections),
            turned_away: of(&self.turned_away),
            untold: of(&self.untold),
            verdicts: VerdictsView {
                complete,
                truncated,
                limited,
                refused,
                errored,
                cancelled,
            },
            unjudged: UnjudgedView {
                no_model,
                outsize,
                coding,
                unknown,
                overrun,
                failed,
            },
        }
    }
}
