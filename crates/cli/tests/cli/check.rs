//! `potsdb check`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use potsdb_receiver::Personality;

use crate::command::{Running, command, foreign, nobody, potsdb, receiver, receiver_with};

#[test]
fn a_server_is_recognised_without_sending_a_point() {
    let receiver = receiver();
    let ended = potsdb(&["check", &receiver.url()]).with_code(0);
    assert!(ended.out.contains(&receiver.url()), "{}", ended.out);
    assert!(ended.out.contains("opentsdb"), "{}", ended.out);
    assert_eq!(receiver.counts().puts, 0);
}

#[test]
fn a_test_point_is_acknowledged() {
    let receiver = receiver();
    let ended = potsdb(&["check", "--send", &receiver.url()]).with_code(0);
    assert!(
        ended.out.contains("test point potsdb.check: acknowledged in ") && ended.out.contains(", and a query finds it"),
        "{}",
        ended.out
    );
    assert_eq!(receiver.points()[0].series.metric, "potsdb.check");
}

#[test]
fn a_test_point_that_the_server_refuses_is_exit_code_1_with_advice() {
    let receiver = receiver_with(|config| config.known_metrics = Some(["other".to_string()].into()));
    let ended = potsdb(&["check", "--send", &receiver.url()]).with_code(1);
    assert!(ended.out.contains("rejected: put: unknown metric"), "{}", ended.out);
    assert!(ended.out.contains("tsdb mkmetric"), "{}", ended.out);
}

#[test]
fn a_server_that_does_not_answer_for_points_is_said_to() {
    let receiver = receiver_with(|config| config.personality = Personality::VictoriaMetrics);
    let ended = potsdb(&["check", "--send", &receiver.url()]).with_code(0);
    assert!(
        ended.out.contains("test point potsdb.check: unconfirmed"),
        "{}",
        ended.out
    );
}

#[test]
fn nobody_there_is_exit_code_1_in_plain_words() {
    let ended = potsdb(&["check", "--send", &nobody()]).with_code(1);
    assert!(ended.out.contains("no connection: Connection refused"), "{}", ended.out);
}

#[test]
fn a_name_that_does_not_resolve_is_exit_code_1_in_plain_words() {
    let ended = potsdb(&["check", "tsdb://no-such-host.invalid"]).with_code(1);
    assert!(ended.out.contains("the name does not resolve"), "{}", ended.out);
}

#[test]
fn a_url_that_is_none_is_exit_code_2() {
    potsdb(&["check", "ftp://localhost"]).with_code(2);
    potsdb(&["check", "local host"]).with_code(2);
}

#[test]
fn the_server_is_named_with_or_without_the_flag_or_a_scheme_but_once() {
    let receiver = receiver();
    let (url, address) = (receiver.url(), receiver.address().to_string());
    for arguments in [
        &["check", &address][..],
        &["check", "--url", &url],
        &["check", "-u", &address],
    ] {
        potsdb(arguments).with_code(0);
    }
    let ended = potsdb(&["check", "--url", &url, &url]).with_code(2);
    assert!(ended.err.contains("named twice"), "{}", ended.err);
    let mut check = command();
    check.env("POTSDB_URL", "tsdb://127.0.0.1:1").args(["check", &url]);
    Running::spawn(check.stdout(Stdio::piped())).end().with_code(0);
}

#[test]
fn json_has_every_address() {
    let receiver = receiver();
    let found = potsdb(&["check", "--json", "--send", &receiver.url()])
        .with_code(0)
        .json();
    let address = &found["endpoints"][0]["addresses"][0];
    assert_eq!(address["address"], receiver.address().to_string());
    assert_eq!(
        (&address["connected"], &address["server"]),
        (&true.into(), &"opentsdb".into())
    );
    assert_eq!(found["statistics"]["acknowledged"], 1);
}

/// A server that answers the first request line it is sent with `answer`, and then closes.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tsdb://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            if request.next().is_some_and(|line| line.unwrap().starts_with("GET ")) {
                // Read to the blank line: closing with bytes unread would reset the connection.
                request.find(|line| line.as_ref().is_ok_and(String::is_empty));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    url
}

#[test]
fn each_server_is_recognised_and_its_setting_advised() {
    for (personality, advice) in [
        (Personality::OpenTsdb, ""),
        (Personality::VictoriaMetrics, "-dedup.minScrapeInterval=1ms"),
        (Personality::InfluxDb, ""),
        (Personality::KairosDb, ""),
    ] {
        let receiver = receiver_with(|config| config.personality = personality);
        let ended = potsdb(&["check", &receiver.url()]).with_code(0);
        assert!(ended.out.contains(personality.name()), "{personality}: {}", ended.out);
        assert!(ended.out.contains(advice), "{personality}: {}", ended.out);
        assert_eq!(receiver.counts().puts, 0);
    }
}

#[test]
fn what_is_no_server_of_points_fails_with_a_verdict() {
    for (answer, words) in [
        ("HTTP/1.0 200 OK\r\n\r\n<html>Welcome to nginx!", "Welcome to nginx"),
        ("HTTP/1.0 404 Not Found\r\n\r\n<html>", "status 404"),
        (
            "HTTP/1.0 302 Found\r\nLocation: /login\r\n\r\n",
            "it sends its visitors to /login",
        ),
        ("HTTP/1.0 401 Unauthorized\r\n\r\n", "it wants a login"),
        (
            "220 mail.example.com ESMTP\r\n",
            "something else answers there: \"220 mail.example.com ESMTP\"",
        ),
    ] {
        let url = answering(answer);
        for url in [&url, &url.replace("tsdb", "http")] {
            let ended = potsdb(&["check", url]).with_code(1);
            let verdict = ended.out.lines().last().unwrap_or_default();
            assert!(verdict.starts_with("verdict: no points can be sent: "), "{}", ended.out);
            assert!(
                ended.out.contains(words),
                "{url}: {words:?} is missing in {}",
                ended.out
            );
        }
    }
}

#[test]
fn what_speaks_another_protocol_is_named() {
    for (says, words) in [
        (
            &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
            "an SSH server answers there: \"SSH-2.0-OpenSSH_9.6\"",
        ),
        (b"\x15\x03\x01\x00\x02\x02\x46", "a TLS server answers there"),
        // To the question over HTTP it says nothing whole.
        (b"HTTP/1.1 400 Bad Request\r\n", "an HTTP server answers there"),
    ] {
        let ended = potsdb(&["check", "--timeout", "1s", &foreign(says, false)]).with_code(1);
        assert!(ended.out.contains(words), "{}", ended.out);
    }
    // An echo shows no secret of the question.
    let echo = foreign(b"GET /api/version?token=canary HTTP/1.1\r\n", true).replace("tsdb", "http");
    let ended = potsdb(&["check", "--timeout", "1s", &format!("{echo}?token=canary")]).with_code(1);
    assert!(
        ended.out.contains("sends back what it is sent") && !ended.out.contains("canary"),
        "{}",
        ended.out
    );
}

#[test]
fn a_port_that_says_nothing_fails_after_the_time_that_was_given() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["tsdb", "http"] {
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let ended = potsdb(&["check", "--timeout", "300ms", &url]).with_code(1);
        assert!(ended.out.contains("no answer within 300ms\n"), "{}", ended.out);
    }
}

#[test]
fn a_wrong_path_and_a_login_are_found_out() {
    let receiver = receiver_with(|config| {
        config.base_path = "/base".into();
        config.auth_header = Some("Basic dTpw".into());
    });
    let address = receiver.address();
    let ended = potsdb(&["check", &format!("http://u:p@{address}/base")]).with_code(0);
    assert!(ended.out.contains("login: not refused"), "{}", ended.out);
    let ended = potsdb(&["check", &format!("http://{address}/base")]).with_code(1);
    assert!(ended.out.contains("it wants a login, or another one"), "{}", ended.out);
    potsdb(&["check", &format!("http://u:p@{address}/wrong")]).with_code(1);
    let receiver = receiver_with(|config| config.auth_line = Some("auth me".into()));
    let url = receiver.url();
    potsdb(&["check", "--send", &format!("{url}?auth=line:auth%20me")]).with_code(0);
    let ended = potsdb(&["check", &format!("{url}?auth=line:auth%20canary")]).with_code(1);
    assert!(
        ended.out.contains("not AUTH_SUCCESS") && !ended.out.contains("canary"),
        "{}",
        ended.out
    );
}

#[test]
fn a_server_without_tls_is_said_to_be_one() {
    let receiver = receiver();
    let ended = potsdb(&["check", &format!("tsdbs://{}", receiver.address())]).with_code(1);
    assert!(ended.out.contains("the server does not speak TLS"), "{}", ended.out);
}

#[test]
fn every_host_is_checked_and_the_point_goes_through_those_that_live() {
    let receiver = receiver();
    let dead = nobody();
    let (_, dead) = dead.split_once("://").unwrap();
    let url = format!("tsdb://{dead},{}", receiver.address());
    let ended = potsdb(&["check", "--send", &url]).with_code(1);
    let verdict = ended.out.lines().last().unwrap_or_default();
    assert!(
        verdict.contains("points get through to opentsdb")
            && verdict.contains(&format!("but not by every host: tsdb://{dead}")),
        "{}",
        ended.out
    );
    assert_eq!(receiver.points().len(), 1);
    // A client begins with any of its hosts: none of the points goes to the web server.
    let web = answering("HTTP/1.0 200 OK\r\n\r\n<html>");
    let url = format!("{web},{}", receiver.address());
    for sent in 2..8 {
        potsdb(&["check", "--send", &url]).with_code(1);
        assert_eq!(receiver.counts().accepted, sent);
    }
}

#[test]
fn what_is_said_is_about_the_wire_of_the_url() {
    let victoria = receiver_with(|config| config.personality = Personality::VictoriaMetrics);
    let address = victoria.address();
    let said = |url: String| potsdb(&["check", &url]).with_code(0).out;
    assert!(said(format!("tsdb://{address}")).contains("points are unconfirmed"));
    assert!(said(format!("http://{address}")).contains("it confirms each request"));
    let kairos = receiver_with(|config| config.personality = Personality::KairosDb);
    let url = format!("http://{}", kairos.address());
    let ended = potsdb(&["check", "--timeout", "2s", &url]).with_code(1);
    assert!(ended.out.contains("over telnet only: use tsdb://"), "{}", ended.out);
}

#[test]
fn the_configuration_of_opentsdb_is_told() {
    let receiver = receiver_with(|config| config.known_metrics = Some(["other".to_string()].into()));
    let address = receiver.address();
    let found = potsdb(&["check", "--json", &format!("http://{address}")])
        .with_code(0)
        .json();
    let found = &found["endpoints"][0]["addresses"][0];
    assert_eq!(found["longest_body"], 8192);
    assert_eq!(found["auto_create_metrics"], false);
}

#[test]
fn options_without_effect_are_errors() {
    let receiver = receiver();
    let url = receiver.url();
    let ended = potsdb(&["check", "--metric", "m", &url]).with_code(2);
    assert!(ended.err.contains("--send"), "{}", ended.err);
    let ended = potsdb(&["check", "--timeout", "0", &url]).with_code(2);
    assert!(ended.err.contains("invalid value '0' for '--timeout"), "{}", ended.err);
    for (arguments, words) in [
        (
            ["-o", "queue_points=5"],
            "option queue_points: \"5\" has no effect on check without --send",
        ),
        (["-o", "test_mode=true"], "option test_mode: \"true\" has no effect"),
        (["-o", "close_grace=5s"], "option close_grace: \"5s\" has no effect"),
        (["--mps", "5"], "option mps: \"5\" has no effect"),
        (
            ["--send", "--mps=5"],
            "option mps: \"5\" has no effect on check: there is one point",
        ),
    ] {
        let ended = potsdb(&[&["check", &url], &arguments[..]].concat()).with_code(2);
        assert!(ended.err.contains(words) && ended.out.is_empty(), "{ended:?}");
    }
    // What the URL says is for other programs, too.
    potsdb(&["check", &format!("{url}?mps=500&queue_points=1000")]).with_code(0);
    let ended = potsdb(&["check", "--send", "--metric", "a b", &url]).with_code(2);
    assert!(ended.err.contains("metric") && ended.out.is_empty(), "{ended:?}");
    // What the server is said to be is held against what it is.
    potsdb(&["check", "--server", "opentsdb", &url]).with_code(0);
    let ended = potsdb(&["check", "--server", "influxdb", &url]).with_code(1);
    assert!(
        ended
            .out
            .contains("it is opentsdb, and the option server says influxdb"),
        "{}",
        ended.out
    );
}

#[test]
fn series_that_two_connections_write_are_named() {
    let receiver = receiver();
    for value in ["1", "2"] {
        potsdb(&["send", "-u", &receiver.url(), "-t", "1767225600", "m", value, "h=a"]).with_code(0);
    }
    for url in [receiver.url(), format!("http://{}", receiver.address())] {
        let ended = potsdb(&["check", &url]).with_code(0);
        let words = "written by two connections at the same time: m{h=a";
        assert!(ended.out.contains(words), "{}", ended.out);
        assert!(ended.out.contains("give each a tag of its own"), "{}", ended.out);
        let found = potsdb(&["check", "--json", &url]).with_code(0).json();
        let found = &found["endpoints"][0]["addresses"][0]["collisions"];
        assert_eq!((&found[0]["times"], &found[0]["values"][1]), (&1.into(), &"2".into()));
    }
}
