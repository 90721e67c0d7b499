//! What the tests of instruments and of every bridge begin and end with: a real receiver, a client of it, what was stored.

use std::collections::BTreeMap;
use std::time::Duration;

use potsdb::{Client, Stats};
use potsdb_receiver::{Config, Receiver};

/// Longer than anything in these tests takes on a busy machine; a test that needs it has failed.
pub const LONG: Duration = Duration::from_secs(60);

/// Starts a receiver.
pub fn receiver() -> Receiver {
    Receiver::start(Config::default()).expect("a free port on loopback")
}

/// Opens a client of that receiver, without a host tag.
pub fn open(receiver: &Receiver) -> Client {
    Client::open(&format!("{}?host_tag=false", receiver.url())).expect("the options are right")
}

/// The times and values of each series, `metric tag=value`, in the order of time.
pub fn stored_points(receiver: &Receiver) -> BTreeMap<String, Vec<(i64, String)>> {
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

/// The values of each series, in the order of time.
pub fn stored(receiver: &Receiver) -> BTreeMap<String, Vec<String>> {
    let values = |points: Vec<(i64, String)>| points.into_iter().map(|(_, value)| value).collect();
    stored_points(receiver)
        .into_iter()
        .map(|(series, points)| (series, values(points)))
        .collect()
}

/// Asserts that everything was delivered.
///
/// # Panics
///
/// Something was not.
pub fn ended(stats: &Stats) {
    assert!(stats.is_balanced(), "{stats:?}");
    assert_eq!(
        (stats.accepted, stats.repeated, stats.invalid),
        (stats.delivered(), 0, 0),
        "{stats:?}"
    );
}
