//! The exporter: what the SDK's reader calls.
//!
//! ```text
//! reader's thread --export--> changes since the export before --> instruments --tick--> client --> wait until delivered
//! ```
//!
//! The instruments keep the state that is sent, so series that fall together are added up, each begins with a zero, and none has
//! two values for one second. Their ticks are the exports. One lock holds an export together; nothing else takes it but other
//! exports, and a shutdown.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::{Future, ready};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::data::{ExponentialBucket, ExponentialHistogramDataPoint, HistogramDataPoint};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use potsdb::{Barrier, Client, Report, Stats};
use potsdb_instruments::{self as instruments, Counter, Gauge, InstrumentError, Instruments};

use crate::builder::Builder;
use crate::clock::Clock;
use crate::distribution::{Distribution, Exported, Histogram};
use crate::exponential::{Buckets, Exponential};
use crate::series::{Attributes, Entry, Known, Tags};
use crate::totals::{Growth, Number, Total};

/// An exporter of the SDK's metrics. From [`Exporter::builder`].
pub struct Exporter {
    instruments: Instruments,
    attributes: Attributes,
    temporality: Temporality,
    deliver_within: Duration,
    buckets: bool,
    state: Mutex<State>,
}

struct State {
    clock: Clock,
    series: Series,
    described: HashSet<String>,
    /// What could not be sent, and was reported.
    refused: HashSet<String>,
    is_shut_down: bool,
}

/// What is known of the SDK's series, by what they become.
#[derive(Default)]
struct Series {
    totals: Known<Total, Counter>,
    balances: Known<Total, Gauge>,
    gauges: Known<(), Gauge>,
    histograms: Known<Histogram, instruments::Histogram>,
    exponentials: Known<Exponential, instruments::Histogram>,
}

impl Series {
    fn end_export(&mut self) {
        self.totals.end_export(false);
        self.balances.end_export(false);
        self.gauges.end_export(true);
        self.histograms.end_export(false);
        self.exponentials.end_export(false);
    }
}

/// So many metrics that cannot be sent are reported, and so many are told apart.
const REPORTED: usize = 100;

impl Exporter {
    /// Begins an exporter that sends through that client. The client is the program's: a shutdown of the exporter leaves it
    /// open.
    pub fn builder(client: &Client) -> Builder {
        Builder::new(client)
    }

    pub(crate) fn new(
        instruments: Instruments,
        attributes: Attributes,
        temporality: Temporality,
        interval: u64,
        deliver_within: Duration,
        buckets: bool,
    ) -> Exporter {
        Exporter {
            instruments,
            attributes,
            temporality,
            deliver_within,
            buckets,
            state: Mutex::new(State {
                clock: Clock::new(interval, seconds(SystemTime::now())),
                series: Series::default(),
                described: HashSet::new(),
                refused: HashSet::new(),
                is_shut_down: false,
            }),
        }
    }

    /// The instruments behind it, which know units and descriptions, and what was not sent.
    #[must_use]
    pub fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    fn client(&self) -> &Client {
        self.instruments.client()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic left behind is numbers, each of which is right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut state = self.state();
        if state.is_shut_down {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let resource = self.attributes.resource_tags(metrics.resource());
        let mut export = Export {
            exporter: self,
            state: &mut state,
            resource,
            time: None,
            refused: HashMap::new(),
        };
        for scope in metrics.scope_metrics() {
            for metric in scope.metrics() {
                export.metric(scope.scope().name(), metric);
            }
        }
        let (time, refused) = (export.time, export.refused);
        state.series.end_export();
        let before = self.client().stats();
        // Deltas of nothing are no metrics at all: the totals are said again, so that sums over processes are right.
        let time = time.unwrap_or_else(|| seconds(SystemTime::now()));
        let ticked = match state.clock.next(time) {
            Some(at) => self.instruments.tick(at),
            None => {
                return failed(
                    "exports come more often than one a second: a later one has the newest state".to_owned(),
                );
            }
        };
        drop(state);
        if ticked.closed {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        if ticked.refused > 0 {
            let points = ticked.points + ticked.refused;
            return failed(format!(
                "{} of {points} points were not accepted: the queue is full",
                ticked.refused
            ));
        }
        if !self.deliver_within.is_zero() {
            self.delivered(&self.client().barrier(), self.deliver_within, &before)?;
        }
        match refused.iter().min() {
            Some((metric, error)) => failed(format!("{} metrics cannot be sent: {metric:?}: {error}", refused.len())),
            None => Ok(()),
        }
    }

    /// Waits until everything before the barrier was delivered. Of points that others send through the client
    /// it cannot tell its own.
    fn delivered(&self, barrier: &Barrier, timeout: Duration, before: &Stats) -> OTelSdkResult {
        let in_time = barrier.wait(timeout);
        let now = self.client().stats();
        let (rejected, dropped) = (now.rejected - before.rejected, lost(&now) - lost(before));
        let mut wrong = Vec::new();
        if !in_time {
            wrong.push(format!(
                "{} points are pending after {timeout:?}, and go on",
                now.pending()
            ));
        }
        if rejected > 0 {
            let words = now.last_rejections.last().map(|words| format!(": {words}"));
            wrong.push(format!(
                "the server rejected {rejected} points{}",
                words.unwrap_or_default()
            ));
        }
        if dropped > 0 {
            wrong.push(format!("{dropped} points were dropped"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        failed(wrong.join("; "))
    }
}

/// Points that were given up, but for those of a test mode, which delivers nothing.
fn lost(stats: &Stats) -> u64 {
    stats.dropped.total() - stats.dropped.test_mode
}

fn failed(words: String) -> OTelSdkResult {
    Err(OTelSdkError::InternalFailure(words))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl PushMetricExporter for Exporter {
    fn export(&self, metrics: &ResourceMetrics) -> impl Future<Output = OTelSdkResult> + Send {
        ready(self.take(metrics))
    }

    fn force_flush(&self) -> OTelSdkResult {
        if self.state().is_shut_down {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let before = self.client().stats();
        self.delivered(&self.client().barrier(), self.deliver_within, &before)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        if std::mem::replace(&mut self.state().is_shut_down, true) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let before = self.client().stats();
        self.delivered(&self.client().exit_barrier(), timeout, &before)
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exporter({:?})", self.client())
    }
}

/// One export, on its way into the instruments.
struct Export<'a> {
    exporter: &'a Exporter,
    state: &'a mut State,
    resource: Tags,
    /// The newest time of its metrics, in seconds.
    time: Option<u64>,
    /// The metrics that cannot be sent, and why.
    refused: HashMap<String, String>,
}

impl Export<'_> {
    fn metric(&mut self, scope: &str, metric: &Metric) {
        let name = metric.name();
        let is_described = metric.unit().is_empty() && metric.description().is_empty();
        if !is_described && self.state.described.insert(name.to_owned()) {
            let instruments = &self.exporter.instruments;
            instruments.describe(name, metric.unit(), metric.description());
        }
        match metric.data() {
            AggregatedMetrics::F64(data) => self.data(scope, name, data),
            AggregatedMetrics::U64(data) => self.data(scope, name, data),
            AggregatedMetrics::I64(data) => self.data(scope, name, data),
        }
    }

    fn data<T: Number>(&mut self, scope: &str, name: &str, data: &MetricData<T>) {
        // Two meters may have metrics of one name, which are added up.
        let source = &format!("{scope}\n{name}");
        match data {
            MetricData::Gauge(gauge) => {
                self.is_of(gauge.time());
                for point in gauge.data_points() {
                    let entry = self.state.series.gauges.of(source, point.attributes());
                    let tags = || self.exporter.attributes.tags(point.attributes(), &self.resource);
                    let made = made(entry, || self.exporter.instruments.gauge(name, tags()));
                    let put = made.map(|(gauge, ())| gauge.set(point.value().float()));
                    self.check(name, put);
                }
            }
            MetricData::Sum(sum) if sum.is_monotonic() => {
                self.is_of(sum.time());
                for point in sum.data_points() {
                    let entry = self.state.series.totals.of(source, point.attributes());
                    let tags = || self.exporter.attributes.tags(point.attributes(), &self.resource);
                    let made = made(entry, || self.exporter.instruments.counter(name, tags()));
                    let put = made.map(
                        |(counter, before)| match before.growth(point.value(), sum.temporality()) {
                            Growth::Whole(more) => counter.add(more),
                            Growth::Float(more) => counter.add_float(more),
                        },
                    );
                    self.check(name, put);
                }
            }
            MetricData::Sum(sum) => {
                self.is_of(sum.time());
                for point in sum.data_points() {
                    let entry = self.state.series.balances.of(source, point.attributes());
                    let tags = || self.exporter.attributes.tags(point.attributes(), &self.resource);
                    let made = made(entry, || self.exporter.instruments.gauge(name, tags()));
                    let put = made.map(|(gauge, before)| gauge.add(before.change(point.value(), sum.temporality())));
                    self.check(name, put);
                }
            }
            MetricData::Histogram(histogram) => {
                self.is_of(histogram.time());
                for point in histogram.data_points() {
                    let entry = self.state.series.histograms.of(source, point.attributes());
                    let exported = exported(point);
                    let bounds = if self.exporter.buckets {
                        &exported.bounds[..]
                    } else {
                        &[]
                    };
                    let tags = || self.exporter.attributes.tags(point.attributes(), &self.resource);
                    let instruments = &self.exporter.instruments;
                    let made = made(entry, || instruments.histogram_with_buckets(name, tags(), bounds));
                    let put = made.map(|(into, before)| {
                        merge(into, before.since(&exported, histogram.temporality()));
                    });
                    self.check(name, put);
                }
            }
            MetricData::ExponentialHistogram(histogram) => {
                self.is_of(histogram.time());
                for point in histogram.data_points() {
                    let entry = self.state.series.exponentials.of(source, point.attributes());
                    let tags = || self.exporter.attributes.tags(point.attributes(), &self.resource);
                    let instruments = &self.exporter.instruments;
                    let made = made(entry, || instruments.histogram_with_buckets(name, tags(), &[]));
                    let (sum, range) = (point.sum().float(), range(point.min(), point.max()));
                    let put = made.map(|(into, before)| {
                        merge(into, before.since(buckets(point), sum, range, histogram.temporality()));
                    });
                    self.check(name, put);
                }
            }
        }
    }

    /// Takes note of an instrument that cannot be had, which is reported once.
    fn check(&mut self, name: &str, put: Result<(), InstrumentError>) {
        let Err(error) = put else { return };
        let refused = &mut self.state.refused;
        if refused.len() < REPORTED && refused.insert(name.to_owned()) {
            let words = format!("metric {name:?} cannot be sent: {error}");
            self.exporter.client().report(Report::Source { words });
        }
        self.refused.entry(name.to_owned()).or_insert_with(|| error.to_string());
    }

    fn is_of(&mut self, time: SystemTime) {
        self.time = self.time.max(Some(seconds(time)));
    }
}

/// The instrument of a series, made if there is none, and what was counted before.
fn made<T, I>(
    entry: &mut Entry<T, I>,
    make: impl FnOnce() -> Result<I, InstrumentError>,
) -> Result<(&I, &mut T), InstrumentError> {
    if entry.instrument.is_none() {
        entry.instrument = Some(make()?);
    }
    let instrument = entry.instrument.as_ref().expect("it was just made if there was none");
    Ok((instrument, &mut entry.before))
}

fn merge(histogram: &instruments::Histogram, told: Option<Distribution>) {
    if let Some(told) = told {
        histogram.merge(&told.values, told.sum, told.min, told.max);
    }
}

fn exported<T: Number>(point: &HistogramDataPoint<T>) -> Exported {
    let mut counts: Vec<u64> = point.bucket_counts().collect();
    if counts.is_empty() {
        // Without bounds the SDK counts in no bucket.
        counts.push(point.count());
    }
    Exported {
        bounds: point.bounds().collect(),
        counts,
        sum: point.sum().float(),
        range: range(point.min(), point.max()),
    }
}

fn buckets<T>(point: &ExponentialHistogramDataPoint<T>) -> Buckets {
    let filled = |bucket: &ExponentialBucket| {
        let counts = (bucket.offset()..).zip(bucket.counts());
        counts.filter(|(_, count)| *count > 0).collect()
    };
    Buckets {
        scale: point.scale(),
        zeros: point.zero_count(),
        positive: filled(point.positive_bucket()),
        negative: filled(point.negative_bucket()),
    }
}

fn range<T: Number>(min: Option<T>, max: Option<T>) -> Option<(f64, f64)> {
    Some((min?.float(), max?.float()))
}
