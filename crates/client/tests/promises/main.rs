//! The promises, each against the real receiver. A module per promise, named as ARCHITECTURE.md words it.
//!
//! Every test ends in [`ended`], which asserts that the ledger balances.

use std::time::Duration;

use potsdb::binding::ClientBinding as _;
use potsdb::{Builder, Client, Stats, Timestamp};
use potsdb_receiver::{Config, Personality, Receiver};

mod accounts;
mod closes;
mod delivers;
mod doorkeeper;
#[cfg(feature = "tls")]
mod encrypts;
mod flushes;
mod gate;
mod logs_in;
mod never_blocks;
mod nothing_stops_the_rest;
mod outlives_outage;
mod refuses;
mod scratch;
mod scripted;
mod speaks_http;
#[cfg(feature = "spool")]
mod spools;
mod survives_faults;
#[cfg(feature = "frame")]
mod takes_tables;
mod tells_siblings_apart;

/// Longer than anything here takes on a busy machine; a test that needs it has failed.
const LONG: Duration = Duration::from_secs(60);

fn receiver(config: Config) -> Receiver {
    Receiver::start(config).expect("a free port on loopback")
}

/// A receiver that keeps the lines as they came.
fn recording() -> Receiver {
    receiver(Config {
        keep_lines: true,
        ..Config::default()
    })
}

/// A client of that receiver, without a host tag.
fn builder(receiver: &Receiver) -> Builder {
    Client::builder(&receiver.url()).set("host_tag", "false")
}

fn open(receiver: &Receiver) -> Client {
    builder(receiver).build().expect("the options are right")
}

/// The n-th second of the tests' time.
fn at(second: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + second).expect("within the range")
}

/// Sends points `first..first + count` of one series, one per second.
fn send(client: &Client, first: u64, count: u64) {
    let series = client.series("test.points", [("h", "a")]).expect("legal");
    for n in first..first + count {
        series.send_at(n, at(n)).expect("accepted");
    }
}

/// Asserts what holds at the end of every test: all points accounted for, none pending.
fn ended(stats: &Stats) {
    assert!(stats.is_balanced(), "{stats:?}");
    assert_eq!(stats.pending(), 0, "{stats:?}");
    assert_eq!(stats.panics, 0, "{stats:?}");
}

/// Asserts that the receiver stored points `0..count`, with their values, and every copy of a line
/// was the same.
fn stored(receiver: &Receiver, count: u64) {
    let points = receiver.points();
    assert_eq!(points.len() as u64, count);
    let mut values: Vec<(i64, String)> = points
        .iter()
        .map(|point| (point.timestamp, point.value.clone()))
        .collect();
    values.sort_unstable();
    for (n, (timestamp, value)) in (0..).zip(values) {
        assert_eq!(
            (timestamp, value),
            (i64::try_from(at(n).as_u64()).unwrap(), n.to_string())
        );
    }
    assert!(
        points.iter().all(|point| point.identical),
        "a line was written again in other bytes"
    );
}
