//! Metrics that are read when they are collected: counts of the ledger, states of the feed.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use opentelemetry::{KeyValue, metrics::Meter};

use super::{Context, Places};
use crate::{
    feed::{Hub, Snapshot},
    health::{Breaker, Network, State},
    id::TargetId,
    protocol::ErrorClass,
    telemetry::{
        Ledger, Own, Owner,
        ledger::{Cell, OUTCOMES},
        names::{
            self,
            otlp::{self, Metric, attribute},
        },
    },
    verdict::{Source, Truncation},
};

/// Everything as of one collection.
struct Shot {
    cells: Vec<(TargetId, Source, Cell)>,
    snapshot: Arc<Snapshot>,
    own: Own,
}

impl Shot {
    fn take(hub: &Hub, ledger: &Ledger, owner: &dyn Owner) -> Self {
        Self {
            cells: ledger.cells(),
            snapshot: hub.snapshot(),
            own: owner.own(),
        }
    }
}

/// Where it is read.
pub(super) struct Watched {
    hub: Arc<Hub>,
    ledger: Arc<Ledger>,
    owner: Arc<dyn Owner>,
    places: Arc<RwLock<Arc<Places>>>,
    shot: Mutex<Arc<Shot>>,
}

/// One value with its attributes.
type Points<T> = Vec<(T, Vec<KeyValue>)>;

impl Watched {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            hub: Arc::clone(&context.hub),
            ledger: Arc::clone(&context.ledger),
            owner: Arc::clone(&context.owner),
            places: Arc::clone(&context.places),
            shot: Mutex::new(Arc::new(Shot::take(
                &context.hub,
                &context.ledger,
                &*context.owner,
            ))),
        }
    }

    /// Looks anew: the first of the metrics does, the others follow it.
    fn look(&self) -> Arc<Shot> {
        let shot = Arc::new(Shot::take(&self.hub, &self.ledger, &*self.owner));
        *self.shot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&shot);
        shot
    }

    fn shot(&self) -> Arc<Shot> {
        Arc::clone(&self.shot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn target(&self, target: &TargetId) -> Vec<KeyValue> {
        let places = Arc::clone(&self.places.read().unwrap_or_else(PoisonError::into_inner));
        vec![
            KeyValue::new(attribute::TARGET, target.to_string()),
            KeyValue::new(attribute::PROVIDER, places.find(target.provider()).name),
            KeyValue::new(attribute::REQUEST_MODEL, target.model().to_string()),
        ]
    }

    /// Of every source that asks for replies: what `of` makes of its counts, each with one attribute more, if any.
    fn counts<const N: usize>(
        &self,
        shot: &Shot,
        key: Option<&'static str>,
        of: impl Fn(&Cell) -> [(&'static str, u64); N],
    ) -> Points<u64> {
        let mut points = Vec::new();
        let replies = shot
            .cells
            .iter()
            .filter(|(_, source, _)| *source != Source::Reach);
        for (target, source, cell) in replies {
            let mut common = self.target(target);
            common.push(KeyValue::new(attribute::SOURCE, source.as_str()));
            for (word, n) in of(cell) {
                // What never happened has no point: a collector takes the first for an increase from nothing.
                if n > 0 {
                    let more = key.map(|key| KeyValue::new(key, word));
                    points.push((n, common.iter().cloned().chain(more).collect()));
                }
            }
        }
        points
    }

    fn gauges<const N: usize>(
        &self,
        shot: &Shot,
        key: Option<&'static str>,
        of: impl Fn(&crate::feed::v1::TargetHealth) -> [(&'static str, Option<f64>); N],
    ) -> Points<f64> {
        let mut points = Vec::new();
        for target in &shot.snapshot.health.targets {
            let common = self.target(&target.id);
            for (word, value) in of(target) {
                if let Some(value) = value {
                    let more = key.map(|key| KeyValue::new(key, word));
                    points.push((value, common.iter().cloned().chain(more).collect()));
                }
            }
        }
        points
    }
}

/// Two lists, side by side.
fn zip<const N: usize>(words: [&'static str; N], counts: [u64; N]) -> [(&'static str, u64); N] {
    std::array::from_fn(|index| (words[index], counts[index]))
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

/// Registers a sum.
fn counter(
    meter: &Meter,
    metric: &Metric,
    watched: &Arc<Watched>,
    points: impl Fn(&Watched, &Shot) -> Points<u64> + Send + Sync + 'static,
) {
    let watched = Arc::clone(watched);
    let builder = meter.u64_observable_counter(metric.name);
    let _ = builder
        .with_unit(metric.unit)
        .with_description(metric.help)
        .with_callback(move |observer| {
            for (value, attributes) in safely(&watched, &points) {
                observer.observe(value, &attributes);
            }
        })
        .build();
}

/// Registers a value as of now.
fn gauge(
    meter: &Meter,
    metric: &Metric,
    watched: &Arc<Watched>,
    points: impl Fn(&Watched, &Shot) -> Points<f64> + Send + Sync + 'static,
) {
    let watched = Arc::clone(watched);
    let builder = meter.f64_observable_gauge(metric.name);
    let _ = builder
        .with_unit(metric.unit)
        .with_description(metric.help)
        .with_callback(move |observer| {
            for (value, attributes) in safely(&watched, &points) {
                observer.observe(value, &attributes);
            }
        })
        .build();
}

/// A callback that panics would end the reader for good.
fn safely<T>(watched: &Watched, points: &impl Fn(&Watched, &Shot) -> Points<T>) -> Points<T> {
    let read = || points(watched, &watched.shot());
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        tracing::error!("a metric can't be read; please report this");
        Vec::new()
    })
}

/// Registers everything that is read when it is collected.
pub(super) fn register(meter: &Meter, watched: &Arc<Watched>) {
    let outcomes: [&'static str; OUTCOMES.len() - 1] = std::array::from_fn(|index| OUTCOMES[index]);
    counter(meter, &otlp::ATTEMPTS, watched, move |watched, _| {
        let shot = watched.look();
        watched.counts(&shot, Some(attribute::OUTCOME), |cell| {
            zip(outcomes, std::array::from_fn(|index| cell.outcomes[index]))
        })
    });
    counter(meter, &otlp::BEGAN, watched, |watched, shot| {
        watched.counts(shot, None, |cell| [("", cell.counts.began)])
    });
    counter(meter, &otlp::ERRORS, watched, |watched, shot| {
        let classes = ErrorClass::ALL.map(ErrorClass::as_str);
        watched.counts(shot, Some(attribute::ERROR_TYPE), |cell| {
            zip(classes, cell.errors)
        })
    });
    counter(meter, &otlp::OWN_FAILURES, watched, |watched, shot| {
        let classes = ErrorClass::ALL.map(ErrorClass::as_str);
        watched.counts(shot, Some(attribute::ERROR_TYPE), |cell| zip(classes, cell.own))
    });
    counter(meter, &otlp::TRUNCATIONS, watched, |watched, shot| {
        let kinds = Truncation::ALL.map(Truncation::as_str);
        watched.counts(shot, Some(attribute::TRUNCATION_KIND), |cell| {
            zip(kinds, cell.truncations)
        })
    });
    states(meter, watched);
    itself(meter, watched);
    debug_assert_eq!(outcomes.last().copied(), Some("unknown"));
    debug_assert_eq!(OUTCOMES.last().copied(), Some(names::OWN));
}

fn states(meter: &Meter, watched: &Arc<Watched>) {
    gauge(meter, &otlp::STATE, watched, |watched, shot| {
        watched.gauges(shot, Some(attribute::STATE), |target| {
            State::ALL.map(|state| (state.as_str(), Some(flag(state == target.state))))
        })
    });
    gauge(meter, &otlp::BREAKER, watched, |watched, shot| {
        watched.gauges(shot, Some(attribute::BREAKER), |target| {
            let all = [Breaker::Closed, Breaker::Open, Breaker::HalfOpen];
            all.map(|breaker| (breaker.as_str(), Some(flag(breaker == target.routing.breaker))))
        })
    });
    gauge(meter, &otlp::WEIGHT, watched, |watched, shot| {
        watched.gauges(shot, None, |target| [("", target.routing.weight)])
    });
    gauge(meter, &otlp::INCIDENT, watched, |watched, shot| {
        watched.gauges(shot, None, |target| [("", Some(flag(target.incident.is_some())))])
    });
}

fn itself(meter: &Meter, watched: &Arc<Watched>) {
    gauge(meter, &otlp::ONLINE, watched, |_, shot| {
        let online = shot.snapshot.health.head.network == Network::Online;
        vec![(flag(online), Vec::new())]
    });
    counter(meter, &otlp::STORE_DROPPED, watched, |_, shot| {
        let dropped = shot.own.store.iter().flat_map(|store| &store.dropped);
        let point = |(kind, n): &(&'static str, u64)| (*n, vec![KeyValue::new(attribute::RECORD, *kind)]);
        dropped.map(point).collect()
    });
    counter(meter, &otlp::EXPORT_LOST, watched, |_, shot| {
        let each = shot.own.exports.iter().flat_map(|export| {
            let lost = export.lost.iter();
            lost.map(|(why, n)| {
                let signal = KeyValue::new(attribute::SIGNAL, export.signal);
                (*n, vec![signal, KeyValue::new(attribute::WHY, *why)])
            })
        });
        each.collect()
    });
    let owned = Arc::clone(watched);
    let builder = meter.f64_observable_counter(otlp::COST.name);
    let _ = builder
        .with_unit(otlp::COST.unit)
        .with_description(otlp::COST.help)
        .with_callback(move |observer| {
            let points = |watched: &Watched, shot: &Shot| {
                let probes = shot
                    .cells
                    .iter()
                    .filter(|(_, source, _)| source.canary().is_some());
                probes
                    .map(|(target, source, cell)| {
                        let mut attributes = watched.target(target);
                        attributes.push(KeyValue::new(attribute::SOURCE, source.as_str()));
                        (cell.cost_usd, attributes)
                    })
                    .collect()
            };
            for (value, attributes) in safely(&owned, &points) {
                observer.observe(value, &attributes);
            }
        })
        .build();
}
