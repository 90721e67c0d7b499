//! What a spool costs: the same points to a server that answers, from memory alone, with a spool that has nothing to do, and
//! with everything that is not done with on disk; and to no server at all, into the spool.
//!
//! The clock runs from the first send to the end of close, when every point is acknowledged; without a server to the end of
//! `sync`, when every point is on disk and synced. Figures are thousands of points a second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::figure;
use crate::reader::Reader;
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
