//! What other Rust clients take for a point, once: prints `MEASURE <tab> SIDE <tab> FIGURE` lines as potsdb-bench does.
//!
//! Executed by `bench/report.py`, alternating with `potsdb-bench beside`, whose loops these are: the same names, values and
//! tags, to a process that only reads, and the clock stops with the last call. They speak other protocols, keep no books,
//! and stamp a point with the time of its flush where their protocol has no place for one.
//!
//! ```text
//! potsdb-peers POINTS TCP_PORT UDP_PORT
//! ```

mod instruments;

use std::hint::black_box;
use std::net::UdpSocket;
use std::time::Instant;

use cadence::{BufferedUdpMetricSink, Gauged, QueuingMetricSink, StatsdClient};
use metrics_exporter_dogstatsd::DogStatsDBuilder;
use questdb::ingress::{Sender, TimestampNanos};

const CALLS: &str = "Rust `client.send_at`, 3 tags, beside others (ns)";
const HANDLES: &str = "Rust `series.send_at`, beside others made once (ns)";
const TAGS: [(&str, &str); 3] = [("path", "/login"), ("dc", "eu"), ("host", "web1")];
const START: i64 = 1_600_000_000;

fn main() {
    let [points, tcp, udp] = numbers();
    let udp = u16::try_from(udp).expect("a port");
    cadence(points, udp);
    dogstatsd(points, udp);
    questdb(points, tcp);
    instruments::run(points);
}

/// As its documentation has it for programs that must not wait: a thread of its own behind a queue without limit.
fn cadence(points: u64, port: u16) {
    let sink = || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
        QueuingMetricSink::from(BufferedUdpMetricSink::from(("127.0.0.1", port), socket).expect("an address"))
    };
    let client = StatsdClient::from_sink("bench", sink());
    timed(CALLS, "cadence", points, |_, value| {
        let mut gauge = client.gauge_with_tags(black_box("latency"), value);
        for (name, value) in black_box(TAGS) {
            gauge = gauge.with_tag(name, value);
        }
        gauge.try_send().expect("the queue has no limit");
    });
    // It has no series: what it writes to every point of a client is nearest.
    let client = TAGS
        .iter()
        .fold(StatsdClient::builder("bench", sink()), |builder, (name, value)| {
            builder.with_tag(*name, *value)
        })
        .build();
    timed(HANDLES, "cadence, the client's own tags", points, |_, value| {
        client.gauge("latency", value).expect("the queue has no limit");
    });
}

/// It looks up, or has, a number in memory, and overwrites it: a thread sends the last one now and then.
fn dogstatsd(points: u64, port: u16) {
    let exporter = DogStatsDBuilder::default().with_remote_address(format!("127.0.0.1:{port}"));
    let installed = exporter.map(DogStatsDBuilder::install);
    assert!(matches!(installed, Ok(Ok(()))), "the exporter does not start");
    timed(CALLS, "metrics, no point per call", points, |_, value| {
        metrics::gauge!("bench.latency", "path" => "/login", "dc" => "eu", "host" => "web1").set(value);
    });
    let gauge = metrics::gauge!("bench.latency", "path" => "/login", "dc" => "eu", "host" => "web1");
    timed(HANDLES, "metrics, no point per call", points, |_, value| {
        gauge.set(value)
    });
}

/// It has no thread: every thousandth call is a write.
fn questdb(points: u64, port: u64) {
    let mut sender =
        Sender::from_conf(format!("tcp::addr=127.0.0.1:{port};protocol_version=1;")).expect("the reader listens");
    let mut buffer = sender.new_buffer();
    timed(CALLS, "questdb-rs", points, |n, value| {
        let mut row = || {
            buffer.table(black_box("bench.latency"))?;
            for (name, value) in black_box(TAGS) {
                buffer.symbol(name, value)?;
            }
            buffer.column_f64("value", value)?;
            buffer.at(TimestampNanos::new((START + n.cast_signed()) * 1_000_000_000))?;
            if n % 1000 == 999 {
                sender.flush(&mut buffer)
            } else {
                Ok(())
            }
        };
        row().expect("the reader reads");
    });
    sender.flush(&mut buffer).expect("the reader reads");
}

fn timed(measure: &str, side: &str, points: u64, mut call: impl FnMut(u64, f64)) {
    let started = Instant::now();
    for n in 0..points {
        call(n, n as f64 * 1e-6);
    }
    let took = started.elapsed();
    println!("{measure}\t{side}\t{}", took.as_nanos() as f64 / points as f64);
}

fn numbers() -> [u64; 3] {
    let numbers: Option<Vec<u64>> = std::env::args().skip(1).map(|text| text.parse().ok()).collect();
    let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
    numbers.expect("potsdb-peers POINTS TCP_PORT UDP_PORT")
}
