//! A program that counts in its events, and ends cleanly.
//!
//! ```text
//! cargo run -p potsdb-tracing --example events -- tsdb://localhost:4242
//! ```

use std::time::Duration;

use potsdb_instruments::Instruments;
use potsdb_tracing::MetricsLayer;
use tracing::info;
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("tsdb://localhost:4242".into());
    let client = potsdb::Client::open(&url)?;
    let layer = MetricsLayer::new(&Instruments::new(&client)).tags(["path"]);
    tracing_subscriber::registry().with(layer).init();

    for request in 0..100_u32 {
        let (path, took) = (
            if request % 4 == 0 { "/login" } else { "/" },
            0.001 * f64::from(request),
        );
        info!(
            monotonic_counter.web.requests = 1,
            histogram.web.latency = took,
            path,
            request,
            "served"
        );
        info!(counter.web.open = if request % 3 == 0 { -1 } else { 1 });
    }

    let stats = client.close(Duration::from_secs(5));
    if stats.delivered() < stats.accepted {
        return Err(format!("{} of {} points arrived", stats.delivered(), stats.accepted).into());
    }
    Ok(())
}
