//! Series that two connections write at the same time with other values are named, bounded, and told over HTTP.

mod peer;

use peer::{Peer, SOON, reply_to, request};
use potsdb_receiver::{Config, Personality, Receiver};

fn receiver(config: Config) -> Receiver {
    Receiver::start(config).expect("a free port")
}

#[test]
fn two_connections_that_send_one_series_are_told_and_the_last_value_stays() {
    let receiver = receiver(Config::default());
    reply_to(&receiver, "put m 1700000000 7 b=2 a=1\n");
    reply_to(&receiver, "put m 1700000000 5 a=1 b=2\nput m 1700000001 5 a=1 b=2\n");
    reply_to(&receiver, "put m 1700000001 6 a=1 b=2\n");
    let collisions = receiver.collisions();
    assert_eq!(collisions.len(), 1);
    assert_eq!(
        collisions[0].to_string(),
        "m{a=1,b=2} (2 times, the last at 1700000001: 5, then 6)"
    );
    let counts = receiver.counts();
    assert_eq!((counts.collisions, counts.conflicts), (2, 2));
    assert_eq!(receiver.points()[0].value, "5");
}

#[test]
fn what_one_connection_writes_and_what_is_sent_again_are_no_collisions() {
    let receiver = receiver(Config::default());
    reply_to(&receiver, "put m 1 7 a=1\nput m 1 8 a=1\n");
    // After an outage, over a new connection: the same bytes.
    reply_to(&receiver, "put m 1 8 a=1\nput m 2 1 a=1\n");
    assert_eq!(receiver.collisions(), []);
    assert_eq!(receiver.counts().conflicts, 1);
}

#[test]
fn a_journals_points_belong_to_no_connection() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config {
        journal: Some(folder.path().join("points")),
        ..Config::default()
    };
    reply_to(&receiver(config.clone()), "put m 1 7 a=1\n");
    let receiver = receiver(config);
    reply_to(&receiver, "put m 1 8 a=1\n");
    assert_eq!((receiver.counts().loaded, receiver.collisions().len()), (1, 0));
}

#[test]
fn every_personality_tells_them_over_http() {
    for personality in Personality::ALL {
        let receiver = receiver(Config {
            personality,
            ..Config::default()
        });
        let none = r#"{"collisions":0,"series":[]}"#;
        let told = request(&receiver, "GET", "/api/potsdb/collisions", "");
        assert_eq!(told, (200, none.to_owned()), "{personality}");
        // VictoriaMetrics keeps the order of two connections only when the first has ended.
        for value in [1, 2] {
            Peer::of(&receiver).say(format!("put m 1700000000 {value} h=a\n"));
            assert!(receiver.wait_for(value, SOON));
        }
        let told = request(&receiver, "GET", "/api/potsdb/collisions", "").1;
        let timestamp = receiver.points()[0].timestamp;
        let series =
            format!(r#"{{"metric":"m","tags":{{"h":"a"}},"times":1,"timestamp":{timestamp},"values":["1","2"]}}"#);
        assert_eq!(
            told,
            format!(r#"{{"collisions":1,"series":[{series}]}}"#),
            "{personality}"
        );
    }
}

#[test]
fn points_over_http_collide_as_those_over_telnet_do() {
    let receiver = receiver(Config::default());
    for value in [1, 2] {
        let body = format!(r#"[{{"metric":"m","timestamp":1700000000,"value":{value},"tags":{{"h":"a"}}}}]"#);
        assert_eq!(request(&receiver, "POST", "/api/put", body).0, 204);
    }
    assert_eq!(receiver.collisions()[0].after, "2");
    reply_to(&receiver, "put m 1700000000 3 h=a\n");
    assert_eq!(receiver.collisions()[0].times, 2);
}
