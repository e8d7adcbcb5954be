//! `GET /v1/evidence/{target}`: whose word its figures are.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
    response::{IntoResponse, Response},
};

use super::{
    ApiState,
    history::{History, HistoryError},
    openapi::schemas,
    problem::Problem,
    query,
};
use crate::{
    clock::Timestamp,
    feed::{
        evidence::{Disagreement, Evidence, Part, SourceSeen},
        v1::Word,
    },
    health,
    id::TargetId,
    intake::{self, Dimension},
    store::{SeriesQuery, Span},
    verdict::{Counts, Source},
};

/// Where the figures of a target come from.
///
/// Probes and real traffic of the last hour, real traffic by reporter, region and answering model, and where the two
/// disagree.
#[utoipa::path(get, path = "/v1/evidence/{target}", tag = "reports", 
    params(("target" = schemas::Target, Path, description = "provider/model")), responses(
    (status = 200, description = "Whose word it is", body = Evidence),
    schemas::NotFound,
    schemas::Unavailable,
))]
pub(super) async fn evidence(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let target = query::target(path)?;
    query::watched(&api.hub.snapshot().health, &target)?;
    let traffic = api.intake.traffic(&target);
    let now = api.clock.now();
    let found = api
        .read(move |history| gather(history, &target, traffic, now))
        .await?;
    Ok(Json(found).into_response())
}

/// Everything about one target. `traffic`: what [`intake::Intake::traffic`] tells of it. **Blocks.**
///
/// # Errors
/// History can't be read.
pub fn gather(
    history: &dyn History,
    target: &TargetId,
    traffic: Vec<(Dimension, Vec<intake::Part>)>,
    now: Timestamp,
) -> Result<Evidence, HistoryError> {
    let mut sources = Vec::new();
    let (mut probes, mut told) = (Counts::default(), Counts::default());
    let seen = history.series_by_source(&SeriesQuery {
        target: target.clone(),
        from: now.minus(intake::WINDOW),
        to: now,
        step: Duration::from_secs(60),
        sources: Source::ALL.to_vec(),
        spans: vec![Span::Ttft],
        outcomes: false,
    })?;
    for (source, series) in seen {
        let mut sum = crate::store::Rollup::default();
        series.points.iter().for_each(|point| sum.merge(point));
        match source {
            Source::Reach => {}
            Source::Canary | Source::Long => probes += sum.counts,
            Source::Report | Source::Tap => told += sum.counts,
        }
        if !sum.is_empty() {
            sources.push(SourceSeen {
                source: Word::Borrowed(source.as_str()),
                attempts: sum.counts.attempts,
                errors: sum.counts.errors,
                truncated: sum.counts.truncated,
                failure_rate: failure_rate(sum.counts),
                ttft_ms: super::series::spread(sum.span(Span::Ttft)).into(),
            });
        }
    }
    let found = intake::disagreement(probes, told, &traffic);
    let mut parts = traffic.into_iter().map(|(_, parts)| shown(parts));
    let mut next = || parts.next().unwrap_or_default();
    Ok(Evidence {
        target: target.clone(),
        window_s: intake::WINDOW.as_secs(),
        sources,
        reporters: next(),
        regions: next(),
        models: next(),
        disagreement: found.map(told_of),
    })
}

fn failure_rate(counts: Counts) -> crate::feed::v1::Rate {
    health::Rate::of(counts.failed(), counts.attempts).into()
}

fn shown(parts: Vec<intake::Part>) -> Vec<Part> {
    let shown = |part: intake::Part| Part {
        value: part.value,
        attempts: part.counts.attempts,
        errors: part.counts.errors,
        truncated: part.counts.truncated,
        failure_rate: failure_rate(part.counts),
    };
    parts.into_iter().map(shown).collect()
}

fn told_of(found: intake::Disagreement) -> Disagreement {
    let percent = |rate: health::Rate| {
        let value = rate.value.unwrap_or_default() * 100.0;
        format!("{value:.1} % of {}", rate.n)
    };
    let (probes, traffic) = (percent(found.probes), percent(found.traffic));
    let mut text = if found.probes_fail {
        format!(
            "{probes} probes failed, but only {traffic} real requests: our own key, prompt or way there may be the reason"
        )
    } else {
        format!("{traffic} real requests failed, but only {probes} probes")
    };
    if let Some((dimension, part)) = &found.place {
        let share = percent(health::Rate::of(part.counts.failed(), part.counts.attempts));
        text.extend(["; most from ", dimension.as_str(), " ", &part.value, ", ", &share]);
    }
    let (dimension, value) = found.place.map_or((None, None), |(dimension, part)| {
        (Some(Word::Borrowed(dimension.as_str())), Some(part.value))
    });
    Disagreement {
        failing: Word::Borrowed(if found.probes_fail { "probes" } else { "traffic" }),
        probes: found.probes.into(),
        traffic: found.traffic.into(),
        dimension,
        value,
        text,
    }
}
