//! The longest `client.send_at` among many calls, beside the longest pause of a loop that calls nothing.
//!
//! Figures are microseconds. The calls go through 1, 1 000 and 300 000 series in turn, to a socket that is read. The last are
//! more series than a client remembers, so each of its calls makes one known and lets one go. The pauses are the
//! machine's: another process had the processor.

use std::time::Instant;

use potsdb::Client;

use crate::figure;
use crate::reader::Reader;
use crate::sending::{at, client, close};

pub(crate) fn run(rounds: u64, calls: u64) {
    let reader = Reader::start(false);
    for _ in 0..rounds {
        for (count, shown) in [(1, "1 series"), (1_000, "1 000 series"), (300_000, "300 000 series")] {
            let ours = sending(&reader, count, calls);
            let nothing = distribution(calls, |_| ());
            for (which, ours, nothing) in [
                ("worst", ours.worst, nothing.worst),
                ("99.99th percentile of", ours.rare, nothing.rare),
            ] {
                let measure = format!("Rust, {which} `client.send_at` among {shown} (us)");
                figure(&measure, "ours", ours);
                figure(&measure, "no call", nothing);
            }
        }
    }
}

/// In microseconds.
struct Distribution {
    worst: f64,
    /// One call in ten thousand takes longer.
    rare: f64,
}

fn sending(reader: &Reader, series: u64, calls: u64) -> Distribution {
    let client = client(reader, false)
        .set("overflow", "drop_oldest")
        .set("queue_points", "0")
        .build()
        .expect("the options are legal");
    let hosts: Vec<String> = (0..series).map(|n| format!("web{n}")).collect();
    let taken = distribution(calls, |n| {
        let host = &hosts[usize::try_from(n % series).expect("it is small")];
        send(&client, host, n);
    });
    close(&client, calls);
    taken
}

fn send(client: &Client, host: &str, n: u64) {
    let tags = [("path", "/login"), ("dc", "eu"), ("host", host)];
    client
        .send_at("bench.latency", n as f64 * 1e-6, at(n), tags)
        .expect("it is legal");
}

fn distribution(calls: u64, mut call: impl FnMut(u64)) -> Distribution {
    // Written to before, so that no call pays for its memory.
    let mut took = vec![u64::MAX; usize::try_from(calls).expect("it is small")];
    for (n, took) in (0..).zip(&mut took) {
        let started = Instant::now();
        call(n);
        *took = started.elapsed().as_nanos() as u64;
    }
    took.sort_unstable();
    let micros = |nanos: u64| nanos as f64 / 1e3;
    Distribution {
        worst: micros(took[took.len() - 1]),
        rare: micros(took[took.len() - 1 - took.len() / 10_000]),
    }
}
