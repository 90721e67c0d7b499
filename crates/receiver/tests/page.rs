//! The page as its browsers meet it, byte by byte; what they make of it is in `tests/page`.

mod peer;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use peer::{Peer, SOON, request, request_with};
use potsdb_receiver::{Config, Faults, Occasions, Offsets, Personality, Receiver, Visitors};

fn receiver(config: Config) -> Receiver {
    let page = Visitors::Loopback;
    Receiver::start(Config { page, ..config }).expect("a free port")
}

/// An open stream of events.
struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Opens one; an error is the status it is answered with.
    fn open(receiver: &Receiver) -> Result<Stream, String> {
        let mut peer = Peer::of(receiver);
        peer.say("GET /potsdb/page/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut stream = Stream(BufReader::new(peer.0));
        let status = stream.line();
        while stream.line() != "\r\n" {}
        match status.contains(" 200 ") {
            true => Ok(stream),
            false => Err(status),
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("it goes on");
        assert!(!line.is_empty(), "it ended");
        line
    }

    /// Reads parts until one has all of these texts.
    fn until(&mut self, texts: &[&str]) -> String {
        let deadline = Instant::now() + SOON;
        loop {
            let line = self.line();
            if line.starts_with("data: ") && texts.iter().all(|text| line.contains(text)) {
                return line;
            }
            assert!(Instant::now() < deadline, "no part has {texts:?}; the last is {line}");
        }
    }
}

fn post(receiver: &Receiver, path: &str, body: &str) -> (u16, String) {
    let fields = "X-Potsdb-Page: 1\r\nHost: localhost\r\n";
    // The field that comes first counts.
    let mut peer = Peer::of(receiver);
    let length = body.len();
    peer.say(format!(
        "POST /potsdb/page/{path} HTTP/1.1\r\n{fields}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    let reply = peer.rest().expect("an end of stream");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a reply");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// `GET /` as a browser asks it, of that host.
fn document(receiver: &Receiver, path: &str, host: &str) -> String {
    let mut peer = Peer::of(receiver);
    peer.say(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    ));
    peer.rest().expect("an end of stream")
}

#[test]
fn a_stream_begins_with_what_there_is_and_goes_on_with_what_changes() {
    let receiver = receiver(Config::default());
    let mut peer = Peer::of(&receiver);
    peer.say("put old 1700000000 1 h=a\n");
    assert!(receiver.wait_for(1, SOON));
    let mut stream = Stream::open(&receiver).expect("there is room");
    let first = stream.until(&["\"hello\"", "\"old\",\"h\",\"a\""]);
    assert!(first.contains("[0,\"1\",1700000000,"), "{first}");
    peer.say("put new 1700000000 2.5 h=b\nput old 1700000001 7 h=a\nput old 1700000002 x h=a\n");
    stream.until(&["\"new\",\"h\",\"b\"", "[0,\"7\",1700000001,"]);
    let words = r#""line":["put old 1700000002 ","x"," h=a"],"reason":"put: invalid value: "#;
    // They may have come in the same part, or in the next.
    let mut again = Stream::open(&receiver).expect("there is room");
    again.until(&[words, "\"by\":{\"number\":1,\"peer\":\"127.0.0.1:"]);
    receiver.clear();
    stream.until(&["[0,\"\",0,"]);
}

#[test]
fn a_watched_row_is_told_with_its_latest_values() {
    let receiver = receiver(Config::default());
    Peer::of(&receiver).say("put m 1700000000 1 h=a\nput m 1700000001 2.5 h=a\nput m 1700000002 1e999 h=a\n");
    let mut stream = Stream::open(&receiver).expect("there is room");
    let hello = stream.until(&["\"hello\""]);
    let number = hello.split("\"stream\":").nth(1).expect("its number");
    let number = number.split([',', '}']).next().expect("a number");
    let wish = format!("{{\"stream\":{number},\"rows\":[0],\"lines\":true,\"connections\":true}}");
    assert_eq!(post(&receiver, "watch", &wish).0, 200);
    stream.until(&[
        "\"latest\":[[0,[1,2.5]]]",
        "put m 1700000001 2.5 h=a",
        "\"wire\":\"telnet\"",
    ]);
    assert_eq!(post(&receiver, "watch", "{\"stream\":99,\"rows\":[]}").0, 400);
    assert_eq!(post(&receiver, "watch", "no JSON").0, 400);
}

#[test]
fn only_so_many_browsers_look_on() {
    let receiver = receiver(Config::default());
    let mut streams: Vec<Stream> = (0..8)
        .map(|_| Stream::open(&receiver).expect("there is room"))
        .collect();
    streams[0].until(&["\"hello\""]);
    let status = Stream::open(&receiver).err().expect("there is none left");
    assert!(status.contains(" 503 "), "{status}");
    streams.clear();
    let deadline = Instant::now() + SOON;
    while Stream::open(&receiver).is_err() {
        assert!(Instant::now() < deadline, "those that left have made room");
    }
}

#[test]
fn a_browser_that_does_not_read_holds_up_nobody() {
    let receiver = receiver(Config::default());
    let mut stuck = Stream::open(&receiver).expect("there is room");
    let mut peer = Peer::of(&receiver);
    for second in 0..20 {
        let lines: String = (0..5000)
            .map(|series| {
                format!(
                    "put a.long.name.of.a.metric{series} {} {second} host=h{series}\n",
                    1_700_000_000 + second
                )
            })
            .collect();
        peer.say(lines);
    }
    assert!(receiver.wait_for(100_000, SOON));
    let mut other = Stream::open(&receiver).expect("there is room");
    other.until(&["\"accepted\":100000"]);
    // It is told the latest, when it reads.
    stuck.until(&["\"accepted\":100000"]);
}

#[test]
fn the_page_is_there_whichever_server_it_is() {
    for personality in Personality::ALL {
        let config = Config {
            personality,
            ..Config::default()
        };
        let receiver = receiver(config);
        let page = document(&receiver, "/", "localhost");
        assert!(
            page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<title>potsdb serve"),
            "{personality}"
        );
        assert!(page.contains("\r\nContent-Security-Policy: default-src 'none'; script-src 'nonce-"));
        Stream::open(&receiver).expect("there is room").until(&["\"hello\""]);
    }
    let below = receiver(Config {
        base_path: "/insert/0".into(),
        ..Config::default()
    });
    assert!(document(&below, "/insert/0/", "localhost").contains("<title>"));
    assert!(document(&below, "/", "localhost").starts_with("HTTP/1.1 404"));
}

#[test]
fn programs_get_what_the_server_says_and_without_a_page_so_do_browsers() {
    let receiver = receiver(Config::default());
    assert_eq!(request(&receiver, "GET", "/", "").0, 404);
    let without = Receiver::start(Config::default()).expect("a free port");
    assert!(document(&without, "/", "localhost").starts_with("HTTP/1.1 404"));
    assert_eq!(request(&without, "GET", "/potsdb/page/stream", "").0, 404);
}

#[test]
fn nobody_asks_under_another_name_or_writes_without_the_field() {
    let receiver = receiver(Config::default());
    Peer::of(&receiver).say("put m 1700000000 1 h=a\n");
    assert!(receiver.wait_for(1, SOON));
    assert!(document(&receiver, "/", "evil.example").starts_with("HTTP/1.1 403"));
    // Host: tsd
    assert_eq!(request(&receiver, "GET", "/potsdb/page/points?slot=0", "").0, 403);
    assert_eq!(
        request_with(&receiver, "POST", "/potsdb/page/clear", "X-Potsdb-Page: 1\r\n", "{}").0,
        403
    );
    assert_eq!(receiver.points().len(), 1);
    assert_eq!(post(&receiver, "clear", "{}").0, 200);
    assert_eq!(receiver.points().len(), 0);
}

#[test]
fn the_page_is_spared_the_faults_that_it_switches() {
    let receiver = receiver(Config {
        faults: Faults {
            reset_after: Offsets::Every(300),
            status: 503,
            status_on: Occasions::Always,
            lose_answers: Occasions::Always,
            stall_answers: true,
            ..Faults::default()
        },
        ..Config::default()
    });
    let mut stream = Stream::open(&receiver).expect("there is room");
    stream.until(&["\"status\":100", "\"lose_answers\":100"]);
    receiver.faults().die();
    stream.until(&["\"is_down\":true"]);
    receiver.faults().listen(true);
    let deadline = Instant::now() + SOON;
    while TcpStream::connect(receiver.address()).is_err() {
        assert!(Instant::now() < deadline, "it listens again");
    }
    assert_eq!(post(&receiver, "faults", "{\"fault\":\"none\"}").0, 200);
    stream.until(&["\"faults\":{\"down\":0", "\"is_down\":false", "\"status\":0"]);
    assert_eq!(request(&receiver, "GET", "/api/version", "").0, 200);
    let (status, why) = post(&receiver, "faults", "{\"fault\":\"fire\"}");
    assert!(status == 400 && why.contains("fire"), "{why}");
}

#[test]
fn points_are_exported_part_by_part() {
    let receiver = receiver(Config::default());
    let mut peer = Peer::of(&receiver);
    let lines: String = (0..1000)
        .map(|series| format!("put m{series} 1700000000 {series} h=a\n"))
        .collect();
    peer.say(lines);
    assert!(receiver.wait_for(1000, SOON));
    let exported = |asked: &str| {
        let mut peer = Peer::of(&receiver);
        let request = format!("GET /potsdb/page/export?{asked} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        peer.0.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        peer.0.read_to_string(&mut answer).expect("it ends");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a reply");
        let mut lines: Vec<String> = body.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let lines = exported("filter=M99%20h%3Da");
    assert_eq!(lines.len(), 11, "99 and 990 to 999");
    assert_eq!(lines[0], "m99 1700000000 99 h=a");
    assert_eq!(exported("").len(), 1000);
    assert_eq!(exported("slot=700"), ["m700 1700000000 700 h=a"]);
    for gone in [1000, u64::from(u32::MAX) + 1, u64::MAX] {
        assert!(exported(&format!("slot={gone}")).is_empty(), "{gone}");
    }
}
