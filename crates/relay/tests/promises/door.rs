//! The door: who comes in, over what, and how much at once.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use potsdb_relay::{Config, Listen, Where};

use crate::world::{ONE, SOON, Sender, World, puts};

#[test]
fn a_unix_socket_is_a_door_like_any_other_and_its_users_are_peers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("relay.sock");
    let world = World::with(ONE, |config| config.listen.push(Listen::Unix(path.clone())));
    assert_eq!(world.relay.places()[1], Where::Unix(path.clone()));
    let mut unix = UnixStream::connect(&path).expect("it listens");
    unix.set_read_timeout(Some(SOON)).expect("a timeout");
    unix.write_all(format!("{}version\nexit\n", puts("m", 10)).as_bytes())
        .expect("it reads");
    let mut heard = String::new();
    unix.read_to_string(&mut heard).expect("an answer and the end");
    assert!(heard.starts_with("potsdb-relay "), "{heard}");
    let status = world.relay.status();
    assert!(
        status["top_peers"][0]["peer"]
            .as_str()
            .is_some_and(|peer| peer.starts_with("user ")),
        "{status}"
    );
    assert_eq!(status["top_peers"][0]["points"], 10);
    world.stop();
    assert!(!path.exists());
}

#[test]
fn who_does_not_log_in_is_not_heard_and_secrets_are_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let auth = folder.path().join("auth");
    fs::write(&auth, "line auth me secret\nbearer token\n").expect("a file");
    let mut world = World::with(ONE, |config| config.keys.auth = Some(auth.clone()));
    let mut telnet = world.connect();
    telnet.say("auth me wrong\nput m 1767225600 1 h=a\nauth me secret\nput m 1767225601 1 h=a\nversion\n");
    assert_eq!(
        telnet.line() + &telnet.line() + &telnet.line(),
        "AUTH_FAIL\r\nAUTH_FAIL\r\nAUTH_SUCCESS\r\n"
    );
    assert_eq!(telnet.version(), "");
    assert_eq!(world.stores[0].points().len(), 1);
    let get = |world: &World, token: &str| {
        let mut http = world.connect();
        http.say(format!(
            "GET /status HTTP/1.1\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        ));
        http.rest()[9..12].to_owned()
    };
    assert_eq!((get(&world, "x"), get(&world, "token")), ("401".into(), "200".into()));
    fs::write(&auth, "bearer other").expect("a file");
    let config = world.config.clone();
    world.relay.reload(config.clone()).expect("it is right");
    assert_eq!(
        (get(&world, "token"), get(&world, "other")),
        ("401".into(), "200".into())
    );
    fs::write(&auth, "nonsense").expect("a file");
    let words = world.relay.reload(config).expect_err("no logins").to_string();
    assert!(words.contains("line 1"), "{words}");
    assert_eq!(get(&world, "other"), "200", "what there was stays");
}

#[test]
fn what_needs_a_restart_is_said_at_a_reload() {
    let mut world = World::new();
    let mut said = |change: fn(&mut Config)| {
        let mut config = world.config.clone();
        change(&mut config);
        world.relay.reload(config).expect_err("a restart").to_string()
    };
    for (change, what) in [
        (
            (|config| config.stores[0].url.push_str("&mps=5")) as fn(&mut Config),
            "its stores",
        ),
        (|config| config.spool = Some("elsewhere".into()), "its spool"),
        (|config| config.threads = 7, "how many threads it has"),
    ] {
        assert_eq!(said(change), format!("{what} can be changed by a restart alone"));
    }
}

#[test]
fn a_peer_may_be_as_fast_as_its_pace_and_others_are_not_held_up() {
    let world = World::with(ONE, |config| config.peer_points = 1000.0);
    let begun = std::time::Instant::now();
    let mut sender = world.connect();
    // Of one peer, over two connections: a burst of a second, and what is above takes its time.
    for _ in 0..3 {
        sender.say(puts("m", 500)).say("version\n");
        assert_eq!(sender.version(), "");
        sender = Sender::of(world.address());
    }
    sender.say(puts("n", 500)).say("version\n");
    sender.version();
    sender.say("version\n");
    sender.version();
    assert!(begun.elapsed().as_millis() >= 500, "{:?}", begun.elapsed());
    assert_eq!(world.count("refused"), 0);
}

/// Connections that say half a line, and one that works.
#[test]
fn two_thousand_that_drip_hold_up_nobody() {
    let world = World::new();
    let slow: Vec<Sender> = (0..2000)
        .map(|n| {
            let mut slow = world.connect();
            slow.say(format!("put slow.{n} 17672256"));
            slow
        })
        .collect();
    let mut good = world.connect();
    for batch in 0..50 {
        good.say(puts(&format!("good{batch}"), 20)).say("version\n");
        assert_eq!(good.version(), "");
    }
    assert_eq!(world.count("connections"), 2001);
    drop(slow);
    world.until("each half line is counted", |world| world.count("torn") == 2000);
}
