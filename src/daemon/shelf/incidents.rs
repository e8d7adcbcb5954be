//! Incidents: their list, and one of them with what it cost and on which evidence.

use std::time::Duration;

use crate::daemon::post::ChannelView;
use crate::{
    alert::{Alarm, CircuitState},
    api::page::{Alerted, Case, INCIDENTS, Lost, MAX_EVIDENCE, MAX_OPEN, Spells},
    clock::Timestamp,
    id::ProviderId,
    store::{Reader, SeriesQuery, SpellQuery, StoreError},
    verdict::Source,
};

/// Failures are looked for a little beyond recovery: what recovery was told by may have been sent before it.
const AFTER: Duration = Duration::from_secs(1);
/// What is lost is counted in minutes, as long as they are kept.
const MINUTE: Duration = Duration::from_secs(60);

/// Open incidents (on the first page) and closed ones. **Blocks.**
pub(super) fn list(
    reader: &Reader,
    provider: Option<ProviderId>,
    before: Option<i64>,
) -> Result<Spells, StoreError> {
    let mut query = SpellQuery {
        provider,
        open: Some(true),
        before: None,
        limit: MAX_OPEN,
    };
    let open = match before {
        None => reader.spells(&query)?,
        Some(_) => Vec::new(),
    };
    query.open = Some(false);
    query.before = before;
    query.limit = INCIDENTS + 1;
    Ok(Spells {
        open,
        closed: reader.spells(&query)?,
    })
}

/// One incident. **Blocks.**
pub(super) fn one(
    reader: &Reader,
    id: &str,
    now: Timestamp,
    raw_from: Timestamp,
) -> Result<Option<Case>, StoreError> {
    let Some(incident) = reader.incident(id)? else {
        return Ok(None);
    };
    let until = incident.recovered.or(incident.closed).unwrap_or(now);
    let failures = reader.failures(
        &incident.target,
        incident.started,
        until.plus(AFTER),
        MAX_EVIDENCE + 1,
    )?;
    let series = reader.series(&SeriesQuery {
        target: incident.target.clone(),
        from: incident.started,
        to: until.plus(AFTER),
        step: MINUTE,
        sources: vec![Source::Canary, Source::Long, Source::Report, Source::Tap],
        spans: Vec::new(),
        outcomes: false,
    })?;
    let mut lost = Lost {
        step: series.step,
        ..Lost::default()
    };
    for point in &series.points {
        lost.attempts += point.counts.attempts;
        lost.failed += point.counts.errors + point.counts.truncated;
    }
    Ok(Some(Case {
        incident,
        failures,
        lost,
        raw_from,
        alerted: None,
    }))
}

/// Who was told of that incident, as far as it is known to somebody now.
pub(super) fn alerted(id: &str, alarms: &[Alarm], channels: &[ChannelView]) -> Option<Alerted> {
    let alarm = alarms
        .iter()
        .find(|alarm| alarm.subjects.iter().any(|it| it.incident.as_deref() == Some(id)))?;
    let told: Vec<String> = alarm.told.iter().map(|told| told.channel.clone()).collect();
    let fails = |name: &&String| {
        let mut named = channels.iter().filter(|channel| channel.name == **name);
        named.any(|channel| channel.figures.circuit != CircuitState::Closed)
    };
    Some(Alerted {
        failing: told.iter().filter(fails).cloned().collect(),
        channels: told,
        by: alarm
            .acknowledged_by
            .clone()
            .zip(alarm.acknowledged_at.map(|at| at.0)),
    })
}
