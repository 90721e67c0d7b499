//! A daemon that counts, and delivers its last totals when SIGTERM or Ctrl-C ends it.
//!
//! ```text
//! cargo run -p potsdb-instruments --example service -- tsdb://localhost:4242
//! ```

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use potsdb::Client;
use potsdb_instruments::Instruments;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

#[expect(clippy::print_stdout, reason = "whoever started it may wait for this line")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("tsdb://localhost:4242".into());
    let client = Client::builder(&url).worker_tag("worker".into()).build()?;
    let instruments = Instruments::new(&client);
    instruments.counter("service.starts", ())?.add(1);
    let turns = instruments.counter("service.turns", ())?;

    // Waits for signals in a thread: a handler may not lock, and closing a client does.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (end, ended) = mpsc::channel();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = end.send(());
        }
    });
    println!("ready");

    while ended.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
        turns.add(1); // the work
    }
    let stats = client.close(Duration::from_secs(5));
    if stats.delivered() < stats.accepted {
        return Err(stats.to_string().into());
    }
    Ok(())
}
