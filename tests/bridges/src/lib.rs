//! The same input through every bridge: instruments themselves, `metrics`, OpenTelemetry, `tracing`.
//!
//! `tests/conformance.rs` has the table of inputs, what arrives of each, and where a bridge cannot say the same.

#![forbid(unsafe_code)]

use std::time::Duration;

use metrics::with_local_recorder;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_opentsdb::Exporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, PeriodicReader, SdkMeterProvider, Stream, Temporality,
};
use potsdb::Client;
use potsdb_instruments::{Instruments, Names, Style};
use potsdb_tracing::MetricsLayer;
use tracing::info;
use tracing_subscriber::prelude::*;

/// One update, of one of four metrics. Their names are fixed, because fields of `tracing` are.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The counter `hits`, with the tag `path`.
    Hits(&'static str, u64),
    /// The counter `cost`, of fractions.
    Cost(&'static str, f64),
    /// The gauge `open`, moved.
    Open(&'static str, i64),
    /// The gauge `heat`, set.
    Heat(&'static str, f64),
    /// The histogram `took`.
    Took(&'static str, f64),
    /// What was counted so far is sent.
    Flush,
}

/// What every bridge is set to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What the series of histograms are called.
    pub style: Style,
    /// What becomes of illegal characters.
    pub names: Names,
    /// The bounds of buckets.
    pub bounds: Vec<f64>,
}

/// A way from a program to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bridge {
    /// `potsdb-instruments` itself.
    Instruments,
    /// The macros of `metrics`.
    Metrics,
    /// The macros of `tracing`.
    Tracing,
    /// OpenTelemetry with histograms of buckets.
    Otel(Temporality),
    /// OpenTelemetry with exponential histograms.
    Exponential(Temporality),
}

/// All of them.
pub const BRIDGES: [Bridge; 7] = [
    Bridge::Instruments,
    Bridge::Metrics,
    Bridge::Tracing,
    Bridge::Otel(Temporality::Cumulative),
    Bridge::Otel(Temporality::Delta),
    Bridge::Exponential(Temporality::Cumulative),
    Bridge::Exponential(Temporality::Delta),
];

/// No tick falls into a test: it would say again what did not change.
const DAY: Duration = Duration::from_secs(86_400);

/// Longer than anything here takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

impl Bridge {
    /// Whether it is one of OpenTelemetry.
    #[must_use]
    pub fn is_otel(self) -> bool {
        matches!(self, Bridge::Otel(_) | Bridge::Exponential(_))
    }

    /// Whether it has no fractions to add to a counter.
    #[must_use]
    pub fn counts_whole_numbers(self) -> bool {
        self == Bridge::Metrics
    }

    /// Plays inputs through it to the client, and ends it as a program would.
    ///
    /// # Errors
    ///
    /// The bridge says at its end that something was not taken.
    ///
    /// # Panics
    ///
    /// Something does not arrive, or a setting makes no sense.
    pub fn play(self, client: &Client, settings: &Settings, inputs: &[Input]) -> Result<(), String> {
        match self {
            Bridge::Instruments => instruments(client, settings, inputs),
            Bridge::Metrics => through_metrics(client, settings, inputs),
            Bridge::Tracing => through_tracing(client, settings, inputs),
            Bridge::Otel(temporality) => {
                let bounds = settings.bounds.clone();
                let boundaries = if bounds.is_empty() {
                    DEFAULT_BOUNDARIES.into()
                } else {
                    bounds
                };
                let aggregation = Aggregation::ExplicitBucketHistogram {
                    boundaries,
                    record_min_max: true,
                };
                return otel(client, settings, inputs, temporality, &aggregation);
            }
            Bridge::Exponential(temporality) => {
                let aggregation = Aggregation::Base2ExponentialHistogram {
                    max_size: 160,
                    max_scale: 20,
                    record_min_max: true,
                };
                return otel(client, settings, inputs, temporality, &aggregation);
            }
        }
        Ok(())
    }
}

/// OpenTelemetry's, for a histogram that nobody gave others.
const DEFAULT_BOUNDARIES: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0,
];

fn made(client: &Client, settings: &Settings) -> Instruments {
    Instruments::builder(client)
        .interval(DAY)
        .style(settings.style)
        .names(settings.names)
        .buckets(settings.bounds.clone())
        .build()
        .expect("the settings make sense")
}

fn flush(client: &Client) {
    client.flush(LONG).expect("the receiver takes it");
}

fn instruments(client: &Client, settings: &Settings, inputs: &[Input]) {
    let instruments = made(client, settings);
    for input in inputs {
        match *input {
            Input::Hits(path, more) => instruments.counter("hits", [("path", path)]).expect("legal").add(more),
            Input::Cost(path, more) => instruments
                .counter("cost", [("path", path)])
                .expect("legal")
                .add_float(more),
            Input::Open(path, more) => instruments
                .gauge("open", [("path", path)])
                .expect("legal")
                .add(more as f64),
            Input::Heat(path, value) => instruments.gauge("heat", [("path", path)]).expect("legal").set(value),
            Input::Took(path, value) => instruments
                .histogram("took", [("path", path)])
                .expect("legal")
                .record(value),
            Input::Flush => flush(client),
        }
    }
    client.close(LONG);
}

fn through_metrics(client: &Client, settings: &Settings, inputs: &[Input]) {
    let recorder = metrics_exporter_opentsdb::Builder::new(client)
        .interval(DAY)
        .style(settings.style)
        .names(settings.names)
        .buckets(settings.bounds.clone())
        .build_recorder()
        .expect("the settings make sense");
    let exporter = recorder.exporter();
    with_local_recorder(&recorder, || {
        for input in inputs {
            match *input {
                Input::Hits(path, more) => metrics::counter!("hits", "path" => path).increment(more),
                Input::Cost(..) => unreachable!("its counters have whole numbers"),
                Input::Open(path, more) => metrics::gauge!("open", "path" => path).increment(more as f64),
                Input::Heat(path, value) => metrics::gauge!("heat", "path" => path).set(value),
                Input::Took(path, value) => metrics::histogram!("took", "path" => path).record(value),
                Input::Flush => exporter.flush(LONG).expect("the receiver takes it"),
            }
        }
    });
    exporter.shutdown(LONG);
}

fn through_tracing(client: &Client, settings: &Settings, inputs: &[Input]) {
    let layer = MetricsLayer::new(&made(client, settings)).tags(["path"]);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for input in inputs {
            match *input {
                Input::Hits(path, more) => info!(monotonic_counter.hits = more, path),
                Input::Cost(path, more) => info!(monotonic_counter.cost = more, path),
                Input::Open(path, more) => info!(counter.open = more, path),
                Input::Heat(path, value) => info!(gauge.heat = value, path),
                Input::Took(path, value) => info!(histogram.took = value, path),
                Input::Flush => flush(client),
            }
        }
    });
    client.close(LONG);
}

fn otel(
    client: &Client,
    settings: &Settings,
    inputs: &[Input],
    temporality: Temporality,
    aggregation: &Aggregation,
) -> Result<(), String> {
    let exporter = Exporter::builder(client)
        .style(settings.style)
        .names(settings.names)
        .buckets(!settings.bounds.is_empty())
        .temporality(temporality)
        .deliver_within(LONG)
        .build()
        .expect("the settings make sense");
    let aggregation = aggregation.clone();
    let view = move |instrument: &Instrument| match instrument.kind() {
        InstrumentKind::Histogram => Stream::builder().with_aggregation(aggregation.clone()).build().ok(),
        _ => None,
    };
    let provider = SdkMeterProvider::builder()
        .with_resource(Resource::builder_empty().build())
        .with_reader(
            PeriodicReader::builder(exporter)
                .with_interval(Duration::from_secs(3600))
                .build(),
        )
        .with_view(view)
        .build();
    let meter = provider.meter("conformance");
    let (hits, cost) = (meter.u64_counter("hits").build(), meter.f64_counter("cost").build());
    let (open, heat) = (
        meter.i64_up_down_counter("open").build(),
        meter.f64_gauge("heat").build(),
    );
    let took = meter.f64_histogram("took").build();
    for input in inputs {
        match *input {
            Input::Hits(path, more) => hits.add(more, &[KeyValue::new("path", path)]),
            Input::Cost(path, more) => cost.add(more, &[KeyValue::new("path", path)]),
            Input::Open(path, more) => open.add(more, &[KeyValue::new("path", path)]),
            Input::Heat(path, value) => heat.record(value, &[KeyValue::new("path", path)]),
            Input::Took(path, value) => took.record(value, &[KeyValue::new("path", path)]),
            Input::Flush => provider.force_flush().expect("the receiver takes it"),
        }
    }
    let told = provider.shutdown().map_err(|error| error.to_string());
    client.close(LONG);
    told
}
