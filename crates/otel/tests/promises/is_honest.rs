//! A result is `Ok` when everything was delivered, and says what was not.

use opentelemetry::metrics::MeterProvider;
use opentelemetry_opentsdb::Names;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use potsdb::binding::ClientBinding as _;

use super::*;

#[test]
fn what_is_pending_is_an_error_that_says_how_much() {
    // Nobody answers there.
    let client = Client::open("tsdb://127.0.0.1:1?host_tag=false&close_grace=0s").unwrap();
    let exporter = Exporter::builder(&client)
        .deliver_within(Duration::from_millis(1))
        .build()
        .unwrap();
    client.send("before", 1, [("a", "1")]).unwrap();
    let error = exporter.force_flush().unwrap_err().to_string();
    assert_eq!(error, "Operation failed: 1 points are pending after 1ms, and go on");
    let error = exporter.shutdown_with_timeout(Duration::ZERO).unwrap_err().to_string();
    assert_eq!(error, "Operation failed: 1 points are pending after 0ns, and go on");
    let error = exporter.shutdown().unwrap_err().to_string();
    assert_eq!(error, "Shutdown already invoked");
    assert!(exporter.force_flush().is_err());
    client.stop();
}

#[test]
fn a_flush_of_the_provider_fails_if_nothing_was_delivered() {
    let client = Client::open("tsdb://127.0.0.1:1?host_tag=false&close_grace=0s").unwrap();
    let provider = provider(
        Exporter::builder(&client)
            .deliver_within(Duration::from_millis(1))
            .build()
            .unwrap(),
    );
    provider.meter("test").u64_counter("hits").build().add(1, &a());
    assert!(provider.force_flush().is_err());
    client.stop();
    assert!(provider.force_flush().is_err(), "and so it does when all is given up");
}

#[test]
fn a_metric_that_cannot_be_sent_is_an_error_and_the_others_arrive() {
    let receiver = receiver();
    let client = open(&receiver);
    let exporter = Exporter::builder(&client)
        .names(Names::Refuse)
        .deliver_within(LONG)
        .build()
        .unwrap();
    let provider = provider(exporter);
    let meter = provider.meter("test");
    meter.u64_counter("good").build().add(1, &a());
    meter
        .u64_counter("bad")
        .build()
        .add(1, &[KeyValue::new("path", "/users/{id}")]);
    let many: Vec<KeyValue> = (0..9).map(|n| KeyValue::new(format!("k{n}"), n)).collect();
    meter.u64_counter("many").build().add(1, &many);
    assert!(provider.force_flush().is_err());
    assert!(provider.force_flush().is_err());
    let said: Vec<String> = client.take_reports().iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "one a metric: {said:?}");
    assert!(
        said.iter()
            .all(|words| words.starts_with("metric ") && words.contains(" cannot be sent: ")),
        "{said:?}"
    );
    assert_eq!(stored(&receiver).keys().collect::<Vec<_>>(), ["good a=1"]);
}

#[test]
fn what_the_instruments_do_not_take_is_an_error() {
    let receiver = receiver();
    let client = open(&receiver);
    let exporter = Exporter::builder(&client).max_series(1).deliver_within(LONG).build();
    let provider = provider(exporter.unwrap());
    let hits = provider.meter("test").u64_counter("hits").build();
    hits.add(1, &a());
    provider.force_flush().unwrap();
    hits.add(1, &[KeyValue::new("a", "2")]);
    assert!(provider.force_flush().is_err());
    assert_eq!(stored(&receiver).keys().collect::<Vec<_>>(), ["hits a=1"]);
}

#[test]
fn without_a_wait_an_export_is_right_when_its_points_were_accepted() {
    let client = Client::open("tsdb://127.0.0.1:1?host_tag=false&close_grace=0s").unwrap();
    let provider = provider(
        Exporter::builder(&client)
            .deliver_within(Duration::ZERO)
            .build()
            .unwrap(),
    );
    provider.meter("test").u64_counter("hits").build().add(1, &a());
    provider.force_flush().unwrap();
    assert_eq!(client.stats().pending(), 2);
    client.stop();
}

#[test]
fn an_export_of_nothing_is_right_and_after_a_shutdown_it_is_not() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    let exporter = exporter(&client);
    let export = || now_or_never(exporter.export(&ResourceMetrics::default()));
    assert!(export().is_ok());
    exporter.shutdown().unwrap();
    assert_eq!(export().unwrap_err().to_string(), "Shutdown already invoked");
}

#[test]
fn a_provider_that_goes_leaves_the_last_state_and_the_client_open() {
    let receiver = receiver();
    let client = open(&receiver);
    {
        let provider = provider(exporter(&client));
        provider.meter("test").u64_counter("hits").build().add(7, &a());
    }
    assert_eq!(stored(&receiver)["hits a=1"], ["0", "7"]);
    client.send("more", 1, [("a", "1")]).unwrap();
    ended(&client.close(LONG));
}

#[test]
fn a_program_that_ends_cleanly_leaves_its_last_state() {
    let receiver = receiver();
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().with_file_name("examples").join("pages");
    let url = format!("{}?host_tag=false", receiver.url());
    let ended = std::process::Command::new(&example).arg(url).status();
    assert!(ended.expect("cargo test builds the examples").success());
    let stored = stored(&receiver);
    for (series, last) in [
        ("web.requests path=/ service.name=shop", "75"),
        ("web.requests path=/login service.name=shop", "25"),
        ("web.open service.name=shop", "32"),
        ("web.latency.count path=/ service.name=shop", "75"),
        ("web.latency.max path=/ service.name=shop", "0.099"),
    ] {
        assert_eq!(stored[series].last().unwrap(), last, "{series}");
    }
}

/// The result of a future that does not wait.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}
