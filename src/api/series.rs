//! `/v1/series/{target}`: how it was, step by step.

use std::time::Duration;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{ApiState, openapi::schemas, problem::Problem, query};
use crate::{
    clock::Timestamp,
    feed::{
        Time,
        series::{Figures, Outcome, Point, Series},
        v1::Word,
    },
    health::{self, histogram::Histogram},
    store::{self, Rollup, SeriesQuery, Span},
    verdict::Source,
};

/// The span where the request names no `from`.
pub const DEFAULT_SPAN: Duration = Duration::from_secs(86_400);
/// Steps that are chosen from where the request names none: the first that makes at most [`DEFAULT_POINTS`] points.
const STEPS: [Duration; 7] = [
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(86_400),
    Duration::from_secs(7 * 86_400),
];
/// Most points where the request names no step.
pub const DEFAULT_POINTS: u64 = 300;

/// What can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metric {
    Counts,
    Failure,
    Error,
    Truncation,
    Length(Span),
    Verdicts,
    Tokens,
    Spend,
}

/// Names that `metric` takes.
pub const METRICS: [&str; 13] = {
    let mut names = [""; 13];
    let mut index = 0;
    while index < names.len() {
        names[index] = Metric::ALL[index].as_str();
        index += 1;
    }
    names
};

impl Metric {
    const ALL: [Self; 13] = [
        Self::Counts,
        Self::Failure,
        Self::Error,
        Self::Truncation,
        Self::Length(Span::Ttft),
        Self::Length(Span::Ttfo),
        Self::Length(Span::Itl),
        Self::Length(Span::Gap),
        Self::Length(Span::E2e),
        Self::Length(Span::Connect),
        Self::Verdicts,
        Self::Tokens,
        Self::Spend,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Failure => "failure_rate",
            Self::Error => "error_rate",
            Self::Truncation => "truncation_rate",
            Self::Length(Span::Ttft) => "ttft_ms",
            Self::Length(Span::Ttfo) => "ttfo_ms",
            Self::Length(Span::Itl) => "itl_ms",
            Self::Length(Span::Gap) => "gap_ms",
            Self::Length(Span::E2e) => "e2e_ms",
            Self::Length(Span::Connect) => "connect_ms",
            Self::Verdicts => "verdicts",
            Self::Tokens => "tokens",
            Self::Spend => "spend_usd",
        }
    }

    fn figures(self, sum: &Rollup) -> Figures {
        let c = sum.counts;
        let rate = |hits, n| Figures::Rate(health::Rate::of(hits, n).into());
        match self {
            Self::Counts => Figures::Counts {
                began: c.began,
                errors: c.errors,
                truncated: c.truncated,
                complete: c.complete,
                ours: c.ours,
            },
            Self::Failure => rate(c.failed(), c.attempts),
            Self::Error => rate(c.errors, c.attempts),
            Self::Truncation => rate(c.truncated, c.began),
            Self::Length(span) => Figures::Spread(spread(sum.span(span)).into()),
            Self::Verdicts => Figures::Verdicts {
                verdicts: sum
                    .outcomes
                    .iter()
                    .map(|(verdict, kind, n)| Outcome {
                        verdict: verdict.into(),
                        kind: kind.map(Word::Borrowed),
                        n,
                    })
                    .collect(),
            },
            Self::Tokens => Figures::Tokens {
                input: sum.tokens.input,
                output: sum.tokens.output,
                reasoning: sum.tokens.reasoning,
            },
            Self::Spend => Figures::Dollars {
                value: (sum.spent_usd * 1e6).round() / 1e6,
            },
        }
    }
}

pub(super) fn spread(of: &Histogram) -> health::Percentiles {
    health::Percentiles {
        p50: of.quantile(0.5),
        p95: of.quantile(0.95),
        p99: of.quantile(0.99),
        n: of.count(),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// What to show.
    #[param(value_type = schemas::Metrics)]
    metric: String,
    /// From the step that holds this time; a day before `to` unless given.
    #[param(value_type = Option<Time>)]
    from: Option<String>,
    /// To this time, which is after `from`; now unless given.
    #[param(value_type = Option<Time>)]
    to: Option<String>,
    /// Length of a step: a minute or more. A longer one is taken where so fine figures are no longer kept.
    #[param(value_type = Option<schemas::Step>)]
    step: Option<String>,
    /// Whose word counts, with commas between; all but `reach` unless given.
    #[param(value_type = Option<schemas::Sources>)]
    source: Option<String>,
}

/// One metric of one target, step by step; a gap is null.
#[utoipa::path(get, path = "/v1/series/{target}", tag = "past",
    params(("target" = schemas::Target, Path, description = "provider/model"), Asked), responses(
    (status = 200, description = "The series", body = Series),
    schemas::Unavailable,
))]
pub(super) async fn series(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, Problem> {
    let target = query::target(path)?;
    let asked: Asked = query::query(&uri)?;
    let metric = Metric::ALL
        .into_iter()
        .find(|metric| metric.as_str() == asked.metric)
        .ok_or_else(|| unknown("metric", &asked.metric, &METRICS))?;
    let spans = match metric {
        Metric::Length(span) => vec![span],
        _ => Vec::new(),
    };
    let wanted = SeriesQuery {
        spans,
        outcomes: matches!(metric, Metric::Verdicts | Metric::Tokens | Metric::Spend),
        ..wanted(target, &asked, api.clock.wall())?
    };
    let sources = wanted.sources.clone();
    let target = wanted.target.clone();
    let found = api.read(move |history| history.series(&wanted)).await?;
    Ok(Json(shown(target, metric, &sources, &found)).into_response())
}

fn wanted(target: crate::id::TargetId, asked: &Asked, now: Timestamp) -> Result<SeriesQuery, Problem> {
    let (from, to) = query::span(asked.from.as_deref(), asked.to.as_deref(), now, DEFAULT_SPAN)?;
    let step = if let Some(text) = &asked.step {
        let step = humantime::parse_duration(text).ok();
        step.filter(|step| *step >= STEPS[0]).ok_or_else(|| {
            Problem::bad_query(format!(
                "step {text:?} is no length of a minute or more, as in 1h"
            ))
        })?
    } else {
        let span = to.since(from).as_secs();
        let fits = |step: &Duration| span / step.as_secs() <= DEFAULT_POINTS;
        STEPS.into_iter().find(fits).unwrap_or(STEPS[STEPS.len() - 1])
    };
    let sources = match &asked.source {
        None => Source::ALL
            .into_iter()
            .filter(|source| *source != Source::Reach)
            .collect(),
        Some(text) => text
            .split(',')
            .map(|name| {
                Source::ALL
                    .into_iter()
                    .find(|source| source.as_str() == name)
                    .ok_or_else(|| unknown("source", name, &Source::ALL.map(Source::as_str)))
            })
            .collect::<Result<_, _>>()?,
    };
    Ok(SeriesQuery {
        target,
        from,
        to,
        step,
        sources,
        spans: Vec::new(),
        outcomes: false,
    })
}

fn shown(target: crate::id::TargetId, metric: Metric, sources: &[Source], found: &store::Series) -> Series {
    Series {
        target,
        metric: metric.as_str().into(),
        from: Time(found.from),
        to: Time(found.at(found.points.len())),
        step_s: found.step.as_secs(),
        sources: sources.iter().map(|source| source.as_str().into()).collect(),
        points: found
            .points
            .iter()
            .enumerate()
            .map(|(index, sum)| Point {
                at: Time(found.at(index)),
                attempts: sum.counts.attempts,
                figures: metric.figures(sum),
            })
            .collect(),
    }
}

fn unknown(name: &str, found: &str, known: &[&str]) -> Problem {
    Problem::bad_query(format!(
        "{name} {found:?} is unknown, known are {}",
        known.join(", ")
    ))
}
