//! Faults that strike on occasions: each does what it says, is seen in the counts, and leaves the others alone.

mod peer;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use peer::{Peer, SOON, reply_to, request};
use potsdb_receiver::{Config, Faults, Occasions, Offsets, Personality, Receiver};

fn faulty(faults: Faults) -> Receiver {
    started(Config {
        faults,
        ..Config::default()
    })
}

fn started(config: Config) -> Receiver {
    Receiver::start(config).expect("a free port")
}

fn line(timestamp: u64) -> String {
    format!("put m {timestamp} 1 h=a\n")
}

const BODY: &str = r#"[{"metric":"m","timestamp":1700000000,"value":1,"tags":{"h":"a"}}]"#;

fn put(receiver: &Receiver, flags: &str) -> (u16, String) {
    request(receiver, "POST", &format!("/api/put{flags}"), BODY)
}

/// Waits for the end of a connection; true when it was a reset.
fn is_reset(mut peer: Peer) -> bool {
    let mut bytes = Vec::new();
    peer.0
        .read_to_end(&mut bytes)
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// Asks for the version, a request whose answer is known, on this very connection.
fn answers(peer: &mut Peer) {
    peer.say("version\n").hear("net.opentsdb.tools");
    let mut byte = [0];
    for _ in 0..2 {
        while byte != *b"\n" {
            peer.0.read_exact(&mut byte).expect("the rest of the answer");
        }
        byte = [0];
    }
}

#[test]
fn a_refused_connection_is_reset_as_soon_as_it_stands() {
    let receiver = faulty(Faults {
        refuse: Occasions::Numbers(vec![(2, 2)]),
        ..Faults::default()
    });
    assert_eq!(reply_to(&receiver, line(1)), "");
    assert!(is_reset(Peer::of(&receiver)));
    assert_eq!(reply_to(&receiver, line(2)), "");
    let counts = receiver.counts();
    assert_eq!(
        (counts.refused_connections, counts.connections, counts.accepted),
        (1, 3, 2)
    );
}

#[test]
fn a_closed_port_refuses_and_what_stands_stays() {
    let receiver = faulty(Faults::default());
    let mut standing = Peer::of(&receiver);
    answers(&mut standing);
    receiver.faults().listen(false);
    let deadline = Instant::now() + SOON;
    // Until the order has reached the listener a connection stands, or is reset with the port's backlog.
    while !TcpStream::connect(receiver.address()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
        assert!(Instant::now() < deadline, "it listens on");
    }
    answers(&mut standing);
    receiver.faults().listen(true);
    while TcpStream::connect(receiver.address()).is_err() {
        assert!(Instant::now() < deadline, "it does not listen again");
    }
}

#[test]
fn a_half_open_connection_is_neither_read_nor_answered_nor_ended() {
    let first = line(1);
    let receiver = faulty(Faults {
        half_open_after: Offsets::Each(vec![first.len() as u64]),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(&first).say("version\n").say(line(2));
    // The fault is noted as the bytes come, the line when it is taken.
    assert!(receiver.wait_until(SOON, |counts| (counts.half_open, counts.puts) == (1, 1)));
    peer.0.shutdown(std::net::Shutdown::Write).expect("it is open");
    peer.0
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a timeout can be set");
    let heard = peer.0.read(&mut [0]).expect_err("nothing, and no end either");
    assert_eq!(heard.kind(), ErrorKind::WouldBlock);
    assert_eq!((receiver.counts().open, receiver.counts().puts), (1, 1));
    assert_eq!(reply_to(&receiver, line(3)), "", "others are served");
}

#[test]
fn an_http_connection_can_be_left_half_open_too() {
    let request = format!("POST /api/put HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    let receiver = faulty(Faults {
        half_open_after: Offsets::Every(request.len() as u64),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(&request);
    // The request is whole, so it is served; the answer is what never comes.
    assert!(receiver.wait_until(SOON, |counts| counts.half_open == 1 && counts.accepted == 1));
    peer.0
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a timeout can be set");
    assert_eq!(
        peer.0.read(&mut [0]).expect_err("no answer").kind(),
        ErrorKind::WouldBlock
    );
}

#[test]
fn a_connection_ends_at_the_line_that_was_named() {
    let receiver = faulty(Faults {
        close_at_line: Offsets::Every(1025),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    let lines: String = (1..=1024).map(line).collect();
    peer.say(lines).say("version\n").say(line(2000));
    assert!(receiver.wait_until(SOON, |counts| counts.cut == 1));
    assert_eq!((receiver.counts().accepted, receiver.counts().versions), (1024, 0));
}

#[test]
fn a_connection_ends_at_a_line_too_long_even_if_it_comes_whole() {
    let receiver = faulty(Faults {
        close_overlong: true,
        ..Faults::default()
    });
    let long = |length: usize| {
        let line = line(7);
        format!("{}{}\n", line.trim_end(), "x".repeat(length - line.len() + 1))
    };
    assert_eq!(reply_to(&receiver, line(1) + &long(1024)), "");
    assert_eq!((receiver.counts().accepted, receiver.counts().cut), (2, 0));
    let mut peer = Peer::of(&receiver);
    peer.say(line(2) + "version\n" + &long(1025));
    let mut heard = [0; 18];
    peer.0
        .read_exact(&mut heard)
        .expect("what was answered before is written");
    assert_eq!(&heard, b"net.opentsdb.tools");
    assert!(receiver.wait_until(SOON, |counts| counts.cut == 1 && counts.open == 0));
    assert_eq!(receiver.counts().accepted, 3);
}

#[test]
fn a_lost_answer_never_comes_and_its_points_are_stored() {
    let receiver = faulty(Faults {
        lose_answers: Occasions::first(1),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(line(1)).say("version\n");
    assert!(receiver.wait_until(SOON, |counts| counts.lost_answers == 1));
    assert_eq!(receiver.counts().accepted, 1);
    // The next one comes, and only that.
    peer.say("version\n");
    assert_eq!(peer.finish().matches("built at revision").count(), 1);

    receiver.faults().set(Faults {
        lose_answers: Occasions::first(1),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(format!(
        "POST /api/put HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    ));
    assert!(receiver.wait_until(SOON, |counts| counts.lost_answers == 2));
    peer.0
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a timeout can be set");
    assert_eq!(
        peer.0.read(&mut [0]).expect_err("no answer").kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(receiver.counts().accepted, 2);
    drop(peer);
    assert!(receiver.wait_until(SOON, |counts| counts.open == 0));
    assert_eq!(put(&receiver, "").0, 204);
}

#[test]
fn a_cut_answer_is_a_reset_and_its_points_are_stored() {
    let receiver = faulty(Faults {
        cut_answers: Occasions::Numbers(vec![(1, 2)]),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(line(1)).say("version\n");
    assert!(is_reset(peer));
    let mut peer = Peer::of(&receiver);
    peer.say(format!(
        "POST /api/put HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    ));
    assert!(is_reset(peer));
    let counts = receiver.counts();
    assert_eq!((counts.accepted, counts.lost_answers), (2, 2));
    assert!(receiver.wait_until(SOON, |counts| counts.cut == 2));
    assert!(reply_to(&receiver, "version\n").starts_with("net.opentsdb.tools"));
}

const THROTTLED: &str = "put: Please throttle writes: 10000 RPCs waiting on \
    \"tsdb,,1795349984652.17f9185ef76964c998807bc5115fa6b6.\" to come back online\n";

#[test]
fn a_throttled_point_is_dropped_and_telnet_is_told_once_for_each() {
    let receiver = faulty(Faults {
        throttle: Occasions::Numbers(vec![(2, 3)]),
        ..Faults::default()
    });
    let bad = "put m x 1 h=a\n";
    let said = reply_to(&receiver, [line(1), bad.into(), line(2), line(3), line(4)].concat());
    assert_eq!(
        said,
        format!("put: invalid value: Invalid character 'x' in x\n{THROTTLED}{THROTTLED}"),
        "a bad point is no occasion"
    );
    let times: Vec<i64> = receiver.points().iter().map(|point| point.timestamp).collect();
    assert_eq!(times, [1, 4]);
    let counts = receiver.counts();
    assert_eq!(
        (counts.puts, counts.accepted, counts.refused, counts.throttled),
        (5, 2, 1, 2)
    );
}

#[test]
fn the_word_about_a_throttled_point_can_come_after_the_next_version() {
    let receiver = faulty(Faults {
        throttle: Occasions::first(1),
        throttle_late: true,
        ..Faults::default()
    });
    let said = reply_to(&receiver, line(1) + "version\n" + "version\n");
    let lines: Vec<&str> = said.split_inclusive('\n').collect();
    assert!(lines.len() == 5 && lines[0].starts_with("net.opentsdb.tools"), "{said}");
    assert_eq!(lines[2], THROTTLED);
}

#[test]
fn over_http_only_sync_knows_of_a_throttled_point() {
    let receiver = faulty(Faults {
        throttle: Occasions::Always,
        ..Faults::default()
    });
    assert_eq!(put(&receiver, ""), (204, String::new()));
    assert_eq!(put(&receiver, "?summary"), (200, r#"{"success":1,"failed":0}"#.into()));
    let (status, body) = put(&receiver, "?sync&details");
    assert!(
        status == 200
            && body.starts_with(r#"{"success":0,"failed":1,"errors":[{"datapoint":{"metric":"m""#)
            && body.contains(r#""error":"Storage exception: 10000 RPCs waiting on"#),
        "{status} {body}"
    );
    assert_eq!(put(&receiver, "?sync").0, 400);
    assert_eq!((receiver.counts().throttled, receiver.points().len()), (4, 0));
}

#[test]
fn the_others_say_nothing_of_a_dropped_point() {
    for personality in [Personality::VictoriaMetrics, Personality::InfluxDb] {
        let receiver = started(Config {
            personality,
            database_exists: true,
            faults: Faults {
                throttle: Occasions::Always,
                ..Faults::default()
            },
            ..Config::default()
        });
        assert_eq!(put(&receiver, ""), (204, String::new()));
        assert_eq!(reply_to(&receiver, line(1_700_000_000)), "");
        assert_eq!((receiver.counts().throttled, receiver.points().len()), (2, 0));
    }
}

#[test]
fn requests_are_answered_with_the_status_that_was_named() {
    let receiver = faulty(Faults {
        status_on: Occasions::Numbers(vec![(1, 1), (3, 3)]),
        status: 503,
        retry_after: Some(7),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(format!(
        "POST /api/put HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    ));
    let said = peer.rest().expect("an answer");
    assert!(
        said.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && said.contains("\r\nRetry-After: 7\r\n"),
        "{said}"
    );
    assert_eq!(put(&receiver, "").0, 204);
    assert_eq!(put(&receiver, "").0, 503);
    let counts = receiver.counts();
    assert_eq!((counts.struck_requests, counts.accepted), (2, 1));
    for status in [401, 403, 404, 429, 500, 502] {
        receiver.faults().set(Faults {
            status_on: Occasions::first(1),
            status,
            ..Faults::default()
        });
        assert_eq!(put(&receiver, "").0, status);
        assert_eq!(put(&receiver, "").0, 204);
    }
}

#[test]
fn a_length_can_be_announced_too_long_and_too_short() {
    for (length_error, announced) in [(10, 34), (-4, 20)] {
        let receiver = faulty(Faults {
            wrong_length: Occasions::first(1),
            length_error,
            ..Faults::default()
        });
        let mut peer = Peer::of(&receiver);
        peer.say(format!(
            "POST /api/put?summary HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        ));
        let said = peer.rest().expect("an answer and an end");
        let (head, body) = said.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("Content-Length: {announced}")), "{head}");
        assert_eq!(body, r#"{"success":1,"failed":0}"#);
        let counts = receiver.counts();
        assert_eq!((counts.wrong_lengths, counts.accepted), (1, 1));
        assert_eq!(put(&receiver, "?summary").0, 200);
    }
}

#[test]
fn a_slow_start_lets_connections_stand_and_serves_them_later() {
    let began = Instant::now();
    let receiver = faulty(Faults {
        slow_start: Duration::from_millis(300),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(line(1)).say("version\n").hear("net.opentsdb.tools");
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_restart_resets_everybody_forgets_the_young_and_listens_on_the_same_port() {
    let receiver = started(Config {
        forget: Some(Duration::from_secs(3600)),
        ..Config::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say([line(1), line(2), line(2)].concat());
    assert!(receiver.wait_for(3, SOON));
    assert_eq!(receiver.points().len(), 2);
    receiver.faults().restart();
    assert!(is_reset(peer));
    assert!(receiver.wait_until(SOON, |counts| counts.restarts == 1));
    assert_eq!(receiver.points().len(), 0);
    assert_eq!(reply_to(&receiver, line(2)), "");
    let counts = receiver.counts();
    assert_eq!((counts.forgotten, counts.accepted, counts.duplicates), (3, 4, 1));
    assert_eq!(receiver.points()[0].copies, 1);
}

#[test]
fn what_is_old_enough_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("points");
    let receiver = started(Config {
        forget: Some(Duration::from_millis(20)),
        journal: Some(path.clone()),
        ..Config::default()
    });
    reply_to(&receiver, line(1));
    let deadline = Instant::now() + SOON;
    while std::fs::read_to_string(&path).expect("a file") != line(1) {
        assert!(Instant::now() < deadline, "the line is never written");
        std::thread::yield_now();
    }
    receiver.faults().restart();
    assert!(receiver.wait_until(SOON, |counts| counts.restarts == 1));
    assert_eq!((receiver.points().len(), receiver.counts().forgotten), (1, 0));
}

#[test]
fn a_restart_can_be_due_at_a_point() {
    let receiver = started(Config {
        forget: Some(Duration::from_secs(3600)),
        faults: Faults {
            restart: Occasions::Numbers(vec![(3, 3), (5, 5)]),
            down: Duration::from_millis(20),
            ..Faults::default()
        },
        ..Config::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(line(1))
        .say(line(2))
        .say("version\n")
        .hear("net.opentsdb.tools");
    assert_eq!(receiver.counts().restarts, 0);
    let _ = peer.0.write_all(line(3).as_bytes());
    assert!(is_reset(peer));
    assert!(receiver.wait_until(SOON, |counts| counts.restarts == 1));
    // Over HTTP points are counted, too.
    assert_eq!(put(&receiver, "").0, 204);
    let _ = Peer::of(&receiver).0.write_all(line(5).as_bytes());
    assert!(receiver.wait_until(SOON, |counts| counts.restarts == 2));
    assert_eq!(receiver.counts().forgotten, 5);
}

#[test]
fn a_stopping_server_answers_what_stands_and_throws_the_points_away() {
    let receiver = started(Config {
        personality: Personality::InfluxDb,
        ..Config::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(line(1_700_000_000))
        .say("version\n")
        .hear("InfluxDB TSDB proxy");
    receiver.faults().stopping(true);
    let deadline = Instant::now() + SOON;
    while TcpStream::connect(receiver.address()).is_ok() {
        assert!(Instant::now() < deadline, "it takes new connections");
    }
    peer.say(line(1_700_000_001))
        .say("version\n")
        .hear("InfluxDB TSDB proxy");
    let counts = receiver.counts();
    assert_eq!((counts.accepted, counts.discarded), (1, 1));
    receiver.faults().stopping(false);
    peer.say(line(1_700_000_002))
        .say("version\n")
        .hear("InfluxDB TSDB proxy");
    assert_eq!(receiver.counts().accepted, 2);
}

#[test]
fn a_share_of_the_answers_is_the_same_for_the_same_seed() {
    let lost = |seed| {
        let receiver = faulty(Faults {
            lose_answers: Occasions::Share { share: 0.3, seed },
            ..Faults::default()
        });
        let said = reply_to(&receiver, "version\n".repeat(200));
        let answers = said.matches("built at revision").count() as u64;
        assert_eq!(answers + receiver.counts().lost_answers, 200);
        answers
    };
    let first = lost(1);
    assert!((100..180).contains(&first), "{first}");
    assert_eq!(first, lost(1));
}

#[test]
fn points_of_chosen_metrics_are_refused_and_others_taken() {
    for personality in Personality::ALL {
        let receiver = started(Config {
            personality,
            database_exists: true,
            ..Config::default()
        });
        let telnet = |metric: &str| reply_to(&receiver, format!("put {metric} 1700000000 1 h=a\n"));
        // Its series is known already when it is refused.
        telnet("web.x");
        receiver
            .faults()
            .refuse_points(vec!["web.*".into(), "m".into(), "db".into()]);
        let said = telnet("web.x");
        if personality == Personality::OpenTsdb {
            assert_eq!(said, "put: unknown metric: No such name for 'metrics': 'web.x'\n");
        }
        telnet("dbs");
        if personality != Personality::KairosDb {
            put(&receiver, "");
            assert_eq!(receiver.refused().len(), 2, "{personality}");
        }
        assert_eq!(receiver.counts().accepted, 2, "{personality}");
        receiver.faults().resume();
        telnet("m");
        assert_eq!(receiver.counts().accepted, 3, "{personality}");
    }
}

#[test]
fn a_fault_is_added_to_those_there_are_and_counts_from_then_on() {
    let receiver = faulty(Faults {
        lose_answers: Occasions::Numbers(vec![(4, 4)]),
        ..Faults::default()
    });
    for _ in 0..2 {
        receiver.faults().fail(503, None, Occasions::first(1));
        assert_eq!(put(&receiver, "").0, 503);
    }
    assert_eq!(put(&receiver, "").0, 204);
    receiver.faults().throttle(Occasions::first(1));
    // The fourth answer is lost.
    let mut peer = Peer::of(&receiver);
    peer.say(line(1)).say("version\n");
    assert!(receiver.wait_until(SOON, |counts| counts.lost_answers == 1));
    assert_eq!(receiver.counts().throttled, 1);
    peer.hear(THROTTLED);
    receiver.faults().lose_answers(Occasions::Never);
    answers(&mut peer);
}

#[test]
fn a_dead_receiver_refuses_connections_forgets_and_comes_back() {
    let receiver = started(Config {
        forget: Some(Duration::from_secs(3600)),
        ..Config::default()
    });
    let mut standing = Peer::of(&receiver);
    standing.say(line(1));
    answers(&mut standing);
    receiver.faults().die();
    assert!(is_reset(standing));
    let deadline = Instant::now() + SOON;
    while !TcpStream::connect(receiver.address()).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) {
        assert!(Instant::now() < deadline, "it listens on");
    }
    receiver.faults().resume();
    while TcpStream::connect(receiver.address()).is_err() {
        assert!(Instant::now() < deadline, "it does not listen again");
    }
    assert_eq!(reply_to(&receiver, line(2)), "");
    let times: Vec<i64> = receiver.points().iter().map(|point| point.timestamp).collect();
    assert_eq!((times, receiver.counts().forgotten), (vec![2], 1));
}

#[test]
fn a_restart_is_waited_for_and_spares_no_connection_however_young() {
    let receiver = faulty(Faults::default());
    for round in 1..=200 {
        // It may still be in the port's backlog, or accepted and not served yet.
        let standing = Peer::of(&receiver);
        assert!(receiver.restart(SOON), "round {round}");
        assert_eq!(receiver.counts().restarts, round);
        let heard = standing.rest().map_err(|error| error.kind());
        assert_eq!(
            heard,
            Err(ErrorKind::ConnectionReset),
            "round {round} {:?}",
            receiver.counts()
        );
    }
    assert_eq!(reply_to(&receiver, line(1)), "", "it listens on the same port");
}
