//! The promises of instruments, each against the real receiver. A module per promise.

use std::time::Duration;

use potsdb::Client;
use potsdb_instruments::Instruments;
use potsdb_receiver::Receiver;
use potsdb_test_support::{LONG, ended, open, receiver, stored, stored_points};

mod counts_elsewhere;
mod ends_well;
mod keeps_limits;
mod loses_nothing;
mod names_series;
mod ticks;

/// The values of one series.
fn values(receiver: &Receiver, series: &str) -> Vec<String> {
    stored(receiver).remove(series).unwrap_or_default()
}

fn tag() -> [(&'static str, &'static str); 1] {
    [("path", "/login")]
}

fn instruments(client: &Client) -> Instruments {
    Instruments::new(client)
}
