//! Figures in words and cells of Markdown.

use std::fmt::Write;

use crate::{
    cli::printable,
    feed::{report::ClusteredRate, v1::Percentiles},
};

/// Stands for a figure that is not known.
pub(super) const NONE: &str = "–";

/// One row of a table.
pub(super) fn row(out: &mut String, cells: &[&str]) {
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

/// Text of others in a cell: it makes no column, no mark-up and no line of its own.
pub(super) fn plain(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for c in printable(text).chars() {
        if matches!(
            c,
            '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '#' | '&' | '~'
        ) {
            told.push('\\');
        }
        told.push(c);
    }
    told
}

/// `2026-11-03 13:01:07` of an RFC 3339 time.
pub(super) fn moment(rfc3339: &str) -> String {
    rfc3339.get(..19).unwrap_or(rfc3339).replace('T', " ")
}

/// `99.765 %`.
pub(super) fn share(value: Option<f64>, decimals: usize) -> String {
    value.map_or(NONE.to_owned(), |value| format!("{:.decimals$} %", value * 1e2))
}

/// `0.30 % (0.15 to 0.60, n 31588, deff 12.0)`.
pub(super) fn rate(of: &ClusteredRate) -> String {
    match (of.value, of.low, of.high) {
        (Some(value), Some(low), Some(high)) => format!(
            "{:.2} % ({:.2} to {:.2}, n {}{})",
            value * 1e2,
            low * 1e2,
            high * 1e2,
            of.n,
            if of.deff > 1.05 {
                format!(", deff {:.1}", of.deff)
            } else {
                String::new()
            }
        ),
        _ => NONE.to_owned(),
    }
}

/// `412 / 903 / 1530 ms (n 31494)`.
pub(super) fn spread(of: &Percentiles) -> String {
    match (of.p50, of.p95, of.p99) {
        (Some(p50), Some(p95), Some(p99)) => format!("{p50:.0} / {p95:.0} / {p99:.0} ms (n {})", of.n),
        _ => NONE.to_owned(),
    }
}

/// A length of time in whole seconds.
pub(super) fn whole(seconds: u64) -> String {
    span(seconds as f64)
}

/// A length of time in its two largest units.
pub(super) fn span(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "−" } else { "" };
    let s = seconds.abs().round() as u64;
    let (d, h, m, s) = (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60);
    let told = match (d, h, m, s) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, _, _) => format!("{d} d {h} h"),
    };
    format!("{sign}{told}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units() {
        for (seconds, expected) in [
            (0.0, "0 s"),
            (59.4, "59 s"),
            (60.0, "1 min 0 s"),
            (3_599.6, "1 h 0 min"),
            (86_399.0, "23 h 59 min"),
            (90_000.0, "1 d 1 h"),
            (-61.0, "−1 min 1 s"),
        ] {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn foreign_text_makes_no_mark_up() {
        assert_eq!(
            plain("a|b <i>*x*</i> [l](u) \u{1b}[1m\n# h"),
            "a\\|b \\<i\\>\\*x\\*\\</i\\> \\[l\\](u) \\\\u{1b}\\[1m\\\\n\\# h"
        );
    }
}
