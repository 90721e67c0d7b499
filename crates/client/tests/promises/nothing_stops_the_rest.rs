//! What goes wrong for ever costs itself and nothing else, and nothing is repeated without bound.

use std::time::Instant;

use super::scripted::*;
use super::*;

mod answers;
mod endings;
mod endless;
mod hung;
mod poison;
mod sick_over_http;
mod sick_over_telnet;

/// As long as a close may take that cannot deliver everything.
const SHORT: Duration = Duration::from_secs(2);

/// A client of a scripted server.
fn client_of(server: &Scripted, scheme: &str, options: &[(&str, &str)]) -> Client {
    let mut builder = Client::builder(&format!("{scheme}://{}", server.address()))
        .set("host_tag", "false")
        .set("gzip", "false")
        .set("backoff", "1ms..20ms");
    for (name, value) in options {
        builder = builder.set(name, value);
    }
    builder.build().expect("the options are right")
}

/// Sends good points `first..first + count`, over ten series.
fn send_good(client: &Client, first: u64, count: u64) {
    for n in first..first + count {
        let series = [("n", (n % 10).to_string())];
        client.send_at("good", n, at(n), series).expect("accepted");
    }
}

/// Sends a point of the series that the server never takes.
fn send_sick(client: &Client, n: u64) {
    client.send_at("sick", n, at(n), [("h", "a")]).expect("accepted");
}

/// Sends so many good points with a sick one after each tenth, in portions: the next follows when the server has
/// answered for every good one.
fn send_among_sick(client: &Client, server: &Scripted, good: u64) {
    const PORTION: u64 = 50;
    for first in (0..good).step_by(PORTION as usize) {
        for n in (first..first + PORTION).step_by(10) {
            send_good(client, n, 10);
            send_sick(client, n);
        }
        let end = first + PORTION;
        let taken = server.wait_until(|seen| seen.answered() >= end);
        assert!(
            taken,
            "the first {end} good points are not all taken: {:?}",
            client.stats()
        );
    }
}

/// Waits until the statistics say so.
fn wait_until(client: &Client, what: &str, reached: impl Fn(&Stats) -> bool) -> Stats {
    let deadline = Instant::now() + LONG;
    loop {
        let stats = client.stats();
        if reached(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "{what}: {stats:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Closes a client of which something cannot be delivered: in time, and everything has its verdict.
fn close(client: &Client) -> Stats {
    let begun = Instant::now();
    let stats = client.close(SHORT);
    assert!(begun.elapsed() < LONG / 2, "close took {:?}", begun.elapsed());
    ended(&stats);
    stats
}
