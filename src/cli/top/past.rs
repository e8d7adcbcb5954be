//! What `top` asks of the past: the last hour of a target, its last failures, incidents.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::{
    cli::{ask::Daemon, status},
    clock::Timestamp,
    feed::{
        Time,
        record::{Incident, Observation},
    },
    id::TargetId,
};

/// Length of one bar.
const STEP: Duration = Duration::from_secs(180);
/// Bars of the last hour.
pub(super) const BARS: usize = 20;
/// Incidents that are shown at most, open ones and recent ones.
pub(super) const INCIDENTS: usize = 50;
/// Failures of one target that are shown at most, of each kind.
const FAILURES: usize = 20;

/// A question to history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Wish {
    /// The failures of the last hour.
    Hour(TargetId),
    /// Open and recent incidents.
    Incidents,
    /// The last failures and the last complete reply.
    Details(TargetId),
}

/// What one step of the last hour held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bar {
    /// Attempts in it; none is a gap.
    pub(super) attempts: u64,
    /// Errors and truncated replies among them.
    pub(super) failed: u64,
}

/// A target's observations.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Details {
    /// Truncated and errored, newest first.
    pub(super) failures: Vec<Observation>,
    /// The newest complete canary.
    pub(super) complete: Option<Observation>,
}

/// History's word. An answer that failed leaves what was known.
#[derive(Debug)]
pub(super) enum Answer {
    /// Oldest first.
    Hour(TargetId, Vec<Bar>),
    /// Newest first.
    Incidents(Vec<Incident>),
    /// Of one target.
    Details(TargetId, Box<Details>),
    /// Why there is none.
    Failed(String),
}

#[derive(Debug, Deserialize)]
struct Series {
    points: Vec<Point>,
}

#[derive(Debug, Deserialize)]
struct Point {
    attempts: u64,
    errors: u64,
    truncated: u64,
}

#[derive(Debug, Deserialize)]
struct Page<T> {
    items: Vec<T>,
}

async fn read<T: serde::de::DeserializeOwned>(daemon: &Daemon, path: &str) -> Result<T, String> {
    let body = daemon.ask(path, status::TIMEOUT).await;
    serde_json::from_slice(&body.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

/// Asks the daemon.
pub(super) async fn ask(daemon: Daemon, wish: Wish, now: Timestamp) -> Answer {
    match answer(&daemon, wish, now).await {
        Ok(answer) => answer,
        Err(why) => Answer::Failed(why),
    }
}

async fn answer(daemon: &Daemon, wish: Wish, now: Timestamp) -> Result<Answer, String> {
    match wish {
        Wish::Hour(target) => {
            // One bar less than the hour: steps are aligned, so the first and the last one reach beyond.
            let span = STEP.saturating_mul(BARS as u32 - 1);
            let (from, to) = (Time(now.minus(span)), Time(now));
            let step = STEP.as_secs();
            let path = format!("/v1/series/{target}?metric=counts&from={from}&to={to}&step={step}s");
            let series: Series = read(daemon, &path).await?;
            Ok(Answer::Hour(target, bars(&series)))
        }
        Wish::Incidents => {
            let open: Page<Incident> =
                read(daemon, &format!("/v1/incidents?open=true&limit={INCIDENTS}")).await?;
            let recent: Page<Incident> = read(daemon, &format!("/v1/incidents?limit={INCIDENTS}")).await?;
            let mut items = open.items;
            items.extend(recent.items.into_iter().filter(|incident| !incident.open));
            Ok(Answer::Incidents(items))
        }
        Wish::Details(target) => {
            let of = async |filter: &str, limit: usize| {
                let target = in_query(&target);
                let path = format!("/v1/observations?target={target}&{filter}&limit={limit}");
                read::<Page<Observation>>(daemon, &path).await
            };
            let mut failures = of("verdict=truncated", FAILURES).await?.items;
            failures.extend(of("verdict=errored", FAILURES).await?.items);
            failures.sort_by_key(|seen| std::cmp::Reverse(seen.at));
            failures.truncate(FAILURES);
            let complete = of("verdict=complete&source=canary", 1).await?.items.pop();
            Ok(Answer::Details(target, Box::new(Details { failures, complete })))
        }
    }
}

/// A target id as the value of a query, where a plus would be a blank.
fn in_query(target: &TargetId) -> String {
    utf8_percent_encode(&target.to_string(), NON_ALPHANUMERIC).to_string()
}

/// The last [`BARS`] steps.
fn bars(series: &Series) -> Vec<Bar> {
    let skipped = series.points.len().saturating_sub(BARS);
    let last = series.points.iter().skip(skipped);
    last.map(|point| Bar {
        attempts: point.attempts,
        failed: point.errors + point.truncated,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_query() {
        let target: TargetId = "a/m:8b+x@1!truncate.fin".parse().unwrap();
        let url = url::Url::parse(&format!("http://h/?target={}&limit=1", in_query(&target))).unwrap();
        let pairs: Vec<_> = url.query_pairs().collect();
        assert_eq!(pairs[0].1, target.to_string());
        assert_eq!(pairs.len(), 2);
    }

    #[test]
    fn the_last_bars_are_kept_and_gaps_stay_gaps() {
        let points =
            (0..=BARS as u64).map(|n| serde_json::json!({"attempts": n, "errors": 1, "truncated": 2}));
        let series = serde_json::json!({"points": points.collect::<Vec<_>>()});
        let bars = bars(&serde_json::from_value(series).unwrap());
        assert_eq!(
            (bars.len(), bars[0]),
            (
                BARS,
                Bar {
                    attempts: 1,
                    failed: 3
                }
            )
        );
        assert!(super::bars(&Series { points: Vec::new() }).is_empty());
    }
}
