//! What other registries take for an update, through handles made once: the loops of `potsdb-bench instruments`.

use std::time::{Duration, Instant};

use metrics_exporter_prometheus::PrometheusBuilder;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};

use crate::TAGS;

const ADD: &str = "Rust `counter.add(1)` (ns)";
const RECORD: &str = "Rust `histogram.record` (ns)";

const HANDLE: &str = "Rust `metrics`, `increment(1)` of a handle (ns)";
const RECORD_OF_HANDLE: &str = "Rust `metrics`, `record` of a handle (ns)";
const LOOKED_UP: &str = "Rust `metrics`, `counter!(name, 3 labels).increment(1)` (ns)";
const PROMETHEUS: &str = "metrics, its Prometheus exporter";

pub(crate) fn run(updates: u64) {
    metrics(updates);
    prometheus(updates);
    opentelemetry(updates);
}

/// Its histogram keeps every value until somebody asks.
fn metrics(updates: u64) {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        let tags = [("path", "/login"), ("dc", "eu"), ("host", "web1")];
        let counter = metrics::counter!("bench.requests", &tags);
        told(ADD, PROMETHEUS, updates, |_| counter.increment(1));
        told(HANDLE, PROMETHEUS, updates, |_| counter.increment(1));
        told(LOOKED_UP, PROMETHEUS, updates, |_| {
            metrics::counter!("bench.requests", "path" => "/login", "dc" => "eu", "host" => "web1").increment(1);
        });
        let histogram = metrics::histogram!("bench.sizes", &tags);
        for measure in [RECORD, RECORD_OF_HANDLE] {
            told(measure, PROMETHEUS, updates, |value| histogram.record(value));
        }
    });
}

/// Its histogram has eleven buckets.
fn prometheus(updates: u64) {
    use prometheus::{Histogram, HistogramOpts, IntCounter, Opts};
    let mut options = Opts::new("bench_requests", "Requests.");
    let mut sizes = HistogramOpts::new("bench_sizes", "Sizes.");
    for (name, value) in TAGS {
        options = options.const_label(name, value);
        sizes = sizes.const_label(name, value);
    }
    let counter = IntCounter::with_opts(options).expect("legal");
    told(ADD, "prometheus", updates, |_| counter.inc());
    let histogram = Histogram::with_opts(sizes).expect("legal");
    told(RECORD, "prometheus", updates, |value| histogram.observe(value));
}

/// It has no handle of a series: attributes are looked up each time.
fn opentelemetry(updates: u64) {
    let provider = SdkMeterProvider::builder().with_periodic_exporter(Nobody).build();
    let meter = provider.meter("bench");
    let tags = TAGS.map(|(name, value)| KeyValue::new(name, value));
    let counter = meter.u64_counter("bench.requests").build();
    told(ADD, "opentelemetry_sdk", updates, |_| counter.add(1, &tags));
    let histogram = meter.f64_histogram("bench.sizes").build();
    told(RECORD, "opentelemetry_sdk", updates, |value| {
        histogram.record(value, &tags)
    });
}

struct Nobody;

impl PushMetricExporter for Nobody {
    async fn export(&self, _metrics: &ResourceMetrics) -> OTelSdkResult {
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn told(measure: &str, side: &str, updates: u64, mut update: impl FnMut(f64)) {
    let lap = |update: &mut dyn FnMut(f64)| {
        let started = Instant::now();
        for n in 0..updates {
            update(std::hint::black_box(n) as f64 * 1e-6);
        }
        started.elapsed()
    };
    let with = lap(&mut update);
    let without = (0..5).map(|_| {
        lap(&mut |value| {
            std::hint::black_box(value);
        })
    });
    let without = without.min().expect("there are five");
    println!(
        "{measure}\t{side}\t{}",
        with.saturating_sub(without).as_nanos() as f64 / updates as f64
    );
}
