//! What grows, and what must not: the cost of a point over series, threads, queue depth and rate, and the memory.
//!
//! Prints `PLOT <tab> LINE <tab> X <tab> Y`; `bench/growth.py` draws one picture of each plot. A cost is processor time of
//! the whole process, so that a busy machine moves it little.

use std::fs;
use std::time::{Duration, Instant};

use potsdb::{Client, Series};

use crate::memory::{all_queued, away, stop};
use crate::reader::Reader;
use crate::sending::{at, client, close};

/// One plot, and of `series` one place of it: memory that was used before is not seen to grow.
pub(crate) fn run(plot: &str, points: u64, count: u64) {
    match plot {
        "series" => over_series(points, count),
        "threads" => over_threads(points),
        "depth" => over_depth(points * 10),
        "rate" => over_rates(),
        _ => panic!("growth series | threads | depth | rate [POINTS [SERIES]]"),
    }
}

fn plot(plot: &str, line: &str, x: u64, y: f64) {
    println!("{plot}\t{line}\t{x}\t{y:.1}");
}

/// So many series in turn, into the queue.
fn over_series(points: u64, count: u64) {
    let client = away(&[]);
    let before = resident();
    let series: Vec<Series> = (0..count).map(|n| one_of_many(&client, n)).collect();
    let each = resident().saturating_sub(before) as f64 / count as f64;
    let turns = points.div_ceil(count).max(2);
    let cost = cost(|| {
        for n in 0..turns * count {
            let series = &series[usize::try_from(n % count).expect("it is small")];
            series.send_at(n as f64 * 1e-6, at(n / count)).expect("it is legal");
        }
    });
    all_queued(&client, turns * count);
    plot("series", "ns a point", count, cost / (turns * count) as f64);
    // Of fewer the pages of the first allocations are most of it.
    if count >= 1_000 {
        plot("series", "bytes a series", count, each);
    }
}

fn one_of_many(client: &Client, n: u64) -> Series {
    let host = format!("web{n}");
    let tags = [("path", "/login"), ("dc", "eu"), ("host", host.as_str())];
    client.series("bench.latency", tags).expect("a legal series")
}

/// 1 to 64 threads on one client, to a socket that is read.
fn over_threads(points: u64) {
    let reader = Reader::start(false);
    for threads in [1, 2, 4, 8, 16, 32, 64] {
        let client = client(&reader, false).build().expect("the options are legal");
        let each = points / threads;
        let cost = cost(|| {
            std::thread::scope(|scope| {
                for thread in 0..threads {
                    let series = one_of_many(&client, thread);
                    scope.spawn(move || {
                        for n in 0..each {
                            series.send_at(n as f64 * 1e-6, at(n)).expect("it waits for room");
                        }
                    });
                }
            });
            close(&client, each * threads);
        });
        plot(
            "threads",
            "ns a point, worker included",
            threads,
            cost / (each * threads) as f64,
        );
    }
}

/// A queue that fills: each tenth of the way.
fn over_depth(points: u64) {
    let client = away(&[("queue_bytes", "4GiB")]);
    let series = one_of_many(&client, 1);
    let (before, step) = (resident(), points / 10);
    for tenth in 0..10 {
        let cost = cost(|| {
            for n in tenth * step..(tenth + 1) * step {
                series.send_at(n as f64 * 1e-6, at(n)).expect("it is legal");
            }
        });
        let depth = (tenth + 1) * step;
        plot("depth", "ns a point", depth, cost / step as f64);
        plot(
            "depth",
            "bytes a point",
            depth,
            resident().saturating_sub(before) as f64 / depth as f64,
        );
    }
    stop(&client);
}

/// From a trickle to a flood: each rate for two seconds.
fn over_rates() {
    let reader = Reader::start(false);
    for rate in [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000_u64] {
        let client = client(&reader, false).build().expect("the options are legal");
        let series = one_of_many(&client, 1);
        let points = rate * 2;
        let before = running();
        let started = Instant::now();
        let mut sent = 0;
        while sent < points {
            let due = (started.elapsed().as_micros() as u64 * rate / 1_000_000 + 1).min(points);
            for n in sent..due {
                series.send_at(n as f64 * 1e-6, at(n)).expect("it waits for room");
            }
            sent = due;
            // As a program that has other things to do, at most a thousand times a second.
            std::thread::park_timeout(Duration::from_micros((1_000_000 / rate).max(1_000)));
        }
        let cost = (running() - before) as f64;
        close(&client, points);
        plot("rate", "µs a second", rate, cost / 2e3);
    }
}

/// Nanoseconds of processor time that this process spends on `work`, the threads it has left included.
fn cost(work: impl FnOnce()) -> f64 {
    let before = spent();
    work();
    (spent() - before) as f64
}

/// What the process has spent so far. Of threads that have ended the kernel tells to within 10 ms: the work is longer.
fn spent() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let after_name = stat.rsplit(')').next().expect("a name in parentheses");
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number of ticks"))
        .sum();
    ticks * 10_000_000
}

/// What the threads that run have spent so far, to the nanosecond.
fn running() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("Linux has /proc");
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages = statm
        .split_whitespace()
        .nth(1)
        .expect("the second field is what is resident");
    pages.parse::<u64>().expect("a number of pages") * 4096
}
