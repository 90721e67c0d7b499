//! Updates of instruments, beside an atomic addition that nobody contends for.
//!
//! An update does that addition, and has to find its cell and see that the process is still the same. Others' instruments
//! are measured by `bench/peers`, with such loops. Figures are nanoseconds a call: the loop less the same loop without it.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use potsdb_instruments::{Counter, Gauge, Histogram, Instruments, Timer};

use crate::figure;
use crate::memory::{away, stop};

const ATOMIC: &str = "an atomic addition";
const TAGS: [(&str, &str); 3] = [("path", "/login"), ("dc", "eu"), ("host", "web1")];

pub(crate) fn run(rounds: u64, updates: u64) {
    let client = away(&[]);
    let instruments = Instruments::new(&client);
    let counter = instruments.counter("bench.requests", TAGS).expect("legal");
    let gauge = instruments.gauge("bench.busy", TAGS).expect("legal");
    let histogram = instruments.histogram("bench.sizes", TAGS).expect("legal");
    let timer = instruments.timer("bench.latency", TAGS).expect("legal");
    for _ in 0..rounds {
        round(updates, &counter, &gauge, &histogram, &timer);
    }
    drop((counter, gauge, histogram, timer, instruments));
    stop(&client);
}

fn round(updates: u64, counter: &Counter, gauge: &Gauge, histogram: &Histogram, timer: &Timer) {
    let total = AtomicU64::new(0);
    let atomic = || {
        timed(updates, |_, _| {
            total.fetch_add(1, Ordering::Relaxed);
        })
    };
    let before = counter.total();
    let told = |measure: &str, ours: f64| {
        figure(measure, ATOMIC, atomic());
        figure(measure, "ours", ours);
    };
    told("Rust `counter.add(1)` (ns)", timed(updates, |_, _| counter.add(1)));
    assert_eq!(counter.total() - before, updates, "what was added");
    told("Rust `gauge.set` (ns)", timed(updates, |_, value| gauge.set(value)));
    told(
        "Rust `histogram.record` (ns)",
        timed(updates, |_, value| histogram.record(value)),
    );
    // Two readings of the clock are most of it.
    told(
        "Rust `timer.time` of nothing (ns)",
        timed(updates / 10, |_, _| timer.time(|| ())),
    );
    let threads = 4;
    let at_once = || {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| (0..updates / threads).for_each(|_| counter.add(1)));
            }
        });
        started.elapsed().as_nanos() as f64 / updates as f64
    };
    figure(
        "Rust `counter.add(1)`, 4 threads on one counter, for all of them (ns)",
        "ours",
        at_once(),
    );
}

/// Nanoseconds a call: the loop with it less the loop that only makes its arguments.
pub(crate) fn timed(updates: u64, mut call: impl FnMut(u64, f64)) -> f64 {
    let with = lap(updates, &mut call);
    let without = (0..5).map(|_| {
        lap(updates, |n, value| {
            black_box((n, value));
        })
    });
    let without = without.min().expect("there are five");
    with.saturating_sub(without).as_nanos() as f64 / updates as f64
}

fn lap(updates: u64, mut turn: impl FnMut(u64, f64)) -> Duration {
    let started = Instant::now();
    for n in 0..updates {
        let n = black_box(n);
        turn(n, n as f64 * 1e-6);
    }
    started.elapsed()
}
