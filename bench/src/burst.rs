//! A burst of `series.send` from one thread, for `scripts/count-syscalls` to watch from outside.
//!
//! The queue has no limit in points, so that what is counted is sending and not waiting for room. Prints which thread
//! it was, as the kernel names it.

use std::time::Instant;

use crate::reader::Reader;
use crate::sending::{client, close, series};

pub(crate) fn run(points: u64) {
    let reader = Reader::start(false);
    let client = client(&reader, false)
        .set("overflow", "drop_oldest")
        .set("queue_points", "0")
        .set("repeats", "keep")
        .build()
        .expect("the options are legal");
    let series = series(&client, 1);
    let sending = std::thread::Builder::new().name("sending".to_owned()).spawn(move || {
        // PID/task/TID
        let thread = std::fs::read_link("/proc/thread-self").expect("Linux has /proc");
        let started = Instant::now();
        for n in 0..points {
            series.send(n as f64 * 1e-6).expect("it is legal");
        }
        (thread, started.elapsed())
    });
    let (thread, took) = sending.expect("a thread can be had").join().expect("it does not panic");
    close(&client, points);
    let name = thread
        .file_name()
        .expect("the link has three parts")
        .to_string_lossy()
        .into_owned();
    println!("thread {name}: {points} points in {took:?}");
}
