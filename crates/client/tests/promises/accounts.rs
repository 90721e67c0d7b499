//! Every point is accounted for, with its reason.

use std::collections::HashSet;
use std::net::TcpListener;

use potsdb::binding::{SeriesBinding as _, Wait};
use potsdb::{SendError, Sent};

use super::*;

#[test]
fn statistics_are_points_that_are_not_counted_in_themselves_and_the_last_go_out_at_the_close() {
    let receiver = recording();
    let client = builder(&receiver).set("self_metrics", "1s").build().unwrap();
    send(&client, 0, 3);
    assert!(receiver.wait_until(LONG, |counts| counts.accepted > 3));
    send(&client, 3, 4);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.accepted, stats.acknowledged, stats.connects), (7, 7, 1));
    let lines = receiver.lines();
    let last = |metric: &str| {
        let start = format!("put potsdb.{metric} ");
        let line = lines
            .iter()
            .rev()
            .find(|line| line.starts_with(&start))
            .expect("every counter is sent");
        let (value, tags) = line[start.len() + 11..].split_once(' ').unwrap();
        assert!(tags.starts_with("client="), "{line}");
        value.to_owned()
    };
    assert_eq!(
        (&*last("accepted"), &*last("acknowledged"), &*last("pending")),
        ("7", "7", "0")
    );
}

#[test]
fn who_sends_how_much_is_counted_if_asked_for_also_of_lines_and_once_a_point() {
    let receiver = recording();
    let client = builder(&receiver).set("by_metric", "2").build().unwrap();
    send(&client, 0, 3);
    client
        .send_lines(
            b"b 1700000000 1 h=x\nc 1700000000 1 h=x\nd 1700000000 1 h=x\n",
            Duration::MAX,
        )
        .unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    let told: Vec<_> = stats
        .by_metric
        .iter()
        .map(|count| (&*count.metric, count.points, count.bytes))
        .collect();
    let lines = receiver.lines();
    let bytes = |metric: &str| {
        lines
            .iter()
            .filter(|line| line.contains(metric))
            .map(|line| line.len() as u64 + 1)
            .sum::<u64>()
    };
    assert_eq!(
        told,
        [
            ("test.points", 3, bytes("test.points")),
            ("b", 1, bytes(" b ")),
            ("", 2, bytes(" c ") + bytes(" d "))
        ]
    );
}

/// A server that accepts nothing: the port is bound and nobody listens behind it for long.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!(
        "tsdb://{}?host_tag=false&backoff=1ms..10ms",
        listener.local_addr().unwrap()
    )
}

#[test]
fn what_the_server_refuses_is_rejected_with_its_words_and_the_others_go_on() {
    let known = HashSet::from(["good".to_owned()]);
    let receiver = receiver(Config {
        known_metrics: Some(known),
        ..Config::default()
    });
    let client = open(&receiver);
    for n in 0..100 {
        let metric = if n % 10 == 3 { "bad" } else { "good" };
        client.send_at(metric, n, at(n), [("h", "a")]).unwrap();
    }
    client.flush(LONG).unwrap();
    // Statistics are of one instant: who sees the count sees the words, and how the endpoint is.
    let stats = client.stats();
    assert_eq!((stats.rejected, stats.last_rejections.len()), (10, 10));
    assert_eq!(stats.endpoints[0].to_string(), "connected, answers");
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.rejected), (90, 10));
    assert_eq!(stats.rejections, [("unknown metric", 10)]);
    assert!(
        stats
            .last_rejections
            .last()
            .unwrap()
            .contains("No such name for 'metrics': 'bad'")
    );
}

#[test]
fn a_full_queue_drops_the_oldest_and_counts_them_exactly() {
    let client = Client::builder(&nobody()).set("queue_points", "100").build().unwrap();
    send(&client, 0, 1_000);
    let stats = client.stats();
    assert!(stats.is_balanced());
    assert_eq!(
        (stats.accepted, stats.dropped.queue_full, stats.queued),
        (1_000, 900, 100)
    );
    client.stop();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.dropped.queue_full, stats.dropped.stopped), (900, 100));
}

#[test]
fn the_newest_go_under_drop_newest() {
    let client = Client::builder(&nobody())
        .set("queue_points", "10")
        .set("overflow", "drop_newest")
        .build()
        .unwrap();
    send(&client, 0, 10);
    assert_eq!(client.send_at("m", 1, at(0), [("h", "a")]).unwrap(), Sent::Dropped);
    let stats = client.close(Duration::ZERO);
    ended(&stats);
    assert_eq!((stats.dropped.queue_full, stats.dropped.closed), (1, 10));
}

#[test]
fn what_does_not_get_in_under_block_was_never_accepted() {
    let client = Client::builder(&nobody())
        .set("queue_points", "10")
        .set("overflow", "block:1ms")
        .build()
        .unwrap();
    send(&client, 0, 10);
    assert_eq!(client.send_at("m", 1, at(0), [("h", "a")]), Err(SendError::Full));
    let series = client.series("m", [("h", "b")]).unwrap();
    assert_eq!(
        series.send_with(1, Some(at(0)), Wait::No, |_| ()),
        Err(SendError::WouldBlock)
    );
    let stats = client.close(Duration::ZERO);
    ended(&stats);
    assert_eq!((stats.accepted, stats.full, stats.dropped.closed), (10, 1, 10));
}

#[test]
fn the_bound_in_bytes_holds_as_well() {
    let client = Client::builder(&nobody())
        .set("queue_points", "0")
        .set("queue_bytes", "64KiB")
        .build()
        .unwrap();
    send(&client, 0, 10_000);
    let stats = client.stats();
    assert!(stats.is_balanced());
    let line = "put test.points 1700000000 9999 h=a\n".len() as u64;
    assert!(
        stats.queued * line <= 64 * 1024 && (stats.queued + 2) * line > 64 * 1024,
        "{stats:?}"
    );
    ended(&client.close(Duration::ZERO));
}

#[test]
fn what_is_sent_after_stop_is_accepted_and_dropped() {
    let client = Client::open(&nobody()).unwrap();
    send(&client, 0, 5);
    client.stop();
    assert_eq!(client.send_at("m", 1, at(0), [("h", "a")]).unwrap(), Sent::Dropped);
    assert!(client.wait_closed(LONG));
    let stats = client.stats();
    ended(&stats);
    assert_eq!((stats.accepted, stats.dropped.stopped), (6, 6));
}

#[test]
fn what_is_left_and_sent_after_the_programs_end_is_dropped_as_at_a_close_but_without_an_error() {
    let client = Client::open(&nobody()).unwrap();
    send(&client, 0, 5);
    client.abandon();
    assert_eq!(client.send_at("m", 1, at(0), [("h", "a")]).unwrap(), Sent::Dropped);
    assert_eq!(
        client
            .send_lines(b"m 1700000000 1 h=a\n", Duration::MAX)
            .unwrap()
            .queued,
        1
    );
    assert!(client.wait_closed(LONG));
    let stats = client.stats();
    ended(&stats);
    assert_eq!(
        (stats.accepted, stats.dropped.closed, client.is_closed()),
        (7, 7, false)
    );
}

#[test]
fn test_mode_consumes_everything_and_touches_no_network() {
    let client = Client::builder(&nobody()).set("test_mode", "true").build().unwrap();
    send(&client, 0, 1_000);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(
        (stats.dropped.test_mode, stats.connects, stats.bytes_written),
        (1_000, 0, 0)
    );
}

#[test]
fn a_bad_line_given_again_because_there_was_no_room_is_counted_once() {
    let client = Client::builder(&nobody()).set("queue_points", "2").build().unwrap();
    let input = b"m 1700000000 1 h=a\nm 1700000001 1 h=a\nbad\nm 1700000002 1 h=a\n";
    let first = client.send_lines(input, Duration::ZERO).unwrap();
    assert_eq!((first.queued, first.lines, first.bad.len()), (2, 2, 0));
    let second = client.send_lines(&input[first.consumed..], Duration::ZERO).unwrap();
    assert_eq!((second.queued, second.consumed), (0, 0));
    assert_eq!(client.stats().invalid, 0, "nothing of the batch was dealt with");
    client.stop();
    let third = client.send_lines(&input[first.consumed..], Duration::MAX).unwrap();
    assert_eq!((third.queued, third.bad.len()), (1, 1));
    assert!(client.wait_closed(LONG));
    let stats = client.stats();
    ended(&stats);
    assert_eq!((stats.accepted, stats.invalid), (3, 1));
}

#[test]
fn points_too_old_for_use_are_given_up_and_counted() {
    let url = format!("{}&max_age=50ms", nobody());
    let client = Client::open(&url).unwrap();
    send(&client, 0, 1_000);
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.accepted, stats.dropped.expired), (1_000, 1_000));
}
