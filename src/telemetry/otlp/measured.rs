//! Metrics that are recorded as they happen: distributions, and what the conventions ask of a client.

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter},
};

use super::{
    place::Place,
    span::{call, connecting},
};
use crate::{
    config::Conventions,
    telemetry::{
        ledger::phase_lengths,
        names::{
            Phase,
            otlp::{self, Metric, attribute},
        },
    },
    verdict::{Observation, Source, Verdict},
};

/// The instruments.
pub(super) struct Measured {
    durations: Vec<Histogram<f64>>,
    first_chunks: Vec<Histogram<f64>>,
    token_usage: Option<Histogram<u64>>,
    tokens: Option<[Counter<u64>; 2]>,
    ttft: Histogram<f64>,
    ttfo: Histogram<f64>,
    itl: Histogram<f64>,
    e2e: Histogram<f64>,
    phases: Histogram<f64>,
}

fn seconds(meter: &Meter, metric: &Metric) -> Histogram<f64> {
    meter
        .f64_histogram(metric.name)
        .with_unit(metric.unit)
        .with_description(metric.help)
        .build()
}

fn chosen(conventions: Conventions, now: &'static Metric, next: &'static Metric) -> Vec<&'static Metric> {
    let now = conventions.has_v1_41().then_some(now);
    now.into_iter()
        .chain(conventions.has_next().then_some(next))
        .collect()
}

impl Measured {
    pub(super) fn new(meter: &Meter, conventions: Conventions) -> Self {
        let each = |all: Vec<&'static Metric>| all.into_iter().map(|metric| seconds(meter, metric)).collect();
        let usage = || {
            let metric = &otlp::TOKEN_USAGE;
            let builder = meter.u64_histogram(metric.name).with_unit(metric.unit);
            builder.with_description(metric.help).build()
        };
        let counter = |metric: &Metric| {
            let builder = meter.u64_counter(metric.name).with_unit(metric.unit);
            builder.with_description(metric.help).build()
        };
        Self {
            durations: each(chosen(conventions, &otlp::DURATION, &otlp::NEXT_DURATION)),
            first_chunks: each(chosen(conventions, &otlp::FIRST_CHUNK, &otlp::NEXT_FIRST_CHUNK)),
            token_usage: conventions.has_v1_41().then(usage),
            tokens: conventions.has_next().then(|| {
                [
                    counter(&otlp::NEXT_INPUT_TOKENS),
                    counter(&otlp::NEXT_OUTPUT_TOKENS),
                ]
            }),
            ttft: seconds(meter, &otlp::TTFT),
            ttfo: seconds(meter, &otlp::TTFO),
            itl: seconds(meter, &otlp::ITL),
            e2e: seconds(meter, &otlp::E2E),
            phases: seconds(meter, &otlp::PHASE),
        }
    }

    /// Records one observation: ours of everything, the conventions' of our own generation probes alone, for whoever
    /// made the other calls tells of them himself.
    pub(super) fn record(&self, seen: &Observation, place: &Place) {
        if seen.source.canary().is_some() {
            self.as_client(seen, place);
        }
        let mut common = vec![
            KeyValue::new(attribute::TARGET, seen.target.to_string()),
            KeyValue::new(attribute::PROVIDER, place.name.clone()),
            KeyValue::new(attribute::REQUEST_MODEL, seen.target.model().to_string()),
            KeyValue::new(attribute::SOURCE, seen.source.as_str()),
        ];
        if seen.source == Source::Reach {
            // It belongs to the provider's edge, whichever model it is booked on.
            common.remove(2);
            common[0] = KeyValue::new(attribute::TARGET, seen.target.provider().to_string());
        }
        if seen.verdict == Verdict::Complete && seen.source != Source::Reach {
            let figures = [
                (&self.ttft, seen.ttft()),
                (&self.ttfo, seen.phases.first_output),
                (&self.itl, seen.itl()),
                (&self.e2e, seen.e2e()),
            ];
            for (histogram, span) in figures {
                if let Some(span) = span {
                    histogram.record(span.as_secs_f64(), &common);
                }
            }
        }
        if seen.source.is_probe() {
            for (phase, length) in Phase::ALL.into_iter().zip(phase_lengths(&seen.phases)) {
                if let Some(length) = length {
                    common.push(KeyValue::new(attribute::PHASE, phase.as_str()));
                    self.phases.record(length.as_secs_f64(), &common);
                    common.pop();
                }
            }
        }
    }

    fn as_client(&self, seen: &Observation, place: &Place) {
        let mut attributes = call(seen, place);
        let whole = seen.phases.end.or(seen.phases.terminal);
        for (histograms, at) in [
            (&self.durations, whole),
            (&self.first_chunks, seen.phases.first_byte),
        ] {
            if let Some(at) = at {
                let span = (at + connecting(seen)).as_secs_f64();
                for histogram in histograms {
                    histogram.record(span, &attributes);
                }
            }
        }
        let tokens = [seen.usage.input, seen.usage.output];
        if let Some(counters) = &self.tokens {
            for (counter, n) in counters.iter().zip(tokens) {
                if let Some(n) = n {
                    counter.add(n, &attributes);
                }
            }
        }
        if let Some(usage) = &self.token_usage {
            attributes.retain(|pair| pair.key.as_str() != attribute::ERROR_TYPE);
            for (kind, n) in ["input", "output"].into_iter().zip(tokens) {
                if let Some(n) = n {
                    attributes.push(KeyValue::new(attribute::TOKEN_TYPE, kind));
                    usage.record(n, &attributes);
                    attributes.pop();
                }
            }
        }
    }
}
