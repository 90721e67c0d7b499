//! The promises of instruments, each against the real receiver. A module per promise.

use std::collections::BTreeMap;
use std::time::Duration;

use potsdb::Client;
use potsdb_instruments::Instruments;
use potsdb_receiver::{Config, Receiver};

mod counts_elsewhere;
mod ends_well;
mod keeps_limits;
mod loses_nothing;
mod names_series;
mod ticks;

/// Longer than anything here takes on a busy machine; a test that needs it has failed.
const LONG: Duration = Duration::from_secs(60);

fn receiver() -> Receiver {
    Receiver::start(Config::default()).expect("a free port on loopback")
}

/// A client of that receiver, without a host tag.
fn open(receiver: &Receiver) -> Client {
    Client::open(&format!("{}?host_tag=false", receiver.url())).expect("the options are right")
}

/// What was stored, by metric and tags: times and values, in the order of time.
fn stored(receiver: &Receiver) -> BTreeMap<String, Vec<(i64, String)>> {
    let mut series: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for point in receiver.points() {
        let tags = point.series.tags.iter().map(|(name, value)| format!(" {name}={value}"));
        let name = point.series.metric.clone() + &tags.collect::<String>();
        series
            .entry(name)
            .or_default()
            .push((point.timestamp, point.value.clone()));
    }
    series.values_mut().for_each(|points| points.sort());
    series
}

/// The values of one series.
fn values(receiver: &Receiver, series: &str) -> Vec<String> {
    let points = stored(receiver).remove(series).unwrap_or_default();
    points.into_iter().map(|(_, value)| value).collect()
}

/// Asserts that everything was delivered.
fn ended(stats: &potsdb::Stats) {
    assert!(stats.is_balanced(), "{stats:?}");
    assert_eq!(
        (stats.accepted, stats.repeated, stats.invalid),
        (stats.delivered(), 0, 0),
        "{stats:?}"
    );
}

fn tag() -> [(&'static str, &'static str); 1] {
    [("path", "/login")]
}

fn instruments(client: &Client) -> Instruments {
    Instruments::new(client)
}
