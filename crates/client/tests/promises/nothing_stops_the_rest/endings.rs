//! Connections that end, are to end, or are of no use cost no point, no throughput and no noise.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use potsdb::EndpointState;

use super::*;

#[test]
fn a_connection_that_retires_hands_over_before_it_settles() {
    let receiver = receiver(Config::default());
    // Nothing settles while the test runs.
    let client = builder(&receiver)
        .set("settle", "1h")
        .set("connection_max_age", "20ms")
        .build()
        .unwrap();
    let mut sent = 0;
    let mut rounds_after = 0;
    while rounds_after < 50 {
        rounds_after += u32::from(client.stats().connects >= 4);
        send(&client, sent, 10);
        sent += 10;
        client.flush(LONG).unwrap();
    }
    let stats = client.stats();
    assert_eq!((stats.acknowledged, stats.dropped.total()), (sent, 0), "{stats:?}");
    assert!(stats.connects < 10, "{stats:?}");
    assert_eq!(client.take_reports(), []);
    ended(&client.close(LONG));
    stored(&receiver, sent);
}

/// A server that ends each connection once it has answered everything and nothing more is to come.
fn ends_idle_connections(scheme: &str, options: &[(&str, &str)]) {
    let server = Scripted::serve(|server, stream| {
        let mut reader = BufReader::new(&stream);
        let mut line = String::new();
        // HTTP: one request with points, and its answer. Telnet: up to the first question, and its answer.
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.starts_with("GET ") {
                let _ = (&stream).write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            if let Some(length) = line.strip_prefix("Content-Length: ") {
                let length: usize = length.trim_end().parse().expect("a number");
                let mut body = vec![0; length + 2];
                let _ = std::io::Read::read_exact(&mut reader, &mut body);
                let _ = (&stream).write_all(b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n");
                break;
            }
            if line == "version\n" {
                let _ = (&stream).write_all(b"net.opentsdb.tools 2.4.1 built at revision eb125a342 (MINT)\n");
                let _ = (&stream).write_all(b"Built on 2021/09/08 03:26:53 +0000 by user@host:/dir\n");
                break;
            }
        }
        server.note(|seen| seen.requests.push(Instant::now()));
    });
    let client = client_of(&server, scheme, options);
    for n in 0..10 {
        send_good(&client, n, 1);
        client.flush(LONG).unwrap();
        // The connection has ended, and the client has seen it: the next point needs another one.
        wait_until(&client, "the end is not seen", |stats| {
            stats.endpoints[0].state != EndpointState::Connected
        });
    }
    let reports = client.take_reports();
    let stats = close(&client);
    assert_eq!((stats.acknowledged, stats.resent), (10, 0), "{stats:?}");
    assert_eq!(reports, [], "{stats:?}");
}

#[test]
fn a_server_that_ends_an_idle_connection_is_no_news() {
    ends_idle_connections("http", &[]);
    ends_idle_connections("tsdb", &[("settle", "0s")]);
}

#[test]
fn clients_of_one_url_do_not_all_begin_with_its_first_endpoint() {
    let (one, other) = (receiver(Config::default()), receiver(Config::default()));
    let url = format!("tsdb://{},{}?host_tag=false", one.address(), other.address());
    let clients: Vec<Client> = (0..40).map(|_| Client::open(&url).unwrap()).collect();
    for client in clients {
        send(&client, 0, 1);
        ended(&client.close(LONG));
    }
    let counts = (one.counts().puts, other.counts().puts);
    assert!(counts.0 > 0 && counts.1 > 0, "{counts:?}");
}

#[test]
fn what_may_settle_is_not_divided_by_endpoints_that_are_down() {
    let receiver = receiver(Config::default());
    let mut hosts = vec![receiver.address().to_string()];
    // The ports are the kernel's to give to nobody while they are bound, and nobody listens after.
    let dead: Vec<TcpListener> = (0..7).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    hosts.extend(dead.iter().map(|listener| listener.local_addr().unwrap().to_string()));
    drop(dead);
    let client = Client::builder(&format!("tsdb://{}", hosts.join(",")))
        .set("host_tag", "false")
        .set("settle", "1h")
        .set("settle_bytes", "1MiB")
        .set("overflow", "block")
        .build()
        .unwrap();
    // 35 bytes each.
    send(&client, 0, 25_000);
    client.flush(LONG).unwrap();
    let stats = close(&client);
    assert_eq!(
        (stats.acknowledged, stats.released_early, stats.unsettled),
        (25_000, 0, 25_000),
        "{stats:?}"
    );
}

#[test]
fn a_slow_way_is_not_taken_for_a_server_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 32 << 10).unwrap();
    // Takes a little at a time: what is written takes many answer timeouts to arrive.
    let server = Scripted::listen(listener, |server, stream| {
        let mut reader = BufReader::with_capacity(16 << 10, &stream);
        loop {
            let Ok(bytes) = reader.fill_buf() else { return };
            if bytes.is_empty() {
                return;
            }
            let (read, questions) = (bytes.len(), memchr::memmem::find_iter(bytes, b"version\n").count());
            reader.consume(read);
            for _ in 0..questions {
                let _ = (&stream).write_all(b"net.opentsdb.tools 2.4.1 built at revision eb125a342 (MINT)\n");
                let _ = (&stream).write_all(b"Built on 2021/09/08 03:26:53 +0000 by user@host:/dir\n");
            }
            server.note(|seen| seen.longest += read);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    });
    let client = client_of(
        &server,
        "tsdb",
        &[
            ("answer_timeout", "200ms"),
            ("write_timeout", "200ms"),
            ("server", "opentsdb"),
        ],
    );
    send_good(&client, 0, 60_000);
    let _ = client.flush(LONG);
    let stats = close(&client);
    assert_eq!(stats.connects, 1, "{stats:?}");
}

/// Something that says this to the first line of each connection and takes no point.
fn foreign(listener: TcpListener, says: &'static [u8]) {
    std::thread::spawn(move || {
        // Ends with the first connection that asks it to.
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = (&stream).write_all(says);
            if line == "end\n" {
                return;
            }
        }
    });
}

#[test]
fn a_wrong_address_takes_no_point_stops_no_other_and_is_used_when_a_server_is_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    foreign(listener, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    let alone = Client::builder(&format!("tsdb://{address}"))
        .set("host_tag", "false")
        .set("backoff", "1ms..20ms")
        .build()
        .unwrap();
    send(&alone, 0, 100);
    let stats = wait_until(&alone, "it is not found out", |stats| {
        stats.endpoints[0]
            .last_error
            .as_ref()
            .is_some_and(|why| why.contains("an HTTP server answers there"))
    });
    assert_eq!((stats.delivered(), stats.pending()), (0, 100), "{stats:?}");
    let reports = alone.take_reports();
    let told = |report: &potsdb::Report| report.to_string().contains("\"HTTP/1.1 400 Bad Request\"");
    assert!(reports.iter().any(told), "{reports:?}");

    // Beside it another host takes all there is.
    let receiver = recording();
    let both = Client::builder(&format!("tsdb://{address},{}", receiver.address()))
        .set("host_tag", "false")
        .set("backoff", "1ms..20ms")
        .build()
        .unwrap();
    send(&both, 0, 100);
    both.flush(LONG).unwrap();
    let stats = both.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 100, "{stats:?}");
    stored(&receiver, 100);

    // A server comes back to the address.
    let mut last = std::net::TcpStream::connect(address).unwrap();
    last.write_all(b"end\n").unwrap();
    let _ = std::io::Read::read_to_end(&mut last, &mut Vec::new());
    let receiver = loop {
        let config = Config {
            listen: address,
            keep_lines: true,
            ..Config::default()
        };
        match Receiver::start(config) {
            Ok(receiver) => break receiver,
            // The thread has not let go of the address yet.
            Err(_) => std::thread::yield_now(),
        }
    };
    alone.flush(LONG).unwrap();
    let stats = alone.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 100, "{stats:?}");
    stored(&receiver, 100);
}
