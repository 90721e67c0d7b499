//! What bridges from other libraries need: totals and distributions counted elsewhere, and ticks of their own.

use potsdb_instruments::{InstrumentError, Kind, Matcher, Style, Ticked};

use super::*;

#[test]
fn a_total_counted_elsewhere_raises_the_counter_and_never_lowers_it() {
    let receiver = receiver();
    let client = open(&receiver);
    let hits = instruments(&client).counter("hits", tag()).unwrap();
    for total in [7, 12, 3] {
        hits.raise_to(total);
    }
    assert_eq!(hits.total(), 12);
    hits.add(1);
    ended(&client.close(LONG));
    assert_eq!(values(&receiver, "hits path=/login"), ["0", "13"]);
}

#[test]
fn many_values_at_once_count_as_many() {
    let receiver = receiver();
    let client = open(&receiver);
    let took = instruments(&client).histogram("took", tag()).unwrap();
    took.record_many(0.5, 99);
    took.record_many(7.0, 0);
    took.merge(&[(2.0, 1), (9.0, 0)], 2.5, 1.5, 2.5);
    took.merge(&[], f64::NAN, 0.0, 0.0);
    took.merge(&[(f64::INFINITY, 1)], 1.0, 1.0, 1.0);
    ended(&client.close(LONG));
    for (what, wanted) in [("count", "100"), ("sum", "52"), ("min", "0.5"), ("max", "2.5")] {
        let series = format!("took.{what} path=/login");
        assert_eq!(values(&receiver, &series).last().unwrap(), wanted, "{series}");
    }
}

#[test]
fn each_metric_has_the_buckets_that_its_name_asks_for() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = Instruments::builder(&client)
        .style(Style::Prometheus)
        .buckets([1.0])
        .buckets_for(Matcher::Suffix("_seconds".into()), [2.0])
        .buckets_for(Matcher::Prefix("web_page_".into()), [3.0])
        .buckets_for(Matcher::Full("web_seconds".into()), [4.0])
        .build()
        .unwrap();
    for metric in ["other", "db_seconds", "web_page_seconds", "web_seconds"] {
        instruments.histogram(metric, tag()).unwrap().record(0.5);
    }
    let own = instruments.histogram_with_buckets("own", tag(), &[5.0]).unwrap();
    own.record(0.5);
    let error = instruments
        .histogram_with_buckets("own", tag(), &[5.0, 5.0])
        .unwrap_err();
    assert!(matches!(error, InstrumentError::Buckets { .. }));
    assert_eq!(error.to_string(), "metric \"own\": bounds are finite and increase");
    ended(&client.close(LONG));
    for (metric, le) in [
        ("other", 1),
        ("db_seconds", 2),
        ("web_page_seconds", 3),
        ("web_seconds", 4),
        ("own", 5),
    ] {
        let series = format!("{metric}_bucket le={le} path=/login");
        assert_eq!(values(&receiver, &series), ["0", "1"], "{series}");
    }
}

#[test]
fn ticks_of_the_program_have_the_time_it_says_and_series_of_one_kind_can_end() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = Instruments::builder(&client)
        .ticks_by_program()
        .idle_timeout_of(Kind::Gauge, Duration::from_secs(1))
        .build()
        .unwrap();
    let hits = instruments.counter("hits", tag()).unwrap();
    let busy = instruments.gauge("busy", tag()).unwrap();
    let start = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    hits.add(3);
    busy.set(0.5);
    let Ticked {
        points,
        refused,
        closed,
        ..
    } = instruments.tick(start + 60);
    assert_eq!((points, refused, closed), (3, 0, false), "a zero, and one of each");
    assert_eq!(
        instruments.tick(start + 60),
        Ticked::default(),
        "that second has its points"
    );
    let late = instruments.counter("late", tag()).unwrap();
    late.add(1);
    assert_eq!(instruments.tick(start + 120).points, 3, "the gauge was not set since");
    busy.set(0.5);
    assert_eq!(instruments.tick(start + 180).points, 3);
    ended(&client.close(LONG));
    let stored = stored_points(&receiver);
    let later = |series: &str| -> Vec<(i64, String)> {
        let since = |(time, value): &(i64, String)| (time - start.cast_signed(), value.clone());
        stored[series].iter().map(since).collect()
    };
    let hits = later("hits path=/login");
    assert!(
        (-2..=0).contains(&hits[0].0) && hits[0].1 == "0",
        "when the instruments were made: {hits:?}"
    );
    assert_eq!(hits[1..], [60, 120, 180].map(|time| (time, "3".to_owned())));
    assert_eq!(
        later("busy path=/login"),
        [60, 180].map(|time| (time, "0.5".to_owned()))
    );
    let late = later("late path=/login");
    assert_eq!(
        late,
        [(60, "0"), (120, "1"), (180, "1")].map(|(time, value)| (time, value.to_owned()))
    );
    assert!(instruments.tick(start + 240).closed);
}
