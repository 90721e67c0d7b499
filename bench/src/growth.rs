//! What grows, and what must not: speed and memory over series, threads, queue depth and rate.
//!
//! Each place of a plot is measured in a process of its own, because memory that was used before is not seen to grow.
//! Prints `PLOT <tab> LINE <tab> X <tab> Y`; `bench/growth.py` chooses the places and draws one picture of each plot.

use std::time::{Duration, Instant};

use potsdb::Series;

use crate::memory::{all_queued, away, stop};
use crate::processor::{cost, running};
use crate::reader::Reader;
use crate::resident;
use crate::sending::{at, client, close, from_threads, series};

const SPEED: &str = "million points/s";
const PROCESSOR: &str = "ns of processor time a point, worker included";
const PEAK: &str = "MiB at the peak, above idle";

pub(crate) fn run(plot: &str, place: u64, points: u64) {
    match plot {
        "series" => over_series(place, points),
        // More of them, so that 10 ms of processor time are little.
        "threads" => over_threads(place, points * 4 / place * place),
        "depth" => over_depth(place),
        "rate" => over_rates(place),
        _ => panic!("growth series | threads | depth | rate [PLACE [POINTS]]"),
    }
}

fn plot(plot: &str, line: &str, x: u64, y: f64) {
    println!("{plot}\t{line}\t{x}\t{y}");
}

/// So many series in turn, into the queue.
fn over_series(count: u64, points: u64) {
    let client = away(&[]);
    let before = resident::now();
    let all: Vec<Series> = (0..count).map(|n| series(&client, n)).collect();
    let grown = resident::now().saturating_sub(before) as f64;
    let turns = points.div_ceil(count).max(2);
    let started = Instant::now();
    for n in 0..turns * count {
        let series = &all[usize::try_from(n % count).expect("it is small")];
        series.send_at(n as f64 * 1e-6, at(n / count)).expect("it is legal");
    }
    let took = started.elapsed();
    all_queued(&client, turns * count);
    plot("series", SPEED, count, millions(turns * count, took));
    plot("series", "KiB of all series", count, grown / 1024.0);
    // Of fewer the pages of the first allocations are most of it.
    if count >= 1_000 {
        plot("series", "bytes a series", count, grown / count as f64);
    }
}

/// So many threads on one client, to a socket that is read.
fn over_threads(threads: u64, points: u64) {
    let reader = Reader::start(false);
    let client = client(&reader, false).build().expect("the options are legal");
    let idle = idle();
    let started = Instant::now();
    let cost = cost(|| from_threads(&client, threads, points));
    let took = started.elapsed();
    plot("threads", SPEED, threads, millions(points, took));
    plot("threads", PROCESSOR, threads, cost / points as f64);
    plot(
        "threads",
        PEAK,
        threads,
        mebibytes(resident::peak().saturating_sub(idle)),
    );
}

/// A queue that fills, from nothing to so many points.
fn over_depth(deepest: u64) {
    let client = away(&[("queue_bytes", "4GiB")]);
    let series = series(&client, 1);
    let before = resident::now();
    let mut depth = 0;
    for next in [10_000, 1_000, 100, 50, 20, 10, 5, 2, 1].map(|part| deepest / part) {
        let started = Instant::now();
        for n in depth..next {
            series.send_at(n as f64 * 1e-6, at(n)).expect("it is legal");
        }
        let took = started.elapsed();
        let grown = resident::now().saturating_sub(before);
        plot("depth", SPEED, next, millions(next - depth, took));
        if next >= 100_000 {
            plot("depth", "bytes a point", next, grown as f64 / next as f64);
        }
        plot("depth", "MiB of all points", next, mebibytes(grown));
        depth = next;
    }
    stop(&client);
}

/// From a trickle to a flood: a rate for two seconds, or, as 0, whatever the reader takes.
fn over_rates(rate: u64) {
    const TIME: Duration = Duration::from_secs(2);
    let reader = Reader::start(false);
    let client = client(&reader, false).build().expect("the options are legal");
    let series = series(&client, 1);
    // As a program that has other things to do, at most a thousand times a second.
    let pause = 1_000_000_u64
        .checked_div(rate)
        .map(|micros| Duration::from_micros(micros.max(1_000)));
    let points = if pause.is_some() {
        rate * TIME.as_secs()
    } else {
        u64::MAX
    };
    let idle = idle();
    let before = running();
    let started = Instant::now();
    let mut sent = 0;
    while sent < points && (pause.is_some() || started.elapsed() < TIME) {
        let due = match pause {
            Some(_) => (started.elapsed().as_micros() as u64 * rate / 1_000_000 + 1).min(points),
            None => sent + 256,
        };
        for n in sent..due {
            series.send_at(n as f64 * 1e-6, at(n)).expect("it waits for room");
        }
        sent = due;
        if let Some(pause) = pause {
            std::thread::park_timeout(pause);
        }
    }
    let (cost, took) = ((running() - before) as f64, started.elapsed());
    close(&client, sent);
    // What the reader takes is the rate that was reached.
    let delivered = sent as f64 / started.elapsed().max(TIME).as_secs_f64();
    let reached = if rate == 0 { delivered as u64 } else { rate };
    plot("rate", SPEED, reached, delivered / 1e6);
    plot(
        "rate",
        "ms of processor time a second",
        reached,
        cost / 1e6 / took.as_secs_f64(),
    );
    plot("rate", PEAK, reached, mebibytes(resident::peak().saturating_sub(idle)));
}

/// What is resident before anything is sent; the peak begins here.
fn idle() -> u64 {
    resident::forget_peak();
    resident::now()
}

fn millions(points: u64, took: Duration) -> f64 {
    points as f64 / took.as_secs_f64() / 1e6
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
