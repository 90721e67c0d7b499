//! The promises of the layer, against the real receiver.

use std::time::Duration;

use potsdb::Client;
use potsdb_instruments::Instruments;
use potsdb_test_support::{LONG, ended, open, receiver, stored};
use potsdb_tracing::MetricsLayer;
use tracing_subscriber::prelude::*;

mod never_fails;
mod says_the_same;

/// Without a tick for a day, which would say again what did not change.
fn layer(client: &Client) -> MetricsLayer {
    let instruments = Instruments::builder(client)
        .interval(Duration::from_secs(86_400))
        .build();
    MetricsLayer::new(&instruments.expect("a whole number of seconds"))
}

/// Runs with that layer alone.
fn within(layer: MetricsLayer, run: impl FnOnce()) {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), run);
}
