//! Eight threads on one client, beside one thread: the same points in all, to a socket that is read.
//!
//! Figures are points a second in all. System calls are counted from outside, by `scripts/bench` running `send`.

use std::time::Instant;

use crate::figure;
use crate::reader::Reader;
use crate::sending::{client, from_threads};

const MEASURE: &str = "Rust, 8 threads on one client (points/s)";

pub(crate) fn run(rounds: u64, points: u64) {
    let reader = Reader::start(false);
    for _ in 0..rounds {
        figure(MEASURE, "ours", sending(&reader, 8, points));
        figure(MEASURE, "1 thread", sending(&reader, 1, points));
    }
}

pub(crate) fn once(threads: u64, points: u64) {
    let reader = Reader::start(false);
    let rate = sending(&reader, threads, points);
    println!("{threads} threads, {points} points: {rate:.0} points/s");
}

fn sending(reader: &Reader, threads: u64, points: u64) -> f64 {
    let client = client(reader, false).build().expect("the options are legal");
    let points = points / threads * threads;
    let started = Instant::now();
    from_threads(&client, threads, points);
    points as f64 / started.elapsed().as_secs_f64()
}
