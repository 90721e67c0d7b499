//! Updates through bridges: `metrics`, `tracing`, and an export of OpenTelemetry.
//!
//! The same calls to another recorder are measured by `bench/peers`, with such loops. OpenTelemetry's own instruments cost what the
//! SDK costs (`bench/peers`, too); what an exporter costs is an export, beside one that does nothing. Figures are nanoseconds a call, or
//! a point: the loop less the same loop without it.

use std::time::{Duration, Instant};

use metrics_exporter_opentsdb::Builder;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_opentsdb::Exporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{SdkMeterProvider, Temporality};
use potsdb_instruments::Instruments;
use potsdb_tracing::MetricsLayer;
use tracing_subscriber::prelude::*;

use crate::figure;
use crate::instruments::timed;
use crate::memory::{away, stop};

pub(crate) fn run(rounds: u64, updates: u64) {
    for _ in 0..rounds {
        metrics(updates);
        tracing(updates / 4);
        export("ours", |client| {
            let exporter = Exporter::builder(client).deliver_within(Duration::ZERO);
            SdkMeterProvider::builder().with_periodic_exporter(exporter.build().expect("the defaults are right"))
        });
        export("an exporter that does nothing", |_| {
            SdkMeterProvider::builder().with_periodic_exporter(Nobody)
        });
    }
}

fn metrics(updates: u64) {
    let client = away(&[]);
    let recorder = Builder::new(&client).build_recorder().expect("the defaults are right");
    metrics::with_local_recorder(&recorder, || {
        let told = |measure: &str, ours: f64| figure(measure, "ours", ours);
        let tags = [("path", "/login"), ("dc", "eu"), ("host", "web1")];
        let counter = metrics::counter!("bench.requests", &tags);
        told(
            "Rust `metrics`, `increment(1)` of a handle (ns)",
            timed(updates, |_, _| counter.increment(1)),
        );
        let histogram = metrics::histogram!("bench.sizes", &tags);
        told(
            "Rust `metrics`, `record` of a handle (ns)",
            timed(updates, |_, value| histogram.record(value)),
        );
        told(
            "Rust `metrics`, `counter!(name, 3 labels).increment(1)` (ns)",
            timed(updates, |_, _| {
                metrics::counter!("bench.requests", "path" => "/login", "dc" => "eu", "host" => "web1").increment(1);
            }),
        );
    });
    drop(recorder);
    stop(&client);
}

fn tracing(updates: u64) {
    let client = away(&[("tags", "dc=eu")]);
    let layer = MetricsLayer::new(&Instruments::new(&client));
    let tagged = MetricsLayer::new(&Instruments::new(&client)).tags(["path"]);
    let one = "Rust `tracing`, an event that counts (ns)";
    let with_tag = "Rust `tracing`, an event that counts, with a tag (ns)";
    let event = |n| tracing::info!(monotonic_counter.bench.events = 1, n);
    let event_of_path = |n| tracing::info!(monotonic_counter.bench.pages = 1, n, path = "/login");
    let nobody = "a registry without layers";
    tracing::subscriber::with_default(tracing_subscriber::registry(), || {
        figure(one, nobody, timed(updates, |n, _| event(n)));
        figure(with_tag, nobody, timed(updates, |n, _| event_of_path(n)));
    });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        figure(one, "ours", timed(updates, |n, _| event(n)));
    });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(tagged), || {
        figure(with_tag, "ours", timed(updates, |n, _| event_of_path(n)));
    });
    stop(&client);
}

/// The second export, of series that are known.
fn export(side: &str, provider: impl FnOnce(&potsdb::Client) -> opentelemetry_sdk::metrics::MeterProviderBuilder) {
    let client = away(&[]);
    let provider = provider(&client).build();
    let meter = provider.meter("bench");
    let counters = ["bench.a", "bench.b", "bench.c", "bench.d", "bench.e"].map(|name| meter.u64_counter(name).build());
    let update = || {
        for counter in &counters {
            (0..SERIES).for_each(|n| counter.add(1, &[KeyValue::new("path", "/login"), KeyValue::new("n", n)]));
        }
    };
    update();
    provider.force_flush().expect("the queue takes everything");
    update();
    let started = Instant::now();
    provider.force_flush().expect("the queue takes everything");
    let took = started.elapsed().as_nanos() as f64;
    let points = counters.len() as f64 * SERIES as f64;
    figure(
        "Rust OpenTelemetry, collecting and exporting a point (ns)",
        side,
        took / points,
    );
    client.stop();
    drop(provider);
    stop(&client);
}

/// Of a counter; the SDK takes 2 000 unless said.
const SERIES: i64 = 1900;

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
