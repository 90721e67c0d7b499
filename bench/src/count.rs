//! One hot path, called a thousand times where callgrind counts, for `scripts/check-speed` to divide by a thousand.
//!
//! Callgrind counts while a thread is within [`counted`] and at no other time, so that neither set-up nor the worker
//! is in the count. The loop around the calls is: some five instructions a call, the same for every path.

use std::hint::black_box;
use std::time::Duration;

use potsdb::{IntoValue, Series, Value};
use potsdb_wire::{Rules, SeriesText, json, line};

use crate::memory::{all_queued, away, stop};
use crate::sending::{at, series};
use crate::table;

/// Calls that are counted. As many that are not go before them: memory is there then, and every branch taken once.
const CALLS: u64 = 1000;

/// The paths, by the names under which `bench/counts.txt` knows them.
const PATHS: [(&str, fn()); 15] = [
    ("number-int", || number(integer)),
    ("number-float", || number(float)),
    ("render-int", || render(integer)),
    ("render-float", || render(float)),
    ("series-send-int", || {
        queued(&[], |series, n| put(series, integer(n), n));
    }),
    ("series-send-float", || {
        queued(&[], |series, n| put(series, float(n), n));
    }),
    ("series-send-now", || queued(&[("repeats", "keep")], now)),
    ("series-send-drop-oldest", drop_oldest),
    ("client-send", || call(&[])),
    ("client-send-keep", || call(&[("repeats", "keep")])),
    ("canonical", || canonical(LINE)),
    ("canonical-rewrite", || {
        canonical(b"bench.latency  1600000000 .012345 path=/login dc=eu host=web1\r");
    }),
    ("parse", parse),
    ("json-body", json_body),
    ("send-frame", send_frame),
];

const TAGS: [(&str, &str); 3] = [("path", "/login"), ("dc", "eu"), ("host", "web1")];
const LINE: &[u8] = b"put bench.latency 1600000000 0.012345 path=/login dc=eu host=web1\n";

pub(crate) fn run(name: Option<&str>) {
    match PATHS.iter().find(|(path, _)| Some(*path) == name) {
        Some((_, path)) => path(),
        None => PATHS.iter().for_each(|(path, _)| println!("{path}")),
    }
}

/// Where callgrind counts; its name is what `scripts/check-speed` knows it by.
#[inline(never)]
fn counted(calls: std::ops::Range<u64>, call: &mut dyn FnMut(u64)) {
    for n in calls {
        call(n);
    }
}

fn count(call: &mut dyn FnMut(u64)) {
    (0..CALLS).for_each(&mut *call);
    counted(CALLS..2 * CALLS, call);
}

/// Values as programs have them: counters, and measurements of six places.
fn integer(n: u64) -> Value {
    black_box(n).into_value().expect("it is small")
}

fn float(n: u64) -> Value {
    (black_box(n) as f64 * 1e-6).into_value().expect("it is finite")
}

fn number(value: impl Fn(u64) -> Value) {
    let mut buffer = [0; Value::MAX_LEN];
    count(&mut |n| {
        black_box(value(n).text(&mut buffer));
    });
}

fn render(value: impl Fn(u64) -> Value) {
    let (rules, mut text, mut buffer) = (Rules::default(), SeriesText::new(), [0; 256]);
    text.metric(&rules, "", "bench.latency").expect("it is legal");
    for (name, value) in TAGS {
        text.tag(&rules, name, value).expect("it is legal");
    }
    text.finish(&rules).expect("it has tags");
    count(&mut |n| {
        let _ = black_box(line::write(&text, at(n), value(n), &mut buffer));
    });
}

fn put(series: &Series, value: Value, n: u64) {
    let _ = black_box(series.send_at(value, at(n)));
}

fn now(series: &Series, n: u64) {
    let _ = black_box(series.send(float(n)));
}

fn queued(options: &[(&str, &str)], send: impl Fn(&Series, u64)) {
    let client = away(options);
    let series = series(&client, 1);
    count(&mut |n| send(&series, n));
    all_queued(&client, 2 * CALLS);
}

fn drop_oldest() {
    let client = away(&[("queue_points", "500")]);
    let series = series(&client, 1);
    count(&mut |n| put(&series, float(n), n));
    assert_eq!(
        client.stats().dropped.queue_full,
        2 * CALLS - 500,
        "each call counted drops one"
    );
    stop(&client);
}

fn call(options: &[(&str, &str)]) {
    let client = away(options);
    count(&mut |n| {
        let _ = black_box(client.send_at(black_box("bench.latency"), float(n), at(n), black_box(TAGS)));
    });
    all_queued(&client, 2 * CALLS);
}

fn canonical(text: &[u8]) {
    let (rules, mut scratch, mut out) = (Rules::default(), SeriesText::new(), Vec::with_capacity(1 << 10));
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    count(&mut |_| {
        out.clear();
        line::canonical_with(&mut scratch, &rules, black_box(text), &mut out).expect("it is legal");
        black_box(&out);
    });
}

fn parse() {
    count(&mut |_| {
        black_box(line::parse(black_box(LINE)).expect("it is canonical"));
    });
}

/// A body of ten points; the count is a body's.
fn json_body() {
    let mut out = Vec::with_capacity(1 << 12);
    count(&mut |_| {
        out.clear();
        json::write_body([black_box(LINE); 10], &mut out).expect("the lines are canonical");
        black_box(&out);
    });
}

/// A batch of a hundred rows, as `send_frame` in Python has them by the hundred thousand; the count is a batch's.
fn send_frame() {
    const ROWS: u32 = 100;
    let client = away(&[]);
    let batch = table::batch(ROWS);
    let mut frame = client.frame(table::columns());
    count(&mut |_| {
        let sent = frame.send(black_box(&batch), 0, Duration::MAX).expect("it can be read");
        assert_eq!(sent.queued, u64::from(ROWS));
    });
    all_queued(&client, 2 * CALLS * u64::from(ROWS));
}
