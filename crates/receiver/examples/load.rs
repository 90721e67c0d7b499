//! How much a receiver takes: lines a second of its own thread's processor time, and bytes of memory a point.
//!
//! ```text
//! cargo run --release -p potsdb-receiver --example load -- [points] [series]
//! ```
//!
//! Lines of 60 bytes come over one connection from a thread beside it. The processor time is the receiver's alone, as the
//! kernel counts it, so that the sender and other programs do not enter; Linux only.
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use potsdb_receiver::{Config, Receiver};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).filter_map(|text| text.parse().ok());
    let points: u64 = arguments.next().unwrap_or(1_000_000);
    let series: u64 = arguments.next().unwrap_or(1000);
    let lines: Vec<u8> = (0..points)
        .flat_map(|n| {
            let (host, second) = (n % series, 1_700_000_000 + n / series);
            format!(
                "put web.requests.latency {second} 0.{:06} host=web{host:06} dc=eu\n",
                n % 1_000_000
            )
            .into_bytes()
        })
        .collect();

    let before = resident();
    let receiver = Receiver::start(Config::default())?;
    let start = Instant::now();
    let mut connection = TcpStream::connect(receiver.address())?;
    for block in lines.chunks(64 * 1024) {
        connection.write_all(block)?;
    }
    assert!(
        receiver.wait_for(points, Duration::from_secs(600)),
        "{:?}",
        receiver.counts()
    );
    let (wall, processor) = (start.elapsed(), receiver_seconds());
    let memory = resident() - before;

    println!(
        "{points} lines of {} bytes, {series} series",
        lines.len() as u64 / points
    );
    println!(
        "wall       {:6.2} s  {:9.0} lines/s",
        wall.as_secs_f64(),
        points as f64 / wall.as_secs_f64()
    );
    println!(
        "processor  {processor:6.2} s  {:9.0} lines/s of one core",
        points as f64 / processor
    );
    println!("memory     {:6} MiB  {:9} bytes a point", memory >> 20, memory / points);
    Ok(())
}

/// This process's resident memory, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|text| text.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default();
    kib << 10
}

/// The processor time of the thread that receives, in seconds.
fn receiver_seconds() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    for task in tasks {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").trim() == "potsdb-front" {
            let nanoseconds = read("schedstat")
                .split(' ')
                .next()
                .and_then(|text| text.parse::<f64>().ok());
            return nanoseconds.unwrap_or(f64::NAN) / 1e9;
        }
    }
    f64::NAN
}
