//! What is sent arrives, as it was sent, once.

use potsdb::{Sent, Server};

use super::*;

#[test]
fn a_point_is_acknowledged_and_on_the_wire_as_the_documentation_shows_it() {
    let receiver = recording();
    let client = builder(&receiver)
        .set("host_tag", "web1")
        .set("tags", "dc=eu")
        .set("prefix", "app.")
        .build()
        .unwrap();
    client.send_at("requests", 1, at(0), [("path", "/login")]).unwrap();
    client.send_at("latency", 0.0123, at(0), [("dc", "us")]).unwrap();
    client.send_at("up", true as i64, at(0), ()).unwrap();
    client.flush(LONG).unwrap();
    assert_eq!(
        receiver.lines(),
        [
            "put app.requests 1700000000 1 path=/login dc=eu host=web1",
            "put app.latency 1700000000 0.0123 dc=us host=web1",
            "put app.up 1700000000 1 dc=eu host=web1",
        ]
    );
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(
        (stats.acknowledged, stats.endpoints[0].server),
        (3, Some(Server::OpenTsdb))
    );
}

#[test]
fn many_points_from_many_threads_all_arrive() {
    let receiver = receiver(Config::default());
    let client = builder(&receiver).set("overflow", "block").build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let client = &client;
            scope.spawn(move || {
                let series = client.series("test.threads", [("thread", thread.to_string())]).unwrap();
                for n in 0..25_000 {
                    assert_eq!(series.send_at(n, at(n)).unwrap(), Sent::Queued);
                }
            });
        }
    });
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(
        (
            stats.acknowledged,
            receiver.counts().accepted,
            receiver.counts().duplicates
        ),
        (200_000, 200_000, 0)
    );
}

#[test]
fn a_server_that_never_answers_gets_its_points_too_and_they_are_unconfirmed() {
    let receiver = receiver(Config {
        personality: Personality::VictoriaMetrics,
        keep_lines: true,
        ..Config::default()
    });
    let client = open(&receiver);
    send(&client, 0, 5_000);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.unconfirmed, stats.acknowledged), (5_000, 0));
    assert!(receiver.wait_for(5_000, LONG));
    stored(&receiver, 5_000);
    assert!(
        receiver.raw_lines().starts_with(b"put "),
        "never begins with a question"
    );
}

#[test]
fn a_silent_server_named_in_advance_is_never_asked() {
    let receiver = receiver(Config {
        personality: Personality::VictoriaMetrics,
        ..Config::default()
    });
    let client = builder(&receiver).set("server", "victoriametrics").build().unwrap();
    send(&client, 0, 1_000);
    client.flush(LONG).unwrap();
    assert_eq!(client.stats().unconfirmed, 1_000);
    ended(&client.close(LONG));
    assert!(receiver.wait_for(1_000, LONG));
    assert_eq!((receiver.counts().versions, receiver.counts().unknown), (0, 0));
}

#[test]
fn bulk_lines_of_a_client_that_adds_nothing_are_taken_as_they_are_and_bad_ones_are_named() {
    let receiver = recording();
    let client = builder(&receiver).set("host_tag", "false").build().unwrap();
    let input = b"put a 1700000000 1 h=x\nb 1700000000 2.50 h=x\n\nput c 17 1 h=x\n # put e\nput d 1700000000.5 +3  h=x \r\nlast 1700000000 4 h=x";
    let sent = client.send_lines(input, Duration::MAX).unwrap();
    assert_eq!((sent.queued, sent.lines, sent.consumed), (4, 7, input.len()));
    assert_eq!((sent.bad.len(), sent.passed_over), (1, 2));
    assert_eq!(sent.bad[0].number, 4);
    client.flush(LONG).unwrap();
    let expected = [
        "put a 1700000000 1 h=x",
        "put b 1700000000 2.50 h=x",
        "put d 1700000000500 3 h=x",
        "put last 1700000000 4 h=x",
    ];
    assert_eq!(receiver.lines(), expected);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.invalid), (4, 1));
}

#[test]
fn bulk_lines_get_the_prefix_the_tags_and_the_host_of_the_client_as_calls_do() {
    let receiver = recording();
    let options = [("host_tag", "web1"), ("prefix", "p."), ("tags", "dc=eu,rack=7")];
    let client = options
        .iter()
        .fold(builder(&receiver), |builder, (name, value)| builder.set(name, value))
        .build()
        .unwrap();
    let input = b"m 1700000000 1 a=b\nm 1700000001 1\nm 1700000002 1 rack=8 host=x\nm x 1\n";
    let sent = client.send_lines(input, Duration::MAX).unwrap();
    assert_eq!((sent.queued, sent.bad.len()), (3, 1));
    client.send_at("m", 1, at(3), [("a", "b")]).unwrap();
    client.flush(LONG).unwrap();
    let expected = [
        "put p.m 1700000000 1 a=b dc=eu rack=7 host=web1",
        "put p.m 1700000001 1 dc=eu rack=7 host=web1",
        "put p.m 1700000002 1 rack=8 host=x dc=eu",
        "put p.m 1700000003 1 a=b dc=eu rack=7 host=web1",
    ];
    assert_eq!(receiver.lines(), expected);
    ended(&client.close(LONG));
}

#[test]
fn a_second_line_of_a_series_at_one_time_is_sent_unless_it_is_to_be_sent_once() {
    let receiver = recording();
    let client = builder(&receiver).set("host_tag", "web1").build().unwrap();
    let twice = b"m 1700000000 1 a=b\nm 1700000000 2 a=b\n";
    assert_eq!(client.send_lines(twice, Duration::MAX).unwrap().queued, 2);
    let once = b"m 1700000001 1 a=b\nm 1700000001 2 a=b\nbad\n\nm 1700000001 3 a=c\nm 1700000002 1 a=b";
    let sent = client.send_lines_once(once, Duration::MAX).unwrap();
    assert_eq!((sent.queued, sent.repeated, sent.lines), (3, 1, 6));
    assert_eq!((sent.bad[0].number, sent.passed_over), (3, 1));
    // What calls sent is remembered, too.
    assert_eq!(client.send_at("m", 9, at(2), [("a", "b")]).unwrap(), Sent::Repeated);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.repeated, stats.invalid), (5, 2, 1));
    let keeping = builder(&receiver).set("repeats", "keep").build().unwrap();
    assert_eq!(keeping.send_lines_once(twice, Duration::MAX).unwrap().queued, 2);
    ended(&keeping.close(LONG));
}

#[test]
fn a_second_point_of_a_series_at_one_time_is_counted_and_not_sent() {
    let receiver = recording();
    let client = open(&receiver);
    let series = client.series("twice", [("a", "1"), ("b", "2")]).unwrap();
    assert_eq!(series.send_at(1, at(0)).unwrap(), Sent::Queued);
    assert_eq!(series.send_at(2, at(0)).unwrap(), Sent::Repeated);
    // The same series, made another way; the order of tags is part of it, as on the wire.
    assert_eq!(
        client.send_at("twice", 3, at(0), [("a", "1"), ("b", "2")]).unwrap(),
        Sent::Repeated
    );
    assert_eq!(
        client.send_at("twice", 4, at(0), [("b", "2"), ("a", "1")]).unwrap(),
        Sent::Queued
    );
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.repeated), (2, 2));
}

#[test]
fn the_pace_is_kept_and_nothing_is_lost_by_it() {
    let receiver = receiver(Config::default());
    let client = builder(&receiver).set("mps", "1000").build().unwrap();
    let started = std::time::Instant::now();
    send(&client, 0, 500);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 500);
    assert!(
        started.elapsed() >= Duration::from_millis(400),
        "500 points at 1000 a second take half a second"
    );
}

#[test]
fn a_first_point_is_written_without_anybody_asking_for_it() {
    let receiver = receiver(Config::default());
    let clients: Vec<Client> = (0..200)
        .map(|n| {
            let client = open(&receiver);
            client.send_at("first", n, at(n), [("h", "a")]).unwrap();
            client
        })
        .collect();
    assert!(receiver.wait_for(200, LONG), "{:?}", receiver.counts());
    for client in clients {
        ended(&client.close(LONG));
    }
}

#[test]
fn points_that_come_one_by_one_are_written_without_being_asked_for() {
    let receiver = receiver(Config::default());
    let client = open(&receiver);
    for n in 0..5 {
        send(&client, n, 1);
        assert!(receiver.wait_for(n + 1, LONG), "no longer than the worker lingers");
    }
    ended(&client.close(LONG));
}
