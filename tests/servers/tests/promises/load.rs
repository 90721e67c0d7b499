//! A load: series of points that tell if two were mixed up, what a server has to have of it, and the ledger afterwards.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use potsdb::{Client, Stats, Timestamp};
use potsdb_servers::{Server, Stored, until};
use serde_json::json;

/// Enough for anything that ends at all, on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(300);

const START: u64 = 1_600_000_000;

/// Points of one metric, over series that differ in one tag.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) metric: String,
    pub(crate) series: u64,
    pub(crate) points: u64,
}

/// A size: as it is every day, or whole under `POTSDB_FULL=1`.
pub(crate) fn sized(everyday: u64, whole: u64) -> u64 {
    if is_full() { whole } else { everyday }
}

/// Whether this is a whole run.
pub(crate) fn is_full() -> bool {
    std::env::var_os("POTSDB_FULL").is_some()
}

impl Load {
    /// So many points of a metric, over ten series.
    pub(crate) fn new(metric: &str, sent: u64) -> Load {
        Load {
            metric: metric.to_owned(),
            series: 10,
            points: sent / 10,
        }
    }

    pub(crate) fn sent(&self) -> u64 {
        self.series * self.points
    }

    /// The time of the nth point of each series.
    pub(crate) fn time(&self, n: u64) -> u64 {
        START + n
    }

    /// The value of each point: its own, exact in every server, and encoded alike in HBase at whatever place.
    pub(crate) fn value(&self, series: u64, n: u64) -> f64 {
        (series * self.points + n) as f64 + 0.5
    }

    /// What a server has to have afterwards.
    pub(crate) fn expected(&self) -> Stored {
        (0..self.series)
            .map(|series| {
                let points: BTreeMap<u64, f64> = (0..self.points)
                    .map(|n| (self.time(n), self.value(series, n)))
                    .collect();
                (format!("{}{{host=h,series={series}}}", self.metric), points)
            })
            .collect()
    }

    /// Sends all of it, in order of time.
    pub(crate) fn send(&self, client: &Client) {
        let series: Vec<_> = (0..self.series)
            .map(|number| {
                let tags = [("series", number.to_string())];
                client.series(&self.metric, tags).expect("a legal series")
            })
            .collect();
        for n in 0..self.points {
            let timestamp = Timestamp::from_secs(self.time(n)).expect("a legal time");
            for (number, series) in (0..).zip(&series) {
                series
                    .send_at(self.value(number, n), timestamp)
                    .expect("it waits for room");
            }
        }
    }

    /// Posts it as many clients do: bodies of 50 points, uncompressed, one after the other on one connection.
    pub(crate) fn post_in_fifties(&self, port: u16, path: &str) {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        connection.set_nodelay(true).expect("an option of every socket");
        let mut answers = BufReader::new(connection.try_clone().expect("a descriptor"));
        for series in 0..self.series {
            for start in (0..self.points).step_by(50) {
                let points = (start..self.points.min(start + 50)).map(|n| {
                    let (metric, time, value) = (&self.metric, self.time(n), self.value(series, n));
                    json!({"metric": metric, "timestamp": time, "value": value, "tags": {"host": "h", "series": series.to_string()}})
                });
                let body = serde_json::Value::from_iter(points).to_string();
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: tsd\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                connection.write_all((head + &body).as_bytes()).expect("it reads");
                let mut answer = String::new();
                while !answer.ends_with("\r\n\r\n") {
                    assert!(answers.read_line(&mut answer).expect("it answers") > 0, "{answer}");
                }
                assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
            }
        }
    }

    /// How many points are not stored, or not with their value; and nothing else may be stored.
    pub(crate) fn missing(&self, stored: &Stored) -> u64 {
        let expected = self.expected();
        let wrong = |(name, points): (&String, &BTreeMap<u64, f64>)| {
            let wanted = expected.get(name);
            let alien = points
                .iter()
                .filter(|(time, value)| wanted.and_then(|wanted| wanted.get(time)) != Some(value));
            alien.count()
        };
        let aliens: usize = stored.iter().map(wrong).sum();
        assert_eq!(aliens, 0, "points of {} that nobody sent", self.metric);
        self.sent() - stored.values().map(|points| points.len() as u64).sum::<u64>()
    }

    /// Every point is stored, with its value, and nothing else. Servers store a moment after they took.
    pub(crate) fn is_stored(&self, server: &impl Server) {
        let mut missing = 0;
        let whole = until(LONG / 3, || {
            missing = self.missing(&server.stored(&self.metric));
            (missing == 0).then_some(())
        });
        assert!(
            whole.is_some(),
            "{missing} of {} points of {} are missing",
            self.sent(),
            self.metric
        );
        println!("{}: {} points stored, every value right", self.metric, self.sent());
    }

    /// Waits until what is stored grows no more for as long as a server may keep it to itself: how many are missing.
    pub(crate) fn missing_for_good(&self, server: &impl Server, quiet: Duration) -> u64 {
        let mut last = (self.missing(&server.stored(&self.metric)), Instant::now());
        until(LONG, || {
            let missing = self.missing(&server.stored(&self.metric));
            if missing != last.0 {
                last = (missing, Instant::now());
            }
            (missing == 0 || last.1.elapsed() >= quiet).then_some(missing)
        })
        .expect("a server stores or it does not")
    }
}

/// A client for the tests: waits for room, comes back soon, calls its host `h`.
pub(crate) fn client(url: &str, options: &[(&str, &str)]) -> Client {
    let mut builder = Client::builder(url)
        .set("host_tag", "h")
        .set("overflow", "block")
        .set("backoff", "1ms..100ms");
    for (name, value) in options {
        builder = builder.set(name, value);
    }
    builder.build().expect("the options are legal")
}

/// Closes, and checks the ledger: every point has one verdict, none was refused, dropped or repeated.
pub(crate) fn delivered(client: &Client, sent: u64) -> Stats {
    let stats = closed(client, sent);
    assert_eq!(stats.delivered(), sent, "{stats:?}");
    stats
}

/// Closes, and checks that every point has one verdict, whichever.
pub(crate) fn closed(client: &Client, sent: u64) -> Stats {
    let stats = client.close(LONG);
    assert!(stats.is_balanced(), "{stats:?}");
    assert_eq!((stats.accepted, stats.pending()), (sent, 0), "{stats:?}");
    assert_eq!((stats.repeated, stats.panics), (0, 0), "{stats:?}");
    stats
}

/// How often something happens to a server under a load.
pub(crate) const FAULTS: u64 = 5;

/// Sends a load, and calls `fault` whenever another fifth of it has its verdict, the last time when all has.
pub(crate) fn with_faults(client: &Client, load: &Load, mut fault: impl FnMut(u64)) {
    std::thread::scope(|scope| {
        scope.spawn(|| load.send(client));
        for fifth in 1..=FAULTS {
            let due = load.sent() * fifth / FAULTS;
            until(LONG, || (client.stats().delivered() >= due).then_some(())).expect("points get their verdicts");
            fault(fifth - 1);
        }
    });
    client.flush(LONG).expect("everything gets its verdict");
}

/// The figures of a proof.
pub(crate) fn told(name: &str, stats: &Stats, started: Instant) {
    println!(
        "{name}: {} acknowledged over {} connections, {} resent, {} late errors, {} unsettled, in {:.1?}",
        stats.acknowledged,
        stats.connects,
        stats.resent,
        stats.late_errors,
        stats.unsettled,
        started.elapsed()
    );
}
