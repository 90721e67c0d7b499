//! A program that counts, forks, and counts on in both processes, through `metrics` and `tracing`.
//!
//! ```text
//! forks URL
//! ```
//!
//! OpenTelemetry is not here: its reader is a thread, which a child does not have. A child makes a provider of its own.

#![forbid(unsafe_code)]

use std::error::Error;
use std::time::Duration;

use metrics::counter;
use metrics_exporter_opentsdb::Builder;
use potsdb::Client;
use potsdb_instruments::Instruments;
use potsdb_tracing::MetricsLayer;
use tracing::info;
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("forks URL")?;
    let client = Client::open(&url)?;
    let exporter = Builder::new(&client).install()?;
    let layer = MetricsLayer::new(&Instruments::new(&client)).tags(["who"]);
    tracing_subscriber::registry().with(layer).init();

    let shared = counter!("jobs", "who" => "both");
    let count = |who: &'static str, times: u64| {
        for _ in 0..times {
            counter!("jobs", "who" => who).increment(1);
            info!(monotonic_counter.events = 1, who);
        }
    };
    count("parent", 3);
    match fork::fork()? {
        fork::Fork::Child => {
            // Made by the parent, never updated by it.
            shared.increment(2);
            count("child", 5);
        }
        fork::Fork::Parent(child) => {
            count("parent", 4);
            if fork::waitpid(child)? != 0 {
                return Err("the child failed".into());
            }
        }
    }
    let stats = exporter.shutdown(Duration::from_secs(60));
    match stats.delivered() == stats.accepted {
        true => Ok(()),
        false => Err(format!("{} of {} points arrived", stats.delivered(), stats.accepted).into()),
    }
}
