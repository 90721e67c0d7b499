//! One client for the whole program, in a static: any function may count, and `main` closes.
//!
//! ```text
//! POTSDB_URL=tsdb://localhost:4242 cargo run -p potsdb-instruments --example statics
//! ```

use std::sync::LazyLock;
use std::time::Duration;

use potsdb::Client;
use potsdb_instruments::{Counter, Instruments};

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let url = std::env::var("POTSDB_URL").unwrap_or("tsdb://localhost:4242".into());
    Client::open(&url).expect("POTSDB_URL is a URL of potsdb")
});
static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| Instruments::new(&CLIENT));
static ORDERS: LazyLock<Counter> = LazyLock::new(|| {
    let counter = INSTRUMENTS.counter("shop.orders", [("shop", "berlin")]);
    counter.expect("the name and the tag are legal")
});

fn order() {
    ORDERS.add(1);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for _ in 0..100 {
        order();
    }
    // Statics are never dropped: without this the last totals would be lost.
    let stats = CLIENT.close(Duration::from_secs(5));
    if stats.delivered() < stats.accepted {
        return Err(stats.to_string().into());
    }
    Ok(())
}
