//! Nothing but points gets out: what is illegal is refused at the call, by name.

use potsdb::{SendError, TagIter};

use super::*;

#[test]
fn illegal_input_is_refused_counted_and_never_written() {
    let receiver = recording();
    let client = open(&receiver);
    let refused: Vec<Result<_, SendError>> = vec![
        client.send_at("", 1, at(0), [("h", "a")]),
        client.send_at("a b", 1, at(0), [("h", "a")]),
        client.send_at("a\nput x", 1, at(0), [("h", "a")]),
        client.send_at("m\0", 1, at(0), [("h", "a")]),
        client.send_at("mé", 1, at(0), [("h", "a")]),
        client.send_at("m", 1, at(0), [("", "a")]),
        client.send_at("m", 1, at(0), [("h", "")]),
        client.send_at("m", 1, at(0), [("h", "x\ndiediedie")]),
        client.send_at("m", 1, at(0), [("h", "a=b")]),
        client.send_at("m", 1, at(0), [("h", "a"), ("h", "b")]),
        client.send_at("m", 1, at(0), ()),
        client.send_at("m", 1, at(0), TagIter((0..9).map(|n| (format!("t{n}"), "v")))),
        client.send_at("m", 1, at(0), [("h", "x".repeat(1024))]),
        client.send_at("m", f64::NAN, at(0), [("h", "a")]),
        client.send_at("m", f64::INFINITY, at(0), [("h", "a")]),
        client.send_at("m", u64::MAX, at(0), [("h", "a")]),
    ];
    let count = refused.len() as u64;
    for result in refused {
        assert!(matches!(result, Err(SendError::Invalid(_))), "{result:?}");
    }
    client.send_at("m", 1, at(0), [("h", "a")]).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.invalid, stats.accepted), (count, 1));
    assert_eq!(receiver.lines(), ["put m 1700000000 1 h=a"]);
}

#[test]
fn replace_repairs_names_and_counts_them() {
    let receiver = recording();
    let client = builder(&receiver).set("invalid", "replace").build().unwrap();
    client.send_at("a b", 1, at(0), [("h", "x\ny")]).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(
        (receiver.lines(), stats.replaced),
        (vec!["put a_b 1700000000 1 h=x_y".to_owned()], 2)
    );
}

#[test]
fn a_client_whose_every_line_would_be_illegal_is_not_built() {
    for (name, value, said) in [
        ("host_tag", "a b", "a tag of every point:"),
        ("tags", "a b=c", "a tag of every point:"),
        ("prefix", "a b", "option prefix:"),
    ] {
        let error = Client::builder("tsdb://127.0.0.1:4242")
            .set(name, value)
            .build()
            .unwrap_err();
        assert!(error.to_string().starts_with(said), "{error}");
    }
    assert!(
        Client::builder("tsdb://127.0.0.1:4242")
            .set("check_host", "maybe")
            .build()
            .is_err()
    );
}

#[test]
fn typed_options_are_held_against_the_rules_of_their_text() {
    let builder = || Client::builder("tsdb://127.0.0.1:4242");
    let hour = Duration::from_secs(3600);
    for (builder, said) in [
        (
            builder().connections(0),
            "option connections: \"0\" is not a whole number",
        ),
        (
            builder().window_bytes(1000),
            "option window_bytes: \"1000\" is not a number of bytes of at least",
        ),
        (
            builder().write_timeout(Duration::ZERO),
            "option write_timeout: \"0s\" is not a duration of at least",
        ),
        (builder().mps(f64::NAN), "option mps: \"NaN\" is not a number from 0 up"),
        (
            builder().backoff((hour, LONG)),
            "option backoff: \"3600s..60s\" is not two durations",
        ),
        (
            builder()
                .ack(potsdb::Ack::Accepted)
                .server(potsdb::Server::VictoriaMetrics),
            "option ack: \"accepted\" has no effect over tsdb: victoriametrics cannot tell",
        ),
    ] {
        let error = builder.build().map(|_| ()).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn a_limit_of_no_time_is_no_limit_when_typed_too() {
    let receiver = receiver(Config::default());
    let client = builder(&receiver)
        .max_age(Duration::ZERO)
        .connection_max_age(Duration::ZERO)
        .build()
        .unwrap();
    send(&client, 0, 100);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.connects), (100, 1));
}

#[test]
fn an_option_that_has_no_effect_on_the_wire_is_refused_with_the_reason() {
    for (url, rule) in [
        (
            "tsdb://h?gzip=true",
            "option gzip: \"true\" has no effect over tsdb: only http and https have bodies",
        ),
        (
            "http://h?ack=none",
            "option ack: \"none\" has no effect over http: the answer comes unasked",
        ),
    ] {
        assert_eq!(Client::open(url).unwrap_err().to_string(), rule);
    }
    // What is off has no effect anywhere.
    let client = Client::open("tsdb://h?gzip=false&test_mode=true").unwrap();
    ended(&client.close(LONG));
}
