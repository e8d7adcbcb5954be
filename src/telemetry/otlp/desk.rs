//! The SDK, set up for one configuration, and what is told through it.

use std::sync::{Arc, PoisonError, RwLock};

use opentelemetry::{KeyValue, logs::LoggerProvider, metrics::MeterProvider, trace::TracerProvider};
use opentelemetry_sdk::{
    Resource,
    logs::{BatchConfigBuilder as LogBatchConfig, BatchLogProcessor, SdkLogger, SdkLoggerProvider},
    metrics::{
        Aggregation, Instrument, PeriodicReader, SdkMeterProvider, Stream, exporter::PushMetricExporter,
    },
    trace::{BatchConfigBuilder as SpanBatchConfig, BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};

use super::{
    Context, MAX_BATCHED, Places, SHUTDOWN, StartError, Tally, Told,
    counted::{Books, Counted},
    measured::Measured,
    record, span,
    tally::Lost,
    transport::{self, Means},
    watched::{self, Watched},
};
use crate::{
    config::{Conventions, Otlp, OtlpRoute, OtlpSignal},
    link::side_client,
    telemetry::names::{
        self,
        otlp::{Buckets, Kind, attribute},
    },
    verdict::{Observation, Source},
};

/// Largest such queue that the environment can ask for.
const MAX_BATCHED_EVER: usize = 65_536;
/// Targets that nobody configured, at most.
const GUESTS: usize = 200;
/// Words that a metric of one target and source is split by, at most.
const WORDS: usize = 9;
/// The instrumentation scope.
const SCOPE: &str = "endturn";
/// Largest number of buckets of an exponential histogram, and its finest scale; the SDK coarsens it as values spread.
const EXPONENTIAL: (u32, i8) = (160, 20);
/// Chooses buckets for all histograms, of which the SDK itself knows nothing.
const AGGREGATION_VARIABLE: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

/// The way into one of the SDK's queues.
#[derive(Debug)]
struct Gate {
    books: Arc<Books>,
    room: usize,
}

impl Gate {
    /// `variable` says how large the queue is.
    fn new<E>(exporter: &Counted<E>, variable: &str) -> Self {
        Self {
            books: exporter.books(),
            room: room(variable),
        }
    }

    /// Whether the SDK has room: what it has none for it would drop without a word to us.
    fn has_room(&self) -> bool {
        self.books.queued() < self.room as u64
    }
}

/// The SDK, and what is told through it.
pub(super) struct Desk {
    tally: Arc<Tally>,
    places: Arc<RwLock<Arc<Places>>>,
    metrics: Option<(SdkMeterProvider, Measured)>,
    traces: Option<(SdkTracerProvider, SdkTracer, Gate)>,
    logs: Option<(SdkLoggerProvider, SdkLogger, Gate)>,
    books: Vec<(OtlpSignal, Arc<Books>)>,
}

/// Who tells: ours unless the environment names the service.
fn resource(instance: &str, vantage: &str) -> Resource {
    let resource = Resource::builder();
    let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty())
        || attributes
            .split(',')
            .any(|pair| pair.trim().starts_with("service.name="));
    let resource = if is_named {
        resource
    } else {
        resource.with_service_name(names::otlp::SERVICE)
    };
    resource
        .with_attribute(KeyValue::new(
            attribute::SERVICE_VERSION,
            env!("CARGO_PKG_VERSION"),
        ))
        .with_attribute(KeyValue::new(attribute::SERVICE_INSTANCE, instance.to_owned()))
        .with_attribute(KeyValue::new(attribute::VANTAGE, vantage.to_owned()))
        .build()
}

/// How one of our metrics is aggregated: the conventions' own bounds where they name some, exponential buckets else.
/// `sets`: the most
/// attribute sets of it, beyond which the SDK joins all others to one; `forced`: what the environment asks for all.
fn stream(instrument: &Instrument, sets: usize, forced: Option<&str>) -> Option<Stream> {
    let metric = names::otlp::METRICS
        .iter()
        .find(|metric| metric.name == instrument.name())?;
    let builder = Stream::builder().with_cardinality_limit(sets);
    let explicit = |bounds: &[f64]| Aggregation::ExplicitBucketHistogram {
        boundaries: bounds.to_vec(),
        record_min_max: true,
    };
    let exponential = Aggregation::Base2ExponentialHistogram {
        max_size: EXPONENTIAL.0,
        max_scale: EXPONENTIAL.1,
        record_min_max: true,
    };
    let aggregation = match (metric.kind, forced) {
        (Kind::Counter | Kind::Gauge, _) => return builder.build().ok(),
        (Kind::Histogram(Buckets::Exponential), Some("explicit_bucket_histogram")) => {
            explicit(names::LATENCY_BOUNDS)
        }
        (Kind::Histogram(Buckets::Exponential), _)
        | (Kind::Histogram(_), Some("base2_exponential_bucket_histogram")) => exponential,
        (Kind::Histogram(Buckets::GenAiSeconds), _) => explicit(&names::otlp::GENAI_SECONDS),
        (Kind::Histogram(Buckets::GenAiTokens), _) => explicit(&names::otlp::GENAI_TOKENS),
    };
    builder.with_aggregation(aggregation).build().ok()
}

fn meters<E: PushMetricExporter>(
    exporter: E,
    otlp: &Otlp,
    targets: usize,
    resource: Resource,
) -> SdkMeterProvider {
    // The SDK sets room aside for all of them, so they are no more than there can be.
    let sets = (targets + GUESTS) * Source::ALL.len() * WORDS;
    let reader = PeriodicReader::builder(exporter).with_interval(otlp.interval);
    let forced = std::env::var(AGGREGATION_VARIABLE).ok();
    SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(reader.build())
        .with_view(move |instrument: &Instrument| stream(instrument, sets, forced.as_deref()))
        .build()
}

/// Room of a queue of the SDK, as the environment asks for it.
fn room(variable: &str) -> usize {
    let asked = std::env::var(variable)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    asked.map_or(MAX_BATCHED, |room: usize| room.clamp(1, MAX_BATCHED_EVER))
}

impl Desk {
    /// Opens the ways to the collectors.
    pub(super) fn open(otlp: &Otlp, conventions: Conventions, context: &Context) -> Result<Self, StartError> {
        let client = side_client(true)?;
        let head = &context.hub.snapshot().health.head;
        let resource = resource(&head.instance, &head.vantage);
        let means = Means {
            client: &client,
            runtime: &context.runtime,
            headers: &otlp.headers,
            tally: &context.tally,
        };
        let mut desk = Self {
            tally: Arc::clone(&context.tally),
            places: Arc::clone(&context.places),
            metrics: None,
            traces: None,
            logs: None,
            books: Vec::new(),
        };
        for route in &otlp.routes {
            match route.signal {
                OtlpSignal::Metrics => {
                    let exporter = desk.counted(transport::metrics(route, &means)?, route);
                    let provider = meters(exporter, otlp, context.targets, resource.clone());
                    let meter = provider.meter(SCOPE);
                    watched::register(&meter, &Arc::new(Watched::new(context)));
                    desk.metrics = Some((provider, Measured::new(&meter, conventions)));
                }
                OtlpSignal::Traces => {
                    let exporter = desk.counted(transport::spans(route, &means)?, route);
                    let gate = Gate::new(&exporter, "OTEL_BSP_MAX_QUEUE_SIZE");
                    let config = SpanBatchConfig::default().with_max_queue_size(gate.room);
                    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config.build());
                    let provider = SdkTracerProvider::builder()
                        .with_resource(resource.clone())
                        .with_span_processor(processor.build())
                        .build();
                    let tracer = provider.tracer(SCOPE);
                    desk.traces = Some((provider, tracer, gate));
                }
                OtlpSignal::Logs => {
                    let exporter = desk.counted(transport::logs(route, &means)?, route);
                    let gate = Gate::new(&exporter, "OTEL_BLRP_MAX_QUEUE_SIZE");
                    let config = LogBatchConfig::default().with_max_queue_size(gate.room);
                    let processor = BatchLogProcessor::builder(exporter).with_batch_config(config.build());
                    let provider = SdkLoggerProvider::builder()
                        .with_resource(resource.clone())
                        .with_log_processor(processor.build())
                        .build();
                    let logger = provider.logger(SCOPE);
                    desk.logs = Some((provider, logger, gate));
                }
            }
        }
        Ok(desk)
    }

    /// Keeps books on an exporter.
    fn counted<E>(&mut self, exporter: E, route: &OtlpRoute) -> Counted<E> {
        let exporter = Counted::new(exporter, route.signal, Arc::clone(&self.tally));
        self.books.push((route.signal, exporter.books()));
        exporter
    }

    /// The books of every signal.
    pub(super) fn books(&self) -> Vec<(OtlpSignal, Arc<Books>)> {
        self.books.clone()
    }

    /// Hands one thing to the SDK.
    pub(super) fn tell(&self, told: &Told) {
        match told {
            Told::Observation(seen) => self.observation(seen),
            Told::Transition(told) => self.log(|logger| record::transition(logger, told)),
            Told::Incident(phase, told) => self.log(|logger| record::incident(logger, *phase, told)),
            Told::Change(told) => self.log(|logger| record::change(logger, told)),
            Told::Network(network, at) => self.log(|logger| record::network(logger, *network, *at)),
        }
    }

    fn observation(&self, seen: &Observation) {
        let places = Arc::clone(&self.places.read().unwrap_or_else(PoisonError::into_inner));
        let place = places.find(seen.target.provider());
        if let Some((_, measured)) = &self.metrics {
            measured.record(seen, &place);
        }
        let Some((_, tracer, gate)) = self.traces.as_ref().filter(|_| seen.source.is_probe()) else {
            return;
        };
        if !gate.has_room() {
            self.tally.lost(OtlpSignal::Traces, Lost::Queue, 1);
            return;
        }
        // Before it is told: the SDK's thread may begin to send it before we are back.
        gate.books.enter();
        if !span::tell(tracer, seen, &place) {
            gate.books.leave();
        }
    }

    fn log(&self, tell: impl FnOnce(&SdkLogger)) {
        let Some((_, logger, gate)) = &self.logs else {
            return;
        };
        if gate.has_room() {
            gate.books.enter();
            tell(logger);
        } else {
            self.tally.lost(OtlpSignal::Logs, Lost::Queue, 1);
        }
    }

    /// Sends what is left, all signals at once. Blocks for as long as the collectors take.
    pub(super) fn close(self) {
        std::thread::scope(|scope| {
            // What goes wrong here was counted where it went wrong.
            if let Some((provider, _)) = &self.metrics {
                scope.spawn(move || drop(provider.shutdown()));
            }
            if let Some((provider, ..)) = &self.traces {
                scope.spawn(move || drop(provider.shutdown_with_timeout(SHUTDOWN)));
            }
            if let Some((provider, ..)) = &self.logs {
                scope.spawn(move || drop(provider.shutdown_with_timeout(SHUTDOWN)));
            }
        });
    }
}
