//! An event never fails: what cannot be sent is said once and counted.

use tracing::info;

use super::*;
use potsdb::binding::ClientBinding as _;

#[test]
fn what_cannot_be_sent_is_said_once_and_counted() {
    let receiver = receiver();
    let client = open(&receiver);
    within(layer(&client).tags(["a", "path"]), || {
        info!(monotonic_counter.hits = 1, a = 1);
        for _ in 0..3 {
            info!(gauge.hits = 1, a = 1);
            info!(histogram.took = "long", a = 1);
            info!(monotonic_counter.hits = 1, a = 1, path = "/users/{id}");
        }
    });
    let said: Vec<String> = client.take_reports().iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    let wanted = "field \"gauge.hits\" is not sent: metric \"hits\" is a counter already: it cannot be a gauge too";
    assert_eq!(said[0], wanted);
    assert_eq!(
        said[1],
        "field \"histogram.took\" is not sent: what is in it is no number"
    );
    let stats = client.close(LONG);
    assert_eq!((stats.accepted, stats.delivered(), stats.invalid), (2, 2, 9));
    assert_eq!(stored(&receiver)["hits a=1"], ["0", "1"]);
}

#[test]
fn what_is_negative_or_infinite_is_refused() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    let instruments = Instruments::new(&client);
    within(MetricsLayer::new(&instruments), || {
        info!(monotonic_counter.hits = -1);
        info!(gauge.heat = f64::NAN, histogram.took = f64::INFINITY);
    });
    assert_eq!(instruments.stats().refused, 3);
}
