//! `/v1/alerts`: what people are told of, and how that goes. Below `/v1/admin/`: acknowledging, sending anew, trying.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiState, guard::Caller, openapi::schemas, order, problem::Problem, query};
use crate::{alert::Alarm, feed::Time};

/// Most messages that were given up that one answer lists; the newest.
pub const MAX_DEAD_LISTED: usize = 200;

/// What people are told of, how that goes, and what did not reach them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Alerts {
    /// Always `endturn.alerts.v1`.
    pub schema: String,
    /// What is wrong now and who was told, the newest first.
    pub alarms: Vec<Alarm>,
    /// Every configured channel.
    pub channels: Vec<ChannelStatus>,
    /// Messages that were given up, newest first, at most 200.
    pub dead: Vec<DeadLetter>,
}

/// How a channel is doing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// Its type in the configuration.
    pub r#type: String,
    /// `closed`: messages go as they come. `open`: it failed too often and is left alone. `half_open`: one message goes
    /// as a trial.
    #[schema(examples("closed"))]
    pub circuit: String,
    /// Messages that wait.
    pub pending: usize,
    /// Whether there are more on disk, for which there was no room in memory.
    pub more: bool,
    /// Since when the oldest of them waits.
    #[schema(required = true)]
    pub oldest_at: Option<Time>,
    /// When the next one is tried.
    #[schema(required = true)]
    pub next_try_at: Option<Time>,
    /// Failures in a row.
    pub failures: u32,
    /// When somebody last took a message, since start.
    #[schema(required = true)]
    pub last_success_at: Option<Time>,
    /// When a try last failed, since start.
    #[schema(required = true)]
    pub last_error_at: Option<Time>,
    /// How it failed. Text of others.
    #[schema(required = true)]
    pub last_error: Option<String>,
    /// Messages delivered since start.
    pub delivered: u64,
    /// Tries that failed since start.
    pub failed: u64,
    /// Messages given up since start.
    pub dead: u64,
}

/// A message that was given up.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its key: it is sent anew by it.
    pub key: String,
    /// To which channel.
    pub channel: String,
    /// About which alarm.
    pub alarm: String,
    /// What it tells: `firing`, `resolved`, ..
    pub kind: String,
    /// Its title. May hold text of others.
    pub title: String,
    /// Since when it was tried.
    pub queued_at: Time,
    /// When it was given up.
    pub given_up_at: Time,
    /// How often it was tried.
    pub tries: u32,
    /// Why nobody took it. Text of others.
    #[schema(required = true)]
    pub error: Option<String>,
}

/// How a trial of a channel went.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TestResult {
    /// The channel.
    pub channel: String,
    /// Whether it was taken.
    pub delivered: bool,
    /// What was answered, where it was not taken. Text of others.
    #[schema(required = true)]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The key of the message.
    pub key: String,
}

/// Somebody takes care of something.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AckOrder {
    /// Id of an open incident, or of an alarm.
    pub incident: String,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// What to send anew: one message, or all of a channel. Exactly one of both.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendOrder {
    /// Key of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Name of a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// What was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Acknowledged {
    /// What was named.
    pub incident: String,
    /// Who takes care of it.
    pub by: String,
}

/// What was done.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Resent {
    /// How many messages are sent anew.
    pub resent: usize,
}

/// Why an order about alerts is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlertingError {
    /// There is nothing of that name.
    #[error("{0}")]
    Unknown(String),
    /// It can't be done with that one.
    #[error("{0}")]
    Refused(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

impl From<AlertingError> for Problem {
    fn from(error: AlertingError) -> Self {
        match error {
            AlertingError::Unknown(detail) => Self::not_found(detail),
            AlertingError::Refused(detail) => Self::bad_request(detail),
            AlertingError::Unavailable(detail) => Self::unavailable(detail, 5),
        }
    }
}

/// Whoever alarms people.
pub trait Alerting: Send + Sync + 'static {
    /// What they are told of; must not block.
    fn alarms(&self) -> Vec<Alarm>;
    /// Every configured channel; must not block.
    fn channels(&self) -> Vec<ChannelStatus>;
    /// Messages that were given up, newest first, at most so many.
    fn dead(&self, limit: usize) -> BoxFuture<'_, Result<Vec<DeadLetter>, AlertingError>>;
    /// Somebody takes care of an incident or alarm.
    fn ack<'a>(&'a self, incident: &'a str, by: &'a str) -> BoxFuture<'a, Result<(), AlertingError>>;
    /// Sends anew what was given up; how many messages that are.
    fn resend(&self, order: ResendOrder) -> BoxFuture<'_, Result<usize, AlertingError>>;
    /// Tries a channel.
    fn test<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<TestResult, AlertingError>>;
}

/// Somebody who alarms nobody.
#[derive(Debug, Clone, Copy)]
pub struct NoAlerting;

fn nobody<T: Send + 'static>() -> BoxFuture<'static, Result<T, AlertingError>> {
    Box::pin(async {
        Err(AlertingError::Unavailable(
            "no alerts are sent from here".to_owned(),
        ))
    })
}

impl Alerting for NoAlerting {
    fn alarms(&self) -> Vec<Alarm> {
        Vec::new()
    }

    fn channels(&self) -> Vec<ChannelStatus> {
        Vec::new()
    }

    fn dead(&self, _: usize) -> BoxFuture<'_, Result<Vec<DeadLetter>, AlertingError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn ack<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), AlertingError>> {
        nobody()
    }

    fn resend(&self, _: ResendOrder) -> BoxFuture<'_, Result<usize, AlertingError>> {
        nobody()
    }

    fn test<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<TestResult, AlertingError>> {
        nobody()
    }
}

/// What people are told of, how each channel is doing, and what did not reach anybody.
#[utoipa::path(get, path = "/v1/alerts", tag = "alerts", responses(
    (status = 200, description = "As of now", body = Alerts),
    schemas::Unavailable,
))]
pub(super) async fn alerts(State(api): State<ApiState>, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    let dead = tokio::time::timeout(super::READ_TIMEOUT, api.alerting.dead(MAX_DEAD_LISTED));
    let dead = dead.await.unwrap_or_else(|_| {
        Err(AlertingError::Unavailable(
            "the outbox takes too long to read".to_owned(),
        ))
    })?;
    let answer = Alerts {
        schema: "endturn.alerts.v1".to_owned(),
        alarms: api.alerting.alarms(),
        channels: api.alerting.channels(),
        dead,
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Json(answer)).into_response())
}

/// Takes note that somebody takes care of an incident.
///
/// Reminders stop; whoever was told of it is told once who it is.
#[utoipa::path(post, path = "/v1/admin/ack", tag = "alerts", request_body = AckOrder, responses(
    (status = 200, description = "It is known", body = Acknowledged),
    schemas::Forbidden,
    schemas::NotFound,
    schemas::OrderProblems,
    schemas::BodyProblems,
    schemas::Unavailable,
))]
pub(super) async fn ack(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    let caller = Caller::of(request.extensions())?.clone();
    let order: AckOrder = order::read(request).await?;
    let by = caller.named(order.by.map(|by| by.trim().to_owned()));
    api.alerting.ack(&order.incident, &by).await?;
    let done = Acknowledged {
        by,
        incident: order.incident,
    };
    Ok(Json(done).into_response())
}

/// Sends messages anew that were given up.
///
/// They keep their keys, so that a receiver which had taken one all the same can tell.
#[utoipa::path(post, path = "/v1/admin/alerts/resend", tag = "alerts", request_body = ResendOrder, responses(
    (status = 200, description = "They wait to be sent", body = Resent),
    schemas::Forbidden,
    schemas::NotFound,
    schemas::OrderProblems,
    schemas::BodyProblems,
    schemas::Unavailable,
))]
pub(super) async fn resend(State(api): State<ApiState>, request: Request) -> Result<Response, Problem> {
    let order: ResendOrder = order::read(request).await?;
    if order.key.is_some() == order.channel.is_some() {
        return Err(Problem::bad_request(
            "name either the key of a message or a channel",
        ));
    }
    let resent = api.alerting.resend(order).await?;
    Ok(Json(Resent { resent }).into_response())
}

/// Sends one marked message to a channel, beside whatever waits, and tells what became of it.
#[utoipa::path(post, path = "/v1/admin/alerts/test/{channel}", tag = "alerts",
    params(("channel" = inline(schemas::ChannelName), Path, description = "Name of a channel")), responses(
    (status = 200, description = "What became of it", body = TestResult),
    schemas::Forbidden,
    schemas::NotFound,
    schemas::Unavailable,
))]
pub(super) async fn test(
    State(api): State<ApiState>,
    Path(channel): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let turn = Arc::clone(&api.trials).try_acquire_owned();
    let _turn = turn.map_err(|_| Problem::unavailable("channels are being tried already", 5))?;
    Ok(Json(api.alerting.test(&channel).await?).into_response())
}
