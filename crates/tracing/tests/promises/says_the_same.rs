//! What events say is what arrives.

use tracing::{debug, info, info_span};

use super::*;

#[test]
fn each_prefix_has_its_instrument_whatever_the_type_of_its_number() {
    let receiver = receiver();
    let client = open(&receiver);
    within(layer(&client).tags(["a"]), || {
        for _ in 0..2 {
            info!(monotonic_counter.hits = 1_u64, counter.open = 2, a = 1);
            info!(
                monotonic_counter.hits = 2_i32,
                counter.open = -3_i64,
                gauge.heat = 1.5,
                histogram.took = 3_u8,
                a = 1
            );
            debug!(
                monotonic_counter.cost = 0.25,
                gauge.heat = 7_u128,
                histogram.took = 0.5_f32,
                a = 1,
                "a message"
            );
        }
    });
    ended(&client.close(LONG));
    let stored = stored(&receiver);
    for (series, last) in [
        ("hits a=1", "6"),
        ("cost a=1", "0.5"),
        ("open a=1", "-2"),
        ("heat a=1", "7"),
        ("took.count a=1", "4"),
        ("took.sum a=1", "7"),
        ("took.max a=1", "3"),
    ] {
        assert_eq!(stored[series].last().unwrap(), last, "{series}");
    }
}

#[test]
fn no_field_is_a_tag_unless_it_was_named() {
    let said = |layer: fn(MetricsLayer) -> MetricsLayer| {
        let receiver = receiver();
        let client = Client::open(&format!("{}?host_tag=web1", receiver.url())).unwrap();
        within(layer(self::layer(&client)), || {
            let _span = info_span!("request", zone = "eu").entered();
            for user in ["ann", "joe"] {
                info!(monotonic_counter.hits = 1, path = "/login", code = 200, ok = true, user = %user, at = ?Some(1), "served");
            }
        });
        client.close(LONG);
        stored(&receiver)
            .into_iter()
            .map(|(name, values)| format!("{name}: {}", values.join(" ")))
            .collect::<Vec<_>>()
    };
    assert_eq!(said(|layer| layer), ["hits host=web1: 0 2"]);
    let wanted = ["hits code=200 host=web1 ok=true path=/login: 0 2"];
    assert_eq!(said(|layer| layer.tags(["path", "code", "ok", "absent"])), wanted);
    assert_eq!(
        said(|layer| layer.tags(["user"])),
        ["hits host=web1 user=ann: 0 1", "hits host=web1 user=joe: 0 1"]
    );
}

#[test]
fn all_fields_are_tags_if_that_was_said() {
    let receiver = receiver();
    let client = open(&receiver);
    within(layer(&client).all_tags(), || {
        info!(
            monotonic_counter.hits = 1,
            gauge.heat = 2,
            path = "/",
            user = "ann",
            "m"
        );
    });
    ended(&client.close(LONG));
    assert_eq!(
        stored(&receiver).keys().collect::<Vec<_>>(),
        ["heat path=/ user=ann", "hits path=/ user=ann"]
    );
}

#[test]
fn a_program_that_ends_cleanly_leaves_its_last_state() {
    let receiver = receiver();
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().with_file_name("examples").join("events");
    let url = format!("{}?host_tag=web1", receiver.url());
    let ended = std::process::Command::new(&example).arg(url).status();
    assert!(ended.expect("cargo test builds the examples").success());
    let stored = stored(&receiver);
    for (series, last) in [
        ("web.requests host=web1 path=/", "75"),
        ("web.requests host=web1 path=/login", "25"),
        ("web.open host=web1", "32"),
        ("web.latency.count host=web1 path=/", "75"),
    ] {
        assert_eq!(stored[series].last().unwrap(), last, "{series}");
    }
}
