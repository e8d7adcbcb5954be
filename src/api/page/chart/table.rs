//! The charts' figures as a table: several steps a row, merged, so that percentiles stay true.

use super::Steps;
use crate::{
    api::page::figures::{NONE, milliseconds, percent},
    store::{Rollup, Span},
};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api::page) struct Line {
    /// When it begins.
    pub(in crate::api::page) at: String,
    pub(in crate::api::page) attempts: u64,
    pub(in crate::api::page) truncated: String,
    pub(in crate::api::page) errors: String,
    /// Median and 95th percentile: first token, end, between tokens.
    pub(in crate::api::page) lengths: [String; 3],
}

/// The rows, newest first.
pub(super) fn lines(steps: &Steps<'_>) -> Vec<Line> {
    let size = steps.range.row();
    let rows = steps.replies.chunks(size).enumerate().map(|(index, chunk)| {
        let mut sum = Rollup::default();
        for step in chunk {
            sum.merge(step);
        }
        line(steps.named(index * size), &sum)
    });
    let mut rows: Vec<Line> = rows.collect();
    rows.reverse();
    rows
}

fn line(at: String, sum: &Rollup) -> Line {
    let c = sum.counts;
    let share = |hits: u64, n: u64| match n {
        0 => NONE.to_owned(),
        n => percent(hits as f64 / n as f64),
    };
    Line {
        at,
        attempts: c.attempts,
        truncated: share(c.truncated, c.began),
        errors: share(c.errors, c.attempts),
        lengths: [Span::Ttft, Span::E2e, Span::Itl].map(|span| {
            let of = sum.span(span);
            match (of.quantile(0.5), of.quantile(0.95)) {
                (Some(p50), Some(p95)) => format!("{} / {}", milliseconds(p50), milliseconds(p95)),
                _ => NONE.to_owned(),
            }
        }),
    }
}
