//! Exporters that count what becomes of what they are given.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter},
    metrics::{
        Temporality,
        data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics},
        exporter::PushMetricExporter,
    },
    trace::{SpanData, SpanExporter},
};

use super::tally::Tally;
use crate::config::OtlpSignal;

/// What was handed to the SDK for one signal, and how far it came. Every item ends exactly once.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// Handed to the SDK.
    told: u64,
    /// Out of the SDK's queue: being sent, or sent.
    sending: u64,
    /// Sent, or failed.
    ended: u64,
    /// Whoever waited for the end has given up, and counted what was left as lost.
    closed: bool,
}

impl Books {
    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Items in the SDK's queue or in the batch that it gathers.
    pub(super) fn queued(&self) -> u64 {
        let pages = self.pages();
        pages.told.saturating_sub(pages.sending)
    }

    /// One more is handed to the SDK.
    pub(super) fn enter(&self) {
        self.pages().told += 1;
    }

    /// The one that was to be handed to the SDK was not: nobody wanted it.
    pub(super) fn leave(&self) {
        let mut pages = self.pages();
        pages.told = pages.told.saturating_sub(1);
    }

    /// So many begin to be sent.
    fn begin(&self, items: u64) {
        let mut pages = self.pages();
        pages.sending += items;
        // Data points are made when they are sent.
        pages.told = pages.told.max(pages.sending);
    }

    /// So many came to an end; `false`: they were given up before.
    fn end(&self, items: u64) -> bool {
        let mut pages = self.pages();
        pages.ended += items;
        !pages.closed
    }

    /// Gives up what has not ended; gives how much that is.
    pub(super) fn close(&self) -> u64 {
        let mut pages = self.pages();
        pages.closed = true;
        pages.told.saturating_sub(pages.ended)
    }
}

/// An exporter and the books on it.
#[derive(Debug)]
pub(super) struct Counted<E> {
    inner: E,
    signal: OtlpSignal,
    tally: Arc<Tally>,
    books: Arc<Books>,
}

impl<E> Counted<E> {
    pub(super) fn new(inner: E, signal: OtlpSignal, tally: Arc<Tally>) -> Self {
        tally.shows(signal);
        Self {
            inner,
            signal,
            tally,
            books: Arc::default(),
        }
    }

    pub(super) fn books(&self) -> Arc<Books> {
        Arc::clone(&self.books)
    }

    fn begin(&self, items: usize) -> u64 {
        let items = items as u64;
        self.books.begin(items);
        items
    }

    fn end(&self, items: u64, outcome: OTelSdkResult) -> OTelSdkResult {
        if self.books.end(items) {
            let error = outcome
                .as_ref()
                .err()
                .map(|error| error as &dyn std::fmt::Display);
            self.tally.ended(self.signal, items, error);
        }
        outcome
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let items = self.begin(batch.len());
        self.end(items, self.inner.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Counted<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let items = self.begin(batch.iter().count());
        self.end(items, self.inner.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

fn data_points<T>(data: &MetricData<T>) -> usize {
    match data {
        MetricData::Gauge(gauge) => gauge.data_points().count(),
        MetricData::Sum(sum) => sum.data_points().count(),
        MetricData::Histogram(histogram) => histogram.data_points().count(),
        MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Counted<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let each = metrics.scope_metrics().flat_map(ScopeMetrics::metrics);
        let items = each
            .map(|metric| match metric.data() {
                AggregatedMetrics::F64(data) => data_points(data),
                AggregatedMetrics::U64(data) => data_points(data),
                AggregatedMetrics::I64(data) => data_points(data),
            })
            .sum();
        let items = self.begin(items);
        self.end(items, self.inner.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.inner.temporality()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_not_counted_again() {
        let books = Books::default();
        for _ in 0..10 {
            books.enter();
        }
        books.enter();
        books.leave();
        books.begin(4);
        assert_eq!(books.queued(), 6);
        assert!(books.end(1));
        assert_eq!(books.close(), 9, "all but the one that ended");
        assert!(!books.end(3), "lost already");
    }

    #[test]
    fn what_is_made_as_it_is_sent_never_waits() {
        let books = Books::default();
        books.begin(7);
        assert_eq!((books.queued(), books.close()), (0, 7));
    }
}
