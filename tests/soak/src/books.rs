//! What a producer may claim, and what its points look like: the one format that producers and judge share.
//!
//! A point is made of its producer's name and its number, so that a book needs no lines:
//!
//! ```text
//! put soak 1600000007 0.875 producer=py0-1        number 7 of the producer py0-1
//! flushed 400 1700000000.123456                   its points 0..400 were delivered, as a flush said that ended then
//! end {"accepted": 1200, ...}                     its ledger, after its close
//! ```
//!
//! `producer.py` writes the same. Times are of the wall clock, which processes share; nothing here changes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The first timestamp of every producer; each point is a second later.
pub(crate) const START: u64 = 1_600_000_000;

/// The value of a producer's point: whole for even numbers, an eighth for odd ones, so that its text is exact.
pub(crate) enum Value {
    Whole(u64),
    Eighths(f64),
}

impl Value {
    pub(crate) fn of(number: u64) -> Value {
        match number % 2 {
            0 => Value::Whole(number * 7919 % 1_000_003),
            _ => Value::Eighths(number as f64 / 8.0),
        }
    }
}

/// The line of a producer's point, as the store should have it.
pub(crate) fn line(producer: &str, number: u64) -> String {
    let time = START + number;
    match Value::of(number) {
        Value::Whole(value) => format!("put soak {time} {value} producer={producer}"),
        Value::Eighths(value) => format!("put soak {time} {value} producer={producer}"),
    }
}

/// A producer's book, open for writing.
pub(crate) struct Book(File);

impl Book {
    pub(crate) fn open(folder: &Path, producer: &str) -> io::Result<Book> {
        let path = folder.join(format!("{producer}.book"));
        Ok(Book(OpenOptions::new().append(true).create(true).open(path)?))
    }

    /// Claims that the points below `count` were delivered: a flush that began after they were sent says so.
    pub(crate) fn flushed(&mut self, count: u64) -> io::Result<()> {
        self.write(&format!("flushed {count} {:.6}\n", now()))
    }

    pub(crate) fn end(&mut self, ledger: &serde_json::Value) -> io::Result<()> {
        self.write(&format!("end {ledger}\n"))
    }

    /// In one call, so that a kill leaves whole entries.
    fn write(&mut self, entry: &str) -> io::Result<()> {
        self.0.write_all(entry.as_bytes())
    }
}

/// Seconds of the wall clock.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}
