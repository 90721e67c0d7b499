//! What a spool costs: the same points to a server that answers, from memory alone, with a spool that has nothing to do, and
//! with everything that is not done with on disk; and to no server at all, into the spool.
//!
//! The clock runs from the first send to the end of close, when every point is acknowledged; without a server to the end of
//! `sync`, when every point is on disk and synced. Figures are thousands of points a second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::figure;
use crate::reader::Reader;
use crate::resident;
use crate::sending::{at, client, close, series};

const MEASURE: &str = "Rust end to end, acknowledged, with a spool (1 000 points/s)";

pub(crate) fn run(rounds: u64, points: u64) {
    let reader = Reader::start(true);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let nowhere = nobody.local_addr().expect("it is bound");
    drop(nobody);
    for round in 0..rounds {
        let folder = Folder::new(round);
        figure(MEASURE, "memory alone", delivered(&reader, points, None));
        figure(
            MEASURE,
            "ours, overflow",
            delivered(&reader, points, Some((&folder.0, "overflow"))),
        );
        figure(
            MEASURE,
            "ours, always",
            delivered(&reader, points, Some((&folder.0, "always"))),
        );
        figure(
            MEASURE,
            "ours, no server",
            spooled(&format!("tsdb://{nowhere}"), points, &folder.0),
        );
    }
}

/// An outage of so many points, and its end: how much memory the program has, how fast the backlog goes to disk and to the
/// server, and how long the next program takes to start with as much.
pub(crate) fn outage(points: u64) {
    const PLACE: &str = "An outage into the spool";
    let folder = Folder::new(0);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = nobody.local_addr().expect("it is bound").port();
    drop(nobody);
    let open = || {
        let client = potsdb::Client::builder(&format!("tsdb://127.0.0.1:{port}"))
            .set("host_tag", "false")
            .set("overflow", "block")
            .set("backoff", "100ms..1s")
            .set("spool_bytes", "32GiB")
            .set("settle", "0")
            .spool(folder.0.clone());
        client.build().expect("the options are legal")
    };
    let client = open();
    let idle = resident::now();
    let started = Instant::now();
    send(&client, points);
    client.sync(Duration::from_secs(600)).expect("the disk takes it");
    figure(
        PLACE,
        "thousands of points a second to disk",
        thousands(points, started),
    );
    figure(
        PLACE,
        "MB above idle",
        resident::now().saturating_sub(idle) as f64 / 1e6,
    );
    let bytes = client.stats().spool.map_or(0, |spool| spool.bytes);
    figure(PLACE, "MB on disk", bytes as f64 / 1e6);
    drop(client.close(Duration::from_secs(60)));
    let started = Instant::now();
    let client = open();
    while client.stats().adopted < points {
        std::thread::yield_now();
    }
    figure(
        PLACE,
        "seconds until the next program has found it all",
        started.elapsed().as_secs_f64(),
    );
    let started = Instant::now();
    let reader = Reader::at("answers", port);
    let mut highest = idle;
    while client.stats().acknowledged < points {
        highest = highest.max(resident::now());
        std::thread::sleep(Duration::from_millis(20));
    }
    figure(PLACE, "thousands of points a second back", thousands(points, started));
    figure(
        PLACE,
        "MB above idle, while it goes back",
        (highest - idle) as f64 / 1e6,
    );
    let stats = client.close(Duration::from_secs(60));
    assert_eq!(
        (stats.adopted, stats.acknowledged, stats.pending()),
        (points, points, 0),
        "{stats:?}"
    );
    drop(reader);
}

fn delivered(reader: &Reader, points: u64, spool: Option<(&Path, &str)>) -> f64 {
    let mut client = client(reader, true).set("settle", "0");
    if let Some((folder, mode)) = spool {
        client = client.spool(folder.to_owned()).set("spool_mode", mode);
    }
    let client = client.build().expect("the options are legal");
    let started = Instant::now();
    send(&client, points);
    let stats = close(&client, points);
    assert_eq!(stats.acknowledged, points, "the reader answered for all of it");
    thousands(points, started)
}

fn spooled(url: &str, points: u64, folder: &Path) -> f64 {
    let client = potsdb::Client::builder(url)
        .set("host_tag", "false")
        .set("overflow", "block")
        .set("spool_bytes", "8GiB")
        .spool(folder.join("outage"));
    let client = client.build().expect("the options are legal");
    let started = Instant::now();
    send(&client, points);
    client.sync(Duration::from_secs(600)).expect("the disk takes it");
    let rate = thousands(points, started);
    let stats = client.close(Duration::from_secs(600));
    assert_eq!((stats.spooled, stats.dropped.total()), (points, 0), "{stats:?}");
    rate
}

fn send(client: &potsdb::Client, points: u64) {
    let series = series(client, 1);
    for n in 0..points {
        series.send_at(n as f64 * 1e-6, at(n)).expect("it waits for room");
    }
}

fn thousands(points: u64, started: Instant) -> f64 {
    points as f64 / 1e3 / started.elapsed().as_secs_f64()
}

/// A folder on this machine's disk, gone when it is over.
struct Folder(PathBuf);

impl Folder {
    fn new(round: u64) -> Folder {
        let name = format!("potsdb-bench-{}-{round}", std::process::id());
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
