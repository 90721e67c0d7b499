//! Eight threads on one client, beside one thread: the same points in all, to a socket that is read.
//!
//! Figures are points a second in all. System calls are counted from outside, by `scripts/bench` running `send`.

use std::time::Instant;

use crate::figure;
use crate::reader::Reader;
use crate::sending::{at, client, close, series};

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
    let each = points / threads;
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let series = series(&client, thread);
            scope.spawn(move || {
                for n in 0..each {
                    series.send_at(n as f64 * 1e-6, at(n)).expect("it waits for room");
                }
            });
        }
    });
    close(&client, each * threads);
    (each * threads) as f64 / started.elapsed().as_secs_f64()
}
