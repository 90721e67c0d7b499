//! `potsdb check`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;

use potsdb_receiver::Personality;

use crate::command::{Running, command, nobody, potsdb, receiver, receiver_with};

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
        ended.out.contains("test point potsdb.check: acknowledged in "),
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
fn a_server_that_is_none_of_those_known_is_shown_with_its_answer() {
    let url = answering("HTTP/1.0 200 OK\r\n\r\n<html>Welcome to nginx!");
    let ended = potsdb(&["check", &url]).with_code(0);
    assert!(ended.out.contains("Welcome to nginx"), "{}", ended.out);
    let ended = potsdb(&["check", &answering("220 mail.example.com ESMTP\r\n")]).with_code(0);
    assert!(ended.out.contains("answers, but not HTTP"), "{}", ended.out);
}
