//! What the store remembers of one target, for its page.

use std::time::Duration;

use crate::{
    api::page::{History, MAX_FAILURES, MAX_LISTED, MAX_OBSERVATIONS, Past, Range},
    clock::Timestamp,
    health::Incident,
    id::TargetId,
    store::{IncidentQuery, ObservationQuery, Reader, SeriesQuery, Span, StoreError},
    verdict::{CanaryKind, Observation, Source, Verdict},
};

/// Most incidents that are shaded behind the charts.
const MAX_SHADED: usize = 100;
/// Complete replies of a canary that its phases are read from; the long one comes seldom.
const PHASED: usize = 60;
const PHASED_LONG: usize = 8;
/// How far back they may lie.
const PHASED_SINCE: Duration = Duration::from_secs(86_400);
/// What uptime is told over, in days.
const UPTIME: Duration = Duration::from_secs(89 * 86_400);

/// All that the target's page shows of the past. **Blocks.**
pub(super) fn read(
    reader: &Reader,
    target: &TargetId,
    range: Range,
    now: Timestamp,
) -> Result<Past, StoreError> {
    let newest = |query: ObservationQuery| -> Result<Vec<Observation>, StoreError> {
        let query = ObservationQuery {
            target: Some(target.clone()),
            ..query
        };
        let page = reader.observations(&query)?;
        Ok(page.items.into_iter().map(|stored| stored.observation).collect())
    };
    let mut failures = Vec::new();
    for family in ["truncated", "errored"] {
        failures.extend(newest(ObservationQuery {
            verdict_family: Some(family.to_owned()),
            limit: MAX_FAILURES,
            ..Default::default()
        })?);
    }
    failures.sort_by_key(|o| std::cmp::Reverse(o.at));
    failures.truncate(MAX_FAILURES);
    let observations = newest(ObservationQuery {
        // They come ten to a reply and say nothing about replies.
        without_passed: Some(Source::Reach),
        limit: MAX_OBSERVATIONS,
        ..Default::default()
    })?;
    let incidents = reader.incidents(&IncidentQuery {
        target: Some(target.clone()),
        limit: MAX_SHADED,
        ..Default::default()
    })?;
    let history = history(reader, target, range, now, incidents.items.clone())?;
    Ok(Past {
        complete: complete(reader, target, &history, now)?,
        history: Some(history),
        failures,
        observations,
        standings: reader.standings(now.minus(UPTIME), now)?,
        incident: incidents.items.iter().find(|i| i.closed.is_none()).cloned(),
        incidents: incidents.items.into_iter().take(MAX_LISTED).collect(),
        missing: None,
    })
}

/// The series of every source, all over the same steps.
fn history(
    reader: &Reader,
    target: &TargetId,
    range: Range,
    now: Timestamp,
    incidents: Vec<Incident>,
) -> Result<History, StoreError> {
    let from = range.from(now);
    let series = Source::ALL
        .into_iter()
        .map(|source| {
            let query = SeriesQuery {
                target: target.clone(),
                from,
                to: from.plus(range.step() * range.steps()),
                step: range.step(),
                sources: vec![source],
                spans: match source {
                    Source::Reach => Vec::new(),
                    _ => vec![Span::Ttft, Span::Itl, Span::Gap, Span::E2e],
                },
            };
            Ok((source, reader.series(&query)?))
        })
        .collect::<Result<_, StoreError>>()?;
    let touches = |i: &Incident| i.recovered.is_none_or(|end| end >= from);
    Ok(History {
        range,
        series,
        incidents: incidents.into_iter().filter(touches).collect(),
    })
}

/// Recent complete replies of the short canary, and of the long one where the charts saw any.
fn complete(
    reader: &Reader,
    target: &TargetId,
    history: &History,
    now: Timestamp,
) -> Result<Vec<(CanaryKind, Vec<Observation>)>, StoreError> {
    let seen = |source| {
        let series = history.series.iter().find(|(have, _)| *have == source);
        series.is_some_and(|(_, series)| series.points.iter().any(|point| !point.is_empty()))
    };
    let mut all = Vec::new();
    for (kind, limit) in [(CanaryKind::Short, PHASED), (CanaryKind::Long, PHASED_LONG)] {
        if !seen(kind.source()) {
            continue;
        }
        let query = ObservationQuery {
            target: Some(target.clone()),
            verdict_family: Some(Verdict::Complete.family().to_owned()),
            source: Some(kind.source()),
            since: Some(now.minus(PHASED_SINCE)),
            limit,
            ..Default::default()
        };
        let found = reader.observations(&query)?.items.into_iter();
        let replies = found.map(|stored| stored.observation);
        all.push((kind, replies.filter(|o| o.canary_kind() == Some(kind)).collect()));
    }
    Ok(all)
}
