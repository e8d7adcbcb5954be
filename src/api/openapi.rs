//! `/openapi.json`: the description of this API, made from the handlers and the wire types themselves.
//!
//! What every path may answer (a wrong host, a bad query, a body on a GET, a fault of ours) is added to each in one
//! place, [`Shared`]; what only some may is said beside the handler.

pub(super) mod schemas;

use std::sync::LazyLock;

use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};
use bytes::Bytes;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, OpenApi as Document, RefOr,
        path::Operation,
        schema::{AnyOfBuilder, Schema},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    admin, alerts, badge, events, evidence, health, incidents_feed, metrics, otlp, past, query, ready,
    reliability, report, reports, routes, series, statuspage, up, validate,
};
use crate::feed;

/// What [`document`] is made from.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "endturn",
        description = "Which LLM targets can finish a reply right now: the feed, its events, the past, the gate. Within \
            v1 fields, events and words are only added. Everything that is not an answer is application/problem+json.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    servers((url = "http://127.0.0.1:7411", description = "A daemon on this machine")),
    tags(
        (name = "now", description = "What is so right now"),
        (name = "past", description = "What was"),
        (name = "reports", description = "Real traffic in"),
        (name = "alerts", description = "What people are told"),
        (name = "operating", description = "What an operator declares and asks for"),
        (name = "gate", description = "Is this reply whole?"),
        (name = "elsewhere", description = "For feed readers, status boards and README files"),
        (name = "endturn itself", description = "Whether the monitor works"),
    ),
    paths(
        health::all,
        health::one,
        up::up,
        events::follow,
        routes::routes,
        routes::route,
        past::observations,
        past::incidents,
        past::incident,
        past::changes,
        series::series,
        reliability::reliability,
        report::report,
        reports::take,
        reports::reporters,
        otlp::traces,
        otlp::logs,
        otlp::metrics,
        evidence::evidence,
        validate::validate,
        alerts::alerts,
        alerts::ack,
        alerts::resend,
        alerts::test,
        admin::declared,
        admin::pause,
        admin::end_pause,
        admin::maintenance,
        admin::end_maintenance,
        admin::overrule,
        admin::end_overrule,
        admin::probe,
        admin::reload,
        badge::svg,
        badge::shield,
        incidents_feed::feed,
        metrics::scrape,
        statuspage::board_summary,
        statuspage::board_status,
        statuspage::board_components,
        statuspage::board_incidents,
        statuspage::board_unresolved,
        statuspage::board_maintenances,
        statuspage::board_active,
        statuspage::board_upcoming,
        ready::live,
        ready::ready,
        description,
    ),
    components(schemas(
        schemas::ChangeKinds,
        schemas::Cursor,
        schemas::DeclarationId,
        schemas::Expects,
        schemas::Flag,
        schemas::IncidentId,
        schemas::Metrics,
        schemas::MonthName,
        schemas::Patterns,
        schemas::ProblemDocument,
        schemas::Protocols,
        schemas::Provider,
        schemas::RouteName,
        schemas::Reasons,
        schemas::SourceName,
        schemas::Sources,
        schemas::Span,
        schemas::Step,
        schemas::Target,
        schemas::Verdict,
        schemas::Word,
        schemas::Worst,
        feed::Time,
        feed::Delta,
        up::Unknown,
    )),
    modifiers(&Shared)
)]
struct Api;

/// Adds to every operation what the guard around all of them may answer, and lets figures fit more than one shape.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut Document) {
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post, &mut item.delete]
                .into_iter()
                .flatten()
            {
                shared(operation);
                if let Some(RefOr::T(body)) = &mut operation.request_body {
                    // Only JSON has a schema: of anything else every byte may come.
                    let others = body
                        .content
                        .iter_mut()
                        .filter(|(media, _)| *media != "application/json");
                    others.for_each(|(_, content)| *content = RefOr::T(Content::default()));
                }
            }
        }
        // Without tokens in the configuration, nothing is asked for; `{}` says so.
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "The token of a [[server.token]] with the scope that the path needs",
            ));
        components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
        let none = SecurityRequirement::default();
        let token = SecurityRequirement::new::<_, [&str; 0], _>("token", []);
        document.security = Some(vec![none, token]);
        // A share has a value, as dollars have: such shapes overlap, and exactly one is more than can be said.
        let schemas = document
            .components
            .as_mut()
            .map(|components| &mut components.schemas);
        if let Some(RefOr::T(figures)) = schemas.and_then(|schemas| schemas.get_mut("Figures"))
            && let Schema::OneOf(shapes) = figures
        {
            let any = shapes
                .items
                .drain(..)
                .fold(AnyOfBuilder::new(), AnyOfBuilder::item);
            let any = any.description(shapes.description.take());
            *figures = Schema::AnyOf(any.build());
        }
    }
}

fn shared(operation: &mut Operation) {
    for (status, description) in [
        (
            StatusCode::UNAUTHORIZED,
            "No token that is known, where one is asked for",
        ),
        (
            StatusCode::FORBIDDEN,
            "A token without the scope that this needs, or a page of another site",
        ),
        (
            StatusCode::TOO_MANY_REQUESTS,
            "This client asks too much; Retry-After says when to come again",
        ),
        (StatusCode::BAD_REQUEST, "Unknown parameters, bad values, no Host"),
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            "A body where none is taken, or too large a one",
        ),
        (StatusCode::MISDIRECTED_REQUEST, "A Host that is not ours"),
        (StatusCode::INTERNAL_SERVER_ERROR, "A fault of ours"),
    ] {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.as_str().to_owned())
            .or_insert_with(|| RefOr::T(schemas::problem(description)));
    }
}

/// The document, made anew; its version is that of the program. What is served is [`SERVED`], which a test holds against
/// this: the program itself need not carry what makes it (0.7 MiB).
pub fn document() -> Document {
    Api::openapi()
}

/// The document as it is served: `docs/openapi.json`.
pub const SERVED: &str = include_str!("../../docs/openapi.json");

/// Names this description.
static TAG: LazyLock<String> = LazyLock::new(|| query::tag(SERVED.as_bytes()));

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "endturn itself", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object,
        headers(("ETag" = String, description = "Names this description"))),
    (status = 304, description = "If-None-Match names this description"),
))]
pub(super) async fn description(headers: HeaderMap) -> Response {
    query::tagged(&headers, &TAG, "application/json", || {
        Bytes::from_static(SERVED.as_bytes())
    })
}
