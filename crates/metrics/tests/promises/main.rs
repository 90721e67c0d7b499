//! The promises of the recorder, against the real receiver.

use std::time::Duration;

use metrics_exporter_opentsdb::{Builder, Recorder};
use potsdb::Client;
use potsdb_test_support::{LONG, ended, open, receiver, stored};

mod ends_well;
mod never_fails;
mod says_the_same;

/// Without a tick for a day, which would say again what did not change.
fn recorder(client: &Client) -> Recorder {
    Builder::new(client)
        .interval(Duration::from_secs(86_400))
        .build_recorder()
        .expect("the defaults are right")
}
