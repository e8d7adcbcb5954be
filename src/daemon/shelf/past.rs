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
        evidence: None,
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
    let series = reader.series_by_source(&SeriesQuery {
        target: target.clone(),
        from,
        to: from.plus(range.step() * range.steps()),
        step: range.step(),
        sources: Source::ALL.to_vec(),
        spans: vec![Span::Ttft, Span::Itl, Span::Gap, Span::E2e],
        outcomes: true,
    })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        health::{Reason, ReasonCode, Standing, State, StateTimes},
        protocol::ErrorClass,
        store::{Options, Record, Rollup, Store},
        verdict::{FailedAt, Failure, Truncation},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_781_960_702_000);

    fn ago(seconds: u64) -> Timestamp {
        NOW.minus(Duration::from_secs(seconds))
    }

    fn seen(seconds: u64, source: Source, verdict: Verdict) -> Record {
        let mut one = Observation::new("p/m".parse().unwrap(), ago(seconds), source, verdict);
        one.phases.first_token = Some(Duration::from_millis(100));
        one.phases.terminal = Some(Duration::from_millis(300));
        Record::Observation(one)
    }

    fn incident(id: &str, started: u64, recovered: Option<u64>) -> Record {
        Record::Incident(Incident {
            id: id.into(),
            target: "p/m".parse().unwrap(),
            started: ago(started),
            detected: ago(started),
            opened: ago(started),
            recovered: recovered.map(ago),
            closed: recovered.map(ago),
            worst: State::Down,
            reason: Reason {
                code: ReasonCode::Truncated,
                text: String::new(),
                sources: Vec::new(),
            },
            timeline: Vec::new(),
            lead_s: None,
        })
    }

    #[test]
    fn everything_the_page_shows_comes_back() {
        let (writer, reader) = Store::temporary(Options::default(), Clock::manual(NOW)).unwrap();
        let cut = Verdict::Truncated(Truncation::Cut);
        let refused = Verdict::Errored(Failure {
            class: ErrorClass::Overloaded,
            at: FailedAt::Status(529),
        });
        for record in [
            incident("old", 9_000, Some(8_000)),
            incident("open", 50, None),
            seen(7_000, Source::Canary, Verdict::Complete),
            seen(60, Source::Reach, Verdict::Complete),
            seen(50, Source::Canary, cut),
            seen(40, Source::Canary, refused),
            seen(30, Source::Long, Verdict::Complete),
            seen(20, Source::Canary, Verdict::Complete),
            seen(10, Source::Report, cut),
            Record::Standing(Standing {
                target: "p/m".parse().unwrap(),
                day: NOW,
                times: StateTimes::default(),
            }),
        ] {
            writer.send(record);
        }
        assert!(writer.flush(Duration::from_secs(60)));
        let target = "p/m".parse().unwrap();
        for (range, canaries, shaded) in [(Range::Hour, 3, 1), (Range::Day, 4, 2), (Range::Quarter, 4, 2)] {
            let past = read(&reader, &target, range, NOW).unwrap();
            let history = past.history.unwrap();
            let count = |source| -> u64 {
                let (_, series) = history.series.iter().find(|(have, _)| *have == source).unwrap();
                assert_eq!(series.points.len(), range.steps() as usize);
                series.points.iter().map(Rollup::observations).sum()
            };
            let counts = [
                Source::Canary,
                Source::Reach,
                Source::Long,
                Source::Report,
                Source::Tap,
            ]
            .map(count);
            assert_eq!(counts, [canaries, 1, 1, 1, 0], "{range:?}");
            assert_eq!(history.incidents.len(), shaded, "{range:?}");
            let failed: Vec<Verdict> = past.failures.iter().map(|o| o.verdict).collect();
            assert_eq!(failed, [cut, refused, cut], "newest first");
            assert_eq!(past.observations.len(), 6, "without reach probes that passed");
            let complete: Vec<(CanaryKind, usize)> = past
                .complete
                .iter()
                .map(|(kind, seen)| (*kind, seen.len()))
                .collect();
            assert_eq!(complete, [(CanaryKind::Short, 2), (CanaryKind::Long, 1)]);
            assert_eq!(past.incident.unwrap().id, "open");
            assert_eq!((past.incidents.len(), past.standings.len()), (2, 1));
        }
        let nobody = read(&reader, &"p/none".parse().unwrap(), Range::Week, NOW).unwrap();
        assert!(nobody.observations.is_empty() && nobody.history.is_some());
    }
}
