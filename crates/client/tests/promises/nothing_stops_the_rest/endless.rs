//! A server that says too much, or too slowly, costs itself.

use std::io::Write;
use std::net::TcpStream;

use super::*;

/// Says the beginning and then the rest again and again, as fast as it is read, until the client goes.
fn endless(beginning: &'static str, rest: &'static str) -> Scripted {
    Scripted::serve(move |_, mut stream: TcpStream| {
        let rest = rest.repeat(64 * 1024 / rest.len());
        let _ = stream.write_all(beginning.as_bytes());
        while stream.write_all(rest.as_bytes()).is_ok() {}
    })
}

const ENDLESS: [(&str, &str, &str); 9] = [
    ("tsdb", "", "x\n"),
    ("tsdb", "", "x"),
    ("tsdb", "", "net.opentsdb.tools 2.4.1 built at revision\nBuilt on\n"),
    ("tsdb", "", "put: illegal argument: nothing\n"),
    ("http", "", "x"),
    ("http", "", "HTTP/1.1 100 Continue\r\n\r\n"),
    ("http", "HTTP/1.1 200 OK\r\n", "X-More: of it\r\n"),
    ("http", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", "x"),
    (
        "http",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1\r\nx\r\n",
    ),
];

#[test]
fn a_server_that_talks_without_end_does_not_keep_a_client_from_closing() {
    for (scheme, beginning, rest) in ENDLESS {
        let server = endless(beginning, rest);
        let client = client_of(&server, scheme, &[]);
        send_good(&client, 0, 100);
        let stats = client.close(Duration::from_millis(300));
        ended(&stats);
        assert_eq!(stats.accepted, 100, "{scheme} {beginning:?} {rest:?}: {stats:?}");
    }
}

#[test]
fn a_server_that_talks_without_end_keeps_nothing_from_another() {
    for (scheme, beginning, rest) in ENDLESS {
        let bad = endless(beginning, rest);
        let good = match scheme {
            "tsdb" => Scripted::telnet(|_| Reply::Taken),
            _ => Scripted::http(taken),
        };
        // To this one everything that goes to the other comes in the end.
        let url = format!("{scheme}://{},{}", bad.address(), good.address());
        let client = Client::builder(&url)
            .set("host_tag", "false")
            .set("gzip", "false")
            .set("backoff", "1ms..20ms")
            .set("answer_timeout", "200ms")
            .build()
            .unwrap();
        for first in (0..1_000).step_by(100) {
            send_good(&client, first, 100);
            let what = format!("{scheme} {beginning:?} {rest:?}");
            wait_until(&client, &what, |stats| {
                stats.delivered() + stats.rejected == first + 100
            });
        }
        let stats = close(&client);
        assert_eq!(stats.dropped.total(), 0, "{stats:?}");
    }
}

/// Answers a byte at a time, each well within the answer timeout, and never to the end.
fn dripping(answer: &'static str, then: &'static str) -> Scripted {
    Scripted::serve(move |server, mut stream: TcpStream| {
        let first = server.seen().connections.len() == 1;
        let mut bytes = answer.bytes().chain(then.bytes().cycle());
        while first && bytes.next().is_some_and(|byte| stream.write_all(&[byte]).is_ok()) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        if first {
            return;
        }
        match answer.starts_with("HTTP") {
            true => drop(server.answer(&stream, &taken)),
            false => drop(server.talk(&stream, Duration::ZERO, &|_| Reply::Taken)),
        }
    })
}

#[test]
fn an_answer_that_drips_has_an_end() {
    for (scheme, answer, then) in [
        ("tsdb", "net.opentsdb.tools", "."),
        ("http", "HTTP/1.1 200 OK\r\n", "X-More: of it\r\n"),
        ("http", "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", " "),
        ("http", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let server = dripping(answer, then);
        let client = client_of(&server, scheme, &[("answer_timeout", "100ms"), ("server", "opentsdb")]);
        send_good(&client, 0, 100);
        client.flush(LONG).unwrap();
        let stats = close(&client);
        assert_eq!(stats.acknowledged, 100, "{scheme} {answer:?}: {stats:?}");
    }
}
