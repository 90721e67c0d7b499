//! What the SDK counted is what arrives.

use opentelemetry::metrics::MeterProvider;
use opentelemetry_opentsdb::{Names, Style};
use opentelemetry_sdk::metrics::{Aggregation, Instrument, Stream, Temporality};

use super::*;

#[test]
fn totals_begin_with_a_zero_and_gauges_and_balances_have_their_values() {
    for temporality in [Temporality::Cumulative, Temporality::Delta, Temporality::LowMemory] {
        let receiver = receiver();
        let client = open(&receiver);
        let exporter = Exporter::builder(&client)
            .temporality(temporality)
            .deliver_within(LONG)
            .build();
        let provider = provider(exporter.unwrap());
        let meter = provider.meter("test");
        let hits = meter.u64_counter("hits").build();
        let cost = meter.f64_counter("cost").build();
        let open = meter.i64_up_down_counter("open").build();
        let heat = meter.f64_gauge("heat").build();
        let _polled = meter
            .u64_observable_counter("polled")
            .with_callback(|polled| polled.observe(7, &a()))
            .build();
        for round in 1..=3 {
            hits.add(round, &a());
            cost.add(0.5, &a());
            open.add(if round == 2 { -5 } else { 1 }, &a());
            heat.record(round as f64 * 1.5, &a());
            provider.force_flush().unwrap();
        }
        provider.shutdown().unwrap();
        let stored = stored(&receiver);
        // The shutdown exports what did not change once more.
        for (series, wanted) in [
            ("hits a=1", &["0", "1", "3", "6"][..]),
            ("cost a=1", &["0", "0.5", "1", "1.5"]),
            ("open a=1", &["1", "-4", "-3"]),
            ("polled a=1", &["0", "7", "7", "7"]),
        ] {
            assert_eq!(stored[series][..wanted.len()], *wanted, "{series} {temporality:?}");
            assert_eq!(
                stored[series].last(),
                stored[series].get(wanted.len() - 1),
                "{series} {temporality:?}"
            );
        }
        assert_eq!(stored["heat a=1"][..3], ["1.5", "3", "4.5"]);
        ended(&client.close(LONG));
    }
}

#[test]
fn a_gauge_that_is_observed_no_more_ends() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let receiver = receiver();
    let client = open(&receiver);
    let provider = provider(exporter(&client));
    let meter = provider.meter("test");
    let is_there = Arc::new(AtomicBool::new(true));
    let observed = Arc::clone(&is_there);
    let _disk = meter
        .u64_observable_gauge("disk")
        .with_callback(move |disk| {
            if observed.load(Ordering::Relaxed) {
                disk.observe(3, &a());
            }
        })
        .build();
    let hits = meter.u64_counter("hits").build();
    hits.add(1, &a());
    provider.force_flush().unwrap();
    is_there.store(false, Ordering::Relaxed);
    provider.force_flush().unwrap();
    provider.shutdown().unwrap();
    let stored = stored(&receiver);
    assert_eq!(stored["disk a=1"], ["3"]);
    assert_eq!(stored["hits a=1"], ["0", "1", "1", "1"]);
}

#[test]
fn all_points_of_an_export_have_one_time_and_it_is_a_multiple_of_the_interval_if_that_is_free() {
    let receiver = receiver();
    let client = open(&receiver);
    let exporter = Exporter::builder(&client)
        .align(Duration::from_secs(1))
        .deliver_within(LONG)
        .build();
    let provider = provider(exporter.unwrap());
    let meter = provider.meter("test");
    meter.u64_counter("hits").build().add(1, &a());
    meter.f64_gauge("heat").build().record(1.0, &a());
    meter.f64_histogram("took").build().record(1.0, &a());
    provider.force_flush().unwrap();
    provider.force_flush().unwrap();
    provider.shutdown().unwrap();
    let points = receiver.points();
    let times = |metric: &str| {
        let of_metric = points.iter().filter(|point| point.series.metric == metric);
        let mut times: Vec<i64> = of_metric.map(|point| point.timestamp).collect();
        times.sort_unstable();
        times
    };
    let exports = times("heat");
    assert!(
        exports.len() == 3 && exports.is_sorted_by(|one, next| one < next),
        "{exports:?}"
    );
    assert_eq!(times("hits")[1..], exports, "after a zero");
    assert_eq!(times("took.count")[1..], exports);
    assert_eq!(times("took.p50"), exports[..1], "the others are of empty intervals");
}

#[test]
fn histograms_of_both_kinds_have_the_series_of_their_style() {
    for is_exponential in [false, true] {
        let receiver = receiver();
        let client = open(&receiver);
        let exporter = Exporter::builder(&client)
            .style(Style::Prometheus)
            .quantiles([0.5])
            .buckets(true)
            .deliver_within(LONG)
            .build()
            .unwrap();
        let reader = PeriodicReader::builder(exporter).build();
        let view = move |_: &Instrument| {
            let aggregation = match is_exponential {
                true => Aggregation::Base2ExponentialHistogram {
                    max_size: 160,
                    max_scale: 20,
                    record_min_max: true,
                },
                false => Aggregation::ExplicitBucketHistogram {
                    boundaries: vec![0.1, 1.0],
                    record_min_max: true,
                },
            };
            Stream::builder().with_aggregation(aggregation).build().ok()
        };
        let provider = SdkMeterProvider::builder()
            .with_resource(Resource::builder_empty().build())
            .with_reader(reader)
            .with_view(view)
            .build();
        let took = provider.meter("test").f64_histogram("took").build();
        [0.1, 0.5, 0.7, 30.0]
            .into_iter()
            .for_each(|value| took.record(value, &a()));
        provider.shutdown().unwrap();
        let stored = stored(&receiver);
        assert_eq!(stored["took_count a=1"], ["0", "4"]);
        assert_eq!(stored["took_sum a=1"], ["0", "31.3"]);
        assert_eq!(stored["took_max a=1"], ["30"]);
        let median: f64 = stored["took a=1 quantile=0.5"][0].parse().unwrap();
        assert!(
            if is_exponential {
                (median - 0.5).abs() < 0.01
            } else {
                (0.1..1.0).contains(&median)
            },
            "{median}"
        );
        for (le, count) in [("0.1", "1"), ("1", "3"), ("inf", "4")] {
            let series = stored.get(&format!("took_bucket a=1 le={le}"));
            let wanted = (!is_exponential).then(|| vec!["0".to_owned(), count.to_owned()]);
            assert_eq!(series, wanted.as_ref(), "{le}");
        }
    }
}

#[test]
fn attributes_that_are_left_out_are_added_up_and_resource_attributes_come_by_a_list() {
    let receiver = receiver();
    let client = open(&receiver);
    let exporter = Exporter::builder(&client)
        .skip_attributes(["user"])
        .resource_attributes(["service.name", "zone"])
        .deliver_within(LONG)
        .build()
        .unwrap();
    let resource = [
        KeyValue::new("service.name", "shop"),
        KeyValue::new("zone", "eu"),
        KeyValue::new("os", "linux"),
    ];
    let provider = SdkMeterProvider::builder()
        .with_resource(Resource::builder_empty().with_attributes(resource).build())
        .with_periodic_exporter(exporter)
        .build();
    let hits = provider.meter("one").u64_counter("hits").build();
    let same = provider.meter("two").u64_counter("hits").build();
    for user in 0..5 {
        hits.add(2, &[KeyValue::new("user", user), KeyValue::new("zone", "us")]);
    }
    same.add(1, &[KeyValue::new("zone", "us")]);
    provider.force_flush().unwrap();
    hits.add(1, &[KeyValue::new("zone", "us"), KeyValue::new("user", 3)]);
    provider.shutdown().unwrap();
    let stored = stored(&receiver);
    assert_eq!(stored.keys().collect::<Vec<_>>(), ["hits service.name=shop zone=us"]);
    assert_eq!(stored["hits service.name=shop zone=us"], ["0", "11", "12"]);
}

#[test]
fn names_are_replaced_unless_they_are_to_be_escaped() {
    for (names, series) in [
        (Names::Replace, "hits path=/users/_id_"),
        (Names::Escape, "hits path=/users/_7Bid_7D"),
    ] {
        let receiver = receiver();
        let client = open(&receiver);
        let exporter = Exporter::builder(&client)
            .names(names)
            .deliver_within(LONG)
            .build()
            .unwrap();
        let provider = provider(exporter);
        provider
            .meter("test")
            .u64_counter("hits")
            .build()
            .add(3, &[KeyValue::new("path", "/users/{id}")]);
        provider.shutdown().unwrap();
        assert_eq!(stored(&receiver)[series], ["0", "3"]);
    }
}

#[test]
fn units_and_descriptions_are_kept() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    let exporter = exporter(&client);
    let instruments = exporter.instruments().clone();
    let provider = provider(exporter);
    let took = provider
        .meter("test")
        .f64_histogram("took")
        .with_unit("s")
        .with_description("How long.")
        .build();
    took.record(1.0, &[]);
    provider.force_flush().unwrap();
    let described = instruments.descriptions();
    assert_eq!(
        (&*described[0].metric, &*described[0].unit, &*described[0].text),
        ("took", "s", "How long.")
    );
}
