//! The HTTP wire, as a peer meets it: /api/put in OpenTSDB 2.4.1's words, and what tools ask beside it.

mod peer;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use peer::{Peer, SOON, reply_to, request, request_with};
use potsdb_receiver::{Config, Faults, Offsets, Personality, Receiver};

const GOOD: &str = r#"{"metric":"m","timestamp":1700000000,"value":1.50,"tags":{"h":"a"}}"#;

fn receiver() -> Receiver {
    Receiver::start(Config::default()).expect("a free port")
}

/// The status and the body of an answer, without the trace that an error shows.
fn put(receiver: &Receiver, flags: &str, body: &str) -> (u16, String) {
    without_trace(request(receiver, "POST", &format!("/api/put{flags}"), body))
}

/// Without what only the real server's own code can tell.
fn without_trace((status, mut body): (u16, String)) -> (u16, String) {
    for beginning in [
        ",\"details\":\"com.fasterxml.jackson.",
        ",\"trace\":\"net.opentsdb.tsd.BadRequestException: ",
    ] {
        if let Some(at) = body.find(beginning) {
            body.truncate(at);
            body.push_str("}}");
        }
    }
    (status, body)
}

fn error(code: u16, message: &str) -> (u16, String) {
    (code, format!(r#"{{"error":{{"code":{code},"message":"{message}"}}}}"#))
}

#[test]
fn good_points_are_answered_as_the_flags_ask() {
    let receiver = receiver();
    let three = format!("[{GOOD},{GOOD},{GOOD}]");
    let cases = [
        ("", 204, ""),
        ("?sync", 204, ""),
        ("?summary", 200, r#"{"success":3,"failed":0}"#),
        ("?details", 200, r#"{"success":3,"failed":0,"errors":[]}"#),
        ("?details=true&summary", 200, r#"{"success":3,"failed":0,"errors":[]}"#),
        (
            "?sync&details&sync_timeout=1000",
            200,
            r#"{"success":3,"timeouts":0,"failed":0,"errors":[]}"#,
        ),
    ];
    for (flags, status, body) in cases {
        assert_eq!(put(&receiver, flags, &three), (status, body.into()), "{flags}");
    }
    assert_eq!(put(&receiver, "", GOOD).0, 204, "one object will do");
    assert_eq!(request(&receiver, "POST", "/api/v1/put", GOOD).0, 204);
    let points = receiver.points();
    assert_eq!(
        (points.len(), points[0].value.as_str(), points[0].copies),
        (1, "1.50", 20)
    );
    assert!(points[0].identical);
}

#[test]
fn good_points_among_bad_ones_are_stored() {
    let receiver = receiver();
    let body =
        format!(r#"[{GOOD},{{"metric":"n","timestamp":1700000000,"value":"abc","tags":{{"host":"h0000","dc":"x"}}}}]"#);
    let (status, body_text) = put(&receiver, "", &body);
    assert_eq!(status, 400);
    assert_eq!(
        body_text,
        r#"{"error":{"code":400,"message":"One or more data points had errors","details":"Please see the TSD logs or append \"details\" to the put request"}}"#
    );
    assert_eq!(
        put(&receiver, "?summary", &body),
        (400, r#"{"success":1,"failed":1}"#.into())
    );
    assert_eq!(
        put(&receiver, "?details", &body),
        (
            400,
            r#"{"success":1,"failed":1,"errors":[{"datapoint":{"metric":"n","timestamp":1700000000,"value":"abc","tags":{"host":"h0000","dc":"x"}},"error":"Unable to parse value to a number"}]}"#.into()
        )
    );
    assert_eq!(receiver.points().len(), 1);
    let counts = receiver.counts();
    assert_eq!(
        (counts.puts, counts.accepted, counts.refused, counts.duplicates),
        (6, 3, 3, 2)
    );
}

#[test]
fn each_fault_has_opentsdbs_reason() {
    let receiver = receiver();
    let point = |metric: &str, timestamp: &str, value: &str, tags: &str| {
        format!(r#"{{"metric":{metric},"timestamp":{timestamp},"value":{value},"tags":{tags}}}"#)
    };
    let (m, t, v, tags) = (r#""m""#, "1700000000", "1", r#"{"h":"a"}"#);
    let nine = r#"{"k0":"v","k1":"v","k2":"v","k3":"v","k4":"v","k5":"v","k6":"v","k7":"v","k8":"v"}"#;
    let cases = [
        (point(r#""""#, t, v, tags), "Metric name was empty"),
        (point("null", t, v, tags), "Metric name was empty"),
        (point(m, "0", v, tags), "Invalid timestamp"),
        (point(m, "-1", v, tags), "Invalid timestamp"),
        (point(m, "null", v, tags), "Invalid timestamp"),
        (point(m, t, "null", tags), "Empty value"),
        (point(m, t, r#""""#, tags), "Empty value"),
        (point(m, t, v, "{}"), "Missing tags"),
        (point(m, t, v, "null"), "Missing tags"),
        (point(m, r#""""#, v, tags), "Invalid timestamp"),
        (point(m, t, v, r#"{"h":null}"#), "Invalid tag value with key [h]: null"),
        (point(m, t, "NaN", tags), "Unable to parse value to a number"),
        (point(m, t, "true", tags), "Unable to parse value to a number"),
        (
            point(r#""a!b""#, t, v, tags),
            r#"Invalid metric name (\"a!b\"): illegal character: !"#,
        ),
        (
            point(m, t, v, r#"{"h":"b c"}"#),
            r#"Invalid tag value with key [h] (\"b c\"): illegal character:  "#,
        ),
        (
            point(m, "17000000001234", v, tags),
            "bad timestamp=17000000001234 when trying to add value=[1]/0 to metric=m, tags={h=a}",
        ),
        (
            point(m, t, v, nine),
            "Too many tags: 9 maximum allowed: 8, tags: {k0=v, k1=v, k2=v, k3=v, k4=v, k5=v, k6=v, k7=v, k8=v}",
        ),
        ("null".into(), "Unexpected null datapoint encountered in set."),
    ];
    for (point, reason) in cases {
        let (status, body) = put(&receiver, "?details", &format!("[{point}]"));
        assert_eq!(status, 400, "{point}");
        assert!(
            body.ends_with(&format!(r#""error":"{reason}"}}]}}"#)),
            "{point} gave {body}"
        );
    }
    let counts = receiver.counts();
    assert_eq!((counts.puts, counts.refused), (18, 18));
}

#[test]
fn a_refused_point_is_shown_without_what_it_lacks() {
    let receiver = receiver();
    let shown = |body: &str| put(&receiver, "?details", body).1;
    assert_eq!(
        shown("{}"),
        r#"{"success":0,"failed":1,"errors":[{"datapoint":{"timestamp":0},"error":"Metric name was empty"}]}"#
    );
    assert_eq!(
        shown(r#"{"metric":"m","timestamp":"1700000000","value":[],"tags":{}}"#),
        r#"{"error":{"code":400,"message":"Unable to parse the given JSON"}}"#
    );
    assert_eq!(
        shown(r#"{"tags":{"host":"a","dc":null},"value":1.50,"timestamp":1700000000,"metric":"m"}"#),
        r#"{"success":0,"failed":1,"errors":[{"datapoint":{"metric":"m","timestamp":1700000000,"value":"1.50","tags":{"host":"a","dc":null}},"error":"Invalid tag value with key [dc]: null"}]}"#
    );
}

#[test]
fn bodies_opentsdb_takes_are_taken() {
    let receiver = receiver();
    let bodies = [
        r#"{"metric":"a","timestamp":"1700000000","value":"42","tags":{"h":"a"}}"#,
        r#"{"metric":"b","timestamp":1700000000.9,"value":42,"tags":{"h":5},"more":[{}]}"#,
        r#"  [{"metric":"c","timestamp":1700000000123,"value":9223372036854775807,"tags":{"h":"zürich"}}] and more"#,
    ];
    for body in bodies {
        assert_eq!(put(&receiver, "", body), (204, String::new()), "{body}");
    }
    let points = receiver.points();
    let seen: Vec<_> = points
        .iter()
        .map(|point| {
            (
                point.timestamp,
                point.value.as_str(),
                point.series.tag("h").unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1_700_000_000, "42", "a"),
            (1_700_000_000, "42", "5"),
            (1_700_000_000_123, "9223372036854775807", "zürich"),
        ]
    );
}

#[test]
fn a_journal_keeps_what_came_over_http() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = Config {
        journal: Some(folder.path().join("points")),
        keep_lines: true,
        ..Config::default()
    };
    let receiver = Receiver::start(config.clone()).expect("a free port");
    // Java reads a float with a newline at its end; it must not become a line of its own.
    let body = r#"[{"metric":"m","timestamp":1700000000,"value":"1.5\n","tags":{"h":"zürich","a":"b"}},
        {"metric":"m\nput x 1 1 h=a","timestamp":1700000000,"value":1,"tags":{"h":"a"}}]"#;
    assert_eq!(
        put(&receiver, "?summary", body),
        (400, r#"{"success":1,"failed":1}"#.into())
    );
    assert_eq!(receiver.lines(), ["put m 1700000000 1.5 h=zürich a=b"]);
    let before = receiver.stop();
    let receiver = Receiver::start(config).expect("a free port");
    assert_eq!(receiver.points(), before.points);
}

#[test]
fn a_body_that_is_no_list_of_points_stores_nothing() {
    let receiver = receiver();
    let cases = [
        ("[]".to_owned(), "No datapoints found in content"),
        (String::new(), "Missing request content"),
        (
            "put m 1 1 h=a".to_owned(),
            "The JSON must start as an object or an array",
        ),
        (format!("[{GOOD}"), "Unable to parse the given JSON"),
        (format!("[{GOOD},7]"), "Unable to parse the given JSON"),
        (
            format!(r#"[{GOOD},{{"metric":["m"]}}]"#),
            "Unable to parse the given JSON",
        ),
        (
            format!(r#"[{GOOD},{{"metric":"m","timestamp":"soon"}}]"#),
            "Unable to parse the given JSON",
        ),
        (
            format!(r#"[{GOOD},{{"metric":"m","tags":["h"]}}]"#),
            "Unable to parse the given JSON",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(put(&receiver, "?details", &body), error(400, message), "{body}");
    }
    // It looks at the first character without asking whether there is one.
    assert_eq!(
        put(&receiver, "?details", "  \n"),
        error(500, "String index out of range: 0")
    );
    assert_eq!(receiver.counts().puts, 0);
}

#[test]
fn compressed_bodies_are_inflated() {
    let receiver = receiver();
    let gzipped = |text: &str| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
        gzip.write_all(text.as_bytes()).expect("memory");
        gzip.finish().expect("memory")
    };
    let gzip = gzipped(GOOD);
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(GOOD.as_bytes()).expect("memory");
    let deflate = deflate.finish().expect("memory");
    let put = |encoding: &str, body: &[u8]| {
        request_with(
            &receiver,
            "POST",
            "/api/put",
            &format!("Content-Encoding: {encoding}\r\n"),
            body,
        )
    };
    assert_eq!(put("gzip", &gzip).0, 204);
    assert_eq!(put("x-gzip", &gzip).0, 204);
    assert_eq!(put("deflate", &deflate).0, 204);
    assert_eq!(
        without_trace(put("gzip", &gzip[..gzip.len() / 2])),
        error(400, "Unable to parse the given JSON"),
        "truncated"
    );
    // Plain bytes announced as gzip end the connection without a reply.
    let mut peer = Peer::of(&receiver);
    peer.say(format!(
        "POST /api/put HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{GOOD}",
        GOOD.len()
    ));
    assert_eq!(peer.rest().unwrap_or_default(), "");
    assert_eq!(receiver.counts().accepted, 3);
}

#[test]
fn chunked_requests_are_refused_and_so_is_expect() {
    let receiver = receiver();
    for (header, body) in [
        ("Transfer-Encoding: chunked", "2\r\n[]\r\n0\r\n\r\n"),
        ("Expect: 100-continue\r\nContent-Length: 2", ""),
    ] {
        let mut peer = Peer::of(&receiver);
        peer.say(format!(
            "POST /api/put HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n{body}"
        ));
        let mut reply = String::new();
        while !reply.ends_with("Chunked request not supported.") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut peer.0, &mut byte).expect("a reply");
            reply.push(char::from(byte[0]));
        }
        assert!(
            reply.starts_with("HTTP/1.1 400") && reply.contains("text/html"),
            "{reply}"
        );
    }
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let receiver = receiver();
    let mut peer = Peer::of(&receiver);
    for number in 1..=3 {
        peer.say(format!(
            "POST /api/put HTTP/1.1\r\nHost: tsd\r\nContent-Length: {}\r\n\r\n{GOOD}",
            GOOD.len()
        ));
        peer.hear("HTTP/1.1 204 No Content");
        // The rest of the head, up to the empty line.
        let mut tail = [0; 4];
        while &tail != b"\r\n\r\n" {
            tail.rotate_left(1);
            std::io::Read::read_exact(&mut peer.0, &mut tail[3..]).expect("a head");
        }
        assert_eq!(receiver.counts().accepted, number);
    }
    assert_eq!(peer.finish(), "");
    assert_eq!((receiver.counts().connections, receiver.counts().requests), (1, 3));
}

#[test]
fn a_telnet_line_in_upper_case_ends_as_broken_http() {
    let receiver = receiver();
    let reply = reply_to(&receiver, "PUT m 1700000000 1 h=a\n");
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 400"), "{reply}");
    assert_eq!(receiver.counts().puts, 0);
}

#[test]
fn a_silent_receiver_takes_version_for_http() {
    let receiver = Receiver::start(Config {
        personality: Personality::VictoriaMetrics,
        ..Config::default()
    })
    .expect("a free port");
    let mut peer = Peer::of(&receiver);
    peer.say("version\nput m 1 1 h=a\n");
    let reply = peer.rest().unwrap_or_default();
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 400"), "{reply}");
    assert_eq!(receiver.counts().puts, 0);
    assert_eq!(put(&receiver, "", GOOD).0, 204, "real HTTP is served");
}

#[test]
fn unknown_paths_and_methods_are_answered_in_json() {
    let receiver = receiver();
    assert_eq!(
        without_trace(request(&receiver, "GET", "/api/nothing", "")),
        error(404, "Endpoint not found")
    );
    let (status, page) = request(&receiver, "GET", "/nothing", "");
    assert!(
        status == 404 && page.starts_with("<!DOCTYPE html>"),
        "but for what is not below /api: {page}"
    );
    let (status, body) = without_trace(request(&receiver, "GET", "/api/put", ""));
    assert_eq!(status, 405);
    assert_eq!(
        body,
        r#"{"error":{"code":405,"message":"Method not allowed","details":"The HTTP method [GET] is not permitted for this endpoint"}}"#
    );
    assert_eq!(request(&receiver, "PUT", "/api/query", "").0, 405);
}

#[test]
fn names_are_suggested_by_their_beginning() {
    let receiver = receiver();
    reply_to(
        &receiver,
        "put cpu.user 1 1 host=a\nput cpu.sys 1 1 host=b dc=eu\nput mem 1 1 host=c\n",
    );
    let get = |path: &str| without_trace(request(&receiver, "GET", path, ""));
    assert_eq!(
        get("/api/suggest?type=metrics&q=cpu"),
        (200, r#"["cpu.sys","cpu.user"]"#.into())
    );
    assert_eq!(
        get("/api/suggest?type=metrics&q=cpu&max=1"),
        (200, r#"["cpu.sys"]"#.into())
    );
    assert_eq!(get("/api/suggest?type=tagk&q="), (200, r#"["dc","host"]"#.into()));
    assert_eq!(get("/api/suggest?type=tagv"), (200, r#"["a","b","c","eu"]"#.into()));
    assert_eq!(get("/api/suggest?type=metrics&q=no"), (200, "[]".into()));
    assert_eq!(get("/api/suggest?type=foo"), error(400, "Invalid 'type' parameter:foo"));
    let body = r#"{"type":"metrics","q":"m","max":5}"#;
    assert_eq!(
        request(&receiver, "POST", "/api/suggest", body),
        (200, r#"["mem"]"#.into())
    );
}

#[test]
fn series_are_looked_up_by_metric_and_tags() {
    let receiver = receiver();
    reply_to(
        &receiver,
        "put cpu 1 1 host=a dc=eu\nput cpu 1 1 host=b dc=us\nput mem 1 1 host=c\n",
    );
    let (status, body) = request(
        &receiver,
        "GET",
        "/api/search/lookup?m=cpu%7Bhost=*,dc=us%7D&limit=10",
        "",
    );
    assert_eq!(status, 200);
    assert_eq!(
        body,
        r#"{"type":"LOOKUP","metric":"cpu","tags":[{"key":"host","value":"*"},{"key":"dc","value":"us"}],"limit":10,"time":0.0,"results":[{"tsuid":"000001000001000003000002000004","metric":"cpu","tags":{"host":"b","dc":"us"}}],"startIndex":0,"totalResults":1}"#
    );
}

#[test]
fn tools_find_what_they_ask_for_at_the_start() {
    let receiver = receiver();
    let get = |path: &str| request(&receiver, "GET", path, "");
    let (status, version) = get("/api/version");
    assert!(status == 200 && version.contains(r#""version":"2.4.1""#) && version.contains(r#""short_revision""#));
    let (status, aggregators) = get("/api/aggregators");
    assert!(status == 200 && aggregators.contains(r#""sum","#) && aggregators.contains(r#""none""#));
    let (status, filters) = get("/api/config/filters");
    assert!(status == 200 && filters.starts_with(r#"{"literal_or":{"#) && filters.contains(r#""regexp":{"#));
    assert!(get("/api/config").1.contains(r#""tsd.mode":"rw""#));
    let (status, stats) = get("/api/stats");
    assert!(status == 200 && stats.contains(r#""metric":"tsd.datapoints.added""#) && stats.contains(r#""value":"0""#));
}

#[test]
fn faults_hold_on_http_too() {
    let receiver = receiver();
    let request = format!(
        "POST /api/put HTTP/1.1\r\nHost: tsd\r\nContent-Length: {}\r\n\r\n{GOOD}",
        GOOD.len()
    );
    receiver.faults().stall_answers(true);
    let mut peer = Peer::of(&receiver);
    peer.say(&request);
    assert!(receiver.wait_for(1, SOON), "stored, and not answered");
    receiver.faults().stall_answers(false);
    peer.hear("HTTP/1.1 204");
    receiver.faults().reset_all(0);
    assert!(receiver.wait_until(SOON, |counts| counts.cut == 1));

    receiver.faults().set(Faults {
        reset_after: Offsets::Every(request.len() as u64 - 1),
        ..Faults::default()
    });
    let mut peer = Peer::of(&receiver);
    peer.say(&request);
    assert!(peer.rest().is_err(), "a reset");
    assert!(receiver.wait_until(SOON, |counts| counts.cut == 2 && counts.open == 0));
    assert_eq!(receiver.counts().accepted, 1);
}
