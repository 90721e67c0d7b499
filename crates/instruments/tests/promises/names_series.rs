//! What series are called, and what becomes of characters that OpenTSDB does not allow.

use potsdb::binding::ClientBinding as _;
use potsdb_instruments::{InstrumentError, Kind, Names, Style};

use super::*;

#[test]
fn a_histogram_has_the_series_of_its_style() {
    for (style, wanted) in [
        (
            Style::Dotted,
            "took.count, took.max, took.min, took.p50, took.p90, took.p99, took.p999, took.sum",
        ),
        (
            Style::Prometheus,
            "took quantile=0.5, took quantile=0.9, took quantile=0.99, took quantile=0.999, took_count, took_max, took_sum",
        ),
    ] {
        let receiver = receiver();
        let client = Client::open(&format!("{}?host_tag=web1", receiver.url())).unwrap();
        let instruments = Instruments::builder(&client).style(style).build().unwrap();
        instruments.histogram("took", ()).unwrap().record(0.5);
        ended(&client.close(LONG));
        let stored = stored_points(&receiver);
        let names: Vec<String> = stored.keys().map(|name| name.replace(" host=web1", "")).collect();
        assert_eq!(names.join(", "), wanted);
        assert!(
            stored
                .values()
                .flatten()
                .all(|(_, value)| ["0", "1", "0.5"].contains(&value.as_str()))
        );
    }
}

#[test]
fn buckets_are_there_if_they_were_asked_for() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = Instruments::builder(&client)
        .style(Style::Prometheus)
        .buckets([0.1, 1.0])
        .build()
        .unwrap();
    let took = instruments.histogram("took", tag()).unwrap();
    [0.1, 0.5, 0.7, 30.0].into_iter().for_each(|value| took.record(value));
    ended(&client.close(LONG));
    for (le, count) in [("0.1", "1"), ("1", "3"), ("inf", "4")] {
        let series = format!("took_bucket le={le} path=/login");
        assert_eq!(values(&receiver, &series), ["0", count], "{series}");
    }
}

#[test]
fn illegal_names_are_refused_unless_they_are_to_be_replaced_or_escaped() {
    let receiver = receiver();
    let client = open(&receiver);
    let refusing = instruments(&client);
    let error = refusing.counter("a:b", tag()).unwrap_err();
    assert!(matches!(error, InstrumentError::Invalid(_)), "{error}");
    let escaping = Instruments::builder(&client).names(Names::Escape).build().unwrap();
    escaping.counter("a:b_c", [("user", "ann lee")]).unwrap().add(1);
    client.flush(LONG).unwrap();
    assert_eq!(values(&receiver, "a_.b__c user=ann_20lee"), ["0", "1"]);
    let replacing = Instruments::builder(&client).names(Names::Replace).build().unwrap();
    replacing.counter("r", [("user", "ann lee")]).unwrap().add(1);
    replacing.counter("r", [("user", "ann:lee")]).unwrap().add(2);
    replacing.counter("r", [("user", "ann:lee")]).unwrap().add(4);
    client.flush(LONG).unwrap();
    assert_eq!(values(&receiver, "r user=ann_lee").last().unwrap(), "7");
    assert_eq!(replacing.stats().merged, 1);
    let said: Vec<String> = client.take_reports().iter().map(ToString::to_string).collect();
    let wanted = "names fall together: \"r user ann lee\" and \"r user ann:lee\" are one series of the metric \"r\"";
    assert_eq!(said, [wanted]);
}

#[test]
fn names_that_the_client_repairs_to_the_same_are_one_series() {
    let receiver = receiver();
    let client = Client::open(&format!("{}?host_tag=false&invalid=replace", receiver.url())).unwrap();
    let instruments = instruments(&client);
    instruments.counter("hits", [("user", "ann lee")]).unwrap().add(1);
    instruments.counter("hits", [("user", "ann?lee")]).unwrap().add(2);
    instruments.counter("hits", [("user", "ann_lee")]).unwrap().add(4);
    assert_eq!(instruments.stats().merged, 2);
    ended(&client.close(LONG));
    assert_eq!(values(&receiver, "hits user=ann_lee").last().unwrap(), "7");
}

#[test]
fn a_metric_has_one_kind() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    let instruments = instruments(&client);
    instruments.counter("a", tag()).unwrap();
    instruments.timer("took", tag()).unwrap();
    let other = [("path", "/logout")];
    assert!(matches!(
        instruments.gauge("a", other).unwrap_err(),
        InstrumentError::Kind { .. }
    ));
    assert!(matches!(
        instruments.counter("took.count", other).unwrap_err(),
        InstrumentError::Taken { .. }
    ));
    assert!(instruments.histogram("took", other).is_ok());
}

#[test]
fn units_and_descriptions_are_kept() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    let instruments = instruments(&client);
    instruments.describe("took", "seconds", "How long a page takes.");
    instruments.describe("unused", "bytes", "");
    instruments.timer("took", tag()).unwrap();
    let described = instruments.descriptions();
    assert_eq!(described.len(), 2);
    assert_eq!(
        (&*described[0].metric, described[0].kind),
        ("took", Some(Kind::Histogram))
    );
    assert_eq!(
        (&*described[0].unit, &*described[0].text),
        ("seconds", "How long a page takes.")
    );
    assert_eq!((&*described[1].metric, described[1].kind), ("unused", None));
}
