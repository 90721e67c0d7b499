//! A metric has so many series and no more, and the program is told before.

use super::*;
use potsdb::binding::ClientBinding as _;

#[test]
fn updates_of_series_beyond_the_limit_are_counted_and_not_sent() {
    let receiver = receiver();
    let client = open(&receiver);
    let instruments = Instruments::builder(&client).max_series(5).build().unwrap();
    for user in 0..8 {
        instruments
            .counter("hits", [("user", user.to_string())])
            .unwrap()
            .add(1);
        instruments.gauge("others", tag()).unwrap().set(user);
    }
    assert_eq!(
        (instruments.stats().instruments, instruments.stats().beyond_limit),
        (6, 3)
    );
    let said: Vec<String> = client.take_reports().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "metric \"hits\" has 4 series of 5 it may have; the tag \"user\" has 4 values",
            "metric \"hits\" has 5 series, the limit: updates of others are counted and not sent; the tag \"user\" has 5 values"
        ]
    );
    ended(&client.close(LONG));
    assert_eq!(stored_points(&receiver).len(), 6);
}
