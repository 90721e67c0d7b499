//! The promises of the recorder, against the real receiver.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics_exporter_opentsdb::{Builder, Recorder};
use potsdb::Client;
use potsdb_receiver::{Config, Receiver};

mod ends_well;
mod never_fails;
mod says_the_same;

/// Longer than anything here takes on a busy machine; a test that needs it has failed.
const LONG: Duration = Duration::from_secs(60);

fn receiver() -> Receiver {
    Receiver::start(Config::default()).expect("a free port on loopback")
}

fn open(receiver: &Receiver) -> Client {
    Client::open(&format!("{}?host_tag=false", receiver.url())).expect("the options are right")
}

/// Without a tick for a day, which would say again what did not change.
fn recorder(client: &Client) -> Recorder {
    Builder::new(client)
        .interval(Duration::from_secs(86_400))
        .build_recorder()
        .expect("the defaults are right")
}

/// The values of each series, in the order of time.
fn stored(receiver: &Receiver) -> BTreeMap<String, Vec<String>> {
    let mut series: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for point in receiver.points() {
        let tags = point.series.tags.iter().map(|(name, value)| format!(" {name}={value}"));
        let name = point.series.metric.clone() + &tags.collect::<String>();
        series
            .entry(name)
            .or_default()
            .push((point.timestamp, point.value.clone()));
    }
    let values = |(name, mut points): (String, Vec<(i64, String)>)| {
        points.sort();
        (name, points.into_iter().map(|(_, value)| value).collect())
    };
    series.into_iter().map(values).collect()
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
