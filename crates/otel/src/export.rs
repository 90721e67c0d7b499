//! An export on its way into the instruments.
//!
//! ```text
//! point of the SDK --what it grew by--> its series (`series.rs`) --> instrument
//! ```

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric, MetricData, ResourceMetrics};
use opentelemetry_sdk::metrics::data::{ExponentialBucket, ExponentialHistogramDataPoint, HistogramDataPoint};
use potsdb::Report;
use potsdb::binding::ClientBinding as _;
use potsdb_instruments::{self as instruments, Counter, Gauge, InstrumentError, Instruments};

use crate::distribution::{Distribution, Exported, Histogram};
use crate::exponential::{Buckets, Exponential};
use crate::exporter::seconds;
use crate::series::{Attributes, Entry, Known, Tags};
use crate::totals::{Growth, Number, Total};

/// Where exports go, and as what.
pub(crate) struct Target {
    pub(crate) instruments: Instruments,
    pub(crate) attributes: Attributes,
    /// Whether histograms send their buckets.
    pub(crate) buckets: bool,
}

/// What is known from exports before.
#[derive(Default)]
pub(crate) struct Memory {
    series: Series,
    described: HashSet<String>,
    /// What could not be sent, and was reported.
    reported: HashSet<String>,
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

/// A metric of a meter.
#[derive(Clone, Copy)]
struct Source<'a> {
    name: &'a str,
    /// What tells it from that name in another meter.
    source: &'a str,
}

/// One export.
pub(crate) struct Export<'a> {
    target: &'a Target,
    memory: &'a mut Memory,
    resource: Tags,
    /// The newest time of its metrics, in seconds.
    time: Option<u64>,
    /// The metrics that cannot be sent, and why.
    refused: HashMap<String, String>,
}

impl<'a> Export<'a> {
    /// Takes everything over; returns the newest time, in seconds, and the metrics that cannot be sent.
    pub(crate) fn take(
        target: &'a Target,
        memory: &'a mut Memory,
        metrics: &ResourceMetrics,
    ) -> (Option<u64>, HashMap<String, String>) {
        let mut export = Export {
            target,
            memory,
            resource: target.attributes.resource_tags(metrics.resource()),
            time: None,
            refused: HashMap::new(),
        };
        for scope in metrics.scope_metrics() {
            for metric in scope.metrics() {
                export.metric(scope.scope().name(), metric);
            }
        }
        export.memory.series.end_export();
        (export.time, export.refused)
    }

    fn metric(&mut self, scope: &str, metric: &Metric) {
        let name = metric.name();
        let is_plain = metric.unit().is_empty() && metric.description().is_empty();
        if !is_plain && self.memory.described.insert(name.to_owned()) {
            let instruments = &self.target.instruments;
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
        let of = Source {
            name,
            source: &format!("{scope}\n{name}"),
        };
        match data {
            MetricData::Gauge(gauge) => {
                self.is_of(gauge.time());
                for point in gauge.data_points() {
                    let make = |instruments: &Instruments, tags| instruments.gauge(name, tags);
                    let put = |gauge: &Gauge, (): &mut ()| gauge.set(point.value().float());
                    self.put(of, point.attributes(), |series| &mut series.gauges, make, put);
                }
            }
            MetricData::Sum(sum) if sum.is_monotonic() => {
                self.is_of(sum.time());
                for point in sum.data_points() {
                    let make = |instruments: &Instruments, tags| instruments.counter(name, tags);
                    let put =
                        |counter: &Counter, before: &mut Total| match before.growth(point.value(), sum.temporality()) {
                            Growth::Whole(more) => counter.add(more),
                            Growth::Float(more) => counter.add_float(more),
                        };
                    self.put(of, point.attributes(), |series| &mut series.totals, make, put);
                }
            }
            MetricData::Sum(sum) => {
                self.is_of(sum.time());
                for point in sum.data_points() {
                    let make = |instruments: &Instruments, tags| instruments.gauge(name, tags);
                    let put = |gauge: &Gauge, before: &mut Total| {
                        gauge.add(before.change(point.value(), sum.temporality()));
                    };
                    self.put(of, point.attributes(), |series| &mut series.balances, make, put);
                }
            }
            MetricData::Histogram(histogram) => {
                self.is_of(histogram.time());
                for point in histogram.data_points() {
                    let exported = exported(point);
                    let bounds = if self.target.buckets { &exported.bounds[..] } else { &[] };
                    let make = |instruments: &Instruments, tags| instruments.histogram_with_buckets(name, tags, bounds);
                    let put = |into: &instruments::Histogram, before: &mut Histogram| {
                        merge(into, before.since(&exported, histogram.temporality()));
                    };
                    self.put(of, point.attributes(), |series| &mut series.histograms, make, put);
                }
            }
            MetricData::ExponentialHistogram(histogram) => {
                self.is_of(histogram.time());
                for point in histogram.data_points() {
                    let (sum, range) = (point.sum().float(), range(point.min(), point.max()));
                    let make = |instruments: &Instruments, tags| instruments.histogram_with_buckets(name, tags, &[]);
                    let put = |into: &instruments::Histogram, before: &mut Exponential| {
                        merge(into, before.since(buckets(point), sum, range, histogram.temporality()));
                    };
                    self.put(of, point.attributes(), |series| &mut series.exponentials, make, put);
                }
            }
        }
    }

    /// Puts a point into the instrument of its series, which is made if there is none. `put` gets what was counted before, too.
    fn put<'p, T: Default, I>(
        &mut self,
        of: Source<'_>,
        attributes: impl Iterator<Item = &'p KeyValue>,
        known: impl FnOnce(&mut Series) -> &mut Known<T, I>,
        make: impl FnOnce(&Instruments, Tags) -> Result<I, InstrumentError>,
        put: impl FnOnce(&I, &mut T),
    ) {
        let Target {
            instruments,
            attributes: chosen,
            ..
        } = self.target;
        let mut attributes: Vec<&KeyValue> = attributes.collect();
        let entry = known(&mut self.memory.series).of(of.source, &mut attributes);
        let tags = || chosen.tags(&attributes, &self.resource);
        match made(entry, || make(instruments, tags())) {
            Ok((instrument, before)) => put(instrument, before),
            Err(error) => self.refuse(of.name, &error),
        }
    }

    /// Takes note of an instrument that cannot be had, which is reported once.
    fn refuse(&mut self, name: &str, error: &InstrumentError) {
        let reported = &mut self.memory.reported;
        if reported.len() < REPORTED && reported.insert(name.to_owned()) {
            let words = format!("metric {name:?} cannot be sent: {error}");
            self.target.instruments.client().report(Report::Source { words });
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
