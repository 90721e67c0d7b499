//! What the macros say is what arrives.

use metrics::{Unit, counter, describe_counter, gauge, histogram, with_local_recorder};
use metrics_exporter_opentsdb::{Kind, Matcher, Names, Style};

use super::*;

#[test]
fn totals_raised_from_elsewhere_and_gauges_moved_up_and_down() {
    let receiver = receiver();
    let client = open(&receiver);
    let recorder = recorder(&client);
    with_local_recorder(&recorder, || {
        for total in [7, 12, 3] {
            counter!("polled", "a" => "1").absolute(total);
        }
        let busy = gauge!("busy", "a" => "1");
        busy.increment(5.0);
        busy.decrement(1.5);
        histogram!("took", "a" => "1").record_many(0.5, 1000);
        histogram!("took", "a" => "1").record(Duration::from_millis(1500));
    });
    ended(&recorder.exporter().shutdown(LONG));
    let stored = stored(&receiver);
    for (series, last) in [
        ("polled a=1", "12"),
        ("busy a=1", "3.5"),
        ("took.count a=1", "1001"),
        ("took.sum a=1", "501.5"),
        ("took.max a=1", "1.5"),
    ] {
        assert_eq!(stored[series].last().unwrap(), last, "{series}");
    }
}

#[test]
fn a_macro_that_asks_again_and_again_updates_one_series_in_any_order_of_its_labels() {
    let receiver = receiver();
    let client = open(&receiver);
    let recorder = recorder(&client);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                with_local_recorder(&recorder, || {
                    for _ in 0..1000 {
                        counter!("hits", "a" => "1", "b" => "2").increment(1);
                        counter!("hits", "b" => "2", "a" => "1").increment(1);
                    }
                });
            });
        }
    });
    assert_eq!(recorder.exporter().stats().instruments.instruments, 1);
    ended(&recorder.exporter().shutdown(LONG));
    assert_eq!(stored(&receiver)["hits a=1 b=2"], ["0", "8000"]);
}

#[test]
fn a_prefix_and_tags_of_the_client_stand_in_every_series() {
    let receiver = receiver();
    let client = Client::open(&format!("{}?host_tag=web1&prefix=shop.&tags=dc=eu", receiver.url())).unwrap();
    let recorder = recorder(&client);
    with_local_recorder(&recorder, || counter!("hits").increment(1));
    ended(&recorder.exporter().shutdown(LONG));
    assert_eq!(stored(&receiver)["shop.hits dc=eu host=web1"], ["0", "1"]);
}

#[test]
fn style_quantiles_and_buckets_by_name_are_as_they_were_set() {
    let receiver = receiver();
    let client = open(&receiver);
    let recorder = Builder::new(&client)
        .style(Style::Prometheus)
        .quantiles([0.9])
        .buckets_for(Matcher::Suffix("_seconds".into()), [0.1, 1.0])
        .build_recorder()
        .unwrap();
    with_local_recorder(&recorder, || {
        [0.1, 0.5, 30.0]
            .into_iter()
            .for_each(|value| histogram!("took_seconds", "a" => "1").record(value));
        histogram!("sizes", "a" => "1").record(1.0);
    });
    ended(&recorder.exporter().shutdown(LONG));
    let stored = stored(&receiver);
    let names: Vec<&str> = stored.keys().map(String::as_str).collect();
    assert_eq!(
        names.join(", "),
        "sizes a=1 quantile=0.9, sizes_count a=1, sizes_max a=1, sizes_sum a=1, took_seconds a=1 quantile=0.9, \
         took_seconds_bucket a=1 le=0.1, took_seconds_bucket a=1 le=1, took_seconds_bucket a=1 le=inf, \
         took_seconds_count a=1, took_seconds_max a=1, took_seconds_sum a=1"
    );
    assert_eq!(stored["took_seconds_bucket a=1 le=1"], ["0", "2"]);
}

#[test]
fn names_are_replaced_unless_they_are_to_be_escaped() {
    for (names, series) in [
        (Names::Replace, "web_hits user=ann_lee"),
        (Names::Escape, "web_.hits user=ann_20lee"),
    ] {
        let receiver = receiver();
        let client = open(&receiver);
        let recorder = Builder::new(&client).names(names).build_recorder().unwrap();
        with_local_recorder(&recorder, || counter!("web:hits", "user" => "ann lee").increment(3));
        ended(&recorder.exporter().shutdown(LONG));
        assert_eq!(stored(&receiver)[series], ["0", "3"]);
    }
}

#[test]
fn units_and_descriptions_are_kept() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    let recorder = recorder(&client);
    with_local_recorder(&recorder, || {
        describe_counter!("hits", Unit::Count, "Requests so far.");
        counter!("hits").increment(1);
    });
    let described = recorder.exporter().instruments().descriptions();
    assert_eq!(described.len(), 1);
    assert_eq!(
        (&*described[0].unit, &*described[0].text),
        ("count", "Requests so far.")
    );
    assert_eq!(described[0].kind, Some(Kind::Counter));
}
