//! `potsdb serve`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::command::{Running, potsdb, potsdb_fed};

/// A server on a free port, and its URL.
fn serve(options: &[&str]) -> (Running, String) {
    let server = Running::start(&[&["serve", "--json", "--port", "0"], options].concat());
    let url = listening(&server);
    (server, url)
}

/// The URL in a server's first line.
fn listening(server: &Running) -> String {
    let line: Value = serde_json::from_str(&server.says("url")).expect("the first line is an object");
    line["url"].as_str().expect("it has the URL").to_string()
}

/// The counts that a server ends with.
fn counts(server: Running, code: i32) -> Value {
    server.signal("TERM");
    let ended = server.wait().with_code(code);
    let last = ended.out.lines().last().unwrap_or_default().to_string();
    serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error} in {ended:#?}"))
}

const POINTS: &[u8] = b"m 1767225600 1 a=b\nm 1767225601 2 a=b\n";

#[test]
fn it_says_where_it_listens_and_at_the_end_what_came() {
    let (server, url) = serve(&[]);
    potsdb_fed(POINTS, &["pipe", "--url", &url]).with_code(0);
    let counts = counts(server, 0);
    assert_eq!((&counts["accepted"], &counts["refused"]), (&2.into(), &0.into()));
}

#[test]
fn a_person_is_told_in_words() {
    let server = Running::start(&["serve", "--port", "0"]);
    server.says("listening on 127.0.0.1:");
    server.signal("INT");
    let ended = server.wait().with_code(0);
    assert!(ended.out.contains("0 points from 0 connections"), "{}", ended.out);
}

#[test]
fn a_journal_brings_the_points_back() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let journal = ["--journal", journal.to_str().unwrap()];
    let (server, url) = serve(&journal);
    potsdb_fed(POINTS, &["pipe", "--url", &url]).with_code(0);
    counts(server, 0);
    let (server, _) = serve(&journal);
    assert_eq!(counts(server, 0)["loaded"], 2);
}

#[test]
fn a_journal_that_the_disk_has_no_room_for_is_said_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    // No file of this process may grow, and a write that tries fails instead of ending it.
    limited.args([
        "-c",
        "trap '' XFSZ; ulimit -f 0; exec \"$@\"",
        "sh",
        env!("CARGO_BIN_EXE_potsdb"),
    ]);
    limited
        .args(["serve", "--json", "--port", "0", "--journal"])
        .arg(folder.path().join("journal"));
    let server = Running::spawn(limited.stdout(Stdio::piped()));
    let url = listening(&server);
    potsdb_fed(POINTS, &["pipe", "--url", &url]).with_code(0);
    assert_ne!(counts(server, 1)["journal_errors"], 0);
}

#[test]
fn a_journal_that_is_no_file_is_exit_code_2() {
    let ended = potsdb(&["serve", "--port", "0", "--journal", "/dev/full"]).with_code(2);
    assert!(ended.err.contains("/dev/full is not a file"), "{}", ended.err);
    let ended = potsdb(&["serve", "--port", "0", "--journal", "/no/such/folder/j"]).with_code(2);
    assert!(ended.err.contains("/no/such/folder/j: No such file"), "{}", ended.err);
}

#[test]
fn connections_that_are_reset_cost_no_point() {
    let (server, url) = serve(&["--reset-after", "7:2000:5"]);
    let lines: String = (0..1000)
        .map(|number| format!("m {} {number} a=b\n", 1_767_225_600 + number))
        .collect();
    potsdb_fed(lines.as_bytes(), &["pipe", "--url", &url]).with_code(0);
    let counts = counts(server, 0);
    assert_ne!(counts["cut"], 0, "{counts}");
    let again = counts["duplicates"].as_u64().unwrap();
    assert_eq!(counts["accepted"].as_u64().unwrap() - again, 1000, "{counts}");
}

#[test]
fn it_is_the_server_it_is_told_to_be() {
    let (server, url) = serve(&["--as", "victoriametrics"]);
    potsdb_fed(POINTS, &["pipe", "--server", "victoriametrics", "--url", &url]).with_code(0);
    let (_, address) = url.split_once("//").unwrap();
    let mut asking = TcpStream::connect(address).unwrap();
    asking.write_all(b"GET /api/version HTTP/1.1\r\n\r\n").unwrap();
    let mut first = [0; 12];
    asking.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 400");
    assert_eq!(counts(server, 0)["accepted"], 2);
    let ended = potsdb(&["serve", "--as", "graphite"]).with_code(2);
    assert!(ended.err.contains("opentsdb, victoriametrics"), "{}", ended.err);
}

#[test]
fn faults_are_flags_and_are_counted() {
    let (server, url) = serve(&[
        "--throttle",
        "2",
        "--lose-answers",
        "0%",
        "--status",
        "503",
        "--status-on",
        "1",
    ]);
    let (_, address) = url.split_once("//").unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(b"put m 1 1 a=b\nput m 2 1 a=b\nput m 3 1 a=b\n")
        .unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    peer.read_to_string(&mut said).unwrap();
    assert!(
        said.starts_with("put: Please throttle writes: ") && said.lines().count() == 1,
        "{said}"
    );
    let mut peer = TcpStream::connect(address).unwrap();
    peer.write_all(b"GET /api/version HTTP/1.1\r\nConnection: close\r\n\r\n")
        .unwrap();
    said.clear();
    peer.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    let counts = counts(server, 0);
    assert_eq!((&counts["accepted"], &counts["throttled"]), (&2.into(), &1.into()));
    assert_eq!(counts["struck_requests"], 1);
    let ended = potsdb(&["serve", "--throttle", "often"]).with_code(2);
    assert!(ended.err.contains("5% or 5%:SEED"), "{}", ended.err);
}

#[test]
fn a_stopping_influxdb_goes_on_answering_and_throws_the_points_away() {
    let (server, url) = serve(&["--as", "influxdb", "--stopping", "60s"]);
    let (_, address) = url.split_once("//").unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    let mut answer = [0; 19];
    peer.write_all(b"put m 1700000000 1\nversion\n").unwrap();
    peer.read_exact(&mut answer).unwrap();
    server.signal("TERM");
    // Connections are refused once it is stopping.
    while TcpStream::connect(address).is_ok() {}
    peer.write_all(b"put m 1700000001 1\nversion\n").unwrap();
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"InfluxDB TSDB proxy");
    // With its last connection it ends, long before the minute is over.
    drop(peer);
    let ended = server.wait().with_code(0);
    let counts: Value = serde_json::from_str(ended.out.lines().last().unwrap()).unwrap();
    assert_eq!((&counts["accepted"], &counts["discarded"]), (&1.into(), &1.into()));
}

#[test]
fn the_example_of_the_manual_works_over_http() {
    let (server, url) = serve(&["--as", "influxdb", "--cut-answers", "5%"]);
    let url = url.replace("tsdb://", "http://");
    for second in 0..20 {
        let time = format!("{}", 1_767_225_600 + second);
        potsdb(&["send", "--url", &url, "-t", &time, "m", "1", "a=b"]).with_code(0);
    }
    counts(server, 0);
    // A fresh one has no database, and says so.
    let (server, url) = serve(&["--as", "influxdb", "--no-database"]);
    let url = url.replace("tsdb://", "http://");
    let ended = potsdb(&["send", "--timeout", "300ms", "--url", &url, "m", "1", "a=b"]).with_code(1);
    assert!(ended.err.contains("database not found"), "{}", ended.err);
    counts(server, 0);
}

#[test]
fn options_that_this_server_does_not_heed_are_errors() {
    for (arguments, words) in [
        (
            &["--as", "influxdb", "--read-only"][..],
            "--read-only has no effect with --as influxdb: it is for opentsdb",
        ),
        (
            &["--no-database"],
            "--no-database has no effect with --as opentsdb: it is for influxdb",
        ),
        (
            &["--as", "kairosdb", "--status", "503"],
            "--status has no effect with --as kairosdb",
        ),
        (
            &["--forget", "1s"],
            "--forget has no effect without --journal or --restart",
        ),
        (&["--max-chunk", "100"], "8193"),
        (&["--length-error", "3"], "--wrong-length"),
    ] {
        let ended = potsdb(&[&["serve", "--port", "0"], arguments].concat()).with_code(2);
        assert!(ended.err.contains(words), "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn a_port_that_is_taken_is_exit_code_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = potsdb(&["serve", "--port", &port]).with_code(2);
    assert!(ended.err.contains("cannot serve on 127.0.0.1:"), "{}", ended.err);
}

#[test]
fn series_that_two_connections_write_are_named_once_and_counted() {
    let (server, url) = serve(&[]);
    let send = |value: &str| potsdb(&["send", "-u", &url, "-t", "1767225600", "m", value, "h=a"]).with_code(0);
    send("1");
    send("2");
    let line = server.notes("written by two connections");
    assert!(line.contains("m{h=a,host=") || line.contains("m{h=a}"), "{line}");
    send("3");
    let ended = {
        server.signal("TERM");
        server.wait().with_code(0)
    };
    assert_eq!(ended.err.matches("written by two").count(), 1, "{}", ended.err);
    let last: Value = serde_json::from_str(ended.out.lines().last().unwrap_or_default()).expect("an object");
    assert_eq!((&last["collisions"], &last["conflicts"]), (&2.into(), &2.into()));
}

#[test]
fn it_speaks_tls_with_a_certificate_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let (server, url) = serve(&["--tls-cert", certificate, "--tls-key", key]);
    assert!(url.starts_with("tsdbs://127.0.0.1:"), "{url}");
    let ca = format!("ca={certificate}");
    potsdb_fed(POINTS, &["pipe", "--url", &url, "-o", &ca]).with_code(0);
    let https = url.replace("tsdbs", "https");
    potsdb_fed(POINTS, &["pipe", "--url", &https, "-o", &ca]).with_code(0);
    let counts = counts(server, 0);
    assert_eq!((&counts["accepted"], &counts["duplicates"]), (&4.into(), &2.into()));

    let refused = potsdb(&["serve", "--port", "0", "--tls-cert", key, "--tls-key", key]).with_code(2);
    assert!(refused.err.contains("cannot speak TLS with"), "{}", refused.err);
    let alone = potsdb(&["serve", "--port", "0", "--tls-cert", certificate]).with_code(2);
    assert!(alone.err.contains("--tls-key"), "{}", alone.err);
}

#[test]
fn connections_have_a_bound_and_a_deadline() {
    let (server, url) = serve(&["--max-connections", "1", "--idle", "500ms"]);
    let address = url.trim_start_matches("tsdb://");
    let mut first = TcpStream::connect(address).unwrap();
    // It is served once it is answered.
    first.write_all(b"version\n").unwrap();
    first.read_exact(&mut [0]).unwrap();
    let mut heard = String::new();
    TcpStream::connect(address).unwrap().read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "put: Throttling exception: too many connections\n");
    // Until it is closed because it says nothing.
    first.read_to_end(&mut Vec::new()).unwrap();
    let counts = counts(server, 0);
    assert_eq!((&counts["turned_away"], &counts["late"]), (&1.into(), &1.into()));
    potsdb(&["serve", "--idle", "0"]).with_code(2);
}

#[test]
fn a_provisioning_file_for_grafana_is_printed_and_nothing_is_served() {
    let said = potsdb(&["serve", "--grafana", "--port", "4299"]).with_code(0).out;
    for line in [
        "    type: opentsdb",
        "    url: \"http://localhost:4299\"",
        "      tsdbVersion: 4       # 2.4",
    ] {
        assert!(said.lines().any(|said| said == line), "{line:?} is missing in {said}");
    }
    let ended = potsdb(&["serve", "--grafana", "--port", "0"]).with_code(2);
    assert!(ended.err.contains("--port 0"), "{}", ended.err);
}

#[test]
fn verbose_logs_connections_and_refusals_as_they_come() {
    let (server, url) = serve(&["-v"]);
    let mut peer = TcpStream::connect(url.trim_start_matches("tsdb://")).unwrap();
    let opened = server.notes(" opened");
    assert!(opened[9..].starts_with(" #1 127.0.0.1:"), "{opened}");
    peer.write_all(b"put m 1767225600 x\x1b[31m h=a\n").unwrap();
    let refused = server.notes(" refused ");
    let quoted = r#" #1 refused "put m 1767225600 x\u{1b}[31m h=a": "put: invalid value: "#;
    assert!(refused.contains(quoted) && !refused.contains('\x1b'), "{refused}");
    drop(peer);
    let ended = server.notes(" closed: 1 line, ");
    assert!(ended.contains(" bytes in "), "{ended}");
    assert_eq!(counts(server, 0)["refused"], 1);
}

#[test]
fn a_flood_of_refusals_is_summed_up() {
    let (server, url) = serve(&["-v"]);
    let mut peer = TcpStream::connect(url.trim_start_matches("tsdb://")).unwrap();
    peer.write_all(&b"put m 1767225600 x h=a\n".repeat(5_000)).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    peer.read_to_end(&mut Vec::new()).unwrap();
    server.signal("TERM");
    let log = server.wait().with_code(0).err;
    let left_out = log.lines().filter_map(|line| line.split_once(" more left out"));
    let left_out: usize = left_out
        .map(|(before, _)| before.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    let told = log.lines().count() - log.matches(" more left out").count();
    assert!((20..=60).contains(&told), "{told} lines: {log}");
    assert_eq!(told + left_out, 5_002, "the opening, the refusals and the end: {log}");
}

#[test]
fn the_page_is_for_browsers_and_only_if_it_is_on() {
    let asked = |options: &[&str], accept: &str| {
        let (server, url) = serve(options);
        let mut peer = TcpStream::connect(url.trim_start_matches("tsdb://")).unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
        peer.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        counts(server, 0);
        answer
    };
    let page = asked(&[], "text/html,*/*");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<title>potsdb serve</title>"));
    assert!(asked(&[], "*/*").starts_with("HTTP/1.1 404"), "as before");
    assert!(asked(&["--page", "off"], "text/html").starts_with("HTTP/1.1 404"));
    let ended = potsdb(&["serve", "--page", "off", "--open"]).with_code(2);
    assert!(ended.err.contains("--open has no effect"), "{}", ended.err);
}
