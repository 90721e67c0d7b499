//! The limits, one by one: what is beyond each is refused, left out or closed, and a peer without fault is served.

mod backend;

use std::time::Duration;

use backend::{Client, SHORT, serves, start};
use potsdb_front::{Deadline, Event, Limits, Login, Options, Overlong};

fn within(limits: Limits) -> Options {
    Options {
        limits,
        ..Options::default()
    }
}

const FULL: &str = "put: Throttling exception: too many connections\n";

#[test]
fn a_connection_too_many_is_told_so_and_one_that_ends_makes_room() {
    for (all, of_peer) in [(2, 1000), (1000, 2)] {
        let (front, slow) = start(within(Limits {
            connections: all,
            connections_per_peer: of_peer,
            limits_loopback: true,
            ..Limits::default()
        }));
        let (mut first, mut second) = (Client::of(&front), Client::of(&front));
        first.say("bad\n").hear("refused\n");
        second.say("bad\n").hear("refused\n");
        assert_eq!(Client::of(&front).rest(), FULL);
        assert!(slow.seen().events.contains(&Event::TurnedAway));
        assert_eq!(first.finish(), "");
        slow.wait_for(Event::Closed);
        Client::of(&front).say("bad\n").hear("refused\n");
    }
}

#[test]
fn peers_of_this_machine_have_no_limit_of_their_own_unless_it_is_wanted() {
    let (front, _slow) = start(within(Limits {
        connections_per_peer: 1,
        ..Limits::default()
    }));
    let mut clients: Vec<Client> = (0..3).map(|_| Client::of(&front)).collect();
    for client in &mut clients {
        client.say("bad\n").hear("refused\n");
    }
}

/// What a peer says and then says no more, and the deadline that it misses.
#[test]
fn a_peer_that_is_too_slow_is_closed() {
    let limits = Limits {
        head: SHORT,
        login: SHORT,
        body_grace: SHORT,
        body_rate: u32::MAX,
        idle: Some(SHORT),
        ..Limits::default()
    };
    let patient = Duration::from_secs(3600);
    let not_idle = Limits {
        idle: Some(patient),
        ..limits.clone()
    };
    let cases = [
        ("GE", &not_idle, Deadline::Head),
        ("GET / HTTP/1.1\r\nA: b\r\n", &not_idle, Deadline::Head),
        (
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody",
            &not_idle,
            Deadline::Body,
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            &not_idle,
            Deadline::Body,
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo",
            &not_idle,
            Deadline::Body,
        ),
        (
            "POST /refused HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody",
            &not_idle,
            Deadline::Body,
        ),
        ("", &limits, Deadline::Idle),
        ("put a line without its", &limits, Deadline::Idle),
        ("bad\n", &limits, Deadline::Idle),
        ("GET / HTTP/1.1\r\n\r\n", &limits, Deadline::Idle),
    ];
    for (said, limits, deadline) in cases {
        let (front, slow) = start(within(limits.clone()));
        let mut client = Client::of(&front);
        client.say(said);
        slow.wait_for(Event::Late(deadline));
        drop(client.rest());
    }
    let (front, slow) = start(Options {
        login: Login::new(Some("auth".into()), None),
        ..within(not_idle)
    });
    let mut client = Client::of(&front);
    client.say("wrong\n").hear("AUTH_FAIL\r\n");
    slow.wait_for(Event::Late(Deadline::Login));
    assert_eq!(client.rest(), "");
}

#[test]
fn a_line_that_drips_is_no_progress() {
    let (front, slow) = start(within(Limits {
        idle: Some(SHORT),
        line: 1 << 30,
        ..Limits::default()
    }));
    let (mut client, begun) = (Client::of(&front), std::time::Instant::now());
    while !slow.seen().events.contains(&Event::Late(Deadline::Idle)) {
        assert!(begun.elapsed() < backend::SOON, "it is waited for");
        // It may be closed at any of these.
        let _ = std::io::Write::write(&mut client.0, b"x");
    }
}

#[test]
fn without_an_idle_deadline_a_silent_peer_stays() {
    let (front, slow) = start(within(Limits {
        idle: None,
        head: SHORT,
        login: SHORT,
        ..Limits::default()
    }));
    let mut silent = Client::of(&front);
    // Another one's head is late in that time.
    let mut late = Client::of(&front);
    late.say("GET /");
    slow.wait_for(Event::Late(Deadline::Head));
    silent.say("bad\n").hear("refused\n");
}

#[test]
fn an_answer_that_is_not_read_ends_the_connection() {
    let (front, slow) = start(within(Limits {
        unread: SHORT,
        ..Limits::default()
    }));
    let mut client = Client::of(&front);
    client.say("GET /large HTTP/1.1\r\n\r\n");
    slow.wait_for(Event::Late(Deadline::Unread));
    serves(&front);
}

#[test]
fn replies_that_are_not_read_stop_the_reading_and_end_the_connection() {
    let (front, slow) = start(within(Limits {
        unread: SHORT,
        unread_refusals: 1000,
        unread_replies: 2000,
        ..Limits::default()
    }));
    let mut deaf = Client::of(&front);
    // The kernel takes some megabytes of answers before it takes no more.
    let asked = "version\n".repeat(10_000);
    while std::io::Write::write_all(&mut deaf.0, asked.as_bytes()).is_ok() {}
    slow.wait_for(Event::Late(Deadline::Unread));
    serves(&front);
}

#[test]
fn refusals_that_are_not_read_are_left_out() {
    let (front, slow) = start(Options::default());
    let mut deaf = Client::of(&front);
    let is_unread = |event: &Event| matches!(event, Event::Unread(1..));
    while !slow.seen().events.iter().any(is_unread) {
        deaf.say("bad\n".repeat(10_000));
    }
    serves(&front);
}

#[test]
fn a_line_too_long_is_left_out_or_ends_the_connection() {
    let of = |overlong| {
        within(Limits {
            line: 10,
            overlong,
            ..Limits::default()
        })
    };
    let long = "x".repeat(11);
    let (front, slow) = start(of(Overlong::LeftOut));
    let mut client = Client::of(&front);
    // In one read with others, then in pieces.
    client
        .say(format!("bad\n{long}\nbad\n"))
        .hear("refused\ntoo long\nrefused\n");
    client
        .say(&long)
        .hear("too long\n")
        .say(&long)
        .say("\nbad\n")
        .hear("refused\n");
    client.say("0123456789\n").hear("refused\n");
    assert_eq!(slow.seen().overlong, 2);

    let (front, slow) = start(of(Overlong::Ends));
    let mut client = Client::of(&front);
    client.say(format!("{long}\n")).hear("refused\n").say(&long);
    assert_eq!(client.rest(), "too long\n");
    assert_eq!(slow.seen().overlong, 1);
}

#[test]
fn a_head_too_long_ends_the_connection() {
    let (front, _slow) = start(within(Limits {
        head_bytes: 1000,
        head: Duration::from_secs(3600),
        ..Limits::default()
    }));
    let mut client = Client::of(&front);
    client.say(format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(1000)));
    assert_eq!(client.rest(), "");
    serves(&front);
}

#[test]
fn a_body_too_large_is_answered_and_the_answer_can_be_read() {
    let (front, slow) = start(within(Limits {
        body: 100_000,
        ..Limits::default()
    }));
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    for said in [
        format!(
            "POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n{}",
            "x".repeat(100_001)
        ),
        format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            chunk.repeat(100)
        ),
    ] {
        let mut client = Client::of(&front);
        client.say(said);
        let heard = client.finish();
        assert!(
            heard.starts_with("HTTP/1.1 413 Request Entity Too Large\r\n"),
            "{heard}"
        );
        assert!(
            heard.contains("the body has more than 100000 bytes") && heard.contains("Connection: close"),
            "{heard}"
        );
    }
    assert!(slow.seen().bodies.is_empty());
    let mut client = Client::of(&front);
    client.say(format!(
        "POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{}",
        "x".repeat(100_000)
    ));
    client.hear("HTTP/1.1 200 OK");
}

#[test]
fn what_stands_beside_the_content_of_chunks_is_bounded() {
    let (front, _slow) = start(Options::default());
    for beside in [
        format!("1;{}\r\nx\r\n", "y".repeat(1000)).repeat(1000),
        format!("0\r\n{}", "a: b\r\n".repeat(100_000)),
        format!("{}\r\n", "1".repeat(10_000)),
    ] {
        let mut client = Client::of(&front);
        client.say("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        // It ends while this is written.
        let _ = std::io::Write::write_all(&mut client.0, beside.as_bytes());
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn bodies_of_all_connections_have_one_bound() {
    let (front, slow) = start(within(Limits {
        unfinished: 150_000,
        ..Limits::default()
    }));
    let mut first = Client::of(&front);
    first.say(format!(
        "POST / HTTP/1.1\r\nContent-Length: 100001\r\n\r\n{}",
        "x".repeat(100_000)
    ));
    let mut second = Client::of(&front);
    let body = "x".repeat(100_000);
    // Which of them finds no room is not said: the bytes of the first may not have been read.
    second.say(format!("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{body}"));
    slow.wait_for(Event::NoRoom);
    serves(&front);
    let refused = "HTTP/1.1 503 Service Unavailable";
    second
        .0
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a timeout can be set");
    let mut start = vec![0; refused.len()];
    let second = std::io::Read::read_exact(&mut second.0, &mut start).map(|()| start);
    if second.is_ok_and(|start| start.starts_with(refused.as_bytes())) {
        first.say("x").hear("HTTP/1.1 200 OK");
    } else {
        first.hear(refused);
    }
}

#[test]
fn lines_that_wait_for_answers_have_that_bound_too() {
    let (front, slow) = start(within(Limits {
        unfinished: 10_000,
        waiting_answers: 1,
        ..Limits::default()
    }));
    let mut client = Client::of(&front);
    client.say("put a\nversion\n");
    slow.wait_until(|seen| seen.asked == 1);
    let mut other = Client::of(&front);
    other.say("put a\nversion\n".repeat(10_000));
    slow.wait_for(Event::NoRoom);
    slow.safe(1);
    client.hear("safe 1\n");
}

#[test]
fn a_long_line_that_finds_no_room_ends_its_connection() {
    let (front, slow) = start(within(Limits {
        line: 1 << 20,
        overlong: Overlong::Ends,
        unfinished: 100_000,
        ..Limits::default()
    }));
    let mut client = Client::of(&front);
    let _ = std::io::Write::write_all(&mut client.0, &vec![b'x'; 1 << 20]);
    slow.wait_for(Event::NoRoom);
    serves(&front);
}

#[test]
fn a_request_is_refused_before_its_body_is_read_and_the_body_is_kept_nowhere() {
    let (front, slow) = start(Options {
        login: Login::new(None, Some("Bearer right".into())),
        ..Options::default()
    });
    let mut client = Client::of(&front);
    client.say("POST / HTTP/1.1\r\nAuthorization: Bearer wrong\r\nContent-Length: 9\r\n\r\n");
    client.hear("HTTP/1.1 401 Unauthorized\r\n");
    client.say("some body");
    client.say("POST / HTTP/1.1\r\nAuthorization: Bearer right\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
    assert!(client.rest().ends_with("\"here\""));
    assert_eq!(slow.seen().bodies, [4]);
    assert!(slow.seen().events.contains(&Event::Unauthorised));
}

#[test]
fn a_refused_body_is_read_up_to_a_bound() {
    let (front, _slow) = start(within(Limits {
        refused_body: 1 << 20,
        ..Limits::default()
    }));
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    for length in ["Transfer-Encoding: chunked", "Content-Length: 99999999999999"] {
        let mut client = Client::of(&front);
        client.say(format!("POST /refused HTTP/1.1\r\n{length}\r\n\r\n"));
        client.hear("HTTP/1.1 403 Forbidden\r\n");
        let mut sent = 0;
        while std::io::Write::write_all(&mut client.0, &chunk).is_ok() {
            sent += chunk.len();
            assert!(sent < 100 << 20, "{length}: it reads on");
        }
    }
    serves(&front);
}
