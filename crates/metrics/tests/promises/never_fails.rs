//! A macro never fails: what cannot be had is said once and counted.

use metrics::{counter, gauge, histogram, with_local_recorder};
use metrics_exporter_opentsdb::{InstallError, Names};
use potsdb::binding::ClientBinding as _;

use super::*;

#[test]
fn what_cannot_be_had_is_said_once_and_its_updates_are_counted() {
    let receiver = receiver();
    let client = open(&receiver);
    let recorder = Builder::new(&client).names(Names::Refuse).build_recorder().unwrap();
    with_local_recorder(&recorder, || {
        counter!("hits", "a" => "1").increment(1);
        for _ in 0..10 {
            gauge!("hits", "a" => "1").set(1.0);
            counter!("ann lee", "a" => "1").absolute(7);
            histogram!("took", "a" => "a b").record_many(1.0, 2);
        }
    });
    let exporter = recorder.exporter();
    assert_eq!(exporter.stats().refused, 40);
    let said: Vec<String> = client.take_reports().iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    let wanted = "metric \"hits\" is a counter already: it cannot be a gauge too: its updates are counted and not sent";
    assert_eq!(said[0], wanted);
    let stats = exporter.shutdown(LONG);
    assert_eq!(
        (stats.accepted, stats.delivered(), stats.invalid),
        (2, 2, 2),
        "two names are illegal"
    );
    assert_eq!(stored(&receiver).into_keys().collect::<Vec<_>>(), ["hits a=1"]);
}

#[test]
fn what_is_no_number_is_refused() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    let recorder = recorder(&client);
    with_local_recorder(&recorder, || {
        gauge!("busy").set(f64::NAN);
        histogram!("took").record(f64::INFINITY);
    });
    assert_eq!(recorder.exporter().stats().instruments.refused, 2);
}

#[test]
fn a_program_has_one_recorder() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    let _exporter = Builder::new(&client).install().unwrap();
    let error = Builder::new(&client).install().unwrap_err();
    assert_eq!(error, InstallError::Installed);
    let error = Builder::new(&client).interval(Duration::ZERO).install().unwrap_err();
    assert_eq!(error.to_string(), "interval: 0ns is not whole seconds from 1 to 86400");
}
