//! Everything is sent at multiples of the interval, with one timestamp, changed or not.

use super::*;

#[test]
fn all_points_of_a_tick_have_one_time_that_is_a_multiple_of_the_interval() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = Instruments::builder(&client)
        .interval(Duration::from_secs(2))
        .build()
        .unwrap();
    instruments.counter("hits", tag()).unwrap().add(3);
    instruments.gauge("busy", tag()).unwrap().set(0.5);
    // A zero, and at least one tick of both that changed nothing.
    assert!(receiver.wait_for(5, LONG));
    ended(&client.close(LONG));
    let stored = stored_points(&receiver);
    let (hits, busy) = (&stored["hits path=/login"], &stored["busy path=/login"]);
    assert_eq!(hits[0].1, "0");
    assert!(hits[1..].iter().all(|(_, value)| value == "3"));
    assert!(busy.iter().all(|(time, value)| time % 2 == 0 && value == "0.5"));
    // The gauge is born later, if only by a moment.
    let ticks = |points: &[(i64, String)]| points.iter().map(|(time, _)| *time).collect::<Vec<_>>();
    assert_eq!(ticks(&hits[hits.len() - busy.len()..]), ticks(busy));
}

#[test]
fn intervals_are_whole_seconds() {
    let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
    for (millis, said) in [
        (0, "interval: 0ns is not whole seconds from 1 to 86400"),
        (1500, "interval: 1.5s is not whole seconds from 1 to 86400"),
    ] {
        let built = Instruments::builder(&client)
            .interval(Duration::from_millis(millis))
            .build();
        assert_eq!(built.unwrap_err().to_string(), said);
    }
    let built = Instruments::builder(&client).quantiles([1.5]).build();
    assert_eq!(built.unwrap_err().to_string(), "quantiles: 1.5 is not from 0 to 1");
    let built = Instruments::builder(&client).buckets([2.0, 1.0]).build();
    assert_eq!(
        built.unwrap_err().to_string(),
        "buckets: bounds are finite and increase"
    );
}
