//! `series.send` into the queue, beside copying the finished line under an uncontended lock.
//!
//! The client's server is away and stays away, so the worker sleeps and the queue only grows. The baseline does the
//! least that any queue of lines has to do: take a `Mutex`, append the line's bytes to the last block of 64 KiB, begin a
//! new block where that is full. Each figure is nanoseconds a call: the loop less the same loop without the call.

use std::hint::black_box;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use potsdb::{Client, IntoValue, Series, Timestamp};

use crate::figure;
use crate::sending::{at, series};

const BLOCK: usize = 64 * 1024;

pub(crate) fn run(rounds: u64, points: u64) {
    // Each has the baseline measured beside it: seconds later the machine may be another.
    type Cost = fn(u64) -> f64;
    let measures: [(&str, Cost); 5] = [
        ("Rust `series.send_at`, integer, queue to memory (ns)", |points| {
            sending(points, &[], |n| n, put)
        }),
        ("Rust `series.send_at`, float, queue to memory (ns)", |points| {
            sending(points, &[], short, put)
        }),
        (
            "Rust `series.send_at`, float of 16 digits, queue to memory (ns)",
            |points| sending(points, &[], long, put),
        ),
        (
            "Rust `series.send`, float, automatic time, `repeats=keep`, queue to memory (ns)",
            |points| sending(points, &[("repeats", "keep")], short, now),
        ),
        ("Rust `client.send_at`, float, 3 tags, queue to memory (ns)", calling),
    ];
    for _ in 0..rounds {
        for (measure, cost) in measures {
            figure(measure, "line copied under a lock", copying(points));
            figure(measure, "ours", cost(points));
        }
    }
}

/// A measurement of six places.
fn short(n: u64) -> f64 {
    n as f64 * 1e-6
}

/// A result of arithmetic: nothing shorter than its 16 digits names it.
fn long(n: u64) -> f64 {
    (n as f64 + 0.5).sqrt()
}

fn put<V: IntoValue>(series: &Series, value: V, timestamp: Timestamp) {
    let _ = black_box(series.send_at(value, timestamp));
}

fn now<V: IntoValue>(series: &Series, value: V, _timestamp: Timestamp) {
    let _ = black_box(series.send(value));
}

/// The cost of one call through a series.
fn sending<V>(
    points: u64,
    options: &[(&str, &str)],
    value: impl Fn(u64) -> V,
    send: impl Fn(&Series, V, Timestamp),
) -> f64 {
    let client = away(options);
    let series = series(&client, 1);
    let cost = timed(points, value, |value, timestamp| send(&series, value, timestamp));
    all_queued(&client, points);
    cost
}

/// The cost of one call that renders names and tags.
fn calling(points: u64) -> f64 {
    let client = away(&[]);
    let cost = timed(points, short, |value, timestamp| {
        let tags = [("path", "/login"), ("dc", "eu"), ("host", "web1")];
        let _ = black_box(client.send_at(black_box("bench.latency"), value, timestamp, black_box(tags)));
    });
    all_queued(&client, points);
    cost
}

fn copying(points: u64) -> f64 {
    let line = b"put bench.latency 1600000000 0.012345 path=/login dc=eu host=web1\n";
    let blocks: Mutex<Vec<Vec<u8>>> = Mutex::default();
    let cost = timed(points, short, |_, _| {
        let mut blocks = blocks.lock().expect("nobody panics under it");
        match blocks.last_mut() {
            Some(block) if block.capacity() - block.len() >= line.len() => block.extend_from_slice(black_box(line)),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.extend_from_slice(black_box(line));
                blocks.push(block);
            }
        }
    });
    let bytes: usize = blocks
        .lock()
        .expect("nobody panics under it")
        .iter()
        .map(Vec::len)
        .sum();
    assert_eq!(bytes as u64, points * line.len() as u64);
    cost
}

/// Nanoseconds a call: the loop with it less the loop that only makes its arguments.
fn timed<V>(points: u64, value: impl Fn(u64) -> V, mut call: impl FnMut(V, Timestamp)) -> f64 {
    let with = lap(points, |n| call(value(n), at(n)));
    // The best of five: one that was disturbed makes the call look cheap.
    let without = (0..5).map(|_| {
        lap(points, |n| {
            black_box((value(n), at(n)));
        })
    });
    let without = without.min().expect("there are five");
    with.saturating_sub(without).as_nanos() as f64 / points as f64
}

fn lap(points: u64, mut turn: impl FnMut(u64)) -> Duration {
    let started = Instant::now();
    for n in 0..points {
        turn(black_box(n));
    }
    started.elapsed()
}

/// A client whose server is away: the port is one the kernel gave out a moment ago, and nobody listens on it.
pub(crate) fn away(options: &[(&str, &str)]) -> Client {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port();
    let mut builder = Client::builder(&format!("tsdb://127.0.0.1:{port}"))
        .set("host_tag", "false")
        .set("queue_points", "0")
        .set("backoff", "600s..600s");
    for (name, value) in options {
        builder = builder.set(name, value);
    }
    builder.build().expect("the options are legal")
}

pub(crate) fn all_queued(client: &Client, points: u64) {
    let stats = client.stats();
    assert_eq!(stats.accepted, points, "accepted against calls");
    assert_eq!(
        (stats.repeated, stats.invalid, stats.dropped.total()),
        (0, 0, 0),
        "repeated, invalid, dropped"
    );
    assert_eq!(stats.queued, points, "all of it is in the queue");
    stop(client);
}

pub(crate) fn stop(client: &Client) {
    client.stop();
    assert!(client.wait_closed(Duration::from_secs(10)), "the worker ends");
}
