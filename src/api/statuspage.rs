//! `/api/v2/*.json`: the feed and its incidents in the shape of Statuspage, for what already reads that.
//!
//! A feed that can't be believed is no page at all: 503, which every reader takes for what it is.

mod board;
mod shape;
#[cfg(test)]
mod tests;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};
use serde::Serialize;

pub(super) use self::shape::{
    StatusAlone, StatusComponents, StatusIncidents, StatusMaintenances, StatusSummary,
};
use self::{board::Board, shape::StatusIncident};
use super::{ApiState, IncidentQuery, MAX_LIMIT, openapi::schemas, problem::Problem, query};
use crate::health::Incident;

/// Most incidents of `incidents.json`, as at Statuspage.
pub const MAX_RECENT: usize = 50;

/// Whether a document is about incidents that are over, too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Past {
    Open,
    Recent,
}

/// Reads what is so now and makes a document of it. Parameters are passed over: readers add some against caches.
async fn answer<T: Serialize>(
    api: &ApiState,
    headers: &HeaderMap,
    past: Past,
    draw: impl FnOnce(&Board<'_>, &[Incident]) -> T,
) -> Result<Response, Problem> {
    let snapshot = api.hub.snapshot();
    if !snapshot.is_fresh(api.clock.now()) {
        return Err(Problem::unavailable("the feed is stale: nothing is known now", 5));
    }
    let (open, recent) = api
        .read(move |history| {
            let listed = |open, limit| {
                let query = IncidentQuery {
                    open,
                    limit,
                    ..IncidentQuery::default()
                };
                history.incidents(&query).map(|listing| listing.items)
            };
            let recent = match past {
                Past::Open => Vec::new(),
                Past::Recent => listed(None, MAX_RECENT)?,
            };
            Ok((listed(Some(true), MAX_LIMIT)?, recent))
        })
        .await?;
    // The guard has checked that it is one of ours.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = host.map_or(String::new(), |host| format!("http://{host}"));
    let declared = api.declared.now(api.clock.now());
    let board = Board {
        health: &snapshot.health,
        open: &open,
        declared: &declared,
        origin: &origin,
    };
    let body = serde_json::to_vec(&draw(&board, &recent)).map_err(|_| Problem::internal())?;
    let tag = query::tag(&body);
    Ok(query::tagged(headers, &tag, "application/json", || body.into()))
}

macro_rules! documents {
    ($($name:ident, $path:literal, $body:ty, $past:expr, $draw:expr, $doc:literal;)+) => {$(
        #[doc = $doc]
        #[utoipa::path(get, path = $path, tag = "elsewhere", responses(
            (status = 200, description = "As Statuspage writes it", body = $body,
                headers(("ETag" = String, description = "Names this content"))),
            (status = 304, description = "If-None-Match names this content"),
            schemas::Unavailable,
        ))]
        pub(super) async fn $name(State(api): State<ApiState>, headers: HeaderMap) -> Result<Response, Problem> {
            answer(&api, &headers, $past, $draw).await
        }
    )+};
}

fn maintenances(board: &Board<'_>, all: Vec<StatusIncident>) -> StatusMaintenances {
    StatusMaintenances {
        page: board.page(&[]),
        scheduled_maintenances: all,
    }
}

documents! {
    board_summary, "/api/v2/summary.json", StatusSummary, Past::Open,
        |board, _| StatusSummary {
            page: board.page(&[]),
            components: board.components(),
            incidents: board.incidents(board.open),
            scheduled_maintenances: board.maintenances(),
            status: board.overall(),
        },
        "Everything that is not over, in the shape of Statuspage.";
    board_status, "/api/v2/status.json", StatusAlone, Past::Open,
        |board, _| StatusAlone { page: board.page(&[]), status: board.overall() },
        "All targets in one word, in the shape of Statuspage.";
    board_components, "/api/v2/components.json", StatusComponents, Past::Open,
        |board, _| StatusComponents { page: board.page(&[]), components: board.components() },
        "Targets, grouped by provider, in the shape of Statuspage.";
    board_incidents, "/api/v2/incidents.json", StatusIncidents, Past::Recent,
        |board, recent| StatusIncidents { page: board.page(recent), incidents: board.incidents(recent) },
        "The 50 incidents that were opened last, in the shape of Statuspage.";
    board_unresolved, "/api/v2/incidents/unresolved.json", StatusIncidents, Past::Open,
        |board, _| StatusIncidents { page: board.page(&[]), incidents: board.incidents(board.open) },
        "Incidents that are not over, in the shape of Statuspage.";
    board_maintenances, "/api/v2/scheduled-maintenances.json", StatusMaintenances, Past::Open,
        |board, _| maintenances(board, board.maintenances()),
        "Maintenance that is under way and that is to come, in the shape of Statuspage.";
    board_active, "/api/v2/scheduled-maintenances/active.json", StatusMaintenances, Past::Open,
        |board, _| maintenances(board, board.active()),
        "Maintenance that is under way, in the shape of Statuspage.";
    board_upcoming, "/api/v2/scheduled-maintenances/upcoming.json", StatusMaintenances, Past::Open,
        |board, _| maintenances(board, board.upcoming()),
        "Maintenance that is declared or planned and still to begin, in the shape of Statuspage.";
}
