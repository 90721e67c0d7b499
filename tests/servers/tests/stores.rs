//! Real servers store what is sent, from each of potsdb's faces: counted and compared by the servers' own query APIs.
//!
//! Run by `scripts/test-servers`, which says where the command is, and an interpreter with the module.

#![expect(clippy::print_stdout, reason = "the figures are part of the proof")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use potsdb::{Client, Stats, Timestamp};
use potsdb_servers::{InfluxDb, Recorder, Server, Stored, VictoriaMetrics, until};

const SERIES: u64 = 10;
const POINTS: u64 = 10_000;
const SENT: u64 = SERIES * POINTS;
const START: u64 = 1_600_000_000;
const LONG: Duration = Duration::from_secs(60);

/// The value of each point: one that tells if two were mixed up, and exact in every server.
fn value(series: u64, n: u64) -> f64 {
    (series * POINTS + n) as f64 + 0.5
}

/// What a server has to have afterwards.
fn expected(metric: &str) -> Stored {
    (0..SERIES)
        .map(|series| {
            let points: BTreeMap<u64, f64> = (0..POINTS).map(|n| (START + n, value(series, n))).collect();
            (format!("{metric}{{host=h,series={series}}}"), points)
        })
        .collect()
}

fn from_rust(port: u16, metric: &str) -> Stats {
    let url = format!("tsdb://127.0.0.1:{port}?host_tag=h&overflow=block&backoff=1ms..100ms");
    let client = Client::open(&url).expect("a legal URL");
    let series: Vec<_> = (0..SERIES)
        .map(|number| {
            client
                .series(metric, [("series", number.to_string())])
                .expect("a legal series")
        })
        .collect();
    for n in 0..POINTS {
        for (number, series) in (0..).zip(&series) {
            let timestamp = Timestamp::from_secs(START + n).expect("a legal time");
            series.send_at(value(number, n), timestamp).expect("it waits for room");
        }
    }
    let stats = client.close(LONG);
    assert!(stats.is_balanced(), "{stats:?}");
    assert_eq!((stats.accepted, stats.delivered()), (SENT, SENT), "{stats:?}");
    stats
}

fn from_the_shell(port: u16, metric: &str) {
    let command = std::env::var_os("POTSDB_COMMAND").expect("POTSDB_COMMAND says where the command is");
    let mut pipe = Command::new(command)
        .args(["pipe", "--json", "--url", &format!("tsdb://127.0.0.1:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command can be started");
    let mut lines = String::new();
    for n in 0..POINTS {
        for series in 0..SERIES {
            let _ = writeln!(
                lines,
                "{metric} {} {} series={series} host=h",
                START + n,
                value(series, n)
            );
        }
    }
    pipe.stdin
        .take()
        .expect("it is piped")
        .write_all(lines.as_bytes())
        .expect("it reads");
    let done = pipe.wait_with_output().expect("it is our child");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

fn from_python(port: u16, metric: &str) {
    let python = std::env::var_os("POTSDB_PYTHON").expect("POTSDB_PYTHON is an interpreter with the module potsdb");
    let program = format!(
        "import potsdb\n\
         client = potsdb.Client('127.0.0.1', {port}, host_tag='h', check_host=False, overflow='block')\n\
         series = [client.series('{metric}', series=number) for number in range({SERIES})]\n\
         for n in range({POINTS}):\n\
         \x20   for number, one in enumerate(series):\n\
         \x20       one.send(number * {POINTS} + n + 0.5, timestamp={START} + n)\n\
         stats = client.close(60)\n\
         assert stats.accepted == stats.acknowledged + stats.unconfirmed == {SENT}, stats\n"
    );
    let done = Command::new(python)
        .args(["-c", &program])
        .output()
        .expect("the interpreter can be started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Every point is there, with its value, and nothing else. Servers store a moment after they took.
fn stores_all(server: &impl Server, metric: &str) {
    let counted = |stored: &Stored| stored.values().map(|points| points.len() as u64).sum::<u64>();
    let full = until(LONG, || {
        let stored = server.stored(metric);
        (counted(&stored) >= SENT).then_some(stored)
    });
    let stored = full.unwrap_or_else(|| panic!("{} of {SENT} points are stored", counted(&server.stored(metric))));
    let expected = expected(metric);
    assert_eq!(stored.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    assert!(stored == expected, "the series are right, their points are not");
    println!(
        "{metric}: {} of {SENT} points stored, every value right",
        counted(&stored)
    );
}

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn victoriametrics_stores_what_rust_sends_and_no_connection_begins_with_a_question() {
    let server = VictoriaMetrics::start();
    let recorder = Recorder::start(server.port(), &[]);
    let stats = from_rust(recorder.port(), "x.rust");
    assert_eq!(stats.unconfirmed, SENT, "it cannot answer");
    stores_all(&server, "x.rust");
    begin_with_points(&recorder, 1);
}

#[test]
#[ignore = "needs victoria-metrics: scripts/test-servers runs it"]
fn no_connection_to_victoriametrics_begins_with_a_question_after_a_cut_either() {
    let server = VictoriaMetrics::start();
    let recorder = Recorder::start(server.port(), &[1, 100_000, 1_000_000, 3_000_000]);
    from_rust(recorder.port(), "x.cut");
    begin_with_points(&recorder, 5);
}

#[test]
#[ignore = "needs victoria-metrics and the built command: scripts/test-servers runs it"]
fn victoriametrics_stores_what_the_shell_pipes() {
    let server = VictoriaMetrics::start();
    from_the_shell(server.port(), "x.pipe");
    stores_all(&server, "x.pipe");
}

#[test]
#[ignore = "needs victoria-metrics and the built module: scripts/test-servers runs it"]
fn victoriametrics_stores_what_python_sends() {
    let server = VictoriaMetrics::start();
    from_python(server.port(), "x.python");
    stores_all(&server, "x.python");
}

#[test]
#[ignore = "needs influxdb: scripts/test-servers runs it"]
fn influxdb_stores_what_rust_sends() {
    let server = InfluxDb::start();
    let stats = from_rust(server.port(), "x.rust");
    assert_eq!(stats.acknowledged, SENT, "it answers `version`");
    stores_all(&server, "x.rust");
}

#[test]
#[ignore = "needs influxdb and the built command: scripts/test-servers runs it"]
fn influxdb_stores_what_the_shell_pipes() {
    let server = InfluxDb::start();
    from_the_shell(server.port(), "x.pipe");
    stores_all(&server, "x.pipe");
}

#[test]
#[ignore = "needs influxdb and the built module: scripts/test-servers runs it"]
fn influxdb_stores_what_python_sends() {
    let server = InfluxDb::start();
    from_python(server.port(), "x.python");
    stores_all(&server, "x.python");
}

/// Each connection, at least so many, began with a point.
fn begin_with_points(recorder: &Recorder, at_least: usize) {
    let beginnings = recorder.beginnings();
    assert!(beginnings.len() >= at_least, "{} connections", beginnings.len());
    for (number, beginning) in beginnings.iter().enumerate() {
        assert!(
            beginning.starts_with(b"put x."),
            "connection {number} began with {:?}",
            String::from_utf8_lossy(beginning)
        );
    }
}
