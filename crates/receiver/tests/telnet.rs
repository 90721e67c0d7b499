//! The telnet wire, as a peer meets it: OpenTSDB 2.4.1's words byte for byte, its framing, its silences.

mod peer;

use peer::{Peer, SOON, reply_to};
use potsdb_receiver::{Config, Personality, Receiver};

const VERSION: &str = "net.opentsdb.tools 2.4.1 built at revision potsdb (RECEIVER)\n\
    Built on 2026/01/01 00:00:00 +0000 by potsdb@localhost:potsdb-receiver\n";

fn receiver() -> Receiver {
    Receiver::start(Config::default()).expect("a free port")
}

#[test]
fn a_good_put_is_stored_without_a_word() {
    let receiver = receiver();
    assert_eq!(reply_to(&receiver, "put sys.cpu 1700000000 1.5 host=a dc=eu\n"), "");
    let points = receiver.points();
    let [point] = points.as_slice() else {
        panic!("one point: {points:?}")
    };
    assert_eq!(point.series.metric, "sys.cpu");
    assert_eq!(
        point.series.tags,
        [("dc".into(), "eu".into()), ("host".into(), "a".into())]
    );
    assert_eq!(
        (point.timestamp, point.value.as_str(), point.copies),
        (1_700_000_000, "1.5", 1)
    );
}

/// Golden: the left side is one line, the right side the whole answer of OpenTSDB 2.4.1.
const REFUSALS: &[(&str, &str)] = &[
    (
        "put m 1700000000 abc h=a",
        "put: invalid value: Invalid character 'a' in abc\n",
    ),
    (
        "put m 1700000000 zz h=a",
        "put: invalid value: Invalid character 'z' in zz\n",
    ),
    (
        "put m notatime 1 h=a",
        "put: invalid value: Invalid character 'n' in notatime\n",
    ),
    (
        "put m 1700000000 NaN h=a",
        "put: invalid value: Invalid character 'N' in NaN\n",
    ),
    (
        "put m 1700000000 1e h=a",
        "put: invalid value: For input string: \"1e\"\n",
    ),
    (
        "put m 1700000000 9223372036854775808 h=a",
        "put: invalid value: Overflow in 9223372036854775808\n",
    ),
    (
        "put m 1700000000 99999999999999999999 h=a",
        "put: invalid value: Value too long: 99999999999999999999\n",
    ),
    ("put m  1700000000 1 h=a", "put: invalid value: Empty string\n"),
    ("put  m 1700000000 1 h=a", "put: illegal argument: empty metric name\n"),
    ("put m 1700000000  1 h=a", "put: illegal argument: empty value\n"),
    ("put m 0 1 h=a", "put: illegal argument: invalid timestamp: 0\n"),
    ("put m -5 1 h=a", "put: illegal argument: invalid timestamp: -5\n"),
    (
        "put bar.prime 1700300001 1e400 h=a",
        "put: illegal argument: value is NaN or Infinite: Infinity for metric=bar.prime timestamp=1700300001\n",
    ),
    (
        "put bar.prime 17000000001234 1 host=h0000 dc=x",
        "put: illegal argument: bad timestamp=17000000001234 when trying to add value=[1]/0 to metric=bar.prime, \
         tags={host=h0000, dc=x}\n",
    ),
    (
        "put m 1700000000123456 1 a=b",
        "put: illegal argument: bad timestamp=1700000000123456 when trying to add value=[1]/0 to metric=m, tags={a=b}\n",
    ),
    (
        "put m 1700000000 1",
        "put: illegal argument: not enough arguments (need least 4, got 3)\n",
    ),
    (
        "put",
        "put: illegal argument: not enough arguments (need least 4, got 0)\n",
    ),
    (
        "put bar.prime 1700000000 1 ",
        "put: illegal argument: Need at least one tag (metric=bar.prime, tags={})\n",
    ),
    (
        "put m 1700000000 1 host=a=b",
        "put: illegal argument: invalid tag: host=a=b\n",
    ),
    ("put m 1700000000 1 h=", "put: illegal argument: invalid tag: h=\n"),
    ("put m 1700000000 1 foo", "put: illegal argument: invalid tag: foo\n"),
    (
        "put m 1700000000 1 host=a host=b",
        "put: illegal argument: duplicate tag: host=b, tags={host=a}\n",
    ),
    (
        "put m 1700000000 1 host=a:b",
        "put: illegal argument: Invalid tag value with key [host] (\"a:b\"): illegal character: :\n",
    ),
    (
        "put m 1700000000 1 ho:st=a",
        "put: illegal argument: Invalid tag name with value [a] (\"ho:st\"): illegal character: :\n",
    ),
    (
        "put a!b 1700000000 1 h=a",
        "put: illegal argument: Invalid metric name (\"a!b\"): illegal character: !\n",
    ),
    (
        "put m 1700000000 1 k0=v k1=v k2=v k3=v k4=v k5=v k6=v k7=v k8=v",
        "put: illegal argument: Too many tags: 9 maximum allowed: 8, tags: \
         {k0=v, k1=v, k2=v, k3=v, k4=v, k5=v, k6=v, k7=v, k8=v}\n",
    ),
    ("put\tm 1700000000 1 h=a", "unknown command: put\tm.  Try `help'.\n"),
    ("hello", "unknown command: hello.  Try `help'.\n"),
    ("", "unknown command: .  Try `help'.\n"),
    (" put m 1700000000 1 h=a", "unknown command: .  Try `help'.\n"),
    ("Put m", ""),
    ("diediedie", "unknown command: diediedie.  Try `help'.\n"),
    ("dropcaches", "Caches dropped.\n"),
    (
        "help",
        "available commands: stats dropcaches version exit help put rollup histogram diediedie \n",
    ),
    ("version", VERSION),
    ("version ", VERSION),
];

#[test]
fn refusals_are_opentsdbs_byte_for_byte() {
    let receiver = receiver();
    for (line, words) in REFUSALS {
        // A connection that begins with an upper-case letter would be HTTP; a good line first makes all of them telnet.
        let words = if line.starts_with("Put") {
            "unknown command: Put.  Try `help'.\n"
        } else {
            words
        };
        assert_eq!(
            reply_to(&receiver, format!("put ok 1 1 h=a\n{line}\n")),
            words,
            "{line:?}"
        );
        assert_eq!(
            reply_to(&receiver, format!("put ok 1 1 h=a\n{line}\r\n")),
            words,
            "{line:?} with CRLF"
        );
    }
    let counts = receiver.counts();
    assert_eq!(counts.puts, counts.accepted + counts.refused);
    assert_eq!(receiver.points().len(), 1, "none of these was stored");
}

#[test]
fn lines_opentsdb_takes_are_taken() {
    let receiver = receiver();
    let lines = [
        "put a 1700000000  h=a", // refused: the empty value
        "put b 1700000000 1 fqdn=web01  dc=eu status=production\r",
        "put c 1700000000 1 h=a  \r",
        "put d 1700000000 1 h=a h=a",
        "put e +01700000000 1 h=a",
        "put f 1700000000.123 .5 h=a",
        "put g 1700000000.5 5. h=a",
        "put h 1700000000 1.5f h=a",
        "put i 1700000000 -9223372036854775808 h=a",
        "put j 9999999999999 1E-3 h=a",
    ];
    let replies = reply_to(&receiver, lines.join("\n") + "\n");
    assert_eq!(replies, "put: illegal argument: empty value\n");
    let points = receiver.points();
    let seen: Vec<(&str, i64, &str)> = points
        .iter()
        .map(|point| (point.series.metric.as_str(), point.timestamp, point.value.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("b", 1_700_000_000, "1"),
            ("c", 1_700_000_000, "1"),
            ("d", 1_700_000_000, "1"),
            ("e", 1_700_000_000, "1"),
            ("f", 1_700_000_000_123, ".5"),
            ("g", 17_000_000_005, "5."),
            ("h", 1_700_000_000, "1.5f"),
            ("i", 1_700_000_000, "-9223372036854775808"),
            ("j", 9_999_999_999_999, "1E-3"),
        ]
    );
}

#[test]
fn a_known_spelling_is_still_checked_number_by_number() {
    let receiver = receiver();
    let replies = reply_to(
        &receiver,
        "put m 1 1 h=a\nput m x 1 h=a\nput m 2 x h=a\nput m 0 1 h=a\nput m 3 1e999 h=a\nput m 12345678901234 1 h=a\nput m 4 2 h=a\n",
    );
    assert_eq!(
        replies,
        "put: invalid value: Invalid character 'x' in x\n\
         put: invalid value: Invalid character 'x' in x\n\
         put: illegal argument: invalid timestamp: 0\n\
         put: illegal argument: value is NaN or Infinite: Infinity for metric=m timestamp=3\n\
         put: illegal argument: bad timestamp=12345678901234 when trying to add value=[1]/0 to metric=m, tags={h=a}\n"
    );
    assert_eq!(receiver.points().len(), 2);
}

#[test]
fn latin1_is_read_and_answered_in_utf8() {
    let receiver = receiver();
    // ü as one Latin-1 byte is a letter; in UTF-8 its second half, U+00BC, is none.
    assert_eq!(reply_to(&receiver, b"put m 1 1 h=z\xfcrich\n"), "");
    assert_eq!(
        reply_to(&receiver, "put m 2 1 h=zürich\n"),
        "put: illegal argument: Invalid tag value with key [h] (\"zÃ¼rich\"): illegal character: ¼\n"
    );
    // ê in UTF-8 is two letters in Latin-1: taken, and wrong.
    assert_eq!(reply_to(&receiver, "put m 3 1 h=ê\n"), "");
    let points = receiver.points();
    let hosts: Vec<_> = points.iter().filter_map(|point| point.series.tag("h")).collect();
    assert_eq!(hosts, ["zürich", "Ãª"]);
}

#[test]
fn version_comes_after_the_errors_of_all_earlier_lines() {
    let receiver = receiver();
    let error = "put: invalid value: Invalid character 'x' in x\n";
    let bytes = "put m 1 x h=a\nversion\nput m 1 x h=a\nversion\n";
    assert_eq!(reply_to(&receiver, bytes), format!("{error}{VERSION}{error}{VERSION}"));
}

#[test]
fn a_half_line_at_the_end_is_dropped() {
    let receiver = receiver();
    assert_eq!(reply_to(&receiver, "put m 1 1 h=a\nversio"), "");
    assert_eq!(reply_to(&receiver, "put m 2 1 h=a"), "");
    assert_eq!(receiver.points().len(), 1);
    assert!(receiver.wait_until(SOON, |counts| counts.torn == 2));
}

#[test]
fn unknown_metrics_are_refused_where_they_must_be_known() {
    let known_metrics = Some(["known".to_owned()].into());
    let receiver = Receiver::start(Config {
        known_metrics,
        ..Config::default()
    })
    .expect("a free port");
    let replies = reply_to(&receiver, "put known 1 1 h=a\nput no.such.metric 1 1 h=a\n");
    assert_eq!(
        replies,
        "put: unknown metric: No such name for 'metrics': 'no.such.metric'\n"
    );
    assert_eq!(receiver.points().len(), 1);
}

#[test]
fn more_than_1024_bytes_without_a_newline_close_without_a_reply() {
    let receiver = receiver();
    let line = |length: usize| {
        let head = "put m 1 1 h=";
        format!("{head}{}", "a".repeat(length - head.len()))
    };
    let mut longest = Peer::of(&receiver);
    longest.say(line(1024));
    longest.say("\nversion\n").hear(VERSION);

    let mut longer = Peer::of(&receiver);
    longer.say("put before 1 1 h=a\n").say(line(1025));
    assert_eq!(longer.rest().expect("an end of stream"), "");
    assert!(receiver.wait_until(SOON, |counts| counts.closed_overlong == 1));

    // The same line taken whole, newline and all, is accepted.
    let mut whole = Peer::of(&receiver);
    whole.say(line(1100) + "\nversion\n").hear(VERSION);
    assert_eq!(receiver.counts().overlong, 1);
    assert_eq!(receiver.points().len(), 3);
}

#[test]
fn exit_answers_what_was_before_it_and_nothing_after() {
    let receiver = receiver();
    let mut peer = Peer::of(&receiver);
    peer.say("version\nexit\nput m 1 1 h=a\nversion\n");
    assert_eq!(peer.rest().expect("an end of stream"), VERSION);
    assert!(receiver.wait_for(1, SOON), "the same segment is still stored");
}

#[test]
fn stats_lines_have_opentsdbs_shape() {
    let receiver = receiver();
    let stats = reply_to(&receiver, "put m 1 1 h=a\nstats\n");
    assert!(
        stats
            .lines()
            .any(|line| line.starts_with("tsd.datapoints.added ") && line.ends_with(" 1 type=all host=localhost"))
    );
    for line in stats.lines() {
        let [name, timestamp, value, kind, host] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        assert!(
            name.starts_with("tsd.") && kind.starts_with("type=") && host.starts_with("host="),
            "{line}"
        );
        assert!(
            timestamp.parse::<u64>().is_ok() && value.parse::<u64>().is_ok(),
            "{line}"
        );
    }
}

#[test]
fn half_close_is_answered_in_full_and_then_closed() {
    let receiver = receiver();
    let mut peer = Peer::of(&receiver);
    for timestamp in 1..=50_000 {
        peer.say(format!("put m {timestamp} 1 h=a\n"));
    }
    peer.say("version\n");
    assert_eq!(peer.finish(), VERSION);
    assert_eq!(receiver.counts().accepted, 50_000);
}

#[test]
fn a_silent_receiver_stores_and_never_answers() {
    let receiver = Receiver::start(Config {
        personality: Personality::VictoriaMetrics,
        ..Config::default()
    })
    .expect("a free port");
    assert_eq!(
        reply_to(&receiver, "put m 1 1 h=a\nput m x 1 h=a\nversion\nhello\n"),
        ""
    );
    let counts = receiver.counts();
    assert_eq!((counts.accepted, counts.refused, counts.versions), (1, 1, 1));
}
