//! Answers that come later: in the order of their lines, bounded, and nobody else waits for them.

mod backend;

use std::time::Instant;

use backend::{Client, SOON, Seen, serves, start, start_threads};
use potsdb_front::{Limits, Options};

#[test]
fn answers_come_when_their_points_are_safe_in_the_order_of_the_lines() {
    let (front, slow) = start(Options::default());
    let mut client = Client::of(&front);
    client.say("put a\nversion\nbad\nput b\nversion\n");
    slow.wait_until(|seen| seen.asked == 2);
    // Both are read, and what stands between the answers waits with the first.
    client.0.set_nonblocking(true).expect("a socket");
    assert!(client.0.peek(&mut [0]).is_err(), "nothing is safe yet");
    client.0.set_nonblocking(false).expect("a socket");
    slow.safe(1);
    client.hear("safe 1\nrefused\n");
    slow.safe(2);
    client.hear("safe 2\n");
}

#[test]
fn reading_goes_on_while_answers_are_waited_for() {
    let (front, slow) = start(Options::default());
    let mut client = Client::of(&front);
    client.say("put a\nversion\n");
    slow.wait_until(|seen| seen.asked == 1);
    client.say("put b\n".repeat(1000));
    slow.wait_until(|seen| seen.puts == 1001);
    slow.safe(1);
    client.hear("safe 1\n");
}

#[test]
fn only_so_many_answers_are_waited_for_and_none_is_lost() {
    for threads in [1, 2] {
        let limits = Limits {
            waiting_answers: 4,
            ..Limits::default()
        };
        let options = Options {
            limits,
            ..Options::default()
        };
        let (front, slow) = start_threads(threads, options);
        let mut client = Client::of(&front);
        let (lines, answers): (Vec<String>, Vec<String>) = (1..=1000)
            .map(|n| (format!("put {n}\nversion\n"), format!("safe {n}\n")))
            .unzip();
        client.say(lines.concat());
        slow.wait_until(|seen| seen.asked == 4);
        // Those that came with them in one read, and those that are still with the kernel, are not looked at.
        serves(&front);
        let Seen { asked, puts, .. } = slow.seen();
        assert_eq!((asked, puts), (4, 4));
        slow.safe(1000);
        client.hear(&answers.concat());
        assert_eq!(client.finish(), "");
    }
}

#[test]
fn a_request_is_answered_when_it_is_safe_and_others_before() {
    let (front, slow) = start(Options::default());
    let mut client = Client::of(&front);
    client.say("POST /safe HTTP/1.1\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\n\r\n");
    slow.wait_until(|seen| seen.puts == 1);
    serves(&front);
    slow.safe(1);
    client
        .hear("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: 6\r\n\r\n\"safe\"");
    client.hear("HTTP/1.1 200 OK");
}

#[test]
fn an_end_of_the_stream_waits_for_what_was_asked_before_it() {
    let (front, slow) = start(Options::default());
    let mut client = Client::of(&front);
    client.say("put a\nversion\n");
    slow.wait_until(|seen| seen.asked == 1);
    client.0.shutdown(std::net::Shutdown::Write).expect("it is open");
    slow.safe(1);
    assert_eq!(client.rest(), "safe 1\n");
}

#[test]
fn an_answer_may_come_part_by_part_and_ends_with_the_last() {
    let (front, slow) = start(Options::default());
    let mut client = Client::of(&front);
    client.say("GET /parts HTTP/1.1\r\n\r\n");
    let parts = slow.parts();
    client.hear("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    parts.blocking_send(b"one".to_vec()).expect("it is read");
    client.hear("one");
    // What the peer says meanwhile is not heard.
    client.say("put a\n");
    parts.blocking_send(b"two".to_vec()).expect("it is read");
    client.hear("two");
    drop(parts);
    assert_eq!(client.finish(), "");
    assert_eq!(slow.seen().puts, 0);
}

#[test]
fn whoever_makes_parts_learns_that_the_peer_is_gone() {
    let (front, slow) = start(Options::default());
    let mut client = Client::of(&front);
    client.say("GET /parts HTTP/1.1\r\n\r\n");
    let parts = slow.parts();
    drop(client);
    // The channel closes; nothing has to be written for that.
    let deadline = Instant::now() + SOON;
    while !parts.is_closed() {
        assert!(Instant::now() < deadline, "the peer is gone");
        std::thread::yield_now();
    }
    serves(&front);
}
