//! The same promises over HTTP, where the server answers for each body.

use potsdb::{Server, TagIter};
use potsdb_receiver::{Faults, Offsets};

use super::*;

fn http(receiver: &Receiver) -> Builder {
    Client::builder(&format!("http://{}", receiver.address())).set("host_tag", "false")
}

#[test]
fn many_points_arrive_once_in_bodies_the_server_takes() {
    let receiver = receiver(Config::default());
    let client = http(&receiver).set("overflow", "block").build().unwrap();
    send(&client, 0, 100_000);
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    let counts = receiver.counts();
    assert_eq!(
        (stats.acknowledged, counts.accepted, counts.duplicates, stats.connects),
        (100_000, 100_000, 0, 1)
    );
    assert_eq!(stats.endpoints[0].server, Some(Server::OpenTsdb));
    // 8 192 compressed bytes hold some thousand points.
    assert!(counts.requests < 400, "{counts:?}");
}

#[test]
fn stored_is_what_the_server_says_is_stored() {
    let receiver = receiver(Config::default());
    let client = http(&receiver).set("ack", "stored").build().unwrap();
    send(&client, 0, 5_000);
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, receiver.counts().accepted), (5_000, 5_000));
}

#[test]
fn a_point_the_server_refuses_is_rejected_and_the_others_are_stored() {
    let receiver = receiver(Config::default());
    let client = http(&receiver).set("max_tags", "0").build().unwrap();
    send(&client, 0, 5_000);
    let many = (0..9).map(|n| (format!("tag{n}"), "x"));
    client.send_at("test.many", 1, at(0), TagIter(many)).unwrap();
    send(&client, 5_000, 5_000);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.rejected), (10_000, 1));
    assert!(
        stats.last_rejections[0].contains("Too many tags"),
        "{:?}",
        stats.last_rejections
    );
    assert_eq!(receiver.points().len(), 10_000);
}

#[test]
fn nothing_is_missing_after_connections_died_at_any_byte() {
    for seed in 0..4 {
        let receiver = receiver(Config {
            faults: Faults {
                reset_after: Offsets::Random {
                    seed,
                    below: 30_000,
                    connections: 12,
                },
                ..Faults::default()
            },
            ..Config::default()
        });
        let client = http(&receiver)
            .set("overflow", "block")
            .set("backoff", "1ms..10ms")
            .build()
            .unwrap();
        send(&client, 0, 50_000);
        let stats = client.close(LONG);
        ended(&stats);
        assert_eq!(
            (stats.acknowledged, receiver.points().len()),
            (50_000, 50_000),
            "seed {seed}"
        );
    }
}

#[test]
fn a_url_without_points_behind_it_says_so_and_loses_nothing() {
    let receiver = receiver(Config::default());
    let url = format!("http://{}/nowhere/put", receiver.address());
    let client = Client::builder(&url).set("host_tag", "false").build().unwrap();
    send(&client, 0, 10);
    assert!(client.flush(Duration::from_millis(500)).is_err());
    let stats = client.close(Duration::ZERO);
    ended(&stats);
    assert_eq!(stats.dropped.closed, 10);
    let why = stats.endpoints[0].last_error.clone().unwrap_or_default();
    assert!(why.contains("takes no points at this URL: HTTP 404"), "{why}");
}
