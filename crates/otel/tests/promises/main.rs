//! The promises of the exporter, against the real receiver.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_opentsdb::Exporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use potsdb::Client;
use potsdb_test_support::{LONG, ended, open, receiver, stored};

mod is_honest;
mod says_the_same;

/// A provider whose reader never exports but when it is flushed or shut down.
fn provider(exporter: Exporter) -> SdkMeterProvider {
    let reader = PeriodicReader::builder(exporter)
        .with_interval(Duration::from_secs(3600))
        .build();
    SdkMeterProvider::builder()
        .with_resource(Resource::builder_empty().build())
        .with_reader(reader)
        .build()
}

fn exporter(client: &Client) -> Exporter {
    Exporter::builder(client)
        .deliver_within(LONG)
        .build()
        .expect("the defaults are right")
}

fn a() -> [KeyValue; 1] {
    [KeyValue::new("a", "1")]
}
