//! `potsdb send`.

use std::process::Stdio;

use potsdb_receiver::Personality;

use crate::command::{LONG, Running, command, foreign, nobody, potsdb, potsdb_fed, receiver, receiver_with};

const POINT: [&str; 6] = [
    "web.latency",
    "0.0123",
    "path=/login",
    "status=200",
    "--timestamp",
    "1767225600",
];

#[test]
fn a_point_is_delivered_before_the_command_returns() {
    let receiver = receiver();
    let url = receiver.url();
    let ended = potsdb(&[&["send", "--url", &url, "-o", "host_tag=false"], &POINT[..]].concat()).with_code(0);
    assert_eq!(
        receiver.lines(),
        ["put web.latency 1767225600 0.0123 path=/login status=200"]
    );
    assert_eq!((ended.out, ended.err), (String::new(), String::new()));
}

#[test]
fn the_url_comes_from_the_environment_too() {
    let receiver = receiver();
    let mut send = command();
    send.env("POTSDB_URL", format!("{}?host_tag=false", receiver.url()))
        .arg("send")
        .args(POINT);
    Running::spawn(send.stdout(Stdio::piped())).end().with_code(0);
    assert_eq!(receiver.counts().accepted, 1);
}

#[test]
fn a_negative_value_is_a_value_and_not_a_flag() {
    let receiver = receiver();
    let url = receiver.url();
    for (value, stored) in [("-12.5", "-12.5"), ("-.5", "-0.5"), ("-1.5e-7", "-1.5e-7"), ("-0", "0")] {
        // Options stand before and behind it.
        let point = ["-o", "host_tag=false", "outside.degrees", "-t", "1767225600", value];
        potsdb(&[&["send", "--url", &url], &point[..], &["where=roof", "--timeout", "9s"]].concat()).with_code(0);
        assert_eq!(
            receiver.lines().last(),
            Some(&format!("put outside.degrees 1767225600 {stored} where=roof"))
        );
    }
}

#[test]
fn an_integer_stays_exact() {
    let receiver = receiver();
    potsdb(&[
        "send",
        "--url",
        &receiver.url(),
        "bytes",
        "9007199254740993",
        "where=roof",
    ])
    .with_code(0);
    assert_eq!(receiver.points()[0].value, "9007199254740993");
}

#[test]
fn json_has_the_statistics() {
    let receiver = receiver();
    let ended = potsdb(&[&["send", "--json", "--url", &receiver.url()], &POINT[..]].concat()).with_code(0);
    let statistics = ended.json();
    assert_eq!(
        (&statistics["accepted"], &statistics["acknowledged"]),
        (&1.into(), &1.into())
    );
    assert_eq!(statistics["delivered"], 1);
}

#[test]
fn a_server_that_is_not_there_is_exit_code_1_and_says_so() {
    let url = nobody();
    let ended = potsdb(&[&["send", "--timeout", "300ms", "--url", &url], &POINT[..]].concat()).with_code(1);
    assert!(
        ended
            .err
            .contains("1 point not delivered: gave up after 300ms: tsdb://127.77.77.77:"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("refused"), "{}", ended.err);
}

#[test]
fn a_host_without_a_scheme_is_a_telnet_server() {
    let receiver = receiver();
    let address = receiver.address().to_string();
    potsdb(&[&["send", "--url", &address], &POINT[..]].concat()).with_code(0);
    let local = format!("localhost:{}?host_tag=false", receiver.address().port());
    potsdb(&[&["send", "-u", &local, "-t", "1767225601"], &POINT[..4]].concat()).with_code(0);
    assert_eq!(receiver.counts().accepted, 2);
    let ended = potsdb(&[&["send", "-u", "ftp://localhost"], &POINT[..]].concat()).with_code(2);
    assert!(ended.err.contains("the scheme is tsdb"), "{}", ended.err);
}

#[test]
fn a_signal_ends_the_wait_with_one_line_and_its_own_exit_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let receiver = receiver();
        receiver.faults().stall_answers(true);
        let running = Running::start(&[&["send", "--timeout", "1h", "--url", &receiver.url()], &POINT[..]].concat());
        assert!(receiver.wait_for(1, LONG));
        running.signal(signal);
        let ended = running.wait().with_code(code);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert!(
            ended.err.contains("1 point not delivered: interrupted: "),
            "{}",
            ended.err
        );
    }
}

#[test]
fn a_server_that_never_answers_is_told_unless_that_is_as_it_should_be() {
    let receiver = receiver_with(|config| config.personality = Personality::VictoriaMetrics);
    let url = receiver.url();
    let stalled = receiver_with(|config| config.faults.stall_answers = true);
    for url in [&url, &stalled.url()] {
        let ended = potsdb(&[&["send", "--url", url], &POINT[..]].concat()).with_code(0);
        assert!(
            ended.err.contains(&format!("{url}, which never answered")),
            "{}",
            ended.err
        );
    }
    let ended = potsdb_fed(b"m 1767225600 1 a=b\n", &["pipe", "--url", &url]).with_code(0);
    assert!(ended.err.contains("which never answered"), "{}", ended.err);
    for option in ["server=victoriametrics", "ack=none"] {
        let ended = potsdb(&[&["send", "-o", option, "--url", &url], &POINT[..]].concat()).with_code(0);
        assert_eq!(ended.err, "", "{option}");
    }
}

#[test]
fn a_point_that_an_error_after_its_answer_may_mean_is_exit_code_1() {
    let receiver = receiver_with(|config| {
        config.faults.throttle = "always".parse().unwrap();
        config.faults.throttle_late = true;
    });
    let ended = potsdb(&[&["send", "--url", &receiver.url()], &POINT[..]].concat()).with_code(1);
    assert!(
        ended.err.contains("1 point acknowledged, and perhaps not stored"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("Please throttle writes"), "{}", ended.err);
}

#[test]
fn a_host_that_does_not_exist_is_exit_code_1_and_named() {
    let url = "tsdb://no-such-host.invalid:4242";
    let ended = potsdb(&[&["send", "--timeout", "500ms", "--url", url], &POINT[..]].concat()).with_code(1);
    assert!(ended.err.contains("no-such-host.invalid"), "{}", ended.err);
}

#[test]
fn a_point_the_server_refuses_is_exit_code_1_with_the_servers_words() {
    let receiver = receiver_with(|config| config.known_metrics = Some(["other".to_string()].into()));
    let ended = potsdb(&[&["send", "--url", &receiver.url()], &POINT[..]].concat()).with_code(1);
    assert!(
        ended.err.contains("1 point refused by the server: put: unknown metric"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("unknown metric"), "{}", ended.err);
}

#[test]
fn what_is_no_point_is_exit_code_2_and_names_the_field() {
    let url = nobody();
    for (point, words) in [
        (["bad name", "1", "a=b"], "metric"),
        (["m", "NaN", "a=b"], "value"),
        (["m", "1x", "a=b"], "value"),
        (["m", "9223372036854775808", "a=b"], "value"),
        (["m", "1", "a=b c"], "tag value"),
        (["m", "1", "ab"], "name=value"),
    ] {
        let ended = potsdb(&[&["send", "--url", &url], &point[..]].concat()).with_code(2);
        assert!(ended.err.contains(words), "{point:?}: {}", ended.err);
    }
}

#[test]
fn an_option_without_effect_or_given_twice_in_a_url_is_exit_code_2_and_says_why() {
    for (url, words) in [
        ("tsd?gzip=true", "option gzip: \"true\" has no effect over tsdb"),
        ("http://tsd?ack=none", "option ack: \"none\" has no effect over http"),
        ("tsd?mps=1&mps=2", "option mps: it stands in the URL twice"),
    ] {
        let ended = potsdb(&[&["send", "--url", url], &POINT[..]].concat()).with_code(2);
        assert!(ended.err.contains(words), "{url}: {}", ended.err);
    }
    for (url, option, words) in [
        (
            "tsd",
            "gzip=false",
            "option gzip: \"false\" has no effect over tsdb: only http",
        ),
        (
            "http://tsd",
            "settle=5s",
            "option settle: \"5s\" has no effect over http: answers",
        ),
        (
            "tsd",
            "mps=5",
            "option mps: \"5\" has no effect on send: there is one point",
        ),
        (
            "tsd",
            "close_grace=5s",
            "option close_grace: \"5s\" has no effect on send: --timeout",
        ),
    ] {
        let ended = potsdb(&[&["send", "--url", url, "-o", option], &POINT[..]].concat()).with_code(2);
        assert!(ended.err.contains(words), "{option}: {}", ended.err);
    }
    let ended = potsdb_fed(b"", &["pipe", "--url", "tsd", "-o", "precision=seconds"]).with_code(2);
    assert!(
        ended
            .err
            .contains("option precision: \"seconds\" has no effect on pipe"),
        "{}",
        ended.err
    );
}

#[test]
fn an_unknown_option_is_exit_code_2_and_suggests_the_nearest() {
    let ended = potsdb(&[&["send", "-o", "queue_point=5"], &POINT[..]].concat()).with_code(2);
    assert!(ended.err.contains("queue_points"), "{}", ended.err);
}

#[test]
fn a_point_that_an_option_drops_is_exit_code_1() {
    let arguments = ["send", "-o", "test_mode=true", "--url", &nobody()];
    let ended = potsdb(&[&arguments[..], &POINT[..]].concat()).with_code(1);
    assert!(
        ended
            .err
            .contains("1 point not delivered: test_mode touches no network"),
        "{}",
        ended.err
    );
}

#[test]
fn a_full_disk_behind_standard_output_is_exit_code_2() {
    let receiver = receiver();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let mut send = command();
    send.args(["send", "--json", "--url", &receiver.url()]).args(POINT);
    let ended = Running::spawn(send.stdout(full)).end().with_code(2);
    assert!(
        ended.err.contains("cannot write to standard output: No space left"),
        "{}",
        ended.err
    );
    assert_eq!(receiver.counts().accepted, 1);
}

#[test]
fn a_server_of_another_protocol_is_exit_code_1_and_named_and_nothing_is_delivered_to_it() {
    let sends = |says: &'static [u8], closes: bool, words: &str| {
        let url = foreign(says, closes);
        let arguments = ["send", "--timeout", "2500ms", "--json", "--url", &url];
        let ended = potsdb(&[&arguments[..], &POINT[..]].concat()).with_code(1);
        assert!(ended.err.contains(words), "{}", ended.err);
        let json = ended.json();
        assert_eq!((&json["delivered"], &json["dropped"]), (&0.into(), &1.into()));
    };
    std::thread::scope(|scope| {
        for (says, words) in [
            (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], "an SSH server answers there"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP server answers there"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "a TLS server answers there"),
            (b"220 mail.example.org ESMTP\r\n", "says \"220 mail.example.org ESMTP\""),
            (b"-ERR unknown command 'put'\r\n", "says \"-ERR unknown command 'put'\""),
            (b"\xff\xfd\x18\x00", "says \"\\xff\\xfd"),
        ] {
            scope.spawn(move || sends(says, false, words));
            scope.spawn(move || sends(says, true, words));
        }
        scope.spawn(|| {
            let url = foreign(b"HTTP/1.1 400 Bad Request\r\n\r\n", true);
            let ended = potsdb_fed(b"m 1767225600 1 a=b\n", &["pipe", "--timeout", "1s", "--url", &url]).with_code(1);
            assert!(ended.err.contains("an HTTP server answers there"), "{}", ended.err);
        });
    });
}

#[test]
fn why_points_were_not_delivered_is_what_happened_to_them() {
    let receiver = receiver_with(|config| {
        config.faults.status = 503;
        config.faults.status_on = "always".parse().unwrap();
        config.faults.retry_after = Some(60);
    });
    let url = format!("http://{}", receiver.address());
    let ended = potsdb(&[&["send", "--timeout", "500ms", "--url", &url], &POINT[..]].concat()).with_code(1);
    assert!(ended.err.contains("503") && ended.err.contains(&url), "{}", ended.err);
    assert!(!ended.err.contains("no answer"), "{}", ended.err);
    let receiver = crate::command::receiver();
    let arguments = ["pipe", "--mps", "0.1", "--timeout", "500ms", "--url", &receiver.url()];
    let ended = potsdb_fed(b"m 1767225600 1 a=b\nm 1767225601 1 a=b\n", &arguments).with_code(1);
    assert!(ended.err.contains("mps=0.1 lets no more points out"), "{}", ended.err);
}

#[test]
fn what_is_wrong_with_an_argument_is_one_line_with_name_value_and_rule() {
    for (arguments, words) in [
        (
            &["send", "--timeout", "0", "m", "1"][..],
            "invalid value '0' for '--timeout <TIME>': that leaves no time",
        ),
        (&["pipe", "--timeout", "0"], "invalid value '0' for '--timeout <TIME>'"),
        (
            &["send", "--timeout", "-1s", "m", "1"],
            "invalid value '-1s' for '--timeout <TIME>': expected a duration: 5s, 250ms",
        ),
        (&["pipe", "--mps", "-5"], "option mps: \"-5\" is not a number from 0 up"),
        (&["send", "m"], "<VALUE> (help: potsdb send -h)"),
        (
            &["send", "--timeuot", "5"],
            "did you mean --timeout? (help: potsdb send -h)",
        ),
        (
            &["pipe", "--nosuch"],
            "unexpected argument '--nosuch' found (help: potsdb pipe -h)",
        ),
        (
            &["send", "-o", "nosuch=1", "m", "1"],
            "unknown option \"nosuch\": `potsdb pipe --help` lists the options",
        ),
        (
            &["send", "-u", "//x", "m", "1"],
            "\"//x\": a URL starts with its scheme",
        ),
        (
            &["send", "-u", "A,http://A", "m", "1"],
            "the scheme stands once, before the first host",
        ),
        (
            &["send", "-u", "A,", "m", "1"],
            "\"A,\": a host is a name or an address: one is missing",
        ),
        (
            &["send", "-u", "A", "-o", "prefix=\u{e9}", "m", "1"],
            "option prefix: \"\u{e9}\"",
        ),
        (&["serve", "--port", "99999"], "expected a whole number from 0 to 65535"),
        (
            &["serve", "--max-points", "0"],
            "invalid value '0' for '--max-points <COUNT>': expected a whole number from 1 up",
        ),
        (
            &["serve", "--reset-after", "0"],
            "invalid value '0' for '--reset-after <BYTES>': numbers are from 1 up",
        ),
        (
            &["serve", "--cut-answers", "500%"],
            "'500%' for '--cut-answers <WHICH>': a share is from 0% to 100%",
        ),
        (
            &["serve", "--listen", "nosuch.invalid"],
            "expected an address of this machine, such as 127.0.0.1",
        ),
        (
            &["serve", "--base-path", "x"],
            "invalid value 'x' for '--base-path <PATH>': expected a path that begins with /",
        ),
        (
            &["serve", "--as", "influxdb", "--throttle", "5%"],
            "--throttle has no effect with --as influxdb",
        ),
        (
            &["serve", "--as", "kairosdb", "--auth-line", "x"],
            "--auth-line has no effect with --as kairosdb",
        ),
    ] {
        let ended = potsdb(arguments).with_code(2);
        assert!(ended.err.contains(words), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
}
