//! `/v1/observations`, `/v1/changes`, `/v1/incidents` and `/v1/incidents/{id}`: what was.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiState, ChangeQuery, IncidentQuery, Listing, ObservationQuery, openapi::schemas, problem::Problem,
    query,
};
use crate::{
    feed::{Time, record},
    health::{ChangeKind, ReasonCode, State as HealthState},
    verdict::Source,
};

/// Verdict families that `verdict` may name.
pub const VERDICTS: [&str; 7] = [
    "complete",
    "truncated",
    "limited",
    "refused",
    "off_script",
    "errored",
    "unknown",
];

/// States that an incident can have at its worst.
pub(super) const WORST: [HealthState; 3] = [HealthState::Degraded, HealthState::Partial, HealthState::Down];

/// Longest incident id in a path, in bytes.
pub const MAX_INCIDENT_ID_BYTES: usize = 64;

/// A part of a longer list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// Newest first.
    items: Vec<T>,
    /// Where the next page begins; null at the end.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    fn of<D>(listing: &Listing<D>) -> Self
    where
        for<'a> T: From<&'a D>,
    {
        Self {
            items: listing.items.iter().map(T::from).collect(),
            next_cursor: listing.next_cursor.clone(),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Observations {
    /// Of one target.
    #[param(value_type = Option<schemas::Target>)]
    target: Option<String>,
    /// Of one family of verdicts.
    #[param(value_type = Option<schemas::Verdict>)]
    verdict: Option<String>,
    /// From one source.
    #[param(value_type = Option<schemas::SourceName>)]
    source: Option<String>,
    /// Of one finer kind: `cut`, `overloaded`, ..
    #[param(value_type = Option<schemas::Word>)]
    kind: Option<String>,
    /// At or after this time.
    #[param(value_type = Option<Time>)]
    since: Option<String>,
    /// Before this time.
    #[param(value_type = Option<Time>)]
    until: Option<String>,
    /// Items wanted.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<schemas::Cursor>)]
    cursor: Option<String>,
}

/// Raw observations, newest first.
#[utoipa::path(get, path = "/v1/observations", tag = "past", params(Observations), responses(
    (status = 200, description = "A page; it may be short and still have a next", body = Page<record::Observation>),
    schemas::Unavailable,
))]
pub(super) async fn observations(State(api): State<ApiState>, uri: Uri) -> Result<Response, Problem> {
    let asked: Observations = query::query(&uri)?;
    let verdict = asked
        .verdict
        .map(|text| {
            if VERDICTS.contains(&text.as_str()) {
                Ok(text)
            } else {
                Err(unknown_word("verdict", &text, &VERDICTS))
            }
        })
        .transpose()?;
    let source = asked
        .source
        .map(|text| {
            Source::ALL
                .into_iter()
                .find(|source| source.as_str() == text)
                .ok_or_else(|| unknown_word("source", &text, &Source::ALL.map(Source::as_str)))
        })
        .transpose()?;
    let wanted = ObservationQuery {
        target: query::target_filter(asked.target.as_deref())?,
        verdict,
        source,
        kind: query::word("kind", asked.kind)?,
        since: query::time("since", asked.since.as_deref())?,
        until: query::time("until", asked.until.as_deref())?,
        limit: query::limit(asked.limit)?,
        cursor: query::cursor(asked.cursor)?,
    };
    let listing = api.read(move |history| history.observations(&wanted)).await?;
    Ok(Json(Page::<record::Observation>::of(&listing)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Incidents {
    /// Of one target.
    #[param(value_type = Option<schemas::Target>)]
    target: Option<String>,
    /// Of one provider's targets.
    #[param(value_type = Option<schemas::Provider>)]
    provider: Option<String>,
    /// Open ones or closed ones only.
    open: Option<bool>,
    /// Those that were that bad at their worst.
    #[param(value_type = Option<schemas::Worst>)]
    state: Option<String>,
    /// With that reason at their worst.
    #[param(value_type = Option<schemas::Reasons>)]
    reason: Option<String>,
    /// Not closed before this time.
    #[param(value_type = Option<Time>)]
    since: Option<String>,
    /// Begun before this time.
    #[param(value_type = Option<Time>)]
    until: Option<String>,
    /// Items wanted.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<schemas::Cursor>)]
    cursor: Option<String>,
}

/// Incidents with their timelines, last opened first.
#[utoipa::path(get, path = "/v1/incidents", tag = "past", params(Incidents), responses(
    (status = 200, description = "A page", body = Page<record::Incident>),
    schemas::Unavailable,
))]
pub(super) async fn incidents(State(api): State<ApiState>, uri: Uri) -> Result<Response, Problem> {
    let asked: Incidents = query::query(&uri)?;
    let worst = asked
        .state
        .map(|text| {
            WORST
                .into_iter()
                .find(|state| state.as_str() == text)
                .ok_or_else(|| unknown_word("state", &text, &WORST.map(HealthState::as_str)))
        })
        .transpose()?;
    let reason = asked
        .reason
        .map(|text| {
            ReasonCode::ALL
                .into_iter()
                .find(|code| code.as_str() == text)
                .ok_or_else(|| unknown_word("reason", &text, &ReasonCode::ALL.map(ReasonCode::as_str)))
        })
        .transpose()?;
    let provider = query::provider_filter(asked.provider.as_deref())?;
    let wanted = IncidentQuery {
        target: query::target_filter(asked.target.as_deref())?,
        provider,
        open: asked.open,
        worst,
        reason,
        since: query::time("since", asked.since.as_deref())?,
        until: query::time("until", asked.until.as_deref())?,
        limit: query::limit(asked.limit)?,
        cursor: query::cursor(asked.cursor)?,
    };
    let listing = api.read(move |history| history.incidents(&wanted)).await?;
    Ok(Json(Page::<record::Incident>::of(&listing)).into_response())
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Changes {
    /// Of one target.
    #[param(value_type = Option<schemas::Target>)]
    target: Option<String>,
    /// Of one kind.
    #[param(value_type = Option<schemas::ChangeKinds>)]
    kind: Option<String>,
    /// Items wanted.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(value_type = Option<schemas::Cursor>)]
    cursor: Option<String>,
}

/// Changes of who answers, newest first.
#[utoipa::path(get, path = "/v1/changes", tag = "past", params(Changes), responses(
    (status = 200, description = "A page", body = Page<record::Change>),
    schemas::Unavailable,
))]
pub(super) async fn changes(State(api): State<ApiState>, uri: Uri) -> Result<Response, Problem> {
    let asked: Changes = query::query(&uri)?;
    let kind = asked
        .kind
        .map(|text| {
            ChangeKind::parse(&text)
                .ok_or_else(|| unknown_word("kind", &text, &ChangeKind::ALL.map(ChangeKind::as_str)))
        })
        .transpose()?;
    let wanted = ChangeQuery {
        target: query::target_filter(asked.target.as_deref())?,
        kind,
        limit: query::limit(asked.limit)?,
        cursor: query::cursor(asked.cursor)?,
    };
    let listing = api.read(move |history| history.changes(&wanted)).await?;
    Ok(Json(Page::<record::Change>::of(&listing)).into_response())
}

/// One incident with its timeline.
#[utoipa::path(get, path = "/v1/incidents/{id}", tag = "past",
    params(("id" = schemas::IncidentId, Path, description = "As the list and the feed name it")), responses(
    (status = 200, description = "The incident", body = record::Incident),
    schemas::NotFound,
    schemas::Unavailable,
))]
pub(super) async fn incident(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if id.len() > MAX_INCIDENT_ID_BYTES {
        return Err(Problem::not_found("no incident has an id that long"));
    }
    let found = api
        .read(move |history| history.incident(&id))
        .await?
        .ok_or_else(|| Problem::not_found("no incident has this id"))?;
    Ok(Json(record::Incident::from(&found)).into_response())
}

fn unknown_word(name: &str, found: &str, known: &[&str]) -> Problem {
    Problem::bad_query(format!(
        "{name} {found:?} is unknown, known are {}",
        known.join(", ")
    ))
}
