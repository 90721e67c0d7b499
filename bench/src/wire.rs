//! End to end to a socket that is read, beside plain writes of 64 KiB to the same reader.
//!
//! The clock runs from the first send to the end of close, when every point is delivered; for the baseline from the
//! first write to the reader's end of stream. Figures are megabytes a second of the bytes on the wire.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use crate::figure;
use crate::reader::Reader;
use crate::sending::{at, client, close, series};

const BLOCK: usize = 64 * 1024;

pub(crate) fn run(rounds: u64, points: u64) {
    let (reads, answers) = (Reader::start(false), Reader::start(true));
    for _ in 0..rounds {
        for (measure, reader, answered, integer) in [
            (
                "Rust end to end, float, to a socket that is read (MB/s)",
                &reads,
                false,
                false,
            ),
            (
                "Rust end to end, integer, to a socket that is read (MB/s)",
                &reads,
                false,
                true,
            ),
            (
                "Rust end to end, float, acknowledged by `version` (MB/s)",
                &answers,
                true,
                false,
            ),
        ] {
            let (bytes, rate) = sending(reader, answered, integer, points);
            figure(measure, "ours", rate);
            figure(measure, "plain 64 KiB writes", writing(reader, bytes));
        }
    }
}

fn sending(reader: &Reader, answers: bool, integer: bool, points: u64) -> (u64, f64) {
    let client = client(reader, answers).build().expect("the options are legal");
    let series = series(&client, 1);
    let started = Instant::now();
    for n in 0..points {
        let sent = match integer {
            true => series.send_at(n, at(n)),
            false => series.send_at(n as f64 * 1e-6, at(n)),
        };
        sent.expect("it waits for room");
    }
    let stats = close(&client, points);
    let rate = megabytes(stats.bytes_written, started);
    if answers {
        assert_eq!(stats.acknowledged, points, "the reader answered for all of it");
    }
    (stats.bytes_written, rate)
}

fn writing(reader: &Reader, bytes: u64) -> f64 {
    let block = vec![b'x'; BLOCK];
    let mut connection = TcpStream::connect(("127.0.0.1", reader.port())).expect("the reader listens");
    let started = Instant::now();
    let mut left = bytes;
    while left > 0 {
        let now = left.min(BLOCK as u64);
        connection
            .write_all(&block[..usize::try_from(now).expect("a block fits")])
            .expect("the reader reads");
        left -= now;
    }
    connection.shutdown(Shutdown::Write).expect("it is connected");
    let _ = connection.read(&mut [0]);
    megabytes(bytes, started)
}

fn megabytes(bytes: u64, started: Instant) -> f64 {
    bytes as f64 / 1e6 / started.elapsed().as_secs_f64()
}
