//! A program that counts through the macros of `metrics`, and ends cleanly.
//!
//! ```text
//! cargo run -p metrics-exporter-opentsdb --example web -- tsdb://localhost:4242
//! ```

use std::time::Duration;

use metrics::{counter, describe_histogram, gauge, histogram};
use metrics_exporter_opentsdb::Builder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("tsdb://localhost:4242".into());
    let client = potsdb::Client::open(&url)?;
    let exporter = Builder::new(&client).install()?;
    describe_histogram!("web.latency", metrics::Unit::Seconds, "How long a page takes.");

    for request in 0..100_u32 {
        let path = if request % 4 == 0 { "/login" } else { "/" };
        counter!("web.requests", "path" => path).increment(1);
        gauge!("web.busy", "pool" => "main").set(request % 7);
        histogram!("web.latency", "path" => path).record(0.001 * f64::from(request));
    }

    let stats = exporter.shutdown(Duration::from_secs(5));
    if stats.delivered() < stats.accepted {
        return Err(format!("{} of {} points arrived", stats.delivered(), stats.accepted).into());
    }
    Ok(())
}
