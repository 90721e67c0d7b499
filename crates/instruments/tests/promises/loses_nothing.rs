//! What was counted is what arrives, from however many threads.

use super::*;
use potsdb::binding::ClientBinding as _;

#[test]
fn a_hundred_adds_within_a_second_are_stored_as_a_hundred() {
    let receiver = receiver();
    let client = open(&receiver);
    let hits = instruments(&client).counter("hits", tag()).unwrap();
    for _ in 0..100 {
        hits.add(1);
    }
    assert_eq!(hits.total(), 100);
    ended(&client.close(LONG));
    assert_eq!(values(&receiver, "hits path=/login"), ["0", "100"]);
}

#[test]
fn threads_that_update_at_once_lose_nothing() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = instruments(&client);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let hits = instruments.counter("hits", tag()).unwrap();
                let busy = instruments.gauge("busy", tag()).unwrap();
                let took = instruments.histogram("took", tag()).unwrap();
                for _ in 0..10_000 {
                    hits.add(2);
                    hits.add_float(0.5);
                    busy.add(1);
                    took.record(0.25);
                }
            });
        }
        (0..5).for_each(|_| client.flush(LONG).unwrap());
    });
    ended(&client.close(LONG));
    for (series, last) in [
        ("hits path=/login", "100000"),
        ("busy path=/login", "40000"),
        ("took.count path=/login", "40000"),
        ("took.sum path=/login", "10000"),
    ] {
        assert_eq!(values(&receiver, series).last().unwrap(), last, "{series}");
    }
}

#[test]
fn handles_of_the_same_name_and_tags_are_one_instrument() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = instruments(&client);
    for _ in 0..10 {
        instruments.counter("hits", [("a", "1"), ("b", "2")]).unwrap().add(1);
        instruments
            .clone()
            .counter("hits", [("b", "2"), ("a", "1")])
            .unwrap()
            .add(1);
    }
    ended(&client.close(LONG));
    assert_eq!(values(&receiver, "hits a=1 b=2").last().unwrap(), "20");
}

#[test]
fn what_is_no_number_is_refused_and_counted() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = instruments(&client);
    let took = instruments.histogram("took", tag()).unwrap();
    let hits = instruments.counter("hits", tag()).unwrap();
    let busy = instruments.gauge("busy", tag()).unwrap();
    took.record(f64::NAN);
    took.record(f64::INFINITY);
    hits.add_float(-1.0);
    busy.set(f64::NEG_INFINITY);
    took.record(-2.0);
    took.record(0.0);
    assert_eq!(instruments.stats().refused, 4);
    let said: Vec<String> = client.take_reports().iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "one a metric: {said:?}");
    assert_eq!(
        said[0],
        "metric \"took\": NaN is no finite number: refused, like others to come"
    );
    ended(&client.close(LONG));
    assert_eq!(values(&receiver, "took.count path=/login"), ["0", "2"]);
    assert_eq!(values(&receiver, "took.min path=/login"), ["-2"]);
}

#[test]
fn a_timer_measures_each_block_by_a_token_of_its_own() {
    let receiver = receiver();
    let client = open(&receiver);
    let took = instruments(&client).timer("took", tag()).unwrap();
    let (first, second) = (took.start(), took.start());
    assert_eq!(took.time(|| 7), 7);
    took.record(Duration::from_millis(1500));
    drop(first);
    assert!(second.stop() < LONG);
    took.start().discard();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| took.time(|| panic!("of the program"))));
    assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "of the program");
    ended(&client.close(LONG));
    assert_eq!(values(&receiver, "took.count path=/login"), ["0", "5"]);
    assert_eq!(values(&receiver, "took.max path=/login"), ["1.5"]);
}
