//! Ours of the rows in which other Rust clients stand: what a call costs a program, its arguments included.
//!
//! Theirs is `bench/peers`, which is built apart. Both sides send the same points to a process that only reads; the clock
//! stops with the last call, and what is written by then is the worker's affair on either side.

use std::hint::black_box;
use std::time::{Duration, Instant};

use potsdb::Client;

use crate::figure;
use crate::reader::Reader;
use crate::sending::{at, client, close, series};

pub(crate) fn run(points: u64) {
    let reader = Reader::start(false);
    // A queue of a GiB: what other clients hold has no limit at all.
    let open = || client(&reader, false).set("queue_points", "0").build();
    let ours = open().expect("the options are legal");
    let took = calling(&ours, points);
    told("Rust `client.send_at`, 3 tags, beside others (ns)", &ours, points, took);
    let ours = open().expect("the options are legal");
    let took = sending(&ours, points);
    told(
        "Rust `series.send_at`, beside others made once (ns)",
        &ours,
        points,
        took,
    );
}

fn calling(client: &Client, points: u64) -> Duration {
    let started = Instant::now();
    for n in 0..points {
        let tags = black_box([("path", "/login"), ("dc", "eu"), ("host", "web1")]);
        client
            .send_at(black_box("bench.latency"), n as f64 * 1e-6, at(n), tags)
            .expect("there is room");
    }
    started.elapsed()
}

fn sending(client: &Client, points: u64) -> Duration {
    let series = series(client, 1);
    let started = Instant::now();
    for n in 0..points {
        series.send_at(n as f64 * 1e-6, at(n)).expect("there is room");
    }
    started.elapsed()
}

fn told(measure: &str, client: &Client, points: u64, took: Duration) {
    close(client, points);
    figure(measure, "ours", took.as_nanos() as f64 / points as f64);
}
