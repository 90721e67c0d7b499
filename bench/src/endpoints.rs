//! Four endpoints, one dead and one stalled, beside the two healthy ones alone, over both wires.
//!
//! Figures are points a second that were acknowledged within a fixed time, the finding out of who is dead included. One
//! thread sends as fast as it finds room. The dead endpoint refuses, the stalled one accepts connections and never reads.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use potsdb::{Client, SendError};

use crate::figure;
use crate::reader::Reader;
use crate::sending::{at, series};

const TIME: Duration = Duration::from_secs(8);

/// Points between two looks at the clock.
const STRIDE: u64 = 256;

pub(crate) fn run(rounds: u64) {
    let stalled = Reader::of("stalls");
    // Nobody listens there once it is dropped.
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let dead = dead.expect("loopback has a free port").port();
    for (wire, manner) in [("tsdb", "answers"), ("http", "http")] {
        let healthy = [Reader::of(manner), Reader::of(manner)];
        let [first, second] = [healthy[0].port(), healthy[1].port()];
        let measure = format!("Rust, {wire}, four endpoints, one dead, one stalled (points/s)");
        for _ in 0..rounds {
            figure(&measure, "ours", sending(wire, &[dead, stalled.port(), first, second]));
            figure(&measure, "the two healthy ones alone", sending(wire, &[first, second]));
        }
    }
}

fn sending(wire: &str, ports: &[u16]) -> f64 {
    let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let client = Client::builder(&format!("{wire}://{}", hosts.join(",")))
        .set("host_tag", "false")
        .set("server", "opentsdb")
        .set("overflow", "block:200ms")
        .build()
        .expect("the options are legal");
    let series = series(&client, 1);
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < TIME {
        for _ in 0..STRIDE {
            match series.send_at(sent as f64 * 1e-6, at(sent)) {
                Ok(_) => sent += 1,
                // No room for a while: nothing moves.
                Err(SendError::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    let (stats, time) = (client.stats(), started.elapsed());
    client.stop();
    assert_eq!(stats.accepted, sent, "accepted against sent");
    assert!(stats.is_balanced(), "{stats:?}");
    assert_eq!((stats.rejected, stats.unconfirmed), (0, 0), "{stats:?}");
    stats.acknowledged as f64 / time.as_secs_f64()
}
