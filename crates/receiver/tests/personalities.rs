//! What becomes of a point in each personality, and how each is set up. What a peer reads is shown by the transcripts
//! (`tests/servers`); what is stored was measured on the real servers and is written down here case by case.

mod peer;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use peer::{Peer, SOON, reply_to, request, request_with};
use potsdb_receiver::{Config, Personality, Receiver};

fn receiver(personality: Personality) -> Receiver {
    started(Config {
        personality,
        database_exists: true,
        ..Config::default()
    })
}

fn started(config: Config) -> Receiver {
    Receiver::start(config).expect("a free port")
}

/// Every stored point as `metric time value k=v ...`, tags sorted.
fn stored(receiver: &Receiver) -> Vec<String> {
    let points = receiver.points().into_iter().map(|point| {
        let tags = point.series.tags.iter().map(|(name, value)| format!(" {name}={value}"));
        let tags: String = tags.collect();
        format!("{} {} {}{tags}", point.series.metric, point.timestamp, point.value)
    });
    points.collect()
}

use Personality::{InfluxDb, KairosDb, OpenTsdb, VictoriaMetrics};

/// A line, and what OpenTSDB, VictoriaMetrics, InfluxDB and KairosDB store of it; an empty text is nothing.
const LINES: [(&str, [&str; 4]); 24] = [
    ("put m 1700000000 1 a=b", ["m 1700000000 1 a=b"; 4]),
    (
        "put m 1700000000123 1 a=b",
        [
            "m 1700000000123 1 a=b",
            "m 1700000000123 1 a=b",
            "m 1700000000 1 a=b",
            "m 1700000000123 1 a=b",
        ],
    ),
    (
        "put m 1700000000.123 1 a=b",
        ["m 1700000000123 1 a=b", "m 1700000000 1 a=b", "", ""],
    ),
    ("put m 1700000000123456 1 a=b", ["", "", "", ""]),
    (
        "put m 1700000000 1e3 a=b",
        [
            "m 1700000000 1e3 a=b",
            "m 1700000000 1e3 a=b",
            "m 1700000000 1e3 a=b",
            "",
        ],
    ),
    ("put m 1700000000 1.5E-7 a=b", ["m 1700000000 1.5E-7 a=b"; 4]),
    ("put m 1700000000 -7 a=b", ["m 1700000000 -7 a=b"; 4]),
    (
        "put m 1700000000 +7 a=b",
        ["m 1700000000 +7 a=b", "", "m 1700000000 +7 a=b", ""],
    ),
    ("put m 1700000000 .5 a=b", ["m 1700000000 .5 a=b"; 4]),
    (
        "put m 1700000000 9223372036854775808 a=b",
        [
            "",
            "m 1700000000 9223372036854775808 a=b",
            "m 1700000000 9223372036854775808 a=b",
            "",
        ],
    ),
    ("put m 1700000000 NaN a=b", ["", "", "", ""]),
    (
        "put m 1700000000 1",
        ["", "m 1700000000 1", "m 1700000000 1", "m 1700000000 1 add=tag"],
    ),
    ("put m 1700000000 1 a=", ["", "m 1700000000 1", "m 1700000000 1", ""]),
    ("put m 1700000000 1 foo", ["", "", "m 1700000000 1", ""]),
    (
        "put m 1700000000 1 a=b=c",
        ["", "m 1700000000 1 a=b=c", "m 1700000000 1 a=b=c", "m 1700000000 1 a=b"],
    ),
    (
        "put m 1700000000 1 a=b a=c",
        ["", "m 1700000000 1 a=c", "m 1700000000 1 a=c", ""],
    ),
    (
        "put m 1700000000 1 h=h:80",
        [
            "",
            "m 1700000000 1 h=h:80",
            "m 1700000000 1 h=h:80",
            "m 1700000000 1 h=h:80",
        ],
    ),
    (
        "put m 1700000000 1 h=z\u{fc}rich",
        [
            "",
            "m 1700000000 1 h=z\u{fc}rich",
            "m 1700000000 1 h=z\u{fc}rich",
            "m 1700000000 1 h=z\u{c3}\u{bc}rich",
        ],
    ),
    (
        "put  m  1700000000 1 a=b",
        ["", "m 1700000000 1 a=b", "m 1700000000 1 a=b", "m 1700000000 1 a=b"],
    ),
    ("put m 1700000000 1 a=b  c=d ", ["m 1700000000 1 a=b c=d"; 4]),
    (
        "put m\t1700000000\t1\ta=b",
        ["", "", "m 1700000000 1 a=b", "m 1700000000 1 a=b"],
    ),
    (
        " put m 1700000000 1 a=b",
        ["", "m 1700000000 1 a=b", "m 1700000000 1 a=b", "m 1700000000 1 a=b"],
    ),
    ("put m 0 1 a=b", ["", "now", "", ""]),
    ("put m 1700000000 1 a=b\r", ["m 1700000000 1 a=b"; 4]),
];

#[test]
fn each_server_stores_what_it_was_measured_to_store() {
    for (index, personality) in [OpenTsdb, VictoriaMetrics, InfluxDb, KairosDb].into_iter().enumerate() {
        for (line, expected) in LINES {
            let receiver = receiver(personality);
            // Many of these would be HTTP to somebody as the first line.
            reply_to(&receiver, format!("put first 1700000000 1 a=b\n{line}\n"));
            let mut points = stored(&receiver);
            assert_eq!(points.remove(0), "first 1700000000 1 a=b");
            match expected[index] {
                "" => assert!(points.is_empty(), "{personality}: {line:?} gave {points:?}"),
                // VictoriaMetrics stores what has no time at its own.
                "now" => assert!(points.len() == 1 && points[0].starts_with("m 1"), "{points:?}"),
                point => assert_eq!(points, [point], "{personality}: {line:?}"),
            }
            // Once its series is known, a line goes another way and has to end in the same place.
            reply_to(&receiver, format!("put first 1700000000 1 a=b\n{line}\n{line}\n"));
            if expected[index] != "now" {
                assert_eq!(stored(&receiver).len() - 1, points.len(), "{personality}: {line:?}");
            }
        }
    }
}

#[test]
fn a_last_line_without_its_end_is_a_wrong_point_on_two_of_them() {
    for (personality, points) in [(OpenTsdb, 0), (VictoriaMetrics, 1), (InfluxDb, 1), (KairosDb, 0)] {
        let receiver = receiver(personality);
        assert_eq!(reply_to(&receiver, "put m 1700000000 12"), "");
        assert!(receiver.wait_until(SOON, |counts| counts.torn == 1));
        assert_eq!(receiver.points().len(), points, "{personality}");
        if points == 1 {
            assert_eq!(stored(&receiver), ["m 1700000000 12"]);
        }
    }
}

#[test]
fn a_last_line_that_is_left_out_is_torn_all_the_same() {
    let receiver = receiver(KairosDb);
    assert_eq!(reply_to(&receiver, "x".repeat(1025)), "");
    assert!(receiver.wait_until(SOON, |counts| counts.open == 0));
    assert_eq!((receiver.counts().torn, receiver.counts().puts), (1, 0));
}

#[test]
fn a_line_too_long_ends_the_connection_or_is_left_out_or_is_a_line() {
    let long = format!("put m 1700000000 1 a={}", "b".repeat(2000));
    for (personality, points, ended) in [
        (OpenTsdb, 0, 1),
        (VictoriaMetrics, 2, 0),
        (InfluxDb, 2, 0),
        (KairosDb, 1, 0),
    ] {
        let receiver = receiver(personality);
        let mut peer = Peer::of(&receiver);
        peer.say(&long);
        if ended == 1 {
            assert_eq!(peer.rest().expect("an end"), "");
        } else {
            peer.say("\nput m 1700000000 1 a=b\n");
            assert_eq!(peer.finish(), "");
        }
        assert_eq!(receiver.counts().closed_overlong, ended, "{personality}");
        assert_eq!(receiver.points().len(), points, "{personality}");
    }
}

/// A status, and what is stored.
type Outcome = (u16, &'static [&'static str]);

/// A body, and what OpenTSDB, VictoriaMetrics and InfluxDB answer and store of it.
const BODIES: [(&str, [Outcome; 3]); 9] = [
    (
        r#"[{"metric":"m","timestamp":1700000000,"value":1,"tags":{"a":"b"}},{"metric":"m","timestamp":1700000001,"value":"abc","tags":{"a":"b"}}]"#,
        [
            (400, &["m 1700000000 1 a=b"]),
            (204, &["m 1700000000 1 a=b"]),
            (400, &[]),
        ],
    ),
    (
        r#"{"metric":"m","timestamp":1700000000,"value":"42","tags":{"a":"b"}}"#,
        [
            (204, &["m 1700000000 42 a=b"]),
            (204, &["m 1700000000 42 a=b"]),
            (400, &[]),
        ],
    ),
    (
        r#"{"metric":"m","timestamp":1700000000,"value":null,"tags":{"a":"b"}}"#,
        [(400, &[]), (204, &[]), (204, &["m 1700000000 0 a=b"])],
    ),
    (
        r#"{"metric":"m","value":1,"tags":{"a":"b"}}"#,
        [(400, &[]), (204, &["now"]), (204, &["m 0 1 a=b"])],
    ),
    (
        r#"{"metric":"m","timestamp":-5,"value":1,"tags":{"a":"b"}}"#,
        [(400, &[]), (204, &[]), (204, &["m -5 1 a=b"])],
    ),
    (
        r#"{"metric":"m","timestamp":1700000000123,"value":1,"tags":{"a":"b"}}"#,
        [
            (204, &["m 1700000000123 1 a=b"]),
            (204, &["m 1700000000123 1 a=b"]),
            (204, &["m 1700000000 1 a=b"]),
        ],
    ),
    (
        r#"{"metric":"m","timestamp":1700000000,"value":1}"#,
        [(400, &[]), (204, &["m 1700000000 1"]), (204, &["m 1700000000 1"])],
    ),
    (
        r#"{"metric":"m","timestamp":1700000000,"value":1,"tags":{"a":5}}"#,
        [(204, &["m 1700000000 1 a=5"]), (204, &[]), (400, &[])],
    ),
    (
        r#"{"metric":"m","timestamp":1700000000,"value":1,"tags":{"a":"b c"}}"#,
        [
            (400, &[]),
            (204, &["m 1700000000 1 a=b c"]),
            (204, &["m 1700000000 1 a=b c"]),
        ],
    ),
];

#[test]
fn each_server_stores_of_a_body_what_it_was_measured_to_store() {
    for (index, personality) in [OpenTsdb, VictoriaMetrics, InfluxDb].into_iter().enumerate() {
        for (body, expected) in BODIES {
            let receiver = receiver(personality);
            let (status, points) = expected[index];
            assert_eq!(
                request(&receiver, "POST", "/api/put", body).0,
                status,
                "{personality}: {body}"
            );
            let counts = receiver.counts();
            assert_eq!(counts.accepted, points.len() as u64, "{personality}: {body}");
            if points != ["now"] {
                assert_eq!(stored(&receiver), points, "{personality}: {body}");
            }
        }
    }
}

#[test]
fn one_connection_that_says_nothing_keeps_everybody_from_victoriametrics() {
    let receiver = receiver(VictoriaMetrics);
    let silent = Peer::of(&receiver);
    let mut waiting = Peer::of(&receiver);
    waiting.say("put m 1700000000 1 a=b\n");
    assert!(!receiver.wait_for(1, Duration::from_millis(200)), "it has to wait");
    drop(silent);
    assert!(receiver.wait_for(1, SOON), "and is served when the other is gone");

    // One that stays is given up after five seconds.
    let began = Instant::now();
    let silent = Peer::of(&receiver);
    let mut waiting = Peer::of(&receiver);
    waiting.say("put m 1700000001 1 a=b\n");
    assert!(receiver.wait_for(2, SOON));
    assert!(began.elapsed() > Duration::from_secs(4));
    assert_eq!(receiver.counts().mute, 1);
    assert_eq!(silent.rest().expect("an end of stream"), "");
}

#[test]
fn influxdb_has_no_database_until_a_put_came_over_telnet() {
    let receiver = started(Config {
        personality: InfluxDb,
        ..Config::default()
    });
    let put = || {
        let body = r#"{"metric":"m","timestamp":1700000000,"value":1}"#;
        request(&receiver, "POST", "/api/put", body)
    };
    assert_eq!(
        put(),
        (500, "write series error: database not found: opentsdb\n".to_owned())
    );
    assert_eq!(receiver.counts().puts, 0);
    assert_eq!(
        reply_to(&receiver, "put first 1700000000 1\nversion\n"),
        "InfluxDB TSDB proxy"
    );
    assert_eq!(put().0, 204);
    assert_eq!(receiver.points().len(), 2);
}

#[test]
fn points_are_read_back_in_every_personality_by_the_same_question() {
    for personality in Personality::ALL {
        let receiver = receiver(personality);
        reply_to(&receiver, "put m 1700000000 1.5 a=b\n");
        assert_eq!(
            request(
                &receiver,
                "GET",
                "/api/query?start=1699999999&end=1700000001&m=none:m",
                ""
            ),
            (
                200,
                r#"[{"metric":"m","tags":{"a":"b"},"aggregateTags":[],"dps":{"1700000000":1.5}}]"#.to_owned()
            ),
            "{personality}"
        );
    }
}

/// Numbers that one of them or another takes.
const NUMBERS: [&str; 20] = [
    "1",
    "-0",
    "007",
    "1.0",
    "5.",
    ".5",
    "-.5",
    "+1",
    "+1.5",
    "1e3",
    "1E-3",
    "1.5f",
    "0x1.8p1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "123456789012345678901234567890",
    "inf",
    "-Infinity",
];

#[test]
fn whatever_is_taken_can_be_read_back() {
    for personality in Personality::ALL {
        let mut taken = Vec::new();
        for number in NUMBERS {
            let receiver = receiver(personality);
            reply_to(&receiver, format!("put m 1700000000 {number} a=b\n"));
            if receiver.counts().accepted == 0 {
                continue;
            }
            taken.push(number);
            let path = "/api/query?start=1699999999&end=1700000001&m=sum:m";
            let (status, body) = request(&receiver, "GET", path, "");
            let (_, rest) = body.split_once("\"1700000000\":").unwrap_or_else(|| {
                panic!("{personality} took {number}, and answers {status} {body}");
            });
            let (shown, _) = rest.split_once('}').expect("an object's end");
            let value = receiver.points()[0].number().as_f64();
            let shown: f64 = shown.trim_matches('"').parse().expect("a number");
            assert_eq!(shown, value, "{personality} {number}");
        }
        assert!(taken.len() >= 7, "{personality} takes more than {taken:?}");
        assert_eq!(
            taken.contains(&"18446744073709551615"),
            matches!(personality, VictoriaMetrics | InfluxDb)
        );
        assert_eq!(taken.contains(&"inf"), personality == VictoriaMetrics);
    }
}

#[test]
fn a_journal_brings_back_what_each_of_them_stored() {
    for personality in Personality::ALL {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = Config {
            personality,
            journal: Some(folder.path().join("points")),
            ..Config::default()
        };
        let receiver = started(config.clone());
        reply_to(
            &receiver,
            "put m 1700000000 1 a=b\nput m 1700000001123 2 a=b=c\nput  m 0 3\nput m 1700000003 4 h=z\u{fc}rich\n",
        );
        let before = receiver.stop();
        assert!(!before.points.is_empty());
        assert_eq!(started(config).points(), before.points, "{personality}");
    }
}

#[test]
fn a_cluster_of_victoriametrics_has_a_longer_path() {
    let receiver = receiver(VictoriaMetrics);
    for (path, status) in [
        ("/insert/0/opentsdb/api/put", 204),
        ("/insert/42:7/opentsdb/api/put", 204),
        ("/opentsdb/api/put", 204),
        ("/insert/0/api/v1/write", 400),
    ] {
        assert_eq!(request(&receiver, "POST", path, "[]").0, status, "{path}");
    }
}

#[test]
fn victoriametrics_counts_a_body_after_it_was_inflated() {
    let receiver = receiver(VictoriaMetrics);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&vec![b' '; (32 << 20) + 1]).expect("memory");
    let body = gzip.finish().expect("memory");
    let (status, words) = request_with(&receiver, "POST", "/api/put", "Content-Encoding: gzip\r\n", body);
    assert!(
        status == 400 && words.contains("too big HTTP OpenTSDB request; mustn't exceed"),
        "{words}"
    );
}

#[test]
fn opentsdb_takes_8192_bytes_unless_told_otherwise() {
    let of = |length: usize| format!("{}{}", "[]", " ".repeat(length - 2));
    let receiver = receiver(OpenTsdb);
    let words = |length| request(&receiver, "POST", "/api/put", of(length)).1;
    assert!(words(8192).contains("No datapoints"));
    assert!(words(8193).contains("<blockquote>Chunked request not supported.</blockquote>"));
    let config = request(&receiver, "GET", "/api/config", "").1;
    assert!(
        config.contains(r#""tsd.http.request.enable_chunked":"false""#),
        "{config}"
    );

    let receiver = started(Config {
        max_chunk: Some(20_000),
        ..Config::default()
    });
    assert!(
        request(&receiver, "POST", "/api/put", of(20_000))
            .1
            .contains("No datapoints")
    );
    let mut peer = Peer::of(&receiver);
    peer.say("POST /api/put HTTP/1.1\r\nContent-Length: 20001\r\n\r\n");
    assert_eq!(peer.rest().expect("an end"), "", "it ends without a word");
    let config = request(&receiver, "GET", "/api/config", "").1;
    assert!(config.contains(r#""tsd.http.request.enable_chunked":"true","tsd.http.request.max_chunk":"20000""#));
    let mut peer = Peer::of(&receiver);
    peer.say("POST /api/put HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    peer.hear("HTTP/1.1 100 Continue\r\n\r\n")
        .say("[]")
        .hear("HTTP/1.1 400");
    let mut peer = Peer::of(&receiver);
    peer.say(
        "POST /api/put HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n1;x=y\r\n]\r\n0\r\nTrailer: x\r\n\r\n",
    );
    peer.hear("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json");
}

#[test]
fn a_read_only_opentsdb_does_not_know_put() {
    let receiver = started(Config {
        read_only: true,
        ..Config::default()
    });
    assert_eq!(
        reply_to(&receiver, "put m 1700000000 1 a=b\n"),
        "unknown command: put.  Try `help'.\n"
    );
    assert_eq!(request(&receiver, "POST", "/api/put", "[]").0, 404);
    assert!(
        request(&receiver, "GET", "/api/config", "")
            .1
            .contains(r#""tsd.mode":"ro""#)
    );
}

#[test]
fn a_telnet_connection_says_who_it_is_before_anything_counts() {
    let receiver = started(Config {
        auth_line: Some("auth basic key secret".to_owned()),
        ..Config::default()
    });
    let line = "put m 1700000000 1 a=b\n";
    let said = reply_to(
        &receiver,
        format!("{line}auth basic key secret\r\n{line}put m x 1 a=b\n"),
    );
    assert_eq!(
        said,
        "AUTH_FAIL\r\nAUTH_SUCCESS\r\nput: invalid value: Invalid character 'x' in x\n"
    );
    assert_eq!((receiver.counts().unauthorised, receiver.counts().accepted), (1, 1));
}

#[test]
fn an_http_request_without_the_right_authorization_is_401() {
    let receiver = started(Config {
        auth_header: Some("Bearer secret".to_owned()),
        ..Config::default()
    });
    let put = |headers: &str| {
        let body = r#"{"metric":"m","timestamp":1700000000,"value":1,"tags":{"a":"b"}}"#;
        request_with(&receiver, "POST", "/api/put", headers, body).0
    };
    assert_eq!(put(""), 401);
    assert_eq!(put("Authorization: Bearer wrong\r\n"), 401);
    assert_eq!(put("authorization: Bearer secret\r\n"), 204);
    assert_eq!((receiver.counts().unauthorised, receiver.counts().accepted), (2, 1));
}

#[test]
fn behind_a_proxy_paths_begin_with_something() {
    let receiver = started(Config {
        base_path: "/tsdb/write/".to_owned(),
        ..Config::default()
    });
    assert_eq!(request(&receiver, "GET", "/tsdb/write/api/version", "").0, 200);
    assert_eq!(request(&receiver, "GET", "/api/version", "").0, 404);
}

#[test]
fn names_of_personalities_are_those_of_the_clients_option() {
    for personality in Personality::ALL {
        assert_eq!(personality.to_string().parse(), Ok(personality));
    }
    assert!("graphite".parse::<Personality>().is_err());
}

/// Nobody is left waiting by a connection that only begins like HTTP.
#[test]
fn a_beginning_that_could_be_anything_is_waited_for() {
    for personality in [InfluxDb, KairosDb, OpenTsdb] {
        let receiver = receiver(personality);
        let mut peer = Peer::of(&receiver);
        for byte in b"put m 1700000000 1 a=b\nversion\n" {
            peer.say([*byte]);
        }
        let mut first = [0; 4];
        peer.0.read_exact(&mut first).expect("an answer");
        assert_eq!(receiver.points().len(), 1, "{personality}");
    }
    let receiver = receiver(VictoriaMetrics);
    let mut stream = TcpStream::connect(receiver.address()).expect("it listens");
    for byte in b"GET /api/version HTTP/1.1\r\n\r\n" {
        stream.write_all(&[*byte]).expect("it reads");
    }
    stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    let mut first = [0; 12];
    stream.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 400");
    stream.set_nonblocking(true).expect("a socket");
    let more = stream.read(&mut [0; 4096]);
    assert!(
        more.is_ok_and(|length| length > 0) || stream.peek(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
    );
}
