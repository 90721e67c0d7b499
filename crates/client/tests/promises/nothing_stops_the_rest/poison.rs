//! What a sick series costs good ones, measured: each wire and kind of sickness, for some time.
//!
//! ```text
//! cargo test -p potsdb --test promises -- --ignored --nocapture --test-threads 1 poison
//! ```
//!
//! `POISON_SECONDS` (25) is how long each lasts, `POISON_GOOD` (2000) how many good points a second there are. A good
//! point's time is from the call to the answer that is its verdict, as the server knows it. The memory is what the
//! process has more of at the end, servers included.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

const TICK: Duration = Duration::from_millis(10);

/// Points are to have their verdict within this time.
const SOON: Duration = Duration::from_secs(5);

/// When HBase's errors come: OpenTSDB hands over what it has every second.
const FLUSHED: Duration = Duration::from_millis(500);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Measures one kind at each rate of sick points, and asserts what is promised.
fn measure(kind: &str, scheme: &str, options: &[(&str, &str)], server: impl Fn() -> Scripted) {
    let failed: Vec<String> = [1, 20, 100]
        .into_iter()
        .filter_map(|sick| run(kind, scheme, options, &server(), sick).err())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn run(kind: &str, scheme: &str, options: &[(&str, &str)], server: &Scripted, sick: u64) -> Result<(), String> {
    let (seconds, good) = (number("POISON_SECONDS", 25), number("POISON_GOOD", 2_000));
    let before = memory();
    // As long as by default between two attempts to connect.
    let options: Vec<_> = [("backoff", "100ms..30s")].iter().chain(options).copied().collect();
    let client = client_of(server, scheme, &options);
    let begun = Instant::now();
    let mut sent = Vec::new();
    let mut sick_sent = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        thread::park_timeout(TICK);
        let due = |rate: u64| (begun.elapsed().as_secs_f64() * rate as f64) as u64;
        while sick_sent < due(sick) {
            send_sick(&client, sick_sent);
            sick_sent += 1;
        }
        let first = sent.len() as u64;
        let count = due(good) - first;
        sent.extend((0..count).map(|_| Instant::now()));
        send_good(&client, first, count);
    }
    let lasted = begun.elapsed();
    let grown = memory().saturating_sub(before);
    let sent_all = Instant::now();
    let _ = server.wait_for(SOON, |seen| seen.answered() >= sent.len() as u64);
    let open = client.stats();
    let drained = sent_all.elapsed();
    let stats = close(&client);
    let seen = server.seen();
    let times: Vec<Option<Duration>> = (sent.iter().enumerate())
        .map(|(n, at)| Some(seen.good.get(n)?.1?.saturating_duration_since(*at)))
        .collect();
    let soon = times.iter().flatten().filter(|time| **time <= SOON).count() as f64 / times.len() as f64;
    let mut sorted: Vec<Duration> = times.iter().flatten().copied().collect();
    sorted.sort_unstable();
    let at = |part: f64| {
        sorted
            .get(((sorted.len() as f64 * part) as usize).min(sorted.len() - 1))
            .copied()
    };
    let mut second = vec![0; seconds as usize + 10];
    for at in &seen.requests {
        second[(at.duration_since(begun).as_secs() as usize).min(seconds as usize + 9)] += 1;
    }
    println!(
        "{kind:<28} sick/s {sick:>3}  good {:>6}  in 5 s {:>7.3} %  median {:>6.0?}  99 % {:>6.0?}  worst {:>6.0?}  \
        drained {drained:>5.1?}  acknowledged {} of {}  dropped before close {} (full {}, expired {}), at close {}  \
        late {}  resent {}  {} /s mean {:.0} max {}  connections {}  memory +{:.1} MiB",
        sent.len(),
        soon * 100.0,
        at(0.5).unwrap_or_default(),
        at(0.99).unwrap_or_default(),
        at(1.0).unwrap_or_default(),
        stats.acknowledged,
        stats.accepted,
        open.dropped.total(),
        open.dropped.queue_full,
        open.dropped.expired,
        stats.dropped.closed,
        stats.late_errors,
        stats.resent,
        if scheme == "http" { "requests" } else { "lines" },
        seen.requests.len() as f64 / lasted.as_secs_f64(),
        second.iter().max().unwrap(),
        seen.connections.len(),
        grown as f64 / 1024.0,
    );
    // Late points are those that are not answered for, too.
    let lost = stats.dropped.total().saturating_sub(sick_sent);
    match soon >= 0.99 && lost == 0 && open.dropped.queue_full == 0 {
        true => Ok(()),
        false => Err(format!(
            "{kind}, {sick} sick points a second: {:.2} % in time, {stats:?}",
            soon * 100.0
        )),
    }
}

/// What of this process is in memory, in KiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn telnet(reply: impl Fn() -> Reply + Copy + Send + Sync + 'static) -> Scripted {
    Scripted::telnet_late(FLUSHED, move |line| match line.starts_with("put sick ") {
        true => reply(),
        false => Reply::Taken,
    })
}

fn http(otherwise: impl Fn(&Request, &[&String]) -> Answer + Copy + Send + Sync + 'static) -> Scripted {
    Scripted::http(move |request| match &*request.with(r#""sick""#) {
        [] => taken(request),
        sick => otherwise(request, sick),
    })
}

/// An answer that means a wrong URL, unless points were taken before.
fn http_once_taken(status: u16, words: &'static str) -> Scripted {
    let took: &'static AtomicBool = Box::leak(Box::default());
    http(move |request, _| match took.swap(true, Ordering::Relaxed) {
        true => answer(status, words),
        false => taken(request),
    })
}

#[test]
#[ignore = "measures"]
fn poison_hbase_error() {
    let reply = || Reply::Late("put: HBase error: 1 RPCs failed: NotServingRegionException x1".to_owned());
    measure("telnet, HBase error", "tsdb", &[], || telnet(reply));
}

#[test]
#[ignore = "measures"]
fn poison_please_throttle() {
    let reply = || Reply::Late("put: Please throttle writes: 10000 RPCs waiting on region tsdb,,1".to_owned());
    measure("telnet, Please throttle", "tsdb", &[], || telnet(reply));
}

#[test]
#[ignore = "measures"]
fn poison_throttling_exception() {
    let reply = || Reply::Again("put: Throttling exception: table is over its quota".to_owned());
    measure("telnet, Throttling exception", "tsdb", &[], || telnet(reply));
}

#[test]
#[ignore = "measures"]
fn poison_hang_up_over_telnet() {
    measure("telnet, hangs up", "tsdb", &[], || telnet(|| Reply::Close));
}

#[test]
#[ignore = "measures"]
fn poison_named() {
    let named = |request: &Request, sick: &[&String]| {
        let errors: Vec<_> = sick
            .iter()
            .map(|point| ("Storage exception: region down", *point))
            .collect();
        partly(200, request, &errors)
    };
    measure("stored, named", "http", &[("ack", "stored")], || http(named));
}

#[test]
#[ignore = "measures"]
fn poison_unnamed() {
    let unnamed = |request: &Request, _: &[&String]| {
        let success = request.points.len() - 1;
        answer(200, &format!(r#"{{"success":{success},"failed":1,"errors":[]}}"#))
    };
    measure("stored, unnamed", "http", &[("ack", "stored")], || http(unnamed));
}

#[test]
#[ignore = "measures"]
fn poison_500() {
    measure("HTTP 500", "http", &[], || http(|_, _| answer(500, "internal error")));
}

#[test]
#[ignore = "measures"]
fn poison_404() {
    measure("HTTP 404", "http", &[], || http_once_taken(404, "no such page"));
}

#[test]
#[ignore = "measures"]
fn poison_413() {
    measure("HTTP 413", "http", &[], || http_once_taken(413, "too long"));
}

#[test]
#[ignore = "measures"]
fn poison_503() {
    measure("HTTP 503", "http", &[], || http(|_, _| answer(503, "over quota")));
}

#[test]
#[ignore = "measures"]
fn poison_hang_up_over_http() {
    measure("HTTP, hangs up", "http", &[], || http(|_, _| hang_up()));
}
