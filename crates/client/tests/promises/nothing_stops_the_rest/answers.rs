//! What an answer may be taken for: nothing is acknowledged that was not taken, nothing rejected that was not refused,
//! and nothing is asked for ever.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// What a client has whose server is given the time that it takes by default.
const PATIENT: (&str, &str) = ("backoff", "100ms..30s");

/// No point is taken there, whatever it is: few requests say so, nothing is acknowledged or rejected.
fn takes_no_points(say: impl Fn() -> Answer + Send + Sync + 'static) {
    let server = Scripted::http(move |_| say());
    let client = client_of(&server, "http", &[PATIENT]);
    send_good(&client, 0, 5);
    let stats = wait_until(&client, "the URL is not told of", |stats| {
        let why = stats.endpoints[0].last_error.clone().unwrap_or_default();
        why.contains("takes no points at this URL")
    });
    assert_eq!((stats.pending(), stats.dropped.total()), (5, 0), "{stats:?}");
    assert!(client.flush(Duration::from_millis(300)).is_err());
    assert!(client.has_reports());
    let stats = close(&client);
    assert_eq!((stats.dropped.closed, stats.accepted), (5, 5), "{stats:?}");
    assert!(server.seen().requests.len() <= 10, "{}", server.seen().requests.len());
}

#[test]
fn what_is_too_long_at_any_length_is_no_matter_of_length() {
    takes_no_points(|| answer(413, "request entity too large"));
    takes_no_points(|| answer(400, "Chunked request not supported."));
}

#[test]
fn a_page_that_wants_a_login_takes_no_points() {
    takes_no_points(|| answer(200, "<html><form>Please log in</form></html>"));
    takes_no_points(|| answer(200, r#"{"status":"ok"}"#));
}

#[test]
fn a_redirect_takes_no_points() {
    for status in [301, 302, 307, 308] {
        takes_no_points(move || with_header(status, "Location: http://localhost/login", ""));
    }
}

#[test]
fn a_proxy_without_a_route_takes_no_points() {
    takes_no_points(|| answer(400, "no route for this host"));
    takes_no_points(|| answer(400, r#"{"message":"no Route matched with those values"}"#));
}

#[test]
fn a_url_that_is_right_one_day_gets_everything() {
    let requests = AtomicUsize::new(0);
    let server = Scripted::http(move |request| match requests.fetch_add(1, Ordering::Relaxed) {
        0 => answer(400, "no route for this host"),
        1 => answer(404, "nothing here"),
        2 => answer(200, "<html>back in a minute</html>"),
        3 => answer(405, ""),
        4 => answer(413, ""),
        _ => taken(request),
    });
    let client = client_of(&server, "http", &[]);
    send_good(&client, 0, 100);
    client.flush(LONG).unwrap();
    let stats = close(&client);
    assert_eq!((stats.acknowledged, stats.rejected), (100, 0), "{stats:?}");
}

#[test]
fn opentsdbs_own_refusal_is_one_from_the_first_request_on() {
    let error = r#"{"error":{"code":400,"message":"Unable to parse the given JSON","trace":"..."}}"#;
    let server = Scripted::http(move |request| match request.with(r#""sick""#).len() {
        0 => taken(request),
        _ => answer(400, error),
    });
    let client = client_of(&server, "http", &[]);
    send_sick(&client, 0);
    send_good(&client, 0, 100);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.rejected), (100, 1), "{stats:?}");
}

#[test]
fn beside_a_refusal_the_point_that_timed_out_is_another_than_the_named_one() {
    let requests = AtomicUsize::new(0);
    let server = Scripted::http(move |request| {
        if requests.fetch_add(1, Ordering::Relaxed) > 0 {
            return taken(request);
        }
        // What OpenTSDB 2.4.1 says where the first point is unknown and the third times out.
        let (unknown, second) = (&request.points[0], &request.points[1]);
        let body = format!(
            r#"{{"success":2,"failed":1,"timeouts":1,"errors":[{{"error":"Unknown metric","datapoint":{unknown}}},{{"error":"Write timedout","datapoint":{second}}}]}}"#
        );
        answer(400, &body)
    });
    let client = client_of(&server, "http", &[("ack", "stored")]);
    client.send_lines(&lines(4), Duration::MAX).unwrap();
    client.flush(LONG).unwrap();
    let stats = close(&client);
    assert_eq!((stats.acknowledged, stats.rejected), (3, 1), "{stats:?}");
    let seen = server.seen();
    let tries: Vec<u32> = seen.good.iter().map(|(tries, _)| *tries).collect();
    assert_eq!(tries, [1, 2, 2, 2]);
}

/// Good points as lines: taken at once, so that they come in one request.
fn lines(count: u64) -> Vec<u8> {
    let lines = (0..count).map(|n| format!("good {} {n} n=0\n", at(n).as_u64()));
    lines.collect::<String>().into_bytes()
}

#[test]
fn a_point_whose_failure_is_not_named_goes_again_also_when_it_is_alone() {
    let requests = AtomicUsize::new(0);
    let server = Scripted::http(move |request| match requests.fetch_add(1, Ordering::Relaxed) {
        0..4 => answer(200, r#"{"success":0,"failed":1,"errors":[]}"#),
        _ => taken(request),
    });
    let client = client_of(&server, "http", &[("ack", "stored")]);
    send_good(&client, 0, 1);
    client.flush(LONG).unwrap();
    let stats = close(&client);
    assert_eq!((stats.acknowledged, stats.rejected), (1, 0), "{stats:?}");
}

#[test]
fn more_failures_than_there_are_numbers_are_failures() {
    let requests = AtomicUsize::new(0);
    let server = Scripted::http(move |request| match requests.fetch_add(1, Ordering::Relaxed) {
        0 => answer(200, r#"{"success":0,"failed":18446744073709551615,"timeouts":1}"#),
        1 => answer(200, r#"{"success":0,"failed":18446744073709551616}"#),
        _ => taken(request),
    });
    let client = client_of(&server, "http", &[("ack", "stored")]);
    send_good(&client, 0, 1);
    client.flush(LONG).unwrap();
    let stats = close(&client);
    assert_eq!((stats.acknowledged, server.seen().good[0].0), (1, 3), "{stats:?}");
}

#[test]
fn a_server_that_wants_a_year_is_asked_again_sooner_and_its_rest_is_shown() {
    let server = Scripted::http(|_| with_header(503, "Retry-After: 31536000", ""));
    let client = client_of(&server, "http", &[]);
    send_good(&client, 0, 5);
    let stats = wait_until(&client, "its rest is not shown", |stats| {
        stats.endpoints[0].rests.is_some()
    });
    let rests = stats.endpoints[0].rests.unwrap();
    assert!((300..=600).contains(&rests.as_secs()), "{rests:?}");
    let stats = close(&client);
    assert_eq!(stats.dropped.closed, 5);
    assert!(server.seen().requests.len() <= 2);
}

#[test]
fn a_line_of_the_greatest_length_is_written_whatever_limit_was_learned() {
    // Lengths around what the least limit leaves, and the longest there is.
    let lengths: Vec<usize> = (930..=1024).collect();
    let server = Scripted::http(|request| match request.points.len() == 1 || request.length <= 1024 {
        true => taken(request),
        false => answer(413, ""),
    });
    let client = client_of(&server, "http", &[]);
    let send = |n: usize, length: usize| {
        let start = format!("good {} {n} n=", at(n as u64).as_u64());
        let line = format!("{start}{}\n", "a".repeat(length - "put ".len() - start.len()));
        let sent = client.send_lines(line.as_bytes(), Duration::MAX).unwrap();
        assert_eq!((sent.queued, sent.bad.len()), (1, 0), "{length}");
    };
    // One alone shows that it is a place for points; then the limit falls to the least.
    send(0, 100);
    client.flush(LONG).unwrap();
    (1..40).for_each(|n| send(n, 100));
    client.flush(LONG).unwrap();
    for (n, length) in lengths.iter().enumerate() {
        send(40 + n, *length);
    }
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(
        (stats.acknowledged, stats.rejected),
        (40 + lengths.len() as u64, 0),
        "{stats:?}"
    );
}

#[test]
fn a_connection_that_ends_while_a_request_is_on_its_way_says_nothing_about_lengths() {
    // Every second request of a connection meets its end.
    let server = Scripted::serve(|server, stream| {
        use std::io::Write;
        let mut reader = std::io::BufReader::new(&stream);
        for request in 0..2 {
            let Ok(Some(read)) = read_request(&mut reader) else {
                return;
            };
            let refusal = "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n";
            let taken = "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n";
            server.note(|seen| seen.longest = seen.longest.max(read.length));
            match (read.target.starts_with("GET"), request) {
                (true, _) => drop((&stream).write_all(refusal.as_bytes())),
                (false, 0) => drop((&stream).write_all(taken.as_bytes())),
                (false, _) => return,
            }
        }
    });
    let client = client_of(&server, "http", &[("overflow", "block")]);
    let mut sent = 0;
    while server.seen().longest < 200_000 {
        assert!(sent < 1_000_000, "bodies stay short: {} bytes", server.seen().longest);
        send_good(&client, sent, 10_000);
        sent += 10_000;
        client.flush(LONG).unwrap();
    }
    let stats = close(&client);
    assert_eq!((stats.acknowledged, stats.dropped.total()), (sent, 0));
}

#[test]
fn a_server_that_repeats_what_it_was_told_brings_no_secret_into_reports() {
    let server = Scripted::http(|_| answer(503, "token s3cret/p@ss of alice:hunter22, or YWxpY2U6aHVudGVyMjI="));
    let url = format!(
        "http://alice:hunter22@{}/api/put?token=s3cret%2Fp%40ss&host_tag=false&gzip=false",
        server.address()
    );
    let client = Client::open(&url).unwrap();
    send_good(&client, 0, 5);
    wait_until(&client, "nothing is reported", |_| client.has_reports());
    let reports = client.take_reports();
    let stats = close(&client);
    let told = format!("{reports:?} {:?} {:?}", stats.last_rejections, stats.endpoints);
    for secret in ["s3cret/p@ss", "s3cret%2Fp%40ss", "hunter22", "YWxpY2U6aHVudGVyMjI="] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    assert!(told.contains("token "), "{told}");
}

#[test]
fn a_server_whose_clock_is_wrong_is_reported_once_and_stands_in_the_statistics() {
    let server = Scripted::http(|request| taken_at(request, "Thu, 01 Jan 2026 00:00:00 GMT"));
    let client = client_of(&server, "http", &[]);
    for first in 0..3 {
        send_good(&client, first, 1);
        client.flush(LONG).unwrap();
    }
    wait_until(&client, "nothing is reported", |_| client.has_reports());
    let reports = client.take_reports();
    let stats = close(&client);
    let skew = stats.endpoints[0].clock_skew.expect("the server tells its time");
    let text = reports.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text.len(), 1, "{text:?}");
    assert!(
        text[0].starts_with("the clock of http://") && text[0].contains(" s behind this machine's"),
        "{text:?}"
    );
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let ago = now.cast_signed() - 1_767_225_600;
    assert!((ago - 60..=ago).contains(&-skew), "{skew} and {ago}");
}

#[test]
fn what_a_telnet_server_says_is_told_in_one_line_of_text() {
    let long = format!(
        "put: illegal argument: \u{1b}]0;owned\u{7}\u{1b}[2J{}",
        "x".repeat(60_000)
    );
    let server = Scripted::telnet(move |line| match line.starts_with("put sick ") {
        true => Reply::Refused(long.clone()),
        false => Reply::Taken,
    });
    let client = client_of(&server, "tsdb", &[]);
    send_sick(&client, 0);
    send_good(&client, 0, 1);
    client.flush(LONG).unwrap();
    let reports = client.take_reports();
    let stats = close(&client);
    assert_eq!((stats.acknowledged, stats.rejected), (1, 1), "{stats:?}");
    let told: Vec<String> = reports
        .iter()
        .map(ToString::to_string)
        .chain(stats.last_rejections)
        .collect();
    assert!(told.iter().any(|words| words.contains("illegal argument")), "{told:?}");
    for words in told {
        assert!(words.len() < 1000 && !words.contains(char::is_control), "{words:?}");
    }
}

#[test]
fn points_put_again_as_details_and_halves_count_as_points_per_second() {
    // Refused until alone: each of 256 points is put again and again.
    let server = Scripted::http(|request| match request.points.len() {
        1 => taken(request),
        _ => answer(
            400,
            r#"{"error":{"code":400,"message":"Unable to parse the given JSON"}}"#,
        ),
    });
    let client = client_of(&server, "http", &[("mps", "1000")]);
    client.send_lines(&lines(256), Duration::MAX).unwrap();
    client.flush(LONG).unwrap();
    let stats = close(&client);
    let seen = server.seen();
    let put: u32 = seen.good.iter().map(|(tries, _)| *tries).sum();
    let (first, last) = (seen.requests.first().unwrap(), seen.requests.last().unwrap());
    let most = 1000.0 * (last.duration_since(*first).as_secs_f64() + 1.0);
    assert!(
        f64::from(put) <= most,
        "{put} points in {:?}",
        last.duration_since(*first)
    );
    assert_eq!((stats.acknowledged, put > 1_000), (256, true), "{put}");
}

#[test]
fn points_that_a_server_keeps_failing_get_too_old_also_after_they_were_taken() {
    let server = Scripted::http(|_| answer(500, "internal error"));
    let client = client_of(&server, "http", &[("max_age", "300ms")]);
    send_good(&client, 0, 100);
    let stats = wait_until(&client, "they never get too old", |stats| stats.dropped.expired == 100);
    assert!(
        stats
            .last_rejections
            .iter()
            .any(|words| words.contains("internal error")),
        "{stats:?}"
    );
    assert_eq!(close(&client).dropped.total(), 100);
}

/// A proxy whose backend has died, in front of one of two hosts: its failures say nothing of lines that the other takes.
#[test]
fn one_host_that_fails_everything_keeps_no_point_from_the_other() {
    for status in [500, 503, 404] {
        let failing = Scripted::http(move |_| answer(status, "struck"));
        let good = Scripted::http(taken);
        let url = format!("http://{},{}", failing.address(), good.address());
        let client = Client::builder(&url)
            .set("host_tag", "false")
            .set("repeats", "keep")
            .set("linger", "1ms")
            .build()
            .unwrap();
        // One series, a few points at a time: all of it meets the failing host again and again.
        for first in 0..60 {
            send_good(&client, first, 1);
            let written = wait_until(&client, "nothing is taken up", |stats| stats.queued == 0);
            assert!(written.is_balanced());
        }
        client
            .flush(Duration::from_secs(20))
            .unwrap_or_else(|error| panic!("{status}: {error}: {:?}", client.stats()));
        let stats = close(&client);
        assert_eq!(stats.acknowledged, 60, "{status}: {stats:?}");
    }
}
