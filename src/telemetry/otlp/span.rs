//! A probe as a span: `chat {model}`, with a moment for each phase.

use std::time::{Duration, SystemTime};

use opentelemetry::{
    Array, KeyValue, StringValue, Value,
    trace::{Span, SpanKind, Status, Tracer},
};

use super::place::Place;
use crate::{
    clock::Timestamp,
    protocol::ErrorClass,
    telemetry::{
        ledger::{OUTCOMES, outcome},
        names::otlp::{self, attribute, event},
    },
    verdict::{FailedAt, Failure, Observation, Source, Verdict},
};

/// A moment as the SDK has it. Moments before 1970 are 1970.
pub(super) fn system(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}

/// `error.type`: the HTTP status, else what failed; `None` where nothing did.
pub(super) fn error_type(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Truncated(_) => Some(otlp::STREAM_TRUNCATED.to_owned()),
        Verdict::Errored(Failure {
            class:
                class @ (ErrorClass::Dns
                | ErrorClass::Connect
                | ErrorClass::Tls
                | ErrorClass::Reset
                | ErrorClass::Timeout
                | ErrorClass::Cancelled),
            ..
        }) => Some(class.as_str().to_owned()),
        Verdict::Errored(Failure {
            at: FailedAt::Status(status),
            ..
        }) => Some(status.to_string()),
        Verdict::Errored(failure) => Some(failure.class.as_str().to_owned()),
        Verdict::Complete
        | Verdict::Limited
        | Verdict::Refused
        | Verdict::OffScript(_)
        | Verdict::Unknown => None,
    }
}

/// What a metric of the conventions and a span have in common.
pub(super) fn call(seen: &Observation, place: &Place) -> Vec<KeyValue> {
    let mut all = vec![
        KeyValue::new(attribute::OPERATION, otlp::CHAT),
        KeyValue::new(attribute::PROVIDER, place.name.clone()),
        KeyValue::new(attribute::REQUEST_MODEL, seen.target.model().to_string()),
    ];
    if let Some(model) = &seen.served_model {
        all.push(KeyValue::new(attribute::RESPONSE_MODEL, model.clone()));
    }
    server(place, &mut all);
    let error = error_type(seen.verdict);
    all.extend(error.map(|error| KeyValue::new(attribute::ERROR_TYPE, error)));
    all
}

fn server(place: &Place, all: &mut Vec<KeyValue>) {
    if let Some((host, port)) = &place.server {
        all.push(KeyValue::new(attribute::SERVER_ADDRESS, host.clone()));
        all.push(KeyValue::new(attribute::SERVER_PORT, *port));
    }
}

/// How long connecting took: it comes before the zero of all offsets.
pub(super) fn connecting(seen: &Observation) -> Duration {
    seen.phases.dns.unwrap_or_default() + seen.phases.connect.unwrap_or_default()
}

fn attributes(seen: &Observation, place: &Place) -> Vec<KeyValue> {
    let mut all = if seen.source == Source::Reach {
        let mut all = vec![KeyValue::new(attribute::PROVIDER, place.name.clone())];
        server(place, &mut all);
        let error = error_type(seen.verdict);
        all.extend(error.map(|error| KeyValue::new(attribute::ERROR_TYPE, error)));
        all
    } else {
        generation(seen, place)
    };
    all.push(KeyValue::new(attribute::SYNTHETIC, otlp::TEST));
    all.push(KeyValue::new(attribute::SOURCE, seen.source.as_str()));
    all.push(KeyValue::new(attribute::PURPOSE, seen.purpose.as_str()));
    all.push(KeyValue::new(attribute::OUTCOME, OUTCOMES[outcome(seen.verdict)]));
    let status = seen.http_status.map(i64::from);
    all.extend(status.map(|status| KeyValue::new(attribute::STATUS_CODE, status)));
    all
}

fn generation(seen: &Observation, place: &Place) -> Vec<KeyValue> {
    let mut all = call(seen, place);
    all.push(KeyValue::new(attribute::REQUEST_STREAM, true));
    all.push(KeyValue::new(attribute::TARGET, seen.target.to_string()));
    let truncated = match seen.verdict {
        Verdict::Truncated(kind) => Some(kind.as_str()),
        _ => None,
    };
    all.extend(truncated.map(|kind| KeyValue::new(attribute::TRUNCATION_KIND, kind)));
    let reason = match (truncated, &seen.stop_reason) {
        (Some(_), _) => Some(otlp::FINISH_ERROR.to_owned()),
        (None, reason) => reason.clone(),
    };
    all.extend(reason.map(|reason| {
        let reasons = Array::String(vec![StringValue::from(reason)]);
        KeyValue::new(attribute::FINISH_REASONS, Value::Array(reasons))
    }));
    let seconds = [
        (
            attribute::TIME_TO_FIRST_CHUNK,
            seen.phases.first_byte.map(|at| at + connecting(seen)),
        ),
        (attribute::TTFT, seen.ttft()),
    ];
    for (name, span) in seconds {
        all.extend(span.map(|span| KeyValue::new(name, span.as_secs_f64())));
    }
    let tokens = [
        (attribute::INPUT_TOKENS, seen.usage.input),
        (attribute::OUTPUT_TOKENS, seen.usage.output),
    ];
    for (name, n) in tokens {
        let n = n.and_then(|n| i64::try_from(n).ok());
        all.extend(n.map(|n| KeyValue::new(name, n)));
    }
    if let Some(kind) = seen.canary_kind() {
        all.push(KeyValue::new(attribute::CANARY, kind.as_str()));
        all.push(KeyValue::new(attribute::COST, seen.cost_usd));
    }
    all
}

/// Tells of one probe; `false`: the sampler doesn't want it.
pub(super) fn tell<T>(tracer: &T, seen: &Observation, place: &Place) -> bool
where
    T: Tracer,
    T::Span: Span,
{
    let name = if seen.source == Source::Reach {
        format!("reach {}", seen.target.provider())
    } else {
        format!("{} {}", otlp::CHAT, seen.target.model())
    };
    let begin = system(seen.started);
    let zero = begin + connecting(seen);
    let builder = tracer
        .span_builder(name)
        .with_kind(SpanKind::Client)
        .with_start_time(begin)
        .with_attributes(attributes(seen, place));
    let mut span = tracer.build(builder);
    if !span.span_context().is_sampled() {
        return false;
    }
    let phases = &seen.phases;
    let moments = [
        (event::DNS, phases.dns.map(|dns| begin + dns)),
        (event::CONNECTED, phases.connect.map(|_| zero)),
        (event::HEADERS, phases.head.map(|at| zero + at)),
        (event::FIRST_TOKEN, phases.first_token.map(|at| zero + at)),
        (event::FIRST_OUTPUT, phases.first_output.map(|at| zero + at)),
        (event::TERMINAL, phases.terminal.map(|at| zero + at)),
        (event::END, phases.end.map(|at| zero + at)),
    ];
    for (name, at) in moments {
        if let Some(at) = at {
            span.add_event_with_timestamp(name, at, Vec::new());
        }
    }
    if error_type(seen.verdict).is_some() {
        let words = seen.detail.clone().unwrap_or_else(|| seen.verdict.to_string());
        span.set_status(Status::error(words));
    }
    span.end_with_timestamp(phases.end.map_or_else(|| system(seen.at), |end| zero + end));
    true
}
