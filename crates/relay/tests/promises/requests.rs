//! HTTP: 204 means safe, 400 that the good ones are, 503 that nothing can be said.

use std::io::Write as _;

use crate::world::{ONE, World};

const GOOD: &str = r#"{"metric":"m","timestamp":1767225600,"value":1,"tags":{"h":"a"}}"#;
const BAD: &str = r#"{"metric":"m","timestamp":1767225600,"value":"x","tags":{"h":"a"}}"#;

/// Posts a body on a connection of its own; the answer's head and body.
#[track_caller]
fn post(world: &World, target: &str, body: &str) -> (String, String) {
    let mut sender = world.connect();
    sender.say(format!(
        "POST {target} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let answer = sender.rest();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

#[track_caller]
fn get(world: &World, target: &str) -> String {
    let mut sender = world.connect();
    sender.say(format!("GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n"));
    sender.rest()
}

#[test]
fn all_safe_is_204_and_empty() {
    let world = World::new();
    let (head, body) = post(&world, "/api/put", GOOD);
    assert!(head.starts_with("HTTP/1.1 204 ") && body.is_empty(), "{head}");
    assert_eq!(world.stores[0].points().len(), 1);
    let (head, body) = post(&world, "/api/put?summary", &format!("[{GOOD},{GOOD}]"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(body, r#"{"success":2,"failed":0}"#);
}

#[test]
fn bad_points_are_named_when_the_good_ones_are_safe() {
    let world = World::new();
    let (head, body) = post(&world, "/api/put?details", &format!("[{BAD},{GOOD}]"));
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(
        body.contains(r#""success":1,"failed":1"#) && body.contains("Unable to parse value"),
        "{body}"
    );
    assert_eq!(world.stores[0].points().len(), 1);
    assert_eq!(world.relay.status()["top_peers"][0]["invalid"], 1);
}

#[test]
fn what_is_not_safe_in_time_is_503_and_a_repeat_is_taken() {
    let world = World::new();
    world.stores[0].faults().stall_answers(true);
    let (head, _) = post(&world, "/api/put", GOOD);
    assert!(
        head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: "),
        "{head}"
    );
    world.stores[0].faults().stall_answers(false);
    world.until("it is safe", |world| {
        post(world, "/api/put", GOOD).0.starts_with("HTTP/1.1 204 ")
    });
    assert!(world.count("unavailable") > 0);
}

#[test]
fn sync_waits_for_the_store() {
    let world = World::new();
    let (head, _) = post(&world, "/api/put?sync", GOOD);
    assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
    assert_eq!(world.stores[0].points().len(), 1);
}

#[test]
fn a_body_may_be_compressed_chunked_and_in_pieces() {
    let world = World::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(format!("[{GOOD}]").as_bytes()).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let mut sender = world.connect();
    sender.say("POST /api/put HTTP/1.1\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(sender.line() + &sender.line(), "HTTP/1.1 100 Continue\r\n\r\n");
    for byte in gzip {
        sender.say([b"1\r\n", &[byte][..], b"\r\n"].concat());
    }
    sender.say("0\r\n\r\n");
    assert!(sender.line().starts_with("HTTP/1.1 204 "));
    assert_eq!(world.stores[0].points().len(), 1);
}

#[test]
fn bodies_beyond_the_limits_are_413_and_what_is_no_json_is_400() {
    let world = World::with(ONE, |config| config.limits.body = 100);
    let (head, _) = post(&world, "/api/put", &format!("[{GOOD},{GOOD}]"));
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    let (head, body) = post(&world, "/api/put", "[{");
    assert!(
        head.starts_with("HTTP/1.1 400 ") && body.contains("Unable to parse"),
        "{head}"
    );
}

#[test]
fn probes_and_clients_are_answered_shortly_and_queries_are_sent_to_the_store() {
    let world = World::new();
    assert!(get(&world, "/api/version").contains("potsdb-relay"));
    assert!(get(&world, "/api/config").contains("tsd.http.request.max_chunk"));
    assert!(get(&world, "/live").ends_with("alive\n"));
    assert!(get(&world, "/ready").ends_with("ready\n"));
    assert!(get(&world, "/status").contains(r#""serving":true"#));
    let mut browser = world.connect();
    browser.say("GET / HTTP/1.1\r\nAccept: text/html,*/*\r\nConnection: close\r\n\r\n");
    let page = browser.rest();
    assert!(
        page.contains("<p>ready, up ") && page.contains(&format!("<td>{} (store)<td>0", world.stores[0].url())),
        "{page}"
    );
    assert!(get(&world, "/metrics").contains("# TYPE potsdb_relay_points_total counter"));
    assert!(get(&world, "/api/query?m=sum:m").starts_with("HTTP/1.1 404 "));
    assert!(get(&world, "/api/put").starts_with("HTTP/1.1 405 "));
}

#[test]
fn a_connection_serves_many_bodies() {
    let world = World::new();
    let mut sender = world.connect();
    for _ in 0..50 {
        sender.say(format!(
            "POST /api/put HTTP/1.1\r\nContent-Length: {}\r\n\r\n{GOOD}",
            GOOD.len()
        ));
        assert!(sender.line().starts_with("HTTP/1.1 204 "));
        while sender.line() != "\r\n" {}
    }
    assert_eq!(world.count("answered_safe"), 50);
}
