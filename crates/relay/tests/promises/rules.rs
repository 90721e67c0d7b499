//! Rules: what is forwarded is what they say, over both ways in, and each is counted.

use crate::world::{ONE, World};

fn with(rules: &[&str]) -> World {
    World::with(ONE, |config| {
        config.rules = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
    })
}

#[test]
fn lines_are_changed_before_a_store_sees_them_and_dropped_ones_are_answered_for() {
    let mut world = with(&["drop metric=debug.*", "tag set tenant=a", "metric prefix eu."]);
    let mut sender = world.connect();
    sender.say("put debug.x 1767225600 1 h=a\r\nput m 1767225600 1 h=a tenant=b  \r\nput m x 1 h=a\nversion\n");
    assert!(sender.version().starts_with("put: illegal argument: timestamp: "));
    let mut http = world.connect();
    let body = r#"[{"metric":"n","timestamp":1767225600,"value":1,"tags":{"h":"a"}},
                   {"metric":"debug.y","timestamp":1767225600,"value":1,"tags":{"h":"a"}}]"#;
    http.say(format!(
        "POST /api/put HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(http.rest().starts_with("HTTP/1.1 204 "));
    let lines = world.stores[0].lines();
    assert_eq!(
        lines,
        [
            "put eu.m 1767225600 1 h=a tenant=a",
            "put eu.n 1767225600 1 h=a tenant=a"
        ]
    );
    assert_eq!(world.count("filtered"), 2);
    let status = world.relay.status();
    assert_eq!(status["rules"][0]["applied"], 2);
    // Told anew, those that stay go on counting.
    let mut config = world.config.clone();
    config.rules = vec!["drop metric=debug.*".parse().expect("a rule")];
    world.relay.reload(config).expect("rules");
    let mut sender = world.connect();
    sender.say("put m 1767225601 1 h=a\nput debug.x 1767225600 1 h=a\nversion\n");
    assert_eq!(sender.version(), "");
    assert_eq!(world.stores[0].lines()[2], "put m 1767225601 1 h=a");
    assert_eq!(world.relay.status()["rules"][0]["applied"], 3);
}
