//! The layer never feeds on what it, or the client, writes: in a process whose log records are events.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use potsdb::Client;
use potsdb_instruments::Instruments;
use potsdb_receiver::{Config, Receiver};
use potsdb_tracing::MetricsLayer;
use tracing::info;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;

/// A layer that counts itself, which is a loop if anything is.
struct Counts;

static EVENTS: AtomicUsize = AtomicUsize::new(0);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Counts {
    fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
        EVENTS.fetch_add(1, Ordering::Relaxed);
    }
}

/// A value that writes an event while it is written.
struct Loud;

impl fmt::Debug for Loud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(monotonic_counter.hits = 100, a = ?Loud);
        f.write_str("loud")
    }
}

#[test]
fn records_of_the_client_and_events_from_within_are_passed_over() {
    tracing_log::LogTracer::init().unwrap();
    let receiver = Receiver::start(Config::default()).unwrap();
    let client = Client::open(&format!("{}?host_tag=false", receiver.url())).unwrap();
    let layer = MetricsLayer::new(&Instruments::new(&client)).all_tags();
    // For the whole process: within a default of one thread, tracing itself passes events from within over.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer).with(Counts)).unwrap();

    info!(monotonic_counter.hits = 1, a = ?Loud);
    info!(target: "potsdb", { monotonic_counter.hits = 1000, a = "loud" }, "of the client");
    info!(target: "potsdb::engine", { monotonic_counter.hits = 1000, a = "loud" }, "of the client");
    // A report, which is a record of the log, which is an event.
    for _ in 0..10 {
        info!(gauge.hits = 1, a = "loud");
    }
    log::warn!("of the program");

    let stats = client.close(Duration::from_secs(60));
    assert_eq!(stats.delivered(), 2);
    let values: Vec<String> = receiver.points().into_iter().map(|point| point.value).collect();
    assert!(
        values.contains(&"1".to_owned()) && values.contains(&"0".to_owned()),
        "{values:?}"
    );
    let events = EVENTS.load(Ordering::Relaxed);
    assert!(
        (15..60).contains(&events),
        "{events}: each event once, and the records of a client's life"
    );
}
