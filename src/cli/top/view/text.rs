//! Words and figures that fit their place.

use ratatui::text::Span;

use crate::{cli::top::past::Bar, clock::Timestamp, feed::v1::Rate, health::State};

/// A state's shape, as on the page.
pub(super) const fn shape(state: State) -> char {
    match state {
        State::Operational => '●',
        State::Degraded => '◐',
        State::Partial => '◑',
        State::Down => '✕',
        State::Unknown => '○',
        State::Maintenance => '⚙',
    }
}

/// The text in at most so many columns, with an ellipsis where it is cut.
pub(super) fn fit(text: &str, columns: usize) -> String {
    if Span::raw(text).width() <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = Span::raw(c.to_string()).width();
        // A column is kept for the ellipsis.
        if used + wide >= columns {
            break;
        }
        used += wide;
        cut.push(c);
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// An id in at most so many columns, cut in its middle: how it begins says whose it is, how it ends which one.
pub(super) fn fit_id(id: &str, columns: usize) -> String {
    // Ids are ASCII: a byte is a column.
    if id.len() <= columns {
        return id.to_owned();
    }
    let kept = columns.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let ellipsis = if columns > 0 { "…" } else { "" };
    format!("{}{ellipsis}{}", &id[..head], &id[id.len() - tail..])
}

/// `13:05:00`, in UTC.
pub(super) fn clock_time(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    text.get(11..19).unwrap_or(&text).to_owned()
}

/// `58.3 %`; a dash without trials.
pub(super) fn percent(rate: &Rate) -> String {
    rate.value
        .map_or("–".to_owned(), |value| format!("{:.1} %", value * 1e2))
}

/// `412/903` in milliseconds, `1.2/12.4 s` once that is too long.
pub(super) fn pair(p50: Option<f64>, p95: Option<f64>) -> String {
    match (p50, p95) {
        (Some(p50), Some(p95)) if p95 >= 10_000.0 => format!("{:.1}/{:.1} s", p50 / 1e3, p95 / 1e3),
        (Some(p50), Some(p95)) => format!("{p50:.0}/{p95:.0}"),
        _ => "–".to_owned(),
    }
}

/// Eight heights; the lowest is none.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One bar: its height is the share of attempts that failed, and any failure shows. A dot where nothing was tried.
pub(super) fn bar(bar: Bar) -> char {
    if bar.attempts == 0 {
        return '·';
    }
    // At most 7: a share is at most 1, and rows that don't add up must not break the drawing.
    let share = (bar.failed as f64 / bar.attempts as f64).min(1.0);
    HEIGHTS[(share * 7.0).ceil() as usize]
}

/// The bars in at most so many columns: neighbours are added up.
pub(super) fn squeezed(bars: &[Bar], columns: usize) -> Vec<Bar> {
    let each = bars.len().div_ceil(columns.max(1)).max(1);
    let sum = |part: &[Bar]| Bar {
        attempts: part.iter().map(|bar| bar.attempts).sum(),
        failed: part.iter().map(|bar| bar.failed).sum(),
    };
    bars.chunks(each).map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_ends_with_an_ellipsis() {
        for (text, columns, shown) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("abcd", 1, "…"),
            ("abcd", 0, ""),
            ("", 0, ""),
            ("世界語", 5, "世界…"),
            ("世界語", 4, "世…"),
        ] {
            assert_eq!(fit(text, columns), shown, "{text} {columns}");
            assert!(Span::raw(fit(text, columns)).width() <= columns);
        }
    }

    #[test]
    fn an_id_keeps_both_ends() {
        for (columns, shown) in [
            (13, "openai/gpt-52"),
            (12, "openai…pt-52"),
            (11, "opena…pt-52"),
            (2, "o…"),
            (1, "…"),
            (0, ""),
        ] {
            assert_eq!(fit_id("openai/gpt-52", columns), shown, "{columns}");
        }
    }

    #[test]
    fn any_failure_shows_and_nothing_is_no_success() {
        for (attempts, failed, shown) in [
            (0, 0, '·'),
            (100, 0, '▁'),
            (1000, 1, '▂'),
            (100, 50, '▅'),
            (100, 100, '█'),
            (1, 5, '█'),
        ] {
            assert_eq!(bar(Bar { attempts, failed }), shown, "{failed} of {attempts}");
        }
    }

    #[test]
    fn squeezing_adds_up() {
        let bars: Vec<Bar> = (1..=5)
            .map(|n| Bar {
                attempts: n,
                failed: 1,
            })
            .collect();
        let shown = squeezed(&bars, 3);
        assert_eq!(
            shown.iter().map(|bar| bar.attempts).collect::<Vec<_>>(),
            [3, 7, 5]
        );
        assert_eq!(squeezed(&bars, 5), bars);
        assert_eq!(squeezed(&bars, 100), bars);
        assert_eq!(squeezed(&bars, 0).len(), 1);
        assert!(squeezed(&[], 10).is_empty());
    }

    #[test]
    fn figures_keep_their_column() {
        assert_eq!(pair(Some(412.4), Some(903.0)), "412/903");
        assert_eq!(pair(Some(1234.0), Some(12_400.0)), "1.2/12.4 s");
        assert_eq!(pair(None, Some(1.0)), "–");
        assert_eq!(clock_time(crate::cli::fixture::NOW), "13:05:00");
    }
}
