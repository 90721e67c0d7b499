//! What all measures send: one series of three tags, and the clients they send it with.

use std::time::Duration;

use potsdb::{Builder, Client, Series, Stats, Timestamp};

use crate::reader::Reader;

/// The first timestamp; each point is a second later, so that none is a repeat.
pub(crate) const START: u64 = 1_600_000_000;

/// `put bench.latency 1600000000 0.012345 path=/login dc=eu host=web1`: 66 bytes with its newline.
pub(crate) fn series(client: &Client, thread: u64) -> Series {
    let host = format!("web{thread}");
    let tags = [("path", "/login"), ("dc", "eu"), ("host", host.as_str())];
    client.series("bench.latency", tags).expect("a legal series")
}

pub(crate) fn at(n: u64) -> Timestamp {
    Timestamp::from_secs(START + n).expect("a legal time")
}

/// A client of a reader that was told what its server is, so that no discovery is in the figures.
pub(crate) fn client(reader: &Reader, answers: bool) -> Builder {
    let server = if answers { "opentsdb" } else { "victoriametrics" };
    Client::builder(&format!("tsdb://127.0.0.1:{}", reader.port()))
        .set("host_tag", "false")
        .set("server", server)
        .set("overflow", "block")
}

/// Closes, and holds the books against what was called.
pub(crate) fn close(client: &Client, calls: u64) -> Stats {
    let stats = client.close(Duration::from_secs(60));
    assert_eq!(stats.accepted, calls, "accepted against calls");
    assert_eq!(
        (stats.repeated, stats.invalid, stats.full),
        (0, 0, 0),
        "repeated, invalid, full"
    );
    assert_eq!(stats.dropped.total(), 0, "dropped");
    assert_eq!(stats.delivered(), calls, "delivered");
    stats
}

/// Sends so many points in all from so many threads, each its own series, and closes.
pub(crate) fn from_threads(client: &Client, threads: u64, points: u64) {
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let series = series(client, thread);
            scope.spawn(move || {
                for n in 0..points / threads {
                    series.send_at(n as f64 * 1e-6, at(n)).expect("it waits for room");
                }
            });
        }
    });
    close(client, points);
}
