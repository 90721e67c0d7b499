//! What arrived is stored once, counted exactly, kept within bounds.

mod peer;

use std::time::Duration;

use peer::{Peer, SOON, reply_to};
use potsdb_receiver::{Config, Receiver};

fn receiver(config: Config) -> Receiver {
    Receiver::start(config).expect("a free port")
}

#[test]
fn every_copy_of_a_line_is_counted_and_the_point_stored_once() {
    let receiver = receiver(Config::default());
    reply_to(
        &receiver,
        "put m 1 5 a=1 b=2\nput m 1 5 a=1 b=2\nput m 1 5 a=1 b=2\nput m 2 5 a=1 b=2\n",
    );
    let points = receiver.points();
    assert_eq!(
        points
            .iter()
            .map(|point| (point.copies, point.identical))
            .collect::<Vec<_>>(),
        [(3, true), (1, true)]
    );
    let counts = receiver.counts();
    assert_eq!(
        (counts.accepted, counts.duplicates, counts.respelled, counts.conflicts),
        (4, 2, 0, 0)
    );
}

#[test]
fn a_copy_with_other_bytes_is_told_from_an_identical_one() {
    let receiver = receiver(Config::default());
    reply_to(
        &receiver,
        "put m 1 5 a=1 b=2\nput m 1 5 b=2 a=1\nput n 1 5 a=1\nput n 1 5.0 a=1\n",
    );
    let points = receiver.points();
    let seen: Vec<_> = points
        .iter()
        .map(|point| (point.value.as_str(), point.copies, point.identical))
        .collect();
    assert_eq!(seen, [("5", 2, false), ("5.0", 2, false)], "the last value stays");
    let counts = receiver.counts();
    assert_eq!((counts.duplicates, counts.respelled, counts.conflicts), (0, 1, 1));
}

#[test]
fn tag_order_does_not_make_another_series() {
    let receiver = receiver(Config::default());
    reply_to(
        &receiver,
        "put m 1 5 b=2 a=1\nput m 2 5 a=1 b=2\nput m 3 5  b=2  a=1 a=1\n",
    );
    let points = receiver.points();
    assert_eq!(points.len(), 3);
    assert!(points.iter().all(|point| point.series == points[0].series));
}

#[test]
fn lines_are_kept_as_they_came_refused_ones_too() {
    let receiver = receiver(Config {
        keep_lines: true,
        ..Config::default()
    });
    reply_to(
        &receiver,
        "put m 1 5 b=2 a=1\nversion\nput m x 5 a=1\nput m 1 5 b=2 a=1\n",
    );
    assert_eq!(
        receiver.lines(),
        ["put m 1 5 b=2 a=1", "put m x 5 a=1", "put m 1 5 b=2 a=1"]
    );
}

#[test]
fn the_oldest_points_of_a_full_series_go_and_are_counted() {
    let receiver = receiver(Config {
        max_points_per_series: 3,
        ..Config::default()
    });
    reply_to(
        &receiver,
        (1..=10)
            .map(|timestamp| format!("put m {timestamp} 1 h=a\n"))
            .collect::<String>(),
    );
    let timestamps: Vec<i64> = receiver.points().iter().map(|point| point.timestamp).collect();
    assert_eq!(timestamps, [8, 9, 10]);
    assert_eq!(receiver.counts().evicted_points, 7);
}

#[test]
fn the_series_touched_longest_ago_goes_first() {
    let receiver = receiver(Config {
        max_series: 2,
        ..Config::default()
    });
    reply_to(
        &receiver,
        "put a 1 1 h=a\nput b 1 1 h=a\nput a 2 1 h=a\nput c 1 1 h=a\nput b 2 1 h=a\n",
    );
    let left: Vec<(String, i64)> = receiver
        .points()
        .iter()
        .map(|point| (point.series.metric.clone(), point.timestamp))
        .collect();
    assert_eq!(left, [("b".into(), 2), ("c".into(), 1)], "b went for c, then a for b");
    let counts = receiver.counts();
    assert_eq!((counts.evicted_series, counts.evicted_points), (2, 3));
}

#[test]
fn points_are_bounded_over_all_series() {
    let receiver = receiver(Config {
        max_points: 100,
        ..Config::default()
    });
    let line = |number: usize| format!("put m {} 1 h={}\n", 1 + number / 10, number % 10);
    reply_to(&receiver, (0..1000).map(line).collect::<String>());
    assert_eq!(receiver.points().len(), 100);
    assert_eq!(receiver.counts().evicted_points, 900);
}

#[test]
fn waiting_ends_at_the_point_or_at_the_deadline() {
    let receiver = receiver(Config::default());
    assert!(!receiver.wait_for(1, Duration::from_millis(5)));
    Peer::of(&receiver).say("put m 1 1 h=a\n");
    assert!(receiver.wait_for(1, SOON));
    assert!(receiver.wait_until(SOON, |counts| counts.open == 0 && counts.connections == 1));
}

#[test]
fn a_stopped_receiver_frees_its_port_and_closes_its_connections() {
    let first = receiver(Config::default());
    let mut peer = Peer::of(&first);
    peer.say("put m 1 1 h=a\nversion\n").hear("net.opentsdb.tools");
    let address = first.address();
    let stored = first.stop();
    assert_eq!((stored.points.len(), stored.counts.accepted), (1, 1));
    // The rest of the version reply, unread, is all there is to hear.
    let _ = peer.rest();
    let second = receiver(Config {
        listen: address,
        ..Config::default()
    });
    assert_eq!(reply_to(&second, "put m 1 1 h=a\n"), "");
}
