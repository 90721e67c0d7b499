//! An answer to `version` means: everything before it on its connection is safe. It is never late, and never a lie.

use potsdb_relay::Role;

use crate::world::{ANSWER, ONE, SOON, World, puts};

const UNSAFE: &str = "put: Throttling exception: relay cannot say that this is safe\n";
const FULL: &str = "put: Throttling exception: relay spool is full\n";

#[test]
fn version_is_answered_when_the_store_has_everything_before_it() {
    let world = World::new();
    let mut sender = world.connect();
    for batch in 1..=20 {
        sender.say(puts(&format!("m{batch}"), 50)).say("version\n");
        assert_eq!(sender.version(), "");
        assert_eq!(world.stores[0].points().len(), batch * 50);
    }
    assert_eq!(world.stop().stores[0].stats.acknowledged, 1000);
}

#[test]
fn a_store_that_does_not_answer_makes_the_answer_say_so_in_time_and_the_next_one_holds_again() {
    let world = World::new();
    world.stores[0].faults().stall_answers(true);
    let mut sender = world.connect();
    let asked = std::time::Instant::now();
    sender.say(puts("m", 5)).say("version\n");
    assert_eq!(sender.version(), UNSAFE);
    assert!(asked.elapsed() >= ANSWER && asked.elapsed() < SOON);
    world.stores[0].faults().stall_answers(false);
    // What a client does: it sends the interval again.
    world.until("the store answers", |_| {
        sender.say(puts("m", 5)).say("version\n");
        sender.version().is_empty()
    });
    assert_eq!(world.count("answered_safe"), 1);
}

#[test]
fn many_bad_lines_behind_an_answer_that_is_to_come_hold_up_nobody() {
    let world = World::new();
    world.stores[0].faults().stall_answers(true);
    let mut sender = world.connect();
    sender.say(puts("m", 1)).say("version\nput m nonsense\n".repeat(1_000));
    let mut other = world.connect();
    other.say("version\n");
    assert_eq!(other.version(), "", "nothing stands before it");
    for _ in 0..1_000 {
        sender.version();
    }
}

#[test]
fn answers_stand_in_the_order_of_the_lines() {
    let world = World::new();
    let mut sender = world.connect();
    sender.say("put m 1767225600 1 h=a\nput m x 1 h=a\nversion\nhello\nversion\n");
    assert!(sender.version().starts_with("put: illegal argument: timestamp: "));
    assert_eq!(sender.version(), "unknown command: hello.  Try `help'.\n");
}

#[test]
fn with_two_stores_both_have_it_before_it_is_answered_for() {
    let world = World::with(&[("", Role::Store), ("", Role::Store)], |_| {});
    let mut sender = world.connect();
    world.stores[1].faults().stall_answers(true);
    sender.say(puts("m", 5)).say("version\n");
    assert_eq!(sender.version(), UNSAFE);
    world.stores[1].faults().stall_answers(false);
    world.until("the second store answers", |_| {
        sender.say(puts("m", 5)).say("version\n");
        sender.version().is_empty()
    });
    for store in &world.stores {
        assert_eq!(store.points().len(), 5);
    }
}

/// Order of defence: first nothing more is read, then what a peer that asks has no room for is refused, and it hears so.
#[test]
fn a_peer_that_asks_while_there_is_no_room_is_refused_in_time_and_counted() {
    let world = World::with(&[("queue_points=100&window_bytes=64KiB", Role::Store)], |_| {});
    world.stores[0].faults().stall_reading(true);
    world.stores[0].faults().stall_answers(true);
    let mut sender = world.connect();
    sender.say(puts("m", 4_000)).say("version\n");
    assert_eq!(sender.version(), FULL);
    assert!(world.count("refused") > 0);
    world.stores[0].faults().resume();
    world.stores[0].faults().stall_reading(false);
    world.stores[0].faults().stall_answers(false);
    world.until("there is room again", |_| {
        sender.say(puts("n", 10)).say("version\n");
        sender.version().is_empty()
    });
    let ledger = world.stop();
    assert_eq!(
        ledger.stores[0].stats.dropped.total(),
        0,
        "what was taken is not given up"
    );
}

#[test]
fn a_peer_that_never_asks_waits_and_nothing_of_it_is_refused() {
    let world = World::with(&[("queue_points=100&window_bytes=64KiB", Role::Store)], |_| {});
    world.stores[0].faults().stall_reading(true);
    world.stores[0].faults().stall_answers(true);
    let mut sender = world.connect();
    let lines = puts("m", 5_000);
    sender.say(&lines);
    world.until("it is full", |world| {
        !world.relay.status()["ready"].as_bool().unwrap_or(true)
    });
    let full_since = std::time::Instant::now();
    world.until("longer than any answer takes", |_| full_since.elapsed() > 2 * ANSWER);
    world.stores[0].faults().stall_reading(false);
    world.stores[0].faults().stall_answers(false);
    world.until("all of it is stored", |world| {
        world.stores[0].counts().accepted >= 5_000
    });
    assert_eq!(world.count("refused"), 0);
    world.until("all of it is counted as the peer's", |world| {
        world.relay.status()["top_peers"][0]["points"] == 5_000
    });
    drop(sender);
    assert_eq!(world.stop().stores[0].stats.acknowledged, 5_000);
}

#[test]
fn only_so_many_answers_wait_and_every_question_gets_one() {
    let world = World::with(ONE, |config| config.limits.waiting_answers = 8);
    let mut sender = world.connect();
    sender.say("put m 1767225600 1 h=a\nversion\n".repeat(500));
    for _ in 0..500 {
        assert_eq!(sender.version(), "");
    }
}
