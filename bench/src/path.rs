//! Points along one path to a reader that somebody else started, once, in a process of its own: what `scripts/bench`
//! reads the processor time and the memory of.
//!
//! ```text
//! potsdb-bench path PATH POINTS PORT      without a path: the paths
//! ```
//!
//! Prints, as `bench/path.py` does for Python, points a second until all of them are delivered; the most MiB there were
//! above idle, which is a client that is connected and has sent a point; and the MiB above idle that are left when
//! nothing settles any more. The options are the defaults, but that `overflow` is `block`, so that no point is dropped.

use std::thread;
use std::time::{Duration, Instant};

use potsdb::Client;

use crate::sending::{at, series};
use crate::{figure, resident, table};

struct Path {
    /// What `scripts/bench` asks for, and what BENCHMARKS.md calls it.
    name: &'static str,
    title: &'static str,
    wire: &'static str,
    /// Made before memory is looked at: what is sent, and how.
    prepare: fn(&Client) -> Sending,
}

type Sending = Box<dyn FnMut(u64)>;

const PATHS: [Path; 4] = [
    Path {
        name: "telnet",
        title: "Rust `series.send_at`",
        wire: "tsdb",
        prepare: by_series,
    },
    Path {
        name: "http",
        title: "Rust `series.send_at` over HTTP, gzip",
        wire: "http",
        prepare: by_series,
    },
    Path {
        name: "lines",
        title: "Rust `send_lines`",
        wire: "tsdb",
        prepare: by_lines,
    },
    Path {
        name: "batch",
        title: "Rust `send_frame`",
        wire: "tsdb",
        prepare: by_batch,
    },
];

/// Lines, or rows, that are handed over at once.
const AT_ONCE: u32 = 10_000;

const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn run(name: Option<&str>, points: u64, port: u64) {
    let Some(path) = PATHS.iter().find(|path| Some(path.name) == name) else {
        PATHS.iter().for_each(|path| println!("{}", path.name));
        return;
    };
    let points = points.next_multiple_of(AT_ONCE.into());
    let client = Client::builder(&format!("{}://127.0.0.1:{port}", path.wire))
        .set("host_tag", "false")
        .set("server", "opentsdb")
        .set("overflow", "block")
        .build()
        .expect("the options are legal");
    let mut send = (path.prepare)(&client);
    series(&client, 0).send_at(1, at(0)).expect("there is room");
    client.flush(TIMEOUT).expect("the reader answers");
    let idle = resident::now();
    resident::forget_peak();
    let started = Instant::now();
    send(points);
    client.flush(TIMEOUT).expect("the reader answers");
    let took = started.elapsed();
    // As long as answered points stay, and the worker's time to notice.
    thread::sleep(client.options().settle + Duration::from_millis(500));
    for (column, figures) in [
        ("points/s", points as f64 / took.as_secs_f64()),
        ("peak", mebibytes(resident::peak(), idle)),
        ("settled", mebibytes(resident::now(), idle)),
    ] {
        figure(path.title, column, figures);
    }
    let stats = client.close(TIMEOUT);
    assert_eq!(stats.accepted, points + 1, "{stats:?}");
    assert_eq!(stats.acknowledged, points + 1, "{stats:?}");
}

fn by_series(client: &Client) -> Sending {
    let series = series(client, 1);
    Box::new(move |points| {
        for n in 0..points {
            series.send_at(n as f64 * 1e-6, at(n)).expect("it waits for room");
        }
    })
}

/// The same text again and again: lines are taken as they are.
fn by_lines(client: &Client) -> Sending {
    let lines: Vec<String> = (0..AT_ONCE)
        .map(|n| {
            format!(
                "put bench.latency {} {} path=/login dc=eu host=web1\n",
                1_600_000_000 + n,
                f64::from(1_000 + n) * 1e-6
            )
        })
        .collect();
    let (client, lines) = (client.clone(), lines.concat());
    Box::new(move |points| {
        for _ in 0..points / u64::from(AT_ONCE) {
            let sent = client
                .send_lines(lines.as_bytes(), Duration::MAX)
                .expect("the client is open");
            assert_eq!((sent.queued, sent.bad.len()), (AT_ONCE.into(), 0));
        }
    })
}

/// The same table again and again: of tables, too, nobody looks for repeats.
fn by_batch(client: &Client) -> Sending {
    let batch = table::batch(AT_ONCE);
    let mut frame = client.frame(table::columns());
    Box::new(move |points| {
        for _ in 0..points / u64::from(AT_ONCE) {
            let sent = frame.send(&batch, 0, Duration::MAX).expect("it can be read");
            assert_eq!(sent.queued, u64::from(AT_ONCE));
        }
    })
}

fn mebibytes(bytes: u64, idle: u64) -> f64 {
    (bytes as f64 - idle as f64) / f64::from(1 << 20)
}
