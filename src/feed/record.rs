//! Incidents and observations as JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    v1::{Reason, Word},
    wire::{self, Time},
};
use crate::{
    health::{self, State},
    id::TargetId,
    verdict,
};

/// A target's stretch of ill health with its timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Incident {
    /// Stable id.
    pub id: String,
    /// Whose.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// Whether it goes on.
    pub open: bool,
    /// The worst state in it.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub worst: State,
    /// The reason at its worst.
    pub reason: Reason,
    /// First bad evidence.
    pub started_at: Time,
    /// When the state first left operational.
    pub detected_at: Time,
    /// When it counted as an incident.
    pub opened_at: Time,
    /// When the state came back to operational.
    #[schema(required = true)]
    pub recovered_at: Option<Time>,
    /// When it was closed.
    #[schema(required = true)]
    pub closed_at: Option<Time>,
    /// What happened, oldest first.
    pub timeline: Vec<IncidentEntry>,
    /// Seconds from our detection to the first word of the provider's own status page: positive where we were
    /// earlier; null while it has not spoken.
    #[serde(default)]
    #[schema(required = true)]
    pub lead_s: Option<i64>,
}

/// One line of a timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IncidentEntry {
    /// When.
    pub at: Time,
    /// `first_evidence`, `transition`, `opened`, `recovered`, `closed`, `official`.
    #[schema(value_type = String)]
    pub kind: Word,
    /// State from then on.
    #[serde(with = "wire::state")]
    #[schema(value_type = String)]
    pub state: State,
    /// In words.
    pub text: String,
}

/// Something else answers than before: a model, a configuration, a tokenizer. No state moves with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Where.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// When it was seen.
    pub at: Time,
    /// `model_changed`, `model_mismatch`, `snapshot_changed`, `fingerprint_changed` or `tokens_drifted`.
    #[schema(value_type = String)]
    pub kind: Word,
    /// What it was.
    pub from: String,
    /// What it is. Foreign text: escape it.
    pub to: String,
    /// In words.
    pub text: String,
}

impl From<&health::Change> for Change {
    fn from(change: &health::Change) -> Self {
        Self {
            target: change.target.clone(),
            at: change.at.into(),
            kind: change.kind.as_str().into(),
            from: change.from.clone(),
            to: change.to.clone(),
            text: change.text(),
        }
    }
}

/// One verdict with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Observation {
    /// Who was judged.
    #[serde(with = "wire::text")]
    #[schema(value_type = String)]
    pub target: TargetId,
    /// When the evidence became known.
    pub at: Time,
    /// When the request was sent.
    pub started_at: Time,
    /// `reach`, `canary`, `long`, `report` or `tap`.
    #[schema(value_type = String)]
    pub source: Word,
    /// Which canary it was: `canary`, `long`, `json` or `tool`; null for what is none.
    #[serde(default)]
    #[schema(required = true, value_type = Option<String>)]
    pub canary: Option<Word>,
    /// `scheduled`, `confirm`, `recovery` or `manual`.
    #[schema(value_type = String)]
    pub purpose: Word,
    /// The verdict's family: `complete`, `truncated`, ..
    #[schema(value_type = String)]
    pub verdict: Word,
    /// The finer name: truncation kind, off-script kind or error class.
    #[schema(required = true, value_type = Option<String>)]
    pub kind: Option<Word>,
    /// Side facts.
    #[schema(value_type = Vec<String>)]
    pub flags: Vec<Word>,
    /// HTTP status, once a head came.
    #[schema(required = true)]
    pub http_status: Option<u16>,
    /// The provider's stop reason.
    #[schema(required = true)]
    pub stop_reason: Option<String>,
    /// First token of any channel.
    #[schema(required = true)]
    pub ttft_ms: Option<f64>,
    /// First visible token.
    #[schema(required = true)]
    pub ttfo_ms: Option<f64>,
    /// Between tokens.
    #[schema(required = true)]
    pub itl_ms: Option<f64>,
    /// Terminal event.
    #[schema(required = true)]
    pub e2e_ms: Option<f64>,
    /// Tokens a second while decoding.
    #[schema(required = true)]
    pub output_tps: Option<f64>,
    /// Every mark, as offsets in milliseconds.
    pub phases_ms: Phases,
    /// `fresh` or `reused` connection.
    #[schema(required = true, value_type = Option<String>)]
    pub connection: Option<Word>,
    /// Prompt tokens.
    #[schema(required = true)]
    pub input_tokens: Option<u64>,
    /// Generated tokens.
    #[schema(required = true)]
    pub output_tokens: Option<u64>,
    /// Reasoning tokens among them.
    #[schema(required = true)]
    pub reasoning_tokens: Option<u64>,
    /// Cost of a probe in US dollars.
    pub cost_usd: f64,
    /// Wait that the provider asked for.
    #[schema(required = true)]
    pub retry_after_ms: Option<f64>,
    /// The model that answered.
    #[schema(required = true)]
    pub served_model: Option<String>,
    /// The configuration that served (`system_fingerprint`), where the provider tells it. History keeps its
    /// changes instead: null there.
    #[serde(default)]
    #[schema(required = true)]
    pub fingerprint: Option<String>,
    /// The provider's request id, for failures.
    #[schema(required = true)]
    pub request_id: Option<String>,
    /// Why, in one line, for failures. Foreign text: escape it.
    #[schema(required = true)]
    pub detail: Option<String>,
    /// The last words received, for failures. Foreign text: escape it.
    #[schema(required = true)]
    pub tail: Option<String>,
    /// Whose report.
    #[schema(required = true)]
    pub reporter: Option<String>,
    /// Where the daemon ran that took it in; null for what was kept before that was written down.
    #[serde(default)]
    #[schema(required = true)]
    pub vantage: Option<String>,
}

/// Marks of one exchange in milliseconds. Zero is the request handed to an open connection, save for `dns` and
/// `connect`, which are lengths of their own.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Phases {
    /// Length of name resolution.
    #[schema(required = true)]
    pub dns: Option<f64>,
    /// Length of TCP connect plus TLS handshake.
    #[schema(required = true)]
    pub connect: Option<f64>,
    /// Request written.
    #[schema(required = true)]
    pub request: Option<f64>,
    /// Response head.
    #[schema(required = true)]
    pub head: Option<f64>,
    /// First body byte.
    #[schema(required = true)]
    pub first_byte: Option<f64>,
    /// First token of any channel.
    #[schema(required = true)]
    pub first_token: Option<f64>,
    /// First visible token.
    #[schema(required = true)]
    pub first_output: Option<f64>,
    /// Last token.
    #[schema(required = true)]
    pub last_token: Option<f64>,
    /// Stop reason.
    #[schema(required = true)]
    pub stop: Option<f64>,
    /// Terminal event.
    #[schema(required = true)]
    pub terminal: Option<f64>,
    /// End of body.
    #[schema(required = true)]
    pub end: Option<f64>,
    /// Largest gap between two content chunks.
    #[schema(required = true)]
    pub gap_max: Option<f64>,
}

/// Milliseconds with three decimals.
fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e3
}

impl From<&health::Incident> for Incident {
    fn from(incident: &health::Incident) -> Self {
        Self {
            id: incident.id.clone(),
            target: incident.target.clone(),
            open: incident.closed.is_none(),
            worst: incident.worst,
            reason: (&incident.reason).into(),
            started_at: incident.started.into(),
            detected_at: incident.detected.into(),
            opened_at: incident.opened.into(),
            recovered_at: incident.recovered.map(Time::from),
            closed_at: incident.closed.map(Time::from),
            timeline: incident.timeline.iter().map(IncidentEntry::from).collect(),
            lead_s: incident.lead_s,
        }
    }
}

impl From<&health::IncidentEntry> for IncidentEntry {
    fn from(entry: &health::IncidentEntry) -> Self {
        Self {
            at: entry.at.into(),
            kind: entry.kind.into(),
            state: entry.state,
            text: entry.text.clone(),
        }
    }
}

impl From<&verdict::Phases> for Phases {
    fn from(phases: &verdict::Phases) -> Self {
        Self {
            dns: phases.dns.map(millis),
            connect: phases.connect.map(millis),
            request: phases.request.map(millis),
            head: phases.head.map(millis),
            first_byte: phases.first_byte.map(millis),
            first_token: phases.first_token.map(millis),
            first_output: phases.first_output.map(millis),
            last_token: phases.last_token.map(millis),
            stop: phases.stop.map(millis),
            terminal: phases.terminal.map(millis),
            end: phases.end.map(millis),
            gap_max: phases.gap_max.map(millis),
        }
    }
}

impl From<&verdict::Observation> for Observation {
    fn from(seen: &verdict::Observation) -> Self {
        Self {
            target: seen.target.clone(),
            at: seen.at.into(),
            started_at: seen.started.into(),
            source: seen.source.as_str().into(),
            canary: seen.canary_kind().map(|kind| kind.as_str().into()),
            purpose: seen.purpose.as_str().into(),
            verdict: seen.verdict.family().into(),
            kind: seen.verdict.detail().map(Word::Borrowed),
            flags: seen.flags.names().map(Word::Borrowed).collect(),
            http_status: seen.http_status,
            stop_reason: seen.stop_reason.clone(),
            ttft_ms: seen.ttft().map(millis),
            ttfo_ms: seen.phases.first_output.map(millis),
            itl_ms: seen.itl().map(millis),
            e2e_ms: seen.e2e().map(millis),
            output_tps: seen.output_tps().map(|tps| (tps * 10.0).round() / 10.0),
            phases_ms: (&seen.phases).into(),
            connection: seen.connection.map(|connection| match connection {
                verdict::Connection::Fresh => "fresh".into(),
                verdict::Connection::Reused => "reused".into(),
            }),
            input_tokens: seen.usage.input,
            output_tokens: seen.usage.output,
            reasoning_tokens: seen.usage.reasoning,
            cost_usd: seen.cost_usd,
            retry_after_ms: seen.retry_after.map(millis),
            served_model: seen.served_model.clone(),
            fingerprint: seen.fingerprint.clone(),
            request_id: seen.request_id.clone(),
            detail: seen.detail.clone(),
            tail: seen.tail.clone(),
            reporter: seen.reporter.clone(),
            vantage: seen.vantage.as_deref().map(str::to_owned),
        }
    }
}
