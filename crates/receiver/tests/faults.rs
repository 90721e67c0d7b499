//! The receiver misbehaves exactly as asked: resets at the byte, stalls, forgets.

mod peer;

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Duration;

use peer::{Peer, SOON, reply_to};
use potsdb_receiver::{Config, Faults, Offsets, Receiver};

const LINE: &str = "put m 1700000000 1 h=a\n";

fn faulty(faults: Faults) -> Receiver {
    Receiver::start(Config {
        faults,
        keep_lines: true,
        ..Config::default()
    })
    .expect("a free port")
}

fn lines(count: usize) -> String {
    (1..=count)
        .map(|timestamp| format!("put m {timestamp} 1 h=a\n"))
        .collect()
}

/// Reads until the connection breaks; true when it was a reset.
fn is_reset(peer: Peer) -> bool {
    match peer.rest() {
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_connection_is_reset_after_exactly_that_many_bytes() {
    for offset in [1, LINE.len() - 1, LINE.len(), LINE.len() + 1, 3 * LINE.len(), 1000] {
        let receiver = faulty(Faults {
            reset_after: Offsets::Every(offset as u64),
            ..Faults::default()
        });
        let mut peer = Peer::of(&receiver);
        // The reset may come while we are still writing.
        let _ = peer.0.write_all(LINE.repeat(100).as_bytes());
        assert!(is_reset(peer), "after {offset}");
        assert!(receiver.wait_until(SOON, |counts| counts.cut == 1 && counts.open == 0));
        assert_eq!(receiver.counts().puts, (offset / LINE.len()) as u64, "after {offset}");
        assert_eq!(
            receiver.counts().torn,
            0,
            "a line the fault has torn is not the peer's doing"
        );
    }
}

#[test]
fn a_close_after_bytes_is_no_reset_when_all_was_read() {
    let receiver = faulty(Faults {
        close_after: Offsets::Every(LINE.len() as u64),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(LINE);
    assert_eq!(peer.rest().expect("an end of stream"), "");
    assert_eq!(receiver.counts().puts, 1);
}

#[test]
fn each_connection_can_have_an_offset_of_its_own() {
    let each = Offsets::Each(vec![LINE.len() as u64, 2 * LINE.len() as u64]);
    let receiver = faulty(Faults {
        reset_after: each,
        ..Faults::default()
    });
    for connection in 1..=2 {
        let mut peer = Peer::of(&receiver);
        let _ = peer.0.write_all(LINE.repeat(10).as_bytes());
        assert!(is_reset(peer));
        assert!(receiver.wait_until(SOON, |counts| counts.cut == connection));
    }
    assert_eq!(receiver.counts().puts, 3);
    assert_eq!(reply_to(&receiver, LINE.repeat(10)), "", "the third is served");
    assert_eq!(receiver.counts().puts, 13);
}

#[test]
fn random_offsets_are_the_same_for_the_same_seed() {
    let taken = |seed| {
        let random = Offsets::Random {
            seed,
            below: 2000,
            connections: 5,
        };
        let receiver = faulty(Faults {
            reset_after: random,
            ..Faults::default()
        });
        (1..=6)
            .map(|connection| {
                let mut peer = Peer::of(&receiver);
                let _ = peer.0.write_all(lines(1000).as_bytes());
                if connection < 6 {
                    assert!(is_reset(peer));
                } else {
                    assert_eq!(peer.finish(), "");
                }
                assert!(receiver.wait_until(SOON, |counts| counts.open == 0));
                receiver.counts().puts
            })
            .collect::<Vec<_>>()
    };
    let first = taken(7);
    assert_eq!(first, taken(7));
    assert_ne!(first, taken(8));
}

#[test]
fn a_seed_is_read_from_the_flags_text() {
    assert_eq!("5000".parse(), Ok(Offsets::Every(5000)));
    assert_eq!("10,20".parse(), Ok(Offsets::Each(vec![10, 20])));
    assert_eq!(
        "7:50000:20".parse(),
        Ok(Offsets::Random {
            seed: 7,
            below: 50_000,
            connections: 20
        })
    );
    assert!("often".parse::<Offsets>().is_err());
}

#[test]
fn all_connections_are_reset_when_the_switch_says_so() {
    let receiver = faulty(Faults::default());
    let mut idle = Peer::of(&receiver);
    idle.say("version\n").hear("net.opentsdb.tools");
    let mut busy = Peer::of(&receiver);
    busy.say("version\n").hear("net.opentsdb.tools");
    receiver.faults().reset_all(0);
    assert!(is_reset(idle) && is_reset(busy));
    assert_eq!(reply_to(&receiver, LINE), "", "new connections are served");
}

#[test]
fn a_reset_can_be_ordered_some_bytes_ahead() {
    let receiver = faulty(Faults::default());
    let mut peer = Peer::of(&receiver);
    peer.say(LINE);
    assert!(receiver.wait_for(1, SOON));
    receiver.faults().reset_all(2 * LINE.len() as u64);
    let _ = peer.0.write_all(LINE.repeat(10).as_bytes());
    assert!(is_reset(peer));
    assert_eq!(receiver.counts().puts, 3);
}

#[test]
fn stalled_reading_takes_nothing_until_it_resumes() {
    let receiver = faulty(Faults {
        stall_reading: true,
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(LINE).say("version\n");
    assert!(receiver.wait_until(SOON, |counts| counts.open == 1));
    assert!(!receiver.wait_for(1, Duration::from_millis(50)));
    receiver.faults().resume();
    peer.hear("net.opentsdb.tools");
    assert_eq!(receiver.counts().accepted, 1);
}

#[test]
fn stalled_answers_are_stored_and_come_when_it_resumes() {
    let receiver = faulty(Faults::default());
    receiver.faults().stall_answers(true);
    let mut peer = Peer::of(&receiver);
    peer.say(LINE).say("version\n");
    assert!(receiver.wait_until(SOON, |counts| counts.versions == 1));
    assert_eq!(receiver.counts().accepted, 1);
    peer.0.set_nonblocking(true).expect("a socket");
    assert_eq!(
        peer.0.read(&mut [0; 1]).expect_err("nothing to read").kind(),
        ErrorKind::WouldBlock
    );
    peer.0.set_nonblocking(false).expect("a socket");
    receiver.faults().stall_answers(false);
    peer.hear("net.opentsdb.tools");
}

#[test]
fn a_peer_that_never_reads_holds_up_nobody() {
    let receiver = faulty(Faults::default());
    let mut deaf = Peer::of(&receiver);
    let mut bad = "put m 1 x h=a\n".repeat(10_000);
    bad.push_str("version\n");
    for _ in 0..20 {
        deaf.say(&bad);
    }
    assert!(receiver.wait_until(SOON, |counts| counts.refused == 200_000));
    assert!(
        receiver.counts().suppressed > 0,
        "what it does not read is not kept for ever"
    );
    assert!(reply_to(&receiver, "version\n").starts_with("net.opentsdb.tools"));
}

#[test]
fn the_journal_brings_everything_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let journal = Some(folder.path().join("points"));
    let config = Config {
        journal: journal.clone(),
        ..Config::default()
    };
    let receiver = Receiver::start(config.clone()).expect("a free port");
    assert!(reply_to(&receiver, lines(1000) + "put bad 1 x h=a\nversion\n").contains("net.opentsdb.tools"));
    // Answered means written: what a killed process leaves behind is what is there now.
    let file = fs::read_to_string(journal.as_ref().expect("it has a name")).expect("it exists");
    assert_eq!(file, lines(1000));
    let before = receiver.stop();

    let receiver = Receiver::start(config).expect("a free port");
    assert_eq!(receiver.counts().loaded, 1000);
    assert_eq!(receiver.points(), before.points);
}

#[test]
fn a_torn_last_line_in_the_journal_is_ignored_and_does_not_spoil_the_next() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("points");
    fs::write(&path, "put m 1 1 h=a\nput m 2 1 h=").expect("a file");
    let config = Config {
        journal: Some(path.clone()),
        ..Config::default()
    };
    let receiver = Receiver::start(config).expect("a free port");
    assert_eq!(receiver.counts().loaded, 1);
    reply_to(&receiver, "put m 3 1 h=a\n");
    receiver.stop();
    assert_eq!(
        fs::read_to_string(path).expect("a file"),
        "put m 1 1 h=a\nput m 3 1 h=a\n"
    );
}

#[test]
fn young_points_are_visible_but_not_in_the_journal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("points");
    let forget = Some(Duration::from_secs(3600));
    let config = Config {
        journal: Some(path.clone()),
        forget,
        ..Config::default()
    };
    let receiver = Receiver::start(config).expect("a free port");
    assert!(reply_to(&receiver, lines(100) + "version\n").contains("net.opentsdb.tools"));
    assert_eq!(receiver.points().len(), 100);
    assert_eq!(
        fs::read_to_string(&path).expect("a file"),
        "",
        "this is what kill -9 would leave"
    );
    receiver.stop();
    assert_eq!(
        fs::read_to_string(&path).expect("a file"),
        lines(100),
        "an orderly stop writes all of it"
    );
}

#[test]
fn points_reach_the_journal_once_they_are_old_enough() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("points");
    let forget = Some(Duration::from_millis(20));
    let config = Config {
        journal: Some(path.clone()),
        forget,
        ..Config::default()
    };
    let receiver = Receiver::start(config).expect("a free port");
    reply_to(&receiver, lines(100));
    let deadline = std::time::Instant::now() + SOON;
    while fs::read_to_string(&path).expect("a file") != lines(100) {
        assert!(std::time::Instant::now() < deadline, "the lines are never written");
        std::thread::yield_now();
    }
}

#[test]
fn journals_keep_names_that_are_not_ascii() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config {
        journal: Some(folder.path().join("points")),
        ..Config::default()
    };
    let receiver = Receiver::start(config.clone()).expect("a free port");
    reply_to(&receiver, b"put m 1 1 h=z\xfcrich\n");
    let before = receiver.stop().points;
    assert_eq!(before[0].series.tag("h"), Some("zürich"));
    assert_eq!(Receiver::start(config).expect("a free port").points(), before);
}
