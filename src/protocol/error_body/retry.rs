//! How long a provider asks us to wait.

use std::time::Duration;

use crate::{clock::Timestamp, protocol::ErrorClass};

/// Longest wait that is believed: a week. Longer ones are cut to it.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a response says about trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryHint {
    /// `x-should-retry`: the provider's own yes or no, which its SDKs obey before anything else.
    pub should_retry: Option<bool>,
    /// The wait, always above zero and at most [`MAX_RETRY_AFTER`].
    pub after: Option<Duration>,
}

/// Reads the hints in order of precedence: `retry-after-ms`, `retry-after` (seconds or an HTTP date), the delay that a
/// Google error body names, then, for rate limits, the reset times of exhausted limits. Dates need `now`; without it
/// they are left out. Values at or below zero are no hint.
pub fn retry_hint(
    headers: &[(String, String)],
    body_delay: Option<&str>,
    class: ErrorClass,
    now: Option<Timestamp>,
) -> RetryHint {
    let header = |name: &str| {
        headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.trim())
    };
    let after = header("retry-after-ms")
        .and_then(|text| seconds(text, 1e-3))
        .or_else(|| {
            let text = header("retry-after")?;
            seconds(text, 1.0).or_else(|| until(http_date(text)?, now?))
        })
        .or_else(|| seconds(body_delay?.strip_suffix('s')?, 1.0))
        .or_else(|| {
            if class == ErrorClass::RateLimit {
                reset(headers, now)
            } else {
                None
            }
        });
    RetryHint {
        should_retry: header("x-should-retry").and_then(|text| text.parse().ok()),
        after,
    }
}

/// An HTTP date in its preferred form, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}

/// The latest reset of the limits that have nothing left.
fn reset(headers: &[(String, String)], now: Option<Timestamp>) -> Option<Duration> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let (kind, remaining) = reset_names(name)?;
            let left = headers.iter().find(|(n, _)| *n == remaining)?.1.trim();
            let exhausted = left.parse::<f64>().is_ok_and(|left| left <= 0.0);
            exhausted.then(|| reset_value(kind, value.trim(), now)).flatten()
        })
        .max()
}

#[derive(Clone, Copy)]
enum ResetKind {
    Date,
    Span,
}

/// Whether a header is a reset time, and the name of the header that tells what is left.
fn reset_names(name: &str) -> Option<(ResetKind, String)> {
    if let Some(limit) = name
        .strip_prefix("anthropic-")
        .and_then(|rest| rest.strip_suffix("-reset"))
    {
        return Some((ResetKind::Date, format!("anthropic-{limit}-remaining")));
    }
    let limit = name.strip_prefix("x-ratelimit-reset-")?;
    Some((ResetKind::Span, format!("x-ratelimit-remaining-{limit}")))
}

fn reset_value(kind: ResetKind, value: &str, now: Option<Timestamp>) -> Option<Duration> {
    match kind {
        ResetKind::Date => until(Timestamp::from_rfc3339(value)?, now?),
        ResetKind::Span => seconds(value, 1.0).or_else(|| go_duration(value)),
    }
}

fn until(then: Timestamp, now: Timestamp) -> Option<Duration> {
    bounded(then.since(now).as_secs_f64())
}

fn seconds(text: &str, unit: f64) -> Option<Duration> {
    bounded(text.parse::<f64>().ok()? * unit)
}

fn bounded(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds.min(MAX_RETRY_AFTER.as_secs_f64())))
}

/// A Go duration: `12ms`, `6m0s`, `1h2m3.5s`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value = rest[..digits].parse::<f64>().ok()?;
        rest = &rest[digits..];
        let units = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += value
            * match &rest[..units] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" | "μs" => 1e-6,
                "ns" => 1e-9,
                _ => return None,
            };
        rest = &rest[units..];
    }
    bounded(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers<'a> = &'a [(&'a str, &'a str)];

    fn after(headers: Headers<'_>) -> Option<Duration> {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let now = http_date("Sun, 22 Nov 2026 01:00:00 GMT");
        assert!(now.is_some());
        retry_hint(&headers, None, ErrorClass::RateLimit, now).after
    }

    #[test]
    fn every_form_of_a_wait_is_read() {
        let ms = |n| Some(Duration::from_millis(n));
        let rows: [(Headers<'_>, Option<Duration>); 15] = [
            (&[("retry-after", "17")], ms(17_000)),
            (&[("retry-after", " 0.5 ")], ms(500)),
            (&[("retry-after", "1"), ("retry-after-ms", "21")], ms(21)),
            (&[("retry-after-ms", "junk"), ("retry-after", "2")], ms(2000)),
            (&[("retry-after", "Sun, 22 Nov 2026 01:00:30 GMT")], ms(30_000)),
            (&[("retry-after", "Sun, 22 Nov 2026 00:59:30 GMT")], None),
            (&[("retry-after", "0")], None),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "1e300")], Some(MAX_RETRY_AFTER)),
            (
                &[
                    ("x-ratelimit-reset-tokens", "6m0s"),
                    ("x-ratelimit-remaining-tokens", "0"),
                ],
                ms(360_000),
            ),
            (
                &[
                    ("x-ratelimit-reset-tokens", "1h2m3.5s"),
                    ("x-ratelimit-remaining-tokens", "9"),
                ],
                None,
            ),
            (
                &[
                    ("x-ratelimit-reset-requests", "12ms"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-tokens", "7"),
                    ("x-ratelimit-remaining-tokens", "0"),
                ],
                ms(7000),
            ),
            (
                &[
                    ("anthropic-ratelimit-requests-reset", "2026-11-22T01:00:12Z"),
                    ("anthropic-ratelimit-requests-remaining", "0"),
                ],
                ms(12_000),
            ),
            (&[], None),
        ];
        for (headers, expected) in rows {
            assert_eq!(after(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn go_durations_are_read_and_nonsense_is_not() {
        assert_eq!(go_duration("1h2m3.5s"), Some(Duration::from_millis(3_723_500)));
        assert_eq!(go_duration("12ms"), Some(Duration::from_millis(12)));
        for nonsense in ["", "m", "5", "5x", "1.2.3s", "-1s", "0s"] {
            assert_eq!(go_duration(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn dates_without_a_now_are_no_hint() {
        let headers = [(
            "retry-after".to_owned(),
            "Sun, 22 Nov 2026 01:00:30 GMT".to_owned(),
        )];
        assert_eq!(
            retry_hint(&headers, None, ErrorClass::RateLimit, None).after,
            None
        );
    }
}
