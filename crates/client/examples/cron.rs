//! A job under cron: sends what it measured, and fails if the point did not arrive.
//!
//! ```text
//! cargo run -p potsdb --example cron -- tsdb://localhost:4242
//! ```

use std::time::{Duration, Instant};

use potsdb::Client;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("tsdb://localhost:4242".into());
    let client = Client::open(&url)?;

    let start = Instant::now();
    // ... the work ...
    client.send("backup.seconds", start.elapsed().as_secs_f64(), [("job", "nightly")])?;

    let stats = client.close(Duration::from_secs(5));
    if stats.delivered() < stats.accepted {
        return Err(stats.to_string().into());
    }
    Ok(())
}
