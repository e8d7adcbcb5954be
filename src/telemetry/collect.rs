//! One scrape: the published snapshot, the counts and the daemon's own condition, as families of samples.
//!
//! What is unknown has no sample. Labels are foreign text in part (models that reports tell of); the encoder escapes
//! them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::{
    Ledger, Own, OwnChannel,
    histogram::Histogram,
    ledger::{Cell, OUTCOMES, Rounds},
    names::{self, Kind, Metric, Phase},
};
use crate::{
    clock::Timestamp,
    feed::{Snapshot, v1},
    health::{Breaker, Hint, Network, State},
    protocol::ErrorClass,
    verdict::{Counts, FailedAt, Failure, Source, Truncation, Verdict},
};

/// A moment as Prometheus writes it.
fn seconds(at: Timestamp) -> f64 {
    at.as_millis() as f64 / 1e3
}

/// What one source saw, with the labels that name it. What reachability probes saw belongs to the provider's edge: it
/// has no model.
#[derive(Debug)]
struct Seen {
    provider: String,
    model: String,
    source: Source,
    cell: Cell,
}

/// Everything that one scrape shows.
#[derive(Debug)]
pub(super) struct Page {
    snapshot: Arc<Snapshot>,
    seen: Vec<Seen>,
    rounds: Rounds,
    own: Own,
    subscribers: u64,
    lagged: u64,
}

/// A value of one sample.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Count(u64),
    Sum(f64),
    Gauge(f64),
    Histogram(&'a Histogram),
    Fact,
}

type Labels<'a> = &'a [(&'a str, &'a str)];
const NO_LABELS: Labels<'static> = &[];

/// Writes one family; its head comes with the first sample, so that what has none is absent altogether.
struct Family<'a, 'e> {
    metric: &'a Metric,
    encoder: MetricEncoder<'e>,
}

impl Family<'_, '_> {
    fn add(&mut self, values: &[&str], value: Value<'_>) -> fmt::Result {
        let pairs: Vec<(&str, &str)> = self
            .metric
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied())
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let labels: Labels<'_> = &pairs;
        if let Value::Fact = value {
            return self.encoder.encode_info(&labels);
        }
        if labels.is_empty() {
            return sample(&mut self.encoder, value);
        }
        sample(&mut self.encoder.encode_family(&labels)?, value)
    }
}

fn sample(encoder: &mut MetricEncoder<'_>, value: Value<'_>) -> fmt::Result {
    match value {
        Value::Count(n) => encoder.encode_counter::<NoLabelSet, u64, f64>(&n, None),
        Value::Sum(sum) => encoder.encode_counter::<NoLabelSet, f64, f64>(&sum, None),
        Value::Gauge(figure) => encoder.encode_gauge(&figure),
        Value::Histogram(histogram) => encoder.encode_histogram::<NoLabelSet>(
            histogram.sum(),
            histogram.count(),
            &histogram.buckets(),
            None,
        ),
        Value::Fact => encoder.encode_info(&NO_LABELS),
    }
}

/// Words with their places in a list of counts.
type Words = Vec<(usize, &'static str)>;

/// Finds a histogram in a cell.
type Pick = fn(&Cell) -> &Histogram;

/// Samples of one family: label values and a value each.
type Samples<'a> = Vec<(Vec<&'a str>, Value<'a>)>;

fn write(encoder: &mut DescriptorEncoder<'_>, metric: &Metric, samples: Samples<'_>) -> fmt::Result {
    if samples.is_empty() {
        return Ok(());
    }
    let kind = match metric.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    };
    let unit = metric.unit.map(|unit| Unit::Other(unit.to_owned()));
    let encoder = encoder.encode_descriptor(metric.base, metric.help, unit.as_ref(), kind)?;
    let mut family = Family { metric, encoder };
    for (labels, value) in samples {
        family.add(&labels, value)?;
    }
    Ok(())
}

/// One sample without labels.
fn single(value: Value<'_>) -> Samples<'_> {
    vec![(Vec::new(), value)]
}

fn flag(on: bool) -> Value<'static> {
    Value::Gauge(f64::from(u8::from(on)))
}

impl Page {
    pub(super) fn new(
        snapshot: Arc<Snapshot>,
        ledger: &Ledger,
        own: Own,
        (subscribers, lagged): (u64, u64),
    ) -> Self {
        Self {
            seen: seen(ledger),
            rounds: ledger.rounds(),
            snapshot,
            own,
            subscribers,
            lagged,
        }
    }

    fn targets<'a>(&'a self, value: impl Fn(&'a v1::TargetHealth) -> Option<f64>) -> Samples<'a> {
        let targets = self.snapshot.health.targets.iter();
        targets
            .filter_map(|target| {
                let value = Value::Gauge(value(target)?);
                Some((vec![target.provider.as_str(), target.model.as_str()], value))
            })
            .collect()
    }

    /// One sample a target and word: 1 for the word that holds.
    fn words<'a>(
        &'a self,
        words: &[&'static str],
        holds: impl Fn(&'a v1::TargetHealth) -> &'static str,
    ) -> Samples<'a> {
        let mut samples = Vec::new();
        for target in &self.snapshot.health.targets {
            let now = holds(target);
            for word in words {
                let labels = vec![target.provider.as_str(), target.model.as_str(), *word];
                samples.push((labels, flag(*word == now)));
            }
        }
        samples
    }

    fn cells<'a>(&'a self, value: impl Fn(&'a Seen) -> Option<Value<'a>>) -> Samples<'a> {
        let seen = self.seen.iter();
        seen.filter_map(|seen| Some((seen.labels().to_vec(), value(seen)?)))
            .collect()
    }

    /// One sample a source and word that can hold: none yet is a count too, and a first one would else be no increase.
    /// Of reachability only what did hold: no reply was asked for.
    fn split<'a>(
        &'a self,
        words: &[(usize, &'static str)],
        counts: impl Fn(&'a Cell) -> &'a [u64],
    ) -> Samples<'a> {
        let mut samples = Vec::new();
        for seen in &self.seen {
            for (index, word) in words {
                let n = &counts(&seen.cell)[*index];
                if *n > 0 || seen.source != Source::Reach {
                    let labels = seen.labels().into_iter().chain([*word]).collect();
                    samples.push((labels, Value::Count(*n)));
                }
            }
        }
        samples
    }

    fn observations(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let outcomes: Words = OUTCOMES.into_iter().enumerate().collect();
        let kinds: Words = Truncation::ALL
            .map(Truncation::as_str)
            .into_iter()
            .enumerate()
            .collect();
        let theirs = classes(false);
        let own = classes(true);
        // What asks for no reply is no attempt: it has no such series at all.
        let count = |of: fn(&Cell) -> u64| {
            self.cells(move |seen| (seen.source != Source::Reach).then(|| Value::Count(of(&seen.cell))))
        };
        write(
            out,
            &names::OBSERVATIONS,
            self.split(&outcomes, |cell| &cell.outcomes),
        )?;
        write(out, &names::ATTEMPTS, count(|cell| cell.counts.attempts))?;
        write(out, &names::BEGAN, count(|cell| cell.counts.began))?;
        write(out, &names::ERRORS, self.split(&theirs, |cell| &cell.errors))?;
        write(
            out,
            &names::TRUNCATIONS,
            self.split(&kinds, |cell| &cell.truncations),
        )?;
        write(out, &names::OWN_FAILURES, self.split(&own, |cell| &cell.own))?;
        write(out, &names::INPUT_TOKENS, count(|cell| cell.input_tokens))?;
        write(out, &names::OUTPUT_TOKENS, count(|cell| cell.output_tokens))?;
        write(out, &names::REASONING_TOKENS, count(|cell| cell.reasoning_tokens))?;
        let cost = self.cells(|seen| {
            let generates = seen.source.canary().is_some();
            generates.then_some(Value::Sum(seen.cell.cost_usd))
        });
        write(out, &names::COST, cost)?;
        let histograms: [(&Metric, Pick); 4] = [
            (&names::TTFT, |cell| &cell.ttft),
            (&names::TTFO, |cell| &cell.ttfo),
            (&names::ITL, |cell| &cell.itl),
            (&names::E2E, |cell| &cell.e2e),
        ];
        for (metric, of) in histograms {
            let samples = self.cells(|seen| {
                let histogram = of(&seen.cell);
                (histogram.count() > 0).then_some(Value::Histogram(histogram))
            });
            write(out, metric, samples)?;
        }
        let mut phases = Vec::new();
        for seen in &self.seen {
            for (phase, histogram) in Phase::ALL.iter().zip(&seen.cell.phases) {
                if histogram.count() > 0 {
                    let labels = seen.labels().into_iter().chain([phase.as_str()]).collect();
                    phases.push((labels, Value::Histogram(histogram)));
                }
            }
        }
        write(out, &names::PHASE, phases)?;
        let last = self.cells(|seen| {
            let probe = seen.source.is_probe();
            probe.then(|| Value::Gauge(seconds(seen.cell.last)))
        });
        write(out, &names::LAST_PROBE, last)?;
        write(out, &names::PROBE_INTERVAL, self.intervals())
    }

    fn intervals(&self) -> Samples<'_> {
        let intervals = self.own.intervals.iter();
        let mut samples: Samples<'_> = intervals
            .map(|(target, source, every)| {
                let reach = *source == Source::Reach;
                let model = if reach { "" } else { target.model().as_str() };
                let labels = vec![target.provider().as_str(), model, source.as_str()];
                (labels, Value::Gauge(every.as_secs_f64()))
            })
            .collect();
        samples.dedup_by(|a, b| a.0 == b.0);
        samples
    }

    fn states(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let states = State::ALL.map(State::as_str);
        let breakers = [Breaker::Closed, Breaker::Open, Breaker::HalfOpen].map(Breaker::as_str);
        let hints = Hint::ALL.map(Hint::as_str);
        write(
            out,
            &names::STATE,
            self.words(&states, |target| target.state.as_str()),
        )?;
        write(
            out,
            &names::BREAKER,
            self.words(&breakers, |target| target.routing.breaker.as_str()),
        )?;
        write(
            out,
            &names::HINT,
            self.words(&hints, |target| target.routing.hint.as_str()),
        )?;
        let targets = self.snapshot.health.targets.iter();
        let reasons = targets.clone().map(|target| {
            let labels = vec![
                target.provider.as_str(),
                target.model.as_str(),
                target.reason.code.as_ref(),
            ];
            (labels, Value::Fact)
        });
        write(out, &names::REASON, reasons.collect())?;
        let flags = targets.flat_map(|target| {
            target.flags.iter().map(|word| {
                let labels = vec![target.provider.as_str(), target.model.as_str(), word.as_ref()];
                (labels, flag(true))
            })
        });
        write(out, &names::FLAG, flags.collect())?;
        self.figures(out)?;
        let providers = self.snapshot.health.providers.iter();
        let by_state = |of: fn(&v1::ProviderHealth) -> State| {
            let each = providers.clone().flat_map(move |provider| {
                let now = of(provider).as_str();
                states.map(|state| (vec![provider.id.as_str(), state], flag(state == now)))
            });
            each.collect::<Samples<'_>>()
        };
        write(out, &names::PROVIDER_STATE, by_state(|provider| provider.state))?;
        write(out, &names::EDGE_STATE, by_state(|provider| provider.edge.state))
    }

    fn figures(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        type Figure = fn(&v1::TargetHealth) -> Option<f64>;
        let figures: [(&Metric, Figure); 14] = [
            (&names::WEIGHT, |t| t.routing.weight),
            (&names::INCIDENT, |t| {
                Some(f64::from(u8::from(t.incident.is_some())))
            }),
            (&names::SINCE, |t| Some(seconds(t.since.0))),
            (&names::LAST_COMPLETE, |t| {
                t.last_complete_at.map(|at| seconds(at.0))
            }),
            (&names::LAST_SEEN, |t| t.last_seen_at.map(|at| seconds(at.0))),
            (&names::WINDOW_ATTEMPTS, |t| Some(t.attempts as f64)),
            (&names::FAILURE_RATE, |t| t.failure_rate.value),
            (&names::FAILURE_LOW, |t| t.failure_rate.low),
            (&names::FAILURE_HIGH, |t| t.failure_rate.high),
            (&names::ERROR_RATE, |t| t.error_rate.value),
            (&names::TRUNCATION_RATE, |t| t.truncation_rate.value),
            (&names::TRUNCATION_LOW, |t| t.truncation_rate.low),
            (&names::TRUNCATION_HIGH, |t| t.truncation_rate.high),
            (&names::SPENT_TODAY, |t| Some(t.spent_usd_today)),
        ];
        figures
            .into_iter()
            .try_for_each(|(metric, of)| write(out, metric, self.targets(of)))
    }

    fn itself(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let head = &self.snapshot.health.head;
        let gauge = |value: f64| single(Value::Gauge(value));
        let build = vec![(vec![env!("CARGO_PKG_VERSION")], Value::Fact)];
        write(out, &names::BUILD, build)?;
        let vantage = vec![(vec![head.vantage.as_str(), head.instance.as_str()], Value::Fact)];
        write(out, &names::VANTAGE, vantage)?;
        if self.own.started > Timestamp::default() {
            write(out, &names::START, gauge(seconds(self.own.started)))?;
        }
        write(out, &names::ONLINE, single(flag(head.network == Network::Online)))?;
        write(out, &names::REVISION, gauge(head.revision as f64))?;
        write(out, &names::GENERATED, gauge(seconds(head.generated_at.0)))?;
        write(out, &names::SUBSCRIBERS, gauge(self.subscribers as f64))?;
        write(out, &names::LAGGED, single(Value::Count(self.lagged)))?;
        if self.rounds.last > Timestamp::default() {
            write(out, &names::ROUND, gauge(seconds(self.rounds.last)))?;
            write(out, &names::LAG, single(Value::Histogram(&self.rounds.lag)))?;
            write(out, &names::IN_FLIGHT, gauge(self.rounds.in_flight as f64))?;
            let skipped = self.rounds.not_sent;
            let why = [
                ("overdue", skipped.overdue),
                ("budget", skipped.budget),
                ("polite", skipped.polite),
                ("resting", skipped.resting),
            ];
            write(out, &names::SKIPPED, counts(&why))?;
        }
        self.daemon(out)
    }

    fn daemon(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let own = &self.own;
        let gauge = |value: u64| single(Value::Gauge(value as f64));
        let count = |value: u64| single(Value::Count(value));
        if let Some(usd) = own.budget_usd {
            write(out, &names::BUDGET, single(Value::Gauge(usd)))?;
        }
        let budgets = own.provider_budgets_usd.iter();
        let budgets = budgets.map(|(provider, usd)| (vec![provider.as_str()], Value::Gauge(*usd)));
        write(out, &names::PROVIDER_BUDGET, budgets.collect())?;
        if let Some(store) = &own.store {
            write(out, &names::STORE_FAILING, single(flag(store.failing)))?;
            write(out, &names::STORE_SET_ASIDE, single(flag(store.set_aside)))?;
            write(out, &names::STORE_MIGRATING, single(flag(store.migrating)))?;
            write(out, &names::STORE_QUEUED, gauge(store.queued))?;
            write(out, &names::STORE_DROPPED, counts(&store.dropped))?;
            write(out, &names::STORE_SIZE, gauge(store.bytes))?;
        }
        if let Some(intake) = &own.intake {
            write(out, &names::INTAKE_WAITING, gauge(intake.waiting))?;
            write(out, &names::INTAKE_PLACES, gauge(intake.places))?;
            write(out, &names::INTAKE_REFUSED, count(intake.refused))?;
        }
        if let Some(tap) = &own.tap {
            write(out, &names::TAP_REQUESTS, count(tap.requests))?;
            write(out, &names::TAP_OPEN, gauge(tap.open))?;
            write(out, &names::TAP_REFUSED, count(tap.refused))?;
            write(out, &names::TAP_UNTOLD, count(tap.untold))?;
            write(out, &names::TAP_UNJUDGED, counts(&tap.unjudged))?;
        }
        self.channels(out)?;
        let items = own.exports.iter();
        let items = items.map(|export| (vec![export.signal], Value::Count(export.taken)));
        write(out, &names::EXPORT_ITEMS, items.collect())?;
        let lost = own.exports.iter().flat_map(|export| {
            let each = export.lost.iter();
            each.map(|(why, n)| (vec![export.signal, *why], Value::Count(*n)))
        });
        write(out, &names::EXPORT_LOST, lost.collect())?;
        let last = own.exports.iter().filter_map(|export| {
            let at = export.last_success?;
            Some((vec![export.signal], Value::Gauge(seconds(at))))
        });
        write(out, &names::EXPORT_LAST, last.collect())
    }

    fn channels(&self, out: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let each = |value: &dyn Fn(&OwnChannel) -> Value<'static>| -> Samples<'_> {
            let channels = self.own.channels.iter();
            channels
                .map(|channel| (vec![channel.name.as_str()], value(channel)))
                .collect()
        };
        write(
            out,
            &names::ALERT_DELIVERED,
            each(&|it| Value::Count(it.delivered)),
        )?;
        write(out, &names::ALERT_FAILED, each(&|it| Value::Count(it.failed)))?;
        write(out, &names::ALERT_DEAD, each(&|it| Value::Count(it.dead)))?;
        write(
            out,
            &names::ALERT_PENDING,
            each(&|it| Value::Gauge(it.pending as f64)),
        )?;
        let oldest = self.own.channels.iter().filter_map(|channel| {
            let at = channel.oldest?;
            Some((vec![channel.name.as_str()], Value::Gauge(seconds(at))))
        });
        write(out, &names::ALERT_OLDEST, oldest.collect())?;
        write(out, &names::ALERT_OPEN, each(&|it| flag(it.open)))
    }
}

/// Classes of errors that count as our own doing, or as the provider's.
fn classes(own: bool) -> Words {
    let all = ErrorClass::ALL.into_iter().enumerate();
    let is_own = |class| {
        let failure = Failure {
            class,
            at: FailedAt::Transport,
        };
        Counts::of_verdict(Verdict::Errored(failure)).ours > 0
    };
    all.filter(|(_, class)| is_own(*class) == own)
        .map(|(index, class)| (index, class.as_str()))
        .collect()
}

/// Counts by one word each; those that are zero are known too.
fn counts(each: &[(&'static str, u64)]) -> Samples<'static> {
    let each = each.iter();
    each.map(|(word, n)| (vec![*word], Value::Count(*n))).collect()
}

impl Seen {
    fn labels(&self) -> [&str; 3] {
        [&self.provider, &self.model, self.source.as_str()]
    }
}

/// Every cell with its labels; those of reachability probes are joined by provider, in the place of the first.
fn seen(ledger: &Ledger) -> Vec<Seen> {
    let mut edges: BTreeMap<String, Cell> = BTreeMap::new();
    let mut all = Vec::new();
    for (target, source, cell) in ledger.cells() {
        let provider = target.provider().to_string();
        if source == Source::Reach {
            match edges.get_mut(&provider) {
                Some(edge) => edge.join(&cell),
                None => drop(edges.insert(provider, cell)),
            }
        } else {
            all.push(Seen {
                provider,
                model: target.model().to_string(),
                source,
                cell,
            });
        }
    }
    let edges = edges.into_iter().map(|(provider, cell)| Seen {
        provider,
        model: String::new(),
        source: Source::Reach,
        cell,
    });
    all.extend(edges);
    all
}

impl Collector for Page {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        self.observations(&mut out)?;
        self.states(&mut out)?;
        self.itself(&mut out)
    }
}
