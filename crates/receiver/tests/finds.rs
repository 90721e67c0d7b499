//! What a test asks a receiver for: found by metric and some tags, waited for, and explained when it is not there.

mod peer;

use std::time::Duration;

use peer::{Peer, SOON, reply_to, request};
use potsdb_receiver::{Config, Found, Personality, Receiver, Value, Wanted};

fn receiver() -> Receiver {
    Receiver::start(Config::default()).expect("a free port")
}

fn logins(receiver: &Receiver) -> Found {
    receiver.has("web.requests", &[("path", "/login")])
}

const TOTALS: &str = "\
put web.requests 1700000000 0 path=/login host=a
put web.requests 1700000010 3 path=/login host=a
put web.requests 1700000005 7 path=/login host=b
put web.requests 1700000000 1 path=/logout host=a
";

#[test]
fn the_tags_asked_for_are_some_of_those_a_series_has() {
    let receiver = receiver();
    reply_to(&receiver, TOTALS);
    let found = logins(&receiver);
    let names: Vec<String> = found.series().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["web.requests{host=a,path=/login}", "web.requests{host=b,path=/login}"]
    );
    assert_eq!(found.count(), 3);
    assert_eq!(found.sum(), 10);
    assert_eq!(found.values(), [0, 7, 3].map(Value::from), "in the order of time");
    assert_eq!(found.last(), Some(Value::Integer(3)));
    assert_eq!(receiver.points_of(Some("web.requests"), &[("host", "a")]).len(), 3);
    assert_eq!(receiver.series_of(None, &[]).len(), 3);
    assert!(receiver.has("web.requests", &[("path", "/log")]).is_empty());
}

#[test]
fn the_increase_is_what_counters_counted_restarts_and_all() {
    let receiver = receiver();
    let mut lines = String::new();
    // Two processes; the second is started anew after 9, and counts on from 0.
    for (time, host, total) in [
        (0, "a", 0),
        (5, "a", 2),
        (9, "a", 5),
        (0, "b", 0),
        (2, "b", 9),
        (4, "b", 1),
        (6, "b", 4),
    ] {
        lines += &format!("put web.requests 170000000{time} {total} path=/login host={host}\n");
    }
    reply_to(&receiver, lines);
    assert_eq!(logins(&receiver).increase(), 5 + 9 + 4);
}

#[test]
fn a_cleared_receiver_counts_the_increase_from_there() {
    let receiver = receiver();
    reply_to(&receiver, TOTALS);
    receiver.clear();
    assert!(receiver.points().is_empty() && receiver.series_of(None, &[]).is_empty());
    assert!(logins(&receiver).is_empty());
    assert_eq!(receiver.counts().accepted, 4, "the counts go on");
    reply_to(&receiver, "put web.requests 1700000020 5 path=/login host=a\n");
    let found = logins(&receiver);
    assert_eq!((found.count(), found.increase()), (1, Value::Integer(2)));
}

#[test]
fn a_cleared_receiver_is_as_bounded_as_before() {
    let receiver = Receiver::start(Config {
        max_points: 3,
        ..Config::default()
    })
    .expect("a free port");
    let line = |series: usize| format!("put m{series} 1 1 h=a\n");
    reply_to(&receiver, (0..3).map(line).collect::<String>());
    receiver.clear();
    reply_to(&receiver, (3..9).map(line).collect::<String>());
    assert_eq!((receiver.points().len(), receiver.counts().evicted_points), (3, 3));
}

#[test]
fn what_is_wanted_is_waited_for_until_it_is_as_wanted() {
    let receiver = receiver();
    let mut peer = Peer::of(&receiver);
    let wanted = Wanted::new("web.requests", &[("path", "/login")]);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| receiver.wait_to_have(&wanted.clone().increase(3).last(3).count(2), SOON));
        peer.say("put web.requests 1700000000 0 path=/login host=a\n");
        assert!(receiver.wait_for(1, SOON));
        peer.say("put web.requests 1700000010 3 path=/login host=a\n");
        let found = waiting.join().expect("it does not panic").expect("it came");
        assert_eq!(found.sum(), 3);
    });
    assert!(
        receiver
            .wait_to_have(&wanted.clone().sum(0.1 + 2.9), Duration::ZERO)
            .is_ok()
    );
    for other in [
        wanted.clone().count(3),
        wanted.clone().sum(4),
        wanted.clone().last(0),
        wanted.clone().increase(2),
    ] {
        assert!(receiver.wait_to_have(&other, Duration::ZERO).is_err(), "{other}");
    }
}

#[test]
fn what_did_not_come_is_told_with_what_did() {
    let receiver = receiver();
    let wanted = Wanted::new("web.requests", &[("path", "/login")]).sum(3).count(1);
    let said = |wanted: &Wanted| {
        let missing = receiver
            .wait_to_have(wanted, Duration::ZERO)
            .expect_err("it is not there");
        missing.after(Duration::from_secs(5)).to_string()
    };
    assert_eq!(
        said(&wanted),
        "web.requests{path=/login} with count 1, sum 3 did not come within 5s\n  \
           no point of it came; nobody has connected"
    );
    reply_to(&receiver, format!("{TOTALS}put web.requests x 3 path=/login\n"));
    assert_eq!(
        said(&wanted),
        "web.requests{path=/login} with count 1, sum 3 did not come within 5s\n  \
           what came: sum 10, count 3, last 3, increase 3\n    \
             web.requests{host=a,path=/login} 0 3\n    \
             web.requests{host=b,path=/login} 7\n  \
           other series:\n    \
             web.requests{host=a,path=/logout} (1 point)\n  \
           refused, 1 in all, the latest:\n    \
             put web.requests x 3 path=/login: put: invalid value: Invalid character 'x' in x"
    );
    let near = said(&Wanted::new("web.request", &[("path", "/login")]));
    let nearest: Vec<&str> = near.lines().skip(3).map(str::trim).take(2).collect();
    assert_eq!(
        nearest,
        [
            "web.requests{host=a,path=/login} (2 points)",
            "web.requests{host=b,path=/login} (1 point)"
        ],
        "{near}"
    );
}

#[test]
fn a_line_says_what_was_found_or_what_is_there_instead() {
    let receiver = receiver();
    assert_eq!(
        logins(&receiver).to_string(),
        "nothing of web.requests{path=/login}: there is no point at all"
    );
    reply_to(&receiver, "put web.requests 1700000000 x path=/login\n");
    assert_eq!(
        logins(&receiver).to_string(),
        "nothing of web.requests{path=/login}: there is no point at all; refused was \
         put web.requests 1700000000 x path=/login: put: invalid value: Invalid character 'x' in x"
    );
    receiver.clear();
    reply_to(&receiver, TOTALS);
    assert_eq!(
        receiver
            .has("web.requests", &[("host", "a"), ("path", "/")])
            .to_string(),
        "nothing of web.requests{host=a,path=/}: there is web.requests{host=a,path=/login} (2 points), \
         web.requests{host=a,path=/logout} (1 point), web.requests{host=b,path=/login} (1 point)"
    );
    assert_eq!(
        logins(&receiver).to_string(),
        "web.requests{path=/login}: sum 10, count 3, last 3, increase 3; \
         web.requests{host=a,path=/login} 0 3, web.requests{host=b,path=/login} 7"
    );
}

#[test]
fn refused_points_are_kept_in_the_servers_words() {
    let receiver = receiver();
    reply_to(&receiver, "put m x 1 h=a\nput m 1 1 h=a\n");
    let body = r#"[{"metric":"m","timestamp":1,"value":"y","tags":{"h":"a"}},{"metric":"","timestamp":1},null]"#;
    request(&receiver, "POST", "/api/put", body);
    let said: Vec<String> = receiver.refused().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "put m x 1 h=a: put: invalid value: Invalid character 'x' in x",
            "put m 1 y h=a: Unable to parse value to a number",
            r#"{"metric":"","timestamp":1}: Metric name was empty"#,
            "null: Unexpected null datapoint encountered in set.",
        ]
    );
    assert_eq!(receiver.counts().refused, 4);
    receiver.clear();
    assert_eq!(receiver.refused(), []);
}

#[test]
fn a_server_that_says_nothing_refuses_all_the_same() {
    for personality in [
        Personality::VictoriaMetrics,
        Personality::InfluxDb,
        Personality::KairosDb,
    ] {
        let receiver = Receiver::start(Config {
            personality,
            ..Config::default()
        })
        .expect("a free port");
        reply_to(&receiver, "put m x 1 h=a\n");
        let refused = receiver.refused();
        assert_eq!(
            (refused.len(), refused[0].line.as_str()),
            (1, "put m x 1 h=a"),
            "{personality}"
        );
        assert!(!refused[0].reason.is_empty());
    }
}
