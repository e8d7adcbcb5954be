//! `/v1/report`: the figures of a month, gathered from history.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::Uri,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{ApiState, History, HistoryError, IncidentQuery, openapi::schemas, problem::Problem, query};
use crate::{
    feed::{
        Filter, Time,
        report::{Attempts, IncidentLine, ProviderReport, Report, SCHEMA, Sheet, TargetReport},
        v1::Health,
    },
    health::{Incident, StateTimes},
    id::{ProviderId, TargetId},
    report::{DEFAULT_OBJECTIVE, MIN_OBJECTIVE, Material, Month, Outcomes, Terms},
    store::{SeriesQuery, Span},
    verdict::Source,
};

/// Most targets of one report.
pub const MAX_REPORTED: usize = 500;
/// Longest wait for a report, its turn included: one is made at a time.
pub const REPORT_TIMEOUT: Duration = Duration::from_secs(30);
/// Outages are told from chance by the hour.
const STEP: Duration = Duration::from_secs(3_600);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// In UTC; the running one unless given. One that has not begun is not found.
    #[param(value_type = Option<schemas::MonthName>)]
    month: Option<String>,
    /// What it is held against, in percent; 99.5 unless given.
    #[param(minimum = 50, maximum = 100)]
    objective: Option<f64>,
    /// Only these targets.
    #[param(value_type = Option<schemas::Patterns>)]
    targets: Option<String>,
}

/// A checked question.
struct Question {
    terms: Terms,
    filter: Option<Filter>,
    feed: Arc<crate::feed::Snapshot>,
}

/// The reliability report of a month.
#[utoipa::path(get, path = "/v1/report", tag = "past", params(Asked), responses(
    (status = 200, description = "The report; what is not known is null", body = Report),
    schemas::NotFound,
    schemas::Unavailable,
))]
pub(super) async fn report(State(api): State<ApiState>, uri: Uri) -> Result<Response, Problem> {
    let asked: Asked = query::query(&uri)?;
    let now = api.clock.wall();
    let month = match &asked.month {
        None => Month::of(now),
        Some(text) => text
            .parse()
            .map_err(|error: crate::report::NotAMonth| Problem::bad_query(error.to_string()))?,
    };
    if month.from() > now {
        return Err(Problem::not_found(format!("month {month} has not begun")));
    }
    let objective = asked.objective.unwrap_or(DEFAULT_OBJECTIVE);
    if !(MIN_OBJECTIVE..=100.0).contains(&objective) {
        return Err(Problem::bad_query(format!(
            "objective is {objective}, allowed are {MIN_OBJECTIVE} to 100 percent"
        )));
    }
    let question = Question {
        terms: Terms {
            month,
            now,
            objective,
        },
        filter: query::targets(asked.targets.as_deref())?,
        feed: api.hub.snapshot(),
    };
    let busy = || Problem::unavailable("another report is being made", 5);
    let turn = tokio::time::timeout(REPORT_TIMEOUT, Arc::clone(&api.reports).acquire_owned())
        .await
        .map_err(|_| busy())?
        .map_err(|_| Problem::internal())?;
    let answer = api
        .read_within(REPORT_TIMEOUT, move |history| {
            let _turn = turn;
            question.answer(history)
        })
        .await?;
    let answer = answer.map_err(|found| {
        Problem::bad_query(format!(
            "that month holds {found} targets, at most {MAX_REPORTED} are reported on: choose with targets"
        ))
    })?;
    Ok(Json(answer).into_response())
}

impl Question {
    /// The report, or how many targets are too many.
    fn answer(&self, history: &dyn History) -> Result<Result<Report, usize>, HistoryError> {
        let (from, until) = (self.terms.from(), self.terms.until());
        let health = &self.feed.health;
        let mut times: BTreeMap<TargetId, StateTimes> = BTreeMap::new();
        for standing in history.standings(from, until)? {
            times.entry(standing.target).or_default().merge(&standing.times);
        }
        let counted: BTreeSet<TargetId> = history
            .days(from, until)?
            .into_iter()
            .map(|day| day.target)
            .collect();
        let mut incidents: HashMap<TargetId, Vec<Incident>> = HashMap::new();
        for incident in all_incidents(history, &self.terms)? {
            incidents
                .entry(incident.target.clone())
                .or_default()
                .push(incident);
        }
        let watched = health.targets.iter().map(|target| &target.id);
        let mut targets: BTreeSet<&TargetId> = watched.chain(&counted).chain(times.keys()).collect();
        targets.extend(incidents.keys());
        targets.retain(|target| self.filter.as_ref().is_none_or(|filter| filter.wants(target)));
        if targets.len() > MAX_REPORTED {
            return Ok(Err(targets.len()));
        }
        let mut providers: BTreeMap<&ProviderId, Gathered> = BTreeMap::new();
        let mut lines = Vec::new();
        for target in targets {
            let mut material = Material {
                targets: 1,
                times: times.get(target).copied().unwrap_or_default(),
                incidents: incidents.get(target).cloned().unwrap_or_default(),
                official: has_official(health, target.provider()),
                ..Material::default()
            };
            let mut attempts = Attempts::default();
            if counted.contains(target) {
                self.count(history, target, &mut material, &mut attempts)?;
            }
            lines.extend(
                material
                    .incidents
                    .iter()
                    .map(|incident| IncidentLine::new(incident, &self.terms)),
            );
            let provider = providers.entry(target.provider()).or_default();
            provider.material.merge(&material);
            provider.attempts.add(&attempts);
            provider.targets.push(TargetReport {
                id: target.clone(),
                figures: Sheet::new(&material, attempts, &self.terms),
            });
        }
        lines.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        Ok(Ok(self.report(providers, lines)))
    }

    /// Adds what the series of one target hold, by source.
    fn count(
        &self,
        history: &dyn History,
        target: &TargetId,
        material: &mut Material,
        attempts: &mut Attempts,
    ) -> Result<(), HistoryError> {
        let all = history.series_by_source(&SeriesQuery {
            target: target.clone(),
            from: self.terms.from(),
            to: self.terms.until(),
            step: STEP,
            spans: vec![Span::Ttft, Span::E2e],
            outcomes: true,
            sources: vec![Source::Canary, Source::Long, Source::Report, Source::Tap],
        })?;
        for (source, series) in all {
            let seen = match source {
                Source::Canary => &mut attempts.canary,
                Source::Long => &mut attempts.long,
                Source::Report => &mut attempts.report,
                Source::Tap | Source::Reach => &mut attempts.tap,
            };
            for (index, sum) in series
                .points
                .iter()
                .enumerate()
                .filter(|(_, sum)| !sum.is_empty())
            {
                *seen += sum.counts.attempts;
                let outcomes = material.outcomes.entry(series.at(index).as_millis()).or_default();
                outcomes.add(&Outcomes {
                    attempts: sum.counts.attempts,
                    began: sum.counts.began,
                    errors: sum.counts.errors,
                    truncated: sum.counts.truncated,
                });
                material.ttft.merge(sum.span(Span::Ttft));
                material.e2e.merge(sum.span(Span::E2e));
                material.spent_usd += sum.spent_usd;
                material.input_tokens = material.input_tokens.saturating_add(sum.tokens.input);
                material.output_tokens = material.output_tokens.saturating_add(sum.tokens.output);
            }
        }
        Ok(())
    }

    fn report(&self, providers: BTreeMap<&ProviderId, Gathered>, incidents: Vec<IncidentLine>) -> Report {
        let terms = &self.terms;
        Report {
            schema: SCHEMA.into(),
            month: terms.month.to_string(),
            from: terms.from().into(),
            until: terms.until().into(),
            running: terms.running(),
            generated_at: Time(terms.now),
            vantage: self.feed.health.head.vantage.clone(),
            objective: terms.objective,
            providers: providers
                .into_iter()
                .map(|(id, gathered)| ProviderReport {
                    id: id.clone(),
                    figures: Sheet::new(&gathered.material, gathered.attempts, terms),
                    targets: gathered.targets,
                })
                .collect(),
            incidents,
        }
    }
}

/// One provider while it is added up.
#[derive(Default)]
struct Gathered {
    material: Material,
    attempts: Attempts,
    targets: Vec<TargetReport>,
}

/// Whether anybody reads the status page of that provider.
fn has_official(health: &Health, provider: &ProviderId) -> bool {
    let of_provider = |id: &TargetId| id.provider() == provider;
    health
        .targets
        .iter()
        .any(|target| of_provider(&target.id) && target.official.is_some())
}

/// Every incident that touches the month, over as many pages as it takes.
fn all_incidents(history: &dyn History, terms: &Terms) -> Result<Vec<Incident>, HistoryError> {
    let mut query = IncidentQuery {
        since: Some(terms.from()),
        until: Some(terms.until()),
        limit: query::MAX_LIMIT,
        ..IncidentQuery::default()
    };
    let mut all = Vec::new();
    loop {
        let page = history.incidents(&query)?;
        all.extend(page.items);
        match page.next_cursor {
            Some(next) => query.cursor = Some(next),
            None => return Ok(all),
        }
    }
}
