//! What an operator asks for: declarations, a probe by hand, the configuration read anew.
//!
//! Bodies are small, strict and hold no address: nothing that comes in here makes endturn connect anywhere but to what is
//! configured.

use axum::{
    Extension, Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ApiState,
    control::{ControlError, ReloadError},
    guard::Caller,
    openapi::schemas,
    order::{self, SOMEBODY},
    problem::Problem,
    query,
};
use crate::{
    clock::Timestamp,
    feed::{
        Time,
        declared::{Declaration, Declarations},
        record,
    },
    health::{self, DeclaredKind, Declares, Forced, MAX_DECLARATION_ID_BYTES, Scope},
    probe::ProbeKind,
};

/// What a person declares.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    /// Target ids, whole providers, or patterns in which `*` stands for any characters and `?` for one:
    /// `anthropic/claude-haiku-4-5`, `anthropic`, `openrouter/meta-*`, `*`. At most 64.
    #[schema(min_items = 1, max_items = 64, examples(json!(["anthropic"])))]
    targets: Vec<String>,
    /// How long it lasts: `2h`, `1h 30m`. Either this or `until`; 1 s to 31 days.
    #[serde(default, rename = "for")]
    #[schema(examples("2h"))]
    lasts: Option<String>,
    /// When it ends.
    #[serde(default)]
    until: Option<Time>,
    /// When it begins, at most 366 days ahead; now where it is left out.
    #[serde(default)]
    from: Option<Time>,
    /// Who says so, at most 64 bytes.
    #[serde(default)]
    #[schema(examples("ana"))]
    by: Option<String>,
    /// Why, at most 300 bytes.
    #[serde(default)]
    #[schema(examples("their status page announces work"))]
    why: Option<String>,
    /// Of an override, and only of one: `allow` or `avoid`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    hint: Option<String>,
}

/// A declaration that was taken or ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    /// The declaration.
    #[serde(flatten)]
    declaration: Declaration,
    /// The targets of the feed that it means now.
    means: Vec<String>,
}

/// Which probe.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbeOrder {
    /// `reach`, `canary`, `long`, `json` or `tool`; a canary where it is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, examples("canary"))]
    kind: Option<String>,
}

/// A configuration that is in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Reloaded {
    /// Targets that it configures.
    targets: usize,
    /// What somebody should know though it is in force.
    warnings: Vec<String>,
    /// Sections that differ and take a restart: `server`, `store`, `vantage`.
    restart: Vec<&'static str>,
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Unknown(why) => Self::not_found(why),
            ControlError::Unfit(why) => Self::unprocessable(why),
            ControlError::Conflict(why) | ControlError::Spent { why, .. } => Self::conflict(why),
            ControlError::Unavailable(why) => Self::unavailable(why, 5),
        }
    }
}

/// When it begins and ends.
fn span(order: &Order, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let from = order.from.map_or(now, |from| from.0);
    let until = match (&order.lasts, order.until) {
        (Some(lasts), None) => {
            let lasts = humantime::parse_duration(lasts).map_err(|error| {
                Problem::unprocessable(format!("for {lasts:?} is no length of time: {error}"))
            })?;
            from.plus(lasts)
        }
        (None, Some(until)) => until.0,
        (None, None) => {
            return Err(Problem::unprocessable(
                "it has no end: say for, as in \"2h\", or until",
            ));
        }
        (Some(_), Some(_)) => return Err(Problem::unprocessable("say for or until, not both")),
    };
    Ok((from, until))
}

/// What is declared, from a body and the path that it came by.
fn wanted(kind: DeclaredKind, order: Order, now: Timestamp) -> Result<health::Declaration, Problem> {
    let what = match (kind, order.hint.as_deref()) {
        (DeclaredKind::Pause, None) => Declares::Pause,
        (DeclaredKind::Maintenance, None) => Declares::Maintenance,
        (DeclaredKind::Override, Some(hint)) => Declares::Override(Forced::parse(hint).ok_or_else(|| {
            Problem::unprocessable(format!("hint {hint:?} is unknown: use allow or avoid"))
        })?),
        (DeclaredKind::Override, None) => {
            return Err(Problem::unprocessable("an override needs a hint: allow or avoid"));
        }
        (_, Some(_)) => return Err(Problem::unprocessable(format!("a {kind} takes no hint"))),
    };
    let (from, until) = span(&order, now)?;
    let targets = Scope::new(order.targets.iter().map(String::as_str))
        .map_err(|error| Problem::unprocessable(error.to_string()))?;
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(8);
    Ok(health::Declaration {
        id,
        what,
        targets,
        from,
        until,
        by: order.by.unwrap_or_else(|| SOMEBODY.to_owned()),
        why: order.why.unwrap_or_default(),
        planned: false,
    })
}

/// A declaration as it is answered.
fn told(api: &ApiState, one: &health::Declaration) -> Taken {
    let health = &api.hub.snapshot().health;
    let means = health
        .targets
        .iter()
        .filter(|target| one.targets.holds(&target.id));
    Taken {
        means: means.map(|target| target.id.to_string()).collect(),
        declaration: Declaration::new(one, api.clock.now()),
    }
}

async fn declare(api: &ApiState, kind: DeclaredKind, request: Request) -> Result<Response, Problem> {
    let caller = Caller::of(request.extensions())?.clone();
    let mut order: Order = order::read(request).await?;
    order.by = Some(caller.named(order.by));
    let taken = api.control.declare(wanted(kind, order, api.clock.now())?).await?;
    Ok((StatusCode::CREATED, Json(told(api, &taken))).into_response())
}

async fn end(
    api: &ApiState,
    kind: DeclaredKind,
    caller: &Caller,
    path: Result<Path<String>, PathRejection>,
    uri: &Uri,
) -> Result<Response, Problem> {
    query::none(uri)?;
    let Path(id) = path.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    if id.len() > MAX_DECLARATION_ID_BYTES {
        return Err(Problem::not_found(format!("no {kind} has an id as long as that")));
    }
    let ended = api.control.end(kind, id, caller.named(None)).await?;
    Ok(Json(told(api, &ended)).into_response())
}

macro_rules! declarations {
    ($(
        $take:ident, $end:ident, $kind:ident, $path:literal, $one:literal;
        $take_doc:literal, $more:literal; $end_doc:literal, $end_more:literal;
    )+) => {$(
        #[doc = $take_doc]
        #[doc = ""]
        #[doc = $more]
        #[utoipa::path(post, path = $path, tag = "operating",
            request_body(content = Order, content_type = "application/json"), responses(
            (status = 201, description = "Taken, and told on the feed", body = Taken),
            schemas::Forbidden,
            schemas::BodyProblems,
            schemas::OrderProblems,
            schemas::Unavailable,
        ))]
        pub(super) async fn $take(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
            declare(&api, DeclaredKind::$kind, request).await
        }

        #[doc = $end_doc]
        #[doc = ""]
        #[doc = $end_more]
        #[utoipa::path(delete, path = $one, tag = "operating",
            params(("id" = schemas::DeclarationId, Path, description = "As it was answered, and as the feed shows it")),
            responses(
            (status = 200, description = "Ended, and told on the feed", body = Taken),
            schemas::Forbidden,
            schemas::NotFound,
            schemas::Unavailable,
        ))]
        pub(super) async fn $end(
            State(api): State<ApiState>,
            Extension(caller): Extension<Caller>,
            path: Result<Path<String>, PathRejection>,
            uri: Uri,
        ) -> Result<Response, Problem> {
            end(&api, DeclaredKind::$kind, &caller, path, &uri).await
        }
    )+};
}

declarations! {
    pause, end_pause, Pause, "/v1/admin/pause", "/v1/admin/pause/{id}";
        "Stops our probes of some targets for a while.",
        "Their state is `unknown` and their hint `no_opinion` until it ends; nothing is alerted. What real traffic tells is still \
         counted, and decides the state once the pause is over.";
        "Ends a pause early.", "The next probe is that of the timetable.";
    maintenance, end_maintenance, Maintenance, "/v1/admin/maintenance", "/v1/admin/maintenance/{id}";
        "Declares work at some targets, from now or from a time on.",
        "Their state is `maintenance` and their hint `avoid`; probes go on, nothing is alerted, and the time counts neither for \
         nor against them.";
        "Ends maintenance early.", "Of planned maintenance this one window; the next comes all the same.";
    overrule, end_overrule, Override, "/v1/admin/override", "/v1/admin/override/{id}";
        "Forces the hint of some targets for a while.",
        "The state stays what the evidence says; the flag `overridden` is shown.";
        "Ends an override early.", "A target that was avoided comes back by degrees.";
}

/// Pauses, maintenance and overrides that are not over, the earliest beginning first.
///
/// What is in force stands on each target of the feed, too; this adds what is to come.
#[utoipa::path(get, path = "/v1/declared", tag = "now", responses(
    (status = 200, description = "Everything that is not over", body = Declarations),
))]
pub(super) async fn declared(State(api): State<ApiState>, uri: Uri) -> Result<Json<Declarations>, Problem> {
    query::none(&uri)?;
    Ok(Json(api.declared.now(api.clock.now())))
}

/// One probe now, by the running daemon: within its budget, one at a time for each target.
///
/// Answers when the probe is over, which a provider's limits of time bound. It counts as any other.
#[utoipa::path(post, path = "/v1/admin/probe/{target}", tag = "operating",
    params(("target" = schemas::Target, Path, description = "provider/model")),
    request_body(content = ProbeOrder, content_type = "application/json"), responses(
    (status = 200, description = "What came of it", body = record::Observation),
    schemas::Forbidden,
    schemas::NotFound,
    schemas::BodyProblems,
    schemas::OrderProblems,
    schemas::Unavailable,
))]
pub(super) async fn probe(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let target = query::target(path)?;
    let ProbeOrder { kind } = order::read(request).await?;
    let kind = kind.as_deref().unwrap_or(ProbeKind::Canary.as_str());
    let known = ProbeKind::ALL.into_iter().find(|known| known.as_str() == kind);
    let Some(kind) = known else {
        let names = ProbeKind::ALL.map(ProbeKind::as_str).join(", ");
        return Err(Problem::unprocessable(format!(
            "kind {kind:?} is unknown: use one of {names}"
        )));
    };
    let seen = api.control.probe(target, kind).await?;
    Ok(Json(record::Observation::from(&seen)).into_response())
}

/// Reads the configuration anew, as SIGHUP does: it is checked as a whole and then takes the place of the old one, or the old
/// one stays in force.
#[utoipa::path(post, path = "/v1/admin/reload", tag = "operating", responses(
    (status = 200, description = "In force", body = Reloaded),
    schemas::Forbidden,
    (status = 422, description = "Wrong: the old one stays in force. The member `findings` is what `endturn check --json` \
        prints, `detail` what `endturn check` does", body = schemas::ProblemDocument,
        content_type = "application/problem+json"),
    schemas::Unavailable,
))]
pub(super) async fn reload(
    State(api): State<ApiState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Reloaded>, Problem> {
    query::none(&uri)?;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .map_or(&b"0"[..], |length| length.as_bytes());
    if length != b"0" || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Problem::body_too_large("this order takes no body"));
    }
    match api.control.reload().await {
        Ok(done) => Ok(Json(Reloaded {
            targets: done.targets,
            warnings: done.warnings,
            restart: done.restart,
        })),
        Err(ReloadError::Wrong { text, findings }) => {
            Err(Problem::unprocessable(text).with_findings(findings))
        }
        Err(ReloadError::Unavailable(why)) => Err(Problem::unavailable(why, 5)),
    }
}

#[cfg(test)]
mod tests;
