//! What real senders do: collectd, telegraf, tcollector, nc; each of these was seen in their sources.

use potsdb_relay::Role;

use crate::world::{SOON, World, puts};

#[test]
fn collectds_lines_end_in_two_blanks_and_a_carriage_return_and_it_never_reads() {
    let world = World::new();
    let mut sender = world.connect();
    for n in 0..1000 {
        sender.say(format!(
            "put collectd.load.shortterm {} 0.5 fqdn=host  \r\n",
            1_767_225_600 + n
        ));
        // A wrong one now and then, whose refusals nobody reads.
        sender.say("put collectd.bad x nan fqdn=host  \r\n");
    }
    world.until("all is stored", |world| world.stores[0].counts().accepted == 1000);
    assert_eq!(world.count("invalid"), 1000);
}

#[test]
fn telegraf_connects_writes_line_by_line_and_closes_without_reading() {
    let world = World::new();
    for flush in 0..20 {
        let mut sender = world.connect();
        for n in 0..50 {
            sender.say(format!(
                "put telegraf.cpu {} {n} host=h\n",
                1_767_225_600 + flush * 50 + n
            ));
        }
        // It closes with an answer unread, which resets the connection.
        sender.say("put bad\n");
    }
    world.until("all is stored", |world| world.stores[0].counts().accepted == 1000);
}

#[test]
fn a_last_line_without_its_end_is_dropped_and_counted() {
    let world = World::new();
    let mut sender = world.connect();
    sender.say("put m 1767225600 1 h=a\nput m 1767225601 12");
    assert_eq!(sender.finish(), "");
    world.until("it is counted", |world| world.count("torn") == 1);
    world.until("the whole one is stored", |world| world.stores[0].points().len() == 1);
}

#[test]
fn half_a_line_waits_for_its_other_half_and_holds_up_nobody() {
    let world = World::new();
    let mut slow = world.connect();
    slow.say("put m 1767225600 1");
    let mut quick = world.connect();
    quick.say(puts("quick", 10)).say("version\n");
    assert_eq!(quick.version(), "");
    slow.say("5 h=a\nversion\n");
    assert_eq!(slow.version(), "");
    assert_eq!(world.stores[0].points().len(), 11);
}

#[test]
fn a_line_too_long_is_left_out_and_what_follows_is_not() {
    let world = World::new();
    let mut sender = world.connect();
    sender.say(format!(
        "put m 1767225600 1 h={}\nput m 1767225600 1 h=a\nversion\n",
        "x".repeat(5000)
    ));
    assert_eq!(
        sender.version(),
        "put: illegal argument: the line has more than 1024 bytes\n"
    );
    assert_eq!(world.stores[0].points().len(), 1);
}

#[test]
fn commands_are_those_of_a_tsd_but_for_those_that_end_it() {
    let world = World::new();
    let mut sender = world.connect();
    sender.say("diediedie\n");
    assert_eq!(sender.line(), "unknown command: diediedie.  Try `help'.\n");
    sender.say("rollup 1m-sum m 1767225600 1 h=a\n");
    assert!(sender.line().starts_with("rollup: illegal argument: "));
    sender.say("help\n");
    assert!(sender.line().contains("version"));
    sender.say("\r\n\nput\n");
    assert!(sender.line().starts_with("put: illegal argument: not enough arguments"));
    sender.say("stats\nexit\n");
    let stats = sender.rest();
    assert!(stats.starts_with("potsdb.relay.connections ") && stats.contains("potsdb.relay.acknowledged "));
    for line in stats.lines() {
        // What tcollector's opentsdb.sh makes of them can be sent.
        potsdb_wire::line::canonical(&potsdb_wire::Rules::default(), line.as_bytes(), &mut Vec::new()).expect(line);
    }
}

#[test]
fn no_line_can_smuggle_another_one() {
    let world = World::new();
    let mut sender = world.connect();
    sender.say("put m 1767225600 1 h=a\rput n 1767225600 1 h=a\nput m\0 1767225600 1 h=a\nversion\n");
    let refused = sender.version();
    assert_eq!(refused.lines().count(), 2, "{refused}");
    assert!(world.stores[0].points().is_empty());
}

#[test]
fn what_is_read_at_once_is_bounded_and_a_peer_that_never_pauses_starves_nobody() {
    // A queue that is always full, so that room in it has to be shared.
    let world = World::with(&[("queue_points=5000", Role::Store)], |config| {
        config.answer_timeout = SOON;
    });
    let mut loud = world.connect();
    let writing = std::thread::spawn(move || {
        for _ in 0..40 {
            loud.say(puts("loud", 20_000));
        }
        loud
    });
    for n in 0..20 {
        let mut quiet = world.connect();
        quiet.say(puts(&format!("quiet{n}"), 1)).say("version\n");
        assert_eq!(quiet.version(), "");
    }
    drop(writing.join().expect("it wrote"));
}
