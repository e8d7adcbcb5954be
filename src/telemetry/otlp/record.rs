//! Transitions, incidents and changes as log records.

use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};

use super::span::system;
use crate::{
    clock::Timestamp,
    health::{Change, Incident, IncidentPhase, Network, State, Transition},
    telemetry::names::otlp::{attribute, log},
};

/// How grave a state is.
fn severity(state: State) -> Severity {
    match state {
        State::Down => Severity::Error,
        State::Degraded | State::Partial => Severity::Warn,
        State::Operational | State::Unknown | State::Maintenance => Severity::Info,
    }
}

struct Line<R> {
    record: R,
}

impl<R: LogRecord> Line<R> {
    fn new(mut record: R, name: &'static str, at: Timestamp, severity: Severity, body: String) -> Self {
        record.set_event_name(name);
        record.set_timestamp(system(at));
        record.set_observed_timestamp(system(at));
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
        record.set_body(AnyValue::from(body));
        Self { record }
    }

    fn with(mut self, name: &'static str, value: impl Into<AnyValue>) -> Self {
        self.record.add_attribute(name, value.into());
        self
    }
}

pub(super) fn transition<L: Logger>(logger: &L, told: &Transition) {
    let body = format!("{}: {} ({})", told.target, told.to, told.reason.text);
    let grave = if told.from == told.to {
        Severity::Info
    } else {
        severity(told.to)
    };
    let mut line = Line::new(logger.create_log_record(), log::TRANSITION, told.at, grave, body)
        .with(attribute::TARGET, told.target.to_string())
        .with(attribute::STATE, told.to.as_str())
        .with(attribute::STATE_BEFORE, told.from.as_str())
        .with(attribute::HINT, told.routing.hint.as_str())
        .with(attribute::BREAKER, told.routing.hint.breaker().as_str())
        .with(attribute::REASON, told.reason.code.as_str());
    if let Some(weight) = told.routing.weight {
        line = line.with(attribute::WEIGHT, weight);
    }
    logger.emit(line.record);
}

pub(super) fn incident<L: Logger>(logger: &L, phase: IncidentPhase, told: &Incident) {
    let (name, grave, word) = match phase {
        IncidentPhase::Opened => (log::INCIDENT_OPENED, Severity::Error, "opened"),
        IncidentPhase::Updated => (log::INCIDENT_UPDATED, Severity::Warn, "changed"),
        IncidentPhase::Closed => (log::INCIDENT_CLOSED, Severity::Info, "closed"),
    };
    let newest = told.timeline.last().map_or(told.opened, |entry| entry.at);
    let at = told.closed.unwrap_or(newest);
    let body = format!("{}: incident {word} ({})", told.target, told.reason.text);
    let line = Line::new(logger.create_log_record(), name, at, grave, body)
        .with(attribute::TARGET, told.target.to_string())
        .with(attribute::INCIDENT, told.id.clone())
        .with(attribute::WORST, told.worst.as_str())
        .with(attribute::REASON, told.reason.code.as_str());
    logger.emit(line.record);
}

pub(super) fn change<L: Logger>(logger: &L, told: &Change) {
    let kind = told.kind.as_str();
    let body = format!("{}: {}", told.target, told.text());
    let line = Line::new(
        logger.create_log_record(),
        log::CHANGE,
        told.at,
        Severity::Warn,
        body,
    )
    .with(attribute::TARGET, told.target.to_string())
    .with(attribute::CHANGE, kind)
    .with(attribute::CHANGE_FROM, told.from.clone())
    .with(attribute::CHANGE_TO, told.to.clone());
    logger.emit(line.record);
}

pub(super) fn network<L: Logger>(logger: &L, network: Network, at: Timestamp) {
    let grave = match network {
        Network::Online => Severity::Info,
        Network::Offline => Severity::Error,
    };
    let body = format!("our own network is {}", network.as_str());
    let line = Line::new(logger.create_log_record(), log::NETWORK, at, grave, body)
        .with(attribute::STATE, network.as_str());
    logger.emit(line.record);
}
