//! A relay that is told to stop answers what it was asked, and closes at a line's end.

use std::net::TcpStream;
use std::time::Duration;

use crate::world::{SOON, World, puts};

#[test]
fn what_was_asked_before_it_stops_is_answered_and_quiet_connections_end() {
    let world = World::new();
    let mut senders: Vec<_> = (0..10).map(|_| world.connect()).collect();
    for (n, sender) in senders.iter_mut().enumerate() {
        sender.say(puts(&format!("m{n}"), 100));
    }
    // Accepted, and not idle for long.
    world.until("they are there", |world| world.count("points") == 1000);
    for sender in &mut senders {
        sender.say("version\n");
    }
    let address = world.address();
    world.relay.begin_to_drain();
    for sender in senders {
        assert!(sender.rest().contains("Built on potsdb"));
    }
    assert!(world.relay.has_drained(SOON));
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
    let ledger = world.stop();
    assert_eq!(ledger.stores[0].stats.acknowledged, 1000);
}

#[test]
fn a_peer_that_never_pauses_does_not_keep_it() {
    let world = World::new();
    let mut sender = world.connect();
    sender.say(puts("m", 1)).say("version\n");
    assert_eq!(sender.version(), "");
    let address = world.address();
    let talking = std::thread::spawn(move || {
        use std::io::Write as _;
        let mut n = 0_u64;
        while sender.0.write_all(puts("m", 10).as_bytes()).is_ok() {
            n += 10;
        }
        n
    });
    assert_eq!(address, world.address());
    let ledger = world.stop();
    assert!(talking.join().expect("it ends") > 0);
    assert_eq!(ledger.stores[0].stats.pending(), 0);
}

#[test]
fn http_connections_that_are_idle_end_and_a_body_that_comes_later_is_unavailable() {
    let world = World::new();
    let mut idle = world.connect();
    idle.say("GET /live HTTP/1.1\r\n\r\n");
    while idle.line() != "\r\n" {}
    assert_eq!(idle.line(), "alive\n");
    world.relay.begin_to_drain();
    assert_eq!(idle.rest(), "");
    assert!(world.relay.has_drained(SOON));
}

#[test]
fn hurried_it_ends_at_once() {
    let world = World::new();
    world.stores[0].faults().stall_answers(true);
    let mut sender = world.connect();
    sender.say(puts("m", 5)).say("version\n");
    world.until("it was read", |world| world.count("points") == 5);
    world.relay.hurry();
    assert!(world.relay.has_drained(SOON));
    let ledger = world.relay.stop(Duration::ZERO);
    assert!(ledger.is_balanced());
    assert_eq!(
        ledger.stores[0].stats.dropped.closed, 5,
        "without a spool there is nowhere to put them"
    );
}
