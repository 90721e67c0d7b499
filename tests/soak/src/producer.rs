//! A Rust producer: four threads on one client, and a book for each, until its input says `end`.
//!
//! It sends at an even rate, flushes about every second, and claims in its books what each flush confirmed. It may be
//! killed anywhere.

use std::io::BufRead as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use potsdb::{Client, Series, Stats, Timestamp};
use serde_json::json;

use crate::books::{Book, START, Value};

const THREADS: usize = 4;
/// Points of a thread in each beat.
const POINTS: u64 = 4;
const BEAT: Duration = Duration::from_millis(20);
const BEATS_A_FLUSH: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let [folder, name, url] = arguments else {
        bail!("potsdb-soak produce FOLDER NAME URL");
    };
    let folder = Path::new(folder);
    let client = Client::builder(url).set("host_tag", "false").build()?;
    let names: Vec<String> = (0..THREADS).map(|thread| format!("{name}-{thread}")).collect();
    let mut books = names
        .iter()
        .map(|name| Book::open(folder, name))
        .collect::<Result<Vec<_>, _>>()?;
    let sent: Vec<AtomicU64> = (0..THREADS).map(|_| AtomicU64::new(0)).collect();
    let ending = AtomicBool::new(false);

    thread::scope(|scope| -> anyhow::Result<()> {
        let (main, ending) = (thread::current(), &ending);
        scope.spawn(move || {
            let mut line = String::new();
            let _ = std::io::stdin().lock().read_line(&mut line);
            ending.store(true, Ordering::Relaxed);
            main.unpark();
        });
        for (name, sent) in names.iter().zip(&sent) {
            let series = client.series("soak", [("producer", name.as_str())])?;
            scope.spawn(move || {
                while !ending.load(Ordering::Relaxed) {
                    for _ in 0..POINTS {
                        send(&series, sent.load(Ordering::Relaxed));
                        sent.fetch_add(1, Ordering::Release);
                    }
                    thread::park_timeout(BEAT);
                }
            });
        }
        while !ending.load(Ordering::Relaxed) {
            thread::park_timeout(BEAT * u32::try_from(BEATS_A_FLUSH)?);
            flush(&client, &sent, &mut books)?;
        }
        Ok(())
    })?;
    flush(&client, &sent, &mut books)?;
    let ledger = ledger(&client.close(PATIENCE));
    // One ledger for the client: in the first thread's book, with all points.
    books[0].end(&ledger)?;
    Ok(())
}

fn send(series: &Series, number: u64) {
    let at = Timestamp::from_secs(START + number).expect("a legal time");
    let sent = match Value::of(number) {
        Value::Whole(value) => series.send_at(value, at),
        Value::Eighths(value) => series.send_at(value, at),
    };
    sent.expect("the queue has no bound in points, and the client is open");
}

fn flush(client: &Client, sent: &[AtomicU64], books: &mut [Book]) -> anyhow::Result<()> {
    let counts: Vec<u64> = sent.iter().map(|sent| sent.load(Ordering::Acquire)).collect();
    if client.flush(PATIENCE).is_ok() {
        for (book, count) in books.iter_mut().zip(counts) {
            book.flushed(count).context("the book is full")?;
        }
    }
    Ok(())
}

fn ledger(stats: &Stats) -> serde_json::Value {
    json!({
        "accepted": stats.accepted,
        "acknowledged": stats.acknowledged,
        "unconfirmed": stats.unconfirmed,
        "rejected": stats.rejected,
        "dropped": stats.dropped.total(),
        "pending": stats.pending(),
        "resent": stats.resent,
        "connects": stats.connects,
        "released_early": stats.released_early,
        "torn": stats.torn,
    })
}
